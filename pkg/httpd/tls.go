package httpd

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// Site is a host name with its certificate.
type Site struct {
	Name string
	// Certificate and Key are files in PEM for that name; what replaces them is shown from then on.
	Certificate, Key string
	Logger           *slog.Logger
}

// ErrCertificate: a certificate can't be used, or is for another name.
var ErrCertificate = errors.New("the certificate")

// ListenTLS listens at an address by TLS. Errors, besides those of net.Listen: ErrCertificate.
func ListenTLS(at string, site Site) (net.Listener, error) {
	shown := &certificateFiles{Site: site}
	pair, err := shown.get(nil)
	if err == nil {
		err = pair.Leaf.VerifyHostname(site.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{GetCertificate: shown.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// certificateFiles is a certificate whose files are read anew when they change.
type certificateFiles struct {
	Site

	mu   sync.Mutex
	pair *tls.Certificate
	// of is when the files changed that were read last.
	of time.Time
}

// get returns the certificate, as its files are. A pair that can't be used leaves the former in its place.
func (c *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.changed()
	if err == nil && c.pair != nil && changed.Equal(c.of) {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.Certificate, c.Key)
	}
	if err == nil {
		c.pair, c.of = &pair, changed
		return c.pair, nil
	}
	if c.pair == nil {
		return nil, err
	}
	if !changed.Equal(c.of) {
		c.of = changed // said once for each change
		c.Logger.Error("the new certificate can't be used; the former is shown on", "name", c.Name, "error", err)
	}
	return c.pair, nil
}

// changed returns when the newer of the two files changed.
func (c *certificateFiles) changed() (time.Time, error) {
	a, err1 := os.Stat(c.Certificate)
	b, err2 := os.Stat(c.Key)
	if err := errors.Join(err1, err2); err != nil {
		return c.of, err
	}
	if cmp.Compare(a.ModTime().UnixNano(), b.ModTime().UnixNano()) > 0 {
		return a.ModTime(), nil
	}
	return b.ModTime(), nil
}
