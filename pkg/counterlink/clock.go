package counterlink

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/events"
)

// ClockTolerance is how far a counter's clock may differ from the hub's without consequences: an unsynchronised machine
// drifts that far in about a month.
const ClockTolerance = 5 * time.Minute

// The state of a clock, as in Claim.clock_evidence and a welcome.
const (
	ClockSynchronised   = "synchronised"
	ClockUnsynchronised = "unsynchronised"
	ClockSimulated      = "simulated"
)

// Header fields of the link-up about time.
const (
	// headerLast is the number of the counter's newest claim, delivered or not; headerClock its clock's time.
	headerLast  = "Shomei-Last"
	headerClock = "Shomei-Clock"
	// headerTime is the hub's time, headerTimeKind whether that is a settable clock's.
	headerTime     = "Shomei-Time"
	headerTimeKind = "Shomei-Time-Kind"
)

// HubTime is the hub's clock when it answered a link-up. Simulated: a settable one.
type HubTime struct {
	At        time.Time
	Simulated bool
}

// timeOf reads the hub's time from a welcome; zero if the hub's version sends none.
func timeOf(h nats.Header) HubTime {
	return HubTime{At: instantOf(h.Get(headerTime)), Simulated: h.Get(headerTimeKind) == ClockSimulated}
}

// put writes the hub's time to a welcome, unless it is zero.
func (t HubTime) put(h nats.Header) {
	if t.At.IsZero() {
		return
	}
	h.Set(headerTime, strconv.FormatInt(t.At.UnixMilli(), 10))
	if t.Simulated {
		h.Set(headerTimeKind, ClockSimulated)
	}
}

func instantOf(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n)
}

// stamp adds what the hub needs from a counter at link-up to judge the time of its claims.
func (l *Link) stamp(h nats.Header) nats.Header {
	h.Set(headerLast, strconv.FormatUint(l.cfg.Outbox.Last().Number, 10))
	h.Set(headerClock, strconv.FormatInt(l.cfg.Now().UnixMilli(), 10))
	return h
}

// Evidence is what the hub itself knows about when a claim was made.
type Evidence struct {
	// After is the last contact with the counter before it made the claim; zero if unknown.
	After time.Time
	// Before is when the hub had the claim, or at least knew of it.
	Before time.Time
	// Clock is the latest time at which an earlier claim of the counter was filed; zero if unknown.
	Clock time.Time
}

// contact is one link-up as the hub remembers it: claims up to Number existed then, later ones did not.
type contact struct {
	AtMS   int64  `json:"at_ms"`
	Number uint64 `json:"number"`
	// Expected is the counter's last message in the stream at that time. A later one proves that the counter got the
	// answer. Without that proof the question may have travelled long, and claims may have been made meanwhile.
	Expected uint64 `json:"expected,omitempty"`
	Answered bool   `json:"answered,omitempty"`
}

// timeline is what the hub remembers of a counter's contacts. It is part of the head, and saved with it.
type timeline struct {
	Contacts []contact `json:"contacts,omitempty"`
	ClockMS  int64     `json:"clock_ms,omitempty"`
}

// contactsKept bounds the memory of a counter that links up again and again and delivers nothing.
const contactsKept = 8

// met returns the timeline after a link-up at which the counter's newest claim was last.
func (t timeline) met(at time.Time, last, expected uint64) timeline {
	next := contact{AtMS: at.UnixMilli(), Number: last, Expected: expected}
	list := slices.DeleteFunc(slices.Clone(t.Contacts), func(c contact) bool {
		return c.AtMS > next.AtMS+ClockTolerance.Milliseconds() // the hub's clock was set back: those prove nothing
	})
	if n := len(list); n > 0 && (list[n-1].Number > last || list[n-1].AtMS > next.AtMS) {
		return t // an old question, overtaken
	}
	list = thin(list, last)
	if len(list) == contactsKept {
		list = slices.Delete(list, 1, 2) // this only widens the bounds
	}
	return timeline{Contacts: append(list, next), ClockMS: t.ClockMS}
}

// thin makes room for another contact at which the newest claim was last. Of several, the first proves that the claims
// existed, the newest answered one that no more did.
func thin(list []contact, last uint64) []contact {
	same := len(list)
	for same > 0 && list[same-1].Number == last {
		same--
	}
	switch n := len(list); {
	case n-same > 1 && !list[n-1].Answered:
		return list[:n-1]
	case n-same > 2:
		return slices.Delete(list, same+1, n-1)
	}
	return list
}

