//go:build linux

package pcsc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/card/softcard"
	"shomei/pkg/card/vreader"
)

// service is one pcscd for all tests here: a process can talk to one only.
var service *vreader.Service

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pcsc")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	service, err = vreader.Start(context.Background(), vreader.Config{Dir: dir})
	if err == nil {
		err = service.Use()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer service.Close()
	return m.Run()
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit) // t.Context has ended in cleanups
	t.Cleanup(cancel)
	return ctx
}

// connect waits for the card in the first reader and takes it.
func connect(t *testing.T) *pcsc.Conn {
	t.Helper()
	reader, err := pcsc.WaitCard(within(t, 20*time.Second), vreader.Names[0])
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pcsc.Connect(reader)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// empty leaves the first reader without card, as PC/SC sees it.
func empty(t *testing.T) {
	t.Helper()
	service.Readers[0].Eject()
	if err := pcsc.WaitRemoved(within(t, 20*time.Second), vreader.Names[0]); err != nil {
		t.Fatal(err)
	}
}

func TestReaders(t *testing.T) {
	names, err := pcsc.Readers()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != vreader.Slots || names[0] != vreader.Names[0] || names[1] != vreader.Names[1] {
		t.Errorf("readers %q, expected %q", names, vreader.Names)
	}
}

func TestWriteAndReadThroughPCSC(t *testing.T) {
	service.Readers[0].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	defer empty(t)
	conn := connect(t)
	defer conn.Close()
	if _, err := pcsc.Connect(conn.Reader()); !errors.Is(err, pcsc.ErrInUse) {
		t.Errorf("second connection: %v", err)
	}
	s := cardtest.Session(t, conn, "C1")
	intent := cardtest.Intent("C1", card.MyNumber, "renewal")
	if err := s.Install(intent, cardtest.CA().Issuer(card.MyNumber)); err != nil {
		t.Fatal(err)
	}
	inv, err := s.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	if p := card.Classify(inv, intent); p.State != card.Complete {
		t.Errorf("after the renewal: %v, %s", p.State, p.Reason)
	}
}

func TestClosingForgetsPIN(t *testing.T) {
	service.Readers[0].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	defer empty(t)
	conn := connect(t)
	if err := card.NewSession(conn).Verify(card.Sign, cardtest.PINs[card.Sign]); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	conn = connect(t)
	defer conn.Close()
	if _, err := card.NewSession(conn).Certificate(card.Sign); !errors.Is(err, card.ErrSecurityNotSatisfied) {
		t.Errorf("signature certificate in the next session: %v", err)
	}
}

func TestCardPulledOut(t *testing.T) {
	for name, fault := range map[string]softcard.Fault{"before": softcard.RemoveBefore, "after": softcard.RemoveAfter} {
		t.Run(name, func(t *testing.T) {
			c := cardtest.Ready(t, card.MyNumber, "C1")
			service.Readers[0].Insert(c)
			conn := connect(t)
			c.SetFault(cardtest.FaultAt(3, fault))
			_, err := card.NewSession(conn).Identify()
			if !errors.Is(err, card.ErrRemoved) {
				t.Fatalf("card pulled at its third command: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Errorf("closing after the card is gone: %v", err)
			}
			empty(t)
			if _, err := pcsc.Connect(vreader.Names[0]); !errors.Is(err, card.ErrRemoved) {
				t.Errorf("connecting to the empty reader: %v", err)
			}
			c.SetFault(nil)
			service.Readers[0].Insert(c)
			conn = connect(t)
			defer empty(t)
			defer conn.Close()
			if id, err := card.NewSession(conn).Identify(); err != nil || id.CardID != "C1" {
				t.Errorf("after putting it back: %+v, %v", id, err)
			}
		})
	}
}

func TestQuickSwapIsSeen(t *testing.T) {
	service.Readers[0].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	conn := connect(t)
	defer empty(t)
	defer conn.Close()
	service.Readers[0].Insert(cardtest.Ready(t, card.MyNumber, "C2"))
	s := card.NewSession(conn)
	if id, err := s.Identify(); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("the old connection reaches the new card: %+v, %v", id, err)
	}
}

func TestServiceRestarts(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	service.Readers[0].Insert(c)
	conn := connect(t)
	if err := service.Restart(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := card.NewSession(conn).Identify(); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("over the dead service: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("closing over the dead service: %v", err)
	}
	conn = connect(t)
	defer empty(t)
	defer conn.Close()
	if _, err := card.NewSession(conn).Identify(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

// TestServiceDies kills pcscd from outside: it is started again with the card that lies in the reader.
func TestServiceDies(t *testing.T) {
	service.Readers[0].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	conn := connect(t)
	if err := syscall.Kill(service.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil { // until the death is felt
		_, err = card.NewSession(conn).Identify()
	}
	if !errors.Is(err, card.ErrRemoved) {
		t.Errorf("over the dead service: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("closing over the dead service: %v", err)
	}
	conn = connect(t)
	defer empty(t)
	defer conn.Close()
	if id, err := card.NewSession(conn).Identify(); err != nil || id.CardID != "C1" {
		t.Errorf("after its death: %+v, %v", id, err)
	}
}

// TestPresentIsCertain asks full and empty readers, by name and without.
func TestPresentIsCertain(t *testing.T) {
	present := func(reader, want string) {
		t.Helper()
		if got, err := pcsc.Present(within(t, 20*time.Second), reader); err != nil || got != want {
			t.Errorf("in reader %q: %q, %v, want %q", reader, got, err, want)
		}
	}
	empty(t)
	present("", "")
	present(vreader.Names[0], "")
	service.Readers[1].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	if _, err := pcsc.WaitCard(within(t, 20*time.Second), vreader.Names[1]); err != nil {
		t.Fatal(err)
	}
	present("", vreader.Names[1])
	present(vreader.Names[0], "")
	service.Readers[1].Eject()
	if err := pcsc.WaitRemoved(within(t, 20*time.Second), vreader.Names[1]); err != nil {
		t.Fatal(err)
	}
	present("", "")
}

func TestWaitsAcrossRestart(t *testing.T) {
	empty(t)
	type answer struct {
		reader string
		err    error
	}
	got := make(chan answer, 1)
	ctx := within(t, 30*time.Second)
	go func() {
		reader, err := pcsc.WaitCard(ctx, "")
		got <- answer{reader, err}
	}()
	if err := service.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	service.Readers[1].Insert(cardtest.Ready(t, card.MyNumber, "C1"))
	defer service.Readers[1].Eject()
	if a := <-got; a.err != nil || a.reader != vreader.Names[1] {
		t.Errorf("waiting for any card: %+v", a)
	}
}

func TestWaitingEndsWithContext(t *testing.T) {
	empty(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := pcsc.WaitCard(ctx, vreader.Names[0])
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled wait: %v", err)
	}
}
