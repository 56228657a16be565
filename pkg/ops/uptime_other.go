//go:build !linux

package ops

import (
	"errors"
	"time"
)

// Uptime fails here: only Linux is asked for its own start.
func Uptime() (boot string, since time.Duration, err error) {
	return "", 0, errors.New("this system does not say since when it runs")
}
