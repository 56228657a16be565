package hub

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/order"
	"shomei/pkg/wait"
	"shomei/services/register"
)

// ErrRefused: an operator's order was refused; the text says why and what to do.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

func notEnrolled(counter string) error {
	return refuse("no counter %s is enrolled: shomei counter list shows them", counter)
}

func unknownSubscriber(id string) error {
	return refuse("the log holds no subscriber %s: look the id up with shomei state SERIAL", id)
}

func checkSubscriber(id string) error {
	if !events.ValidID(id) {
		return refuse("%.80q is not a subscriber id", id)
	}
	return nil
}

// Operator is an officer who operates a hub. The log records their orders under their number.
type Operator struct {
	hub     *Parts
	officer string
}

// Itself is the actor of an order that no particular officer gave.
const Itself = "hub"

// By returns an Operator for an officer, or for Itself. The number is a code as events.ParseOfficer reads it, never a
// name, because it stays in the log for good. With credentials it is the officer whose they are, and may be left out.
func (p *Parts) By(officer string) (Operator, error) {
	if p.officer != "" && (officer == "" || officer == Itself) {
		return Operator{p, p.officer}, nil
	}
	if officer == Itself {
		return Operator{p, Itself}, nil
	}
	code, err := events.ParseOfficer(officer)
	if err != nil {
		return Operator{}, refuse("--officer is not a number: %v", err)
	}
	if p.officer != "" && code != p.officer {
		return Operator{}, refuse("the credentials are those of officer %s, who can't order as %s", p.officer, code)
	}
	return Operator{p, code}, nil
}

func (o Operator) envelope() eventlog.Envelope {
	env := o.hub.envelope()
	env.Actor.Id = o.officer
	return env
}

// DefineOffice records an office's definition as of its effective date. It reports false if the log already says the
// same. An office can't be redefined for days that have passed: what was decided on them stands.
func (o Operator) DefineOffice(ctx context.Context, id string, def *events.OfficeDefined) (changed bool, err error) {
	if err := officefile.CheckID(id); err != nil {
		return false, refuse("%v", err)
	}
	effective, err := civil.Parse(def.GetEffectiveFrom())
	if err != nil || effective.IsZero() {
		return false, refuse("office %s: the effective date %q is not a date", id, def.GetEffectiveFrom())
	}
	before, err := o.hub.Directory.Definition(id, effective)
	if err == nil && proto.Equal(before, def) {
		return false, nil
	}
	_, known := o.hub.Directory.Offices()[id]
	if today := civil.Of(o.hub.Clock.Now()); known && effective.Before(today) {
		return false, refuse("office %s is defined already, and %s has passed: make the change effective from %s or later",
			id, effective, today)
	}
	return true, o.hub.recordOffice(ctx, o.envelope(), id, def)
}

// Enrolment describes a counter to enrol. Its secret keys stay with whoever made them.
type Enrolment struct {
	Office string `json:"office"`
	// Counter is its id; empty: the office's next free one.
	Counter string `json:"counter,omitempty"`
	// Role is counter, factory, register, telephone or operator.
	Role string `json:"role"`
	// Code is the nine-character counter id of certificate subjects (profile.md 2); empty: the next free one of the
	// municipality. Only counters and factories have one.
	Code string `json:"code,omitempty"`
	// Hub is the URL where the counter reaches the hub; empty: where the hub listens.
	Hub string `json:"hub,omitempty"`
	// Near says that it runs on this machine and reaches the hub where it listens.
	Near bool `json:"near,omitempty"`
	// HostName is the name under which the counter serves its pages to other machines of its office; empty: to none. Nil leaves it as
	// it is.
	HostName *string `json:"host_name,omitempty"`
	// PublicKey is its public nkey, SealKey its public HPKE key.
	PublicKey string `json:"public_key"`
	SealKey   []byte `json:"seal_key"`
}

