package counterlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
)

// Source makes claims without a counter: the resident register, the telephone service, the authority's operator. It is
// always online, so it has no store: its chain of claims is what the hub's stream holds, and a claim counts once the
// stream has it. All fields are required.
type Source struct {
	Conn            *nats.Conn
	Counter, Office string
	Key             nkeys.KeyPair
	// HubSealKey is the hub's public key, to which personal data is sealed.
	HubSealKey hpke.PublicKey
	Now        func() time.Time
	// ClockEvidence is synchronised, unsynchronised or simulated.
	ClockEvidence string
}

// Report signs a claim, with the personal data sealed to the hub, stores it in the stream of claims, and returns its
// id. The caller fills in the fact, if the fact arose at another time, caused_ms and, if it may be reported again, an id.
// If err is nil, the hub has it.
func (s *Source) Report(ctx context.Context, claim *events.Claim, personal *events.Personal) (string, error) {
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return "", err
	}
	if claim.Id == "" {
		claim.Id = uuid.Must(uuid.NewV7()).String()
	}
	claim.Counter, claim.Office = s.Counter, s.Office
	claim.FiledMs, claim.ClockEvidence = s.Now().UnixMilli(), s.ClockEvidence
	if claim.CausedMs == 0 {
		claim.CausedMs = claim.FiledMs
	}
	if personal != nil {
		if claim.Sealed, err = SealPersonal(s.HubSealKey, claim.Id, personal); err != nil {
			return "", err
		}
	}
	for range maxChained {
		if err = s.store(ctx, js, claim); !outrun(err) {
			break
		}
	}
	return claim.Id, err
}

// maxChained bounds how often a claim is chained anew because another process of the same source was faster.
const maxChained = 100

// outrun reports whether a message was not stored because another has taken its place.
func outrun(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// store chains a claim to the last one, signs it and has the stream store it.
func (s *Source) store(ctx context.Context, js jetstream.JetStream, claim *events.Claim) error {
	sequence, err := s.chain(ctx, js, claim)
	if err != nil {
		return fmt.Errorf("reporting from %s: %w", s.Counter, err)
	}
	signed, _, err := SignClaim(s.Key, claim)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, ClaimSubject(s.Counter), signed, jetstream.WithExpectLastSequencePerSubject(sequence))
	return err
}

// chain chains the claim to the last one of this source in the stream.
func (s *Source) chain(ctx context.Context, js jetstream.JetStream, claim *events.Claim) (sequence uint64, err error) {
	stream, err := js.Stream(ctx, ClaimStream)
	if err != nil {
		return 0, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, ClaimSubject(s.Counter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, s.afterSilence(ctx, js, claim)
	}
	if err != nil {
		return 0, err
	}
	before, hash, err := ParseClaim(last.Data)
	if err != nil {
		return 0, err
	}
	claim.StoreEpoch, claim.Number, claim.PreviousHash = before.StoreEpoch, before.Number+1, hash
	return last.Sequence, nil
}

// afterSilence chains the claim to the head that the hub remembers: the stream forgets after 30 days, the hub does not.
func (s *Source) afterSilence(ctx context.Context, js jetstream.JetStream, claim *events.Claim) error {
	heads, err := js.Stream(ctx, HeadStream)
	if err != nil {
		return err
	}
	head, _, err := readHead(ctx, heads, s.Counter)
	if err != nil {
		return err
	}
	if head.Epoch == "" {
		head.Epoch = uuid.NewString()
	}
	claim.StoreEpoch, claim.Number, claim.PreviousHash = head.Epoch, head.Number+1, head.Hash
	return nil
}

// Drained reports whether every claim in the stream has been handled. It compares the consumer with the last claim
// stored, because the consumer's own pending count lags a moment behind the acknowledgement.
func (h *Links) Drained(ctx context.Context) (bool, error) {
	last, err := h.claims.GetLastMsgForSubject(ctx, claimPrefix+"*")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for the last claim: %w", err)
	}
	consumer, err := h.claims.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking how many claims wait: %w", err)
	}
	info := consumer.CachedInfo()
	return info.Delivered.Stream >= last.Sequence && info.NumAckPending == 0, nil
}
