package issuer

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/ca/keyfile"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/secret"

	"github.com/google/uuid"
)

// signers holds the private keys of the generations by key file, each read once.
type signers struct {
	folder  string
	secrets *secret.Store
	mu      sync.Mutex
	open    map[string]crypto.Signer
}

func keyName(kind ca.Kind, prefecture string, number int) string {
	return fmt.Sprintf("%s-%02d.key", directory.AuthorityID(kind, prefecture), number)
}

// of returns the key of a generation, after checking that it is the one in the generation's certificate.
func (s *signers) of(g *ca.Generation) (crypto.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := keyName(g.Kind, g.Prefecture.Code, g.Number)
	if signer, ok := s.open[name]; ok {
		return signer, nil
	}
	signer, err := keyfile.Open(s.secrets, filepath.Join(s.folder, name))
	if err != nil {
		return nil, fmt.Errorf("opening the key of authority %s: %w", g, err)
	}
	if public, ok := signer.Public().(*rsa.PublicKey); !ok || !public.Equal(g.PublicKey()) {
		return nil, fmt.Errorf("key file %s is not the key of authority %s: put the right file back", name, g)
	}
	if s.open == nil {
		s.open = make(map[string]crypto.Signer)
	}
	s.open[name] = signer
	return signer, nil
}

// HoldCeremonies puts every due generation into service (profile.md 1): its key is made, self-certified and recorded.
// Repeating it changes nothing. One authority's failure does not delay the others.
func (i *Issuer) HoldCeremonies(ctx context.Context, prefectures []string) error {
	type authority struct {
		kind       ca.Kind
		prefecture string
	}
	authorities := []authority{{ca.Sign, ""}, {ca.Auth, ""}}
	for _, p := range prefectures {
		authorities = append(authorities, authority{ca.Juki, p})
	}
	var errs []error
	for _, a := range authorities {
		plans, err := ca.Plans(a.kind, a.prefecture)
		if err != nil {
			return err
		}
		for _, plan := range plans {
			if now := i.Clock(); now.Before(plan.NotBefore) || now.After(plan.NotAfter) || i.activated(plan) {
				continue
			}
			if err := i.activate(ctx, plan, envelope()); err != nil {
				errs = append(errs, fmt.Errorf("key ceremony of authority %s %02d: %w", directory.AuthorityID(plan.Kind, plan.Prefecture), plan.Number, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (i *Issuer) activated(plan ca.Plan) bool {
	for _, g := range i.Directory.Generations() {
		if g.Kind == plan.Kind && g.Prefecture.Code == plan.Prefecture && g.Number == plan.Number {
			return true
		}
	}
	return false
}

// ChangeKey puts the next generation of an authority into service now, by an order instead of at its date. The former
// goes on signing the revocation list of what it has signed, until its end.
func (i *Issuer) ChangeKey(ctx context.Context, kind ca.Kind, prefecture string, env eventlog.Envelope) (number int, err error) {
	plan, err := ca.PlanNext(kind, prefecture, i.Directory.Generations(), i.Clock())
	if err == nil {
		err = i.activate(ctx, plan, env)
	}
	return plan.Number, err
}

// envelope returns the envelope of what the issuer does by itself.
func envelope() eventlog.Envelope {
	return eventlog.Envelope{
		CommandID: uuid.Must(uuid.NewV7()).String(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "issuer"},
	}
}

// activate makes a generation. The key file survives a crash and is reused.
func (i *Issuer) activate(ctx context.Context, plan ca.Plan, env eventlog.Envelope) error {
	signer, err := keyfile.OpenOrCreate(i.Secrets, filepath.Join(i.Keys, keyName(plan.Kind, plan.Prefecture, plan.Number)))
	if err != nil {
		return err
	}
	public, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return errors.New("the key file holds no RSA key")
	}
	tbs, err := ca.BuildAuthorityTBS(plan, ca.NewSerial(), public)
	if err != nil {
		return err
	}
	g, err := ca.SelfSign(plan, signer, tbs)
	if err != nil {
		return err
	}
	return i.recordGeneration(ctx, g, env)
}

func (i *Issuer) recordGeneration(ctx context.Context, g *ca.Generation, env eventlog.Envelope) error {
	id := directory.AuthorityID(g.Kind, g.Prefecture.Code)
	outcome, err := i.updateAuthority(ctx, id, env, func(s *events.AuthorityState) ([]*events.Event, error) {
		return lifecycle.ActivateGeneration(s, &events.GenerationActivated{
			Number: uint32(g.Number), KeyId: g.KeyID, Serial: g.Serial, NotBeforeMs: g.NotBefore.UnixMilli(),
			NotAfterMs: g.NotAfter.UnixMilli(), Certificate: g.DER,
		}), nil
	})
	if err != nil {
		return err
	}
	return i.Directory.Learn(events.KindAuthority, id, outcome.Commit)
}

func (i *Issuer) updateAuthority(ctx context.Context, id string, env eventlog.Envelope, decide func(*events.AuthorityState) ([]*events.Event, error)) (eventlog.Outcome, error) {
	return i.Log.Update(ctx, events.KindAuthority, id, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(h.State)
		if err != nil {
			return nil, err
		}
		return decide(state)
	})
}
