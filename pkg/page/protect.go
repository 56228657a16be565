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

// ThisMachine are the host names of the machine itself, under which pages without sign-in are served.
var ThisMachine = []string{"localhost", "127.0.0.1", "::1"}

// Protect wraps all handlers of a service, health and metrics included. It sets the security headers, refuses
// state-changing requests from other sites (http.CrossOriginProtection), whatever their pages fetch or embed, and
// requests for a Host that is not among hosts (DNS rebinding: the counter's pages serve on loopback), and keeps the
// language choice. Host names come without port; without any, every host is served.
func Protect(next http.Handler, hosts ...string) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if len(hosts) > 0 && !slices.Contains(hosts, hostname(r.Host)) {
			http.Error(w, "このホスト名では応答しません / not served under this host name", http.StatusMisdirectedRequest)
			return
		}
		if foreign(r) {
			http.Error(w, "ほかのサイトからの要求には応答しません / not served to other sites", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodGet {
			rememberLanguage(w, r)
		}
		guarded.ServeHTTP(w, r)
	})
}

// ByTLS has browsers come by TLS only, once they have come.
func ByTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// foreign reports whether another site's page fetches or embeds something here. Following its link doesn't count.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	return false
}

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	// Pages contain personal data; no cache, shared or not, may keep them.
	h.Set("Cache-Control", "no-store")
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
