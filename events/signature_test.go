package events

import (
	"bytes"
	"errors"
	"testing"

	"github.com/nats-io/nkeys"
	"pgregory.net/rapid"
)

func testCommit(revision uint64) *Commit {
	c := &Commit{Kind: "subscriber", Id: "aaaaaaaaaaaaaaaaaaaaaaaa", Revision: revision, Schema: 1, Events: []*Event{
		New(&WindowOpened{Serial: 7, Kind: CertificateKind_CERTIFICATE_KIND_SIGN, LastDay: "2020-06-18"}, "mynumber.window.opens"),
	}}
	if revision > 1 {
		c.PreviousHash = Hash([]byte("before"))
	}
	return c
}

func testStored(t testing.TB, revision uint64) *Stored {
	t.Helper()
	state, err := Encode(&StateBytes{Version: 1, State: []byte{8, 1}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Sign(testCommit(revision), state, testWriter(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func otherWriter(t testing.TB) (nkeys.KeyPair, string) {
	t.Helper()
	key, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

func TestAnyChangeBreaksACommitsSignature(t *testing.T) {
	_, otherPublic := otherWriter(t)
	changes := map[string]func(*Stored){
		"commit":          func(s *Stored) { s.Commit[3] ^= 1 },
		"state":           func(s *Stored) { s.State[1] ^= 1 },
		"state taken off": func(s *Stored) { s.State = nil },
		"signature":       func(s *Stored) { s.Signature[0] ^= 1 },
		"short signature": func(s *Stored) { s.Signature = s.Signature[:63] },
		"other writer":    func(s *Stored) { s.Writer = otherPublic },
		"no key":          func(s *Stored) { s.Writer = "U" },
		"boundary moved":  func(s *Stored) { s.Commit, s.State = s.Commit[:20], append(s.Commit[20:], s.State...) },
	}
	if err := testStored(t, 1).Verify(); err != nil {
		t.Fatalf("an untouched commit: %v", err)
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := testStored(t, 1)
			change(s)
			if err := s.Verify(); !errors.Is(err, ErrSignature) {
				t.Fatalf("got %v, want ErrSignature", err)
			}
		})
	}
}

func TestASignatureOfOneKindIsNoneOfAnother(t *testing.T) {
	key := testWriter(t)
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	downlink, err := SignDownlink([]byte("the same bytes"), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := downlink.Verify(); err != nil {
		t.Fatalf("an untouched downlink: %v", err)
	}
	claim := &SignedClaim{Claim: downlink.GetSealed(), Signature: downlink.GetSignature()}
	if err := claim.Verify(public); !errors.Is(err, ErrSignature) {
		t.Fatalf("a downlink's signature as a claim's: got %v, want ErrSignature", err)
	}
}

func TestAClaimIsBelievedUnderItsCountersKeyOnly(t *testing.T) {
	key := testWriter(t)
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	_, otherPublic := otherWriter(t)
	signed, err := SignClaim(&Claim{Id: "c", Counter: "12237-main-1", Number: 1}, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(public); err != nil {
		t.Fatalf("its own key: %v", err)
	}
	if err := signed.Verify(otherPublic); !errors.Is(err, ErrSignature) {
		t.Fatalf("another counter's key: got %v, want ErrSignature", err)
	}
}

func TestSigningInputsAreFixedForEver(t *testing.T) {
	for name, got := range map[string][]byte{
		"6e8358ef5718e6fe": SigningInput([]byte("commit"), []byte("state")),
		"d1f3d31f10c544e1": ClaimSigningInput([]byte("claim")),
		"dd97e02c9ff57036": DownlinkSigningInput([]byte("sealed")),
	} {
		if hash := Hash(got); name != hexPrefix(hash) {
			t.Errorf("signing input hashes to %s, was %s", hexPrefix(hash), name)
		}
	}
}

func TestSignatureIsDeterministicAndHoldsForAnyContent(t *testing.T) {
	key := testWriter(t)
	rapid.Check(t, func(t *rapid.T) {
		commit := testCommit(rapid.Uint64Range(2, 1<<40).Draw(t, "revision"))
		commit.CommandId = rapid.String().Draw(t, "command")
		state := rapid.SliceOfN(rapid.Byte(), 0, StateLimit("subscriber")).Draw(t, "state")
		first, err := Sign(commit, state, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Verify(); err != nil {
			t.Fatal(err)
		}
		second, err := Sign(commit, state, key)
		if err != nil || !bytes.Equal(first.GetSignature(), second.GetSignature()) {
			t.Fatalf("signing twice gave two signatures (%v)", err)
		}
	})
}
