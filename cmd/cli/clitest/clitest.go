// Package clitest provides commands for the scripts of the programs' tests (testscript).
package clitest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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

// Build implements "build PROGRAM…": build programs of this module beside the one under test, as `make build` does.
func Build(ts *testscript.TestScript, _ bool, programs []string) {
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	for _, name := range programs {
		out, err := exec.Command("go", "build", "-ldflags=-w", "-o", filepath.Join(bin, name), "shomei/cmd/"+name).CombinedOutput()
		if err != nil {
			ts.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
}
