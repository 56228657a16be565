package validation_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/natstest"
	"shomei/services/servicetest"
	"shomei/services/validation"
)

const (
	sign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

// place is a centre whose issuer publishes and whose validation serves.
type place struct {
	*servicetest.World
	*validation.Validation
	crls, folder string
	stop         func()
}

// open makes a centre in which nothing is published yet. Nothing runs.
func open(t *testing.T) *place {
	t.Helper()
	w := servicetest.New(t, "2024-03-05 10:00")
	p := &place{World: w, crls: filepath.Join(w.Dir, "crl"), folder: filepath.Join(w.Dir, "validation")}
	p.begin()
	return p
}

// begin makes the service anew, as another process would.
func (p *place) begin() {
	p.T.Helper()
	p.beginWith(p.Directory.Generations)
}

// beginAlone is begin while the log is away.
func (p *place) beginAlone() {
	p.T.Helper()
	p.beginWith(func() ca.Generations { return nil })
}

func (p *place) beginWith(authorities func() ca.Generations) {
	p.T.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	servicetest.Check(p.T, err)
	p.T.Cleanup(func() { listener.Close() })
	p.Validation, err = validation.New(validation.Config{
		Bucket: p.World.Bucket, Authorities: authorities, Folder: p.folder, Listener: listener, Every: 10 * time.Millisecond,
		Clock: p.World.Clock.Now, Logger: p.World.Logger(),
	})
	servicetest.Check(p.T, err)
}

// run runs the service until the test ends or stop is called.
func (p *place) run() {
	p.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	p.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			p.T.Errorf("the service ended with %v", err)
		}
		ended <- nil
	}
	p.T.Cleanup(func() { p.stop() })
}

// publish has the issuer publish what is due, a minute later.
func (p *place) publish() {
	p.T.Helper()
	p.World.Clock.SetTo(p.World.Clock.Now().Add(time.Minute))
	servicetest.Check(p.T, p.Issuer.PublishDue(p.T.Context(), p.crls))
}

// get asks for an address as a client does whose DNS leads to this service.
func (p *place) get(method, address string, headers ...string) (*http.Response, []byte) {
	p.T.Helper()
	request, err := http.NewRequestWithContext(p.T.Context(), method, address, nil)
	servicetest.Check(p.T, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	there := p.Listener.Addr().String()
	client := &http.Client{Transport: &http.Transport{
		DisableCompression: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, there)
		},
	}}
	response, err := client.Do(request)
	servicetest.Check(p.T, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	servicetest.Check(p.T, err)
	return response, body
}

// smallFolder gives the service a folder of its own with that much room.
func (p *place) smallFolder(size int) {
	p.T.Helper()
	servicetest.Check(p.T, syscall.Mount("tmpfs", p.folder, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	p.T.Cleanup(func() { servicetest.Check(p.T, syscall.Unmount(p.folder, syscall.MNT_DETACH)) })
}

// measured is the metric of the time that is left.
func (p *place) measured() float64 {
	p.T.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.Collectors()...)
	families, err := registry.Gather()
	servicetest.Check(p.T, err)
	for _, f := range families {
		if f.GetName() == "shomei_validation_next_update_seconds" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	p.T.Fatal("no such metric")
	return 0
}

const repository = "http://repository.shomei.example"

// await waits until an address gives what the test wants.
func (p *place) await(what, address string, wanted func(*http.Response, []byte) bool) {
	p.T.Helper()
	natstest.Wait(p.T, 20*time.Second, what, func() bool { return wanted(p.get("GET", address)) })
}

// number is that of the list at an address, 0 for none.
func (p *place) number(address string) uint64 {
	p.T.Helper()
	_, body := p.get("GET", address)
	list, err := x509.ParseRevocationList(body)
	if err != nil {
		return 0
	}
	return list.Number.Uint64()
}

// openssl runs the judge and gives what it says.
func openssl(t testing.TB, environment []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "openssl", args...)
	command.Env = append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return string(out)
}

// write writes a file of this test's.
func (p *place) write(name, kind string, der ...[]byte) string {
	p.T.Helper()
	path := filepath.Join(p.Dir, name)
	var text []byte
	for _, one := range der {
		if kind != "" {
			one = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: one})
		}
		text = append(text, one...)
	}
	servicetest.Check(p.T, os.WriteFile(path, text, 0o600))
	return path
}

