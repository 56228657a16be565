package httpd

import (
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
	if _, err := shown.get(nil); err != nil {
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
	// of is what the files were when they were last read well, said what they were when an error was last said.
	of, said [2]time.Time
}

// get returns the certificate, as its files are. A pair that can't be used leaves the former in its place.
func (c *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.changed()
	if err == nil && c.pair != nil && changed == c.of {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = c.load()
	}
	if err == nil {
		c.pair, c.of = &pair, changed
		return c.pair, nil
	}
	if c.pair == nil {
		return nil, err
	}
	if changed != c.said { // once for each change; the files are read again until they fit each other
		c.said = changed
		c.Logger.Error("the new certificate can't be used; the former is shown on", "name", c.Name, "error", err)
	}
	return c.pair, nil
}

// load reads a pair that is good for the name.
func (c *certificateFiles) load() (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return pair, err
	}
	return pair, pair.Leaf.VerifyHostname(c.Name)
}

// changed returns when each of the two files changed.
func (c *certificateFiles) changed() (at [2]time.Time, err error) {
	for i, name := range []string{c.Certificate, c.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at[i] = info.ModTime()
	}
	return at, nil
}
