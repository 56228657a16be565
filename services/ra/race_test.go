package ra_test

import (
	"context"
	"errors"
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

// However sixteen counters interleave, one application is accepted and one pair is live.
func TestSixteenCountersForOnePerson(t *testing.T) {
	w := servicetest.New(t, morning)
	var desks []*servicetest.Desk
	for i := range 16 {
		desks = append(desks, w.Enrol(servicetest.Office, fmt.Sprintf("c%d", i), "counter"))
	}
	other := w.NewRA(w.OpenLog(w.Conn, w.Writer, "marks-2")) // half of them at a second process
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
	p := w.State(id).Open()
	for _, d := range desks {
		if d.ID == p.Counter {
			(&servicetest.Life{Desk: d, Code: "100", Subscriber: id, Procedure: p.Id, Card: p.Carrier.Card()}).Finish()
		}
	}
	if n := w.Count(id, "CertificateIssued"); n != 2 {
		t.Errorf("%d certificates were issued, want one pair", n)
	}
}

// serialsOf returns every authorised serial of some people, and fails on a duplicate.
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

// Serials don't follow from earlier ones, even after a restart, and those that the tables know are not given out.
func TestSerialsAreDrawn(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	var lives []string
	for i := range 4 {
		w.RA = w.NewRA(w.Log)
		l := d.Apply(opIssue, fmt.Sprint(i), fmt.Sprintf("card-%d", i))
		d.Decide(l.Keys(0))
		lives = append(lives, l.Subscriber)
	}
	all := slices.Sorted(maps.Keys(serialsOf(t, w, lives...)))
	if len(all) != 8 {
		t.Fatalf("%d serials for four people", len(all))
	}
	for i := 1; i < len(all); i++ { // fails by chance once in 2^28 runs
		if all[i]-all[i-1] < 1<<32 {
			t.Errorf("serials %d and %d are near each other", all[i-1], all[i])
		}
	}
}

// renewed returns another registration authority with the same configuration.
func renewed(t *testing.T, r *ra.RA) *ra.RA {
	t.Helper()
	again, err := ra.New(r.Config)
	servicetest.Check(t, err)
	return again
}

// Most drawn serials are taken, and the tables are sometimes unavailable.
func TestKnownSerialsAreNotGivenOut(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	questions, free := 0, make(map[uint64]bool)
	w.RA.Config.KnownSerials = func(_ context.Context, drawn []uint64) ([]uint64, error) {
		if questions++; questions == 1 {
			return drawn, nil // all of them
		}
		free[drawn[7]], free[drawn[9]] = true, true
		return slices.DeleteFunc(slices.Clone(drawn), func(s uint64) bool { return free[s] }), nil
	}
	w.RA = renewed(t, w.RA)
	l := d.Apply(opIssue, "0", "card-0")
	d.Decide(l.Keys(0))
	for serial := range serialsOf(t, w, l.Subscriber) {
		if !free[serial] || questions != 2 {
			t.Errorf("serial %d, after %d queries, is one that the tables know", serial, questions)
		}
	}
	w.RA.Config.KnownSerials = func(context.Context, []uint64) ([]uint64, error) { return nil, errors.New("unavailable") }
	w.RA = renewed(t, w.RA)
	l = d.Apply(opIssue, "1", "card-1")
	d.Decide(l.Keys(0))
	if len(serialsOf(t, w, l.Subscriber)) != 2 {
		t.Error("unavailable tables stopped the issue")
	}
}

// Claims, one of them forged, travel through the stream.
func TestClaimsThroughTheStream(t *testing.T) {
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