// Enrolled is what an enrolled counter gets: its bundle, without the names of its own key files, and its permissions.
type Enrolled struct {
	Bundle counterlink.Bundle `json:"bundle"`
	Code   string             `json:"code,omitempty"`
}

var roles = []string{"counter", "factory", "register", "telephone", "operator", "phone"}

var codeForm = regexp.MustCompile(`^[0-9]{5}[0-9A-Z]{4}$`)

// Enrol enrols a counter. Enrolling a counter again with the same key changes nothing and returns a new bundle.
func (o Operator) Enrol(ctx context.Context, e Enrolment) (Enrolled, error) {
	o.hub.enrolling.Lock()
	defer o.hub.enrolling.Unlock()
	if err := o.complete(&e); err != nil {
		return Enrolled{}, err
	}
	// First, so that whoever has heard of the register has heard of the gateway.
	if err := o.hub.enrolGateway(ctx, o.envelope(), e.Office, e.Role); err != nil {
		return Enrolled{}, err
	}
	known, ok := o.hub.Directory.Counter(e.Counter)
	if ok {
		e.Code = known.Code
	}
	if e.HostName == nil {
		e.HostName = &known.HostName
	}
	if !ok || *e.HostName != known.HostName {
		if err := o.recordEnrolment(ctx, e); err != nil {
			return Enrolled{}, err
		}
		if err := o.hub.admitCounters(); err != nil {
			return Enrolled{}, err
		}
	}
	bundle, err := o.hub.bundle(ctx, e.Counter, e.Office, e.Role, e.PublicKey)
	if err != nil {
		return Enrolled{}, fmt.Errorf("counter %s is enrolled, and its bundle is not made; give the same command again: %w", e.Counter, err)
	}
	if e.Hub != "" {
		bundle.Hub = e.Hub
	}
	return Enrolled{Bundle: bundle, Code: e.Code}, nil
}

// recordEnrolment records an enrolment, unless another operator has taken the id or the code meanwhile.
func (o Operator) recordEnrolment(ctx context.Context, e Enrolment) error {
	taken := func(s *events.OfficeState) error {
		for _, k := range s.Counters {
			if k.Counter == e.Counter && !k.Retired && k.PublicKey == e.PublicKey {
				return nil // it changes its host name
			}
		}
		for _, k := range s.Counters {
			if k.Counter == e.Counter && !k.Retired || e.Code != "" && k.CounterCode == e.Code {
				return refuse("somebody has enrolled counter %s with the code %s meanwhile: give the command again", k.Counter, k.CounterCode)
			}
		}
		return nil
	}
	return o.hub.recordOfficeIf(ctx, o.envelope(), e.Office, taken, func(dossier.Sealer) (events.Body, error) {
		return &events.CounterEnrolled{
			Counter: e.Counter, PublicKey: e.PublicKey, SealKey: e.SealKey, Role: e.Role, CounterCode: e.Code, HostName: *e.HostName,
		}, nil
	})
}

// bundle returns a counter's bundle.
func (p *Parts) bundle(ctx context.Context, counter, office, role, public string) (counterlink.Bundle, error) {
	jwt, err := p.permit(ctx, counter)
	sealTo := p.keys.sealPublic
	if role == register.Role {
		sealTo = p.keys.gateway.sealPublic
	}
	b := counterlink.Bundle{
		Counter: counter, Office: office, Role: role, Hub: p.nearURL(), CA: string(p.port.ca),
		HubSealKey: hex.EncodeToString(sealTo.Bytes()), HubWriters: []string{p.keys.public},
		Clock: p.Config.Clock, JWT: jwt,
	}
	if known, ok := p.Directory.Counter(counter); ok {
		b.HostName = known.HostName
	}
	if slices.Contains(counterlink.RolesWithCards, role) {
		b.FactoryKey = hex.EncodeToString(p.factoryKey())
	}
	return b, err
}

