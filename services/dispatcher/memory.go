package dispatcher

import (
	"context"
	"sync"
	"time"
)

// memory avoids repeating recent work. What it forgets is done again, which changes nothing.
type memory struct {
	mu sync.Mutex
	// recent and older are the messages sent in the current stretch of time and the one before.
	recent, older map[string]struct{}
	turned        time.Time
	// ready is when the issuer was last able to sign.
	ready time.Time
}

// The stream drops repetitions for ten minutes (pkg/counterlink); two stretches are as long as that.
const stretch = 5 * time.Minute

// readyFor is how long the issuer's answer is good: asking costs a signature with each of its keys.
const readyFor = time.Second

func newMemory() *memory {
	return &memory{recent: make(map[string]struct{}), turned: time.Now()}
}

func (m *memory) sent(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rotate()
	_, recent := m.recent[id]
	_, older := m.older[id]
	return recent || older
}

func (m *memory) note(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rotate()
	m.recent[id] = struct{}{}
}

// rotate must be called with the lock held.
func (m *memory) rotate() {
	if age := time.Since(m.turned); age > stretch {
		m.older = m.recent
		if age > 2*stretch {
			m.older = nil
		}
		m.recent, m.turned = make(map[string]struct{}), time.Now()
	}
}

// canSign asks the issuer whether it can sign, unless it just said so.
func (m *memory) canSign(ctx context.Context, ask func(context.Context) error) error {
	m.mu.Lock()
	fresh := time.Since(m.ready) < readyFor
	m.mu.Unlock()
	if fresh || ask == nil {
		return nil
	}
	if err := ask(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = time.Now()
	return nil
}
