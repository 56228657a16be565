package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"shomei/pkg/crashpoint"
)

// crashes arms crash points in every process of a world and notes which of them was died at, and during what.
type crashes struct {
	t    *testing.T
	file string // the dying write there where they die

	mu     sync.Mutex
	left   []string // points that are still to be died at
	during string
	read   int                 // lines of the file that are known
	hits   map[string][]string // point → "process, during what"
}

func newCrashes(t *testing.T, folder string) *crashes {
	return &crashes{t: t, file: filepath.Join(folder, "crashed"), hits: make(map[string][]string)}
}

// environment is that of a process that starts now.
func (c *crashes) environment() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []string{crashpoint.Variable + "=" + strings.Join(c.left, ","), crashpoint.ReportVariable + "=" + c.file}
}

// arm names the points at which processes that start from now on are to die, each once, and what happens meanwhile.
func (c *crashes) arm(during string, points ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.during, c.left = during, slices.Clone(points)
}

// note takes in what a process that was killed told; one killed from outside told nothing.
func (c *crashes) note(process string) {
	text, err := os.ReadFile(c.file)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !os.IsNotExist(err) {
		c.t.Errorf("reading where the %s died: %v", process, err)
	}
	lines := strings.Fields(string(text))
	for _, point := range lines[c.read:] {
		c.left = slices.DeleteFunc(c.left, func(one string) bool { one, _, _ = strings.Cut(one, ":"); return one == point })
		c.hits[point] = append(c.hits[point], process+" during "+c.during)
	}
	c.read = len(lines)
}

// at tells the points that were died at during something, sorted.
func (c *crashes) at(during string) (points []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for point, places := range c.hits {
		if slices.ContainsFunc(places, func(place string) bool { return strings.HasSuffix(place, " during "+during) }) {
			points = append(points, point)
		}
	}
	return sorted(points)
}

// elsewhere are points that no act comes by: keys are destroyed, shards compacted and master keys changed by pkg/vault,
// folders sealed by pkg/secret, whose own tests kill them there and fail when a point is not reached.
var elsewhere = []string{
	"secret.locked", "secret.moved", "shred.linked", "shred.replaced", "shred.shredded",
	"vault.compact.copied", "vault.erase.tombstoned", "vault.rewrap.rewrapped", "vault.rewrap.rotated",
}

// pointsOf are the crash points of both programs, as their commands list them.
func pointsOf(t *testing.T) (points []string) {
	t.Helper()
	for _, program := range []string{"shomei", "shomei-agent"} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programs(t), program), "crashpoints").Output()
		if err != nil {
			t.Fatalf("%s crashpoints: %v", program, err)
		}
		points = append(points, strings.Fields(string(out))...)
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// complete sees that every point was died at in one world at least, and prints where.
func complete(t *testing.T, points []string, worlds []*crashes) {
	t.Helper()
	hits := make(map[string][]string)
	for _, c := range worlds {
		c.mu.Lock()
		for point, places := range c.hits {
			hits[point] = append(hits[point], places...)
		}
		c.mu.Unlock()
	}
	for _, point := range points {
		switch {
		case len(hits[point]) > 0:
			t.Logf("%-28s %s", point, strings.Join(hits[point], "; "))
		case slices.Contains(elsewhere, point):
			t.Logf("%-28s in the tests of its package", point)
		default:
			t.Errorf("%s was never reached", point)
		}
	}
	for point := range hits {
		if !slices.Contains(points, point) {
			t.Errorf("%s is on no list", point)
		}
	}
}
