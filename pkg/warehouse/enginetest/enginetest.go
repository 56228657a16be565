// Package enginetest gives tests the real ClickHouse engine: one process for
// each test binary, which is its own engine. Imported by tests only.
package enginetest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/warehouse/engine"
)

var shared struct {
	once    sync.Once
	process *engine.Process
	dir     string
	err     error
}

// Main is the TestMain of a package whose tests call Start: it lets the test binary serve as the engine process, runs
// the tests and stops the engine.
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(serve(os.Args[2:]))
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// serve is the engine command, as cmd/shomei has it.
func serve(args []string) int {
	c := engine.ServeConfig{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	c.Bind(flags)
	_ = flags.Parse(args) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := engine.Serve(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Start returns the engine of this test binary, starting it on the first call. Tests use databases of different names.
func Start(t testing.TB) *engine.Process {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "shomei-engine-"); shared.err != nil {
			return
		}
		shared.process, shared.err = engine.Start(context.Background(), engine.Config{
			Command: []string{os.Args[0], "engine"}, Path: shared.dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
	})
	if shared.err != nil {
		t.Fatalf("starting the engine: %v", shared.err)
	}
	return shared.process
}

func stop() error {
	if shared.process == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := shared.process.Stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(shared.dir)
}
