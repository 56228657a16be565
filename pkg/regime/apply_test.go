package regime

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shomei/pkg/civil"
)

// resident is an adult who lives where here is.
var (
	here         = Office{Municipality: "122131"}
	resident1980 = Person{BirthDate: day("1980-06-18"), Registered: true, Municipality: "122131"}
)

func TestApplyStories(t *testing.T) {
	papers := bring(DocForm, DocCard, DocPhotoID)
	for _, c := range []struct {
		name     string
		in       Application
		refused  []ID
		lastDays []string // authentication first
		yen      int
	}{
		{"juki, Monday", Application{Operation: OpNew, At: tokyo("2012-12-03 10:00:00"), Shown: papers}, nil, []string{"2015-12-02"}, 500},
		{"juki, renewed early", Application{Operation: OpRenew, At: tokyo("2015-11-30 10:00:00"), Shown: papers, SignLastDay: day("2015-12-02")}, nil, []string{"2018-11-29"}, 500},
		{"juki, second certificate", Application{Operation: OpNew, At: tokyo("2014-12-01 10:00:00"), Shown: papers, SignLastDay: day("2015-12-02")}, []ID{"application.double-issue"}, []string{"2017-11-30"}, 500},
		{"juki, nothing to renew", Application{Operation: OpRenew, At: tokyo("2014-12-01 10:00:00"), Shown: papers}, []ID{"application.nothing-held"}, []string{"2017-11-30"}, 500},
		{"juki, after the end", Application{Operation: OpNew, At: tokyo("2015-12-24 10:00:00"), Shown: papers}, []ID{"juki.regime.issue-ended", "juki.regime.gap"}, nil, 0},
		{"juki, renewal in the run-off", Application{Regime: Juki, Operation: OpRenew, At: tokyo("2016-02-01 10:00:00"), Shown: papers, SignLastDay: day("2018-01-01")}, []ID{"juki.regime.issue-ended"}, nil, 0},
		{"juki, revocation in the run-off", Application{Regime: Juki, Operation: OpRevoke, At: tokyo("2018-12-21 10:00:00"), Shown: papers, SignLastDay: day("2018-12-21")}, nil, nil, 0},
		{"juki, revocation of nothing", Application{Regime: Juki, Operation: OpRevoke, At: tokyo("2018-12-21 10:00:00"), Shown: papers}, []ID{"application.nothing-held"}, nil, 0},
		{
			"window closed on Wednesday",
			Application{
				Operation: OpRenew, At: tokyo("2020-03-18 10:00:00"), Shown: papers,
				SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
			},
			[]ID{"mynumber.renewal.before-window"},
			[]string{"2024-06-18", "2024-06-18"},
			0,
		},
		{
			"window open on Thursday",
			Application{
				Operation: OpRenew, At: tokyo("2020-03-19 10:00:00"), Shown: papers,
				SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
			},
			nil,
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
		{"signature after a change of name", Application{
			Operation: OpNew, Kinds: []Kind{Sign}, Cause: CauseRecordChange, At: tokyo("2017-05-10 10:00:00"), Shown: papers,
			AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
		}, nil, []string{"2020-06-18"}, 0},
		{"signature alone after both have expired", Application{
			Operation: OpNew, Kinds: []Kind{Sign}, At: tokyo("2020-06-19 10:00:00"), Shown: papers,
			SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
		}, nil, []string{"2025-06-18"}, 0},
		{
			"lost",
			Application{Operation: OpReissue, Card: true, NoCard: true, At: tokyo("2021-09-01 10:00:00"), Shown: bring(DocForm, DocPhotoID), CardLastDay: day("2031-06-18")},
			nil,
			[]string{"2026-06-18", "2026-06-18"},
			1000,
		},
		{
			"after expiry",
			Application{Operation: OpRenew, At: tokyo("2020-06-19 10:00:00"), Shown: papers, SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18")},
			nil,
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
		{
			"given back, with nothing else",
			Application{Operation: OpRevoke, Returned: true, Channel: ChannelSelfNoPhoto, At: tokyo("2020-03-19 10:00:00"), Shown: bring(DocCard)},
			nil, nil, 0,
		},
		{
			"closed and papers missing",
			Application{Operation: OpNew, At: tokyo("2020-06-20 10:00:00"), Shown: bring(DocForm, DocCard)},
			[]ID{"office.closed.saturday", "mynumber.documents.photo-id"},
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
	} {
		c.in.Office, c.in.Person = here, resident1980
		got, err := Switches{}.Apply(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.refused, got.Refused); diff != "" || got.Accepted() != (c.refused == nil) {
			t.Errorf("%s: refused %s", c.name, diff)
		}
		var days []string
		for _, v := range got.Validities {
			days = append(days, v.LastDay.String())
		}
		if diff := cmp.Diff(c.lastDays, days); diff != "" {
			t.Errorf("%s: last days %s", c.name, diff)
		}
		if got.Fee.Yen != c.yen {
			t.Errorf("%s: %d yen, want %d", c.name, got.Fee.Yen, c.yen)
		}
	}
}

// The new authentication certificate caps the new signature certificate, not the old one.
func TestAuthenticationFirst(t *testing.T) {
	in := Application{
		Operation: OpRenew, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: resident1980, Shown: bring(DocForm, DocCard, DocPhotoID),
		SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"),
	}
	got, err := Switches{}.Apply(in)
	if err != nil || len(got.Validities) != 2 || got.Validities[0].Kind != Auth {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []Candidate{{"mynumber.validity.sixth-birthday", day("2025-06-18")}, {"mynumber.validity.auth-caps-sign", day("2025-06-18")}}
	if diff := cmp.Diff(want, got.Validities[1].Candidates, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	mustHold(t, "order", got.Applied, "mynumber.issue.authentication-first")
	in.Kinds = []Kind{Sign}
	if got, err = (Switches{}).Apply(in); err != nil || got.Validities[0].LastDay != day("2020-06-18") {
		t.Errorf("signature alone is capped by the old one: %+v, %v", got.Validities, err)
	}
}

// A new card caps what is issued on it, by its own term and by the period of stay; the old card's end counts for its
// renewal only.
func TestApplyWithANewCard(t *testing.T) {
	foreigner := resident1980
	foreigner.Foreign, foreigner.StayUntil = true, day("2027-01-31")
	for _, c := range []struct {
		name       string
		in         Application
		card, auth string
		rule       ID
	}{
		{"lost", Application{Operation: OpReissue, At: tokyo("2021-09-01 10:00:00"), Card: true, CardLastDay: day("2022-06-18")}, "2031-06-18", "2026-06-18", "mynumber.card.tenth-birthday"},
		{"renewed with its card", Application{Operation: OpRenew, At: tokyo("2025-04-01 10:00:00"), Card: true, CardLastDay: day("2025-06-18"), AuthLastDay: day("2025-06-18")}, "2035-06-18", "2030-06-18", "mynumber.card.eleventh-birthday"},
		{"a period of stay, new card", Application{Operation: OpReissue, At: tokyo("2024-05-24 10:00:00"), Card: true, Person: foreigner}, "2027-01-31", "2027-01-31", "mynumber.card.stay-caps"},
		{"a period of stay, card not told", Application{Operation: OpReissue, At: tokyo("2024-05-24 10:00:00"), Person: foreigner}, "", "2027-01-31", "mynumber.card.stay-caps"},
		{"a period of stay, not yet on the card", Application{Operation: OpReissue, At: tokyo("2024-05-24 10:00:00"), Person: foreigner, CardLastDay: day("2024-06-30")}, "", "2024-06-30", "mynumber.validity.card-caps"},
	} {
		c.in.Office, c.in.Shown, c.in.Kinds = here, bring(DocForm, DocCard, DocPhotoID), []Kind{Auth}
		if c.in.Person == (Person{}) {
			c.in.Person = resident1980
		}
		got, err := Switches{}.Apply(c.in)
		if err != nil || !got.Accepted() {
			t.Fatalf("%s: %+v, %v", c.name, got, err)
		}
		if (got.Card != nil) != (c.card != "") || got.Card != nil && got.Card.LastDay != day(c.card) {
			t.Errorf("%s: card %+v, want %s", c.name, got.Card, c.card)
		}
		if got.Validities[0].LastDay != day(c.auth) {
			t.Errorf("%s: %s, want %s", c.name, got.Validities[0].LastDay, c.auth)
		}
		mustHold(t, c.name, got.Applied, c.rule)
	}
}

// Who renews or comes after expiry hears when the new certificates can be used (law.md 5.8).
func TestApplyTellsWhenItCanBeUsed(t *testing.T) {
	in := Application{
		Operation: OpRenew, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: resident1980, Shown: bring(DocForm, DocCard, DocPhotoID),
		SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"),
	}
	got, err := Switches{}.Apply(in)
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "renewal", got.Applied, "mynumber.handover.usable-in-an-hour")
	in.At = tokyo("2020-06-19 10:00:00")
	if got, err = (Switches{}).Apply(in); err != nil {
		t.Fatal(err)
	}
	mustHold(t, "after expiry", got.Applied, "mynumber.handover.usable-in-a-day")
	if slices.Contains(got.Applied, "mynumber.handover.usable-in-an-hour") {
		t.Error("after expiry it is no renewal")
	}
}

func TestApplyForAChild(t *testing.T) {
	child := Person{BirthDate: day("2006-02-01"), Registered: true, Municipality: "122131"}
	in := Application{
		Operation: OpNew, Channel: ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: child,
		Shown: bring(DocForm, DocCard, DocRepresentation, DocProxyPhotoID), Kinds: []Kind{Auth},
	}
	got, err := Switches{}.Apply(in)
	if err != nil || !got.Accepted() {
		t.Errorf("authentication: %+v, %v", got.Ruling, err)
	}
	in.Kinds = []Kind{Auth, Sign}
	got, err = Switches{}.Apply(in)
	if err != nil || got.Accepted() {
		t.Errorf("both: %+v, %v", got.Ruling, err)
	}
	mustHold(t, "both", got.Refused, "mynumber.eligibility.under-15-signature")
	in.Kinds = nil // what the law allows
	got, err = Switches{}.Apply(in)
	if err != nil || !got.Accepted() || len(got.Validities) != 1 || got.Validities[0].Kind != Auth {
		t.Errorf("none named: %+v, %v", got, err)
	}
	mustHold(t, "none named", got.Applied, "mynumber.eligibility.under-15-signature")
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

// A child's card is unblocked where the child lives, by the representative (law.md 2.2, 6.2).
func TestApplyToUnblockAChildsCard(t *testing.T) {
	for _, c := range []struct {
		municipality string
		channel      Channel
		shown        []Shown
		refused      []ID
	}{
		{"122131", ChannelSelf, bring(DocForm, DocCard, DocPhotoID), []ID{"mynumber.eligibility.representative-needed"}},
		{"122378", ChannelRepresentative, bring(DocForm, DocCard, DocRepresentation, DocProxyPhotoID), []ID{"mynumber.eligibility.other-municipality"}},
		{"122131", ChannelRepresentative, bring(DocForm, DocCard, DocRepresentation, DocProxyPhotoID), nil},
	} {
		got, err := Switches{}.Apply(Application{
			Operation: OpUnblock, At: tokyo("2019-05-20 10:00:00"), Office: here, Channel: c.channel, Shown: c.shown,
			AuthLastDay: day("2023-09-15"),
			Person:      Person{BirthDate: day("2010-09-15"), Registered: true, Municipality: c.municipality},
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.refused, got.Refused, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("lives in %s, %s: refused %s", c.municipality, c.channel, diff)
		}
	}
}

// What an application must not get through, found by asking a second implementation the same.
func TestApplyRefuses(t *testing.T) {
	representative := bring(DocForm, DocCard, DocRepresentation, DocProxyPhotoID)
	with := func(change func(*Person)) Person {
		p := resident1980
		change(&p)
		return p
	}
	for _, c := range []struct {
		name    string
		in      Application
		person  Person
		refused []ID
	}{
		{"an adult's representative, juki", Application{Operation: OpNew, Channel: ChannelRepresentative, At: tokyo("2012-12-03 10:00:00"), Shown: representative}, resident1980, []ID{"juki.eligibility.no-representative"}},
		{"an adult's representative", Application{Operation: OpRenew, Kinds: []Kind{Auth}, Channel: ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative, AuthLastDay: day("2020-06-18")}, resident1980, []ID{"mynumber.eligibility.no-representative"}},
		{"an adult's representative unblocks", Application{Operation: OpUnblock, Channel: ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative, AuthLastDay: day("2020-06-18")}, resident1980, []ID{"mynumber.eligibility.no-representative"}},
		{"at 19, in 2022-03", Application{Operation: OpNew, Channel: ChannelRepresentative, At: tokyo("2022-03-31 10:00:00"), Shown: representative}, with(func(p *Person) { p.BirthDate = day("2002-04-02") }), nil},
		{"at 19, in 2022-04", Application{Operation: OpNew, Channel: ChannelRepresentative, At: tokyo("2022-04-01 10:00:00"), Shown: representative}, with(func(p *Person) { p.BirthDate = day("2002-04-02") }), []ID{"mynumber.eligibility.no-representative"}},
		{"a ward's representative", Application{Operation: OpNew, Kinds: []Kind{Auth}, Channel: ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative}, with(func(p *Person) { p.AdultWard = true }), nil},
		{"revoking what a juki card never has", Application{Regime: Juki, Operation: OpRevoke, Kinds: []Kind{Auth}, At: tokyo("2016-02-29 10:00:00"), Shown: bring(DocForm, DocPhotoID), AuthLastDay: day("2016-07-15")}, resident1980, []ID{"juki.kind.signature-only"}},
		{"overseas, elsewhere", Application{Operation: OpNew, At: tokyo("2024-05-27 10:00:00"), Shown: bring(DocForm, DocCard, DocPhotoID)}, with(func(p *Person) { p.Overseas, p.Municipality = day("2024-01-01"), "122378" }), []ID{"mynumber.eligibility.other-municipality"}},
		{"overseas, too early", Application{Operation: OpNew, Kinds: []Kind{Auth}, At: tokyo("2024-05-24 10:00:00"), Shown: bring(DocForm, DocCard, DocPhotoID)}, with(func(p *Person) { p.Overseas = day("2024-01-01") }), []ID{"mynumber.eligibility.overseas-not-yet"}},
	} {
		c.in.Office, c.in.Person = here, c.person
		got, err := Switches{}.Apply(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.refused, slices.Compact(got.Refused), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: refused %s", c.name, diff)
		}
	}
}

// Why something is issued follows from the certificates asked for, not from the others.
func TestCauseFollowsFromWhatIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		in  Application
		yen int
	}{
		{Application{Operation: OpReissue, Kinds: []Kind{Auth}, SignLastDay: day("2021-06-18"), AuthLastDay: day("2024-06-18")}, 200}, // the lost one was in force
		{Application{Operation: OpReissue, Kinds: []Kind{Auth}, AuthLastDay: day("2021-06-18")}, 0},                                   // it had expired
		{Application{Operation: OpReissue, AuthLastDay: day("2024-06-18"), SignLastDay: day("2024-06-18")}, 200},
	} {
		c.in.Office, c.in.Person, c.in.At, c.in.Shown = here, resident1980, tokyo("2021-09-01 10:00:00"), bring(DocForm, DocCard, DocPhotoID)
		if got, err := (Switches{}).Apply(c.in); err != nil || got.Fee.Yen != c.yen {
			t.Errorf("%v: %d yen, want %d; %v", c.in.Kinds, got.Fee.Yen, c.yen, err)
		}
	}
}
