// Package access writes and reads who looked at what: each look is an event of the access history of who looks, recorded before
// anything is shown.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
)

// The places where something is shown, but for the counters: commands, and the console's pages.
const (
	Log     = "log"
	State   = "state"
	Export  = "export"
	Console = "console"
	// Approval is where an operator reads why another has given an order.
	Approval = "approval"
)

// ID returns the id of the access history of an officer, or of somebody known only by the place where they look.
func ID(place, officer string) string {
	if officer == "" {
		return place
	}
	return place + "-" + strings.ReplaceAll(officer, ".", "_") // a dot separates the parts of a subject
}

// Seal seals the reason of a look, in the commit that is about to be made; nil: there is none.
type Seal func(dossier.Sealer) (*events.Sealed, error)

// Because returns a Seal for a reason; nil if it is empty.
func Because(why string) Seal {
	if why == "" {
		return nil
	}
	return func(s dossier.Sealer) (*events.Sealed, error) { return s.Remark(why) }
}

// errRepeated: the look would hide behind an earlier one.
var errRepeated = errors.New("the id of this look was used before, so it was not recorded")

// errNobodys: the look names a person by what is no id, so that nobody would find it under the person.
var errNobodys = errors.New("the look names its person by what is no id, so it was not recorded")

// Record appends looks to an access history, in one commit; a reason stands with the first. Whoever gets an error shows nothing.
func Record(
	ctx context.Context, log *eventlog.Log, keys dossier.Keys, env eventlog.Envelope, id string, why Seal, looks ...*events.RecordOpened,
) error {
	if slices.ContainsFunc(looks, func(l *events.RecordOpened) bool { return l.Subscriber != "" && !events.ValidID(l.Subscriber) }) {
		return errNobodys
	}
	outcome, err := log.Update(ctx, events.KindAccess, id, env, func(head eventlog.Head) (list []*events.Event, err error) {
		if why != nil {
			if looks[0].SealedWhy, err = why(dossier.Sealer{Vault: keys, Subscriber: id, Revision: head.Revision + 1}); err != nil {
				return nil, err
			}
		}
		for _, look := range looks {
			list = append(list, events.New(look))
		}
		return list, nil
	})
	if err != nil {
		return fmt.Errorf("recording who looks: %w", err)
	}
	if outcome.Repeated {
		return errRepeated
	}
	return nil
}

// Look is an event of an access history.
type Look struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Officer string    `json:"officer"`
	Office  string    `json:"office,omitempty"`
	// Place is the counter or, elsewhere, what showed it.
	Place string `json:"place"`
	// Person is whose record it was, About the history if it was nobody's.
	Person  string   `json:"person,omitempty"`
	About   string   `json:"about,omitempty"`
	Classes []string `json:"classes,omitempty"`
	What    string   `json:"what"`
	// History and Revision are where it stands, for who opens the reason: the id of an access history, or KIND/ID.
	History  string `json:"history"`
	Revision uint64 `json:"revision"`
}

// Reason returns the history in which the reason of the look stands, as KIND/ID.
func (l Look) Reason() string {
	if strings.Contains(l.History, "/") {
		return l.History
	}
	return events.KindAccess + "/" + l.History
}

// Query chooses looks; what is empty chooses all.
type Query struct {
	Officer, Person string
	From, To        civil.Date // the first and last day
}

func (q Query) covers(l Look) bool {
	day := civil.Of(l.At)
	return (q.Officer == "" || q.Officer == l.Officer) && (q.Person == "" || q.Person == l.Person) &&
		(q.From.IsZero() || !day.Before(q.From)) && (q.To.IsZero() || !day.After(q.To))
}

