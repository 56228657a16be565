package simulation

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"shomei/pkg/durable"
)

// PoolSize is how many subscriber key pairs a simulation has. They stand for the keys that cards would make: a
// simulated person has no card, and making a key for each would take longer than everything else.
const PoolSize = 24

// Requests reads, or makes, the pool of subscriber keys in a folder and returns a certificate request for each, signed
// by the key (PKCS#10, DER). The files are private keys of certificates that are really issued: they stay in the
// folder.
func Requests(folder string) ([][]byte, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the pool of subscriber keys: %w", err)
	}
	requests := make([][]byte, PoolSize)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range requests {
		group.Go(func() (err error) {
			requests[i], err = request(filepath.Join(folder, fmt.Sprintf("subscriber-%02d.pem", i)))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("making the pool of subscriber keys: %w", err)
	}
	return requests, nil
}

// request returns a certificate request for the key in a file, which is made if there is none.
func request(path string) ([]byte, error) {
	key, err := poolKey(path)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSA}, key)
}

func poolKey(path string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return newPoolKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM: delete it to have another key made", path)
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func newPoolKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return key, durable.WriteSecret(path, pem.EncodeToMemory(block))
}
