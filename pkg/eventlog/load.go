package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
)

// Head is the end of one aggregate, on which decisions are made.
type Head struct {
	// Revision of the last commit; 0 if there is none.
	Revision uint64
	// State is the encoded state after it, nil if there is none. It must not be changed.
	State []byte
	// Now is the clock or the last recorded time, whichever is later, in whole milliseconds, UTC.
	Now time.Time
}

// Load returns the verified end of an aggregate. The error is ErrForged, ErrDamaged, ErrBehindMark or ErrNewerState if
// it can't be believed.
func (l *Log) Load(ctx context.Context, kind, id string) (Head, error) {
	t, err := l.target(kind, id)
	if err != nil {
		return Head{}, err
	}
	var h head
	err = l.patiently(ctx, func() error {
		if err := l.admit(ctx, t); err != nil {
			return err
		}
		h, err = l.load(ctx, t)
		return err
	})
	if err != nil {
		return Head{}, err
	}
	return l.facing(h), nil
}

// patiently retries a read while the server is unavailable, restarting or electing a leader.
func (l *Log) patiently(ctx context.Context, read func() error) error {
	started := time.Now()
	for attempt := 0; ; attempt++ {
		err := read()
		if err == nil || ctx.Err() != nil || !isAway(err) && !isSilent(err) || time.Since(started) > l.config.Patience {
			return err
		}
		if backOff(ctx, attempt) != nil {
			return err
		}
	}
}

func (l *Log) facing(h head) Head {
	now := max(l.config.Clock().UnixMilli(), h.recordedMS)
	return Head{Revision: h.revision, State: h.state, Now: time.UnixMilli(now).UTC()}
}

// load asks the leader for the last message of a subject and verifies it, unless it is the one verified before.
func (l *Log) load(ctx context.Context, t target) (head, error) {
	if known, ok := l.memory.heads.get(t.subject); ok && known.revision > 0 {
		asked := time.Now()
		message, err := l.last(ctx, t)
		if err == nil && message.Sequence == known.sequence && bytes.Equal(events.Hash(message.Data), known.hash) {
			known.at = asked
			l.memory.heads.put(t.subject, known)
			return known, nil
		}
		l.memory.drop(t.subject)
	}
	const tries = 5 // a new leader may be a moment behind the one that was asked before
	for try := 0; ; try++ {
		h, err := l.loadOnce(ctx, t)
		if err == nil || try == tries || !errors.Is(err, ErrDamaged) {
			return h, err
		}
		if err := backOff(ctx, 4+try); err != nil {
			return head{}, err
		}
	}
}

// loadOnce counts the messages of the subject and then reads the last. Nothing is ever deleted, so the last revision is
// at least the count: an old commit republished by an administrator of the server is genuine, but makes one too many.
func (l *Log) loadOnce(ctx context.Context, t target) (head, error) {
	asked := time.Now()
	count, err := l.count(ctx, t)
	if err == nil && count == 0 {
		l.memory.heads.put(t.subject, head{at: asked})
	}
	if err != nil || count == 0 {
		return head{}, err
	}
	message, err := l.last(ctx, t)
	if err != nil {
		return head{}, err
	}
	record, err := l.believe(ctx, t, message)
	if err != nil {
		return head{}, err
	}
	if record.Commit.GetRevision() < count {
		return head{}, fmt.Errorf("%s/%s has %d commits, but the last is revision %d (%s sequence %d); an old commit was stored again, run fsck: %w: %w",
			t.kind, t.id, count, record.Commit.GetRevision(), t.stream.name, record.Sequence, ErrForged, ErrDamaged)
	}
	h, err := l.head(ctx, t, record, events.Hash(message.Data))
	if err == nil {
		h.at = asked
		l.memory.heads.put(t.subject, h)
	}
	return h, err
}

// last reads the last message of a non-empty subject. The server answers alike for an unreadable message and one that
// never was.
func (l *Log) last(ctx context.Context, t target) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := l.asking(ctx)
	defer cancel()
	message, err := t.stream.handle.GetLastMsgForSubject(ctx, t.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%s/%s has commits, but the last can't be read from %s; restart the hub, which checks all blocks: %w",
			t.kind, t.id, t.stream.name, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("loading %s/%s: %w", t.kind, t.id, err)
	}
	return message, nil
}

