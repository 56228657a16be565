package lifecycle

import (
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/regime"
)

const (
	opIssue    = events.Operation_OPERATION_ISSUE
	opRenew    = events.Operation_OPERATION_RENEW
	opReissue  = events.Operation_OPERATION_REISSUE
	opRevoke   = events.Operation_OPERATION_REVOKE
	opUnblock  = events.Operation_OPERATION_UNBLOCK
	opFactory  = events.Operation_OPERATION_FACTORY_ISSUE
	opHandOver = events.Operation_OPERATION_HAND_OVER
	opContinue = events.Operation_OPERATION_CONTINUE_USE
	opExtend   = events.Operation_OPERATION_EXTEND_CARD
	opReturn   = events.Operation_OPERATION_RETURN_CARD

	underJuki     = events.Regime_REGIME_JUKI
	underMyNumber = events.Regime_REGIME_MYNUMBER
)

// fromFactory returns a holder of a factory's card, handed over on 2016-01-12.
func fromFactory(t failer) *player {
	p := newPlayer(t, "2016-01-05 02:29")
	p.carried(opFactory, factory)
	p.at("2016-01-12 10:00").apply(opHandOver)
	p.unblocked()
	p.handOver()
	return p
}

func TestFactoryCardIsHandedOver(t *testing.T) {
	p := newPlayer(t, "2016-01-05 02:29")
	p.carried(opFactory, factory)
	equal(t, "status", p.state.Card.Status, events.CardStatus_CARD_STATUS_ASSIGNED)
	p.at("2016-01-12 10:00")
	p.refused(regime.DoubleIssue, opIssue)
	p.refused(regime.OtherCard, opHandOver, card("card-2"))
	p.refused(regime.CardNotHandedOver, opUnblock)
	accepted := p.apply(opHandOver)
	equal(t, "PINs", accepted.Pins, []events.PinKind{events.PinKind_PIN_KIND_SIGN, events.PinKind_PIN_KIND_AUTH})
	equal(t, "too early", names(p.handOver()), []string{"FactRefused"})
	p.unblocked()
	delivered := find[*events.Delivered](p.handOver())
	equal(t, "certificates", delivered.Serials, []uint64{1, 2})
	for _, k := range []events.CertificateKind{kindSign, kindAuth} {
		equal(t, "last day", p.wantStatus(underMyNumber, k, valid).LastDay, "2020-06-18")
	}
	equal(t, "status", p.state.Card.Status, events.CardStatus_CARD_STATUS_HELD)
	p.refused(regime.DoubleIssue, opIssue)
}

// The term of a factory's certificate counts from its manufacture (law.md 5.7); one made at a counter does not name
// that rule.
func TestFactoryTermNamesItsRule(t *testing.T) {
	p := newPlayer(t, "2016-01-05 02:29")
	p.apply(opFactory, factory)
	for _, e := range p.keys() {
		if b := e.GetIssueAuthorized(); b != nil && !slices.Contains(e.RuleIds, regime.FromManufacture) {
			t.Errorf("%v: %v", b.Kind, e.RuleIds)
		}
	}
	q := fromFactory(t)
	q.at("2020-03-19 10:00").apply(opRenew)
	for _, e := range q.keys() {
		if slices.Contains(e.RuleIds, regime.FromManufacture) {
			t.Errorf("a renewal: %s: %v", events.Name(e), e.RuleIds)
		}
	}
}

