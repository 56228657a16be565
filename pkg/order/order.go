// Package order is about operators' orders that need two: one operator asks, another approves, each with a key of their own, and
// then the order is carried out, once. The log alone says how an order stands; whoever acts on one judges by it.
package order

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
)

// Order is what an operator has asked for, and what became of it.
type Order struct {
	// History is the aggregate of kind approval that holds it, Revision the one that asks.
	History  string
	Revision uint64
	// Asked is what is asked for.
	Asked *events.OrderAsked
	// AskedBy and DecidedBy are officers; DecidedBy is empty while nobody has approved or refused.
	AskedBy, DecidedBy string
	AskedAt, DecidedAt time.Time
	// Lapses is when it ends, whether or not it was approved.
	Lapses  time.Time
	Outcome Outcome
	// Refused is why the centre could not do what was approved.
	Refused string
	// writer is the key that asked.
	writer string
}

// Outcome is what became of an order.
type Outcome string

// Outcomes of orders.
const (
	Waiting   Outcome = "waiting"
	Approved  Outcome = "approved"
	Declined  Outcome = "refused"
	Withdrawn Outcome = "withdrawn"
	Lapsed    Outcome = "lapsed"
	Done      Outcome = "carried out"
	Failed    Outcome = "not carried out"
)

// Why an order does nothing.
var (
	ErrNone       = errors.New("there is no such order")
	ErrNotAsked   = errors.New("nobody has asked for it")
	ErrSamePerson = errors.New("the operator who asked can't approve")
	ErrOtherBytes = errors.New("what is approved is not what was asked for")
	ErrOver       = errors.New("it is decided already")
	ErrLapsed     = errors.New("it lapsed at the end of the working day after it was asked for")
	ErrWaiting    = errors.New("another operator has not approved it")
	ErrOthers     = errors.New("it was asked for and approved by others")
)

// LapseOf returns when an order lapses that is given now: at the end of the next working day.
func LapseOf(now time.Time) time.Time { return civil.NextWorkingDay(civil.Of(now)).EndInstant() }

// HistoryOf returns the id of the history of the orders about an aggregate. It depends on the aggregate's id alone, as the keys of
// the vault do.
func HistoryOf(id string) string {
	if whole := events.OrdersPrefix + id; events.ValidID(whole) {
		return whole
	}
	return fmt.Sprintf("%s%x", events.OrdersPrefix, events.Hash([]byte(id))[:20])
}

// Number is how people name an order.
func (o Order) Number() string {
	return strings.TrimPrefix(o.History, events.OrdersPrefix) + "." + strconv.FormatUint(o.Revision, 10)
}

// Act returns the kind of the order.
func (o Order) Act() Act { return Act(o.Asked.GetAct()) }

// Target returns the kind and id of what the order is about.
func (o Order) Target() (kind, id string) { return targetOf(o.Asked) }

func targetOf(b *events.OrderAsked) (kind, id string) {
	kind, id, _ = strings.Cut(b.GetTarget(), "/")
	return kind, id
}

// ParseNumber returns the history and the revision of an order's number.
func ParseNumber(number string) (history string, revision uint64, err error) {
	rest, digits, found := cutLast(strings.TrimSpace(number))
	revision, err = strconv.ParseUint(digits, 10, 64)
	if history = events.OrdersPrefix + rest; !found || rest == "" || err != nil || revision == 0 || !events.ValidID(history) {
		return "", 0, fmt.Errorf("%.80q is no number of an order: %w", number, ErrNone)
	}
	return history, revision, nil
}

func cutLast(number string) (before, after string, found bool) {
	i := strings.LastIndexByte(number, '.')
	if i < 0 {
		return "", "", false
	}
	return number[:i], number[i+1:], true
}

// Digest returns what an approval of these bytes covers.
func Digest(asked *events.OrderAsked) ([]byte, error) {
	bare := proto.CloneOf(asked)
	bare.Digest = nil
	encoded, err := events.Encode(bare)
	if err != nil {
		return nil, err
	}
	return events.Hash(append([]byte("shomei order 1\x00"), encoded...)), nil
}

// All returns the orders of a history, oldest first. What operators say counts only where the key of an operator has signed it, and
// what the centre did only where its ra has.
func All(ctx context.Context, log *eventlog.Log, history string) ([]Order, error) {
	records, err := log.History(ctx, events.KindApproval, history)
	if err != nil {
		return nil, err
	}
	f := fold{writers: make(map[string]eventlog.Writer)}
	for _, w := range log.Writers() {
		f.writers[w.Public] = w
	}
	for _, r := range records {
		for _, e := range r.Commit.GetEvents() {
			f.take(r, e)
		}
	}
	return f.all, nil
}

// Of returns the order with a number. The error is ErrNone if there is none.
func Of(ctx context.Context, log *eventlog.Log, number string) (Order, error) {
	history, revision, err := ParseNumber(number)
	if err != nil {
		return Order{}, err
	}
	all, err := All(ctx, log, history)
	if err != nil {
		return Order{}, err
	}
	for _, o := range all {
		if o.Revision == revision {
			return o, nil
		}
	}
	return Order{}, fmt.Errorf("%s: %w", number, ErrNone)
}

// fold makes orders of their history.
type fold struct {
	writers map[string]eventlog.Writer
	all     []Order
}

