package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/projector"
)

// replay measures reading the log, and reading it into the tables, for commits of one event.
func replay(ctx context.Context, o Options) (figures []Figure, err error) {
	folder, remove, err := o.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	r, stop, err := newReplaying(ctx, o, folder)
	if err != nil {
		return nil, err
	}
	defer stop()
	o.say("replay: writing %d commits of one event", o.Commits)
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	rates := map[string][]float64{}
	for n := range o.Turns {
		for _, m := range []struct {
			name string
			run  func(context.Context) error
		}{
			{"consume", r.consume}, {"scan", r.scan}, {"follow", r.follow}, {"insert", r.insert}, {"rebuild", r.rebuild},
		} {
			begin := time.Now()
			if err := m.run(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			rate := float64(o.Commits) / time.Since(begin).Seconds()
			rates[m.name] = append(rates[m.name], rate)
			o.say("replay, turn %d: %s %.0f commits/s", n+1, m.name, rate)
		}
	}
	consume, insert := median(rates["consume"]), median(rates["insert"])
	return []Figure{
		{Part: "replay", Name: "read and decode, floor: raw consume", Value: median(rates["scan"]), Unit: "commits/s", Floor: consume, AtLeast: 100_000, Why: whyReplay},
		{Name: "the same, every signature verified", Value: median(rates["follow"]), Unit: "commits/s", Floor: consume},
		{Name: "read and written into all tables, floor: raw insert into one", Value: median(r.projected), Unit: "commits/s", Floor: insert, AtLeast: 100_000, Why: whyReplay},
		{Name: "the same, counted and swapped in (shomei rebuild)", Value: median(rates["rebuild"]), Unit: "commits/s", Floor: insert},
		{Name: "processor time of the hub for one of them", Value: median(r.cost.hub), Unit: "µs"},
		{Name: "processor time of the engine for one of them", Value: median(r.cost.engine), Unit: "µs"},
	}, nil
}

// replaying is a log and an engine, with nothing that connects them.
type replaying struct {
	Options
	store     *store
	log       *eventlog.Log
	pair      nkeys.KeyPair
	warehouse *warehouse.Warehouse
	projector *projector.Projector
	raw       clickhouse.Conn
	entries   []warehouse.Entry
	// projected are the rates of rebuilds up to the last commit applied.
	projected []float64
	engine    *engine.Process
	cost      cost
}

func newReplaying(ctx context.Context, o Options, folder string) (*replaying, func(), error) {
	r := &replaying{Options: o}
	var closers []func()
	stop := func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	var err error
	fail := func() (*replaying, func(), error) { stop(); return nil, nil, err }
	var closeStore func()
	if r.store, closeStore, err = openStore(ctx, filepath.Join(folder, "nats")); err != nil {
		return fail()
	}
	closers = append(closers, closeStore)
	if r.log, r.pair, err = openLog(ctx, r.store, filepath.Join(folder, "marks"), 1); err != nil {
		return fail()
	}
	closers = append(closers, func() { _ = r.log.Close() })
	trace, err := os.Create(filepath.Join(folder, "engine.log"))
	if err != nil {
		return fail()
	}
	closers = append(closers, func() { _ = trace.Close() })
	r.engine, err = engine.Start(ctx, engine.Config{Path: filepath.Join(folder, "clickhouse"), Stderr: trace, Logger: silent})
	if err != nil {
		return fail()
	}
	closers = append(closers, func() { _ = r.engine.Stop(context.WithoutCancel(ctx)) })
	if r.warehouse, err = warehouse.Open(ctx, warehouse.Config{DSN: r.engine.DSN(), Logger: silent}); err != nil {
		return fail()
	}
	closers = append(closers, func() { _ = r.warehouse.Close() })
	r.projector = projector.New(projector.Config{Log: r.log, Warehouse: r.warehouse, Logger: silent})
	if r.raw, err = openRaw(ctx, r.engine.DSN()); err != nil {
		return fail()
	}
	closers = append(closers, func() { _ = r.raw.Close() })
	return r, stop, nil
}

// openRaw makes the table of the floor: the columns of the log table, and nothing more.
func openRaw(ctx context.Context, dsn string) (clickhouse.Conn, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the engine's DSN is malformed")
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, err
	}
	return conn, conn.Exec(ctx, "CREATE TABLE shomei.bench_floor AS shomei.log")
}

