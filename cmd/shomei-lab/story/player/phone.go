package player

import (
	"context"
	"crypto"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
)

// phone performs an act about a smartphone: from the phone itself, at an office or, for a loss, by telephone.
func (p *performance) phone(ctx context.Context, a *story.Phone) (outcome, error) {
	who := p.people[a.Person.Nick]
	switch {
	case a.Step == story.LosePhone:
		return outcome{}, p.lose(ctx, who, a.Office, a.Device)
	case a.Office != "":
		return outcome{}, p.phoneAtOffice(ctx, a, who)
	}
	g, err := p.world.gateway(ctx, who)
	if err != nil {
		return outcome{}, err
	}
	application := &events.PhoneApplication{Operation: phoneOperations[a.Step], Device: a.Device, Platform: a.Platform}
	if a.Step == story.RegisterPhone {
		if application.Keys, err = g.requests(a); err != nil {
			return outcome{}, err
		}
	}
	sign, finish, err := p.signer(ctx, who)
	if err != nil {
		return outcome{}, err
	}
	defer finish()
	answer, err := g.apply(ctx, p.world.Subscriber(who), application, sign)
	return outcome{answer: answer}, err
}

var phoneOperations = map[story.PhoneStep]events.Operation{
	story.RegisterPhone: events.Operation_OPERATION_PHONE_ISSUE, story.FindPhone: events.Operation_OPERATION_PHONE_RELEASE,
	story.DisposePhone: events.Operation_OPERATION_PHONE_REVOKE,
}

// requests makes the keys of the kinds that the story names, by default both, and returns their requests.
func (g *gateway) requests(a *story.Phone) ([]*events.KeyRequest, error) {
	kinds := a.Kinds
	if len(kinds) == 0 {
		kinds = []events.CertificateKind{events.CertificateKind_CERTIFICATE_KIND_AUTH, events.CertificateKind_CERTIFICATE_KIND_SIGN}
	}
	var list []*events.KeyRequest
	for _, kind := range kinds {
		request, err := g.request(a.Device)
		if err != nil {
			return nil, err
		}
		list = append(list, &events.KeyRequest{Kind: kind, Request: request})
	}
	return list, nil
}

// signer holds the person's card to the phone and returns a function that signs with the card's signature key, using the
// story's PIN.
func (p *performance) signer(ctx context.Context, who story.Resident) (sign func([]byte) ([]byte, error), finish func(), err error) {
	file, err := p.takeOut(ctx, p.hand[who.Nick], &problem{JA: "スマートフォンにかざすカードを本人が持っていません。", EN: "this person has no card to hold to the smartphone"})
	if err != nil {
		return nil, nil, err
	}
	chip, err := softcard.Open(softcard.Config{Path: file})
	if err != nil {
		return nil, nil, err
	}
	session := card.NewSession(chip)
	return func(digest []byte) ([]byte, error) {
		err := session.Verify(card.Sign, []byte(storySignPIN))
		if err != nil {
			return nil, &problem{JA: "カードの署名用電子証明書で電子署名できません。", EN: fmt.Sprintf("the card does not sign: %v", err)}
		}
		return session.SignDigest(card.Sign, crypto.SHA256, digest)
	}, chip.Reset, nil
}

// phoneAtOffice reports an application that a clerk received. It needs no signature, because the clerk has seen the person.
func (p *performance) phoneAtOffice(ctx context.Context, a *story.Phone, who story.Resident) error {
	procedure := uuid.NewString()
	received, err := events.SignPhone(&events.PhoneApplication{
		Operation: phoneOperations[a.Step], Device: a.Device, Procedure: procedure,
	}, nil)
	if err != nil {
		return err
	}
	return p.world.Tell(ctx, a.Office, "counter", &events.Claim{
		Procedure: procedure, Fact: &events.Claim_PhoneApplicationReceived{PhoneApplicationReceived: received},
	}, recordOf(who))
}

// gateway returns the app gateway of the office that keeps a person's register, opening it on first use.
func (w *World) gateway(ctx context.Context, who story.Resident) (*gateway, error) {
	office, err := w.mainOffice(who.Municipality)
	if err != nil {
		return nil, err
	}
	name := office + "-phone"
	if g := w.gateways[name]; g != nil {
		return g, nil
	}
	folder, err := w.Hub.EnrolCounter(ctx, office, name, "phone", office[:5]+"P001")
	if err != nil {
		return nil, err
	}
	g, err := openGateway(folder, func() int64 { return w.Now().UnixMilli() }, w.Hub.Config.Logger.With("gateway", filepath.Base(folder)))
	if err == nil {
		w.gateways[name] = g
	}
	return g, err
}
