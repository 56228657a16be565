package agent

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

// Uptime tells which start of the machine this is, and for how long it has run since then, suspended or not. Nobody sets
// such a clock.
type Uptime func() (boot string, since time.Duration)

// processUptime counts from now, for systems that tell nothing of the machine's own start.
func processUptime() Uptime {
	boot, begin := uuid.NewString(), time.Now()
	return func() (string, time.Duration) { return boot, time.Since(begin) }
}

// linkUp is the hub's time at the newest link-up, and where the machine's uptime stood then. It is kept in the store, so
// that an agent which starts again without the hub goes on counting.
type linkUp struct {
	HubMS int64 `json:"hub_ms"`
	// Simulated: the hub runs by a settable clock. Its time does not pass by itself.
	Simulated bool          `json:"simulated,omitempty"`
	Boot      string        `json:"boot"`
	Uptime    time.Duration `json:"uptime"`
}

// timepiece is the counter's clock beside what the link tells of the time.
type timepiece struct {
	now      func() time.Time
	evidence func() string
	uptime   Uptime

	mu   sync.Mutex
	last linkUp // zero before the first link-up
}

// told notes the hub's time at a link-up and returns what to keep of it.
func (t *timepiece) told(hub counterlink.HubTime) linkUp {
	boot, since := t.uptime()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = linkUp{HubMS: hub.At.UnixMilli(), Simulated: hub.Simulated, Boot: boot, Uptime: since}
	return t.last
}

// hub returns the hub's time now by what the link told and has elapsed since; false when nothing counted it, or when the
// hub's time does not pass by itself.
func (t *timepiece) hub() (time.Time, bool) {
	boot, since := t.uptime()
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last.HubMS == 0 || last.Simulated || last.Boot != boot {
		return time.Time{}, false
	}
	return time.UnixMilli(last.HubMS).Add(since - last.Uptime), true
}

// deadline returns the time that the hub's deadlines are judged by: the hub's where it is known, else the counter's.
func (t *timepiece) deadline() time.Time {
	if now, known := t.hub(); known {
		return now
	}
	return t.now()
}

// past returns a time that has certainly passed, by which old entries may be forgotten.
func (t *timepiece) past() time.Time {
	now, known := t.hub()
	t.mu.Lock()
	last := time.UnixMilli(t.last.HubMS)
	never := t.last.HubMS == 0 || t.last.Simulated
	t.mu.Unlock()
	switch {
	case known:
		return now
	case never:
		return t.now()
	}
	return last
}

// linkTime is what a claim says of the time beside the counter's clock; nil before the first link-up.
func (t *timepiece) linkTime() *events.LinkTime {
	boot, since := t.uptime()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.last.HubMS == 0:
		return nil
	case t.last.Boot != boot:
		return &events.LinkTime{HubMs: t.last.HubMS, Restarted: true}
	}
	return &events.LinkTime{HubMs: t.last.HubMS, ElapsedMs: (since - t.last.Uptime).Milliseconds()}
}

// Clock is how the counter's clock stands to the hub's.
type Clock struct {
	// Own is the counter's clock, Evidence how it stands (Synchronised, Unsynchronised, Simulated).
	Own      time.Time
	Evidence string
	// Centre is the hub's time now; zero when it is not known.
	Centre time.Time
	// Differs: the two are further apart than the hub takes for one time.
	Differs bool
	// Refused: this clock is a settable one and the hub's is not, so that the hub takes no claim filed by it.
	Refused bool
}

// Clock returns how the counter's clock stands now.
func (c *Counter) Clock() Clock {
	t := &c.time
	now := Clock{Own: t.now(), Evidence: t.evidence()}
	if hub, known := t.hub(); known {
		now.Centre = hub
		now.Differs = now.Own.Sub(hub).Abs() > counterlink.ClockTolerance
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now.Refused = now.Evidence == Simulated && t.last.HubMS != 0 && !t.last.Simulated
	return now
}

// Now returns the time that is right by all that this counter knows: its clock's, unless the hub's is known and differs.
// Dates on pages and what is possible today are judged by it; a claim says what the counter's clock shows.
func (c *Counter) Now() time.Time {
	if clock := c.Clock(); clock.Differs {
		return clock.Centre
	}
	return c.time.now()
}

// Held is how many claims of this counter the hub has put aside because it can't believe when they were made.
func (c *Counter) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// heldMessage says both times of a claim that the hub put aside.
func heldMessage(h *events.HeldReceipt) Message {
	own, from, to := faceOf(h.GetClockMs()), faceOf(h.GetEarliestMs()), faceOf(h.GetLatestMs())
	if h.GetReason() == events.HeldReason_HELD_REASON_SIMULATED {
		return say("held-simulated", own, to)
	}
	return say("held-clock", own, from, to)
}

func faceOf(ms int64) string {
	if ms == 0 {
		return "?"
	}
	return time.UnixMilli(ms).In(civil.Tokyo).Format("2006-01-02 15:04")
}

// timed takes the hub's time at a link-up.
func (c *Counter) timed(hub counterlink.HubTime) error {
	before := c.Clock()
	last := c.time.told(hub)
	if now := c.Clock(); now.Differs && !before.Differs || now.Refused && !before.Refused {
		c.cfg.Logger.Warn("the counter's clock differs from the centre's: set it right and keep it by a time service",
			"counter", c.cfg.Counter, "own", now.Own, "centre", hub.At, "evidence", now.Evidence)
	}
	return c.store.keepLinkUp(last)
}

var keyLinkUp = []byte("link.up")

// keepLinkUp records the newest link-up.
func (s *Store) keepLinkUp(l linkUp) error {
	raw, err := json.Marshal(l)
	if err == nil {
		err = s.putMeta(keyLinkUp, raw)
	}
	if err != nil {
		return fmt.Errorf("recording the link-up: %w", err)
	}
	return nil
}

// linkUp returns the newest link-up; zero when there was none.
func (s *Store) linkUp() (l linkUp, err error) {
	raw := s.meta(keyLinkUp)
	if raw == nil {
		return l, nil
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, fmt.Errorf("reading the last link-up: %w: %w", err, ErrTampered)
	}
	return l, nil
}
