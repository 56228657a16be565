package httpd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shomei/pkg/httpd"
)

// writePair writes a certificate for a name and its key, as of a moment.
func writePair(t *testing.T, by httpd.Site, serial int64, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"console.example"}, NotAfter: at.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{by.Certificate: {Type: "CERTIFICATE", Bytes: der}, by.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := errors.Join(os.WriteFile(file, pem.EncodeToMemory(block), 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificateIsReadAnew when its files change, and a pair that can't be used leaves the former.
func TestCertificateIsReadAnew(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	by := httpd.Site{Name: "console.example", Certificate: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem"), Logger: slog.New(slog.DiscardHandler)}
	if _, err := httpd.ListenTLS("127.0.0.1:0", by); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	writePair(t, by, 1, now)
	other := by
	other.Name = "other.example"
	if _, err := httpd.ListenTLS("127.0.0.1:0", other); !errors.As(err, &x509.HostnameError{}) {
		t.Errorf("a certificate for another name: %v", err)
	}
	l, err := httpd.ListenTLS("127.0.0.1:0", by)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client looks
			conn.Close()
		}
	}()
	shows := func(serial int64) {
		t.Helper()
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it looks only
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != serial {
			t.Errorf("certificate %d is shown, want %d", got, serial)
		}
	}
	shows(1)
	writePair(t, by, 2, now.Add(time.Minute))
	shows(2)
	if err := errors.Join(os.WriteFile(by.Key, []byte("half a key"), 0o600), os.Chtimes(by.Key, now, now.Add(2*time.Minute))); err != nil {
		t.Fatal(err)
	}
	shows(2)
	writePair(t, by, 3, now.Add(3*time.Minute))
	shows(3)
	// The certificate comes before its key, which keeps the older time that it was made at.
	next := by
	next.Certificate, next.Key = filepath.Join(dir, "next.pem"), filepath.Join(dir, "next-key.pem")
	writePair(t, next, 4, now.Add(5*time.Minute))
	if err := os.Rename(next.Certificate, by.Certificate); err != nil {
		t.Fatal(err)
	}
	shows(3)
	if err := errors.Join(os.Chtimes(next.Key, now, now.Add(time.Minute)), os.Rename(next.Key, by.Key)); err != nil {
		t.Fatal(err)
	}
	shows(4)
}