// The length of a key is judged when it is recorded (Reg2013 Art 2; Reg2016); too short a key gets no certificate.
func TestKeyLengthIsJudgedWhenKeysAreRecorded(t *testing.T) {
	for _, c := range []struct {
		start  string
		change func(*Apply)
		rule   string
		least  uint32
	}{
		{"2014-12-03 10:00", juki, "juki.keys.rsa-1024", 1024},
		{"2020-03-19 10:00", card("card-1"), "mynumber.keys.rsa-2048", 2048},
	} {
		for _, bits := range []uint32{c.least - 1, c.least} {
			p := newPlayer(t, c.start)
			p.bits = bits
			p.apply(opIssue, c.change)
			decided := p.keys()
			equal(t, "recorded", decided[0].RuleIds, []string{c.rule})
			withdrawn := find[*events.ApplicationWithdrawn](decided)
			authorized := find[*events.IssueAuthorized](decided)
			if (withdrawn != nil) != (bits < c.least) || (authorized != nil) != (bits >= c.least) {
				t.Errorf("%d bits: %v", bits, names(decided))
			}
			if withdrawn != nil {
				equal(t, "why", decided[1].RuleIds, []string{c.rule})
			}
		}
	}
}

// At the hand-over the holder hears when the certificates can be used (law.md 5.8).
func TestHandOverSaysWhenCertificatesAreUsable(t *testing.T) {
	p := fromFactory(t)
	decided := p.at("2020-03-19 10:00").carried(opRenew)
	equal(t, "renewed", decided[len(decided)-1].RuleIds[0], "mynumber.handover.usable-in-an-hour")
	decided = p.at("2025-06-19 10:00").carried(opIssue, card("card-2"))
	equal(t, "after expiry", decided[len(decided)-1].RuleIds[0], "mynumber.handover.usable-in-a-day")
}

func TestHandOverTakesTheJukiCardBack(t *testing.T) {
	p := newPlayer(t, "2014-12-03 10:00")
	p.carried(opIssue, juki)
	p.at("2016-01-05 02:29").carried(opFactory, factory)
	p.wantStatus(underJuki, kindSign, valid)
	p.at("2016-01-12 10:00").apply(opHandOver)
	p.unblocked()
	decided := p.handOver()
	equal(t, "taken back", find[*events.CardHandedOver](decided).TakenBack, "juki-1")
	equal(t, "voided", find[*events.CardVoided](decided).Card, "juki-1")
	p.wantStatus(underJuki, kindSign, revoked)
	p.wantStatus(underMyNumber, kindSign, valid)
	if p.state.OldCard != nil {
		t.Fatalf("the juki card is still remembered: %v", p.state.OldCard)
	}
}

func TestJukiCardBesideUndeliveredCard(t *testing.T) {
	p := newPlayer(t, "2014-12-03 10:00")
	p.carried(opIssue, juki)
	p.at("2016-01-05 02:29").carried(opFactory, factory)
	p.at("2016-01-06 10:00").apply(opUnblock, juki)
	p.unblocked()
	p.handOver()
	equal(t, "the card that waits", p.state.Card.Card, "card-1")
	equal(t, "the card in hand", p.state.OldCard.Card, "juki-1")
	equal(t, "loss", count[*events.CertificateRevoked](p.do(ReportLoss{By: "counter", Filed: p.now})), 1)
	p.wantStatus(underJuki, kindSign, revoked)
	p.wantStatus(underMyNumber, kindAuth, issued)
}

func TestJukiIssueAndRenewal(t *testing.T) {
	p := newPlayer(t, "2012-11-30 17:01")
	p.refused("office.closed.after-hours", opIssue, juki)
	p.at("2012-12-01 10:00").refused("office.closed.saturday", opIssue, juki)
	p.at("2012-12-03 10:00").carried(opIssue, juki)
	equal(t, "last day", p.held(kindSign), (*events.Certificate)(nil))
	equal(t, "last day", p.wantStatus(underJuki, kindSign, valid).LastDay, "2015-12-02")
	p.refused(regime.DoubleIssue, opIssue, juki)
	p.at("2015-11-30 10:00")
	accepted := p.apply(opRenew, juki)
	equal(t, "fee", accepted.Fee[0].Yen, uint32(500))
	p.keys()
	p.wantStatus(underJuki, kindSign, authorized)
	equal(t, "in one commit", names(p.sign()), []string{"CertificateRevoked", "CertificateIssued"})
	equal(t, "reason", certificate(p.state, 1).Reason, events.RevocationReason_REVOCATION_REASON_SUPERSEDED)
	p.write()
	p.handOver()
	equal(t, "last day", p.wantStatus(underJuki, kindSign, valid).LastDay, "2018-11-29")
	p.at("2015-12-24 10:00").refused("juki.regime.issue-ended", opReissue, juki)
	p.at("2016-02-01 10:00").apply(opUnblock, juki)
	p.unblocked()
	p.handOver()
	p.at("2018-11-29 10:00").apply(opRevoke, juki)
	p.wantStatus(underJuki, kindSign, revoked)
	p.at("2018-12-25 10:00").refused("juki.regime.run-off-ended", opRevoke, juki)
}

