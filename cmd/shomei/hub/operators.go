package hub

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
)

// OperatorKey is what the log knows of an operator's credentials.
type OperatorKey struct {
	Officer string    `json:"officer"`
	Key     string    `json:"key"`
	Retired time.Time `json:"retired,omitzero"`
}

// OperatorKeys returns everybody who was given credentials, in the order of their numbers.
func (p *Parts) OperatorKeys() (all []OperatorKey) {
	for _, w := range p.Log.Writers() {
		if w.Holder != "" {
			all = append(all, OperatorKey{w.Holder, w.Public, w.Retired})
		}
	}
	slices.SortFunc(all, func(a, b OperatorKey) int {
		return cmp.Or(cmp.Compare(a.Officer, b.Officer), a.Retired.Compare(b.Retired))
	})
	return all
}

// NewCredentials makes credentials for an officer, which nobody believes before [Operator.EnrolOperator]. It needs the folder that
// has the keys of NATS' accounts.
func (o Operator) NewCredentials(officer string) (Credentials, error) {
	p := o.hub
	account, err := p.operatorsAccount()
	if err != nil {
		return Credentials{}, err
	}
	code, err := events.ParseOfficer(officer)
	if err != nil {
		return Credentials{}, refuse("%v", err)
	}
	if p.hasCredentials(code) {
		return Credentials{}, alreadyEnrolled(code)
	}
	writer, err := newWriterSeed()
	if err != nil {
		return Credentials{}, err
	}
	rights := operators.service(max(p.Streams, 1)).Personal()
	rights.Deny = []string{events.LogSubject(events.KindAuthority, events.AuthorityWriters)} // the root's, whom they must not hinder
	signedIn, err := hubserver.Credentials(account.Key, code, rights)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{
		Officer: code, Server: p.nearURL(), CA: string(p.port.ca), User: string(signedIn), Writer: string(writer), Root: p.keys.root,
		Hub: p.keys.public, Seal: hex.EncodeToString(p.keys.sealPublic.Bytes()), Vault: hex.EncodeToString(p.keys.vaultPublic.Bytes()),
		Factory: hex.EncodeToString(p.factoryKey()), Clock: p.Config.Clock, Streams: p.Streams,
		Gateway: p.keys.gateway.public,
	}
	if c.Gateway != "" {
		c.GatewaySeal = hex.EncodeToString(p.keys.gateway.sealPublic.Bytes())
	}
	return c, nil
}

// operatorsAccount returns the account of NATS in which operators sign in.
func (p *Parts) operatorsAccount() (hubserver.Service, error) {
	account, ok := p.keys.accounts.Service(operators.name)
	if !ok {
		return account, refuse("operators are enrolled in the centre's own folder, where the keys are that make users: give it with --data, without credentials")
	}
	return account, nil
}

// hasCredentials reports whether an officer has credentials that are in force.
func (p *Parts) hasCredentials(officer string) bool {
	return slices.ContainsFunc(p.Log.Writers(), func(w eventlog.Writer) bool { return w.Holder == officer && w.Retired.IsZero() })
}

func alreadyEnrolled(officer string) error {
	return refuse("officer %s has credentials already: if they are lost, shomei operators retire %s first", officer, officer)
}

// Fits refuses credentials that are another officer's or another centre's, or whose user this centre has not made.
func (o Operator) Fits(c Credentials, officer string) error {
	account, err := o.hub.operatorsAccount()
	if err != nil {
		return err
	}
	public, err := account.Key.PublicKey()
	if err != nil {
		return err
	}
	if user, err := c.user(); err != nil || user.Issuer != public {
		return refuse("the file holds credentials that this centre has not made: name another file")
	}
	code, err := events.ParseOfficer(officer)
	if err != nil {
		return refuse("%v", err)
	}
	if c.Officer != code || c.Root != o.hub.keys.root {
		return refuse("the file holds the credentials of officer %s already, of this centre or of another: name another file", c.Officer)
	}
	return nil
}

