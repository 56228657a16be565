package desk

import (
	"crypto/rand"
	"sync"
	"time"
)

// openItems bounds what waits on one shelf; the oldest is dropped.
const openItems = 32

// shelf keeps what waits for a clerk's next step, under tokens, for a time. It is kept in memory only, because it names persons.
type shelf[T any] struct {
	// age is how long something waits; required.
	age time.Duration

	mu   sync.Mutex
	open map[string]shelved[T]
}

type shelved[T any] struct {
	item T
	made time.Time
}

// add stores an item and returns its token.
func (s *shelf[T]) add(item T) (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]shelved[T]{}
	}
	s.clear()
	for len(s.open) >= openItems {
		oldest := ""
		for token, other := range s.open {
			if oldest == "" || other.made.Before(s.open[oldest].made) {
				oldest = token
			}
		}
		delete(s.open, oldest)
	}
	token = rand.Text()
	s.open[token] = shelved[T]{item, time.Now()}
	return token
}

// find returns the item of a token; false if it is too old or was never there.
func (s *shelf[T]) find(token string) (item T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	found, ok := s.open[token]
	return found.item, ok
}

func (s *shelf[T]) drop(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, token)
}

// clear removes what is too old. It is called with mu held.
func (s *shelf[T]) clear() {
	for token, other := range s.open {
		if time.Since(other.made) > s.age {
			delete(s.open, token)
		}
	}
}
