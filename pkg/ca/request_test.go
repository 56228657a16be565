package ca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"
)

func request(t *testing.T, keyName string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "any"}, SignatureAlgorithm: x509.SHA256WithRSA,
	}, testKey(t, keyName))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestParseRequest(t *testing.T) {
	good, small := request(t, "holder"), request(t, "holder1024")
	pub, err := ParseRequest(Sign, good)
	if err != nil || !pub.Equal(&testKey(t, "holder").PublicKey) {
		t.Errorf("a good request: %v", err)
	}
	if _, err := ParseRequest(Juki, small); err != nil {
		t.Errorf("1024 bits for juki: %v", err)
	}
	if _, err := ParseRequest(Auth, small); !errors.Is(err, ErrKey) {
		t.Errorf("1024 bits for auth: %v", err)
	}
	wrong := append([]byte{}, good...)
	wrong[len(wrong)-1] ^= 1
	for name, der := range map[string][]byte{"a wrong signature": wrong, "empty": nil, "truncated": good[:len(good)-1]} {
		if _, err := ParseRequest(Sign, der); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
