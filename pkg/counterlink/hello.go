package counterlink

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
)

// Header fields of the link-up. The body is empty: heads are a few numbers.
const (
	headerEpoch    = "Shomei-Epoch"
	headerNumber   = "Shomei-Number"
	headerHash     = "Shomei-Hash"
	headerExpected = "Shomei-Expected"
	headerNonce    = "Shomei-Nonce"
	headerWriter   = "Shomei-Writer"
	headerSign     = "Shomei-Signature"
	headerRefused  = "Shomei-Refused"
	// headerKind distinguishes refusals: kindSession, or empty for ErrHeadMismatch.
	headerKind = "Shomei-Refused-Kind"
	// headerClient is the server's number of the counter's connection.
	headerClient = "Shomei-Client"
	// headerVersion is the version of the counter's program.
	headerVersion = "Shomei-Version"
)

const kindSession = "session"

// hello is the counter's part of a link-up: its newest claim known to be at the hub, a nonce against replay, and its
// session id with the number of its connection.
type hello struct {
	head    Head
	nonce   string
	session string
	client  uint64
	// last is the number of its newest claim, delivered or not; clock is its clock's time. Both are zero if the
	// counter's version doesn't send them.
	last  uint64
	clock time.Time
	// version is that of its program; empty if it doesn't say.
	version string
}

// welcome is the hub's answer: the counter's newest claim that the stream holds in order, and the last sequence on the
// counter's subject, which the next publish must name.
type welcome struct {
	head     Head
	expected uint64
	time     HubTime
}

func (h hello) header() nats.Header {
	return headHeader(h.head, nats.Header{
		headerNonce: {h.nonce}, headerSession: {h.session}, headerClient: {strconv.FormatUint(h.client, 10)},
		headerVersion: {programVersion()},
	})
}

func parseHello(h nats.Header) (hello, error) {
	head, err := parseHead(h)
	if err != nil {
		return hello{}, err
	}
	session := h.Get(headerSession)
	if !events.ValidID(session) || !events.ValidID(h.Get(headerNonce)) {
		return hello{}, fmt.Errorf("link-up without a session or a nonce: %w", events.ErrMalformed)
	}
	client, err := parseSequence(h, headerClient)
	last, _ := strconv.ParseUint(h.Get(headerLast), 10, 64)
	version := h.Get(headerVersion)
	if !versionForm.MatchString(version) {
		version = ""
	}
	return hello{
		head: head, nonce: h.Get(headerNonce), session: session, client: client, last: last, clock: instantOf(h.Get(headerClock)),
		version: version,
	}, err
}

func headHeader(head Head, h nats.Header) nats.Header {
	h.Set(headerEpoch, head.Epoch)
	h.Set(headerNumber, strconv.FormatUint(head.Number, 10))
	h.Set(headerHash, hex.EncodeToString(head.Hash))
	return h
}

func parseHead(h nats.Header) (Head, error) {
	number, err1 := strconv.ParseUint(h.Get(headerNumber), 10, 64)
	hash, err2 := hex.DecodeString(h.Get(headerHash))
	if err := errors.Join(err1, err2); err != nil {
		return Head{}, fmt.Errorf("head at link-up: %w: %w", err, events.ErrMalformed)
	}
	if len(hash) == 0 {
		hash = nil
	}
	return Head{Epoch: h.Get(headerEpoch), Number: number, Hash: hash}, nil
}

// welcomeInput returns what the hub signs: everything in the answer, and the question's nonce.
func welcomeInput(counter, nonce string, h nats.Header) []byte {
	fields := []string{"shomei head 2", counter, nonce}
	for _, name := range []string{headerEpoch, headerNumber, headerHash, headerExpected, headerRefused, headerKind, headerTime, headerTimeKind} {
		fields = append(fields, h.Get(name))
	}
	return []byte(strings.Join(fields, "\x00"))
}

