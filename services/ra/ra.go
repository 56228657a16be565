// Package ra is the registration authority: it takes the claims of counters, registers, telephone desks and factories,
// and decides. Each claim becomes one command, each command one commit; the bytes to be signed are made and sealed in
// the commit that authorises them. It only decides; everything else follows the log.
package ra

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
)

// Config is what the registration authority needs; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Links     *counterlink.Links
	Directory *directory.Directory
	Vault     Keys
	// SealKey decrypts the personal part of claims.
	SealKey hpke.PrivateKey
	// Secret makes subscriber ids from resident-record codes; at least 32 bytes, the same for the life of a deployment.
	Secret   []byte
	Switches regime.Switches
	// Simulated: the log runs by a settable clock, and claims are filed by such clocks, too.
	Simulated bool
	Clock     func() time.Time
	Logger    *slog.Logger
	// Inquired, if set, returns the subscribers with an application postponed for a letter of inquiry, whatever became
	// of it: the one with a case number or, if that is empty, those with a card.
	Inquired func(ctx context.Context, number, card string) ([]string, error)
	// ConsoleName is the host name of the console, to which the passkeys belong that officers use there; empty: officers do not sign
	// in at a console.
	ConsoleName string
	// KnownSerials, if set, returns which of some serial numbers a certificate already has.
	KnownSerials func(ctx context.Context, serials []uint64) ([]uint64, error)
	// Handled, if set, is called with how far the log has been followed for joinings.
	Handled func(eventlog.Positions)
}

// RA decides on claims.
type RA struct {
	Config
	serials serials
	console *atConsole
	// sequence distinguishes certificates of one counter and second (ca.Input.Sequence).
	sequence atomic.Uint32
}

// CheckSecret returns an error if resident-record codes could be guessed from subscriber ids made with the secret.
func CheckSecret(secret []byte) error {
	const least = 32
	if len(secret) < least {
		return fmt.Errorf("the deployment secret has %d bytes, at least %d are needed", len(secret), least)
	}
	return nil
}

// New returns a registration authority.
func New(c Config) (*RA, error) {
	if err := CheckSecret(c.Secret); err != nil {
		return nil, fmt.Errorf("registration authority: %w", err)
	}
	return &RA{Config: c, serials: serials{known: c.KnownSerials, logger: c.Logger}, console: newAtConsole()}, nil
}

// Run takes claims, and questions about persons and cases, and carries on what they began, until ctx ends or claims can't be
// taken, or the log not be followed.
func (r *RA) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	var following error
	asked.Go(func() {
		defer cancel()
		following = r.followJoinings(ctx)
	})
	asked.Go(func() { _ = r.Links.AnswerPersons(ctx, r.AnswerPerson) }) // it never fails
	asked.Go(func() { _ = r.Links.AnswerCases(ctx, r.AnswerCases) })
	asked.Go(func() { _ = r.Links.AnswerApprovals(ctx, r.AnswerApprovals) })
	asked.Go(func() { _ = r.Links.AnswerFinds(ctx, r.AnswerFind) })
	asked.Go(func() { r.lapse(ctx) })
	err := r.Links.Claims(ctx, r.Handle)
	cancel()
	asked.Wait()
	return errors.Join(err, following)
}

var crashDecided = crashpoint.Register("ra.decided")

// Handle decides on one claim whose signature and position in its counter's chain are verified. A claim that can't be
// attributed goes to quarantine, whole, and is answered from there; one whose receipt time can't be believed is held
// there.
func (r *RA) Handle(ctx context.Context, received counterlink.Received) error {
	if done, err := r.wasPutAside(ctx, received); done || err != nil {
		return err
	}
	if done, err := r.wasAsked(ctx, received); done || err != nil {
		return err
	}
	a := &attempt{RA: r, received: received, claim: received.Claim}
	err := a.decideAnew(ctx)
	if errors.Is(err, errNeedsSecond) {
		err = a.ask(ctx)
	}
	crashDecided.Hit()
	var unfit *unfitError
	var unexplained *heldError
	var refused *refusedError
	if errors.As(err, &refused) {
		return a.refuse(ctx, refused.reason)
	}
	if errors.As(err, &unexplained) {
		return r.hold(ctx, received, unexplained.receipt)
	}
	if errors.As(err, &unfit) || eventlog.Unreadable(err) || errors.Is(err, vault.ErrErased) || errors.Is(err, vault.ErrMissing) {
		return Quarantine(ctx, r.Log, r.Vault, quarantined(received, err))
	}
	if err != nil && ctx.Err() == nil {
		r.Logger.Error("claim could not be decided, it will be redelivered", "claim", received.Claim.Id, "counter", received.Claim.Counter, "error", err)
	}
	return err
}

