package issuer_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/directory"
	"shomei/services/issuer"
	"shomei/services/servicetest"
)

// judge asks openssl about a certificate, with every authority's certificate and a folder's lists.
func judge(t *testing.T, w *servicetest.World, crls string, der []byte) string {
	t.Helper()
	dir := t.TempDir()
	authorities, leaf := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "leaf.pem")
	var all []byte
	for _, g := range w.Directory.Generations() {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.DER})...)
	}
	servicetest.Check(t, os.WriteFile(authorities, all, 0o600))
	servicetest.Check(t, os.WriteFile(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	args := []string{"verify", "-crl_check", "-CAfile", authorities, "-attime", fmt.Sprint(w.Clock.Now().Unix())}
	for _, id := range []string{"sign", "auth"} {
		for i, block := range blocks(t, filepath.Join(crls, id+".crl")) {
			file := filepath.Join(dir, fmt.Sprintf("%s%d.crl", id, i))
			servicetest.Check(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
			args = append(args, "-CRLfile", file)
		}
	}
	out, err := exec.Command("openssl", append(args, leaf)...).CombinedOutput()
	if err == nil {
		return "OK"
	}
	return string(out)
}

func blocks(t *testing.T, file string) []*pem.Block {
	t.Helper()
	text, err := os.ReadFile(file)
	servicetest.Check(t, err)
	var list []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		list = append(list, block)
	}
	return list
}

// listed returns the reasons on the first list of a file, by serial.
func listed(t *testing.T, file string) (map[uint64]int, *x509.RevocationList) {
	t.Helper()
	list, err := x509.ParseRevocationList(blocks(t, file)[0].Bytes)
	servicetest.Check(t, err)
	reasons := make(map[uint64]int)
	for _, e := range list.RevokedCertificateEntries {
		reasons[e.SerialNumber.Uint64()] = e.ReasonCode
	}
	return reasons, list
}

// Certificates of three generations of keys, good, revoked, on hold and abandoned, judged by openssl.
func TestRevocationListsAcrossGenerations(t *testing.T) {
	w := servicetest.New(t, "2019-09-10 10:00")
	d, phone := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "phone", "telephone")
	good, revoked := d.Hold("100"), d.Hold("101")
	w.Clock.Set("2019-09-20 10:00")
	servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	later, held := d.Hold("102"), d.Hold("103")
	w.Clock.Set("2023-07-20 10:00")
	servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	newest := d.Hold("104")
	dropped := d.Apply(opIssue, "105", "card-105")
	d.Decide(dropped.Keys(0))
	abandoned := dropped.Serial(auth)
	d.Decide(d.Claim(dropped.Procedure, dropped.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{Why: "left"}}
	}, nil))
	d.Apply(events.Operation_OPERATION_REVOKE, "101", revoked.Card)
	phone.Decide(phone.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}
	}, servicetest.Resident("103")))
	w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
	crls := filepath.Join(w.Dir, "crl")
	servicetest.Check(t, w.Issuer.PublishLists(t.Context(), crls))
	for _, row := range []struct {
		name, want string
		life       *servicetest.Life
	}{
		{"first generation, good", "OK", good},
		{"first generation, revoked", "certificate revoked", revoked},
		{"second generation, good", "OK", later},
		{"second generation, on hold", "certificate revoked", held},
		{"third generation, good", "OK", newest},
	} {
		for _, kind := range []events.CertificateKind{sign, auth} {
			if got := judge(t, w, crls, row.life.Certificate(row.life.Serial(kind))); !strings.Contains(got, row.want) {
				t.Errorf("%s, %v: openssl says %s", row.name, kind, got)
			}
		}
	}
	reasons, list := listed(t, filepath.Join(crls, "auth.crl"))
	if n := len(blocks(t, filepath.Join(crls, "auth.crl"))); n != 3 {
		t.Errorf("%d lists of the authentication authority, want one for each key in force", n)
	}
	onHold, ok := reasons[held.Serial(auth)]
	if !ok || onHold != 6 {
		t.Errorf("the suspended certificate is listed %v with reason %d, want 6", ok, onHold)
	}
	if reason, ok := reasons[abandoned]; !ok || reason != 0 {
		t.Errorf("the abandoned serial is listed %v with reason %d, want unspecified", ok, reason)
	}
	if len(reasons) != 3 || list.Number.Int64() != w.Clock.Now().Unix() {
		t.Errorf("list %v names %v", list.Number, reasons)
	}
}

