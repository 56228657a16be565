package eventlog

import (
	"errors"
	"slices"

	"shomei/events"
)

// unreadable are the reasons why one aggregate can't be taken while all the others can.
var unreadable = []error{ErrForged, ErrDamaged, ErrNewerState, ErrState, events.ErrMalformed, events.ErrUnknownEvent}

// Unreadable tells whether an error of Load, History or Update is about this one aggregate, and trying again won't
// help: forged or damaged commits, or ones of a newer version. It is false for a stream that is behind its mark.
func Unreadable(err error) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	return slices.ContainsFunc(unreadable, is) && !errors.Is(err, ErrBehindMark)
}

// Park makes of an error that is about one aggregate the *ParkError that sets it aside; any other error, and nil, come
// back as they are. Whoever handles a record by reading its whole aggregate returns its errors through it.
func Park(kind, id string, err error) error {
	if !Unreadable(err) {
		return err
	}
	return &ParkError{Kind: kind, ID: id, Err: err}
}
