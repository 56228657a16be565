package lifecycle

import (
	"bytes"
	"fmt"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// recordKeys authorises, for each key made for the open procedure, the certificate that was planned. The terms are
// worked out again for the day of issue, by the same rules: the law counts from there.
func (d *decision) recordKeys(c RecordKeys) error {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	if p.GetId() != c.Procedure || p.Step != stepAccepted || p.Card != c.Card {
		d.factRefused("KeysGenerated", "no procedure waits for keys on this card")
		return nil
	}
	if missing := missingKeys(p, c); missing != "" {
		d.factRefused("KeysGenerated", missing)
		return nil
	}
	d.emit(&events.KeysRecorded{Procedure: c.Procedure, Card: c.Card, Keys: c.Keys, Claim: c.Claim})
	a, err := d.planAgain(p, c)
	if err != nil {
		return err
	}
	for _, planned := range a.planned {
		if err := d.authorize(a, c, planned); err != nil {
			return err
		}
	}
	return nil
}

func missingKeys(p *events.Procedure, c RecordKeys) string {
	for _, planned := range p.Planned {
		if keyOf(c.Keys, planned.Kind) == nil {
			return fmt.Sprintf("no key of kind %s among those generated", lawKind(planned.Kind))
		}
		if _, ok := c.Signing[planned.Kind]; !ok {
			return fmt.Sprintf("no serial for kind %s", lawKind(planned.Kind))
		}
	}
	return ""
}

func keyOf(keys []*events.GeneratedKey, kind events.CertificateKind) *events.GeneratedKey {
	for _, k := range keys {
		if k.Kind == kind {
			return k
		}
	}
	return nil
}

// planAgain plans the accepted procedure on the day of issue. A renewal whose window has closed over night is carried
// through with the term it was accepted with (received in time goes on).
func (d *decision) planAgain(p *events.Procedure, c RecordKeys) (*application, error) {
	a := &application{
		Apply:    Apply{Procedure: p.Id, Operation: p.Operation, Card: p.Card, CardKind: p.CardKind, Person: c.Person, Switches: c.Switches},
		decision: d, regime: cardRegime(p.CardKind), day: d.today(),
	}
	for _, planned := range p.Planned {
		a.kinds = append(a.kinds, planned.Kind)
	}
	if last := day(p.CardLastDay); !last.IsZero() {
		a.cardTerm = &regime.Validity{LastDay: last}
	}
	fresh := terms{application: a}
	for _, accepted := range p.Planned {
		planned, err := fresh.plan(accepted.Kind)
		if err != nil {
			return nil, err
		}
		if planned == nil {
			planned = accepted
		}
		a.planned = append(a.planned, planned)
	}
	return a, nil
}

func (d *decision) authorize(a *application, c RecordKeys, planned *events.PlannedCertificate) error {
	last, err := civil.Parse(planned.LastDay)
	if err != nil || last.IsZero() {
		return fmt.Errorf("authorising a certificate: last day %q: %w", planned.LastDay, civil.ErrDate)
	}
	s := c.Signing[planned.Kind]
	window := a.Switches.Window(a.regime, last)
	rules := a.ruling.Applied
	for _, candidate := range planned.Candidates {
		rules = append(rules, candidate.RuleId)
	}
	d.emit(&events.IssueAuthorized{
		Procedure: c.Procedure, Serial: s.Serial, Kind: planned.Kind, Regime: logRegime(a.regime), Authority: s.Authority,
		Generation: s.Generation, NotBeforeMs: d.now.Unix() * 1000, NotAfterMs: last.EndInstant().UnixMilli(),
		LastDay: planned.LastDay, Candidates: planned.Candidates, Card: c.Card, Municipality: d.state.Procedure.Municipality,
		SpkiSha256: keyOf(c.Keys, planned.Kind).SpkiSha256, Replaces: planned.Replaces, WindowOpens: window.Opens.String(),
	}, rules...)
	return nil
}

// recordIssued ends what is replaced and issues the new in the same commit, so that there are never two.
func (d *decision) recordIssued(c RecordIssued) error {
	var fresh []*events.Certificate
	for _, signed := range c.Signed {
		if held := certificate(d.state, signed.Serial); held != nil && held.Status == authorized {
			fresh = append(fresh, held)
		}
	}
	if len(fresh) == 0 {
		return nil // signed again after a crash: the log has it
	}
	for _, held := range fresh {
		if err := d.replace(held, c.Switches); err != nil {
			return err
		}
	}
	if err := d.replaceRest(fresh, c); err != nil {
		return err
	}
	for _, signed := range c.Signed {
		d.issue(c.Procedure, signed)
	}
	return nil
}

// replace ends the certificate that the new one takes the place of.
func (d *decision) replace(held *events.Certificate, switches regime.Switches) error {
	old := certificate(d.state, held.Replaces)
	if old == nil || hasEnded(old) {
		return nil
	}
	return d.end(consequence{
		event: d.replacementEvent(old), chosen: []events.CertificateKind{old.Kind}, serial: old.Serial,
		regime: lawRegime(old.Regime), switches: switches,
	})
}

// replaceRest ends what else was on a card that a re-issue takes out of use.
func (d *decision) replaceRest(fresh []*events.Certificate, c RecordIssued) error {
	p := d.state.Procedure
	if p.GetId() != c.Procedure || p.Operation != events.Operation_OPERATION_REISSUE || p.Card == d.state.Card.GetCard() {
		return nil
	}
	for _, kind := range []events.CertificateKind{kindAuth, kindSign} {
		old := Live(d.state, logRegime(cardRegime(p.CardKind)), kind)
		if old == nil || old.Card == p.Card || old.Status == authorized {
			continue
		}
		err := d.end(consequence{
			event: d.replacementEvent(old), chosen: []events.CertificateKind{kind}, serial: old.Serial,
			regime: lawRegime(old.Regime), switches: c.Switches,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replacementEvent is why the old certificate ends: replaced in order, or lost, or broken (domain.md 2.5).
func (d *decision) replacementEvent(old *events.Certificate) regime.Event {
	p := d.state.Procedure
	switch {
	case old.Status == suspended || regime.Cause(p.GetCause()) == regime.CauseLoss:
		return regime.EvLossReport
	case p.GetOperation() == events.Operation_OPERATION_RENEW:
		return regime.EvRenewed
	case regime.Cause(p.GetCause()) == regime.CauseDamage:
		return regime.EvUnusable
	default:
		return regime.EvReissued
	}
}

func (d *decision) issue(procedure string, signed SignedCertificate) {
	held := certificate(d.state, signed.Serial)
	if held == nil || held.Status != authorized {
		return
	}
	d.emit(&events.CertificateIssued{
		Procedure: procedure, Serial: held.Serial, Kind: held.Kind, CertificateSha256: signed.SHA256, Regime: held.Regime,
		Authority: held.Authority, LastDay: held.LastDay, Card: held.Card, NotBeforeMs: held.NotBeforeMs,
		NotAfterMs: day(held.LastDay).EndInstant().UnixMilli(), WindowOpens: held.WindowOpens,
		Municipality: d.state.Procedure.GetMunicipality(),
	})
}

// abandonIssue closes an authorisation without a signature; the serial goes on the CRL.
func (d *decision) abandonIssue(c AbandonIssue) {
	held := certificate(d.state, c.Serial)
	if held == nil || held.Status != authorized {
		return
	}
	d.emit(&events.IssueAbandoned{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: c.Cause})
}

func (d *decision) recordWritten(c RecordWritten) {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	if p.GetId() != c.Procedure || p.Step != stepIssued || p.Card != c.Card {
		d.factRefused("CardWritten", "no procedure waits for this card to be written")
		return
	}
	for i, serial := range c.Serials {
		held := certificate(d.state, serial)
		if held == nil || i >= len(c.SHA256) || !bytes.Equal(held.CertificateSha256, c.SHA256[i]) {
			d.factRefused("CardWritten", fmt.Sprintf("what was read back for serial %d is not what was issued", serial))
			return
		}
	}
	d.emit(&events.CertificateWritten{Procedure: c.Procedure, Card: c.Card, Serials: c.Serials})
}

// recordWriteFailed lets the counter try again where the card still can, and otherwise discards what was made.
func (d *decision) recordWriteFailed(c RecordWriteFailed) error {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	if p.GetId() != c.Procedure || p.Card != c.Card || p.Step == stepWritten {
		d.factRefused("WriteFailed", "no procedure waits for this card")
		return nil
	}
	d.emit(&events.CardWriteFailed{
		Procedure: c.Procedure, Card: c.Card, Stage: c.Stage, Reason: c.Reason, Repairable: c.Repairable,
	})
	if c.Repairable {
		return nil
	}
	return d.discard(c.Procedure, c.Switches)
}

// discard ends the open procedure and whatever certificates it has made but not handed over; the card is kept.
func (d *decision) discard(procedure string, switches regime.Switches) error {
	card := d.state.Procedure.GetCard()
	for _, held := range append([]*events.Certificate(nil), d.state.Certificates...) {
		if held.Procedure != procedure || hasEnded(held) || held.Status == valid {
			continue
		}
		if held.Status == authorized {
			d.abandonIssue(AbandonIssue{Serial: held.Serial, Cause: "procedure ended"})
			continue
		}
		d.emit(&events.CertificateDiscarded{
			Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: string(regime.EvDiscarded),
		}, regime.BeforeHandOver)
	}
	d.emit(&events.CardTakenIntoCustody{Card: card, Procedure: procedure}, regime.BeforeHandOver)
	d.emit(&events.ApplicationWithdrawn{Procedure: procedure}, regime.BeforeHandOver)
	return nil
}

// recordHandOver ends the procedure: fee, paper copy, card. From now on the certificates are in force in the holder's
// hands; a card taken back in exchange ends with its certificates.
func (d *decision) recordHandOver(c RecordHandOver) error {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	if p.GetId() != c.Procedure || !readyToHandOver(p) {
		d.factRefused("HandedOver", "no procedure waits for this hand-over")
		return nil
	}
	if c.Yen > 0 {
		d.emit(&events.FeeCollected{Procedure: c.Procedure, Yen: c.Yen})
	}
	if err := d.handCardOver(p, c.Switches); err != nil {
		return err
	}
	delivered := &events.Delivered{Procedure: c.Procedure, PaperCopy: c.PaperCopy, Card: p.Card}
	for _, held := range d.state.Certificates {
		if held.Card == p.Card && held.Status == issued {
			delivered.Serials = append(delivered.Serials, held.Serial)
		}
	}
	d.emit(delivered)
	return nil
}

func readyToHandOver(p *events.Procedure) bool {
	if p.Operation == events.Operation_OPERATION_UNBLOCK || p.Operation == events.Operation_OPERATION_HAND_OVER {
		return p.Step == stepWritten || len(p.Pins) == 0
	}
	return p.Step == stepWritten
}

// handCardOver gives the holder a new card, where the procedure made one, and takes the old one out of use.
func (d *decision) handCardOver(p *events.Procedure, switches regime.Switches) error {
	held := d.state.Card
	swapped := held != nil && held.Card != p.Card
	if swapped {
		d.emit(&events.CardAssigned{Card: p.Card, Kind: p.CardKind, LastDay: p.CardLastDay})
		if old := d.state.OldCard; old != nil && old.Kind == p.CardKind && old.Status != events.CardStatus_CARD_STATUS_VOID {
			d.emit(&events.CardVoided{Card: old.Card, Cause: string(regime.EvReissued)})
		}
	}
	if d.state.Card.GetStatus() != events.CardStatus_CARD_STATUS_HELD {
		handed := &events.CardHandedOver{Card: p.Card}
		if old := d.state.OldCard; old != nil {
			handed.TakenBack = old.Card
		}
		d.emit(handed)
	}
	return d.takeBackJuki(p, switches)
}

// takeBackJuki ends the juki card and its certificate when a My Number card is handed over (domain.md 1.2).
func (d *decision) takeBackJuki(p *events.Procedure, switches regime.Switches) error {
	if p.CardKind != events.CardKind_CARD_KIND_MYNUMBER {
		return nil
	}
	for _, held := range append([]*events.Certificate(nil), d.state.Certificates...) {
		if held.Regime == events.Regime_REGIME_JUKI && !hasEnded(held) {
			err := d.end(consequence{
				event: regime.EvMyNumberHandOver, regime: regime.Juki, serial: held.Serial, switches: switches,
			})
			if err != nil {
				return err
			}
		}
	}
	if old := d.state.OldCard; old != nil && old.Kind == events.CardKind_CARD_KIND_JUKI {
		d.emit(&events.CardVoided{Card: old.Card, Cause: string(regime.EvMyNumberHandOver)})
	}
	return nil
}
