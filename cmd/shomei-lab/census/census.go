// Package census counts what a log tells of its people and holds it against what is known of the country: how many cards
// were applied for and when, what was renewed, lost, refused, and when people come (figures.md 1, 2). It knows nothing of
// how the history came about, so it judges a simulated one as it would a real one.
package census

import (
	"maps"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Census is a count of histories, taken in any order of subscribers, each in the order of its revisions.
type Census struct {
	happened map[string]int
	days     map[series]map[civil.Date]int
	visits   map[time.Weekday]int
	months   map[time.Month]int
	morning  int
	kinds    map[string]events.CardKind
	holders  map[string]struct{}
	windows  map[uint64]civil.Date
	renewed  map[uint64]struct{}
	due      map[dueDay]struct{}
	last     civil.Date
}

// series is something that is counted by day.
type series string

const (
	applied    series = "applied"
	handedOver series = "handed over"
	outOfUse   series = "out of use"
	signatures series = "signature certificates"
	logins     series = "authentication certificates"
	unblocked  series = "unblocked"
)

type dueDay struct {
	subscriber string
	last       civil.Date
}

// New makes an empty census.
func New() *Census {
	return &Census{
		happened: make(map[string]int), days: make(map[series]map[civil.Date]int), visits: make(map[time.Weekday]int),
		months: make(map[time.Month]int),
		kinds:  make(map[string]events.CardKind), holders: make(map[string]struct{}), windows: make(map[uint64]civil.Date),
		renewed: make(map[uint64]struct{}), due: make(map[dueDay]struct{}),
	}
}

// Count takes one commit of a subscriber.
func (c *Census) Count(subscriber string, commit *events.Commit) {
	clerk := commit.GetActor().GetKind() == events.ActorKind_ACTOR_KIND_CLERK
	for _, e := range commit.GetEvents() {
		day := civil.Of(time.UnixMilli(e.RecordedMs))
		if day.After(c.last) {
			c.last = day
		}
		c.application(e, day, clerk)
		c.certificate(subscriber, e, day)
		c.card(e, day)
	}
}

func (c *Census) on(s series, day civil.Date) {
	if c.days[s] == nil {
		c.days[s] = make(map[civil.Date]int)
	}
	c.days[s][day]++
}

// between is how often something happened from a day until before another.
func (c *Census) between(s series, from, until civil.Date) (n int) {
	for day, times := range c.days[s] {
		if !day.Before(from) && day.Before(until) {
			n += times
		}
	}
	return n
}

func plain(name, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, prefix), "_", " "))
}

func (c *Census) application(e *events.Event, day civil.Date, clerk bool) {
	visit := true
	switch b := events.BodyOf(e).(type) {
	case *events.ApplicationAccepted:
		c.happened["accepted: "+plain(b.Operation.String(), "OPERATION_")]++
		switch b.Operation {
		case events.Operation_OPERATION_FACTORY_ISSUE:
			c.on(applied, day)
		case events.Operation_OPERATION_UNBLOCK:
			c.on(unblocked, day)
		}
		if clerk {
			c.happened["came: "+plain(b.Channel.String(), "CHANNEL_")]++
		}
	case *events.ApplicationRefused:
		c.happened["refused: "+b.Refusals[0]]++
	case *events.InquiryLetterDue:
		c.happened["letter of inquiry first"]++
	case *events.ResidentRecordChanged:
		c.happened["record: "+plain(b.Change.String(), "RECORD_CHANGE_")]++
		visit = false
	case *events.ApplicationWithdrawn:
		c.happened["withdrawn"]++
		visit = false
	default:
		visit = false
	}
	if visit && clerk {
		c.visit(time.UnixMilli(e.FiledMs).In(civil.Tokyo))
	}
}

func (c *Census) visit(at time.Time) {
	c.visits[at.Weekday()]++
	c.months[at.Month()]++
	if minute := at.Hour()*60 + at.Minute(); minute >= 9*60+30 && minute < 12*60 {
		c.morning++
	}
}

