// Package dispatcher tells others what the log has decided about a subscriber: counters, by an answer to every claim and
// a command for every obligation that a counter must fulfil, and the card aggregate, when a card is out of use. What it
// sends twice is dropped by the counter, which knows each message by its id; retiring a card twice says nothing new.
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
	"shomei/pkg/vault"
)

// Config is what the dispatcher needs; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Links     *counterlink.Links
	Directory *directory.Directory
	Vault     *vault.Vault
	// Patience is how long a counter may wait before it begins a command; after that the command is not begun any more.
	Patience time.Duration
	// Ready reports whether the issuer could sign now. Before keys are generated it is asked, because generating them may be
	// a point of no return; nil answers always yes. While it says no, the commits of those who wait for keys are tried again,
	// their answers having gone out; everybody else's go on.
	Ready  func(context.Context) error
	Clock  func() time.Time
	Logger *slog.Logger
	// Handled, when set, is told how far the log has been followed.
	Handled func(eventlog.Positions)
}

// Dispatcher sends.
type Dispatcher struct {
	Config
	memory *memory
}

// New makes a dispatcher.
func New(c Config) *Dispatcher { return &Dispatcher{c, newMemory()} }

// Run sends until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	return d.Log.Follow(ctx, eventlog.Follower{
		Name: "dispatcher", Kinds: []string{events.KindSubscriber, events.KindQuarantine}, Lanes: atOnce, Handle: d.handle, Handled: d.Handled,
		Parked: func(r eventlog.Record, err error) {
			d.Logger.Error("an aggregate's commits are set aside: look at them with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
		},
	})
}

var crashSent = crashpoint.Register("dispatcher.sent")

// atOnce is how many subscribers are served at a time; each message waits for the disk.
const atOnce = 32

// handle takes records of one aggregate in order. What comes after one that has to be tried again waits with it, but for
// the answers.
func (d *Dispatcher) handle(ctx context.Context, records []eventlog.Record) error {
	for _, r := range records {
		if err := d.handleOne(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) handleOne(ctx context.Context, r eventlog.Record) (err error) {
	if r.Kind == events.KindQuarantine {
		err = d.tell(ctx, d.answerQuarantined(r))
	} else {
		err = d.subscriber(ctx, r)
	}
	crashSent.Hit()
	return eventlog.Park(r.Kind, r.ID, err)
}

// forgotten reports whether a commit is so old that its claim has aged out of the counters' wire: when the position is lost
// and everything comes again, nobody waits for those answers.
func (d *Dispatcher) forgotten(c *events.Commit) bool {
	list := c.GetEvents()
	return len(list) > 0 && d.Clock().Sub(time.UnixMilli(list[len(list)-1].RecordedMs)) > counterlink.Retention
}

// subscriber answers the claim that led to a commit and sends what is still owed to counters. What can't be sent yet holds
// up nothing that can: the answers have gone out when the error comes back.
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
	if r.Commit.GetCounter() != "" && !d.forgotten(r.Commit) {
		list = append(list, d.answer(r, state))
	}
	var waits error
	for _, o := range state.Obligations {
		if lifecycle.OwedSince(o) > r.Commit.GetRevision() {
			continue // it goes out behind the answer of its own commit, which is still to come here
		}
		link, err := d.command(ctx, r, state, o)
		list, waits = append(list, link), errors.Join(waits, err)
	}
	return errors.Join(d.tell(ctx, list...), RetireCards(ctx, d.Log, r), waits)
}

// tell sends messages, those that there are and were not sent just now, in this order, but for those to a counter that is
// there no more. All of them are stored when nil comes back.
func (d *Dispatcher) tell(ctx context.Context, list ...*events.Downlink) error {
	var failed error
	begun := make(map[string]func(context.Context) error, len(list))
	for _, link := range list {
		if link == nil || d.memory.sent(link.Id) {
			continue
		}
		stored, err := d.Links.Begin(ctx, link)
		switch {
		case errors.Is(err, counterlink.ErrNotEnrolled):
			d.Logger.Warn("nobody to tell: the counter is not enrolled any more", "counter", link.Counter, "message", link.Id)
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

// RetireCards takes the cards that a commit has voided out of use for everybody. Doing it again says nothing new.
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

// command makes the message for one obligation; nil when no counter is to fulfil it.
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
		if err := d.memory.able(ctx, d.Ready); err != nil {
			return nil, fmt.Errorf("keys are not generated while nothing could be signed: %w", err)
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

// toWrite gathers those certificates of a procedure that are signed and not where they belong yet, each with its issuer's.
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

// ended reports whether nobody needs a certificate on a card any more: it was revoked while it was on its way.
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
