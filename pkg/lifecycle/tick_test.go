package lifecycle

import (
	"testing"

	"shomei/events"
)

// Once a shorter period of stay has ended the card, the certificates on it are revoked.
func TestShorterStayEndsCertificatesWithTheCard(t *testing.T) {
	p := newPlayer(t, "2018-04-10 10:00")
	p.person.Foreign, p.person.StayUntil = true, day("2022-10-01")
	p.carried(opIssue)
	equal(t, "last day", p.held(kindAuth).LastDay, "2022-06-18")
	p.person.StayUntil = day("2020-03-31")
	p.apply(opExtend)
	p.at("2020-03-31 23:59").tick()
	p.wantStatus(events.Regime_REGIME_MYNUMBER, kindAuth, valid)
	p.at("2020-04-01 03:00").tick()
	for _, kind := range []events.CertificateKind{kindAuth, kindSign} {
		held := p.wantStatus(events.Regime_REGIME_MYNUMBER, kind, revoked)
		equal(t, "reason", held.Reason, events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION)
	}
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_EXPIRED)
}
