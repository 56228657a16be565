package regime

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/pkg/civil"
)

// day reads a date; "" is absent.
func day(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// mustHold fails unless every wanted id is among the rules.
func mustHold(t interface {
	Helper()
	Errorf(string, ...any)
}, what string, rules []ID, want ...ID,
) {
	t.Helper()
	for _, id := range want {
		if !slices.Contains(rules, id) {
			t.Errorf("%s: rule %s is missing in %v", what, id, rules)
		}
	}
}

// The golden vectors of law.md 3.7, juki certificate.
func TestJukiGoldenVectors(t *testing.T) {
	for issued, want := range map[string]string{
		"2004-01-29": "2007-01-28", "2004-02-28": "2007-02-27", "2004-02-29": "2007-02-28", "2004-03-01": "2007-02-28",
		"2009-03-01": "2012-02-29", "2012-12-31": "2015-12-30", "2013-02-28": "2016-02-27", "2015-12-22": "2018-12-21",
		"2012-12-03": "2015-12-02", "2015-11-30": "2018-11-29",
	} {
		v, err := Switches{}.Validity(ValidityIn{Regime: Juki, Kind: Sign, Issued: day(issued), CardLastDay: day("2014-01-01")})
		if err != nil || v.LastDay.String() != want || v.Binds != "juki.validity.three-years" || !v.WindowOpens.IsZero() {
			t.Errorf("issued %s: %+v, %v; want %s", issued, v, err, want)
		}
		mustHold(t, issued, v.Applied, "juki.validity.three-years", "juki.validity.card-term-apart", "validity.last-day-included")
	}
}

// The golden vectors of law.md 3.7, first issue, and days from the stories.
func TestFirstIssueGoldenVectors(t *testing.T) {
	for _, c := range []struct{ issued, birthday, want string }{
		{"2016-01-09", "1980-01-10", "2020-01-10"},
		{"2016-01-10", "1980-01-10", "2021-01-10"},
		{"2016-01-11", "1980-01-10", "2021-01-10"},
		{"2020-10-20", "1980-01-01", "2025-01-01"},
		{"2016-02-28", "1980-02-29", "2020-02-29"},
		{"2016-02-29", "1980-02-29", "2021-02-28"},
		{"2017-02-27", "1980-02-29", "2021-02-28"},
		{"2017-02-28", "1980-02-29", "2022-02-28"},
		{"2016-01-05", "1980-06-18", "2020-06-18"},
	} {
		for _, kind := range []Kind{Sign, Auth} {
			v, err := Switches{}.Validity(ValidityIn{Regime: MyNumber, Kind: kind, Issued: day(c.issued), BirthDate: day(c.birthday)})
			if err != nil || v.LastDay.String() != c.want || v.Binds != "mynumber.validity.fifth-birthday" {
				t.Errorf("%s, issued %s, born %s: %v, %v; want %s", kind, c.issued, c.birthday, v.LastDay, err, c.want)
			}
			if v.NotAfter != v.LastDay.EndInstant() || v.WindowOpens.IsZero() {
				t.Errorf("%s, issued %s: %+v", kind, c.issued, v)
			}
		}
	}
	v, _ := Switches{}.Validity(ValidityIn{Regime: MyNumber, Kind: Sign, Issued: day("2017-02-28"), BirthDate: day("1980-02-29")})
	mustHold(t, "leap", v.Applied, "mynumber.validity.leap-birthday-february", "mynumber.validity.issued-on-birthday")
	if got := v.NotAfter.Format(time.RFC3339); got != "2022-02-28T14:59:59Z" || v.WindowOpens != day("2021-11-29") {
		t.Errorf("not after %s, window %v", got, v.WindowOpens)
	}
}

// The golden vectors of law.md 3.7, renewal of a certificate ending 2026-06-15.
func TestRenewalGoldenVectors(t *testing.T) {
	for _, c := range []struct {
		filed, want string
		binds, rule ID
		accepted    bool
		alternative bool
		afterExpiry bool
	}{
		{"2026-03-15", "2030-06-15", "mynumber.validity.fifth-birthday", "mynumber.renewal.before-window", false, true, false},
		{"2026-03-16", "2031-06-15", "mynumber.validity.sixth-birthday", "mynumber.renewal.in-window", true, false, false},
		{"2026-06-14", "2031-06-15", "mynumber.validity.sixth-birthday", "mynumber.renewal.in-window", true, false, false},
		{"2026-06-15", "2032-06-15", "mynumber.validity.sixth-birthday", "mynumber.renewal.in-window", true, false, false},
		{"2026-06-16", "2031-06-15", "mynumber.validity.fifth-birthday", "mynumber.renewal.after-expiry", true, false, true},
	} {
		r, err := Switches{}.Renewal(ValidityIn{
			Regime: MyNumber, Kind: Auth, Issued: day(c.filed),
			BirthDate: day("1980-06-15"), CurrentLastDay: day("2026-06-15"),
		})
		if err != nil || r.Validity.LastDay.String() != c.want || r.Validity.Binds != c.binds || r.Accepted() != c.accepted ||
			r.Alternative != c.alternative || r.AfterExpiry != c.afterExpiry {
			t.Errorf("filed %s: %+v, %v", c.filed, r, err)
		}
		mustHold(t, c.filed, r.Rules(), c.rule)
	}
}

func TestSwitchesOfValidity(t *testing.T) {
	in := ValidityIn{
		Regime: MyNumber, Kind: Auth, Issued: day("2026-06-15"), BirthDate: day("1980-06-15"), CurrentLastDay: day("2026-06-15"),
	}
	v, err := Switches{BirthdayOfIssueCounts: true}.Validity(in)
	if err != nil || v.LastDay != day("2031-06-15") {
		t.Errorf("birthday of issue counted: %v, %v", v.LastDay, err)
	}
	mustHold(t, "birthday of issue", v.Applied, "mynumber.validity.issued-on-birthday-counts")

	in = ValidityIn{Regime: MyNumber, Kind: Auth, Issued: day("2017-02-28"), BirthDate: day("1980-02-29")}
	v, err = Switches{LeapBirthdayOnMarch1: true}.Validity(in)
	if err != nil || v.LastDay != day("2021-03-01") {
		t.Errorf("leap birthday in March: %v, %v", v.LastDay, err)
	}
	mustHold(t, "leap", v.Applied, "mynumber.validity.leap-birthday-march")

	in = ValidityIn{Regime: Juki, Kind: Sign, Issued: day("2012-12-03"), CardLastDay: day("2014-01-31")}
	v, err = Switches{JukiCardCaps: true}.Validity(in)
	if err != nil || v.LastDay != day("2014-01-31") || v.Binds != "juki.validity.card-term-caps" || len(v.Candidates) != 2 {
		t.Errorf("juki card caps: %+v, %v", v, err)
	}

	plan := Switches{PlanBirthdayMonth: true, PlanFrom: day("2028-04-01")}
	in = ValidityIn{Regime: MyNumber, Kind: Auth, Issued: day("2028-04-01"), BirthDate: day("1980-06-15")}
	v, err = plan.Validity(in)
	if err != nil || v.LastDay != day("2037-07-15") || v.Binds != "mynumber.validity.plan-tenth-birthday" {
		t.Errorf("plan: %+v, %v", v, err)
	}
	in.Issued = day("2028-03-31")
	if v, err = plan.Validity(in); err != nil || v.LastDay != day("2032-06-15") {
		t.Errorf("before the plan: %v, %v", v.LastDay, err)
	}
}

// Caps: the earliest candidate binds, every candidate is shown.
func TestCaps(t *testing.T) {
	in := ValidityIn{
		Regime: MyNumber, Kind: Sign, Issued: day("2023-09-10"), BirthDate: day("1980-06-15"),
		AuthLastDay: day("2025-06-15"), CardLastDay: day("2030-06-15"),
	}
	v, err := Switches{}.Validity(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []Candidate{
		{"mynumber.validity.fifth-birthday", day("2028-06-15")},
		{"mynumber.validity.auth-caps-sign", day("2025-06-15")},
		{"mynumber.validity.card-caps", day("2030-06-15")},
	}
	if diff := cmp.Diff(want, v.Candidates); diff != "" || v.LastDay != day("2025-06-15") || v.Binds != "mynumber.validity.auth-caps-sign" {
		t.Errorf("%v binds by %s\n%s", v.LastDay, v.Binds, diff)
	}
	in.Kind = Auth // the authentication certificate is not capped by itself
	if v, _ = (Switches{}).Validity(in); v.LastDay != day("2028-06-15") || len(v.Candidates) != 2 {
		t.Errorf("auth: %+v", v)
	}
	in.Kind, in.CardLastDay = Sign, day("2024-01-31")
	if v, _ = (Switches{}).Validity(in); v.LastDay != day("2024-01-31") || v.Binds != "mynumber.validity.card-caps" {
		t.Errorf("card: %+v", v)
	}
	in.CardLastDay = day("2023-09-09")
	if v, _ = (Switches{}).Validity(in); v.Accepted() || v.Refused[0] != "mynumber.validity.nothing-left" {
		t.Errorf("a card that ended yesterday: %+v", v.Ruling)
	}
	in.CardLastDay = in.Issued
	if v, _ = (Switches{}).Validity(in); !v.Accepted() {
		t.Errorf("a card that ends today: %+v", v.Ruling)
	}
}

func TestValidityErrors(t *testing.T) {
	good := ValidityIn{Regime: MyNumber, Kind: Sign, Issued: day("2020-01-06"), BirthDate: day("1980-06-15")}
	for field, spoil := range map[string]func(*ValidityIn){
		"regime":     func(in *ValidityIn) { in.Regime = "passport" },
		"kind":       func(in *ValidityIn) { in.Kind = "both" },
		"issued":     func(in *ValidityIn) { in.Issued = civil.Date{} },
		"birth_date": func(in *ValidityIn) { in.BirthDate = civil.Date{} },
	} {
		in := good
		spoil(&in)
		_, err := Switches{}.Validity(in)
		var bad *FieldError
		if !errors.As(err, &bad) || bad.Field != field || bad.JA == "" || bad.EN == "" || bad.Error() == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, in := range []ValidityIn{
		{Regime: Juki, Kind: Auth, Issued: day("2012-12-03")},
		{Regime: Juki, Kind: Sign, Issued: day("2004-01-28")},
		{Regime: Juki, Kind: Sign, Issued: day("2015-12-23")},
		{Regime: MyNumber, Kind: Sign, Issued: day("2015-12-31"), BirthDate: day("1980-06-15")},
		{Regime: MyNumber, Kind: Sign, Issued: day("2020-01-06"), BirthDate: day("2020-01-07")},
	} {
		var bad *FieldError
		if _, err := (Switches{}).Validity(in); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if _, err := (Switches{}).Renewal(good); err == nil {
		t.Error("renewal of nothing was judged")
	}
}

// anyDay draws a day of the My Number regime.
func anyDay(t *rapid.T, name string) civil.Date {
	return MyNumberFirstDay.AddDays(rapid.IntRange(0, 365*30).Draw(t, name))
}

// countBirthdays walks day by day and stops at the nth birthday after issue.
func countBirthdays(birth, issued civil.Date, n int) civil.Date {
	d := issued
	for n > 0 {
		d = d.AddDays(1)
		leap := birth.Month == time.February && birth.Day == 29 && !civil.IsLeap(d.Year)
		if d.Month == birth.Month && d.Day == birth.Day || leap && d.Month == time.February && d.Day == 28 {
			n--
		}
	}
	return d
}

// naiveWindow walks back from the last day: the window opens on the day after
// the last one whose month number is three less and whose day is not later.
func naiveWindow(last civil.Date) civil.Date {
	month := (int(last.Month)+8)%12 + 1
	d := last
	for int(d.Month) != month || d.Day > last.Day {
		d = d.AddDays(-1)
	}
	return d.AddDays(1)
}

func TestValidityAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		birth := civil.New(1930, time.January, 1).AddDays(rapid.IntRange(0, 365*80).Draw(t, "birth"))
		if rapid.Bool().Draw(t, "leap") {
			birth = civil.New(1940+4*rapid.IntRange(0, 15).Draw(t, "leap year"), time.February, 29)
		}
		in := ValidityIn{Regime: MyNumber, Kind: Auth, Issued: anyDay(t, "issued"), BirthDate: birth}
		n := 5
		if rapid.Bool().Draw(t, "renewal") {
			in.CurrentLastDay = in.Issued.AddDays(rapid.IntRange(-10, 120).Draw(t, "days left"))
			if !in.CurrentLastDay.Before(in.Issued) && !in.Issued.Before(naiveWindow(in.CurrentLastDay)) {
				n = 6
			}
		}
		want := countBirthdays(birth, in.Issued, n)
		v, err := Switches{}.Validity(in)
		if err != nil || v.LastDay != want {
			t.Fatalf("%+v: %v, %v; counting gives %v", in, v.LastDay, err, want)
		}
		if v.WindowOpens != naiveWindow(want) {
			t.Fatalf("last day %v: window %v, walking gives %v", want, v.WindowOpens, naiveWindow(want))
		}
	})
}

// Juki: the term holds three years and not a day more, counted with time.Time.
func TestJukiAgainstTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		issued := JukiFirstDay.AddDays(rapid.IntRange(0, JukiFirstDay.DaysUntil(JukiLastDay)).Draw(t, "day"))
		v, err := Switches{}.Validity(ValidityIn{Regime: Juki, Kind: Sign, Issued: issued})
		if err != nil {
			t.Fatal(err)
		}
		// From 29 February AddDate runs on to 1 March, and the day before it is the end of February.
		three := issued.StartInstant().In(civil.Tokyo).AddDate(3, 0, 0)
		if want := civil.Of(three).AddDays(-1); v.LastDay != want {
			t.Fatalf("issued %v: %v, want %v", issued, v.LastDay, want)
		}
		if v.LastDay.After(JukiRunOffDay) {
			t.Fatalf("issued %v: ends after the run-off", issued)
		}
	})
}

