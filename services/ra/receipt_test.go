package ra

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

const tolerance = counterlink.ClockTolerance

// at returns a time in a fixed month.
func at(day, hour, minute int) time.Time {
	return civil.New(2026, time.November, day).At(civil.Clock(hour, minute))
}

func ms(t time.Time) int64 { return t.UnixMilli() }

// applied returns an application filed by a counter's clock.
func applied(clock time.Time) *events.Claim {
	return &events.Claim{
		FiledMs: ms(clock), ClockEvidence: counterlink.ClockSynchronised,
		Fact: &events.Claim_ApplicationReceived{ApplicationReceived: &events.ApplicationReceived{}},
	}
}

func linked(c *events.Claim, hub time.Time, elapsed time.Duration) *events.Claim {
	c.LinkTime = &events.LinkTime{HubMs: ms(hub), ElapsedMs: elapsed.Milliseconds()}
	return c
}

func restarted(c *events.Claim, hub time.Time) *events.Claim {
	c.LinkTime = &events.LinkTime{HubMs: ms(hub), Restarted: true}
	return c
}

func TestReceiptTimeIsBoundedByLinkEvidence(t *testing.T) {
	now := at(26, 10, 0)
	online := counterlink.Evidence{After: now.Add(-time.Minute), Before: now}
	weeks := counterlink.Evidence{After: at(2, 9, 0), Before: now} // offline for more than three weeks
	written := func(clock time.Time) *events.Claim {
		return &events.Claim{FiledMs: ms(clock), ClockEvidence: counterlink.ClockSynchronised, Fact: &events.Claim_CardWritten{CardWritten: &events.CardWritten{}}}
	}
	lost := func(clock time.Time) *events.Claim {
		return &events.Claim{FiledMs: ms(clock), ClockEvidence: counterlink.ClockUnsynchronised, Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{}}}
	}
	byHand := func(filed, clock time.Time) *events.Claim {
		c := applied(clock)
		c.FiledMs, c.EnteredMs = ms(filed), ms(clock)
		return c
	}
	simulated := applied(now)
	simulated.ClockEvidence = counterlink.ClockSimulated
	older, plays := events.HeldReason_HELD_REASON_OLDER, events.HeldReason_HELD_REASON_SIMULATED
	for name, row := range map[string]struct {
		claim    *events.Claim
		known    counterlink.Evidence
		filed    time.Time
		held     events.HeldReason
		clock    bool // the counter's clock was not believed
		interval bool // only an interval is known
	}{
		"a right clock on line":                      {claim: linked(applied(now), now.Add(-time.Minute), time.Minute), known: online, filed: now},
		"a little slow":                              {claim: linked(applied(now.Add(-4*time.Minute)), now, 0), known: online, filed: now.Add(-4 * time.Minute)},
		"a little fast":                              {claim: linked(applied(now.Add(4*time.Minute)), now, 0), known: online, filed: now},
		"nine days slow":                             {claim: linked(applied(now.AddDate(0, 0, -9)), now, 0), known: online, held: older},
		"nine days slow without link evidence":       {claim: applied(now.AddDate(0, 0, -9)), known: online, held: older},
		"an hour slow":                               {claim: linked(applied(now.Add(-time.Hour)), now, 0), known: online, held: older},
		"an hour fast":                               {claim: linked(applied(now.Add(time.Hour)), now, 0), known: online, filed: now, clock: true},
		"a year fast without link evidence":          {claim: applied(now.AddDate(1, 0, 0)), known: online, filed: now, clock: true},
		"a settable clock that shows the right time": {claim: simulated, known: online, held: plays},
		"weeks without the line, a right clock":      {claim: linked(applied(at(16, 11, 0)), at(2, 9, 0), at(16, 11, 0).Sub(at(2, 9, 0))), known: weeks, filed: at(16, 11, 0)},
		"weeks without the line, an hour fast":       {claim: linked(applied(at(16, 12, 0)), at(2, 9, 0), at(16, 11, 0).Sub(at(2, 9, 0))), known: weeks, filed: at(16, 11, 0), clock: true},
		"silent for weeks, the clock jumped back":    {claim: linked(applied(at(10, 11, 0)), at(2, 9, 0), at(16, 11, 0).Sub(at(2, 9, 0))), known: weeks, held: older},
		"jumped back behind the last contact":        {claim: restarted(applied(at(1, 11, 0)), at(2, 9, 0)), known: weeks, held: older},
		"started again meanwhile, a right clock":     {claim: restarted(applied(at(16, 11, 0)), at(2, 9, 0)), known: weeks, filed: at(16, 11, 0), interval: true},
		"started again, the clock of the factory":    {claim: restarted(applied(time.Unix(0, 0)), at(2, 9, 0)), known: weeks, held: older},
		"started again, fast by a year":              {claim: restarted(applied(at(16, 11, 0).AddDate(1, 0, 0)), at(2, 9, 0)), known: weeks, filed: now, clock: true, interval: true},
		"started again, before the previous claim": {
			claim: restarted(applied(at(10, 11, 0)), at(2, 9, 0)), known: counterlink.Evidence{After: weeks.After, Before: now, Clock: at(12, 9, 0)}, held: older,
		},
		"a counter that has linked up since without saying so": {claim: linked(applied(at(16, 11, 0)), at(2, 9, 0), at(16, 11, 0).Sub(at(2, 9, 0))), known: online, held: older},
		"elapsed time that is a lie":                           {claim: linked(applied(at(16, 11, 0)), at(16, 11, 0), 0), known: online, held: older},
		"the hub's clock was set back":                         {claim: linked(applied(now), now.Add(48*time.Hour), 0), known: counterlink.Evidence{After: now.Add(48 * time.Hour), Before: now}, filed: now},
		"a written card is never held":                         {claim: linked(written(now.AddDate(0, 0, -9)), now, 0), known: online, filed: now, clock: true},
		"a loss is never held":                                 {claim: lost(now.AddDate(0, 0, -9)), known: online, filed: online.After, clock: true},
		"entered by hand, the same day":                        {claim: linked(byHand(at(26, 8, 45), now), now, 0), known: online, filed: at(26, 8, 45)},
		"entered by hand, of the day before":                   {claim: linked(byHand(at(25, 16, 59), now), now, 0), known: online, filed: now},
		"entered by hand by a clock a day slow":                {claim: linked(byHand(at(25, 8, 45), at(25, 10, 0)), now, 0), known: online, held: older},
		"entered by hand by a clock a day fast":                {claim: linked(byHand(at(27, 8, 45), at(27, 10, 0)), now, 0), known: online, filed: now, clock: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, held := judgeReceipt(row.claim, row.known, now)
			if held.GetReason() != row.held {
				t.Fatalf("held: %v, want %v", held, row.held)
			}
			if held != nil && (held.ClockMs != ms(counterlink.ReadingOf(row.claim)) || held.LatestMs == 0) {
				t.Errorf("held without both times: %v", held)
			}
			if held == nil && !got.filed.Equal(row.filed) {
				t.Errorf("filed %v, want %v", got.filed.In(civil.Tokyo), row.filed.In(civil.Tokyo))
			}
			if (got.evidence.GetClockMs() != 0) != row.clock || got.evidence.GetInterval() != row.interval {
				t.Errorf("evidence %v, want the clock named: %v, only an interval: %v", got.evidence, row.clock, row.interval)
			}
		})
	}
}

