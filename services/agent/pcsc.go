package agent

import (
	"context"

	"shomei/pkg/card/pcsc"
)

// PCSC is the reader of that name behind the machine's PC/SC service; an empty name takes the first that has a card.
func PCSC(name string) Reader { return pcscReader{name} }

type pcscReader struct{ name string }

func (r pcscReader) Await(ctx context.Context, present bool) error {
	if present {
		_, err := pcsc.WaitCard(ctx, r.name)
		return err
	}
	return pcsc.WaitRemoved(ctx, r.name)
}

func (r pcscReader) Connect() (Connection, error) {
	conn, err := pcsc.Connect(r.name)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
