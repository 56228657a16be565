package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// TestAVaultThatIsGoneIsNotMadeAnew: neither the whole of it nor a part.
func TestAVaultThatIsGoneIsNotMadeAnew(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, cfg Config){
		"the folder": func(t *testing.T, cfg Config) { check(t, os.RemoveAll(cfg.Dir)) },
		"every file": func(t *testing.T, cfg Config) { check(t, errors.Join(os.RemoveAll(cfg.Dir), os.Mkdir(cfg.Dir, 0o700))) },
		"one file":   func(t *testing.T, cfg Config) { check(t, os.Remove(shardPath(cfg.Dir, 5))) },
		"folder and master key": func(t *testing.T, cfg Config) {
			check(t, errors.Join(os.RemoveAll(cfg.Dir), os.Remove(cfg.MasterKey)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			v := mustOpen(t, cfg)
			mustSeal(t, v, person, Identity, here, "x")
			cfg.Existing, cfg.Identity = true, v.Identity()
			mustClose(t, v)
			lose(t, cfg)
			for range 2 { // the first refusal leaves nothing behind that the second would take for a vault
				if _, err := Open(cfg); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "newest copy") {
					t.Fatalf("opened: %v", err)
				}
			}
		})
	}
}

// TestAPartOfAVaultIsNoNewOne: also where nobody says that there must be one, a file that is missing beside others that hold
// keys is not made; only a making that was interrupted goes on.
func TestAPartOfAVaultIsNoNewOne(t *testing.T) {
	cfg := testConfig(t)
	mustClose(t, mustOpen(t, cfg))
	check(t, errors.Join(os.Remove(shardPath(cfg.Dir, 0)), os.Remove(shardPath(cfg.Dir, 15))))
	v := mustOpen(t, cfg)
	mustSeal(t, v, person, Identity, here, "x")
	holder := v.shardOf(person)
	mustClose(t, v)
	for i := range shards {
		if path := shardPath(cfg.Dir, i); path != holder.path {
			check(t, os.Remove(path))
		}
	}
	if _, err := Open(cfg); !errors.Is(err, ErrGone) {
		t.Errorf("one of sixteen files: %v", err)
	}
}

// TestAnothersVaultIsRefused: whole, or one file of it, under the same master key.
func TestAnothersVaultIsRefused(t *testing.T) {
	cfg, other := testConfig(t), testConfig(t)
	v := mustOpen(t, cfg)
	mustSeal(t, v, person, Identity, here, "x")
	cfg.Existing, cfg.Identity = true, v.Identity()
	mustClose(t, v)
	other.MasterKey = cfg.MasterKey
	check(t, os.MkdirAll(other.Dir, 0o700))
	second := mustOpen(t, other)
	if second.Identity() == cfg.Identity || second.Identity() == "" {
		t.Fatalf("two vaults are both %q", second.Identity())
	}
	mustClose(t, second)
	other.Existing, other.Identity = true, cfg.Identity
	if _, err := Open(other); !errors.Is(err, ErrOtherVault) {
		t.Errorf("another vault: %v", err)
	}
	content, err := os.ReadFile(shardPath(other.Dir, 3))
	check(t, err)
	check(t, os.WriteFile(shardPath(cfg.Dir, 3), content, 0o600))
	if _, err := Open(cfg); !errors.Is(err, ErrOtherVault) || !strings.Contains(err.Error(), "keys-03.db") {
		t.Errorf("one file of another vault: %v", err)
	}
}

// TestAVaultOfBeforeGetsAnIdentity: files of an earlier version have none; an interrupted writing of it is finished.
func TestAVaultOfBeforeGetsAnIdentity(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	sealed := mustSeal(t, v, person, Identity, here, "x")
	for _, s := range v.shards[1:] {
		check(t, s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(identityEntry) }))
	}
	identity := v.Identity()
	mustClose(t, v)
	cfg.Existing = true
	v = mustOpen(t, cfg)
	if plain, err := v.Open(person, here, sealed); v.Identity() != identity || err != nil || string(plain) != "x" {
		t.Errorf("identity %q, want %q; %v", v.Identity(), identity, err)
	}
	mustClose(t, v)
}

// TestAMissingKeyIsNotMadeAnew: once noted, nothing is sealed or opened under it, in this process and the next, and a rewrap
// leaves the note; an erasure ends it.
func TestAMissingKeyIsNotMadeAnew(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	key := Key{person, Identity, 1}
	noted := func(v *Vault) int {
		n, err := v.NotedMissing()
		check(t, err)
		return n
	}
	if s, err := v.Status(key); s != Missing || err != nil {
		t.Fatalf("%v, %v", s, err)
	}
	check(t, v.NoteMissing([]Key{key, key}))
	check(t, v.Rewrap())
	for range 2 {
		if _, err := v.Seal(person, Identity, here, nil); !errors.Is(err, ErrMissing) {
			t.Errorf("sealed: %v", err)
		}
		if _, err := v.Seal(person, Contact, here, nil); err != nil {
			t.Errorf("another class: %v", err)
		}
		check(t, v.Renew(person, Identity))
		if s, err := v.Status(key); s != Missing || err != nil || noted(v) != 1 {
			t.Errorf("%v, %d noted, %v", s, noted(v), err)
		}
		mustClose(t, v)
		v = mustOpen(t, cfg)
	}
	check(t, v.Erase(person, Identity))
	if s, err := v.Status(key); s != Erased || err != nil || noted(v) != 0 {
		t.Errorf("after the erasure: %v, %d noted, %v", s, noted(v), err)
	}
	mustClose(t, v)
	if left, _ := filepath.Glob(filepath.Join(cfg.Dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
