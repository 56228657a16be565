package counterlink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
)

const desk = "12237-main-1"

// start is a hub, one enrolled counter and its outbox.
func start(t *testing.T) (*world, *memory) {
	t.Helper()
	w := newWorld(t)
	key := userKey(t)
	w.enrol(desk, key, sealKey(t))
	return w, newMemory(t, key, desk, "E1")
}

func idsOf(box *memory) []string {
	var ids []string
	for _, signed := range box.signed {
		claim, _, _ := counterlink.ParseClaim(signed)
		ids = append(ids, claim.GetId())
	}
	return ids
}

// stored counts what the stream holds of a counter.
func (w *world) stored(counter string) (ids []string) {
	w.t.Helper()
	stream, err := w.js.Stream(w.t.Context(), counterlink.ClaimStream)
	if err != nil {
		w.t.Fatal(err)
	}
	for seq := uint64(1); ; {
		raw, err := stream.GetMsg(w.t.Context(), seq, jetstream.WithGetMsgSubject(counterlink.ClaimSubject(counter)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return ids
		}
		if err != nil {
			w.t.Fatal(err)
		}
		claim, _, err := counterlink.ParseClaim(raw.Data)
		if err != nil {
			w.t.Fatal(err)
		}
		ids, seq = append(ids, claim.GetId()), raw.Sequence+1
	}
}

func TestClaimsGoUpExactlyOnceThroughABadLine(t *testing.T) {
	w, box := start(t)
	w.hub()
	line := natstest.NewLine(t, strings.TrimPrefix(w.url, "nats://"))
	conn := w.counterConn(desk, box.key, "nats://"+line.Addr())
	delivered := make(chan struct{}, 1)
	link, _ := w.link(counterlink.LinkConfig{Conn: conn, Counter: desk, Outbox: box, Changed: func(counterlink.LinkState) {
		select {
		case delivered <- struct{}{}:
		default:
		}
	}})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const claims = 200
	for n := range claims {
		box.add(t)
		link.Kick()
		switch random.IntN(12) {
		case 0:
			line.Cut() // somewhere on the way up or down
		case 1:
			line.LoseAnswer(`"stream":"CLAIMS"`) // stored, but the acknowledgement is lost
			<-delivered
		}
		if n%50 == 49 {
			w.until("a quarter of the claims", func() bool { return len(w.handled) > n-25 })
		}
	}
	w.until("all claims", func() bool { return len(w.handled) >= claims })
	natstest.Wait(t, waitLimit, "the counter to know it", func() bool { return box.Delivered().Number == claims })
	want := idsOf(box)
	if got := w.stored(desk); !slices.Equal(got, want) {
		t.Errorf("the stream holds %d claims, want %d in order: %v", len(got), len(want), got)
	}
	if !slices.Equal(w.handled, want) {
		t.Errorf("handled %d claims, want %d in order", len(w.handled), len(want))
	}
	if line.Lost() == 0 {
		t.Error("no acknowledgement was lost: the test proved nothing")
	}
	if len(w.quarantined) > 0 || len(w.mismatches) > 0 {
		t.Errorf("quarantined %v, mismatches %v", w.quarantined, w.mismatches)
	}
}

func TestWhatIsNotTheNextClaimGoesToQuarantine(t *testing.T) {
	w, box := start(t)
	thief := newMemory(t, userKey(t), desk, "E1")
	other := newMemory(t, box.key, "12237-main-2", "E1")
	renewed := newMemory(t, box.key, desk, "E2")
	fork := newMemory(t, box.key, desk, "E1")
	fork.add(t)
	fork.signed[0], fork.hashes[0] = forge(t, fork)
	c := [][]byte{nil}
	for range 5 {
		c = append(c, box.add(t))
	}
	w.hub()
	w.store(desk, c[1])
	w.store(desk, c[1])            // repeated: dropped
	w.store(desk, thief.add(t))    // wrong signature
	w.store(desk, c[4])            // out of order: a gap
	w.store(desk, c[2])            // in order again
	w.store(desk, fork.signed[0])  // another claim under a taken number
	w.store(desk, other.add(t))    // another counter's
	w.store(desk, renewed.add(t))  // a store that nobody has accepted
	w.store(desk, []byte("noise")) // not a claim
	w.store("99999-x-1", thief.signed[0])
	w.store(desk, c[3])
	w.store(desk, c[4]) // late, but the next now
	w.store(desk, c[5])
	w.until("claim 5", func() bool { return len(w.handled) >= 5 && len(w.quarantined) >= 7 })
	if want := idsOf(box); !slices.Equal(w.handled, want) {
		t.Errorf("handled %v, want %v", w.handled, want)
	}
	wants := []error{
		events.ErrSignature, counterlink.ErrGap, counterlink.ErrFork, counterlink.ErrMisaddressed,
		counterlink.ErrEpoch, events.ErrMalformed,
	}
	var stranger int
	for _, q := range w.quarantined {
		if q.Counter == "99999-x-1" && errors.Is(q.Why, counterlink.ErrNotEnrolled) {
			stranger++
			continue
		}
		if len(wants) == 0 || !errors.Is(q.Why, wants[0]) {
			t.Fatalf("quarantined because of %v, want %v", q.Why, wants)
		}
		wants = wants[1:]
	}
	if len(wants) > 0 || stranger != 1 {
		t.Errorf("not quarantined: %v; strangers %d", wants, stranger)
	}
}

// forge returns another first claim of the same counter and store, properly signed.
func forge(t *testing.T, box *memory) (signed, hash []byte) {
	t.Helper()
	signed, hash, err := counterlink.SignClaim(box.key, &events.Claim{Id: "forged", Counter: box.counter, StoreEpoch: box.epoch, Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	return signed, hash
}

func TestBlockedCounterHoldsUpNoOther(t *testing.T) {
	w, box := start(t)
	key := userKey(t)
	w.enrol("12237-main-2", key, sealKey(t))
	second := newMemory(t, key, "12237-main-2", "E1")
	hub, err := counterlink.NewLinks(t.Context(), counterlink.LinksConfig{
		Conn: w.conn, Writer: w.writer, Logger: quiet(),
		Enrolled: func(_ context.Context, counter string) (counterlink.Enrolment, error) {
			return w.enrolled[counter], nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	failing := errors.New("the log is away")
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		hub.Claims(ctx, func(ctx context.Context, r counterlink.Received) error {
			if r.Claim.GetCounter() == desk {
				select {
				case <-release:
				default:
					return failing
				}
			}
			return w.handle(ctx, r)
		})
	}()
	defer func() { cancel(); <-done }()
	for range 3 {
		w.store(desk, box.add(t))
		w.store("12237-main-2", second.add(t))
	}
	w.until("the second counter's claims", func() bool { return len(w.handled) == 3 })
	close(release)
	w.until("the first counter's claims", func() bool { return len(w.handled) == 6 })
	if want := append(idsOf(second), idsOf(box)...); !slices.Equal(w.handled, want) {
		t.Errorf("handled %v, want %v", w.handled, want)
	}
}

func TestARestartedHubGoesOnWhereItWas(t *testing.T) {
	w, box := start(t)
	_, stop := w.hub()
	for range 5 {
		w.store(desk, box.add(t))
	}
	w.until("five claims", func() bool { return len(w.handled) == 5 })
	stop()
	for range 5 {
		w.store(desk, box.add(t))
	}
	// The server forgets what was acknowledged: everything is delivered again.
	if err := w.js.DeleteConsumer(t.Context(), counterlink.ClaimStream, "claims"); err != nil {
		t.Fatal(err)
	}
	w.hub()
	w.until("ten claims", func() bool { return len(w.handled) >= 10 })
	w.store(desk, box.add(t))
	w.until("the eleventh", func() bool { return len(w.handled) >= 11 })
	if want := idsOf(box); !slices.Equal(w.handled, want) || len(w.quarantined) > 0 {
		t.Errorf("handled %v, want %v; quarantined %v", w.handled, want, w.quarantined)
	}
}

// Claims delivered to a hub that died come again only after a while; newer ones of the same counter overtake them,
// which must not look like a gap.
func TestClaimsHeldByADeadHubAreRedelivered(t *testing.T) {
	w, box := start(t)
	consumer, err := w.js.CreateOrUpdateConsumer(t.Context(), counterlink.ClaimStream, jetstream.ConsumerConfig{
		Durable: "claims", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 6 * time.Second, MaxAckPending: 10_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.store(desk, box.add(t))
	}
	batch, err := consumer.Fetch(3)
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for range batch.Messages() {
		held++ // and never acknowledged
	}
	if held != 3 {
		t.Fatalf("the dying hub got %d claims", held)
	}
	w.store(desk, box.add(t))
	w.hub()
	w.until("all claims", func() bool { return len(w.handled) >= 4 })
	if want := idsOf(box); !slices.Equal(w.handled, want) || len(w.quarantined) > 0 {
		t.Errorf("handled %v, want %v; quarantined %v", w.handled, want, w.quarantined)
	}
}

func TestTwoHubsOnOneStreamKeepTheOrder(t *testing.T) {
	w, box := start(t)
	_, stopOne := w.hub()
	_, stopOther := w.run(w.config(w.hubConn(w.url), nil))
	const claims = 100
	for range claims {
		w.store(desk, box.add(t))
	}
	w.until("all claims", func() bool { return len(slices.Compact(slices.Sorted(slices.Values(w.handled)))) == claims })
	stopOne()
	stopOther()
	seen := map[string]bool{}
	var first []string
	for _, id := range w.handled {
		if !seen[id] {
			seen[id], first = true, append(first, id)
		}
	}
	if want := idsOf(box); !slices.Equal(first, want) || len(w.quarantined) > 0 {
		t.Errorf("handled for the first time in the order %v; quarantined %v", first, w.quarantined)
	}
}

func TestHeadsThatDifferStopTheLink(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(t *testing.T, box *memory)
		// adopt returns a person's decision; nil if only the right store helps.
		adopt func(box *memory) counterlink.Head
	}{
		"an old copy of the store was put back": {spoil: func(_ *testing.T, box *memory) {
			box.signed, box.hashes, box.delivered = box.signed[:2], box.hashes[:2], 2
		}},
		"the store was rewritten": {spoil: func(t *testing.T, box *memory) {
			box.signed, box.hashes = nil, nil
			signed, hash := forge(t, box)
			box.signed, box.hashes, box.delivered = [][]byte{signed}, [][]byte{hash}, 0
			box.add(t)
			box.add(t)
		}},
		"the counter has a new store": {spoil: func(t *testing.T, box *memory) {
			*box = memory{key: box.key, counter: box.counter, epoch: "E2"}
			box.add(t)
		}, adopt: func(box *memory) counterlink.Head { return counterlink.Head{Epoch: "E2"} }},
		"the hub lost what it had acknowledged": {spoil: func(t *testing.T, box *memory) {
			box.add(t)
			box.delivered = 4
		}, adopt: func(box *memory) counterlink.Head { return box.head(4) }},
	} {
		t.Run(name, func(t *testing.T) {
			w, box := start(t)
			hub, _ := w.hub()
			for range 3 {
				box.add(t)
			}
			_, stop := w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box})
			w.until("three claims", func() bool { return len(w.handled) == 3 })
			natstest.Wait(t, waitLimit, "the counter to know it", func() bool { return box.Delivered().Number == 3 })
			stop()
			row.spoil(t, box)
			alarms := make(chan error, 10)
			link, _ := w.link(counterlink.LinkConfig{
				Conn: w.deskConn(box), Counter: desk, Outbox: box, Alarm: func(err error) { alarms <- err },
			})
			if err := <-alarms; !errors.Is(err, counterlink.ErrHeadMismatch) {
				t.Fatalf("alarm at the counter: %v", err)
			}
			if link.State() != counterlink.Mismatched {
				t.Errorf("state %v", link.State())
			}
			if len(w.stored(desk)) != 3 {
				t.Errorf("the stream holds %d claims", len(w.stored(desk)))
			}
			if row.adopt == nil {
				return
			}
			w.until("the alarm at the hub",
				func() bool { return len(w.mismatches) > 0 && errors.Is(w.mismatches[0], counterlink.ErrHeadMismatch) })
			differs, ok := hub.Mismatch(desk)
			if !ok || differs.Hub.Number != 3 || differs.Counter.Epoch != row.adopt(box).Epoch || differs.Counter.Number != row.adopt(box).Number {
				t.Fatalf("what a person is shown: %+v, %v", differs, ok)
			}
			if err := hub.Adopt(t.Context(), desk, differs.Hub, differs.Counter); err != nil {
				t.Fatal(err)
			}
			box.add(t)
			w.until("the next claim after a person decided", func() bool { return len(w.handled) >= 4 })
			if differs, ok := hub.Mismatch(desk); ok {
				t.Errorf("still different: %+v", differs)
			}
		})
	}
}

// After 30 days without a claim the stream holds nothing of a counter; the head is still known.
func TestACounterComesBackAfterItsClaimsHaveAged(t *testing.T) {
	w, box := start(t)
	_, stopHub := w.hub()
	box.add(t)
	_, stop := w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box})
	w.until("the first claim", func() bool { return len(w.handled) == 1 })
	natstest.Wait(t, waitLimit, "the counter to know it", func() bool { return box.Delivered().Number == 1 })
	register := w.source("register")
	if _, err := register.Report(t.Context(), custody(), nil); err != nil {
		t.Fatal(err)
	}
	w.until("the register's claim", func() bool { return len(w.handled) == 2 })
	stop()
	stopHub()
	stream, err := w.js.Stream(t.Context(), counterlink.ClaimStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxAge, cfg.Duplicates = 100*time.Millisecond, 100*time.Millisecond
	if _, err := w.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	natstest.Wait(t, waitLimit, "the claim to age out", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
	if err := counterlink.EnsureStreams(t.Context(), w.conn, counterlink.StreamLimits{}); err != nil {
		t.Fatal(err)
	}
	w.hub()
	box.add(t)
	w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box})
	w.until("the second claim", func() bool { return len(w.handled) == 3 })
	for n := range 2 {
		if _, err := register.Report(t.Context(), custody(), nil); err != nil {
			t.Fatal(err)
		}
		w.until("the register's next claim", func() bool { return len(w.handled) == 4+n })
	}
	if len(w.quarantined) > 0 {
		t.Errorf("quarantined %v", w.quarantined)
	}
}

// source returns an enrolled claimant without a counter.
func (w *world) source(id string) *counterlink.Source {
	w.t.Helper()
	key := userKey(w.t)
	w.enrol(id, key, sealKey(w.t))
	return &counterlink.Source{
		Conn: w.conn, Counter: id, Office: "12237-main", Key: key, HubSealKey: sealKey(w.t).PublicKey(),
		Now: time.Now, ClockEvidence: "synchronised",
	}
}

func custody() *events.Claim {
	return &events.Claim{Fact: &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: "C1"}}}
}

