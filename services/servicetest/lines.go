package servicetest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"shomei/pkg/natstest"
)

// Lines keeps what was logged.
type Lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes a line.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Text is everything that was logged.
func (l *Lines) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Await waits until something was logged.
func (l *Lines) Await(t testing.TB, what string) {
	t.Helper()
	natstest.Wait(t, 20*time.Second, "a line that says "+what, func() bool { return strings.Contains(l.Text(), what) })
}
