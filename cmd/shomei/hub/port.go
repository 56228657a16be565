package hub

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shomei/pkg/durable"
	"shomei/pkg/ops"
	"shomei/pkg/secret"
)

// port holds the TLS identity of the port that counters connect to.
type port struct {
	certificate tls.Certificate
	// ca holds the PEM certificates that go into bundles; name is one that the port's certificate carries.
	ca   []byte
	name string
}

// server returns the TLS configuration of the port.
func (p port) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.certificate}, MinVersion: tls.VersionTLS13}
}

// client returns the TLS configuration with which this process and its tools verify the port, at any address.
func (p port) client() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.ca)
	return &tls.Config{RootCAs: roots, ServerName: p.name, MinVersion: tls.VersionTLS13}
}

// carries returns nil if the certificate carries a host name or address.
func (p port) carries(host string) error { return p.certificate.Leaf.VerifyHostname(host) }

// names returns the names that the certificate carries.
func (p port) names() []string { return namesOf(p.certificate.Leaf) }

func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Files under keys/ that the hub makes for its port. tls.pem is this hub's own certification authority, which goes into
// bundles; the port shows tls-port.pem, which is made anew when the names change. In data folders from before
// 2026-11-28 tls.pem was both. If an operator has put a certificate there that is not an authority, the port shows that
// one.
const (
	authorityCert, authorityKey = "tls.pem", "tls.key"
	portCert, portKey           = "tls-port.pem", "tls-port.key"
)

// openPort prepares the port's certificate for the configured names.
func (p *Parts) openPort(context.Context) (err error) {
	names, err := p.names()
	if err != nil {
		return err
	}
	if p.TLSCert+p.TLSKey+p.TLSCA != "" {
		p.port, err = ownPort(p.TLSCert, p.TLSKey, p.TLSCA, p.Names)
	} else {
		p.port, err = madePort(p.secrets, p.path("keys"), names)
	}
	return err
}

// lendPort loads the certificate as it is, for a tool that holds the data folder and doesn't know the names.
func (p *Parts) lendPort(context.Context) (err error) {
	p.port, err = madePort(p.secrets, p.path("keys"), nil)
	return err
}

// thisMachine are the names that every certificate carries.
var thisMachine = []string{"127.0.0.1", "::1", "localhost"}

