// Package dispatcher tells others what the log has decided about a subscriber: counters, by an answer to every claim
// and a command for every obligation that a counter must fulfil, and the card aggregate, when a card goes out of use.
// Counters know each message by its id and drop repetitions; retiring a card twice changes nothing.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

// Config is what the dispatcher needs; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Links     *counterlink.Links
	Directory *directory.Directory
	Vault     dossier.Keys
	// Patience is how long a counter may wait before it starts a command; after that it no longer starts it.
	Patience time.Duration
	// Ready returns an error unless the issuer can sign now; nil is always ready. It is called before keys are
	// generated, because there may be no way back from that. While it fails, commits that owe keys are retried, after
	// their answers were sent; others go on.
	Ready  func(context.Context) error
	Clock  func() time.Time
	Logger *slog.Logger
	// Handled, if set, is called with how far the log has been followed.
	Handled func(eventlog.Positions)
}

// Dispatcher sends answers and commands.
type Dispatcher struct {
	Config
	memory *memory
}

// New returns a dispatcher.
func New(c Config) *Dispatcher { return &Dispatcher{c, newMemory()} }

// Run sends messages until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	return d.Log.Follow(ctx, eventlog.Follower{
		Name: "dispatcher", Kinds: []string{events.KindSubscriber, events.KindQuarantine, events.KindApproval, events.KindOffice}, Lanes: atOnce, Handle: d.handle, Handled: d.Handled,
		Parked: func(r eventlog.Record, err error) {
			d.Logger.Error("aggregate's commits set aside: inspect them with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
		},
	})
}

var crashSent = crashpoint.Register("dispatcher.sent")

// atOnce is how many subscribers are served at a time; each message waits for the disk.
const atOnce = 32

