package servicetest

import (
	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
	"shomei/pkg/order"
)

// Officer is an officer of an office with a passkey that the test holds.
type Officer struct {
	World        *World
	Office, Code string
	Key          *officer.SoftKey
}

// Officer enrols an officer with a passkey, past the claims by which that is done. A log that is no trial takes it for one in
// hardware.
func (w *World) Officer(office, code string, roles ...officer.Role) *Officer {
	w.T.Helper()
	var words []string
	for _, role := range roles {
		words = append(words, string(role))
	}
	return w.EnrolOfficer(office, &events.OfficerEnrolled{Officer: code, Roles: words})
}

// EnrolOfficer is Officer with everything that an enrolment says.
func (w *World) EnrolOfficer(office string, enrolled *events.OfficerEnrolled) *Officer {
	w.T.Helper()
	o := &Officer{World: w, Office: office, Code: enrolled.Officer, Key: officer.NewSoftKey()}
	w.Record(events.KindOffice, office, enrolled)
	key := o.Key.Passkey()
	w.Record(events.KindOffice, office, &events.PasskeyEnrolled{
		Officer: o.Code, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty, Software: w.Directory.Trial(),
	})
	return o
}

// Sign puts the officer's code and signature into a claim.
func (o *Officer) Sign(c *events.Claim) *events.Claim {
	o.World.T.Helper()
	c.Officer = o.Code
	c.Act = must(events.ActOf(c))(o.World.T)
	c.Assertion = must(o.Key.Sign(events.ActChallenge(c.Act)))(o.World.T)
	return c
}

// Operator is an officer with credentials of their own, by which they write the log.
type Operator struct {
	World *World
	Code  string
	Log   *eventlog.Log
}

// Operator has the root enrol an operator's key.
func (w *World) Operator(code string) *Operator {
	w.T.Helper()
	key := NewKey(w.T)
	env := eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "root"}}
	_, err := w.As(eventlog.RoleRoot).Update(w.T.Context(), events.KindAuthority, events.AuthorityWriters, env, func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.WriterEnrolled{PublicKey: Public(w.T, key), Role: string(eventlog.RoleOperator), Holder: code, Pairs: true})}, nil
	})
	Check(w.T, err)
	Check(w.T, w.Log.LearnWriters(w.T.Context()))
	return &Operator{w, code, must(w.Log.As(key))(w.T)}
}

// Envelope returns that of an act of the operator.
func (o *Operator) Envelope() eventlog.Envelope {
	return eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: o.Code}}
}

// Ask records an order that needs another operator.
func (o *Operator) Ask(asked *events.OrderAsked) order.Order {
	o.World.T.Helper()
	one := must(order.Ask(o.World.T.Context(), o.Log, o.Envelope(), asked, func(uint64) (*events.Sealed, error) { return nil, nil }))(o.World.T)
	Check(o.World.T, o.World.Directory.Refresh(o.World.T.Context(), o.World.Log))
	return one
}

// Say records whatever an operator's program may say about orders, however wrong it is.
func (o *Operator) Say(history string, body events.Body) {
	o.World.T.Helper()
	_, err := o.Log.Update(o.World.T.Context(), events.KindApproval, history, o.Envelope(), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(body)}, nil
	})
	Check(o.World.T, err)
	Check(o.World.T, o.World.Directory.Refresh(o.World.T.Context(), o.World.Log))
}

// Approve approves an order.
func (o *Operator) Approve(one order.Order) {
	o.World.T.Helper()
	o.Say(one.History, &events.OrderApproved{Order: one.Revision, Digest: one.Asked.Digest})
}
