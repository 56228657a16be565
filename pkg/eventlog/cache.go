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
	// at is when it was the end for sure: the server had just said so, by a read or by taking the commit.
	at time.Time
}

func (h head) size() int { return len(h.state) }

// fresh is how long a head and a history from memory may stand for those in the log, where that is harmless.
const fresh = 2 * time.Second

// known reports whether a follower of r may take this head for the end: it reaches r, it was the end a moment ago, and r
// stands where it should, so that an old commit that was put in again is not passed over.
func (h head) known(r Record) bool {
	return time.Since(h.at) <= fresh && h.revision >= r.Commit.GetRevision() && h.sequence >= r.Sequence
}

// continuedBy reports whether r is the very next commit, signed and chained to this head.
func (h head) continuedBy(r Record) bool {
	return r.verified && r.Commit.GetRevision() == h.revision+1 && r.Sequence > h.sequence && bytes.Equal(r.Commit.GetPreviousHash(), h.hash)
}

// past are all commits of one aggregate up to a revision, verified, as they stand in the log. It only ever grows.
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
	// entryOverhead and storedOverhead are about what a cache's entry and a commit in it cost beside their bytes.
	entryOverhead  = 256
	storedOverhead = 64
	// longestPast bounds what one aggregate may take of the memory for histories, in bytes.
	longestPast = 256 << 10
)

// cache keeps what was used last by subject, up to a number of bytes. What is old in it does no harm: the server refuses
// the commit decided on an old head, and an answer that stores nothing is never taken from a cached one.
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

// memory is what this process has verified and still knows of the aggregates used last.
type memory struct {
	heads *cache[head]
	pasts *cache[past]
	// growing is held while what is known is continued.
	growing *sync.Mutex
}

func newMemory(limit int) memory {
	return memory{heads: newCache[head](limit), pasts: newCache[past](limit), growing: new(sync.Mutex)}
}

// grow continues what is known by a commit: the next one, or one that is known already. A history that is not known as
// far as that, or is too long, is forgotten.
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

// subjectLocks lets one goroutine of this process at a time decide on a subject: others would only conflict.
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
