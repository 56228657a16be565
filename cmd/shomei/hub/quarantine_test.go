package hub

import (
	"errors"
	"strings"
	"testing"

	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/services/ra"
)

// TestWhatIsInQuarantineIsNamedUntilAnOfficerHasLooked: by health, by its metric's source and in the list; after that by
// the log alone.
func TestWhatIsInQuarantineIsNamedUntilAnOfficerHasLooked(t *testing.T) {
	folder := t.TempDir()
	open := func() *Parts {
		p := newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
		if err := p.open(t.Context(), needed(serving, []row{{needs: []string{"vault", "directory"}}})); err != nil {
			t.Fatal(errors.Join(err, p.Close()))
		}
		return p
	}
	p := open()
	for _, q := range []counterlink.Quarantined{
		{ID: "first", Counter: "12237-main-1", Number: 7, Why: errors.New("the claim names nobody"), Signed: []byte("x")},
		{ID: "second", Counter: "12237-main-2", Number: 1, Why: errors.New("not the next claim"), Signed: []byte("y")},
	} {
		if err := ra.Quarantine(t.Context(), p.as("ra"), p.Vault, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Directory.Refresh(t.Context(), p.Log); err != nil {
		t.Fatal(err)
	}
	all := p.Directory.Quarantined()
	if err := p.quarantined(); len(all) != 2 || err == nil || !strings.Contains(err.Error(), "12237-main-1") || !strings.Contains(err.Error(), "the claim names nobody") {
		t.Fatalf("in quarantine %+v, health says %v", all, err)
	}
	by, err := p.By("0042")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Resolution{
		"an outcome of one's own": {"forgotten", "looked at it"}, "without a reason": {"rejected", " "}, "two lines": {"rejected", "a\nb"},
	} {
		if err := by.Resolve(t.Context(), all[0].ID, r); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := by.Resolve(t.Context(), all[0].ID, Resolution{"repeated", "the clerk took it again"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{all[0].ID, "nothing-here", ""} {
		if err := by.Resolve(t.Context(), id, Resolution{"rejected", "once more"}); !errors.Is(err, ErrRefused) {
			t.Errorf("resolving %q: %v", id, err)
		}
	}
	if left := p.Directory.Quarantined(); len(left) != 1 || left[0].ID != all[1].ID {
		t.Errorf("after one is resolved there are left %+v", left)
	}
	closeParts(t, p)

	p = open() // another process reads the same
	if left := p.Directory.Quarantined(); len(left) != 1 || left[0].ID != all[1].ID {
		t.Errorf("after a restart there are left %+v", left)
	}
	closeParts(t, p)
}
