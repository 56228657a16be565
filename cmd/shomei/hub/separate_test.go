package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// begun returns the data folder of a centre that has run in one process.
func begun(t *testing.T) Config {
	t.Helper()
	c := Config{Data: t.TempDir(), Port: 4222, AnyClock: true, Logger: natstest.Quiet()}
	port := c.Port
	c.Port = 0
	h, err := Start(t.Context(), c, ByHand...)
	check(t, err)
	_, err = h.TryOut(t.Context(), "12237-main", "12237-main-1")
	check(t, err)
	check(t, h.Close())
	c.Port = port
	return c
}

func settings(program, data, server string) ([]byte, error) {
	return fmt.Appendf(nil, "# %s\n[hub]\ndata = %q\n[nats]\nservers = [%q]\n", program, data, server), nil
}

func separate(t *testing.T, c Config, s Separation) {
	t.Helper()
	made, err := Separate(t.Context(), c, s)
	if err != nil || !made {
		t.Fatalf("separated: %v, %v", made, err)
	}
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
	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Tables: "127.0.0.1:8123", Settings: settings}
	separate(t, c, s)
	after := map[string]map[string]string{"operator": files(t, filepath.Join(c.Data, "keys")), "nats": files(t, filepath.Join(s.Out, "nats"))}
	for _, g := range programs {
		if g.name != "operator" {
			after[g.name] = files(t, filepath.Join(s.Out, g.name))
		}
	}
	want := map[string][]string{
		"hub.nk": {"dispatcher", "ra"}, "seal.key": {"ra"}, "subscriber-ids.key": {"ra", "register"}, "register.nk": {"register"}, "register-seal.key": {"register"},
		"cards.key": {"ra"}, "master.key": {"vault"}, "vault.key": {"vault"},
		"root.nk": {"operator"}, "tls.key": {"operator"}, "tls-port.key": {"nats", "operator"},
		"writers/ra.nk": {"ra"}, "writers/cards.nk": {"ra"}, "writers/issuer.nk": {"issuer"}, "writers/dispatcher.nk": {"dispatcher"},
		"writers/expiry.nk": {"expiry"}, "writers/notifier.nk": {"notifier"}, "writers/eraser.nk": {"vault"}, "writers/operator.nk": {"operator"},
		"writers/console.nk": {"console"},
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
	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Tables: "127.0.0.1:8123", Settings: settings}
	running, err := Start(t.Context(), c, ByHand...)
	check(t, err)
	if _, err := Separate(t.Context(), c, s); !errors.Is(err, ErrRuns) {
		t.Errorf("beside a running hub: %v", err)
	}
	check(t, running.Close())
	check(t, os.MkdirAll(s.Out, 0o700))
	if _, err := Separate(t.Context(), c, s); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("into a folder that is there: %v", err)
	}
	check(t, os.Remove(s.Out))
	if _, err := Separate(t.Context(), Config{Data: t.TempDir(), Logger: natstest.Quiet()}, s); !errors.Is(err, ErrNoData) {
		t.Errorf("without a centre: %v", err)
	}
	other := c
	other.Streams = 4
	if _, err := Separate(t.Context(), other, s); !errors.Is(err, eventlog.ErrLayout) {
		t.Errorf("with another number of streams: %v", err)
	}
	kept := filepath.Join(c.Data, "keys", "seal.key")
	secret, err := os.ReadFile(kept)
	check(t, err)
	separate(t, c, s)
	separated := files(t, c.Data)
	delete(separated, "hub.lock")
	check(t, os.WriteFile(kept, secret, 0o600)) // as if it had been interrupted before this was taken away
	if made, err := Separate(t.Context(), c, s); err != nil || made {
		t.Errorf("separated again: %v, %v", made, err)
	}
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
	check(t, os.WriteFile(kept, secret, 0o600))
	check(t, os.Rename(s.Out, s.Out+".away"))
	if _, err := Separate(t.Context(), c, s); err == nil {
		t.Error("what has no other place was to be taken away")
	}
	if now, err := os.ReadFile(kept); err != nil || string(now) != string(secret) {
		t.Errorf("a key is lost: %v", err)
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
