package ca

import (
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"
)

// world is what the outside judges look at: PEM files of two generations of one authority, certificates of both, and
// the revocation list of each generation.
type world struct {
	dir        string
	generation [3]*Generation // 2 and 3 at their number
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{dir: t.TempDir()}
	second, third := testKey(t, "successor"), testKey(t, "authority")
	w.generation[1] = testGeneration(t, Sign, "", 2, 20_104_363, second)
	w.generation[2] = testGeneration(t, Sign, "", 3, 108_816_929, third)
	old, good, bad := testInput(t, w.generation[1]), testInput(t, w.generation[2]), testInput(t, w.generation[2])
	old.Serial, old.NotBefore, old.LastDay = 30_000_000, issued.AddDate(-2, 0, 0), civil.New(2026, 6, 18)
	bad.Serial++
	revoked := Revocation{Serial: bad.Serial, RevokedAt: issued.Add(time.Hour), Reason: KeyCompromise}
	w.write(t, "ca.pem", "CERTIFICATE", w.generation[1].DER, w.generation[2].DER)
	w.write(t, "auth-ca.pem", "CERTIFICATE", testGeneration(t, Auth, "", 3, 1, third).DER)
	w.write(t, "old.pem", "CERTIFICATE", mustSign(t, w.generation[1], second, old))
	w.write(t, "good.pem", "CERTIFICATE", mustSign(t, w.generation[2], third, good))
	w.write(t, "phone.pem", "CERTIFICATE", mustSign(t, w.generation[2], third, phoneInput(t, w.generation[2])))
	w.write(t, "revoked.pem", "CERTIFICATE", mustSign(t, w.generation[2], third, bad))
	oldList, err := BuildCRL(second, testCRL(w.generation[1], revoked))
	if err != nil {
		t.Fatal(err)
	}
	list, err := BuildCRL(third, testCRL(w.generation[2], revoked))
	if err != nil {
		t.Fatal(err)
	}
	authList, err := BuildCRL(third, testCRL(testGeneration(t, Auth, "", 3, 1, third)))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "old.crl", "X509 CRL", oldList)
	w.write(t, "third.crl", "X509 CRL", list)
	held := revoked
	held.Serial, held.Reason = phoneInput(t, w.generation[2]).Serial, CertificateHold
	heldList, err := BuildCRL(third, testCRL(w.generation[2], revoked, held))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "held.crl", "X509 CRL", heldList)
	w.write(t, "all.crl", "X509 CRL", list, oldList)
	w.write(t, "auth.crl", "X509 CRL", authList)
	broken := append([]byte{}, list...)
	broken[len(broken)-1] ^= 1
	w.write(t, "broken.crl", "X509 CRL", broken)
	return w
}

func (w world) path(name string) string { return filepath.Join(w.dir, name) }

