package vault_test

import (
	"errors"
	"path/filepath"
	"testing"

	"shomei/pkg/vault"
)

// Whoever comes back after an erasure gets a new key, and what was erased stays so, also when it is ordered again.
func TestWhoComesBackGetsANewKey(t *testing.T) {
	dir := t.TempDir()
	v, err := vault.Open(vault.Config{Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "master.key")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	place := vault.Binding{ID: "person", Revision: 1, Field: "identity"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(v.Renew("person", vault.Identity))
	if status, err := v.Status(vault.Key{Person: "person", Class: vault.Identity, Version: 1}); err != nil || status == vault.Held {
		t.Fatalf("renewed before there was one: %v, %v", status, err)
	}
	first, err := v.Seal("person", vault.Identity, place, []byte("first"))
	must(err)
	must(v.Renew("person", vault.Identity))
	if again, err := v.Seal("person", vault.Identity, place, []byte("again")); err != nil || again.KeyVersion != 1 {
		t.Fatalf("renewed although there is one: %v, %v", again, err)
	}
	must(v.Erase("person", vault.Identity))
	if _, err := v.Seal("person", vault.Identity, place, []byte("x")); !errors.Is(err, vault.ErrErased) {
		t.Fatalf("sealed after the erasure: %v", err)
	}
	for range 2 {
		must(v.Renew("person", vault.Identity))
	}
	second, err := v.Seal("person", vault.Identity, place, []byte("second"))
	must(err)
	if text, err := v.Open("person", place, second); err != nil || string(text) != "second" || second.KeyVersion != 2 {
		t.Errorf("version %d: %q, %v", second.KeyVersion, text, err)
	}
	// The first order is applied once more, as after a restore; the new key is none of its business.
	must(v.EraseAll([]vault.Erasure{{Person: "person", Class: vault.Identity, Version: 1}}))
	if _, err := v.Open("person", place, first); !errors.Is(err, vault.ErrErased) {
		t.Errorf("what was erased: %v", err)
	}
	if _, err := v.Open("person", place, second); err != nil {
		t.Errorf("what was sealed after it: %v", err)
	}
	must(v.EraseAll([]vault.Erasure{{Person: "person", Class: vault.Identity, Version: 2}}))
	if _, err := v.Open("person", place, second); !errors.Is(err, vault.ErrErased) {
		t.Errorf("after the second erasure: %v", err)
	}
	if _, err := v.Seal("person", vault.Identity, place, []byte("x")); !errors.Is(err, vault.ErrErased) {
		t.Errorf("sealed after the second erasure: %v", err)
	}
	forged := second
	forged.KeyVersion = 0
	if _, err := v.Open("person", place, forged); err == nil {
		t.Error("there is a key of version 0")
	}
}
