package desk

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// What was typed stays on the page if the centre can't be asked for a case, with what to do.
func TestACaseThatCannotBeLookedForIsToldOnItsPage(t *testing.T) {
	form := url.Values{"clerk": {"017"}, "case_number": {"07a785af"}}
	request := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/cases", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	alone(t).Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, want %d", answer.Code, http.StatusServiceUnavailable)
	}
	problem := problemOf(errCaseUnasked)
	for _, part := range []string{problem.JA, problem.NextJA, `value="07a785af"`, `action="/cases"`} {
		if !strings.Contains(answer.Body.String(), part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}
