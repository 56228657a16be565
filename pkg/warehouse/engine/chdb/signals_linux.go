package chdb

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lastSignal is the highest signal number of Linux (SIGRTMAX).
const lastSignal = 64

// sigaction is the kernel's struct sigaction (handler, flags, restorer,
// mask), kept as bytes because it is only carried, never read.
type sigaction [32]byte

// signals lets one connection open at a time: a second one would save the
// actions that the first has just replaced.
var signals sync.Mutex

// keepSignals calls open and puts every signal action back as it was before.
// Opening the engine replaces nine of them; without this a nil dereference in
// Go hangs the process instead of panicking.
func keepSignals(open func() error) error {
	signals.Lock()
	defer signals.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	saved, err := readSignals()
	if err != nil {
		return err
	}
	openErr := open()
	if err := writeSignals(saved); err != nil {
		return err
	}
	return openErr
}

func readSignals() ([lastSignal + 1]sigaction, error) {
	var all [lastSignal + 1]sigaction
	for sig := 1; sig <= lastSignal; sig++ {
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0,
			uintptr(unsafe.Pointer(&all[sig])), 8, 0, 0)
		if errno != 0 {
			return all, fmt.Errorf("reading the action of signal %d: %w", sig, errno)
		}
	}
	return all, nil
}

func writeSignals(all [lastSignal + 1]sigaction) error {
	for sig := 1; sig <= lastSignal; sig++ {
		if sig == int(unix.SIGKILL) || sig == int(unix.SIGSTOP) {
			continue
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
			uintptr(unsafe.Pointer(&all[sig])), 0, 8, 0, 0)
		if errno != 0 {
			return fmt.Errorf("restoring the action of signal %d: %w", sig, errno)
		}
	}
	return nil
}
