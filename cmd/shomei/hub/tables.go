package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/pkg/eventlog"
	"shomei/pkg/wait"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/projector"
)

// ErrRebuilding: the tables are being rebuilt, and can't be queried yet.
var ErrRebuilding = errors.New("the tables are being rebuilt")

// tables is the state of a running hub's tables. The hub goes on without them: the log holds everything they hold.
type tables struct {
	mu sync.Mutex
	// why queries can't be answered; nil if they can
	why error
	// known is closed once the tables serve for the first time, or are known to be made anew.
	known    chan struct{}
	announce sync.Once
	// began is where the log ended when the hub started.
	began eventlog.Positions
}

func (t *tables) set(why error) {
	t.mu.Lock()
	t.why = why
	t.mu.Unlock()
	t.announce.Do(func() { close(t.known) })
}

func (t *tables) state() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why
}

// connectTables opens the client through which the tables are queried; keepTables starts the engine behind it.
func (p *Parts) connectTables(context.Context) (err error) {
	p.tables.known, p.tables.why = make(chan struct{}), warehouse.ErrStarting
	p.Warehouse, err = warehouse.Connect(warehouse.Config{DSN: p.engine.DSN(), Logger: p.Logger})
	if err != nil {
		return err
	}
	p.atEnd(p.Warehouse.Close)
	p.Warehouse.Withhold(p.tables.state)
	return nil
}

func (p *Parts) openProjector(context.Context) error {
	p.Projector = projector.New(projector.Config{Log: p.Log, Warehouse: p.Warehouse, Logger: p.Logger})
	return nil
}

// tablesWait is how long a start waits for the tables; counters are served meanwhile.
const tablesWait = 10 * time.Second

// awaitTables returns once the tables serve, or are known not to.
func (p *Parts) awaitTables(ctx context.Context) error {
	timer := time.NewTimer(tablesWait)
	defer timer.Stop()
	select {
	case <-p.tables.known:
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("starting the hub: tables: %w", ctx.Err())
	}
	if err := p.tables.state(); errors.Is(err, engine.ErrNoLibrary) {
		return fmt.Errorf("starting the hub: tables: %w", err)
	}
	return nil
}

// Pauses between attempts to serve the tables. Tables that served for long are retried at once.
const (
	firstTableRest   = time.Second
	longestTableRest = time.Minute
	longService      = 10 * time.Minute
)

// keepTables runs the engine and applies the log to the tables until ctx ends. Damaged tables are set aside and made
// anew. Only a fault of the log itself, or a missing library, ends it.
func (p *Parts) keepTables(ctx context.Context) error {
	for rest := firstTableRest; ; rest = min(2*rest, longestTableRest) {
		begun := time.Now()
		err := p.serveTables(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, engine.ErrNoLibrary), eventlog.Unreadable(err), errors.Is(err, eventlog.ErrBehindMark):
			p.tables.set(err)
			return err
		case errors.Is(err, warehouse.ErrDamaged), errors.Is(err, engine.ErrStart):
			err = p.setAside(ctx, err)
		}
		if err != nil {
			p.tables.set(fmt.Errorf("%w: %w", warehouse.ErrUnavailable, err))
			p.Logger.Error("the tables can't be served, retrying; counters are served and the log goes on", "error", err, "rest", rest)
		}
		if time.Since(begun) > longService {
			rest = firstTableRest
		}
		if wait.For(ctx, rest) != nil {
			return nil
		}
	}
}

