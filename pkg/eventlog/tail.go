package eventlog

import "sync"

// tail holds what this process last stored in a stream, by sequence. The server has acknowledged each, so followers in
// this process may take them from here in order, before the server sends them; what others wrote in between comes from
// the server, as does everything when the tail doesn't reach back far enough.
type tail struct {
	mu      sync.Mutex
	commits map[uint64]tailed
	order   []uint64 // oldest first
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

// at returns the commit at a sequence, and a channel that is closed when there is more.
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
