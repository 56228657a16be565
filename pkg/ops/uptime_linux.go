package ops

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var bootID = sync.OnceValues(func() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
})

// Uptime returns an id for this boot of the machine and the time since, suspended or not (CLOCK_BOOTTIME). Setting the
// clock does not change it.
func Uptime() (boot string, since time.Duration, err error) {
	if boot, err = bootID(); err != nil {
		return "", 0, fmt.Errorf("asking the kernel which start of the machine this is: %w", err)
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return "", 0, fmt.Errorf("asking the kernel how long it runs: %w", err)
	}
	return boot, time.Duration(up.Nano()), nil
}
