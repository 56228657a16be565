package ra

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
)

// errMoved: the history has grown since the identity was read from it.
var errMoved = errors.New("the history has moved on")

// keys authorises certificates for the keys generated on a card.
func (a *attempt) keys(ctx context.Context, fact *events.KeysGenerated) error {
	return a.withKeys(ctx, fact.Keys, func(made *generatedKeys, _ []eventlog.Record, h eventlog.Head, state *events.SubscriberState) (lifecycle.Command, error) {
		person, err := lawPerson(a.identity)
		if err != nil {
			return nil, unfit("resident record: %v", err)
		}
		signing, err := a.signing(state.Open(), made, h.Now)
		if err != nil {
			return nil, err
		}
		return lifecycle.RecordKeys{
			Procedure: a.claim.Procedure, Obligation: ObligationOf(fact.Obligation), Card: fact.Card, Keys: made.keys,
			Claim: a.received.Signed, Signing: signing, Person: person, Filed: a.filed, Switches: a.law(),
		}, nil
	})
}

// withKeys decides on a claim with requests for certificates, given the resident record to certify and a serial for
// each. It reads again if the history has grown before the decision.
func (a *attempt) withKeys(
	ctx context.Context, requests []*events.KeyRequest,
	command func(*generatedKeys, []eventlog.Record, eventlog.Head, *events.SubscriberState) (lifecycle.Command, error),
) error {
	made, err := a.generated(requests)
	if err != nil {
		return err
	}
	for _, k := range made.keys {
		made.serials[k.Kind] = a.serials.take(ctx)
	}
	a.made = made
	read := a.Log.HistorySince // may be stale, which errMoved detects
	for {
		history, err := read(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: a.subscriber})
		if err != nil {
			return err
		}
		if a.identity, err = a.identityOf(history); err != nil {
			return err
		}
		_, err = a.update(ctx, func(h eventlog.Head, state *events.SubscriberState) (lifecycle.Command, error) {
			if h.Revision != uint64(len(history)) {
				return nil, errMoved
			}
			return command(made, history, h, state)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
		read = a.history
	}
}

// generatedKeys are the keys of one claim, with the serials for their certificates.
type generatedKeys struct {
	keys    []*events.GeneratedKey
	public  map[string]*rsa.PublicKey // by SHA-256 of the SubjectPublicKeyInfo
	serials map[events.CertificateKind]uint64
}

// authorityKinds maps the kinds of key that a card makes to their certificate profiles.
var authorityKinds = map[events.CertificateKind]ca.Kind{
	events.CertificateKind_CERTIFICATE_KIND_SIGN: ca.Sign, events.CertificateKind_CERTIFICATE_KIND_AUTH: ca.Auth,
}

// generated parses the requests and checks that each is signed by its own key.
func (a *attempt) generated(requests []*events.KeyRequest) (*generatedKeys, error) {
	g := &generatedKeys{public: make(map[string]*rsa.PublicKey), serials: make(map[events.CertificateKind]uint64)}
	asked := make(map[events.CertificateKind]struct{})
	for _, k := range requests {
		kind, known := authorityKinds[k.Kind]
		if _, twice := asked[k.Kind]; twice || !known {
			return nil, unfit("duplicate or unknown kind of key")
		}
		asked[k.Kind] = struct{}{}
		public, err := ca.ParseRequest(kind, k.Request)
		if err != nil {
			return nil, unfit("the request for the %s key: %v", kind, err)
		}
		spki, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return nil, unfit("the %s key: %v", kind, err)
		}
		sum := sha256.Sum256(spki)
		g.keys = append(g.keys, &events.GeneratedKey{Kind: k.Kind, SpkiSha256: sum[:], Bits: uint32(public.N.BitLen())})
		g.public[string(sum[:])] = public
	}
	return g, nil
}

func (a *attempt) history(ctx context.Context, r eventlog.Record) ([]eventlog.Record, error) {
	return a.Log.History(ctx, r.Kind, r.ID)
}

// identityOf returns the resident record to be certified.
func (a *attempt) identityOf(history []eventlog.Record) (*events.ResidentRecord, error) {
	record, err := dossier.Of(a.Vault, a.subscriber, history).Identity()
	if errors.Is(err, dossier.ErrNotFound) || errors.Is(err, vault.ErrErased) {
		return nil, unfit("keys of a subscriber without a resident record: %v", err)
	}
	return record, err
}

