// Package keyfile keeps an authority's private key in a secret file. It is apart from the certificate profiles so that a
// process which only reads certificates, like the agent at a counter, visibly does not import it.
package keyfile

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"shomei/pkg/ca"
	"shomei/pkg/durable"
	"shomei/pkg/secret"
)

// OpenOrCreate opens an authority's private key at path (PKCS#8 as PEM, mode 0600), creating an RSA-2048 key if the
// file does not exist. The key is on disk before it is returned, a file is never overwritten, and two processes that
// start at once get the same key. A file that others may read is refused.
func OpenOrCreate(secrets *secret.Store, path string) (crypto.Signer, error) {
	signer, err := Open(secrets, path)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if err := create(secrets, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making an authority's key: %w", err)
	}
	return Open(secrets, path)
}

// Open is OpenOrCreate without creating a key.
func Open(secrets *secret.Store, path string) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening an authority's key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("opening an authority's key: %s has mode %04o, others may read it: chmod 600 it after asking who did",
			path, info.Mode().Perm())
	}
	text, err := secrets.Read(path)
	if err != nil {
		return nil, fmt.Errorf("opening an authority's key: %w", err)
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("opening an authority's key: %s is not PEM of PKCS#8 (BEGIN PRIVATE KEY)", path)
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("opening an authority's key: reading %s: %w", path, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("opening an authority's key: %w: %s holds %T, not RSA", ca.ErrKey, path, key)
	}
	return rsaKey, nil
}

// create writes a new key to a temporary file and links it into place: link fails if the name is taken, so a
// key that may have signed something is never lost.
func create(secrets *secret.Store, path string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(der)
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	if err := errors.Join(file.Close(), secrets.Write(file.Name(), text)); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}
