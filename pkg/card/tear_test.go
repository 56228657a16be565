package card_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
)

// TestTornAtEveryCommand pulls the card at every command of a whole renewal,
// before and after the command took effect. Until the activation took effect
// the old pair must be whole and usable with the old PIN; afterwards the new
// one with the new PIN; and going on from whatever Classify says must end well.
func TestTornAtEveryCommand(t *testing.T) {
	original := cardtest.Ready(t, card.MyNumber, "C1")
	content, err := os.ReadFile(original.Path())
	if err != nil {
		t.Fatal(err)
	}
	old := liveCertificates(t, original, cardtest.PINs)
	for name, fault := range map[string]softcard.Fault{"before": softcard.RemoveBefore, "after": softcard.RemoveAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tearEverywhere(t, content, fault, old)
		})
	}
}

func tearEverywhere(t *testing.T, content []byte, fault softcard.Fault, old map[card.Slot][]byte) {
	seen := map[card.State]int{}
	nth := 1
	for ; ; nth++ {
		path := filepath.Join(t.TempDir(), "card.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		torn, state := tear(t, path, nth, fault, old)
		if !torn {
			break
		}
		seen[state]++
	}
	t.Logf("torn at each of %d commands, found afterwards: %v", nth-1, seen)
	for _, state := range []card.State{card.NotBegun, card.KeyOnly, card.CertificateStaged} {
		if seen[state] == 0 {
			t.Errorf("no tear left the card in state %q, so it was not tested", state)
		}
	}
	if fault == softcard.RemoveAfter && seen[card.Complete] == 0 {
		t.Error("no tear left the card complete but unreported, so it was not tested")
	}
}

var renewedPINs = map[card.Slot][]byte{card.Auth: []byte("8765"), card.Sign: []byte("XYZ789")}

// tear runs a renewal with one fault; torn is false when the renewal ended
// before the fault's turn came.
func tear(t *testing.T, path string, nth int, fault softcard.Fault, old map[card.Slot][]byte) (torn bool, state card.State) {
	t.Helper()
	c := cardtest.Open(t, path)
	c.SetFault(cardtest.FaultAt(nth, fault))
	err := renew(c)
	if err == nil {
		return false, card.Complete
	}
	if !errors.Is(err, card.ErrRemoved) {
		t.Fatalf("fault %d at command %d: %v", fault, nth, err)
	}
	again := cardtest.Open(t, path) // as after a restart
	inv, err := cardtest.Session(t, again, "C1").Inventory()
	if err != nil {
		t.Fatal(err)
	}
	progress := card.Classify(inv, cardtest.Intent("C1", card.MyNumber, "renewal"))
	where := fmt.Sprintf("fault %d at command %d, %v", fault, nth, progress.State)
	pins := cardtest.PINs
	if progress.State == card.Complete {
		pins = renewedPINs
	}
	now := liveCertificates(t, again, pins)
	for slot := range old {
		if bytes.Equal(now[slot], old[slot]) == (progress.State == card.Complete) {
			t.Errorf("%s: %s certificate does not fit the state", where, slot)
		}
	}
	if progress.State == card.Foreign {
		t.Errorf("%s: %s", where, progress.Reason)
	}
	if fault == softcard.RemoveBefore && nth%8 != 1 {
		return true, progress.State // the other sweep goes on from this very state: after command nth-1
	}
	if err := renew(again); err != nil {
		t.Errorf("%s: going on: %v", where, err)
	}
	for slot, der := range liveCertificates(t, again, renewedPINs) {
		if bytes.Equal(der, old[slot]) {
			t.Errorf("%s: still the old %s certificate at the end", where, slot)
		}
	}
	return true, progress.State
}

func renew(c *softcard.Card) error {
	s := card.NewSession(c)
	if err := s.Open("C1", cardtest.Opener(cardtest.AdminKey)); err != nil {
		return err
	}
	inv, err := s.Inventory()
	if err != nil {
		return err
	}
	intent := cardtest.Intent("C1", card.MyNumber, "renewal")
	if card.Classify(inv, intent).State == card.Complete {
		return nil
	}
	for slot, pin := range renewedPINs {
		if err := s.StagePIN(slot, pin); err != nil {
			return err
		}
	}
	return s.Install(intent, cardtest.CA().Issuer(card.MyNumber))
}

// liveCertificates reads both certificates and proves that PIN and key work.
func liveCertificates(t *testing.T, c *softcard.Card, pins map[card.Slot][]byte) map[card.Slot][]byte {
	t.Helper()
	s := card.NewSession(c)
	out := map[card.Slot][]byte{}
	digest := sha256.Sum256([]byte("test"))
	for _, slot := range card.MyNumber.Slots() {
		if err := s.Verify(slot, pins[slot]); err != nil {
			t.Fatal(err)
		}
		out[slot] = certificateOf(t, s, slot)
		sig, err := s.SignDigest(slot, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(out[slot])
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], sig); err != nil {
			t.Fatalf("%s key and certificate do not belong together: %v", slot, err)
		}
	}
	return out
}
