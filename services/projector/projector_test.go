package projector_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
	"shomei/services/projector"
	"shomei/services/servicetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// patience is how long anything may take before a test gives up.
const patience = 2 * time.Minute

// tables opens an empty warehouse on the engine of this test binary.
func tables(t *testing.T) *warehouse.Warehouse {
	t.Helper()
	name := strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	house, err := warehouse.Open(t.Context(), warehouse.Config{
		DSN: enginetest.Start(t).DSN(), Database: fmt.Sprintf("p_%s_%d", name, time.Now().UnixNano()),
		Logger: slog.New(slog.DiscardHandler),
	})
	servicetest.Check(t, err)
	t.Cleanup(func() { house.Close() })
	return house
}

// follow runs a projector until the returned function is called.
func follow(t *testing.T, w *servicetest.World, house *warehouse.Warehouse) (p *projector.Projector, stop func()) {
	t.Helper()
	p = projector.New(projector.Config{Log: w.Log, Warehouse: house, Logger: w.Logger()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() { t.Helper(); cancel(); servicetest.Check(t, <-done) }
}

func caughtUp(t *testing.T, p *projector.Projector) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	servicetest.Check(t, p.CaughtUp(ctx))
	if lag, err := p.Lag(ctx); err != nil || lag != 0 {
		t.Errorf("caught up with a lag of %d, %v", lag, err)
	}
}

// shown returns what the tables say of a day far ahead, and of one subscriber.
func shown(t *testing.T, house *warehouse.Warehouse) []warehouse.Due {
	t.Helper()
	due, err := house.Due(t.Context(), civil.New(2045, 1, 1), "", 1000)
	servicetest.Check(t, err)
	return due
}

// sizes are the rows of every table after a rebuild, and of those that had another number before.
func sizes(t *testing.T, p *projector.Projector) (rows uint64, differ []warehouse.TableChange) {
	t.Helper()
	changes, err := p.Rebuild(t.Context(), nil)
	servicetest.Check(t, err)
	for _, c := range changes {
		rows += c.After
		if c.Table != "positions" && c.Before != c.After { // each set of tables has its own
			differ = append(differ, c)
		}
	}
	return rows, differ
}

func TestApplyingAgainAndRebuildingChangeNothing(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	for i := range 5 {
		d.Hold(fmt.Sprint(i))
	}
	house := tables(t)
	p, stop := follow(t, w, house)
	caughtUp(t, p)
	before := shown(t, house)
	if len(before) != 15 { // each of five people has two certificates and a card that end
		t.Errorf("%d things are due by 2045, want 15", len(before))
	}
	stop()
	var commits []warehouse.Read
	servicetest.Check(t, w.Log.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		commits = append(commits, warehouse.Read{Commit: r.Commit})
		return err
	}))
	servicetest.Check(t, house.Apply(t.Context(), commits))
	if diff := cmp.Diff(before, shown(t, house)); diff != "" {
		t.Errorf("applied again (-once +twice):\n%s", diff)
	}
	rows, differ := sizes(t, projector.New(projector.Config{Log: w.Log, Warehouse: house, Logger: w.Logger()}))
	if len(differ) > 0 || rows == 0 {
		t.Errorf("a rebuild makes %d rows, and other numbers in %+v", rows, differ)
	}
	if diff := cmp.Diff(before, shown(t, house)); diff != "" {
		t.Errorf("rebuilt (-incremental +rebuilt):\n%s", diff)
	}
}

// TestARebuildWhileFollowing: the follower goes on with the new tables, and misses nothing.
func TestARebuildWhileFollowing(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	house := tables(t)
	p, stop := follow(t, w, house)
	for i := range 6 {
		d.Hold(fmt.Sprint(i))
		if i%2 == 1 {
			_, err := p.Rebuild(t.Context(), nil)
			servicetest.Check(t, err)
		}
	}
	caughtUp(t, p)
	if n := len(shown(t, house)); n != 18 {
		t.Errorf("%d things are due after rebuilds under way, want 18", n)
	}
	stop()
	if _, differ := sizes(t, p); len(differ) > 0 {
		t.Errorf("a rebuild of quiet tables finds other numbers: %+v", differ)
	}
}

