package projector

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// serials is a set of serial numbers, one bit each: they come from one counter and lie close together.
type serials struct {
	pages map[uint64]*[pageSize / 64]uint64
}

const pageSize = 1 << 16

// add reports whether the serial is new.
func (s *serials) add(serial uint64) bool {
	if s.pages == nil {
		s.pages = make(map[uint64]*[pageSize / 64]uint64)
	}
	page := s.pages[serial/pageSize]
	if page == nil {
		page = new([pageSize / 64]uint64)
		s.pages[serial/pageSize] = page
	}
	word, bit := &page[serial%pageSize/64], uint64(1)<<(serial%64)
	known := *word&bit != 0
	*word |= bit
	return !known
}

// each gives the serials in order.
func (s *serials) each(fn func(uint64)) {
	numbers := make([]uint64, 0, len(s.pages))
	for number := range s.pages {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		for i, word := range s.pages[number] {
			for ; word != 0; word &= word - 1 {
				fn(number*pageSize + uint64(i)*64 + uint64(bits.TrailingZeros64(word)))
			}
		}
	}
}

// leases are the blocks of serials given out, neighbours joined.
type leases struct{ blocks []block }

type block struct{ first, last uint64 }

func (l *leases) add(b *events.BlockLeased, where string, report *Report) {
	if n := len(l.blocks); n > 0 && b.First <= l.blocks[n-1].last || b.Last < b.First {
		report.add(where, nextProgram, "the block of serials %d to %d is empty or overlaps an earlier one", b.First, b.Last)
	} else if n > 0 && b.First == l.blocks[n-1].last+1 {
		l.blocks[n-1].last = b.Last
		return
	}
	l.blocks = append(l.blocks, block{b.First, b.Last})
}

func (l *leases) hold(serial uint64) bool {
	_, found := slices.BinarySearchFunc(l.blocks, serial, func(b block, serial uint64) int {
		if b.first <= serial && serial <= b.last {
			return 0
		}
		return cmp.Compare(b.first, serial)
	})
	return found
}

// checkLeases looks for serials that were never leased. The counter is asked again: a block may have been leased after
// its stream was read and used in another that was read later.
func (c *check) checkLeases(ctx context.Context) error {
	head, err := c.p.Log.Load(ctx, events.KindAuthority, "log")
	if errors.Is(err, eventlog.ErrParked) {
		return nil // it is named where it is read
	}
	if damaged(err) {
		c.report.add(events.KindAuthority+"/log", nextRestore, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil {
		return err
	}
	if n := len(c.leases.blocks); n > 0 && state.LastSerial > c.leases.blocks[n-1].last {
		c.leases.blocks = append(c.leases.blocks, block{c.leases.blocks[n-1].last + 1, state.LastSerial})
	}
	c.serials.each(func(serial uint64) {
		if !c.leases.hold(serial) {
			c.report.add("serials", nextProgram, "serial %d is used and was never leased", serial)
		}
	})
	return nil
}
