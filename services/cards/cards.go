// Package cards answers the challenges of cards, so that a counter can carry out the command that it was sent and
// nothing else (deploy/card-keys.md). Only this service holds the master keys from which the cards' administrative keys
// are derived.
package cards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/secret"
)

// Config configures the service; all fields without a remark are required.
type Config struct {
	Log   *eventlog.Log
	Links *counterlink.Links
	// Keys is the file of the master keys; it is made if there is none and the log knows of none.
	Keys string
	// Secrets reads and writes it; nil: in the clear.
	Secrets *secret.Store
	Logger  *slog.Logger
}

// Cards is the service. It is safe for concurrent use.
type Cards struct {
	Config

	mu   sync.RWMutex
	ring *ring
}

// ErrKeysGone: the log knows master keys of cards that the key file does not hold.
var ErrKeysGone = errors.New("the master keys of cards are gone, older than the log or another hub's")

// New reads the master keys and compares them with the log, which then knows each of them. If the facts about the log
// can't be read, the file's keys are used and none is made. The error is ErrKeysGone.
func New(ctx context.Context, config Config) (*Cards, error) {
	c := &Cards{Config: config}
	known, err := c.known(ctx)
	if eventlog.Unreadable(err) {
		c.Logger.Error("the log can't say which master keys of cards exist: using those of the file, and making none until authority/log is restored",
			"file", c.Keys, "error", err)
		c.ring, err = readRing(c.Secrets, c.Keys)
		return c, err
	}
	if err != nil {
		return nil, err
	}
	if c.ring, err = openKnown(c.Secrets, c.Keys, known); err != nil {
		return nil, err
	}
	for version := uint16(1); version <= c.ring.newest(); version++ {
		if err := c.record(ctx, eventlog.Envelope{CommandID: uuid.NewString(), Actor: self}, version); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Run answers challenges until ctx ends.
func (c *Cards) Run(ctx context.Context) error { return c.Links.AnswerCards(ctx, c.Answer) }

// known returns the master keys that the log knows.
func (c *Cards) known(ctx context.Context) ([]*events.CardKeyMade, error) {
	head, err := c.Log.Load(ctx, events.KindAuthority, events.AuthorityLog)
	if err != nil {
		return nil, err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	return state.GetCardKeys(), err
}

var crashOpened = crashpoint.Register("cards.opened")

var self = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "cards"}

// openKnown opens the ring; if the log knows keys, none are made to replace them.
func openKnown(secrets *secret.Store, path string, known []*events.CardKeyMade) (*ring, error) {
	gone := func(version uint32) error {
		return fmt.Errorf("%w: version %d is not in %s: put the newest copy of that file back", ErrKeysGone, version, path)
	}
	if len(known) > 0 {
		if r, err := readRing(secrets, path); err != nil {
			return nil, err
		} else if r.newest() == card.OldVersion {
			return nil, gone(known[0].Version)
		}
	}
	r, err := openRing(secrets, path)
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		master, ok := r.masters[uint16(k.Version)]
		if !ok || string(master.CheckValue()) != string(k.Check) {
			return nil, gone(k.Version)
		}
	}
	return r, nil
}

func (c *Cards) record(ctx context.Context, env eventlog.Envelope, version uint16) error {
	master := c.ring.masters[version]
	made := &events.CardKeyMade{Version: uint32(version), Check: master.CheckValue()}
	_, err := c.Log.Update(ctx, events.KindAuthority, events.AuthorityLog, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.MakeCardKey(state, made)
	})
	if err != nil {
		return fmt.Errorf("recording master key %d of cards: %w", version, err)
	}
	return nil
}

