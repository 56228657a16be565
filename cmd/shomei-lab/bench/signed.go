package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/officer"
)

const (
	// benchOfficers is how many officers the office of a city has, each with a passkey.
	benchOfficers = 300
	// mostSigning is the goal for what an officer's signature adds to an act beside the touch, in milliseconds.
	mostSigning = 20
)

// signing measures what an act of an officer costs that is signed: it is prepared, signed by a key in software in the place of the
// touch, verified at the counter, sent in a claim, and verified by the ra against the officer as of the making and of now. The
// floor is the same claim unsigned.
func signing(_ context.Context, o Options) ([]Figure, error) {
	s, err := newSigning()
	if err != nil {
		return nil, err
	}
	var signed, plain []sample
	for n := range o.Turns {
		p, err := turn(1, o.Span/2, func(int, int64) error { return s.sent(proto.CloneOf(s.claim)) })
		if err != nil {
			return nil, err
		}
		m, err := turn(1, o.Span/2, func(int, int64) error { return s.act() })
		if err != nil {
			return nil, err
		}
		o.say("signed, turn %d: %.3f ms, unsigned %.3f ms", n+1, m.p50, p.p50)
		signed, plain = append(signed, m), append(plain, p)
	}
	ours, floor := medians(signed), medians(plain)
	return []Figure{
		{Part: "signed", Name: fmt.Sprintf("an act signed by one of %d officers, half of them within", benchOfficers), Value: ours.p50, Unit: "ms", Floor: floor.p50},
		{Name: "what its signature adds beside the touch", Value: ours.p50 - floor.p50, Unit: "ms", AtMost: mostSigning},
	}, nil
}

// signer is a counter and an officer at it, and what the ra knows of the office.
type signer struct {
	claim   *events.Claim
	officer *officer.SoftKey
	counter nkeys.KeyPair
	public  string
	office  officer.History
}

func newSigning() (*signer, error) {
	s := &signer{}
	var err error
	if s.counter, err = nkeys.CreateUser(); err != nil {
		return nil, err
	}
	if s.public, err = s.counter.PublicKey(); err != nil {
		return nil, err
	}
	ra := &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE}
	for n := range uint64(benchOfficers) {
		s.officer = officer.NewSoftKey()
		code, key := fmt.Sprintf("bench-%d", n+1), s.officer.Passkey()
		for i, body := range []events.Body{
			&events.OfficerEnrolled{Officer: code, Roles: []string{string(officer.Clerk)}}, &events.OfficerInvited{Officer: code},
			&events.PasskeyEnrolled{Officer: code, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty},
		} {
			s.office.Add(officer.Position{Revision: n + 1, Index: uint64(i)}, actsOpen, ra, body)
		}
	}
	s.claim = &events.Claim{
		Id: "bench", Counter: benchOffice + "-1", Office: benchOffice, Officer: fmt.Sprintf("bench-%d", benchOfficers), Procedure: "bench",
		FiledMs: actsOpen.UnixMilli(), CausedMs: actsOpen.UnixMilli(), Sealed: make([]byte, 400), Number: 1, PreviousHash: events.Hash(nil),
		Fact: &events.Claim_ApplicationReceived{ApplicationReceived: &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_ISSUE, Channel: events.Channel_CHANNEL_SELF, Card: "bench-card",
			Documents: []string{"application-form", "card", "photo-id:current-address"},
		}},
	}
	return s, nil
}

// sent carries a claim from the counter to the hub.
func (s *signer) sent(c *events.Claim) error {
	signed, _, err := counterlink.SignClaim(s.counter, c)
	if err != nil {
		return err
	}
	_, _, err = counterlink.VerifyClaim(s.public, signed)
	return err
}

// act is sent with the officer's signature, which both ends verify.
func (s *signer) act() (err error) {
	c := proto.CloneOf(s.claim)
	if c.Act, err = events.ActOf(c); err != nil {
		return err
	}
	if c.Assertion, err = s.officer.Sign(events.ActChallenge(c.Act)); err != nil {
		return err
	}
	if err := officer.Verify(c.Assertion, events.ActChallenge(c.Act), s.officer.Passkey()); err != nil {
		return err
	}
	if err := s.sent(c); err != nil {
		return err
	}
	var key officer.Passkey
	for _, at := range []time.Time{actsOpen.Add(time.Hour), actsOpen.Add(2 * time.Hour)} {
		found, err := s.office.At(benchOffice, at).Officer(c.Officer)
		if err != nil {
			return err
		}
		if key, err = found.Key(c.Assertion.GetCredential()); err != nil {
			return err
		}
	}
	return officer.Verify(c.Assertion, events.ActChallenge(c.Act), key)
}
