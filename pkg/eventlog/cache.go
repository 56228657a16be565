package eventlog

import (
	"container/list"
	"context"
	"sync"
)

// head is the verified end of one aggregate. Its slices are shared and never changed.
type head struct {
	revision   uint64
	sequence   uint64
	hash       []byte
	state      []byte
	recordedMS int64
}

// headCache keeps recent heads by subject, up to a number of bytes. A stale head does no harm: the server refuses the
// commit decided on it, and an answer that stores nothing is never taken from a cached head.
type headCache struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List
	items map[string]*list.Element
}

type cachedHead struct {
	subject string
	head    head
}

// headOverhead is about what an entry costs beside its state and subject, in bytes.
const headOverhead = 256

func (c cachedHead) size() int { return headOverhead + len(c.subject) + len(c.head.state) }

func newHeadCache(limit int) *headCache {
	return &headCache{limit: limit, order: list.New(), items: make(map[string]*list.Element)}
}

func (c *headCache) get(subject string) (head, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[subject]
	if !ok {
		return head{}, false
	}
	c.order.MoveToFront(element)
	return element.Value.(cachedHead).head, true
}

func (c *headCache) put(subject string, h head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(subject)
	entry := cachedHead{subject: subject, head: h}
	c.items[subject] = c.order.PushFront(entry)
	c.size += entry.size()
	for c.size > c.limit && c.order.Len() > 0 {
		c.remove(c.order.Back().Value.(cachedHead).subject)
	}
}

func (c *headCache) drop(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(subject)
}

func (c *headCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = 0
	c.order.Init()
	clear(c.items)
}

func (c *headCache) remove(subject string) {
	if element, ok := c.items[subject]; ok {
		c.size -= element.Value.(cachedHead).size()
		c.order.Remove(element)
		delete(c.items, subject)
	}
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
