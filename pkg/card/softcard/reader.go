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

	"shomei/pkg/wait"
)

// Dial opens a connection to vpcd.
type Dial func(ctx context.Context) (net.Conn, error)

// Reader is the card's side of one slot of vpcd, pcscd's virtual reader (card.md 5). It is connected while a card is in
// it: to vpcd an open connection is a card, and a closed one no card. (vpcd's other modes do not work in version 3.3:
// it waits for ever after an empty answer, and in reversed mode it aborts the whole pcscd when a connection ends.)
type Reader struct {
	dial Dial
	log  *slog.Logger

	mu      sync.Mutex
	card    *Card
	conn    net.Conn
	emptied bool          // a card left, and pcscd has not seen the empty slot yet
	changed chan struct{} // closed and renewed at each Insert and Eject
}

// NewReader makes a reader without card for the vpcd that dial reaches. A nil
// log discards.
func NewReader(dial Dial, log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{dial: dial, log: log, changed: make(chan struct{})}
}

// DialVPCD returns a Dial for a vpcd that listens on host:port.
func DialVPCD(address string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// Insert inserts a card, ejecting any other first; pcscd sees the slot empty in between.
func (r *Reader) Insert(c *Card) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.swap(c)
}

// Eject removes the card and returns it, or nil if there was none.
func (r *Reader) Eject() *Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.card
	r.swap(nil)
	return c
}

// Card returns the card in the reader, or nil.
func (r *Reader) Card() *Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.card
}

func (r *Reader) swap(next *Card) {
	for _, c := range []*Card{r.card, next} {
		if c != nil {
			c.Reset()
		}
	}
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
	r.emptied = r.emptied || r.card != nil
	r.card = next
	close(r.changed)
	r.changed = make(chan struct{})
}

const redialAfter = 300 * time.Millisecond

// Run connects each inserted card until ctx ends. It reconnects when vpcd goes away or isn't there yet, and logs that.
func (r *Reader) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		c, emptied, changed := r.card, r.emptied, r.changed
		r.mu.Unlock()
		var err error
		switch {
		case emptied:
			err = r.showEmpty(ctx)
		case c != nil:
			err = r.connect(ctx, c)
		default:
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.log.Warn("virtual reader is not connected, retrying", "error", err)
		_ = wait.For(ctx, redialAfter)
	}
}

// pollGap is less than the 400 ms between two polls of pcscd and more than a
// client takes to reset a card that just failed it.
const pollGap = 300 * time.Millisecond

// showEmpty lets pcscd's poll find the slot empty. pcscd can miss that a card left, if a failed command closed the
// connection between two polls, and would then miss the next card too. The first message may be a client's reset, which
// looks like a poll; what comes pollGap later is a poll.
func (r *Reader) showEmpty(ctx context.Context) error {
	first, err := r.hangUp(ctx)
	for last := first; err == nil && last.Sub(first) < pollGap; {
		last, err = r.hangUp(ctx)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptied = false
	return nil
}

// hangUp connects and hangs up at the first message, which is how an empty slot looks; it returns when that was.
func (r *Reader) hangUp(ctx context.Context) (time.Time, error) {
	conn, err := r.dial(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("connecting to vpcd: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := readMessage(conn); err != nil {
		return time.Time{}, fmt.Errorf("waiting for pcscd to look at the empty reader: %w", err)
	}
	return time.Now(), nil
}

// connect serves one connection for the card until it or the card is gone.
func (r *Reader) connect(ctx context.Context, c *Card) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return fmt.Errorf("connecting to vpcd: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	r.mu.Lock()
	if r.card != c {
		r.mu.Unlock()
		return nil
	}
	r.conn = conn
	r.mu.Unlock()
	err = r.serve(conn, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card != c || ctx.Err() != nil {
		return nil // ejected or ended, which closed the connection
	}
	r.conn = nil
	return err
}

// serve answers vpcd until the connection ends. A card removed by a fault leaves the reader.
func (r *Reader) serve(conn net.Conn, c *Card) error {
	for {
		message, err := readMessage(conn)
		if err != nil {
			return fmt.Errorf("reading from vpcd: %w", err)
		}
		reply, err := answer(c, message)
		clear(message) // it may hold a PIN
		if err != nil {
			r.log.Info("card pulled out of the virtual reader", "card", c.ID(), "why", err)
			r.pulled(c)
			return nil
		}
		if reply == nil {
			continue
		}
		if _, err := conn.Write(frame(reply)); err != nil {
			return fmt.Errorf("writing to vpcd: %w", err)
		}
	}
}

func (r *Reader) pulled(c *Card) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card == c {
		r.swap(nil)
	}
}

// Control bytes that vpcd sends in messages of length 1.
const (
	vpcdOff   = 0x00
	vpcdOn    = 0x01
	vpcdReset = 0x02
	vpcdATR   = 0x04
)

// answer returns the reply to one message, or nil if vpcd expects none.
func answer(c *Card, message []byte) ([]byte, error) {
	if len(message) != 1 {
		return c.Transmit(message)
	}
	switch message[0] {
	case vpcdATR:
		return ATR, nil
	case vpcdOff, vpcdOn, vpcdReset:
		c.Reset()
	}
	return nil, nil
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
