package eventlog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// Record is one commit as stored in the log.
type Record struct {
	// Kind and ID come from the subject. They are set even if the rest could not be read.
	Kind, ID string
	// Commit is the decision; nil if it could not be read.
	Commit *events.Commit
	// Stored is the message's payload, which the next commit's previous hash covers. It must not be changed.
	Stored []byte
	// Writer is the public nkey that signed, Role the role of that key.
	Writer string
	Role   Role
	// Stream and Sequence are where it is stored today. They change when shards move: never store them as an identity.
	Stream   string
	Sequence uint64
	// Time is when the server stored it. Decisions use the events' recorded time, not this.
	Time time.Time

	envelope *events.Stored
	// signed by a trusted writer, as far as Follow has checked
	verified bool
}

// trust is the set of trusted writers, with the commits last verified as theirs.
type trust struct {
	writers  map[string]trusted
	believed *believed
}

// trusted is a writer. What the server stored after retired is not believed; the zero time: it writes.
type trusted struct {
	key     ed25519.PublicKey
	role    Role
	retired time.Time
	// holder is the officer whose key it is, user by which key of NATS; empty: a service's.
	holder, user string
	// pairs: it may not write what two operators order.
	pairs bool
}

// alone returns an error if one of the events takes two operators, and this is the key of one who can't order it alone.
func (w trusted) alone(list []*events.Event) error {
	for _, e := range list {
		if name := events.Name(e); w.pairs && slices.Contains(paired, name) {
			return fmt.Errorf("%s takes two operators, and this is the key of one", name)
		}
	}
	return nil
}

// speaksFor returns an error unless the writer may say that this actor acted, and a second one approved. An officer's key says so
// of this officer alone.
func (w trusted) speaksFor(actor, second *events.Actor) error {
	if w.holder == "" || second == nil && actor.GetKind() == events.ActorKind_ACTOR_KIND_OPERATOR && actor.GetId() == w.holder {
		return nil
	}
	return fmt.Errorf("the key is that of officer %s, and it says that another has acted", w.holder)
}

