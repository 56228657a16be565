package ra

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

// receipt is when a claim counts as filed.
type receipt struct {
	filed time.Time
	// entered is when a clerk entered filed by hand; zero if the counter's clock gave it.
	entered time.Time
	// evidence is set if filed rests on less than a clock confirmed by the link.
	evidence *events.ReceiptEvidence
}

// span is the time in which a claim may have been made, both ends included. exact: the counter's link counted the time.
type span struct {
	earliest, latest time.Time
	exact            bool
}

// judgeReceipt judges a claim's time: the counter's clock must lie within the span that its link and the hub's own
// contacts allow, give or take ClockTolerance. A later time is moved to the span's end, so that nobody gains office
// hours. An earlier one is held if the claim asks for something, and moved into the span if it only reports what
// happened: nobody profits from a written card or a loss that the hub does not know. A simulated clock is never
// believed.
//
// The counter chooses everything in the claim. What it can't choose are the hub's contacts in known, which bound the
// rest.
func judgeReceipt(c *events.Claim, known counterlink.Evidence, now time.Time) (receipt, *events.HeldReceipt) {
	clock := counterlink.ReadingOf(c)
	open := spanOf(c, known, now)
	older := clock.Before(open.earliest.Add(-counterlink.ClockTolerance))
	switch {
	case c.GetClockEvidence() == counterlink.ClockSimulated:
		return receipt{}, held(events.HeldReason_HELD_REASON_SIMULATED, clock, open)
	case older && asks(c):
		return receipt{}, held(events.HeldReason_HELD_REASON_OLDER, clock, open)
	}
	made := clock
	var evidence *events.ReceiptEvidence
	if older || clock.After(open.latest.Add(counterlink.ClockTolerance)) {
		evidence = &events.ReceiptEvidence{ClockMs: clock.UnixMilli()}
		made = open.bound(clock)
	}
	if !open.exact && open.latest.Sub(open.earliest) > counterlink.ClockTolerance {
		if evidence == nil {
			evidence = &events.ReceiptEvidence{}
		}
		evidence.Interval = true
	}
	r := receiptAt(c, made, now)
	r.evidence = evidence
	return r, nil
}

// receiptAt returns when a claim made at a time counts as filed: as a clerk entered it by hand if that is earlier on
// the same day, otherwise when it was made, and never later than now.
func receiptAt(c *events.Claim, made, now time.Time) receipt {
	if made.After(now) {
		made = now
	}
	if c.GetEnteredMs() == 0 {
		return receipt{filed: made}
	}
	filed := time.UnixMilli(c.GetFiledMs())
	if filed.After(made) || civil.Of(filed) != civil.Of(made) {
		filed = made
	}
	return receipt{filed: filed, entered: made}
}

// asks reports whether a claim asks for something that depends on its time of receipt. Other claims report what
// happened.
func asks(c *events.Claim) bool {
	switch c.GetFact().(type) {
	case *events.Claim_ApplicationReceived, *events.Claim_PhoneApplicationReceived, *events.Claim_RecordChangeNotified,
		*events.Claim_CardFoundNotified:
		return true
	}
	return false
}

// spanOf narrows what the hub knows by the counter's link evidence: not before the link-up that the counter remembers,
// and exactly at the time counted since by a clock that nobody sets. Without such a clock, not before the previous
// claim.
func spanOf(c *events.Claim, known counterlink.Evidence, now time.Time) span {
	open := span{earliest: known.After, latest: known.Before}
	if open.latest.IsZero() || open.latest.After(now) {
		open.latest = now
	}
	if open.earliest.After(open.latest) { // the hub's clock was set back
		open.earliest = open.latest
	}
	if told := time.UnixMilli(c.GetLinkTime().GetHubMs()); told.After(open.earliest) {
		open.earliest = open.bound(told)
	}
	at, exact := counterlink.TimeByLink(c)
	switch {
	case exact:
		at = open.bound(at)
		return span{earliest: at, latest: at, exact: true}
	case known.Clock.After(open.earliest):
		open.earliest = open.bound(known.Clock)
	}
	return open
}

// bound returns the time in the span that is nearest to t.
func (s span) bound(t time.Time) time.Time {
	switch {
	case t.Before(s.earliest):
		return s.earliest
	case t.After(s.latest):
		return s.latest
	}
	return t
}

func held(reason events.HeldReason, clock time.Time, open span) *events.HeldReceipt {
	h := &events.HeldReceipt{Reason: reason, ClockMs: clock.UnixMilli(), LatestMs: open.latest.UnixMilli()}
	if !open.earliest.IsZero() {
		h.EarliestMs = open.earliest.UnixMilli()
	}
	return h
}

// contacts returns what the hub knows of when a claim was made. A source that never links up is always online and sends
// claims at once. A counter that has not linked up yet made none before its enrolment.
func contacts(r counterlink.Received) counterlink.Evidence {
	known := r.Link
	if !known.After.IsZero() {
		return known
	}
	switch r.Enrolment.Role {
	case "register", "telephone", "operator":
		known.After = known.Before
	default:
		known.After = r.Enrolment.Since
	}
	return known
}
