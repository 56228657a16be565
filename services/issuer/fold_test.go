package issuer_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/services/servicetest"
)

// savedFold reads what the issuer saved beside its lists.
func savedFold(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	servicetest.Check(t, err)
	_, rest, _ := strings.Cut(string(text), "\n")
	var fold map[string]any
	servicetest.Check(t, json.Unmarshal([]byte(rest), &fold))
	return fold
}

func saveFold(t *testing.T, file string, fold map[string]any) {
	t.Helper()
	text, err := json.Marshal(fold)
	servicetest.Check(t, err)
	servicetest.Check(t, os.WriteFile(file, append(fmt.Appendf(nil, "%x\n", sha256.Sum256(text)), text...), 0o600))
}

// A new process loads the saved fold, and reads the whole log if that is missing, damaged, from another log or of other
// writers; its lists are the same.
func TestListsContinueFromTheSavedFold(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	first, second := d.Hold("100"), d.Hold("101")
	third := d.Hold("102")
	crls := filepath.Join(w.Dir, "crl")
	file := crls + ".json"
	d.Apply(events.Operation_OPERATION_REVOKE, "100", first.Card)
	publish := func() map[uint64]int {
		t.Helper()
		w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
		servicetest.Check(t, w.Issuer.PublishLists(t.Context(), crls))
		reasons, _ := listed(t, filepath.Join(crls, "sign.crl"))
		return reasons
	}
	publish()
	const marked = "18446744073709551557" // a serial that only the saved fold has
	kept, err := os.ReadFile(file)
	servicetest.Check(t, err)
	mark := func(fold map[string]any) {
		sign := fold["ByAuthority"].(map[string]any)["sign"].(map[string]any)
		sign[marked] = map[string]any{"Serial": json.Number(marked), "RevokedAt": w.Clock.Now(), "Reason": 0, "Since": w.Clock.Now()}
		fold["Ends"].(map[string]any)[marked] = time.Time{}
	}
	fold := savedFold(t, file)
	mark(fold)
	saveFold(t, file, fold)
	d.Apply(events.Operation_OPERATION_REVOKE, "101", second.Card)
	w.Issuer = w.NewIssuer(w.Log)
	if reasons := publish(); len(reasons) != 3 {
		t.Errorf("from the saved fold and new commits the list names %v, want three", reasons)
	}
	damage := map[string]func(){
		"missing":       func() { servicetest.Check(t, os.Remove(file)) },
		"cut off":       func() { servicetest.Check(t, os.WriteFile(file, kept[:len(kept)/2], 0o600)) },
		"empty":         func() { servicetest.Check(t, os.WriteFile(file, nil, 0o600)) },
		"no fold":       func() { saveFold(t, file, map[string]any{"Positions": "none"}) },
		"other writers": func() { fold := savedFold(t, file); fold["Trust"] = []byte("others"); saveFold(t, file, fold) },
		"another commit": func() {
			fold := savedFold(t, file)
			for _, last := range fold["Last"].(map[string]any) {
				last.(map[string]any)["Hash"] = []byte("another")
			}
			saveFold(t, file, fold)
		},
		"a longer log": func() {
			fold := savedFold(t, file)
			mark(fold)
			for _, last := range fold["Last"].(map[string]any) {
				last.(map[string]any)["Sequence"] = 1 << 40
			}
			saveFold(t, file, fold)
		},
		"another version": func() { fold := savedFold(t, file); mark(fold); fold["Version"] = 0; saveFold(t, file, fold) },
		"no version":      func() { fold := savedFold(t, file); mark(fold); delete(fold, "Version"); saveFold(t, file, fold) },
		"a folder":        func() { servicetest.Check(t, os.Remove(file)); servicetest.Check(t, os.Mkdir(file, 0o700)) },
	}
	for name, harm := range damage {
		w.Issuer = w.NewIssuer(w.Log)
		harm()
		if reasons := publish(); len(reasons) != 2 {
			t.Errorf("%s: the list names %v, want two", name, reasons)
		}
	}
	// The fold went beyond the commit that identifies the log, where this log has something else.
	fold = savedFold(t, file)
	beyond := make(map[string]any)
	for stream := range fold["Last"].(map[string]any) {
		beyond[stream] = 1 << 40
	}
	fold["Positions"] = beyond
	saveFold(t, file, fold)
	w.Issuer = w.NewIssuer(w.Log)
	d.Apply(events.Operation_OPERATION_REVOKE, "102", third.Card)
	if reasons := publish(); len(reasons) != 3 {
		t.Errorf("beyond the commit that identifies the log, the list names %v, want three", reasons)
	}
}

// The fold leaves out certificates that were never revoked, and drops revoked ones a while after the last list that
// names them; after an unreadable commit nothing is saved.
func TestSavedFoldIsPruned(t *testing.T) {
	w := servicetest.New(t, "2019-06-20 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	for i := range 5 {
		d.Hold(fmt.Sprint(200 + i))
	}
	d.Apply(events.Operation_OPERATION_REVOKE, "100", l.Card)
	crls := filepath.Join(w.Dir, "crl")
	file := crls + ".json"
	counts := func() (entries, ends, published int) {
		fold := savedFold(t, file)
		for _, all := range fold["ByAuthority"].(map[string]any) {
			entries += len(all.(map[string]any))
		}
		for _, all := range fold["Published"].(map[string]any) {
			published += len(all.([]any))
		}
		return entries, len(fold["Ends"].(map[string]any)), published
	}
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	if entries, ends, _ := counts(); entries != 2 || ends != 2 {
		t.Errorf("%d entries and %d ends are saved, want the two that were revoked", entries, ends)
	}
	for _, at := range []string{"2024-07-01 10:00", "2024-07-02 10:00", "2024-07-03 10:00", "2025-07-01 10:00", "2025-07-03 10:00", "2025-09-01 10:00", "2025-11-10 10:00"} {
		w.Clock.Set(at)
		servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
		servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	}
	if entries, ends, published := counts(); entries != 0 || ends != 0 || published > 12 {
		t.Errorf("%d entries, %d ends and %d instants are saved long after the end", entries, ends, published)
	}
	servicetest.Check(t, os.Remove(file))
	w.Forge(events.KindSubscriber, l.Subscriber, []byte("not a commit"))
	w.Clock.SetTo(w.Clock.Now().Add(25 * time.Hour))
	w.Issuer = w.NewIssuer(w.Log)
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	if _, err := os.Stat(file); err == nil {
		t.Error("a fold past an unreadable commit was saved")
	}
}
