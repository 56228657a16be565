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

// decisions are the events that only a rule can make: each must name one.
var decisions = []string{
	"ApplicationAccepted", "ApplicationRefused", "InquiryLetterDue", "UnblockAuthorized", "IssueAuthorized", "IssueAbandoned",
	"CertificateIssued", "CertificateRevoked", "CertificateSuspended", "CertificateReleased", "CertificateExpired", "CertificateDiscarded",
	"WindowOpened", "DeadlineSet", "DeadlineMet", "DeadlineMissed", "CardAssigned", "CardVoided", "CardExpired",
	"CardSuspended", "CardTermExtended", "CardReturned", "CardFound", "NoticeDue", "SpecialCircumstancesGranted",
}

// liveness is the second, naive way to know what is in force: by events alone, and never two of a regime and kind on the
// card, or on one smartphone. What a factory has made to replace what is in hand comes into force when it is handed over.
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
			p.t.Fatalf("%d on a smartphone, to %s, is bound to %v", b.Serial, b.LastDay, parent)
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
		p.t.Fatalf("%d ends and was not in force", serial)
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

// invariants are what must hold after every commit.
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
			fail("%v is owed to something that does not stand any more", o)
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
		fail("the birth date stands in the state")
	}
}

// stands reports whether what an obligation names is still there and waits for just this.
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
	case events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY:
		return p.ordered(o.Target) == 1
	default:
		return open.GetId() == o.Target && waitsFor(open) == o.Kind
	}
}

// reminders checks, by events alone, that no kill can lose a reminder: a window opens in one commit with the notice about
// it, so that there is nothing between the two to die at, and a notice that fell due is owed in the state until it has an
// outcome. The expiry service keeps no position at all: it asks again what is due and not recorded. Who is never
// reminded has no window that opened: what was revoked or rested when it came is not reminded of.
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
		fail("notices %v have no outcome, and nobody owes them", slices.Collect(maps.Keys(owed)))
	}
}

// rank orders what a certificate is worth.
var rank = map[events.CertificateStatus]int{valid: 2, issued: 2, authorized: 2, suspended: 1}

// phonesFollow checks that no certificate on a smartphone outlives or out-values the card's that it is bound to, that what
// is on its way there is owed, and that a phone with nothing on it is forgotten.
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
				fail("serial %d on a smartphone outlives or out-values its parent: %v, %v", c.Serial, c, parent)
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

// ordered counts the orders to erase a class that are not carried out.
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

// wayForward checks that an open procedure can go on: something is owed for it, or the counter hands over or drops it;
// and that nothing it made is left when there is none.
func (p *player) wayForward(fail func(string, ...any)) {
	p.t.Helper()
	open := p.state.Open()
	for _, c := range onCards(p.state) {
		if c.Status == authorized && (open == nil || c.Procedure != open.Id || open.Step != stepKeys) {
			fail("serial %d waits to be signed for nothing", c.Serial)
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
		fail("a procedure waits for signatures that nobody owes")
	}
}
