package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
)

// decisions lists the events that must name a rule.
var decisions = []string{
	"ApplicationAccepted", "ApplicationRefused", "InquiryLetterDue", "UnblockAuthorized", "IssueAuthorized", "IssueAbandoned",
	"CertificateIssued", "CertificateRevoked", "CertificateSuspended", "CertificateReleased", "CertificateExpired", "CertificateDiscarded",
	"WindowOpened", "DeadlineSet", "DeadlineMet", "DeadlineMissed", "CardAssigned", "CardVoided", "CardExpired",
	"CardSuspended", "CardTermExtended", "CardReturned", "CardFound", "NoticeDue", "SpecialCircumstancesGranted",
}

// liveness tracks what is in force from events alone, independently of the state, and fails on two of a regime and kind
// on the cards, or on one smartphone. A factory's replacement comes into force at its hand-over.
func (p *player) liveness(e *events.Event, s *events.SubscriberState) {
	p.t.Helper()
	for _, t := range events.Transitions(e) {
		if t.Serial != 0 && (t.Held || t.Status != valid || p.turned[t.Serial] == issued) {
			p.turned[t.Serial] = t.Status
		}
	}
	switch b := events.BodyOf(e).(type) {
	case *events.CertificateIssued:
		mine := fmt.Sprintf("%v %v %s", b.Regime, b.Kind, b.Device)
		if slices.Contains(waiting(s), b.Card) && s.OldCard != nil && cardRegime(s.OldCard.Kind) == cardRegime(s.Card.Kind) {
			mine += "waits"
		}
		p.comesIntoForce(b.Serial, mine)
	case *events.Delivered:
		for _, serial := range b.Serials {
			if mine, waited := strings.CutSuffix(p.model[serial], "waits"); waited {
				delete(p.model, serial)
				p.comesIntoForce(serial, mine)
			}
		}
	case *events.CertificateRevoked:
		p.leaves(b.Serial)
	case *events.CertificateExpired:
		p.leaves(b.Serial)
	case *events.CertificateDiscarded:
		p.leaves(b.Serial)
	case *events.IssueAuthorized:
		p.capped(b)
		if parent := certificate(s, b.Parent); b.Device != "" && (parent.GetStatus() != valid || parent.LastDay != b.LastDay) {
			p.t.Fatalf("%d on a smartphone, ending %s, is bound to %v", b.Serial, b.LastDay, parent)
		}
	case *events.CertificateReleased:
		if held := certificate(s, b.Serial); b.Device == "" || b.Kind != kindAuth || held.GetParent() == 0 {
			p.t.Fatalf("%d is released; only a smartphone's authentication certificate is", b.Serial)
		}
	}
	if slices.Contains(decisions, events.Name(e)) && len(e.RuleIds) == 0 {
		p.t.Fatalf("%s names no rule", events.Name(e))
	}
	if strings.Contains(strings.Join(e.RuleIds, " ")+" ", "  ") {
		p.t.Fatalf("%s names an empty rule: %q", events.Name(e), e.RuleIds)
	}
	if e.RecordedMs == 0 || e.CausedMs == 0 {
		p.t.Fatalf("%s has no times", events.Name(e))
	}
}

func (p *player) comesIntoForce(serial uint64, mine string) {
	p.t.Helper()
	for other, its := range p.model {
		if its == mine {
			p.t.Fatalf("%d comes into force while %d is (%s)", serial, other, mine)
		}
	}
	p.model[serial] = mine
}

func (p *player) leaves(serial uint64) {
	p.t.Helper()
	if _, ok := p.model[serial]; !ok {
		p.t.Fatalf("%d ends but was not in force", serial)
	}
	delete(p.model, serial)
}

// capped checks a term against the day of issue, the binding candidate and the caps.
func (p *player) capped(b *events.IssueAuthorized) {
	p.t.Helper()
	last, today := day(b.LastDay), civil.Of(p.now)
	if last.Before(today) {
		p.t.Fatalf("authorised on %s with the last day %s", today, last)
	}
	for _, c := range b.Candidates {
		if day(c.Day).Before(last) || c.Binds && c.Day != b.LastDay {
			p.t.Fatalf("the last day %s passes its candidate %v", last, c)
		}
	}
}

