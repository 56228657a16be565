package issuer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
)

// fold is what the log says about revocations up to Positions, as long as a list can still name them. It is saved
// beside the lists' folder, so that a start reads only what is new. It can always be made again from the log: if it is
// missing, damaged, or from another log or other writers, it is.
type fold struct {
	// Version is the foldVersion of the program that folded.
	Version int
	// Positions belong to this process; after loading a saved fold they follow Last.
	Positions eventlog.Positions `json:"-"`
	// Last has the last folded commit of each stream, Trust the digest of the trusted writers.
	Last  map[string]lastFolded
	Trust []byte
	// ByAuthority has the revocations by authority and serial.
	ByAuthority map[string]map[uint64]revocation
	// Found has the revocations and certificates that the log has learned of from outside.
	Found map[string]found.Certificates
	// Published has the times of each authority's lists, in order.
	Published map[string][]time.Time
	// Ends has the ends of named or found certificates, which limit how long a revocation is listed. Zero is an end
	// that was looked up and is unknown.
	Ends map[uint64]time.Time
	// Released is when an authority last lifted a hold, Lifted has the certificates whose hold was lifted.
	Released map[string]time.Time
	Lifted   map[uint64]bool
}

type lastFolded struct {
	Sequence uint64
	Hash     []byte
}

// foldVersion grows whenever what is folded, kept or dropped changes; a fold of another version is made again.
const foldVersion = 1

func newFold() fold {
	return fold{
		Positions: make(eventlog.Positions), Last: make(map[string]lastFolded), ByAuthority: make(map[string]map[uint64]revocation),
		Found: make(map[string]found.Certificates), Published: make(map[string][]time.Time), Ends: make(map[uint64]time.Time),
		Released: make(map[string]time.Time), Lifted: make(map[uint64]bool),
	}
}

// maxHistories is for how many certificates the subscribers' histories are read; for more, or if a subscriber is
// unknown, the log is read once.
const maxHistories = 500

// lookUpEnds looks up the ends of newly named certificates.
func (l *lists) lookUpEnds(ctx context.Context, log *eventlog.Log) error {
	ends := make(map[uint64]time.Time, len(l.endsWanted))
	note := func(c *events.Commit) {
		for _, e := range c.GetEvents() {
			b := e.GetIssueAuthorized()
			if _, sought := l.endsWanted[b.GetSerial()]; b == nil || !sought {
				continue
			}
			if last, err := civil.Parse(b.LastDay); err == nil && !last.IsZero() {
				ends[b.Serial] = last.EndInstant()
			}
		}
	}
	var err error
	if subscribers := slices.Collect(maps.Values(l.endsWanted)); len(subscribers) > maxHistories || slices.Contains(subscribers, "") {
		err = log.Scan(ctx, nil, []string{events.KindSubscriber}, func(r eventlog.Record, err error) error {
			if err == nil && slices.ContainsFunc(r.Commit.GetEvents(), func(e *events.Event) bool { return e.GetIssueAuthorized() != nil }) && log.Verify(r) == nil {
				note(r.Commit)
			}
			return nil // unverifiable commits were reported when folded
		})
	} else {
		err = l.eachHistory(ctx, log, subscribers, note)
	}
	if err != nil {
		return err
	}
	for serial := range l.endsWanted {
		l.Ends[serial] = ends[serial]
	}
	clear(l.endsWanted)
	return nil
}

func (l *lists) eachHistory(ctx context.Context, log *eventlog.Log, subscribers []string, note func(*events.Commit)) error {
	slices.Sort(subscribers)
	for _, id := range slices.Compact(subscribers) {
		history, err := log.History(ctx, events.KindSubscriber, id)
		if err != nil && !eventlog.Unreadable(err) {
			return err
		}
		l.doubtful = l.doubtful || err != nil
		for _, r := range history {
			note(r.Commit)
		}
	}
	return nil
}

// keptFor is how long something is kept after the last list that names it: with an older copy of the log, a list in the
// folder may be newer than the log and name it still.
const keptFor = 30 * 24 * time.Hour

// prune drops what no list will name again.
func (l *lists) prune(at time.Time) {
	for authority, entries := range l.ByAuthority {
		maps.DeleteFunc(entries, func(_ uint64, r revocation) bool { return l.over(authority, r, at.Add(-keptFor)) })
	}
	maps.DeleteFunc(l.Lifted, func(serial uint64, _ bool) bool {
		end := l.Ends[serial]
		return !end.IsZero() && end.Add(2*keptFor).Before(at)
	})
	maps.DeleteFunc(l.Ends, func(serial uint64, _ time.Time) bool { return !l.needsEnd(serial) })
	// Lists this old are not needed: the entries whose ends they follow were dropped.
	for authority, list := range l.Published {
		l.Published[authority] = slices.DeleteFunc(list, func(made time.Time) bool { return made.Before(at.Add(-2 * keptFor)) })
	}
}

