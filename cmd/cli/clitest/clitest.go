// Package clitest provides commands for the scripts of the programs' tests (testscript).
package clitest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"shomei/pkg/wait"
)

// patience limits each wait of a script; a key pair on a card in software takes a second or two.
const patience = 90 * time.Second

// Exits implements "exits CODE COMMAND…": run a command that must end with that exit code.
func Exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	if code := ExitCode(ts, args[1:]); code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// EventuallyExits implements "eventually-exits CODE COMMAND…": run a command until it ends with that exit code.
func EventuallyExits(ts *testscript.TestScript, _ bool, args []string) {
	if !Await(func() bool { return ExitCode(ts, args[1:]) == args[0] }) {
		ts.Fatalf("never exit code %s\n%s%s", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// ExitCode runs a command and returns its exit code.
func ExitCode(ts *testscript.TestScript, command []string) string {
	err := ts.Exec(command[0], command[1:]...)
	code := 0
	if exit, ok := err.(*exec.ExitError); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	return strconv.Itoa(code)
}

// Eventually implements "eventually PATTERN COMMAND…": run a command until it succeeds and its output matches.
func Eventually(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	ok := Await(func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
	if !ok {
		ts.Fatalf("no match for %s\n%s%s", pattern, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// Await polls until done returns true or patience ends.
func Await(done func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return wait.Until(ctx, 50*time.Millisecond, func() (bool, error) { return done(), nil }) == nil
}

// Build implements "build PROGRAM…": programs of this module beside the one under test, as `make build` does, once for all scripts.
func Build(ts *testscript.TestScript, _ bool, programs []string) {
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	ts.Check(Install(bin, programs...))
}

// ProgramsEnv names the environment variable that says where `make test` has built the programs for the tests of all packages.
const ProgramsEnv = "SHOMEI_TEST_PROGRAMS"

var installing sync.Mutex

// Install puts programs of this module into a folder, unless they are there: links to those that ProgramsEnv names, or else it
// builds them. Linking one takes as long as many a test.
func Install(dir string, programs ...string) error {
	installing.Lock()
	defer installing.Unlock()
	build := []string{"build", "-ldflags=-w", "-o", dir + "/"}
	given := len(build)
	for _, name := range programs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if built := os.Getenv(ProgramsEnv); built == "" {
			build = append(build, "shomei/cmd/"+name)
		} else if err := os.Link(filepath.Join(built, name), path); err != nil {
			return fmt.Errorf("installing %s: %w", name, err)
		}
	}
	if len(build) == given {
		return nil
	}
	if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %v: %w\n%s", programs, err, out)
	}
	return nil
}