// TestTheEngineIsKilled: commits wait in the log while the engine is down and are applied when it is back.
func TestTheEngineIsKilled(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	house, engine := tables(t), enginetest.Start(t)
	p, stop := follow(t, w, house)
	for i := range 3 {
		d.Hold(fmt.Sprint(i))
		restarts := engine.Restarts()
		servicetest.Check(t, syscall.Kill(engine.PID(), syscall.SIGKILL))
		d.Apply(events.Operation_OPERATION_ISSUE, fmt.Sprint(10+i), fmt.Sprintf("card-%d", 10+i))
		natstest.Wait(t, patience, "the engine to be back", func() bool { return engine.Restarts() > restarts })
		caughtUp(t, p)
	}
	stop()
	if n := len(shown(t, house)); n < 9 {
		t.Errorf("%d things are due, want those of three people at least", n)
	}
	if _, differ := sizes(t, p); len(differ) > 0 {
		t.Errorf("after three kills a rebuild finds other numbers: %+v", differ)
	}
}

// TestCaughtUpSaysWhatIsMissing: without a running projector it ends with its context.
func TestCaughtUpSaysWhatIsMissing(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	p := projector.New(projector.Config{Log: w.Log, Warehouse: tables(t), Logger: w.Logger()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.CaughtUp(ctx); err == nil {
		t.Error("tables that nobody fills count as caught up")
	}
}

// TestWhoElseReadsTheTablesCanWait: another process knows how far the tables are, and waits for whoever follows.
func TestWhoElseReadsTheTablesCanWait(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	house := tables(t)
	other := projector.New(projector.Config{Log: w.Log, Warehouse: house, Logger: w.Logger()})
	d.Hold("1")
	if behind, err := other.Behind(t.Context()); err != nil || behind == 0 {
		t.Errorf("nobody has followed, and %d commits are lacking, %v", behind, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.Await(ctx); err == nil {
		t.Error("tables that nobody fills count as whole")
	}
	_, stop := follow(t, w, house)
	servicetest.Check(t, other.Await(t.Context()))
	if behind, err := other.Behind(t.Context()); err != nil || behind != 0 {
		t.Errorf("after waiting %d commits are lacking, %v", behind, err)
	}
	stop()
}

// TestForgedCommitIsSkipped: one aggregate is missing from the tables, with an alarm; the others are there.
// TestTablesThatLagByTimeSaySo: to a clock that is two minutes ahead every commit that waits is late, however few there are. It
// stands in the log once for each time, and not while the tables show all.
func TestTablesThatLagByTimeSaySo(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	p := projector.New(projector.Config{
		Log: w.Log, Warehouse: tables(t), Logger: w.Logger(), Every: time.Millisecond,
		Clock: func() time.Time { return time.Now().Add(2 * time.Minute) },
	})
	metric := p.Collectors()[0]
	if age, err := p.Age(t.Context()); age != 0 || err != nil {
		t.Errorf("while nothing is known of the tables: %v, %v", age, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	d.Hold("1") // in several batches, a second apart
	w.Logged.Await(t, "the tables lag")
	caughtUp(t, p)
	w.Logged.Await(t, "the tables show what is in the log again")
	if err := p.Timely(t.Context()); err != nil || testutil.ToFloat64(metric) != 0 {
		t.Errorf("they show all, and it says %v, %v s", err, testutil.ToFloat64(metric))
	}
	cancel()
	servicetest.Check(t, <-done)
	d.Hold("2")
	if err := p.Timely(t.Context()); err == nil || !strings.Contains(err.Error(), "2m") || testutil.ToFloat64(metric) < 120 {
		t.Errorf("commits wait, and it says %v, %v s", err, testutil.ToFloat64(metric))
	}
	lag, again := strings.Count(w.Logged.Text(), "the tables lag"), strings.Count(w.Logged.Text(), "the tables show what")
	if lag != again && lag != again+1 {
		t.Errorf("told %d times, and %d times that it is over", lag, again)
	}
}

func TestForgedCommitIsSkipped(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("0")
	w.Forge(events.KindSubscriber, w.Subscriber("1"), []byte("not a commit"))
	d.Hold("2")
	house := tables(t)
	p, stop := follow(t, w, house)
	caughtUp(t, p)
	stop()
	w.Logged.Await(t, "missing from the tables")
	if n := len(shown(t, house)); n != 6 {
		t.Errorf("%d things are due, want those of the two others", n)
	}
}