func TestCommandsComeDownOnceSealedAndSigned(t *testing.T) {
	w, box := start(t)
	seal := sealKey(t)
	w.enrol(desk, box.key, seal)
	hub, _ := w.hub()
	got := make(chan *events.Downlink, 10)
	alarms := make(chan error, 10)
	refused := make(chan struct{}, 1)
	refused <- struct{}{}
	w.link(counterlink.LinkConfig{
		Conn: w.deskConn(box), Counter: desk, Outbox: box, SealKey: seal,
		Alarm: func(err error) { alarms <- err },
		Received: func(_ context.Context, d *events.Downlink, _ []byte) error {
			select {
			case <-refused:
				return errors.New("disk full") // it must come again
			default:
			}
			got <- d
			return nil
		},
	})
	d := &events.Downlink{
		Id: "o1", Counter: desk, Procedure: "p", Body: &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: "C1"}},
	}
	for range 3 {
		if err := hub.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if first := <-got; first.GetId() != "o1" || first.GetRetireCard().GetCard() != "C1" {
		t.Fatalf("got %v", first)
	}
	send := func(what string, as counterlink.LinksConfig, d *events.Downlink, want error) {
		t.Helper()
		as.Conn, as.Logger = w.conn, quiet()
		other, err := counterlink.NewLinks(t.Context(), as)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := <-alarms; !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	enrolled := func(context.Context, string) (counterlink.Enrolment, error) { return w.enrolled[desk], nil }
	send("by a stranger", counterlink.LinksConfig{Writer: userKey(t), Enrolled: enrolled},
		&events.Downlink{Id: "o2", Counter: desk}, events.ErrSignature)
	send("sealed to another counter", counterlink.LinksConfig{Writer: w.writer, Enrolled: func(context.Context, string) (counterlink.Enrolment, error) {
		return counterlink.Enrolment{SealKey: sealKey(t).PublicKey().Bytes()}, nil
	}}, &events.Downlink{Id: "o3", Counter: desk}, counterlink.ErrSealed)
	if _, err := w.js.Publish(t.Context(), counterlink.CommandSubject(desk), []byte("noise")); err != nil {
		t.Fatal(err)
	}
	if err := <-alarms; err == nil {
		t.Error("noise was no alarm")
	}
	if err := hub.Send(t.Context(), &events.Downlink{Id: "o4", Counter: desk}); err != nil {
		t.Fatal(err)
	}
	if last := <-got; last.GetId() != "o4" {
		t.Errorf("got %v, want only o4 after o1", last)
	}
	if err := hub.Send(t.Context(), &events.Downlink{Id: "o5", Counter: "nobody"}); !errors.Is(err, counterlink.ErrNotEnrolled) {
		t.Errorf("to nobody: %v", err)
	}
}

// A restart of the server forgets the counters' consumers, which are kept in memory.
func TestTheLinkSurvivesARestartOfTheServer(t *testing.T) {
	w := newWorld(t)
	server := w.server
	key, seal := userKey(t), sealKey(t)
	w.enrol(desk, key, seal)
	box := newMemory(t, key, desk, "E1")
	hub, _ := w.hub()
	got := make(chan string, 10)
	link, _ := w.link(counterlink.LinkConfig{
		Conn: w.deskConn(box), Counter: desk, Outbox: box, SealKey: seal,
		Received: func(_ context.Context, d *events.Downlink, _ []byte) error { got <- d.GetId(); return nil },
	})
	for round := range 2 {
		box.add(t)
		link.Kick()
		w.until("the claim", func() bool { return len(w.handled) == round+1 })
		id := fmt.Sprint("o", round)
		natstest.Wait(t, waitLimit, "the server to take a command", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return hub.Send(ctx, &events.Downlink{Id: id, Counter: desk}) == nil
		})
		for last := ""; last != id; { // after the restart the old one comes again: the agent drops it by its id
			select {
			case last = <-got:
			case <-time.After(waitLimit):
				t.Fatalf("command %s did not come", id)
			}
		}
		if round == 0 {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := idsOf(box); !slices.Equal(w.handled, want) || len(w.quarantined)+len(w.mismatches) > 0 {
		t.Errorf("handled %v, quarantined %v, mismatches %v", w.handled, w.quarantined, w.mismatches)
	}
}

func TestForgedHeadIsRefused(t *testing.T) {
	w, box := start(t)
	box.add(t)
	impostor := w.server.As(t, w.server.Accounts.Counters, natstest.Everything)
	sub, err := impostor.Subscribe(counterlink.HelloSubject(desk), func(m *nats.Msg) {
		m.RespondMsg(&nats.Msg{Header: nats.Header{
			"Shomei-Epoch": {"E1"}, "Shomei-Number": {"1"}, "Shomei-Writer": {w.public},
			"Shomei-Hash": {fmt.Sprintf("%x", box.head(1).Hash)}, "Shomei-Expected": {"0"}, "Shomei-Signature": {"00"},
		}})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := impostor.Flush(); err != nil {
		t.Fatal(err)
	}
	alarms := make(chan error, 10)
	w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box, Alarm: func(err error) { alarms <- err }})
	if err := <-alarms; !errors.Is(err, events.ErrSignature) {
		t.Errorf("alarm: %v", err)
	}
	if box.Delivered().Number != 0 {
		t.Error("a claim was believed to be at the hub")
	}
}

// A command or answer sent over a bad line failed and is not there, or failed and is there. Sent again under its id, as
// every sender does, it is there once.
func TestSendStoresOnceThroughFailures(t *testing.T) {
	w, box := start(t)
	seal := sealKey(t)
	w.enrol(desk, box.key, seal)
	line := natstest.NewLine(t, strings.TrimPrefix(w.url, "nats://"))
	hub, _ := w.run(w.config(w.hubConn("nats://"+line.Addr()), nil))
	stream, err := w.js.Stream(t.Context(), counterlink.CommandStream)
	if err != nil {
		t.Fatal(err)
	}
	messages := func() uint64 {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	for _, fault := range []struct {
		name  string
		lose  func(string)
		what  string
		there uint64 // after the failure
	}{
		{"failed and not done", line.LoseRequest, counterlink.CommandSubject(desk), 0},
		{"failed but done", line.LoseAnswer, `"stream":"` + counterlink.CommandStream + `"`, 1},
	} {
		before, lost := messages(), line.Lost()
		fault.lose(fault.what)
		message := &events.Downlink{Id: fault.name, Counter: desk}
		if err := hub.Send(t.Context(), message); err == nil || line.Lost() != lost+1 {
			t.Fatalf("%s: it did not fail: %v", fault.name, err)
		}
		if there := messages() - before; there != fault.there {
			t.Errorf("%s: %d are there", fault.name, there)
		}
		natstest.Wait(t, waitLimit, "the line to be there again", func() bool { return hub.Send(t.Context(), message) == nil })
		if there := messages() - before; there != 1 {
			t.Errorf("%s, sent again: %d are there", fault.name, there)
		}
	}
}

// TestDrainedMissesNoClaim asks, again and again, right after a claim was stored.
func TestDrainedMissesNoClaim(t *testing.T) {
	w, box := start(t)
	hub, _ := w.hub()
	for n := range 500 {
		w.store(desk, box.add(t))
		natstest.Wait(t, waitLimit, "the claims to be drained", func() bool {
			drained, err := hub.Drained(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return drained
		})
		w.mu.Lock()
		handled := len(w.handled)
		w.mu.Unlock()
		if handled != n+1 {
			t.Fatalf("drained after %d of %d claims", handled, n+1)
		}
	}
}
