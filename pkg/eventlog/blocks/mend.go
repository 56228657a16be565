// Package blocks reads and mends the files in which the NATS server keeps its streams.
//
// The server (2.15.2) cuts a block at the first unreadable record and destroys what follows. So it must never see such
// a block: before each start Mend reads all blocks with the server's own checksums, copies damaged ranges aside, and
// puts the good record in their place, from a copy. What no copy holds is replaced by a filler, which the server takes
// for an erased message; a file of gaps names its aggregate, which pkg/eventlog then parks. A stream of the log that
// lost commits of unknown owners is withheld: its folder is moved to where the server does not look.
//
// Only this package knows the format of the blocks. Streams with several replicas are left to the server, which has the
// other copies.
package blocks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Config names the store and what may be used to mend it. Store is required.
type Config struct {
	// Store is the server's StoreDir. No server may run on it.
	Store string
	// Only names the streams to read; empty: all.
	Only []string
	// Evidence is where what is cut out is kept; empty: Store/evidence.
	Evidence string
	// Gaps is the folder of the files of known gaps; empty: Store/gaps.
	Gaps string
	// Copies are folders that may hold good records: data folders of hubs, or stores of servers.
	Copies []string
	// Seen returns the high-water mark of a stream; nil: none is known.
	Seen func(stream string) (Mark, error)
	// Unwanted are messages to remove because they never were commits, by stream and sequence, with the reason.
	Unwanted map[string]map[uint64]string
	// Logger logs what is found and done; nil: slog.Default.
	Logger *slog.Logger
}

