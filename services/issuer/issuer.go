// Package issuer signs what the log has authorised, and nothing else: it follows the log, verifies who authorised and
// on whose claim, signs the sealed bytes in the log, and records what it signed. It also holds the authorities' key
// ceremonies and publishes their revocation lists.
package issuer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/days"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/published"
	"shomei/pkg/regime"
	"shomei/pkg/secret"
)

// Config is what the issuer needs; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Directory *directory.Directory
	Vault     dossier.Keys
	// Keys is the folder of the authorities' private keys, Lists that of the revocation lists.
	Keys, Lists string
	// Secrets reads and writes the keys; nil: in the clear.
	Secrets *secret.Store
	// Bucket is where lists are handed on to whoever serves them.
	Bucket   *published.Bucket
	Switches regime.Switches
	// Days is how RunDays watches dates.
	Days   days.Watch
	Clock  func() time.Time
	Logger *slog.Logger
	// Handled, if set, is called with how far the log has been followed.
	Handled func(eventlog.Positions)
}

// Issuer signs authorised certificates.
type Issuer struct {
	Config
	signers signers
	lists   *lists
	outlet  outlet
}

// New returns an issuer.
func New(c Config) *Issuer {
	return &Issuer{Config: c, signers: signers{folder: c.Keys, secrets: c.Secrets}, lists: newLists()}
}

// Run signs authorised certificates until ctx ends.
func (i *Issuer) Run(ctx context.Context) error {
	return i.Log.Follow(ctx, eventlog.Follower{
		Name: "issuer", Kinds: []string{events.KindSubscriber}, Lanes: atOnce, Handle: i.handle, Handled: i.Handled,
		Parked: func(r eventlog.Record, err error) {
			i.Logger.Error("subscriber's commits set aside: inspect them with shomei log", "subscriber", r.ID, "error", err)
		},
	})
}

// atOnce is how many subscribers are handled at a time: a signature needs a core, the commit that records it the disk.
const atOnce = 16

// handle settles a subscriber once for all records, at the last authorisation among them.
func (i *Issuer) handle(ctx context.Context, records []eventlog.Record) error {
	for _, r := range slices.Backward(records) {
		if !authorises(r.Commit) {
			continue
		}
		err := i.SettleSince(ctx, r)
		if errors.Is(err, ErrNotBelieved) {
			return &eventlog.ParkError{Kind: r.Kind, ID: r.ID, Err: err}
		}
		return eventlog.Park(r.Kind, r.ID, err)
	}
	return nil
}

func authorises(c *events.Commit) bool {
	return slices.ContainsFunc(c.GetEvents(), func(e *events.Event) bool { return e.GetIssueAuthorized() != nil })
}

// ErrNotBelieved: the log has an authorisation that the issuer will not sign.
var ErrNotBelieved = errors.New("the authorisation is not to be believed")

var (
	crashSigned   = crashpoint.Register("issuer.signed")
	crashRecorded = crashpoint.Register("issuer.recorded")
)

// Settle signs what a subscriber is owed, if anything. It can be repeated at any time: the same bytes give the same
// certificate, which is recorded once.
func (i *Issuer) Settle(ctx context.Context, subscriber string) error {
	return i.settle(ctx, subscriber,
		func() (eventlog.Head, error) { return i.Log.Load(ctx, events.KindSubscriber, subscriber) },
		func() ([]eventlog.Record, error) { return i.Log.History(ctx, events.KindSubscriber, subscriber) })
}

// SettleSince is Settle for a follower that has come to a record, or for the only writer about the subscriber (a record
// with only Kind and ID set): it may use what this process has cached.
func (i *Issuer) SettleSince(ctx context.Context, r eventlog.Record) error {
	return i.settle(ctx, r.ID,
		func() (eventlog.Head, error) { return i.Log.LoadSince(ctx, r) },
		func() ([]eventlog.Record, error) { return i.Log.HistorySince(ctx, r) })
}

