package lifecycle

import (
	"errors"

	"shomei/events"
)

// ErrOtherPerson says that a history already is somebody's: it is not joined with another because of a code.
var ErrOtherPerson = errors.New("the corrected resident-record code has a history of its own")

// Alias makes the subscriber with state s another name of the subscriber to, after a resident-record code was corrected: one
// person has one history, whichever code is told. It gives the events to store, none when it is one already, and
// ErrOtherPerson where s has a history that would be joined with another.
func Alias(s *events.SubscriberState, to string) ([]*events.Event, error) {
	blank := len(s.Certificates) == 0 && s.Card == nil && s.OldCard == nil && len(s.Procedures) == 0 && len(s.Letters) == 0 &&
		len(s.Obligations) == 0
	switch {
	case s.AliasOf == to:
		return nil, nil
	case s.AliasOf != "" || !blank:
		return nil, ErrOtherPerson
	}
	return []*events.Event{events.New(&events.SubscriberAliased{To: to})}, nil
}
