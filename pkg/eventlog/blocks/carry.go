package blocks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shomei/pkg/durable"
)

// carryOut carries out a plan. It may be interrupted at any point: the next start finds what is left to do.
func (c Config) carryOut(p *plan) error {
	c.tell(p)
	if p.report.Withheld != "" {
		if err := c.withhold(p); err != nil {
			return err
		}
		return p.gaps.write(c.Gaps)
	}
	if p.changes() {
		if err := c.keepEvidence(p); err != nil {
			return err
		}
		if err := p.rewrite(); err != nil {
			return err
		}
	}
	if p.withheld {
		if err := c.release(p); err != nil {
			return err
		}
	}
	return p.gaps.write(c.Gaps)
}

func (c Config) tell(p *plan) {
	for _, f := range p.report.Findings {
		log := c.Logger.Error
		if f.Known {
			log = c.Logger.Warn
		}
		switch f.Outcome {
		case Mended, Spliced, Cut, Removed:
			log = c.Logger.Warn
		}
		log("damaged record in a stream", "stream", p.name, "block", f.Block, "offset", f.Offset, "bytes", f.Length, "sequence", f.Sequence,
			"why", f.Why, "outcome", string(f.Outcome), "from", f.From, "owners", strings.Join(f.Owners, " "))
	}
	if p.report.Withheld != "" {
		c.Logger.Error("a stream is withheld from the server: shomei log repair STREAM --copy FOLDER puts back what is lost",
			"stream", p.name, "why", p.report.Withheld)
	}
}

func (p *plan) changes() bool {
	for _, x := range p.fixes {
		if !x.stays {
			return true
		}
	}
	return false
}

// note is one line of evidence.
type note struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"`
	File   string    `json:"file,omitempty"`
	Finding
}

// keepEvidence copies aside what will be cut out, and syncs it before anything is changed.
func (c Config) keepEvidence(p *plan) error {
	now := time.Now()
	p.report.Evidence = filepath.Join(c.Evidence, stamp(now, p.name))
	if err := os.MkdirAll(p.report.Evidence, 0o700); err != nil {
		return fmt.Errorf("making the folder of evidence: %w", err)
	}
	for _, x := range p.fixes {
		if x.stays || len(x.bytes) == 0 {
			continue
		}
		if err := durable.WriteSecret(filepath.Join(p.report.Evidence, x.file()), x.bytes); err != nil {
			return fmt.Errorf("keeping evidence: %w", err)
		}
	}
	var lines []byte
	for _, f := range p.report.Findings {
		line, err := json.Marshal(note{Time: now.UTC(), Stream: p.name, File: fileName(f.Block, f.Offset), Finding: f})
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := durable.WriteSecret(filepath.Join(p.report.Evidence, "findings.jsonl"), lines); err != nil {
		return fmt.Errorf("keeping evidence: %w", err)
	}
	p.nameEvidence(filepath.Base(p.report.Evidence))
	return durable.SyncFolder(c.Evidence)
}

func fileName(block uint32, offset int) string {
	return fmt.Sprintf("block-%d-offset-%d", block, offset)
}

func (h hole) file() string { return fileName(h.block, h.from) }

// nameEvidence records in each new gap where its evidence is.
func (p *plan) nameEvidence(folder string) {
	for i := range p.gaps.Gaps {
		if g := &p.gaps.Gaps[i]; g.Evidence == "" {
			g.Evidence = folder
		}
	}
	for i := range p.fixes {
		x := &p.fixes[i]
		for j, r := range x.records {
			if gap, ok := gapOf(r); ok && r.form == erased && !x.stays {
				gap.Evidence = folder
				if filler, err := gap.filler(r.at); err == nil {
					x.records[j] = filler
				}
			}
		}
	}
}

// rewrite writes the fixes into their blocks. It removes the server's index first; the server makes another from the
// blocks.
func (p *plan) rewrite() error {
	folder := filepath.Join(p.folder, blocksFolder)
	if err := os.Remove(filepath.Join(folder, indexFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the index: %w", err)
	}
	for begin, end := 0, 0; begin < len(p.fixes); begin = end {
		block := p.fixes[begin].block
		for end = begin; end < len(p.fixes) && p.fixes[end].block == block; end++ {
		}
		b, err := os.ReadFile(p.blockPath(block))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading block %d: %w", block, err)
		}
		if err := durable.WriteSecret(p.blockPath(block), join(b, p.fixes[begin:end], checksums(p.name, block))); err != nil {
			return fmt.Errorf("writing block %d: %w", block, err)
		}
	}
	return durable.SyncFolder(folder)
}

// withhold moves the stream's folder out of the server's sight.
func (c Config) withhold(p *plan) error {
	if p.withheld {
		return nil
	}
	return move(p.folder, filepath.Join(c.Store, withheldFolder, p.account, streamsFolder, p.name))
}

// release moves it back.
func (c Config) release(p *plan) error {
	account := filepath.Join(c.Store, storeFolder, p.account)
	if _, err := os.Stat(account); errors.Is(err, fs.ErrNotExist) {
		if others, _ := filepath.Glob(filepath.Join(escape(c.Store), storeFolder, "*", streamsFolder)); len(others) == 1 {
			account = filepath.Dir(others[0]) // the account has been renamed since
		}
	}
	return move(p.folder, filepath.Join(account, streamsFolder, p.name))
}

func move(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("%s and %s are the same stream: move one of them away: %w", from, to, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return durable.Rename(from, to)
}
