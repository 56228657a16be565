package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// What one program of a centre, or an operator, asks another: the account of who asks is the right to do so (programs).
const (
	// readySubject asks the issuer whether it can sign now.
	readySubject = "shomei.issuer.ready"
	// clockSubject asks the centre for its clock, permitSubject for what a counter may do at NATS.
	clockSubject  = "shomei.operator.clock"
	permitSubject = "shomei.operator.permit"
	// readerSubject asks for what a reader of the outward feed may do there.
	readerSubject = "shomei.operator.reader"
	// gapsSubject asks for what is known to be missing in the streams of the log, remainsSubject for what is left of one lost commit.
	gapsSubject    = "shomei.operator.gaps"
	remainsSubject = "shomei.operator.remains"
	// suspendSubject has a counter kept off the NATS server for a time, crowdedSubject asks who has too many connections there.
	suspendSubject = "shomei.operator.suspend"
	crowdedSubject = "shomei.operator.crowded"
	// seenSubject asks the ra for the links of all counters, headsSubject for the two ends of one counter's claims.
	seenSubject  = "shomei.ra.seen"
	headsSubject = "shomei.ra.heads"
	// issuedSubject asks the ra to whom the log has issued a serial number.
	issuedSubject = "shomei.ra.issued"
	// consoleSubject has the ra decide what an officer claims at the console.
	consoleSubject = "shomei.ra.console"
)

// answered is the answer to a question: what was asked for, why it is refused, or what went wrong.
type answered struct {
	Refused string          `json:"refused,omitempty"`
	Failed  string          `json:"failed,omitempty"`
	What    json.RawMessage `json:"what,omitempty"`
}

// askWait is how long an answer is waited for.
const askWait = 5 * time.Second

// ask asks another program. Errors are ErrRefused with its words, and that it could not answer or does not.
func ask[Out any](ctx context.Context, p *Parts, subject string, what any) (out Out, err error) {
	question, err := json.Marshal(what)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	reply, err := p.conn.RequestWithContext(ctx, subject, question)
	if err != nil {
		return out, fmt.Errorf("no answer on %s: %w", subject, err)
	}
	var a answered
	if err := json.Unmarshal(reply.Data, &a); err != nil {
		return out, fmt.Errorf("the answer on %s can't be read: %w", subject, err)
	}
	switch {
	case a.Refused != "":
		return out, refuse("%s", a.Refused)
	case a.Failed != "":
		return out, errors.New(a.Failed)
	}
	return out, json.Unmarshal(a.What, &out)
}

// answer is how one question is answered.
type answer struct {
	subject string
	say     func(ctx context.Context, question []byte) (any, error)
}

// answerTo makes an answer of a function that takes the question as it was asked.
func answerTo[In, Out any](subject string, say func(context.Context, In) (Out, error)) answer {
	return answer{subject, func(ctx context.Context, question []byte) (any, error) {
		var what In
		if err := json.Unmarshal(question, &what); err != nil {
			return nil, refuse("the question can't be read: %v", err)
		}
		return say(ctx, what)
	}}
}

// answerAll answers questions until ctx ends.
func (p *Parts) answerAll(ctx context.Context, all ...answer) error {
	for _, a := range all {
		at := make(chan struct{}, answeredAtOnce)
		asked, err := p.conn.Subscribe(a.subject, func(m *nats.Msg) {
			at <- struct{}{}
			go func() {
				defer func() { <-at }()
				p.respond(ctx, m, a)
			}()
		})
		if err != nil {
			return err
		}
		defer func() { _ = asked.Unsubscribe() }() // the connection ends as well
	}
	<-ctx.Done()
	return nil
}

// answeredAtOnce bounds the questions on one subject that are answered at a time.
const answeredAtOnce = 16

// respond answers one question, to the inbox of who asked and to nothing else.
func (p *Parts) respond(ctx context.Context, m *nats.Msg, a answer) {
	if !strings.HasPrefix(m.Reply, "_INBOX.") && !strings.HasPrefix(m.Reply, "_R_.") {
		return
	}
	var said answered
	what, err := a.say(ctx, m.Data)
	if err == nil {
		said.What, err = json.Marshal(what)
	}
	if errors.Is(err, ErrRefused) {
		said.Refused = strings.TrimPrefix(err.Error(), ErrRefused.Error()+": ")
	} else if err != nil {
		said.Failed = err.Error()
	}
	text, err := json.Marshal(said)
	if err == nil {
		err = m.Respond(text)
	}
	if err != nil {
		p.Logger.Warn("a question could not be answered", "subject", a.subject, "error", err)
	}
}

