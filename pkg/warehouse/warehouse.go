// Package warehouse keeps what is true now and what is coming in ClickHouse:
// tables that follow the log of events, and the questions they answer. It
// writes tables and does nothing else; every row comes from a commit, applying
// a commit twice equals applying it once, and any table can be rebuilt.
//
// One code path serves the embedded engine (pkg/warehouse/engine) and a
// ClickHouse server: clickhouse-go, by whatever the DSN says.
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
)

// ErrUnavailable says that ClickHouse can't be reached; a process that can do
// nothing without it exits with 69.
var ErrUnavailable = errors.New("ClickHouse can't be reached")

// ErrDamaged says that tables are missing, can't be read or were made by
// another program. They hold nothing that the log does not: make them anew.
var ErrDamaged = errors.New("the tables are damaged")

// ErrNotFound says that nothing in the tables answers the question.
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

// Warehouse is a connection to the tables. It is safe for concurrent use,
// except that each stream has one follower that applies and moves its
// position.
type Warehouse struct {
	config Config
	conn   driver.Conn
	suffix string // "_next" for the tables of a rebuild

	withheld atomic.Pointer[func() error]
	damage   chan error

	mu         sync.Mutex
	layouts    map[string][]clickhouse.ColumnNameAndType
	generation uint64
}

// Open connects and makes the tables where there are none. It fails with
// ErrUnavailable when ClickHouse does not answer, and with ErrDamaged when the
// tables were made by another program.
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

// Connect is Open without asking anything: ClickHouse may still be away, and
// the tables wait for Prepare.
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

// Prepare makes the tables where there are none, and finishes a swap that was
// interrupted. It fails with ErrDamaged when the tables were made by another
// program. It forgets what it knew of tables that were there before.
func (w *Warehouse) Prepare(ctx context.Context) error {
	w.mu.Lock()
	w.layouts, w.generation = map[string][]clickhouse.ColumnNameAndType{}, 0
	w.mu.Unlock()
	select {
	case <-w.damage: // of those before
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

// Withhold has questions fail with what why returns, until it returns nil.
// Writing, positions and checks go on.
func (w *Warehouse) Withhold(why func() error) { w.withheld.Store(&why) }

// ErrStarting is why questions have no answer before ClickHouse runs for the first time. It is ErrUnavailable.
var ErrStarting = fmt.Errorf("the engine is being started: %w", ErrUnavailable)

// Rebuilding is why questions have no answer while the tables are made anew
// from the log. It is ErrUnavailable.
type Rebuilding struct{ Percent int }

// Error says how far it has come.
func (r Rebuilding) Error() string {
	return fmt.Sprintf("the tables are being rebuilt from the log, %d %% done; ask again", r.Percent)
}

// Unwrap returns ErrUnavailable.
func (Rebuilding) Unwrap() error { return ErrUnavailable }

// Ping asks for an answer; it fails with ErrUnavailable.
func (w *Warehouse) Ping(ctx context.Context) error {
	if err := w.conn.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Close ends the connections.
func (w *Warehouse) Close() error { return w.conn.Close() }

// name returns the quoted full name of a table of this warehouse.
func (w *Warehouse) name(table string) string {
	return quoteName(w.config.Database) + "." + quoteName(table+w.suffix)
}

// ask returns the answer to sql as structs with ch tags; {table} in it stands
// for the table's full name. Absent instants are zero.
func ask[R any](ctx context.Context, w *Warehouse, what, sql string, params ...any) ([]R, error) {
	var rows []R
	if err := w.conn.Select(ctx, &rows, w.expand(sql), params...); err != nil {
		return nil, wrap("asking ClickHouse for "+what, err)
	}
	clearAbsent(rows)
	return rows, nil
}

// question is ask for what readers want to know.
func question[R any](ctx context.Context, w *Warehouse, what, sql string, params ...any) ([]R, error) {
	if why := w.withheld.Load(); why != nil {
		if err := (*why)(); err != nil {
			return nil, fmt.Errorf("asking ClickHouse for %s: %w", what, err)
		}
	}
	rows, err := ask[R](ctx, w, what, sql, params...)
	if errors.Is(err, ErrDamaged) {
		select {
		case w.damage <- err:
		default: // it is known
		}
	}
	return rows, err
}

// Damage tells what a question met that only new tables cure.
func (w *Warehouse) Damage() <-chan error { return w.damage }

// param is a query parameter, sent beside the query and never put into it.
func param(name string, value any) any { return clickhouse.Named(name, value) }

// at is an instant as a parameter for fromUnixTimestamp64Milli.
func at(name string, t time.Time) any { return param(name, t.UnixMilli()) }

// farFuture stands for "no limit in time".
var farFuture = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// damageCodes are the codes of ClickHouse's exceptions that say that a table, or
// what is stored of it, is not as the program made it. Others may pass: memory
// and space come back.
var damageCodes = []int32{
	3, 16, 32, 33, 40, 47, 60, 74, 76, 79, 81, 87, 107, // files and columns that end early, differ or are missing
	117, 190, 226, 227, 228, 231, 232, 233, 234, 246, 271, 432, 695, 722, // parts that can't be loaded or decoded
}

// wrap says what was asked for, and tells an answer of ClickHouse that is an
// error from no answer at all, which is ErrUnavailable: the same call may
// succeed later. What only new tables cure is ErrDamaged.
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
