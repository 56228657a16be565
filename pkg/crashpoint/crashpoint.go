// Package crashpoint names the places between two durable steps, so that tests can kill a process exactly there and
// check that nothing was lost or doubled. In production a point costs one comparison.
package crashpoint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Variable is the environment variable that arms points: their names, separated by commas, each optionally followed by
// a colon and the visit at which to die ("agent.claim.stored:3,ra.decided"); by default the first. The process dies at
// whichever comes first.
const Variable = "SHOMEI_CRASH_AT"

// ReportVariable is the environment variable that names a file to which a process that dies at a point appends the
// point's name, on a line of its own.
const ReportVariable = "SHOMEI_CRASH_REPORT"

// Point is one place in the code. Register makes it, Hit marks the visit.
type Point string

var (
	mu     sync.Mutex
	points []string
	armed  = arm(os.Getenv(Variable))
	report = os.Getenv(ReportVariable)
	dying  sync.Mutex // never unlocked: only one point kills the process
)

// arm returns how many visits are left for each armed point, or nil.
func arm(value string) map[Point]*atomic.Int64 {
	var left map[Point]*atomic.Int64
	for one := range strings.SplitSeq(value, ",") {
		name, visit, _ := strings.Cut(one, ":")
		if name == "" {
			continue
		}
		if left == nil {
			left = make(map[Point]*atomic.Int64)
		}
		n, err := strconv.ParseInt(visit, 10, 64)
		if err != nil || n < 1 {
			n = 1
		}
		left[Point(name)] = new(atomic.Int64)
		left[Point(name)].Store(n)
	}
	return left
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
	if armed == nil {
		return
	}
	if left := armed[p]; left != nil && left.Add(-1) == 0 {
		dying.Lock()
		p.tell()
		kill()
	}
}

// tell records where the process dies. If it fails, the test misses the name, and fails too.
func (p Point) tell() {
	if report == "" {
		return
	}
	file, err := os.OpenFile(report, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, _ = file.WriteString(string(p) + "\n")
	}
}

func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // nothing can be done if the kernel refuses to kill us
	}
	select {}
}

// List returns the names of all points of this binary, sorted.
func List() []string {
	mu.Lock()
	defer mu.Unlock()
	return slices.Sorted(slices.Values(points))
}
