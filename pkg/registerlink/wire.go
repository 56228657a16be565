package registerlink

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

const (
	subjectPrefix, subjectSuffix = "shomei.register.", ".changes"
	// Reply subjects begin with one of these, the second for requests from other accounts.
	inboxPrefix, importedPrefix = "_INBOX.", "_R_."
)

// Subject returns where the register of an office sends its changes.
func Subject(office string) string { return subjectPrefix + office + subjectSuffix }

// ServerMaySubscribe lists the subjects that the gateway subscribes to.
func ServerMaySubscribe() []string { return []string{Subject("*")} }

// ClientMayPublish lists the subjects that the register of an office publishes to.
func ClientMayPublish(office string) []string { return []string{Subject(office)} }

// officeOf returns the office of a subject, or false if it is none of this wire.
func officeOf(subject string) (string, bool) {
	rest, ok := strings.CutPrefix(subject, subjectPrefix)
	office, ok2 := strings.CutSuffix(rest, subjectSuffix)
	return office, ok && ok2 && events.ValidID(office)
}

const (
	// MaxBatch bounds a batch as sent, in bytes, MaxChanges the changes in it: few enough for one answer within its time.
	MaxBatch   = 512 << 10
	MaxChanges = 50
	// MaxSubscriptions is how many subscriptions a register's client needs at most: that of its inbox, and a spare one.
	MaxSubscriptions = 4
	// validFor is how far the time of a batch may be from the gateway's, either way: a notice about somebody who had applied
	// for nothing at the time must not be repeated by others once they have.
	validFor = 5 * time.Minute
	// keySize is that of a public X25519 key, and of the key that an answer is sealed under.
	keySize = 32
	// maxReply bounds a reply subject, in bytes.
	maxReply = 256
)

// The suite of this wire (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
func sealKDF() hpke.KDF   { return hpke.HKDFSHA256() }
func sealAEAD() hpke.AEAD { return hpke.AES256GCM() }

const answerContext = "shomei register answer 1"

func changesInfo(register string) []byte { return []byte("shomei register changes 1\x00" + register) }

// ErrRefused: the gateway doesn't take a batch. Anybody on NATS can say so.
var ErrRefused = errors.New("the centre's gateway refuses the batch")

var (
	errBusy   = errors.New("it has enough at work")
	errAnswer = errors.New("the answer is not the gateway's to this batch")
)

// sent is a batch that waits for its answer.
type sent struct {
	data    []byte
	answer  []byte // the key of the answer
	changes int
}

// newBatch seals and signs changes.
func newBatch(register string, key nkeys.KeyPair, gateway hpke.PublicKey, changes *events.RegisterChanges, now time.Time) (*sent, error) {
	sealed, answer, err := sealChanges(register, gateway, changes)
	if err != nil {
		return nil, err
	}
	batch, err := events.Encode(&events.RegisterBatch{Register: register, MadeMs: now.UnixMilli(), Sealed: sealed})
	if err != nil {
		return nil, err
	}
	signed, err := events.SignRegisterBatch(batch, key)
	if err != nil {
		return nil, err
	}
	data, err := events.Encode(signed)
	if err == nil && len(data) > MaxBatch {
		err = fmt.Errorf("a batch of %d bytes, the limit is %d: %w", len(data), MaxBatch, ErrRefused)
	}
	return &sent{data, answer, len(changes.GetChanges())}, err
}

func sealChanges(register string, gateway hpke.PublicKey, changes *events.RegisterChanges) (sealed, answer []byte, err error) {
	plain, err := events.Encode(changes)
	if err != nil {
		return nil, nil, err
	}
	defer clear(plain)
	enc, sender, err := hpke.NewSender(gateway, sealKDF(), sealAEAD(), changesInfo(register))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing changes: %w", err)
	}
	ciphertext, err := sender.Seal(nil, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing changes: %w", err)
	}
	answer, err = sender.Export(answerContext, keySize)
	return append(enc, ciphertext...), answer, err
}