// handle handles one aggregate's records in order. Records behind one to be retried wait with it, but the answers go
// out.
func (d *Dispatcher) handle(ctx context.Context, records []eventlog.Record) error {
	for _, r := range records {
		if err := d.handleOne(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) handleOne(ctx context.Context, r eventlog.Record) (err error) {
	switch r.Kind {
	case events.KindQuarantine:
		err = d.quarantined(ctx, r)
	case events.KindOffice:
		err = d.office(ctx, r)
	case events.KindApproval:
		err = d.approval(ctx, r)
	default:
		err = d.subscriber(ctx, r)
	}
	crashSent.Hit()
	return eventlog.Park(r.Kind, r.ID, err)
}

// quarantined answers the claim behind a commit that put it aside.
func (d *Dispatcher) quarantined(ctx context.Context, r eventlog.Record) error {
	link, err := d.answerQuarantined(r)
	if err != nil {
		return err
	}
	return d.send(ctx, link)
}

// tooOld reports whether a commit's claim has aged out of the stream: if the position is lost and everything comes
// again, nobody waits for those answers.
func (d *Dispatcher) tooOld(c *events.Commit) bool {
	list := c.GetEvents()
	return len(list) > 0 && d.Clock().Sub(time.UnixMilli(list[len(list)-1].RecordedMs)) > counterlink.Retention
}

// subscriber answers the claim behind a commit and sends what is still owed to counters. What can't be sent yet delays
// nothing else: the rest has been sent when the error is returned.
func (d *Dispatcher) subscriber(ctx context.Context, r eventlog.Record) error {
	head, err := d.Log.LoadSince(ctx, r)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return err
	}
	var list []*events.Downlink
	if r.Commit.GetCounter() != "" && !d.tooOld(r.Commit) {
		list = append(list, d.answer(r, state))
	}
	var waits error
	for _, o := range state.Obligations {
		if lifecycle.OwedSince(o) > r.Commit.GetRevision() {
			continue // sent after the answer of its own commit, which comes later
		}
		link, err := d.command(ctx, r, state, o)
		list, waits = append(list, link), errors.Join(waits, err)
	}
	return errors.Join(d.send(ctx, list...), RetireCards(ctx, d.Log, r), waits)
}

// send sends the messages that are not nil and were not sent just now, in this order, and skips counters that are no
// longer enrolled. If it returns nil, all of them are stored.
func (d *Dispatcher) send(ctx context.Context, list ...*events.Downlink) error {
	var failed error
	begun := make(map[string]func(context.Context) error, len(list))
	for _, link := range list {
		if link == nil || d.memory.sent(link.Id) {
			continue
		}
		stored, err := d.Links.Begin(ctx, link)
		switch {
		case errors.Is(err, counterlink.ErrNotEnrolled):
			d.Logger.Warn("message dropped, its counter is no longer enrolled", "counter", link.Counter, "message", link.Id)
		case err != nil:
			failed = errors.Join(failed, err)
		default:
			begun[link.Id] = stored
		}
	}
	for id, stored := range begun {
		err := stored(ctx)
		if err == nil {
			d.memory.note(id)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// RetireCards takes the cards that a commit has voided out of use. Repeating it changes nothing.
func RetireCards(ctx context.Context, log *eventlog.Log, r eventlog.Record) error {
	for _, e := range r.Commit.Events {
		card, cause := e.GetCardVoided().GetCard(), e.GetCardVoided().GetCause()
		if returned := e.GetCardReturned(); returned != nil {
			card, cause = returned.Card, string(regime.EvCardReturned)
		}
		if card == "" {
			continue
		}
		env := eventlog.Envelope{
			CommandID: "retire/" + card, CausationID: r.Commit.CommandId, Redelivered: true,
			Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "dispatcher"},
		}
		_, err := log.Update(ctx, events.KindCard, card, env, func(h eventlog.Head) ([]*events.Event, error) {
			return lifecycle.RetireCard(h.State, cause)
		})
		if err != nil {
			return fmt.Errorf("retiring card %s: %w", card, err)
		}
	}
	return nil
}

// command returns the message for one obligation, or nil if it was sent just now or is not for a counter.
func (d *Dispatcher) command(ctx context.Context, r eventlog.Record, state *events.SubscriberState, o *events.Obligation) (*events.Downlink, error) {
	p := state.ProcedureOf(o.Target)
	if p.GetCounter() == "" {
		return nil, nil
	}
	now := d.Clock()
	link := &events.Downlink{
		Id: fmt.Sprintf("%s/%s", r.ID, o.Id), Counter: p.Counter, Procedure: o.Target, Subscriber: r.ID,
		IssuedMs: now.UnixMilli(), DeadlineMs: now.Add(d.Patience).UnixMilli(),
	}
	if d.memory.sent(link.Id) {
		return nil, nil
	}
	switch o.Kind {
	case events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS:
		if err := d.memory.canSign(ctx, d.Ready); err != nil {
			return nil, fmt.Errorf("keys are not generated while the issuer can't sign: %w", err)
		}
		link.Body = &events.Downlink_GenerateKeys{GenerateKeys: generateKeys(p)}
	case events.ObligationKind_OBLIGATION_KIND_WRITE_CARD:
		certificates, err := d.toWrite(ctx, r, state, p)
		if err != nil {
			return nil, err
		}
		command := &events.WriteCertificates{Card: p.Carrier.Card(), CardLastDay: p.CardLastDay, Certificates: certificates}
		link.Body = &events.Downlink_WriteCertificates{WriteCertificates: command}
	case events.ObligationKind_OBLIGATION_KIND_INSTALL_PHONE:
		certificates, err := d.toWrite(ctx, r, state, p)
		if err != nil {
			return nil, err
		}
		link.Body = &events.Downlink_InstallCertificates{InstallCertificates: &events.InstallCertificates{
			Device: p.Carrier.Device(), Certificates: certificates,
		}}
	case events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN:
		link.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{Card: p.Carrier.Card(), Pins: p.Pins, Regime: cardRegime(p)}}
	default:
		return nil, nil
	}
	return link, nil
}

func generateKeys(p *events.Procedure) *events.GenerateKeys {
	command := &events.GenerateKeys{Card: p.Carrier.Card(), CardKind: p.CardKind, Regime: cardRegime(p), FeeYen: p.FeeYen}
	for _, planned := range p.Planned {
		command.Kinds = append(command.Kinds, planned.Kind)
	}
	return command
}

func cardRegime(p *events.Procedure) events.Regime {
	if p.CardKind == events.CardKind_CARD_KIND_JUKI {
		return events.Regime_REGIME_JUKI
	}
	return events.Regime_REGIME_MYNUMBER
}

// toWrite returns a procedure's signed certificates that are not on their carrier, each with its issuer's.
func (d *Dispatcher) toWrite(ctx context.Context, r eventlog.Record, state *events.SubscriberState, p *events.Procedure) ([]*events.CertificateToWrite, error) {
	history, err := d.Log.HistorySince(ctx, r)
	if err != nil {
		return nil, err
	}
	file := dossier.Of(d.Vault, r.ID, history)
	var list []*events.CertificateToWrite
	for _, c := range state.Certificates {
		if c.Procedure != p.Id || c.CertificateSha256 == nil || c.Written || ended(c.Status) {
			continue
		}
		der, err := file.Certificate(c.Serial)
		if err != nil {
			return nil, err
		}
		issuer, err := d.issuerOf(history, c.Serial)
		if err != nil {
			return nil, err
		}
		list = append(list, &events.CertificateToWrite{
			Serial: c.Serial, Kind: c.Kind, Certificate: der, IssuerCertificate: issuer,
		})
	}
	return list, nil
}

// ended reports whether a certificate ended on its way to the card, where nobody needs it.
func ended(s events.CertificateStatus) bool {
	return s == events.CertificateStatus_CERTIFICATE_STATUS_REVOKED || s == events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED
}

func (d *Dispatcher) issuerOf(history []eventlog.Record, serial uint64) ([]byte, error) {
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if a := e.GetIssueAuthorized(); a != nil && a.Serial == serial {
				g, err := d.Directory.Generations().ByKeyID(a.Generation)
				if err != nil {
					return nil, err
				}
				return g.DER, nil
			}
		}
	}
	return nil, fmt.Errorf("issuer of serial %d: %w", serial, dossier.ErrNotFound)
}
