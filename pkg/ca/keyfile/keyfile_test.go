package keyfile

import (
	"crypto/rsa"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"shomei/pkg/ca"
)

func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sign-03.pem")
	if _, err := Open(nil, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what is not there: %v", err)
	}
	keys := make([]*rsa.PrivateKey, 4)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			signer, err := OpenOrCreate(nil, path)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = signer.(*rsa.PrivateKey)
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key == nil || !key.Equal(keys[0]) || ca.CheckKey(ca.Sign, &key.PublicKey) != nil {
			t.Fatal("those who began at once did not get one good key")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestKeyFileRefuses(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile("../testdata/authority.pem")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		content []byte
		mode    fs.FileMode
	}{
		{"readable-by-others", good, 0o640},
		{"empty", nil, 0o600},
		{"truncated", good[:300], 0o600},
		{"no-pem", []byte("key"), 0o600},
	}
	for _, test := range tests {
		path := filepath.Join(dir, test.name)
		if err := os.WriteFile(path, test.content, test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenOrCreate(nil, path); err == nil {
			t.Errorf("%s is taken", test.name)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(test.content) {
			t.Errorf("%s was changed", test.name)
		}
	}
	if _, err := OpenOrCreate(nil, filepath.Join(dir, "no", "folder")); err == nil {
		t.Error("a key in a folder that is not there")
	}
}