// judge has openssl verify a certificate with the list that it downloads from the address in the certificate, of whose host
// only the service knows: it is the proxy for all hosts.
func (p *place) judge(der []byte) string {
	p.T.Helper()
	var authorities [][]byte
	for _, g := range p.Directory.Generations() {
		authorities = append(authorities, g.DER)
	}
	return openssl(p.T, []string{"http_proxy=http://" + p.Listener.Addr().String(), "no_proxy="}, "verify", "-crl_check", "-crl_download",
		"-CAfile", p.write("ca.pem", "CERTIFICATE", authorities...), "-attime", fmt.Sprint(p.World.Clock.Now().Unix()),
		p.write("leaf.pem", "CERTIFICATE", der))
}

// A certificate is verified with nothing but its authority and what stands at the addresses that it names.
func TestCertificatesAreVerifiedByTheirOwnAddresses(t *testing.T) {
	p := open(t)
	d := p.Enrol(servicetest.Office, "c1", "counter")
	life := d.Hold("100")
	certificates := map[events.CertificateKind]*x509.Certificate{}
	for _, kind := range []events.CertificateKind{sign, auth} {
		certificate, err := x509.ParseCertificate(life.Certificate(life.Serial(kind)))
		servicetest.Check(t, err)
		certificates[kind] = certificate
	}
	p.run()
	p.await("the authorities", certificates[sign].CRLDistributionPoints[0], func(r *http.Response, _ []byte) bool { return r.StatusCode == 503 })
	if said := p.judge(certificates[sign].Raw); !strings.Contains(said, "unable to get certificate CRL") {
		t.Fatalf("the judge finds a list before one is published: %s", said)
	}
	p.publish()
	for kind, certificate := range certificates {
		p.await("a list", certificate.CRLDistributionPoints[0], func(r *http.Response, _ []byte) bool { return r.StatusCode == 200 })
		if said := p.judge(certificate.Raw); !strings.Contains(said, ": OK") {
			t.Errorf("%v, good: openssl says %s", kind, said)
		}
	}
	before := p.number(certificates[sign].CRLDistributionPoints[0])
	d.Apply(events.Operation_OPERATION_REVOKE, "100", life.Card)
	p.publish()
	for kind, certificate := range certificates {
		address := certificate.CRLDistributionPoints[0]
		natstest.Wait(t, 20*time.Second, "the next list", func() bool { return p.number(address) > before })
		if said := p.judge(certificate.Raw); !strings.Contains(said, "certificate revoked") {
			t.Errorf("%v, revoked: openssl says %s", kind, said)
		}
		_, list := p.get("GET", address)
		_, issuer := p.get("GET", certificate.IssuingCertificateURL[0])
		text := openssl(t, nil, "crl", "-inform", "DER", "-in", p.write("list.der", "", list), "-noout", "-text",
			"-CAfile", p.write("issuer.pem", "CERTIFICATE", issuer))
		if !strings.Contains(text, "verify OK") || !strings.Contains(text, fmt.Sprintf("Serial Number: %X", certificate.SerialNumber.Bytes())) {
			t.Errorf("%v: openssl says of the list at %s, by the certificate at %s: %s", kind, address, certificate.IssuingCertificateURL[0], text)
		}
		if parsed, err := x509.ParseCertificate(issuer); err != nil || certificate.CheckSignatureFrom(parsed) != nil {
			t.Errorf("%v: at %s is not its authority (%v)", kind, certificate.IssuingCertificateURL[0], err)
		}
	}
}

