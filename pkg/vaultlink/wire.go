package vaultlink

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

const (
	subjectPrefix = "shomei.vault."
	// Reply subjects begin with one of these, the second for requests from other accounts.
	inboxPrefix, importedPrefix = "_INBOX.", "_R_."
)

func (v Verb) subject() string { return subjectPrefix + string(v) }

// ClientMayPublish lists the subjects that a service of this role publishes requests to; none for one without rights.
func ClientMayPublish(role eventlog.Role) []string {
	var list []string
	for _, r := range rights {
		if r.Role == role {
			list = append(list, r.Verb.subject())
		}
	}
	return list
}

// ServerMaySubscribe lists the subjects that the vault subscribes to.
func ServerMaySubscribe() []string {
	var list []string
	for _, v := range verbs {
		list = append(list, v.subject())
	}
	return list
}

// ServerMayPublish lists the subjects that the vault publishes answers to: inboxes, and what NATS makes of those of other
// accounts. Only these are answered.
func ServerMayPublish() []string { return []string{inboxPrefix + ">", importedPrefix + ">"} }

const (
	// MaxRequest bounds a request, and an answer, in bytes. The largest thing sealed is a quarantined claim, which fits
	// into a commit.
	MaxRequest = events.MaxStored + 64<<10
	// validFor is how far the time of a request may be from the vault's, either way.
	validFor  = time.Minute
	nonceSize = 16
	// keySize is that of a public X25519 key.
	keySize = 32
	// maxReply bounds a reply subject, in bytes, maxField the name of a field, maxName that of a person.
	maxReply = 256
	maxField = 64
	maxName  = 1024
)

// The suite of this wire (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
func sealKEM() hpke.KEM   { return hpke.DHKEM(ecdh.X25519()) }
func sealKDF() hpke.KDF   { return hpke.HKDFSHA256() }
func sealAEAD() hpke.AEAD { return hpke.AES256GCM() }

const answerContext = "shomei vault answer 1"

func callInfo(writer string, nonce []byte) []byte {
	return append([]byte("shomei vault call 1\x00"+writer+"\x00"), nonce...)
}

func answerInfo(nonce, exported []byte) []byte {
	return append(append([]byte(answerContext+"\x00"), nonce...), exported...)
}

// ErrRefused: the vault doesn't do this for the service, or doesn't believe the request. Anybody on NATS can say the
// second, so nothing may follow from it but asking again.
var ErrRefused = errors.New("the vault refuses")

// asked is a request that waits for its answer, at the client's end.
type asked struct {
	data []byte // as sent
	key  hpke.PrivateKey
	info []byte // what the answer is sealed under
}

// newRequest seals and signs a call.
func newRequest(call *events.VaultCall, key nkeys.KeyPair, writer string, vaultKey hpke.PublicKey, now time.Time) (*asked, error) {
	own, err := sealKEM().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key for an answer: %w", err)
	}
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails
	sealed, exported, err := sealCall(call, writer, nonce, vaultKey)
	if err != nil {
		return nil, err
	}
	request, err := events.Encode(&events.VaultRequest{
		Nonce: nonce, MadeMs: now.UnixMilli(), AnswerKey: own.PublicKey().Bytes(), Sealed: sealed,
	})
	if err != nil {
		return nil, err
	}
	signed, err := events.SignVaultRequest(request, key)
	if err != nil {
		return nil, err
	}
	data, err := events.Encode(signed)
	if err == nil && len(data) > MaxRequest {
		err = fmt.Errorf("a request of %d bytes, the limit is %d: %w", len(data), MaxRequest, ErrRefused)
	}
	return &asked{data, own, answerInfo(nonce, exported)}, err
}

func sealCall(call *events.VaultCall, writer string, nonce []byte, vaultKey hpke.PublicKey) (sealed, exported []byte, err error) {
	plain, err := events.Encode(call)
	if err != nil {
		return nil, nil, err
	}
	defer clear(plain)
	enc, sender, err := hpke.NewSender(vaultKey, sealKDF(), sealAEAD(), callInfo(writer, nonce))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing a request to the vault: %w", err)
	}
	ciphertext, err := sender.Seal(nil, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing a request to the vault: %w", err)
	}
	exported, err = sender.Export(answerContext, keySize)
	return append(enc, ciphertext...), exported, err
}

// open returns the answer, if it is one to this request. Its errors are ErrRefused, errBusy and errAnswer.
func (a *asked) open(data []byte) (*events.VaultAnswer, error) {
	sealed := &events.SealedVaultAnswer{}
	switch err := proto.Unmarshal(data, sealed); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	case sealed.GetBusy():
		return nil, errBusy
	case sealed.GetRefused() != "":
		return nil, fmt.Errorf("%w: %.300q", ErrRefused, sealed.GetRefused())
	}
	plain, err := hpke.Open(a.key, sealKDF(), sealAEAD(), a.info, sealed.GetSealed())
	if err != nil {
		return nil, errAnswer
	}
	defer clear(plain)
	answer := &events.VaultAnswer{}
	if err := proto.Unmarshal(plain, answer); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return answer, nil
}

// received is a request at the vault's end: signed by writer, and not opened yet.
type received struct {
	writer  string
	request *events.VaultRequest
	// exported authenticates the answer; it is there once the call has been opened.
	exported []byte
}