func (l *Log) believe(ctx context.Context, t target, message *jetstream.RawStreamMsg) (Record, error) {
	record, err := l.trust.Load().believe(message.Subject, message.Data, t.stream.name, message.Sequence, message.Time)
	if l.mayBeNew(ctx, record, err) {
		record, err = l.trust.Load().believe(message.Subject, message.Data, t.stream.name, message.Sequence, message.Time)
	}
	return record, err
}

// believe reads a message and checks it.
func (t trust) believe(subject string, data []byte, stream string, sequence uint64, at time.Time) (Record, error) {
	record, err := t.read(subject, data, stream, sequence, at)
	if err == nil {
		err = t.check(record)
	}
	return record, err
}

// errUnknownWriter: nobody has enrolled the key that this process knows of.
var errUnknownWriter = errors.New("who is not a trusted writer")

// mayBeNew learns anew who writes if a record is signed by somebody unknown: an operator may have been enrolled a moment ago,
// and followers of different events hear of that at different times. It returns false if there is nothing to learn.
func (l *Log) mayBeNew(ctx context.Context, r Record, err error) bool {
	if !errors.Is(err, errUnknownWriter) || r.Kind == events.KindAuthority && r.ID == events.AuthorityWriters {
		return false
	}
	if err := l.LearnWriters(ctx); err != nil {
		l.config.Logger.Warn("who may write could not be learned anew", "error", err)
		return false
	}
	_, known := l.trust.Load().writers[r.Writer]
	return known
}

// count returns the number of messages of a subject. It asks by hand, because the answer repeats the stream's
// configuration, up to 4,096 subjects long, which the library decodes in full each time.
func (l *Log) count(ctx context.Context, t target) (uint64, error) {
	ctx, cancel := l.asking(ctx)
	defer cancel()
	seen, _ := t.stream.mark.get()
	answer, err := l.config.Conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+t.stream.name,
		fmt.Appendf(nil, `{"subjects_filter":%q}`, t.subject))
	if err != nil {
		return 0, fmt.Errorf("counting the commits of %s/%s: %w", t.kind, t.id, err)
	}
	state, err := countIn(answer.Data)
	if err != nil {
		return 0, fmt.Errorf("counting the commits of %s/%s: %w", t.kind, t.id, err)
	}
	return state.Subjects[t.subject], l.complete(t.stream, state, seen)
}

// complete condemns a stream that lost messages while the server ran: the server cuts an unreadable block, and takes a
// subject whose messages are gone for one that never had any. seen is the mark before the server was asked.
func (l *Log) complete(s *stream, state counted, seen uint64) error {
	s.mu.Lock()
	whole := state.LastSeq >= seen && state.Messages+uint64(len(s.gaps.Gaps)) == state.LastSeq
	incomplete := s.incomplete(state.Messages, max(seen, state.LastSeq))
	s.mu.Unlock()
	if whole {
		return nil
	}
	if l.config.Replicas == 1 { // a new leader may be a moment behind
		l.condemn(s, incomplete)
	}
	return incomplete
}

// counted is what a STREAM.INFO response says of a stream and the requested subjects.
type counted struct {
	Messages uint64            `json:"messages"`
	LastSeq  uint64            `json:"last_seq"`
	Subjects map[string]uint64 `json:"subjects"`
}

// countIn decodes the stream's state from a STREAM.INFO response, skipping the rest.
func countIn(answer []byte) (state counted, err error) {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(answer))
	if _, err := decoder.ReadToken(); err != nil {
		return state, err
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return state, err
		}
		switch name.String() {
		case "error":
			refusal := new(jetstream.APIError)
			if err := json.UnmarshalDecode(decoder, refusal); err != nil {
				return state, err
			}
			return state, refusal
		case "state":
			err = json.UnmarshalDecode(decoder, &state)
			return state, err
		}
		if err := decoder.SkipValue(); err != nil {
			return state, err
		}
	}
	return state, errNoState
}

var errNoState = errors.New("the answer of JetStream holds no state of the stream")

