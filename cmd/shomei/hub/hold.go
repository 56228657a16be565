package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld says that another program works on the data folder: a hub that is being started or stopped, or a tool that
// found none running.
var ErrHeld = errors.New("another program works on this data folder")

const (
	// holdWait is how long a start waits for whoever holds the folder: a little longer than a hub may take to stop.
	holdWait  = 45 * time.Second
	holdEvery = 50 * time.Millisecond
)

// hold takes the data folder for this process until Close, so that no two ever run servers on the same files: a tool
// that is called while the hub is being started again must not take the log for its own.
func (h *Hub) hold(ctx context.Context) error {
	return h.await(ctx, h.tryHold)
}

// await asks until it is so, for as long as somebody may hold the folder.
func (h *Hub) await(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	ticker := time.NewTicker(holdEvery)
	defer ticker.Stop()
	for {
		if done, err := so(); done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: wait until it has ended", h.Data, ErrHeld)
		}
	}
}

// tryHold takes the folder if nobody has it. The lock ends with the process, however that ends.
func (h *Hub) tryHold() (bool, error) {
	if err := os.MkdirAll(h.Data, 0o700); err != nil {
		return false, err
	}
	lock, err := os.OpenFile(h.path("hub.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	h.atEnd(lock.Close)
	return true, nil
}
