package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/natstest"
	"shomei/services/agent"
)

// A counter remembers the newest closed procedures, the open ones, and of the others enough to recognise a redelivered
// command, also after a restart.
func TestClosedProceduresAreForgotten(t *testing.T) {
	centre := newCentre(t)
	shortMemory(t, centre)
	store := storePath(t)
	cfg := centre.config(store, newSlot(usedCard(t, centre.cardID)))
	counter, stop := centre.counter(cfg)
	open, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	retire := func(d *events.Downlink) {
		d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: centre.cardID}}
	}
	must(t, centre.send(t.Context(), "old", "retire", retire))
	must(t, centre.answer(t.Context(), centre.claim("CustodyTaken")))
	reach(t, counter, "old", agent.StageAccepted)

	var first, last string
	for range agent.Remembered + 60 {
		last, err = counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
		must(t, counter.Drop(t.Context(), last, "017", ""))
		if first == "" {
			first = last
		}
		natstest.Wait(t, waitLimit, "the claims to be at the hub", func() bool { return counter.Outbox() == 0 })
	}
	sent := len(centre.until("all claims", func(all []*events.Claim) bool { return len(all) >= 2+2*(agent.Remembered+60) }))
	remembers := func(c *agent.Counter) {
		t.Helper()
		for procedure, want := range map[string]error{open: nil, last: nil, first: agent.ErrUnknownProcedure, "old": agent.ErrUnknownProcedure} {
			if _, err := c.Status(procedure); !errors.Is(err, want) {
				t.Errorf("procedure %s: %v, want %v", procedure, err, want)
			}
		}
		if n := len(c.Procedures()); n < agent.Remembered || n > agent.Remembered+50 {
			t.Errorf("%d procedures are remembered, want about %d", n, agent.Remembered)
		}
	}
	remembers(counter)

	for round := range 2 {
		forgotten(t, centre)
		must(t, centre.send(t.Context(), "old", "retire", retire))
		all := centre.until("the first outcome again", func(all []*events.Claim) bool { return len(all) == sent+1 })
		if again := all[sent]; again.GetCustodyTaken() == nil || again.GetProcedure() != "old" {
			t.Errorf("round %d: again %v", round, again)
		}
		sent++
		stop()
		counter, stop = centre.counter(cfg)
		remembers(counter)
	}
	stop()

	s, err := agent.OpenStore(store, desk, cfg.Key)
	must(t, err)
	defer s.Close()
	for n := uint64(1); n <= s.Last().Number; n++ { // a hub restored from an old copy may ask for each
		if _, _, err := s.Claim(n); err != nil {
			t.Fatal(err)
		}
	}
}

// Tampering with the carried entries of a cut chain is noticed too.
func TestTamperedCarriedEntriesAreFound(t *testing.T) {
	centre := newCentre(t)
	cfg := centre.config(storePath(t), newSlot(usedCard(t, centre.cardID)))
	counter, stop := centre.counter(cfg)
	for n := range 3 {
		must(t, centre.send(t.Context(), fmt.Sprint(n), "retire", func(d *events.Downlink) {
			d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: centre.cardID}}
		}))
	}
	centre.until("three outcomes", func(all []*events.Claim) bool { return len(all) == 3 })
	natstest.Wait(t, waitLimit, "the counter to know it", func() bool { return counter.Outbox() == 0 })
	stop()
	_, stop = centre.counter(cfg) // cuts the chain
	stop()
	for _, bucket := range []string{"chain", "signed"} {
		restore := spoil(t, cfg.StorePath, bucket)
		if s, err := agent.OpenStore(cfg.StorePath, desk, cfg.Key); !errors.Is(err, agent.ErrTampered) {
			t.Errorf("%s: %v", bucket, err)
			if err == nil {
				s.Close()
			}
		}
		restore()
	}
	s, err := agent.OpenStore(cfg.StorePath, desk, cfg.Key)
	must(t, err)
	must(t, s.Close())
}

// A counter that has forgotten all procedures keeps its newest claim, which shows whose store it is.
func TestNewestDeliveredClaimIsNeverRemoved(t *testing.T) {
	f, path := openTwoChains(t)
	cfg := f.config(t, path)
	s, err := agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	must(t, s.MarkDelivered(f.Claims))
	must(t, s.Close())
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("link.up")) })) // as if it had never been linked up
	must(t, db.Close())
	cfg.Now, cfg.ClockEvidence = func() time.Time { return f.At.Add(2 * agent.Keep) }, func() string { return agent.Synchronised }
	for range 2 {
		counter, err := agent.Open(cfg)
		must(t, err)
		if known := counter.Procedures(); len(known) > 0 {
			t.Errorf("it knows %v", known)
		}
		must(t, counter.Close())
	}
	if _, err := agent.OpenStore(path, desk, userKey(t)); !errors.Is(err, agent.ErrTampered) {
		t.Errorf("with another key: %v", err)
	}
	s, err = agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	defer s.Close()
	if _, _, err := s.Claim(f.Claims); err != nil || s.Last().Number != f.Claims {
		t.Errorf("claim %d: %v; the last is %d", f.Claims, err, s.Last().Number)
	}
	if _, _, err := s.Claim(f.Claims - 1); err == nil {
		t.Error("an old claim is still there")
	}
}
