package player

import (
	"bufio"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
)

// indexed is one entry of certs/index.json. Absent instants and reasons are empty.
type indexed struct {
	Serial      uint64 `json:"serial,string"`
	Kind        string `json:"kind"`
	Subscriber  string `json:"subscriber"`
	Regime      string `json:"regime"`
	NotBefore   string `json:"not_before"`
	NotAfter    string `json:"not_after"`
	LastDay     string `json:"last_day"`
	Status      string `json:"status"`
	RevokedAt   string `json:"revoked_at"`
	SuspendedAt string `json:"suspended_at"`
	Reason      string `json:"reason"`
	Device      string `json:"device,omitempty"` // the smartphone that holds it
}

// Export writes what a story made into a folder: ca/*.pem, certs/<serial>.pem and certs/index.json,
// crl/<authority>.crl, card/<card>.json, mail/*.eml, events.jsonl and report.json. It replaces those of an earlier run.
func (w *World) Export(ctx context.Context, folder string, r *Report) error {
	for _, part := range []string{"ca", "certs", "crl", "card", "mail"} {
		if err := errors.Join(os.RemoveAll(filepath.Join(folder, part)), os.MkdirAll(filepath.Join(folder, part), 0o755)); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func(context.Context, string) error
	}{
		{"authorities", w.exportAuthorities},
		{"revocation lists", w.exportLists},
		{"cards", w.exportCards},
		{"mails", w.exportMails},
		{"certificates", w.exportCertificates},
		{"log", w.exportLog},
	} {
		if err := step.do(ctx, folder); err != nil {
			return fmt.Errorf("exporting the %s: %w", step.what, err)
		}
	}
	return writeJSON(filepath.Join(folder, "report.json"), r)
}

func writeJSON(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func writeCertificate(file string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func (w *World) exportAuthorities(_ context.Context, folder string) error {
	for _, g := range w.generations() {
		name := strings.ReplaceAll(g.String(), " ", "-") + ".pem"
		if err := writeCertificate(filepath.Join(folder, "ca", name), g.Certificate().Raw); err != nil {
			return err
		}
	}
	return nil
}

// exportLists copies the lists of every authority, and collects those of all juki authorities in juki.crl, lists in force
// first. It also appends them to sign.crl, because juki certificates are signature certificates.
func (w *World) exportLists(ctx context.Context, folder string) error {
	if err := w.publish(ctx); err != nil {
		return err
	}
	lists, err := readLists(filepath.Join(w.Hub.Data, "crl", "*.crl"))
	if err != nil {
		return err
	}
	files := make(map[string][]byte)
	for _, l := range lists {
		files[l.authority] = append(files[l.authority], l.text...)
	}
	slices.SortStableFunc(lists, func(a, b list) int { return b.nextUpdate.Compare(a.nextUpdate) })
	for _, l := range lists {
		if strings.HasPrefix(l.authority, story.JukiKind) {
			files[story.JukiKind] = append(files[story.JukiKind], l.text...)
			files[story.SignKind] = append(files[story.SignKind], l.text...)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, "crl", name+".crl"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// list is a revocation list in the hub's folder.
type list struct {
	authority  string
	text       []byte
	nextUpdate time.Time
}

func readLists(pattern string) ([]list, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var lists []list
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no revocation list in PEM", file)
		}
		parsed, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		lists = append(lists, list{strings.TrimSuffix(filepath.Base(file), ".crl"), text, parsed.NextUpdate})
	}
	return lists, nil
}

func (w *World) exportCards(_ context.Context, folder string) error {
	for id, at := range w.cards {
		if err := copySecret(w.desks[at].file(id), filepath.Join(folder, "card", id+".json")); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) exportMails(_ context.Context, folder string) error {
	files, err := filepath.Glob(filepath.Join(w.Hub.Data, "mail", "*.eml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := copySecret(file, filepath.Join(folder, "mail", filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

// copySecret copies a file that holds keys or names.
func copySecret(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return durable.WriteSecret(to, content)
}

// exportCertificates writes every certificate in the log, and an index with their status.
func (w *World) exportCertificates(ctx context.Context, folder string) error {
	index := []indexed{}
	histories, err := w.subscribers(ctx)
	if err != nil {
		return err
	}
	for subscriber, history := range histories {
		var commits []*events.Commit
		for _, r := range history {
			commits = append(commits, r.Commit)
		}
		file := dossier.Of(w.Hub.Vault, subscriber, history)
		for _, c := range story.Read(subscriber, commits).Certificates {
			index = append(index, indexedOf(c, subscriber))
			der, err := file.Certificate(c.Serial)
			if errors.Is(err, dossier.ErrNotFound) {
				continue // abandoned before it was signed
			}
			if err != nil {
				return err
			}
			if err := writeCertificate(filepath.Join(folder, "certs", fmt.Sprintf("%d.pem", c.Serial)), der); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(index, func(a, b indexed) int {
		return cmp.Or(strings.Compare(a.NotBefore, b.NotBefore), strings.Compare(a.Kind, b.Kind), cmp.Compare(a.Serial, b.Serial))
	})
	return writeJSON(filepath.Join(folder, "certs", "index.json"), index)
}

func indexedOf(c *story.Certificate, subscriber string) indexed {
	kind := c.Kind
	if kind == story.JukiKind {
		kind = story.SignKind // Regime tells them apart
	}
	return indexed{
		Serial: c.Serial, Kind: kind, Subscriber: subscriber, Regime: c.Regime, NotBefore: stamp(c.NotBefore), NotAfter: stamp(c.NotAfter),
		LastDay: c.LastDay, Status: c.Status, RevokedAt: stamp(c.RevokedAt), SuspendedAt: stamp(c.SuspendedAt), Reason: asn1Name(c.Reason),
		Device: c.Device,
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (w *World) subscribers(ctx context.Context) (map[string][]eventlog.Record, error) {
	all := make(map[string][]eventlog.Record)
	err := w.Hub.Log.Scan(ctx, nil, []string{events.KindSubscriber}, func(r eventlog.Record, err error) error {
		if err == nil {
			all[r.ID] = append(all[r.ID], r)
		}
		return err
	})
	return all, err
}

// exportLog writes the whole log as JSON, in order, one commit a line; sealed parts are shown as digests.
func (w *World) exportLog(ctx context.Context, folder string) error {
	file, err := os.Create(filepath.Join(folder, "events.jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	err = w.Hub.Log.Scan(ctx, nil, nil, func(r eventlog.Record, err error) error {
		if err != nil {
			return err
		}
		text, err := events.JSON(r.Stored)
		if err != nil {
			return err
		}
		_, err = out.Write(append(text, '\n'))
		return err
	})
	return errors.Join(err, out.Flush())
}

// asn1Name returns RFC 5280's name (section 5.3.1) for a reason of the log: keyCompromise for key-compromise.
func asn1Name(reason string) string {
	if reason == "ca-compromise" {
		return "cACompromise"
	}
	words := strings.Split(reason, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
