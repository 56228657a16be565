package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Decide returns the events that a command causes in a subscriber's state at the instant now, or none if there is
// nothing new to record: about a history that goes on under another id hardly anything is. An error means that the command itself is malformed; it is never how an application is
// refused.
func Decide(s *events.SubscriberState, cmd Command, now time.Time) ([]*events.Event, error) {
	if s.AliasOf != "" && !onAlias(cmd) {
		return nil, nil
	}
	d := &decision{state: s, now: now}
	var err error
	switch c := cmd.(type) {
	case Apply:
		err = d.apply(c)
	case RecordKeys:
		err = d.recordKeys(c)
	case RecordIssued:
		err = d.recordIssued(c)
	case AbandonIssue:
		d.abandonIssue(c)
	case RecordWritten:
		d.recordWritten(c)
	case RecordWriteFailed:
		d.recordWriteFailed(c)
	case RecordHandOver:
		err = d.recordHandOver(c)
	case RecordUnblocked:
		d.recordUnblocked(c)
	case RecordPinsBlocked:
		d.recordPinsBlocked(c)
	case RecordConfirmationFailed:
		d.recordConfirmationFailed(c)
	case RecordCustody:
		d.recordCustody(c)
	case DropApplication:
		d.dropApplication(c)
	case ChangeRecord:
		err = d.changeRecord(c)
	case ReportLoss:
		err = d.reportLoss(c)
	case ReportFound:
		err = d.reportFound(c)
	case OrderByAuthority:
		err = d.orderByAuthority(c)
	case Tick:
		err = d.tick(c)
	case RecordLetterMailed:
		d.recordLetterMailed(c)
	case RecordNotice:
		d.recordNotice(c)
	case OrderErasure:
		err = d.orderErasure(c)
	case RecordKeyDestroyed:
		d.recordKeyDestroyed(c)
	case ApplyPhone:
		err = d.applyPhone(c)
	case TakeIn:
		d.takeIn(c)
	case CloseHistory:
		err = d.closeHistory(c)
	case SettleTakenIn:
		d.settleTakenIn(c)
	default:
		return nil, fmt.Errorf("deciding on a subscriber: unknown command %T", cmd)
	}
	if err != nil {
		return nil, fmt.Errorf("deciding on a subscriber: %w", err)
	}
	if len(d.events) > 0 {
		d.withdrawImpossible()
		d.followParents()
	}
	return d.events, nil
}

// decision collects the events of one command. Each is folded at once, so that later steps see what earlier ones did.
type decision struct {
	state  *events.SubscriberState
	now    time.Time
	filed  time.Time
	caused time.Time
	// entered is when a clerk entered filed by hand; zero if nobody did.
	entered time.Time
	events  []*events.Event
}

// today returns the civil day on which the decision is recorded.
func (d *decision) today() civil.Date { return civil.Of(d.now) }

// filedAt sets when the command was filed and, unless caused is set later, when its fact arose.
func (d *decision) filedAt(t time.Time) {
	if t.IsZero() {
		t = d.now
	}
	d.filed, d.caused = t, t
}

// emit adds an event with the rules behind it and folds it into the state.
func (d *decision) emit(body events.Body, rules ...string) {
	e := events.New(body, distinct(rules)...)
	if !d.filed.IsZero() {
		e.FiledMs = d.filed.UnixMilli()
		if !d.entered.IsZero() {
			e.EnteredMs = d.entered.UnixMilli()
		}
	}
	if d.caused.IsZero() {
		d.caused = d.now
	}
	e.CausedMs = d.caused.UnixMilli()
	e.RecordedMs = d.now.UnixMilli()
	first := len(d.events) == 0
	d.events = append(d.events, e)
	if first {
		d.state = cloneState(d.state)
		d.state.Revision++
	}
	evolve(d.state, e, uint32(len(d.events)-1))
}

// distinct returns a new slice with each rule id once, in order of first mention.
func distinct(rules []string) []string {
	var once []string
	for _, id := range rules {
		if !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	return once
}

// factRefused records a fact that changes nothing, and why.
func (d *decision) factRefused(fact, why string, rules ...string) {
	d.emit(&events.FactRefused{Fact: fact, Why: why}, rules...)
}
