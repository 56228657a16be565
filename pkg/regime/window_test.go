package regime

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shomei/pkg/civil"
)

// The golden vectors of law.md 3.7, window opening counted backwards and forwards.
func TestWindowGoldenVectors(t *testing.T) {
	for _, c := range []struct{ last, back, forward string }{
		{"2025-08-01", "2025-05-02", "2025-05-02"},
		{"2025-04-10", "2025-01-11", "2025-01-11"},
		{"2025-05-31", "2025-03-01", "2025-03-01"},
		{"2026-03-31", "2026-01-01", "2026-01-01"},
		{"2026-02-28", "2025-11-29", "2025-12-01"},
		{"2028-02-29", "2027-11-30", "2027-12-01"},
		{"2026-11-30", "2026-08-31", "2026-09-01"},
		{"2020-06-18", "2020-03-19", "2020-03-19"},
	} {
		w := Switches{}.Window(MyNumber, day(c.last))
		if w.Opens.String() != c.back || w.NoticeDue != w.Opens {
			t.Errorf("%s opens %v, want %s", c.last, w.Opens, c.back)
		}
		mustHold(t, c.last, w.Rules, "mynumber.window.three-months-back", "mynumber.notice.due")
		w = Switches{WindowForwards: true}.Window(MyNumber, day(c.last))
		if w.Opens.String() != c.forward {
			t.Errorf("%s opens forwards %v, want %s", c.last, w.Opens, c.forward)
		}
		mustHold(t, c.last, w.Rules, "mynumber.window.three-months-forward")
	}
}

// D8: 100 of 9,132 days differ, only at the ends of five months.
func TestWindowReadingsDiffer(t *testing.T) {
	days, differ := 0, 0
	for last := day("2016-01-01"); last.Year <= 2040; last = last.AddDays(1) {
		days++
		back := Switches{}.Window(MyNumber, last).Opens
		forward := Switches{WindowForwards: true}.Window(MyNumber, last).Opens
		// By the definition, searched afresh from far outside.
		naive := last.AddDays(-100)
		for !naive.AddMonthsClamped(3).After(last) {
			naive = naive.AddDays(1)
		}
		if forward != naive {
			t.Fatalf("%v: forwards %v, by definition %v", last, forward, naive)
		}
		if back == forward {
			continue
		}
		differ++
		if gap := back.DaysUntil(forward); gap < 1 || gap > 2 {
			t.Errorf("%v: %v and %v", last, back, forward)
		}
	}
	if days != 9132 || differ != 100 {
		t.Errorf("%d of %d days differ, want 100 of 9132", differ, days)
	}
}

func TestWindowStates(t *testing.T) {
	w := Switches{}.Window(MyNumber, day("2020-06-18"))
	for on, want := range map[string]WindowState{
		"2020-03-18": WindowNotYet, "2020-03-19": WindowOpen, "2020-06-18": WindowOpen, "2020-06-19": WindowExpired,
	} {
		if got := w.On(day(on)); got != want {
			t.Errorf("%s: %s, want %s", on, got, want)
		}
	}
	if got := (Switches{}).NoticeDue(MyNumber, day("2020-06-18")); got != day("2020-03-19") {
		t.Errorf("notice due %v", got)
	}
	if got := (Switches{}).NoticeDue(Juki, day("2015-12-02")); !got.IsZero() {
		t.Errorf("juki notice due %v", got)
	}
}

// Who lives overseas may renew from a year before the last day; the term is counted as for anybody (law.md 4.3).
func TestRenewalFromOverseas(t *testing.T) {
	in := ValidityIn{Regime: MyNumber, Kind: Auth, BirthDate: day("1980-06-15"), CurrentLastDay: day("2028-06-15"), Overseas: true}
	for on, want := range map[string]struct {
		accepted bool
		last     string
	}{
		"2027-06-15": {false, "2032-06-15"}, "2027-06-16": {true, "2032-06-15"}, "2028-03-15": {true, "2032-06-15"}, "2028-03-16": {true, "2033-06-15"},
	} {
		in.Issued = day(on)
		r, err := Switches{}.Renewal(in)
		if err != nil || r.Accepted() != want.accepted || r.Validity.LastDay != day(want.last) || r.Window.NoticeDue != day("2028-03-16") {
			t.Errorf("%s: %+v, %v", on, r, err)
		}
		if want.accepted {
			mustHold(t, on, r.Applied, "mynumber.window.overseas-one-year")
		}
	}
}

