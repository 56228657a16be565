package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Evolve folds one commit of a subscriber into its state s. Events unknown to this version are skipped: whatever needs
// them comes with a newer fold.
func Evolve(s *events.SubscriberState, c *events.Commit) {
	s.Revision = c.Revision
	for i, e := range c.Events {
		evolve(s, e, uint32(i))
	}
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
	makeRoom(s)
}

// evolve folds the event at index of the commit with revision s.Revision.
func evolve(s *events.SubscriberState, e *events.Event, index uint32) {
	s.RecordedMs = e.RecordedMs
	f := &fold{s, e, index}
	switch b := events.BodyOf(e).(type) {
	case *events.ApplicationAccepted:
		f.accepted(b)
	case *events.ApplicationRefused:
		f.wrongNumber(b)
	case *events.ApplicationWithdrawn:
		f.endProcedure(b.Procedure)
	case *events.InquiryLetterDue:
		f.letterDue(b)
	case *events.InquiryLetterMailed:
		f.letterMailed(b)
	case *events.KeysRecorded:
		f.keysRecorded(b)
	case *events.IssueAuthorized:
		f.authorized(b)
	case *events.CertificateIssued:
		f.issued(b)
	case *events.CertificateWritten:
		f.written(b)
	case *events.CardWriteFailed:
		f.writeFailed(b)
	case *events.CommandFailed:
		f.commandFailed(b)
	case *events.UnblockAuthorized:
		f.owe(owesUnblock, b.Procedure)
	case *events.PinUnblocked:
		f.unblocked(b)
	case *events.Delivered:
		f.delivered(b)
	case *events.WindowOpened:
		f.with(b.Serial, func(c *events.Certificate) { c.WindowOpened = true })
	case *events.LossReported:
		f.phoneLost(b.Device, true)
	case *events.CardAssigned:
		f.cardAssigned(b)
	case *events.CardHandedOver:
		f.cardHandedOver(b)
	case *events.CardVoided:
		f.cardVoided(b)
	case *events.CardTakenIntoCustody:
		f.keep(b.Card)
	case *events.CardTermExtended:
		f.cardExtended(b)
	case *events.IssueAbandoned, *events.CertificateRevoked, *events.CertificateDiscarded, *events.CertificateSuspended, *events.CertificateReleased,
		*events.CertificateExpired, *events.CardExpired, *events.CardSuspended, *events.CardFound, *events.CardReturned:
		f.transition()
	case *events.ResidentRecorded:
		f.s.Municipality = b.Municipality
	case *events.ResidentRecordChanged:
		f.recordChanged(b)
	case *events.SubscriberAliased:
		f.s.AliasOf = b.To
	case *events.SubscriberTakenIn:
		f.s.TookIn = f.s.Revision
		f.owe(owesClosing, b.From)
	case *events.TakenInClosed:
		f.settle(owesClosing, b.From)
	case *events.TakenInGivenUp:
		f.settle(owesClosing, b.From)
	case *events.DeadlineSet:
		f.deadlineSet(b)
	case *events.DeadlineMet:
		f.dropDeadline(b.Kind)
	case *events.DeadlineMissed:
		f.dropDeadline(b.Kind)
	case *events.NoticeDue:
		f.noticeDue(b)
	case *events.NoticeSent:
		f.noticeDone(b.Notice)
	case *events.NoticeFailed:
		f.noticeDone(b.Notice)
	case *events.NoticeSuppressed:
		f.noticeDone(b.Notice)
	case *events.ErasureOrdered:
		f.owe(owesErasure, b.RecordClass)
	case *events.KeyDestroyed:
		f.settle(owesErasure, b.RecordClass)
	case *events.ContactRecorded, *events.SpecialCircumstancesGranted, *events.FeeCollected,
		*events.PinBlocked, *events.FactRefused, *events.RequestRefused:
		// History only: no later decision depends on them.
	}
}

// The kinds of obligations: to a procedure, a letter, a notice, a record class or another history.
const (
	owesKeys      = events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS
	owesSignature = events.ObligationKind_OBLIGATION_KIND_SIGN
	owesWriting   = events.ObligationKind_OBLIGATION_KIND_WRITE_CARD
	owesUnblock   = events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN
	owesLetter    = events.ObligationKind_OBLIGATION_KIND_MAIL_INQUIRY
	owesNotice    = events.ObligationKind_OBLIGATION_KIND_SEND_NOTICE
	owesErasure   = events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY
	owesPhone     = events.ObligationKind_OBLIGATION_KIND_INSTALL_PHONE
	owesClosing   = events.ObligationKind_OBLIGATION_KIND_CLOSE_HISTORY
)

