package warehouse

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/natstest"
	"shomei/pkg/warehouse/enginetest"
)

// persist calls try until it succeeds; every failure on the way must be ErrUnavailable.
func persist(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
		select {
		case <-pause.C:
		case <-deadline:
			t.Fatalf("the engine did not come back: %v", err)
		}
	}
}

// TestTheEngineKilledWhileApplying kills the engine at random moments; what was acknowledged stays, and repeating the
// rest gives the same tables.
func TestTheEngineKilledWhileApplying(t *testing.T) {
	commits := rapid.Custom(func(rt *rapid.T) []*events.Commit { return population(rt, 60) }).Example(11)
	want := contents(t, applied(t, commits))
	process := enginetest.Start(t)
	for round := range 3 {
		w := openNamed(t, fmt.Sprintf("killed_%d", round))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			tick := time.NewTicker(time.Duration(150+round*70) * time.Millisecond)
			defer tick.Stop()
			for range 3 {
				select {
				case <-tick.C:
					_ = syscall.Kill(process.PID(), syscall.SIGKILL) // it may be dead already
				case <-stop:
					return
				}
			}
		}()
		for from := 0; from < len(commits); from += 25 {
			persist(t, func() error { return w.Apply(t.Context(), readOf(commits[from:min(from+25, len(commits))])) })
		}
		close(stop)
		<-stopped
		persist(t, func() error { return w.Ping(t.Context()) })
		if diff := cmp.Diff(want, contents(t, w)); diff != "" {
			t.Errorf("round %d (-undisturbed +killed):\n%.3000s", round, diff)
		}
	}
	if process.Restarts() == 0 {
		t.Error("the engine was never killed: the test proves nothing")
	}
}

// personal are the names of columns that would hold personal data.
var personal = []string{"name", "address", "birth", "sex", "mail", "phone", "sealed", "contact", "identity"}

func TestNoColumnForPersonalData(t *testing.T) {
	w := open(t)
	names, err := tables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range names {
		layout, err := w.layout(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		if len(layout) == 0 {
			t.Errorf("%s has no columns", table)
		}
		for _, column := range layout {
			for _, word := range personal {
				if strings.Contains(column.Name, word) {
					t.Errorf("%s.%s looks like personal data", table, column.Name)
				}
			}
		}
	}
}

// TestSealedBytesStayOut applies events that carry sealed data with a marker
// in it, and looks for the marker in every cell.
func TestSealedBytesStayOut(t *testing.T) {
	const marker = "SEALED-MARKER"
	sealed := &events.Sealed{Suite: 1, RecordClass: "identity", Ciphertext: []byte(marker), Digest: []byte(marker)}
	s := newStory("marked", handedOver)
	s.commit(&events.ResidentRecorded{Identity: sealed, Municipality: "12237"}, &events.ContactRecorded{Contact: sealed})
	s.commit(&events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_NAME, Identity: sealed, Municipality: "12237"})
	s.commit(&events.IssueAuthorized{Procedure: "p", Serial: 5, Tbs: sealed},
		&events.CertificateIssued{Procedure: "p", Serial: 5, Certificate: sealed, LastDay: "2020-01-01"})
	s.commit(&events.KeysRecorded{Procedure: "p", Claim: []byte(marker)})
	w := applied(t, s.commits)
	rows := contents(t, w)
	if !strings.Contains(rows["log"], "ResidentRecordChanged") {
		t.Fatalf("the events are not in the log table: %s", rows["log"])
	}
	for table, text := range rows {
		if strings.Contains(text, marker) {
			t.Errorf("%s holds sealed bytes:\n%s", table, text)
		}
	}
}