func TestRefusalsOfTheJukiRegime(t *testing.T) {
	branch := func(a *Apply) { a.Office.Branch = true }
	born := func(y int) func(*Apply) { return func(a *Apply) { a.Person.BirthDate.Year = y } }
	special := func(by string) func(*Apply) { return func(a *Apply) { a.GrantedBy = by } }
	ward := func(a *Apply) { a.Person.AdultWard = true }
	for _, c := range []struct {
		at, rule string
		change   []func(*Apply)
	}{
		{"2004-01-28 10:00", "juki.regime.not-begun", nil},
		{"2015-12-24 10:00", "juki.regime.issue-ended", nil},
		{"2012-04-02 10:00", "juki.office.branch-ceased", []func(*Apply){branch}},
		{"2012-03-30 10:00", "", []func(*Apply){branch}},
		{"2012-12-03 10:00", "juki.eligibility.not-registered", []func(*Apply){func(a *Apply) { a.Person.Registered = false }}},
		{"2012-12-03 10:00", "juki.eligibility.other-municipality", []func(*Apply){func(a *Apply) { a.Person.Municipality = "13101" }}},
		{"2012-12-03 10:00", "juki.eligibility.under-15", []func(*Apply){born(2000)}},
		{"2012-12-03 10:00", "juki.eligibility.adult-ward", []func(*Apply){ward}},
		{"2012-12-03 10:00", "eligibility.second-officer", []func(*Apply){born(2000), special("clerk-1")}},
		{"2012-12-03 10:00", "", []func(*Apply){born(2000), special("clerk-2")}},
		{"2012-12-03 10:00", "", []func(*Apply){ward, special("clerk-2")}},
		{"2012-12-03 10:00", regime.NoSuchKind, []func(*Apply){kinds(kindAuth)}},
		{"2012-12-03 10:00", regime.CardClaimedByOther, []func(*Apply){func(a *Apply) { a.CardTaken = true }}},
		{"2012-12-03 10:00", regime.NoCardNamed, []func(*Apply){card("")}},
	} {
		p := newPlayer(t, c.at)
		if change := append([]func(*Apply){juki}, c.change...); c.rule == "" {
			p.apply(opIssue, change...)
		} else {
			p.refused(c.rule, opIssue, change...)
		}
	}
}

func TestRenewalWindow(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-03-18 10:00")
	refused := p.refused("mynumber.renewal.before-window", opRenew)
	equal(t, "alternative", refused.Alternative, opReissue)
	equal(t, "alternative's last day", refused.AlternativePlanned[0].LastDay, "2024-06-18")
	p.at("2020-03-19 10:00")
	accepted := p.apply(opRenew)
	equal(t, "order", []events.CertificateKind{accepted.Planned[0].Kind, accepted.Planned[1].Kind}, []events.CertificateKind{kindAuth, kindSign})
	equal(t, "candidates", accepted.Planned[1].Candidates, []*events.Candidate{
		{RuleId: "mynumber.validity.sixth-birthday", Day: "2025-06-18", Binds: true},
		{RuleId: "mynumber.validity.auth-caps-sign", Day: "2025-06-18"},
		{RuleId: "mynumber.validity.card-caps", Day: "2025-06-18"},
	})
	decided := p.keys()
	equal(t, "in one commit", names(decided), []string{"KeysRecorded", "IssueAuthorized", "IssueAuthorized"})
	if !slices.Contains(decided[1].RuleIds, regime.AuthFirst) || !slices.Contains(decided[2].RuleIds, "mynumber.validity.auth-caps-sign") ||
		slices.Contains(decided[1].RuleIds, "mynumber.validity.auth-caps-sign") {
		t.Fatalf("rules of the authorisations: %v, %v", decided[1].RuleIds, decided[2].RuleIds)
	}
	equal(t, "in one commit", names(p.sign()), []string{"CertificateRevoked", "CertificateRevoked", "CertificateIssued", "CertificateIssued"})
	p.write()
	p.handOver()
	equal(t, "last day", p.wantStatus(underMyNumber, kindSign, valid).LastDay, "2025-06-18")
}