// Roll makes the next master key; every card is moved to it with its next command. The file is written first: if
// interrupted, the next start records the key.
func (c *Cards) Roll(ctx context.Context, env eventlog.Envelope) (version uint16, err error) {
	if _, err := c.known(ctx); err != nil {
		return 0, fmt.Errorf("recording a new master key of cards: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	version = c.ring.add()
	if err := c.ring.write(c.Secrets, c.Keys); err != nil {
		delete(c.ring.masters, version)
		return 0, fmt.Errorf("keeping a new master key of cards: %w", err)
	}
	return version, c.record(ctx, env, version)
}

// CarryOut makes the next master key if an officer's order for it is not carried out yet; causation is that order.
func (c *Cards) CarryOut(ctx context.Context, causation string) error {
	head, err := c.Log.Load(ctx, events.KindAuthority, events.AuthorityLog)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil || !state.GetCardKeyOrdered() {
		return err
	}
	_, err = c.Roll(ctx, eventlog.Envelope{CommandID: uuid.NewString(), CausationID: causation, Actor: self})
	return err
}

// FactoryKey returns the public key to which factories seal the transport keys of new cards (card.NewFactoryKey); nil
// while there is none, until the log can be read.
func (c *Cards) FactoryKey() []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.ring.factory == nil {
		return nil
	}
	return c.ring.factory.PublicKey().Bytes()
}

// rightsFor maps each kind of command to the rights for which it opens a card.
var rightsFor = map[events.ObligationKind]card.Rights{
	events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS: card.MayStage | card.MaySetUp,
	events.ObligationKind_OBLIGATION_KIND_WRITE_CARD:    card.MayWrite,
	events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN:   card.MaySetPINs | card.MaySetUp,
}

// Answer answers a card's challenge while the command is owed to the counter that asks, records it in the card's
// history, and includes the card's next key if its key is not of the newest version. A refusal is
// counterlink.ErrCardRefused; any other error means that the log is unavailable.
func (c *Cards) Answer(ctx context.Context, r counterlink.CardRequest) (card.Answer, error) {
	present, next, err := c.keysOf(r.Challenge)
	if err != nil {
		return card.Answer{}, refuse(err)
	}
	subscriber, rights, err := c.judge(ctx, r)
	if err != nil {
		return card.Answer{}, err
	}
	if err := c.open(ctx, r, subscriber, present, next); err != nil {
		return card.Answer{}, err
	}
	crashOpened.Hit()
	answer, err := present.Answer(r.Challenge, rights, next)
	if err != nil {
		return card.Answer{}, refuse(err)
	}
	return answer, nil
}

func refuse(why error) error { return fmt.Errorf("%w: %w", counterlink.ErrCardRefused, why) }

// keysOf returns the key that a card says it holds, and makes its next one if that is not of the newest version.
func (c *Cards) keysOf(q card.Challenge) (present card.Key, next *card.Key, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !events.ValidID(q.Card) || len(q.Random) != card.ChallengeSize {
		return present, nil, fmt.Errorf("not a card's challenge: %w", card.ErrBadData)
	}
	version, err := q.Key.Version()
	if err != nil {
		return present, nil, err
	}
	if present, err = c.keyOf(version, q.Key, q.Card); err != nil {
		return present, nil, err
	}
	newest := c.ring.newest()
	if version == newest {
		return present, nil, nil
	}
	made, err := c.keyOf(newest, card.NewKeyName(newest), q.Card)
	return present, &made, err
}

func (c *Cards) keyOf(version uint16, name card.KeyName, cardID string) (card.Key, error) {
	if version == card.FactoryVersion && c.ring.factory == nil {
		return card.Key{}, fmt.Errorf("the card is new, and %s holds no key of the factory: it is made once authority/log is put back", c.Keys)
	} else if version == card.FactoryVersion {
		return card.OpenFactoryKey(c.ring.factory, name, cardID)
	}
	master, ok := c.ring.masters[version]
	if !ok {
		return card.Key{}, fmt.Errorf("the card's key is of version %d, of which this centre has no master key: is %s the newest copy?",
			version, c.Keys)
	}
	return card.Diversify(&master, name, cardID)
}

// judge finds the command that a counter carries out, among those owed.
func (c *Cards) judge(ctx context.Context, r counterlink.CardRequest) (subscriber string, rights card.Rights, err error) {
	subscriber, obligation, _ := strings.Cut(r.Command, "/")
	if !events.ValidID(subscriber) {
		return "", 0, refuse(lifecycle.ErrNoCommand)
	}
	head, err := c.Log.Load(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return "", 0, err
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return "", 0, err
	}
	kind, err := lifecycle.CommandOnCard(state, obligation, r.Counter, r.Challenge.Card)
	if err != nil {
		return "", 0, refuse(err)
	}
	return subscriber, rightsFor[kind], nil
}

// open records the answer before it is given.
func (c *Cards) open(ctx context.Context, r counterlink.CardRequest, subscriber string, present card.Key, next *card.Key) error {
	opened := &events.CardOpened{Command: r.Command, KeyVersion: versionOf(present)}
	if next != nil {
		opened.NextVersion = versionOf(*next)
	}
	env := eventlog.Envelope{CommandID: uuid.NewString(), CausationID: r.Command, Counter: r.Counter, Actor: self}
	_, err := c.Log.Update(ctx, events.KindCard, r.Challenge.Card, env, func(h eventlog.Head) ([]*events.Event, error) {
		return lifecycle.OpenCard(h.State, subscriber, opened)
	})
	if errors.Is(err, lifecycle.ErrOpenedOften) || errors.Is(err, lifecycle.ErrCardOver) {
		return refuse(err)
	}
	return err
}

func versionOf(k card.Key) uint32 {
	version, _ := k.Name.Version() // the name was checked when the key was found
	return uint32(version)
}
