package e2e

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"

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

// programs builds shomei, shomei-agent and shomei-lab once for a test run and gives their folder.
func programs(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "shomei-e2e-"); program.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-ldflags=-w", "-o", program.dir+"/", "shomei/cmd/shomei", "shomei/cmd/shomei-agent", "shomei/cmd/shomei-lab").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("building the programs: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.dir
}
