package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// Source is a claimant without a counter: the resident register, the telephone desk, the authority's operator. It is
// always on line, so it keeps no store of its own: its chain of claims is what the hub's stream holds, and a claim
// counts when the stream has it.
type Source struct {
	hub     *Hub
	counter string
	office  string
	key     nkeys.KeyPair
}

// Source enrols a source of a role for an office, if it is not enrolled yet, and gives its voice.
func (h *Hub) Source(ctx context.Context, office, role string) (*Source, error) {
	counter := office + "-" + role
	if _, err := h.EnrolCounter(ctx, office, counter, role, ""); err != nil {
		return nil, err
	}
	seed, err := secretFile(h.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return nil, err
	}
	key, err := nkeys.FromSeed(seed)
	return &Source{hub: h, counter: counter, office: office, key: key}, err
}

// Report signs a claim, with the personal data sealed to the hub, and stores it in the stream of claims; it gives the
// claim's id. The caller fills in the fact and, where the fact arose at another time, caused_ms.
func (s *Source) Report(ctx context.Context, claim *events.Claim, personal *events.Personal) (string, error) {
	js, err := jetstream.New(s.hub.conn)
	if err != nil {
		return "", err
	}
	claim.Id = uuid.Must(uuid.NewV7()).String()
	claim.Counter, claim.Office, claim.FiledMs = s.counter, s.office, s.hub.Clock.Now().UnixMilli()
	if claim.CausedMs == 0 {
		claim.CausedMs = claim.FiledMs
	}
	if claim.ClockEvidence = "synchronised"; s.hub.Clock.Simulated() {
		claim.ClockEvidence = "simulated"
	}
	if personal != nil {
		if claim.Sealed, err = counterlink.SealPersonal(s.hub.keys.seal.PublicKey(), claim.Id, personal); err != nil {
			return "", err
		}
	}
	sequence, err := s.chain(ctx, js, claim)
	if err != nil {
		return "", fmt.Errorf("reporting from %s: %w", s.counter, err)
	}
	signed, _, err := counterlink.SignClaim(s.key, claim)
	if err != nil {
		return "", err
	}
	_, err = js.Publish(ctx, counterlink.ClaimSubject(s.counter), signed, jetstream.WithExpectLastSequencePerSubject(sequence))
	return claim.Id, err
}

// chain puts the claim behind the last one that the stream holds of this source.
func (s *Source) chain(ctx context.Context, js jetstream.JetStream, claim *events.Claim) (sequence uint64, err error) {
	stream, err := js.Stream(ctx, counterlink.ClaimStream)
	if err != nil {
		return 0, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, counterlink.ClaimSubject(s.counter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		claim.StoreEpoch, claim.Number = uuid.NewString(), 1
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	before, hash, err := counterlink.ParseClaim(last.Data)
	if err != nil {
		return 0, err
	}
	claim.StoreEpoch, claim.Number, claim.PreviousHash = before.StoreEpoch, before.Number+1, hash
	return last.Sequence, nil
}