func TestRenewalAfterExpiryIsANewIssue(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-06-19 10:00")
	accepted := p.apply(opRenew)
	equal(t, "last day", accepted.Planned[0].LastDay, "2025-06-18")
	equal(t, "rule", accepted.Planned[0].Candidates[0].RuleId, "mynumber.validity.fifth-birthday")
	equal(t, "fee", accepted.Fee[0].RuleId, "mynumber.fee.expired-waived")
	all := p.all()
	rules := all[len(all)-1].RuleIds
	for _, want := range []string{"mynumber.renewal.after-expiry", "mynumber.fee.expired-waived"} {
		if !slices.Contains(rules, want) {
			t.Errorf("%s is not among the rules of the acceptance: %v", want, rules)
		}
	}
}

// A renewal received on the last day is completed the next day with the accepted terms.
func TestRenewalReceivedOnTheLastDayKeepsItsTerms(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-06-18 16:59").apply(opRenew)
	want := p.state.Open().Planned[0].LastDay
	p.at("2020-06-19 00:10").tick()
	p.keys()
	p.sign()
	equal(t, "last day", p.held(kindAuth).LastDay, want)

	q := newPlayer(t, "2015-12-22 16:59")
	q.apply(opIssue, juki)
	q.at("2015-12-22 23:59").keys()
	equal(t, "last day", q.heldUnder(underJuki, kindSign).LastDay, "2018-12-21")
}

// From 2015-12-23 to 2015-12-31 no certificate of either kind can be issued (law.md 1.1), whenever it was applied for.
func TestNothingIsIssuedBetweenTheRegimes(t *testing.T) {
	p := newPlayer(t, "2015-12-22 16:59")
	p.apply(opIssue, juki)
	decided := p.at("2015-12-23 00:10").keys()
	equal(t, "in one commit", names(decided), []string{"KeysRecorded", "ApplicationWithdrawn"})
	equal(t, "rules", decided[1].RuleIds, []string{"juki.regime.issue-ended", "juki.regime.gap"})
	if p.state.Open() != nil {
		t.Errorf("still open: %v", p.state.Open())
	}
}

// Juki cards are given out elsewhere: after a move another one is accepted if the former has no live certificate.
func TestAnotherJukiCardAfterAMove(t *testing.T) {
	p := newPlayer(t, "2010-06-01 10:00")
	p.carried(opIssue, juki)
	p.at("2010-06-15 10:00")
	p.refused("application.double-issue", opIssue, juki, card("juki-2"))
	p.refused(regime.OtherCard, opIssue, juki, card("juki-2"))
	p.change(events.RecordChange_RECORD_CHANGE_MOVE_OUT)
	p.at("2010-07-06 10:00").carried(opIssue, juki, card("juki-2"))
	equal(t, "card", p.state.Card.Card, "juki-2")
	equal(t, "last day", p.heldUnder(underJuki, kindSign).LastDay, "2013-07-05")
}

