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

// Gap is a sequence of a stream whose message is gone, and why.
type Gap struct {
	Sequence uint64 `json:"sequence"`
	// Owners are the subjects that the message may have had; empty if nothing of ours is missing, because what was
	// removed never was a commit.
	Owners []string `json:"owners,omitempty"`
	Why    string   `json:"why"`
	// Evidence is the folder with what stood there, under that of all evidence.
	Evidence string `json:"evidence,omitempty"`
}

// Gaps lists what is known to be missing in a stream.
type Gaps struct {
	Stream string `json:"stream"`
	// Withheld says why the stream is withheld from the server; empty if it isn't.
	Withheld string `json:"withheld,omitempty"`
	Gaps     []Gap  `json:"gaps,omitempty"`
}

// At returns the gap at a sequence.
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

// fillerMark begins the bytes of a filler: an erased record that says what stood in its place. The server fills its own
// erased records with random bytes, and never reads them.
const fillerMark = "shomei gap\n"

// filler returns the record that replaces a lost one. The server counts its sequence as deleted.
func (g Gap) filler(at int64) (record, error) {
	text, err := json.Marshal(g)
	if err != nil {
		return record{}, fmt.Errorf("encoding the gap at sequence %d: %w", g.Sequence, err)
	}
	return record{form: erased, sequence: g.Sequence, at: at, payload: append([]byte(fillerMark), text...)}, nil
}

// gapOf decodes a filler. It returns false for any other erased record.
func gapOf(r record) (g Gap, ok bool) {
	text, ok := bytes.CutPrefix(r.payload, []byte(fillerMark))
	if !ok || json.Unmarshal(text, &g) != nil || g.Sequence != r.sequence {
		return Gap{}, false
	}
	return g, true
}

// ErrGaps: a file of known gaps is damaged.
var ErrGaps = errors.New("the file of known gaps is damaged")

func gapsPath(dir, stream string) string { return filepath.Join(dir, stream+".gaps") }

// ReadGaps reads the known gaps of a stream, as the server's last start wrote them; none if there is no file. The error
// is ErrGaps if the file was changed since.
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
		return Gaps{}, fmt.Errorf("%s: %w; restart the hub, which rebuilds it from the stream", path, ErrGaps)
	}
	return g, nil
}

// ReadAllGaps reads the known gaps of all streams in a folder, leaving out streams without any.
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
