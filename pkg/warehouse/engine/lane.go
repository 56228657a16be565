package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
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

// statement is one thing for the engine to do. With an insertFormat the rows
// come from body and sql is the INSERT without its FORMAT clause.
type statement struct {
	sql          string
	format       string
	insertFormat string
	database     string
	params       map[string]string
	settings     map[string]string
	body         io.Reader
}

// lane is one connection; it runs one statement at a time, because while a
// stream is open the engine answers nothing else on its connection.
type lane struct {
	lib      *library
	box      unsafe.Pointer
	database string
	base     map[string]string
}

// openLane connects to the data directory with base as its settings.
func openLane(lib *library, path string, base map[string]string, server []string) (*lane, error) {
	args := append([]string{"shomei", "--path=" + path}, server...)
	for _, name := range sortedKeys(base) {
		args = append(args, "--"+name+"="+base[name])
	}
	pins := new(parameters)
	defer pins.release()
	argv := make([]unsafe.Pointer, len(args)+1)
	for i, arg := range args {
		argv[i] = pins.text(arg)
	}
	l := &lane{lib: lib, base: base, database: "default"}
	err := keepSignals(func() error {
		l.box = lib.connect(int32(len(args)), pins.keep(&argv[0]))
		if l.box == nil {
			return fmt.Errorf("opening the engine on %s: no connection came back; look at free disk space and at the directory's owner", path)
		}
		return nil
	})
	return l, err
}

func (l *lane) close() {
	if l.box != nil {
		l.lib.closeConn(l.box)
		l.box = nil
	}
}

func (l *lane) handle() unsafe.Pointer { return *(*unsafe.Pointer)(l.box) }

// run executes s and hands its output to emit in pieces that are valid only
// during the call. It returns the number of rows written.
func (l *lane) run(ctx context.Context, s statement, emit func([]byte) error) (rows uint64, err error) {
	if err := l.prepare(s); err != nil {
		return 0, errors.Join(err, l.restore(s))
	}
	defer func() {
		if restoreErr := l.restore(s); restoreErr != nil && err == nil {
			err = restoreErr
		}
	}()
	switch {
	case s.insertFormat != "":
		return l.insertRows(ctx, s)
	case s.format == "Native" && readsOnly(s.sql):
		if err := l.stream(ctx, s, emit); !isUnstreamable(err) {
			return 0, err
		}
	}
	return l.execute(s, emit)
}

// prepare puts the connection into the statement's database and settings.
func (l *lane) prepare(s statement) error {
	if s.database != "" && s.database != l.database {
		if err := l.command("USE " + quoteName(s.database)); err != nil {
			return err
		}
		l.database = s.database
	}
	for _, name := range sortedKeys(s.settings) {
		if err := l.command("SET " + quoteName(name) + " = " + quoteText(s.settings[name])); err != nil {
			return err
		}
	}
	return nil
}

// restore undoes the settings of prepare, so that the next statement on this
// connection starts from the base settings.
func (l *lane) restore(s statement) error {
	var failed error
	for name := range s.settings {
		value, isBase := l.base[name]
		text := "DEFAULT"
		if isBase {
			text = quoteText(value)
		}
		var e *Exception
		err := l.command("SET " + quoteName(name) + " = " + text)
		if err != nil && !(errors.As(err, &e) && e.Code == unknownSetting) {
			failed = fmt.Errorf("restoring setting %s: %w", name, err)
		}
	}
	return failed
}

// unknownSetting is ClickHouse's UNKNOWN_SETTING.
const unknownSetting = 115

func (l *lane) command(sql string) error {
	_, err := l.execute(statement{sql: sql, format: "Null"}, func([]byte) error { return nil })
	return err
}

type cFunction = func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

func (l *lane) call(fn cFunction, sql, format string, params map[string]string) unsafe.Pointer {
	p := pinParameters(params)
	defer p.release()
	return fn(l.handle(), p.text(sql), uintptr(len(sql)), p.text(format), uintptr(len(format)),
		p.names, p.nameLens, p.values, p.valueLens, p.count)
}

// execute runs a statement whose whole output stands in memory at once.
func (l *lane) execute(s statement, emit func([]byte) error) (uint64, error) {
	result := l.call(l.lib.query, s.sql, s.format, s.params)
	defer l.lib.destroyResult(result)
	if err := exception(l.lib.resultError(result)); err != nil {
		return 0, err
	}
	if out := l.lib.bytesOf(result); len(out) > 0 {
		if err := emit(out); err != nil {
			return 0, err
		}
	}
	return l.lib.rowsWritten(result), nil
}

// stream runs a reading statement block by block; a cancelled context ends it
// at the next block.
func (l *lane) stream(ctx context.Context, s statement, emit func([]byte) error) error {
	stream := l.call(l.lib.streamQuery, s.sql, s.format, s.params)
	defer l.lib.destroyResult(stream)
	if err := exception(l.lib.resultError(stream)); err != nil {
		return err
	}
	for {
		more, err := l.fetch(stream, emit)
		if err == nil && more {
			err = ctx.Err()
		}
		if err != nil {
			l.lib.streamCancel(l.handle(), stream)
			return err
		}
		if !more {
			return nil
		}
	}
}

func (l *lane) fetch(stream unsafe.Pointer, emit func([]byte) error) (bool, error) {
	chunk := l.lib.streamFetch(l.handle(), stream)
	if chunk == nil {
		return false, errors.New("fetching from the engine: the stream broke off")
	}
	defer l.lib.destroyResult(chunk)
	if err := exception(l.lib.resultError(chunk)); err != nil {
		return false, err
	}
	out := l.lib.bytesOf(chunk)
	if len(out) == 0 {
		return false, nil
	}
	return true, emit(out)
}

// insertChunk is how much of a body goes to the engine in one call.
const insertChunk = 1 << 20

// insertRows streams the body into an INSERT. A body that breaks off, or a
// cancelled context, cancels the insert: rows not yet in a part are dropped.
func (l *lane) insertRows(ctx context.Context, s statement) (uint64, error) {
	stream := l.call(l.lib.insert, s.sql, s.insertFormat, s.params)
	defer l.lib.destroyInsert(stream)
	if err := exception(l.lib.insertError(stream)); err != nil {
		return 0, err
	}
	if err := l.appendBody(ctx, stream, s.body); err != nil {
		l.lib.insertCancel(stream)
		return 0, err
	}
	result := l.lib.insertDone(stream)
	defer l.lib.destroyResult(result)
	if err := exception(l.lib.resultError(result)); err != nil {
		return 0, err
	}
	return l.lib.rowsWritten(result), nil
}

func (l *lane) appendBody(ctx context.Context, stream unsafe.Pointer, body io.Reader) error {
	buf := make([]byte, insertChunk)
	for {
		n, err := fill(body, buf)
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading the rows to insert: %w", err)
		}
		if n > 0 && l.lib.insertAppend(stream, unsafe.Pointer(&buf[0]), uintptr(n)) != 0 {
			return insertFailure(l.lib, stream)
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

func insertFailure(lib *library, stream unsafe.Pointer) error {
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

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
