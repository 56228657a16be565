package engine

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"shomei/pkg/warehouse/engine/chdb"
)

// server is the HTTP face: ClickHouse's HTTP interface over a pool of lanes.
type server struct {
	pool     *pool
	password string
	log      *slog.Logger
	hello    hello
	serial   atomic.Uint64
}

// ServeHTTP answers /ping when the engine works, and a statement everywhere else.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !loopback(r.Host) {
		http.Error(w, "the embedded engine is not served under this host name", http.StatusMisdirectedRequest)
		return
	}
	if r.URL.Path == "/ping" || (r.Method == http.MethodGet && r.URL.RawQuery == "") {
		s.pool.answers(r.Context())
		fmt.Fprintln(w, "Ok.")
		return
	}
	if !s.admitted(r) {
		s.refuse(w, http.StatusUnauthorized, &chdb.Exception{Code: authenticationFailed, Text: fmt.Sprintf(
			"Code: %d. DB::Exception: wrong password for the embedded engine. (AUTHENTICATION_FAILED)", authenticationFailed)})
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin)) // a recorder in a test has none
	query, err := parseRequest(r)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err)
		return
	}
	if id := r.URL.Query().Get("query_id"); id != "" {
		w.Header().Set("X-ClickHouse-Query-Id", id)
	}
	if revision, ok := asksHello(r, query.SQL); ok {
		s.greet(w, r, revision)
		return
	}
	s.answer(w, r, query)
}

// loopback reports whether a request names this machine: a browser that was lured here by another name does not.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (s *server) admitted(r *http.Request) bool {
	if s.password == "" {
		return true
	}
	_, given, ok := r.BasicAuth()
	if !ok {
		given = r.Header.Get("X-ClickHouse-Key")
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.password)) == 1
}

// answer runs the statement. Nothing is sent before the engine has given its
// first block or its error, so an early error has its proper status.
func (s *server) answer(w http.ResponseWriter, r *http.Request, query chdb.Statement) {
	started := time.Now()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-ClickHouse-Format", query.Format)
	var out responseWriter
	sent := false
	rows, err := s.pool.run(r.Context(), query, func(p []byte) error {
		if !sent {
			sent, out = true, newResponseWriter(w, r)
		}
		_, err := out.Write(p)
		return err
	})
	s.log.Debug("engine statement", "bytes", len(query.SQL), "rows_written", rows, "took", time.Since(started), "error", err)
	switch {
	case err == nil && sent:
		err = out.finish()
	case err == nil:
		w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"written_rows":"%d"}`, rows))
		w.Header().Set("Content-Length", "0")
	case !sent:
		drain(r.Body)
		s.refuse(w, statusOf(err), err)
		return
	}
	if err != nil && sent {
		s.breakOff(out, err)
	}
}

// breakOff reports an error in the middle of an answer the way a server does:
// framed in the body, since the status line is long gone.
func (s *server) breakOff(out responseWriter, err error) {
	text := err.Error()
	tag := fmt.Sprintf("%016d", s.serial.Add(1))
	fmt.Fprintf(out, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, text, len(text), tag)
	if err := out.finish(); err != nil {
		s.log.Warn("engine answer broke off", "error", err)
	}
}

func (s *server) refuse(w http.ResponseWriter, status int, err error) {
	var e *chdb.Exception
	if errors.As(err, &e) && e.Code > 0 {
		w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, err.Error())
}

func statusOf(err error) int {
	var e *chdb.Exception
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errClosed):
		return http.StatusServiceUnavailable
	case !errors.As(err, &e):
		return http.StatusInternalServerError
	case e.Code == unknownTable, e.Code == unknownDatabase:
		return http.StatusNotFound
	default:
		return http.StatusInternalServerError
	}
}

// hello is what the engine says of itself to clickhouse-go.
type hello struct{ name, version, timezone string }

var helloQuery = regexp.MustCompile(`^\s*SELECT displayName\(\), version\(\), revision\(\), timezone\(\)\s*$`)

// asksHello recognises clickhouse-go's first query and the protocol revision
// it reads the answer with.
func asksHello(r *http.Request, sql string) (revision uint64, ok bool) {
	revision, err := strconv.ParseUint(r.URL.Query().Get("client_protocol_version"), 10, 32)
	return revision, err == nil && revision > 0 && helloQuery.MatchString(sql)
}

// greet answers the hello by hand. The driver reads this one block with its
// own revision (block info, custom-serialisation byte) and everything after
// it with the revision it learns here. The engine writes Native at revision
// 0, so 0 is what it must learn.
func (s *server) greet(w http.ResponseWriter, r *http.Request, revision uint64) {
	block := proto.NewBlock()
	for _, c := range []struct {
		name string
		kind column.Type
	}{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := block.AddColumn(c.name, c.kind); err != nil {
			s.refuse(w, http.StatusInternalServerError, fmt.Errorf("building the hello: %w", err))
			return
		}
	}
	var buf chproto.Buffer
	err := block.Append(s.hello.name, s.hello.version, uint32(0), s.hello.timezone)
	if err == nil {
		err = block.Encode(&buf, revision)
	}
	if err != nil {
		s.refuse(w, http.StatusInternalServerError, fmt.Errorf("building the hello: %w", err))
		return
	}
	out := newResponseWriter(w, r)
	_, err = out.Write(buf.Buf)
	if err = errors.Join(err, out.finish()); err != nil {
		s.log.Warn("engine hello not delivered", "error", err)
	}
}

// drainLimit bounds what is read of a refused body.
const drainLimit = 256 << 20

// drain reads what a client is still sending after its chdb.Statement was refused,
// so that it sees the reason and not a broken connection.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, drainLimit) }