// decideAnew decides, with new keys for somebody who applies after an erasure.
func (a *attempt) decideAnew(ctx context.Context) error {
	before := *a
	err := a.decide(ctx)
	if !errors.Is(err, vault.ErrErased) || !a.appliesAnew() {
		return err
	}
	if err := a.renewKeys(); err != nil {
		return err
	}
	*a = before
	return a.decide(ctx)
}

func quarantined(received counterlink.Received, why error) counterlink.Quarantined {
	return counterlink.Quarantined{
		ID: hex.EncodeToString(events.Hash(received.Signed)), Counter: received.Claim.Counter, Number: received.Claim.Number, Signed: received.Signed, Why: why,
	}
}

// A claim is kept whole up to maxKept bytes, which fit into a commit; of a larger one only the first cutTo bytes.
const (
	maxKept = events.MaxStored - 32<<10
	cutTo   = 4 << 10
)

// Quarantine stores a claim that can't be believed or attributed, under an id that depends on it alone, and sealed,
// because nobody knows its content. One that does not fit into a commit is cut, with its size and hash recorded. Claims
// beyond a counter's quota share one aggregate.
func Quarantine(ctx context.Context, log *eventlog.Log, v dossier.Keys, q counterlink.Quarantined) error {
	fact, kept := factOf(q)
	return putAside(ctx, log, v, q, func(s dossier.Sealer) (_ events.Body, err error) {
		if len(kept) > 0 {
			fact.SealedClaim, err = s.Claim(kept)
		}
		return fact, err
	})
}

// ofRA returns the envelope of what the registration authority says by itself, as often as it likes.
func ofRA(command string) eventlog.Envelope {
	return eventlog.Envelope{CommandID: command, Redelivered: true, Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "ra"}}
}

// putAside records an undecided claim: once, or each time for those beyond a counter's quota.
func putAside(ctx context.Context, log *eventlog.Log, v dossier.Keys, q counterlink.Quarantined, body func(dossier.Sealer) (events.Body, error)) error {
	env := ofRA(q.ID)
	env.Counter = q.Counter
	name := q.ID
	if q.Beyond > 0 {
		name = "beyond " + q.Counter
	}
	id := quarantineID(name)
	_, err := log.Update(ctx, events.KindQuarantine, id, env, func(h eventlog.Head) ([]*events.Event, error) {
		if h.Revision > 0 && q.Beyond == 0 {
			return nil, nil
		}
		fact, err := body(dossier.Sealer{Vault: v, Subscriber: id, Revision: h.Revision + 1})
		if err != nil {
			return nil, err
		}
		return []*events.Event{events.New(fact)}, nil
	})
	if err != nil {
		return fmt.Errorf("putting a claim of counter %s into quarantine: %w", q.Counter, err)
	}
	return nil
}

// factOf returns what quarantine records of a message, and the bytes it keeps.
func factOf(q counterlink.Quarantined) (fact *events.FactQuarantined, kept []byte) {
	fact = &events.FactQuarantined{Counter: q.Counter, Number: q.Number, Why: q.Why.Error(), Beyond: q.Beyond}
	var refused *refusedError
	if errors.As(q.Why, &refused) {
		fact.Reason = string(refused.reason)
	}
	limit := maxKept
	if q.Beyond > 0 {
		limit = 0
	}
	if len(q.Signed) <= limit {
		return fact, q.Signed
	}
	fact.Size, fact.Sha256 = uint64(len(q.Signed)), events.Hash(q.Signed)
	return fact, q.Signed[:min(cutTo, limit)]
}

// unfitError explains why an authentic claim cannot be attributed, or its source was not allowed to make it.
type unfitError struct{ why string }

func (e *unfitError) Error() string { return e.why }

func unfit(format string, args ...any) error { return &unfitError{fmt.Sprintf(format, args...)} }

// SubscriberID returns the id of the person with a resident-record code, the same at every counter. Without the
// deployment's secret it reveals nothing about the code.
func SubscriberID(secret []byte, residentCode string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(residentCode))
	return encode(mac.Sum(nil)[:15])
}

