package lifecycle

import (
	"bytes"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// recordKeys authorises the planned certificate for each key made for the open procedure. The terms are worked out
// again, by the same rules, because the law counts from the day of issue.
func (d *decision) recordKeys(c RecordKeys) error {
	d.filedAt(c.Filed)
	if err := d.catchUp(func() error { return d.missDeadlines(d.today(), c.Switches) }); err != nil {
		return err // somebody who has moved away gets nothing signed
	}
	p := d.state.Open()
	waits := p != nil && p.Id == c.Procedure && waitsFor(p) == owesKeys
	if !waits || p.Carrier.Card() != c.Card || d.stale(p, c.Obligation) {
		d.factRefused("KeysGenerated", "no procedure waits for keys on this card", d.unawaited(c.Procedure)...)
		return d.endOverwritten(c)
	}
	if missing := d.missingKeys(p, c); missing != "" {
		d.factRefused("KeysGenerated", missing, regime.NotAwaited)
		return d.endOverwritten(c)
	}
	keys := keyLengths(cardRegime(p.CardKind), c.Keys)
	d.emit(&events.KeysRecorded{Procedure: c.Procedure, Card: c.Card, Keys: c.Keys, Claim: c.Claim}, keys.Rules()...)
	if err := d.endOverwritten(c); err != nil {
		return err
	}
	a := d.planAgain(p, c)
	a.ruling.Merge(keys)
	if !a.ruling.Accepted() {
		d.emit(&events.ApplicationWithdrawn{Procedure: p.Id}, a.ruling.Refused...)
		return nil
	}
	for _, planned := range a.planned {
		window := a.Switches.WindowFrom(a.regime, a.day, day(planned.LastDay))
		d.authorize(p, planned, c.Signing[planned.Kind], c.Keys, &events.IssueAuthorized{
			Regime: logRegime(a.regime), WindowOpens: window.Opens.String(),
			Overseas: planned.Kind == kindSign && (d.goesOverseas() || c.Person.LivesOverseas(d.today())),
		}, a.issueRules(planned, window)...)
	}
	return nil
}

// issueRules returns the rules by which a planned certificate is authorised.
func (a *application) issueRules(planned *events.PlannedCertificate, window regime.Window) []string {
	rules := slices.Clone(window.Rules)
	if planned.Kind == kindAuth && len(a.planned) > 1 {
		rules = append(rules, regime.AuthFirst)
	}
	if a.Operation == events.Operation_OPERATION_FACTORY_ISSUE {
		rules = append(rules, regime.FromManufacture)
	}
	for _, candidate := range planned.Candidates {
		rules = append(rules, candidate.RuleId)
	}
	return rules
}

// authorize lets the issuer sign a planned certificate of an open procedure for its key; more holds the fields that
// differ by carrier.
func (d *decision) authorize(p *events.Procedure, planned *events.PlannedCertificate, s Signing, keys []*events.GeneratedKey, more *events.IssueAuthorized, rules ...string) {
	more.Procedure, more.Card, more.Device, more.Municipality = p.Id, p.Carrier.Card(), p.Carrier.Device(), p.Municipality
	more.Serial, more.Authority, more.Generation = s.Serial, s.Authority, s.Generation
	more.Kind, more.LastDay, more.Candidates = planned.Kind, planned.LastDay, planned.Candidates
	more.Replaces, more.Parent, more.SpkiSha256 = planned.Replaces, planned.Parent, keyOf(keys, planned.Kind).SpkiSha256
	more.NotBeforeMs, more.NotAfterMs = d.now.Unix()*1000, day(planned.LastDay).EndInstant().UnixMilli()
	d.emit(more, rules...)
}

// closed returns the rule to give if a procedure is no longer open.
func (d *decision) closed(procedure string) []string {
	if d.state.ProcedureOf(procedure) != nil {
		return nil
	}
	return []string{regime.NoLongerOpen}
}

// unawaited returns why a fact about a procedure changes nothing: the procedure was withdrawn, or does not wait for it.
func (d *decision) unawaited(procedure string) []string {
	if why := d.closed(procedure); why != nil {
		return why
	}
	return []string{regime.NotAwaited}
}

// keyLengths judges the length of every key.
func keyLengths(r regime.Regime, keys []*events.GeneratedKey) regime.Ruling {
	var ruling regime.Ruling
	for _, k := range keys {
		ruling.Merge(regime.KeyLength(r, int(k.Bits)))
	}
	return ruling
}

// endOverwritten ends certificates whose keys are gone: a PIV card has no staging slots, so a new key destroys the old
// one, whatever becomes of the procedure.
func (d *decision) endOverwritten(c RecordKeys) error {
	if d.state.Card.GetCard() != c.Card || d.state.Card.GetKind() != events.CardKind_CARD_KIND_PIV {
		return nil
	}
	for _, held := range slices.Clone(d.state.Certificates) {
		key := keyOf(c.Keys, held.Kind)
		if key == nil || hasEnded(held) || held.Carrier.Card() != c.Card || held.Status == authorized || bytes.Equal(key.SpkiSha256, held.SpkiSha256) {
			continue
		}
		event := regime.EvUnusable
		if replacedBy(d.state.Open(), held) {
			event = d.replacementEvent(held)
		}
		err := d.end(consequence{
			event: event, chosen: []events.CertificateKind{held.Kind}, serial: held.Serial,
			regime: lawRegime(held.Regime), switches: c.Switches,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func replacedBy(p *events.Procedure, held *events.Certificate) bool {
	return slices.ContainsFunc(p.GetPlanned(), func(c *events.PlannedCertificate) bool { return c.Replaces == held.Serial })
}

func (d *decision) missingKeys(p *events.Procedure, c RecordKeys) string {
	for _, planned := range p.Planned {
		if keyOf(c.Keys, planned.Kind) == nil {
			return fmt.Sprintf("no key of kind %s among those generated", lawKind(planned.Kind))
		}
		if serial := c.Signing[planned.Kind].Serial; serial == 0 || certificate(d.state, serial) != nil {
			return fmt.Sprintf("no serial of its own for kind %s", lawKind(planned.Kind))
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

// planAgain plans the accepted procedure on the day of issue. What was received in time goes on: if the window or the
// term of the old certificate has closed overnight, the accepted terms hold. If the regime itself has ended, nothing is
// issued (law.md 1.1: no certificate of either kind from 2015-12-23 to 2015-12-31).
func (d *decision) planAgain(p *events.Procedure, c RecordKeys) *application {
	a := &application{
		Apply:    Apply{Procedure: p.Id, Operation: p.Operation, Card: p.Carrier.Card(), CardKind: p.CardKind, Person: c.Person, Switches: c.Switches},
		decision: d, regime: cardRegime(p.CardKind), day: d.today(),
	}
	a.ruling.Refused = regime.Allows(a.regime, a.lawOperation(), a.day).Refused
	if last := day(p.CardLastDay); !last.IsZero() {
		a.cardTerm = &regime.Validity{LastDay: last}
	}
	fresh := terms{application: a}
	for _, accepted := range p.Planned {
		a.kinds = append(a.kinds, accepted.Kind)
		before := a.ruling
		planned, err := fresh.next(accepted.Kind)
		if err != nil || planned == nil || planned.Replaces != accepted.Replaces {
			planned, a.ruling = accepted, before
		}
		if planned.Kind == kindAuth {
			fresh.auth = day(planned.LastDay)
		}
		if day(planned.LastDay).Before(a.day) {
			a.ruling.Refuse(regime.CardNotUsable)
		}
		a.planned = append(a.planned, planned)
	}
	return a
}

// recordIssued ends the replaced certificates and issues the new ones in one commit, so that there are never two.
func (d *decision) recordIssued(c RecordIssued) error {
	var fresh []*events.Certificate
	for _, signed := range c.Signed {
		if held := certificate(d.state, signed.Serial); held != nil && held.Status == authorized {
			fresh = append(fresh, held)
		}
	}
	if len(fresh) == 0 {
		return nil // signed again after a crash; already recorded
	}
	if err := d.catchUp(func() error { return d.expire(Tick{Switches: c.Switches}) }); err != nil {
		return err // a certificate that has expired by now is not replaced, nor counted beside the new one
	}
	d.followParents()
	for _, held := range fresh {
		old := certificate(d.state, held.Replaces)
		if slices.Contains(waiting(d.state), held.Carrier.Card()) && d.state.OldCard != nil {
			old = d.sameKindOnCard(held) // the one in hand ends when the factory's card is handed over (law.md 4.4)
		}
		if err := d.replace(old, c.Switches); err != nil {
			return err
		}
	}
	if err := d.replaceRest(c); err != nil {
		return err
	}
	for _, signed := range c.Signed {
		d.issue(c.Procedure, signed)
	}
	return nil
}

// sameKindOnCard returns another live certificate of the same kind on the same card, or nil.
func (d *decision) sameKindOnCard(held *events.Certificate) *events.Certificate {
	for _, c := range d.state.Certificates {
		if c.Serial != held.Serial && c.Carrier.Is(held.Carrier) && c.Kind == held.Kind && !hasEnded(c) {
			return c
		}
	}
	return nil
}

// replace ends old, if it is not nil and still live.
func (d *decision) replace(old *events.Certificate, switches regime.Switches) error {
	if old == nil || hasEnded(old) {
		return nil
	}
	return d.end(consequence{
		event: d.replacementEvent(old), chosen: []events.CertificateKind{old.Kind}, serial: old.Serial,
		regime: lawRegime(old.Regime), switches: switches,
	})
}

// replaceRest ends the other certificates on a card that a new card replaces.
func (d *decision) replaceRest(c RecordIssued) error {
	p, held := d.state.Open(), d.state.Card
	if p == nil || p.Id != c.Procedure || held == nil || p.Carrier.Card() == held.Card || p.CardKind != held.Kind {
		return nil
	}
	for _, old := range slices.Clone(d.state.Certificates) {
		if hasEnded(old) || old.Carrier.Card() != held.Card {
			continue
		}
		err := d.end(consequence{
			event: d.replacementEvent(old), chosen: []events.CertificateKind{old.Kind}, serial: old.Serial,
			regime: lawRegime(old.Regime), switches: c.Switches,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replacementEvent returns why the old certificate ends: replaced in order, lost, leaked or broken (law.md 8.8).
func (d *decision) replacementEvent(old *events.Certificate) regime.Event {
	p := d.state.Open()
	switch {
	case old.Status == suspended || regime.Cause(p.GetCause()) == regime.CauseLoss:
		return regime.EvLossReport
	case regime.Cause(p.GetCause()) == regime.Cause(regime.EvKeyLeak):
		return regime.EvKeyLeak
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
	p := d.state.ProcedureOf(procedure)
	rules := plannedRules(p, held.Kind)
	if held.Carrier.Device() != "" {
		rules = regime.PhoneValidity(day(held.LastDay)).Applied
	}
	d.emit(&events.CertificateIssued{
		Procedure: procedure, Serial: held.Serial, Kind: held.Kind, CertificateSha256: signed.SHA256, Regime: held.Regime,
		Authority: held.Authority, LastDay: held.LastDay, Card: held.Carrier.Card(), NotBeforeMs: held.NotBeforeMs,
		NotAfterMs: day(held.LastDay).EndInstant().UnixMilli(), WindowOpens: held.WindowOpens,
		Municipality: p.GetMunicipality(), Device: held.Carrier.Device(), Parent: held.Parent,
	}, rules...)
}

// plannedRules returns the rules that set the term of a kind's certificate.
func plannedRules(p *events.Procedure, kind events.CertificateKind) []string {
	var rules []string
	for _, planned := range p.GetPlanned() {
		for _, candidate := range planned.Candidates {
			if planned.Kind == kind {
				rules = append(rules, candidate.RuleId)
			}
		}
	}
	return rules
}

// abandonIssue closes an authorisation without a signature; the serial goes on the CRL.
func (d *decision) abandonIssue(c AbandonIssue) {
	held := certificate(d.state, c.Serial)
	if held == nil || held.Status != authorized {
		return
	}
	d.emit(abandonment(held, c.Cause), regime.BeforeHandOver)
}

// recordWritten records that a carrier has the certificates. Those on a smartphone come into force, for it is in its
// holder's hands; a card is still to be handed over.
func (d *decision) recordWritten(c RecordWritten) {
	d.filedAt(c.Filed)
	p, fact, why := d.state.ProcedureOf(c.Procedure), "CardWritten", "no procedure waits for this card to be written"
	if c.Device != "" {
		fact, why = "PhoneInstalled", "no application waits for this smartphone"
	}
	if p == nil || p.Step != stepIssued || !p.Carrier.Is(events.CarrierOf(c.Card, c.Device, 0)) || d.stale(p, c.Obligation) {
		d.factRefused(fact, why, d.unawaited(c.Procedure)...)
		return
	}
	if why := d.misread(c); why != "" {
		d.factRefused(fact, why, regime.NotAwaited)
		return
	}
	d.emit(&events.CertificateWritten{Procedure: c.Procedure, Card: c.Card, Device: c.Device, Serials: c.Serials})
	if c.Device != "" {
		d.emit(&events.Delivered{Procedure: c.Procedure, Device: c.Device, Serials: d.undelivered(p)})
		return
	}
	d.writtenTo(c.Card)
}

// undelivered returns the serials on a procedure's carrier that are issued but not in force.
func (d *decision) undelivered(p *events.Procedure) (serials []uint64) {
	for _, held := range d.state.Certificates {
		if held.Carrier.Is(p.Carrier) && held.Status == issued {
			serials = append(serials, held.Serial)
		}
	}
	return serials
}

// writtenTo counts a card that a counter has written to as submitted there (law.md 8.4).
func (d *decision) writtenTo(card string) {
	if d.state.Card.GetCard() == card {
		d.submitCard(regime.WithinDeadline, regime.CardWrittenCounts)
	}
}

// misread compares what was read back with what the procedure issued and returns what is wrong, or "". A certificate
// that was revoked while the card was being written doesn't matter.
func (d *decision) misread(c RecordWritten) string {
	for _, held := range d.state.Certificates {
		if held.Procedure != c.Procedure || hasEnded(held) {
			continue
		}
		i := slices.Index(c.Serials, held.Serial)
		if i < 0 || i >= len(c.SHA256) || !bytes.Equal(held.CertificateSha256, c.SHA256[i]) {
			return fmt.Sprintf("what was read back for serial %d is not what was issued", held.Serial)
		}
	}
	return ""
}

// maxAttempts bounds retries of a repairable write failure; a card that always says "retry" would loop.
const maxAttempts = 5

// recordWriteFailed lets the counter try again if the card allows it, and otherwise discards what was made.
func (d *decision) recordWriteFailed(c RecordWriteFailed) {
	d.filedAt(c.Filed)
	p := d.state.Open()
	waits := p != nil && p.Id == c.Procedure && waitsFor(p) != events.ObligationKind_OBLIGATION_KIND_UNSPECIFIED
	if !waits || p.Carrier.Card() != c.Card || d.stale(p, c.Obligation) {
		d.factRefused("WriteFailed", "no procedure waits for this card", d.unawaited(c.Procedure)...)
		return
	}
	again := c.Repairable && p.Attempt < maxAttempts
	d.emit(&events.CardWriteFailed{
		Procedure: c.Procedure, Card: c.Card, Stage: c.Stage, Reason: c.Reason, Repairable: again,
	})
	if again {
		return
	}
	d.discard(p)
	d.emit(&events.CardTakenIntoCustody{Card: c.Card, Procedure: c.Procedure}, regime.BeforeHandOver)
}