// fill writes genuine signed commits, each the first of another person, straight into the stream: Update would take
// minutes for what is not measured here.
func (r *replaying) fill(ctx context.Context) error {
	day := time.Date(2020, 3, 18, 18, 0, 0, 0, time.UTC)
	apply := lifecycle.Folds()[events.KindSubscriber].Apply
	for i := range r.Commits {
		c := oneEvent(i, day.Add(time.Duration(i)*time.Millisecond))
		stored, err := signed(c, r.pair, apply)
		if err != nil {
			return err
		}
		if _, err := r.store.js.PublishAsync(events.LogSubject(c.Kind, c.Id), stored, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
		r.entries = append(r.entries, entryLike(c))
	}
	select {
	case <-r.store.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func oneEvent(i int, at time.Time) *events.Commit {
	e := events.New(&events.WindowOpened{
		Serial: uint64(i + 1), Kind: events.CertificateKind_CERTIFICATE_KIND_AUTH, LastDay: "2020-06-18",
	}, "mynumber.window.three-months")
	e.CausedMs, e.FiledMs, e.RecordedMs = at.UnixMilli(), at.UnixMilli(), at.UnixMilli()
	return &events.Commit{
		Kind: events.KindSubscriber, Id: fmt.Sprintf("replay%018d", i), Revision: 1, Schema: 1,
		CommandId: fmt.Sprintf("tick/replay%018d/2020-03-19/0", i),
		Actor:     &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "expiry"}, Events: []*events.Event{e},
	}
}

func signed(c *events.Commit, pair nkeys.KeyPair, apply func([]byte, *events.Commit) ([]byte, error)) ([]byte, error) {
	state, err := apply(nil, c)
	if err != nil {
		return nil, err
	}
	framed, err := events.Encode(&events.StateBytes{Version: lifecycle.FoldVersion, State: state})
	if err != nil {
		return nil, err
	}
	stored, err := events.Sign(c, framed, pair)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(stored)
}

func entryLike(c *events.Commit) warehouse.Entry {
	e := c.Events[0]
	at := time.UnixMilli(e.RecordedMs)
	return warehouse.Entry{
		Kind: c.Kind, ID: c.Id, Revision: 1, Event: "WindowOpened", Rules: e.RuleIds, Caused: at, Filed: at, Recorded: at,
		ActorKind: "service", Actor: "expiry", Serials: []uint64{e.GetWindowOpened().Serial},
	}
}

// consume reads every message and ignores it.
func (r *replaying) consume(ctx context.Context) error {
	consumer, err := r.store.js.CreateConsumer(ctx, r.log.Streams()[0], jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range r.Commits {
		if _, err := messages.Next(); err != nil {
			return err
		}
	}
	return nil
}

func (r *replaying) scan(ctx context.Context) error {
	n := 0
	err := r.log.Scan(ctx, nil, nil, func(_ eventlog.Record, err error) error { n++; return err })
	if err == nil && n != r.Commits {
		err = fmt.Errorf("read %d commits of %d", n, r.Commits)
	}
	return err
}

// follow reads as a follower does that acts on what it reads.
func (r *replaying) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	return r.log.Follow(ctx, eventlog.Follower{
		Name: "bench", From: eventlog.Positions{}, Batch: 4000,
		Handle: func(_ context.Context, batch []eventlog.Record) error {
			if n += len(batch); n >= r.Commits {
				cancel()
			}
			return nil
		},
	})
}

// insert inserts a row for each commit into one table like that of the log, which is less than the projector does.
func (r *replaying) insert(ctx context.Context) error {
	const rows = 20000
	for from := 0; from < len(r.entries); from += rows {
		batch, err := r.raw.PrepareBatch(ctx, "INSERT INTO shomei.bench_floor")
		if err != nil {
			return err
		}
		for i := from; i < min(from+rows, len(r.entries)); i++ {
			if err := batch.AppendStruct(&r.entries[i]); err != nil {
				return err
			}
		}
		if err := batch.Send(); err != nil {
			return err
		}
	}
	return nil
}

// rebuild makes all tables anew, and records how long it took until they held everything, and what it cost.
func (r *replaying) rebuild(ctx context.Context) error {
	note, err := r.cost.meter(r.engine.PID(), r.Commits)
	if err != nil {
		return err
	}
	begin := time.Now()
	last := begin
	if _, err := r.projector.Rebuild(ctx, func(uint64) { last = time.Now() }); err != nil {
		return err
	}
	r.projected = append(r.projected, float64(r.Commits)/last.Sub(begin).Seconds())
	return note()
}