// Renew returns the JWT for a bundle that has none yet.
func (o Operator) Renew(ctx context.Context, counter string) (jwt string, err error) {
	return o.hub.permit(ctx, counter)
}

// complete checks an enrolment and fills in its defaults.
func (o Operator) complete(e *Enrolment) error {
	office, defined := o.hub.Directory.Offices()[e.Office]
	switch {
	case !defined:
		return refuse("there is no office %s: shomei office list shows them, shomei office define FILE defines one", e.Office)
	case !slices.Contains(roles, e.Role):
		return refuse("%q is not a role: the roles are %v", e.Role, roles)
	case !nkeys.IsValidPublicUserKey(e.PublicKey):
		return refuse("the counter's public key is not a user nkey")
	}
	if _, err := counterlink.ParseSealPublicKey(e.SealKey); err != nil {
		return refuse("the counter's seal key: %v", err)
	}
	if err := o.completeHub(e); err != nil {
		return err
	}
	if e.Counter == "" {
		e.Counter = o.hub.nextCounter(e.Office, e.Role)
	}
	if err := o.checkHostName(e); err != nil {
		return err
	}
	if err := officefile.CheckID(e.Counter); err != nil {
		return refuse("%v", err)
	}
	if known, ok := o.hub.Directory.Counter(e.Counter); ok && (known.PublicKey != e.PublicKey || known.Office != e.Office || known.Role != e.Role) {
		return refuse("counter %s is enrolled already, at %s as %s: leave --counter out for a new id, or retire it first",
			e.Counter, known.Office, known.Role)
	} else if ok {
		return nil
	}
	return o.completeCode(e, office.Municipality)
}

// completeHub checks the hub's address for the counter. The certificate must carry its name, or the counter would
// refuse it.
func (o Operator) completeHub(e *Enrolment) error {
	if e.Hub == "" {
		if e.Near || !o.hub.everywhere() {
			return nil
		}
		if len(o.hub.Names) == 0 {
			return refuse("the hub listens on every address of this machine: say with --hub which one the counter shall use, such as tls://hub.example:4222")
		}
		_, port, err := net.SplitHostPort(strings.TrimPrefix(o.hub.URL(), "tls://"))
		if err != nil {
			return fmt.Errorf("the hub's own address: %w", err)
		}
		e.Hub = "tls://" + net.JoinHostPort(o.hub.Names[0], port)
	}
	at, err := url.Parse(e.Hub)
	if err != nil || at.Scheme != "tls" || at.Hostname() == "" || at.Port() == "" || strings.TrimSuffix(at.Path, "/") != "" || at.User != nil {
		return refuse("--hub %.80q is not an address: write tls://HOST:PORT, such as tls://hub.example:4222", e.Hub)
	}
	if err := o.hub.port.carries(at.Hostname()); err != nil {
		return refuse("--hub: the hub's certificate does not carry the name %.80s, so the counter would refuse it; it carries %s: add the name to names under [hub] in the configuration and start the hub again",
			at.Hostname(), strings.Join(o.hub.port.names(), ", "))
	}
	return nil
}

// checkHostName checks the name under which a counter serves its pages to its office. No other site has it: a passkey of one would
// count at the other.
func (o Operator) checkHostName(e *Enrolment) error {
	if e.HostName == nil || *e.HostName == "" {
		return nil
	}
	if e.Role != "counter" {
		return refuse("a %s has no pages and no host name", e.Role)
	}
	if err := officer.CheckHost(*e.HostName); err != nil {
		return refuse("%v", err)
	}
	if strings.EqualFold(*e.HostName, o.hub.ConsoleName) {
		return refuse("%s is the console's name: a counter needs one of its own", *e.HostName)
	}
	for _, c := range o.hub.Directory.Counters() {
		if c.HostName == *e.HostName && c.ID != e.Counter {
			return refuse("counter %s has the host name %s: each needs one of its own", c.ID, c.HostName)
		}
	}
	return nil
}

