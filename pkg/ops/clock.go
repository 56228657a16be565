package ops

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"shomei/pkg/durable"
)

var (
	// ErrBackwards: a clock was asked to go back.
	ErrBackwards = errors.New("a settable clock never goes back")
	// ErrNotSettable: the system clock was asked to move.
	ErrNotSettable = errors.New("the system clock is not ours to set")
)

// Clock gives the time of a process: the system's, or one file's. A settable clock stands still between calls of
// Advance, is shared by every process that opens the same file, and marks the log simulated for good.
type Clock struct {
	file   string
	mu     sync.Mutex
	latest time.Time
	// seen is the file when it was last read; nil if it may have been replaced within the same moment.
	seen os.FileInfo
}

// SystemClock returns the clock for production.
func SystemClock() *Clock { return &Clock{} }

// OpenClock opens the settable clock in the file at path, which holds one instant in RFC 3339. A missing file is
// created with the instant begin.
func OpenClock(path string, begin time.Time) (*Clock, error) {
	c := &Clock{file: path}
	at, err := readInstant(path)
	if errors.Is(err, os.ErrNotExist) {
		at, err = begin, writeInstant(path, begin)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the settable clock: %w", err)
	}
	c.latest = at
	return c, nil
}

// Simulated reports whether this is a settable clock.
func (c *Clock) Simulated() bool { return c.file != "" }

// Now returns the time. A settable clock's file is checked each time; if it is unreadable or was set back, Now returns
// the latest instant seen.
func (c *Clock) Now() time.Time {
	if c.file == "" {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if info, err := os.Stat(c.file); err == nil && !c.isSeen(info) {
		c.read(info)
	}
	return c.latest
}

// isSeen reports whether the file, which is only ever replaced, is the one that was read.
func (c *Clock) isSeen(info os.FileInfo) bool {
	return c.seen != nil && os.SameFile(info, c.seen) && info.ModTime().Equal(c.seen.ModTime())
}

// fileMoment is how long a file system may give two files the same time: a file that young is read again.
const fileMoment = 100 * time.Millisecond

// read is called with the lock held and what was known of the file before.
func (c *Clock) read(info os.FileInfo) {
	at, err := readInstant(c.file)
	if err != nil {
		return
	}
	c.move(at)
	if c.seen = info; time.Since(info.ModTime()) < fileMoment {
		c.seen = nil
	}
}

// Advance moves a settable clock forward to the instant to, for every process
// that shares its file. It fails with ErrBackwards or ErrNotSettable.
func (c *Clock) Advance(to time.Time) error {
	if c.file == "" {
		return ErrNotSettable
	}
	if now := c.Now(); to.Before(now) {
		return fmt.Errorf("%w: it is %s, asked for %s", ErrBackwards, now.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if err := writeInstant(c.file, to); err != nil {
		return fmt.Errorf("advancing the clock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move(to)
	return nil
}

// move is called with the lock held.
func (c *Clock) move(to time.Time) {
	if to.After(c.latest) {
		c.latest = to
	}
}

func readInstant(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s does not hold an RFC 3339 time: %w", path, err)
	}
	return at, nil
}

// writeInstant replaces the whole file, so that a reader in another process never sees half of it.
func writeInstant(path string, at time.Time) error {
	return durable.WriteFile(path, []byte(at.Format(time.RFC3339Nano)+"\n"))
}
