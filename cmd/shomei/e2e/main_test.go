package e2e

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"shomei/cmd/cli/clitest"
	"shomei/pkg/warehouse/engine"
)

// TestMain lets the test binary be, by its first argument, the engine and the centre, each a process that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "engine":
			os.Exit(serveEngine(os.Args[2:]))
		case "centre":
			os.Exit(serveCentre(os.Args[2:]))
		}
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "4") // the processes of a world wait for each other most of the time
	}
	code := m.Run()
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

// serveEngine is the engine command, as cmd/shomei has it.
func serveEngine(args []string) int {
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

// soak says that everything is tried at length, and not only what a change needs.
func soak() bool { return os.Getenv("SHOMEI_SOAK") != "" }

var program struct {
	once sync.Once
	dir  string
	err  error
}

// programs gives the folder of shomei, shomei-agent and shomei-lab.
func programs(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "shomei-e2e-"); program.err == nil {
			program.err = clitest.Install(program.dir, "shomei", "shomei-agent", "shomei-lab")
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.dir
}
