package counterlink

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// Why something from the other end is rejected, besides events.ErrSignature and events.ErrMalformed.
var (
	// ErrMisaddressed: the message is on another counter's subject.
	ErrMisaddressed = errors.New("message belongs to another counter")
	// ErrEpoch: the claim is from a local store other than the counter's known one.
	ErrEpoch = errors.New("claim of an unknown local store")
	// ErrGap: claims between the known head and this one are missing.
	ErrGap = errors.New("claims are missing before this one")
	// ErrLate: the claim has a number that was passed long ago.
	ErrLate = errors.New("claim is too late")
	// ErrFork: another claim was accepted under that number, or this one continues from another.
	ErrFork = errors.New("claim contradicts the chain")
	// ErrHeadMismatch: hub and counter remember different histories; claims stop until a person decides.
	ErrHeadMismatch = errors.New("hub and counter disagree about the counter's claims")
	// ErrTooLarge: the message is larger than a claim can be.
	ErrTooLarge = errors.New("message is larger than a claim can be")
	// ErrNotEnrolled: no counter of that name is enrolled.
	ErrNotEnrolled = errors.New("counter is not enrolled")
)

// rememberedPrefixes is how many hashes before the head are kept to tell a repetition from a contradiction.
const rememberedPrefixes = 32

const prefixSize = 8

// Head is the last claim accepted from a counter.
type Head struct {
	// Epoch identifies the local store; empty if nothing is known of the counter yet.
	Epoch string `json:"epoch"`
	// Number and Hash are those of the last claim; 0 and nil before the first.
	Number uint64 `json:"number"`
	Hash   []byte `json:"hash,omitempty"`
	// Sequence is the counter's last message in CLAIMS that was settled, accepted or not. Hub end only.
	Sequence uint64 `json:"sequence,omitempty"`
	// Recent holds the first bytes of the hashes of the claims up to Number, newest last. Hub end only.
	Recent [][]byte `json:"recent,omitempty"`
	// Time is what is known about when the counter made its claims. Hub end only.
	Time timeline `json:"time,omitzero"`
}

// Verdict says how a verified claim relates to a head.
type Verdict int

// The verdicts that are not errors.
const (
	// Next: the claim continues the chain.
	Next Verdict = iota
	// Repeated: this very claim was accepted before.
	Repeated
)

// Judge returns how a claim with that hash relates to the head. Errors: ErrEpoch, ErrGap, ErrLate, ErrFork.
func (h Head) Judge(claim *events.Claim, hash []byte) (Verdict, error) {
	number := claim.GetNumber()
	switch {
	case number == 0:
		return 0, fmt.Errorf("claims are numbered from 1: %w", events.ErrMalformed)
	case h.Epoch != "" && claim.GetStoreEpoch() != h.Epoch, claim.GetStoreEpoch() == "":
		return 0, fmt.Errorf("store epoch %q, known is %q: %w", claim.GetStoreEpoch(), h.Epoch, ErrEpoch)
	case number > h.Number+1:
		return 0, fmt.Errorf("claim %d after claim %d: %w", number, h.Number, ErrGap)
	case number == h.Number+1 && bytes.Equal(claim.GetPreviousHash(), h.Hash):
		return Next, nil
	case number == h.Number+1:
		return 0, fmt.Errorf("claim %d does not continue from claim %d as it was taken: %w", number, h.Number, ErrFork)
	}
	back := h.Number - number
	if back >= uint64(len(h.Recent)) {
		return 0, fmt.Errorf("claim %d after claim %d: %w", number, h.Number, ErrLate)
	}
	if !bytes.HasPrefix(hash, h.Recent[len(h.Recent)-1-int(back)]) {
		return 0, fmt.Errorf("another claim was taken as number %d: %w", number, ErrFork)
	}
	return Repeated, nil
}

// Advance returns the head after a claim that was judged Next.
func (h Head) Advance(claim *events.Claim, hash []byte) Head {
	recent := append(h.Recent[:len(h.Recent):len(h.Recent)], hash[:prefixSize])
	if n := len(recent) - rememberedPrefixes; n > 0 {
		recent = recent[n:]
	}
	return Head{Epoch: claim.GetStoreEpoch(), Number: claim.GetNumber(), Hash: hash, Sequence: h.Sequence, Recent: recent, Time: h.Time}
}

// SignClaim encodes and signs a claim with the counter's key. The hash is what the next claim is chained to.
func SignClaim(key nkeys.KeyPair, claim *events.Claim) (signed, hash []byte, err error) {
	outer, err := events.SignClaim(claim, key)
	if err != nil {
		return nil, nil, err
	}
	signed, err = events.Encode(outer)
	return signed, events.Hash(outer.GetClaim()), err
}

// ParseClaim decodes a signed claim without verifying it; the next claim is chained to the hash. The error wraps
// events.ErrMalformed.
func ParseClaim(signed []byte) (claim *events.Claim, hash []byte, err error) {
	_, claim, hash, err = parseClaim(signed)
	return claim, hash, err
}

func parseClaim(signed []byte) (*events.SignedClaim, *events.Claim, []byte, error) {
	outer := &events.SignedClaim{}
	if len(signed) > events.MaxStored {
		return nil, nil, nil, fmt.Errorf("signed claim of %d bytes, the limit is %d: %w",
			len(signed), events.MaxStored, events.ErrMalformed)
	}
	if err := proto.Unmarshal(signed, outer); err != nil {
		return nil, nil, nil, fmt.Errorf("signed claim of %d bytes: %w: %w", len(signed), err, events.ErrMalformed)
	}
	claim, err := events.DecodeClaim(outer.GetClaim())
	if err != nil {
		return nil, nil, nil, err
	}
	if claim.GetId() == "" || claim.GetCounter() == "" {
		return nil, nil, nil, fmt.Errorf("claim without id or counter: %w", events.ErrMalformed)
	}
	return outer, claim, events.Hash(outer.GetClaim()), nil
}

// VerifyClaim decodes a signed claim and verifies it with the counter's public nkey. The issuer uses it too: a
// certificate is signed only for a claim that the counter itself signed. Errors: events.ErrMalformed,
// events.ErrSignature.
func VerifyClaim(publicKey string, signed []byte) (claim *events.Claim, hash []byte, err error) {
	outer, claim, hash, err := parseClaim(signed)
	if err != nil {
		return nil, nil, err
	}
	if err := outer.Verify(publicKey); err != nil {
		return nil, nil, fmt.Errorf("claim %s of counter %s: %w", claim.GetId(), claim.GetCounter(), err)
	}
	return claim, hash, nil
}
