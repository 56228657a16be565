package hub

import (
	"fmt"
	"os"
	"testing"

	"shomei/pkg/warehouse/enginetest"
)

// TestMain lets the test binary serve as the engine's process, and as that of a counter that misbehaves.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "storm" {
		if err := rage(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	enginetest.Main(m)
}
