package agent

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
)

// PCSC returns the machine's PC/SC reader of that name; an empty name means whichever reader has a card.
func PCSC(name string) Reader { return &pcscReader{name: name} }

type pcscReader struct {
	name string

	mu   sync.Mutex
	last string // the reader in which a card was seen
}

func (r *pcscReader) Await(ctx context.Context, present bool) error {
	if !present {
		return pcsc.WaitRemoved(ctx, r.current())
	}
	name, err := pcsc.WaitCard(ctx, r.name)
	if err != nil {
		return err
	}
	r.seen(name)
	return nil
}

func (r *pcscReader) Present(ctx context.Context) (bool, error) {
	name, err := pcsc.Present(ctx, r.name)
	if err != nil || name == "" {
		return false, err
	}
	r.seen(name)
	return true, nil
}

func (r *pcscReader) seen(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = name
}

func (r *pcscReader) current() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.last, r.name)
}

func (r *pcscReader) Connect() (Connection, error) {
	name := r.current()
	if name == "" {
		return nil, fmt.Errorf("no reader has had a card yet: %w", card.ErrRemoved)
	}
	conn, err := pcsc.Connect(name)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
