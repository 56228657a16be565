package lifecycle

import (
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

func appliedOn(day civil.Date) func(*Apply) { return func(a *Apply) { a.AppliedOn = day } }

// made applies for a card and carries it through the factory.
func (p *player) made(change ...func(*Apply)) *events.ApplicationAccepted {
	p.t.Helper()
	accepted := p.apply(opFactory, append(change, factory)...)
	p.keys()
	p.sign()
	p.write()
	return accepted
}

// collected hands over the waiting card.
func (p *player) collected(id string) *events.ApplicationAccepted {
	p.t.Helper()
	accepted := p.apply(opHandOver, card(id))
	p.unblocked()
	p.handOver()
	return accepted
}

// A factory's card that renews another is no double issue: the former card and its certificates stay in force until the
// new one is handed over, and end in that commit (law.md 4.4).
func TestACardIsRenewedThroughTheFactory(t *testing.T) {
	p := fromFactory(t) // card and certificates from 2016
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2025-03-18 02:00").refused(regime.DoubleIssue, opFactory, factory, card("card-2"))
	p.at("2025-03-19 02:00")
	accepted := p.made(card("card-2"))
	equal(t, "card to the 11th birthday", accepted.CardLastDay, "2035-06-18")
	equal(t, "certificate to the sixth", accepted.Planned[0].LastDay, "2030-06-18")
	equal(t, "in hand", Live(p.state, underMyNumber, kindAuth).Carrier.Card(), "card-1")
	equal(t, "its status", Live(p.state, underMyNumber, kindAuth).Status, valid)
	p.at("2025-04-10 10:00")
	if fee := p.collected("card-2").Fee; len(fee) != 1 || fee[0].Yen != 0 {
		t.Errorf("fee: %v", fee)
	}
	equal(t, "in hand", Live(p.state, underMyNumber, kindAuth).Carrier.Card(), "card-2")
	ended := 0
	for _, c := range onCards(p.state) {
		if c.Status == revoked && c.Reason == events.RevocationReason_REVOCATION_REASON_SUPERSEDED {
			ended++
		}
	}
	equal(t, "the former ones are superseded", ended >= 2, true)
	equal(t, "no card beside it", p.state.OldCard, (*events.HeldCard)(nil))
}

// A waiting card that ends before the hand-over is not handed over, whatever else the person has.
func TestCardEndedBeforeHandOverIsNotHandedOver(t *testing.T) {
	p := fromFactory(t)
	p.at("2025-03-19 02:00")
	p.made(card("card-2"))
	p.at("2025-04-10 10:00")
	accepted := p.apply(opHandOver, card("card-2"))
	p.unblocked()
	p.do(ChangeRecord{Change: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, CausedOn: "2025-04-10", Filed: p.now})
	equal(t, "the procedure", p.state.Open(), (*events.Procedure)(nil))
	refused := find[*events.FactRefused](p.do(RecordHandOver{Procedure: accepted.Procedure, Card: "card-2", Filed: p.now}))
	equal(t, "refused", refused.GetFact(), "HandedOver")
	equal(t, "the card in hand", p.state.Card.GetCard(), "card-1")
}

// A factory must name the card it makes, and not one that the person has.
func TestFactoryMustNameANewCard(t *testing.T) {
	p := newPlayer(t, "2016-01-12 10:00")
	p.refused(regime.NoCardNamed, opFactory, factory, card(""))
	p = fromFactory(t)
	p.at("2025-03-19 02:00").refused(regime.NoCardNamed, opFactory, factory, card(""))
}

// While a new card waits, a loss or an expiry concerns the card in hand; a death ends both.
func TestWhatEndsWhileANewCardWaits(t *testing.T) {
	start := func() *player {
		p := fromFactory(t)
		p.at("2020-03-19 10:00").carried(opRenew)
		p.at("2025-03-19 02:00").made(card("card-2"))
		return p.at("2025-03-25 10:00")
	}
	status := func(p *player, id string) events.CardStatus {
		for _, c := range []*events.HeldCard{p.state.Card, p.state.OldCard} {
			if c.GetCard() == id {
				return c.Status
			}
		}
		return events.CardStatus_CARD_STATUS_VOID
	}
	const held, assigned, suspendedCard, void = events.CardStatus_CARD_STATUS_HELD, events.CardStatus_CARD_STATUS_ASSIGNED,
		events.CardStatus_CARD_STATUS_SUSPENDED, events.CardStatus_CARD_STATUS_VOID
	p := start()
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "lost", status(p, "card-1"), suspendedCard)
	equal(t, "waits", status(p, "card-2"), assigned)
	equal(t, "in hand", Live(p.state, underMyNumber, kindAuth).Status, suspended)
	p.do(ReportFound{Card: "card-1", Filed: p.now})
	equal(t, "found", status(p, "card-1"), held)
	p.collected("card-2")
	equal(t, "collected", Live(p.state, underMyNumber, kindAuth).Status, valid)

	p = start()
	p.change(events.RecordChange_RECORD_CHANGE_DEATH)
	equal(t, "died", []events.CardStatus{status(p, "card-1"), status(p, "card-2")}, []events.CardStatus{void, void})
	equal(t, "nothing lives", len(p.model), 0)

	p = start()
	p.apply(opRevoke, card("card-1"))
	equal(t, "given up", Live(p.state, underMyNumber, kindAuth).GetStatus(), issued)
	equal(t, "waits", status(p, "card-2"), assigned)

	p = start() // never collected
	p.at("2025-06-19 03:00").tick()
	equal(t, "the term of the former is over", status(p, "card-1"), events.CardStatus_CARD_STATUS_EXPIRED)
	equal(t, "waits", status(p, "card-2"), assigned)
	p.at("2025-06-20 10:00").collected("card-2")
	equal(t, "collected", Live(p.state, underMyNumber, kindAuth).Status, valid)

	p = start() // another card is issued at the counter first
	p.carried(opReissue, card("card-3"))
	equal(t, "in hand", Live(p.state, underMyNumber, kindAuth).Carrier.Card(), "card-3")
	equal(t, "the one that waited", status(p, "card-2"), void)

	p = start() // reissued on the waiting card: its old one ends at once, the one in hand at the hand-over
	p.apply(opReissue, card("card-2"), kinds(kindSign))
	p.keys()
	p.sign()
	equal(t, "on the card that waits", p.inForceOn("card-2", kindSign), 1)
	equal(t, "in hand", p.inForceOn("card-1", kindSign), 1)
	p.write()
	p.handOver()
	equal(t, "collected", Live(p.state, underMyNumber, kindSign).Carrier.Card(), "card-2")
	equal(t, "no longer in hand", p.inForceOn("card-1", kindSign), 0)
}

