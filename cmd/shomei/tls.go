package main

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

	"shomei/pkg/ops"
)

// url returns where the console is reached that listens at an address.
func (s signInConfig) url(at string) string {
	if s.Name == "" {
		return "http://" + at + "/"
	}
	_, port, _ := net.SplitHostPort(at) // an address that is listened on
	return "https://" + net.JoinHostPort(s.Name, port) + "/"
}

// listen listens by TLS, at any address.
func (s signInConfig) listen(at string, logger *slog.Logger) (net.Listener, error) {
	shown := &certificateFiles{certificate: s.Certificate, key: s.Key, logger: logger}
	pair, err := shown.get(nil)
	if err == nil {
		err = pair.Leaf.VerifyHostname(s.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: [sign_in]: %w", ops.ErrConfig, err)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{GetCertificate: shown.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// certificateFiles is a certificate whose files are read anew when they change.
type certificateFiles struct {
	certificate, key string
	logger           *slog.Logger

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
		pair, err = tls.LoadX509KeyPair(c.certificate, c.key)
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
		c.logger.Error("the console's new certificate can't be used; the former is shown on", "error", err)
	}
	return c.pair, nil
}

// changed returns when the newer of the two files changed.
func (c *certificateFiles) changed() (time.Time, error) {
	a, err1 := os.Stat(c.certificate)
	b, err2 := os.Stat(c.key)
	if err := errors.Join(err1, err2); err != nil {
		return c.of, err
	}
	if cmp.Compare(a.ModTime().UnixNano(), b.ModTime().UnixNano()) > 0 {
		return a.ModTime(), nil
	}
	return b.ModTime(), nil
}
