package events

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"
)

// Limits of what is read from the log and the wire: far above what honest writers make, and below what would let one
// message hold up a reader.
const (
	// MaxStored bounds one JetStream message, in bytes.
	MaxStored = 1 << 20
	// MaxEvents bounds the events of one commit.
	MaxEvents = 256
)

var (
	// ErrMalformed: bytes are not a message of this contract, because they are truncated, over a limit, or incomplete.
	ErrMalformed = errors.New("malformed message")
	// ErrUnknownEvent: a commit holds an event of a newer version. Followers park the aggregate until they are updated.
	ErrUnknownEvent = errors.New("event of a newer version")
)

// StateLimit returns the maximum size in bytes of the StateBytes of an aggregate of this kind. Subscribers and cards
// are counted in tens of millions and stay under 2 KB; an office grows with its counters and an authority with its
// generations, and there are few of them.
func StateLimit(kind string) int {
	switch kind {
	case KindOffice, KindAuthority:
		return 64 << 10
	default:
		return 2 << 10
	}
}

// Decode decodes the payload of one message of the log and checks limits, form and completeness, in that order. It
// checks neither the signature (Stored.Verify) nor the chain. Errors are ErrMalformed and ErrUnknownEvent; with
// ErrUnknownEvent it returns both messages, so that the aggregate and revision can be named.
func Decode(stored []byte) (*Stored, *Commit, error) {
	if len(stored) > MaxStored {
		return nil, nil, fmt.Errorf("stored message of %d bytes, the limit is %d: %w", len(stored), MaxStored, ErrMalformed)
	}
	s := new(Stored)
	if err := unmarshal(stored, s); err != nil {
		return nil, nil, err
	}
	if err := checkStored(s); err != nil {
		return nil, nil, err
	}
	commit := new(Commit)
	if err := unmarshal(s.GetCommit(), commit); err != nil {
		return nil, nil, err
	}
	err := checkCommit(commit)
	if err != nil && !errors.Is(err, ErrUnknownEvent) {
		return nil, nil, err
	}
	if limit := StateLimit(commit.GetKind()); len(s.GetState()) > limit {
		return nil, nil, fmt.Errorf("state of %s/%s has %d bytes, the limit is %d: %w",
			commit.GetKind(), commit.GetId(), len(s.GetState()), limit, ErrMalformed)
	}
	return s, commit, err
}

func checkStored(s *Stored) error {
	switch {
	case len(s.GetCommit()) == 0:
		return malformed("stored message", "commit is missing")
	case !nkeys.IsValidPublicUserKey(s.GetWriter()):
		return malformed("stored message", "writer %.60q is no public user nkey", s.GetWriter())
	case len(s.GetSignature()) != ed25519.SignatureSize:
		return malformed("stored message", "signature of %d bytes", len(s.GetSignature()))
	}
	return nil
}

func checkCommit(c *Commit) error {
	hash := len(c.GetPreviousHash())
	switch {
	case !slices.Contains(Kinds, c.GetKind()):
		return malformed("commit", "%.60q is no kind of aggregate", c.GetKind())
	case !ValidID(c.GetId()):
		return malformed("commit", "%.80q is no id of an aggregate", c.GetId())
	case c.GetRevision() == 0:
		return malformed("commit", "%s/%s has no revision", c.GetKind(), c.GetId())
	case c.GetRevision() == 1 && hash != 0, c.GetRevision() > 1 && hash != sha256.Size:
		return malformed("commit", "%s/%s/%d has a previous hash of %d bytes", c.GetKind(), c.GetId(), c.GetRevision(), hash)
	case len(c.GetEvents()) == 0 || len(c.GetEvents()) > MaxEvents:
		return malformed("commit", "%s/%s/%d has %d events, 1 to %d are allowed", c.GetKind(), c.GetId(), c.GetRevision(),
			len(c.GetEvents()), MaxEvents)
	}
	for i, event := range c.GetEvents() {
		if event.GetBody() == nil {
			return fmt.Errorf("commit %s/%s/%d, event %d: %w", c.GetKind(), c.GetId(), c.GetRevision(), i, ErrUnknownEvent)
		}
	}
	return nil
}

func unmarshal(encoded []byte, into proto.Message) error {
	if err := proto.Unmarshal(encoded, into); err != nil {
		return fmt.Errorf("decoding %s from %d bytes (%v): %w", into.ProtoReflect().Descriptor().Name(), len(encoded), err, ErrMalformed)
	}
	return nil
}

func malformed(what, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", what, fmt.Sprintf(format, args...), ErrMalformed)
}
