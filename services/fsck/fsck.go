// Package fsck holds the log, the tables, the revocation lists and the vault against each other, by a fold of its own: what
// decided and what made the tables is not asked whether it did so rightly.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
)

// Finding is one thing that is not as it should be: where, what, and what to do next.
type Finding struct{ Where, What, Next string }

// String puts a finding on one line, without line breaks of what it quotes.
func (f Finding) String() string {
	return strings.ReplaceAll(fmt.Sprintf("%s: %s; %s", f.Where, f.What, f.Next), "\n", " ")
}

// Report is what a check found.
type Report struct {
	// Commits and Aggregates are how many were looked at.
	Commits, Aggregates uint64
	Findings            []Finding
	// More is how many findings beyond the first thousand were only counted.
	More uint64
}

// maxFindings bounds a report: whoever has a thousand findings needs a copy of the log, not a longer list.
const maxFindings = 1000

func (r *Report) add(where, next, what string, args ...any) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, Finding{Where: where, What: fmt.Sprintf(what, args...), Next: next})
}

// What to do about a finding.
const (
	nextRestore = "stop the hub, keep the store as it is; shomei log repair says what a copy can put back"
	nextParked  = "stop the hub and put the commit back with shomei log repair and the folder of a copy"
	nextForged  = "find out who could write here, retire that key, and restore the log from a copy before it"
	nextRebuild = "shomei rebuild makes the tables anew from the log"
	nextPublish = "the hub publishes the next list by itself; until then hand out no list from this folder"
	nextService = "look at the service's log and start it again"
	nextOlder   = "start the hub: its next list carries on what this one names; then look at what else the copy lacks (runbook, Restore)"
	nextProgram = "a decision went wrong: keep the log and report it with shomei log"
)

// Config is what a check needs; only Log is required.
type Config struct {
	Log *eventlog.Log
	// Warehouse holds the tables; nil leaves them unchecked.
	Warehouse *warehouse.Warehouse
	// CaughtUp, when set, waits until the tables show what the log holds: in the process that brings them forward. Without it
	// the check watches how far they are.
	CaughtUp func(context.Context) error
	// Lists is the folder of the revocation lists, <authority>.crl in PEM; empty leaves them unchecked.
	Lists string
	// Now judges what is owed for too long; zero takes the newest instant of the log, for a log whose clock is not here.
	Now time.Time
	// Keys, when set, tells how the vault stands to some keys; the nth erasure of a class has destroyed its nth.
	Keys func(context.Context, []vault.Key) ([]vault.Status, error)
	// Progress, when set, hears how many commits have been looked at.
	Progress func(commits uint64)
}

// Run checks the log in itself (chain, signatures, times, carried states, obligations, serials), the tables against
// the log, and the revocation lists against the log. It reads stream by stream and keeps one stream's aggregates in
// memory at a time (a stream holds fewer than 500,000), beside eight bytes for each serial. It may run while the hub does.
func Run(ctx context.Context, config Config) (*Report, error) {
	c := &check{Config: config, report: &Report{}, folds: lifecycle.Folds(), aggregates: make(map[string]*aggregate)}
	if err := c.Log.Check(ctx); err != nil {
		if !damaged(err) {
			return nil, fmt.Errorf("checking the log: %w", err)
		}
		c.report.add("log", nextRestore, "%v", err)
	}
	if err := c.readLists(ctx); err != nil {
		return nil, fmt.Errorf("reading the revocation lists: %w", err)
	}
	whole, err := c.scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the log: %w", err)
	}
	if !whole {
		return c.report, nil // what follows compares with a log that could not be read to its end
	}
	c.checkPatience()
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

// check is one check on its way.
type check struct {
	Config
	report *Report
	folds  map[string]lifecycle.Fold
	// aggregates of the stream being read, by kind and id.
	aggregates map[string]*aggregate
	stream     string
	serials    serials
	// authorities have generations or lists.
	authorities []string
	lists       []*list
	logged      tally
	newest      int64 // of all recorded times
	owed        []owed
}

func damaged(err error) bool {
	return errors.Is(err, eventlog.ErrParked) || errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrBehindMark) || errors.Is(err, eventlog.ErrForged)
}

// scan reads the whole log; false when a stream can't be read to its end.
func (c *check) scan(ctx context.Context) (whole bool, err error) {
	err = c.Log.Scan(ctx, nil, nil, func(r eventlog.Record, err error) error {
		if r.Stream != c.stream {
			if err := c.finishStream(ctx); err != nil {
				return err
			}
			c.stream = r.Stream
		}
		c.take(r, err)
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

// aggregateOf gives the aggregate a record belongs to.
func (c *check) aggregateOf(r eventlog.Record) *aggregate {
	key := r.Kind + "/" + r.ID
	a := c.aggregates[key]
	if a == nil {
		a = &aggregate{place: place{kind: r.Kind, id: r.ID}}
		c.aggregates[key] = a
		c.report.Aggregates++
		if r.Kind == events.KindAuthority {
			c.authorities = append(c.authorities, r.ID)
		}
	}
	return a
}

// finishStream judges the aggregates of the stream read, which no later stream holds, and forgets them.
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
