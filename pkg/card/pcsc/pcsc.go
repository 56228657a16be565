// Package pcsc reaches cards through the PC/SC service of the machine: pcscd on
// Linux (needs cgo and libpcsclite), WinSCard on Windows.
//
// Every call opens a context of its own and waiting calls open a new one when
// the service goes away: pcscd restarts with each update of its packages, and
// on Windows the service stops when the last reader is unplugged.
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ebfe/scard"

	"shomei/pkg/card"
	"shomei/pkg/wait"
)

// Errors that a caller can act on, besides those of package card.
var (
	// ErrNoService: the PC/SC service does not answer; start pcscd.
	ErrNoService = errors.New("the PC/SC service (pcscd) does not answer")
	// ErrNoReader: the service knows no reader, or not the one asked for.
	ErrNoReader = errors.New("no such card reader")
	// ErrInUse: another program holds the card.
	ErrInUse = errors.New("another program is using the card")
)

// pnp is the pseudo reader that reports readers being plugged in and out.
const pnp = `\\?PnP?\Notification`

// meaning maps the service's errors; others stay as they are.
var meaning = map[scard.Error]error{
	scard.ErrNoService:          ErrNoService,
	scard.ErrServiceStopped:     ErrNoService,
	scard.ErrInvalidHandle:      ErrNoService, // of a restarted service
	scard.ErrCommError:          ErrNoService,
	scard.ErrSecurityViolation:  ErrNoService, // libpcsclite's error for a service that hung up, dying or by its policy
	scard.ErrUnknownReader:      ErrNoReader,
	scard.ErrNoReadersAvailable: ErrNoReader,
	scard.ErrReaderUnavailable:  ErrNoReader,
	scard.ErrSharingViolation:   ErrInUse,
	scard.ErrNoSmartcard:        card.ErrRemoved,
	scard.ErrRemovedCard:        card.ErrRemoved,
	scard.ErrResetCard:          card.ErrRemoved, // somebody else reset it: all security status is gone
	scard.ErrUnpoweredCard:      card.ErrRemoved,
	scard.ErrUnresponsiveCard:   card.ErrRemoved,
	scard.ErrNotTransacted:      card.ErrRemoved,
}