// open returns the outcomes, if data is the answer to this batch. Its errors are ErrRefused, errBusy and errAnswer.
func (s *sent) open(data []byte) ([]*events.RegisterOutcome, error) {
	answer, outcomes := &events.RegisterAnswer{}, &events.RegisterOutcomes{}
	switch err := proto.Unmarshal(data, answer); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	case answer.GetBusy():
		return nil, errBusy
	case answer.GetRefused() != "":
		return nil, fmt.Errorf("%w: %.300q", ErrRefused, answer.GetRefused())
	}
	aead, err := answerAEAD(s.answer)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, answer.GetSealed(), nil)
	if err != nil || proto.Unmarshal(plain, outcomes) != nil || len(outcomes.GetOutcomes()) != s.changes {
		return nil, errAnswer
	}
	return outcomes.GetOutcomes(), nil
}

// answerAEAD seals answers, each under a random nonce that stands before it.
func answerAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key of an answer: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// parseBatch decodes what came on the subject of an office, and verifies that a register of that office has signed it just
// now. Errors are what the register is told.
func (s *Server) parseBatch(ctx context.Context, office string, data []byte) (*events.RegisterBatch, error) {
	signed, batch := &events.SignedRegisterBatch{}, &events.RegisterBatch{}
	switch {
	case len(data) > MaxBatch:
		return nil, fmt.Errorf("a batch of %d bytes, the limit is %d", len(data), MaxBatch)
	case proto.Unmarshal(data, signed) != nil || proto.Unmarshal(signed.GetBatch(), batch) != nil || !events.ValidID(batch.GetRegister()):
		return nil, errors.New("not a batch of changes")
	}
	key, err := s.Enrolled(ctx, office, batch.GetRegister())
	if err == nil {
		err = signed.Verify(key)
	}
	if err != nil {
		return nil, err
	}
	made, now := time.UnixMilli(batch.GetMadeMs()), s.Clock()
	if off := now.Sub(made); off > validFor || off < -validFor {
		return nil, fmt.Errorf("the batch was made at %s and it is %s: set the clocks right",
			made.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return batch, nil
}

// openBatch returns the changes, and the key that their answer is sealed under.
func openBatch(batch *events.RegisterBatch, key hpke.PrivateKey) (changes *events.RegisterChanges, answer []byte, err error) {
	unreadable := errors.New("the batch does not open with the gateway's key: enrol the register again into its folder")
	sealed := batch.GetSealed()
	if len(sealed) < keySize {
		return nil, nil, unreadable
	}
	recipient, err := hpke.NewRecipient(sealed[:keySize], key, sealKDF(), sealAEAD(), changesInfo(batch.GetRegister()))
	if err != nil {
		return nil, nil, unreadable
	}
	plain, err := recipient.Open(nil, sealed[keySize:])
	if err != nil {
		return nil, nil, unreadable
	}
	defer clear(plain)
	changes = &events.RegisterChanges{}
	if err := proto.Unmarshal(plain, changes); err != nil {
		return nil, nil, errors.New("the batch holds no changes")
	}
	if n := len(changes.GetChanges()); n == 0 || n > MaxChanges {
		return nil, nil, fmt.Errorf("a batch of %d changes, there are 1 to %d", n, MaxChanges)
	}
	answer, err = recipient.Export(answerContext, keySize)
	return changes, answer, err
}

// sealOutcomes encodes an answer.
func sealOutcomes(key []byte, outcomes []*events.RegisterOutcome) ([]byte, error) {
	plain, err := events.Encode(&events.RegisterOutcomes{Outcomes: outcomes})
	if err != nil {
		return nil, err
	}
	aead, err := answerAEAD(key)
	if err != nil {
		return nil, err
	}
	return events.Encode(&events.RegisterAnswer{Sealed: aead.Seal(nil, nil, plain, nil)})
}

// ownInbox reports whether a reply subject is an inbox, or what NATS makes of one between accounts: never a subject that
// means something to others.
func ownInbox(reply string) bool {
	rest, ok := strings.CutPrefix(reply, inboxPrefix)
	if !ok {
		rest, ok = strings.CutPrefix(reply, importedPrefix)
	}
	if !ok || len(reply) > maxReply {
		return false
	}
	for token := range strings.SplitSeq(rest, ".") {
		if !events.ValidID(token) {
			return false
		}
	}
	return true
}
