package cmd_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestSoakTheAgentBuildsForWindows: counters in town halls are Windows PCs.
func TestSoakTheAgentBuildsForWindows(t *testing.T) {
	if os.Getenv("SHOMEI_SOAK") == "" {
		t.Skip("make soak tries it: everything is compiled for another system")
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", os.DevNull, "shomei/cmd/shomei-agent")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
