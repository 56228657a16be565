package counterlink

import (
	"bytes"
	"context"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/wait"
)

// An exchange is a kind of question that a counter asks the centre besides sending claims. The counter signs the
// question; the hub signs the answer and seals it to the counter; a nonce binds the two.
type exchange struct {
	what string // names the question in errors and logs
	word string // the last token of its subject
	// asks and answers name what is signed (events.SignQuestion, events.SignAnswer).
	asks, answers string
}

var (
	cardExchange     = exchange{"card request", sayCard, "card challenge", "card answer"}
	personExchange   = exchangeOf("question about a person", sayPerson)
	caseExchange     = exchangeOf("question about a case", sayCase)
	approvalExchange = exchangeOf("question about acts that wait", sayApproval)
	findExchange     = exchangeOf("search for a person", sayFind)
)

func exchangeOf(what, word string) exchange {
	return exchange{what, word, word + " question", word + " answer"}
}

const nonceSize = 16

func newNonce() []byte {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	return nonce
}

func (e exchange) subject(counter string) string { return ClaimSubject(counter) + "." + e.word }

func (e exchange) sealInfo(counter string) []byte {
	return []byte("shomei " + e.answers + " 1\x00" + counter)
}

// put asks a question and opens the answer to it. Any error means that the centre could not be asked.
func (e exchange) put(ctx context.Context, c CardClient, q question, into answer) error {
	encoded, err := events.Encode(q)
	if err != nil {
		return err
	}
	signed, err := events.SignQuestion(e.asks, encoded, c.Key)
	if err != nil {
		return err
	}
	data, err := events.Encode(signed)
	if err != nil {
		return err
	}
	reply, err := e.send(ctx, c.Conn, c.Counter, data)
	if err != nil {
		return fmt.Errorf("asking the hub a %s: %w", e.what, err)
	}
	return e.open(c, q.GetNonce(), reply, into)
}

// send sends an encoded question and returns the raw answer.
func (e exchange) send(ctx context.Context, conn *nats.Conn, counter string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	reply, err := conn.RequestWithContext(ctx, e.subject(counter), question)
	if err == nil {
		err = parseBusy(reply.Header)
	}
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

// parse verifies a question from a counter's subject and decodes it. Its errors are events.ErrMalformed, events.ErrSignature and
// ErrMisaddressed.
func (e exchange) parse(counter string, enrolment Enrolment, data []byte, into question) error {
	signed := &events.SignedQuestion{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return fmt.Errorf("%s: %w: %w", e.what, err, events.ErrMalformed)
	}
	if err := signed.Verify(e.asks, enrolment.PublicKey); err != nil {
		return err
	}
	if err := proto.Unmarshal(signed.GetQuestion(), into); err != nil {
		return fmt.Errorf("%s: %w: %w", e.what, err, events.ErrMalformed)
	}
	if into.GetCounter() != counter {
		return fmt.Errorf("a %s of counter %.60q on the subject of %s: %w", e.what, into.GetCounter(), counter, ErrMisaddressed)
	}
	if len(into.GetNonce()) != nonceSize {
		return fmt.Errorf("a %s with a nonce of %d bytes: %w", e.what, len(into.GetNonce()), events.ErrMalformed)
	}
	return nil
}

// question is the part that the counter signs.
type question interface {
	proto.Message
	GetCounter() string
	GetNonce() []byte
}

// An Asker is who asks the centre a question from a counter.
type Asker struct {
	Counter, Office, Officer string
	// Role is the counter's.
	Role string
	// ID is of this question alone.
	ID string
}

// officersQuestion is a question in an officer's name.
type officersQuestion interface {
	question
	GetOfficer() string
}

// answerOfficers answers questions of counters of some roles until ctx ends, one at a time for each counter. Questions of others are
// dropped, and so are those with an error: to the counter, the centre can't be asked then.
func answerOfficers[Q officersQuestion](
	ctx context.Context, h *Links, e exchange, roles []string, empty func() Q, reply func(context.Context, Asker, Q) (answer, error),
) error {
	return h.answer(ctx, e, func(ctx context.Context, counter string, enrolment Enrolment, data []byte) ([]byte, error) {
		if !slices.Contains(roles, enrolment.Role) {
			return nil, fmt.Errorf("a %s by a %s: %w", e.what, enrolment.Role, ErrMisaddressed)
		}
		q := empty()
		if err := e.parse(counter, enrolment, data, q); err != nil {
			return nil, err
		}
		asker := Asker{counter, enrolment.Office, q.GetOfficer(), enrolment.Role, hex.EncodeToString(q.GetNonce())}
		told, err := reply(ctx, asker, q)
		if err != nil {
			return nil, err
		}
		return e.sealTo(counter, enrolment, h.cfg.Writer, told)
	})
}

// withPages are the roles of those who ask at a counter's pages.
var withPages = []string{"counter"}

// sealTo encodes an answer, seals it to the counter that asked, and signs it.
func (e exchange) sealTo(counter string, enrolment Enrolment, writer nkeys.KeyPair, told proto.Message) ([]byte, error) {
	sealed, err := e.seal(counter, enrolment, told)
	if err != nil {
		return nil, err
	}
	signed, err := events.SignAnswer(e.answers, sealed, writer)
	if err != nil {
		return nil, err
	}
	return events.Encode(signed)
}

// seal encodes an answer and seals it to the counter that asked.
func (e exchange) seal(counter string, enrolment Enrolment, answer proto.Message) ([]byte, error) {
	key, err := ParseSealPublicKey(enrolment.SealKey)
	if err != nil {
		return nil, fmt.Errorf("answering a %s of counter %s: %w", e.what, counter, err)
	}
	plain, err := events.Encode(answer)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := hpke.Seal(key, sealKDF(), sealAEAD(), e.sealInfo(counter), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the answer to a %s of counter %s: %w", e.what, counter, err)
	}
	return sealed, nil
}

// open verifies the answer to the question with that nonce and opens it. Its errors are events.ErrMalformed,
// events.ErrSignature and ErrSealed.
func (e exchange) open(c CardClient, nonce, data []byte, into answer) error {
	sealed := &events.SealedAnswer{}
	if err := proto.Unmarshal(data, sealed); err != nil {
		return fmt.Errorf("answer to a %s: %w: %w", e.what, err, events.ErrMalformed)
	}
	if !slices.Contains(c.Writers, sealed.GetWriter()) {
		return fmt.Errorf("a %s answered by %.60q, which is none of the hub's writers: %w", e.what, sealed.GetWriter(), events.ErrSignature)
	}
	if err := sealed.Verify(e.answers); err != nil {
		return err
	}
	plain, err := hpke.Open(c.SealKey, sealKDF(), sealAEAD(), e.sealInfo(c.Counter), sealed.GetSealed())
	if err != nil {
		return fmt.Errorf("answer to a %s of counter %s: %w", e.what, c.Counter, ErrSealed)
	}
	defer clear(plain)
	if err := proto.Unmarshal(plain, into); err != nil || !bytes.Equal(into.GetNonce(), nonce) {
		return fmt.Errorf("answer to another %s: %w", e.what, errors.Join(err, events.ErrMalformed))
	}
	return nil
}

// answer is the part that the hub seals.
type answer interface {
	proto.Message
	GetNonce() []byte
}

// refusalPause delays refusals, so that a refused counter's questions can't take up the hub's time or log.
const refusalPause = time.Second

// responder is the hub's end of a running exchange.
type responder struct {
	exchange
	hub     *Links
	ctx     context.Context // ends with answer
	reply   replier
	running sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // counters whose question is being answered, one at a time
}

// A replier returns the reply to a counter, nil for none, and why the counter is refused.
type replier func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error)