// head takes the carried state, or folds it again if an older version made it or a writer whose states aren't believed.
func (l *Log) head(ctx context.Context, t target, record Record, hash []byte) (head, error) {
	state, err := l.carried(ctx, t, record)
	return head{
		revision: record.Commit.GetRevision(), sequence: record.Sequence, hash: hash, state: state, recordedMS: record.recordedMS(),
	}, err
}

// carried returns the state after a record, as carried or folded again.
func (l *Log) carried(ctx context.Context, t target, record Record) ([]byte, error) {
	if !record.Role.mayState(t.kind) {
		return l.refold(ctx, t, record.Commit.GetRevision())
	}
	version, state, err := record.State()
	switch {
	case err != nil:
		return nil, err
	case version > t.fold.Version:
		return nil, fmt.Errorf("%s/%s revision %d carries a state of version %d, this program folds version %d; update it: %w",
			t.kind, t.id, record.Commit.GetRevision(), version, t.fold.Version, ErrNewerState)
	case version < t.fold.Version:
		return l.refold(ctx, t, record.Commit.GetRevision())
	}
	return state, nil
}

func (l *Log) refold(ctx context.Context, t target, revision uint64) ([]byte, error) {
	records, err := l.history(ctx, t, 1)
	if err != nil {
		return nil, err
	}
	var state []byte
	for _, r := range records {
		if r.Commit.GetRevision() > revision {
			break
		}
		if state, err = t.fold.Apply(state, r.Commit); err != nil {
			return nil, fmt.Errorf("folding %s/%s revision %d: %w", t.kind, t.id, r.Commit.GetRevision(), err)
		}
	}
	return state, nil
}

// History returns all commits of an aggregate in order, with every signature and the whole chain verified.
func (l *Log) History(ctx context.Context, kind, id string) ([]Record, error) {
	t, err := l.target(kind, id)
	if err != nil {
		return nil, err
	}
	var records []Record
	err = l.patiently(ctx, func() error {
		if err := l.admit(ctx, t); err != nil {
			return err
		}
		records, err = l.history(ctx, t, 1)
		return err
	})
	if err == nil {
		l.keep(t, records)
	}
	return records, err
}

// history reads the commits from a sequence on; the chain is verified from the first one read.
func (l *Log) history(ctx context.Context, t target, from uint64) ([]Record, error) {
	count, err := l.count(ctx, t)
	if err != nil || count == 0 {
		return nil, err
	}
	end, err := l.last(ctx, t)
	if err != nil {
		return nil, err
	}
	var records []Record
	var previous *Record
	for sequence := from; sequence <= end.Sequence; {
		message, err := l.message(ctx, t.stream, sequence, t.subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("%s/%s: a commit from sequence %d on can't be read from %s: %w",
				t.kind, t.id, sequence, t.stream.name, ErrDamaged)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the history of %s/%s: %w", t.kind, t.id, err)
		}
		record, err := l.believe(ctx, t, message)
		if err != nil {
			return nil, err
		}
		if from == 1 || previous != nil {
			if err := record.follows(previous); err != nil {
				return nil, err
			}
		}
		records = append(records, record)
		previous = &record
		sequence = record.Sequence + 1
	}
	if from == 1 && uint64(len(records)) < count {
		return nil, fmt.Errorf("%s/%s has %d commits, only %d can be read from %s; restart the hub, which checks all blocks: %w",
			t.kind, t.id, count, len(records), t.stream.name, ErrDamaged)
	}
	return records, nil
}

// find returns the commit that answered a command, at or after a sequence, or nil. A commit of another role answers
// none of this one's, whatever command it names; used reports whether there is such a one.
func (l *Log) find(ctx context.Context, t target, from uint64, command string) (commit *events.Commit, used bool, err error) {
	records, err := l.history(ctx, t, from)
	if err != nil {
		return nil, false, err
	}
	for _, r := range records {
		if r.Commit.GetCommandId() != command {
			continue
		}
		if r.Role == l.role || r.Role == RoleHub {
			return r.Commit, true, nil
		}
		used = true
	}
	return nil, used, nil
}

// message reads the first message of a subject at or after a sequence.
func (l *Log) message(ctx context.Context, s *stream, sequence uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := l.asking(ctx)
	defer cancel()
	return s.handle.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(subject))
}