// completeCode fills in the code that stands in certificates, for counters that work on cards.
func (o Operator) completeCode(e *Enrolment, municipality string) error {
	if e.Role != "counter" && e.Role != "factory" && e.Role != "phone" {
		if e.Code != "" {
			return refuse("a %s makes no certificates and has no code", e.Role)
		}
		return nil
	}
	taken := o.hub.Directory.Codes()
	if e.Code == "" {
		for n := 1; e.Code == "" || slices.Contains(taken, e.Code); n++ {
			e.Code = fmt.Sprintf("%.5sA%03d", municipality, n)
		}
	}
	switch {
	case !codeForm.MatchString(e.Code) || e.Code[:5] != municipality[:5]:
		return refuse("%q is not a counter code: it is the municipality's %.5s and four of 0-9 A-Z, such as %.5sA001",
			e.Code, municipality, municipality)
	case slices.Contains(taken, e.Code):
		return refuse("the code %s was given to a counter before: leave --code out for the next free one", e.Code)
	}
	return nil
}

// nextCounter returns an id that no counter has had: the office's with a number and, for sources without pages, the
// role. Those without a number are the hub's own (Source).
func (p *Parts) nextCounter(office, role string) string {
	prefix := office + "-"
	if role != "counter" {
		prefix += role + "-"
	}
	n := 1
	for p.Directory.Known(prefix + strconv.Itoa(n)) {
		n++
	}
	return prefix + strconv.Itoa(n)
}

// RollCards orders the next master key of cards, waits until the cards' service has made it, and returns its version.
func (o Operator) RollCards(ctx context.Context) (version uint16, err error) {
	before := 0
	_, err = o.hub.as(eventlog.RoleOperator).Update(ctx, events.KindAuthority, events.AuthorityLog, o.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		before = len(state.CardKeys)
		return lifecycle.OrderCardKey(state), nil
	})
	if err != nil {
		return 0, fmt.Errorf("ordering a new master key of cards: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err = wait.Until(ctx, lookEvery, func() (bool, error) {
		state, err := o.hub.logState(ctx)
		if err != nil || len(state.CardKeys) == before {
			return false, err
		}
		version = uint16(state.CardKeys[len(state.CardKeys)-1].Version)
		return true, nil
	})
	if ctx.Err() != nil {
		return 0, fmt.Errorf("the order is recorded, and the key is not made yet: shomei ra makes it when it runs: %w", err)
	}
	return version, err
}

// Retire retires a counter, at once and for good.
func (o Operator) Retire(ctx context.Context, counter string) error {
	known, ok := o.hub.Directory.Counter(counter)
	if !ok {
		err := notEnrolled(counter)
		if o.hub.asks && o.hub.Directory.Known(counter) { // an earlier command may not have seen the server refuse it
			err = errors.Join(err, o.refused(ctx, counter))
		}
		return err
	}
	if err := o.hub.recordOffice(ctx, o.envelope(), known.Office, &events.CounterRetired{Counter: counter}); err != nil {
		return err
	}
	if !o.hub.asks {
		return o.hub.admitCounters()
	}
	return o.refused(ctx, counter)
}

// refused waits until the server refuses a retired counter.
func (o Operator) refused(ctx context.Context, counter string) error {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		_, err := o.hub.permit(ctx, counter)
		if errors.Is(err, ErrRefused) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("counter %s is retired, and nothing is taken from it; whether NATS has put it out is not known, give the command again to see: %w",
			counter, err)
	}
	return nil
}

// Heads are the two ends of a counter's claims where they differ: the last that the hub took, and the last that the
// counter knows it delivered.
type Heads struct {
	Hub     counterlink.Head `json:"hub"`
	Counter counterlink.Head `json:"counter"`
	Since   time.Time        `json:"since"`
	Why     string           `json:"why"`
}

