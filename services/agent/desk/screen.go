package desk

import (
	"fmt"
	"sync"
	"time"

	"shomei/services/agent"
)

// screen is what the resident's screen shows: the procedure that the clerk sent there, and nothing else.
type screen struct {
	mu        sync.Mutex
	procedure string
	// names are those of the persons of procedures that were taken here, in memory only, until they have confirmed.
	names map[string]string
	// thanked is when a resident confirmed last.
	thanked time.Time
	changed chan struct{} // closed and made anew when procedure changes
}

// doneTime is how long the resident is thanked before the screen is blank again.
const doneTime = 15 * time.Second

// keptNames bounds the names in memory.
const keptNames = 256

// name keeps whose procedure it is, to be shown to the person.
func (s *screen) name(procedure, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) >= keptNames {
		clear(s.names)
	}
	s.names[procedure] = name
}

// nameOf returns whose procedure it is; empty when that is not known any more.
func (s *screen) nameOf(procedure string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[procedure]
}

// put shows a procedure on the screen; the empty one blanks it.
func (s *screen) put(procedure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.procedure = procedure
	if procedure != "" {
		s.thanked = time.Time{}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// thank notes that the resident is being thanked; the zero time, that there is nothing to thank for.
func (s *screen) thank(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thanked = at
}

// thanks returns how long the resident is still thanked; zero or less when the screen is blank.
func (s *screen) thanks() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return doneTime - time.Since(s.thanked)
}

// confirmed blanks the screen and forgets whose procedure it was.
func (s *screen) confirmed(procedure string) {
	s.mu.Lock()
	delete(s.names, procedure)
	s.mu.Unlock()
	s.put("")
}

// shown returns the procedure on the screen, and a channel that is closed when that changes.
func (s *screen) shown() (procedure string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procedure, s.changed
}

// sendToScreen shows a procedure that waits for its resident on the resident's screen. agent.ErrNotWaiting.
func (d *Desk) sendToScreen(procedure string) error {
	status, err := d.Counter.Status(procedure)
	if err != nil {
		return err
	}
	if status.Waiting == nil {
		return fmt.Errorf("showing procedure %s to its resident: %w", procedure, agent.ErrNotWaiting)
	}
	d.screen.put(procedure)
	return nil
}

// asked returns the procedure that the clerk sent to the resident's screen while it waits for its resident, otherwise none:
// the screen never turns to another that waits.
func (d *Desk) asked() string {
	id, _ := d.screen.shown()
	if id == "" {
		return ""
	}
	if status, err := d.Counter.Status(id); err != nil || status.Waiting == nil {
		return ""
	}
	return id
}