func TestOtherAggregatesStandInTheLog(t *testing.T) {
	w := applied(t, []*events.Commit{
		{Kind: events.KindCard, Id: "card-9", Revision: 1, Events: []*events.Event{events.New(&events.CardClaimed{Subscriber: "x", Kind: events.CardKind_CARD_KIND_PIV})}},
		{Kind: events.KindOffice, Id: "12237-main", Revision: 1, Events: []*events.Event{events.New(&events.OfficeDefined{Municipality: "12237", Name: "o"})}},
		{Kind: events.KindAuthority, Id: "log", Revision: 1, Events: []*events.Event{{}}},
	})
	var heads []string
	err := w.EachRow(t.Context(), func(r Row) error {
		if r.Table == "log" {
			heads = append(heads, r.Key+" of "+r.Owner)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"authority/log/1/0 of log", "card/card-9/1/0 of card-9", "office/12237-main/1/0 of 12237-main"}
	if diff := cmp.Diff(want, heads); diff != "" {
		t.Errorf("heads:\n%s", diff)
	}
	rows := contents(t, w)
	if !strings.Contains(rows["log"], unknown) || !strings.Contains(rows["card_operations"], "CardClaimed") {
		t.Errorf("rows: %v", rows)
	}
}

func TestEveryCertificateInOrder(t *testing.T) {
	w := applied(t, life().commits)
	var serials []uint64
	err := w.EachCertificate(t.Context(), tokyo("2021-01-01 00:00"), func(c Certificate) error {
		serials = append(serials, c.Serial)
		return nil
	})
	if diff := cmp.Diff([]uint64{1, 2, 3}, serials); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	halt := errors.New("enough")
	if err := w.EachCertificate(t.Context(), tokyo("2021-01-01 00:00"), func(Certificate) error { return halt }); !errors.Is(err, halt) {
		t.Errorf("stopping: %v", err)
	}
}

// TestEachRow: what was applied twice counts once, two different rows under one key are both shown, and a missing table
// is damage.
func TestEachRow(t *testing.T) {
	w := applied(t, life().commits)
	if err := w.Apply(t.Context(), readOf(life().commits)); err != nil {
		t.Fatal(err)
	}
	of := func() (keys map[string]int) {
		keys = map[string]int{}
		if err := w.EachRow(t.Context(), func(r Row) error { keys[r.Table+" "+r.Key]++; return nil }); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	before := of()
	for key, n := range before {
		if n != 1 {
			t.Errorf("%s stands there %d times", key, n)
		}
	}
	if before["certificates 1"] != 1 || len(before) < 20 {
		t.Fatalf("rows: %v", before)
	}
	if err := w.conn.Exec(t.Context(), w.expand("INSERT INTO {log} SELECT * REPLACE('elsewhere' AS office) FROM {log} WHERE revision = 1")); err != nil {
		t.Fatal(err)
	}
	twice := 0
	for _, n := range of() {
		twice += n - 1
	}
	if twice == 0 {
		t.Error("a second row under a key is not shown")
	}
	halt := errors.New("enough")
	if err := w.EachRow(t.Context(), func(Row) error { return halt }); !errors.Is(err, halt) {
		t.Errorf("stopping: %v", err)
	}
	if err := w.conn.Exec(t.Context(), w.expand("DROP TABLE {deadlines} SYNC")); err != nil {
		t.Fatal(err)
	}
	for _, why := range []error{Rebuilding{}, nil} { // while tables are made anew, one that is missing says nothing
		w.Withhold(func() error { return why })
		if err := w.EachRow(t.Context(), func(Row) error { return nil }); !errors.Is(err, ErrDamaged) {
			t.Errorf("without a table: %v", err)
		}
		select {
		case err := <-w.Damage():
			if why != nil || !errors.Is(err, ErrDamaged) {
				t.Errorf("reported while queries get %v: %v", why, err)
			}
		default:
			if why == nil {
				t.Error("whoever serves the tables is not told")
			}
		}
	}
}

func TestAMalformedDSNDoesNotLeakIt(t *testing.T) {
	_, err := Open(t.Context(), Config{DSN: "http://user:secret@host:%zz/", Logger: slog.New(slog.DiscardHandler)})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// TestAnInsertFailsInBothWays loses each insert in turn on its way to the engine, and each answer on its way back: the
// error is ErrUnavailable, and a repetition gives the same tables.
func TestAnInsertFailsInBothWays(t *testing.T) {
	commits := rapid.Custom(func(rt *rapid.T) []*events.Commit { return population(rt, 20) }).Example(7)
	want := contents(t, applied(t, commits))
	dsn, err := url.Parse(dsnOf(t))
	if err != nil {
		t.Fatal(err)
	}
	line := natstest.NewLine(t, dsn.Host)
	dsn.Host = line.Addr()
	for name, lose := range map[string]func(){
		"not_done": func() { line.LoseRequest("INSERT") }, "but_done": func() { line.LoseAnswer("200 OK") },
	} {
		w, err := Open(t.Context(), Config{DSN: dsn.String(), Database: "pair_" + name, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		failed, lost := 0, line.Lost()
		for from := 0; from < len(commits); from += 25 {
			lose()
			persist(t, func() error {
				err := w.Apply(t.Context(), readOf(commits[from:min(from+25, len(commits))]))
				if err != nil {
					failed++
				}
				return err
			})
		}
		if failed == 0 || line.Lost() == lost {
			t.Errorf("%s: %d of the inserts failed, %d were lost", name, failed, line.Lost()-lost)
		}
		if diff := cmp.Diff(want, contents(t, w)); diff != "" {
			t.Errorf("%s (-undisturbed +repeated):\n%.3000s", name, diff)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}
