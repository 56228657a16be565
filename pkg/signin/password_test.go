package signin

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/pkg/officer"
)

// accounts is a file of accounts with the clock of its test.
type accounts struct {
	*testing.T
	*Passwords
	path string
	now  time.Time
}

func openAccounts(t *testing.T) *accounts {
	a := &accounts{T: t, path: filepath.Join(t.TempDir(), "passwords.json"), now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	a.open()
	return a
}

func (a *accounts) open() {
	a.Helper()
	var err error
	if a.Passwords, err = OpenPasswords(a.path, func() time.Time { return a.now }); err != nil {
		a.Fatal(err)
	}
}

func (a *accounts) is(what string, err, want error) {
	a.Helper()
	if !errors.Is(err, want) {
		a.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (a *accounts) invited(code string) officer.Officer {
	return officer.Officer{Code: "021", Home: "12237-main", Invitations: []officer.Invitation{{CodeSHA256: officer.CodeHash(code), Until: a.now.Add(time.Hour)}}}
}

const password = "山武市の窓口 5番 さくら通り"

// TestAPasswordLastsAsItsInvitation: it is set once with each, and ends with the next one.
func TestAPasswordLastsAsItsInvitation(t *testing.T) {
	a := openAccounts(t)
	first, second := a.invited("first"), a.invited("second")
	a.is("nobody's", a.Check(officer.Officer{}, password), ErrPassword)
	a.is("none is set", a.Check(first, password), ErrPassword)
	for _, weak := range []string{"", "short", strings.Repeat("a", 20), strings.Repeat("long ", 40), "broken \xff but long enough"} {
		a.is(weak, a.Set(first, weak), ErrWeak)
	}
	a.is("set", a.Set(first, password), nil)
	a.is("set twice", a.Set(first, password+"!"), officer.NoInvitation)
	a.open() // as after a restart
	a.is("right", a.Check(first, password), nil)
	a.is("wrong", a.Check(first, password+"!"), ErrPassword)
	other := first
	other.Home = "12238-main"
	a.is("of another office's officer", a.Check(other, password), ErrPassword)
	a.is("invited anew", a.Check(second, password), ErrPassword)
	a.now = a.now.Add(time.Hour)
	a.is("the invitation is over, the password is not", a.Check(first, password), nil)
	a.is("set too late", a.Set(second, password), officer.NoInvitation)
	first.Invitations = nil
	a.is("retired", a.Check(first, password), ErrPassword)

	text, err := os.ReadFile(a.path)
	info, err2 := os.Stat(a.path)
	if err := errors.Join(err, err2); err != nil || info.Mode().Perm() != 0o600 || bytes.Contains(text, []byte("さくら")) {
		t.Errorf("%v: %v %s", err, info.Mode(), text)
	}
}

// TestWrongPasswordsWait: after a few, each waits twice as long, to an hour; the right one waits too.
func TestWrongPasswordsWait(t *testing.T) {
	a := openAccounts(t)
	who := a.invited("code")
	a.is("set", a.Set(who, password), nil)
	var many *TooMany
	waited := time.Duration(0)
	for n := 1; n <= 18; n++ {
		a.is("wrong", a.Check(who, "wrong"), ErrPassword)
		if n <= freeOwn {
			continue
		}
		if err := a.Check(who, password); !errors.As(err, &many) || many.Wait < waited || many.Wait > time.Hour {
			t.Fatalf("after %d wrong ones the right one gets %v; after one less the wait was %s", n, err, waited)
		}
		waited = many.Wait
		a.now = a.now.Add(waited)
	}
	if waited != time.Hour {
		t.Errorf("the longest wait is %s", waited)
	}
	a.is("after the wait", a.Check(who, password), nil)
}

// TestOnlyOwnFilesAreRead: what this program has not written, or what others may read, is refused with what to do.
func TestOnlyOwnFilesAreRead(t *testing.T) {
	a := openAccounts(t)
	a.is("set", a.Set(a.invited("code"), password), nil)
	good, err := os.ReadFile(a.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no list": "null", "no JSON": "{", "nothing": "", "cheap": strings.Replace(string(good), `"time": 3`, `"time": 0`, 1),
		"greedy": strings.Replace(string(good), `"memory": 65536`, `"memory": 4294967295`, 1), "no hash": strings.Replace(string(good), `"hash": "`, `"hash": "AA==", "x": "`, 1),
	} {
		if text == string(good) {
			t.Fatalf("%s is no change", name)
		}
		if err := os.WriteFile(a.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPasswords(a.path, time.Now); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(os.WriteFile(a.path, good, 0o600), os.Chmod(a.path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPasswords(a.path, time.Now); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("read by others: %v", err)
	}
}
