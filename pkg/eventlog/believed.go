package eventlog

import (
	"crypto/sha256"
	"sync"
)

// believed holds the hashes of the messages whose signature this process last verified or made, so that each commit is
// verified once, however many followers read it. It vouches for the signature and the writer's right only, under the
// trust it was made for; subject, chain and sequence are checked every time.
type believed struct {
	mu            sync.Mutex
	recent, older map[[sha256.Size]byte]struct{}
}

// mostBelieved is the size of each of its two halves.
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
