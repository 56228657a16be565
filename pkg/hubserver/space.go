package hubserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrSpace: the disk of the store has too little room to start.
var ErrSpace = errors.New("too little room on the disk")

const (
	// defaultReserve is kept free on a disk; on a small one a quarter of the free space.
	defaultReserve = 256 << 20
	// leastFree is what a start needs: the server, the engine and the vault write as soon as they run.
	leastFree = 16 << 20
)

// limitFor returns how many bytes JetStream may store, given the disk's free space and what is already stored.
func limitFor(used, free, reserve int64) int64 {
	if reserve == 0 {
		reserve = min(defaultReserve, free/4)
	}
	return used + free - max(reserve, 0)
}

// storeLimit returns how much JetStream may store on the disk. Errors are ErrSpace, and ErrConfig for a reserve that no
// start could leave.
func (c Config) storeLimit() (int64, error) {
	if c.MaxStore > 0 {
		return c.MaxStore, nil
	}
	if err := os.MkdirAll(c.StoreDir, 0o700); err != nil {
		return 0, fmt.Errorf("making the store of the NATS server: %w", err)
	}
	free, err := freeBytes(c.StoreDir)
	if err != nil {
		return 0, err
	}
	used, err := usedBytes(c.StoreDir)
	if err != nil {
		return 0, err
	}
	if free < leastFree {
		return 0, fmt.Errorf("the disk of %s has %d MB free, a start needs %d MB: free that much there, or move the data folder to a larger disk: %w",
			c.StoreDir, free>>20, leastFree>>20, ErrSpace)
	}
	if c.Reserve > free {
		return 0, fmt.Errorf("the disk of %s has %d MB free, %d MB are to be kept in reserve; make space, or lower the reserve: %w",
			c.StoreDir, free>>20, c.Reserve>>20, ErrConfig)
	}
	return limitFor(used, free, c.Reserve), nil
}

func freeBytes(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

// StoreLimit returns how many bytes JetStream may store at present. It follows the disk at each start of the server.
func (s *Server) StoreLimit() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// FitDisk restarts the server if it was started with more room than the disk has, because streams of an earlier start
// reserved it. Call it once their limits fit: the server refuses to lower a limit while more is reserved than it may
// store.
func (s *Server) FitDisk(ctx context.Context) error {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if !over {
		return nil
	}
	return s.Restart(ctx)
}

// start mends damaged streams, and runs the server with the room that the disk has or, if its streams have reserved
// more, with that.
func (s *Server) start(ctx context.Context) error {
	if err := s.mend(ctx); err != nil {
		return err
	}
	limit := s.StoreLimit()
	if now, err := s.config.storeLimit(); err == nil {
		limit = now
	} else if limit == 0 {
		return err
	}
	if err := s.run(ctx, limit); err != nil {
		return err
	}
	_, reserved, err := s.NATS().JetStreamReservedResources()
	over := err == nil && reserved > limit
	if over {
		s.halt()
		err = s.run(ctx, limit+reserved)
	}
	s.mu.Lock()
	s.limit, s.over = limit, over
	s.mu.Unlock()
	return err
}