// proved returns the timeline once a later message of the counter is in the stream: it follows an answer to the newest
// question before it, and proves nothing about earlier questions.
func (t timeline) proved(sequence uint64) timeline {
	list := slices.Clone(t.Contacts)
	for i, c := range slices.Backward(list) {
		if c.Expected < sequence {
			list[i].Answered = true
			break
		}
	}
	return timeline{Contacts: list, ClockMS: t.ClockMS}
}

// evidence returns what is known about when a claim was made, given when the stream stored it.
func (t timeline) evidence(number uint64, stored time.Time) Evidence {
	e := Evidence{Before: stored, Clock: ofMS(t.ClockMS)}
	for _, c := range t.Contacts {
		at := ofMS(c.AtMS)
		switch {
		case c.Number >= number && at.Before(e.Before):
			e.Before = at
		case c.Number < number && c.Answered && !at.After(stored.Add(ClockTolerance)):
			e.After = at
		}
	}
	return e
}

// took returns the timeline after a claim with that evidence: it remembers the claim's clock as far as it can be right,
// and forgets contacts that no later claim needs.
func (t timeline) took(claim *events.Claim, known Evidence) timeline {
	reading := ReadingOf(claim)
	if told, exact := TimeByLink(claim); exact && told.Before(reading) {
		reading = told
	}
	if reading.After(known.Before) {
		reading = known.Before
	}
	return timeline{Contacts: needed(t.Contacts, claim.GetNumber()), ClockMS: max(t.ClockMS, reading.UnixMilli())}
}

// needed returns the contacts by which claims after number are judged: the newest answered one before them, those that
// know of them, and the newest, whose answer may still be proved.
func needed(list []contact, number uint64) []contact {
	floor := len(list) - 1
	for floor > 0 && (list[floor].Number > number || !list[floor].Answered) {
		floor--
	}
	var kept []contact
	for i, c := range list {
		if i == floor || i == len(list)-1 || c.Number > number {
			kept = append(kept, c)
		}
	}
	return kept
}

// adopted returns the timeline of a counter whose head people have set to a number.
func (t timeline) adopted(number uint64) timeline {
	if len(t.Contacts) == 0 {
		return t
	}
	last := t.Contacts[len(t.Contacts)-1]
	return timeline{Contacts: []contact{{AtMS: last.AtMS, Number: number, Answered: true}}, ClockMS: t.ClockMS}
}

func ofMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ReadingOf returns what the counter's clock showed when it made a claim.
func ReadingOf(c *events.Claim) time.Time {
	if c.GetEnteredMs() != 0 {
		return time.UnixMilli(c.GetEnteredMs())
	}
	return time.UnixMilli(c.GetFiledMs())
}

// TimeByLink returns when a claim was made according to the link: the hub's time at the last link-up plus the time
// elapsed since. exact is false if nothing measured that; the result is then the link-up, or zero.
func TimeByLink(c *events.Claim) (at time.Time, exact bool) {
	link := c.GetLinkTime()
	if link.GetHubMs() == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(link.GetHubMs()).Add(time.Duration(link.GetElapsedMs()) * time.Millisecond), !link.GetRestarted()
}

// ClockDifference is a counter's clock that differed from the hub's by more than ClockTolerance when it last linked up.
type ClockDifference struct {
	Counter string
	// Own is what the counter's clock showed, Hub the hub's time at that moment.
	Own, Hub time.Time
}

// clocks holds the counters whose clocks differ.
type clocks struct {
	mu      sync.Mutex
	differs map[string]ClockDifference
}

// note compares a counter's clock at link-up with the hub's; a zero own time is unknown.
func (c *clocks) note(counter string, own, hub time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own.IsZero() || own.Sub(hub).Abs() <= ClockTolerance {
		delete(c.differs, counter)
		return
	}
	if c.differs == nil {
		c.differs = make(map[string]ClockDifference)
	}
	c.differs[counter] = ClockDifference{Counter: counter, Own: own, Hub: hub}
}

// ClockDifferences returns the counters whose clocks differed at their last link-up with this process, by name.
func (h *Links) ClockDifferences() []ClockDifference {
	h.clocks.mu.Lock()
	defer h.clocks.mu.Unlock()
	list := make([]ClockDifference, 0, len(h.clocks.differs))
	for _, counter := range slices.Sorted(maps.Keys(h.clocks.differs)) {
		list = append(list, h.clocks.differs[counter])
	}
	return list
}

// meet records a link-up of a counter whose heads agree.
func (l *queue) meet(at time.Time, last, expected uint64) {
	l.headMu.Lock()
	defer l.headMu.Unlock()
	l.head.Time, l.dirty = l.head.Time.met(at, last, expected), true
}
