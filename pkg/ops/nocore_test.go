//go:build linux

package ops_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shomei/pkg/ops"
)

// TestCoresAreForbidden asks the kernel about a process that called ForbidCores, and about a program it started.
func TestCoresAreForbidden(t *testing.T) {
	if os.Getenv("FORBID_CORES") != "" {
		if err := ops.ForbidCores(); err != nil {
			t.Fatal(err)
		}
		if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
			t.Fatalf("dumpable is %d: %v", dumpable, err)
		}
		out, err := exec.Command("cat", "/proc/self/limits", "/proc/self/coredump_filter").Output()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.Write(out)
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^TestCoresAreForbidden$")
	command.Env = append(os.Environ(), "FORBID_CORES=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if limit, ok := strings.CutPrefix(line, "Max core file size"); ok {
			if got := strings.Fields(limit); got[0] != "0" || got[1] != "0" {
				t.Errorf("a program started from there has %s", line)
			}
		}
	}
	if !strings.Contains(string(out), "Max core file size") || !strings.Contains(string(out), "\n00000000\n") {
		t.Errorf("a program started from there has other limits:\n%s", out)
	}
}
