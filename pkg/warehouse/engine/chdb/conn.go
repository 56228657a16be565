package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Exception is an error of the engine: its ClickHouse error code (0 when the
// text holds none) and its text as a ClickHouse server would send it.
type Exception struct {
	Code int
	Text string
}

// Error returns the engine's text.
func (e *Exception) Error() string { return e.Text }

// exceptionCode finds the error code; the engine writes its texts in two ways.
var exceptionCode = regexp.MustCompile(`^(?:Code: (\d+)\. |code: (\d+), message: )`)

// exception makes an error of a text of the engine, in a server's wording;
// nil for no text.
func exception(text string) error {
	if text == "" {
		return nil
	}
	m := exceptionCode.FindStringSubmatch(text)
	if m == nil {
		return &Exception{Text: text}
	}
	if m[2] != "" {
		text = "Code: " + m[2] + ". DB::Exception: " + text[len(m[0]):]
	}
	code, err := strconv.Atoi(m[1] + m[2])
	if err != nil {
		return &Exception{Text: text}
	}
	return &Exception{Code: code, Text: text}
}

// Statement is one thing for the engine to do.
type Statement struct {
	SQL          string
	Format       string            // of the output, such as Native
	InsertFormat string            // not empty: the rows come from Body, and SQL is an INSERT without FORMAT
	Database     string            // empty: the connection's last one
	Params       map[string]string // for {name:Type}, written as fields of TSV
	Settings     map[string]string // for this statement only
	Body         io.Reader
}

// Conn is one connection; it runs one statement at a time, because while a
// stream is open the engine answers nothing else on its connection.
type Conn struct {
	lib      *Library
	box      unsafe.Pointer
	database string
	base     map[string]string
}

// Open connects to a data directory: session are the settings of this
// connection, server the command line options of the engine, which count for
// the first connection of the process. A process has one data directory; its
// engine runs until the last connection is closed.
func (l *Library) Open(path string, session map[string]string, server []string) (*Conn, error) {
	args := append([]string{"shomei", "--path=" + path}, server...)
	for _, name := range slices.Sorted(maps.Keys(session)) {
		args = append(args, "--"+name+"="+session[name])
	}
	pins := new(parameters)
	defer pins.release()
	argv := make([]unsafe.Pointer, len(args)+1)
	for i, arg := range args {
		argv[i] = pins.text(arg)
	}
	c := &Conn{lib: l, base: session, database: "default"}
	err := keepSignals(func() error {
		if c.box = l.connect(int32(len(args)), pins.keep(&argv[0])); c.box == nil {
			return fmt.Errorf("opening the engine on %s: no connection came back; look at free disk space and at the directory's owner", path)
		}
		return nil
	})
	return c, err
}

// Closed reports whether Close was called.
func (c *Conn) Closed() bool { return c.box == nil }

// Close ends the connection; closing twice is harmless.
func (c *Conn) Close() {
	if c.box != nil {
		c.lib.closeConn(c.box)
		c.box = nil
	}
}

func (c *Conn) handle() unsafe.Pointer { return *(*unsafe.Pointer)(c.box) }

// Run executes s and hands its output to emit in pieces that are valid only
// during the call. It returns the number of rows written.
func (c *Conn) Run(ctx context.Context, s Statement, emit func([]byte) error) (rows uint64, err error) {
	if err := c.prepare(s); err != nil {
		return 0, errors.Join(err, c.restore(s))
	}
	defer func() {
		if restoreErr := c.restore(s); restoreErr != nil && err == nil {
			err = restoreErr
		}
	}()
	switch {
	case s.InsertFormat != "":
		return c.insertRows(ctx, s)
	case s.Format == "Native" && readsOnly(s.SQL):
		if err := c.stream(ctx, s, emit); !isUnstreamable(err) {
			return 0, err
		}
	}
	return c.execute(s, emit)
}

// ErrTainted says that a connection could not be brought back to its base
// settings: it must be closed.
var ErrTainted = errors.New("the connection keeps settings of an earlier statement")

// prepare puts the connection into the statement's database and settings.
func (c *Conn) prepare(s Statement) error {
	if s.Database != "" && s.Database != c.database {
		if err := c.command("USE " + quoteName(s.Database)); err != nil {
			return err
		}
		c.database = s.Database
	}
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		if err := c.command("SET " + quoteName(name) + " = " + quoteText(s.Settings[name])); err != nil {
			return err
		}
	}
	return nil
}

// restore undoes the settings of prepare, so that the next statement on this
// connection starts from the base settings.
func (c *Conn) restore(s Statement) error {
	var failed error
	for name := range s.Settings {
		value, isBase := c.base[name]
		text := "DEFAULT"
		if isBase {
			text = quoteText(value)
		}
		var e *Exception
		err := c.command("SET " + quoteName(name) + " = " + text)
		if err != nil && !(errors.As(err, &e) && e.Code == unknownSetting) {
			failed = fmt.Errorf("%w: %s: %w", ErrTainted, name, err)
		}
	}
	return failed
}

