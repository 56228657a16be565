//go:build !linux

package ops

import "errors"

// Synchronised fails here: only Linux says whether a time service keeps its clock.
func Synchronised() (bool, error) {
	return false, errors.New("this system does not say whether its clock is synchronised")
}