// The binding candidate is the earliest, and caps never lengthen.
func TestCapsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := ValidityIn{Regime: MyNumber, Kind: Sign, Issued: anyDay(t, "issued"), BirthDate: day("1975-04-01")}
		free, _ := Switches{}.Validity(in)
		in.AuthLastDay = in.Issued.AddDays(rapid.IntRange(-5, 3000).Draw(t, "auth"))
		in.CardLastDay = in.Issued.AddDays(rapid.IntRange(-5, 4000).Draw(t, "card"))
		v, err := Switches{}.Validity(in)
		if err != nil || len(v.Candidates) != 3 || v.LastDay.After(free.LastDay) {
			t.Fatalf("%+v, %v", v, err)
		}
		for _, c := range v.Candidates {
			if c.Day.Before(v.LastDay) || c.Rule == v.Binds && c.Day != v.LastDay {
				t.Fatalf("%v does not bind: %+v", v.LastDay, v.Candidates)
			}
		}
		if v.Accepted() == v.LastDay.Before(in.Issued) {
			t.Fatalf("last day %v of issue %v: %+v", v.LastDay, in.Issued, v.Ruling)
		}
	})
}

// Adult age and the 15 years are judged on the day of the application; for the 15 years pages differ (law.md 2.6).
func TestAgeOnTheDayOfApplication(t *testing.T) {
	for _, c := range []struct{ applied, issued, last string }{
		{"2022-03-25", "2022-04-20", "2026-09-09"}, // 19, and adult is 20
		{"2022-04-01", "2022-04-20", "2031-09-09"},
		{"2022-09-08", "2022-09-20", "2032-09-09"},
	} {
		v, err := Switches{}.CardValidity(CardValidityIn{Applied: day(c.applied), Issued: day(c.issued), BirthDate: day("2002-09-09")})
		if err != nil || v.LastDay != day(c.last) {
			t.Errorf("%+v: %v, %v", c, v.LastDay, err)
		}
	}
	for applied, last := range map[string]string{"2023-05-08": "2028-05-10", "2023-05-10": "2033-05-10"} { // 18 on 2023-05-10
		v, err := Switches{}.CardValidity(CardValidityIn{Applied: day(applied), Issued: day("2023-05-20"), BirthDate: day("2005-05-10")})
		if err != nil || v.LastDay != day(last) {
			t.Errorf("applied for on %s: %v, %v", applied, v.LastDay, err)
		}
	}
	in := EligibilityIn{
		Regime: MyNumber, Kind: Sign, On: day("2024-06-20"), Applied: day("2024-06-01"), ByRepresentative: true,
		Office: Office{Municipality: "12237"},
		Person: Person{BirthDate: day("2009-06-10"), Registered: true, Municipality: "12237"},
	}
	mustHold(t, "14 when it was applied for", Switches{}.Eligible(in).Refused, "mynumber.eligibility.under-15-signature")
	if ruling := (Switches{FifteenAtIssue: true}).Eligible(in); !ruling.Accepted() {
		t.Errorf("15 at the issue: %v", ruling.Refused)
	}
	v, err := Switches{}.CardValidity(CardValidityIn{
		Applied: day("2024-06-01"), Issued: day("2022-04-20"), CardApplied: day("2022-03-25"), BirthDate: day("2002-09-09"),
		CurrentLastDay: day("2024-08-01"), Extension: true,
	})
	if err != nil || v.LastDay != day("2026-09-09") {
		t.Errorf("extended: %v, %v", v.LastDay, err)
	}
}

