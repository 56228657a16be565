package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
