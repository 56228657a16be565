//go:build linux

package vreader_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
	"shomei/pkg/card/vreader"
)

// start runs an own pcscd with one reader that holds c.
func start(t *testing.T, c *softcard.Card) *vreader.Service {
	t.Helper()
	dir, err := os.MkdirTemp("", "vr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := vreader.Start(t.Context(), vreader.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Readers[0].Insert(c)
	seen(t, s)
	return s
}

// seen waits until pcscd has found the card. opensc-tool's own --wait can miss an insertion and waits for ever then.
func seen(t *testing.T, s *vreader.Service) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; {
		out, err := tool(t, s, "opensc-tool", "--atr")
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("pcscd does not see the card: %v\n%s", err, out)
		}
	}
}

// tool runs a judge against the virtual reader and returns its output.
func tool(t *testing.T, s *vreader.Service, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), s.Env(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, s *vreader.Service, name string, args ...string) string {
	t.Helper()
	out, err := tool(t, s, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func TestOpenSCReadsCard(t *testing.T) {
	t.Parallel()
	c := cardtest.Ready(t, card.MyNumber, "C1")
	s := start(t, c)
	listing := must(t, s, "pkcs15-tool", "-D")
	for _, want := range []string{"JPKI", "User Authentication PIN", "Digital Signature PIN", "User Authentication Key", "Digital Signature Key", "ModLength      : 2048", "Tries left     : 3", "Tries left     : 5"} {
		if !strings.Contains(listing, want) {
			t.Errorf("pkcs15-tool -D does not show %q:\n%s", want, listing)
		}
	}
	read := must(t, s, "pkcs15-tool", "--read-certificate", "1")
	block, _ := pem.Decode([]byte(read[strings.Index(read, "-----BEGIN"):]))
	want, err := card.NewSession(c).Certificate(card.Auth)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(block.Bytes, want) {
		t.Error("pkcs15-tool reads another authentication certificate than the card holds")
	}
	// The signature certificate asks for its PIN.
	if out, err := tool(t, s, "pkcs15-tool", "--read-certificate", "2"); err == nil && strings.Contains(out, "BEGIN CERTIFICATE") {
		t.Errorf("signature certificate without PIN:\n%s", out)
	}
	read = must(t, s, "pkcs15-tool", "--read-certificate", "2", "--verify-pin", "--auth-id", "2", "--pin", "ABC123")
	if !strings.Contains(read, "BEGIN CERTIFICATE") {
		t.Errorf("signature certificate with PIN:\n%s", read)
	}
}

func TestOpenSCSigns(t *testing.T) {
	t.Parallel()
	c := cardtest.Ready(t, card.MyNumber, "C1")
	s := start(t, c)
	dir := t.TempDir()
	data, sig := filepath.Join(dir, "data"), filepath.Join(dir, "sig")
	write(t, data, []byte("署名する文書"))
	for i, slot := range card.MyNumber.Slots() {
		pub := publicKey(t, c, slot, dir)
		must(t, s, "pkcs11-tool", "--slot-index", string(rune('0'+i)), "--login", "--pin", string(cardtest.PINs[slot]),
			"--sign", "--mechanism", "SHA256-RSA-PKCS", "--input-file", data, "--output-file", sig)
		if out := must(t, s, "openssl", "dgst", "-sha256", "-verify", pub, "-signature", sig, data); !strings.Contains(out, "Verified OK") {
			t.Errorf("%s: openssl says %s", slot, out)
		}
		// The judge itself: one flipped bit must not verify.
		raw, err := os.ReadFile(sig)
		if err != nil {
			t.Fatal(err)
		}
		raw[100] ^= 1
		write(t, sig, raw)
		if out, err := tool(t, s, "openssl", "dgst", "-sha256", "-verify", pub, "-signature", sig, data); err == nil {
			t.Errorf("%s: openssl takes a damaged signature: %s", slot, out)
		}
	}
	out, err := tool(t, s, "pkcs11-tool", "--slot-index", "0", "--login", "--pin", "9999",
		"--sign", "--mechanism", "SHA256-RSA-PKCS", "--input-file", data, "--output-file", sig)
	if err == nil || !strings.Contains(out, "CKR_PIN_INCORRECT") {
		t.Errorf("signing with a wrong PIN: %v\n%s", err, out)
	}
	if left, err := card.NewSession(c).Tries(card.Auth); err != nil || left != 2 {
		t.Errorf("tries after OpenSC's wrong PIN: %d, %v", left, err)
	}
}

// TestOpenSCReadsHalfCard gives the judge the card of someone under fifteen: an
// authentication certificate and none for signatures (law.md 2.2).
func TestOpenSCReadsHalfCard(t *testing.T) {
	t.Parallel()
	c := cardtest.New(t, card.MyNumber, "C1")
	session := cardtest.Session(t, c, "C1")
	intent := cardtest.Intent("C1", card.MyNumber, "first")
	delete(intent.Slots, card.Sign)
	if err := session.Install(intent, cardtest.CA().Issuer(card.MyNumber)); err != nil {
		t.Fatal(err)
	}
	if err := session.SetUp(cardtest.LastDay, cardtest.PINs); err != nil {
		t.Fatal(err)
	}
	s := start(t, c)
	if read := must(t, s, "pkcs15-tool", "--read-certificate", "1"); !strings.Contains(read, "BEGIN CERTIFICATE") {
		t.Errorf("authentication certificate:\n%s", read)
	}
	if out, err := tool(t, s, "pkcs15-tool", "--read-certificate", "2", "--verify-pin", "--auth-id", "2", "--pin", "ABC123"); err == nil {
		t.Errorf("a signature certificate that is not there:\n%s", out)
	}
}

// TestOpenSCRefusesJukiCard: the driver wants the authentication PIN, which
// the juki card has not.
func TestOpenSCRefusesJukiCard(t *testing.T) {
	t.Parallel()
	s := start(t, cardtest.Ready(t, card.Juki, "J1"))
	if out, err := tool(t, s, "pkcs15-tool", "--dump"); err == nil || !strings.Contains(out, "Unsupported card") {
		t.Errorf("a juki card: %v\n%s", err, out)
	}
}

// TestOpenSCRefusesBadCard shows the judge failing: a certificate file that
// ends before the length in its header.
func TestOpenSCRefusesBadCard(t *testing.T) {
	t.Parallel()
	c := cardtest.New(t, card.MyNumber, "C1") // certificate files are empty: FF FF FF FF
	s := start(t, c)
	out, err := tool(t, s, "pkcs15-tool", "--read-certificate", "1")
	if err == nil {
		t.Errorf("pkcs15-tool reads a certificate from a card without:\n%s", out)
	}
}

func publicKey(t *testing.T, c *softcard.Card, slot card.Slot, dir string) string {
	t.Helper()
	session := card.NewSession(c)
	if err := session.Verify(slot, cardtest.PINs[slot]); err != nil {
		t.Fatal(err)
	}
	der, err := session.Certificate(slot)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, slot.String()+".pub")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: cert.RawSubjectPublicKeyInfo}))
	return path
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
