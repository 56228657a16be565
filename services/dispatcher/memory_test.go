package dispatcher

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestMemoryForgetsWhatIsOld(t *testing.T) {
	m := newMemory()
	m.note("a")
	if !m.sent("a") || m.sent("b") {
		t.Fatal("it knows another than it was told")
	}
	m.turned = m.turned.Add(-stretch - time.Second)
	m.note("b")
	if !m.sent("a") || !m.sent("b") {
		t.Fatal("it forgot within the time in which the stream drops repetitions")
	}
	m.turned = m.turned.Add(-stretch - time.Second)
	if m.sent("a") || !m.sent("b") {
		t.Fatal("it should know b only")
	}
	m.turned = m.turned.Add(-2*stretch - time.Second)
	if m.sent("b") {
		t.Fatal("it remembers for longer than the stream drops repetitions")
	}
}

func TestMemoryBelievesOnlyAYes(t *testing.T) {
	m, asked, broken := newMemory(), 0, errors.New("no key")
	answer := broken
	ask := func(context.Context) error { asked++; return answer }
	for range 2 {
		if err := m.able(t.Context(), ask); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
	answer = nil
	for range 3 {
		if err := m.able(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 3 {
		t.Errorf("the issuer was asked %d times, want 3: a yes holds for a moment, a no does not", asked)
	}
	m.ready = m.ready.Add(-2 * readyFor)
	answer = broken
	if err := m.able(t.Context(), ask); !errors.Is(err, broken) {
		t.Errorf("an old yes was believed")
	}
}
