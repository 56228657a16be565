package lifecycle

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// Reasons not to answer a card's challenge.
var (
	// ErrNoCommand: no command of this id is outstanding at this counter for this card.
	ErrNoCommand = errors.New("no such command is outstanding at this counter for this card")
	// ErrOpenedOften: the card's challenge was answered MaxOpenings times for one command.
	ErrOpenedOften = errors.New("the card was opened as often as one command may")
	// ErrCardOver: the card is out of use or another subscriber's.
	ErrCardOver = errors.New("the card is out of use, or another person's")
)

const (
	// MaxOpenings bounds how often a card's challenge is answered for one command. A command takes one or two answers,
	// and one more whenever the card was pulled out.
	MaxOpenings = 64
	// openingsKept is how many commands' openings a card's state remembers; one or two are outstanding at a time.
	openingsKept = 4
)

// CommandOnCard returns the kind of the obligation for which the counter may now work on the card, or ErrNoCommand.
func CommandOnCard(s *events.SubscriberState, obligation, counter, card string) (events.ObligationKind, error) {
	for _, o := range s.GetObligations() {
		p := s.ProcedureOf(o.Target)
		if o.Id != obligation || p.GetCounter() != counter || p.GetCarrier().Card() != card || counter == "" || card == "" {
			continue
		}
		switch o.Kind {
		case owesKeys, owesWriting, owesUnblock:
			return o.Kind, nil
		}
	}
	return 0, ErrNoCommand
}

// OpenCard records that a card's challenge is answered for a subscriber's command, or returns ErrOpenedOften or
// ErrCardOver.
func OpenCard(raw []byte, subscriber string, opened *events.CardOpened) ([]*events.Event, error) {
	s := &events.CardState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of a card: %w", err)
	}
	if s.Retired || s.Subscriber != "" && s.Subscriber != subscriber {
		return nil, ErrCardOver
	}
	for _, o := range s.Opened {
		if o.Command == opened.Command && o.Times >= MaxOpenings {
			return nil, ErrOpenedOften
		}
	}
	return []*events.Event{events.New(opened)}, nil
}

func countOpening(list []*events.CardOpening, command string) []*events.CardOpening {
	for _, o := range list {
		if o.Command == command {
			o.Times++
			return list
		}
	}
	list = append(list, &events.CardOpening{Command: command, Times: 1})
	return list[max(0, len(list)-openingsKept):]
}

// OrderCardKey orders the next master key of cards, unless one is ordered and not made yet.
func OrderCardKey(s *events.AuthorityState) []*events.Event {
	if s.CardKeyOrdered {
		return nil
	}
	return []*events.Event{events.New(&events.CardKeyOrdered{})}
}

// MakeCardKey records a master key of cards, once. It returns ErrOtherCardKey if the log knows another key under the
// version.
func MakeCardKey(s *events.AuthorityState, made *events.CardKeyMade) ([]*events.Event, error) {
	for _, known := range s.CardKeys {
		if known.Version != made.Version {
			continue
		}
		if !bytes.Equal(known.Check, made.Check) {
			return nil, fmt.Errorf("version %d: %w", made.Version, ErrOtherCardKey)
		}
		return nil, nil
	}
	return []*events.Event{events.New(made)}, nil
}

// ErrOtherCardKey: the log knows another master key of cards under this version.
var ErrOtherCardKey = errors.New("another master key of cards than the log knows")