// forbids says why a commit with a valid signature is not the writer's to make, or nil.
func (w trusted) forbids(r Record) error {
	if err := w.role.forbids(r.Kind, r.ID, r.Commit.GetCounter(), r.Commit.GetEvents()); err != nil {
		return err
	}
	if err := w.speaksFor(r.Commit.GetActor(), r.Commit.GetSecondOfficer()); err != nil {
		return err
	}
	if err := w.alone(r.Commit.GetEvents()); err != nil {
		return err
	}
	if !w.retired.IsZero() && r.Time.After(w.retired) {
		return fmt.Errorf("it was retired at %s and this was stored at %s", w.retired.UTC().Format(time.RFC3339), r.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

func newTrust(writers map[string]Role) (trust, error) {
	set := trust{writers: make(map[string]trusted, len(writers)), believed: newBelieved()}
	for public, role := range writers {
		if writable[role] == nil {
			return trust{}, fmt.Errorf("writer %s has the unknown role %q: %w", public, role, ErrConfig)
		}
		raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(public))
		if err != nil {
			return trust{}, fmt.Errorf("writer %q is not a public user nkey (U…): %w", public, ErrConfig)
		}
		set.writers[public] = trusted{key: raw, role: role}
	}
	return set, nil
}

// read decodes one message of the log. The record names its location even if err is set.
func (t trust) read(subject string, data []byte, stream string, sequence uint64, at time.Time) (Record, error) {
	r := Record{Stored: data, Stream: stream, Sequence: sequence, Time: at}
	var err error
	if r.Kind, r.ID, err = events.ParseLogSubject(subject); err != nil {
		return r, fmt.Errorf("reading %s sequence %d: %w (%v)", stream, sequence, ErrForged, err)
	}
	if r.envelope, r.Commit, err = events.Decode(data); err != nil {
		r.Commit = nil
		return r, fmt.Errorf("reading %s/%s at %s sequence %d: %w", r.Kind, r.ID, stream, sequence, err)
	}
	r.Writer = r.envelope.GetWriter()
	r.Role = t.writers[r.Writer].role
	if r.Commit.GetKind() != r.Kind || r.Commit.GetId() != r.ID {
		return r, fmt.Errorf("%s sequence %d holds a commit of %s/%s on the subject of %s/%s: %w", stream, sequence,
			r.Commit.GetKind(), r.Commit.GetId(), r.Kind, r.ID, ErrForged)
	}
	return r, nil
}

// check is verify, skipping a message that was recently verified.
func (t trust) check(r Record) error {
	hash := sha256.Sum256(r.Stored)
	if t.believed.has(hash) {
		return nil
	}
	if err := t.verify(r); err != nil {
		return err
	}
	t.believed.add(hash)
	return nil
}

// verify checks that a record has a valid signature by a trusted key whose role may write its events.
func (t trust) verify(r Record) error {
	writer, known := t.writers[r.Writer]
	where := fmt.Sprintf("%s/%s revision %d (%s sequence %d)", r.Kind, r.ID, r.Commit.GetRevision(), r.Stream, r.Sequence)
	switch {
	case !known:
		return fmt.Errorf("%s is signed by %s: %w: %w", where, r.Writer, errUnknownWriter, ErrForged)
	case !ed25519.Verify(writer.key, events.SigningInput(r.envelope.GetCommit(), r.envelope.GetState()), r.envelope.GetSignature()):
		return fmt.Errorf("%s: the signature of %s does not hold: %w", where, r.Writer, ErrForged)
	}
	if err := writer.forbids(r); err != nil {
		return fmt.Errorf("%s is signed by %s: %w: %w", where, r.Writer, err, ErrForged)
	}
	return nil
}

// follows checks that a record is the next revision after previous (nil: the first) of its aggregate.
func (r Record) follows(previous *Record) error {
	var revision uint64
	var hash []byte
	if previous != nil {
		revision, hash = previous.Commit.GetRevision(), events.Hash(previous.Stored)
	}
	if r.Commit.GetRevision() != revision+1 || !bytes.Equal(r.Commit.GetPreviousHash(), hash) {
		return fmt.Errorf("%s/%s: revision %d at %s sequence %d does not continue revision %d; run fsck and restore the stream from a copy that is whole: %w",
			r.Kind, r.ID, r.Commit.GetRevision(), r.Stream, r.Sequence, revision, ErrDamaged)
	}
	return nil
}

// State returns the state carried with the commit and the version of the fold that made it.
func (r Record) State() (version uint32, state []byte, err error) {
	var framed events.StateBytes
	if err := proto.Unmarshal(r.envelope.GetState(), &framed); err != nil {
		return 0, nil, fmt.Errorf("reading the state of %s/%s: %w", r.Kind, r.ID, err)
	}
	return framed.GetVersion(), framed.GetState(), nil
}

// signed reports whether a trusted writer has signed a record, even one whose events this program does not know.
func (t trust) signed(r Record) bool {
	writer, known := t.writers[r.envelope.GetWriter()]
	return known && ed25519.Verify(writer.key, events.SigningInput(r.envelope.GetCommit(), r.envelope.GetState()), r.envelope.GetSignature())
}

// recordedMS returns the recorded time of a commit's last event, in Unix milliseconds. Of those whose states are not
// believed it is at most the time at which the server stored it: a time far ahead would end what it is about.
func (r Record) recordedMS() int64 {
	n := len(r.Commit.GetEvents())
	if n == 0 {
		return 0
	}
	recorded := r.Commit.GetEvents()[n-1].GetRecordedMs()
	if !r.Role.mayState(r.Kind) {
		return min(recorded, r.Time.UnixMilli())
	}
	return recorded
}
