package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/durable/shred"
)

// filesWith names the files below dir that hold these bytes.
func filesWith(t testing.TB, dir string, wanted []byte) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, wanted) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	must(t, err)
	return found
}

// storedKey gives the wrapped key of a record class as it stands in its file.
func storedKey(t testing.TB, v *Vault, person, class string) []byte {
	t.Helper()
	name, err := keyName(person, class, 1)
	must(t, err)
	value, err := v.shardOf(person).read(name)
	must(t, err)
	return value
}

func TestAnErasedKeyIsInNoFile(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	identity := mustSeal(t, v, person, Identity, here, "gone tomorrow")
	contact := mustSeal(t, v, person, Contact, here, "stays")
	gone, stays := storedKey(t, v, person, Identity), storedKey(t, v, person, Contact)
	raw, err := v.master.unwrap(person+"\x00"+Identity, gone)
	must(t, err)
	if found := filesWith(t, cfg.Dir, gone[5:]); len(found) != 1 {
		t.Fatalf("the search finds a living key in %v: it would prove nothing", found)
	}
	must(t, v.Erase(person, Identity))
	if found := filesWith(t, cfg.Dir, gone[5:]); len(found) != 0 {
		t.Errorf("the erased key is still in %v", found)
	}
	if found := filesWith(t, filepath.Dir(cfg.Dir), raw); len(found) != 0 {
		t.Errorf("an unwrapped key is in %v", found)
	}
	if found := filesWith(t, cfg.Dir, stays[5:]); len(found) != 1 {
		t.Errorf("the key of another class is in %v", found)
	}
	if _, err := v.Open(person, here, identity); !errors.Is(err, ErrErased) {
		t.Errorf("opening what was erased: got %v", err)
	}
	if _, err := v.Seal(person, Identity, here, nil); !errors.Is(err, ErrErased) {
		t.Errorf("sealing under an erased class: got %v", err)
	}
	if got, err := v.Open(person, here, contact); err != nil || string(got) != "stays" {
		t.Errorf("another class opens as %q, %v", got, err)
	}
}

func TestAReplacedFileIsOverwrittenBeforeItGoes(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	mustSeal(t, v, person, Identity, here, "x")
	gone := storedKey(t, v, person, Identity)
	old, err := os.Open(v.shardOf(person).path)
	must(t, err)
	defer old.Close()
	before := make([]byte, 1<<20)
	n, err := old.ReadAt(before, 0)
	if !bytes.Contains(before[:n], gone[5:]) {
		t.Fatalf("the old file does not hold the key (%v): the test would prove nothing", err)
	}
	must(t, v.Erase(person, Identity))
	after, err := io.ReadAll(old)
	must(t, err)
	if len(bytes.Trim(after, "\x00")) > 0 || len(after) != n {
		t.Fatalf("%d bytes were overwritten of %d", len(after)-len(bytes.Trim(after, "\x00")), n)
	}
}

func TestAnErasureThatCouldNotFinishSaysSoAndIsFinishedLater(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	mustSeal(t, v, person, Identity, here, "x")
	contact := mustSeal(t, v, person, Contact, here, "y")
	gone := storedKey(t, v, person, Identity)
	obstacle := v.shardOf(person).path + shred.Fresh
	must(t, os.Mkdir(obstacle, 0o700))
	for range 2 {
		if err := v.Erase(person, Identity); err == nil {
			t.Fatal("the file could not be written anew, and Erase reported success")
		}
	}
	if _, err := v.Seal(person, Identity, here, nil); !errors.Is(err, ErrErased) {
		t.Errorf("sealing under a half erased class: got %v", err)
	}
	if _, err := v.Open(person, here, contact); err != nil {
		t.Errorf("another class after a failed erasure: %v", err)
	}
	mustSeal(t, v, personsOfShard(person, 1)[0], Identity, here, "a new person in the same file")
	must(t, os.Remove(obstacle))
	must(t, v.Erase(person, Identity))
	if found := filesWith(t, cfg.Dir, gone[5:]); len(found) > 0 {
		t.Errorf("the erased key is still in %v", found)
	}
}