func TestChangeOfNameAndIssueAgain(t *testing.T) {
	p := fromFactory(t)
	p.at("2017-05-08 10:00")
	decided := p.change(events.RecordChange_RECORD_CHANGE_NAME)
	equal(t, "in one commit", names(decided), []string{"ResidentRecordChanged", "CertificateRevoked", "NoticeDue"})
	p.wantStatus(underMyNumber, kindAuth, valid)
	accepted := p.apply(opIssue, kinds(kindSign))
	equal(t, "cause", accepted.Cause, string(regime.CauseRecordChange))
	equal(t, "fee", accepted.Fee[0].Yen, uint32(0))
	equal(t, "capped", accepted.Planned[0].Candidates[1], &events.Candidate{RuleId: "mynumber.validity.auth-caps-sign", Day: "2020-06-18", Binds: true})
}

func TestLossByTelephoneAndReissue(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2021-08-10 03:00")
	decided := p.do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "in one commit", names(decided), []string{"LossReported", "CertificateSuspended", "CertificateSuspended", "CardSuspended", "NoticeDue"})
	again := p.do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "a second call", names(again), []string{"LossReported"})
	since := p.held(kindAuth).SuspendedMs
	p.at("2021-09-01 10:00")
	p.refused(regime.CardNotUsable, opRenew)
	p.refused(regime.CardNotUsable, opReissue)
	withoutCard := func(a *Apply) {
		a.Shown = []regime.Shown{{Document: regime.DocForm}, {Document: regime.DocPhotoID, AddressCurrent: true}}
	}
	accepted := p.apply(opReissue, card("card-2"), withoutCard)
	equal(t, "fee", accepted.Fee, []*events.FeeItem{{RuleId: "mynumber.fee.reissue-card", Yen: 800}, {RuleId: "mynumber.fee.reissue-certificates", Yen: 200}})
	p.keys()
	p.sign()
	for _, c := range onCards(p.state) {
		if c.Serial == 3 || c.Serial == 4 {
			equal(t, "reason", c.Reason, events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE)
			equal(t, "suspended since", c.SuspendedMs, since)
		}
	}
	p.do(ReportLoss{By: "telephone", Filed: p.now}) // concerns card-1, not the one at the counter
	p.wantStatus(underMyNumber, kindAuth, issued)
	p.write()
	decided = p.handOver()
	equal(t, "old card", find[*events.CardVoided](decided).Card, "card-1")
	equal(t, "new card", p.state.Card.Card, "card-2")
	p.wantStatus(underMyNumber, kindSign, valid)
}

func TestFoundCardDoesNotBringCertificatesBack(t *testing.T) {
	p := fromFactory(t)
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "another card", names(p.do(ReportFound{Card: "card-9", Filed: p.now})), []string{"FactRefused"})
	p.do(ReportFound{Card: "card-1", Filed: p.now})
	p.wantStatus(underMyNumber, kindSign, revoked)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_HELD)
	p.carried(opReissue)
}

func TestRevocationByTheHolder(t *testing.T) {
	for _, c := range []struct {
		cause  regime.Cause
		reason events.RevocationReason
	}{
		{"", events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION},
		{regime.CauseLoss, events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE},
		{regime.Cause(regime.EvKeyLeak), events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE},
		{regime.CauseDamage, events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION},
	} {
		p := fromFactory(t)
		p.apply(opRevoke, kinds(kindSign), cause(c.cause))
		equal(t, "reason", p.wantStatus(underMyNumber, kindSign, revoked).Reason, c.reason)
		p.wantStatus(underMyNumber, kindAuth, valid)
		p.refused(regime.NothingHeld, opRevoke, kinds(kindSign))
	}
}

func TestReissueOfDamagedAndOnWish(t *testing.T) {
	p := fromFactory(t)
	p.at("2018-05-10 10:00").carried(opReissue, cause(regime.CauseDamage))
	equal(t, "reason", certificate(p.state, 2).Reason, events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION)
	p.carried(opReissue, kinds(kindAuth))
	p.wantStatus(underMyNumber, kindSign, valid)
	equal(t, "reason", certificate(p.state, 3).Reason, events.RevocationReason_REVOCATION_REASON_SUPERSEDED)
	p.carried(opReissue, kinds(kindAuth), cause(regime.Cause(regime.EvKeyLeak)))
	equal(t, "reason", certificate(p.state, 5).Reason, events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE)
}

