package player

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"shomei/cmd/shomei-lab/story"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/services/ra"
)

// World is what a story is played on: one centre and as many counters as it needs, with a data folder and a clock of
// its own.
type World struct {
	Hub *hub.Hub
	// Agent is the counter's program, shomei-agent.
	Agent string
	// Lang is the language in which stories are told: ja or en.
	Lang string

	secret []byte // of subscriber ids
	desks  map[string]*desk
	// gateways are the app gateways of offices, behind which the smartphones are.
	gateways map[string]*gateway
	// cards says at which counter's reader a card lies; "" at none yet.
	cards map[string]string
	kinds map[string]events.CardKind // of the cards made here
	// offices in the order in which the story defined them.
	offices []definedOffice
}

type definedOffice struct {
	id, municipality string
	branch           bool
}

// leftWaiting is how long an application may be left at accepted before its card work can't begin any more: longer than
// any office keeps one, so that what comes of it is for the law to say and not for the clock of a reader.
const leftWaiting = 90 * 24 * time.Hour

// Build starts a centre in the folder, with a settable clock that stands at the beginning.
func Build(ctx context.Context, folder, agent string, begin time.Time, logger *slog.Logger) (*World, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	h, err := hub.Start(ctx, hub.Config{
		Data: folder, Clock: filepath.Join(folder, "clock"), Begin: begin, Patience: leftWaiting, Logger: logger,
	}, hub.ByHand...)
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(filepath.Join(folder, "keys", "subscriber-ids.key"))
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &World{
		Hub: h, Agent: agent, secret: secret, desks: make(map[string]*desk), gateways: make(map[string]*gateway), cards: make(map[string]string),
		kinds: make(map[string]events.CardKind),
	}, nil
}

// Close ends the counters, then the centre.
func (w *World) Close() error {
	var errs []error
	for _, d := range w.desks {
		errs = append(errs, d.close())
	}
	for _, g := range w.gateways {
		g.close()
	}
	return errors.Join(append(errs, w.Hub.Close())...)
}

// Now is what the story's clock shows.
func (w *World) Now() time.Time { return w.Hub.Clock.Now() }

// Advance sets the clock forward and does what the days between bring.
func (w *World) Advance(ctx context.Context, to time.Time) error { return w.Hub.Advance(ctx, to) }

// publish publishes the revocation lists, which is recorded too, so the tables have to come along.
func (w *World) publish(ctx context.Context) error {
	if err := w.Hub.PublishLists(ctx); err != nil {
		return err
	}
	return w.Hub.Settle(ctx)
}

// Define records what holds of an office.
func (w *World) Define(ctx context.Context, o *story.Office) error {
	w.offices = append(w.offices, definedOffice{o.ID, o.Definition.Municipality, o.Definition.Branch})
	if err := w.Hub.DefineOffice(ctx, o.ID, o.Definition); err != nil {
		return err
	}
	return w.Hub.Issuer.HoldDueCeremonies(ctx) // a new prefecture has an authority of its own
}

// mainOffice is the office that keeps a municipality's register; without one in the story, the first there is.
func (w *World) mainOffice(municipality string) (string, error) {
	for _, o := range w.offices {
		if o.municipality == municipality && !o.branch {
			return o.id, nil
		}
	}
	if len(w.offices) == 0 {
		return "", errors.New("the story has defined no office yet: add one before this act")
	}
	return w.offices[0].id, nil
}

// desk gives the counter of an office or of the factory, started on first use.
func (w *World) desk(ctx context.Context, office, role string) (*desk, string, error) {
	name, number := office+"-1", 1
	for i, o := range w.offices {
		if o.id == office {
			number = i + 1
			break
		}
	}
	code := fmt.Sprintf("%s%04d", office[:5], number)
	if role != "counter" {
		name, code = office+"-"+role, office[:5]+"F001"
	}
	if d := w.desks[name]; d != nil {
		return d, name, nil
	}
	bundle, err := w.Hub.EnrolCounter(ctx, office, name, role, code)
	if err != nil {
		return nil, "", err
	}
	d, err := openDesk(ctx, w.Agent, bundle, filepath.Join(w.Hub.Data, name+".log"))
	if err != nil {
		return nil, "", err
	}
	w.desks[name] = d
	return d, name, nil
}

