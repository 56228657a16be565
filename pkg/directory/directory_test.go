package directory_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
)

// world is a log with a clock that the test moves, and a directory of it.
type world struct {
	t   *testing.T
	now time.Time
	log *eventlog.Log
}

var begin = time.Date(2020, 1, 15, 1, 0, 0, 0, time.UTC)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: begin}
	key, err := nkeys.CreateUser()
	check(t, err)
	public, err := key.PublicKey()
	check(t, err)
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	w.log, err = eventlog.Open(t.Context(), eventlog.Config{
		Conn: natstest.Connect(t, natstest.Start(t).URL()), Writer: key, Writers: map[string]eventlog.Role{public: eventlog.RoleHub},
		Folds: folds, Marks: filepath.Join(t.TempDir(), "marks"), Clock: func() time.Time { return w.now }, Logger: natstest.Quiet(),
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.log.Close()) })
	return w
}

// record stores events of an office and gives the commit.
func (w *world) record(office string, bodies ...events.Body) *events.Commit {
	w.t.Helper()
	env := eventlog.Envelope{CommandID: uuid.NewString()}
	outcome, err := w.log.Update(w.t.Context(), events.KindOffice, office, env, func(eventlog.Head) ([]*events.Event, error) {
		var list []*events.Event
		for _, b := range bodies {
			list = append(list, events.New(b))
		}
		return list, nil
	})
	check(w.t, err)
	return outcome.Commit
}

func (w *world) open() *directory.Directory {
	w.t.Helper()
	d, err := directory.Open(w.t.Context(), w.log)
	check(w.t, err)
	return d
}

func enrolled(counter, key string) *events.CounterEnrolled {
	return &events.CounterEnrolled{Counter: counter, PublicKey: key, Role: "counter", CounterCode: "12237A001"}
}

func office(from, telephone string) *events.OfficeDefined {
	return &events.OfficeDefined{Municipality: "12237", EffectiveFrom: from, Telephone: telephone}
}

func TestDefinitionsTakeEffectOnTheirDay(t *testing.T) {
	w := newWorld(t)
	w.record("12237-main", office("2000-01-01", "old"))
	w.record("12237-main", office("2021-04-01", "new"))
	w.record("12237-main", office("2000-01-01", "corrected"))
	d := w.open()
	for _, row := range []struct{ on, want string }{{"2000-01-01", "corrected"}, {"2021-03-31", "corrected"}, {"2021-04-01", "corrected"}} {
		day, err := civil.Parse(row.on)
		check(t, err)
		got, err := d.Definition("12237-main", day)
		if err != nil || got.Telephone != row.want {
			t.Errorf("on %s: %q, %v, want %q", row.on, got.GetTelephone(), err, row.want)
		}
	}
	if _, err := d.Office("12237-main", civil.New(1999, 12, 31)); err == nil {
		t.Error("an office is there before its first day")
	}
	if _, err := d.Office("99999-main", civil.New(2020, 1, 1)); err == nil {
		t.Error("an office that nobody defined is there")
	}
}

// TestACommitIsLearntOnceInAnyOrder: the follower repeats what Learn has applied, and an older commit may follow a
// newer one.
func TestACommitIsLearntOnceInAnyOrder(t *testing.T) {
	w := newWorld(t)
	d := w.open() // of the empty log
	var commits []*events.Commit
	for i, b := range []events.Body{
		office("2000-01-01", "first"), enrolled("c1", "UA"), office("2000-01-01", "second"),
		&events.CounterRetired{Counter: "c1"}, enrolled("c2", "UB"),
	} {
		w.now = begin.Add(time.Duration(i) * time.Hour)
		commits = append(commits, w.record("12237-main", b))
	}
	for _, i := range []int{3, 2, 4, 0, 1, 3, 0, 2, 1} {
		check(t, d.Learn(events.KindOffice, "12237-main", commits[i]))
		if _, ok := d.Counter("c1"); ok && i != 1 {
			t.Errorf("after commit %d the retired counter is there", i)
		}
	}
	straight := w.open()
	if diff := cmp.Diff(straight.Counters(), d.Counters()); diff != "" {
		t.Errorf("counters (-in order +in any order):\n%s", diff)
	}
	if got, err := d.Definition("12237-main", civil.New(2020, 1, 1)); err != nil || got.Telephone != "second" {
		t.Errorf("definition %q, %v, want the one recorded last", got.GetTelephone(), err)
	}
	if _, ok := d.Counter("c1"); ok {
		t.Error("a retired counter is there")
	}
}