func TestReceiptTimeOfSourcesWithoutLink(t *testing.T) {
	now, since := at(26, 10, 0), at(20, 9, 0)
	for name, row := range map[string]struct {
		role string
		age  time.Duration
		held bool
	}{
		"a register on line":               {"register", 0, false},
		"a register nine days slow":        {"register", 9 * 24 * time.Hour, true},
		"a telephone desk an hour slow":    {"telephone", time.Hour, true},
		"a counter since its enrolment":    {"counter", 5 * 24 * time.Hour, false},
		"a counter before its enrolment":   {"counter", 9 * 24 * time.Hour, true},
		"a factory before it was enrolled": {"factory", 9 * 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			known := contacts(counterlink.Received{
				Enrolment: counterlink.Enrolment{Role: row.role, Since: since}, Link: counterlink.Evidence{Before: now},
			})
			if _, held := judgeReceipt(applied(now.Add(-row.age)), known, now); (held != nil) != row.held {
				t.Errorf("held: %v, want %v", held, row.held)
			}
		})
	}
}

// machine simulates a counter's machine and its link in true time.
type machine struct {
	now    time.Time     // the true time and the hub's clock
	offset time.Duration // of the counter's clock
	honest bool          // the clock was within the tolerance since its last link-up

	after time.Time // the hub's newest contact before current claims
	told  time.Time // the time the counter got at its last link-up; zero before the first
	boot  bool      // the machine has not restarted since
	last  time.Time // the latest time that an earlier claim was filed by
	queue []made
}