func (w world) write(t *testing.T, name, kind string, list ...[]byte) {
	t.Helper()
	var text []byte
	for _, der := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(w.path(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a judge and gives its exit code and all it said.
func run(t *testing.T, name string, args ...string) (int, string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("this test is judged by %s: apt-get install openssl gnutls-bin libnss3-tools (%v)", name, err)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("running %s: %v", name, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestOpenSSLVerify(t *testing.T) {
	w := newWorld(t)
	during, expired := crlDay.Add(time.Hour), civil.New(2029, 6, 18).EndInstant().Add(time.Second)
	tests := []struct {
		name, ca, crl, cert string
		at                  time.Time
		refused             string // empty: accepted
	}{
		{"good", "ca.pem", "third.crl", "good.pem", during, ""},
		{"good, lists of all generations", "ca.pem", "all.crl", "good.pem", during, ""},
		{"of the older generation", "ca.pem", "all.crl", "old.pem", during, ""},
		{"on a smartphone, held", "ca.pem", "held.crl", "phone.pem", during, "certificate revoked"},
		{"on a smartphone, released", "ca.pem", "third.crl", "phone.pem", during, ""},
		{"revoked", "ca.pem", "third.crl", "revoked.pem", during, "certificate revoked"},
		{"revoked, lists of all generations", "ca.pem", "all.crl", "revoked.pem", during, "certificate revoked"},
		{"the other generation's list", "ca.pem", "old.crl", "good.pem", during, "different CRL scope|unable to get certificate CRL|CRL signature failure|unable to get CRL issuer"},
		{"another authority's list", "ca.pem", "auth.crl", "good.pem", during, "unable to get certificate CRL"},
		{"a list with a wrong signature", "ca.pem", "broken.crl", "good.pem", during, "CRL signature failure"},
		{"a list of yesterday", "ca.pem", "third.crl", "good.pem", crlDay.Add(CRLPeriod + time.Second), "CRL has expired"},
		{"expired", "ca.pem", "third.crl", "good.pem", expired, "certificate has expired"},
		{"not yet valid", "ca.pem", "third.crl", "good.pem", issued.Add(-time.Minute), "certificate is not yet valid"},
		{"another authority", "auth-ca.pem", "third.crl", "good.pem", during, "unable to get local issuer certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out := run(t, "openssl", "verify", "-crl_check", "-CAfile", w.path(test.ca), "-CRLfile", w.path(test.crl),
				"-attime", fmt.Sprint(test.at.Unix()), w.path(test.cert))
			if test.refused == "" {
				if code != 0 || !strings.Contains(out, ": OK") {
					t.Errorf("exit %d: %s", code, out)
				}
				return
			}
			said := false
			for _, reason := range strings.Split(test.refused, "|") {
				said = said || strings.Contains(out, reason)
			}
			if code == 0 || !said {
				t.Errorf("exit %d, should say %q: %s", code, test.refused, out)
			}
		})
	}
}

func TestOpenSSLText(t *testing.T) {
	w := newWorld(t)
	for file, wants := range map[string][]string{
		"good.pem": {
			"Serial Number: 108900001", "Not After : Jun 18 14:59:59 2029 GMT", "X509v3 Key Usage: critical",
			"Digital Signature, Non Repudiation", "othername", "X509v3 Certificate Policies: critical", "2.999.2106450512.1.1",
			"CPS: http://www.shomei.example/cps.html", "CRLDP", "OCSP - URI:http://ocsp-sign.shomei.example", "DirName:",
			"URI:http://repository.shomei.example/sign-03.crl", "CA Issuers - URI:http://repository.shomei.example/sign-03.cer", "sha256WithRSAEncryption",
		},
		"phone.pem": {"Digital Signature, Non Repudiation", "X509v3 Certificate Policies: critical", "2.999.2106450512.1.4"},
		"ca.pem":    {"CA:TRUE", "Certificate Sign, CRL Sign", "X509v3 Subject Alternative Name"},
	} {
		code, out := run(t, "openssl", "x509", "-in", w.path(file), "-noout", "-text")
		contains(t, file, code, out, wants...)
	}
	code, out := run(t, "openssl", "crl", "-in", w.path("third.crl"), "-noout", "-text")
	contains(t, "third.crl", code, out, "Version 2", "X509v3 CRL Number", "X509v3 Authority Key Identifier",
		"Key Compromise", "Next Update: Apr  2 15:00:00 2024 GMT")
}

func contains(t *testing.T, what string, code int, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, no %q in:\n%s", what, code, want, out)
		}
	}
}

// TestCerttool lets GnuTLS verify a chain and a list, and refuse a revoked certificate, another list and a broken one.
// It judges by the clock of the machine, so this authority is made around today.
func TestCerttool(t *testing.T) {
	w := world{dir: t.TempDir()}
	now := time.Now().UTC().Truncate(time.Second)
	key := testKey(t, "authority")
	plan := Plan{Kind: Sign, Number: 1, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0)}
	tbs, err := BuildAuthorityTBS(plan, 1, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	g, err := SelfSign(plan, key, tbs)
	if err != nil {
		t.Fatal(err)
	}
	good := testInput(t, g)
	good.Serial, good.NotBefore, good.LastDay = 2, now.Add(-time.Hour), civil.Of(now.AddDate(5, 0, 0))
	bad := good
	bad.Serial = 3
	list, err := BuildCRL(key, CRLInput{
		Generation: g, Number: 1, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(CRLPeriod),
		Entries: []Revocation{{Serial: 3, RevokedAt: now.Add(-2 * time.Minute), Reason: KeyCompromise}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "ca.pem", "CERTIFICATE", g.DER)
	w.write(t, "good.pem", "CERTIFICATE", mustSign(t, g, key, good))
	w.write(t, "revoked.pem", "CERTIFICATE", mustSign(t, g, key, bad))
	w.write(t, "day.crl", "X509 CRL", list)
	list[len(list)-1] ^= 1
	w.write(t, "broken.crl", "X509 CRL", list)

	for cert, word := range map[string]string{"good.pem": "The certificate is trusted.", "revoked.pem": "The certificate chain is revoked."} {
		_, out := run(t, "certtool", "--verify", "--load-ca-certificate", w.path("ca.pem"), "--load-crl", w.path("day.crl"),
			"--infile", w.path(cert))
		contains(t, cert, 0, out, word)
	}
	for crl, word := range map[string]string{"day.crl": "Verification output: Verified.", "broken.crl": "Verification output: Not verified."} {
		_, out := run(t, "certtool", "--verify-crl", "--load-ca-certificate", w.path("ca.pem"), "--infile", w.path(crl))
		contains(t, crl, 0, out, word)
	}
}
