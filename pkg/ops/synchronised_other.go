//go:build !linux

package ops

import "errors"

// Synchronised fails here: only Linux says whether its clock is kept by a time service.
func Synchronised() (bool, error) {
	return false, errors.New("this system does not say whether its clock is synchronised")
}
