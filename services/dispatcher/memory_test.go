package dispatcher

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestMemoryForgetsOldMessages(t *testing.T) {
	m := newMemory()
	m.note("a")
	if !m.sent("a") || m.sent("b") {
		t.Fatal("remembers another message than was noted")
	}
	m.turned = m.turned.Add(-stretch - time.Second)
	m.note("b")
	if !m.sent("a") || !m.sent("b") {
		t.Fatal("forgot a message while the stream still drops repetitions")
	}
	m.turned = m.turned.Add(-stretch - time.Second)
	if m.sent("a") || !m.sent("b") {
		t.Fatal("should remember b only")
	}
	m.turned = m.turned.Add(-2*stretch - time.Second)
	if m.sent("b") {
		t.Fatal("it remembers for longer than the stream drops repetitions")
	}
}

func TestMemoryRemembersOnlySuccess(t *testing.T) {
	m, asked, broken := newMemory(), 0, errors.New("no key")
	answer := broken
	ask := func(context.Context) error { asked++; return answer }
	for range 2 {
		if err := m.canSign(t.Context(), ask); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
	answer = nil
	for range 3 {
		if err := m.canSign(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 3 {
		t.Errorf("the issuer was asked %d times, want 3: a yes holds for a moment, a no does not", asked)
	}
	m.ready = m.ready.Add(-2 * readyFor)
	answer = broken
	if err := m.canSign(t.Context(), ask); !errors.Is(err, broken) {
		t.Errorf("an old yes was believed")
	}
}