func (l *lists) needsEnd(serial uint64) bool {
	for _, entries := range l.ByAuthority {
		if _, named := entries[serial]; named {
			return true
		}
	}
	for _, all := range l.Found {
		if _, known := all[serial]; known {
			return true
		}
	}
	return l.Lifted[serial]
}

// foldFile returns the path of the saved fold, beside the public folder of the lists.
func foldFile(folder string) string { return filepath.Clean(folder) + ".json" }

// open loads the saved fold at the first call, if it fits this log, and continues after the last folded commit of each
// stream. A fold that does not fit is deleted, because it might seem to fit once the log has grown.
func (l *lists) open(ctx context.Context, log *eventlog.Log, file string, logger *slog.Logger) error {
	if l.opened {
		return nil
	}
	saved, err := readFold(file)
	if errors.Is(err, fs.ErrNotExist) {
		l.opened = true
		return nil
	}
	if err == nil {
		err = saved.fits(ctx, log)
	}
	switch {
	case err == nil:
		for stream, last := range saved.Last {
			saved.Positions[stream] = last.Sequence
		}
		l.fold, l.saved = saved, maps.Clone(saved.Positions)
		for authority := range l.Found { // every authority
			l.unlisted[authority] = true // PublishDue compares the list's time with the newest entry
		}
	case errors.Is(err, errFold):
		logger.Warn("the saved fold of the revocation lists is unusable, reading the whole log", "error", err)
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	default:
		return err
	}
	l.opened = true
	return nil
}

var errFold = errors.New("the saved fold of the revocation lists is damaged or from another log")

// readFold reads a file whose first line is the digest of the rest. It returns fs.ErrNotExist or errFold.
func readFold(file string) (fold, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fold{}, err
	}
	if err != nil {
		return fold{}, fmt.Errorf("%w: %w", err, errFold)
	}
	digest, rest, _ := bytes.Cut(text, []byte("\n"))
	saved := newFold()
	if fmt.Sprintf("%x", sha256.Sum256(rest)) != string(digest) {
		return saved, fmt.Errorf("%s does not match its digest: %w", file, errFold)
	}
	if err := json.Unmarshal(rest, &saved); err != nil {
		return saved, fmt.Errorf("%s: %w: %w", file, err, errFold)
	}
	if saved.Version != foldVersion {
		return saved, fmt.Errorf("%s has version %d, this program uses %d: %w", file, saved.Version, foldVersion, errFold)
	}
	return saved, nil
}

// fits returns errFold unless the log has the last folded commits, and the same writers are trusted.
func (f fold) fits(ctx context.Context, log *eventlog.Log) error {
	if !bytes.Equal(f.Trust, log.TrustDigest()) {
		return fmt.Errorf("the trusted writers have changed: %w", errFold)
	}
	ends, err := log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for stream, last := range f.Last {
		if end, served := ends[stream]; served && last.Sequence > end {
			return fmt.Errorf("it goes to sequence %d of stream %s, which ends at %d: %w", last.Sequence, stream, end, errFold)
		}
	}
	enough := errors.New("read enough")
	for stream, last := range f.Last {
		if _, served := ends[stream]; !served {
			continue
		}
		only := maps.Clone(ends)
		only[stream] = last.Sequence - 1
		same := false
		err := log.Scan(ctx, only, nil, func(r eventlog.Record, _ error) error {
			if r.Stream != stream {
				return nil // stored since ends was read
			}
			same = r.Sequence == last.Sequence && bytes.Equal(events.Hash(r.Stored), last.Hash)
			return enough
		})
		if err != nil && !errors.Is(err, enough) {
			return err
		}
		if !same {
			return fmt.Errorf("stream %s has another commit at sequence %d than was folded: %w", stream, last.Sequence, errFold)
		}
	}
	return nil
}

// saveAfter is after how many folded commits the fold is saved: writing it costs about as much as a list.
const saveAfter = 50_000

// save prunes and writes the fold if enough was folded since the last time. It does not save after an unreadable
// commit, so that this is read again once it can be.
func (l *lists) save(log *eventlog.Log, file string, now time.Time) error {
	folded := uint64(0)
	for stream, at := range l.Positions {
		folded += at - min(l.saved[stream], at)
	}
	if l.doubtful || l.saved != nil && folded < saveAfter && !l.fresh {
		return nil
	}
	l.prune(now)
	l.Version, l.Trust = foldVersion, log.TrustDigest()
	text, err := json.Marshal(l.fold)
	if err != nil {
		return err
	}
	if err := durable.WriteSecret(file, append(fmt.Appendf(nil, "%x\n", sha256.Sum256(text)), text...)); err != nil {
		return err
	}
	l.saved, l.fresh = maps.Clone(l.Positions), false
	return nil
}