func encode(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// attempt is one claim being decided.
type attempt struct {
	*RA
	received   counterlink.Received
	claim      *events.Claim
	personal   *events.Personal
	subscriber string
	receipt
	// act is what the claim is. signer is the officer who has signed it, and proof the signature; nil: nobody has. released is set
	// once a second officer has approved it.
	act      officer.Act
	signer   *officer.Officer
	proof    *events.ActProof
	released *release
	// former are the ids through which the person was found, whose histories go on under another.
	former []string
	// declined is why what a claim asks about officers can't be done, and opened what the claim's officer is to see at the console.
	declined officer.Reason
	opened   []byte
	// vouched: two operators vouch for the receipt, which was set beforehand.
	vouched bool
	// corrected is the person's corrected code, if the claim has one.
	corrected string
	// unclaimed: the application's card must be claimed before it is accepted.
	unclaimed bool
	// made and identity are what certificates are made from, if the claim has keys.
	made     *generatedKeys
	identity *events.ResidentRecord
}

func (a *attempt) decide(ctx context.Context) error {
	if err := a.admissible(); err != nil {
		return err
	}
	personal, err := counterlink.OpenPersonal(a.SealKey, a.claim)
	if err != nil {
		return unfit("the personal part does not open: %v", err)
	}
	a.personal = personal
	if err := intake.First(intake.Personal(personal, civil.Of(a.Clock()))); err != nil {
		return unfit("personal data: %v", err)
	}
	if told := a.claim.GetCertificatesTold(); told != nil {
		if a.claim.Assertion != nil {
			return &refusedError{officer.NotAllowed}
		}
		return a.told(ctx, told)
	}
	decision, opened := a.claim.GetApprovalDecided(), a.claim.GetApprovalOpened()
	if decision == nil && opened == nil && !isAboutOfficers(a.claim) {
		if err := a.attribute(ctx); err != nil {
			return err
		}
		if done, err := a.wasDecidedBefore(ctx); done || err != nil {
			return err
		}
	}
	if err := a.judgeTime(); err != nil {
		return err
	}
	if err := a.judgeOfficer(ctx); err != nil {
		return err
	}
	switch {
	case decision != nil:
		return a.decideApproval(ctx, decision)
	case opened != nil:
		return a.open(ctx, opened)
	case isAboutOfficers(a.claim):
		return a.aboutOfficers(ctx)
	}
	switch fact := a.claim.Fact.(type) {
	case *events.Claim_ApplicationReceived:
		return a.application(ctx, fact.ApplicationReceived)
	case *events.Claim_KeysGenerated:
		return a.keys(ctx, fact.KeysGenerated)
	case *events.Claim_PhoneApplicationReceived:
		return a.phone(ctx, fact.PhoneApplicationReceived)
	case *events.Claim_RecordChangeNotified:
		return a.changeRecord(ctx, fact.RecordChangeNotified)
	case *events.Claim_HistoriesJoined:
		return a.join(ctx, fact.HistoriesJoined)
	default:
		if err := a.giveUpWaiting(ctx); err != nil {
			return err
		}
		command, err := a.command()
		if err != nil {
			return err
		}
		_, err = a.update(ctx, func(eventlog.Head, *events.SubscriberState) (lifecycle.Command, error) { return command, nil })
		return err
	}
}

// admissible checks what a source may claim: for its own office, about its own work, and under an id that no service
// uses for its commands (those have a slash).
func (a *attempt) admissible() error {
	c, enrolment := a.claim, a.received.Enrolment
	switch {
	case !events.ValidID(c.Id):
		return unfit("the claim's id is not an id")
	case strings.HasPrefix(c.Id, events.OrdersPrefix) && len(a.received.Hash) > 0:
		return unfit("the claim has the id of an order of operators") // which would be taken for carried out
	case enrolment.Role == consoleRole && len(a.received.Hash) > 0:
		return unfit("a source of claims can't be the console")
	case c.Office != enrolment.Office && !a.Directory.Belonged(c.Counter, c.Office):
		return unfit("the claim names an office that its counter never belonged to")
	case !maySay(enrolment.Role, c):
		return unfit("a %s may not claim %T", enrolment.Role, c.Fact)
	}
	if err := events.CheckClaim(c); err != nil {
		return unfit("the claim holds text in the clear: %v", err)
	}
	return nil
}

// judgeTime sets when the claim counts as filed. In a simulated log all clocks are settable and believed.
func (a *attempt) judgeTime() error {
	if a.released != nil || a.vouched {
		return nil // as it was judged when it was received, or as people judge it
	}
	now := a.Clock()
	if a.received.Enrolment.Role == consoleRole {
		a.receipt = receipt{filed: now} // it is decided at once
		return nil
	}
	if a.Simulated {
		a.receipt = receiptAt(a.claim, counterlink.ReadingOf(a.claim), now)
		return nil
	}
	switch a.claim.ClockEvidence {
	case counterlink.ClockSynchronised, counterlink.ClockUnsynchronised, counterlink.ClockSimulated:
	default:
		return unfit("the claim does not say whether its counter's clock is synchronised")
	}
	judged, why := judgeReceipt(a.claim, contacts(a.received), now)
	if why != nil {
		return &heldError{why}
	}
	a.receipt = judged
	return nil
}

// law returns how the claim's office reads the law on the day of receipt.
func (a *attempt) law() regime.Switches {
	return a.Directory.Law(a.claim.Office, civil.Of(a.filed), a.Switches)
}

// attribute finds whose claim this is: by the resident record, by the subscriber id that the counter got from the hub
// or, for facts about a card alone, by the card.
func (a *attempt) attribute(ctx context.Context) error {
	named, err := a.resolve(ctx, a.claim.Subscriber)
	if err != nil {
		return err
	}
	a.subscriber, a.corrected = named, a.personal.GetRecord().GetCorrectedCode()
	if code := a.personal.GetRecord().GetResidentCode(); code != "" {
		id, err := a.resolve(ctx, SubscriberID(a.Secret, code))
		switch {
		case err != nil:
			return err
		case named == "" || named == id:
			a.subscriber = id
		case correctsCode(a.claim) && a.corrected == "":
			a.corrected = code // the subscriber is named, so the record has the new code
		default:
			return unfit("the claim names another subscriber than its resident record does")
		}
	}
	if card := cardSeen(a.claim); a.subscriber == "" && events.ValidID(card) {
		holder, err := a.holderOf(ctx, card)
		if err != nil {
			return err
		}
		if a.subscriber, err = a.resolve(ctx, holder); err != nil {
			return err
		}
	}
	if !events.ValidID(a.subscriber) {
		return unfit("the claim names no subscriber and carries no resident record, and no card that somebody holds")
	}
	return nil
}

// cardSeen returns the card of a fact that is attributed by its card alone, or "".
func cardSeen(c *events.Claim) string {
	switch fact := c.Fact.(type) {
	case *events.Claim_CustodyTaken:
		return fact.CustodyTaken.Card
	case *events.Claim_CardFoundNotified:
		return fact.CardFoundNotified.Card
	case *events.Claim_PinsBlocked:
		return fact.PinsBlocked.Card
	}
	return ""
}

// holderOf returns the subscriber who claimed a card, or "".
func (a *attempt) holderOf(ctx context.Context, id string) (string, error) {
	head, err := a.Log.Load(ctx, events.KindCard, id)
	if err != nil {
		return "", fmt.Errorf("looking up a card's holder: %w", err)
	}
	state := &events.CardState{}
	if err := proto.Unmarshal(head.State, state); err != nil {
		return "", fmt.Errorf("reading the state of a card: %w", err)
	}
	return state.Subscriber, nil
}

// update decides by lifecycle.Decide and stores the outcome with personal data sealed.
func (a *attempt) update(ctx context.Context, command func(eventlog.Head, *events.SubscriberState) (lifecycle.Command, error)) (eventlog.Outcome, error) {
	return a.Log.Update(ctx, events.KindSubscriber, a.subscriber, a.envelope(), func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		if state.AliasOf != "" {
			return nil, errAliased
		}
		cmd, err := command(h, state)
		if err != nil {
			return nil, err
		}
		decided, err := lifecycle.Decide(state, cmd, h.Now)
		switch {
		case err != nil:
			return nil, unfit("no decision is possible: %v", err) // retrying won't help
		case a.needsSecond() && !refuses(decided):
			return nil, errNeedsSecond
		case a.unclaimed && accepts(decided):
			return nil, errUnclaimed
		case len(decided) == 0:
			return nil, nil
		}
		return a.complete(h, decided)
	})
}

