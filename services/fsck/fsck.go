// Package fsck checks the log, the tables, the revocation lists and the vault against each other, by a fold of its own,
// so that it does not rely on the code that decided or made the tables.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
)

// Finding is one problem: where, what, and what to do next.
type Finding struct{ Where, What, Next string }

// String returns the finding on one line, with line breaks in quoted text replaced.
func (f Finding) String() string {
	return strings.ReplaceAll(fmt.Sprintf("%s: %s; %s", f.Where, f.What, f.Next), "\n", " ")
}

// Report is the result of a check.
type Report struct {
	// Commits and Aggregates are how many were checked.
	Commits, Aggregates uint64
	Findings            []Finding
	// More is how many findings beyond the first thousand were only counted.
	More uint64
	// Closed are the aggregates that lost commits and that two operators have closed, as KIND/ID. What can't be said of them any more is
	// no finding; what is forged, or was lost since, is.
	Closed []string

	closed map[string]directory.Order
}

// about returns the aggregate that a place names, if it is closed.
func (r *Report) about(where string) (key string, closed bool) {
	key, _, _ = strings.Cut(where, " ")
	_, closed = r.closed[key]
	return key, closed
}

// maxFindings bounds a report: with a thousand findings, a copy of the log helps more than a longer list.
const maxFindings = 1000

// ofClosed reports whether a row of the tables, as "TABLE KEY", tells of a closed aggregate: they may know what is lost, and of
// certificates that were put on the lists they know that alone.
func (r *Report) ofClosed(what string) bool {
	table, row, _ := strings.Cut(what, " ")
	parts := strings.Split(row, "/")
	for key, by := range r.closed {
		_, id, _ := strings.Cut(key, "/")
		if table == "facts" { // whose keys begin with what is counted, and where
			if len(parts) > factOwner && key == events.KindSubscriber+"/"+parts[factOwner] {
				return true
			}
			continue
		}
		serial := slices.ContainsFunc(by.Revoked, func(n uint64) bool { return slices.Contains(parts, events.FormatSerial(n)) })
		if serial || row == id || strings.HasPrefix(row, id+"/") || strings.HasPrefix(row, key+"/") {
			return true
		}
	}
	return false
}

func (r *Report) add(where, next, what string, args ...any) {
	if key, closed := r.about(where); closed && next != nextForged && next != nextMore {
		if !slices.Contains(r.Closed, key) {
			r.Closed = append(r.Closed, key)
		}
		return
	}
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, Finding{Where: where, What: fmt.Sprintf(what, args...), Next: next})
}

// What to do about a finding.
const (
	nextRestore = "stop the hub, keep the store as it is; shomei log repair says what a copy can put back"
	nextParked  = "stop the hub and put the commit back with shomei log repair and the folder of a copy; if none holds it, close it with shomei log close"
	nextMore    = "it was lost after the history was closed: find out how, and close it anew with shomei log close, so that the log names this commit, too"
	nextForged  = "find out who could write here, retire that key, and restore the log from a copy before it"
	nextRebuild = "shomei rebuild makes the tables anew from the log"
	nextPublish = "the hub publishes the next list by itself; until then hand out no list from this folder"
	nextService = "look at the service's log and start it again"
	nextOlder   = "start the hub: its next list keeps the entries of this one; then look at what else the copy lacks (runbook, Restore)"
	nextProgram = "a decision went wrong: keep the log and report it with shomei log"
)

// Config is what a check needs; only Log is required.
type Config struct {
	Log *eventlog.Log
	// Warehouse holds the tables; nil leaves them unchecked.
	Warehouse *warehouse.Warehouse
	// CaughtUp, if set, waits until the tables have what the log holds; the process that updates them sets it. Without
	// it the check watches their positions.
	CaughtUp func(context.Context) error
	// Lists is the folder of the revocation lists, <authority>.crl in PEM; if empty, they are not checked.
	Lists string
	// Now is the time by which overdue obligations are judged; zero takes the newest time in the log, for a log with
	// another clock.
	Now time.Time
	// Keys, if set, returns the vault's status of some keys. The nth erasure of a class has destroyed its nth key.
	Keys func(context.Context, []vault.Key) ([]vault.Status, error)
	// Progress, if set, is called with the number of commits checked so far.
	Progress func(commits uint64)
}