// A renewal that gains no day, because the card or the other certificate ends, is said; an office may refuse it. What is
// issued inside its own window has none (law.md 4.5).
func TestRenewalThatGainsNothing(t *testing.T) {
	in := ValidityIn{
		Regime: MyNumber, Kind: Auth, BirthDate: day("1980-06-15"), Issued: day("2026-04-15"),
		CurrentLastDay: day("2026-06-15"), CardLastDay: day("2026-06-15"),
	}
	r, err := Switches{}.Renewal(in)
	if err != nil || !r.Accepted() || r.Validity.Binds != "mynumber.validity.card-caps" || !r.Validity.WindowOpens.IsZero() || !r.Validity.NoticeDue.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	mustHold(t, "said", r.Applied, "mynumber.renewal.gains-nothing", "mynumber.validity.card-ends-too", "mynumber.window.none")
	r, _ = Switches{RefuseGainlessRenewal: true}.Renewal(in)
	mustHold(t, "refused", r.Refused, "mynumber.validity.nothing-left", "mynumber.renewal.gains-nothing")
	in.CardLastDay = day("2031-06-15") // both end on that day
	if r, _ = (Switches{RefuseGainlessRenewal: true}).Renewal(in); !r.Accepted() || r.Validity.Binds != "mynumber.validity.sixth-birthday" || r.Validity.WindowOpens.IsZero() {
		t.Errorf("a renewal that gains: %+v", r)
	}
	mustHold(t, "the card ends too", r.Applied, "mynumber.validity.card-ends-too")
	in.CardLastDay, in.AuthLastDay, in.Kind = day("2036-06-15"), day("2026-06-15"), Sign
	r, _ = Switches{}.Renewal(in)
	mustHold(t, "by the other certificate", r.Applied, "mynumber.renewal.gains-nothing")
	in.Issued = day("2026-06-16")
	if r, _ = (Switches{RefuseGainlessRenewal: true}).Renewal(in); slices.Contains(r.Refused, "mynumber.renewal.gains-nothing") {
		t.Errorf("after the end: %+v", r)
	}
}

func TestJukiRenewal(t *testing.T) {
	in := ValidityIn{Regime: Juki, Kind: Sign, Issued: day("2014-06-02"), CurrentLastDay: day("2015-12-02")}
	r, err := Switches{}.Renewal(in)
	if err != nil || !r.Accepted() || r.Validity.LastDay != day("2017-06-01") {
		t.Errorf("%+v, %v", r, err)
	}
	mustHold(t, "any time", r.Applied, "juki.window.none", "juki.renewal.unused-time-lost")

	municipal := Switches{JukiWindowMonths: 3}
	if r, err = municipal.Renewal(in); err != nil || r.Accepted() || !r.Alternative {
		t.Errorf("outside the municipal window: %+v, %v", r, err)
	}
	mustHold(t, "municipal", r.Refused, "juki.window.municipal")
	in.Issued = day("2015-11-30")
	if r, err = municipal.Renewal(in); err != nil || !r.Accepted() || r.Validity.LastDay != day("2018-11-29") {
		t.Errorf("inside the municipal window: %+v, %v", r, err)
	}
	in.Issued = day("2015-12-03")
	if r, err = municipal.Renewal(in); err != nil || !r.Accepted() || !r.AfterExpiry {
		t.Errorf("after expiry: %+v, %v", r, err)
	}
	mustHold(t, "after expiry", r.Applied, "juki.renewal.after-expiry")
}

