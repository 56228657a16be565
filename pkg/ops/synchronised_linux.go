package ops

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Synchronised reports whether the kernel believes that a time service (NTP) keeps its clock (adjtimex(2), STA_UNSYNC).
func Synchronised() (bool, error) {
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil {
		return false, fmt.Errorf("asking the kernel about its clock: %w", err)
	}
	return state != unix.TIME_ERROR, nil
}
