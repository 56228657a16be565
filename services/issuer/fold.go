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

// fold is what the log says about revocations, up to Positions, as far as a list can still name them. It is saved beside
// their folder, so that a start reads what is new. It holds nothing that the log does not say: one that is missing, damaged, of
// another log or of other writers is made anew.
type fold struct {
	// Version is foldVersion of the program that folded.
	Version int
	// Positions are those of this process; who takes over a saved fold begins behind Last.
	Positions eventlog.Positions `json:"-"`
	// Last are the last commits that were folded of each stream, and Trust the writers that were believed.
	Last  map[string]lastFolded
	Trust []byte
	// ByAuthority and then by serial.
	ByAuthority map[string]map[uint64]revocation
	// Found are the revocations, and the certificates, that the log has learned of from outside.
	Found map[string]found.Certificates
	// Published is when each authority's lists were made, in order.
	Published map[string][]time.Time
	// Ends of the certificates that are named or were found, which say until when a revocation is listed. Zero is an end that
	// was looked for and that nobody knows.
	Ends map[uint64]time.Time
	// Released is when a hold of an authority was last lifted, Lifted the certificates whose hold was.
	Released map[string]time.Time
	Lifted   map[uint64]bool
}

type lastFolded struct {
	Sequence uint64
	Hash     []byte
}

// foldVersion counts up whenever what is folded, kept or forgotten changes: a fold of another version is made anew.
const foldVersion = 1

func newFold() fold {
	return fold{
		Positions: make(eventlog.Positions), Last: make(map[string]lastFolded), ByAuthority: make(map[string]map[uint64]revocation),
		Found: make(map[string]found.Certificates), Published: make(map[string][]time.Time), Ends: make(map[uint64]time.Time),
		Released: make(map[string]time.Time), Lifted: make(map[uint64]bool),
	}
}

// fewSought is for how many certificates the end is looked up in their subscribers' histories; for more, or where the
// subscriber is not known, the log is read once.
const fewSought = 500

// seek looks up the ends of certificates that were named since the last time.
func (l *lists) seek(ctx context.Context, log *eventlog.Log) error {
	ends := make(map[uint64]time.Time, len(l.unsought))
	note := func(c *events.Commit) {
		for _, e := range c.GetEvents() {
			b := e.GetIssueAuthorized()
			if _, sought := l.unsought[b.GetSerial()]; b == nil || !sought {
				continue
			}
			if last, err := civil.Parse(b.LastDay); err == nil && !last.IsZero() {
				ends[b.Serial] = last.EndInstant()
			}
		}
	}
	var err error
	if subscribers := slices.Collect(maps.Values(l.unsought)); len(subscribers) > fewSought || slices.Contains(subscribers, "") {
		err = log.Scan(ctx, nil, []string{events.KindSubscriber}, func(r eventlog.Record, err error) error {
			if err == nil && slices.ContainsFunc(r.Commit.GetEvents(), func(e *events.Event) bool { return e.GetIssueAuthorized() != nil }) && log.Verify(r) == nil {
				note(r.Commit)
			}
			return nil // what can't be believed was named when it was folded
		})
	} else {
		err = l.eachHistory(ctx, log, subscribers, note)
	}
	if err != nil {
		return err
	}
	for serial := range l.unsought {
		l.Ends[serial] = ends[serial]
	}
	clear(l.unsought)
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

// keptFor is how long something is remembered that no list made now names any more: a list of the folder may still name it,
// made later than the log goes where that is an older copy.
const keptFor = 30 * 24 * time.Hour

// prune forgets what no list will name again.
func (l *lists) prune(at time.Time) {
	for authority, entries := range l.ByAuthority {
		maps.DeleteFunc(entries, func(_ uint64, r revocation) bool { return l.over(authority, r, at.Add(-keptFor)) })
	}
	maps.DeleteFunc(l.Lifted, func(serial uint64, _ bool) bool {
		end := l.Ends[serial]
		return !end.IsZero() && end.Add(2*keptFor).Before(at)
	})
	maps.DeleteFunc(l.Ends, func(serial uint64, _ time.Time) bool { return !l.needsEnd(serial) })
	// An entry that stays has no list behind its end that is older than the time for which entries are kept.
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

// foldFile stands beside the folder of the lists, which holds what everybody may read and nothing else.
func foldFile(folder string) string { return filepath.Clean(folder) + ".json" }

// open takes over the saved fold where it says something about this log, at the first call. It goes on behind the last commit
// that was folded of each stream, which is known to be this log's; one that does not fit is deleted, lest it fits once the log has
// grown.
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
			l.unlisted[authority] = true // whether the newest list names all there is, its instant says
		}
	case errors.Is(err, errFold):
		logger.Warn("what the revocation lists were made of can't be used, the whole log is read", "error", err)
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	default:
		return err
	}
	l.opened = true
	return nil
}

var errFold = errors.New("the saved fold of the revocation lists is damaged, or of another log")

// readFold reads a file whose first line is the digest of the rest. The error is fs.ErrNotExist or errFold.
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
		return saved, fmt.Errorf("%s does not have its digest: %w", file, errFold)
	}
	if err := json.Unmarshal(rest, &saved); err != nil {
		return saved, fmt.Errorf("%s: %w: %w", file, err, errFold)
	}
	if saved.Version != foldVersion {
		return saved, fmt.Errorf("%s is of version %d, this program's is %d: %w", file, saved.Version, foldVersion, errFold)
	}
	return saved, nil
}

// fits reports whether the log holds what was folded last, and the same writers are believed as then.
func (f fold) fits(ctx context.Context, log *eventlog.Log) error {
	if !bytes.Equal(f.Trust, log.TrustDigest()) {
		return fmt.Errorf("other writers are believed than then: %w", errFold)
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
				return nil // it has come meanwhile
			}
			same = r.Sequence == last.Sequence && bytes.Equal(events.Hash(r.Stored), last.Hash)
			return enough
		})
		if err != nil && !errors.Is(err, enough) {
			return err
		}
		if !same {
			return fmt.Errorf("stream %s holds another commit at sequence %d than was folded: %w", stream, last.Sequence, errFold)
		}
	}
	return nil
}

// saveAfter is how many commits may be folded before the fold is saved: writing it costs about as much as a list.
const saveAfter = 50_000

// save writes the fold, without what no list will name again, where enough was folded since the last time. What was folded with
// a doubt is not saved, so that the commit is read once it can be.
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