// What an address is asked for, and what comes.
func TestAnswers(t *testing.T) {
	p := open(t)
	p.run()
	p.publish()
	const list, certificate = repository + "/sign-03.crl", repository + "/sign-03.cer"
	p.await("the list", list, func(r *http.Response, _ []byte) bool { return r.StatusCode == 200 })
	r, body := p.get("GET", list)
	crl, err := x509.ParseRevocationList(body)
	servicetest.Check(t, err)
	etag, modified := r.Header.Get("ETag"), crl.ThisUpdate.Format(http.TimeFormat)
	now := p.World.Clock.Now()
	for name, want := range map[string]string{
		"Content-Type": "application/pkix-crl", "Last-Modified": modified, "Cache-Control": "public, max-age=900, must-revalidate, no-transform",
		"Expires": now.Add(15 * time.Minute).Format(http.TimeFormat), "Date": now.Format(http.TimeFormat), "X-Content-Type-Options": "nosniff",
		"Content-Length": fmt.Sprint(len(body)), "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(etag) != 66 || strings.HasPrefix(etag, "W/") {
		t.Errorf("ETag %q is not a strong one", etag)
	}
	before, after := crl.ThisUpdate.Add(-time.Second).Format(http.TimeFormat), crl.ThisUpdate.Add(time.Second).Format(http.TimeFormat)
	for _, row := range []struct {
		name, method, path string
		headers            []string
		status             int
		kind               string
		bytes              int // -1: any
	}{
		{"head", "HEAD", list, nil, 200, "application/pkix-crl", 0},
		{"the same tag", "GET", list, []string{"If-None-Match", etag}, 304, "", 0},
		{"one of several tags", "GET", list, []string{"If-None-Match", `"x", ` + etag}, 304, "", 0},
		{"any tag", "GET", list, []string{"If-None-Match", "*"}, 304, "", 0},
		{"another tag", "GET", list, []string{"If-None-Match", `"x"`}, 200, "application/pkix-crl", len(body)},
		{"another tag before the time", "GET", list, []string{"If-None-Match", `"x"`, "If-Modified-Since", modified}, 200, "application/pkix-crl", len(body)},
		{"since then", "GET", list, []string{"If-Modified-Since", modified}, 304, "", 0},
		{"since later", "GET", list, []string{"If-Modified-Since", after}, 304, "", 0},
		{"since before", "GET", list, []string{"If-Modified-Since", before}, 200, "application/pkix-crl", len(body)},
		{"since no time", "GET", list, []string{"If-Modified-Since", "yesterday"}, 200, "application/pkix-crl", len(body)},
		{"a part", "GET", list, []string{"Range", "bytes=0-9"}, 206, "application/pkix-crl", 10},
		{"a query", "GET", list + "?x=../..", nil, 200, "application/pkix-crl", len(body)},
		{"the authority's certificate", "GET", certificate, nil, 200, "application/pkix-cert", -1},
		{"under another host", "GET", "http://elsewhere.example/sign-03.crl", nil, 200, "application/pkix-crl", len(body)},
		{"the folder", "GET", repository + "/", nil, 404, "text/plain; charset=utf-8", -1},
		{"an authority that is not", "GET", repository + "/sign-09.crl", nil, 404, "text/plain; charset=utf-8", -1},
		{"in capitals", "GET", repository + "/SIGN-03.crl", nil, 404, "text/plain; charset=utf-8", -1},
		{"a way round", "GET", repository + "/x/../sign-03.crl", nil, 404, "text/plain; charset=utf-8", -1},
		{"an encoded way round", "GET", repository + "/%2e%2e/sign-03.crl", nil, 404, "text/plain; charset=utf-8", -1},
		{"two slashes", "GET", repository + "//sign-03.crl", nil, 404, "text/plain; charset=utf-8", -1},
		{"below it", "GET", list + "/", nil, 404, "text/plain; charset=utf-8", -1},
		{"post", "POST", list, nil, 405, "text/plain; charset=utf-8", -1},
		{"delete", "DELETE", list, nil, 405, "text/plain; charset=utf-8", -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, got := p.get(row.method, row.path, row.headers...)
			if r.StatusCode != row.status || r.Header.Get("Content-Type") != row.kind || row.bytes >= 0 && len(got) != row.bytes {
				t.Errorf("%d, %q, %d bytes", r.StatusCode, r.Header.Get("Content-Type"), len(got))
			}
			if found := r.StatusCode < 400; found != (r.Header.Get("Cache-Control") != "no-store") || r.StatusCode == 304 && r.Header.Get("ETag") != etag {
				t.Errorf("%d with Cache-Control %q, ETag %q", r.StatusCode, r.Header.Get("Cache-Control"), r.Header.Get("ETag"))
			}
		})
	}
	// A cache may keep a list no longer than it is good for.
	for left, want := range map[time.Duration]string{90 * time.Second: "max-age=90,", 0: "max-age=0,", -time.Hour: "max-age=0,"} {
		p.World.Clock.SetTo(crl.NextUpdate.Add(-left))
		r, _ := p.get("GET", list)
		if got := r.Header.Get("Cache-Control"); r.StatusCode != 200 || !strings.Contains(got, want) {
			t.Errorf("%v before its end: %d, Cache-Control %q", left, r.StatusCode, got)
		}
	}
}

// Before anything is published the address of a known authority asks people to come again.
func TestNothingPublishedYet(t *testing.T) {
	p := open(t)
	p.run()
	p.await("the authority", repository+"/sign-03.crl", func(r *http.Response, _ []byte) bool {
		return r.StatusCode == 503 && r.Header.Get("Retry-After") != "" && r.Header.Get("Cache-Control") == "no-store"
	})
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "sign-03.crl: no list yet") {
		t.Errorf("healthy: %v", err)
	}
	p.publish()
	natstest.Wait(t, 20*time.Second, "health", func() bool { return p.Check() == nil })
}
