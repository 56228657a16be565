package ra_test

import (
	"bytes"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/services/servicetest"
)

// doubting returns a world whose registration authority doubts the counters' clocks, and a counter online.
func doubting(t *testing.T) (*servicetest.World, *servicetest.Desk, counterlink.Evidence) {
	t.Helper()
	w := servicetest.New(t, morning)
	w.RealClock = true
	w.RA = w.NewRA(w.Log)
	now := w.Clock.Now()
	return w, w.Enrol(servicetest.Office, "c1", "counter"), counterlink.Evidence{After: now.Add(-time.Minute), Before: now}
}

// A claim from a counter nine days slow, or with a settable clock, is held, whole and with both times, and stays held
// when it is redelivered with less evidence.
func TestUnexplainedReceiptTimeIsHeld(t *testing.T) {
	for name, row := range map[string]struct {
		evidence string
		slow     time.Duration
		reason   events.HeldReason
	}{
		"nine days slow":               {counterlink.ClockSynchronised, 9 * 24 * time.Hour, events.HeldReason_HELD_REASON_OLDER},
		"nine days slow and simulated": {counterlink.ClockSimulated, 9 * 24 * time.Hour, events.HeldReason_HELD_REASON_SIMULATED},
		"simulated and right":          {counterlink.ClockSimulated, 0, events.HeldReason_HELD_REASON_SIMULATED},
	} {
		t.Run(name, func(t *testing.T) {
			w, d, known := doubting(t)
			c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
			c.ClockEvidence, c.FiledMs = row.evidence, w.Clock.Now().Add(-row.slow).UnixMilli()
			r := d.Received(c)
			r.Link = known
			servicetest.Check(t, w.RA.Handle(t.Context(), r))
			r.Link, r.Redelivered = counterlink.Evidence{Before: w.Clock.Now()}, true
			servicetest.Check(t, w.RA.Handle(t.Context(), r))

			if list := w.Events(w.Subscriber("100")); len(list) > 0 {
				t.Errorf("something was decided: %v", list)
			}
			servicetest.Check(t, w.Directory.Refresh(t.Context(), w.Log))
			held := w.Directory.Held()
			if len(held) != 1 {
				t.Fatalf("held: %+v", held)
			}
			h := held[0]
			if h.Counter != "c1" || h.Receipt.Reason != row.reason || h.Receipt.ClockMs != c.FiledMs || h.Receipt.LatestMs != w.Clock.Now().UnixMilli() {
				t.Errorf("held: %+v", h)
			}
			history, err := w.Log.History(t.Context(), events.KindQuarantine, h.ID)
			servicetest.Check(t, err)
			if kept, err := dossier.Of(w.Vault, h.ID, history).Claim(); !bytes.Equal(kept, r.Signed) || err != nil {
				t.Errorf("the claim is not kept whole: %v", err)
			}
			if bytes.Contains(history[0].Stored, r.Signed) {
				t.Error("the claim is kept in the clear")
			}
		})
	}
}

// A fast clock gains nobody later hours and stops nobody; the commit says that it was not believed.
func TestAFastClockIsBounded(t *testing.T) {
	w, d, known := doubting(t)
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
	c.ClockEvidence, c.FiledMs = counterlink.ClockSynchronised, w.Clock.Now().Add(time.Hour).UnixMilli()
	r := d.Received(c)
	r.Link = known
	servicetest.Check(t, w.RA.Handle(t.Context(), r))
	history, err := w.Log.History(t.Context(), events.KindSubscriber, w.Subscriber("100"))
	servicetest.Check(t, err)
	commit := history[0].Commit
	if commit.Events[0].FiledMs != w.Clock.Now().UnixMilli() || commit.Receipt.GetClockMs() != c.FiledMs {
		t.Errorf("filed at %d, evidence %v", commit.Events[0].FiledMs, commit.Receipt)
	}
	if len(w.Quarantined()) > 0 {
		t.Errorf("quarantined: %v", w.Quarantined())
	}
}

// An unknown kind of clock evidence is no evidence.
func TestUnknownClockEvidenceIsQuarantined(t *testing.T) {
	w, d, known := doubting(t)
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
	c.ClockEvidence = "by the sun"
	r := d.Received(c)
	r.Link = known
	servicetest.Check(t, w.RA.Handle(t.Context(), r))
	if len(w.Quarantined()) != 1 {
		t.Errorf("quarantined: %v", w.Quarantined())
	}
}
