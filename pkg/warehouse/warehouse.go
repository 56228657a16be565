// Package warehouse keeps what is true now and what is coming in ClickHouse: tables that follow the log of events, and
// queries on them. It writes tables and does nothing else; every row comes from a commit, applying a commit twice
// equals applying it once, and any table can be rebuilt.
//
// One code path, clickhouse-go, serves the embedded engine (pkg/warehouse/engine) and a ClickHouse server; the DSN
// decides.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"shomei/pkg/civil"
)

// ErrUnavailable: ClickHouse can't be reached. A process that can do nothing without it exits with 69.
var ErrUnavailable = errors.New("ClickHouse can't be reached")

// ErrDamaged: tables are missing, unreadable or made by another program. They hold nothing that the log does not: make
// them anew.
var ErrDamaged = errors.New("the tables are damaged")

// ErrNotFound: the tables hold nothing under the given id.
var ErrNotFound = errors.New("nothing known under this id")

// Config says where the tables are.
type Config struct {
	DSN      string // as clickhouse.ParseDSN takes it: http://… or clickhouse://…
	Database string // empty: shomei
	Cluster  string // name of a ClickHouse cluster; empty: one server or the embedded engine
	Logger   *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Database == "" {
		c.Database = "shomei"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Warehouse is a connection to the tables. It is safe for concurrent use, except that each stream has one follower that
// applies and moves its position.
type Warehouse struct {
	config Config
	conn   driver.Conn
	suffix string // "_next" for the tables of a rebuild

	withheld atomic.Pointer[func() error]
	damage   chan error

	mu         sync.Mutex
	layouts    map[string][]clickhouse.ColumnNameAndType
	generation uint64
	// newest is the month of the newest event written, closedBefore the one before which CloseMonths has closed all.
	newest, closedBefore civil.Date
}

// Open connects and creates the tables if there are none. It fails with ErrUnavailable if ClickHouse does not answer,
// and with ErrDamaged if another program made the tables.
func Open(ctx context.Context, c Config) (*Warehouse, error) {
	w, err := Connect(c)
	if err != nil {
		return nil, err
	}
	if err := w.Ping(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.Prepare(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Connect is Open without any query: ClickHouse may still be unavailable, and the tables wait for Prepare.
func Connect(c Config) (*Warehouse, error) {
	c = c.withDefaults()
	options, err := clickhouse.ParseDSN(c.DSN)
	if err != nil {
		return nil, errors.New("reading the ClickHouse DSN: it is malformed; expected http://user:password@host:port/database")
	}
	options.MaxOpenConns, options.MaxIdleConns = 12, 12
	options.ConnMaxLifetime = time.Hour
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	return &Warehouse{config: c, conn: conn, damage: make(chan error, 1), layouts: map[string][]clickhouse.ColumnNameAndType{}}, nil
}

// Prepare creates the tables if there are none, and finishes an interrupted swap. It fails with ErrDamaged if another
// program made the tables. It drops what it remembers of earlier tables.
func (w *Warehouse) Prepare(ctx context.Context) error {
	w.mu.Lock()
	w.layouts, w.generation = map[string][]clickhouse.ColumnNameAndType{}, 0
	w.closedBefore = civil.Date{}
	w.mu.Unlock()
	select {
	case <-w.damage: // reported about earlier tables
	default:
	}
	if err := w.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(w.config.Database)+onCluster(w.config.Cluster)+" ENGINE = Atomic"); err != nil {
		return wrap("making the database "+w.config.Database, err)
	}
	if err := w.finishSwap(ctx); err != nil {
		return err
	}
	return w.migrate(ctx)
}

// Withhold makes queries fail with what why returns, until it returns nil. Writing, positions and checks go on.
func (w *Warehouse) Withhold(why func() error) { w.withheld.Store(&why) }

// ErrStarting is the error of queries before ClickHouse runs for the first time. It is ErrUnavailable.
var ErrStarting = fmt.Errorf("the engine is starting: %w", ErrUnavailable)

// Rebuilding is the error of queries while the tables are rebuilt from the log. It is ErrUnavailable.
type Rebuilding struct{ Percent int }

// Error returns the progress as text.
func (r Rebuilding) Error() string {
	return fmt.Sprintf("the tables are being rebuilt from the log, %d %% done; ask again", r.Percent)
}

// Unwrap returns ErrUnavailable.
func (Rebuilding) Unwrap() error { return ErrUnavailable }

// Ping checks that ClickHouse answers; it fails with ErrUnavailable.
func (w *Warehouse) Ping(ctx context.Context) error {
	if err := w.conn.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Close closes the connections.
func (w *Warehouse) Close() error { return w.conn.Close() }

// name returns the quoted full name of a table of this warehouse.
func (w *Warehouse) name(table string) string {
	return quoteName(w.config.Database) + "." + quoteName(table+w.suffix)
}

// ask runs a query and returns its rows as structs with ch tags; {table} in sql is replaced with the table's full name.
// Absent times are zero.
func ask[R any](ctx context.Context, w *Warehouse, what, sql string, params ...any) ([]R, error) {
	var rows []R
	if err := w.conn.Select(ctx, &rows, w.expand(sql), params...); err != nil {
		return nil, wrap("asking ClickHouse for "+what, err)
	}
	clearAbsent(rows)
	return rows, nil
}

// question is ask for readers; it can be withheld.
func question[R any](ctx context.Context, w *Warehouse, what, sql string, params ...any) ([]R, error) {
	if err := w.whyWithheld(what); err != nil {
		return nil, err
	}
	rows, err := ask[R](ctx, w, what, sql, params...)
	w.reportDamage(err)
	return rows, err
}

// whyWithheld returns why readers get no answer now, or nil.
func (w *Warehouse) whyWithheld(what string) error {
	if why := w.withheld.Load(); why != nil {
		if err := (*why)(); err != nil {
			return fmt.Errorf("asking ClickHouse for %s: %w", what, err)
		}
	}
	return nil
}

// each is ask row by row, however many there are; it stops at do's first error and returns it.
func each[R any](ctx context.Context, w *Warehouse, what, sql string, do func(R) error, params ...any) error {
	what = "asking ClickHouse for " + what
	rows, err := w.conn.Query(ctx, w.expand(sql), params...)
	if err != nil {
		return wrap(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row [1]R
		if err := rows.ScanStruct(&row[0]); err != nil {
			return wrap(what, err)
		}
		clearAbsent(row[:])
		if err := do(row[0]); err != nil {
			return err
		}
	}
	return wrap(what, rows.Err())
}

// reportDamage sends an error that only new tables cure to Damage, unless they are being made.
func (w *Warehouse) reportDamage(err error) {
	if why := w.withheld.Load(); !errors.Is(err, ErrDamaged) || why != nil && (*why)() != nil {
		return
	}
	select {
	case w.damage <- err:
	default: // already reported
	}
}

// Damage receives an error of a query, or of EachRow, that only new tables cure.
func (w *Warehouse) Damage() <-chan error { return w.damage }

// param returns a query parameter, sent beside the query and never interpolated.
func param(name string, value any) any { return clickhouse.Named(name, value) }

// at returns an instant as a parameter for fromUnixTimestamp64Milli.
func at(name string, t time.Time) any { return param(name, t.UnixMilli()) }

// farFuture stands for "no limit in time".
var farFuture = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// damageCodes are ClickHouse's exception codes for tables or data that are not as the program made them. Other errors
// may pass: memory and space come back.
var damageCodes = []int32{
	3, 16, 32, 33, 40, 47, 60, 74, 76, 79, 81, 87, 107, // files and columns that end early, differ or are missing
	117, 190, 226, 227, 228, 231, 232, 233, 234, 246, 271, 432, 695, 722, // parts that can't be loaded or decoded
}

// wrap adds what was asked for. ClickHouse's own errors stay as they are, or are ErrDamaged if only new tables cure
// them; no answer at all is ErrUnavailable, and the same call may succeed later.
func wrap(what string, err error) error {
	var answered *clickhouse.Exception
	var status *clickhouse.HTTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answered) && slices.Contains(damageCodes, answered.Code):
		return fmt.Errorf("%s: %w: %w", what, ErrDamaged, err)
	case errors.As(err, &answered), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &status) && status.StatusCode != http.StatusServiceUnavailable:
		return fmt.Errorf("%s: %w", what, err)
	default:
		return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
	}
}
