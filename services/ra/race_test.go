package ra_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/natstest"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// TestSixteenCountersForOnePerson: however they interleave, one application is accepted and one pair is live.
func TestSixteenCountersForOnePerson(t *testing.T) {
	w := servicetest.New(t, morning)
	var desks []*servicetest.Desk
	for i := range 16 {
		desks = append(desks, w.Enrol(servicetest.Office, fmt.Sprintf("c%d", i), "counter"))
	}
	other := w.NewRA(w.OpenLog(w.Conn, w.Writer, "marks-2"), "hub-2") // half of them at a second process
	var all errgroup.Group
	for i, d := range desks {
		authority := []*ra.RA{w.RA, other}[i%2]
		received := d.Received(d.Claim(fmt.Sprintf("p%d", i), "", servicetest.Applied(opIssue, fmt.Sprintf("card-%d", i)), servicetest.Resident("100")))
		all.Go(func() error { return authority.Handle(t.Context(), received) })
	}
	servicetest.Check(t, all.Wait())
	id := w.Subscriber("100")
	if a, r := w.Count(id, "ApplicationAccepted"), w.Count(id, "ApplicationRefused"); a != 1 || r != 15 {
		t.Fatalf("%d accepted and %d refused of 16: %v", a, r, w.Events(id))
	}
	p := w.State(id).Procedure
	for _, d := range desks {
		if d.ID == p.Counter {
			(&servicetest.Life{Desk: d, Code: "100", Subscriber: id, Procedure: p.Id, Card: p.Card}).Finish()
		}
	}
	if n := w.Count(id, "CertificateIssued"); n != 2 {
		t.Errorf("%d certificates were issued, want one pair", n)
	}
}

// serialsOf collects every serial that the log has authorised for some people, and fails on one that stands twice.
func serialsOf(t *testing.T, w *servicetest.World, subscribers ...string) map[uint64]bool {
	t.Helper()
	seen := make(map[uint64]bool)
	for _, id := range subscribers {
		for _, r := range w.History(events.KindSubscriber, id) {
			for _, e := range r.Commit.Events {
				if serial := e.GetIssueAuthorized().GetSerial(); serial != 0 {
					if seen[serial] {
						t.Errorf("serial %d is authorised twice", serial)
					}
					seen[serial] = true
				}
			}
		}
	}
	return seen
}

func TestSerialsAreNeverDoubledAndGoOnInTheBlock(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	leases := func() int {
		n := 0
		for _, r := range w.History(events.KindAuthority, events.AuthorityLog) {
			for _, e := range r.Commit.Events {
				if e.GetBlockLeased().GetLessee() == "hub" {
					n++
				}
			}
		}
		return n
	}
	var lives []string
	for i := range 4 {
		l := d.Apply(opIssue, fmt.Sprint(i), fmt.Sprintf("card-%d", i))
		wrong := l.Keys(0)
		wrong.GetKeysGenerated().Card = "card-of-nobody" // refused: its serials are given back
		d.Decide(wrong)
		d.Decide(l.Keys(0))
		lives = append(lives, l.Subscriber)
	}
	seen := serialsOf(t, w, lives...)
	all := slices.Sorted(maps.Keys(seen))
	lowest, highest := all[0], all[len(all)-1]
	if len(seen) != 8 || highest-lowest != 7 || leases() != 1 {
		t.Errorf("%d serials from %d to %d with %d leases, want 8 in a row out of one block", len(seen), lowest, highest, leases())
	}
	w.RA = w.NewRA(w.Log, "hub") // a restart forgets the block and leases the next
	l := d.Apply(opIssue, "9", "card-9")
	d.Decide(l.Keys(0))
	lives = append(lives, l.Subscriber)
	if seen := serialsOf(t, w, lives...); len(seen) != 10 || leases() != 2 {
		t.Errorf("after a restart: %d serials, %d leases", len(seen), leases())
	}
}

// TestThroughTheWire: claims, a forged one among them, by way of the stream.
func TestThroughTheWire(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.RA.Run(ctx) }()
	source := d.Source()
	claim := &events.Claim{Procedure: "p1", Officer: "clerk-1"}
	servicetest.Applied(opIssue, "card-100")(claim)
	id, err := source.Report(ctx, claim, servicetest.Resident("100"))
	servicetest.Check(t, err)
	natstest.Wait(t, 20*time.Second, "the decision", func() bool { return w.Count(w.Subscriber("100"), "ApplicationAccepted") == 1 })
	if got := w.History(events.KindSubscriber, w.Subscriber("100"))[0].Commit.CommandId; got != id {
		t.Errorf("decided as command %s, the claim is %s", got, id)
	}
	thief := d.Source()
	thief.Key = servicetest.NewKey(t)
	forged := &events.Claim{Procedure: "p2"}
	servicetest.Applied(opIssue, "card-101")(forged)
	_, err = thief.Report(ctx, forged, servicetest.Resident("101"))
	servicetest.Check(t, err)
	natstest.Wait(t, 20*time.Second, "the quarantine", func() bool { return len(w.Quarantined()) == 1 })
	if why := w.Quarantined()[0]; !strings.Contains(why, "signature") || len(w.History(events.KindSubscriber, w.Subscriber("101"))) != 0 {
		t.Errorf("a claim signed by another key: %q", why)
	}
	cancel()
	servicetest.Check(t, <-done)
}
