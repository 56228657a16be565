package regime

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/pkg/civil"
)

// tokyo reads "2006-01-02 15:04:05" as Japan time.
func tokyo(s string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, s, civil.Tokyo)
	if err != nil {
		panic(err)
	}
	return at
}

func TestGoverns(t *testing.T) {
	for _, c := range []struct {
		op      Operation
		on      string
		regime  Regime
		applied []ID
		refused []ID
	}{
		{OpNew, "2004-01-28", "", nil, []ID{"juki.regime.not-begun"}},
		{OpNew, "2004-01-29", Juki, []ID{"juki.regime.begun"}, nil},
		{OpRenew, "2015-12-22", Juki, []ID{"juki.regime.begun"}, nil},
		{OpNew, "2015-12-24", "", nil, []ID{"juki.regime.issue-ended", "juki.regime.gap"}},
		{OpRevoke, "2015-12-24", Juki, []ID{"juki.regime.run-off"}, nil},
		{OpNew, "2016-01-01", MyNumber, []ID{"mynumber.regime.begun"}, nil},
		{OpRevoke, "2016-01-04", MyNumber, []ID{"mynumber.regime.begun"}, nil},
		{OpResidentRecord, "2003-01-06", Juki, nil, nil},
	} {
		r, ruling := Governs(c.op, day(c.on))
		if r != c.regime || !slices.Equal(ruling.Applied, c.applied) || !slices.Equal(ruling.Refused, c.refused) {
			t.Errorf("%s on %s: %q %+v", c.op, c.on, r, ruling)
		}
	}
}

func TestRunOff(t *testing.T) {
	for _, c := range []struct {
		r    Regime
		op   Operation
		on   string
		rule ID
		ok   bool
	}{
		{Juki, OpRevoke, "2018-12-21", "juki.regime.run-off", true},
		{Juki, OpUnblock, "2018-12-21", "juki.regime.run-off", true},
		{Juki, OpRevoke, "2018-12-22", "juki.regime.run-off-ended", false},
		{Juki, OpSuspend, "2012-12-03", "juki.ends.phone-loss-report", false},
		{Juki, OpSuspend, "2004-01-28", "juki.regime.not-begun", false},
		{Juki, OpRenew, "2017-02-01", "juki.regime.issue-ended", false},
		{MyNumber, OpNew, "2015-12-31", "mynumber.regime.not-begun", false},
		{MyNumber, OpNew, "2016-01-01", "mynumber.regime.begun", true},
	} {
		got := Allows(c.r, c.op, day(c.on))
		if got.Accepted() != c.ok || got.Rules()[0] != c.rule {
			t.Errorf("%s %s on %s: %+v", c.r, c.op, c.on, got)
		}
	}
}

// Every rule of the dates holds on the day on which it is applied.
func TestAppliedRulesHoldOnTheDay(t *testing.T) {
	for on := day("2003-12-01"); on.Year < 2020; on = on.AddDays(1) {
		for _, r := range []Regime{Juki, MyNumber} {
			for _, op := range operations {
				for _, id := range Allows(r, op, on).Rules() {
					if rule, ok := Lookup(id); !ok || !on.Within(rule.From, rule.Until) {
						t.Fatalf("%s %s on %v: %s does not hold", r, op, on, id)
					}
				}
			}
		}
	}
}