func (a *attempt) envelope() eventlog.Envelope {
	c := a.claim
	env := eventlog.Envelope{
		CommandID: c.Id, CausationID: c.Id, CorrelationID: c.Procedure, Office: c.Office, Counter: c.Counter,
		Traceparent: c.Traceparent, Redelivered: a.received.Redelivered, Receipt: a.evidence,
		Actor: &events.Actor{Kind: actorKinds[a.received.Enrolment.Role], Id: c.Officer}, Proof: a.proof,
	}
	if a.received.Enrolment.Role == consoleRole {
		env.CommandID = consoleRole + "/" + c.Id // whoever has the console's credentials can't take the id of a counter's claim
	}
	if a.released != nil {
		env.SecondOfficer, env.SecondProof = &events.Actor{Kind: a.released.kind, Id: a.released.officer}, a.released.proof
	} else if c.SecondOfficer != "" {
		env.SecondOfficer = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: c.SecondOfficer}
	}
	return env
}

var actorKinds = map[string]events.ActorKind{
	"counter": events.ActorKind_ACTOR_KIND_CLERK, "factory": events.ActorKind_ACTOR_KIND_FACTORY,
	"register": events.ActorKind_ACTOR_KIND_REGISTER, "telephone": events.ActorKind_ACTOR_KIND_TELEPHONE,
	"operator": events.ActorKind_ACTOR_KIND_OPERATOR, "phone": events.ActorKind_ACTOR_KIND_PHONE, consoleRole: events.ActorKind_ACTOR_KIND_CLERK,
}

