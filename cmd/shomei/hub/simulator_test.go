package hub

import (
	"path/filepath"
	"testing"

	"shomei/pkg/eventlog"
)

// A simulator's key is trusted until the log turns out to be a real one; without the key nobody is.
func TestSimulatorIsTrustedInSimulatedLogsOnly(t *testing.T) {
	h := &Parts{Config: Config{Data: t.TempDir()}}
	if err := h.openKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if anchors, err := h.keys.anchors(true); err != nil || len(anchors) != 2 {
		t.Errorf("nobody has simulated here, and believed are %v, %v", anchors, err)
	}
	if err := h.makeSimulator(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := openKeys(nil, filepath.Join(h.Data, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := kept.simulator.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	simulated, err := kept.anchors(true)
	if err != nil || simulated[public] != eventlog.RoleSimulator || simulated[kept.public] != eventlog.RoleHub {
		t.Errorf("in a simulated log believed are %v, %v", simulated, err)
	}
	genuine, err := kept.anchors(false)
	if err != nil || len(genuine) != 2 || genuine[kept.public] != eventlog.RoleHub {
		t.Errorf("in a real log believed are %v, %v", genuine, err)
	}
}
