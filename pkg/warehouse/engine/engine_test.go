package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test binary be the engine process, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(serveForTests(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// serveForTests is the engine command. With SHOMEI_TEST_RECOVER it proves
// that a nil dereference is still recovered after the engine opened.
func serveForTests(args []string) int {
	c := ServeConfig{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	c.Bind(flags)
	_ = flags.Parse(args) // ExitOnError
	if os.Getenv("SHOMEI_TEST_RECOVER") != "" {
		c.Ready = func(string) { fmt.Fprintln(os.Stderr, "recovered:", recovered()) }
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := Serve(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func recovered() (value any) {
	defer func() { value = recover() }()
	var nothing *ServeConfig
	return nothing.Path
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, dir string) (*Process, *logBuffer) {
	t.Helper()
	return startBy(t, dir, os.Args[0], "engine")
}

func startBy(t *testing.T, dir string, command ...string) (*Process, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	p, err := Start(t.Context(), Config{
		Command: command, Path: dir, Stderr: log,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatalf("starting the engine: %v\n%s", err, log)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stopping the engine: %v", err)
		}
		if t.Failed() {
			t.Log(log)
		}
	})
	return p, log
}

func dial(t *testing.T, p *Process, compression *clickhouse.Compression) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	options.Compression = compression
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func run(t *testing.T, conn driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func number(t *testing.T, conn driver.Conn, ctx context.Context, sql string, args ...any) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

type row struct {
	ID   uint64
	Kind string
	At   time.Time
	Tags map[string]string
	Many []string
	Day  time.Time
	None *string
}

const createRows = `CREATE TABLE shop.rows (id UInt64, kind LowCardinality(String),
	at DateTime64(6, 'Asia/Tokyo'), tags Map(LowCardinality(String), String), many Array(LowCardinality(String)),
	day Date32, none Nullable(String))
	ENGINE = ReplacingMergeTree ORDER BY id SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`

func someRows(n int) []row {
	tokyo := time.FixedZone("JST", 9*3600)
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{
			ID: uint64(i), Kind: [...]string{"sign", "auth"}[i%2],
			At:   time.Date(2016, 1, 12, 9, 0, 0, i*1000, tokyo),
			Tags: map[string]string{"rule": "mynumber.validity"}, Many: []string{"a", "b"}[:i%3%2+1],
			Day: time.Date(2020, 6, 18, 0, 0, 0, 0, time.UTC),
		}
		if i%5 == 0 {
			word := "語"
			rows[i].None = &word
		}
	}
	return rows
}

func insert(ctx context.Context, conn driver.Conn, rows []row) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO shop.rows")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := batch.Append(r.ID, r.Kind, r.At, r.Tags, r.Many, r.Day, r.None); err != nil {
			return err
		}
	}
	return batch.Send()
}

func TestDriverSpeaksToTheEngine(t *testing.T) {
	p, _ := start(t, t.TempDir())
	for name, compression := range map[string]*clickhouse.Compression{
		"none": nil,
		"lz4":  {Method: clickhouse.CompressionLZ4},
		"zstd": {Method: clickhouse.CompressionZSTD},
		"gzip": {Method: clickhouse.CompressionGZIP, Level: 3},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, p, compression)
			run(t, conn, "DROP DATABASE IF EXISTS shop")
			run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
			run(t, conn, createRows)
			want := someRows(100_000)
			if err := insert(t.Context(), conn, want); err != nil {
				t.Fatal(err)
			}
			got := readRows(t, conn)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows differ (-want +got):\n%.2000s", diff)
			}
		})
	}
}