func TestCardValidity(t *testing.T) {
	for _, c := range []struct {
		name string
		in   CardValidityIn
		want string
		ids  []ID
	}{
		{
			"adult",
			CardValidityIn{Applied: day("2015-12-01"), Issued: day("2016-01-05"), BirthDate: day("1980-06-18")},
			"2025-06-18",
			[]ID{"mynumber.card.tenth-birthday", "mynumber.card.adult-at-20"},
		},
		{
			"19 before the change",
			CardValidityIn{Applied: day("2022-03-31"), Issued: day("2022-04-20"), BirthDate: day("2003-01-10")},
			"2027-01-10",
			[]ID{"mynumber.card.minor-fifth-birthday", "mynumber.card.adult-at-20"},
		},
		{
			"19 after the change",
			CardValidityIn{Applied: day("2022-04-01"), Issued: day("2022-04-20"), BirthDate: day("2003-01-10")},
			"2032-01-10",
			[]ID{"mynumber.card.tenth-birthday", "mynumber.card.adult-at-18"},
		},
		{
			"17 after the change",
			CardValidityIn{Applied: day("2022-04-01"), Issued: day("2022-04-20"), BirthDate: day("2005-01-10")},
			"2027-01-10",
			[]ID{"mynumber.card.minor-fifth-birthday"},
		},
		{
			"adult renewed in time",
			CardValidityIn{
				Applied: day("2025-04-01"), Issued: day("2025-04-20"), BirthDate: day("1980-06-18"), CurrentLastDay: day("2025-06-18"),
			},
			"2035-06-18",
			[]ID{"mynumber.card.eleventh-birthday"},
		},
		{
			"adult renewed too early",
			CardValidityIn{
				Applied: day("2025-03-18"), Issued: day("2025-03-18"), BirthDate: day("1980-06-18"), CurrentLastDay: day("2025-06-18"),
			},
			"2034-06-18",
			[]ID{"mynumber.card.tenth-birthday"},
		},
		{
			"minor renewed in time",
			CardValidityIn{
				Applied: day("2025-04-01"), Issued: day("2025-04-20"), BirthDate: day("2012-06-18"), CurrentLastDay: day("2025-06-18"),
			},
			"2030-06-18",
			[]ID{"mynumber.card.minor-sixth-birthday"},
		},
		{
			"stay",
			CardValidityIn{
				Applied: day("2020-01-06"), Issued: day("2020-01-20"), BirthDate: day("1980-06-18"), StayUntil: day("2021-03-31"),
			},
			"2021-03-31",
			[]ID{"mynumber.card.stay-caps", "mynumber.card.tenth-birthday"},
		},
		{
			"stay extended",
			CardValidityIn{
				Applied: day("2021-03-15"), Issued: day("2020-01-20"), BirthDate: day("1980-06-18"),
				StayUntil: day("2024-03-31"), CurrentLastDay: day("2021-03-31"), Extension: true,
			},
			"2024-03-31",
			[]ID{"mynumber.card.stay-extended", "mynumber.card.stay-caps"},
		},
		{
			"stay past the term",
			CardValidityIn{
				Applied: day("2021-03-15"), Issued: day("2020-01-20"), BirthDate: day("1980-06-18"),
				StayUntil: day("2040-03-31"), CurrentLastDay: day("2021-03-31"), Extension: true,
			},
			"2029-06-18",
			[]ID{"mynumber.card.tenth-birthday"},
		},
		{
			"leap",
			CardValidityIn{Applied: day("2016-02-29"), Issued: day("2016-02-29"), BirthDate: day("1980-02-29")},
			"2026-02-28",
			[]ID{"mynumber.validity.leap-birthday-february"},
		},
	} {
		v, err := Switches{}.CardValidity(c.in)
		if err != nil || v.LastDay.String() != c.want || !v.Accepted() {
			t.Errorf("%s: %+v, %v; want %s", c.name, v, err, c.want)
		}
		mustHold(t, c.name, v.Applied, c.ids...)
	}
	late := CardValidityIn{
		Applied: day("2021-04-01"), Issued: day("2020-01-20"), BirthDate: day("1980-06-18"), StayUntil: day("2024-03-31"),
		CurrentLastDay: day("2021-03-31"), Extension: true,
	}
	v, err := Switches{}.CardValidity(late)
	if err != nil || cmp.Diff([]ID{"mynumber.card.extension-too-late"}, v.Refused) != "" {
		t.Errorf("extension of an expired card: %+v, %v", v.Ruling, err)
	}
}

func TestCardValidityErrors(t *testing.T) {
	good := CardValidityIn{Applied: day("2021-04-01"), Issued: day("2021-04-01"), BirthDate: day("1980-06-18")}
	for field, spoil := range map[string]func(*CardValidityIn){
		"applied":          func(in *CardValidityIn) { in.Applied = civil.Date{} },
		"issued":           func(in *CardValidityIn) { in.Issued = civil.Date{} },
		"birth_date":       func(in *CardValidityIn) { in.BirthDate = day("2021-04-02") },
		"current_last_day": func(in *CardValidityIn) { in.Extension = true },
	} {
		in := good
		spoil(&in)
		_, err := Switches{}.CardValidity(in)
		if bad, ok := err.(*FieldError); !ok || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
