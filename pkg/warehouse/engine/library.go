package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// LibraryEnv names the environment variable that holds the path of
// libchdb.so when it lies elsewhere than FindLibrary looks by itself.
const LibraryEnv = "SHOMEI_CHDB_LIB"

// ErrNoLibrary says that libchdb.so is absent or can't be loaded; a process
// that meets it exits with 78 (bad configuration).
var ErrNoLibrary = errors.New("the ClickHouse engine's library is missing")

const npmLibrary = "deploy/node/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"

// FindLibrary returns the path of libchdb.so: explicit if given, then
// SHOMEI_CHDB_LIB, then engine/libchdb.so beside the executable, then
// out/engine or the npm folder in the working directory or one above it.
// It fails with ErrNoLibrary and the places it looked at.
func FindLibrary(explicit string) (string, error) {
	places := libraryPlaces(explicit)
	for _, place := range places {
		if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
			return place, nil
		}
	}
	return "", fmt.Errorf("%w: looked at %q; run `make engine`, or set %s to the path of libchdb.so",
		ErrNoLibrary, places, LibraryEnv)
}

func libraryPlaces(explicit string) []string {
	if explicit != "" {
		return []string{explicit}
	}
	if env := os.Getenv(LibraryEnv); env != "" {
		return []string{env}
	}
	var places []string
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, "engine", "libchdb.so"), filepath.Join(dir, "..", "engine", "libchdb.so"))
	}
	dir, err := os.Getwd()
	for err == nil {
		places = append(places, filepath.Join(dir, "out", "engine", "libchdb.so"), filepath.Join(dir, npmLibrary))
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return places
}

// library is libchdb's C interface (chdb.h of chdb-core 26.7).
type library struct {
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

func loadLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("%w: loading %s: %v; run `make engine` again", ErrNoLibrary, path, err)
	}
	lib := new(library)
	for name, fn := range lib.symbols() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("%w: %s has no %s; `make engine` installs the version that has", ErrNoLibrary, path, name)
		}
		purego.RegisterFunc(fn, address)
	}
	return lib, nil
}

func (l *library) symbols() map[string]any {
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
func (l *library) bytesOf(result unsafe.Pointer) []byte {
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
