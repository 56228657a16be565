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

// Uptime returns an id of the machine's last boot and the time since then, suspended time included. Nobody can set such
// a clock.
type Uptime func() (boot string, since time.Duration)

// processUptime counts from now, for systems that do not report the machine's boot.
func processUptime() Uptime {
	boot, begin := uuid.NewString(), time.Now()
	return func() (string, time.Duration) { return boot, time.Since(begin) }
}

// linkUp is the hub's time and the machine's uptime at the newest link-up. It is stored, so that an agent that restarts
// offline still knows the hub's time.
type linkUp struct {
	HubMS int64 `json:"hub_ms"`
	// Simulated: the hub runs by a settable clock. Its time does not pass by itself.
	Simulated bool          `json:"simulated,omitempty"`
	Boot      string        `json:"boot"`
	Uptime    time.Duration `json:"uptime"`
}

// timepiece is the counter's clock together with the hub's time from the link.
type timepiece struct {
	now      func() time.Time
	evidence func() string
	uptime   Uptime

	mu   sync.Mutex
	last linkUp // zero before the first link-up
}

// linkedUp sets the newest link-up and returns it.
func (t *timepiece) linkedUp(hub counterlink.HubTime) linkUp {
	boot, since := t.uptime()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = linkUp{HubMS: hub.At.UnixMilli(), Simulated: hub.Simulated, Boot: boot, Uptime: since}
	return t.last
}

// hub returns the hub's time now: that of the newest link-up plus the elapsed uptime. It returns false before the first
// link-up, after a reboot, and if the hub's clock is settable.
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

// deadline returns the time for judging the hub's deadlines: the hub's if known, else the counter's.
func (t *timepiece) deadline() time.Time {
	if now, known := t.hub(); known {
		return now
	}
	return t.now()
}

// past returns a time that has certainly passed, for deciding which old entries may be forgotten.
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

// linkTime returns a claim's evidence of the time beside the counter's clock; nil before the first link-up.
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

// Clock compares the counter's clock with the hub's.
type Clock struct {
	// Own is the counter's clock, Evidence its state (Synchronised, Unsynchronised, Simulated).
	Own      time.Time
	Evidence string
	// Centre is the hub's time now; zero if unknown.
	Centre time.Time
	// Differs: the two are further apart than the hub tolerates.
	Differs bool
	// Refused: this clock is settable and the hub's is not, so the hub refuses claims filed by it.
	Refused bool
}

// Clock compares the counter's clock with the hub's now.
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

// Now returns the hub's time if it is known and differs from the counter's clock, else that clock's time. Pages judge
// dates by it; a claim always carries the counter's clock.
func (c *Counter) Now() time.Time {
	if clock := c.Clock(); clock.Differs {
		return clock.Centre
	}
	return c.time.now()
}

// Held returns how many of this counter's claims the hub holds because it can't believe their times.
func (c *Counter) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// heldMessage returns the sentence about a held claim, with both times.
func heldMessage(h *events.HeldReceipt) Message {
	own, from, to := clockTime(h.GetClockMs()), clockTime(h.GetEarliestMs()), clockTime(h.GetLatestMs())
	if h.GetReason() == events.HeldReason_HELD_REASON_SIMULATED {
		return say("held-simulated", own, to)
	}
	return say("held-clock", own, from, to)
}

func clockTime(ms int64) string {
	if ms == 0 {
		return "?"
	}
	return time.UnixMilli(ms).In(civil.Tokyo).Format("2006-01-02 15:04")
}

// linkedUp records the hub's time at a link-up.
func (c *Counter) linkedUp(hub counterlink.HubTime) error {
	before := c.Clock()
	last := c.time.linkedUp(hub)
	if now := c.Clock(); now.Differs && !before.Differs || now.Refused && !before.Refused {
		c.cfg.Logger.Warn("the counter's clock differs from the centre's: set it and keep it synchronised by a time service",
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

// linkUp returns the newest link-up, or zero.
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
