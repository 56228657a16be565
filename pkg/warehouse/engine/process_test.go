package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func TestKilledMidInsertItComesBack(t *testing.T) {
	p, _ := start(t, t.TempDir())
	conn := dial(t, p, nil)
	run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
	run(t, conn, createRows)
	acknowledged := uint64(0)
	for round := range 3 {
		if err := insert(t.Context(), conn, numbered(round*3, 1_000)); err != nil {
			t.Fatal(err)
		}
		acknowledged += 1_000
		cut := make(chan error, 1)
		go func() { cut <- insertSlowly(t.Context(), p, round) }()
		awaitStatements(t, conn, 2)
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-cut; err == nil {
			t.Error("an insert that was cut off was acknowledged")
		}
		awaitCount(t, conn, acknowledged)
	}
	if p.Restarts() != 3 {
		t.Errorf("restarts: %d, want 3", p.Restarts())
	}
}

// dies is a command that is killed the given number of times before it is the engine.
func dies(t *testing.T, times int) []string {
	left := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(left, []byte(strings.Repeat("x", times)), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `if [ -s "$0" ]; then truncate -s -1 "$0"; kill -9 $$; fi; exec "$@"`
	return []string{"sh", "-c", script, left, os.Args[0], "engine"}
}

func TestKilledAtItsStartItIsStartedAgain(t *testing.T) {
	p, log := startBy(t, t.TempDir(), dies(t, startTries-1)...)
	run(t, dial(t, p, nil), "SELECT 1")
	if n := strings.Count(log.String(), "killed at its start"); n != startTries-1 {
		t.Errorf("started again %d times:\n%s", n, log)
	}
}

func TestKilledAtEveryStartItIsGivenUp(t *testing.T) {
	_, err := Start(t.Context(), Config{Command: dies(t, startTries), Path: t.TempDir(), Stderr: io.Discard, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("%v, want that it was killed", err)
	}
}

func numbered(round, n int) []row {
	rows := someRows(n)
	for i := range rows {
		rows[i].ID += uint64(round) << 32
	}
	return rows
}

// insertSlowly sends the head of an INSERT and keeps its body open, so that
// the engine is certainly inside it.
func insertSlowly(ctx context.Context, p *Process, round int) error {
	body, rows := io.Pipe()
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(rows, "%d\n", round<<32+i); err != nil {
				return
			}
		}
	}()
	u := strings.Replace(p.DSN(), "/default", "/?query=INSERT+INTO+shop.rows+(id)+FORMAT+TSV", 1)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u, body)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// awaitStatements waits until the engine runs at least n statements.
func awaitStatements(t *testing.T, conn driver.Conn, n uint64) {
	t.Helper()
	await(t, func() bool {
		return number(t, conn, t.Context(), "SELECT count() FROM system.processes") >= n
	})
}

// awaitCount waits until the acknowledged rows are readable again.
func awaitCount(t *testing.T, conn driver.Conn, want uint64) {
	t.Helper()
	var got uint64
	var err error
	await(t, func() bool {
		err = conn.QueryRow(t.Context(), "SELECT count() FROM shop.rows WHERE kind != ''").Scan(&got)
		return err == nil
	})
	if got != want {
		t.Errorf("after kill -9: %d acknowledged rows, want %d (%v)", got, want, err)
	}
}

func await(t *testing.T, ready func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited 30 s in vain")
		}
	}
}

func TestNilDereferenceIsStillRecovered(t *testing.T) {
	t.Setenv("SHOMEI_TEST_RECOVER", "1")
	_, log := start(t, t.TempDir())
	await(t, func() bool { return strings.Contains(log.String(), "recovered:") })
	if !strings.Contains(log.String(), "recovered: runtime error: invalid memory address or nil pointer dereference") {
		t.Errorf("log: %s", log)
	}
}

func TestStoppedInOrderItKeepsItsRows(t *testing.T) {
	dir := t.TempDir()
	p, log := start(t, dir)
	conn := dial(t, p, nil)
	run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
	run(t, conn, createRows)
	if err := insert(t.Context(), conn, someRows(10)); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "engine stopped") {
		t.Errorf("no orderly stop:\n%s", log)
	}
	again, _ := start(t, dir)
	if got := number(t, dial(t, again, nil), t.Context(), "SELECT count() FROM shop.rows"); got != 10 {
		t.Errorf("got %d rows after a restart, want 10", got)
	}
}

func TestASecondEngineOnTheSameDataIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := lockDirectory(ctx, dir); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestWrongPasswordAndWrongPlaces(t *testing.T) {
	p, _ := start(t, t.TempDir())
	answer, err := http.Post("http://shomei:guess@"+p.Address()+"/", "text/plain", strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("X-ClickHouse-Exception-Code") != "516" {
		t.Errorf("wrong password: %s, code %s", answer.Status, answer.Header.Get("X-ClickHouse-Exception-Code"))
	}
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:8123", "nonsense", "fd:x"} {
		if _, err := listen(address, ""); !errors.Is(err, ErrListen) {
			t.Errorf("listen %s: got %v, want ErrListen", address, err)
		}
	}
	t.Setenv(LibraryEnv, "/nonexistent/libchdb.so")
	if _, err := FindLibrary(""); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "make engine") {
		t.Errorf("missing library: %v", err)
	}
	_, err = Start(t.Context(), Config{Command: []string{os.Args[0], "engine"}, Path: t.TempDir()})
	if !errors.Is(err, ErrNoLibrary) {
		t.Errorf("start without the library: %v", err)
	}
}

// memoryTarget is the idle resident memory the engine may take.
const memoryTarget = 400 << 10 // KiB

func TestIdleMemory(t *testing.T) {
	p, _ := start(t, t.TempDir())
	conn := dial(t, p, nil)
	run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
	run(t, conn, createRows)
	if err := insert(t.Context(), conn, someRows(100_000)); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("resident after 100,000 rows: %d KiB", kib)
	if kib > memoryTarget {
		t.Errorf("resident memory %d KiB, want at most %d", kib, memoryTarget)
	}
}
