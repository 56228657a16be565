package counterlink

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// Mismatch is what hub and counter told each other when their heads differed at link-up.
type Mismatch struct {
	// Hub is the last claim that the hub took; Counter the last one that the counter knows to have delivered.
	Hub, Counter Head
	// Since is when they first differed in this way.
	Since time.Time
	// Why unwraps to ErrHeadMismatch.
	Why error
}

// mismatches are the counters whose last link-up failed so.
type mismatches struct {
	mu sync.Mutex
	of map[string]Mismatch
}

// note keeps what the last link-up of a counter showed; why is nil when the heads agreed.
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

// Mismatch gives what differed at the counter's last link-up; false when the heads agreed, or the counter has not linked
// up since this process began. A counter whose heads differ asks again every few seconds.
func (h *Hub) Mismatch(counter string) (Mismatch, bool) {
	h.mismatches.mu.Lock()
	defer h.mismatches.mu.Unlock()
	m, ok := h.mismatches.of[counter]
	return m, ok
}

// Adopt sets the head of a counter by a person's decision, after a mismatch was looked into: a new store (epoch, number
// 0), or a gap that is accepted. Claims go on from there. What stands in quarantine stays there.
func (h *Hub) Adopt(ctx context.Context, counter string, head Head) error {
	l := h.lane(counter)
	l.headMu.Lock()
	defer l.headMu.Unlock()
	if err := l.load(ctx); err != nil {
		return err
	}
	head.Sequence, head.Recent, head.Time = l.head.Sequence, nil, l.head.Time.adopted(head.Number)
	if head.Number > 0 && len(head.Hash) >= prefixSize {
		head.Recent = [][]byte{head.Hash[:prefixSize]}
	}
	l.head, l.dirty = head, true
	if err := l.save(ctx); err != nil {
		return fmt.Errorf("adopting the store of counter %s: %w", counter, err)
	}
	return nil
}
