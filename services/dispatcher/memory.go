package dispatcher

import (
	"context"
	"sync"
	"time"
)

// memory spares work that has just been done. What it forgets is done again, which changes nothing.
type memory struct {
	mu sync.Mutex
	// recent and older are the messages sent in the last two stretches of a time.
	recent, older map[string]struct{}
	turned        time.Time
	// ready is when the issuer was last found able to sign.
	ready time.Time
}

// The stream drops repetitions for ten minutes (pkg/counterlink); for as long as that, sending again does nothing.
const stretch = 5 * time.Minute

// readyFor is how long the issuer's word holds: asking costs a signature with each of its keys.
const readyFor = time.Second

func newMemory() *memory {
	return &memory{recent: make(map[string]struct{}), turned: time.Now()}
}

func (m *memory) sent(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	_, recent := m.recent[id]
	_, older := m.older[id]
	return recent || older
}

func (m *memory) note(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	m.recent[id] = struct{}{}
}

// turn is called with the lock held.
func (m *memory) turn() {
	if age := time.Since(m.turned); age > stretch {
		m.older = m.recent
		if age > 2*stretch {
			m.older = nil
		}
		m.recent, m.turned = make(map[string]struct{}), time.Now()
	}
}

// able asks the issuer, unless it has just said yes.
func (m *memory) able(ctx context.Context, ask func(context.Context) error) error {
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
