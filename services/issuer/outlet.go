package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"time"

	"shomei/pkg/crashpoint"
)

// outlet is what became of the lists that were last handed on.
type outlet struct {
	mu  sync.Mutex
	err error
}

var crashHandedOn = crashpoint.Register("issuer.list-handed-on")

// handOnWithin is how long handing one list on may take.
const handOnWithin = 10 * time.Second

// handOn puts every authority's lists into the bucket, each under the name that the certificates of its key give; what
// stands there already stays. What fails is tried again at the next look, and [Issuer.HandedOn] says so until then.
func (i *Issuer) handOn(ctx context.Context, lists map[string][][]byte) error {
	var errs []error
	for _, one := range lists {
		for _, der := range one {
			errs = append(errs, i.put(ctx, der))
		}
	}
	err := errors.Join(errs...)
	i.outlet.mu.Lock()
	i.outlet.err = err
	i.outlet.mu.Unlock()
	if err == nil {
		crashHandedOn.Hit()
	}
	return err
}

func (i *Issuer) put(ctx context.Context, der []byte) error {
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	g, err := i.Directory.Generations().ByKeyID(crl.AuthorityKeyId)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handOnWithin)
	defer cancel()
	return i.Bucket.Put(ctx, g.ListFile(), der)
}

// HandedOn returns why the current lists did not all reach the bucket when that was last tried.
func (i *Issuer) HandedOn() error {
	i.outlet.mu.Lock()
	defer i.outlet.mu.Unlock()
	return i.outlet.err
}