func (c *Census) certificate(subscriber string, e *events.Event, day civil.Date) {
	switch b := events.BodyOf(e).(type) {
	case *events.CertificateIssued:
		c.happened["certificates issued"]++
		if b.Regime == events.Regime_REGIME_JUKI {
			c.happened["juki certificates issued"]++
			return
		}
		if b.Kind == events.CertificateKind_CERTIFICATE_KIND_AUTH {
			c.on(logins, day)
		} else {
			c.on(signatures, day)
		}
	case *events.CertificateRevoked:
		c.happened["revoked: "+plain(b.Reason.String(), "REVOCATION_REASON_")]++
		if _, opened := c.windows[b.Serial]; opened && b.Reason == events.RevocationReason_REVOCATION_REASON_SUPERSEDED {
			c.renewed[b.Serial] = struct{}{}
		}
	case *events.CertificateExpired:
		c.happened["certificates expired"]++
	case *events.WindowOpened:
		c.happened["windows opened"]++
		last, err := civil.Parse(b.LastDay)
		if err != nil {
			return
		}
		c.due[dueDay{subscriber, last}] = struct{}{}
		if b.Kind == events.CertificateKind_CERTIFICATE_KIND_AUTH {
			c.windows[b.Serial] = last
		}
	case *events.NoticeSent:
		c.happened["notices by "+b.Medium]++
	case *events.NoticeFailed:
		c.happened["notices undelivered"]++
	case *events.NoticeSuppressed:
		c.happened["notices not needed any more"]++
	}
}

func (c *Census) card(e *events.Event, day civil.Date) {
	switch b := events.BodyOf(e).(type) {
	case *events.CardAssigned:
		c.kinds[b.Card] = b.Kind
	case *events.CardHandedOver:
		if c.kinds[b.Card] == events.CardKind_CARD_KIND_MYNUMBER {
			c.holders[b.Card] = struct{}{}
			c.on(handedOver, day)
		}
	case *events.LossReported:
		c.happened["lost"]++
	case *events.CardFound:
		c.happened["found again"]++
	case *events.CertificateWritten:
		c.happened["cards written"]++
	case *events.CardWriteFailed:
		c.happened["writings failed"]++
	case *events.PinBlocked:
		c.happened["PINs blocked"]++
	case *events.PinUnblocked:
		c.happened["PINs set"]++
	case *events.DeadlineMissed:
		c.happened["deadlines missed after a move"]++
	}
	for _, t := range events.Transitions(e) {
		if t.CardStatus == events.CardStatus_CARD_STATUS_VOID || t.CardStatus == events.CardStatus_CARD_STATUS_EXPIRED {
			c.gone(t.Card, day)
		}
	}
}

func (c *Census) gone(card string, day civil.Date) {
	if _, holds := c.holders[card]; holds {
		delete(c.holders, card)
		c.on(outOfUse, day)
	}
}

// held is how many My Number cards were in their holders' hands at the end of a day.
func (c *Census) held(on civil.Date) int {
	next := on.AddDays(1)
	return c.between(handedOver, civil.Date{}, next) - c.between(outOfUse, civil.Date{}, next)
}

// holderYears is how long cards have been held, altogether.
func (c *Census) holderYears() float64 {
	days := 0
	for day, n := range c.days[handedOver] {
		days += n * day.DaysUntil(c.last)
	}
	for day, n := range c.days[outOfUse] {
		days -= n * day.DaysUntil(c.last)
	}
	return float64(days) / 365.25
}

// Line is how often one thing happened.
type Line struct {
	What  string
	Times int
}

// Happened tells everything that happened and how often, by name.
func (c *Census) Happened() []Line {
	lines := make([]Line, 0, len(c.happened))
	for _, what := range slices.Sorted(maps.Keys(c.happened)) {
		lines = append(lines, Line{what, c.happened[what]})
	}
	return lines
}

func (c *Census) sum(prefix string) (n int) {
	for what, times := range c.happened {
		if strings.HasPrefix(what, prefix) {
			n += times
		}
	}
	return n
}
