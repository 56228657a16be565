package hub

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shomei/pkg/ops"
	"shomei/pkg/secret"
)

// needles returns what of a data folder's secrets must not stand anywhere in the clear, by file.
func needles(t *testing.T, c Config) map[string][][]byte {
	t.Helper()
	p := newParts(c)
	check(t, p.unlock())
	paths, err := p.secretFiles()
	check(t, err)
	all := make(map[string][][]byte)
	for _, path := range paths {
		content, err := p.secrets.Read(path)
		check(t, err)
		name, err := filepath.Rel(c.Data, path)
		check(t, err)
		if len(content) == 32 {
			all[name] = append(all[name], content)
			continue
		}
		for line := range bytes.Lines(content) {
			line = bytes.TrimSpace(line)
			if words := bytes.Fields(line); len(words) > 1 {
				line = bytes.Trim(words[len(words)-1], "'\"") // of a key = value, or a version and a key
			}
			// A JWT is no secret without its seed.
			if len(line) >= 20 && line[0] != '-' && !bytes.HasPrefix(line, []byte("eyJ")) {
				all[name] = append(all[name], bytes.Clone(line))
			}
		}
	}
	return all
}

// standsClear lists where needles stand below folders.
func standsClear(t *testing.T, all map[string][][]byte, folders ...string) (found []string) {
	t.Helper()
	for _, folder := range folders {
		check(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			for name, lines := range all {
				for _, line := range lines {
					if bytes.Contains(text, line) {
						found = append(found, name+" in "+path)
					}
				}
			}
			return err
		}))
	}
	return found
}

// byCredential returns an unlock that is quick, by a file that the first sealing makes.
func byCredential(t *testing.T) Unlocking {
	t.Helper()
	return Unlocking{Unlock: secret.Credential, File: filepath.Join(t.TempDir(), "unlock")}
}

// TestACopyOfASealedFolderIsWorthNothing: a centre works on a sealed folder, and nowhere in it, nor in what is separated from
// it, does a seed, a master key or a private key stand in the clear.
func TestACopyOfASealedFolderIsWorthNothing(t *testing.T) {
	c := begun(t)
	by := byCredential(t)
	before := needles(t, c)
	for _, name := range []string{"keys/root.nk", "keys/master.key", "keys/cards.key", "keys/ca/sign-03.key", "keys/seal.key", "keys/tls.key", "keys/nats/operator.nk"} {
		if len(before[name]) == 0 || len(standsClear(t, map[string][][]byte{name: before[name]}, c.Data)) == 0 {
			t.Fatalf("%s is not found in the clear before sealing", name)
		}
	}
	count, err := Seal(t.Context(), c, by)
	if err != nil || count != len(before) {
		t.Fatalf("sealed %d of %d: %v", count, len(before), err)
	}
	refusesWithoutUnlock(t, c)
	c.Unlocking = by
	running := c
	running.Port = 0 // any
	h, err := Start(t.Context(), running, ByHand...)
	check(t, err)
	_, err = h.Source(t.Context(), "12237-main", "register")
	check(t, err)
	check(t, h.Close())
	after := needles(t, c)
	if len(after["counters/12237-main-register/counter.nk"]) == 0 {
		t.Error("the hub's own source has no key")
	}
	if found := standsClear(t, after, c.Data); len(found) > 0 {
		t.Errorf("in the clear: %q", found)
	}
	listed(t, c, len(after))
	refusesWhatIsPlain(t, c)

	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Tables: "127.0.0.1:8123", Settings: settings}
	separate(t, c, s)
	delete(after, "keys/tls-port.key") // the NATS server reads it
	for _, g := range programs {
		folder := filepath.Join(s.Out, g.name)
		if g.name == "operator" {
			folder = c.Data
		}
		own := c
		own.Data = folder
		if found := standsClear(t, needles(t, own), folder); len(found) > 0 {
			t.Errorf("%s: in the clear: %q", g.name, found)
		}
		p := newParts(own)
		p.program = programNamed(g.name)
		check(t, p.readKeys(t.Context()))
	}
	if found := standsClear(t, after, c.Data, s.Out); len(found) > 0 {
		t.Errorf("in the clear: %q", found)
	}
}

// listed compares the list of secrets, which tells none.
func listed(t *testing.T, c Config, count int) {
	t.Helper()
	list, err := Secrets(c)
	if err != nil || len(list) != count {
		t.Fatalf("%d secrets, want %d: %v", len(list), count, err)
	}
	for _, s := range list {
		if !s.Sealed || s.Use == "" || s.Since.IsZero() || strings.HasPrefix(s.Public, "S") && !strings.HasPrefix(s.Public, "SHA-256 ") {
			t.Errorf("listed as %+v", s)
		}
		half := s.Public != ""
		if none := strings.HasPrefix(s.File, "keys/master") || strings.HasPrefix(s.File, "keys/subscriber"); half == none {
			t.Errorf("%s has the public half %q", s.File, s.Public)
		}
	}
}

func refusesWithoutUnlock(t *testing.T, c Config) {
	t.Helper()
	other := byCredential(t)
	check(t, other.prepare())
	for want, keys := range map[error]Unlocking{secret.ErrLocked: {}, secret.ErrWrong: other, ops.ErrConfig: {Unlock: secret.Passphrase}} {
		c.Unlocking = keys
		if h, err := Start(t.Context(), c, ByHand...); !errors.Is(err, want) {
			t.Errorf("started with %+v: %v", keys, errors.Join(err, h.Close()))
		}
	}
}

// refusesWhatIsPlain tries what somebody may do to a sealed folder who can write there and unlock nothing.
func refusesWhatIsPlain(t *testing.T, c Config) {
	t.Helper()
	file := filepath.Join(c.Data, "keys", "seal.key")
	sealed, err := os.ReadFile(file)
	check(t, err)
	check(t, os.WriteFile(file, bytes.Repeat([]byte{1}, 32), 0o600))
	p := newParts(c)
	if err := p.openKeys(t.Context()); !errors.Is(err, secret.ErrPlain) {
		t.Errorf("a key in the clear: %v", err)
	}
	check(t, os.WriteFile(file, sealed, 0o600))
	lock := filepath.Join(c.Data, "keys", secret.LockFile)
	check(t, os.Rename(lock, lock+".away"))
	p = newParts(c)
	if err := p.openKeys(t.Context()); !errors.Is(err, secret.ErrPlain) {
		t.Errorf("without its lock: %v", err)
	}
	check(t, os.Rename(lock+".away", lock))
	inside := c
	inside.Unlocking.File = filepath.Join(c.Data, "passphrase")
	if _, err := Seal(t.Context(), c, inside.Unlocking); !errors.Is(err, ops.ErrConfig) {
		t.Errorf("sealed by what lies in the folder: %v", err)
	}
}
