package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
)

// Disclosure is the permission to write down everything held on a person: one officer asks for it, another releases it, each with
// credentials of their own.
type Disclosure struct {
	// Person is the subscriber.
	Person string
	// AskedBy and ReleasedBy are officers; ReleasedBy is empty until it is released.
	AskedBy, ReleasedBy string
	Asked, Released     time.Time
	// Lapses is when it ends, whether or not it was released.
	Lapses time.Time
	// revision is the one of the history that says so.
	revision uint64
}

// Why nothing is disclosed.
var (
	ErrNotAsked    = errors.New("no disclosure about this person is asked for")
	ErrNotReleased = errors.New("another officer has not released the disclosure")
	ErrLapsed      = errors.New("the disclosure lapsed at the end of the day after it was asked for")
	ErrSamePerson  = errors.New("the officer who asked for the disclosure can't release it")
	ErrOtherPerson = errors.New("the disclosure was asked for and released by other officers")
)

// LapseOf returns when a disclosure lapses that is asked for now: at the end of the next day.
func LapseOf(now time.Time) time.Time { return civil.Of(now).AddDays(1).EndInstant() }

// DisclosureID returns the id of the history of a person's disclosures.
func DisclosureID(person string) string { return "disclosure-" + person }

// DisclosureOf returns the newest disclosure about a person. Only what officers have signed with credentials of their own counts.
// The error is ErrNotAsked if there is none.
func DisclosureOf(ctx context.Context, log *eventlog.Log, person string) (d Disclosure, err error) {
	history, err := log.History(ctx, events.KindAccess, DisclosureID(person))
	if err != nil {
		return d, err
	}
	holders := make(map[string]string)
	for _, w := range log.Writers() {
		holders[w.Public] = w.Holder
	}
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if officer := holders[r.Writer]; officer != "" {
				d.take(officer, e, person)
			}
		}
	}
	d.revision = uint64(len(history))
	if d.AskedBy == "" {
		return d, ErrNotAsked
	}
	return d, nil
}

func (d *Disclosure) take(officer string, e *events.Event, person string) {
	at := time.UnixMilli(e.GetRecordedMs())
	switch b := events.BodyOf(e).(type) {
	case *events.DisclosureAsked:
		if b.GetSubscriber() == person {
			*d = Disclosure{Person: person, AskedBy: officer, Asked: at, Lapses: earlier(time.UnixMilli(b.GetLapsesMs()), LapseOf(at))}
		}
	case *events.DisclosureReleased:
		if b.GetSubscriber() == person && d.AskedBy != "" && officer != d.AskedBy && at.Before(d.Lapses) {
			d.ReleasedBy, d.Released = officer, at
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Releasable returns why an officer can't release the disclosure, or nil.
func (d Disclosure) Releasable(officer string, now time.Time) error {
	switch {
	case !now.Before(d.Lapses):
		return ErrLapsed
	case officer == d.AskedBy:
		return ErrSamePerson
	}
	return nil
}

// Opens returns why an officer can't open what is held on the person, or nil.
func (d Disclosure) Opens(officer string, now time.Time) error {
	switch {
	case !now.Before(d.Lapses):
		return ErrLapsed
	case d.ReleasedBy == "":
		return ErrNotReleased
	case officer == "" || officer != d.AskedBy && officer != d.ReleasedBy:
		return ErrOtherPerson
	}
	return nil
}

// MayOpen returns why the key of a writer may not open what is held on a person, or nil: it must be an officer's, and a disclosure
// must have been asked for and released.
func MayOpen(ctx context.Context, log *eventlog.Log, writer, person string, now time.Time) error {
	d, err := DisclosureOf(ctx, log, person)
	if err != nil {
		return err
	}
	for _, w := range log.Writers() {
		if w.Public == writer && w.Retired.IsZero() {
			return d.Opens(w.Holder, now)
		}
	}
	return ErrOtherPerson
}

// Decide appends what an officer has decided about a person's disclosure. Decide is called with the newest one, which is the zero
// Disclosure if none was asked for.
func Decide(ctx context.Context, log *eventlog.Log, env eventlog.Envelope, person string, decide func(d Disclosure, next uint64) (events.Body, error)) error {
	for {
		d, err := DisclosureOf(ctx, log, person)
		if err != nil && !errors.Is(err, ErrNotAsked) {
			return err
		}
		_, err = log.Update(ctx, events.KindAccess, DisclosureID(person), env, func(head eventlog.Head) ([]*events.Event, error) {
			if head.Revision != d.revision {
				return nil, errMoved
			}
			body, err := decide(d, head.Revision+1)
			if err != nil {
				return nil, err
			}
			return []*events.Event{events.New(body)}, nil
		})
		if !errors.Is(err, errMoved) {
			if err != nil {
				err = fmt.Errorf("recording a disclosure: %w", err)
			}
			return err
		}
	}
}

// errMoved: somebody has decided meanwhile.
var errMoved = errors.New("the history has grown")