// unknownSetting is ClickHouse's UNKNOWN_SETTING.
const unknownSetting = 115

func (c *Conn) command(sql string) error {
	_, err := c.execute(Statement{SQL: sql, Format: "Null"}, func([]byte) error { return nil })
	return err
}

type cFunction = func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

func (c *Conn) call(fn cFunction, sql, format string, params map[string]string) unsafe.Pointer {
	p := pinParameters(params)
	defer p.release()
	return fn(c.handle(), p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)),
		p.names, p.nameLens, p.values, p.valueLens, p.count)
}

// execute runs a statement whose whole output stands in memory at once.
func (c *Conn) execute(s Statement, emit func([]byte) error) (uint64, error) {
	result := c.call(c.lib.query, s.SQL, s.Format, s.Params)
	defer c.lib.destroyResult(result)
	if err := exception(c.lib.resultError(result)); err != nil {
		return 0, err
	}
	if out := c.lib.bytesOf(result); len(out) > 0 {
		if err := emit(out); err != nil {
			return 0, err
		}
	}
	return c.lib.rowsWritten(result), nil
}

// stream runs a reading statement block by block; a cancelled context ends it
// at the next block.
func (c *Conn) stream(ctx context.Context, s Statement, emit func([]byte) error) error {
	stream := c.call(c.lib.streamQuery, s.SQL, s.Format, s.Params)
	defer c.lib.destroyResult(stream)
	if err := exception(c.lib.resultError(stream)); err != nil {
		return err
	}
	for {
		more, err := c.fetch(stream, emit)
		if err == nil && more {
			err = ctx.Err()
		}
		if err != nil {
			c.lib.streamCancel(c.handle(), stream)
			return err
		}
		if !more {
			return nil
		}
	}
}

func (c *Conn) fetch(stream unsafe.Pointer, emit func([]byte) error) (bool, error) {
	chunk := c.lib.streamFetch(c.handle(), stream)
	if chunk == nil {
		return false, errors.New("fetching from the engine: the stream broke off")
	}
	defer c.lib.destroyResult(chunk)
	if err := exception(c.lib.resultError(chunk)); err != nil {
		return false, err
	}
	out := c.lib.bytesOf(chunk)
	if len(out) == 0 {
		return false, nil
	}
	return true, emit(out)
}

// insertChunk is how much of a body goes to the engine in one call.
const insertChunk = 1 << 20

// insertRows streams the body into an INSERT. A body that breaks off, or a
// cancelled context, cancels the insert: rows not yet in a part are dropped.
func (c *Conn) insertRows(ctx context.Context, s Statement) (uint64, error) {
	stream := c.call(c.lib.insert, s.SQL, s.InsertFormat, s.Params)
	defer c.lib.destroyInsert(stream)
	if err := exception(c.lib.insertError(stream)); err != nil {
		return 0, err
	}
	if err := c.appendBody(ctx, stream, s.Body); err != nil {
		c.lib.insertCancel(stream)
		return 0, err
	}
	result := c.lib.insertDone(stream)
	defer c.lib.destroyResult(result)
	if err := exception(c.lib.resultError(result)); err != nil {
		return 0, err
	}
	return c.lib.rowsWritten(result), nil
}

func (c *Conn) appendBody(ctx context.Context, stream unsafe.Pointer, body io.Reader) error {
	buf := make([]byte, insertChunk)
	for {
		n, err := fill(body, buf)
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading the rows to insert: %w", err)
		}
		if n > 0 && c.lib.insertAppend(stream, unsafe.Pointer(&buf[0]), uintptr(n)) != 0 {
			return insertFailure(c.lib, stream)
		}
		if err == io.EOF || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// fill is io.ReadFull that leaves io.EOF as it is: a body that broke off
// answers io.ErrUnexpectedEOF, and must not pass for a short last chunk.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func insertFailure(lib *Library, stream unsafe.Pointer) error {
	if err := exception(lib.insertError(stream)); err != nil {
		return err
	}
	result := lib.insertDone(stream)
	defer lib.destroyResult(result)
	if err := exception(lib.resultError(result)); err != nil {
		return err
	}
	return &Exception{Text: "the engine refused the rows and gave no reason"}
}

var reading = regexp.MustCompile(`(?is)^\s*(SELECT\b|WITH\b|\()`)

// isUnstreamable recognises the engine's refusal, before any output, to run a
// kind of statement as a stream.
func isUnstreamable(err error) bool {
	var e *Exception
	return errors.As(err, &e) && strings.Contains(e.Text, "Streaming query is not supported")
}

// readsOnly tells the statements that can be answered as a stream.
func readsOnly(sql string) bool { return reading.MatchString(sql) }

func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

func quoteText(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}
