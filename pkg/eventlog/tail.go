package eventlog

import "sync"

// tail is what this process stored in a stream last, by sequence. The server has acknowledged each, so followers in this
// process may take them here, in their order, before the server gets to send them; what others wrote in between comes
// from the server, as does everything when the tail does not reach back far enough.
type tail struct {
	mu      sync.Mutex
	commits map[uint64]tailed
	order   []uint64 // as they came, the oldest first
	grown   chan struct{}
}

type tailed struct {
	subject string
	stored
}

// longestTail bounds the tail of a stream, in commits.
const longestTail = 128

func newTail() *tail {
	return &tail{commits: make(map[uint64]tailed, longestTail), grown: make(chan struct{})}
}

func (t *tail) put(subject string, s stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) >= longestTail {
		delete(t.commits, t.order[0])
		t.order = append(t.order[:0], t.order[1:]...)
	}
	t.commits[s.sequence] = tailed{subject, s}
	t.order = append(t.order, s.sequence)
	close(t.grown)
	t.grown = make(chan struct{})
}

// at gives the commit at a sequence, and what is closed when there is more.
func (t *tail) at(sequence uint64) (c tailed, ok bool, grown <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok = t.commits[sequence]
	return c, ok, t.grown
}

func (t *tail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.commits)
	t.order = nil
}
