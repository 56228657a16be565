package vaultlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/vault"
	"shomei/pkg/wait"
)

// ErrUnavailable: the vault doesn't answer, or what answers is not the vault. Try again later.
var ErrUnavailable = errors.New("the vault can't be asked")

var (
	errBusy   = errors.New("it has enough of this service's requests at work")
	errNobody = errors.New("nobody listens for it on NATS: is the vault's service running, and may this one ask it?")
	errSilent = errors.New("no answer in time")
	errAnswer = errors.New("the answer is not the vault's to this request")
	errFailed = errors.New("the vault could not do it, and its own log says why")
)

const (
	// patience is how long a call waits in all. While nobody listens, the vault is busy, or a request or its answer was
	// lost, which is noticed after oneWait, it is repeated after a pause that doubles from firstPause to lastPause.
	patience   = 5 * time.Second
	oneWait    = 2 * time.Second
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// Client has the vault's service seal and open. It stands in for a *vault.Vault, with the same errors and, besides,
// ErrRefused and ErrUnavailable. Its methods are safe for concurrent use.
type Client struct {
	conn     *nats.Conn
	key      nkeys.KeyPair
	writer   string
	vaultKey hpke.PublicKey
	clock    func() time.Time
	patience time.Duration
}

// NewClient returns a client for the service that writes the log with key. VaultKey is the public key of the vault's
// service.
func NewClient(conn *nats.Conn, key nkeys.KeyPair, vaultKey hpke.PublicKey, clock func() time.Time) (*Client, error) {
	writer, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("reading the public key by which the vault knows this service: %w", err)
	}
	return &Client{conn, key, writer, vaultKey, clock, patience}, nil
}

// Seal is Vault.Seal.
func (c *Client) Seal(person, class string, binding vault.Binding, plaintext []byte) (*events.Sealed, error) {
	answer, err := c.ask(Seal, &events.VaultCall{Person: person, Verb: &events.VaultCall_Seal{Seal: &events.VaultSeal{
		RecordClass: class, Binding: wireBinding(binding), Plaintext: plaintext,
	}}})
	if err == nil && answer.GetSealed() == nil {
		err = errFailed
	}
	if err != nil {
		return nil, fmt.Errorf("sealing %s of %s: %w", binding.Field, person, err)
	}
	return answer.GetSealed(), nil
}

// Open is Vault.Open.
func (c *Client) Open(person string, binding vault.Binding, s *events.Sealed) ([]byte, error) {
	answer, err := c.ask(Open, &events.VaultCall{Person: person, Verb: &events.VaultCall_Open{Open: &events.VaultOpen{
		Binding: wireBinding(binding), Sealed: s,
	}}})
	if err != nil {
		return nil, fmt.Errorf("opening %s of %s: %w", binding.Field, person, err)
	}
	return answer.GetPlaintext(), nil
}

// Renew is Vault.Renew.
func (c *Client) Renew(person, class string) error {
	_, err := c.ask(Renew, &events.VaultCall{Person: person, Verb: &events.VaultCall_Renew{Renew: &events.VaultRenew{RecordClass: class}}})
	if err != nil {
		return fmt.Errorf("renewing a key of %s: %w", person, err)
	}
	return nil
}

// Find is Vault.Find.
func (c *Client) Find(name, birthDate string) ([]string, error) {
	answer, err := c.ask(Find, &events.VaultCall{Verb: &events.VaultCall_Find{Find: &events.VaultFind{Name: name, BirthDate: birthDate}}})
	if err != nil {
		return nil, fmt.Errorf("finding persons: %w", err)
	}
	return answer.GetFound(), nil
}

// Status is Vault.Status.
func (c *Client) Status(k vault.Key) (vault.Status, error) {
	_, err := c.ask(Look, &events.VaultCall{Person: k.Person, Verb: &events.VaultCall_Status{Status: &events.VaultStatus{
		RecordClass: k.Class, KeyVersion: k.Version,
	}}})
	switch {
	case err == nil:
		return vault.Held, nil
	case errors.Is(err, vault.ErrErased):
		return vault.Erased, nil
	case errors.Is(err, vault.ErrMissing):
		return vault.Missing, nil
	}
	return "", fmt.Errorf("looking for the key of %s: %w", k.Person, err)
}

// ask makes a request and returns the answer to it, or why there is none.
func (c *Client) ask(verb Verb, call *events.VaultCall) (*events.VaultAnswer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		answer, err := c.try(ctx, verb, call)
		if !errors.Is(err, errNobody) && !errors.Is(err, errBusy) && !errors.Is(err, errSilent) {
			return answer, err
		}
		if wait.For(ctx, pause) != nil {
			return nil, err
		}
	}
}

// try asks once, with a request of its own: the vault takes none twice.
func (c *Client) try(ctx context.Context, verb Verb, call *events.VaultCall) (*events.VaultAnswer, error) {
	request, err := newRequest(call, c.key, c.writer, c.vaultKey, c.clock())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, oneWait)
	defer cancel()
	reply, err := c.conn.RequestWithContext(ctx, verb.subject(), request.data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errNobody)
	case errors.Is(err, context.DeadlineExceeded): // not wrapped: it is not the end of the caller's context
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errSilent)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	answer, err := request.open(reply.Data)
	if errors.Is(err, ErrRefused) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return answer, errorOf(answer)
}

// errorOf returns the error that an answer tells of.
func errorOf(answer *events.VaultAnswer) error {
	switch outcome := answer.GetOutcome(); outcome {
	case events.VaultOutcome_VAULT_OUTCOME_DONE:
		return nil
	case events.VaultOutcome_VAULT_OUTCOME_REFUSED:
		return fmt.Errorf("%w: %s", ErrRefused, answer.GetWhy())
	default:
		if err := outcomes[outcome]; err != nil {
			return err
		}
		return errFailed
	}
}
