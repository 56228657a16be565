package engine

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/ClickHouse/ch-go/compress"

	"shomei/pkg/warehouse/engine/chdb"
)

// maxStatement bounds the SQL text of a request; rows to insert are not
// counted, they are streamed.
const maxStatement = 16 << 20

// reserved are the URL parameters of ClickHouse's HTTP interface that are not
// settings of the engine.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "query_id": true, "quota_key": true,
	"session_id": true, "session_timeout": true, "session_check": true, "client_protocol_version": true,
	"user": true, "password": true, "role": true, "compress": true, "decompress": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true,
	"enable_http_compression": true, "http_zlib_compression_level": true,
	"network_compression_method": true, "network_zstd_compression_level": true,
}

var (
	insertInto    = regexp.MustCompile(`(?is)^\s*INSERT\s`)
	formatAtEnd   = regexp.MustCompile(`(?is)\sFORMAT\s+(\w+)\s*;?\s*$`)
	formatInWords = regexp.MustCompile(`(?is)\sFORMAT\s+(\w+)\s*(SETTINGS\s.*)?;?\s*$`)
)

// parseRequest turns one HTTP request into a statement. The SQL stands in the
// parameter query, in the body, or begins in the one and ends in the other;
// an INSERT with a FORMAT at the end of the parameter takes the body as rows.
func parseRequest(r *http.Request) (chdb.Statement, error) {
	query := r.URL.Query()
	body, err := requestBody(r, query)
	if err != nil {
		return chdb.Statement{}, err
	}
	s := chdb.Statement{
		SQL: query.Get("query"), Database: query.Get("database"), Format: query.Get("default_format"),
		Params: map[string]string{}, Settings: map[string]string{},
	}
	if s.Format == "" {
		s.Format = "TabSeparated"
	}
	for name := range query {
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			s.Params[param] = query.Get(name)
		} else if !reserved[name] {
			s.Settings[name] = query.Get(name)
		}
	}
	return withBody(s, body)
}

func withBody(s chdb.Statement, body io.Reader) (chdb.Statement, error) {
	if m := formatAtEnd.FindStringSubmatchIndex(s.SQL); m != nil && insertInto.MatchString(s.SQL) {
		s.InsertFormat, s.Body = s.SQL[m[2]:m[3]], body
		s.SQL = s.SQL[:m[0]]
		return s, nil
	}
	text, err := io.ReadAll(io.LimitReader(body, maxStatement+1))
	if err != nil {
		return s, fmt.Errorf("reading the statement: %w", err)
	}
	if len(text) > maxStatement {
		return s, &chdb.Exception{Code: queryTooLarge, Text: fmt.Sprintf(
			"Code: %d. DB::Exception: the statement is longer than %d bytes; send rows with INSERT … FORMAT in the parameter query", queryTooLarge, maxStatement)}
	}
	if s.SQL == "" {
		s.SQL = string(text)
	} else if len(text) > 0 {
		s.SQL += "\n" + string(text)
	}
	if !insertInto.MatchString(s.SQL) {
		if m := formatInWords.FindStringSubmatch(s.SQL); m != nil {
			s.Format = m[1]
		}
	}
	return s, nil
}

// ClickHouse error codes that this face gives by itself.
const (
	queryTooLarge        = 62  // SYNTAX_ERROR, as the server answers for max_query_size
	unknownCompression   = 89  // UNKNOWN_COMPRESSION_METHOD
	unknownTable         = 60  // UNKNOWN_TABLE
	unknownDatabase      = 81  // UNKNOWN_DATABASE
	authenticationFailed = 516 // AUTHENTICATION_FAILED
)

// requestBody undoes HTTP compression (Content-Encoding) or ClickHouse's own
// block compression (decompress=1).
func requestBody(r *http.Request, query url.Values) (io.Reader, error) {
	if query.Get("decompress") == "1" {
		return frameReader{compress.NewReader(r.Body)}, nil
	}
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the gzip body: %w", err)
		}
		return body, nil
	default:
		return nil, &chdb.Exception{Code: unknownCompression, Text: fmt.Sprintf(
			"Code: %d. DB::Exception: body encoding %q is not offered here; use gzip, lz4, zstd or none. (UNKNOWN_COMPRESSION_METHOD)", unknownCompression, encoding)}
	}
}

// frameReader reads ClickHouse's compressed frames and ends with io.EOF itself
// where the library wraps it.
type frameReader struct{ *compress.Reader }

// Read returns io.EOF only at the border of two frames.
func (f frameReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// responseWriter compresses the answer as the request asks.
type responseWriter struct {
	io.Writer
	finish func() error
}

func newResponseWriter(w http.ResponseWriter, r *http.Request) responseWriter {
	query := r.URL.Query()
	switch {
	case query.Get("compress") == "1":
		return blockCompressed(w, query)
	case r.Header.Get("Accept-Encoding") == "gzip":
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		return responseWriter{Writer: zip, finish: zip.Close}
	default:
		return responseWriter{Writer: w, finish: func() error { return nil }}
	}
}

func blockCompressed(w io.Writer, query url.Values) responseWriter {
	method := compress.LZ4
	if strings.EqualFold(query.Get("network_compression_method"), "ZSTD") {
		method = compress.ZSTD
	}
	framed := &frames{to: w, packer: compress.NewWriter(compress.LevelZero, method)}
	return responseWriter{Writer: framed, finish: framed.flush}
}

// frameSize is how many bytes one compressed frame holds, as on a server.
const frameSize = 1 << 20

// frames writes ClickHouse's compressed frames.
type frames struct {
	to     io.Writer
	packer *compress.Writer
	buf    bytes.Buffer
}

// Write keeps p until a frame is full.
func (f *frames) Write(p []byte) (int, error) {
	f.buf.Write(p)
	for f.buf.Len() >= frameSize {
		if err := f.frame(f.buf.Next(frameSize)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (f *frames) flush() error {
	if f.buf.Len() == 0 {
		return nil
	}
	return f.frame(f.buf.Next(f.buf.Len()))
}

func (f *frames) frame(p []byte) error {
	if err := f.packer.Compress(p); err != nil {
		return fmt.Errorf("compressing the answer: %w", err)
	}
	_, err := f.to.Write(f.packer.Data)
	return err
}
