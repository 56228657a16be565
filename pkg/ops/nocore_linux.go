package ops

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ForbidCores prevents core files of this process and, as far as the system allows, of the programs it starts: their
// memory holds keys and PINs. It is the first thing a program does.
func ForbidCores() error {
	// Inherited by every program started from here, also where cores are piped to a program and the limit below has no
	// effect. A kernel without core files has no such file.
	_ = os.WriteFile("/proc/self/coredump_filter", []byte("0"), 0)
	none := unix.Rlimit{}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &none); err != nil {
		return fmt.Errorf("limiting core files to nothing: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keeping this process's memory out of core files: %w", err)
	}
	return nil
}
