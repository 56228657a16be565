package events

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
)

const actContext = "shomei act 1\x00"

// ActOf returns what an officer signs of a claim: its encoding with the hash of its sealed part instead of that part, and
// without what the counter adds when it stores the claim. It holds nothing personal.
func ActOf(c *Claim) ([]byte, error) {
	act := proto.CloneOf(c)
	act.StoreEpoch, act.Number, act.PreviousHash, act.LinkTime = "", 0, nil, nil
	act.Act, act.Assertion, act.Sealed, act.SealedSha256 = nil, nil, nil, nil
	if len(c.GetSealed()) > 0 {
		act.SealedSha256 = Hash(c.GetSealed())
	}
	return Encode(act)
}

// ActChallenge returns the challenge that a passkey signs for an act (claim.proto, Assertion).
func ActChallenge(act []byte) []byte { return Hash(append([]byte(actContext), act...)) }

// outerClaim returns a claim as it is encoded: one that is signed by an officer has its act beside what the counter adds, and
// nothing twice.
func outerClaim(c *Claim) *Claim {
	if len(c.GetAct()) == 0 {
		return c
	}
	return &Claim{
		StoreEpoch: c.StoreEpoch, Number: c.Number, PreviousHash: c.PreviousHash, LinkTime: c.LinkTime, Sealed: c.Sealed, Act: c.Act, Assertion: c.Assertion,
	}
}

// EncodeClaim encodes a claim, with nothing beside its act if an officer has signed one: the inverse of DecodeClaim.
func EncodeClaim(c *Claim) ([]byte, error) { return Encode(outerClaim(c)) }

// DecodeClaim decodes a claim, with what its act says if an officer has signed one. It does not verify the assertion. The error
// wraps ErrMalformed.
func DecodeClaim(encoded []byte) (*Claim, error) {
	outer := &Claim{}
	if err := unmarshal(encoded, outer); err != nil {
		return nil, err
	}
	if len(outer.Act) == 0 {
		if outer.Assertion != nil || len(outer.SealedSha256) > 0 {
			return nil, fmt.Errorf("claim with a signature over nothing: %w", ErrMalformed)
		}
		return outer, nil
	}
	if !proto.Equal(outer, outerClaim(outer)) {
		return nil, fmt.Errorf("claim says something beside its signed act: %w", ErrMalformed)
	}
	claim, err := DecodeAct(outer.Act)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(claim.SealedSha256, sealedHash(outer)) {
		return nil, fmt.Errorf("claim does not fit its signed act: %w", ErrMalformed)
	}
	claim.StoreEpoch, claim.Number, claim.PreviousHash, claim.LinkTime = outer.StoreEpoch, outer.Number, outer.PreviousHash, outer.LinkTime
	claim.Sealed, claim.Act, claim.Assertion = outer.Sealed, outer.Act, outer.Assertion
	return claim, nil
}

// DecodeAct decodes what an officer has signed. The error wraps ErrMalformed.
func DecodeAct(act []byte) (*Claim, error) {
	claim := &Claim{}
	if err := unmarshal(act, claim); err != nil {
		return nil, err
	}
	if !actOnly(claim) {
		return nil, fmt.Errorf("act says what only a counter adds: %w", ErrMalformed)
	}
	return claim, nil
}

// actOnly reports whether a decoded act says nothing that the counter adds.
func actOnly(c *Claim) bool {
	return c.StoreEpoch == "" && c.Number == 0 && len(c.PreviousHash) == 0 && c.LinkTime == nil && len(c.Sealed) == 0 && len(c.Act) == 0 && c.Assertion == nil
}

func sealedHash(c *Claim) []byte {
	if len(c.GetSealed()) == 0 {
		return nil
	}
	return Hash(c.GetSealed())
}
