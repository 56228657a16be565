package lifecycle

import (
	"errors"

	"shomei/events"
)

// ErrOtherPerson: the corrected code already has a history, which only two officers join with another.
var ErrOtherPerson = errors.New("the corrected resident-record code has a history of its own")

// Alias makes the subscriber with state s an alias of to after a resident-record code was corrected, so that one person
// has one history under either code. It returns the events to store, none if s is already that alias, and
// ErrOtherPerson if s has a history of its own.
func Alias(s *events.SubscriberState, to string) ([]*events.Event, error) {
	blank := len(s.Certificates) == 0 && s.Card == nil && s.OldCard == nil && len(s.Procedures) == 0 && len(s.Letters) == 0 &&
		len(s.Obligations) == 0 && s.TookIn == 0 // another history may lead here
	switch {
	case s.AliasOf == to:
		return nil, nil
	case s.AliasOf != "" || !blank:
		return nil, ErrOtherPerson
	}
	return []*events.Event{events.New(&events.SubscriberAliased{To: to})}, nil
}