func explain(doing string, err error) error {
	if code, ok := errors.AsType[scard.Error](err); ok && meaning[code] != nil {
		return fmt.Errorf("%s: %w: %w", doing, meaning[code], err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Readers lists the names of the readers; none is no error.
func Readers() ([]string, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, explain("reaching the PC/SC service", err)
	}
	defer ctx.Release()
	return readers(ctx)
}

func readers(ctx *scard.Context) ([]string, error) {
	names, err := ctx.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("listing card readers", err)
	}
	return names, nil
}

// WaitCard waits until a card is in the reader and returns the reader's name. An empty reader means any. It survives
// restarts of the service; the error is ctx's, with the last obstacle.
func WaitCard(ctx context.Context, reader string) (string, error) {
	return await(ctx, reader, func(states []scard.ReaderState) (string, bool) {
		i := slices.IndexFunc(states, func(s scard.ReaderState) bool {
			return s.Reader != pnp && s.EventState&scard.StatePresent != 0 && s.EventState&scard.StateMute == 0
		})
		if i < 0 {
			return "", false
		}
		return states[i].Reader, true
	})
}

// Present returns at once the name of a reader with a card, or "". It waits only for an unavailable service, and for a
// reader or card whose state is unknown; the error is then ctx's, with the last obstacle.
func Present(ctx context.Context, reader string) (string, error) {
	return await(ctx, reader, func(states []scard.ReaderState) (string, bool) {
		certain := true
		for _, s := range states {
			switch {
			case s.Reader == pnp:
			case s.EventState&scard.StatePresent == 0:
				certain = certain && s.EventState&scard.StateEmpty != 0
			case s.EventState&scard.StateMute != 0:
				certain = false
			default:
				return s.Reader, true
			}
		}
		return "", certain
	})
}

// WaitRemoved waits until the reader has no card, or is gone itself.
func WaitRemoved(ctx context.Context, reader string) error {
	_, err := await(ctx, reader, func(states []scard.ReaderState) (string, bool) {
		return reader, !slices.ContainsFunc(states, func(s scard.ReaderState) bool {
			return s.Reader == reader && s.EventState&scard.StatePresent != 0
		})
	})
	return err
}

// errNothing: the reader is there, and the awaited event did not come.
var errNothing = errors.New("nothing happened in the reader")

const retryAfter = 250 * time.Millisecond

// await watches the readers until found returns true.
func await(ctx context.Context, reader string, found func([]scard.ReaderState) (string, bool)) (string, error) {
	for {
		name, err := watch(ctx, reader, found)
		if err == nil {
			return name, nil
		}
		if ended := wait.For(ctx, retryAfter); ended != nil {
			return "", fmt.Errorf("waiting for the card reader: %w: %w", ended, err)
		}
	}
}

// lostCancel bounds how long a cancellation can go unnoticed: one that comes before the service waits is lost.
const lostCancel = 2 * time.Second

// watch does the work of await until the set of readers or the service changes.
func watch(ctx context.Context, reader string, found func([]scard.ReaderState) (string, bool)) (string, error) {
	service, err := scard.EstablishContext()
	if err != nil {
		return "", explain("reaching the PC/SC service", err)
	}
	defer service.Release()
	stop := context.AfterFunc(ctx, func() { service.Cancel() })
	defer stop()
	names, err := readers(service)
	if err != nil {
		return "", err
	}
	states := []scard.ReaderState{{Reader: pnp, CurrentState: scard.StateFlag(len(names) << 16)}}
	for _, name := range names {
		if reader == "" || reader == name {
			states = append(states, scard.ReaderState{Reader: name})
		}
	}
	for {
		err := service.GetStatusChange(states, lostCancel)
		if name, ok := found(states); ok && (err == nil || errors.Is(err, scard.ErrTimeout)) {
			return name, nil // even if ctx has just ended: a present card must not be missed
		}
		switch {
		case ctx.Err() != nil && len(states) == 1:
			return "", ErrNoReader
		case ctx.Err() != nil:
			return "", errNothing
		}
		if err != nil && !errors.Is(err, scard.ErrTimeout) {
			return "", explain("watching the card readers", err)
		}
		if states[0].EventState&scard.StateChanged != 0 && err == nil && len(states) == 1 {
			return "", ErrNoReader // readers came or went: look again
		}
		for i := range states {
			states[i].CurrentState = states[i].EventState
		}
	}
}

// Conn is a card held exclusively. It is a card.Transmitter and not safe for concurrent use.
type Conn struct {
	reader  string
	service *scard.Context
	card    *scard.Card
}

// Connect takes the card in the reader for this program alone until Close. An empty reader is card.ErrRemoved.
func Connect(reader string) (*Conn, error) {
	service, err := scard.EstablishContext()
	if err != nil {
		return nil, explain("reaching the PC/SC service", err)
	}
	c, err := service.Connect(reader, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		service.Release()
		return nil, explain(fmt.Sprintf("connecting to the card in reader %q", reader), err)
	}
	if err := c.BeginTransaction(); err != nil {
		c.Disconnect(scard.ResetCard)
		service.Release()
		return nil, explain(fmt.Sprintf("connecting to the card in reader %q", reader), err)
	}
	return &Conn{reader: reader, service: service, card: c}, nil
}

// Reader is the name of the reader.
func (c *Conn) Reader() string { return c.reader }

// Transmit sends one command APDU. If the card or the service goes away the error is card.ErrRemoved, and the command's
// outcome is unknown.
func (c *Conn) Transmit(apdu []byte) ([]byte, error) {
	resp, err := c.card.Transmit(apdu)
	if err == nil {
		return resp, nil
	}
	err = explain("talking to the card", err)
	if errors.Is(err, ErrNoService) || errors.Is(err, ErrNoReader) {
		err = fmt.Errorf("%w: %w", card.ErrRemoved, err)
	}
	return nil, err
}

// Close resets the card, so that no verified PIN is left for the next program, and releases it. A removed card is no
// error.
func (c *Conn) Close() error {
	err := errors.Join(c.card.EndTransaction(scard.LeaveCard), c.card.Disconnect(scard.ResetCard))
	err = errors.Join(err, c.service.Release())
	if err == nil {
		return nil
	}
	if explained := explain("letting the card go", err); !errors.Is(explained, card.ErrRemoved) && !errors.Is(explained, ErrNoService) && !errors.Is(explained, ErrNoReader) {
		return explained
	}
	return nil
}