func TestReceives(t *testing.T) {
	main := Office{Municipality: "122131"}
	branch := Office{Municipality: "122131", Branch: true}
	early := Office{LastAcceptance: tokyo("2015-12-18 16:30:00")}
	late := Office{LastAcceptance: tokyo("2016-01-29 17:00:00")}
	for _, c := range []struct {
		name   string
		office Office
		regime Regime
		op     Operation
		at     string
		rule   ID // the first that refuses, or the last applied
		next   string
	}{
		{"too early in history", main, Juki, OpNew, "2004-01-28 10:00:00", "juki.regime.not-begun", "2004-01-29 09:00:00"},
		{"Friday 17:01", main, Juki, OpNew, "2012-11-30 17:01:00", "office.closed.after-hours", "2012-12-03 09:00:00"},
		{"Friday 16:59:59", main, Juki, OpNew, "2012-11-30 16:59:59", "office.open.hours", ""},
		{"Saturday", main, Juki, OpNew, "2012-12-01 10:00:00", "office.closed.saturday", "2012-12-03 09:00:00"},
		{"Monday", main, Juki, OpNew, "2012-12-03 10:00:00", "office.open.hours", ""},
		{"issuance ended", main, Juki, OpNew, "2015-12-24 10:00:00", "juki.regime.issue-ended", ""},
		{"last minute, and no next day", main, Juki, OpNew, "2015-12-22 17:00:00", "office.closed.after-hours", ""},
		{"run-off after hours", main, Juki, OpRevoke, "2015-12-22 17:00:00", "office.closed.after-hours", "2015-12-24 09:00:00"},
		{"branch before April 2012", branch, Juki, OpNew, "2012-03-30 10:00:00", "office.open.hours", ""},
		{"branch, and no next day there", branch, Juki, OpNew, "2012-03-31 10:00:00", "office.closed.saturday", ""},
		{"branch from April 2012", branch, Juki, OpNew, "2012-04-02 10:00:00", "juki.office.branch-ceased", ""},
		{"branch revocation from April 2012", branch, Juki, OpRevoke, "2012-04-02 10:00:00", "juki.office.branch-ceased", ""},
		{"branch takes notifications", branch, Juki, OpResidentRecord, "2012-04-02 10:00:00", "office.open.hours", ""},
		{"branch, new regime", branch, MyNumber, OpNew, "2016-01-12 10:00:00", "office.open.hours", ""},
		{"own last acceptance", early, Juki, OpNew, "2015-12-18 16:30:00", "juki.office.last-acceptance", ""},
		{"before own last acceptance", early, Juki, OpNew, "2015-12-18 16:29:59", "office.open.hours", ""},
		{"revocation after own last acceptance", early, Juki, OpRevoke, "2015-12-21 10:00:00", "office.open.hours", ""},
		{"last acceptance is capped nationally", late, Juki, OpNew, "2015-12-24 10:00:00", "juki.regime.issue-ended", ""},
		{"gap", main, MyNumber, OpNew, "2015-12-28 10:00:00", "mynumber.regime.not-begun", "2016-01-04 09:00:00"},
		{"lost on a Sunday night", main, MyNumber, OpSuspend, "2021-08-08 03:00:00", "mynumber.suspend.day-and-night", ""},
		{"lost, and no suspension", main, Juki, OpSuspend, "2012-12-03 10:00:00", "juki.ends.phone-loss-report", ""},
		{"New Year", main, MyNumber, OpNew, "2016-01-01 10:00:00", "office.closed.year-end", "2016-01-04 09:00:00"},
	} {
		got := c.office.Receives(c.regime, c.op, tokyo(c.at))
		first := got.Applied
		if !got.Accepted() {
			first = got.Refused[:1]
		}
		if first[len(first)-1] != c.rule {
			t.Errorf("%s: %+v, want %s", c.name, got, c.rule)
		}
		if c.next == "" && !got.Next.IsZero() || c.next != "" && !got.Next.Equal(tokyo(c.next)) {
			t.Errorf("%s: next %v, want %s", c.name, got.Next.In(civil.Tokyo), c.next)
		}
	}
}