// An expiry counts even if nobody has recorded it: an issue after it is free of charge.
func TestIssueAfterAnUnrecordedExpiry(t *testing.T) {
	p := fromFactory(t)
	accepted := p.at("2020-06-19 10:00").apply(opIssue)
	equal(t, "cause", accepted.Cause, string(regime.CauseExpired))
	equal(t, "fee", accepted.Fee, []*events.FeeItem{{RuleId: "mynumber.fee.expired-waived"}})
}

func TestCardOfAnotherIsRefused(t *testing.T) {
	p := fromFactory(t)
	p.refused(regime.OtherCard, opUnblock, card("card-9"))
	p.refused(regime.OtherCard, opRevoke, card("card-9"))
	p.apply(opRevoke, card(""))
}

// A refusal names a rule once, however many certificates break it.
func TestRefusalNamesEachRuleOnce(t *testing.T) {
	p := fromFactory(t)
	nothing := func(a *Apply) { a.Shown = nil }
	elsewhere := func(a *Apply) { a.Person.Municipality = "01100" }
	for _, op := range []events.Operation{opIssue, opRenew, opReissue} {
		decided := p.do(p.application(op, nothing, elsewhere, kinds(kindAuth, kindSign)))
		refused := find[*events.ApplicationRefused](decided)
		if refused == nil || len(refused.Refusals) < 3 {
			t.Fatalf("%v: %v", op, decided)
		}
		equal(t, "refusals", refused.Refusals, distinct(refused.Refusals))
		equal(t, "rules", decided[len(decided)-1].RuleIds, distinct(decided[len(decided)-1].RuleIds))
	}
}

func TestOneProcedureAtATime(t *testing.T) {
	p := fromFactory(t)
	p.apply(opUnblock)
	p.refused(regime.OneAtATime, opReturn)
	same := func(a *Apply) { a.Procedure = p.state.Open().Id }
	equal(t, "the same again", names(p.do(p.application(opUnblock, same))), []string{"FactRefused"})
	p.do(DropApplication{Procedure: p.state.Open().Id, Filed: p.now})
	p.apply(opReturn)
	p.wantStatus(underMyNumber, kindAuth, revoked)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)
	p.refused(regime.CardNotUsable, opIssue)
	p.carried(opIssue, card("card-2"))
	equal(t, "card", p.state.Card.Card, "card-2")
}

func TestMinorGetsAuthenticationOnly(t *testing.T) {
	p := newPlayer(t, "2019-05-13 10:00")
	p.person.BirthDate.Year = 2005
	represented := func(a *Apply) {
		a.Channel, a.Shown = regime.ChannelRepresentative, append(photo(), regime.Shown{Document: regime.DocRepresentation}, regime.Shown{Document: regime.DocProxyPhotoID})
	}
	p.refused("mynumber.eligibility.representative-needed", opIssue, kinds(kindAuth))
	p.refused("mynumber.eligibility.under-15-signature", opIssue, represented, kinds(kindSign))
	accepted := p.apply(opIssue, represented)
	equal(t, "kinds", accepted.Kinds, []events.CertificateKind{kindAuth})
}

// A child's card is handed over to, and unblocked by, the person who sets its PINs (law.md 2.2), at the municipality of
// residence (law.md 2.1).
func TestWhoSetsThePINsAndWhere(t *testing.T) {
	p := newPlayer(t, "2021-02-01 02:29")
	p.person.BirthDate = day("2006-08-20")
	p.carried(opFactory, factory)
	p.at("2021-03-01 10:00")
	represented := func(a *Apply) {
		a.Channel, a.Shown = regime.ChannelRepresentative, append(photo(), regime.Shown{Document: regime.DocRepresentation}, regime.Shown{Document: regime.DocProxyPhotoID})
	}
	elsewhere := func(a *Apply) { a.Office.Municipality = "12213" }
	p.refused("mynumber.eligibility.representative-needed", opHandOver)
	p.refused("mynumber.eligibility.other-municipality", opHandOver, represented, elsewhere)
	p.apply(opHandOver, represented)
	p.unblocked()
	p.handOver()
	p.refused("mynumber.eligibility.representative-needed", opUnblock)
	p.refused("mynumber.eligibility.other-municipality", opUnblock, represented, elsewhere)
	p.apply(opUnblock, represented)
}

