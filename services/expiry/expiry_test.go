package expiry_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/days"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
	"shomei/services/expiry"
	"shomei/services/servicetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// tables are the warehouse of one world.
type tables struct {
	*warehouse.Warehouse
	w *servicetest.World
}

func open(t *testing.T, w *servicetest.World) tables {
	t.Helper()
	name := strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	house, err := warehouse.Open(t.Context(), warehouse.Config{
		DSN: enginetest.Start(t).DSN(), Database: fmt.Sprintf("t_%s_%d", name, time.Now().UnixNano()),
		Logger: slog.New(slog.DiscardHandler),
	})
	servicetest.Check(t, err)
	t.Cleanup(func() { house.Close() })
	return tables{house, w}
}

// show brings the tables up to date with the log.
func (h tables) show(t *testing.T) {
	t.Helper()
	var commits []warehouse.Read
	servicetest.Check(t, h.w.Log.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		if err == nil {
			commits = append(commits, warehouse.Read{Commit: r.Commit})
		}
		return nil
	}))
	servicetest.Check(t, h.Apply(t.Context(), commits))
}

func (h tables) expiry() *expiry.Expiry {
	return expiry.New(expiry.Config{
		Log: h.w.As(eventlog.RoleExpiry), Warehouse: h.Warehouse, Clock: h.w.Clock.Now, Logger: h.w.Logger(),
		Days: days.Watch{Every: 20 * time.Millisecond, Logger: h.w.Logger()},
	})
}

// tick handles the day with a freshly started service.
func (h tables) tick(t *testing.T) int {
	t.Helper()
	n, err := h.expiry().Tick(t.Context())
	servicetest.Check(t, err)
	return n
}

var brought = []string{"WindowOpened", "NoticeDue", "CertificateExpired", "CardVoided", "DeadlineMissed"}

func counts(w *servicetest.World, subscriber string) map[string]int {
	n := make(map[string]int)
	for _, e := range w.Events(subscriber) {
		if slices.Contains(brought, e) {
			n[e]++
		}
	}
	return n
}

// TestEachThingOnce: window, notice and expiry are recorded once, whatever is restarted or repeated, and whether or not
// the tables show the last tick.
func TestEachThingOnce(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	h := open(t, w)
	held := w.State(l.Subscriber).Certificates[0]
	for _, step := range []struct {
		at   string
		want map[string]int
	}{
		{dateOf(held.WindowOpens).AddDays(-1).String(), map[string]int{}},
		{held.WindowOpens, map[string]int{"WindowOpened": 2, "NoticeDue": 1}},
		{held.LastDay, map[string]int{"WindowOpened": 2, "NoticeDue": 1}},
		{dateOf(held.LastDay).AddDays(1).String(), map[string]int{"WindowOpened": 2, "NoticeDue": 2, "CertificateExpired": 2}},
	} {
		w.Clock.Set(step.at + " 00:00")
		h.show(t)
		for range 3 { // the tables still say that it is due
			h.tick(t)
		}
		h.show(t)
		if n := h.tick(t); n != 0 {
			t.Errorf("on %s something was recorded again for %d", step.at, n)
		}
		if got := counts(w, l.Subscriber); fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("by %s: %v, want %v", step.at, got, step.want)
		}
	}
}

func dateOf(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// TestSteppingEqualsOneLeap: from each day that NextDue names to the next, or at once over the years: the certificates
// and the card end the same way. The leap leaves out only what is pointless after the end: the opening of a window, and
// its notice.
func TestSteppingEqualsOneLeap(t *testing.T) {
	end := civil.New(2040, 1, 1)
	play := func(t *testing.T, stepping bool) (ended []string, other map[string]int) {
		w := servicetest.New(t, "2020-01-15 10:00")
		l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
		register := w.Enrol(servicetest.Office, "register", "register")
		register.Decide(register.Claim("", "", func(c *events.Claim) {
			c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
				Change: events.RecordChange_RECORD_CHANGE_NAME, CausedOn: "2020-01-14",
			}}
		}, servicetest.Resident("100")))
		h := open(t, w)
		h.show(t)
		days := 0
		for day := civil.Of(w.Clock.Now()); stepping; days++ {
			next, err := h.NextDue(t.Context(), day)
			servicetest.Check(t, err)
			if next.IsZero() || next.After(end) {
				break
			}
			if !next.After(day) || days > 20 {
				t.Fatalf("after %s comes %s", day, next)
			}
			day = next
			w.Clock.SetTo(day.At(civil.Clock(3, 0)))
			if n := h.tick(t); n != 1 {
				t.Errorf("%s was named and brought %d", day, n)
			}
			h.show(t)
		}
		w.Clock.SetTo(end.At(civil.Clock(3, 0)))
		h.tick(t)
		other = counts(w, l.Subscriber)
		for _, r := range w.History(events.KindSubscriber, l.Subscriber) {
			for _, e := range r.Commit.Events {
				if b := e.GetCertificateExpired(); b != nil {
					ended = append(ended, fmt.Sprint(b.Kind, " ", b.LastDay, " ", time.UnixMilli(e.CausedMs).UTC(), e.RuleIds))
				}
				if b := e.GetCardVoided(); b != nil {
					ended = append(ended, fmt.Sprint(b.Cause, time.UnixMilli(e.CausedMs).UTC(), e.RuleIds))
				}
			}
		}
		return ended, other
	}
	stepped, all := play(t, true)
	leapt, _ := play(t, false)
	if !slices.Equal(stepped, leapt) || len(stepped) == 0 {
		t.Errorf("stepping: %q\none leap: %q", stepped, leapt)
	}
	if all["WindowOpened"] != 1 || all["CertificateExpired"] != 1 {
		t.Errorf("stepping recorded %v", all)
	}
}

// TestEngineOutageLosesNothing: while the tables are unavailable nothing is recorded and nothing lost.
func TestEngineOutageLosesNothing(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	h := open(t, w)
	h.show(t)
	w.Clock.Set("2031-01-01 00:00")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	engine := enginetest.Start(t)
	restarts := engine.Restarts()
	kill(t, engine.PID())
	go func() { done <- h.expiry().Run(ctx) }()
	w.Logged.Await(t, "retrying")
	natstest.Wait(t, 30*time.Second, "the expiry", func() bool { return counts(w, l.Subscriber)["CertificateExpired"] == 2 })
	cancel()
	servicetest.Check(t, <-done)
	if engine.Restarts() == restarts {
		t.Error("the engine was never away")
	}
}

// TestOneForgedSubscriberKeepsNobodyValid: the others expire although one is unreadable.
func TestOneForgedSubscriberKeepsNobodyValid(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	var ids []string
	for i := range 3 {
		ids = append(ids, d.Hold(fmt.Sprint(i)).Subscriber)
	}
	h := open(t, w)
	h.show(t)
	slices.Sort(ids)
	w.Forge(events.KindSubscriber, ids[0], []byte("not a commit"))
	w.Clock.Set("2025-01-01 00:00")
	if n := h.tick(t); n != 2 {
		t.Errorf("something was recorded for %d, want for the two others", n)
	}
	w.Logged.Await(t, ids[0])
}