// Run checks the log itself (chain, signatures, times, carried states, obligations, serials), and the tables and the
// revocation lists against the log. It reads stream by stream and keeps one stream's aggregates in memory at a time (a
// stream has fewer than 500,000), and eight bytes for each serial. It may run beside a hub.
func Run(ctx context.Context, config Config) (*Report, error) {
	c := &check{Config: config, report: &Report{}, folds: lifecycle.Folds(), aggregates: make(map[string]*aggregate)}
	if err := c.Log.Check(ctx); err != nil {
		if !damaged(err) {
			return nil, fmt.Errorf("checking the log: %w", err)
		}
		c.report.add("log", nextRestore, "%v", err)
	}
	if err := c.readDirectory(ctx); err != nil {
		return nil, fmt.Errorf("reading the officers: %w", err)
	}
	if err := c.readLists(ctx); err != nil {
		return nil, fmt.Errorf("reading the revocation lists: %w", err)
	}
	whole, err := c.scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the log: %w", err)
	}
	if !whole {
		return c.report, nil // the rest needs the whole log
	}
	c.checkPatience()
	if err := c.checkJoins(ctx); err != nil {
		return nil, fmt.Errorf("checking histories that were joined: %w", err)
	}
	if err := c.checkSerials(ctx); err != nil {
		return nil, fmt.Errorf("checking the serials: %w", err)
	}
	if err := c.checkLists(ctx); err != nil {
		return nil, fmt.Errorf("checking the revocation lists: %w", err)
	}
	if err := c.checkFound(ctx); err != nil {
		return nil, fmt.Errorf("checking what was found outside the log: %w", err)
	}
	if c.Warehouse == nil {
		return c.report, nil
	}
	err = c.checkTables(ctx)
	if errors.Is(err, warehouse.ErrDamaged) {
		c.report.add("tables", nextRebuild, "%v", err)
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("checking the tables: %w", err)
	}
	return c.report, nil
}

// check is the state of one check.
type check struct {
	Config
	report *Report
	folds  map[string]lifecycle.Fold
	// aggregates of the stream being read, by kind and id.
	aggregates map[string]*aggregate
	stream     string
	serials    serials
	// authorities are those with generations or lists.
	authorities []string
	lists       []*list
	logged      tally
	newest      int64 // of all recorded times
	// directory knows the officers; nil where it can't be read.
	directory *directory.Directory
	owed      []owed
	joins     joins
}

func damaged(err error) bool {
	return errors.Is(err, eventlog.ErrParked) || errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrBehindMark) || errors.Is(err, eventlog.ErrForged)
}

// readDirectory reads who is an officer; a damaged log is reported by the scan.
func (c *check) readDirectory(ctx context.Context) error {
	known, err := directory.Open(ctx, c.Log)
	if damaged(err) {
		return nil
	}
	c.directory = known
	if err == nil {
		c.report.closed = known.Closed()
	}
	return err
}

// scan reads the whole log and reports whether every stream could be read to its end.
func (c *check) scan(ctx context.Context) (whole bool, err error) {
	err = c.Log.Scan(ctx, nil, nil, func(r eventlog.Record, err error) error {
		if r.Stream != c.stream {
			if err := c.finishStream(ctx); err != nil {
				return err
			}
			c.stream = r.Stream
		}
		c.checkRecord(r, err)
		if c.report.Commits++; c.Progress != nil && c.report.Commits%1000 == 0 {
			c.Progress(c.report.Commits)
		}
		return nil
	})
	if damaged(err) {
		c.report.add("log", nextRestore, "%v", err)
		return false, nil
	}
	if err == nil {
		err = c.finishStream(ctx)
	}
	return err == nil, err
}

// aggregateOf returns the aggregate of a record.
func (c *check) aggregateOf(r eventlog.Record) *aggregate {
	key := r.Kind + "/" + r.ID
	a := c.aggregates[key]
	if a == nil {
		a = &aggregate{expected: expected{kind: r.Kind, id: r.ID}}
		c.aggregates[key] = a
		c.report.Aggregates++
		if r.Kind == events.KindAuthority {
			c.authorities = append(c.authorities, r.ID)
		}
	}
	return a
}

// finishStream checks and drops the aggregates of the stream read, which no later stream has.
func (c *check) finishStream(ctx context.Context) error {
	for _, a := range c.aggregates {
		c.finish(a)
		a.facts(c.logged.add)
		for _, held := range a.certificates {
			c.compareLists(held)
			c.compareFound(held)
		}
	}
	err := c.checkKeys(ctx)
	clear(c.aggregates)
	return err
}
