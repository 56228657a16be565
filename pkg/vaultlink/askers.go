package vaultlink

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

const (
	// workBytes is how much of one writer's requests is at work at once, each counted as leastWork at least: 256 small
	// ones, or fifteen of the largest.
	workBytes = 16 << 20
	leastWork = 64 << 10
	// maxNonces is how many requests of one writer the vault remembers, which bounds how many it takes within validFor:
	// 4,000 a second.
	maxNonces = 1 << 18
	// nonceSpan groups nonces that are forgotten together.
	nonceSpan = 10 * time.Second
)

// asker is what the vault knows of one writer. Each has bounds of its own, so that a stolen key keeps no other service
// from its keys. There are as many as writers are enrolled.
type asker struct {
	work  *semaphore.Weighted
	lines rate.Sometimes // log lines about it

	mu sync.Mutex
	// seen holds the nonces of requests that still count as new, by the span of time in which they were made.
	seen  map[int64]map[[nonceSize]byte]struct{}
	count int
}

func newAsker() *asker {
	return &asker{
		work: semaphore.NewWeighted(workBytes), lines: someLines(), seen: make(map[int64]map[[nonceSize]byte]struct{}),
	}
}

// someLines bounds log lines that somebody outside can bring about; the metrics count all.
func someLines() rate.Sometimes { return rate.Sometimes{First: 3, Interval: time.Minute} }

// errTwice: somebody sends a request once more.
var errTwice = errors.New("the request was sent before")

// enter takes a request of size bytes into work, once and while it is new; leave ends its work. Errors are errBusy and
// what the asker is told.
func (a *asker) enter(nonce []byte, made, now time.Time, size int) (leave func(), err error) {
	if off := now.Sub(made); off > validFor || off < -validFor {
		return nil, fmt.Errorf("the request was made at %s and it is %s: set the clocks right",
			made.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	weight := int64(max(size, leastWork))
	if !a.work.TryAcquire(weight) {
		return nil, errBusy
	}
	leave = func() { a.work.Release(weight) }
	if err := a.note([nonceSize]byte(nonce), made, now); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// note remembers a nonce, unless it is remembered already.
func (a *asker) note(nonce [nonceSize]byte, made, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	span := spanOf(made)
	if _, twice := a.seen[span][nonce]; twice {
		return errTwice
	}
	if a.count >= maxNonces {
		return errBusy
	}
	if a.seen[span] == nil {
		a.seen[span] = make(map[[nonceSize]byte]struct{})
	}
	a.seen[span][nonce] = struct{}{}
	a.count++
	return nil
}

// forget drops the spans that ended before what is still new.
func (a *asker) forget(now time.Time) {
	oldest := spanOf(now.Add(-validFor))
	for span, nonces := range a.seen {
		if span < oldest {
			a.count -= len(nonces)
			delete(a.seen, span)
		}
	}
}

func spanOf(t time.Time) int64 { return t.UnixMilli() / nonceSpan.Milliseconds() }