// The paper copy of a certificate names the rule of its regime.
func TestThePaperCopyNamesItsRule(t *testing.T) {
	for _, c := range []struct {
		at, rule string
		change   []func(*Apply)
	}{
		{"2012-12-03 10:00", "juki.handover.paper-copy", []func(*Apply){juki}},
		{"2019-05-13 10:00", "mynumber.handover.paper-copy", nil},
	} {
		all := newPlayer(t, c.at).carried(opIssue, c.change...)
		delivered := all[slices.IndexFunc(all, func(e *events.Event) bool { return events.Name(e) == "Delivered" })]
		equal(t, "rules of the delivery at "+c.at, delivered.RuleIds, []string{c.rule})
	}
}

// Only minors and wards have a legal representative, so that nobody evades the mandate and its letter by claiming to be
// one.
func TestAnAdultHasNoLegalRepresentative(t *testing.T) {
	p := newPlayer(t, "2019-05-13 10:00")
	represented := func(a *Apply) {
		a.Channel, a.Shown = regime.ChannelRepresentative, append(photo(), regime.Shown{Document: regime.DocRepresentation}, regime.Shown{Document: regime.DocProxyPhotoID})
	}
	p.refused("mynumber.eligibility.no-representative", opIssue, represented)
	p.carried(opIssue)
	p.refused("mynumber.eligibility.no-representative", opUnblock, represented)
	p.apply(opRevoke, represented) // ending a certificate is never refused for that
}

func TestPeriodOfStay(t *testing.T) {
	p := newPlayer(t, "2018-04-10 10:00")
	p.person.Foreign, p.person.Alias, p.person.StayUntil = true, true, day("2019-10-01")
	p.carried(opIssue)
	equal(t, "capped", p.held(kindAuth).LastDay, "2019-10-01")
	p.at("2019-09-02 10:00")
	p.change(events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, func(c *ChangeRecord) { c.StayUntil = "2022-10-01" })
	p.person.StayUntil = day("2022-10-01")
	p.apply(opExtend)
	equal(t, "card", p.state.Card.LastDay, "2022-10-01")
	p.carried(opRenew)
	equal(t, "no longer capped at the former stay", p.held(kindAuth).LastDay, "2022-10-01")
	p.at("2022-10-03 10:00").tick()
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_EXPIRED)
	p.refused("mynumber.card.extension-too-late", opExtend)
}

// With permanent residence the card lasts to the birthday counted from its own issue, not from the extension.
func TestPermanentResidence(t *testing.T) {
	p := newPlayer(t, "2018-04-10 10:00")
	p.person.Foreign, p.person.StayUntil = true, day("2022-10-01")
	p.carried(opIssue)
	p.at("2022-04-11 10:00")
	p.change(events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY)
	p.person.StayUntil = day("")
	p.apply(opExtend)
	equal(t, "card", p.state.Card.LastDay, "2027-06-18")
}

// A fact that changes nothing names the rule: the procedure was withdrawn, or does not wait for it.
func TestUnawaitedFactNamesItsRule(t *testing.T) {
	p := newPlayer(t, "2016-01-05 02:29")
	p.carried(opFactory, factory)
	p.at("2016-01-12 10:00").apply(opHandOver)
	early := p.handOver()
	equal(t, "before the PINs", early[len(early)-1].RuleIds, []string{regime.NotAwaited})
	open := p.state.Open()
	p.do(DropApplication{Procedure: open.Id, Filed: p.now})
	late := p.do(RecordHandOver{Procedure: open.Id, Card: open.Carrier.Card(), Filed: p.now})
	equal(t, "after the withdrawal", late[len(late)-1].RuleIds, []string{regime.NoLongerOpen})
}