// names returns the names of this machine, of the configuration and of the listening address.
func (p *Parts) names() ([]string, error) {
	names := slices.Clone(thisMachine)
	for _, name := range p.Names {
		if !hostName(name) {
			return nil, fmt.Errorf("%w: names of [hub]: %.80q is neither a host name nor an address", ops.ErrConfig, name)
		}
		names = append(names, name)
	}
	if ip := net.ParseIP(p.Host); ip == nil || !ip.IsUnspecified() {
		names = append(names, p.Host)
	}
	for i, name := range names {
		names[i] = canonical(name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// canonical returns a name in the form in which a certificate gives it back.
func canonical(name string) string {
	if ip := net.ParseIP(name); ip != nil {
		return ip.String()
	}
	return strings.ToLower(name)
}

// hostName reports whether text can stand in a certificate as a host name.
func hostName(text string) bool {
	if ip := net.ParseIP(text); ip != nil {
		return !ip.IsUnspecified()
	}
	if len(text) > 253 {
		return false
	}
	labels := strings.Split(text, ".")
	return !slices.ContainsFunc(labels, func(label string) bool {
		bad := strings.ContainsFunc(label, func(r rune) bool {
			return !(r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		})
		return bad || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-'
	})
}

// ownPort loads the operator's own certificate. Counters must believe it: by the given authority, under every given
// name.
func ownPort(cert, key, ca string, names []string) (port, error) {
	if cert == "" || key == "" || ca == "" {
		return port{}, fmt.Errorf("%w: tls_cert, tls_key and tls_ca of [hub] belong together: give all three files, or none", ops.ErrConfig)
	}
	p, err := readPort(nil, cert, key, ca)
	if err != nil {
		return port{}, fmt.Errorf("%w: %w", ops.ErrConfig, err)
	}
	for _, name := range names {
		if p.carries(name) != nil {
			return port{}, fmt.Errorf("%w: names of [hub]: the certificate in %s does not carry %s, it carries %s",
				ops.ErrConfig, cert, name, strings.Join(p.names(), ", "))
		}
	}
	return p, nil
}

// readPort loads a certificate, its key and its authorities, and verifies it as a counter does.
func readPort(secrets *secret.Store, cert, key, ca string) (p port, err error) {
	if p.certificate, err = keyPair(secrets, cert, key); err != nil {
		return p, fmt.Errorf("reading the certificate of the counters' port: %w", err)
	}
	if p.ca, err = os.ReadFile(ca); err != nil {
		return p, fmt.Errorf("reading what the counters' port is believed by: %w", err)
	}
	leaf, between := p.certificate.Leaf, x509.NewCertPool()
	for _, der := range p.certificate.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.ca) {
		return p, fmt.Errorf("%s holds no certificate in PEM", ca)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return p, fmt.Errorf("no counter would believe the certificate in %s by %s: %w", cert, ca, err)
	}
	p.name = "localhost"
	if names := p.names(); p.carries(p.name) != nil && len(names) > 0 {
		p.name = strings.Replace(names[0], "*", "hub", 1)
	}
	return p, nil
}

// keyPair loads a certificate, and its key from a secret file.
func keyPair(secrets *secret.Store, certificate, key string) (tls.Certificate, error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := secrets.Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(private)
	return tls.X509KeyPair(chain, private)
}

// renewBefore is how long before its end a start renews the port's certificate.
const renewBefore = 90 * 24 * time.Hour

// madePort returns the certificate that the hub makes for its port. If names is nil, an existing one is used as it is.
func madePort(secrets *secret.Store, dir string, names []string) (port, error) {
	file := func(name string) string { return filepath.Join(dir, name) }
	if _, err := os.Stat(file(authorityCert)); errors.Is(err, os.ErrNotExist) {
		if err := makeAuthority(secrets, file(authorityCert), file(authorityKey)); err != nil {
			return port{}, fmt.Errorf("making the authority of the counters' port: %w", err)
		}
	}
	authority, err := keyPair(secrets, file(authorityCert), file(authorityKey))
	if err != nil {
		return port{}, fmt.Errorf("reading the authority of the counters' port: %w", err)
	}
	if !authority.Leaf.IsCA {
		return readPort(secrets, file(authorityCert), file(authorityKey), file(authorityCert))
	}
	if p, err := readPort(secrets, file(portCert), file(portKey), file(authorityCert)); err == nil && p.fits(names, authority.Leaf) {
		return p, nil
	}
	if names == nil {
		names = thisMachine
	}
	if err := makePort(secrets, authority, names, file(portCert), file(portKey)); err != nil {
		return port{}, fmt.Errorf("making the certificate of the counters' port: %w", err)
	}
	return readPort(secrets, file(portCert), file(portKey), file(authorityCert))
}

// fits reports whether a certificate carries exactly these names and does not end soon, unless its authority does too.
func (p port) fits(names []string, authority *x509.Certificate) bool {
	leaf := p.certificate.Leaf
	if time.Now().After(leaf.NotAfter.Add(-renewBefore)) && leaf.NotAfter.Before(authority.NotAfter) {
		return false
	}
	now := p.names()
	slices.Sort(now)
	return names == nil || slices.Equal(now, names)
}

func makeAuthority(secrets *secret.Store, certificate, key string) error {
	private, err := privateKey(secrets, key)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Shomei hub authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(20, 0, 0), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return writeCertificate(certificate, template, template, private.Public(), private)
}

// makePort makes the port's certificate, reusing its key if there is one.
func makePort(secrets *secret.Store, authority tls.Certificate, names []string, certificate, key string) error {
	private, err := privateKey(secrets, key)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Shomei hub"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: authority.Leaf.NotAfter, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return writeCertificate(certificate, template, authority.Leaf, private.Public(), authority.PrivateKey)
}

// privateKey reads a key file, or makes it.
func privateKey(secrets *secret.Store, path string) (*ecdsa.PrivateKey, error) {
	text, err := secrets.Make(path, func() ([]byte, error) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key in PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an ECDSA key", path, parsed)
	}
	return private, nil
}

func writeCertificate(path string, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