// parseRequest decodes what came over the wire, and verifies its signature once known has said that the writer is. Errors
// are what the asker is told.
func parseRequest(data []byte, known func(writer string) error) (*received, error) {
	if len(data) > MaxRequest {
		return nil, fmt.Errorf("a request of %d bytes, the limit is %d", len(data), MaxRequest)
	}
	signed, request := &events.SignedVaultRequest{}, &events.VaultRequest{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return nil, errors.New("not a request")
	}
	if err := known(signed.GetWriter()); err != nil {
		return nil, err
	}
	if err := signed.Verify(); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(signed.GetRequest(), request); err != nil {
		return nil, errors.New("not a request")
	}
	if len(request.GetNonce()) != nonceSize || len(request.GetAnswerKey()) != keySize {
		return nil, fmt.Errorf("a request with a nonce of %d bytes and a key of %d", len(request.GetNonce()), len(request.GetAnswerKey()))
	}
	return &received{writer: signed.GetWriter(), request: request}, nil
}

// open opens what is asked.
func (r *received) open(key hpke.PrivateKey) (*events.VaultCall, error) {
	sealed := r.request.GetSealed()
	if len(sealed) < keySize {
		return nil, errors.New("the request does not open with the vault's key")
	}
	recipient, err := hpke.NewRecipient(sealed[:keySize], key, sealKDF(), sealAEAD(), callInfo(r.writer, r.request.GetNonce()))
	if err != nil {
		return nil, errors.New("the request does not open with the vault's key")
	}
	plain, err := recipient.Open(nil, sealed[keySize:])
	if err != nil {
		return nil, errors.New("the request does not open with the vault's key")
	}
	defer clear(plain)
	call := &events.VaultCall{}
	if err := proto.Unmarshal(plain, call); err != nil {
		return nil, errors.New("the request holds no call")
	}
	r.exported, err = recipient.Export(answerContext, keySize)
	return call, err
}

// seal encodes the answer and seals it to who asked.
func (r *received) seal(answer *events.VaultAnswer) ([]byte, error) {
	key, err := sealKEM().NewPublicKey(r.request.GetAnswerKey())
	if err != nil {
		return nil, fmt.Errorf("the key for the answer: %w", err)
	}
	plain, err := events.Encode(answer)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := hpke.Seal(key, sealKDF(), sealAEAD(), answerInfo(r.request.GetNonce(), r.exported), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing an answer: %w", err)
	}
	return events.Encode(&events.SealedVaultAnswer{Sealed: sealed})
}

// class returns the record class that a call is about; empty for a call without a verb, or with another than the subject's.
func class(verb Verb, call *events.VaultCall) string {
	switch v := call.GetVerb().(type) {
	case *events.VaultCall_Seal:
		if verb == Seal {
			return v.Seal.GetRecordClass()
		}
	case *events.VaultCall_Open:
		if verb == Open {
			return v.Open.GetSealed().GetRecordClass()
		}
	case *events.VaultCall_Renew:
		if verb == Renew {
			return v.Renew.GetRecordClass()
		}
	case *events.VaultCall_Status:
		if verb == Look {
			return v.Status.GetRecordClass()
		}
	case *events.VaultCall_Find:
		if verb == Find {
			return vault.Identity
		}
	}
	return ""
}

// misplaced returns why a call is about no place that is sealed for, or nil: what is sealed for an aggregate stands in its own
// history, but for a person's acts that wait for a second officer.
func misplaced(call *events.VaultCall) error {
	binding := call.GetSeal().GetBinding()
	if call.GetOpen() != nil {
		binding = call.GetOpen().GetBinding()
	}
	find := call.GetFind()
	switch {
	case find != nil && (len(find.GetName()) > maxName || len(find.GetBirthDate()) > maxName):
		return fmt.Errorf("a name or a date of more than %d bytes", maxName)
	case find != nil:
		return nil
	case !events.ValidID(call.GetPerson()):
		return errors.New("it names no person's id")
	case (call.GetSeal() != nil || call.GetOpen() != nil) && binding.GetId() != call.GetPerson() && binding.GetField() != vault.ApprovalField:
		return errors.New("what is sealed for one aggregate has no place in another's history")
	case len(binding.GetField()) > maxField:
		return fmt.Errorf("the name of a field has %d bytes, the limit is %d", len(binding.GetField()), maxField)
	}
	return nil
}

func wireBinding(b vault.Binding) *events.VaultBinding {
	return &events.VaultBinding{Id: b.ID, Revision: b.Revision, Field: b.Field}
}

func bindingOf(b *events.VaultBinding) vault.Binding {
	return vault.Binding{ID: b.GetId(), Revision: b.GetRevision(), Field: b.GetField()}
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

// outcomes are the errors of the vault that keep their identity on the wire.
var outcomes = map[events.VaultOutcome]error{
	events.VaultOutcome_VAULT_OUTCOME_ERASED:  vault.ErrErased,
	events.VaultOutcome_VAULT_OUTCOME_BINDING: vault.ErrBinding,
	events.VaultOutcome_VAULT_OUTCOME_NO_KEY:  vault.ErrNoKey,
	events.VaultOutcome_VAULT_OUTCOME_MISSING: vault.ErrMissing,

	events.VaultOutcome_VAULT_OUTCOME_INDEXING: vault.ErrIndexing,
}

// outcomeOf returns the code of an error of the vault.
func outcomeOf(err error) events.VaultOutcome {
	if err == nil {
		return events.VaultOutcome_VAULT_OUTCOME_DONE
	}
	for outcome, is := range outcomes {
		if errors.Is(err, is) {
			return outcome
		}
	}
	return events.VaultOutcome_VAULT_OUTCOME_FAILED
}
