package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/order"
)

// gapsOf returns what is known to be missing in a stream of the log.
func (p *Parts) gapsOf(ctx context.Context, stream string) (blocks.Gaps, error) {
	if p.asks && p.Data == "" {
		return ask[blocks.Gaps](ctx, p, gapsSubject, stream)
	}
	if !events.ValidID(stream) {
		return blocks.Gaps{}, refuse("%.40q is no stream", stream)
	}
	return blocks.ReadGaps(p.path("marks"), stream)
}

// lostAt names a lost commit.
type lostAt struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Evidence string `json:"evidence"`
}

// remains are what is left of a lost commit.
type remains struct {
	Size   uint64 `json:"size"`
	SHA256 []byte `json:"sha256,omitempty"`
	Bytes  []byte `json:"bytes,omitempty"`
}

// mostRemains bounds the unreadable bytes that a tombstone holds; of more it has the size and the hash.
const mostRemains = 64 << 10

// remainsOf returns what the evidence keeps of a lost commit; nothing if there is no evidence of it.
func (p *Parts) remainsOf(ctx context.Context, at lostAt) (remains, error) {
	if p.asks && p.Data == "" {
		return ask[remains](ctx, p, remainsSubject, at)
	}
	if at.Evidence == "" || at.Evidence != filepath.Base(at.Evidence) || at.Evidence == ".." {
		return remains{}, nil
	}
	findings, err := os.ReadFile(p.path("evidence", at.Evidence, "findings.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return remains{}, nil
	}
	if err != nil {
		return remains{}, err
	}
	for line := range bytes.Lines(findings) {
		var found struct {
			Stream, File string
			Sequence     uint64
		}
		if json.Unmarshal(line, &found) != nil || found.Stream != at.Stream || found.Sequence != at.Sequence || found.File != filepath.Base(found.File) {
			continue
		}
		text, err := os.ReadFile(p.path("evidence", at.Evidence, found.File))
		if errors.Is(err, fs.ErrNotExist) {
			return remains{}, nil
		}
		left := remains{Size: uint64(len(text)), SHA256: events.Hash(text)}
		if len(text) <= mostRemains {
			left.Bytes = text
		}
		return left, err
	}
	return remains{}, nil
}

// AskClosing asks for the history of an aggregate to be closed that lost commits which no copy holds.
func (o Operator) AskClosing(ctx context.Context, kind, id, why string) (order.Order, error) {
	if err := o.withCredentialsOnly(); err != nil {
		return order.Order{}, err
	}
	key := kind + "/" + id
	closed, done := o.hub.Directory.Closed()[key]
	closing, room, since := &events.AggregateClosed{}, mostRemains, !done
	for _, p := range o.hub.Log.Parked() {
		if p.Kind != kind || p.ID != id {
			continue
		}
		since = since || !closed.Names(p.Stream, p.Sequence)
		left, err := o.hub.remainsOf(ctx, lostAt{p.Stream, p.Sequence, p.Evidence})
		if err != nil {
			return order.Order{}, fmt.Errorf("what is left of %s: %w", key, err)
		}
		if room -= len(left.Bytes); room < 0 {
			left.Bytes = nil
		}
		closing.Lost = append(closing.Lost, &events.LostCommit{
			Stream: p.Stream, Sequence: p.Sequence, Why: p.Why, Evidence: p.Evidence, Size: left.Size, Sha256: left.SHA256, Remains: left.Bytes,
		})
	}
	if !since {
		return order.Order{}, refuse("%s is closed already, by order %s", key, order.Order{History: closed.History, Revision: closed.Revision}.Number())
	}
	if len(closing.Lost) == 0 {
		return order.Order{}, refuse("no commit of %s is lost: only what is parked is closed, and /healthz and shomei fsck name it", key)
	}
	return o.ask(ctx, &events.OrderAsked{Act: string(order.Closing), Target: key, What: &events.OrderAsked_Closing{Closing: closing}}, "--why", why)
}