func (i *Issuer) settle(ctx context.Context, subscriber string, load func() (eventlog.Head, error), read func() ([]eventlog.Record, error)) error {
	head, err := load()
	if err != nil {
		return err
	}
	works, err := owed(head)
	if err != nil || len(works) == 0 {
		return err
	}
	// Read after the state, so that it has the authorisation of everything owed.
	history, err := read()
	if err != nil {
		return err
	}
	file := dossier.Of(i.Vault, subscriber, history)
	for _, w := range works {
		if err := i.settleOne(ctx, subscriber, file, history, w); err != nil {
			return err
		}
	}
	return nil
}

// settleOne signs and records the certificates of one procedure.
func (i *Issuer) settleOne(ctx context.Context, subscriber string, file dossier.Dossier, history []eventlog.Record, w work) (err error) {
	checked := make(claims)
	signed := make(map[uint64][]byte, len(w.owed))
	for _, c := range w.owed {
		if signed[c.Serial], err = i.sign(ctx, file, history, checked, c); err != nil {
			return fmt.Errorf("signing serial %d of subscriber %s: %w", c.Serial, subscriber, err)
		}
	}
	crashSigned.Hit()
	err = i.record(ctx, subscriber, w.procedure, w.owed, signed)
	crashRecorded.Hit()
	return err
}

// work is what is owed to one procedure.
type work struct {
	procedure string
	owed      []*events.Certificate
}

// owed returns the authorised certificates of a state, by procedure.
func owed(head eventlog.Head) ([]work, error) {
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return nil, err
	}
	var all []work
	for _, c := range state.Certificates {
		if c.Status != events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED {
			continue
		}
		i := slices.IndexFunc(all, func(w work) bool { return w.procedure == c.Procedure })
		if i < 0 {
			i, all = len(all), append(all, work{procedure: c.Procedure})
		}
		all[i].owed = append(all[i].owed, c)
	}
	return all, nil
}

// sign verifies everything that led to the authorisation and signs its bytes.
func (i *Issuer) sign(ctx context.Context, file dossier.Dossier, history []eventlog.Record, checked claims, c *events.Certificate) ([]byte, error) {
	authorized, err := i.authorisation(ctx, file, history, checked, c.Serial)
	if err != nil {
		return nil, err
	}
	tbs, err := file.TBS(c.Serial)
	if dossier.Lost(err) {
		return nil, fmt.Errorf("%w: %w", ErrNotBelieved, err)
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(tbs); !bytes.Equal(sum[:], authorized.TbsSha256) || !bytes.Equal(sum[:], c.TbsSha256) {
		return nil, fmt.Errorf("the bytes to be signed are not those that were authorised: %w", ErrNotBelieved)
	}
	g, err := i.generation(ctx, authorized)
	if err != nil {
		return nil, err
	}
	content, err := ca.CheckTBS(g, tbs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotBelieved, err)
	}
	if err := matches(content.Certificate, authorized); err != nil {
		return nil, err
	}
	signer, err := i.signers.of(g)
	if err != nil {
		return nil, err
	}
	return content.Sign(signer)
}

// generation returns the key that the authorisation names, after checking that it belongs to the named authority and
// kind.
func (i *Issuer) generation(ctx context.Context, a *events.IssueAuthorized) (*ca.Generation, error) {
	g, err := i.Directory.Generations().ByKeyID(a.Generation)
	if errors.Is(err, ca.ErrNoGeneration) {
		if err := i.Directory.Refresh(ctx, i.Log); err != nil {
			return nil, err
		}
		if g, err = i.Directory.Generations().ByKeyID(a.Generation); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotBelieved, err)
		}
	}
	if err != nil {
		return nil, err
	}
	authentication := a.Kind == events.CertificateKind_CERTIFICATE_KIND_AUTH
	if directory.AuthorityID(g.Kind, g.Prefecture.Code) != a.Authority || (g.Kind == ca.Auth) != authentication {
		return nil, fmt.Errorf("authorised for authority %s, kind %v, with a key of authority %s: %w", a.Authority, a.Kind, g, ErrNotBelieved)
	}
	return g, nil
}

