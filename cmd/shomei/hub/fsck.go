package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"shomei/pkg/directory"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/published"
	"shomei/services/fsck"
)

// Fsck checks the log, the tables and the revocation lists of a started or attached hub against each other. progress,
// if set, is called with the number of commits checked so far.
func (p *Parts) Fsck(ctx context.Context, progress func(commits uint64)) (*fsck.Report, error) {
	lists := p.path("crl")
	if p.Separated() {
		lists = p.path("published")
		if err := p.fetchLists(ctx, lists); err != nil {
			return nil, fmt.Errorf("fetching the revocation lists: %w", err)
		}
	}
	c := fsck.Config{
		Log: p.Log, Warehouse: p.Warehouse, Lists: lists, Now: p.judgingTime(ctx), Keys: p.AskVault, Progress: progress,
	}
	if c.Keys == nil && p.Vault != nil {
		c.Keys = p.KeyStatuses
	}
	if p.Projector != nil && p.Projector.Applied() != nil { // this process keeps the tables up to date
		c.CaughtUp = p.Projector.CaughtUp
	}
	report, err := fsck.Run(ctx, c)
	if err == nil {
		report.Findings = append(p.mended(), report.Findings...)
	}
	return report, err
}

// fetchLists writes what the issuer, a program of its own, has published last into a folder, in the form of its own: the lists
// of an authority's keys in force, which have one number, the newest key first.
func (p *Parts) fetchLists(ctx context.Context, folder string) error {
	bucket, err := published.Open(p.conn, "")
	if err != nil {
		return err
	}
	files, newest := make(map[string][]byte), make(map[string]*big.Int)
	for _, g := range slices.Backward(p.Directory.Generations()) {
		file, err := bucket.Get(ctx, g.ListFile(), "")
		if errors.Is(err, published.ErrNone) {
			continue // what should be there, fsck itself knows
		}
		if err != nil {
			return err
		}
		list, err := x509.ParseRevocationList(file.Bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", g.ListFile(), err)
		}
		id := directory.AuthorityID(g.Kind, g.Prefecture.Code)
		if newest[id] == nil {
			newest[id] = list.Number
		}
		if list.Number.Cmp(newest[id]) == 0 {
			files[id] = append(files[id], pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: file.Bytes})...)
		}
	}
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700)); err != nil {
		return err
	}
	for id, text := range files {
		if err := durable.WriteFile(filepath.Join(folder, id+".crl"), text); err != nil {
			return err
		}
	}
	return nil
}

// mended returns the damage on disk that this program repaired when it opened the streams.
func (p *Parts) mended() (findings []fsck.Finding) {
	if p.server == nil {
		return nil
	}
	for _, r := range p.server.Mended() {
		for _, f := range r.Findings {
			if f.Outcome == blocks.Mended || f.Outcome == blocks.Spliced || f.Outcome == blocks.Removed {
				findings = append(findings, fsck.Finding{
					Where: fmt.Sprintf("%s sequence %d", r.Stream, f.Sequence),
					What:  fmt.Sprintf("%s; it is put right (%s)", f.Why, f.Outcome),
					Next:  "look at the disk; what was cut out is kept as evidence in " + r.Evidence,
				})
			}
		}
	}
	return findings
}

// judgingTime returns the clock's time, or zero for a simulated log opened without its clock.
func (p *Parts) judgingTime(ctx context.Context) time.Time {
	if p.Clock.Simulated() {
		return p.Clock.Now()
	}
	state, err := p.logState(ctx)
	if err != nil || state.Simulated {
		return time.Time{} // the check itself reports what is wrong with the log
	}
	return p.Clock.Now()
}
