package vault_test

import (
	"os"
	"path/filepath"
	"testing"

	"shomei/pkg/vault"
)

// The mark comes back with an old copy of a single file, and outlives erasures, which write the files anew.
func TestAMarkLivesWithTheKeys(t *testing.T) {
	dir := t.TempDir()
	open := func() *vault.Vault {
		v, err := vault.Open(vault.Config{Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "master.key")})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	marks := func(v *vault.Vault) map[string]int {
		list, err := v.Marks(vault.ErasuresApplied)
		if err != nil {
			t.Fatal(err)
		}
		counted := make(map[string]int)
		for _, m := range list {
			counted[string(m)]++
		}
		return counted
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	v := open()
	if got := marks(v); got[""] != 16 {
		t.Errorf("marks of a new vault: %v", got)
	}
	must(v.SetMark(vault.ErasuresApplied, []byte("one")))
	if _, err := v.Seal("person", vault.Contact, vault.Binding{ID: "person", Revision: 1, Field: "contact"}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	must(v.Close())
	files, err := filepath.Glob(filepath.Join(dir, "vault", "keys-*.db"))
	must(err)
	copies := make(map[string][]byte)
	for _, file := range files[:3] {
		copies[file], err = os.ReadFile(file)
		must(err)
	}
	v = open()
	if status, err := v.Status(vault.Key{Person: "person", Class: vault.Contact, Version: 1}); err != nil || status != vault.Held {
		t.Errorf("before the erasure: %v, %v", status, err)
	}
	if status, err := v.Status(vault.Key{Person: "nobody", Class: vault.Contact, Version: 1}); err != nil || status == vault.Held {
		t.Errorf("somebody unknown: %v, %v", status, err)
	}
	must(v.SetMark(vault.ErasuresApplied, []byte("two")))
	must(v.Erase("person", vault.Contact))
	if status, err := v.Status(vault.Key{Person: "person", Class: vault.Contact, Version: 1}); err != nil || status == vault.Held {
		t.Errorf("after the erasure: %v, %v", status, err)
	}
	if status, err := v.Status(vault.Key{Person: "person", Class: vault.Identity, Version: 1}); err != nil || status != vault.Held {
		t.Errorf("another class: %v, %v", status, err)
	}
	if got := marks(v); got["two"] != 16 {
		t.Errorf("marks after an erasure: %v", got)
	}
	must(v.Close())
	for file, text := range copies {
		must(os.WriteFile(file, text, 0o600))
	}
	v = open()
	if got := marks(v); got["one"] != 3 || got["two"] != 13 {
		t.Errorf("marks after three old files were put back: %v", got)
	}
	must(v.Close())
}
