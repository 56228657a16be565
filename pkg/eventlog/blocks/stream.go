package blocks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shomei/events"
)

// folders of JetStream's store.
const (
	storeFolder    = "jetstream"
	streamsFolder  = "streams"
	blocksFolder   = "msgs"
	withheldFolder = "withheld"
	indexFile      = "index.db"
	metaFile       = "meta.inf"
	blockSuffix    = ".blk"
)

// stream is the folder of one stream.
type stream struct {
	name, account, folder string
	// withheld: the folder is where the server does not look
	withheld bool
	// strict: nothing ever leaves the stream, so every sequence from 1 on must be there
	strict bool
	// mirrors names the stream that this one mirrors.
	mirrors string
}

// meta is the part of a stream's configuration that matters here.
type meta struct {
	Name        string        `json:"name"`
	Replicas    int           `json:"num_replicas"`
	Compression string        `json:"compression"`
	MaxAge      time.Duration `json:"max_age"`
	Mirror      *struct {
		Name string `json:"name"`
	} `json:"mirror"`
}

// streamsIn lists the streams of one server whose blocks are readable: one replica, neither compressed nor encrypted.
// withheld includes those set aside.
func streamsIn(store string) ([]stream, error) {
	var all []stream
	for _, place := range []string{storeFolder, withheldFolder} {
		folders, err := filepath.Glob(filepath.Join(escape(store), place, "*", streamsFolder, "*", blocksFolder))
		if err != nil {
			return nil, fmt.Errorf("listing the streams of %s: %w", store, err)
		}
		for _, folder := range folders {
			s, ok, err := openStream(filepath.Dir(folder))
			if err != nil {
				return nil, err
			}
			if s.withheld = place == withheldFolder; ok {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// escape keeps filepath.Glob from reading a folder's name as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func openStream(folder string) (s stream, ok bool, err error) {
	s = stream{name: filepath.Base(folder), account: filepath.Base(filepath.Dir(filepath.Dir(folder))), folder: folder}
	s.strict = strings.HasPrefix(s.name, events.StreamPrefix)
	text, err := os.ReadFile(filepath.Join(folder, metaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, true, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("reading the configuration of stream %s: %w", s.name, err)
	}
	var m meta
	if json.Unmarshal(text, &m) != nil {
		return s, true, nil // the server will report it
	}
	if m.Mirror != nil {
		s.mirrors = m.Mirror.Name
	}
	return s, m.Replicas <= 1 && (m.Compression == "" || m.Compression == "none"), nil
}

// blockNumbers returns the numbers of the stream's blocks in order.
func (s stream) blockNumbers() ([]uint32, error) {
	entries, err := os.ReadDir(filepath.Join(s.folder, blocksFolder))
	if err != nil {
		return nil, fmt.Errorf("listing the blocks of stream %s: %w", s.name, err)
	}
	var numbers []uint32
	for _, e := range entries {
		text, ok := strings.CutSuffix(e.Name(), blockSuffix)
		var n uint32
		if _, err := fmt.Sscanf(text, "%d", &n); ok && err == nil && fmt.Sprint(n) == text {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (s stream) blockPath(n uint32) string {
	return filepath.Join(s.folder, blocksFolder, fmt.Sprintf("%d%s", n, blockSuffix))
}

// Mark is the highest sequence seen in a stream, and the SHA-256 of its payload.
type Mark struct {
	Sequence uint64
	Hash     [32]byte
}
