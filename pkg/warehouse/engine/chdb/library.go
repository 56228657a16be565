// Package chdb is a thin binding of libchdb, the ClickHouse engine as a
// library: connections to one data directory, statements, streams of rows in
// and out. It exists because chdb-go keeps one session for a process and
// leaves the engine's signal handlers in place.
package chdb

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is libchdb's C interface (chdb.h of chdb-core 26.7), loaded.
type Library struct {
	connect       func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn     func(conn unsafe.Pointer)
	query         func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	streamQuery   func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	streamFetch   func(conn, stream unsafe.Pointer) unsafe.Pointer
	streamCancel  func(conn, stream unsafe.Pointer)
	destroyResult func(result unsafe.Pointer)
	resultBuffer  func(result unsafe.Pointer) unsafe.Pointer
	resultLength  func(result unsafe.Pointer) uintptr
	resultError   func(result unsafe.Pointer) string
	rowsWritten   func(result unsafe.Pointer) uint64
	insert        func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	insertAppend  func(stream, data unsafe.Pointer, length uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	destroyInsert func(stream unsafe.Pointer)
}

// Load opens libchdb.so. It runs nothing of the engine yet.
func Load(path string) (*Library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", path, err)
	}
	lib := new(Library)
	for name, fn := range lib.symbols() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("%s has no %s: another version of the library: %w", path, name, err)
		}
		purego.RegisterFunc(fn, address)
	}
	return lib, nil
}

func (l *Library) symbols() map[string]any {
	return map[string]any{
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamCancel,
		"chdb_destroy_query_result":        &l.destroyResult,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.destroyInsert,
	}
}

// bytesOf returns what the engine wrote into result, still in its memory:
// valid until the result is destroyed.
func (l *Library) bytesOf(result unsafe.Pointer) []byte {
	n := l.resultLength(result)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(l.resultBuffer(result)), n)
}

// parameters are query parameters in the form the C interface takes: arrays
// of pointers and lengths, pinned until release.
type parameters struct {
	pin                                runtime.Pinner
	names, nameLens, values, valueLens unsafe.Pointer
	count                              uintptr
}

func pinParameters(params map[string]string) *parameters {
	p := new(parameters)
	if len(params) == 0 {
		return p
	}
	var names, values []unsafe.Pointer
	var nameLens, valueLens []uintptr
	for name, value := range params {
		names, nameLens = append(names, p.text(name)), append(nameLens, uintptr(len(name)))
		values, valueLens = append(values, p.text(value)), append(valueLens, uintptr(len(value)))
	}
	p.names, p.values = p.keep(&names[0]), p.keep(&values[0])
	p.nameLens, p.valueLens = p.lengths(nameLens), p.lengths(valueLens)
	p.count = uintptr(len(names))
	return p
}

func (p *parameters) keep(first *unsafe.Pointer) unsafe.Pointer {
	p.pin.Pin(first)
	return unsafe.Pointer(first)
}

func (p *parameters) lengths(all []uintptr) unsafe.Pointer {
	p.pin.Pin(&all[0])
	return unsafe.Pointer(&all[0])
}

// text pins a copy of s and returns its first byte; a NUL follows it, so that
// the pointer is never nil.
func (p *parameters) text(s string) unsafe.Pointer {
	b := append([]byte(s), 0)
	p.pin.Pin(&b[0])
	return unsafe.Pointer(&b[0])
}

func (p *parameters) release() { p.pin.Unpin() }