// serveTables serves the tables until ctx ends or they fail.
func (p *Parts) serveTables(ctx context.Context) error {
	if err := p.engine.Halt(ctx); err != nil { // an engine that was given up
		return err
	}
	if err := p.engine.Begin(ctx); err != nil {
		return err
	}
	p.Projector.Forget()
	rebuilding, err := p.prepareTables(ctx)
	if err != nil {
		return err
	}
	if !rebuilding {
		p.tables.set(nil)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.Projector.Run(ctx) })
	group.Go(func() error { return p.finishTables(ctx, rebuilding) })
	group.Go(func() error {
		select {
		case err := <-p.engine.Broken():
			return err
		case err := <-p.Warehouse.Damage():
			return err
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// prepareTables creates missing tables and checks whether existing ones can be continued. It reports whether they are
// being rebuilt from a log that holds something.
func (p *Parts) prepareTables(ctx context.Context) (rebuilding bool, err error) {
	empty, err := p.Warehouse.Empty(ctx)
	if err != nil {
		return false, err
	}
	if empty {
		if err := os.WriteFile(p.rebuildMark(), nil, 0o600); err != nil {
			return false, err
		}
	}
	for _, look := range []func(context.Context) error{p.Warehouse.Prepare, p.Warehouse.Inspect, p.compareTables, p.Projector.Fit} {
		if err := look(ctx); err != nil {
			return false, err
		}
	}
	if _, err = os.Stat(p.rebuildMark()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	p.tables.set(warehouse.Rebuilding{})
	return true, err
}

// rebuildMark returns the file that stands beside the tables while they lack part of the log.
func (p *Parts) rebuildMark() string { return p.path("clickhouse", "being-rebuilt") }

// finishTables waits until rebuilt tables are complete, and checks tables that were there before for damage.
func (p *Parts) finishTables(ctx context.Context, rebuilding bool) error {
	if !rebuilding {
		return p.onlyDamage(ctx, p.Warehouse.Verify(ctx))
	}
	done, stop := context.WithCancel(ctx)
	defer stop()
	go p.tellProgress(done)
	if err := p.Projector.CaughtUp(ctx); err != nil {
		return p.onlyDamage(ctx, err)
	}
	stop()
	if err := os.Remove(p.rebuildMark()); err != nil {
		return err
	}
	if ends, err := p.Log.LastSequences(ctx); err == nil {
		p.Logger.Info("the tables are up to date with the log", "commits", total(ends))
	}
	p.tables.set(nil)
	return nil
}

// onlyDamage returns err if it reports damage. A check that fails for another reason stops nothing.
func (p *Parts) onlyDamage(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, warehouse.ErrDamaged) {
		return err
	}
	p.Logger.Warn("the tables could not be checked; serving them as they are", "error", err)
	return nil
}

// tellProgress updates what queries are told while the tables are rebuilt.
func (p *Parts) tellProgress(ctx context.Context) {
	for wait.For(ctx, time.Second) == nil {
		ends, err := p.Log.LastSequences(ctx)
		behind, err2 := p.Projector.Lag(ctx)
		if all := total(ends); err == nil && err2 == nil && all > 0 && ctx.Err() == nil {
			p.tables.set(warehouse.Rebuilding{Percent: int(100 * (all - min(behind, all)) / all)})
		}
	}
}

func total(at eventlog.Positions) (commits uint64) {
	for _, sequence := range at {
		commits += sequence
	}
	return commits
}

// haltWait is how long a damaged engine may take to stop.
const haltWait = 10 * time.Second

// setAside moves the engine's folder away, so that the next start makes the tables anew. One such folder is kept.
func (p *Parts) setAside(ctx context.Context, why error) error {
	p.tables.set(warehouse.Rebuilding{})
	stop, cancel := context.WithTimeout(ctx, haltWait)
	defer cancel()
	_ = p.engine.Halt(stop) // it may be too broken to stop in order, and is killed then
	kept, err := setAside(p.path("clickhouse"))
	if err != nil {
		return fmt.Errorf("the tables are damaged (%w) and can't be set aside: %w; move %s away by hand", why, err, p.path("clickhouse"))
	}
	p.Logger.Error("the tables are damaged and are made anew from the log; what was damaged may be deleted", "error", why, "kept", kept)
	return nil
}

// makeWay sets aside whatever blocks a place where files are made anew. The rest of the data folder is not such a
// place: log, marks, vault, keys, counters' bundles and cards are the truth, and nothing remakes them.
func (p *Parts) makeWay(context.Context) error {
	for name, folder := range map[string]bool{"crl": true, "crl.json": false, "validation": true, "mail": true, "clickhouse": true, "engine.log": false} {
		info, err := os.Lstat(p.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.IsDir() == folder {
			continue
		}
		if info != nil && info.Mode()&fs.ModeSymlink != 0 {
			continue // somebody put it elsewhere
		}
		kept, err := setAside(p.path(name))
		if err != nil {
			return err
		}
		p.Logger.Error("something else stood in the data folder where this is made anew; it was set aside", "name", name, "kept", kept)
	}
	return nil
}

// setAside renames a file or folder to one with .damaged appended, replacing an earlier one. If the disk has no room
// for both, it is deleted.
func setAside(path string) (kept string, err error) {
	kept = path + ".damaged"
	if err := os.RemoveAll(kept); err != nil {
		return "", err
	}
	if err := os.Rename(path, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if tight(kept) {
		return "nothing, the disk has no room", os.RemoveAll(kept)
	}
	return kept, nil
}

// tight reports whether the disk has less space free than path takes up.
func tight(path string) bool {
	var used int64
	err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			used += info.Size()
		}
		return err
	})
	var disk syscall.Statfs_t
	return err == nil && syscall.Statfs(path, &disk) == nil && int64(disk.Bavail)*disk.Bsize < used
}
