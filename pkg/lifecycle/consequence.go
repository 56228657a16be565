package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// consequence describes something that ends certificates or a card; the law says which.
type consequence struct {
	event    regime.Event
	regime   regime.Regime
	chosen   []events.CertificateKind // kinds that the event concerns; none: both
	serial   uint64                   // if set, only this certificate
	move     *move                    // the move behind the event, or nil
	onCard   string                   // if set, only certificates on this card
	spare    []string                 // cards that, with their certificates, are not affected
	switches regime.Switches
}

// end asks the law what the event ends and records it: certificates first, then the card, then the notices.
func (d *decision) end(c consequence) error {
	in := regime.ConsequenceIn{Regime: c.regime, Event: c.event, On: d.today()}
	if c.move != nil {
		in = c.move.question(c.regime)
		in.Ahead = c.move.ahead
	}
	for _, k := range c.chosen {
		in.Chosen = append(in.Chosen, lawKind(k))
	}
	law, err := c.switches.Consequences(in)
	if err != nil {
		return err
	}
	var ended []*events.Certificate
	for _, kind := range []events.CertificateKind{kindSign, kindAuth} {
		ended = append(ended, d.endKind(c, kind, law.Of(lawKind(kind)))...)
	}
	d.endCards(c, law.Card)
	d.tellEnded(c, law, ended)
	return nil
}

// endKind applies the law to the certificates of one kind and returns those on cards that it changed. Certificates on
// smartphones have no notices of their own.
func (d *decision) endKind(c consequence, kind events.CertificateKind, law regime.Consequence) []*events.Certificate {
	var changed []*events.Certificate
	for _, held := range slices.Clone(d.state.Certificates) {
		if held.Kind == kind && c.covers(held) && d.endOne(c, held, law) && held.Carrier.Device() == "" {
			changed = append(changed, held)
		}
	}
	return changed
}

// covers reports whether the consequence concerns this certificate.
func (c consequence) covers(held *events.Certificate) bool {
	switch {
	case hasEnded(held), lawRegime(held.Regime) != c.regime, c.serial != 0 && held.Serial != c.serial:
		return false
	case c.serial == 0 && held.Carrier.Device() != "":
		return false // followParents ends it with the card's
	case c.onCard != "" && held.Carrier.Card() != c.onCard, slices.Contains(c.spare, held.Carrier.Card()):
		return false
	case c.move != nil && c.move.keepUse && held.Overseas:
		return false // issued for use overseas
	}
	return len(c.chosen) == 0 || slices.Contains(c.chosen, held.Kind)
}

// endOne applies the law to one certificate and reports whether that changed it.
func (d *decision) endOne(c consequence, held *events.Certificate, law regime.Consequence) bool {
	switch law.Effect {
	case regime.Revoke:
		if held.Status == authorized {
			d.emit(abandonment(held, string(c.event)), law.Rule)
			return true
		}
		d.emit(&events.CertificateRevoked{
			Serial: held.Serial, Kind: held.Kind, Reason: logReason(law.Reason), Cause: string(c.event), Authority: held.Authority,
			LastDay: held.LastDay, Municipality: d.state.Municipality, Device: held.Carrier.Device(),
		}, law.Rule, law.Reason.Rule())
		return true
	case regime.Suspend:
		if held.Status == suspended || held.Status == authorized {
			return false // withdrawImpossible abandons unsigned certificates with their procedure
		}
		d.emit(suspension(held, string(c.event)), law.Rule, law.Reason.Rule())
		return true
	case regime.Release:
		if held.Status != suspended || d.heldBack(held) {
			return false
		}
		d.emit(&events.CertificateReleased{
			Serial: held.Serial, Kind: held.Kind, Cause: string(c.event), Authority: held.Authority, Device: held.Carrier.Device(),
		}, law.Rule)
		return true
	}
	return false
}

// abandonment gives up a certificate that is authorised but not signed.
func abandonment(held *events.Certificate, cause string) *events.IssueAbandoned {
	return &events.IssueAbandoned{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: cause, Device: held.Carrier.Device()}
}

// discarding ends a signed certificate that never reached its holder.
func discarding(held *events.Certificate, cause string) *events.CertificateDiscarded {
	return &events.CertificateDiscarded{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: cause, Device: held.Carrier.Device()}
}

func suspension(held *events.Certificate, cause string) *events.CertificateSuspended {
	return &events.CertificateSuspended{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: cause, Device: held.Carrier.Device()}
}

// endCards applies the law to the cards under the event's regime.
func (d *decision) endCards(c consequence, law regime.Consequence) {
	if c.serial != 0 || c.onCard != "" {
		return
	}
	for _, held := range cardsOf(d.state, c.regime) {
		if held.Status != events.CardStatus_CARD_STATUS_VOID && !slices.Contains(c.spare, held.Card) {
			d.endCard(c, held, law)
		}
	}
}

func (d *decision) endCard(c consequence, held *events.HeldCard, law regime.Consequence) {
	switch law.Effect {
	case regime.Void:
		if c.event == regime.EvCardReturned {
			d.emit(&events.CardReturned{Card: held.Card}, law.Rule)
			return
		}
		d.emit(&events.CardVoided{Card: held.Card, Cause: string(c.event)}, law.Rule)
	case regime.Suspend:
		if held.Status != events.CardStatus_CARD_STATUS_SUSPENDED {
			d.emit(&events.CardSuspended{Card: held.Card, Cause: string(c.event)}, law.Rule)
		}
	case regime.Expire:
		if held.Status != events.CardStatus_CARD_STATUS_EXPIRED {
			d.emit(&events.CardExpired{Card: held.Card, LastDay: held.LastDay}, law.Rule)
		}
	case regime.Release:
		if held.Status == events.CardStatus_CARD_STATUS_SUSPENDED {
			d.emit(&events.CardFound{Card: held.Card}, law.Rule)
		}
	}
}

// tellEnded owes a notice about certificates that ended without the holder at a counter, and suppresses pending notices
// about certificates that have ended.
func (d *decision) tellEnded(c consequence, law regime.Consequences, ended []*events.Certificate) {
	if c.event == regime.EvDeath {
		d.suppressAll(suppression(c.event), law.Rules...)
	}
	if len(ended) == 0 {
		return
	}
	d.suppressPending(ended, suppression(c.event), law.Rules...)
	if !silent(c.event) {
		kind := events.NoticeKind_NOTICE_KIND_REVOKED
		if c.event == regime.EvPhoneLoss {
			kind = events.NoticeKind_NOTICE_KIND_SUSPENDED
		}
		d.oweNotices(kind, ended, law.Rules...)
	}
}

// silent reports whether nobody is notified of the event: the holder asked for it in person, or has died.
func silent(e regime.Event) bool {
	switch e {
	case regime.EvApplication, regime.EvRenewed, regime.EvReissued, regime.EvDiscarded, regime.EvCardReturned,
		regime.EvMyNumberHandOver, regime.EvDeath, regime.EvLossReport, regime.EvUnusable, regime.EvKeyLeak:
		return true
	}
	return false
}

// suppression returns why a pending notice is not sent.
func suppression(e regime.Event) string {
	switch e {
	case regime.EvRenewed, regime.EvReissued:
		return "renewed"
	case regime.EvDeath:
		return "died"
	default:
		return "revoked"
	}
}