// Looks returns the looks that a query chooses, the oldest first. Commits that can't be read or believed are left out and are the
// error, which comes beside the others.
func Looks(ctx context.Context, log *eventlog.Log, q Query) (list []Look, err error) {
	var bad []error
	asked := make(map[string]string)
	err = log.Scan(ctx, nil, []string{events.KindAccess, events.KindApproval}, func(r eventlog.Record, err error) error {
		if err == nil {
			err = log.Verify(r)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("the history %s/%s: %w", r.Kind, r.ID, err))
			return nil
		}
		for _, e := range r.Commit.GetEvents() {
			l := lookOf(r, e)
			if r.Kind == events.KindApproval && !l.atDisclosure(r, e, asked) {
				continue
			}
			if q.covers(l) {
				list = append(list, l)
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b Look) int { return a.At.Compare(b.At) })
	return list, errors.Join(append(bad, err)...)
}

func lookOf(r eventlog.Record, e *events.Event) Look {
	c := r.Commit
	l := Look{
		At: time.UnixMilli(e.GetRecordedMs()).In(civil.Tokyo), Officer: c.GetActor().GetId(), Office: c.GetOffice(), Place: c.GetCounter(),
		Who:     strings.ToLower(strings.TrimPrefix(c.GetActor().GetKind().String(), "ACTOR_KIND_")),
		History: r.ID, Revision: c.GetRevision(),
	}
	switch b := events.BodyOf(e).(type) {
	case *events.RecordOpened:
		l.Person, l.About, l.Classes, l.What = b.GetSubscriber(), b.GetAbout(), b.GetRecordClasses(), b.GetPurpose()
		if b.GetPlace() != "" {
			l.Place = b.GetPlace()
		}
	case *events.OrderAsked, *events.OrderApproved:
		l.Place, l.History = Export, events.KindApproval+"/"+r.ID
	case *events.DisclosureAsked:
		l.Person, l.What, l.Place = b.GetSubscriber(), "disclosure asked", Export
	case *events.DisclosureReleased:
		l.Person, l.What, l.Place = b.GetSubscriber(), "disclosure released", Export
	default:
		l.What = events.Name(e)
	}
	return l
}

// atDisclosure completes a look from a history of operators' orders and reports whether it is one: whoever asks for a disclosure, or
// approves it, looks at the person. Asked has the person of each disclosure that was asked for.
func (l *Look) atDisclosure(r eventlog.Record, e *events.Event, asked map[string]string) bool {
	key := func(revision uint64) string { return fmt.Sprintf("%s.%d", r.ID, revision) }
	switch b := events.BodyOf(e).(type) {
	case *events.OrderAsked:
		kind, person, _ := strings.Cut(b.GetTarget(), "/")
		if order.Act(b.GetAct()) != order.Disclosure || kind != events.KindSubscriber {
			return false
		}
		asked[key(r.Commit.GetRevision())] = person
		l.Person, l.What = person, "disclosure asked"
	case *events.OrderApproved:
		l.Person, l.What = asked[key(b.GetOrder())], "disclosure released"
	}
	return l.Person != ""
}

// Around is how far from a look an act may be that explains it.
const Around = 7 * 24 * time.Hour

// WithoutAct returns those looks that nothing explains: within seven days around it, neither the officer nor their office has done
// anything about the person. Looks at what is nobody's need no explanation.
func WithoutAct(ctx context.Context, log *eventlog.Log, looks []Look) (list []Look, err error) {
	histories := make(map[string][]eventlog.Record)
	for _, l := range looks {
		if l.Person == "" {
			continue
		}
		history, read := histories[l.Person]
		if !read {
			if history, err = log.History(ctx, events.KindSubscriber, l.Person); err != nil {
				return nil, err
			}
			histories[l.Person] = history
		}
		if !slices.ContainsFunc(history, l.explainedBy) {
			list = append(list, l)
		}
	}
	return list, nil
}

// explainedBy reports whether a commit about the person is an act that a look belongs to.
func (l Look) explainedBy(r eventlog.Record) bool {
	c := r.Commit
	if len(c.GetEvents()) == 0 || time.UnixMilli(c.GetEvents()[0].GetRecordedMs()).Sub(l.At).Abs() > Around {
		return false
	}
	if l.Office != "" {
		return c.GetOffice() == l.Office && c.GetCorrelationId() != "" || l.did(c) && c.GetOffice() == l.Office
	}
	return l.did(c)
}

// did reports whether the commit's officers are who looked.
func (l Look) did(c *events.Commit) bool {
	for _, a := range []*events.Actor{c.GetActor(), c.GetSecondOfficer()} {
		if a.GetKind() != events.ActorKind_ACTOR_KIND_SERVICE && a.GetId() == l.Officer {
			return true
		}
	}
	return false
}