// Ids and codes are never given again: certificates name them.
func TestWhatWasGivenOnceStaysKnown(t *testing.T) {
	w := newWorld(t)
	first, second := enrolled("c1", "UA"), enrolled("c2", "UB")
	first.CounterCode, second.CounterCode = "12237A001", "12237A002"
	w.record("12237-main", office("2000-01-01", "first"), first, second, enrolled("phone", "UC"), &events.CounterRetired{Counter: "c1"})
	w.record("12237-main", office("2030-01-01", "second"))
	d := w.open()
	if diff := cmp.Diff([]string{"12237A001", "12237A002"}, d.Codes()); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	for id, want := range map[string]bool{"c1": true, "c2": true, "phone": true, "c3": false} {
		if d.Known(id) != want {
			t.Errorf("%s is known: %v", id, !want)
		}
	}
	var told []string
	for _, def := range d.Definitions("12237-main") {
		told = append(told, def.Telephone)
	}
	if diff := cmp.Diff([]string{"first", "second"}, told); diff != "" || len(d.Definitions("12237-branch")) > 0 {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
}

func TestCountersAsTheyWere(t *testing.T) {
	w := newWorld(t)
	at := func(hours int) time.Time { return begin.Add(time.Duration(hours) * time.Hour) }
	step := func(hours int, office string, b events.Body) { w.now = at(hours); w.record(office, b) }
	step(0, "12237-main", enrolled("c1", "UA"))
	step(10, "12237-main", enrolled("c1", "UB")) // a new key
	step(20, "12210-main", enrolled("c1", "UC")) // offices merge
	step(21, "12237-main", &events.CounterRetired{Counter: "c1"})
	step(30, "12210-main", &events.CounterRetired{Counter: "c1"})
	d := w.open()
	for _, row := range []struct {
		hours int
		want  []string
	}{{-1, nil}, {1, []string{"UA"}}, {10, []string{"UB", "UA"}}, {11, []string{"UB"}}, {25, []string{"UC"}}, {31, nil}} {
		var got []string
		for _, c := range d.CounterAt("c1", at(row.hours)) {
			got = append(got, c.PublicKey)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("after %d hours (-want +got):\n%s", row.hours, diff)
		}
	}
	if !d.Belonged("c1", "12237-main") || !d.Belonged("c1", "12210-main") || d.Belonged("c1", "13101-main") {
		t.Error("where the counter belonged is forgotten or invented")
	}
	if _, ok := d.Counter("c1"); ok || len(d.Counters()) != 0 {
		t.Error("a counter retired by its last office is there")
	}
}

func TestFollowAndRefresh(t *testing.T) {
	w := newWorld(t)
	w.record("12237-main", office("2000-01-01", "first"))
	d, late := w.open(), w.open()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Follow(ctx, w.log, "directory") }()
	w.record("12237-main", enrolled("c1", "UA"))
	natstest.Wait(t, 20*time.Second, "the follower", func() bool { _, ok := d.Counter("c1"); return ok })
	cancel()
	check(t, <-done)
	if _, ok := late.Counter("c1"); ok {
		t.Fatal("a directory that nobody tells knows")
	}
	check(t, late.Refresh(t.Context(), w.log))
	if _, ok := late.Counter("c1"); !ok {
		t.Error("refreshed, the counter is still missing")
	}
}

func TestAuthorities(t *testing.T) {
	for _, row := range []struct {
		regime       events.Regime
		kind         events.CertificateKind
		municipality string
		authority    ca.Kind
		prefecture   string
		id           string
	}{
		{events.Regime_REGIME_JUKI, events.CertificateKind_CERTIFICATE_KIND_SIGN, "12237", ca.Juki, "12", "juki-12"},
		{events.Regime_REGIME_MYNUMBER, events.CertificateKind_CERTIFICATE_KIND_SIGN, "12237", ca.Sign, "", "sign"},
		{events.Regime_REGIME_MYNUMBER, events.CertificateKind_CERTIFICATE_KIND_AUTH, "12237", ca.Auth, "", "auth"},
	} {
		kind, prefecture := directory.AuthorityOf(row.regime, row.kind, row.municipality)
		if kind != row.authority || prefecture != row.prefecture || directory.AuthorityID(kind, prefecture) != row.id {
			t.Errorf("%v %v: %s %s", row.regime, row.kind, kind, prefecture)
		}
		if k, p := directory.Authority(row.id); k != row.authority || p != row.prefecture {
			t.Errorf("%s reads as %s %q", row.id, k, p)
		}
	}
}

// An office's own readings of the law override the deployment's, where offices may differ.
func TestLawOfAnOffice(t *testing.T) {
	w := newWorld(t)
	w.record("12237-main", &events.OfficeDefined{
		Municipality: "12237", EffectiveFrom: "2020-01-01",
		Settings: []*events.LawSetting{{Name: "letter_days", Value: "14"}, {Name: "move_out_ends_at_filing", Value: "true"}, {Name: "of_a_later_version", Value: "1"}},
	})
	d := w.open()
	on := civil.Date{Year: 2020, Month: 2, Day: 3}
	deployment := regime.Switches{LetterDays: 30, ProxyNeedsSeal: true}
	want := regime.Switches{LetterDays: 14, ProxyNeedsSeal: true}
	if diff := cmp.Diff(want, d.Law("12237-main", on, deployment)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(deployment, d.Law("12238-main", on, deployment)); diff != "" {
		t.Errorf("an office that is not known: %s", diff)
	}
}
