package vault

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// finds fails the test unless a search finds exactly these.
func finds(t *testing.T, v *Vault, name, birth string, want ...string) {
	t.Helper()
	got, err := v.Find(name, birth)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("%s of %s: found %q, want %q", name, birth, got, want)
	}
}

func TestPersonsAreFoundByNameAndBirthDate(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	if _, err := v.Find("山武花子", "1980-06-18"); !errors.Is(err, ErrIndexing) {
		t.Errorf("before the index is whole: %v", err)
	}
	v.Searchable()
	finds(t, v, "山武花子", "1980-06-18")
	place := Binding{ID: "p1", Revision: 1, Field: "identity"}
	for _, person := range []string{"p1", "p2", "p3"} {
		mustSeal(t, v, person, Identity, place, "x")
	}
	first := Identified{Person: "p1", Version: 1, Names: []string{"山武　花子", "Hana Sammu"}, Kana: "サンム　ハナコ", BirthDate: "1980-06-18"}
	must(t, v.Index(
		first,
		Identified{Person: "p2", Version: 1, Names: []string{"山武花子", ""}, BirthDate: "1980-06-18"},
		Identified{Person: "p3", Version: 1, Names: []string{"山武花子"}, BirthDate: "1980-06-19"},
		Identified{Person: "nobody", Version: 1, Names: []string{"山武花子"}, BirthDate: "1980-06-18"}, // there is no key of theirs
	))
	finds(t, v, "山武 花子", "1980-06-18", "p1", "p2")
	finds(t, v, "ｻﾝﾑﾊﾅｺ", "1980-06-18", "p1")
	finds(t, v, "HANA SAMMU", "1980-06-18", "p1")
	finds(t, v, "山武花子", "", []string(nil)...)
	finds(t, v, "", "1980-06-18", []string(nil)...)
	if err := v.Index(Identified{Person: "../x", Version: 1}); err == nil {
		t.Error("what is no id is indexed")
	}

	// The same once more changes nothing; another name goes in the former one's place, and furigana stay with their name.
	must(t, v.Index(first))
	must(t, v.Index(Identified{Person: "p1", Version: 1, Names: []string{"山武花子", "Hana Sammu"}, BirthDate: "1980-06-18"}))
	finds(t, v, "さんむはなこ", "1980-06-18", "p1")
	must(t, v.Index(Identified{Person: "p1", Version: 1, Names: []string{"成東花子"}, BirthDate: "1980-06-18"}))
	finds(t, v, "成東花子", "1980-06-18", "p1")
	finds(t, v, "山武花子", "1980-06-18", "p2")
	finds(t, v, "サンムハナコ", "1980-06-18")

	// It stands in the files, under another master key too, and holds nothing that can be read or tried.
	must(t, v.Rewrap())
	mustClose(t, v)
	for _, text := range []string{"成東", "山武", "1980", "サンム"} {
		if found := filesWith(t, cfg.Dir, []byte(text)); len(found) > 0 {
			t.Errorf("%s stands in %v", text, found)
		}
	}
	v = mustOpen(t, cfg)
	v.Searchable()
	finds(t, v, "成東花子", "1980-06-18", "p1")

	// Two vaults have different entries for the same person.
	other := mustOpen(t, testConfig(t))
	mustSeal(t, other, "p1", Identity, place, "x")
	must(t, other.Index(first))
	key, err := other.indexKey(other.shardOf("p1"), false)
	must(t, err)
	if found := filesWith(t, cfg.Dir, hashOf(key, "成東花子", "1980-06-18")); len(found) > 0 {
		t.Errorf("an entry of another vault stands in %v", found)
	}
}

// Whoever is erased is found no more, and nothing of the entries is left in a file; who comes back is found again.
func TestAnErasureReachesTheIndex(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	v.Searchable()
	place := Binding{ID: "p1", Revision: 1, Field: "identity"}
	mustSeal(t, v, "p1", Identity, place, "x")
	who := Identified{Person: "p1", Version: 1, Names: []string{"山武花子"}, Kana: "サンムハナコ", BirthDate: "1980-06-18"}
	must(t, v.Index(who))
	key, err := v.indexKey(v.shardOf("p1"), false)
	must(t, err)
	entries := hashes(key, "1980-06-18", "山武花子", "サンムハナコ")
	for _, entry := range entries {
		if len(filesWith(t, cfg.Dir, entry)) != 1 {
			t.Fatal("the entry is not where the test looks for it")
		}
	}
	must(t, v.Erase("p1", Contact))
	finds(t, v, "山武花子", "1980-06-18", "p1")
	must(t, v.Erase("p1", Identity))
	finds(t, v, "山武花子", "1980-06-18")
	for _, entry := range entries {
		if found := filesWith(t, cfg.Dir, entry); len(found) > 0 {
			t.Errorf("an entry is left in %v", found)
		}
	}
	must(t, v.Index(who)) // the log is read once more
	finds(t, v, "山武花子", "1980-06-18")

	must(t, v.Renew("p1", Identity))
	who.Version = 2
	must(t, v.Index(who))
	must(t, v.EraseAll([]Erasure{{"p1", Identity, 1}})) // the first order, applied once more
	finds(t, v, "山武花子", "1980-06-18", "p1")
	must(t, v.EraseAll([]Erasure{{"p1", Identity, 2}}))
	finds(t, v, "山武花子", "1980-06-18")
}

// An old copy of one file brings its own key, entries and mark back; whoever follows the log fills it again.
func TestAnOldFileIsIndexedFromItsMark(t *testing.T) {
	cfg := testConfig(t)
	v := mustOpen(t, cfg)
	place := Binding{ID: "p1", Revision: 1, Field: "identity"}
	mustSeal(t, v, "p1", Identity, place, "x")
	path := v.shardOf("p1").path
	mustClose(t, v)
	old, err := os.ReadFile(path)
	must(t, err)
	v = mustOpen(t, cfg)
	who := Identified{Person: "p1", Version: 1, Names: []string{"山武花子"}, BirthDate: "1980-06-18"}
	must(t, v.Index(who))
	must(t, v.SetMark(IdentitiesIndexed, []byte("far")))
	mustClose(t, v)
	must(t, os.WriteFile(path, old, 0o600))
	v = mustOpen(t, cfg)
	v.Searchable()
	marks, err := v.Marks(IdentitiesIndexed)
	must(t, err)
	if n := len(slices.DeleteFunc(marks, func(m []byte) bool { return len(m) > 0 })); n != 1 {
		t.Errorf("%d files without a mark", n)
	}
	finds(t, v, "山武花子", "1980-06-18")
	must(t, v.Index(who))
	finds(t, v, "山武花子", "1980-06-18", "p1")
	if !strings.HasPrefix(filepath.Base(path), "keys-") {
		t.Error("no file of keys was put back")
	}
}