// invariants checks what must hold after every commit.
func (p *player) invariants(cmd Command) {
	p.t.Helper()
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Fatalf("after %T: %s\n%v", cmd, fmt.Sprintf(format, args...), p.state)
	}
	live := 0
	for _, c := range p.state.Certificates {
		inForce := c.Status == issued || c.Status == valid || c.Status == suspended
		if inForce {
			live++
		}
		if p.turned[c.Serial] != c.Status {
			fail("serial %d: status %v, by the transitions %v", c.Serial, c.Status, p.turned[c.Serial])
		}
		if _, ok := p.model[c.Serial]; ok != inForce {
			fail("serial %d: status %v, by events in force: %t", c.Serial, c.Status, ok)
		}
	}
	if live != len(p.model) {
		fail("%d in force by state, %d by events", live, len(p.model))
	}
	for _, o := range p.state.Obligations {
		if !p.stands(o) {
			fail("%v is owed for something that no longer waits for it", o)
		}
	}
	p.reminders(fail)
	p.wayForward(fail)
	p.phonesFollow(fail)
	raw, err := proto.Marshal(p.state)
	if err != nil || len(raw) > events.StateLimit("subscriber")-8 {
		fail("state of %d bytes: %v", len(raw), err)
	}
	if strings.Contains(string(raw), p.person.BirthDate.String()) {
		fail("the birth date is in the state")
	}
}

// stands reports whether the target of an obligation still exists and waits for this.
func (p *player) stands(o *events.Obligation) bool {
	open := p.state.Open()
	if phone := p.state.ProcedureOf(o.Target); phone.GetCarrier().Device() != "" {
		unsigned := slices.ContainsFunc(p.state.Certificates, func(c *events.Certificate) bool { return c.Procedure == phone.Id && c.Status == authorized })
		return unsigned == (o.Kind == events.ObligationKind_OBLIGATION_KIND_SIGN)
	}
	switch o.Kind {
	case events.ObligationKind_OBLIGATION_KIND_MAIL_INQUIRY:
		return slices.ContainsFunc(p.state.Letters, func(l *events.Letter) bool { return l.Id == o.Target && !l.Mailed })
	case events.ObligationKind_OBLIGATION_KIND_SEND_NOTICE:
		return slices.ContainsFunc(p.state.Notices, func(n *events.PendingNotice) bool { return n.Id == o.Target })
	case events.ObligationKind_OBLIGATION_KIND_SIGN:
		return open.GetId() == o.Target && open.Step == stepKeys
	case owesClosing:
		return p.takenIn(o.Target)
	case events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY:
		return p.ordered(o.Target) == 1
	default:
		return open.GetId() == o.Target && waitsFor(open) == o.Kind
	}
}

// reminders checks from events alone that no crash can lose a reminder: a window opens in one commit with its notice,
// and a due notice is owed in the state until it has an outcome. The expiry service keeps no position: it asks again
// for what is due and not recorded. Certificates revoked or suspended by then open no window and get no reminder.
func (p *player) reminders(fail func(string, ...any)) {
	p.t.Helper()
	owed := map[string]bool{}
	for _, c := range p.history {
		opened, about := map[uint64]bool{}, map[uint64]bool{}
		for _, e := range c.Events {
			switch b := events.BodyOf(e).(type) {
			case *events.WindowOpened:
				opened[b.Serial] = true
			case *events.NoticeDue:
				owed[b.Notice] = true
				for _, serial := range b.Serials {
					about[serial] = true
				}
			case *events.NoticeSent:
				delete(owed, b.Notice)
			case *events.NoticeFailed:
				delete(owed, b.Notice)
			case *events.NoticeSuppressed:
				delete(owed, b.Notice)
			}
		}
		for serial := range opened {
			if !about[serial] {
				fail("the window of %d opened in revision %d without a notice", serial, c.Revision)
			}
		}
	}
	for _, o := range p.state.Obligations {
		if o.Kind == events.ObligationKind_OBLIGATION_KIND_SEND_NOTICE {
			delete(owed, o.Target)
		}
	}
	if len(owed) > 0 {
		fail("notices %v have no outcome and are not owed", slices.Collect(maps.Keys(owed)))
	}
}

