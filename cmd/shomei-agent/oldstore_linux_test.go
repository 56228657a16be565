package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
	"shomei/pkg/natstest"
)

// TestAnOldStoreOfACounterIsRefused: a counter's store is restored from the middle of an issue that has finished since.
// The card stays as it is, the page and the hub say why, and nobody can continue from the old end.
func TestAnOldStoreOfACounterIsRefused(t *testing.T) {
	h, bundle := centre(t, civil.New(2024, time.June, 3))
	store, old := filepath.Join(bundle, "counter.db"), filepath.Join(t.TempDir(), "old.db")
	c := startCounter(t, bundle)
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusCreated)
	c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	procedure := c.call("POST", "/api/applications", application("issue", ""), http.StatusAccepted)["procedure"].(string)
	c.until(procedure, "waiting-confirmation")
	c.call("POST", "/api/reader/eject", "{}", http.StatusOK)
	pins := `{"pins":{"sign":"ABC123","auth":"1234"}}`
	c.call("POST", "/api/procedures/"+procedure+"/confirm", pins, http.StatusOK)
	natstest.Wait(t, patience, "the command to be begun", func() bool { return bytes.Contains(read(t, store), []byte(`"step":"begun"`)) })
	c.stop()
	if err := os.WriteFile(old, read(t, store), 0o600); err != nil {
		t.Fatal(err)
	}

	c = startCounterWith(t, bundle, c.cards)
	c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	c.until(procedure, "waiting-confirmation")
	c.call("POST", "/api/procedures/"+procedure+"/confirm", pins, http.StatusOK)
	c.until(procedure, "ready")
	c.call("POST", "/api/procedures/"+procedure+"/hand-over", `{"paper_copy":false}`, http.StatusOK)
	c.until(procedure, "done")
	c.stop()
	if err := os.WriteFile(store, read(t, old), 0o600); err != nil {
		t.Fatal(err)
	}
	card := read(t, filepath.Join(c.cards, "CARD-1.json"))

	c = startCounterWith(t, bundle, c.cards)
	natstest.Wait(t, patience, "the mismatch", func() bool {
		return c.call("GET", "/api/status", "", http.StatusOK)["link"] == "mismatched"
	})
	told := c.call("GET", "/api/procedures/"+procedure, "", http.StatusOK)["progress"].([]any)[0].(map[string]any)
	if !strings.Contains(told["ja"].(string), "カードには書き込みません") || !strings.Contains(told["en"].(string), "Nothing is written") {
		t.Errorf("the page says %v", told)
	}
	o, err := h.By("0042")
	if err != nil {
		t.Fatal(err)
	}
	heads, err := o.Heads(t.Context(), testCounter)
	if err != nil {
		t.Fatalf("the hub does not see it: %v", err)
	}
	if _, err := o.Adopt(t.Context(), testCounter, hub.Adoption{Seen: heads, Why: "a try"}); err == nil || !strings.Contains(err.Error(), "old copy") {
		t.Errorf("going on from the old end: %v", err)
	}
	if !bytes.Equal(read(t, filepath.Join(c.cards, "CARD-1.json")), card) {
		t.Error("the card was changed")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
