package lifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// failer is what player needs of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// player plays the commands of one life and checks the invariants after each.
type player struct {
	t       failer
	state   *events.SubscriberState
	history []*events.Commit
	now     time.Time
	serial  uint64
	model   map[uint64]string                   // the live certificates by an independent count: serial to regime and kind
	turned  map[uint64]events.CertificateStatus // what [events.Transitions] make of each certificate
	person  regime.Person
	office  regime.Office
	n       int
	bits    uint32 // length of the keys that cards make
}

func newPlayer(t failer, at string) *player {
	p := &player{t: t, state: &events.SubscriberState{}, model: map[uint64]string{}, turned: map[uint64]events.CertificateStatus{}, bits: 2048}
	p.person = regime.Person{BirthDate: civil.New(1980, 6, 18), Registered: true, Municipality: "12237"}
	p.office = regime.Office{Municipality: "12237"}
	p.at(at)
	return p
}

// at sets the clock by a civil time in Japan.
func (p *player) at(s string) *player {
	p.t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04", s, time.FixedZone("JST", 9*3600))
	if err != nil {
		p.t.Fatalf("setting the clock: %v", err)
	}
	p.now = when.UTC()
	return p
}

// do decides, stores and folds a command and returns its events.
func (p *player) do(cmd Command) []*events.Event {
	p.t.Helper()
	before := proto.CloneOf(p.state)
	decided, err := Decide(p.state, cmd, p.now)
	if err != nil {
		p.t.Fatalf("%T at %s: %v", cmd, p.now, err)
	}
	if !proto.Equal(before, p.state) {
		p.t.Fatalf("%T changed the state it was given: %s", cmd, cmp.Diff(before, p.state, protocmp.Transform()))
	}
	if len(decided) > 0 {
		p.store(cmd, decided)
	}
	if _, ok := cmd.(RecordHandOver); ok && find[*events.Delivered](decided) != nil {
		p.exchanged(FormerCard(before), decided)
	}
	return decided
}

// exchanged fails the test unless a hand-over voids exactly the foretold card.
func (p *player) exchanged(foretold string, decided []*events.Event) {
	p.t.Helper()
	voided := ""
	for _, e := range decided {
		if b := e.GetCardVoided(); b != nil {
			voided += b.Card
		}
	}
	if voided != foretold {
		p.t.Fatalf("the hand-over ends card %q, foretold was %q: %v", voided, foretold, decided)
	}
}

func (p *player) store(cmd Command, decided []*events.Event) {
	p.t.Helper()
	c := &events.Commit{Revision: p.state.Revision + 1, Events: decided, CommandId: fmt.Sprintf("command-%d", p.n)}
	p.n++
	seen := &decision{state: p.state, now: p.now}
	for _, e := range decided {
		seen.emit(events.BodyOf(e), e.RuleIds...)
		p.liveness(e, seen.state)
	}
	Evolve(p.state, c)
	seen.state.Commands = p.state.Commands
	if !proto.Equal(p.state, seen.state) {
		p.t.Fatalf("%T: Decide saw another state than Evolve makes: %s", cmd, cmp.Diff(p.state, seen.state, protocmp.Transform()))
	}
	p.history = append(p.history, c)
	p.invariants(cmd)
}

// names returns the names of the events, in order.
func names(list []*events.Event) []string {
	var out []string
	for _, e := range list {
		out = append(out, events.Name(e))
	}
	return out
}

func find[B events.Body](list []*events.Event) B {
	for _, e := range list {
		if b, ok := events.BodyOf(e).(B); ok {
			return b
		}
	}
	var none B
	return none
}

func count[B events.Body](list []*events.Event) int {
	n := 0
	for _, e := range list {
		if _, ok := events.BodyOf(e).(B); ok {
			n++
		}
	}
	return n
}

func (p *player) all() []*events.Event {
	var list []*events.Event
	for _, c := range p.history {
		list = append(list, c.Events...)
	}
	return list
}

