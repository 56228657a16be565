package hub

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shomei/pkg/ops"
)

// hubWith returns a hub with its port's certificate ready, in a data folder.
func hubWith(t *testing.T, data string, c Config) (*Parts, error) {
	t.Helper()
	c.Data = data
	h := &Parts{Config: c}
	h.defaults()
	if err := os.MkdirAll(h.path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	return h, h.openPort(t.Context())
}

// reach shakes hands with a port like a counter that reaches it under a name and trusts an authority.
func reach(t *testing.T, p port, name string, ca []byte) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no authority in PEM")
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", p.server())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake() // the client reports the outcome
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS13})
	if err == nil {
		conn.Close()
	}
	return err
}

// When the names change, the port's certificate is remade with its old key, and old bundles still work.
func TestTheCertificateFollowsTheNames(t *testing.T) {
	data := t.TempDir()
	first, err := hubWith(t, data, Config{Host: "0.0.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	bundle := first.port.ca
	second, err := hubWith(t, data, Config{Host: "0.0.0.0", Names: []string{"Hub.Example", "192.0.2.1", "2001:db8::1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hub.example", "192.0.2.1", "2001:db8::1", "localhost", "127.0.0.1", "::1"} {
		if err := reach(t, second.port, name, bundle); err != nil {
			t.Errorf("reached as %s: %v", name, err)
		}
		if err := second.port.carries(name); err != nil {
			t.Errorf("enrolled under %s: %v", name, err)
		}
	}
	if err := reach(t, first.port, "hub.example", bundle); err == nil {
		t.Error("a name was believed that the certificate does not carry")
	}
	for _, name := range []string{"other.example", "192.0.2.2", "0.0.0.0"} {
		if err := second.port.carries(name); err == nil {
			t.Errorf("enrolled under %s, which the certificate does not carry", name)
		}
	}
	again, err := hubWith(t, data, Config{Host: "0.0.0.0", Names: []string{"192.0.2.1", "2001:DB8:0::1", "hub.example"}})
	if err != nil || !again.port.certificate.Leaf.Equal(second.port.certificate.Leaf) {
		t.Errorf("the same names in another order made another certificate: %v", err)
	}
	fewer, err := hubWith(t, data, Config{Host: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	if fewer.port.carries("hub.example") == nil || fewer.port.carries("192.0.2.7") != nil {
		t.Errorf("it carries %q", fewer.port.names())
	}
	if !bytes.Equal(fewer.port.certificate.Leaf.RawSubjectPublicKeyInfo, first.port.certificate.Leaf.RawSubjectPublicKeyInfo) {
		t.Error("the port has another key")
	}
	// A tool that holds the folder doesn't know the names and changes nothing.
	tool := &Parts{Config: Config{Data: data}}
	tool.defaults()
	if err := tool.lendPort(t.Context()); err != nil || !tool.port.certificate.Leaf.Equal(fewer.port.certificate.Leaf) {
		t.Errorf("a tool made another certificate: %v", err)
	}
}

// In an earlier program's data folder the certificate was its own authority and had this machine's names only. Bundles
// of that time trust the new one.
func TestBundlesOfAnEarlierProgramBelieveTheNewCertificate(t *testing.T) {
	data := t.TempDir()
	untarKeys(t, "../e2e/testdata/kept-2026-11-28.tar.gz", data)
	pinned, err := os.ReadFile(filepath.Join(data, "keys", authorityCert))
	if err != nil {
		t.Fatal(err)
	}
	h, err := hubWith(t, data, Config{Host: "0.0.0.0", Names: []string{"hub.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hub.example", "127.0.0.1"} {
		if err := reach(t, h.port, name, pinned); err != nil {
			t.Errorf("reached as %s: %v", name, err)
		}
	}
	if now, _ := os.ReadFile(filepath.Join(data, "keys", authorityCert)); string(now) != string(pinned) {
		t.Error("what bundles pin was changed")
	}
}

func untarKeys(t *testing.T, archive, data string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for entries := tar.NewReader(plain); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(header.Name, "data/keys/"); ok && header.Typeflag == tar.TypeReg && !strings.Contains(name, "/") {
			content, err := io.ReadAll(entries)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(data, "keys", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An operator's own certificate is used if counters would believe it under every name, and otherwise refused with the
// reason.
func TestACertificateOfOnesOwn(t *testing.T) {
	made, other := t.TempDir(), t.TempDir()
	for dir, name := range map[string]string{made: "hub.example", other: "other.example"} {
		if _, err := hubWith(t, dir, Config{Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	file := func(dir, name string) string { return filepath.Join(dir, "keys", name) }
	good := Config{
		TLSCert: file(made, portCert), TLSKey: file(made, portKey), TLSCA: file(made, authorityCert), Names: []string{"hub.example"},
	}
	data := t.TempDir()
	h, err := hubWith(t, data, good)
	if err != nil {
		t.Fatal(err)
	}
	if err := reach(t, h.port, "hub.example", h.port.ca); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(data, "keys", authorityCert)); err == nil {
		t.Error("one was made besides")
	}
	for want, spoil := range map[string]func(*Config){
		"all three":              func(c *Config) { c.TLSCA = "" },
		"does not carry wrong":   func(c *Config) { c.Names = []string{"hub.example", "wrong.example"} },
		"no counter would":       func(c *Config) { c.TLSCA = file(other, authorityCert) },
		"private key does not":   func(c *Config) { c.TLSKey = file(other, portKey) },
		"no such file":           func(c *Config) { c.TLSCert += ".none" },
		"neither a host name":    func(c *Config) { c.Names = []string{"tls://hub.example"} },
		"neither a host":         func(c *Config) { c.Names = []string{"hub.example:4222"} },
		`"" is neither`:          func(c *Config) { c.Names = []string{""} },
		`"0.0.0.0" is neither`:   func(c *Config) { c.Names = []string{"0.0.0.0"} },
		`"*.example" is neither`: func(c *Config) { c.Names = []string{"*.example"} },
	} {
		c := good
		spoil(&c)
		if _, err := hubWith(t, data, c); !errors.Is(err, ops.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
