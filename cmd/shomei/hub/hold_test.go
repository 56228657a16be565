package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDataFolderHasOneHolder: a tool that finds a starting hub neither runs servers on its files nor waits for ever.
func TestDataFolderHasOneHolder(t *testing.T) {
	data := t.TempDir()
	first, second := &Parts{Config: Config{Data: data}}, &Parts{Config: Config{Data: data}}
	if err := first.hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := second.find(short); !errors.Is(err, ErrHeld) {
		t.Errorf("while another holds the folder: %v", err)
	}
	found := make(chan error, 1)
	go func() {
		_, runs, err := second.find(t.Context())
		if err == nil && runs {
			err = errors.New("a hub was found that does not run")
		}
		found <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-found; err != nil {
		t.Errorf("after it let go: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

// TestStartDoesNotWaitForRunningHub: a second start says at once who is running. The first removes its address before
// it stops, so from then on it is waited for.
func TestStartDoesNotWaitForRunningHub(t *testing.T) {
	data := t.TempDir()
	first, second := &Hub{Parts: &Parts{Config: Config{Data: data}}}, &Parts{Config: Config{Data: data}}
	if err := first.hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs(t, first.Parts)
	first.leave = closers{func() error { return os.Remove(first.path(addressFile)) }}
	err := second.hold(t.Context())
	if !errors.Is(err, ErrRuns) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("beside a hub that runs: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.hold(t.Context()); err != nil {
		t.Errorf("after it has stopped: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

// TestStaleAddressIsIgnored: whoever gets the folder's lock knows that the hub of the address is dead, even if its
// process number is in use by another program.
func TestStaleAddressIsIgnored(t *testing.T) {
	h := &Parts{Config: Config{Data: t.TempDir()}}
	runs(t, h)
	if _, said, err := h.find(t.Context()); said || err != nil {
		t.Errorf("said to run: %v, %v", said, err)
	}
	if _, err := os.Stat(h.path(addressFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the dead hub left: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// runs leaves the address of a hub in this process, without the start time, as an older hub would.
func runs(t *testing.T, h *Parts) {
	t.Helper()
	text, err := json.Marshal(address{PID: os.Getpid(), URL: "tls://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.path(addressFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
