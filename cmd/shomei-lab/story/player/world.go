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
	"shomei/pkg/officer"
	"shomei/services/ra"
)

// World is one centre and as many counters as a story needs, with a data folder and a clock of its own.
type World struct {
	Hub *hub.Hub
	// Agent is the path of the counter's program, shomei-agent.
	Agent string
	// Lang is the language of output: ja or en.
	Lang string

	secret []byte // from which subscriber ids are derived
	desks  map[string]*desk
	// officers are the keys of those who sign, by office and code.
	officers map[string]*officer.SoftKey
	// gateways are the app gateways of offices.
	gateways map[string]*gateway
	// cards maps each card to the counter that has it.
	cards map[string]string
	kinds map[string]events.CardKind // of the cards made here
	// offices are in the order in which the story defined them.
	offices []definedOffice
}

type definedOffice struct {
	id, municipality string
	branch           bool
}

// leftWaiting is how long the centre's commands wait: longer than any office keeps an application, so that the law ends an
// application that was left, not a command's deadline.
const leftWaiting = 90 * 24 * time.Hour

// Build starts a centre in the folder, with a settable clock set to begin.
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
		Hub: h, Agent: agent, secret: secret, desks: make(map[string]*desk), officers: make(map[string]*officer.SoftKey), gateways: make(map[string]*gateway), cards: make(map[string]string),
		kinds: make(map[string]events.CardKind),
	}, nil
}

// Close stops the counters, then the centre.
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

// Now returns the time of the story's clock.
func (w *World) Now() time.Time { return w.Hub.Clock.Now() }

// Advance sets the clock forward and performs what falls due in between.
func (w *World) Advance(ctx context.Context, to time.Time) error { return w.Hub.Advance(ctx, to) }

// publish publishes the revocation lists and waits until the hub has handled the commits about it.
func (w *World) publish(ctx context.Context) error {
	if err := w.Hub.PublishLists(ctx); err != nil {
		return err
	}
	return w.Hub.Settle(ctx)
}

// Define records an office's definition.
func (w *World) Define(ctx context.Context, o *story.Office) error {
	w.offices = append(w.offices, definedOffice{o.ID, o.Definition.Municipality, o.Definition.Branch})
	if err := w.Hub.DefineOffice(ctx, o.ID, o.Definition); err != nil {
		return err
	}
	return w.Hub.Issuer.HoldDueCeremonies(ctx) // a new prefecture has an authority of its own
}

// mainOffice returns the office that keeps a municipality's register, or the first office if the story has none.
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

// desk returns the counter of an office or of the factory, starting it on first use.
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

// jukiCardYears is the term of a juki card, which does not limit its certificate (law.md 3.1).
const jukiCardYears = 10

// bring puts a card onto the reader of a counter, fetching it from another counter, or making it if it does not exist and its
// kind is known.
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
	if d.gone[card] { // the agent only knows the card's former state
		if err := errors.Join(d.stop(), d.start(ctx)); err != nil {
			return err
		}
	}
	return d.insert(ctx, card)
}

// carry moves a card from its counter to another.
func (w *World) carry(ctx context.Context, card string, to *desk) error {
	from := w.desks[w.cards[card]]
	if err := from.eject(ctx); err != nil {
		return err
	}
	from.gone[card] = true
	return os.Rename(from.file(card), to.file(card))
}

// Subscriber returns a person's subscriber id, derived from the resident-record code.
func (w *World) Subscriber(p story.Resident) string { return ra.SubscriberID(w.secret, p.Code) }

// Commits returns all verified commits of a subscriber, the oldest first. For the id of a corrected code it returns those of
// the subscriber whose history continues.
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

// Tell reports a fact from a source without a reader: the register, the telephone desk, the authority's operator, or the
// clerk's terminal.
func (w *World) Tell(ctx context.Context, office, role string, claim *events.Claim, record *events.ResidentRecord) error {
	source, err := w.Hub.Source(ctx, office, role)
	if err != nil {
		return err
	}
	_, err = source.Report(ctx, claim, &events.Personal{Record: record})
	return err
}

// recordOf returns a person's resident record.
func recordOf(p story.Resident) *events.ResidentRecord {
	return &events.ResidentRecord{
		ResidentCode: p.Code, Name: p.Name, Kana: p.Kana, Alias: p.Alias, BirthDate: p.BirthDate, Sex: p.Sex, Address: p.Address,
		Registered: p.Registered, Municipality: p.Municipality, AdultWard: p.AdultWard, Foreign: p.Foreign,
		PeriodOfStay: p.PeriodOfStay, Overseas: p.OverseasOn != "", OverseasOn: p.OverseasOn, StayPending: p.StayPending,
	}
}

// generations returns the generations of every authority.
func (w *World) generations() ca.Generations { return w.Hub.Directory.Generations() }
