package hub

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shomei/pkg/ca"
	"shomei/pkg/natstest"
)

// TestListsAreServed: what the issuer publishes is served at the configured address, from the start on after a restart,
// and health and metrics speak of it.
func TestListsAreServed(t *testing.T) {
	data := t.TempDir()
	h, _ := started(t, data)
	at := h.Validation.Listener.Addr().String()
	health := func(h *Hub) string {
		w := httptest.NewRecorder()
		h.Operations().ServeHTTP(w, httptest.NewRequest("GET", "/healthz?verbose", nil))
		return w.Body.String()
	}
	check(t, h.Issuer.HoldDueCeremonies(t.Context()))
	g, err := h.Directory.Generations().At(ca.Sign, "", h.Clock.Now())
	check(t, err)
	natstest.Wait(t, 20*time.Second, "health to miss the list", func() bool { return strings.Contains(health(h), g.ListFile()+": no list yet") })
	check(t, h.Issuer.Day(t.Context()))
	list := func(h *Hub) (body []byte) {
		natstest.Wait(t, 20*time.Second, "a list", func() bool {
			response, err := http.Get("http://" + at + "/" + g.ListFile())
			if err != nil {
				return false
			}
			defer response.Body.Close()
			body, err = io.ReadAll(response.Body)
			return err == nil && response.StatusCode == 200
		})
		return body
	}
	first := list(h)
	if crl, err := x509.ParseRevocationList(first); err != nil || crl.CheckSignatureFrom(g.Certificate()) != nil {
		t.Errorf("served: %v", err)
	}
	natstest.Wait(t, 20*time.Second, "health", func() bool {
		said := health(h)
		return strings.Contains(said, "[+] lists") && strings.Contains(said, "[+] publication")
	})
	w := httptest.NewRecorder()
	h.Operations().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "shomei_validation_next_update_seconds 8") {
		t.Error("no metric of the time that is left")
	}
	check(t, h.Close())

	h, _ = started(t, data, func(c *Config) { c.ListsAt = at })
	if again := list(h); !bytes.Equal(again, first) {
		t.Errorf("after a restart %d other bytes are served", len(again))
	}
	natstest.Wait(t, 20*time.Second, "health after a restart", func() bool {
		return strings.Contains(health(h), "[+] damage") && strings.Contains(health(h), "[+] lists")
	})
}
