package vault

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

const person = "aaaaaaaaaaaaaaaaaaaaaaaa"

var here = Binding{ID: person, Revision: 3, Field: "resident_recorded.identity"}

func testConfig(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "keys", "vault.key")}
}

func mustOpen(t testing.TB, cfg Config) *Vault {
	t.Helper()
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() }) // a second Close of what a test closed itself does nothing
	return v
}

func mustClose(t testing.TB, v *Vault) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustSeal(t testing.TB, v *Vault, person, class string, b Binding, plaintext string) *events.Sealed {
	t.Helper()
	s, err := v.Seal(person, class, b, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	other := strings.Repeat("b", 24)
	mustSeal(t, v, other, Identity, here, "another person's")
	tests := []struct {
		name   string
		person string
		change func(*Binding, *events.Sealed)
		want   error
	}{
		{"untouched", person, func(*Binding, *events.Sealed) {}, nil},
		{"other id", person, func(b *Binding, _ *events.Sealed) { b.ID = other }, ErrBinding},
		{"other revision", person, func(b *Binding, _ *events.Sealed) { b.Revision++ }, ErrBinding},
		{"other field", person, func(b *Binding, _ *events.Sealed) { b.Field += "2" }, ErrBinding},
		{"id and field run together", person, func(b *Binding, _ *events.Sealed) { b.ID, b.Field = b.ID+b.Field[:1], b.Field[1:] }, ErrBinding},
		{"other person", other, func(*Binding, *events.Sealed) {}, ErrBinding},
		{"unknown person", strings.Repeat("c", 24), func(*Binding, *events.Sealed) {}, ErrNoKey},
		{"other class", person, func(_ *Binding, s *events.Sealed) { s.RecordClass = Contact }, ErrBinding},
		{"digest", person, func(_ *Binding, s *events.Sealed) { s.Digest[0] ^= 1 }, ErrBinding},
		{"ciphertext", person, func(_ *Binding, s *events.Sealed) { s.Ciphertext[20] ^= 1 }, ErrBinding},
		{"nonce", person, func(_ *Binding, s *events.Sealed) { s.Ciphertext[0] ^= 1 }, ErrBinding},
		{"truncated", person, func(_ *Binding, s *events.Sealed) { s.Ciphertext = s.Ciphertext[:5] }, ErrBinding},
		{"empty", person, func(_ *Binding, s *events.Sealed) { s.Ciphertext = nil }, ErrBinding},
	}
	sealed := mustSeal(t, v, person, Identity, here, "what is sealed")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, s := here, proto.CloneOf(sealed)
			test.change(&b, s)
			got, err := v.Open(test.person, b, s)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if test.want == nil && string(got) != "what is sealed" {
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestWhatAVaultDoesNotKnowIsRefusedWithAReason(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	for _, bad := range []struct{ person, class, says string }{
		{"", Identity, "no id of a person"},
		{"a\x00b", Identity, "no id of a person"},
		{person, "medical", "no record class"},
	} {
		if _, err := v.Seal(bad.person, bad.class, here, nil); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("sealing %q of %q: got %v, want %q", bad.class, bad.person, err, bad.says)
		}
		if err := v.Erase(bad.person, bad.class); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("erasing %q of %q: got %v, want %q", bad.class, bad.person, err, bad.says)
		}
	}
	s := mustSeal(t, v, person, Identity, here, "x")
	s.Suite = 2
	if _, err := v.Open(person, here, s); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a suite of a newer version: got %v", err)
	}
}

func TestEqualContentHasEqualDigestsUnderOneKeyOnly(t *testing.T) {
	v := mustOpen(t, testConfig(t))
	digest := func(person, class string, revision uint64, text string) string {
		b := Binding{ID: person, Revision: revision, Field: "f"}
		return string(mustSeal(t, v, person, class, b, text).GetDigest())
	}
	first := digest(person, Contact, 1, "same")
	if digest(person, Contact, 2, "same") != first {
		t.Error("the same content twice has two digests")
	}
	for name, other := range map[string]string{
		"other content": digest(person, Contact, 1, "other"),
		"other class":   digest(person, Identity, 1, "same"),
		"other person":  digest("b", Contact, 1, "same"),
	} {
		if other == first {
			t.Errorf("%s has the same digest", name)
		}
	}
	a, b := mustSeal(t, v, person, Contact, here, "same"), mustSeal(t, v, person, Contact, here, "same")
	if bytes.Equal(a.GetCiphertext(), b.GetCiphertext()) {
		t.Error("two seals of the same content are the same bytes: the nonce is not random")
	}
}

