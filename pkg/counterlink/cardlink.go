package counterlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/card"
)

// CardSubject is where a counter asks the centre to open a card; it is no part of a stream.
func CardSubject(counter string) string { return ClaimSubject(counter) + "." + sayCard }

// CardClient is the counter's end of the card requests; all fields are required.
type CardClient struct {
	Conn    *nats.Conn
	Counter string
	// Key signs the requests, SealKey opens the answers, Writers are the public nkeys of the hub that are believed.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	Writers []string
}

// Open asks the centre to answer a card's challenge for a command. ErrCardRefused says that it does not; every other
// error, that it could not be asked.
func (c CardClient) Open(ctx context.Context, command string, challenge card.Challenge) (card.Answer, error) {
	nonce, data, err := signCardRequest(c.Key, CardRequest{Counter: c.Counter, Command: command, Challenge: challenge})
	if err != nil {
		return card.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	reply, err := c.Conn.RequestWithContext(ctx, CardSubject(c.Counter), data)
	if err != nil {
		return card.Answer{}, fmt.Errorf("asking the hub to open card %s: %w", challenge.Card, err)
	}
	return openCardAnswer(c.SealKey, c.Writers, c.Counter, nonce, reply.Data)
}

// refusalPause is how long a counter that is refused waits for the word: its requests can't fill the hub's time or log.
const refusalPause = time.Second

// cardDesk is the hub's end while it runs.
type cardDesk struct {
	hub     *Hub
	ctx     context.Context // ends with AnswerCards
	answer  func(context.Context, CardRequest) (card.Answer, error)
	running sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // counters whose request is being answered: one at a time
}

// AnswerCards has card requests answered until ctx ends, one of a counter at a time. Errors of answer that unwrap to
// ErrCardRefused are told to the counter, others are not: it asks again. Requests of counters that are not enrolled or
// have no cards are dropped.
func (h *Hub) AnswerCards(ctx context.Context, answer func(context.Context, CardRequest) (card.Answer, error)) error {
	d := &cardDesk{hub: h, ctx: ctx, answer: answer, busy: make(map[string]bool)}
	h.setCards(d)
	<-ctx.Done()
	h.setCards(nil)
	d.running.Wait()
	return nil
}

func (h *Hub) setCards(d *cardDesk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cards = d
}

// openCard has a card request answered that came through the gate.
func (g *guard) openCard(m *nats.Msg) {
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	if d := g.hub.cards; d != nil && m.Reply != "" && d.enter(g.counter) {
		d.running.Go(func() { d.serve(g.counter, m) })
	}
}

func (d *cardDesk) enter(counter string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[counter] {
		return false
	}
	d.busy[counter] = true
	return true
}

func (d *cardDesk) leave(counter string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, counter)
}

// serve answers one request, to the counter's own inbox, which the gate has looked at.
func (d *cardDesk) serve(counter string, m *nats.Msg) {
	defer d.leave(counter)
	data, err := d.reply(d.ctx, counter, m)
	if err != nil && d.ctx.Err() == nil {
		d.hub.cfg.Logger.Warn("a counter's card request was not granted", "counter", counter, "error", err)
		waitOr(d.ctx, refusalPause)
	}
	if data == nil {
		return
	}
	if err := d.hub.cfg.Gate.Publish(m.Reply, data); err != nil {
		d.hub.cfg.Logger.Warn("the answer to a card request could not be sent, the counter asks again", "counter", counter, "error", err)
	}
}

// reply returns what is sent back, and why the card stays closed.
func (d *cardDesk) reply(ctx context.Context, counter string, m *nats.Msg) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	enrolment, err := d.hub.cfg.Enrolled(ctx, counter)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(RolesWithCards, enrolment.Role) {
		return nil, fmt.Errorf("a %s works on no cards: %w", enrolment.Role, ErrCardRefused)
	}
	request, nonce, err := parseCardRequest(counter, enrolment, m.Data)
	if err != nil {
		return nil, err
	}
	answer, refusal := d.answer(ctx, request)
	if refusal != nil && !errors.Is(refusal, ErrCardRefused) {
		return nil, refusal
	}
	data, err := sealCardAnswer(d.hub.cfg.Writer, enrolment, counter, nonce, answer, refusal)
	return data, errors.Join(refusal, err)
}