// matches compares the bytes to be signed with the authorisation's open fields.
func matches(content *x509.Certificate, a *events.IssueAuthorized) error {
	spki := sha256.Sum256(content.RawSubjectPublicKeyInfo)
	switch {
	case !content.SerialNumber.IsUint64() || content.SerialNumber.Uint64() != a.Serial:
		return fmt.Errorf("serial %v in the bytes, %d in the authorisation: %w", content.SerialNumber, a.Serial, ErrNotBelieved)
	case !bytes.Equal(spki[:], a.SpkiSha256):
		return fmt.Errorf("the bytes have another key than the authorisation: %w", ErrNotBelieved)
	case content.NotBefore.UnixMilli() != a.NotBeforeMs || content.NotAfter.UnixMilli() != a.NotAfterMs:
		return fmt.Errorf("the bytes have another validity than the authorisation: %w", ErrNotBelieved)
	case ca.OnPhone(content) != (a.Device != ""):
		return fmt.Errorf("a card's certificate authorised for a smartphone, or the other way round: %w", ErrNotBelieved)
	}
	return nil
}

// authorisation returns the authorisation of a serial, after checking that a registration authority made it on an
// enrolled counter's claim that requests this very key: control of NATS alone gets nothing signed (law.md 13.1). The
// commits' own signatures were verified with the history.
func (i *Issuer) authorisation(ctx context.Context, file dossier.Dossier, history []eventlog.Record, checked claims, serial uint64) (*events.IssueAuthorized, error) {
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			a := e.GetIssueAuthorized()
			if a.GetSerial() != serial || a == nil {
				continue
			}
			if !r.Role.MayAuthorize() {
				return nil, fmt.Errorf("authorised by a writer of role %q: %w", r.Role, ErrNotBelieved)
			}
			claim, err := i.checkedClaim(ctx, checked, r.Commit)
			if err != nil {
				return nil, err
			}
			if a.Device != "" {
				return a, requestedOnPhone(file, r.Commit, claim, a)
			}
			return a, requested(claim, a)
		}
	}
	return nil, fmt.Errorf("no authorisation of serial %d in the history: %w", serial, ErrNotBelieved)
}

// claims are the verified claims of one history, by the revision that has them: one claim authorises all certificates
// of an application.
type claims map[uint64]*events.Claim

func (i *Issuer) checkedClaim(ctx context.Context, checked claims, c *events.Commit) (*events.Claim, error) {
	if claim, ok := checked[c.GetRevision()]; ok {
		return claim, nil
	}
	for _, e := range c.GetEvents() {
		k := e.GetKeysRecorded()
		if k == nil {
			continue
		}
		claim, err := i.claim(ctx, c, k.Claim, time.UnixMilli(e.RecordedMs))
		if err != nil {
			return nil, err
		}
		if s := claim.GetSubscriber(); s != "" && s != c.GetId() || claim.GetId() != c.GetCommandId() {
			return nil, fmt.Errorf("the counter's claim is another's, or was used before: %w", ErrNotBelieved)
		}
		checked[c.GetRevision()] = claim
		return claim, nil
	}
	return nil, fmt.Errorf("the authorisation comes without a counter's claim: %w", ErrNotBelieved)
}

// claim verifies a signed claim with a key that its counter had when the commit was recorded, even if the counter was
// retired since.
func (i *Issuer) claim(ctx context.Context, c *events.Commit, signed []byte, recorded time.Time) (*events.Claim, error) {
	enrolled := i.Directory.CounterAt(c.GetCounter(), recorded)
	if len(enrolled) == 0 {
		if err := i.Directory.Refresh(ctx, i.Log); err != nil {
			return nil, err
		}
		enrolled = i.Directory.CounterAt(c.GetCounter(), recorded)
	}
	err := fmt.Errorf("counter %q was not enrolled: %w", c.GetCounter(), ErrNotBelieved)
	for _, counter := range enrolled {
		claim, _, wrong := counterlink.VerifyClaim(counter.PublicKey, signed)
		if wrong == nil && claim.GetCounter() == counter.ID {
			return claim, nil
		}
		err = fmt.Errorf("the claim is not by counter %s (%v): %w", counter.ID, wrong, ErrNotBelieved)
	}
	return nil, err
}

