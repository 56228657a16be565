package events

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"
)

// Contexts keep a signature over one kind of message from passing for one over another.
const (
	commitContext   = "shomei commit 1\x00"
	claimContext    = "shomei claim 1\x00"
	downlinkContext = "shomei downlink 1\x00"

	vaultRequestContext  = "shomei vault request 1\x00"
	registerBatchContext = "shomei register batch 1\x00"
)

// ErrSignature: bytes are not what the named key signed. Never believe or repeat them.
var ErrSignature = errors.New("signature does not hold")

// Encode returns the bytes of a message as the log stores them. Field order is fixed, so that one message has one
// encoding within a version; what was signed or hashed is kept as bytes and never encoded again.
func Encode(m proto.Message) ([]byte, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return encoded, nil
}

// Hash returns SHA-256 of stored bytes: the previous_hash of the next commit of the aggregate.
func Hash(stored []byte) []byte {
	sum := sha256.Sum256(stored)
	return sum[:]
}

// SigningInput returns what a writer signs for a commit: the encoded Commit and the encoded StateBytes after it
// (commit.proto, Stored.signature).
func SigningInput(commit, state []byte) []byte {
	return signingInput(commitContext, commit, state)
}

// ClaimSigningInput returns what a counter signs for an encoded Claim (claim.proto, SignedClaim.signature).
func ClaimSigningInput(claim []byte) []byte {
	return signingInput(claimContext, claim)
}

// DownlinkSigningInput returns what the hub signs for a sealed Downlink (claim.proto, SealedDownlink.signature).
func DownlinkSigningInput(sealed []byte) []byte {
	return signingInput(downlinkContext, sealed)
}

func signingInput(context string, parts ...[]byte) []byte {
	input := make([]byte, 0, len(context)+len(parts)*sha256.Size)
	input = append(input, context...)
	for _, part := range parts {
		sum := sha256.Sum256(part)
		input = append(input, sum[:]...)
	}
	return input
}

// Sign encodes a commit and signs it, together with the encoded StateBytes after it, as the writer. It refuses with
// ErrMalformed what Decode would refuse.
func Sign(commit *Commit, state []byte, writer nkeys.KeyPair) (*Stored, error) {
	if err := checkCommit(commit); err != nil {
		return nil, err
	}
	if limit := StateLimit(commit.GetKind()); len(state) > limit {
		return nil, fmt.Errorf("state of %s/%s has %d bytes, the limit is %d: %w",
			commit.GetKind(), commit.GetId(), len(state), limit, ErrMalformed)
	}
	encoded, err := Encode(commit)
	if err != nil {
		return nil, err
	}
	public, signature, err := sign(writer, SigningInput(encoded, state))
	if err != nil {
		return nil, fmt.Errorf("signing commit %s/%s/%d: %w", commit.GetKind(), commit.GetId(), commit.GetRevision(), err)
	}
	return &Stored{Commit: encoded, Writer: public, Signature: signature, State: state}, nil
}

// Verify checks that the writer named in s signed commit and state. The caller decides whether to trust that writer.
// The error is ErrSignature.
func (s *Stored) Verify() error {
	return verify("commit", s.GetWriter(), SigningInput(s.GetCommit(), s.GetState()), s.GetSignature())
}

// SignClaim encodes a claim and signs it as the counter.
func SignClaim(claim *Claim, counter nkeys.KeyPair) (*SignedClaim, error) {
	encoded, err := EncodeClaim(claim)
	if err != nil {
		return nil, err
	}
	_, signature, err := sign(counter, ClaimSigningInput(encoded))
	if err != nil {
		return nil, fmt.Errorf("signing claim %d of %s: %w", claim.GetNumber(), claim.GetCounter(), err)
	}
	return &SignedClaim{Claim: encoded, Signature: signature}, nil
}

// Verify checks that the counter with this public nkey signed the claim. The key comes from the counter's enrolment,
// never from the message. The error is ErrSignature.
func (s *SignedClaim) Verify(counter string) error {
	return verify("claim", counter, ClaimSigningInput(s.GetClaim()), s.GetSignature())
}

// SignDownlink signs a Downlink that is already sealed to its counter.
func SignDownlink(sealed []byte, writer nkeys.KeyPair) (*SealedDownlink, error) {
	public, signature, err := sign(writer, DownlinkSigningInput(sealed))
	if err != nil {
		return nil, fmt.Errorf("signing downlink: %w", err)
	}
	return &SealedDownlink{Sealed: sealed, Writer: public, Signature: signature}, nil
}

