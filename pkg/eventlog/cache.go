package eventlog

import (
	"bytes"
	"container/list"
	"context"
	"sync"
	"time"
)

// head is the verified end of one aggregate. Its slices are shared and never changed.
type head struct {
	revision   uint64
	sequence   uint64
	hash       []byte
	state      []byte
	recordedMS int64
	// at is when it was certainly the end: the server had just said so, or had accepted the commit.
	at time.Time
}

func (h head) size() int { return len(h.state) }

// fresh is how long a remembered head or history may stand in for the log, where that is harmless.
const fresh = 2 * time.Second

// known reports whether a follower of r may take this head for the end: it includes r, was the end a moment ago, and r
// is at its own sequence, so that a replayed old commit isn't skipped.
func (h head) known(r Record) bool {
	return time.Since(h.at) <= fresh && h.revision >= r.Commit.GetRevision() && h.sequence >= r.Sequence
}

// continuedBy reports whether r is the next commit, signed and chained to this head.
func (h head) continuedBy(r Record) bool {
	return r.verified && r.Commit.GetRevision() == h.revision+1 && r.Sequence > h.sequence && bytes.Equal(r.Commit.GetPreviousHash(), h.hash)
}

// past holds all commits of one aggregate up to a revision, verified, as stored. It only ever grows.
type past []stored

type stored struct {
	sequence uint64
	at       time.Time
	data     []byte
}

func (p past) size() int {
	size := 0
	for _, s := range p {
		size += len(s.data) + storedOverhead
	}
	return size
}

const (
	// entryOverhead and storedOverhead estimate what a cache entry and a commit in it cost besides their bytes.
	entryOverhead  = 256
	storedOverhead = 64
	// longestPast bounds the history kept of one aggregate, in bytes.
	longestPast = 256 << 10
)

// cache is an LRU cache by subject, bounded in bytes. Stale entries do no harm: the server refuses a commit decided on
// an old head, and an outcome that stores nothing is never based on a cached head.
type cache[V interface{ size() int }] struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List
	items map[string]*list.Element
}

type cached[V interface{ size() int }] struct {
	subject string
	value   V
	size    int
}

func newCache[V interface{ size() int }](limit int) *cache[V] {
	return &cache[V]{limit: limit, order: list.New(), items: make(map[string]*list.Element)}
}

func (c *cache[V]) get(subject string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[subject]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(element)
	return element.Value.(cached[V]).value, true
}

func (c *cache[V]) put(subject string, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(subject)
	entry := cached[V]{subject, value, entryOverhead + len(subject) + value.size()}
	c.items[subject] = c.order.PushFront(entry)
	c.size += entry.size
	for c.size > c.limit && c.order.Len() > 0 {
		c.remove(c.order.Back().Value.(cached[V]).subject)
	}
}

func (c *cache[V]) drop(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(subject)
}

func (c *cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = 0
	c.order.Init()
	clear(c.items)
}

func (c *cache[V]) remove(subject string) {
	if element, ok := c.items[subject]; ok {
		c.size -= element.Value.(cached[V]).size
		c.order.Remove(element)
		delete(c.items, subject)
	}
}

// memory holds what this process has verified of the most recently used aggregates.
type memory struct {
	heads *cache[head]
	pasts *cache[past]
	// growing guards extending an entry.
	growing *sync.Mutex
}

func newMemory(limit int) memory {
	return memory{heads: newCache[head](limit), pasts: newCache[past](limit), growing: new(sync.Mutex)}
}

// grow extends an aggregate's history by a commit, which may already be in it. A history with a gap before the commit,
// or a long one, is dropped.
func (m memory) grow(subject string, h head, s stored) {
	m.growing.Lock()
	defer m.growing.Unlock()
	if known, ok := m.heads.get(subject); !ok || known.revision < h.revision || known.revision == h.revision && known.at.Before(h.at) {
		m.heads.put(subject, h)
	}
	known, _ := m.pasts.get(subject)
	switch n := uint64(len(known)); {
	case n >= h.revision:
	case n+1 < h.revision || known.size()+len(s.data) > longestPast:
		m.pasts.drop(subject)
	default:
		m.pasts.put(subject, append(known[:n:n], s))
	}
}

func (m memory) drop(subject string) {
	m.heads.drop(subject)
	m.pasts.drop(subject)
}

func (m memory) clear() {
	m.heads.clear()
	m.pasts.clear()
}

// subjectLocks lets one goroutine at a time decide on a subject: others would only conflict.
type subjectLocks struct {
	mu   sync.Mutex
	held map[string]*subjectLock
}

type subjectLock struct {
	turn    chan struct{}
	waiting int
}

func (l *subjectLocks) acquire(ctx context.Context, subject string) (release func(), err error) {
	l.mu.Lock()
	lock, ok := l.held[subject]
	if !ok {
		lock = &subjectLock{turn: make(chan struct{}, 1)}
		l.held[subject] = lock
	}
	lock.waiting++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if lock.waiting--; lock.waiting == 0 {
			delete(l.held, subject)
		}
	}
	select {
	case lock.turn <- struct{}{}:
		return func() { <-lock.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