// While the renewal of the stay is pending the card is extended by two months, once, and before it ends (law.md 3.4).
func TestCardWhileTheStayIsPending(t *testing.T) {
	in := CardValidityIn{
		Applied: day("2020-03-10"), Issued: day("2018-05-01"), BirthDate: day("1985-09-09"), StayUntil: day("2020-12-31"),
		CurrentLastDay: day("2020-12-31"), Extension: true, StayPending: true,
	}
	v, err := Switches{}.CardValidity(in)
	if err != nil || !v.Accepted() || v.LastDay != day("2021-02-28") || v.Binds != "mynumber.card.stay-pending" {
		t.Errorf("pending: %+v, %v", v, err)
	}
	in.PendingUsed = true
	v, _ = Switches{}.CardValidity(in)
	mustHold(t, "twice", v.Refused, "mynumber.card.stay-pending-once")
	in.PendingUsed, in.Applied = false, day("2021-01-04")
	v, _ = Switches{}.CardValidity(in)
	mustHold(t, "too late", v.Refused, "mynumber.card.extension-too-late")
	in.StayPending, in.PendingUsed, in.StayUntil, in.CurrentLastDay, in.Applied = false, true, day("2023-12-31"), day("2021-02-28"), day("2021-02-20")
	if v, _ = (Switches{}).CardValidity(in); !v.Accepted() || v.LastDay != day("2023-12-31") {
		t.Errorf("then to the new term: %+v", v)
	}
	person := EligibilityIn{
		Regime: MyNumber, Kind: Auth, On: day("2021-02-28"), Office: Office{Municipality: "12237"},
		Person: Person{
			BirthDate: day("1985-09-09"), Registered: true, Municipality: "12237", Foreign: true,
			StayUntil: day("2020-12-31"), StayPending: true,
		},
	}
	if ruling := (Switches{}).Eligible(person); !ruling.Accepted() {
		t.Errorf("within the two months: %v", ruling.Refused)
	}
	person.On = day("2021-03-01")
	mustHold(t, "after them", Switches{}.Eligible(person).Refused, "mynumber.eligibility.stay-over")
}
