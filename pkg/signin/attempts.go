package signin

import (
	"cmp"
	"fmt"
	"time"
)

// Failed sign-ins are answered ever more slowly: an officer's own after a few, all of them after many. Both waits are short,
// because whoever fails on purpose must not keep the officers out.
const (
	freeOwn, freeAll = 3, 30
	longestOwn       = time.Minute
	longestAll       = 5 * time.Second
)

// TooMany is the error of a sign-in that comes too soon after failed ones.
type TooMany struct {
	// Wait is how long until the next one is judged.
	Wait time.Duration
}

func (t *TooMany) Error() string { return fmt.Sprintf("too many failed sign-ins, wait %s", t.Wait) }

// attempts counts failed sign-ins, by officer and in all. Its zero value has counted none.
type attempts struct {
	own map[string]*failures
	all failures
	// longest is an officer's own longest wait; zero: longestOwn.
	longest time.Duration
}

type failures struct {
	count int
	until time.Time
}

// TryCode calls judge, which returns an error if a typed code is wrong; wrong ones are answered as slowly as failed sign-ins. A right one
// never waits: it can't be guessed, and whoever types wrong ones must not keep anybody out.
// Codes of officers are counted by themselves. Errors, besides those of judge: a *TooMany.
func (s *Site) TryCode(typed string, judge func() error) error {
	_, unknown := s.cfg.ByCode(typed)
	if unknown != nil {
		typed = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := judge(); err != nil {
		return s.codes.wrong(typed, s.cfg.Now(), err)
	}
	s.codes.succeeded(typed)
	return nil
}

// wrong returns what whoever failed is told: why, or that they come too soon after others, which then does not count.
func (a *attempts) wrong(code string, now time.Time, why error) error {
	if wait := a.wait(code, now); wait > 0 {
		return &TooMany{wait}
	}
	a.failed(code, now)
	return why
}

// wait returns how long until a sign-in as an officer is judged; code is empty if the passkey is nobody's.
func (a *attempts) wait(code string, now time.Time) time.Duration {
	wait := a.all.left(longestAll, now)
	if own := a.own[code]; own != nil {
		wait = max(wait, own.left(cmp.Or(a.longest, longestOwn), now))
	}
	return wait
}

// left returns how much of a wait is left; none of one that is longer than any, because the clock was set back.
func (f *failures) left(longest time.Duration, now time.Time) time.Duration {
	if left := f.until.Sub(now); left <= longest {
		return left
	}
	return 0
}

// failed counts a failure. Only codes of officers are counted by themselves, so their number is bounded.
func (a *attempts) failed(code string, now time.Time) {
	a.all.add(freeAll, longestAll, now)
	if code == "" {
		return
	}
	if a.own == nil {
		a.own = map[string]*failures{}
	}
	if a.own[code] == nil {
		a.own[code] = &failures{}
	}
	a.own[code].add(freeOwn, cmp.Or(a.longest, longestOwn), now)
}

// succeeded forgets the failures of an officer, and those in all: somebody who may has come in.
func (a *attempts) succeeded(code string) {
	delete(a.own, code)
	a.all = failures{}
}

// add counts a failure: beyond the free ones, the wait doubles from one second to the longest.
func (f *failures) add(free int, longest time.Duration, now time.Time) {
	f.count++
	if over := f.count - free; over > 0 {
		f.until = now.Add(min(longest, time.Second<<min(over-1, 12)))
	}
}