// signing returns serial, authority and generation for each kind.
func (a *attempt) signing(p *events.Procedure, made *generatedKeys, now time.Time) (map[events.CertificateKind]lifecycle.Signing, error) {
	signing := make(map[events.CertificateKind]lifecycle.Signing, len(made.serials))
	law := events.Regime_REGIME_MYNUMBER
	if p.GetCardKind() == events.CardKind_CARD_KIND_JUKI {
		law = events.Regime_REGIME_JUKI
	}
	for kind, serial := range made.serials {
		authority, prefecture := directory.AuthorityOf(law, kind, p.GetMunicipality())
		g, err := a.Directory.Generations().At(authority, prefecture, now)
		if err != nil {
			return nil, err
		}
		signing[kind] = lifecycle.Signing{
			Serial: serial, Authority: directory.AuthorityID(authority, prefecture), Generation: g.KeyID,
		}
	}
	return signing, nil
}

// buildTBS makes the bytes to be signed and seals them into the authorisation.
func (a *attempt) buildTBS(sealer dossier.Sealer, b *events.IssueAuthorized) error {
	g, err := a.Directory.Generations().ByKeyID(b.Generation)
	if err != nil {
		return err
	}
	input, err := a.input(g, b)
	if err != nil {
		return err
	}
	tbs, err := ca.BuildTBS(input)
	if errors.Is(err, ca.ErrOutsideAuthority) {
		return err // retry until the next key ceremony
	}
	if err != nil {
		return unfit("no certificate can be made of this: %v", err) // retrying won't help
	}
	sum := sha256.Sum256(tbs)
	b.TbsSha256 = sum[:]
	b.Tbs, err = sealer.TBS(b.Serial, tbs)
	return err
}

func (a *attempt) input(g *ca.Generation, b *events.IssueAuthorized) (ca.Input, error) {
	last, err := civil.Parse(b.LastDay)
	if err != nil {
		return ca.Input{}, err
	}
	notBefore := time.UnixMilli(b.NotBeforeMs)
	office, err := a.Directory.Definition(a.claim.Office, civil.Of(notBefore))
	if err != nil {
		return ca.Input{}, err
	}
	counter, ok := a.Directory.Counter(a.claim.Counter)
	if !ok {
		return ca.Input{}, unfit("counter %s is no longer enrolled", a.claim.Counter)
	}
	in := ca.Input{
		Generation: g, Serial: b.Serial, NotBefore: notBefore, LastDay: last, PublicKey: a.made.public[string(b.SpkiSha256)],
		Office:  ca.Municipality{Prefecture: office.PrefectureRomaji, City: office.MunicipalityRomaji},
		Counter: counter.Code, Sequence: int(a.sequence.Add(1) % 1000),
		Phone: b.Device != "",
	}
	if g.Kind != ca.Auth {
		in.Holder, err = holder(a.identity)
	}
	return in, err
}

// needsStandIns reports whether the certificate must substitute a character of the name or address.
func (a *attempt) needsStandIns() bool {
	for _, text := range []string{cmp.Or(a.identity.GetAlias(), a.identity.GetName()), a.identity.GetAddress()} {
		if _, flags := ca.Substitute(text, ca.DefaultSubstitute); strings.Contains(flags, "1") {
			return true
		}
	}
	return false
}

// holder returns the person as a signature certificate names them (profile.md 3): a foreign resident by the recorded
// alias, if any.
func holder(r *events.ResidentRecord) (*ca.Holder, error) {
	birth, err := civil.ParsePartial(r.BirthDate)
	if err != nil {
		return nil, fmt.Errorf("the birth date of the resident record is not a date")
	}
	name := r.Name
	if r.Alias != "" {
		name = r.Alias
	}
	return &ca.Holder{Name: name, BirthDate: birth, Sex: ca.Sex(r.Sex), Address: r.Address}, nil
}

// ObligationOf returns an obligation's id within its subscriber from the id of the command sent for it
// (<subscriber>/<revision>.<index>, optionally followed by a slash and the attempt).
func ObligationOf(id string) string {
	parts := strings.Split(id, "/")
	for _, p := range parts {
		revision, index, ok := strings.Cut(p, ".")
		if _, err := strconv.ParseUint(revision, 10, 64); ok && err == nil && index != "" {
			return p
		}
	}
	return id
}