// inForceOn counts the certificates of a kind on a card that have not ended.
func (p *player) inForceOn(id string, kind events.CertificateKind) (n int) {
	for _, c := range onCards(p.state) {
		if c.Carrier.Card() == id && c.Kind == kind && !hasEnded(c) {
			n++
		}
	}
	return n
}

// A card that replaces a lost one is paid for at the hand-over, also if the factory makes it; the certificates
// suspended by telephone are no obstacle (law.md 4.4).
func TestALostCardIsReplacedThroughTheFactory(t *testing.T) {
	for _, by := range []string{"telephone", "counter"} {
		p := fromFactory(t).at("2017-05-08 10:00")
		p.do(ReportLoss{By: by, Filed: p.now})
		p.at("2017-06-05 02:00").made(card("card-2"))
		p.at("2017-06-20 10:00")
		accepted := p.collected("card-2")
		yen := uint32(0)
		for _, item := range accepted.Fee {
			yen += item.Yen
		}
		equal(t, "lost by "+by, yen, uint32(1000))
		equal(t, "in force", Live(p.state, underMyNumber, kindAuth).Carrier.Card(), "card-2")
		equal(t, "the term", Live(p.state, underMyNumber, kindAuth).LastDay, "2021-06-18")
	}
	p := fromFactory(t).at("2017-05-08 10:00")
	p.refused(regime.DoubleIssue, opFactory, factory, card("card-2")) // neither lost nor near its end
}

// For a factory's card age is judged on the day of application, which an extension still knows (law.md 2.6).
func TestFactoryCardRemembersItsApplicationDay(t *testing.T) {
	p := newPlayer(t, "2022-04-20 10:00")
	p.person.BirthDate = civil.New(2002, 9, 9)
	accepted := p.made(card("card-1"), appliedOn(civil.New(2022, 3, 25)))
	equal(t, "a minor's card", accepted.CardLastDay, "2026-09-09")
	equal(t, "remembered", p.state.Card.AppliedOn, "2022-03-25")

	p = newPlayer(t, "2024-06-20 10:00")
	p.person.BirthDate = civil.New(2009, 6, 10)
	accepted = p.made(card("card-1"), appliedOn(civil.New(2024, 6, 1)))
	equal(t, "14 then", accepted.Kinds, []events.CertificateKind{kindAuth})
}

// A card written to at the new municipality counts as submitted (law.md 8.4).
func TestWrittenCardCountsAsSubmitted(t *testing.T) {
	for _, write := range []func(*player){
		func(p *player) { p.carried(opIssue, kinds(kindSign)) },
		func(p *player) {
			p.apply(opUnblock, kinds(kindAuth))
			p.unblocked()
			p.handOver()
		},
	} {
		p := fromFactory(t).at("2017-05-08 10:00")
		p.change(changeMoveIn)
		equal(t, "owed", p.deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90) != "", true)
		write(p)
		equal(t, "submitted", p.deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90), "")
		p.at("2017-12-01 03:00").tick()
		p.wantStatus(underMyNumber, kindAuth, valid)
	}
}

// The notice says whether the card ends too; a resident with a limited stay gets none (law.md 9.1, 9.2).
func TestNoticesOfCardsThatEnd(t *testing.T) {
	p := fromFactory(t).at("2020-03-19 00:05")
	equal(t, "card goes on", find[*events.NoticeDue](p.tick()).CardEnds, false)
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2025-03-19 00:05")
	equal(t, "card ends too", find[*events.NoticeDue](p.tick()).CardEnds, true)
	p.at("2025-06-19 00:05")
	equal(t, "it has ended", find[*events.NoticeDue](p.tick()).CardEnds, true)

	p = newPlayer(t, "2018-05-01 02:00")
	p.person.Foreign, p.person.StayUntil = true, civil.New(2020, 3, 31)
	p.made()
	p.at("2018-05-14 10:00").collected("card-1")
	decided := p.at("2020-01-01 00:05").tick()
	equal(t, "suppressed", find[*events.NoticeSuppressed](decided).GetReason(), "limited-stay")
	rules := decided[len(decided)-1].RuleIds
	equal(t, "rule", slices.Contains(rules, regime.LimitedStay), true)

	p = newPlayer(t, "2018-05-01 02:00") // stay and card were extended: only the certificates end
	p.person.Foreign, p.person.StayUntil = true, civil.New(2020, 3, 31)
	p.made()
	p.at("2018-05-14 10:00").collected("card-1")
	p.person.StayUntil = civil.New(2023, 3, 31)
	p.at("2019-11-05 10:00").apply(opExtend)
	decided = p.at("2020-01-01 00:05").tick()
	equal(t, "reminded", count[*events.NoticeSuppressed](decided), 0)
}
