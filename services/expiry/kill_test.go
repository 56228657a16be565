package expiry_test

import (
	"syscall"
	"testing"

	"shomei/services/servicetest"
)

// kill kills a process.
func kill(t *testing.T, pid int) {
	t.Helper()
	servicetest.Check(t, syscall.Kill(pid, syscall.SIGKILL))
}