// fold is one event being folded into the state.
type fold struct {
	s     *events.SubscriberState
	e     *events.Event
	index uint32
}

// owe adds an obligation; its id is the position of the event that made it.
func (f *fold) owe(kind events.ObligationKind, target string) {
	f.s.Obligations = append(f.s.Obligations, &events.Obligation{
		Id: fmt.Sprintf("%d.%d", f.s.Revision, f.index), Kind: kind, Target: target, SinceMs: f.e.RecordedMs,
	})
}

// settle removes the obligations of a kind to a target.
func (f *fold) settle(kind events.ObligationKind, target string) {
	f.s.Obligations = slices.DeleteFunc(f.s.Obligations, func(o *events.Obligation) bool {
		return o.Kind == kind && o.Target == target
	})
}

func (f *fold) letterDue(b *events.InquiryLetterDue) {
	f.s.Letters = append(f.s.Letters, &events.Letter{Id: b.Letter, Procedure: b.Procedure, Documents: b.Documents})
	f.owe(owesLetter, b.Letter)
}

func (f *fold) letterMailed(b *events.InquiryLetterMailed) {
	f.settle(owesLetter, b.Letter)
	for _, l := range f.s.Letters {
		if l.Id == b.Letter && !l.Mailed {
			l.Mailed, l.MailedOn = true, civil.Of(time.UnixMilli(f.e.RecordedMs)).String()
		}
	}
}

func (f *fold) unblocked(b *events.PinUnblocked) {
	f.settle(owesUnblock, b.Procedure)
	f.step(b.Procedure, stepWritten)
}

func (f *fold) commandFailed(b *events.CommandFailed) {
	f.s.Obligations = slices.DeleteFunc(f.s.Obligations, func(o *events.Obligation) bool { return o.Id == b.Obligation })
}

func (f *fold) delivered(b *events.Delivered) {
	for _, serial := range b.Serials {
		f.with(serial, func(c *events.Certificate) {
			if c.Status == issued { // what was read back is not compared again
				c.Status, c.CertificateSha256, c.Procedure = valid, nil, ""
			}
		})
	}
	f.endProcedure(b.Procedure)
}

// with changes a certificate if the state still knows it.
func (f *fold) with(serial uint64, change func(*events.Certificate)) {
	if c := certificate(f.s, serial); c != nil {
		change(c)
	}
}

func (f *fold) accepted(b *events.ApplicationAccepted) {
	f.dropLetters(b.Procedure)
	f.s.PhoneMadeMs = max(f.s.PhoneMadeMs, b.MadeMs)
	switch {
	case b.Operation == events.Operation_OPERATION_PHONE_RELEASE:
		f.phoneLost(b.Device, false)
		return
	case b.Operation == events.Operation_OPERATION_PHONE_REVOKE, regime.HandlingOf(b.Operation).Settled:
		return // carried out in the same commit
	}
	p := &events.Procedure{
		Id: b.Procedure, Operation: b.Operation, Channel: b.Channel, Kinds: b.Kinds, CardKind: b.CardKind,
		Carrier: events.CarrierOf(b.Card, b.Device, b.Platform), Planned: b.Planned, Step: stepAccepted, Pins: b.Pins,
		Cause: b.Cause, Attempt: 1, Municipality: b.Municipality, CardLastDay: b.CardLastDay, Office: b.Office,
		Counter: b.Counter, TakenBack: b.TakenBack, CardStayCaps: stayCaps(b.CardCandidates),
	}
	for _, item := range b.Fee {
		p.FeeYen += item.Yen
	}
	f.close(func(o *events.Procedure) bool { return o.Carrier.Device() == b.Device })
	f.s.Procedures = append(f.s.Procedures, p)
	if len(b.Planned) > 0 {
		f.owe(owesKeys, b.Procedure)
	}
}

// close removes procedures that are over.
func (f *fold) close(over func(*events.Procedure) bool) {
	f.s.Procedures = slices.DeleteFunc(f.s.Procedures, over)
}

// wrongNumber counts an answer to a letter that had another number than the letter.
func (f *fold) wrongNumber(b *events.ApplicationRefused) {
	if !slices.ContainsFunc(b.Refusals, regime.WrongLetter) {
		return
	}
	for _, l := range f.s.Letters {
		if l.Procedure == b.Procedure {
			l.Wrong++
		}
	}
}

