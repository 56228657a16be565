package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
)

// markLog records in the first commit whether the log is simulated, and afterwards refuses the other kind of clock.
func (p *Parts) markLog(ctx context.Context) error {
	_, err := p.as(eventlog.RoleOperator).Update(ctx, events.KindAuthority, events.AuthorityLog, p.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.OpenLog(state, p.Clock.Simulated(), p.Demonstration, uint32(max(p.Streams, 1)))
	})
	return err
}

// envelope returns the envelope of an act of this hub's operator.
func (p *Parts) envelope() eventlog.Envelope {
	return eventlog.Envelope{
		CommandID: uuid.Must(uuid.NewV7()).String(),
		Actor:     &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "hub"},
	}
}

// DefineOffice records an office's definition as of its effective date.
func (p *Parts) DefineOffice(ctx context.Context, id string, def *events.OfficeDefined) error {
	return p.recordOffice(ctx, p.envelope(), id, def)
}

func (p *Parts) recordOffice(ctx context.Context, env eventlog.Envelope, id string, body events.Body) error {
	return p.recordOfficeSealed(ctx, env, id, func(dossier.Sealer) (events.Body, error) { return body, nil })
}

// recordOfficeSealed records an office event with sealed fields.
func (p *Parts) recordOfficeSealed(
	ctx context.Context,
	env eventlog.Envelope,
	id string,
	body func(dossier.Sealer) (events.Body, error),
) error {
	return p.recordOfficeIf(ctx, env, id, func(*events.OfficeState) error { return nil }, body)
}

// recordOfficeIf records an office event with sealed fields, unless the office's state is against it.
func (p *Parts) recordOfficeIf(
	ctx context.Context,
	env eventlog.Envelope,
	id string,
	against func(*events.OfficeState) error,
	body func(dossier.Sealer) (events.Body, error),
) error {
	outcome, err := p.as(eventlog.RoleOperator).Update(ctx, events.KindOffice, id, env, func(head eventlog.Head) ([]*events.Event, error) {
		state := &events.OfficeState{}
		if err := proto.Unmarshal(head.State, state); err != nil {
			return nil, fmt.Errorf("reading the state of office %s: %w", id, err)
		}
		if err := against(state); err != nil {
			return nil, err
		}
		b, err := body(dossier.Sealer{Vault: p.sealed, Subscriber: id, Revision: head.Revision + 1})
		if err != nil {
			return nil, err
		}
		return []*events.Event{events.New(b)}, nil
	})
	if errors.Is(err, ErrRefused) {
		return err
	}
	if err != nil {
		return fmt.Errorf("recording office %s: %w", id, err)
	}
	return p.Directory.Learn(events.KindOffice, id, outcome.Commit)
}

// EnrolCounter makes a counter's keys and bundle under Data/counters/<counter> and enrols it. A counter that is already
// enrolled keeps its keys; its bundle is rewritten, because the hub's address may have changed.
func (p *Parts) EnrolCounter(ctx context.Context, office, counter, role, code string) (folder string, err error) {
	folder = p.path("counters", counter)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	seed, err := p.secrets.Make(p.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "", err
	}
	seal, err := sealKey(p.secrets, p.path("counters", counter, "seal.key"))
	if err != nil {
		return "", err
	}
	if known, ok := p.Directory.Counter(counter); !ok || known.PublicKey != public {
		err := p.recordOffice(ctx, p.envelope(), office, &events.CounterEnrolled{
			Counter: counter, PublicKey: public, SealKey: seal.PublicKey().Bytes(), Role: role, CounterCode: code,
		})
		if err != nil {
			return "", err
		}
	}
	if err := p.admitCounters(); err != nil {
		return "", err
	}
	bundle, err := p.bundle(ctx, counter, office, role, public)
	if err != nil {
		return "", err
	}
	bundle.Key, bundle.SealKey = "counter.nk", "seal.key"
	if err := bundle.Write(folder); err != nil {
		return "", err
	}
	return folder, counterlink.RemoveOldCardKey(folder)
}

// admitCounters admits exactly the enrolled counters: the gate listens to them, and the server refuses those that were
// retired.
func (p *Parts) admitCounters() error {
	if p.asks {
		return nil // the centre hears of it
	}
	var counters []string
	for _, c := range p.Directory.Counters() {
		counters = append(counters, c.ID)
	}
	err := p.revoke()
	if p.Links != nil {
		err = errors.Join(err, p.Links.Admit(counters))
	}
	return err
}

// revokeWait is how long a server outside of this process may take to learn who is revoked.
const revokeWait = 5 * time.Second

// revoke has the server refuse who is retired. Among programs of their own only the operator's has the keys for it; the gate
// and every reader of the log refuse them as well.
func (p *Parts) revoke() error {
	if p.asks || p.keys.accounts.Operator == nil {
		return nil
	}
	p.revoking.Lock() // what is told last holds
	defer p.revoking.Unlock()
	now, err := p.revoked()
	if err != nil {
		return err
	}
	if p.server != nil {
		return p.server.Revoke(now)
	}
	if p.told == nil { // what an earlier release or another table of programs has told the server is told anew
		now = p.keys.accounts.All(now)
	}
	due := maps.Clone(now)
	maps.DeleteFunc(due, func(name string, users []string) bool {
		told, known := p.told[name]
		return known && slices.Equal(told, users) // telling the server would set up imports anew, and lose answers that are on their way
	})
	if len(due) == 0 {
		return nil
	}
	err = p.asSystem(func(ctx context.Context, conn *nats.Conn) error { return p.keys.accounts.RevokeAt(ctx, conn, due) })
	if err == nil {
		p.told = now
	}
	return err
}