func readRows(t *testing.T, conn driver.Conn) []row {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT * FROM shop.rows ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Kind, &r.At, &r.Tags, &r.Many, &r.Day, &r.None); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestParametersAndSettings(t *testing.T) {
	p, _ := start(t, t.TempDir())
	conn := dial(t, p, nil)
	for _, value := range []string{"plain", "O'Hara", `back\slash`, "tab\tand\nline", "氏名", ""} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"s": escaped(value), "n": "7"}))
		var got string
		var n uint32
		if err := conn.QueryRow(ctx, "SELECT {s:String}, {n:UInt32}").Scan(&got, &n); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if got != value || n != 7 {
			t.Errorf("parameter %q came back as %q and %d", value, got, n)
		}
	}
	with := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1, "max_memory_usage": 123456789}))
	asked := "SELECT toUInt64(getSetting('max_memory_usage')) + toUInt64(getSetting('max_threads'))"
	if got := number(t, conn, with, asked); got != 123456790 {
		t.Errorf("settings of the URL: got %d", got)
	}
	for range 8 { // every lane has its base settings back
		if got := number(t, conn, t.Context(), "SELECT toUInt64(getSetting('max_memory_usage'))"); got != 1024<<20/4*3 {
			t.Errorf("settings leaked into the next statement: %d", got)
		}
	}
}

// escaped writes a parameter value as ClickHouse reads it: as a field of TSV.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`).Replace(s)
}

func TestErrorsKeepTheirCode(t *testing.T) {
	p, _ := start(t, t.TempDir())
	conn := dial(t, p, nil)
	run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
	run(t, conn, createRows)
	broken := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1}))
	for name, c := range map[string]struct {
		code int32
		err  error
	}{
		"unknown table":      {60, conn.Exec(t.Context(), "SELECT * FROM nowhere")},
		"syntax":             {62, conn.Exec(t.Context(), "SELEKT 1")},
		"unknown database":   {81, conn.Exec(t.Context(), "CREATE TABLE nowhere.t (x UInt8) ENGINE = Memory")},
		"unknown setting":    {115, conn.Exec(broken, "SELECT 1")},
		"error in the midst": {395, drainRows(conn, t.Context(), "SELECT throwIf(number = 3000000) FROM numbers(10000000)")},
		"constraint of rows": {60, insertGone(t.Context(), conn, "shop.gone")},
	} {
		var e *clickhouse.Exception
		if !errors.As(c.err, &e) || e.Code != c.code {
			t.Errorf("%s: got %v, want code %d", name, c.err, c.code)
		}
	}
	if got := number(t, conn, t.Context(), "SELECT count() FROM numbers(10)"); got != 10 {
		t.Errorf("after the errors: got %d rows", got)
	}
}

// insertGone writes to a table that vanished after the batch was prepared.
func insertGone(ctx context.Context, conn driver.Conn, table string) error {
	if err := conn.Exec(ctx, "CREATE TABLE "+table+" (x String) ENGINE = Memory"); err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
	if err != nil {
		return err
	}
	for range 300 {
		if err := batch.Append(strings.Repeat("x", 10_000)); err != nil {
			return err
		}
	}
	if err := conn.Exec(ctx, "DROP TABLE "+table); err != nil {
		return err
	}
	return batch.Send()
}

func drainRows(conn driver.Conn, ctx context.Context, sql string) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func TestManyStatementsAtOnce(t *testing.T) {
	p, _ := start(t, t.TempDir())
	conn := dial(t, p, nil)
	run(t, conn, "CREATE DATABASE shop ENGINE = Atomic")
	run(t, conn, createRows)
	rows := someRows(2_000)
	var wait sync.WaitGroup
	for worker := range 12 {
		wait.Go(func() {
			for range 10 {
				if worker%3 == 0 {
					if err := insert(t.Context(), conn, rows); err != nil {
						t.Error(err)
					}
					continue
				}
				var n uint64
				if err := conn.QueryRow(t.Context(), "SELECT count() FROM numbers(100000) WHERE number % 3 = 0").Scan(&n); err != nil || n != 33334 {
					t.Errorf("got %d, %v", n, err)
				}
			}
		})
	}
	wait.Wait()
	if got := number(t, conn, t.Context(), "SELECT count() FROM shop.rows FINAL"); got != 2_000 {
		t.Errorf("inserting the same rows 40 times left %d rows, want 2000", got)
	}
}
