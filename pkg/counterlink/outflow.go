package counterlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/pkg/wait"
)

const (
	// window is how many unacknowledged commands one counter may have.
	window = 32
	// resendAfter is how long the counter may take to acknowledge a command.
	resendAfter = 2 * time.Second
)

// command is a stored command for a counter; position counts those of the link-up.
type command struct {
	sequence, position uint64
	data               []byte
	sent               time.Time
}

// outflow holds the commands for one counter, in order: taken is the last one it has, onTheWay are those after it. A
// counter accepts a command only after the one before it, so whatever was lost is sent again with all that follows.
// guard.mu guards it.
type outflow struct {
	loaded    bool
	taken     uint64
	unsaved   bool
	onTheWay  []command
	positions uint64 // the last position that was given
	// last is the newest command that was read, newest the newest there is; synced: nothing lies between.
	last, newest uint64
	synced       bool
	flowing      bool
	kick         chan struct{}
}

func (o *outflow) wake() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// lastTaken is the part of it saved in HeadStream.
type lastTaken struct {
	Sequence uint64 `json:"sequence"`
}

// loadTaken reads the last command that the counter has received, once.
func (g *guard) loadTaken(ctx context.Context) error {
	g.mu.Lock()
	loaded := g.down.loaded
	g.mu.Unlock()
	if loaded {
		return nil
	}
	saved, err := g.hub.savedTaken(ctx, g.counter)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.down.loaded {
		g.down.loaded, g.down.taken, g.down.last = true, saved, saved
	}
	return nil
}

func (h *Links) savedTaken(ctx context.Context, counter string) (uint64, error) {
	raw, err := h.heads.GetLastMsgForSubject(ctx, takenPrefix+counter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	var saved lastTaken
	if err == nil {
		err = json.Unmarshal(raw.Data, &saved)
	}
	if err != nil {
		return 0, fmt.Errorf("last command taken by counter %s: %w", counter, err)
	}
	info, err := h.commands.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("last command taken by counter %s: %w", counter, err)
	}
	if saved.Sequence > info.State.LastSeq {
		return 0, nil // the stream was made anew; the counter drops what it has seen
	}
	return saved.Sequence, nil
}

// saveTaken saves it if it has changed. Losing it only costs a repetition.
func (g *guard) saveTaken(ctx context.Context) error {
	g.mu.Lock()
	unsaved, taken := g.down.unsaved, g.down.taken
	g.down.unsaved = false
	g.mu.Unlock()
	if !unsaved {
		return nil
	}
	data, err := json.Marshal(lastTaken{taken})
	if err == nil {
		_, err = g.hub.js.Publish(ctx, takenPrefix+g.counter, data, jetstream.WithExpectStream(HeadStream))
	}
	if err != nil {
		g.mu.Lock()
		g.down.unsaved = true
		g.mu.Unlock()
		return fmt.Errorf("saving the last command taken by counter %s: %w", g.counter, err)
	}
	return nil
}

// taken records what the counter acknowledges: a command and all before it.
func (g *guard) taken(h nats.Header) {
	position, err := parseSequence(h, headerPlace)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil || h.Get(headerLink) != g.session.link {
		return
	}
	o := &g.down
	for len(o.onTheWay) > 0 && o.onTheWay[0].position <= position {
		o.taken, o.unsaved = o.onTheWay[0].sequence, true
		o.onTheWay = o.onTheWay[1:]
	}
	if !o.synced && len(o.onTheWay) < window/2 {
		o.wake()
	}
}

// deliver sends the counter its commands for as long as it is linked up.
func (g *guard) deliver(ctx context.Context) {
	timer := time.NewTimer(resendAfter)
	defer timer.Stop()
	for ctx.Err() == nil && g.linked() {
		if err := g.refill(ctx); err != nil && ctx.Err() == nil {
			g.say("the commands for a counter can't be read, trying again", "error", err)
		}
		g.send()
		timer.Reset(resendAfter)
		select {
		case <-ctx.Done():
		case <-g.down.kick:
		case <-timer.C:
		}
	}
}

