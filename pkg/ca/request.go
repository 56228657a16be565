package ca

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// ParseRequest reads a certificate request (PKCS#10, RFC 2986, DER) made by a card. It returns the public key if the
// request's signature proves possession of the private one and the key fits the kind. The name in the request is
// ignored: the authority names its subscribers. Errors wrap [ErrRequest] or [ErrKey].
func ParseRequest(kind Kind, der []byte) (*rsa.PublicKey, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: reading it: %v", ErrRequest, err)
	}
	pub, ok := request.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: its key is %v, not RSA", ErrKey, request.PublicKeyAlgorithm)
	}
	if err := CheckKey(kind, pub); err != nil {
		return nil, fmt.Errorf("reading a certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature does not prove possession of the key: %v", ErrRequest, err)
	}
	return pub, nil
}
