//go:build !linux

package tether

import "os/exec"

// tie does nothing: only Linux ends a child with its parent.
func tie(*exec.Cmd) {}
