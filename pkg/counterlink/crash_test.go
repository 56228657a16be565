package counterlink_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

const childVariable = "SHOMEI_COUNTERLINK_TEST_CHILD"

// TestMain is a hub's process when it is started as one, and the tests otherwise.
func TestMain(m *testing.M) {
	told := os.Getenv(childVariable)
	if told == "" {
		os.Exit(m.Run())
	}
	if err := runHub(strings.Fields(told)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runHub writes the id of each claim durably to a file, until stdin ends.
func runHub(told []string) error {
	url, seed, public, path := told[0], told[1], told[2], told[3]
	writer, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return err
	}
	conn, err1 := nats.Connect(url, nats.UserJWTAndSeed(told[4], seed))
	gate, err2 := nats.Connect(url, nats.UserJWTAndSeed(told[5], seed))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|os.O_SYNC, 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	hub, err := counterlink.NewLinks(ctx, counterlink.LinksConfig{
		Conn: conn, Gate: gate, Writer: writer, Logger: quiet(),
		Enrolled: func(context.Context, string) (counterlink.Enrolment, error) {
			return counterlink.Enrolment{PublicKey: public}, nil
		},
		Quarantine: func(_ context.Context, q counterlink.Quarantined) error {
			_, err := fmt.Fprintln(out, "quarantined:", q.Why)
			return err
		},
	})
	if err != nil {
		return err
	}
	if err := hub.Admit([]string{desk}); err != nil {
		return err
	}
	return hub.Claims(ctx, func(_ context.Context, r counterlink.Received) error {
		_, err := fmt.Fprintln(out, r.Claim.GetId())
		return err
	})
}

// However the hub dies, every claim is handled, the first time in its counter's order; one being handled then may be
// handled again.
func TestAHubThatCrashesHandlesEveryClaim(t *testing.T) {
	for _, at := range []string{"counterlink.claim.handled", "counterlink.claim.handled:4", "counterlink.head.saved"} {
		t.Run(at, func(t *testing.T) {
			name, _, _ := strings.Cut(at, ":")
			if !slices.Contains(crashpoint.List(), name) {
				t.Fatalf("no such crash point among %v", crashpoint.List())
			}
			w, box := start(t)
			path := filepath.Join(t.TempDir(), "handled")
			link, _ := w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box})
			dying, _ := w.process(box, path, at)
			for range 6 {
				box.add(t)
				link.Kick()
			}
			err := <-dying
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the hub ended with %v, not by a crash", err)
			}
			for range 6 {
				box.add(t)
				link.Kick()
			}
			want := idsOf(box)
			ended, stdin := w.process(box, path, "")
			natstest.Wait(t, waitLimit, "all claims", func() bool { return slices.Contains(linesOf(t, path), want[len(want)-1]) })
			stdin.Close()
			if err := <-ended; err != nil {
				t.Errorf("the second hub ended with %v", err)
			}
			var first []string
			for _, id := range linesOf(t, path) {
				if !slices.Contains(first, id) {
					first = append(first, id)
				}
			}
			if !slices.Equal(first, want) {
				t.Errorf("handled %v, want %v", first, want)
			}
		})
	}
}

func (w *world) process(box *memory, path, crashAt string) (ended chan error, stdin io.Closer) {
	w.t.Helper()
	seed, err := w.writer.Seed()
	if err != nil {
		w.t.Fatal(err)
	}
	public, _ := box.key.PublicKey()
	hubJWT, err1 := hubserver.SignUser(w.server.Accounts.Log, "hub", w.public, logRights(), 0)
	gateJWT, err2 := hubserver.SignUser(w.server.Accounts.Counters, "gate", w.public, gateRights(), 0)
	if err := errors.Join(err1, err2); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(),
		childVariable+"="+strings.Join([]string{w.url, string(seed), public, path, hubJWT, gateJWT}, " "), crashpoint.Variable+"="+crashAt)
	cmd.Stderr = os.Stderr
	if stdin, err = cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	w.t.Cleanup(func() { cmd.Process.Kill() })
	return ended, stdin
}

func linesOf(t *testing.T, path string) (lines []string) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}