func TestEligible(t *testing.T) {
	here := Office{Municipality: "122131"}
	adult := Person{BirthDate: day("1980-06-18"), Registered: true, Municipality: "122131"}
	with := func(change func(*Person)) Person {
		p := adult
		change(&p)
		return p
	}
	child := with(func(p *Person) { p.BirthDate = day("2006-02-01") })
	ward := with(func(p *Person) { p.AdultWard = true })
	foreign := with(func(p *Person) { p.Foreign, p.Alias = true, true })
	leaver := with(func(p *Person) { p.Overseas = day("2023-04-01") })
	for _, c := range []struct {
		name    string
		in      EligibilityIn
		refused []ID
		applied ID
	}{
		{"juki resident", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: adult}, nil, "juki.eligibility.resident"},
		{"juki not registered", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: with(func(p *Person) { p.Registered = false })}, []ID{"juki.eligibility.not-registered"}, ""},
		{"juki elsewhere", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: with(func(p *Person) { p.Municipality = "122378" })}, []ID{"juki.eligibility.other-municipality"}, ""},
		{"juki five-digit code", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: with(func(p *Person) { p.Municipality = "12213" })}, nil, "juki.eligibility.resident"},
		{"juki no municipality", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: with(func(p *Person) { p.Municipality = "" })}, []ID{"juki.eligibility.other-municipality"}, ""},
		{"juki child", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: child}, []ID{"juki.eligibility.under-15"}, ""},
		{"juki ward", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: ward}, []ID{"juki.eligibility.adult-ward"}, ""},
		{"juki granted", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: child, Clerk: "a", GrantedBy: "b"}, nil, "juki.eligibility.special-circumstances"},
		{"juki granted by the clerk", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2012-12-03"), Person: ward, Clerk: "a", GrantedBy: "a"}, []ID{"eligibility.second-officer"}, ""},
		{"juki authentication", EligibilityIn{Regime: Juki, Kind: Auth, On: day("2012-12-03"), Person: adult}, []ID{"juki.kind.signature-only"}, ""},
		{"juki foreign too early", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2013-07-07"), Person: foreign}, []ID{"juki.eligibility.foreign-not-yet"}, ""},
		{"juki foreign", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2013-07-08"), Person: foreign}, nil, "juki.eligibility.foreign-resident"},
		{"juki overseas", EligibilityIn{Regime: Juki, Kind: Sign, On: day("2013-07-08"), Person: with(func(p *Person) { p.Overseas = day("2013-01-01") })}, []ID{"juki.eligibility.not-registered"}, ""},
		{"resident", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: adult}, nil, "mynumber.eligibility.resident"},
		{"not registered", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06")}, []ID{"mynumber.eligibility.not-registered"}, ""},
		{"elsewhere", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: with(func(p *Person) { p.Municipality = "011002" })}, []ID{"mynumber.eligibility.other-municipality"}, ""},
		{"14, signature", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2021-01-31"), Person: child, ByRepresentative: true}, []ID{"mynumber.eligibility.under-15-signature"}, ""},
		{"15 on the birthday", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2021-02-01"), Person: child}, nil, "mynumber.eligibility.resident"},
		{"14, authentication alone", EligibilityIn{Regime: MyNumber, Kind: Auth, On: day("2020-01-06"), Person: child}, []ID{"mynumber.eligibility.representative-needed"}, ""},
		{"14, authentication", EligibilityIn{Regime: MyNumber, Kind: Auth, On: day("2020-01-06"), Person: child, ByRepresentative: true}, nil, "mynumber.eligibility.by-representative"},
		{"ward, signature", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: ward}, []ID{"mynumber.eligibility.adult-ward-signature"}, ""},
		{"granted", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: child, Clerk: "a", GrantedBy: "b"}, nil, "mynumber.eligibility.special-circumstances"},
		{"foreign", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: foreign}, nil, "mynumber.eligibility.foreign-resident"},
		{"stay over", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-06"), Person: with(func(p *Person) { p.Foreign, p.StayUntil = true, day("2020-01-05") })}, []ID{"mynumber.eligibility.stay-over"}, ""},
		{"last day of stay", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2020-01-05"), Person: with(func(p *Person) { p.Foreign, p.StayUntil = true, day("2020-01-05") })}, nil, "mynumber.eligibility.foreign-resident"},
		{"overseas too early", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2024-05-26"), Person: leaver}, []ID{"mynumber.eligibility.overseas-not-yet"}, ""},
		{"overseas", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2024-05-27"), Person: leaver}, nil, "mynumber.eligibility.overseas"},
		{"before the move overseas", EligibilityIn{Regime: MyNumber, Kind: Sign, On: day("2023-03-31"), Person: leaver}, nil, "mynumber.eligibility.resident"},
	} {
		c.in.Office = here
		got := Switches{}.Eligible(c.in)
		if diff := cmp.Diff(c.refused, got.Refused); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if c.applied != "" {
			mustHold(t, c.name, got.Applied, c.applied)
		}
	}
	strict := Switches{NoSpecialCircumstances: true}
	got := strict.Eligible(EligibilityIn{
		Regime: Juki, Kind: Sign, On: day("2012-12-03"), Office: here, Person: child, Clerk: "a", GrantedBy: "b",
	})
	if diff := cmp.Diff([]ID{"juki.eligibility.under-15"}, got.Refused); diff != "" {
		t.Errorf("no special circumstances: %s", diff)
	}
}

func TestOpeningRulesAreInTheTable(t *testing.T) {
	for _, id := range []civil.RuleID{
		civil.OpenHours, civil.OpenExtra, civil.ClosedSaturday, civil.ClosedSunday, civil.ClosedWeekday,
		civil.ClosedHoliday, civil.ClosedCitizens, civil.ClosedYearEnd, civil.ClosedBefore, civil.ClosedAfter, civil.ClosedGap,
		civil.ClosedException, civil.ClosedMaintenance, civil.ClosedEnded, civil.ClosedNotBegun,
	} {
		if _, ok := Lookup(id); !ok {
			t.Errorf("no sentence for %s", id)
		}
	}
}