// answer answers the questions of an exchange until ctx ends, one at a time for each counter. Those of counters that
// are not enrolled are dropped.
func (h *Links) answer(ctx context.Context, e exchange, reply replier) error {
	d := &responder{exchange: e, hub: h, ctx: ctx, reply: reply, busy: make(map[string]bool)}
	h.setResponder(e, d)
	<-ctx.Done()
	h.setResponder(e, nil)
	d.running.Wait()
	return nil
}

func (h *Links) setResponder(e exchange, d *responder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.responders[e.word] = d
}

// ask answers a question that came through the gate.
func (g *guard) ask(word string, m *nats.Msg) {
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	if d := g.hub.responders[word]; d != nil && m.Reply != "" && d.enter(g.counter) {
		d.running.Go(func() { d.serve(g.counter, m) })
	}
}

func (d *responder) enter(counter string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[counter] {
		return false
	}
	d.busy[counter] = true
	return true
}

func (d *responder) leave(counter string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, counter)
}

// serve answers one question, to the counter's own inbox, which the gate has checked. The next question may come with
// the answer.
func (d *responder) serve(counter string, m *nats.Msg) {
	data, err := d.replyTo(counter, m.Data)
	if err != nil && d.ctx.Err() == nil {
		d.hub.cfg.Logger.Warn("a counter's "+d.what+" was not granted", "counter", counter, "error", err)
		_ = wait.For(d.ctx, refusalPause)
	}
	d.leave(counter)
	if data == nil {
		return
	}
	if err := d.hub.cfg.Gate.Publish(m.Reply, data); err != nil {
		d.hub.cfg.Logger.Warn("the answer to a "+d.what+" could not be sent, the counter asks again", "counter", counter, "error", err)
	}
}

func (d *responder) replyTo(counter string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	enrolment, err := d.hub.cfg.Enrolled(ctx, counter)
	if err != nil {
		return nil, err
	}
	return d.reply(ctx, counter, enrolment, question)
}
