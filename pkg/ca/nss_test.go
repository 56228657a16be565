package ca

import (
	"os"
	"testing"
	"time"

	"shomei/pkg/civil"
)

// TestNSS lets NSS judge one generation: crlutil takes a list only when the authority in the database signed it, and
// vfychain builds the path and looks the certificate up in that list. NSS keeps one list per issuer name, so the two
// generations of an authority, which share their name, cannot stand in one database; openssl judges them together.
func TestNSS(t *testing.T) {
	w := newWorld(t)
	db := "sql:" + w.path("nss")
	if err := os.Mkdir(w.path("nss"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(t, "third.pem", "CERTIFICATE", w.generation[2].DER)
	for _, args := range [][]string{
		{"-N", "-d", db, "--empty-password"},
		{"-A", "-a", "-d", db, "-n", "ca", "-t", "C,C,C", "-i", w.path("third.pem")},
	} {
		code, out := run(t, "certutil", args...)
		contains(t, "certutil", code, out, "")
	}
	for _, test := range []struct{ list, refused string }{
		{"broken.crl", "SEC_ERROR_CRL_BAD_SIGNATURE"},
		{"old.crl", "SEC_ERROR_CRL_BAD_SIGNATURE"},
		{"auth.crl", "SEC_ERROR_UNKNOWN_ISSUER"},
		{"third.crl", ""},
	} {
		der := w.path(test.list + ".der")
		if code, out := run(t, "openssl", "crl", "-in", w.path(test.list), "-outform", "DER", "-out", der); code != 0 {
			t.Fatal(out)
		}
		code, out := run(t, "crlutil", "-I", "-d", db, "-i", der)
		if (code == 0) != (test.refused == "") {
			t.Errorf("%s: exit %d: %s", test.list, code, out)
		}
		contains(t, test.list, 0, out, test.refused)
	}
	during, expired := crlDay.Add(time.Hour), civil.New(2029, 6, 18).EndInstant().Add(time.Minute)
	for _, test := range []struct {
		cert string
		at   time.Time
		says string
	}{
		{"good.pem", during, "Chain is good!"},
		{"revoked.pem", during, "ERROR -8180"}, // SEC_ERROR_REVOKED_CERTIFICATE
		{"good.pem", expired, "ERROR -8181"},   // SEC_ERROR_EXPIRED_CERTIFICATE
		{"old.pem", during, "Chain is bad!"},   // signed by a generation the database does not hold
	} {
		_, out := run(t, "vfychain", "-a", "-pp", "-d", db, "-u", "4", "-T", "-b", test.at.UTC().Format("0601021504")+"Z",
			"-g", "leaf", "-m", "crl", "-s", "forbidFetching", w.path(test.cert))
		contains(t, test.cert, 0, out, test.says)
	}
}
