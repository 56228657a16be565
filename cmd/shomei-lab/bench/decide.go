package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
)

const (
	writers = 16
	persons = 2000
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// sample is the result of one turn: pieces of work a second, how long they took in milliseconds, and the milliseconds
// of a core that this process spent on each.
type sample struct{ perSecond, p50, p99, core float64 }

// turn runs work on some goroutines for a time; i differs for each piece of work.
func turn(workers int, span time.Duration, work func(worker int, i int64) error) (sample, error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	took := make([][]float64, workers)
	before, err := processorTime(os.Getpid())
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for failed.Load() == nil && time.Since(begin) < span {
				at := time.Now()
				if err := work(w, next.Add(1)); err != nil {
					failed.Store(&err)
					return
				}
				took[w] = append(took[w], float64(time.Since(at).Microseconds())/1000)
			}
		})
	}
	group.Wait()
	spent := time.Since(begin)
	if err := failed.Load(); err != nil {
		return sample{}, *err
	}
	after, err := processorTime(os.Getpid())
	if err != nil {
		return sample{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	core := float64((after - before).Microseconds()) / 1000 / float64(len(all))
	return sample{float64(len(all)) / spent.Seconds(), all[len(all)/2], all[len(all)*99/100], core}, nil
}

// medians returns the median of each field.
func medians(samples []sample) sample {
	pick := func(of func(sample) float64) float64 {
		var values []float64
		for _, s := range samples {
			values = append(values, of(s))
		}
		return median(values)
	}
	return sample{
		pick(func(s sample) float64 { return s.perSecond }), pick(func(s sample) float64 { return s.p50 }),
		pick(func(s sample) float64 { return s.p99 }), pick(func(s sample) float64 { return s.core }),
	}
}

// store is a NATS server with nothing in it.
type store struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

func openStore(ctx context.Context, folder string) (*store, func(), error) {
	server, err := hubserver.Start(ctx, hubserver.Config{Port: -1, StoreDir: folder, Logger: silent})
	if err != nil {
		return nil, nil, err
	}
	conn, err := nats.Connect(server.URL())
	if err != nil {
		server.Shutdown()
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4000))
	return &store{conn, js}, func() { conn.Close(); server.Shutdown() }, err
}

// openLog opens a log in the store, as a hub would.
func openLog(ctx context.Context, s *store, marks string, streams int) (*eventlog.Log, nkeys.KeyPair, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, nil, err
	}
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	log, err := eventlog.Open(ctx, eventlog.Config{
		Conn: s.conn, Writer: pair, Writers: map[string]eventlog.Role{public: eventlog.RoleHub}, Folds: folds, Streams: streams,
		Marks: marks, Logger: silent,
	})
	return log, pair, err
}

func person(i int64) string { return fmt.Sprintf("bench%019d", i%persons) }

// loss is the smallest real decision: a person's report of a loss, one event.
func loss(ctx context.Context, log *eventlog.Log, i int64) error {
	env := eventlog.Envelope{CommandID: fmt.Sprintf("loss-%d", i), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_TELEPHONE}}
	_, err := log.Update(ctx, events.KindSubscriber, person(i), env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, lifecycle.ReportLoss{By: "telephone", Filed: h.Now}, h.Now)
	})
	return err
}

// decisions measures Update with lifecycle.Decide against publishing as many bytes to as many streams.
func decisions(ctx context.Context, o Options) ([]Figure, error) {
	var figures []Figure
	for _, c := range []struct{ writers, streams int }{{1, 1}, {writers, 1}, {writers, 4}} {
		ours, floor, err := decide(ctx, o, c.writers, c.streams)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("writers: %d, streams: %d", c.writers, c.streams)
		figures = append(figures,
			Figure{
				Part: "decisions", Name: name, Value: ours.perSecond, Unit: "decisions/s, durable", Floor: floor.perSecond,
				OfFloor: 0.6, Why: whyDecisions,
			},
			Figure{Name: "half of them within", Value: ours.p50, Unit: "ms", Floor: floor.p50},
			Figure{Name: "99 of 100 within", Value: ours.p99, Unit: "ms", Floor: floor.p99})
	}
	return figures, nil
}

func decide(ctx context.Context, o Options, writers, streams int) (ours, floor sample, err error) {
	folder, remove, err := o.scratch()
	if err != nil {
		return ours, floor, err
	}
	defer remove()
	raw, closeRaw, err := openStore(ctx, filepath.Join(folder, "raw"))
	if err != nil {
		return ours, floor, err
	}
	defer closeRaw()
	full, closeFull, err := openStore(ctx, filepath.Join(folder, "log"))
	if err != nil {
		return ours, floor, err
	}
	defer closeFull()
	log, _, err := openLog(ctx, full, filepath.Join(folder, "marks"), streams)
	if err != nil {
		return ours, floor, err
	}
	defer log.Close()
	payload, err := settledSize(ctx, log)
	if err != nil {
		return ours, floor, err
	}
	if err := rawStreams(ctx, raw.js, streams); err != nil {
		return ours, floor, err
	}
	var count int64 = 100 * persons
	var mine, floors []sample
	for n := range o.Turns {
		f, err := turn(writers, o.Span, func(_ int, i int64) error {
			_, err := raw.js.Publish(ctx, events.LogSubject(events.KindSubscriber, person(i)), payload)
			return err
		})
		if err != nil {
			return ours, floor, err
		}
		count += 1_000_000
		m, err := turn(writers, o.Span, func(_ int, i int64) error { return loss(ctx, log, count+i) })
		if err != nil {
			return ours, floor, err
		}
		o.say("decisions, writers %d, streams %d, turn %d: %.0f/s, floor %.0f/s", writers, streams, n+1, m.perSecond, f.perSecond)
		mine, floors = append(mine, m), append(floors, f)
	}
	return medians(mine), medians(floors), nil
}

// settledSize decides about everybody a few times, so that heads are known and states have their usual size, and
// returns a payload as long as a stored commit is then.
func settledSize(ctx context.Context, log *eventlog.Log) ([]byte, error) {
	const rounds = 3
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, writers)
	for range writers {
		group.Go(func() {
			for i := next.Add(1); i <= rounds*persons; i = next.Add(1) {
				if err := loss(ctx, log, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	history, err := log.History(ctx, events.KindSubscriber, person(1))
	if err != nil {
		return nil, err
	}
	return make([]byte, len(history[len(history)-1].Stored)), nil
}

func rawStreams(ctx context.Context, js jetstream.JetStream, streams int) error {
	for i := range streams {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: events.StreamName(i, streams), Subjects: events.StreamSubjects(i, streams), Storage: jetstream.FileStorage,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