// linked reports whether an agent is linked up; if none is, deliver ends in the same step.
func (g *guard) linked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.live() {
		g.down.flowing = false
		return false
	}
	return true
}

// refill reads the stream until the window is full or the end is reached.
func (g *guard) refill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		from, wanted := g.wants()
		if !wanted {
			return nil
		}
		next, err := g.hub.nextIn(ctx, g.hub.commands, CommandSubject(g.counter), from)
		if err != nil {
			return err
		}
		if g.got(next) {
			return nil
		}
	}
}

func (g *guard) wants() (from uint64, wanted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down.last + 1, !g.down.synced && len(g.down.onTheWay) < window
}

// got adds what was read after the last command; nil means nothing was. It reports whether the end is reached.
func (g *guard) got(next *message) (end bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := &g.down
	if next != nil {
		o.add(next.sequence, next.data)
		return false
	}
	o.synced = o.newest <= o.last
	return true
}

func (o *outflow) add(sequence uint64, data []byte) {
	o.positions++
	o.onTheWay = append(o.onTheWay, command{sequence: sequence, position: o.positions, data: data})
	o.last = sequence
}

// send publishes what was not sent yet, and everything again if the first is overdue.
func (g *guard) send() {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, now := &g.down, time.Now()
	again := len(o.onTheWay) > 0 && !o.onTheWay[0].sent.IsZero() && now.Sub(o.onTheWay[0].sent) >= resendAfter
	for i := range o.onTheWay {
		c := &o.onTheWay[i]
		if !c.sent.IsZero() && !again {
			continue
		}
		m := &nats.Msg{Subject: CommandSubject(g.counter), Header: commandHeader(g.session.link, *c), Data: c.data}
		if err := g.hub.cfg.Gate.PublishMsg(m); err != nil {
			g.say("a command could not be sent, it will be sent again", "error", err)
			return
		}
		c.sent = now
	}
}

// relink queues everything again, in the first positions of a new link-up; the caller holds mu.
func (o *outflow) relink() {
	o.positions = 0
	for i := range o.onTheWay {
		o.positions++
		o.onTheWay[i].position, o.onTheWay[i].sent = o.positions, time.Time{}
	}
}

// feed follows the stream of commands and tells each counter's guard.
func (h *Links) feed(ctx context.Context) {
	for ctx.Err() == nil {
		if err := h.follow(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Logger.Info("can't follow commands, retrying", "error", err)
			_ = wait.For(ctx, shortestRetry)
		}
	}
}

func (h *Links) follow(ctx context.Context) error {
	setup, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	consumer, err := h.commands.CreateConsumer(setup, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("consumer of commands: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(fetchExpiry), jetstream.PullHeartbeat(retryTime))
	if err != nil {
		return fmt.Errorf("reading commands: %w", err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	defer messages.Stop()
	h.unsync()
	for expected := uint64(1); ; expected++ {
		msg, err := messages.Next()
		if err != nil {
			return fmt.Errorf("reading commands: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("reading commands: %w", err)
		}
		if meta.Sequence.Consumer != expected {
			return fmt.Errorf("reading commands: delivery %d followed %d", meta.Sequence.Consumer, expected-1)
		}
		h.arrived(strings.TrimPrefix(msg.Subject(), commandPrefix), meta.Sequence.Stream, msg.Data())
	}
}

// unsync makes every guard read the stream: something may have come while nobody followed it.
func (h *Links) unsync() {
	for _, g := range h.allGuards() {
		g.mu.Lock()
		g.down.synced = false
		g.down.wake()
		g.mu.Unlock()
	}
}

// arrived gives a command to its counter's guard, which sends it once everything before it was read.
func (h *Links) arrived(counter string, sequence uint64, data []byte) {
	h.mu.Lock()
	g := h.guards[counter]
	h.mu.Unlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	o := &g.down
	o.newest = max(o.newest, sequence)
	if sequence <= o.last {
		return
	}
	if o.synced && len(o.onTheWay) < window {
		o.add(sequence, data)
	} else {
		o.synced = false
	}
	o.wake()
}
