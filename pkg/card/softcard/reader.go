package softcard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Reader is the card's side of one virtual reader of pcscd (vpcd, domain.md
// 3.6). Cards are inserted and ejected while it runs.
type Reader struct {
	log *slog.Logger

	mu   sync.Mutex
	card *Card
	// absence is due: pcscd has not yet seen the slot empty since the last
	// card left. Without it a quick swap would pass for the same card.
	absence bool
	seen    chan struct{} // closed and renewed whenever pcscd asked for the ATR
}

// NewReader makes a reader without card. A nil log discards.
func NewReader(log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{log: log, seen: make(chan struct{})}
}

// Insert puts a card in; a card that is in there is ejected first, and pcscd
// sees the slot empty between the two.
func (r *Reader) Insert(c *Card) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card != nil {
		r.absence = true
		r.card.Reset()
	}
	c.Reset()
	r.card = c
}

// Eject pulls the card out and returns it, or nil when there was none.
func (r *Reader) Eject() *Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.eject()
}

func (r *Reader) eject() *Card {
	c := r.card
	if c != nil {
		c.Reset()
		r.card, r.absence = nil, true
	}
	return c
}

// Card is the card in the reader, or nil.
func (r *Reader) Card() *Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.card
}

// Settled waits until pcscd has looked at the slot since the last Insert or
// Eject, so that the next look finds what is there now.
func (r *Reader) Settled(ctx context.Context) error {
	for {
		r.mu.Lock()
		due, seen := r.absence, r.seen
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for pcscd to look at the virtual reader: %w", ctx.Err())
		case <-seen:
			if !due {
				return nil
			}
		}
	}
}

// Control bytes that vpcd sends in messages of length 1.
const (
	vpcdOff   = 0x00
	vpcdOn    = 0x01
	vpcdReset = 0x02
	vpcdATR   = 0x04
)

// Serve answers vpcd on one connection until it closes or ctx ends, which is
// no error.
func (r *Reader) Serve(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	for {
		message, err := readMessage(conn)
		switch {
		case errors.Is(err, io.EOF), err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("reading from vpcd: %w", err)
		}
		reply, answered := r.handle(message)
		clear(message) // it may hold a PIN
		if !answered {
			continue
		}
		if _, err := conn.Write(frame(reply)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("writing to vpcd: %w", err)
		}
	}
}

func (r *Reader) handle(message []byte) (reply []byte, answered bool) {
	if len(message) != 1 {
		return r.transmit(message), true
	}
	switch message[0] {
	case vpcdATR:
		return r.atr(), true
	case vpcdOff, vpcdOn, vpcdReset:
		if c := r.Card(); c != nil {
			c.Reset()
		}
	}
	return nil, false
}

// atr is vpcd's poll for presence: no bytes mean no card.
func (r *Reader) atr() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.seen)
	r.seen = make(chan struct{})
	if r.absence || r.card == nil {
		r.absence = false
		return nil
	}
	return ATR
}

// transmit hands a command to the card; no bytes tell vpcd that it is gone. A
// card that was pulled by a fault leaves the reader.
func (r *Reader) transmit(apdu []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.absence || r.card == nil {
		return nil
	}
	resp, err := r.card.Transmit(apdu)
	if err != nil {
		r.log.Info("card pulled out of the virtual reader", "card", r.card.ID(), "why", err)
		r.eject()
		return nil
	}
	return resp
}

// Listen serves vpcd in its reversed mode, in which pcscd connects to us, until
// ctx ends; it closes the listener. One connection is served at a time: a
// reader has one slot.
func (r *Reader) Listen(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for pcscd on %s: %w", l.Addr(), err)
		}
		if err := r.Serve(ctx, conn); err != nil {
			r.log.Warn("connection of the virtual reader broke, waiting for the next", "error", err)
		}
	}
}

const redialAfter = 500 * time.Millisecond

// Dial serves a vpcd that listens at address until ctx ends, and comes back
// when the connection breaks. The first connection has to succeed.
func (r *Reader) Dial(ctx context.Context, address string) error {
	var d net.Dialer
	for first := true; ; first = false {
		conn, err := d.DialContext(ctx, "tcp", address)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return fmt.Errorf("connecting to vpcd: %w", err)
		case err == nil:
			if err := r.Serve(ctx, conn); err != nil {
				r.log.Warn("connection to vpcd broke, trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(redialAfter):
		}
	}
}

// readMessage reads a message: two bytes of length, big-endian, and the body.
func readMessage(conn net.Conn) ([]byte, error) {
	var head [2]byte
	if err := readFull(conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[:]))
	if err := readFull(conn, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return body, nil
}

// readFull acknowledges each piece at once: vpcd sends length and body
// separately, and Nagle's algorithm holds the body back for 40 ms otherwise.
func readFull(conn net.Conn, buf []byte) error {
	for len(buf) > 0 {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		quickAck(conn)
		buf = buf[n:]
	}
	return nil
}

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(body)), uint16(len(body))), body...)
}
