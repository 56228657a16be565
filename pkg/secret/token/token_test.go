//go:build cgo

package token_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shomei/pkg/secret"
	"shomei/pkg/secret/token"
)

// module is SoftHSM2's library (Debian: softhsm2).
const module = "/usr/lib/softhsm/libsofthsm2.so"

// softHSM makes a token in a folder of the test's own.
func softHSM(t *testing.T) token.Config {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir)
	file := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", file)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "shomei", "--so-pin", "87654321", "--pin", "12345678").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
	return token.Config{Module: module, Token: "shomei", Key: "unlock", PIN: "12345678"}
}

func TestATokenUnlocksAFolder(t *testing.T) {
	c := softHSM(t)
	if _, err := token.Open(c); !errors.Is(err, secret.ErrWrong) {
		t.Errorf("a token without the key: %v", err)
	}
	if made, err := token.Make(c); err != nil || !made {
		t.Fatalf("making the key: %v %v", made, err)
	}
	if made, err := token.Make(c); err != nil || made {
		t.Fatalf("making it again: %v %v", made, err)
	}
	u, err := token.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "root.nk")
	s, err := secret.Begin(dir, u)
	if err == nil {
		err = s.Write(path, []byte("seed"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := secret.KindOf(dir); kind != secret.Token {
		t.Errorf("unlocked by %q, %v", kind, err)
	}
	again, err := token.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = secret.Open(dir, again); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(path); err != nil || string(got) != "seed" {
		t.Errorf("%q, %v", got, err)
	}
	others(t, c, dir)
}

// others tries what must not unlock the folder.
func others(t *testing.T, c token.Config, dir string) {
	t.Helper()
	other := c
	other.Key = "other"
	if _, err := token.Make(other); err != nil {
		t.Fatal(err)
	}
	u, err := token.Open(other)
	if err == nil {
		_, err = secret.Open(dir, u)
	}
	if !errors.Is(err, secret.ErrWrong) {
		t.Errorf("another key of the token: %v", err)
	}
	wrong := c
	wrong.PIN = "00000000"
	if _, err := token.Open(wrong); !errors.Is(err, secret.ErrWrong) || strings.Contains(err.Error(), wrong.PIN) {
		t.Errorf("a wrong PIN: %v", err)
	}
	for _, c := range []token.Config{{Module: "/none.so", Token: c.Token, Key: c.Key, PIN: c.PIN}, {Module: module, Token: "none", Key: c.Key, PIN: c.PIN}} {
		if _, err := token.Open(c); err == nil {
			t.Errorf("%s, token %s was opened", c.Module, c.Token)
		}
	}
}
