package ra

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"shomei/pkg/ca"
)

const (
	// drawnAtOnce is how many serials are drawn and looked up together: one query for about a hundred procedures.
	drawnAtOnce = 256
	// knownPatience bounds the wait for unresponsive tables.
	knownPatience = 500 * time.Millisecond
)

// serials draws serial numbers in advance and drops those in use.
type serials struct {
	known  func(context.Context, []uint64) ([]uint64, error)
	logger *slog.Logger

	mu    sync.Mutex
	drawn []uint64
}

// take returns a serial number that no certificate has.
func (s *serials) take(ctx context.Context) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.drawn) == 0 {
		s.draw(ctx)
	}
	serial := s.drawn[0]
	s.drawn = s.drawn[1:]
	return serial
}

// draw refills the supply. The tables may lag behind the log or be unavailable; a collision they don't know is as
// unlikely as the number of certificates in 2^64, and fsck checks the log itself.
func (s *serials) draw(ctx context.Context) {
	for range drawnAtOnce {
		s.drawn = append(s.drawn, ca.NewSerial())
	}
	if s.known == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, knownPatience)
	defer cancel()
	taken, err := s.known(ctx, s.drawn)
	if err != nil {
		s.logger.Warn("ClickHouse unavailable, serial numbers not checked against it: shomei fsck finds duplicates", "error", err)
		return
	}
	s.drawn = slices.DeleteFunc(s.drawn, func(serial uint64) bool { return slices.Contains(taken, serial) })
}
