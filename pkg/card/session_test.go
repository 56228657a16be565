package card_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
)

func TestIdentify(t *testing.T) {
	for kind, label := range map[card.Kind]string{card.Juki: "JPKIAPICCTOKEN", card.MyNumber: "JPKIAPICCTOKEN2"} {
		t.Run(kind.String(), func(t *testing.T) {
			got, err := card.NewSession(cardtest.Ready(t, kind, "C1")).Identify()
			if err != nil {
				t.Fatal(err)
			}
			want := card.Identity{
				CardID: "C1", Kind: kind, Label: label, LifeCycle: card.Operational,
				LastDay: cardtest.LastDay, Tries: map[card.Slot]int{card.Sign: 5},
			}
			if kind == card.MyNumber {
				want.Tries[card.Auth] = 3
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadAndSign(t *testing.T) {
	s := card.NewSession(cardtest.Ready(t, card.MyNumber, "C1"))
	if _, err := s.Certificate(card.Sign); !errors.Is(err, card.ErrSecurityNotSatisfied) {
		t.Fatalf("signature certificate without PIN: %v", err)
	}
	digest := sha256.Sum256([]byte("文書"))
	if _, err := s.SignDigest(card.Sign, crypto.SHA256, digest[:]); !errors.Is(err, card.ErrSecurityNotSatisfied) {
		t.Fatalf("signature without PIN: %v", err)
	}
	for _, slot := range card.MyNumber.Slots() {
		if err := s.Verify(slot, cardtest.PINs[slot]); err != nil {
			t.Fatal(err)
		}
		der, err := s.Certificate(slot)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := s.SignDigest(slot, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		public := cert.PublicKey.(*rsa.PublicKey)
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig); err != nil {
			t.Errorf("%s: %v", slot, err)
		}
		sig[9] ^= 1
		if rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) == nil {
			t.Errorf("%s: a damaged signature verifies, so the check above proves nothing", slot)
		}
	}
	if err := s.Logout(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Certificate(card.Sign); !errors.Is(err, card.ErrSecurityNotSatisfied) {
		t.Errorf("signature certificate after logout: %v", err)
	}
}

func TestChangePIN(t *testing.T) {
	s := card.NewSession(cardtest.Ready(t, card.MyNumber, "C1"))
	if err := s.ChangePIN(card.Auth, []byte("1234"), []byte("12345")); !errors.Is(err, card.ErrBadData) {
		t.Errorf("five digits: %v", err)
	}
	if err := s.ChangePIN(card.Auth, []byte("1234"), []byte("4321")); err != nil {
		t.Fatal(err)
	}
	err := s.ChangePIN(card.Auth, []byte("1234"), []byte("1111"))
	if pin, ok := errors.AsType[*card.PINError](err); !ok || pin.Left != 2 || !errors.Is(err, card.ErrWrongPIN) {
		t.Errorf("old PIN after the change: %v", err)
	}
	if err := s.Verify(card.Auth, []byte("4321")); err != nil {
		t.Errorf("new PIN: %v", err)
	}
}

func TestBlockedAndUnblocked(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	s := card.NewSession(c)
	for left := 2; left >= 0; left-- {
		err := s.Verify(card.Auth, []byte("0000"))
		pin, ok := errors.AsType[*card.PINError](err)
		if !ok || pin.Left != left || errors.Is(err, card.ErrBlocked) != (left == 0) {
			t.Fatalf("wrong PIN, %d left: %v", left, err)
		}
	}
	if err := s.Verify(card.Auth, cardtest.PINs[card.Auth]); !errors.Is(err, card.ErrBlocked) {
		t.Fatalf("right PIN on a blocked card: %v", err)
	}
	if left, err := s.Tries(card.Auth); err != nil || left != 0 {
		t.Fatalf("tries of a blocked PIN: %d, %v", left, err)
	}
	admin := cardtest.Session(t, c, "C1")
	if err := admin.ResetPIN(card.Auth, []byte("5678")); err != nil {
		t.Fatal(err)
	}
	if err := admin.Verify(card.Auth, []byte("5678")); err != nil {
		t.Fatalf("after unblocking: %v", err)
	}
}

func TestAdministrativeKey(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	wrong := cardtest.AdminKey
	wrong.Secret[0] ^= 1
	guess := card.NewSession(c)
	if err := guess.Open("C1", cardtest.Opener(wrong)); err != nil {
		t.Fatal(err)
	}
	if err := guess.Discard(card.Auth); !errors.Is(err, card.ErrAdminKey) {
		t.Errorf("wrong key: %v", err)
	}
	if err := card.NewSession(c).Open("C2", cardtest.Opener(cardtest.AdminKey)); !errors.Is(err, card.ErrForeignCard) {
		t.Errorf("another card's number: %v", err)
	}
	if err := card.NewSession(c).Discard(card.Auth); !errors.Is(err, card.ErrSecurityNotSatisfied) {
		t.Errorf("without authentication: %v", err)
	}
	// The card itself refuses too, whatever the host believes.
	if _, err := card.Send(c, card.Command{INS: 0xA4, P1: 4, P2: 0x0C, Data: card.AIDManagement}); err != nil {
		t.Fatal(err)
	}
	for _, ins := range []byte{0x47, 0x2A, 0xD6, 0x2C, 0x44, 0xE4, 0xDA, 0xD8, 0xFE} {
		if _, err := card.Send(c, card.Command{INS: ins, P2: 1}); !errors.Is(err, card.ErrSecurityNotSatisfied) {
			t.Errorf("instruction %02X without authentication: %v", ins, err)
		}
	}
	// The session proves its key again when it comes back to the application.
	s := cardtest.Session(t, c, "C1")
	if _, err := s.Tries(card.Auth); err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(card.Auth); err != nil {
		t.Errorf("after a look into the JPKI application: %v", err)
	}
}

func TestStepsOfRenewal(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	s := cardtest.Session(t, c, "C1")
	op := card.OperationOf("renewal")
	old := certificateOf(t, s, card.Auth)
	first, err := s.GenerateStaged(card.Auth, op)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.GenerateStaged(card.Auth, op)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("a repeat made another key or request (-first +again):\n%s", diff)
	}
	if _, err := s.GenerateStaged(card.Auth, card.OperationOf("other")); !errors.Is(err, card.ErrForeignStaging) {
		t.Errorf("another operation: %v", err)
	}
	if err := s.Activate(op, card.Auth); !errors.Is(err, card.ErrConditions) {
		t.Errorf("activating without certificate: %v", err)
	}
	issue := cardtest.CA().Issuer(card.MyNumber)
	cert, issuer, err := issue(card.Auth, first.Request)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteStaged(card.Auth, old, issuer); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadBack(card.Auth, cert, issuer); !errors.Is(err, card.ErrReadBack) {
		t.Errorf("another certificate on the card: %v", err)
	}
	if err := s.TestSign(card.Auth); !errors.Is(err, card.ErrReadBack) {
		t.Errorf("test signature under another key's certificate: %v", err)
	}
	if err := s.Activate(op, card.Auth); !errors.Is(err, card.ErrConditions) {
		t.Errorf("activating another key's certificate: %v", err)
	}
	if err := s.StagePIN(card.Auth, []byte("9876")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return s.WriteStaged(card.Auth, cert, issuer) },
		func() error { return s.ReadBack(card.Auth, cert, issuer) },
		func() error { return s.TestSign(card.Auth) },
		func() error { return s.Verify(card.Auth, cardtest.PINs[card.Auth]) }, // the old PIN still holds
		func() error { return s.Activate(op, card.Auth) },
		func() error { return s.Activate(op, card.Auth) },
		func() error { return s.Verify(card.Auth, []byte("9876")) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if got := certificateOf(t, s, card.Auth); !slices.Equal(got, cert) {
		t.Error("the card holds another certificate than the one activated")
	}
}

func TestSetUpAndRetire(t *testing.T) {
	c := cardtest.New(t, card.Juki, "J1")
	s := cardtest.Session(t, c, "J1")
	if err := s.SetUp("2030-02-30", cardtest.PINs); err == nil {
		t.Error("30 February taken for a last day")
	}
	if err := s.SetUp(cardtest.LastDay, map[card.Slot][]byte{card.Sign: []byte("AB1")}); !errors.Is(err, card.ErrBadData) {
		t.Errorf("PIN of three characters: %v", err)
	}
	if err := s.SetUp(cardtest.LastDay, cardtest.PINs); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUp(cardtest.LastDay, cardtest.PINs); !errors.Is(err, card.ErrAlreadySetUp) {
		t.Errorf("second set-up: %v", err)
	}
	for range 2 {
		if err := s.Retire(); err != nil {
			t.Fatal(err)
		}
	}
	id, err := card.NewSession(c).Identify()
	if err != nil || id.LifeCycle != card.Terminated || id.CardID != "J1" {
		t.Errorf("retired card: %+v, %v", id, err)
	}
	if err := s.Verify(card.Sign, cardtest.PINs[card.Sign]); !errors.Is(err, card.ErrNotFound) {
		t.Errorf("PIN on a retired card: %v", err)
	}
	if _, err := s.GenerateStaged(card.Sign, card.OperationOf("x")); !errors.Is(err, card.ErrConditions) {
		t.Errorf("keys on a retired card: %v", err)
	}
}

func certificateOf(t *testing.T, s *card.Session, slot card.Slot) []byte {
	t.Helper()
	der, err := s.Certificate(slot)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