func (f *fold) take(r eventlog.Record, e *events.Event) {
	at, officer := time.UnixMilli(e.GetRecordedMs()), f.writers[r.Writer].Holder
	switch b := events.BodyOf(e).(type) {
	case *events.OrderAsked:
		if _, id := targetOf(b); officer != "" && b.GetTarget() != "" && r.ID == HistoryOf(id) {
			f.all = append(f.all, Order{
				History: r.ID, Revision: r.Commit.GetRevision(), Asked: b, AskedBy: officer, AskedAt: at, writer: r.Writer, Outcome: Waiting,
				Lapses: earlier(time.UnixMilli(b.GetLapsesMs()), LapseOf(at)),
			})
		}
	case *events.OrderApproved:
		f.change(b.GetOrder(), func(o *Order) { f.approve(o, r, b.GetDigest(), at) })
	case *events.OrderRefused:
		f.change(b.GetOrder(), func(o *Order) { o.end(officer, Declined, at) })
	case *events.OrderWithdrawn:
		f.change(b.GetOrder(), func(o *Order) {
			if officer == o.AskedBy {
				o.end(officer, Withdrawn, at)
			}
		})
	case *events.OrderLapsed:
		f.change(b.GetOrder(), func(o *Order) { o.close(r, Lapsed) })
	case *events.OrderCarriedOut:
		f.change(b.GetOrder(), func(o *Order) {
			o.close(r, Done)
			if b.GetRefused() != "" && o.Outcome == Done {
				o.Outcome, o.Refused = Failed, b.GetRefused()
			}
		})
	}
}

// change changes the order that a revision asks for, if there is one.
func (f *fold) change(order uint64, what func(*Order)) {
	for i := range f.all {
		if f.all[i].Revision == order {
			what(&f.all[i])
		}
	}
}

// approve takes an approval, unless it counts for nothing. What somebody asked for who was retired since, nobody approves.
func (f *fold) approve(o *Order, r eventlog.Record, digest []byte, at time.Time) {
	retired := f.writers[o.writer].Retired
	if officer := f.writers[r.Writer].Holder; (retired.IsZero() || at.Before(retired)) && o.approvable(officer, r.Writer, digest, at) == nil {
		o.Outcome, o.DecidedBy, o.DecidedAt = Approved, officer, at
	}
}

// end ends an order that waits, by an operator's word.
func (o *Order) end(officer string, outcome Outcome, at time.Time) {
	if officer != "" && o.Outcome == Waiting && at.Before(o.Lapses) {
		o.Outcome, o.DecidedBy, o.DecidedAt = outcome, officer, at
	}
}

// close ends an order by the centre's word.
func (o *Order) close(r eventlog.Record, outcome Outcome) {
	if r.Role == eventlog.RoleRA && (o.Outcome == Waiting && outcome == Lapsed || o.Outcome == Approved) {
		o.Outcome = outcome
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// approvable returns why an operator's approval of these bytes counts for nothing, or nil.
func (o Order) approvable(officer, writer string, digest []byte, now time.Time) error {
	whole, err := Digest(o.Asked)
	switch {
	case err != nil:
		return err
	case o.Outcome != Waiting:
		return ErrOver
	case !now.Before(o.Lapses):
		return ErrLapsed
	case officer == "" || officer == o.AskedBy || writer == o.writer:
		return ErrSamePerson
	case !bytes.Equal(digest, whole) || !bytes.Equal(o.Asked.GetDigest(), whole):
		return ErrOtherBytes
	}
	return nil
}

// Approvable returns why an operator with this key can't approve the order, or nil.
func (o Order) Approvable(officer, writer string, now time.Time) error {
	return o.approvable(officer, writer, o.Asked.GetDigest(), now)
}

// Endable returns why an operator can't refuse the order, or withdraw it if it is their own, or nil.
func (o Order) Endable(now time.Time) error {
	switch {
	case o.Outcome != Waiting:
		return ErrOver
	case !now.Before(o.Lapses):
		return ErrLapsed
	}
	return nil
}

// usable returns why an operator can't make use of the order, or nil.
func (o Order) usable(officer string, now time.Time) error {
	switch {
	case !now.Before(o.Lapses) || o.Outcome == Lapsed:
		return ErrLapsed
	case o.Outcome == Waiting:
		return ErrWaiting
	case o.Outcome != Approved:
		return ErrNotAsked
	case officer == "" || officer != o.AskedBy && officer != o.DecidedBy:
		return ErrOthers
	}
	return nil
}

// Usable returns the newest order of one of the acts about the aggregate with an id, if an operator can make use of it now, and
// otherwise why not.
func Usable(ctx context.Context, log *eventlog.Log, id, officer string, now time.Time, acts ...Act) (Order, error) {
	all, err := All(ctx, log, HistoryOf(id))
	if err != nil {
		return Order{}, err
	}
	var newest Order
	why := ErrNotAsked
	for _, o := range all {
		if _, about := o.Target(); !o.Act().Used() || !slices.Contains(acts, o.Act()) || about != id {
			continue
		}
		if newest, why = o, o.usable(officer, now); why == nil {
			return newest, nil
		}
	}
	return newest, why
}

// MayOpen returns why the key of a writer may not open what is sealed for an aggregate with an id, or nil: it must be an operator's,
// and its opening or disclosure must have been asked for and approved. Why orders are given, every operator may read.
func MayOpen(ctx context.Context, log *eventlog.Log, writer, id string, now time.Time) error {
	writers := log.Writers()
	i := slices.IndexFunc(writers, func(w eventlog.Writer) bool { return w.Public == writer && w.Retired.IsZero() && w.Holder != "" })
	if i < 0 {
		return ErrOthers
	}
	if strings.HasPrefix(id, events.OrdersPrefix) {
		if all, err := All(ctx, log, id); err != nil || len(all) > 0 {
			return err
		}
	}
	_, err := Usable(ctx, log, id, writers[i].Holder, now, Opening, Disclosure)
	return err
}
