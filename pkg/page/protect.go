package page

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets a page use only what its own host serves, and no inline script or style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Protect wraps all handlers of a service. It sets the security headers,
// refuses state-changing requests from other sites (http.CrossOriginProtection)
// and requests for a Host that is not among hosts (DNS rebinding: the counter's
// pages answer on loopback), and keeps the language choice. Names of hosts come
// without port; with none given any host is served.
func Protect(next http.Handler, hosts ...string) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if len(hosts) > 0 && !slices.Contains(hosts, hostname(r.Host)) {
			http.Error(w, "このホスト名では応答しません / not served under this host name", http.StatusMisdirectedRequest)
			return
		}
		if r.Method == http.MethodGet {
			rememberLanguage(w, r)
		}
		guarded.ServeHTTP(w, r)
	})
}

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	// Pages tell about persons; no cache, shared or not, may keep them.
	h.Set("Cache-Control", "no-store")
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
