package eventlog

import "sync"

// tail holds the newest commits of a stream that this process knows of, by sequence: what it stored itself, which the
// server has acknowledged, and what its feed was sent. Followers take them from here in order, decoded once for all of
// them; whoever is further behind reads from the server.
type tail struct {
	mu      sync.Mutex
	commits map[uint64]*tailed
	order   []uint64 // oldest first
	grown   chan struct{}
	feed    *feed
	// fed is the last sequence that the feed has passed.
	fed uint64
}

// tailed is a commit in a tail.
type tailed struct {
	subject string
	stored

	mu     sync.Mutex
	record Record
	by     *trust // who read it; nil if nobody has
	// unread is why it can't be decoded, unsigned why it must not be believed.
	unread, unsigned error
}

// longestTail bounds the tail of a stream, in commits.
const longestTail = 128

func newTail() *tail {
	return &tail{commits: make(map[uint64]*tailed, longestTail), grown: make(chan struct{})}
}

// put adds what this process has stored.
func (t *tail) put(subject string, s stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(subject, s)
	t.grow()
}

// feedWith adds what the server has sent, in order.
func (t *tail) feedWith(subject string, s stored) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fed = s.sequence
	t.add(subject, s)
	t.grow()
}

// add is called with the lock held.
func (t *tail) add(subject string, s stored) {
	if t.commits[s.sequence] != nil {
		return
	}
	if len(t.order) >= longestTail {
		delete(t.commits, t.order[0])
		t.order = append(t.order[:0], t.order[1:]...)
	}
	t.commits[s.sequence] = &tailed{subject: subject, stored: s}
	t.order = append(t.order, s.sequence)
}

// grow is called with the lock held.
func (t *tail) grow() {
	close(t.grown)
	t.grown = make(chan struct{})
}

// at returns the commit at a sequence, whether the feed has passed it, and a channel that is closed when there is more.
func (t *tail) at(sequence uint64) (c *tailed, passed bool, grown <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.commits[sequence], sequence <= t.fed, t.grown
}

func (t *tail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.commits)
	t.order = nil
}

// read returns the commit's record, and its error for a reader that checks signatures or for one that does not.
func (c *tailed) read(writers *trust, stream string, verified bool) (Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by != writers {
		c.record, c.unread = writers.read(c.subject, c.data, stream, c.sequence, c.at)
		if c.unsigned = c.unread; c.unread == nil {
			c.unsigned = writers.check(c.record)
		}
		c.by = writers
	}
	r, err := c.record, c.unread
	if verified {
		err = c.unsigned
		r.verified = err == nil
	}
	return r, err
}
