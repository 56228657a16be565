//go:build !linux

package ops

import (
	"errors"
	"time"
)

// Uptime fails here: it is implemented for Linux only.
func Uptime() (boot string, since time.Duration, err error) {
	return "", 0, errors.New("this system does not say since when it runs")
}
