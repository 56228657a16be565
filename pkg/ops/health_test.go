package ops

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func ask(h *Health, path string) (int, string) {
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestHealthSaysWhatFailsAndWhatToDo(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	h := NewHealth(func() time.Time { return at })
	failing := error(nil)
	h.Add(Check{Name: "engine", Hint: "run shomei doctor", Run: func(context.Context) error { return failing }})
	h.Add(Check{Name: "log", Hint: "restart", Vital: true, Run: func(context.Context) error { return nil }})

	if code, body := ask(h, "/readyz"); code != 200 || body != "ok\n" {
		t.Errorf("healthy: %d %q", code, body)
	}
	failing = errors.New("connection refused by a@b.example")
	at = at.Add(time.Hour)
	code, body := ask(h, "/healthz?verbose")
	want := "[-] engine: connection refused by [address], last success 2026-11-22T09:00:00Z; run shomei doctor\n" +
		"[+] log ok, last success 2026-11-22T10:00:00Z\nfailing\n"
	if code != 503 || body != want {
		t.Errorf("got %d\n%s\nwant\n%s", code, body, want)
	}
	if code, _ := ask(h, "/livez"); code != 200 {
		t.Errorf("livez answers %d though only a check that a restart does not cure fails", code)
	}
	h.Add(Check{Name: "frozen", Vital: true, Run: func(context.Context) error { return errors.New("write error") }})
	if code, _ := ask(h, "/livez"); code != 503 {
		t.Errorf("livez answers %d though a vital check fails", code)
	}
}

// A counter in trouble is told of, and takes nobody out of service.
func TestTroubleElsewhereLeavesTheProcessReady(t *testing.T) {
	h := NewHealth(time.Now)
	h.Add(Check{Name: "counter", Elsewhere: true, Run: func(context.Context) error { return errors.New("its clock is slow") }})
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 503} {
		if code, body := ask(h, path); code != want {
			t.Errorf("%s: %d %q, want %d", path, code, body, want)
		}
	}
}

func TestHealthGivesUpOnAHungCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := NewHealth(time.Now)
		h.Add(Check{Name: "hung", Run: func(context.Context) error { <-release; return nil }})
		h.Add(Check{Name: "fine", Run: func(context.Context) error { return nil }})
		findings := h.Findings(t.Context())
		if findings[0].Err == nil || !strings.Contains(findings[0].Err.Error(), "no answer") || findings[1].Err != nil {
			t.Errorf("got %v and %v", findings[0].Err, findings[1].Err)
		}
		close(release)
	})
}

func TestRegistryTellsTheBuild(t *testing.T) {
	registry := NewRegistry()
	n, err := testutil.GatherAndCount(registry, "shomei_build_info", "go_goroutines")
	if err != nil || n != 2 {
		t.Errorf("found %d of 2 metrics: %v", n, err)
	}
	w := httptest.NewRecorder()
	MetricsHandler(registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "shomei_build_info{") {
		t.Errorf("no build info in %s", w.Body)
	}
}
