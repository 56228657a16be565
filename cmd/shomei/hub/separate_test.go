package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shomei/pkg/natstest"
)

// begun returns the data folder of a centre that has run in one process.
func begun(t *testing.T) Config {
	t.Helper()
	c := Config{Data: t.TempDir(), AnyClock: true, Logger: natstest.Quiet()}
	h, err := Start(t.Context(), c, ByHand...)
	check(t, err)
	_, err = h.TryOut(t.Context(), "12237-main", "12237-main-1")
	check(t, err)
	check(t, h.Close())
	return c
}

// files returns the contents of all files below a folder, by path in it.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		rest, _ := filepath.Rel(folder, path) // it is below
		all[rest] = string(text)
		return err
	})
	check(t, err)
	return all
}

// Each secret stands, after the separation, with the programs that need it and nowhere else, and only its owner reads it.
func TestSeparatingMovesEachSecretToWhoNeedsIt(t *testing.T) {
	c := begun(t)
	before := files(t, filepath.Join(c.Data, "keys"))
	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Host: "127.0.0.1", Port: 4222, Tables: "127.0.0.1:8123"}
	check(t, Separate(t.Context(), c, s))
	after := map[string]map[string]string{"operator": files(t, filepath.Join(c.Data, "keys")), "nats": files(t, filepath.Join(s.Out, "nats"))}
	for _, g := range programs {
		if g.name != "operator" {
			after[g.name] = files(t, filepath.Join(s.Out, g.name))
		}
	}
	want := map[string][]string{
		"hub.nk": {"dispatcher", "ra"}, "seal.key": {"ra"}, "subscriber-ids.key": {"ra"}, "cards.key": {"ra"}, "master.key": {"vault"},
		"root.nk": {"operator"}, "tls.key": {"operator"}, "tls-port.key": {"nats", "operator"},
		"writers/ra.nk": {"ra"}, "writers/cards.nk": {"ra"}, "writers/issuer.nk": {"issuer"}, "writers/dispatcher.nk": {"dispatcher"},
		"writers/expiry.nk": {"expiry"}, "writers/notifier.nk": {"notifier"}, "writers/eraser.nk": {"vault"}, "writers/operator.nk": {"operator"},
	}
	for name, secret := range before {
		switch {
		case strings.HasSuffix(name, ".pub"), strings.HasSuffix(name, ".pem"):
			continue // public
		case strings.HasPrefix(name, "ca/"):
			want[name] = []string{"issuer"}
		case strings.HasPrefix(name, "nats/"):
			want[name] = []string{"operator"}
		}
		var with []string
		for program, all := range after {
			for _, text := range all {
				if strings.Contains(text, strings.TrimSpace(secret)) && !slices.Contains(with, program) {
					with = append(with, program)
				}
			}
		}
		slices.Sort(with)
		if !slices.Equal(with, want[name]) {
			t.Errorf("%s is with %v, want %v", name, with, want[name])
		}
	}
	check(t, filepath.WalkDir(s.Out, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o022 != 0 || strings.HasSuffix(path, ".nk") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// What is separated is not run in one process any more, and a second separation changes nothing. One that was interrupted before
// anything was taken away can be begun anew, one after that is completed.
func TestASeparationIsDoneOnce(t *testing.T) {
	c := begun(t)
	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Host: "127.0.0.1", Port: 4222, Tables: "127.0.0.1:8123"}
	running, err := Start(t.Context(), c, ByHand...)
	check(t, err)
	if err := Separate(t.Context(), c, s); !errors.Is(err, ErrRuns) {
		t.Errorf("beside a running hub: %v", err)
	}
	check(t, running.Close())
	check(t, os.MkdirAll(s.Out, 0o700))
	if err := Separate(t.Context(), c, s); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("into a folder that is there: %v", err)
	}
	check(t, os.Remove(s.Out))
	if err := Separate(t.Context(), Config{Data: t.TempDir(), Logger: natstest.Quiet()}, s); !errors.Is(err, ErrNoData) {
		t.Errorf("without a centre: %v", err)
	}
	kept := filepath.Join(c.Data, "keys", "seal.key")
	secret, err := os.ReadFile(kept)
	check(t, err)
	check(t, Separate(t.Context(), c, s))
	separated := files(t, c.Data)
	delete(separated, "hub.lock")
	check(t, os.WriteFile(kept, secret, 0o600)) // as if it had been interrupted before this was taken away
	check(t, Separate(t.Context(), c, s))
	again := files(t, c.Data)
	delete(again, "hub.lock")
	for name := range again {
		if _, was := separated[name]; !was {
			t.Errorf("%s is there again", name)
		}
	}
	if len(again) != len(separated) {
		t.Errorf("%d files, before %d", len(again), len(separated))
	}
	if h, err := Start(t.Context(), c, ByHand...); !errors.Is(err, ErrSeparated) {
		t.Errorf("started in one process: %v", err)
		check(t, h.Close())
	}
	if p, err := AttachLog(t.Context(), c); !errors.Is(err, ErrSeparated) {
		t.Errorf("attached while no operator runs: %v", err)
		check(t, p.Close())
	}
}
