package eventlog

import (
	"crypto/sha256"
	"sync"
)

// believed are the commits whose signature was checked last in this process, or made in it, by the hash of the whole
// message. Several followers read each commit; its signature need not be checked by each. It stands for the signature
// and the writer's right only, under the trust it was made for: place, chain and sequence are looked at every time.
type believed struct {
	mu            sync.Mutex
	recent, older map[[sha256.Size]byte]struct{}
}

// mostBelieved is how many are remembered in each of the two halves.
const mostBelieved = 4096

func newBelieved() *believed { return &believed{recent: make(map[[sha256.Size]byte]struct{})} }

func (b *believed) has(hash [sha256.Size]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, recent := b.recent[hash]
	_, older := b.older[hash]
	return recent || older
}

func (b *believed) add(hash [sha256.Size]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.recent) >= mostBelieved {
		b.older, b.recent = b.recent, make(map[[sha256.Size]byte]struct{})
	}
	b.recent[hash] = struct{}{}
}