// requested checks that the counter's claim has a request, signed by the key itself, for the authorised key.
func requested(claim *events.Claim, a *events.IssueAuthorized) error {
	if claim.GetKeysGenerated().GetCard() != a.Card || claim.GetProcedure() != a.Procedure {
		return fmt.Errorf("the counter's claim is about another card or procedure: %w", ErrNotBelieved)
	}
	return requestedKey(claim.GetKeysGenerated().GetKeys(), a)
}

// requestedKey checks that one of the requests is for the authorised key.
func requestedKey(requests []*events.KeyRequest, a *events.IssueAuthorized) error {
	for _, k := range requests {
		if k.Kind != a.Kind {
			continue
		}
		request, err := x509.ParseCertificateRequest(k.Request)
		if err != nil {
			continue
		}
		spki := sha256.Sum256(request.RawSubjectPublicKeyInfo)
		if bytes.Equal(spki[:], a.SpkiSha256) && request.CheckSignature() == nil {
			return nil
		}
	}
	return fmt.Errorf("the counter's claim has no request for this key: %w", ErrNotBelieved)
}

// requestedOnPhone checks that a smartphone's application requests the authorised key and is signed by the card's
// signature certificate named in the same commit: even a gateway under attack gets nothing signed.
func requestedOnPhone(file dossier.Dossier, c *events.Commit, claim *events.Claim, a *events.IssueAuthorized) error {
	received := claim.GetPhoneApplicationReceived()
	asked, err := events.ParsePhone(received)
	if err != nil || asked.Device != a.Device || asked.Procedure != a.Procedure || claim.GetProcedure() != a.Procedure {
		return fmt.Errorf("the application is about another smartphone or procedure: %w", ErrNotBelieved)
	}
	for _, e := range c.GetEvents() {
		accepted := e.GetApplicationAccepted()
		if accepted == nil {
			continue
		}
		der, err := file.Certificate(accepted.ProvedBy)
		if err != nil && !dossier.Lost(err) {
			return err
		}
		if err == nil {
			err = events.VerifyPhone(received, der)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotBelieved, err)
		}
		return requestedKey(asked.Keys, a)
	}
	return fmt.Errorf("the authorisation comes without an accepted application: %w", ErrNotBelieved)
}

// record stores the certificates, sealed, in the commit that ends those they replace.
func (i *Issuer) record(ctx context.Context, subscriber, procedure string, owed []*events.Certificate, signed map[uint64][]byte) error {
	command := lifecycle.RecordIssued{Procedure: procedure, Switches: i.Switches}
	for _, c := range owed {
		sum := sha256.Sum256(signed[c.Serial])
		command.Signed = append(command.Signed, lifecycle.SignedCertificate{Serial: c.Serial, SHA256: sum[:]})
	}
	env := eventlog.Envelope{
		CommandID: fmt.Sprintf("issue/%s/%d", subscriber, owed[0].Serial), CorrelationID: procedure, Redelivered: false,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "issuer"},
	}
	_, err := i.Log.Update(ctx, events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		decided, err := lifecycle.Decide(state, command, h.Now)
		if err != nil {
			return nil, err
		}
		sealer := dossier.Sealer{Vault: i.Vault, Subscriber: subscriber, Revision: h.Revision + 1}
		for _, e := range decided {
			if b := e.GetCertificateIssued(); b != nil {
				if b.Certificate, err = sealer.Certificate(b.Serial, signed[b.Serial]); err != nil {
					return nil, err
				}
			}
		}
		return decided, nil
	})
	return err
}

// Healthy returns an error unless the issuer can sign now for every authority in force. The registration authority asks
// before keys are generated (law.md 13.2).
func (i *Issuer) Healthy(context.Context) error {
	probe := sha256.Sum256([]byte("health"))
	inForce := 0
	for _, g := range i.Directory.Generations() {
		if i.Clock().After(g.NotAfter) {
			continue
		}
		signer, err := i.signers.of(g)
		if err != nil {
			return err
		}
		if _, err := signer.Sign(nil, probe[:], crypto.SHA256); err != nil {
			return fmt.Errorf("signing with the key of authority %s: %w", g, err)
		}
		inForce++
	}
	if inForce == 0 {
		return fmt.Errorf("no authority is in force: hold a key ceremony first: %w", ca.ErrNoGeneration)
	}
	return nil
}