func (f *fold) dropLetters(procedure string) {
	for _, l := range f.s.Letters {
		if l.Procedure == procedure {
			f.settle(owesLetter, l.Id)
		}
	}
	f.s.Letters = slices.DeleteFunc(f.s.Letters, func(l *events.Letter) bool { return l.Procedure == procedure })
}

// endProcedure removes a procedure with everything owed to a counter for it.
func (f *fold) endProcedure(id string) {
	for _, kind := range []events.ObligationKind{owesKeys, owesSignature, owesWriting, owesPhone, owesUnblock} {
		f.settle(kind, id)
	}
	f.dropLetters(id)
	f.close(func(p *events.Procedure) bool { return p.Id == id })
}

// trimPlan drops the planned terms once keys are recorded, for the certificates carry them; only Replaces and the rule
// ids are needed later.
func (f *fold) trimPlan(procedure string) {
	p := f.s.ProcedureOf(procedure)
	if p == nil {
		return
	}
	planned := make([]*events.PlannedCertificate, len(p.Planned)) // the current ones belong to the event
	for i, from := range p.Planned {
		planned[i] = &events.PlannedCertificate{Kind: from.Kind, Replaces: from.Replaces}
		for _, c := range from.Candidates {
			planned[i].Candidates = append(planned[i].Candidates, &events.Candidate{RuleId: c.RuleId})
		}
	}
	p.Planned = planned
}

func (f *fold) step(procedure, step string) {
	if p := f.s.ProcedureOf(procedure); p != nil {
		p.Step = step
	}
}

func (f *fold) keysRecorded(b *events.KeysRecorded) {
	f.settle(owesKeys, b.Procedure)
	f.step(b.Procedure, stepKeys)
	f.trimPlan(b.Procedure)
}

func (f *fold) written(b *events.CertificateWritten) {
	f.settle(owesWriting, b.Procedure)
	for _, serial := range b.Serials {
		f.with(serial, func(c *events.Certificate) { c.Written = true })
	}
	f.step(b.Procedure, stepWritten)
	f.close(func(p *events.Procedure) bool {
		return p.Id == b.Procedure && p.Operation == events.Operation_OPERATION_FACTORY_ISSUE
	})
}

// authorized folds an authorisation. One for a smartphone without an open application changes nothing.
func (f *fold) authorized(b *events.IssueAuthorized) {
	p, carrier := f.s.ProcedureOf(b.Procedure), events.CarrierOf(b.Card, "", 0)
	if p.GetCarrier().Device() != b.Device {
		return
	}
	if b.Device != "" {
		carrier = p.Carrier
	}
	f.s.Certificates = append(f.s.Certificates, &events.Certificate{
		Serial: b.Serial, Kind: b.Kind, Regime: b.Regime, Status: authorized, Authority: b.Authority, LastDay: b.LastDay,
		WindowOpens: b.WindowOpens, NotBeforeMs: b.NotBeforeMs, Carrier: carrier, Replaces: b.Replaces, Parent: b.Parent,
		SpkiSha256: f.keptKey(b, p), TbsSha256: b.TbsSha256, Procedure: b.Procedure, Overseas: b.Overseas,
	})
	f.settle(owesSignature, b.Procedure)
	f.owe(owesSignature, b.Procedure)
}

// keptKey returns the digest of a key on a PIV card, or nil. Only there is it needed again: a new key destroys the old
// one.
func (f *fold) keptKey(b *events.IssueAuthorized, p *events.Procedure) []byte {
	for _, card := range []*events.HeldCard{f.s.Card, f.s.OldCard} {
		if card.GetCard() == b.Card && card.GetKind() == events.CardKind_CARD_KIND_PIV {
			return b.SpkiSha256
		}
	}
	if p.GetCardKind() == events.CardKind_CARD_KIND_PIV {
		return b.SpkiSha256
	}
	return nil
}

func (f *fold) issued(b *events.CertificateIssued) {
	f.with(b.Serial, func(c *events.Certificate) {
		c.Status, c.CertificateSha256, c.TbsSha256 = issued, b.CertificateSha256, nil
		f.advance(b.Procedure)
	})
}

// advance moves a procedure on once all its certificates are signed or given up: signed ones can be written. An
// application for a smartphone without any left is over.
func (f *fold) advance(procedure string) {
	p := f.s.ProcedureOf(procedure)
	has := func(status events.CertificateStatus) bool {
		return slices.ContainsFunc(f.s.Certificates, func(c *events.Certificate) bool { return c.Procedure == procedure && c.Status == status })
	}
	switch signed := has(issued); {
	case p == nil, has(authorized):
	case !signed && p.Carrier.Device() != "":
		f.endProcedure(procedure)
	case p.Step == stepIssued, p.Step == stepWritten:
	default:
		f.settle(owesSignature, procedure)
		if signed {
			p.Step = stepIssued
			f.settle(writing(p), procedure)
			f.owe(writing(p), procedure)
		}
	}
}

