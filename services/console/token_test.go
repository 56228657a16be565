package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
)

// TestProgramsAskWithAToken: in their officer's area, for counts alone, as long as the officer may look.
func TestProgramsAskWithAToken(t *testing.T) {
	s := openStaffed(t, officer.Officer{Code: "T1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"}})
	s.signIn("T1", "T1")
	_, body := s.post("/api", nil)
	found := regexp.MustCompile(`<code>([A-Z2-7]{26})</code>`).FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("no token: %.400s", body)
	}
	s.post("/sign-out", nil)
	ask := func(method, target, token string) (int, string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		s.console.Handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, body := ask("GET", "/api/reports/issued?by=office", found[1]); status != http.StatusOK || !strings.Contains(body, "12237-main") {
		t.Errorf("a report: %d %s", status, body)
	}
	if status, body := ask("GET", "/api/status?prefecture=13", found[1]); status != http.StatusBadRequest {
		t.Errorf("elsewhere: %d %s", status, body)
	}
	for _, refused := range [][3]string{
		{"GET", "/api/history?q=1001", found[1]},
		{"GET", "/", found[1]},
		{"GET", "/reports/issued", found[1]},
		{"GET", "/approvals", found[1]},
		{"POST", "/api", found[1]},
		{"GET", "/api/status", "A" + found[1][1:] + "B"},
		{"GET", "/api/status", ""},
	} {
		if status, body := ask(refused[0], refused[1], refused[2]); status != http.StatusUnauthorized && status != http.StatusSeeOther || strings.Contains(body, `"count"`) {
			t.Errorf("%v: %d %.200s", refused, status, body)
		}
	}
	s.officers["T1"].Until = civil.Of(now).AddDays(-1)
	if status, _ := ask("GET", "/api/status", found[1]); status != http.StatusUnauthorized {
		t.Errorf("after the officer's term: %d", status)
	}
}

// TestTokensEnd after their time, and the oldest where an officer, or all, have too many.
func TestTokensEnd(t *testing.T) {
	var all tokens
	ask := func(text string, at time.Time) bool {
		r := httptest.NewRequest("GET", "/api/status", nil)
		r.Header.Set("Authorization", "Bearer "+text)
		return all.credential(r, at) != nil
	}
	first := all.issue([]byte("key"), now)
	if !ask(first, now.Add(tokenLife)) || ask(first, now.Add(tokenLife+time.Second)) {
		t.Error("a token does not end after its time")
	}
	for i := range openTokens {
		all.issue(fmt.Appendf(nil, "key %d", i), now.Add(time.Duration(i+1)*time.Second))
	}
	own := all.issue([]byte("own"), now)
	for range ownTokens {
		all.issue([]byte("own"), now.Add(time.Hour))
	}
	if ask(own, now) {
		t.Error("an officer's oldest token is still good")
	}
	if ask(first, now) || len(all.open) != openTokens {
		t.Errorf("%d tokens, the oldest still good: %t", len(all.open), ask(first, now))
	}
}