func TestConcurrentFirstSealsMakeOneKey(t *testing.T) {
	cfg := testConfig(t)
	cfg.CacheSize = 1
	v := mustOpen(t, cfg)
	sealed := make([]*events.Sealed, 48)
	var sealers sync.WaitGroup
	for i := range sealed {
		sealers.Go(func() {
			s, err := v.Seal(person, Classes[i%3], here, []byte{byte(i)})
			if err != nil {
				t.Error(err)
			}
			sealed[i] = s
		})
	}
	sealers.Wait()
	mustClose(t, v)
	v = mustOpen(t, cfg)
	for i, s := range sealed {
		if got, err := v.Open(person, here, s); err != nil || !bytes.Equal(got, []byte{byte(i)}) {
			t.Errorf("seal %d opens as %v, %v", i, got, err)
		}
	}
}

// transactions counts the write transactions of a file so far.
func transactions(t *testing.T, s *shard) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestNewKeysAreStoredInGroups(t *testing.T) {
	const persons = 20
	v := mustOpen(t, testConfig(t))
	s := v.shardOf(person)
	before := transactions(t, s)
	s.db.MaxBatchDelay, s.db.MaxBatchSize = time.Hour, persons // stored once all are here
	var sealers sync.WaitGroup
	for _, p := range personsOfShard(person, persons) {
		sealers.Go(func() {
			if _, err := v.Seal(p, Identity, here, nil); err != nil {
				t.Error(err)
			}
		})
	}
	sealers.Wait()
	if got := transactions(t, s) - before; got != 1 {
		t.Fatalf("%d persons' keys took %d transactions, want 1", persons, got)
	}
}

// personsOfShard gives n ids that stand in the same file as like.
func personsOfShard(like string, n int) []string {
	var found []string
	for i := 0; len(found) < n; i++ {
		id := fmt.Sprintf("p%d", i)
		if sha256.Sum256([]byte(id))[0]>>4 == sha256.Sum256([]byte(like))[0]>>4 {
			found = append(found, id)
		}
	}
	return found
}

func TestASecondProcessIsTurnedAway(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	if _, err := Open(cfg); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	mustClose(t, v)
	mustOpen(t, cfg)
}

func TestTheMasterKeyIsGuarded(t *testing.T) {
	elsewhere := testConfig(t)
	mustClose(t, mustOpen(t, elsewhere))
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		says   string
	}{
		{"missing", func(t *testing.T, path string) { must(t, os.Remove(path)) }, "is missing"},
		{"of another vault", func(t *testing.T, path string) { copyFile(t, elsewhere.MasterKey, path) }, "wrapped by another one"},
		{"readable by others", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o640)) }, "chmod 600"},
		{"empty", func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) }, "holds no key"},
		{"cut", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("1 AAAA\n"), 0o600)) }, "line 1"},
		{"words", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("#\nx\n"), 0o600)) }, "line 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			mustClose(t, mustOpen(t, cfg))
			info, err := os.Stat(cfg.MasterKey)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("the master key was made with %v, %v", info.Mode(), err)
			}
			test.change(t, cfg.MasterKey)
			if _, err := Open(cfg); !errors.Is(err, ErrMasterKey) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want ErrMasterKey with %q", err, test.says)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, content, 0o600))
}

func TestTheCacheForgetsWhatWasUsedLongestAgo(t *testing.T) {
	c := newCache(2)
	for i, name := range []string{"a", "b", "a", "c"} {
		if _, ok := c.get(name); !ok {
			c.put(name, derived{sealing: [keySize]byte{byte(i)}})
		}
	}
	_, a := c.get("a")
	_, b := c.get("b")
	_, last := c.get("c")
	if !a || b || !last {
		t.Fatalf("a %v, b %v, c %v are kept; want a and c", a, b, last)
	}
}

func BenchmarkSeal(b *testing.B) {
	v := mustOpen(b, testConfig(b))
	plaintext := make([]byte, 300)
	for b.Loop() {
		if _, err := v.Seal(person, Identity, here, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealForANewPerson(b *testing.B) {
	v := mustOpen(b, testConfig(b))
	for i := 0; b.Loop(); i++ {
		if _, err := v.Seal(fmt.Sprintf("p%d", i), Identity, here, nil); err != nil {
			b.Fatal(err)
		}
	}
}
