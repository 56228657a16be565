package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/cmd/cli/clitest"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/counterlink"
	"shomei/pkg/ops"
)

// TestCounterWithSettableClockIsRefused: a counter's bundle names a settable clock nine days slow, while the hub uses
// the system clock. Nothing is filed; the counter and the hub's health say why, with both times.
func TestCounterWithSettableClockIsRefused(t *testing.T) {
	h, err := hub.Start(t.Context(), hub.Config{Data: t.TempDir(), AnyClock: true, Logger: slog.New(slog.DiscardHandler)}, hub.ByHand...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	folder, err := h.TryOut(t.Context(), testOffice, testCounter)
	if err != nil {
		t.Fatal(err)
	}
	health := httptest.NewServer(h.Operations())
	t.Cleanup(health.Close)
	if status, text := get(t, health.URL+"/healthz?verbose"); !strings.Contains(text, "[+] counter-clocks") || !strings.Contains(text, "[+] held-claims") {
		t.Errorf("before: %d %s", status, text)
	}
	slow := time.Now().AddDate(0, 0, -9)
	byClock(t, folder, slow)

	c := startCounter(t, folder)
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusCreated)
	c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	procedure := c.call("POST", "/api/applications", application("issue", ""), http.StatusAccepted)["procedure"].(string)
	c.until(procedure, "refused")
	told := c.call("GET", "/api/procedures/"+procedure, "", http.StatusOK)
	if rules := told["error"].(map[string]any)["rules"].([]any); len(rules) != 1 || rules[0] != "claim.held" {
		t.Errorf("told: %v", told)
	}
	if status := c.call("GET", "/api/status", "", http.StatusOK); status["clock_refused"] != true || status["clock_differs"] != true || status["held"] != 1.0 || status["centre_clock"] == nil {
		t.Errorf("status: %v", status)
	}
	if figures := c.figures(); !strings.Contains(figures, "shomei_counter_claims_held 1\n") {
		t.Errorf("figures: %s", figures)
	}
	day := slow.In(time.FixedZone("JST", 9*3600)).Format("2006-01-02")
	status, text := get(t, health.URL+"/healthz?verbose")
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "[-] counter-clocks: 1 clocks of counters differ: counter "+testCounter+" showed "+day) ||
		!strings.Contains(text, "[-] held-claims: 1 claims are held: claim 1 of counter "+testCounter) {
		t.Errorf("health: %d %s", status, text)
	}
	ready := func() bool { status, text = get(t, health.URL+"/readyz?verbose"); return status == http.StatusOK }
	if !clitest.Await(ready) { // a check may be slow once on a busy machine
		t.Errorf("one counter takes the hub out of service: %d %s", status, text)
	}
	if _, text := get(t, health.URL+"/metrics"); !strings.Contains(text, "shomei_claims_held 1\n") || !strings.Contains(text, "shomei_counter_clocks_differ 1\n") {
		t.Errorf("figures of the hub: %s", text)
	}
}

// byClock rewrites the bundle for a settable clock set to an instant.
func byClock(t *testing.T, folder string, at time.Time) {
	t.Helper()
	bundle, err := counterlink.ReadBundle(folder)
	if err != nil {
		t.Fatal(err)
	}
	bundle.Clock = filepath.Join(folder, "clock")
	if _, err := ops.OpenClock(bundle.Clock, at); err != nil {
		t.Fatal(err)
	}
	if err := bundle.Write(folder); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