// writeFailed owes the same work again if the card can still do it.
func (f *fold) writeFailed(b *events.CardWriteFailed) {
	p := f.s.ProcedureOf(b.Procedure)
	if p == nil {
		return
	}
	kind := waitsFor(p)
	f.settle(kind, b.Procedure)
	if b.Repairable {
		p.Attempt++
		f.owe(kind, b.Procedure)
	}
}

// end marks a certificate as ended and drops what was owed for it. One on a smartphone is removed altogether.
func (f *fold) end(serial uint64, status events.CertificateStatus, reason events.RevocationReason) {
	c := certificate(f.s, serial)
	if c == nil {
		return
	}
	defer f.advance(c.Procedure)
	if c.Carrier.Device() != "" {
		f.s.Certificates = slices.DeleteFunc(f.s.Certificates, func(other *events.Certificate) bool { return other == c })
		return
	}
	c.Status, c.Reason, c.EndedMs = status, reason, f.e.RecordedMs
	// Nothing later needs these of an ended certificate, and the state must not grow.
	c.WindowOpens, c.WindowOpened, c.Written, c.Replaces, c.NotBeforeMs = "", false, false, 0, 0
	c.SpkiSha256, c.CertificateSha256, c.TbsSha256 = nil, nil, nil
	c.Authority, c.Carrier, c.Procedure, c.Overseas = "", nil, "", false
	f.forgetEnded()
}

// keepEnded is how many ended certificates the state remembers; the history has the rest.
const keepEnded = 4

func (f *fold) forgetEnded() {
	ended := 0
	for i := len(f.s.Certificates) - 1; i >= 0; i-- {
		if !hasEnded(f.s.Certificates[i]) {
			continue
		}
		if ended++; ended > keepEnded {
			f.s.Certificates = slices.Delete(f.s.Certificates, i, i+1)
		}
	}
}

// transition gives certificates and cards the status that the event brings.
func (f *fold) transition() {
	for _, t := range events.Transitions(f.e) {
		switch {
		case t.Card != "":
			f.setCard(t.Card, t.CardStatus)
		case t.Status == suspended:
			f.suspend(t.Serial)
		case t.Status == valid:
			f.with(t.Serial, func(c *events.Certificate) { c.Status = valid })
		default:
			f.end(t.Serial, t.Status, t.Reason)
			if t.Held { // for other certificates only the history needs the cause
				f.with(t.Serial, func(c *events.Certificate) { c.Cause = t.Cause })
			}
		}
	}
}

func (f *fold) suspend(serial uint64) {
	f.with(serial, func(c *events.Certificate) {
		c.Status, c.SuspendedMs = suspended, f.e.RecordedMs
		f.advance(c.Procedure)
	})
}

// phoneLost marks the certificates on a smartphone as lost, or found.
func (f *fold) phoneLost(device string, lost bool) {
	for _, c := range f.s.Certificates {
		if device != "" && c.Carrier.Device() == device {
			c.Lost = lost
		}
	}
}

func (f *fold) cardAssigned(b *events.CardAssigned) {
	if held := f.s.Card; held != nil && held.Card != b.Card && held.Status != events.CardStatus_CARD_STATUS_VOID {
		f.s.OldCard = held
	}
	f.s.Card = &events.HeldCard{
		Card: b.Card, Kind: b.Kind, Status: events.CardStatus_CARD_STATUS_ASSIGNED, LastDay: b.LastDay,
		IssuedOn: civil.Of(time.UnixMilli(f.e.RecordedMs)).String(), AppliedOn: b.AppliedOn, StayCaps: stayCaps(b.Candidates), Fee: charged(b.Fee),
	}
}

func (f *fold) cardHandedOver(b *events.CardHandedOver) {
	f.setCard(b.Card, events.CardStatus_CARD_STATUS_HELD)
	if held := f.s.Card; held != nil && held.Card == b.Card {
		held.Fee = nil // paid
	}
}

func (f *fold) cardVoided(b *events.CardVoided) {
	if held := f.s.Card; held != nil && held.Card == b.Card {
		held.Cause = b.Cause
	}
	f.setCard(b.Card, events.CardStatus_CARD_STATUS_VOID)
}

