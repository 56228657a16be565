package hub

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunsAtIgnoresDeadProcesses(t *testing.T) {
	self := startOf(os.Getpid())
	if !strings.Contains(self, "/") || startOf(os.Getpid()) != self || startOf(1) == self || startOf(-1) != "" {
		t.Fatalf("this process started at %q, process 1 at %q", self, startOf(1))
	}
	for name, row := range map[string]struct {
		at   address
		runs bool
	}{
		"this process":                   {address{PID: os.Getpid(), Started: self}, true},
		"an older file":                  {address{PID: os.Getpid()}, true},
		"its number given to another":    {address{PID: 1, Started: self}, false},
		"killed, and its number is free": {address{PID: 1 << 30, Started: self}, false},
	} {
		h := &Parts{Config: Config{Data: t.TempDir()}}
		text, err := json.Marshal(row.at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Data, addressFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, runs := h.runsAt(); runs != row.runs {
			t.Errorf("%s: runs %v", name, runs)
		}
	}
}
