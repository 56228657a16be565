package eventlog

import (
	"context"
	"fmt"
	"time"

	"shomei/events"
)

// LoadSince returns the end of the aggregate of a follower's record, at least as new as the record: from memory if this
// process knew it to be the end within the last two seconds, otherwise as Load does.
//
// What holds, as for Load (2026-11-23): the result is signed by a trusted writer and continues the chain, because it
// was verified when read, or was written here and acknowledged; a stream that is behind its mark or damaged returns
// nothing; a record beyond the known end that doesn't continue it, such as a replayed old commit, is checked at the
// server. What does not hold: that the log has nothing newer. Another process may have written within those two
// seconds, as it may between any Load and what follows from it. So use it to ask what is still owed, and then either
// record the outcome by Update, where the server compares sequences, or send something that the receiver recognises by
// id and the hub judges again when it is answered.
func (l *Log) LoadSince(ctx context.Context, r Record) (Head, error) {
	t, err := l.target(r.Kind, r.ID)
	if err != nil {
		return Head{}, err
	}
	h, ok := l.recent(t, r)
	if !ok {
		return l.Load(ctx, r.Kind, r.ID)
	}
	if err := l.admit(ctx, t); err != nil {
		return Head{}, err
	}
	return l.facing(h), nil
}

// recent returns the end as this process knows it, if it may stand in for the end that r belongs to. A follower may get
// a commit before its writer learns that it is stored: then the commit itself extends the known end.
func (l *Log) recent(t target, r Record) (head, bool) {
	h, ok := l.memory.heads.get(t.subject)
	if !ok || h.known(r) {
		return h, ok
	}
	if time.Since(h.at) > fresh || !h.continuedBy(r) {
		return head{}, false
	}
	version, state, err := r.State()
	if !r.Role.mayState(t.kind) {
		version = t.fold.Version
		state, err = t.fold.Apply(h.state, r.Commit)
	}
	if err != nil || version != t.fold.Version {
		return head{}, false
	}
	h = head{
		revision: h.revision + 1, sequence: r.Sequence, hash: events.Hash(r.Stored), state: state,
		recordedMS: r.recordedMS(), at: h.at,
	}
	l.memory.grow(t.subject, h, stored{r.Sequence, r.Time, r.Stored})
	return h, true
}

// HistorySince returns all commits of a record's aggregate, at least up to the record, under the conditions of
// LoadSince; what is not in memory is read and verified as by History. A record with only Kind and ID asks for whatever
// there is.
func (l *Log) HistorySince(ctx context.Context, r Record) ([]Record, error) {
	t, err := l.target(r.Kind, r.ID)
	if err != nil {
		return nil, err
	}
	h, ok := l.recent(t, r)
	p, _ := l.memory.pasts.get(t.subject)
	if !ok || uint64(len(p)) < h.revision || len(p) == 0 {
		return l.History(ctx, r.Kind, r.ID)
	}
	if err := l.admit(ctx, t); err != nil {
		return nil, err
	}
	return l.recall(t, p)
}

// recall decodes commits that were verified before.
func (l *Log) recall(t target, p past) ([]Record, error) {
	writers := l.trust.Load()
	records := make([]Record, len(p))
	for i, s := range p {
		var err error
		if recent, _, _ := t.stream.tail.at(s.sequence); recent != nil {
			records[i], err = recent.read(writers, t.stream.name, false)
		} else {
			records[i], err = writers.read(t.subject, s.data, t.stream.name, s.sequence, s.at)
		}
		if err != nil {
			return nil, fmt.Errorf("recalling %s/%s: %w", t.kind, t.id, err)
		}
	}
	return records, nil
}

// keep remembers a history that was read to its end.
func (l *Log) keep(t target, records []Record) {
	p := make(past, len(records))
	for i, r := range records {
		p[i] = stored{r.Sequence, r.Time, r.Stored}
	}
	if p.size() <= longestPast {
		l.memory.pasts.put(t.subject, p)
	}
}

// took remembers what the server has just accepted from this process.
func (l *Log) took(t target, h head, data []byte) {
	h.at = time.Now()
	s := stored{h.sequence, h.at, data}
	l.memory.grow(t.subject, h, s)
	t.stream.tail.put(t.subject, s)
}
