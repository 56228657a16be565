package counterlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Mismatch is the difference between hub and counter when their heads disagreed at link-up.
type Mismatch struct {
	// Hub is the last claim that the hub accepted; Counter the last one that the counter knows it delivered.
	Hub, Counter Head
	// Since is when this difference first appeared.
	Since time.Time
	// Why wraps ErrHeadMismatch.
	Why error
}

// mismatches holds the counters whose last link-up failed like this.
type mismatches struct {
	mu sync.Mutex
	of map[string]Mismatch
}

// note records the outcome of a counter's last link-up; why is nil if the heads agreed.
func (m *mismatches) note(counter string, hub, told Head, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why == nil {
		delete(m.of, counter)
		return
	}
	if m.of == nil {
		m.of = make(map[string]Mismatch)
	}
	now := Mismatch{Hub: hub, Counter: told, Since: time.Now(), Why: why}
	if before, ok := m.of[counter]; ok && before.Hub.same(hub) && before.Counter.same(told) {
		now.Since = before.Since
	}
	m.of[counter] = now
}

// same reports whether two heads are the same claim.
func (h Head) same(other Head) bool {
	return h.Epoch == other.Epoch && h.Number == other.Number && bytes.Equal(h.Hash, other.Hash)
}

// Mismatch returns the difference at the counter's last link-up; false if the heads agreed, or the counter has not
// linked up since this process began. A counter whose heads differ asks again every few seconds.
func (h *Links) Mismatch(counter string) (Mismatch, bool) {
	h.mismatches.mu.Lock()
	defer h.mismatches.mu.Unlock()
	m, ok := h.mismatches.of[counter]
	return m, ok
}

// ErrMoved: the hub's head of the counter is another than the one on which somebody decided.
var ErrMoved = errors.New("the hub's end of the counter's claims has moved on")

// Adopt sets the head of a counter by a person's decision, after a mismatch was looked into: a new store (epoch, number
// 0), or an accepted gap. Claims continue from there. What is in quarantine stays there. The error is ErrMoved unless the
// hub's head is still the one that the person saw, so a decision is carried out once, however often it is read.
func (h *Links) Adopt(ctx context.Context, counter string, seen, head Head) error {
	l := h.queue(counter)
	l.headMu.Lock()
	defer l.headMu.Unlock()
	if err := l.load(ctx); err != nil {
		return err
	}
	if !l.head.same(seen) {
		return fmt.Errorf("counter %s: %w", counter, ErrMoved)
	}
	head.Sequence, head.Recent, head.Time = l.head.Sequence, nil, l.head.Time.adopted(head.Number)
	if head.Number > 0 && len(head.Hash) >= prefixSize {
		head.Recent = [][]byte{head.Hash[:prefixSize]}
	}
	l.head, l.dirty = head, true
	if err := l.save(ctx); err != nil {
		return fmt.Errorf("adopting the store of counter %s: %w", counter, err)
	}
	h.mismatches.note(counter, head, head, nil)
	return nil
}
