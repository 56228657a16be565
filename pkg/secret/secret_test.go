package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shomei/pkg/crashpoint"
)

// childVariable names the folder in which this test binary plays the process that seals and gets killed.
const childVariable = "SHOMEI_SECRET_TEST_CHILD"

const credential = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

func TestMain(m *testing.M) {
	if order := os.Getenv(childVariable); order != "" {
		do := sealAll
		dir, unseals := strings.CutPrefix(order, "unseal ")
		if unseals {
			do = unsealAll
		}
		if err := do(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var names = []string{"root.nk", "master.key", "writers.nk"}

// folder returns a folder of keys in the clear; each file holds "secret " and its name.
func folder(t *testing.T) (dir string, files []string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		files = append(files, filepath.Join(dir, name))
		if err := (*Store)(nil).Write(files[len(files)-1], []byte("secret "+name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, files
}

func paths(dir string) (files []string) {
	for _, name := range names {
		files = append(files, filepath.Join(dir, name))
	}
	return files
}

// sealAll seals a folder, or seals it anew.
func sealAll(dir string) error {
	u, err := fixed()
	if err != nil {
		return err
	}
	var s *Store
	if kind, err := KindOf(dir); err != nil {
		return err
	} else if kind != Clear {
		if s, err = Open(dir, u); err != nil {
			return err
		}
	}
	_, err = s.Seal(dir, paths(dir), u)
	return err
}

func unsealAll(dir string) error {
	u, err := fixed()
	if err != nil {
		return err
	}
	s, err := Open(dir, u)
	if err != nil {
		return err
	}
	return s.Unseal(dir, paths(dir), u)
}

func fixed() (Unlock, error) { return WithCredential(credential) }

// clearText lists the files below a folder in which a text stands.
func clearText(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if bytes.Contains(must(os.ReadFile(path))(t), []byte(text)) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func opens(t *testing.T, s *Store, dir string) {
	t.Helper()
	for _, path := range paths(dir) {
		if got, err := s.Read(path); err != nil || string(got) != "secret "+filepath.Base(path) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestASealedFolderOpensByItsUnlockAlone(t *testing.T) {
	dir, files := folder(t)
	phrase := must(WithPassphrase("correct horse battery"))(t)
	sealed := must((*Store)(nil).Seal(dir, files, phrase))(t)
	opens(t, sealed, dir)
	if found := clearText(t, dir, "secret "); len(found) > 0 {
		t.Errorf("in the clear after sealing: %v", found)
	}
	if kind := must(KindOf(dir))(t); kind != Passphrase {
		t.Errorf("unlocked by %q", kind)
	}
	opens(t, must(Open(dir, phrase))(t), dir)
	if _, err := Open(dir, must(WithPassphrase("wrong horse battery"))(t)); !errors.Is(err, ErrWrong) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if _, err := (*Store)(nil).Read(files[0]); !errors.Is(err, ErrLocked) {
		t.Errorf("read without the unlock: %v", err)
	}
}

// TestAnUnlockIsChanged: everything is sealed under another identity, so that the former unlock opens nothing.
func TestAnUnlockIsChanged(t *testing.T) {
	dir, files := folder(t)
	first, second := must(fixed())(t), must(WithCredential(string(must(NewCredential())(t))))(t)
	before := must((*Store)(nil).Seal(dir, files, first))(t)
	after := must(before.Seal(dir, files, second))(t)
	opens(t, after, dir)
	if _, err := Open(dir, first); !errors.Is(err, ErrWrong) {
		t.Errorf("the former unlock: %v", err)
	}
	if _, err := before.Read(files[0]); !errors.Is(err, ErrWrong) {
		t.Errorf("what the former unlock opened opens this: %v", err)
	}
	if err := after.Unseal(dir, files, second); err != nil {
		t.Fatal(err)
	}
	opens(t, nil, dir)
	if kind := must(KindOf(dir))(t); kind != Clear {
		t.Errorf("unlocked by %q after unsealing", kind)
	}
}

func TestAFileInTheClearIsRefusedInASealedFolder(t *testing.T) {
	dir, files := folder(t)
	s := must((*Store)(nil).Seal(dir, files, must(fixed())(t)))(t)
	if err := os.WriteFile(files[0], []byte("secret of a thief"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(files[0]); !errors.Is(err, ErrPlain) {
		t.Errorf("%q, %v", got, err)
	}
	other, others := folder(t)
	must((*Store)(nil).Seal(other, others, must(fixed())(t)))(t)
	text := must(os.ReadFile(others[0]))(t)
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(files[0]); !errors.Is(err, ErrWrong) {
		t.Errorf("a file of another folder: %q, %v", got, err)
	}
}

func TestWhatUnlocksNothingIsRefused(t *testing.T) {
	if _, err := WithPassphrase("short"); !errors.Is(err, ErrWrong) {
		t.Errorf("a short passphrase: %v", err)
	}
	for _, text := range []string{"", "AGE-SECRET-KEY-1SECRET", credential + "\n" + credential, "secret"} {
		_, err := WithCredential(text)
		if !errors.Is(err, ErrWrong) || strings.Contains(err.Error(), "SECRET-KEY-1SECRET") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	dir, _ := folder(t)
	if err := os.WriteFile(filepath.Join(dir, LockFile), []byte("age"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kind, err := KindOf(dir); err == nil {
		t.Errorf("a damaged lock passes for %q", kind)
	}
}

func TestASealingThatWasKilledIsFinished(t *testing.T) {
	for _, point := range crashpoint.List() {
		for visit := 1; visit <= 2; visit++ {
			for _, from := range []Kind{Clear, Credential}[:visit] {
				t.Run(fmt.Sprintf("%s:%d from %q", point, visit, from), func(t *testing.T) {
					dir, files := folder(t)
					u := must(fixed())(t)
					if from == Credential {
						must((*Store)(nil).Seal(dir, files, u))(t)
					}
					killed(t, dir, fmt.Sprintf("%s:%d", point, visit))
					opens(t, must(Open(dir, u))(t), dir)
					if err := sealAll(dir); err != nil {
						t.Fatal(err)
					}
					s := must(Open(dir, u))(t)
					opens(t, s, dir)
					if s.Crossing() {
						t.Error("the folder is still on its way")
					}
					if found := clearText(t, dir, "secret "); len(found) > 0 {
						t.Errorf("in the clear after sealing: %v", found)
					}
				})
			}
		}
	}
}

func TestAnUnsealingThatWasKilledIsFinished(t *testing.T) {
	for _, point := range crashpoint.List() {
		t.Run(point, func(t *testing.T) {
			dir, files := folder(t)
			u := must(fixed())(t)
			must((*Store)(nil).Seal(dir, files, u))(t)
			killed(t, "unseal "+dir, point)
			opens(t, must(Open(dir, u))(t), dir)
			if err := unsealAll(dir); err != nil {
				t.Fatal(err)
			}
			opens(t, nil, dir)
			if left := must(os.ReadDir(dir))(t); len(left) != len(names) {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// killed has a process seal or unseal a folder that dies at a point.
func killed(t *testing.T, order, at string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+order, crashpoint.Variable+"="+at)
	if out, err := cmd.CombinedOutput(); err == nil || len(out) > 0 {
		t.Fatalf("the child was not killed at %s: %s %v", at, out, err)
	}
}
