// Package crashpoint names the places between two durable steps, so that tests can kill a process exactly there and see
// that nothing was lost or doubled. In production a point costs one comparison.
package crashpoint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Variable is the environment variable that arms a point: its name, and after a colon the visit at which to die
// ("agent.claim.stored:3"); without it the first visit.
const Variable = "SHOMEI_CRASH_AT"

// Point is one place in the code. Register makes it, Hit marks the visit.
type Point string

var (
	mu     sync.Mutex
	points []string
	armed  = arm(os.Getenv(Variable))
)

type target struct {
	name  string
	after atomic.Int64
}

func arm(value string) *target {
	name, visit, found := strings.Cut(value, ":")
	if name == "" {
		return nil
	}
	t := &target{name: name}
	t.after.Store(1)
	if n, err := strconv.ParseInt(visit, 10, 64); found && err == nil && n > 0 {
		t.after.Store(n)
	}
	return t
}

// Register names a point, as a package variable: the list of points is complete before main begins.
func Register(name string) Point {
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(points, name) {
		points = append(points, name)
	}
	return Point(name)
}

// Hit ends the process at once with SIGKILL when the point is armed and its visit has come: no deferred call runs, no
// buffer is flushed, as when the power fails.
func (p Point) Hit() {
	if armed != nil && armed.name == string(p) && armed.after.Add(-1) == 0 {
		kill()
	}
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing can be done when the kernel refuses to kill us
	select {}
}

// List returns the names of all points of this binary, sorted.
func List() []string {
	mu.Lock()
	defer mu.Unlock()
	return slices.Sorted(slices.Values(points))
}