// header signs the answer. A non-nil refusal tells the counter why it may not send; it keeps its claims.
func (w welcome) header(key nkeys.KeyPair, counter, nonce string, refusal error) (nats.Header, error) {
	h := headHeader(w.head, nats.Header{headerExpected: {strconv.FormatUint(w.expected, 10)}})
	w.time.put(h)
	if refusal != nil {
		h.Set(headerRefused, refusal.Error())
	}
	if errors.Is(refusal, ErrSession) {
		h.Set(headerKind, kindSession)
	}
	writer, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of the hub's writer: %w", err)
	}
	sig, err := key.Sign(welcomeInput(counter, nonce, h))
	if err != nil {
		return nil, fmt.Errorf("signing the head of counter %s: %w", counter, err)
	}
	h.Set(headerWriter, writer)
	h.Set(headerSign, hex.EncodeToString(sig))
	return h, nil
}

// parseWelcome verifies the answer; writers are the trusted public keys. A refusal is ErrHeadMismatch or ErrSession; a
// *busyError asks the counter to come later.
func parseWelcome(h nats.Header, writers []string, counter, nonce string) (welcome, error) {
	if err := parseBusy(h); err != nil {
		return welcome{}, err
	}
	sig, err := hex.DecodeString(h.Get(headerSign))
	if err != nil || !slices.Contains(writers, h.Get(headerWriter)) {
		return welcome{}, fmt.Errorf("head answered by %q, which is none of the hub's writers: %w",
			h.Get(headerWriter), events.ErrSignature)
	}
	key, err := nkeys.FromPublicKey(h.Get(headerWriter))
	if err == nil {
		err = key.Verify(welcomeInput(counter, nonce, h), sig)
	}
	if err != nil {
		return welcome{}, fmt.Errorf("head answered by the hub: %w: %w", err, events.ErrSignature)
	}
	why := h.Get(headerRefused)
	if h.Get(headerKind) == kindSession {
		return welcome{}, fmt.Errorf("the hub refuses: %s: %w", why, ErrSession)
	}
	if why != "" {
		return welcome{}, fmt.Errorf("the hub refuses: %s: %w", why, ErrHeadMismatch)
	}
	head, err := parseHead(h)
	if err != nil {
		return welcome{}, err
	}
	expected, err := parseSequence(h, headerExpected)
	return welcome{head: head, expected: expected, time: timeOf(h)}, err
}

// compareAtHub is the hub's half of the comparison: it must know what the counter says it delivered.
func compareAtHub(hub Head, asked hello) error {
	counter := asked.head
	switch {
	case hub.Epoch == "" && counter.Number == 0:
		return nil // first contact
	case counter.Epoch != hub.Epoch:
		return fmt.Errorf("the counter's store has epoch %q, the hub knows %q: %w", counter.Epoch, hub.Epoch, ErrHeadMismatch)
	case counter.Number > hub.Number:
		return fmt.Errorf("the counter delivered %d claims, the hub holds %d: %w", counter.Number, hub.Number, ErrHeadMismatch)
	case counter.Number == hub.Number && !bytes.Equal(counter.Hash, hub.Hash):
		return fmt.Errorf("claim %d differs: %w", hub.Number, ErrHeadMismatch)
	case !asked.clock.IsZero() && asked.last < hub.Number:
		return fmt.Errorf("the counter's store ends at claim %d, the hub holds %d; was an old copy put back?: %w",
			asked.last, hub.Number, ErrHeadMismatch)
	}
	return nil
}

// compareAtCounter is the counter's half: the hub's newest claim must be this store's own.
func compareAtCounter(box Outbox, hub Head) error {
	last := box.Last()
	switch {
	case hub.Epoch == "" && hub.Number == 0:
		return nil
	case hub.Epoch != last.Epoch:
		return fmt.Errorf("the hub knows epoch %q, this store has %q: %w", hub.Epoch, last.Epoch, ErrHeadMismatch)
	case hub.Number > last.Number:
		return fmt.Errorf("the hub holds claim %d, this store ends at %d; was an old copy put back?: %w",
			hub.Number, last.Number, ErrHeadMismatch)
	case hub.Number == 0:
		return nil
	}
	_, hash, err := box.Claim(hub.Number)
	if err != nil {
		return fmt.Errorf("reading claim %d to compare it: %w", hub.Number, err)
	}
	if !bytes.Equal(hash, hub.Hash) {
		return fmt.Errorf("claim %d differs: %w", hub.Number, ErrHeadMismatch)
	}
	return nil
}