// answerReady tells whether the issuer can sign now.
func (p *Parts) answerReady(ctx context.Context) error {
	return p.answerAll(ctx, answerTo(readySubject, func(ctx context.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, p.Issuer.Healthy(ctx)
	}))
}

// issuerReady returns an error unless the issuer can sign now.
func (p *Parts) issuerReady(ctx context.Context) error {
	if p.Issuer != nil {
		return p.Issuer.Healthy(ctx)
	}
	if _, err := ask[struct{}](ctx, p, readySubject, struct{}{}); err != nil {
		return fmt.Errorf("the issuer is not ready: %w", err)
	}
	return nil
}

// centreClock is what the centre's clock says.
type centreClock struct {
	Now       time.Time `json:"now"`
	Simulated bool      `json:"simulated"`
}

// answerPermits tells operators the time, and what a counter may do at NATS, and has the server refuse whom the ra suspends:
// only this process has the keys for it.
func (p *Parts) answerPermits(ctx context.Context) error {
	all := []answer{
		answerTo(clockSubject, func(context.Context, struct{}) (centreClock, error) {
			return centreClock{p.Clock.Now(), p.Clock.Simulated()}, nil
		}),
		answerTo(permitSubject, p.permit), answerTo(readerSubject, p.permitReader), answerTo(gapsSubject, p.gapsOf), answerTo(remainsSubject, p.remainsOf),
	}
	if p.server != nil {
		return p.answerAll(ctx, all...)
	}
	return p.answerAll(ctx, append(all,
		answerTo(suspendSubject, func(_ context.Context, s suspension) (struct{}, error) {
			return struct{}{}, p.suspend(s.Counter, s.For)
		}),
		answerTo(crowdedSubject, func(_ context.Context, most int) (map[string]int, error) { return p.usersCrowded(most) }))...)
}

// suspension is what the ra orders about a counter that misbehaves.
type suspension struct {
	Counter string        `json:"counter"`
	For     time.Duration `json:"for"`
}

// permit returns the JWT of an enrolled counter. The caller may have enrolled or retired it a moment ago: who has just been
// enrolled is waited for, and who is retired is out at the server when this says so.
func (p *Parts) permit(ctx context.Context, counter string) (jwt string, err error) {
	if p.asks {
		return ask[string](ctx, p, permitSubject, counter)
	}
	known, ok := p.Directory.AwaitCounter(ctx, counter)
	if !ok && p.Directory.Known(counter) {
		if err := p.revoke(); err != nil {
			return "", err
		}
	}
	if !ok {
		return "", notEnrolled(counter)
	}
	return p.keys.counterJWT(known)
}

// answerLinks tells operators of the counters' links, and the console what becomes of a claim.
func (p *Parts) answerLinks(ctx context.Context) error {
	all := []answer{
		answerTo(seenSubject, func(ctx context.Context, _ struct{}) ([]counterlink.Seen, error) { return p.SeenCounters(ctx) }),
		answerTo(headsSubject, p.heads), answerTo(issuedSubject, p.issuedTo),
	}
	if p.program != nil {
		all = append(all, answerTo(consoleSubject, p.decideAtConsole))
	}
	return p.answerAll(ctx, all...)
}

// issuedTo returns the subscriber to whom the log has issued a serial number, as the tables say; empty if to nobody, or if
// they can't be asked.
func (p *Parts) issuedTo(ctx context.Context, serial uint64) (subscriber string, err error) {
	if p.asks {
		return ask[string](ctx, p, issuedSubject, serial)
	}
	rows, err := p.Warehouse.State(ctx, events.FormatSerial(serial), p.Clock.Now())
	if err != nil || rows[0].Issued.IsZero() {
		return "", nil
	}
	return rows[0].Subscriber, nil
}

// SeenCounters returns what is known of each counter's link.
func (p *Parts) SeenCounters(ctx context.Context) ([]counterlink.Seen, error) {
	if p.Links == nil {
		return ask[[]counterlink.Seen](ctx, p, seenSubject, struct{}{})
	}
	return p.Links.Seen(), nil
}

// heads returns the two heads of a counter whose claims the centre refuses because they differ.
func (p *Parts) heads(ctx context.Context, counter string) (Heads, error) {
	if p.Links == nil {
		return ask[Heads](ctx, p, headsSubject, counter)
	}
	m, ok := p.Links.Mismatch(counter)
	if !ok {
		return Heads{}, refuse("nothing to adopt: counter %s agrees with the hub, or has not linked up since the hub started", counter)
	}
	m.Hub.Recent, m.Counter.Recent = nil, nil
	return Heads{m.Hub, m.Counter, m.Since, m.Why.Error()}, nil
}
