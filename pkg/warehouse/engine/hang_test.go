package engine

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAHangingEngineIsStartedAgain stops the process as a debugger does: it lives and says nothing. A question that was
// asked meanwhile is answered afterwards or fails, and does not hang with it.
func TestAHangingEngineIsStartedAgain(t *testing.T) {
	log := new(logBuffer)
	p, err := Start(t.Context(), Config{
		Command: []string{os.Args[0], "engine"}, Path: t.TempDir(), Silence: 3 * time.Second, Stderr: io.Discard, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(t.Context()) })
	conn := dial(t, p, nil)
	run(t, conn, "SELECT 1")
	hangs := p.PID()
	if err := syscall.Kill(hangs, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() { asked <- conn.Exec(t.Context(), "SELECT 1") }()
	await(t, func() bool { return p.Restarts() == 1 && p.PID() != hangs })
	select {
	case err := <-asked:
		t.Logf("asked while it hung: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("a question hangs with the engine")
	}
	run(t, conn, "SELECT 1")
	if !strings.Contains(log.String(), "engine hangs") {
		t.Errorf("nothing said of it:\n%s", log)
	}
}

// TestABusyEngineDoesNotHang: statements on every lane for longer than it may be silent are no silence.
func TestABusyEngineDoesNotHang(t *testing.T) {
	p, err := Start(t.Context(), Config{
		Command: []string{os.Args[0], "engine"}, Path: t.TempDir(), Silence: 3 * time.Second, Lanes: 2, Stderr: io.Discard, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(t.Context()) })
	conn := dial(t, p, nil)
	long := make(chan error, 3)
	for range cap(long) {
		go func() {
			long <- conn.Exec(t.Context(), "SELECT sleepEachRow(1) FROM numbers(9) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0")
		}()
	}
	for range cap(long) {
		if err := <-long; err != nil {
			t.Error(err)
		}
	}
	if p.Restarts() > 0 {
		t.Error("it was killed while it worked")
	}
}

// TestAnEngineThatDoesNotStartAnyMoreIsGivenUp: whoever has started it hears of it, may put its data right, and begins
// again at the same address.
func TestAnEngineThatDoesNotStartAnyMoreIsGivenUp(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	p, err := Start(t.Context(), Config{
		Command: []string{"sh", "-c", `[ -e "$0" ] && exit 1; exec "$@"`, broken, os.Args[0], "engine"}, Path: t.TempDir(),
		Stderr: io.Discard, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(t.Context()) })
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.Broken():
		if !errors.Is(err, ErrStart) {
			t.Errorf("given up for %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
	if err := p.Begin(t.Context()); !errors.Is(err, ErrStart) {
		t.Errorf("begun on the same data: %v", err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if err := p.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, dial(t, p, nil), "SELECT 1")
	if err := p.Halt(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Begin(t.Context()); err != nil {
		t.Error(err)
	}
}
