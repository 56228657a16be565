package validation

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shomei/pkg/ca"
	"shomei/pkg/crashpoint"
	"shomei/pkg/durable"
)

// authority is one key of an authority, and the list that is served of it. What Look alone uses may be read by it without
// the lock.
type authority struct {
	name        string
	certificate *x509.Certificate
	list        *x509.RevocationList // nil: none so far
	// seen is the version in the bucket that was looked at last, refused why it is not served.
	seen    string
	refused error
	// unkept: the folder does not have all of it, failed says why if that was tried.
	unkept bool
	failed error
}

func byName(a, b *authority) int { return strings.Compare(a.name, b.name) }

func (a *authority) listFile() string { return a.name + listSuffix }

// The names of [ca.Generation.ListFile] and [ca.Generation.CertificateFile] end so.
const (
	listSuffix        = ".crl"
	certificateSuffix = ".cer"
)

var errEarly = errors.New("it is yet to come")

// ahead is how far the issuer's clock may be ahead of this one.
const ahead = 5 * time.Minute

// later reads a list, and checks that the authority signed it, that it is in force, and that it is later than the one
// served: whoever can write to the bucket can't bring back one that names less.
func (a *authority) later(der []byte, now time.Time) (*x509.RevocationList, error) {
	crl, err := ca.ParseCRL(a.certificate, der)
	if err != nil {
		return nil, err
	}
	switch {
	case crl.ThisUpdate.After(now.Add(ahead)):
		return nil, fmt.Errorf("number %v is of %s: %w", crl.Number, stamp(crl.ThisUpdate), errEarly)
	case a.list == nil && !now.Before(crl.NextUpdate):
		return nil, fmt.Errorf("number %v has been over since %s", crl.Number, stamp(crl.NextUpdate))
	case a.list == nil || bytes.Equal(crl.Raw, a.list.Raw) || crl.Number.Cmp(a.list.Number) > 0:
		return crl, nil
	}
	return nil, fmt.Errorf("number %v does not come after number %v, which is served", crl.Number, a.list.Number)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// learn takes over the certificate of an authority's key from the log.
func (v *Validation) learn(name string, der []byte) {
	v.mu.RLock()
	known := v.authorities[name]
	v.mu.RUnlock()
	if known != nil && bytes.Equal(known.certificate.Raw, der) {
		return
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil { // the directory has read it before
		v.Logger.Error("the certificate of an authority can't be read", "authority", name, "error", err)
		return
	}
	v.add(&authority{name: name, certificate: certificate, unkept: true})
}

// add serves an authority in the place of another of its name.
func (v *Validation) add(a *authority) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.authorities[a.name] = a
	v.serveCertificate(a)
	v.serveList(a)
}

var crashKept = crashpoint.Register("validation.list-kept")

// keep writes what is served of an authority into the folder.
func (v *Validation) keep(a *authority) {
	if !a.unkept {
		return
	}
	err := durable.WriteFile(filepath.Join(v.Folder, a.name+certificateSuffix), a.certificate.Raw)
	if err == nil && a.list != nil {
		err = durable.WriteFile(filepath.Join(v.Folder, a.listFile()), a.list.Raw)
	}
	crashKept.Hit()
	v.mu.Lock()
	defer v.mu.Unlock()
	a.unkept, a.failed = err != nil, err
}

// readFolder serves what was served before. What can't be read is left out: the log and the bucket have it.
func (v *Validation) readFolder() error {
	if err := os.MkdirAll(v.Folder, 0o755); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(v.Folder, "*"+certificateSuffix))
	if err != nil {
		return err
	}
	for _, path := range paths {
		a, err := readKept(path)
		if err != nil {
			v.Logger.Warn("what was served before can't be read, and is left out until it comes anew", "file", path, "error", err)
		}
		if a != nil {
			v.add(a)
		}
	}
	return nil
}

// readKept returns the authority of a certificate's file with its list, or without a list that can't be read.
func readKept(path string) (*authority, error) {
	der, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{name: strings.TrimSuffix(filepath.Base(path), certificateSuffix), certificate: certificate}
	list, err := os.ReadFile(strings.TrimSuffix(path, certificateSuffix) + listSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		a.list, err = ca.ParseCRL(certificate, list)
	}
	return a, err
}
