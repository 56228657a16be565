package hub

import (
	"testing"

	"shomei/pkg/warehouse/enginetest"
)

// TestMain lets the test binary serve as the engine's process.
func TestMain(m *testing.M) { enginetest.Main(m) }
