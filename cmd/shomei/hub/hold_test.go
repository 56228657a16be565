package hub

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestOneProgramAtATimeHoldsAFolder: a tool that finds a hub being started neither runs servers of its own on its files nor
// waits for ever.
func TestOneProgramAtATimeHoldsAFolder(t *testing.T) {
	data := t.TempDir()
	first, second := &Hub{Config: Config{Data: data}}, &Hub{Config: Config{Data: data}}
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