func (f *fold) cardExtended(b *events.CardTermExtended) {
	if held := f.s.Card; held != nil && held.Card == b.Card {
		held.LastDay, held.StayCaps, held.StayPending = b.LastDay, stayCaps(b.Candidates), b.StayPending
	}
}

// keep records that a card lies at the office. A card out of use stays so.
func (f *fold) keep(card string) {
	for _, held := range []*events.HeldCard{f.s.Card, f.s.OldCard} {
		if held != nil && held.Card == card && !unusable(held) {
			held.Status = events.CardStatus_CARD_STATUS_CUSTODY
		}
	}
}

func (f *fold) setCard(card string, status events.CardStatus) {
	for _, held := range []*events.HeldCard{f.s.Card, f.s.OldCard} {
		if held.GetCard() == card && held != nil {
			held.Status = status
		}
	}
	if f.s.OldCard.GetStatus() == events.CardStatus_CARD_STATUS_VOID {
		f.s.OldCard = nil
	}
	if old := f.s.OldCard; old != nil && f.s.Card.GetStatus() == events.CardStatus_CARD_STATUS_VOID && old.Kind == f.s.Card.Kind {
		f.s.Card, f.s.OldCard = old, nil // the intended replacement was voided
	}
}

// stayCaps reports whether the period of stay decides a card's last day.
func stayCaps(candidates []*events.Candidate) bool {
	return slices.ContainsFunc(candidates, func(c *events.Candidate) bool {
		return c.Binds && (c.RuleId == regime.StayCap || c.RuleId == regime.StayPending)
	})
}

// charged returns the fee if anything of it is to be paid, or nil.
func charged(fee []*events.FeeItem) []*events.FeeItem {
	if slices.ContainsFunc(fee, func(i *events.FeeItem) bool { return i.Yen > 0 }) {
		return fee
	}
	return nil
}

func (f *fold) deadlineSet(b *events.DeadlineSet) {
	switch b.Kind {
	case events.DeadlineKind_DEADLINE_KIND_OVERSEAS:
		f.s.Continued = false
	case events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT:
		f.s.Continued = true
	}
	f.dropDeadline(b.Kind)
	f.s.Deadlines = append(f.s.Deadlines, &events.Deadline{Kind: b.Kind, LastDay: b.LastDay})
}

func (f *fold) recordChanged(b *events.ResidentRecordChanged) {
	switch b.Change {
	case events.RecordChange_RECORD_CHANGE_MOVE_IN, events.RecordChange_RECORD_CHANGE_ADDRESS:
		f.addressChanged()
	}
	switch b.Change {
	case events.RecordChange_RECORD_CHANGE_MOVE_OUT:
		f.s.MovedOut = true
	case events.RecordChange_RECORD_CHANGE_MOVE_IN:
		// Somebody who moves in is in a register again, even after a deletion ex officio.
		f.s.MovedOut, f.s.Overseas, f.s.Ended, f.s.Continued = false, false, false, false
		f.s.Municipality, f.s.MovedOn = b.Municipality, b.CausedOn
	case events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
		f.s.Overseas, f.s.LeftOn = true, cmp.Or(b.PlannedOn, b.CausedOn)
	case events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF:
		f.s.MovedOut, f.s.Overseas, f.s.Continued, f.s.LeftOn = false, false, false, ""
	case events.RecordChange_RECORD_CHANGE_DEATH, events.RecordChange_RECORD_CHANGE_DELETED,
		events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE:
		f.s.Ended = true
	}
}

// addressChanged records when a move was filed, and voids letters posted to the former address.
func (f *fold) addressChanged() {
	f.s.MoveFiledOn = filedOn(f.e).String()
	for _, l := range f.s.Letters {
		l.Void = l.Void || l.Mailed
	}
}

func (f *fold) dropDeadline(kind events.DeadlineKind) {
	f.s.Deadlines = slices.DeleteFunc(f.s.Deadlines, func(d *events.Deadline) bool { return d.Kind == kind })
}

func (f *fold) noticeDue(b *events.NoticeDue) {
	f.s.Notices = append(f.s.Notices, &events.PendingNotice{Id: b.Notice, Kind: b.Kind, LastDay: b.LastDay})
	f.owe(owesNotice, b.Notice)
}

func (f *fold) noticeDone(notice string) {
	f.settle(owesNotice, notice)
	f.s.Notices = slices.DeleteFunc(f.s.Notices, func(n *events.PendingNotice) bool { return n.Id == notice })
}