// complete adds what a pure decision can't make: sealed personal data and the bytes to be signed.
func (a *attempt) complete(h eventlog.Head, decided []*events.Event) ([]*events.Event, error) {
	sealer := dossier.Sealer{Vault: a.Vault, Subscriber: a.subscriber, Revision: h.Revision + 1}
	for _, e := range decided {
		if err := a.completeEvent(sealer, h.Now, e); err != nil {
			return nil, err
		}
	}
	if contact := a.personal.GetContact(); contact != nil {
		sealed, err := sealer.Contact(contact)
		if errors.Is(err, vault.ErrErased) && !a.appliesAnew() {
			return decided, nil // the address was erased: no mail until they apply again
		}
		if err != nil {
			return nil, err
		}
		e := events.New(&events.ContactRecorded{Contact: sealed})
		e.CausedMs, e.FiledMs = decided[0].CausedMs, decided[0].FiledMs
		decided = append(decided, e)
	}
	return decided, nil
}

func (a *attempt) completeEvent(sealer dossier.Sealer, now time.Time, e *events.Event) (err error) {
	record := a.personal.GetRecord()
	switch b := events.BodyOf(e).(type) {
	case *events.ResidentRecorded:
		if record != nil {
			b.Identity, err = sealer.Identity(record)
		}
	case *events.ResidentRecordChanged:
		if record != nil && record.BirthDate != "" {
			b.Identity, err = sealer.Identity(record)
		}
		if errors.Is(err, vault.ErrErased) {
			err = nil // erased data is not collected again because the register writes
		}
	case *events.SpecialCircumstancesGranted:
		b.Circumstances, err = sealer.Text(a.circumstances())
	case *events.ApplicationWithdrawn:
		if why := a.droppedFor(); why != "" && b.Procedure == a.claim.Procedure {
			b.Why, err = sealer.Text(why)
		}
		if errors.Is(err, vault.ErrErased) {
			err = nil // nothing new is collected about an erased person
		}
	case *events.SubscriberTakenIn:
		b.Why, err = sealer.Text(a.personal.GetWhy())
		if errors.Is(err, vault.ErrErased) {
			err = nil
		}
	case *events.IssueAuthorized:
		if err = a.buildTBS(sealer, b); b.Kind == events.CertificateKind_CERTIFICATE_KIND_SIGN && a.needsStandIns() {
			e.RuleIds = append(e.RuleIds, regime.StandIns)
		}
	}
	return err
}

// circumstances returns the special circumstances that an application claims; older counters send them in the clear.
func (a *attempt) circumstances() string {
	return cmp.Or(a.personal.GetSpecialCircumstances(), a.claim.GetApplicationReceived().GetSpecialCircumstances())
}

// droppedFor returns why an application was dropped; older counters send it in the clear.
func (a *attempt) droppedFor() string {
	return cmp.Or(a.personal.GetWhy(), a.claim.GetApplicationDropped().GetWhy())
}
