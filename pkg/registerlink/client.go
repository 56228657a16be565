package registerlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/wait"
)

// ErrUnavailable: the gateway doesn't answer, or what answers is not the gateway. Send the batch again later.
var ErrUnavailable = errors.New("the centre's gateway for registers can't be reached")

var (
	errNobody = errors.New("nobody listens for registers: is the centre running?")
	errSilent = errors.New("no answer in time")
	errFailed = errors.New("the centre could not take a change now, and its own log says why")
)

const (
	// patience is how long a batch is sent again while there is no answer, oneWait how long one attempt waits: the gateway
	// waits for decisions itself.
	patience = time.Minute
	oneWait  = 20 * time.Second
	// The pause between two attempts doubles from firstPause to lastPause.
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Client sends a register's changes. All fields but Patience are required.
type Client struct {
	Conn *nats.Conn
	// Register is the id under which it was enrolled at Office, Key its key.
	Register, Office string
	Key              nkeys.KeyPair
	// Gateway is the public key of the centre's gateway.
	Gateway hpke.PublicKey
	Clock   func() time.Time
	// Patience is how long a batch is sent again without an answer; 0: a minute.
	Patience time.Duration
}

// Send has up to MaxChanges changes recorded and returns one outcome for each. Its errors are ErrRefused, ErrUnavailable and
// that of ctx; after each of them the same changes may be sent again. Changes on which the centre failed have no outcome:
// if there are any, the outcomes of those before them come with ErrUnavailable.
func (c *Client) Send(ctx context.Context, officer string, changes []*events.RegisterChange) ([]*events.RegisterOutcome, error) {
	within := c.Patience
	if within == 0 {
		within = patience
	}
	trying, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		outcomes, err := c.try(trying, &events.RegisterChanges{Officer: officer, Changes: changes})
		if err == nil {
			return untilFailed(outcomes)
		}
		if errors.Is(err, ErrRefused) {
			return nil, err
		}
		if wait.For(trying, pause) == nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// connected waits for the connection. Being shut out is ErrRefused: trying on changes nothing.
func (c *Client) connected(ctx context.Context) error {
	err := wait.Until(ctx, firstPause, func() (bool, error) {
		if last := c.Conn.LastError(); !c.Conn.IsConnected() && (errors.Is(last, nats.ErrAuthorization) || errors.Is(last, nats.ErrAuthRevoked)) {
			return false, fmt.Errorf("%w: the server does not let this register in; was it retired? %w", ErrRefused, last)
		}
		return c.Conn.IsConnected(), nil
	})
	if err != nil && ctx.Err() != nil {
		if last := c.Conn.LastError(); last != nil {
			return fmt.Errorf("no connection: %w", last)
		}
		return errSilent
	}
	return err
}

// try sends changes once.
func (c *Client) try(ctx context.Context, changes *events.RegisterChanges) ([]*events.RegisterOutcome, error) {
	if err := c.connected(ctx); err != nil {
		return nil, err
	}
	batch, err := newBatch(c.Register, c.Key, c.Gateway, changes, c.Clock())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, oneWait)
	defer cancel()
	reply, err := c.Conn.RequestWithContext(ctx, Subject(c.Office), batch.data)
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, fmt.Errorf("%w: it has %d bytes: %w", ErrRefused, len(batch.data), err)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errNobody
	case errors.Is(err, context.DeadlineExceeded): // not wrapped: it is not the end of the caller's context
		return nil, errSilent
	case err != nil:
		return nil, err
	}
	return batch.open(reply.Data)
}

// untilFailed returns the outcomes up to the first change on which the gateway failed.
func untilFailed(outcomes []*events.RegisterOutcome) ([]*events.RegisterOutcome, error) {
	for i, o := range outcomes {
		if o.GetResult() == events.RegisterResult_REGISTER_RESULT_FAILED {
			return outcomes[:i], fmt.Errorf("%w: %w", ErrUnavailable, errFailed)
		}
	}
	return outcomes, nil
}