// EnrolOperator has the root, whose key is in a file, enrol the officer's key. To enrol the same credentials again changes
// nothing; an officer has one at a time.
func (o Operator) EnrolOperator(ctx context.Context, c Credentials, root string) error {
	enrolled, err := c.enrolment()
	if err != nil {
		return err
	}
	return o.asRoot(ctx, root, func() ([]*events.Event, error) {
		for _, w := range o.hub.Log.Writers() {
			switch {
			case w.Public == enrolled.PublicKey && w.Retired.IsZero():
				return nil, nil
			case w.Public == enrolled.PublicKey:
				return nil, refuse("these credentials of %s are retired: take another file", c.Officer)
			}
		}
		if o.hub.hasCredentials(c.Officer) {
			return nil, alreadyEnrolled(c.Officer)
		}
		return []*events.Event{events.New(enrolled)}, nil
	})
}

// user returns the JWT by which the credentials sign in to NATS.
func (c Credentials) user() (*jwt.UserClaims, error) {
	token, err := nkeys.ParseDecoratedJWT([]byte(c.User))
	if err != nil {
		return nil, err
	}
	return jwt.DecodeUserClaims(token)
}

// enrolment returns the event that makes credentials believed.
func (c Credentials) enrolment() (*events.WriterEnrolled, error) {
	writer, err := nkeys.FromSeed([]byte(c.Writer))
	if err != nil {
		return nil, err
	}
	public, err := writer.PublicKey()
	if err != nil {
		return nil, err
	}
	user, err := c.user()
	if err != nil {
		return nil, err
	}
	return &events.WriterEnrolled{PublicKey: public, Role: string(eventlog.RoleOperator), Holder: c.Officer, User: user.Subject, Pairs: true}, nil
}

// retireGrace is how long what a retired officer's key signs is believed yet: NATS puts its user out within a second, and what
// was stored before that must not make a history unreadable.
const retireGrace = 5 * time.Second

// RetireOperator has the root retire an officer's key and retires the sources of claims that the officer has enrolled: NATS lets
// the officer in no more, and soon nobody believes what the key signs.
func (o Operator) RetireOperator(ctx context.Context, officer, root string) error {
	code, err := events.ParseOfficer(officer)
	if err != nil {
		return refuse("%v", err)
	}
	last, err := o.hub.Log.LastTime(ctx)
	if err != nil {
		return err
	}
	if now := time.Now(); now.After(last) { // of the server, whose times these are
		last = now
	}
	err = o.asRoot(ctx, root, func() (due []*events.Event, err error) {
		for _, w := range o.hub.Log.Writers() {
			if w.Holder == code && w.Retired.IsZero() {
				until := last.Add(retireGrace).UnixMilli()
				due = append(due, events.New(&events.WriterRetired{PublicKey: w.Public, UntilMs: until}))
			}
		}
		if due == nil {
			return nil, refuse("officer %s has no credentials: shomei operators list shows who has", code)
		}
		return due, nil
	})
	if err != nil {
		return err
	}
	return o.retireSourcesOf(ctx, code)
}

// retireSourcesOf retires every source of claims that an officer has enrolled, under whatever name.
func (o Operator) retireSourcesOf(ctx context.Context, officer string) error {
	for office := range o.hub.Directory.Offices() {
		history, err := o.hub.Log.History(ctx, events.KindOffice, office)
		if err != nil {
			return err
		}
		for _, r := range history {
			for _, e := range r.Commit.GetEvents() {
				b := e.GetCounterEnrolled()
				now, ok := o.hub.Directory.Counter(b.GetCounter())
				if b == nil || r.Commit.GetActor().GetId() != officer || !ok || now.PublicKey != b.PublicKey || !slices.Contains(reportable, b.Role) {
					continue
				}
				if err := o.hub.recordOffice(ctx, o.envelope(), office, &events.CounterRetired{Counter: b.Counter}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// asRoot records what is due about writers, as the root whose key is in a file.
func (o Operator) asRoot(ctx context.Context, root string, due func() ([]*events.Event, error)) error {
	key, err := o.hub.rootIn(cmp.Or(root, o.hub.path("keys", rootFile)))
	if errors.Is(err, os.ErrNotExist) {
		return refuse("only the root's key can do this: give its file with --root (%v)", err)
	}
	if err != nil {
		return err
	}
	defer key.Wipe()
	return o.hub.recordWriters(ctx, o.envelope(), key, due)
}