func TestAPersonErasedBeforeTheFirstSealGetsNoKey(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	must(t, v.Erase(person, Identity))
	if _, err := v.Seal(person, Identity, here, nil); !errors.Is(err, ErrErased) {
		t.Fatalf("got %v, want ErrErased", err)
	}
	mustSeal(t, v, person, Contact, here, "the other classes live")
}

func TestErasingAgainCostsNoCompaction(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	mustSeal(t, v, person, Identity, here, "x")
	must(t, v.Erase(person, Identity))
	file := v.shardOf(person).db
	must(t, v.Erase(person, Identity))
	if v.shardOf(person).db != file {
		t.Fatal("the file was written anew for a key that was gone already")
	}
}

func TestErasuresAreAppliedAgainAfterARestore(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	sealed := mustSeal(t, v, person, Identity, here, "x")
	mustClose(t, v)
	backup := t.TempDir()
	must(t, os.CopyFS(backup, os.DirFS(cfg.Dir)))
	v = mustOpen(t, cfg)
	erasures := []Erasure{{person, Identity, 1}, {"p1", Contact, 1}, {"p2", Contact, 1}}
	must(t, v.EraseAll(erasures))
	mustClose(t, v)

	cfg.Dir = backup
	v = mustOpen(t, cfg)
	if _, err := v.Open(person, here, sealed); err != nil {
		t.Fatalf("a backup has its keys again until erasures are applied: %v", err)
	}
	gone := storedKey(t, v, person, Identity)
	must(t, v.EraseAll(erasures))
	for _, e := range erasures {
		if _, err := v.Seal(e.Person, e.Class, here, nil); !errors.Is(err, ErrErased) {
			t.Errorf("%v: got %v, want ErrErased", e, err)
		}
	}
	if found := filesWith(t, cfg.Dir, gone[5:]); len(found) != 0 {
		t.Errorf("the erased key is still in %v", found)
	}
}

func TestRewrapLeavesNothingOfTheOldMasterKey(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	sealed := mustSeal(t, v, person, Identity, here, "x")
	must(t, v.Erase("erased", Contact))
	oldWrapped := storedKey(t, v, person, Identity)
	oldMaster := []byte(base64.StdEncoding.EncodeToString(v.master.versions[1]))
	oldFile, err := os.ReadFile(cfg.MasterKey)
	must(t, err)
	all := filepath.Dir(cfg.Dir)
	if len(filesWith(t, all, oldWrapped[5:])) != 1 || len(filesWith(t, all, oldMaster)) != 1 {
		t.Fatal("the search does not find living keys: it would prove nothing")
	}
	must(t, v.Rewrap())
	for what, old := range map[string][]byte{"wrapped key": oldWrapped[5:], "master key": oldMaster} {
		if found := filesWith(t, all, old); len(found) != 0 {
			t.Errorf("the old %s is still in %v", what, found)
		}
	}
	mustClose(t, v)
	v = mustOpen(t, cfg)
	if got, err := v.Open(person, here, sealed); err != nil || string(got) != "x" {
		t.Errorf("after rewrapping it opens as %q, %v", got, err)
	}
	if _, err := v.Seal("erased", Contact, here, nil); !errors.Is(err, ErrErased) {
		t.Errorf("a tombstone after rewrapping: got %v", err)
	}
	mustClose(t, v)
	must(t, os.WriteFile(cfg.MasterKey, oldFile, 0o600))
	if _, err := Open(cfg); !errors.Is(err, ErrMasterKey) {
		t.Errorf("the old master key: got %v, want ErrMasterKey", err)
	}
}

// held is one seal that the model of the state machine remembers.
type held struct {
	person    string
	binding   Binding
	plaintext []byte
	sealed    *events.Sealed
}