// asSystem calls do with a connection to the system account of an external server.
func (p *Parts) asSystem(do func(context.Context, *nats.Conn) error) error {
	may, err := p.keys.accounts.ExternalMayPublish()
	if err != nil {
		return err
	}
	conn, err := p.dialBriefly(p.URL(), user{name: "system", account: p.keys.accounts.System, valid: setUpTime, rights: hubserver.Rights{
		Publish: may, Subscribe: []string{"_INBOX.>"},
	}})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), revokeWait)
	defer cancel()
	return do(ctx, conn)
}

// revoked returns whom the server must refuse: retired counters and operators, former users of programs and, at an external
// server, suspended counters.
func (p *Parts) revoked() (hubserver.Revoked, error) {
	retired := p.Directory.Retired()
	all := hubserver.Revoked{hubserver.CountersAccount: retired, registersAccount: slices.Clone(retired), operators.name: nil, feedAccount: p.Directory.RetiredReaders()}
	for _, w := range p.Log.Writers() {
		if w.User != "" && !w.Retired.IsZero() {
			all[operators.name] = append(all[operators.name], w.User)
		}
	}
	for key, until := range p.suspended {
		if time.Now().Before(until) {
			all[hubserver.CountersAccount] = append(all[hubserver.CountersAccount], key)
		}
	}
	if p.server != nil { // whose programs have no users of their own
		return sorted(all), nil
	}
	replaced, err := p.replacedUsers(context.Background())
	if eventlog.Unreadable(err) {
		p.Logger.Error("the facts about the log can't be read: which programs' credentials were replaced is not known, and the server is not told", "error", err)
		err = nil
	}
	for account, users := range replaced {
		all[account] = append(all[account], users...)
	}
	return sorted(all), err
}

// sorted sorts each list, so that two of them can be compared.
func sorted(all hubserver.Revoked) hubserver.Revoked {
	for _, users := range all {
		slices.Sort(users)
	}
	return all
}

// replacedUsers returns the users of programs that have others in their place, by account.
func (p *Parts) replacedUsers(ctx context.Context) (map[string][]string, error) {
	replaced := make(map[string][]string)
	err := p.logHistory(ctx, func(e *events.Event) {
		if b := e.GetProgramUserRevoked(); b != nil {
			replaced[b.Account] = append(replaced[b.Account], b.PublicKey)
		}
	})
	return replaced, err
}

// factoryKey returns the public key of the makers of cards.
func (p *Parts) factoryKey() []byte {
	if p.Cards == nil {
		return p.keys.factory
	}
	return p.Cards.FactoryKey()
}

// suspend keeps a counter off the server for a time. A retired counter is kept off for good anyway. The program that has the
// keys for it does so at an external server.
func (p *Parts) suspend(counter string, d time.Duration) error {
	c, ok := p.Directory.Counter(counter)
	switch {
	case !ok:
		return nil
	case p.server != nil:
		return p.server.Suspend(c.PublicKey, d)
	case p.keys.accounts.Operator == nil:
		_, err := ask[struct{}](context.Background(), p, suspendSubject, suspension{counter, d})
		return err
	}
	return p.suspendOutside(c.PublicKey, d)
}

// longestSuspension bounds what the ra can order: a counter that is to stay away for good is retired.
const longestSuspension = 24 * time.Hour

// suspendOutside has an external server refuse a user for a time. A restart of this process readmits it.
func (p *Parts) suspendOutside(user string, d time.Duration) error {
	p.revoking.Lock()
	if p.suspended == nil {
		p.suspended = make(map[string]time.Time)
	}
	if until := time.Now().Add(min(d, longestSuspension)); until.After(p.suspended[user]) {
		p.suspended[user] = until
		time.AfterFunc(time.Until(until), func() {
			if err := p.revoke(); err != nil {
				p.Logger.Error("a counter's suspension can't be ended; restart this program to let it in", "user", user, "error", err)
			}
		})
	}
	p.revoking.Unlock()
	return p.revoke()
}

// usersCrowded returns the users of the counters' account that have more than most connections, and how many.
func (p *Parts) usersCrowded(most int) (users map[string]int, err error) {
	switch {
	case p.server != nil:
		return p.server.Crowded(most)
	case p.keys.accounts.Operator == nil:
		return ask[map[string]int](context.Background(), p, crowdedSubject, most)
	}
	err = p.asSystem(func(ctx context.Context, conn *nats.Conn) error {
		users, err = p.keys.accounts.CrowdedAt(ctx, conn, most)
		return err
	})
	return users, err
}

// crowded returns the number of connections of each counter that has more than most.
func (p *Parts) crowded(most int) (map[string]int, error) {
	users, err := p.usersCrowded(most)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	crowded := make(map[string]int)
	for _, c := range p.Directory.Counters() {
		if n := users[c.PublicKey]; n > 0 {
			crowded[c.ID] = n
		}
	}
	return crowded, nil
}

// enrolled looks up a counter's enrolment for counterlink.
func (p *Parts) enrolled(ctx context.Context, counter string) (counterlink.Enrolment, error) {
	c, ok := p.Directory.AwaitCounter(ctx, counter)
	if !ok {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s: %w", counter, counterlink.ErrNotEnrolled)
	}
	if err := p.Directory.Doubtful(c.Office); err != nil {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s waits: %w", counter, err)
	}
	return counterlink.Enrolment{Office: c.Office, PublicKey: c.PublicKey, SealKey: c.SealKey, Role: c.Role, HostName: c.HostName, Since: c.Since}, nil
}
