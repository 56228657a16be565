package question

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shomei/pkg/civil"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

func judged(in askedApply) (lifecycle.Judgement, error) { return in.judge(regime.Switches{}) }

func bring(docs ...regime.Document) []regime.Shown {
	var list []regime.Shown
	for _, d := range docs {
		list = append(list, regime.Shown{Document: d, AddressCurrent: d == regime.DocPhotoID, RegisteredSeal: d == regime.DocMandate})
	}
	return list
}

func tokyo(text string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, text, civil.Tokyo)
	if err != nil {
		panic(err)
	}
	return at
}

func day(text string) civil.Date {
	d, err := civil.Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

func mustHold(t *testing.T, what string, rules []regime.ID, want ...regime.ID) {
	t.Helper()
	for _, id := range want {
		if !slices.Contains(rules, id) {
			t.Errorf("%s: rule %s is missing in %v", what, id, rules)
		}
	}
}

// resident is an adult who lives where here is.
var (
	here         = regime.Office{Municipality: "122131"}
	resident1980 = askedPerson{Person: regime.Person{BirthDate: day("1980-06-18"), Registered: true, Municipality: "122131"}}
)

func TestApplyStories(t *testing.T) {
	papers := bring(regime.DocForm, regime.DocCard, regime.DocPhotoID)
	for _, c := range []struct {
		name     string
		in       askedApply
		refused  []regime.ID
		lastDays []string // authentication first
		yen      int
	}{
		{"juki, Monday", askedApply{Operation: regime.OpNew, At: tokyo("2012-12-03 10:00:00"), Shown: papers}, nil, []string{"2015-12-02"}, 500},
		{"juki, renewed early", askedApply{Operation: regime.OpRenew, At: tokyo("2015-11-30 10:00:00"), Shown: papers, SignLastDay: day("2015-12-02")}, nil, []string{"2018-11-29"}, 500},
		{"juki, second certificate", askedApply{Operation: regime.OpNew, At: tokyo("2014-12-01 10:00:00"), Shown: papers, SignLastDay: day("2015-12-02")}, []regime.ID{"application.double-issue"}, []string{"2017-11-30"}, 500},
		{"juki, nothing to renew", askedApply{Operation: regime.OpRenew, At: tokyo("2014-12-01 10:00:00"), Shown: papers}, []regime.ID{"application.nothing-held"}, []string{"2017-11-30"}, 500},
		{"juki, after the end", askedApply{Operation: regime.OpNew, At: tokyo("2015-12-24 10:00:00"), Shown: papers}, []regime.ID{"juki.regime.issue-ended", "juki.regime.gap"}, nil, 0},
		{"juki, renewal in the run-off", askedApply{Regime: regime.Juki, Operation: regime.OpRenew, At: tokyo("2016-02-01 10:00:00"), Shown: papers, SignLastDay: day("2018-01-01")}, []regime.ID{"juki.regime.issue-ended"}, nil, 0},
		{"juki, revocation in the run-off", askedApply{Regime: regime.Juki, Operation: regime.OpRevoke, At: tokyo("2018-12-21 10:00:00"), Shown: papers, SignLastDay: day("2018-12-21")}, nil, nil, 0},
		{"juki, revocation of nothing", askedApply{Regime: regime.Juki, Operation: regime.OpRevoke, At: tokyo("2018-12-21 10:00:00"), Shown: papers}, []regime.ID{"application.nothing-held"}, nil, 0},
		{
			"window closed on Wednesday",
			askedApply{
				Operation: regime.OpRenew, At: tokyo("2020-03-18 10:00:00"), Shown: papers,
				SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
			},
			[]regime.ID{"mynumber.renewal.before-window"},
			[]string{"2024-06-18", "2024-06-18"},
			0,
		},
		{
			"window open on Thursday",
			askedApply{
				Operation: regime.OpRenew, At: tokyo("2020-03-19 10:00:00"), Shown: papers,
				SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
			},
			nil,
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
		{"signature after a change of name", askedApply{
			Operation: regime.OpNew, Kinds: []regime.Kind{regime.Sign}, Cause: regime.CauseRecordChange,
			At: tokyo("2017-05-10 10:00:00"), Shown: papers,
			AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
		}, nil, []string{"2020-06-18"}, 0},
		{"signature alone after both have expired", askedApply{
			Operation: regime.OpNew, Kinds: []regime.Kind{regime.Sign}, At: tokyo("2020-06-19 10:00:00"), Shown: papers,
			SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
		}, nil, []string{"2025-06-18"}, 0},
		{
			"lost",
			askedApply{
				Operation: regime.OpReissue, Card: true, NoCard: true, At: tokyo("2021-09-01 10:00:00"),
				Shown: bring(regime.DocForm, regime.DocPhotoID), CardLastDay: day("2031-06-18"),
			},
			nil,
			[]string{"2026-06-18", "2026-06-18"},
			1000,
		},
		{
			"after expiry",
			askedApply{
				Operation: regime.OpRenew, At: tokyo("2020-06-19 10:00:00"), Shown: papers, SignLastDay: day("2020-06-18"),
				AuthLastDay: day("2020-06-18"), CardLastDay: day("2025-06-18"),
			},
			nil,
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
		{
			"given back, with nothing else",
			askedApply{
				Operation: regime.OpRevoke, Returned: true, Channel: regime.ChannelSelfNoPhoto,
				At: tokyo("2020-03-19 10:00:00"), Shown: bring(regime.DocCard),
			},
			nil, nil, 0,
		},
		{
			"closed and papers missing",
			askedApply{Operation: regime.OpNew, At: tokyo("2020-06-20 10:00:00"), Shown: bring(regime.DocForm, regime.DocCard)},
			[]regime.ID{"office.closed.saturday", "mynumber.documents.photo-id"},
			[]string{"2025-06-18", "2025-06-18"},
			0,
		},
	} {
		c.in.Office, c.in.Person = here, resident1980
		got, err := judged(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.refused, got.Refused); diff != "" || got.Accepted() != (c.refused == nil) {
			t.Errorf("%s: refused %s", c.name, diff)
		}
		var days []string
		for _, v := range got.Terms {
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
	in := askedApply{
		Operation: regime.OpRenew, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: resident1980,
		Shown:       bring(regime.DocForm, regime.DocCard, regime.DocPhotoID),
		SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"),
	}
	got, err := judged(in)
	if err != nil || len(got.Terms) != 2 || got.Terms[0].Kind != regime.Auth {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []regime.Candidate{{Rule: "mynumber.validity.sixth-birthday", Day: day("2025-06-18")}, {Rule: "mynumber.validity.auth-caps-sign", Day: day("2025-06-18")}}
	if diff := cmp.Diff(want, got.Terms[1].Candidates, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	mustHold(t, "order", got.Applied, "mynumber.issue.authentication-first")
	in.Kinds = []regime.Kind{regime.Sign}
	if got, err = judged(in); err != nil || got.Terms[0].LastDay != day("2020-06-18") {
		t.Errorf("signature alone is capped by the old one: %+v, %v", got.Terms, err)
	}
}

// A new card caps what is issued on it, by its own term and by the period of stay; the old card's end counts for its
// renewal only.
func TestApplyWithANewCard(t *testing.T) {
	foreigner := resident1980
	foreigner.Foreign, foreigner.StayUntil = true, day("2027-01-31")
	for _, c := range []struct {
		name       string
		in         askedApply
		card, auth string
		rule       regime.ID
	}{
		{"lost", askedApply{Operation: regime.OpReissue, At: tokyo("2021-09-01 10:00:00"), Card: true, CardLastDay: day("2022-06-18")}, "2031-06-18", "2026-06-18", "mynumber.card.tenth-birthday"},
		{"renewed with its card", askedApply{Operation: regime.OpRenew, At: tokyo("2025-04-01 10:00:00"), Card: true, CardLastDay: day("2025-06-18"), AuthLastDay: day("2025-06-18")}, "2035-06-18", "2030-06-18", "mynumber.card.eleventh-birthday"},
		{"a period of stay, new card", askedApply{Operation: regime.OpReissue, At: tokyo("2024-05-24 10:00:00"), Card: true, Person: foreigner}, "2027-01-31", "2027-01-31", "mynumber.card.stay-caps"},
		{"a period of stay, card not told", askedApply{Operation: regime.OpReissue, At: tokyo("2024-05-24 10:00:00"), Person: foreigner}, "", "2027-01-31", "mynumber.card.stay-caps"},
		{"a period of stay, not yet on the card", askedApply{Operation: regime.OpReissue, At: tokyo("2024-05-24 10:00:00"), Person: foreigner, CardLastDay: day("2024-06-30")}, "", "2024-06-30", "mynumber.validity.card-caps"},
	} {
		c.in.Office, c.in.Shown, c.in.Kinds = here, bring(regime.DocForm, regime.DocCard, regime.DocPhotoID), []regime.Kind{regime.Auth}
		if c.in.Person.Person.BirthDate.IsZero() {
			c.in.Person = resident1980
		}
		got, err := judged(c.in)
		if err != nil || !got.Accepted() {
			t.Fatalf("%s: %+v, %v", c.name, got, err)
		}
		if (got.Card != nil) != (c.card != "") || got.Card != nil && got.Card.LastDay != day(c.card) {
			t.Errorf("%s: card %+v, want %s", c.name, got.Card, c.card)
		}
		if got.Terms[0].LastDay != day(c.auth) {
			t.Errorf("%s: %s, want %s", c.name, got.Terms[0].LastDay, c.auth)
		}
		mustHold(t, c.name, got.Applied, c.rule)
	}
}

// Who renews or comes after expiry hears when the new certificates can be used (law.md 5.8).
func TestApplyTellsWhenItCanBeUsed(t *testing.T) {
	in := askedApply{
		Operation: regime.OpRenew, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: resident1980,
		Shown:       bring(regime.DocForm, regime.DocCard, regime.DocPhotoID),
		SignLastDay: day("2020-06-18"), AuthLastDay: day("2020-06-18"),
	}
	got, err := judged(in)
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "renewal", got.Applied, "mynumber.handover.usable-in-an-hour")
	in.At = tokyo("2020-06-19 10:00:00")
	if got, err = judged(in); err != nil {
		t.Fatal(err)
	}
	mustHold(t, "after expiry", got.Applied, "mynumber.handover.usable-in-a-day")
	if slices.Contains(got.Applied, "mynumber.handover.usable-in-an-hour") {
		t.Error("after expiry it is no renewal")
	}
}

func TestApplyForAChild(t *testing.T) {
	child := askedPerson{Person: regime.Person{BirthDate: day("2006-02-01"), Registered: true, Municipality: "122131"}}
	in := askedApply{
		Operation: regime.OpNew, Channel: regime.ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Office: here, Person: child,
		Shown: bring(regime.DocForm, regime.DocCard, regime.DocRepresentation, regime.DocProxyPhotoID), Kinds: []regime.Kind{regime.Auth},
	}
	got, err := judged(in)
	if err != nil || !got.Accepted() {
		t.Errorf("authentication: %+v, %v", got.Ruling, err)
	}
	in.Kinds = []regime.Kind{regime.Auth, regime.Sign}
	got, err = judged(in)
	if err != nil || got.Accepted() {
		t.Errorf("both: %+v, %v", got.Ruling, err)
	}
	mustHold(t, "both", got.Refused, "mynumber.eligibility.under-15-signature")
	in.Kinds = nil // what the law allows
	got, err = judged(in)
	if err != nil || !got.Accepted() || len(got.Terms) != 1 || got.Terms[0].Kind != regime.Auth {
		t.Errorf("none named: %+v, %v", got, err)
	}
	mustHold(t, "none named", got.Applied, "mynumber.eligibility.under-15-signature")
}

// A child's card is unblocked where the child lives, by the representative (law.md 2.2, 6.2).
func TestApplyToUnblockAChildsCard(t *testing.T) {
	for _, c := range []struct {
		municipality string
		channel      regime.Channel
		shown        []regime.Shown
		refused      []regime.ID
	}{
		{"122131", regime.ChannelSelf, bring(regime.DocForm, regime.DocCard, regime.DocPhotoID), []regime.ID{"mynumber.eligibility.representative-needed"}},
		{"122378", regime.ChannelRepresentative, bring(regime.DocForm, regime.DocCard, regime.DocRepresentation, regime.DocProxyPhotoID), []regime.ID{"mynumber.eligibility.other-municipality"}},
		{"122131", regime.ChannelRepresentative, bring(regime.DocForm, regime.DocCard, regime.DocRepresentation, regime.DocProxyPhotoID), nil},
	} {
		got, err := judged(askedApply{
			Operation: regime.OpUnblock, At: tokyo("2019-05-20 10:00:00"), Office: here, Channel: c.channel, Shown: c.shown,
			AuthLastDay: day("2023-09-15"),
			Person:      askedPerson{Person: regime.Person{BirthDate: day("2010-09-15"), Registered: true, Municipality: c.municipality}},
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
	representative := bring(regime.DocForm, regime.DocCard, regime.DocRepresentation, regime.DocProxyPhotoID)
	with := func(change func(*regime.Person)) askedPerson {
		p := resident1980
		change(&p.Person)
		return p
	}
	for _, c := range []struct {
		name    string
		in      askedApply
		person  askedPerson
		refused []regime.ID
	}{
		{"an adult's representative, juki", askedApply{Operation: regime.OpNew, Channel: regime.ChannelRepresentative, At: tokyo("2012-12-03 10:00:00"), Shown: representative}, resident1980, []regime.ID{"juki.eligibility.no-representative"}},
		{"an adult's representative", askedApply{Operation: regime.OpRenew, Kinds: []regime.Kind{regime.Auth}, Channel: regime.ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative, AuthLastDay: day("2020-06-18")}, resident1980, []regime.ID{"mynumber.eligibility.no-representative"}},
		{"an adult's representative unblocks", askedApply{Operation: regime.OpUnblock, Channel: regime.ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative, AuthLastDay: day("2020-06-18")}, resident1980, []regime.ID{"mynumber.eligibility.no-representative"}},
		{"at 19, in 2022-03", askedApply{Operation: regime.OpNew, Channel: regime.ChannelRepresentative, At: tokyo("2022-03-31 10:00:00"), Shown: representative}, with(func(p *regime.Person) { p.BirthDate = day("2002-04-02") }), nil},
		{"at 19, in 2022-04", askedApply{Operation: regime.OpNew, Channel: regime.ChannelRepresentative, At: tokyo("2022-04-01 10:00:00"), Shown: representative}, with(func(p *regime.Person) { p.BirthDate = day("2002-04-02") }), []regime.ID{"mynumber.eligibility.no-representative"}},
		{"a ward's representative", askedApply{Operation: regime.OpNew, Kinds: []regime.Kind{regime.Auth}, Channel: regime.ChannelRepresentative, At: tokyo("2020-03-19 10:00:00"), Shown: representative}, with(func(p *regime.Person) { p.AdultWard = true }), nil},
		{"revoking what a juki card never has", askedApply{Regime: regime.Juki, Operation: regime.OpRevoke, Kinds: []regime.Kind{regime.Auth}, At: tokyo("2016-02-29 10:00:00"), Shown: bring(regime.DocForm, regime.DocPhotoID), AuthLastDay: day("2016-07-15")}, resident1980, []regime.ID{"juki.kind.signature-only"}},
		{"overseas, elsewhere", askedApply{Operation: regime.OpNew, At: tokyo("2024-05-27 10:00:00"), Shown: bring(regime.DocForm, regime.DocCard, regime.DocPhotoID)}, with(func(p *regime.Person) { p.Overseas, p.Municipality = day("2024-01-01"), "122378" }), []regime.ID{"mynumber.eligibility.other-municipality"}},
		{"overseas, too early", askedApply{Operation: regime.OpNew, Kinds: []regime.Kind{regime.Auth}, At: tokyo("2024-05-24 10:00:00"), Shown: bring(regime.DocForm, regime.DocCard, regime.DocPhotoID)}, with(func(p *regime.Person) { p.Overseas = day("2024-01-01") }), []regime.ID{"mynumber.eligibility.overseas-not-yet"}},
	} {
		c.in.Office, c.in.Person = here, c.person
		got, err := judged(c.in)
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
		in  askedApply
		yen int
	}{
		{askedApply{Operation: regime.OpReissue, Kinds: []regime.Kind{regime.Auth}, SignLastDay: day("2021-06-18"), AuthLastDay: day("2024-06-18")}, 200}, // the lost one was in force
		{askedApply{Operation: regime.OpReissue, Kinds: []regime.Kind{regime.Auth}, AuthLastDay: day("2021-06-18")}, 0},                                   // it had expired
		{askedApply{Operation: regime.OpReissue, AuthLastDay: day("2024-06-18"), SignLastDay: day("2024-06-18")}, 200},
	} {
		c.in.Office, c.in.Person, c.in.At, c.in.Shown = here, resident1980, tokyo("2021-09-01 10:00:00"), bring(regime.DocForm, regime.DocCard, regime.DocPhotoID)
		if got, err := judged(c.in); err != nil || got.Fee.Yen != c.yen {
			t.Errorf("%v: %d yen, want %d; %v", c.in.Kinds, got.Fee.Yen, c.yen, err)
		}
	}
}

// TestCardsAreForTheirHolders: what issues no certificate of its own is judged by who comes, and where, too.
func TestCardsAreForTheirHolders(t *testing.T) {
	papers := bring(regime.DocForm, regime.DocPhotoID, regime.DocHandOverNotice)
	elsewhere, child := resident1980, resident1980
	elsewhere.Municipality = "131016"
	child.Person.BirthDate = day("2015-06-18")
	for _, op := range []regime.Operation{regime.OpCard, regime.OpHandOver} {
		for _, c := range []struct {
			name    string
			person  askedPerson
			channel regime.Channel
			refused []regime.ID
		}{
			{"the holder", resident1980, regime.ChannelSelf, nil},
			{"of another municipality", elsewhere, regime.ChannelSelf, []regime.ID{"mynumber.eligibility.other-municipality"}},
			{"in no register", askedPerson{Person: regime.Person{BirthDate: day("1980-06-18")}}, regime.ChannelSelf, []regime.ID{"mynumber.eligibility.not-registered"}},
			{"a child alone", child, regime.ChannelSelf, []regime.ID{"mynumber.eligibility.representative-needed"}},
			{"an adult's representative", resident1980, regime.ChannelRepresentative, []regime.ID{"mynumber.eligibility.no-representative"}},
		} {
			t.Run(string(op)+", "+c.name, func(t *testing.T) {
				in := askedApply{
					Operation: op, At: tokyo("2024-06-03 10:00:00"), Office: here, Person: c.person, Channel: c.channel, Shown: papers,
				}
				got, err := judged(in)
				if err != nil {
					t.Fatal(err)
				}
				mustHold(t, "refused", got.Refused, c.refused...)
				if c.refused == nil && !got.Accepted() {
					t.Errorf("refused by %v", got.Refused)
				}
			})
		}
	}
}

// TestAFirstCardIsFree: where a line names no cause, it follows from what is held.
func TestAFirstCardIsFree(t *testing.T) {
	for name, c := range map[string]struct {
		in   askedApply
		rule regime.ID
	}{
		"first":              {askedApply{}, "mynumber.fee.first-waived"},
		"first, with a card": {askedApply{Card: true}, "mynumber.fee.first-waived"},
		"after the end":      {askedApply{SignLastDay: day("2024-06-02"), AuthLastDay: day("2024-06-02")}, "mynumber.fee.expired-waived"},
		"free after a return": {askedApply{
			Cause: regime.CauseOverseas, Person: askedPerson{Person: regime.Person{Overseas: day("2024-05-28")}},
		}, "mynumber.fee.overseas-90-days-waived"},
		"lost": {askedApply{Cause: regime.CauseLoss, Card: true}, "mynumber.fee.reissue-card"},
	} {
		t.Run(name, func(t *testing.T) {
			in := c.in
			in.Operation, in.At, in.Office = regime.OpCard, tokyo("2024-06-03 10:00:00"), here
			in.Shown = bring(regime.DocForm, regime.DocPhotoID)
			left := in.Person.Overseas
			in.Person = resident1980
			in.Person.Overseas = left
			got, err := judged(in)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Fee.Items) == 0 || got.Fee.Items[0].Rule != c.rule {
				t.Errorf("fee %v, want it by %s", got.Fee.Items, c.rule)
			}
		})
	}
}

// TestNoPapersOutsideTheRegime: what the law does not know on a day is refused for that alone.
func TestNoPapersOutsideTheRegime(t *testing.T) {
	got, err := judged(askedApply{Regime: regime.Juki, Operation: regime.OpSuspend, At: tokyo("2012-12-03 10:00:00"), Office: here})
	if err != nil {
		t.Fatal(err)
	}
	if got.Accepted() || got.Documents.SameDay || len(got.Fee.Items) > 0 {
		t.Errorf("documents %+v and fee %v of what there is not", got.Documents, got.Fee.Items)
	}
}

// TestANewCardIsNoOtherCard: that a new card is issued as well says nothing of the card whose certificates are revoked.
func TestANewCardIsNoOtherCard(t *testing.T) {
	for _, op := range []regime.Operation{regime.OpRevoke, regime.OpUnblock} {
		got, err := judged(askedApply{
			Operation: op, At: tokyo("2024-06-03 10:00:00"), Office: here, Person: resident1980, Card: true,
			Shown: bring(regime.DocForm, regime.DocCard, regime.DocPhotoID), SignLastDay: day("2026-06-18"), AuthLastDay: day("2026-06-18"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Accepted() {
			t.Errorf("%s: refused by %v", op, got.Refused)
		}
	}
}
