package validation

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// file is what stands at one address. It is not changed once it is served.
type file struct {
	kind     string // its media type
	body     []byte // nil: nothing is there yet
	etag     string
	modified time.Time
	until    time.Time // when what it says is over
}

// How long a cache may keep a list, and the certificate of an authority, which never changes.
const (
	listFor        = 15 * time.Minute // how often the real service's data are renewed (profile.md 4)
	certificateFor = 24 * time.Hour
)

func newFile(kind string, body []byte, modified, until time.Time) file {
	return file{kind: kind, body: body, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(body)), modified: modified, until: until}
}

// serveList puts an authority's list at its address; the caller holds mu.
func (v *Validation) serveList(a *authority) {
	f := file{kind: "application/pkix-crl"}
	if a.list != nil {
		f = newFile(f.kind, a.list.Raw, a.list.ThisUpdate, a.list.NextUpdate)
	}
	v.files["/"+a.listFile()] = f
}

// serveCertificate puts an authority's certificate at its address; the caller holds mu.
func (v *Validation) serveCertificate(a *authority) {
	v.files["/"+a.name+certificateSuffix] = newFile("application/pkix-cert", a.certificate.Raw, a.certificate.NotBefore, a.certificate.NotAfter)
}

// ServeHTTP answers GET and HEAD for the addresses that certificates name, and for no others. It answers under any host
// name: what it gives out is signed, and for everybody.
func (v *Validation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	v.mu.RLock()
	f, known := v.files[r.URL.Path]
	v.mu.RUnlock()
	switch {
	case !known:
		http.Error(w, "nothing is published here", http.StatusNotFound)
	case f.body == nil:
		h.Set("Retry-After", "60")
		http.Error(w, "no list has been published here yet", http.StatusServiceUnavailable)
	default:
		f.serve(w, r, v.Clock())
	}
}

func (f file) serve(w http.ResponseWriter, r *http.Request, now time.Time) {
	most := listFor
	if f.kind == "application/pkix-cert" {
		most = certificateFor
	}
	fresh := max(min(f.until.Sub(now), most), 0).Truncate(time.Second)
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d, must-revalidate, no-transform", int(fresh.Seconds())))
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Expires", now.Add(fresh).UTC().Format(http.TimeFormat))
	http.ServeContent(w, r, "", f.modified, bytes.NewReader(f.body))
}
