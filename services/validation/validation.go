// Package validation gives revocation lists and the authorities' certificates to whoever checks a certificate, over HTTP
// at the addresses that certificates name.
//
// It follows the bucket in which the issuer publishes its lists and believes nothing in it: a list is served once the
// authority's own key has signed it and it is later than the one served before. What it serves it keeps in a folder of its
// own, so that it can serve after a start while NATS is away. It holds no secret.
package validation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/pkg/ca"
	"shomei/pkg/httpd"
	"shomei/pkg/published"
	"shomei/pkg/wait"
)

// Config is what the service needs; all fields without a remark are required.
type Config struct {
	// Bucket is where the issuer puts its lists.
	Bucket *published.Bucket
	// Authorities returns the keys of all authorities that the log knows by now; none while the log is away.
	Authorities func() ca.Generations
	// Folder keeps what is served, for the next start.
	Folder string
	// Listener is where it is served.
	Listener net.Listener
	// Every is the pause between two looks at the bucket; 0: 2 s.
	Every  time.Duration
	Clock  func() time.Time
	Logger *slog.Logger
}

// Validation serves lists and certificates.
type Validation struct {
	Config
	metrics metrics

	mu          sync.RWMutex
	authorities map[string]*authority // by name
	files       map[string]file       // by path
	unreachable error                 // of the last look at the bucket
}

// New returns the service with what its folder holds.
func New(c Config) (*Validation, error) {
	if c.Every == 0 {
		c.Every = 2 * time.Second
	}
	v := &Validation{Config: c, authorities: make(map[string]*authority), files: make(map[string]file)}
	v.metrics = v.newMetrics()
	if err := v.readFolder(); err != nil {
		return nil, fmt.Errorf("reading the lists that were served before: %w", err)
	}
	return v, nil
}

// Run serves, and follows the bucket, until ctx ends.
func (v *Validation) Run(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return httpd.Serve(ctx, ctx, v.Listener, v) })
	both.Go(func() error {
		for {
			v.Look(ctx)
			if wait.For(ctx, v.Every) != nil {
				return nil
			}
		}
	})
	return both.Wait()
}

// lookWithin is how long reading one list may take.
const lookWithin = 30 * time.Second

// Look takes over what is new in the log and in the bucket. It is not to be called while Run runs.
func (v *Validation) Look(ctx context.Context) {
	for _, g := range v.Authorities() {
		v.learn(g.Name(), g.DER)
	}
	var unreachable error
	for _, a := range v.known() {
		v.keep(a)
		if !a.inForce(v.Clock()) {
			continue // no list of it is made
		}
		err := v.lookAt(ctx, a)
		if err != nil && ctx.Err() == nil && !errors.Is(err, published.ErrNone) && !errors.Is(err, published.ErrDamaged) {
			unreachable = err
			break // the others would wait in vain as well
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unreachable = unreachable
}

// known returns the authorities in the order of their names.
func (v *Validation) known() []*authority {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.SortedFunc(maps.Values(v.authorities), byName)
}

// lookAt serves the list that stands in the bucket for an authority, if it is a later one.
func (v *Validation) lookAt(ctx context.Context, a *authority) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	f, err := v.Bucket.Get(ctx, a.listFile(), a.seen)
	if errors.Is(err, published.ErrDamaged) {
		v.refuse(a, err)
	}
	if err != nil || f.Bytes == nil {
		return err
	}
	next, err := a.later(f.Bytes, v.Clock())
	if a.seen = f.Version; errors.Is(err, errEarly) {
		a.seen = "" // its time will come
	}
	if err != nil {
		v.refuse(a, err)
		return nil
	}
	if again := v.take(a, next); again {
		return nil
	}
	v.keep(a)
	v.Logger.Info("a new revocation list is served", "list", a.listFile(), "number", next.Number, "entries", len(next.RevokedCertificateEntries),
		"next", next.NextUpdate, "sha256", fmt.Sprintf("%x", sha256.Sum256(next.Raw)))
	return nil
}

// take serves a list, unless it is the one that is served.
func (v *Validation) take(a *authority, next *x509.RevocationList) (again bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a.refused = nil
	if a.list != nil && bytes.Equal(a.list.Raw, next.Raw) {
		return true
	}
	a.list, a.unkept = next, true
	v.serveList(a)
	return false
}

// refuse notes why what stands in the bucket is not served.
func (v *Validation) refuse(a *authority, why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a.refused == nil {
		v.metrics.refused.Inc()
		v.Logger.Error("what is published as a revocation list is not served; the one before is served still", "list", a.listFile(), "error", why)
	}
	a.refused = why
}
