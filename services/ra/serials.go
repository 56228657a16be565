package ra

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// blockSize is how many serials are leased at a time. What a process that ends has not used is lost, as in any block
// scheme: an authorised serial always ends issued or abandoned, a leased one need not be authorised.
const blockSize = 256

// serials takes numbers out of leased blocks.
type serials struct {
	mu     sync.Mutex
	log    *eventlog.Log
	name   string
	block  ca.Block
	unused []uint64
}

func newSerials(log *eventlog.Log, name string) *serials { return &serials{log: log, name: name} }

func (s *serials) take(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.unused); n > 0 {
		serial := s.unused[0]
		s.unused = slices.Delete(s.unused, 0, 1)
		return serial, nil
	}
	if s.block.Remaining() == 0 {
		block, err := Lease(ctx, s.log, s.name, blockSize)
		if err != nil {
			return 0, err
		}
		s.block = block
	}
	serial, rest, err := s.block.Take()
	s.block = rest
	return serial, err
}

// giveBack returns a serial that nothing was authorised under.
func (s *serials) giveBack(serial uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = append(s.unused, serial)
	slices.Sort(s.unused)
}

// Lease leases a block of serials for the process of the given name.
func Lease(ctx context.Context, log *eventlog.Log, name string, size uint64) (ca.Block, error) {
	env := eventlog.Envelope{
		CommandID: uuid.Must(uuid.NewV7()).String(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: name},
	}
	outcome, err := log.Update(ctx, events.KindAuthority, events.AuthorityLog, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.LeaseBlock(state, name, size)
	})
	if err != nil {
		return ca.Block{}, fmt.Errorf("leasing %d serials: %w", size, err)
	}
	leased := outcome.Commit.Events[0].GetBlockLeased()
	return ca.NewBlock(leased.First-1, leased.Last-leased.First+1)
}
