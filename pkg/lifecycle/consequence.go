package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// consequence is something that ends certificates or a card, before the law was asked what exactly.
type consequence struct {
	event    regime.Event
	regime   regime.Regime
	chosen   []events.CertificateKind // for events that mean some certificates; none: both
	serial   uint64                   // one certificate only, when set
	keepUse  bool
	reason   events.RevocationReason // set by the authority itself
	switches regime.Switches
}

// end asks the law what the event ends and records it: certificates first, then the card, then who must be told.
func (d *decision) end(c consequence) error {
	in := regime.ConsequenceIn{Regime: c.regime, Event: c.event, On: d.today(), ContinuedUse: c.keepUse}
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
	d.endCard(c, law.Card)
	d.tellEnded(c, ended)
	d.endEmptyProcedure()
	return nil
}

// endEmptyProcedure withdraws a procedure whose authorised certificates have all been abandoned: nothing is left to sign.
func (d *decision) endEmptyProcedure() {
	p := d.state.Procedure
	if p.GetStep() != stepKeys {
		return
	}
	left := slices.ContainsFunc(d.state.Certificates, func(c *events.Certificate) bool {
		return c.Procedure == p.Id && c.Status == authorized
	})
	if !left {
		d.emit(&events.ApplicationWithdrawn{Procedure: p.Id}, regime.BeforeHandOver)
	}
}

// endKind applies what the law says to the certificates of one kind and gives those it changed.
func (d *decision) endKind(c consequence, kind events.CertificateKind, law regime.Consequence) []*events.Certificate {
	var changed []*events.Certificate
	for _, held := range slices.Clone(d.state.Certificates) {
		if held.Kind != kind || hasEnded(held) || lawRegime(held.Regime) != c.regime || c.serial != 0 && held.Serial != c.serial {
			continue
		}
		if len(c.chosen) > 0 && !slices.Contains(c.chosen, kind) {
			continue
		}
		if d.endOne(c, held, law) {
			changed = append(changed, held)
		}
	}
	return changed
}

// endOne applies one consequence to one certificate and tells whether that changed it.
func (d *decision) endOne(c consequence, held *events.Certificate, law regime.Consequence) bool {
	switch law.Effect {
	case regime.Revoke:
		if held.Status == authorized {
			d.emit(&events.IssueAbandoned{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: string(c.event)}, law.Rule)
			return true
		}
		reason := logReason(law.Reason)
		if c.reason != 0 {
			reason = c.reason
		}
		d.emit(&events.CertificateRevoked{
			Serial: held.Serial, Kind: held.Kind, Reason: reason, Cause: string(c.event), Authority: held.Authority,
			LastDay: held.LastDay, Municipality: d.state.Municipality,
		}, law.Rule)
		return true
	case regime.Suspend:
		if held.Status == suspended || held.Status == authorized {
			return false
		}
		d.emit(&events.CertificateSuspended{
			Serial: held.Serial, Kind: held.Kind, Cause: string(c.event), Authority: held.Authority,
		}, law.Rule)
		return true
	}
	return false
}

// endCard applies what the law says to the card under the event's regime.
func (d *decision) endCard(c consequence, law regime.Consequence) {
	held := d.state.Card
	if held == nil || cardRegime(held.Kind) != c.regime || held.Status == events.CardStatus_CARD_STATUS_VOID || c.serial != 0 {
		return
	}
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

// tellEnded owes a notice for what ended without the holder standing at a counter, and explains every notice about a
// certificate that has ended before it was sent.
func (d *decision) tellEnded(c consequence, ended []*events.Certificate) {
	if len(ended) == 0 {
		return
	}
	d.suppressPending(ended, suppression(c.event))
	if !silent(c.event) {
		kind := events.NoticeKind_NOTICE_KIND_REVOKED
		if c.event == regime.EvPhoneLoss {
			kind = events.NoticeKind_NOTICE_KIND_SUSPENDED
		}
		d.oweNotice(kind, ended)
	}
}

// silent are the events after which nobody is written to: the holder asked for them in person, or has died.
func silent(e regime.Event) bool {
	switch e {
	case regime.EvApplication, regime.EvRenewed, regime.EvReissued, regime.EvDiscarded, regime.EvCardReturned,
		regime.EvMyNumberHandOver, regime.EvDeath, regime.EvLossReport, regime.EvUnusable, regime.EvKeyLeak:
		return true
	}
	return false
}

// suppression is why a notice that was still owed is not sent.
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
