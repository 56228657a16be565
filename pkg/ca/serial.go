package ca

import "fmt"

// Block is a run of serial numbers leased from an authority, First to Last inclusive; Next is the first not yet
// taken. Serials are a plain counter that runs on through a re-key, so the certificate of a new generation takes the
// next number (domain.md section 2.1). The zero Block is used up.
type Block struct {
	First, Next, Last uint64
}

// NewBlock leases size numbers that follow after, the last number leased so far (0 before the first).
func NewBlock(after, size uint64) (Block, error) {
	if size == 0 || after+size < after {
		return Block{}, fmt.Errorf("leasing %d serials after %d: the block is empty or leaves 64 bits", size, after)
	}
	return Block{First: after + 1, Next: after + 1, Last: after + size}, nil
}

// Remaining tells how many numbers are left.
func (b Block) Remaining() uint64 {
	if b.Next == 0 || b.Next > b.Last {
		return 0
	}
	return b.Last - b.Next + 1
}

// Take gives the next number and the block after it; [ErrBlockUsedUp] when none is left.
func (b Block) Take() (uint64, Block, error) {
	if b.Remaining() == 0 {
		return 0, b, fmt.Errorf("taking a serial from %d-%d: %w: lease another", b.First, b.Last, ErrBlockUsedUp)
	}
	serial := b.Next
	b.Next++
	return serial, b, nil
}