// rank orders certificate statuses by how much they still permit.
var rank = map[events.CertificateStatus]int{valid: 2, issued: 2, authorized: 2, suspended: 1}

// phonesFollow checks that no certificate on a smartphone outlives or outranks its parent on the card, that those on
// their way are owed, and that a phone with none is forgotten.
func (p *player) phonesFollow(fail func(string, ...any)) {
	p.t.Helper()
	phones := map[string]bool{}
	for _, held := range p.state.Certificates {
		if device := held.Carrier.Device(); device != "" {
			phones[device] = true
		}
	}
	for _, open := range p.state.Procedures {
		if device := open.Carrier.Device(); device != "" && !phones[device] {
			fail("%v: nothing is on its way", open)
		}
	}
	for device := range phones {
		onWay, phone := false, phoneOf(p.state, device)
		for _, c := range onDevice(p.state, device) {
			parent := certificate(p.state, c.Parent)
			if parent == nil || hasEnded(parent) || rank[c.Status] > rank[parent.Status] || c.Kind != parent.Kind {
				fail("serial %d on a smartphone outlives or outranks its parent: %v, %v", c.Serial, c, parent)
			}
			if hasEnded(c) || c.WindowOpens != "" {
				fail("serial %d on a smartphone has ended or has a window", c.Serial)
			}
			onWay = onWay || c.Status == authorized || c.Status == issued
		}
		owed := slices.ContainsFunc(p.state.Obligations, func(o *events.Obligation) bool { return o.Target == phone.GetId() })
		if onWay != (phone != nil) || onWay != owed {
			fail("%v: on its way %t, owed %t", phone, onWay, owed)
		}
	}
	if p.state.Open() != nil && len(p.state.Procedures) > 1 {
		fail("two procedures at a time")
	}
	if len(phones) > 2 {
		fail("%d smartphones", len(phones))
	}
}

// takenIn reports whether a history was taken in whose end is not recorded.
func (p *player) takenIn(from string) (open bool) {
	for _, e := range p.all() {
		open = (open || e.GetSubscriberTakenIn().GetFrom() == from) && e.GetTakenInClosed().GetFrom() != from && e.GetTakenInGivenUp().GetFrom() != from
	}
	return open
}

// ordered counts the erasure orders of a class that were not carried out.
func (p *player) ordered(class string) (n int) {
	for _, c := range p.history {
		for _, e := range c.Events {
			if b := e.GetErasureOrdered(); b != nil && b.RecordClass == class {
				n++
			}
			if b := e.GetKeyDestroyed(); b != nil && b.RecordClass == class {
				n--
			}
		}
	}
	return n
}

// wayForward checks that an open procedure can go on, and that unsigned certificates have an open procedure.
func (p *player) wayForward(fail func(string, ...any)) {
	p.t.Helper()
	open := p.state.Open()
	for _, c := range onCards(p.state) {
		if c.Status == authorized && (open == nil || c.Procedure != open.Id || open.Step != stepKeys) {
			fail("serial %d is unsigned, but no procedure waits for it", c.Serial)
		}
	}
	if open == nil {
		return
	}
	if p.state.Ended {
		fail("a procedure is open for somebody whose record has ended")
	}
	if open.Step == stepKeys && !slices.ContainsFunc(p.state.Obligations, func(o *events.Obligation) bool {
		return o.Kind == events.ObligationKind_OBLIGATION_KIND_SIGN
	}) {
		fail("a procedure waits for signatures that are not owed")
	}
}