func TestListsArePublishedWhenDue(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	crls := filepath.Join(w.Dir, "crl")
	number := func() int64 {
		servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
		_, list := listed(t, filepath.Join(crls, "sign.crl"))
		return list.Number.Int64()
	}
	later := func(by time.Duration) { w.Clock.SetTo(w.Clock.Now().Add(by)) }
	published, last := int64(0), int64(0)
	want := func(what string, n int64) {
		t.Helper()
		got := number()
		if got < last {
			t.Errorf("%s: list %d after list %d", what, got, last)
		}
		if got != last {
			published, last = published+1, got
		}
		if published != n {
			t.Errorf("%s: the %d. list, want the %d.", what, published, n)
		}
	}
	want("the first", 1)
	want("again at once", 1)
	later(20 * time.Hour)
	want("nothing new within the day", 1)
	d.Apply(events.Operation_OPERATION_REVOKE, "100", l.Card)
	later(time.Minute)
	want("something revoked", 2)
	later(time.Minute)
	want("nothing new", 2)
	later(23*time.Hour + 30*time.Minute)
	want("about to run out", 3)
	w.Issuer = w.NewIssuer(w.Log)
	want("after a restart", 3)
	servicetest.Check(t, os.Remove(filepath.Join(crls, "sign.crl")))
	want("the file was lost", 4)
	if reasons, _ := listed(t, filepath.Join(crls, "sign.crl")); len(reasons) != 1 {
		t.Errorf("the list names %v, want one certificate", reasons)
	}
	w.Forge(events.KindSubscriber, w.Subscriber("100"), []byte("not a commit"))
	later(25 * time.Hour)
	want("behind a forged commit", 5)
	w.Logged.Await(t, "left out of the revocation lists")
}

func TestCeremoniesAreHeldOnce(t *testing.T) {
	w := servicetest.New(t, "2012-04-02 10:00")
	for range 2 {
		servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), []string{"12"}))
		w.Issuer = w.NewIssuer(w.Log)
		again, err := directory.Open(t.Context(), w.Log)
		servicetest.Check(t, err)
		w.Directory = again
	}
	count := func() (n int) {
		for _, id := range []string{"sign", "auth", "juki-12"} {
			for _, r := range w.History(events.KindAuthority, id) {
				for _, e := range r.Commit.Events {
					if e.GetGenerationActivated() != nil {
						n++
					}
				}
			}
		}
		return n
	}
	if n := count(); n != 2 { // 2004 and 2009; no My Number card in 2012
		t.Errorf("%d generations in 2012, want 2", n)
	}
	if err := w.Issuer.Healthy(t.Context()); err != nil {
		t.Errorf("healthy: %v", err)
	}
	wrong := t.TempDir()
	first, err := os.ReadFile(filepath.Join(w.Dir, "ca", "juki-12-01.key"))
	servicetest.Check(t, err)
	for _, name := range []string{"juki-12-01.key", "juki-12-02.key"} {
		servicetest.Check(t, os.WriteFile(filepath.Join(wrong, name), first, 0o600))
	}
	fresh := issuer.New(issuer.Config{Directory: w.Directory, Keys: wrong, Clock: w.Clock.Now, Logger: w.Logger()})
	if err := fresh.Healthy(t.Context()); err == nil {
		t.Error("an issuer with the wrong key file reports healthy")
	}
	if err := servicetest.New(t, "2003-01-01 10:00").Issuer.Healthy(t.Context()); err == nil {
		t.Error("an issuer without any authority reports healthy")
	}
}

// A phone's certificate is on the list while the phone is lost and off it once found, judged by openssl; the card's
// certificates stay good throughout.
func TestHoldIsLiftedWhenThePhoneIsFound(t *testing.T) {
	w := servicetest.New(t, "2024-03-05 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	gateway, telephone := w.Enrol(servicetest.Office, "gateway", "phone"), w.Enrol(servicetest.Office, "telephone", "telephone")
	p := gateway.Phone(l, "android-1").Register(4, auth, sign)
	serials := make(map[events.CertificateKind]uint64)
	for _, held := range p.Holds() {
		serials[held.Kind] = held.Serial
	}
	crls := filepath.Join(w.Dir, "crl")
	published := func(wantAuth, wantSign string) {
		t.Helper()
		w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
		servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
		for kind, want := range map[events.CertificateKind]string{auth: wantAuth, sign: wantSign} {
			if got := judge(t, w, crls, l.Certificate(serials[kind])); !strings.Contains(got, want) {
				t.Errorf("kind %v on the phone: openssl says %s, want %s", kind, got, want)
			}
			if got := judge(t, w, crls, l.Certificate(l.Serial(kind))); got != "OK" {
				t.Errorf("kind %v on the card: openssl says %s", kind, got)
			}
		}
	}
	published("OK", "OK")
	telephone.Decide(telephone.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone", Device: "android-1"}}
	}, servicetest.Resident("100")))
	published("certificate revoked", "certificate revoked")
	reasons, _ := listed(t, filepath.Join(crls, "auth.crl"))
	if reasons[serials[auth]] != 6 {
		t.Errorf("the hold is listed with reason %d", reasons[serials[auth]])
	}
	gateway.Decide(p.Asks(events.Operation_OPERATION_PHONE_RELEASE, 0))
	published("OK", "certificate revoked")
	reasons, _ = listed(t, filepath.Join(crls, "sign.crl"))
	if reasons[serials[sign]] != 1 {
		t.Errorf("the signature certificate is listed with reason %d, want keyCompromise", reasons[serials[sign]])
	}
	w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
	gateway.Decide(p.Asks(events.Operation_OPERATION_PHONE_REVOKE, 0))
	published("certificate revoked", "certificate revoked")
}