type made struct {
	claim  *events.Claim
	truth  time.Time
	after  time.Time
	honest bool
}

// Whatever happens to link, machine and clock: a right clock is never held, and accepted times are as near the truth as
// the evidence allows.
func TestHonestClocksAreNeverHeldAndOthersBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{now: at(2, 9, 0), after: at(1, 9, 0), honest: true}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"time", "claim", "claim", "reboot", "step", "link"}).Draw(t, "what") {
			case "time":
				m.now = m.now.Add(time.Duration(rapid.Int64Range(0, int64(9*24*time.Hour)).Draw(t, "passes")))
			case "claim":
				m.make()
			case "reboot":
				m.boot = false
			case "step":
				m.step(time.Duration(rapid.Int64Range(-int64(20*24*time.Hour), int64(20*24*time.Hour)).Draw(t, "by")), rapid.Bool().Draw(t, "right"))
			case "link":
				m.link(t)
			}
		}
		m.link(t)
	})
}

func (m *machine) step(by time.Duration, right bool) {
	if right {
		m.offset = by % tolerance
		return
	}
	m.offset = by
	m.honest = m.honest && by.Abs() <= tolerance
}

func (m *machine) make() {
	c := applied(m.now.Add(m.offset))
	if !m.told.IsZero() {
		c.LinkTime = &events.LinkTime{HubMs: ms(m.told), Restarted: !m.boot}
		if m.boot {
			c.LinkTime.ElapsedMs = m.now.Sub(m.told).Milliseconds()
		}
	}
	m.queue = append(m.queue, made{c, m.now, m.after, m.honest})
}

// link delivers and judges the queued claims, then tells the counter the time.
func (m *machine) link(t *rapid.T) {
	for _, q := range m.queue {
		known := counterlink.Evidence{After: q.after, Before: m.now, Clock: m.last}
		got, held := judgeReceipt(q.claim, known, m.now)
		reading := counterlink.ReadingOf(q.claim)
		if told, exact := counterlink.TimeByLink(q.claim); exact && told.Before(reading) {
			reading = told
		}
		if reading.After(m.now) {
			reading = m.now
		}
		if reading.After(m.last) {
			m.last = reading
		}
		switch {
		case held != nil && q.honest:
			t.Fatalf("a right clock was held: made at %v, %v", q.truth, held)
		case held != nil:
			continue
		case got.filed.After(m.now):
			t.Fatalf("filed at %v, after the hub's time %v", got.filed, m.now)
		}
		if _, exact := counterlink.TimeByLink(q.claim); exact && got.filed.Sub(q.truth).Abs() > tolerance+time.Millisecond {
			t.Fatalf("made at %v, filed at %v, although the link counted the time", q.truth, got.filed)
		}
		if got.filed.Before(q.after.Add(-tolerance)) {
			t.Fatalf("filed at %v, before the last contact at %v", got.filed, q.after)
		}
	}
	m.queue, m.after, m.told, m.boot, m.honest = nil, m.now, m.now, true, m.offset.Abs() <= tolerance
}