// machine runs a vault beside a model that knows only what was sealed and what was erased.
type machine struct {
	cfg    Config
	v      *Vault
	seals  []held
	erased map[Erasure]bool
}

var machinePersons = []string{"p0", "p1", "p2", "p3"}

func (m *machine) person(t *rapid.T) string {
	return rapid.SampledFrom(machinePersons).Draw(t, "person")
}

func (m *machine) class(t *rapid.T) string { return rapid.SampledFrom(Classes).Draw(t, "class") }

// Seal seals something and expects a refusal exactly for erased classes.
func (m *machine) Seal(t *rapid.T) {
	person, class := m.person(t), m.class(t)
	plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
	b := Binding{person, rapid.Uint64().Draw(t, "revision"), rapid.String().Draw(t, "field")}
	s, err := m.v.Seal(person, class, b, plaintext)
	if m.erased[Erasure{person, class, 1}] {
		if !errors.Is(err, ErrErased) {
			t.Fatalf("sealing under an erased class: got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.seals = append(m.seals, held{person, b, plaintext, s})
}

// OpenElsewhere opens some seal with another one's binding or person.
func (m *machine) OpenElsewhere(t *rapid.T) {
	if len(m.seals) < 2 {
		return
	}
	a, b := rapid.SampledFrom(m.seals).Draw(t, "a"), rapid.SampledFrom(m.seals).Draw(t, "b")
	got, err := m.v.Open(b.person, b.binding, a.sealed)
	if err == nil && (a.person != b.person || a.binding != b.binding) {
		t.Fatalf("%+v opened in the place of %+v as %q", a, b, got)
	}
}

// Erase destroys one key or several at once.
func (m *machine) Erase(t *rapid.T) {
	var all []Erasure
	for range rapid.IntRange(1, 3).Draw(t, "erasures") {
		all = append(all, Erasure{m.person(t), m.class(t), 1})
	}
	if err := m.v.EraseAll(all); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		m.erased[e] = true
	}
}

// Reopen closes the vault and opens it again.
func (m *machine) Reopen(t *rapid.T) {
	if err := m.v.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := Open(m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.v = v
}

// Rewrap rotates the master key.
func (m *machine) Rewrap(t *rapid.T) {
	if err := m.v.Rewrap(); err != nil {
		t.Fatal(err)
	}
}

// Check opens everything: what was erased must be refused, the rest must be what was sealed.
func (m *machine) Check(t *rapid.T) {
	for _, h := range m.seals {
		got, err := m.v.Open(h.person, h.binding, h.sealed)
		if m.erased[Erasure{h.person, h.sealed.GetRecordClass(), 1}] {
			if !errors.Is(err, ErrErased) {
				t.Fatalf("%s of %s is erased, opening gave %v", h.sealed.GetRecordClass(), h.person, err)
			}
		} else if err != nil || !slices.Equal(got, h.plaintext) {
			t.Fatalf("%s of %s opens as %q, %v; was %q", h.sealed.GetRecordClass(), h.person, got, err, h.plaintext)
		}
	}
}

// memoryDir gives a folder where fsync is free: what it guards against, power failure, no test here can play.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "vault-model-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAVaultIsWhatItsModelSays(t *testing.T) {
	base := memoryDir(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		m := &machine{
			cfg:    Config{Dir: dir, MasterKey: filepath.Join(dir, "..", fmt.Sprintf("%d.key", run)), CacheSize: rapid.IntRange(1, 4).Draw(rt, "cache")},
			erased: map[Erasure]bool{},
		}
		v, err := Open(m.cfg)
		if err != nil {
			rt.Fatal(err)
		}
		m.v = v
		defer func() {
			if err := m.v.Close(); err != nil {
				rt.Fatal(err)
			}
			os.RemoveAll(dir) // a hundred runs of sixteen files would fill a small disk
		}()
		rt.Repeat(rapid.StateMachineActions(m))
	})
}
