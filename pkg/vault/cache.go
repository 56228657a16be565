package vault

import (
	"container/list"
	"sync"
)

const defaultCacheSize = 4096

// cache keeps the keys used last. What leaves it is overwritten.
type cache struct {
	mu    sync.Mutex
	size  int
	order *list.List // of *cached, the one used last in front
	named map[string]*list.Element
}

type cached struct {
	name string
	keys derived
}

func newCache(size int) *cache {
	if size <= 0 {
		size = defaultCacheSize
	}
	return &cache{size: size, order: list.New(), named: map[string]*list.Element{}}
}

func (c *cache) get(name string) (derived, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.named[name]
	if !ok {
		return derived{}, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*cached).keys, true
}

func (c *cache) put(name string, keys derived) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.named[name]; ok {
		return
	}
	c.named[name] = c.order.PushFront(&cached{name, keys})
	if c.order.Len() > c.size {
		c.remove(c.order.Back())
	}
}

func (c *cache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.named[name]; ok {
		c.remove(element)
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(element *list.Element) {
	entry := c.order.Remove(element).(*cached)
	delete(c.named, entry.name)
	entry.keys = derived{}
}