// photo returns the documents of a person with photo ID.
func photo() []regime.Shown {
	return []regime.Shown{
		{Document: regime.DocForm},
		{Document: regime.DocCard},
		{Document: regime.DocPhotoID, AddressCurrent: true},
		{Document: regime.DocHandOverNotice},
	}
}

// application returns an application by the person with photo ID, after the changes.
func (p *player) application(op events.Operation, change ...func(*Apply)) Apply {
	p.n++
	a := Apply{
		Procedure: fmt.Sprintf("procedure-%d", p.n), Operation: op, Channel: regime.ChannelSelf, Shown: photo(), Card: "card-1",
		CardKind: events.CardKind_CARD_KIND_MYNUMBER, Clerk: "clerk-1", Office: p.office, Person: p.person, Filed: p.now,
		Letter: fmt.Sprintf("letter-%d", p.n),
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func juki(a *Apply) { a.CardKind, a.Card = events.CardKind_CARD_KIND_JUKI, "juki-1" }
func kinds(k ...events.CertificateKind) func(*Apply) {
	return func(a *Apply) { a.Kinds = k }
}
func card(id string) func(*Apply)           { return func(a *Apply) { a.Card = id } }
func cause(c regime.Cause) func(*Apply)     { return func(a *Apply) { a.Cause = c } }
func channel(c regime.Channel) func(*Apply) { return func(a *Apply) { a.Channel = c } }
func factory(a *Apply)                      { a.Factory, a.Shown, a.Office = true, nil, regime.Office{} }

// apply files an application that must be accepted.
func (p *player) apply(op events.Operation, change ...func(*Apply)) *events.ApplicationAccepted {
	p.t.Helper()
	decided := p.do(p.application(op, change...))
	accepted := find[*events.ApplicationAccepted](decided)
	if accepted == nil {
		p.t.Fatalf("%v at %s was not accepted: %v", op, p.now, decided)
	}
	return accepted
}

// refused files an application that must be refused by the rule, among others.
func (p *player) refused(rule string, op events.Operation, change ...func(*Apply)) *events.ApplicationRefused {
	p.t.Helper()
	before := p.state.Open()
	decided := p.do(p.application(op, change...))
	refused := find[*events.ApplicationRefused](decided)
	if refused == nil || !slices.Contains(refused.Refusals, rule) {
		p.t.Fatalf("%v at %s: want a refusal by %s, got %v", op, p.now, rule, decided)
	}
	if !cmp.Equal(before, p.state.Open(), protocmp.Transform()) {
		p.t.Fatalf("a refusal changed the open procedure")
	}
	return refused
}

// owed returns the obligation of a kind that is outstanding.
func (p *player) owed(kind events.ObligationKind) *events.Obligation {
	p.t.Helper()
	for _, o := range p.state.Obligations {
		if o.Kind == kind {
			return o
		}
	}
	p.t.Fatalf("nothing of %v is owed: %v", kind, p.state.Obligations)
	return nil
}

func spki(serial uint64) []byte { return []byte(fmt.Sprintf("%032d", serial)) }
func der(serial uint64) []byte  { return []byte(fmt.Sprintf("d%031d", serial)) }

// keys generates the keys that the open procedure waits for.
func (p *player) keys() []*events.Event {
	p.t.Helper()
	open := p.state.Open()
	c := RecordKeys{Procedure: open.GetId(), Card: open.GetCarrier().Card(), Person: p.person, Filed: p.now, Signing: map[events.CertificateKind]Signing{}}
	c.Obligation = p.owed(events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS).Id
	for _, planned := range open.GetPlanned() {
		p.serial++
		c.Keys = append(c.Keys, &events.GeneratedKey{Kind: planned.Kind, SpkiSha256: spki(p.serial), Bits: p.bits})
		c.Signing[planned.Kind] = Signing{Serial: p.serial, Authority: "sign", Generation: []byte("generation")}
	}
	return p.do(c)
}

// sign signs every authorised certificate.
func (p *player) sign() []*events.Event {
	p.t.Helper()
	p.owed(events.ObligationKind_OBLIGATION_KIND_SIGN)
	c := RecordIssued{Procedure: p.state.Open().GetId()}
	for _, held := range onCards(p.state) {
		if held.Status == authorized {
			c.Signed = append(c.Signed, SignedCertificate{Serial: held.Serial, SHA256: der(held.Serial)})
		}
	}
	return p.do(c)
}

// written records that everything the procedure issued was read back.
func (p *player) written() RecordWritten {
	open := p.state.Open()
	c := RecordWritten{Procedure: open.GetId(), Card: open.GetCarrier().Card(), Filed: p.now}
	for _, held := range onCards(p.state) {
		if held.Procedure == open.GetId() && held.Status == issued {
			c.Serials, c.SHA256 = append(c.Serials, held.Serial), append(c.SHA256, der(held.Serial))
		}
	}
	return c
}

func (p *player) write() []*events.Event { return p.do(p.written()) }

func (p *player) handOver() []*events.Event {
	open := p.state.Open()
	return p.do(RecordHandOver{Procedure: open.GetId(), Card: open.GetCarrier().Card(), Yen: open.GetFeeYen(), PaperCopy: true, Filed: p.now})
}

// unblocked records that the owed PINs were set.
func (p *player) unblocked() []*events.Event {
	open := p.state.Open()
	return p.do(RecordUnblocked{Procedure: open.GetId(), Card: open.GetCarrier().Card(), Pins: open.GetPins(), Filed: p.now})
}

// carried carries an accepted application through to the hand-over.
func (p *player) carried(op events.Operation, change ...func(*Apply)) []*events.Event {
	p.t.Helper()
	from := len(p.history)
	p.apply(op, change...)
	p.keys()
	p.sign()
	p.write()
	if p.state.Open() != nil {
		p.handOver()
	}
	if p.state.Open() != nil {
		p.t.Fatalf("the procedure is still open: %v", p.state.Open())
	}
	var list []*events.Event
	for _, c := range p.history[from:] {
		list = append(list, c.Events...)
	}
	return list
}

// deadline returns the last day of a running deadline, or "".
func (p *player) deadline(kind events.DeadlineKind) string {
	for _, d := range p.state.Deadlines {
		if d.Kind == kind {
			return d.LastDay
		}
	}
	return ""
}

func (p *player) tick() []*events.Event { p.t.Helper(); return p.do(Tick{}) }

// change notifies a change of the resident record that arose today.
func (p *player) change(what events.RecordChange, change ...func(*ChangeRecord)) []*events.Event {
	p.t.Helper()
	c := ChangeRecord{Change: what, CausedOn: civil.Of(p.now).String(), Municipality: "12237", Office: p.office, Filed: p.now}
	for _, f := range change {
		f(&c)
	}
	return p.do(c)
}

// held returns the latest remembered certificate of a kind under the regime of the My Number card.
func (p *player) held(kind events.CertificateKind) *events.Certificate {
	return p.heldUnder(events.Regime_REGIME_MYNUMBER, kind)
}

func (p *player) heldUnder(r events.Regime, kind events.CertificateKind) *events.Certificate {
	var last *events.Certificate
	for _, c := range onCards(p.state) {
		if c.Kind == kind && c.Regime == r {
			last = c
		}
	}
	return last
}

func (p *player) wantStatus(r events.Regime, kind events.CertificateKind, want events.CertificateStatus) *events.Certificate {
	p.t.Helper()
	c := p.heldUnder(r, kind)
	if c.GetStatus() != want {
		p.t.Fatalf("the %s certificate under %v: %v, want %v", lawKind(kind), r, c, want)
	}
	return c
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