// Heads returns the two heads of a counter whose claims the hub refuses because they differ.
func (o Operator) Heads(ctx context.Context, counter string) (Heads, error) {
	if _, ok := o.hub.Directory.Counter(counter); !ok {
		return Heads{}, notEnrolled(counter)
	}
	return o.hub.heads(ctx, counter)
}

// Adoption is an officer's decision to continue a counter's claims from the counter's own head.
type Adoption struct {
	// Seen are the heads that the officer has looked at.
	Seen Heads `json:"seen"`
	// Why stays in the log for ever, sealed.
	Why string `json:"why"`
}

// Adopt records the decision, by which the centre accepts the counter's claims from its own head on, and waits until it does.
// What is in quarantine stays there. Where it takes two operators, it is only asked for, and the order that waits is returned.
func (o Operator) Adopt(ctx context.Context, counter string, a Adoption) (*order.Order, error) {
	now, err := o.adoptable(ctx, counter, a)
	if err != nil {
		return nil, err
	}
	alone, err := o.alone()
	if err != nil {
		return nil, err
	}
	known, _ := o.hub.Directory.Counter(counter)
	adoption := &events.CounterHeadAdopted{
		Counter: counter, Epoch: now.Counter.Epoch, Number: now.Counter.Number, Hash: now.Counter.Hash,
		HubEpoch: now.Hub.Epoch, HubNumber: now.Hub.Number, HubHash: now.Hub.Hash,
	}
	if !alone {
		asked, err := o.ask(ctx, &events.OrderAsked{
			Act: string(order.Adoption), Target: events.KindOffice + "/" + known.Office, What: &events.OrderAsked_Adoption{Adoption: adoption},
		}, "--why", a.Why)
		return &asked, err
	}
	err = o.hub.recordOfficeSealed(ctx, o.envelope(), known.Office, func(s dossier.Sealer) (_ events.Body, err error) {
		adoption.SealedWhy, err = s.Remark(a.Why)
		return adoption, err
	})
	if err != nil {
		return nil, err
	}
	return nil, o.adopted(ctx, counter, now)
}

// adoptable refuses an adoption of other heads than those that the officer has looked at, or of an old copy.
func (o Operator) adoptable(ctx context.Context, counter string, a Adoption) (Heads, error) {
	now, err := o.Heads(ctx, counter)
	if err != nil {
		return now, err
	}
	if !sameHead(now.Hub, a.Seen.Hub) || !sameHead(now.Counter, a.Seen.Counter) {
		return now, refuse("counter %s has reported another end since: look again", counter)
	}
	if now.Counter.Epoch == now.Hub.Epoch && now.Counter.Number < now.Hub.Number {
		return now, refuse("an old copy of its store was put back at counter %s: put the right store back, or retire the counter and enrol it under a new id; going on from an old end would use numbers twice", counter)
	}
	return now, checkRemark("--why", a.Why)
}

// adopted waits until the centre goes on from the counter's own head.
func (o Operator) adopted(ctx context.Context, counter string, from Heads) error {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		now, err := o.hub.heads(ctx, counter)
		if errors.Is(err, ErrRefused) { // nothing differs any more
			return true, nil
		}
		return err == nil && !sameHead(now.Hub, from.Hub), err
	})
	if ctx.Err() != nil {
		return fmt.Errorf("the decision is recorded, and the centre has not carried it out yet: it does so when shomei ra runs: %w", err)
	}
	return err
}

func sameHead(a, b counterlink.Head) bool {
	return a.Epoch == b.Epoch && a.Number == b.Number && bytes.Equal(a.Hash, b.Hash)
}

// checkRemark refuses an officer's text that is empty, too long, or not a single line of letters and signs.
func checkRemark(flag, text string) error {
	if strings.TrimSpace(text) == "" || len(intake.Text(flag, text, intake.RemarkLimit)) > 0 {
		return refuse("%s: write one line of letters and signs, at most %d: it stays in the log, sealed", flag, intake.RemarkLimit)
	}
	return nil
}
