package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"shomei/pkg/durable"
)

// Gap is one sequence of a stream at which no message stands any more, and why.
type Gap struct {
	Sequence uint64 `json:"sequence"`
	// Owners are the subjects that the message may have belonged to; empty when none of ours is missing, as where
	// something was taken out that never was a commit.
	Owners []string `json:"owners,omitempty"`
	Why    string   `json:"why"`
	// Evidence is the folder, under that of all evidence, where what stood there is kept.
	Evidence string `json:"evidence,omitempty"`
}

// Gaps are what is known to be missing in a stream.
type Gaps struct {
	Stream string `json:"stream"`
	// Withheld says why the server is not given the stream; empty when it is.
	Withheld string `json:"withheld,omitempty"`
	Gaps     []Gap  `json:"gaps,omitempty"`
}

// At gives the gap at a sequence.
func (g Gaps) At(sequence uint64) (Gap, bool) {
	i, ok := slices.BinarySearchFunc(g.Gaps, sequence, func(gap Gap, sequence uint64) int {
		switch {
		case gap.Sequence < sequence:
			return -1
		case gap.Sequence > sequence:
			return 1
		}
		return 0
	})
	if !ok {
		return Gap{}, false
	}
	return g.Gaps[i], true
}

// fillerMark begins the bytes of a filler: an erased record that says what stood in its place. The server puts random
// bytes into those that it erases itself, and looks at none.
const fillerMark = "shomei gap\n"

// filler is the record that takes the place of one that is lost. The server counts its sequence as deleted.
func (g Gap) filler(at int64) (record, error) {
	text, err := json.Marshal(g)
	if err != nil {
		return record{}, fmt.Errorf("encoding the gap at sequence %d: %w", g.Sequence, err)
	}
	return record{form: erased, sequence: g.Sequence, at: at, payload: append([]byte(fillerMark), text...)}, nil
}

// gapOf reads a filler; false when an erased record is none.
func gapOf(r record) (g Gap, ok bool) {
	text, ok := bytes.CutPrefix(r.payload, []byte(fillerMark))
	if !ok || json.Unmarshal(text, &g) != nil || g.Sequence != r.sequence {
		return Gap{}, false
	}
	return g, true
}

// ErrGaps says that a file of gaps can't be believed.
var ErrGaps = errors.New("the file of known gaps is damaged")

func gapsPath(dir, stream string) string { return filepath.Join(dir, stream+".gaps") }

// ReadGaps reads what is known to be missing in a stream, as the last start of the server wrote it; nothing when there is
// no file. The error is ErrGaps when it was changed since.
func ReadGaps(dir, stream string) (Gaps, error) {
	path := gapsPath(dir, stream)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Gaps{Stream: stream}, nil
	}
	if err != nil {
		return Gaps{}, fmt.Errorf("reading the known gaps of stream %s: %w", stream, err)
	}
	body, sum, _ := bytes.Cut(text, []byte("\n"))
	want := sha256.Sum256(body)
	var g Gaps
	if hex.EncodeToString(want[:]) != string(bytes.TrimSpace(sum)) || json.Unmarshal(body, &g) != nil || g.Stream != stream {
		return Gaps{}, fmt.Errorf("%s: %w; start the hub again, it is made anew from the stream", path, ErrGaps)
	}
	return g, nil
}

// ReadAllGaps reads what is known to be missing in all streams of a folder, the streams without gaps left out.
func ReadAllGaps(dir string) ([]Gaps, error) {
	paths, err := filepath.Glob(filepath.Join(escape(dir), "*.gaps"))
	if err != nil {
		return nil, err
	}
	var all []Gaps
	for _, path := range paths {
		name := filepath.Base(path)
		g, err := ReadGaps(dir, name[:len(name)-len(".gaps")])
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

func (g Gaps) write(dir string) error {
	path := gapsPath(dir, g.Stream)
	if len(g.Gaps) == 0 && g.Withheld == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the known gaps of stream %s: %w", g.Stream, err)
		}
		return nil
	}
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of known gaps: %w", err)
	}
	if err := durable.WriteSecret(path, fmt.Appendf(body, "\n%x\n", sum)); err != nil {
		return fmt.Errorf("writing the known gaps of stream %s: %w", g.Stream, err)
	}
	return nil
}