func (c Config) complete() Config {
	if c.Evidence == "" {
		c.Evidence = c.Store + "/evidence"
	}
	if c.Gaps == "" {
		c.Gaps = c.Store + "/gaps"
	}
	if c.Seen == nil {
		c.Seen = func(string) (Mark, error) { return Mark{}, nil }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Outcome is what becomes of a missing record.
type Outcome string

const (
	// Mended: the record was restored; its own checksum proves it.
	Mended Outcome = "mended"
	// Spliced: the record comes from a copy.
	Spliced Outcome = "spliced"
	// Parked: no copy has it, but its owners are known; a filler replaces it.
	Parked Outcome = "parked"
	// Cut: nothing that was acknowledged stood there.
	Cut Outcome = "cut"
	// Removed: it never was a commit and was taken out.
	Removed Outcome = "removed"
	// Lost: no copy has it, and its owner is unknown. A stream of the log is withheld then; other streams go on,
	// because their readers notice gaps themselves.
	Lost Outcome = "lost"
)

// Finding is one missing record.
type Finding struct {
	Block  uint32
	Offset int
	Length int
	// Sequence of the record; 0 if there was none.
	Sequence uint64
	Why      string
	Outcome  Outcome
	// Subject of the record, if known.
	Subject string
	// From is the copy that the record was taken from.
	From string
	// Owners are the subjects it may have had, if it is parked.
	Owners []string
	// Known reports whether an earlier start found the same.
	Known bool
}

// Report is what was found in one stream.
type Report struct {
	Stream, Account string
	Messages        uint64
	Bytes           int64
	Last            uint64
	Findings        []Finding
	// Withheld says why the stream is withheld from the server; empty if it isn't.
	Withheld string
	// Evidence is the folder with what was cut out; empty if nothing was.
	Evidence string
}

// Mend reads all streams of a store and mends them. It reports on every stream; it fails only if the disk does.
func Mend(ctx context.Context, c Config) ([]Report, error) { return c.complete().run(ctx, true) }

// Streams returns the names of a store's streams, including withheld ones.
func Streams(store string) ([]string, error) {
	streams, err := streamsIn(store)
	names := make([]string, len(streams))
	for i, s := range streams {
		names[i] = s.name
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// Look reports what Mend would do, and changes nothing.
func Look(ctx context.Context, c Config) ([]Report, error) { return c.complete().run(ctx, false) }

func (c Config) run(ctx context.Context, mend bool) ([]Report, error) {
	streams, err := streamsIn(c.Store)
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, s := range streams {
		if len(c.Only) > 0 && !slices.Contains(c.Only, s.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading the blocks of stream %s: %w", s.name, err)
		}
		p, err := c.plan(s)
		if err == nil && mend {
			err = c.carryOut(p)
		}
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.name, err)
		}
		reports = append(reports, p.report)
	}
	return reports, nil
}

// plan is what is to be done to a stream.
type plan struct {
	*scanned
	report Report
	fixes  []fix
	gaps   Gaps
}

// fix replaces a hole.
type fix struct {
	hole
	records []record
	// stays: leave the bytes as they are
	stays bool
}

func (c Config) plan(s stream) (*plan, error) {
	mark, err := c.Seen(s.name)
	if err != nil {
		return nil, err
	}
	known, err := ReadGaps(c.Gaps, s.name)
	if err != nil && !errors.Is(err, ErrGaps) {
		return nil, err
	}
	found, err := s.scan(mark.Sequence, c.Unwanted[s.name])
	if err != nil {
		return nil, err
	}
	held, err := copies(c.Copies).lookFor(s, wanted(found.holes))
	if err != nil {
		return nil, err
	}
	p := &plan{scanned: found, gaps: Gaps{Stream: s.name}}
	p.report = Report{Stream: s.name, Account: s.account, Messages: found.messages, Bytes: found.bytes, Last: found.last}
	r := resolver{plan: p, mark: mark, known: known, held: held}
	for _, h := range found.holes {
		if err := r.resolve(h); err != nil {
			return nil, err
		}
	}
	p.judge(known)
	return p, nil
}

// judge decides whether to withhold the stream from the server.
func (p *plan) judge(known Gaps) {
	lost := 0
	if !p.strict {
		return
	}
	for _, f := range p.report.Findings {
		if f.Outcome == Lost {
			lost++
		}
	}
	if lost == 0 {
		return
	}
	p.gaps.Withheld = fmt.Sprintf("%d commits are lost and it can't be told whose they were, the first at sequence %d", lost, p.firstLost())
	p.report.Withheld = p.gaps.Withheld
	p.gaps.Gaps = known.Gaps
}

func (p *plan) firstLost() uint64 {
	i := slices.IndexFunc(p.report.Findings, func(f Finding) bool { return f.Outcome == Lost })
	return p.report.Findings[i].Sequence
}

// resolver finds out what stood in the holes of a stream.
type resolver struct {
	*plan
	mark  Mark
	known Gaps
	held  []found
}

func (r resolver) resolve(h hole) error {
	x := fix{hole: h}
	sum := checksums(r.name, h.block)
	if h.first > h.last {
		r.note(h, 0, Finding{Outcome: r.nothing(h)})
	}
	for _, f := range h.fragments() {
		record, finding := r.record(h, f, sum)
		r.note(h, f.sequence, finding)
		switch finding.Outcome {
		case Mended, Spliced:
			x.records = append(x.records, record)
			continue
		case Lost, Cut:
			continue
		}
		gap := Gap{Sequence: f.sequence, Owners: finding.Owners, Why: cmp.Or(finding.Why, h.why)}
		if finding.Known && h.gap != nil {
			gap, x.stays = *h.gap, true
		}
		filler, err := gap.filler(h.before.at)
		if err != nil {
			return err
		}
		x.records = append(x.records, filler)
		r.gaps.Gaps = append(r.gaps.Gaps, gap)
	}
	r.fixes = append(r.fixes, x)
	return nil
}

// nothing returns the outcome of a range that held no sequence.
func (r resolver) nothing(h hole) Outcome {
	switch {
	case r.strict && h.after.sequence > 0:
		return Removed
	case h.torn || r.strict:
		return Cut
	}
	return Lost
}

func (r resolver) note(h hole, sequence uint64, f Finding) {
	f.Block, f.Offset, f.Length, f.Sequence = h.block, h.from, len(h.bytes), sequence
	if f.Why == "" {
		f.Why = h.why
	}
	r.report.Findings = append(r.report.Findings, f)
}

// record finds the record that a fragment remains of, or decides what becomes of its place.
func (r resolver) record(h hole, f fragment, sum checksum) (record, Finding) {
	if h.unwanted {
		return record{}, Finding{Outcome: Removed, Subject: string(f.subject()), Why: h.why}
	}
	if h.gap == nil {
		if whole, ok := f.itself(r.strict, sum); ok {
			return whole, Finding{Outcome: Mended, Subject: string(whole.subject)}
		}
	}
	for _, copied := range r.held {
		whole, ok := copied.records[f.sequence]
		if ok && copied.continues(h, r.mark, f) {
			return whole, Finding{Outcome: Spliced, Subject: string(whole.subject), From: copied.folder}
		}
	}
	return record{}, r.without(h, f)
}

// without decides what becomes of a place whose record no one holds.
func (r resolver) without(h hole, f fragment) Finding {
	gap, known := r.known.At(f.sequence)
	if h.gap != nil {
		gap, known = *h.gap, true
	}
	if known && (h.gap != nil || len(h.bytes) == 0) { // the server has dropped the filler
		outcome := Parked
		if len(gap.Owners) == 0 && r.strict {
			outcome = Removed
		}
		return Finding{Outcome: outcome, Owners: gap.Owners, Why: gap.Why, Known: true}
	}
	owners := f.owners(r.strict)
	switch {
	case len(owners) > 0 || !r.strict:
		return Finding{Outcome: Parked, Owners: owners}
	case f.sequence > r.mark.Sequence && h.after.sequence == 0 && r.mark.Sequence > 0:
		return Finding{Outcome: Cut, Why: h.why + ", behind everything that was acknowledged"}
	}
	return Finding{Outcome: Lost}
}

func hashOf(payload []byte) [sha256.Size]byte { return sha256.Sum256(payload) }

// stamp returns the name of a folder of evidence.
func stamp(at time.Time, stream string) string {
	return at.UTC().Format("20060102T150405.000Z") + "-" + stream
}

// join puts the fixes of one block into its holes.
func join(b []byte, fixes []fix, sum checksum) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(b)))
	at := 0
	for _, x := range fixes {
		out.Write(b[at:x.from])
		at = x.from + len(x.bytes)
		if x.stays {
			out.Write(x.bytes)
			continue
		}
		for _, r := range x.records {
			out.Write(r.encode(nil, sum))
		}
	}
	out.Write(b[at:])
	return out.Bytes()
}
