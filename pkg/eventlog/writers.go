package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/durable"
)

// The writers of a log are enrolled and retired by events on one aggregate of it, events.AuthorityWriters, which the
// root alone may write. A process that writes keeps a verified copy beside its high-water marks: it tells when the log
// has lost an enrolment, and serves while that aggregate can't be read.

// WritersFile is the name of the copy in the folder of the marks.
const WritersFile = "writers.json"

// keptRecord is one commit of the copy, with the time when the server stored it.
type keptRecord struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Stored   []byte    `json:"stored"`
}

// LearnWriters reads who is enrolled and trusts those from now on. Open does so; call it again after a change. The error
// is ErrDamaged if the log has lost an enrolment.
func (l *Log) LearnWriters(ctx context.Context) error {
	if _, ok := l.config.Folds[events.KindAuthority]; !ok {
		return nil
	}
	l.learning.Lock()
	defer l.learning.Unlock()
	folder := cmp.Or(l.config.Marks, l.config.Writing)
	kept, err := readWriters(folder, *l.anchors.Load())
	if err != nil {
		return err
	}
	records, err := l.History(ctx, events.KindAuthority, events.AuthorityWriters)
	switch {
	case (notServed(err) || Unreadable(err) || errors.Is(err, events.ErrMalformed)) && kept != nil:
		l.config.Logger.Error("the log's list of writers can't be read; its copy beside the high-water marks is used", "error", err)
		records = kept
	case err != nil:
		return fmt.Errorf("reading who may write: %w", err)
	case len(records) < len(kept), len(kept) > 0 && !bytes.Equal(records[len(kept)-1].Stored, kept[len(kept)-1].Stored):
		return fmt.Errorf("authority/%s has lost an enrolment that %s still has; restore the stream from a copy that is whole or, to go on with what is left, move that file away with the marks: %w",
			events.AuthorityWriters, filepath.Join(folder, WritersFile), ErrDamaged)
	case len(records) > len(kept):
		if err := l.keepWriters(records); err != nil {
			return err
		}
	}
	set := l.anchors.Load().enrolled(records)
	l.trust.Store(&set)
	l.memory.clear()
	return nil
}

func (l *Log) keepWriters(records []Record) error {
	if l.config.Marks == "" {
		return nil
	}
	kept := make([]keptRecord, len(records))
	for i, r := range records {
		kept[i] = keptRecord{r.Sequence, r.Time, r.Stored}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if err := durable.WriteSecret(filepath.Join(l.config.Marks, WritersFile), text); err != nil {
		return fmt.Errorf("keeping the list of writers: %w", err)
	}
	return nil
}

// readWriters reads and verifies the copy in a folder of marks; none is no error.
func readWriters(marks string, anchors trust) ([]Record, error) {
	path := filepath.Join(marks, WritersFile)
	text, err := os.ReadFile(path)
	if marks == "" || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var kept []keptRecord
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	var records []Record
	var previous *Record
	for _, k := range kept {
		r, why := anchors.read(events.LogSubject(events.KindAuthority, events.AuthorityWriters), k.Stored, path, k.Sequence, k.Time)
		if why == nil {
			why = errors.Join(anchors.verify(r), r.follows(previous))
		}
		if why != nil {
			return nil, fmt.Errorf("%s: %w", path, why)
		}
		records, previous = append(records, r), &r
	}
	if err != nil {
		return nil, fmt.Errorf("reading the list of writers in %s: %w: %w", path, err, ErrMarks)
	}
	return records, nil
}

// enrolled returns the anchors together with those that were enrolled. A retired writer never comes back, and the root is
// an anchor always.
func (t trust) enrolled(records []Record) trust {
	set := trust{writers: maps.Clone(t.writers), believed: newBelieved()}
	for _, r := range records {
		for _, e := range r.Commit.GetEvents() {
			switch body := events.BodyOf(e).(type) {
			case *events.WriterEnrolled:
				key, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(body.GetPublicKey()))
				if _, known := set.writers[body.GetPublicKey()]; err == nil && !known && body.GetRole() != string(RoleRoot) {
					// A role of a newer program may write nothing here.
					set.writers[body.GetPublicKey()] = trusted{key: key, role: Role(body.GetRole()), holder: body.GetHolder(), user: body.GetUser(), pairs: body.GetPairs()}
				}
			case *events.WriterRetired:
				if w, known := set.writers[body.GetPublicKey()]; known && w.role != RoleRoot && w.retired.IsZero() {
					w.retired = time.UnixMilli(body.GetUntilMs())
					set.writers[body.GetPublicKey()] = w
				}
			}
		}
	}
	return set
}

// Enrolled returns the anchors and everybody whom the copy in a folder of marks knows as enrolled, retired or not, for
// those who look at a log that no server runs on.
func Enrolled(marks string, anchors map[string]Role) (map[string]Role, error) {
	set, err := newTrust(anchors)
	if err != nil {
		return nil, err
	}
	records, err := readWriters(marks, set)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Role)
	for public, w := range set.enrolled(records).writers {
		if writable[w.role] != nil { // not of a newer program
			all[public] = w.role
		}
	}
	return all, nil
}

// LastTime returns when the server stored the newest message of the log; the zero time if there is none.
func (l *Log) LastTime(ctx context.Context) (last time.Time, err error) {
	for _, s := range l.streams {
		info, err := s.handle.Info(ctx)
		if err != nil {
			return last, fmt.Errorf("asking stream %s for its last message: %w", s.name, err)
		}
		if info.State.LastTime.After(last) {
			last = info.State.LastTime
		}
	}
	return last, nil
}

// Writer is an enrolled key. What the server stored after Retired is not believed; the zero time: it writes.
type Writer struct {
	Public  string
	Role    Role
	Retired time.Time
	// Holder is the officer whose key it is, User the public nkey by which the officer signs in to NATS; empty: a service's.
	Holder, User string
	// Pairs: what two operators order is no right of the key (WriterEnrolled.pairs).
	Pairs bool
}

// Writers returns all trusted writers.
func (l *Log) Writers() []Writer {
	var all []Writer
	for public, w := range l.trust.Load().writers {
		all = append(all, Writer{public, w.role, w.retired, w.holder, w.user, w.pairs})
	}
	return all
}

// RoleOf returns the role of a writer that is trusted now: enrolled, and not retired.
func (l *Log) RoleOf(public string) (Role, bool) {
	w, known := l.trust.Load().writers[public]
	return w.role, known && w.retired.IsZero()
}