// juki cards had a term of ten years (law.md 3.1: it does not end the certificate).
const jukiCardYears = 10

// bring puts a card onto the reader of a counter. A card that lies elsewhere is carried there; one that does not exist
// is made, if its kind is known.
func (w *World) bring(ctx context.Context, d *desk, name, card string, kind events.CardKind) error {
	at, exists := w.cards[card]
	switch {
	case !exists && kind == events.CardKind_CARD_KIND_UNSPECIFIED:
		return fmt.Errorf("card %s does not exist: say its kind to have it made (card %s mynumber)", card, card)
	case !exists:
		lastDay := civil.Of(w.Now()).AddYearsClamped(jukiCardYears).String()
		if kind == events.CardKind_CARD_KIND_MYNUMBER {
			lastDay = "" // the law sets it with the application
		}
		if err := d.make(ctx, card, story.Word(kind), lastDay); err != nil {
			return fmt.Errorf("making card %s: %w", card, err)
		}
		w.kinds[card] = kind
	case at != name:
		if err := w.carry(ctx, card, d); err != nil {
			return fmt.Errorf("carrying card %s: %w", card, err)
		}
	}
	w.cards[card] = name
	if d.gone[card] { // the program still knows the card as it was when it left
		if err := errors.Join(d.stop(), d.start(ctx)); err != nil {
			return err
		}
	}
	return d.insert(ctx, card)
}

// carry takes a card from the counter where it lies to another.
func (w *World) carry(ctx context.Context, card string, to *desk) error {
	from := w.desks[w.cards[card]]
	if err := from.eject(ctx); err != nil {
		return err
	}
	from.gone[card] = true
	return os.Rename(from.file(card), to.file(card))
}

// Subscriber is the id of a person's resident-record code.
func (w *World) Subscriber(p story.Resident) string { return ra.SubscriberID(w.secret, p.Code) }

// Commits are all of a person's, the oldest first, verified: those of the subscriber whose history goes on, where the id is
// that of a corrected code.
func (w *World) Commits(ctx context.Context, subscriber string) ([]*events.Commit, error) {
	history, err := w.Hub.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return nil, err
	}
	var commits []*events.Commit
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if to := e.GetSubscriberAliased().GetTo(); to != "" {
				return w.Commits(ctx, to)
			}
		}
		commits = append(commits, r.Commit)
	}
	return commits, nil
}

// Tell reports a fact from a source that has no reader: the register, the telephone desk, the authority's operator, or
// the clerk's own terminal.
func (w *World) Tell(ctx context.Context, office, role string, claim *events.Claim, record *events.ResidentRecord) error {
	source, err := w.Hub.Source(ctx, office, role)
	if err != nil {
		return err
	}
	_, err = source.Report(ctx, claim, &events.Personal{Record: record})
	return err
}

// recordOf is the resident record as the register would show it.
func recordOf(p story.Resident) *events.ResidentRecord {
	return &events.ResidentRecord{
		ResidentCode: p.Code, Name: p.Name, Alias: p.Alias, BirthDate: p.BirthDate, Sex: p.Sex, Address: p.Address,
		Registered: p.Registered, Municipality: p.Municipality, AdultWard: p.AdultWard, Foreign: p.Foreign,
		PeriodOfStay: p.PeriodOfStay, Overseas: p.OverseasOn != "", OverseasOn: p.OverseasOn, StayPending: p.StayPending,
	}
}

// generations are those of every authority.
func (w *World) generations() ca.Generations { return w.Hub.Directory.Generations() }