// Verify checks that the writer named in s signed the sealed bytes. The counter decides whether to trust that writer.
// The error is ErrSignature.
func (s *SealedDownlink) Verify() error {
	return verify("downlink", s.GetWriter(), DownlinkSigningInput(s.GetSealed()), s.GetSignature())
}

// SignQuestion signs an encoded question as the counter. What names the kind of question: "card challenge", "person question".
func SignQuestion(what string, question []byte, counter nkeys.KeyPair) (*SignedQuestion, error) {
	_, signature, err := sign(counter, signingInput(contextOf(what), question))
	if err != nil {
		return nil, fmt.Errorf("signing a %s: %w", what, err)
	}
	return &SignedQuestion{Question: question, Signature: signature}, nil
}

// Verify checks that the counter with this public nkey signed the question, as one of that kind. The error is ErrSignature.
func (s *SignedQuestion) Verify(what, counter string) error {
	return verify(what, counter, signingInput(contextOf(what), s.GetQuestion()), s.GetSignature())
}

// SignAnswer signs an answer that is already sealed to its counter. What names its kind: "person answer".
func SignAnswer(what string, sealed []byte, writer nkeys.KeyPair) (*SealedAnswer, error) {
	public, signature, err := sign(writer, signingInput(contextOf(what), sealed))
	if err != nil {
		return nil, fmt.Errorf("signing a %s: %w", what, err)
	}
	return &SealedAnswer{Sealed: sealed, Writer: public, Signature: signature}, nil
}

// Verify checks that the writer named in s signed the sealed bytes, as an answer of that kind. The counter decides whether to trust
// that writer. The error is ErrSignature.
func (s *SealedAnswer) Verify(what string) error {
	return verify(what, s.GetWriter(), signingInput(contextOf(what), s.GetSealed()), s.GetSignature())
}

// contextOf returns the context of a kind of question or answer.
func contextOf(what string) string { return "shomei " + what + " 1\x00" }

// SignVaultRequest signs an encoded VaultRequest as the service that asks.
func SignVaultRequest(request []byte, writer nkeys.KeyPair) (*SignedVaultRequest, error) {
	public, signature, err := sign(writer, signingInput(vaultRequestContext, request))
	if err != nil {
		return nil, fmt.Errorf("signing a request to the vault: %w", err)
	}
	return &SignedVaultRequest{Request: request, Writer: public, Signature: signature}, nil
}

// Verify checks that the writer named in s signed the request. The vault decides whether to trust that writer. The error
// is ErrSignature.
func (s *SignedVaultRequest) Verify() error {
	return verify("vault request", s.GetWriter(), signingInput(vaultRequestContext, s.GetRequest()), s.GetSignature())
}

// SignRegisterBatch signs an encoded RegisterBatch as the resident register.
func SignRegisterBatch(batch []byte, register nkeys.KeyPair) (*SignedRegisterBatch, error) {
	_, signature, err := sign(register, signingInput(registerBatchContext, batch))
	if err != nil {
		return nil, fmt.Errorf("signing a batch of a register: %w", err)
	}
	return &SignedRegisterBatch{Batch: batch, Signature: signature}, nil
}

// Verify checks that the register with this public nkey signed the batch. The key comes from the register's enrolment, never
// from the message. The error is ErrSignature.
func (s *SignedRegisterBatch) Verify(register string) error {
	return verify("register batch", register, signingInput(registerBatchContext, s.GetBatch()), s.GetSignature())
}

func sign(key nkeys.KeyPair, input []byte) (public string, signature []byte, err error) {
	public, err = key.PublicKey()
	if err != nil {
		return "", nil, fmt.Errorf("reading public key: %w", err)
	}
	signature, err = key.Sign(input)
	return public, signature, err
}

func verify(what, public string, input, signature []byte) error {
	if !nkeys.IsValidPublicUserKey(public) {
		return fmt.Errorf("%s names %.60q, which is not a public user nkey: %w", what, public, ErrSignature)
	}
	key, err := nkeys.FromPublicKey(public)
	if err != nil {
		return fmt.Errorf("%s by %s: %w", what, public, ErrSignature)
	}
	if err := key.Verify(input, signature); err != nil {
		return fmt.Errorf("%s by %s: %w", what, public, ErrSignature)
	}
	return nil
}
