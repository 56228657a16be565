package desk

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shomei/pkg/officer"
)

// TestRoutesOfOtherMachines asks for every URL at the counter's host name while nobody is signed in there, with all cookies of the
// counter's own machine: none serves more than to sign in and to enrol.
func TestRoutesOfOtherMachines(t *testing.T) {
	d := alone(t)
	if err := d.Counter.PairScreen("the resident"); err != nil {
		t.Fatal(err)
	}
	far, err := d.OfficeHandler("madoguchi.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, cookies := range []string{"", clerkCookie + "=" + d.Counter.ClerkToken(), residentCookie + "=the resident"} {
		for _, route := range d.routes() {
			row := routesFor[route.pattern]
			w := askFar(t, far, route.pattern, map[string]string{"Cookie": cookies, "Sec-Fetch-Site": "same-origin"})
			toSignIn := w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/sign-in")
			refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "カードリーダーのある窓口端末")
			switch {
			case !row.office:
				if !refused {
					t.Errorf("%s is not refused to another machine: %d", route.pattern, w.Code)
				}
			case row.audience == forClerk:
				if !toSignIn {
					t.Errorf("%s is served to nobody in particular: %d", route.pattern, w.Code)
				}
			case refused, toSignIn && route.pattern != "POST /sign-out":
				t.Errorf("%s: %d", route.pattern, w.Code)
			}
			if w.Header().Get("Strict-Transport-Security") == "" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s comes without its headers: %v", route.pattern, w.Header())
			}
			for _, c := range w.Result().Cookies() {
				if c.Name != "lang" && (!strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode) {
					t.Errorf("%s sets the cookie %s", route.pattern, c)
				}
			}
		}
	}
}

// TestOtherMachinesPostFromTheirPagesOnly refuses what another site's page, or none, sends, and every other host name.
func TestOtherMachinesPostFromTheirPagesOnly(t *testing.T) {
	far, err := alone(t).OfficeHandler("madoguchi.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{"", "none", "cross-site", "same-site"} {
		if w := askFar(t, far, "POST /sign-in", map[string]string{"Sec-Fetch-Site": site}); w.Code != http.StatusForbidden {
			t.Errorf("sent by %q: %d", site, w.Code)
		}
	}
	for _, host := range []string{"localhost", "127.0.0.1", "192.0.2.1:8443", "other.example"} {
		if w := askFar(t, far, "GET /sign-in", map[string]string{"Host": host}); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("host %s: %d", host, w.Code)
		}
	}
}

// TestADemonstrationStaysOnItsMachine: whoever reached it would act as its officer.
func TestADemonstrationStaysOnItsMachine(t *testing.T) {
	d := alone(t)
	d.Soft = &SoftOfficer{Officer: "demo-1", Key: officer.NewSoftKey()}
	if _, err := d.OfficeHandler("madoguchi.example"); !errors.Is(err, ErrSoftOfficer) {
		t.Errorf("a demonstration is served to other machines: %v", err)
	}
}

// askFar sends a request to a route from another machine.
func askFar(t *testing.T, far http.Handler, pattern string, headers map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.NewReplacer("{$}", "", "{id}", "none", "{token}", "none", "/assets/", "/assets/live.js").Replace(path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a stream ends once it has begun
	r := httptest.NewRequestWithContext(ctx, method, "https://madoguchi.example"+path, strings.NewReader(""))
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
		} else if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	far.ServeHTTP(w, r)
	return w
}

// TestWhoWasLetThroughActs to the end of the request, also when the session ends while its body is still coming in.
func TestWhoWasLetThroughActs(t *testing.T) {
	d := alone(t)
	served := false
	d.signedIn(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, served = r.Context().Value(signerKey{}).(signer)
		ended := r.WithContext(context.WithValue(r.Context(), signerKey{}, signer{Code: "017"}))
		if who := d.signer(ended); who.Code != "017" {
			t.Errorf("%q acts in the place of 017", who.Code)
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "http://localhost/apply", nil))
	if !served {
		t.Error("nobody is named to what follows")
	}
}
