package counterlink_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/counterlink"
)

const waitLimit = 20 * time.Second

func TestHeadJudgesClaims(t *testing.T) {
	key := userKey(t)
	box := newMemory(t, key, "12237-main-1", "E1")
	var head counterlink.Head
	for range 40 {
		claim, hash, err := counterlink.ParseClaim(box.add(t))
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := head.Judge(claim, hash); err != nil || verdict != counterlink.Next {
			t.Fatalf("claim %d: %v, %v", claim.GetNumber(), verdict, err)
		}
		head = head.Advance(claim, hash)
	}
	fork := newMemory(t, key, "12237-main-1", "E1")
	for range 41 {
		fork.add(t)
	}
	other := newMemory(t, key, "12237-main-1", "E2")
	other.add(t)
	changed := func(box *memory, n uint64, change func(*events.Claim)) (*events.Claim, []byte) {
		signed, _, err := box.Claim(n)
		if err != nil {
			t.Fatal(err)
		}
		claim, _, err := counterlink.ParseClaim(signed)
		if err != nil {
			t.Fatal(err)
		}
		change(claim)
		raw, err := events.Encode(claim)
		if err != nil {
			t.Fatal(err)
		}
		return claim, events.Hash(raw)
	}
	box.add(t)
	box.add(t)
	asIs := func(*events.Claim) {}
	note := func(c *events.Claim) { c.Officer = "another" }
	for name, row := range map[string]struct {
		box     *memory
		number  uint64
		change  func(*events.Claim)
		verdict counterlink.Verdict
		err     error
	}{
		"the next one":                     {box, 41, asIs, counterlink.Next, nil},
		"the newest again":                 {box, 40, asIs, counterlink.Repeated, nil},
		"an older one again":               {box, 20, asIs, counterlink.Repeated, nil},
		"one too old to compare":           {box, 3, asIs, 0, counterlink.ErrLate},
		"one after a missing one":          {box, 42, asIs, 0, counterlink.ErrGap},
		"another claim of a number":        {box, 39, note, 0, counterlink.ErrFork},
		"the next, but of another history": {box, 41, func(c *events.Claim) { c.PreviousHash[0] ^= 1 }, 0, counterlink.ErrFork},
		"number nought":                    {box, 41, func(c *events.Claim) { c.Number = 0 }, 0, events.ErrMalformed},
		"another store":                    {other, 1, asIs, 0, counterlink.ErrEpoch},
		"no epoch":                         {box, 41, func(c *events.Claim) { c.StoreEpoch = "" }, 0, counterlink.ErrEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			claim, hash := changed(row.box, row.number, row.change)
			verdict, err := head.Judge(claim, hash)
			if verdict != row.verdict || !errors.Is(err, row.err) || (row.err == nil) != (err == nil) {
				t.Errorf("got %v, %v; want %v, %v", verdict, err, row.verdict, row.err)
			}
		})
	}
}

// Whatever order claims arrive in, and however often, those accepted are 1, 2, 3… without a gap and once each.
func TestTakenClaimsAreAlwaysAPrefix(t *testing.T) {
	box := newMemory(t, userKey(t), "12237-main-1", "E1")
	for range 12 {
		box.add(t)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.SliceOfN(rapid.Uint64Range(1, 12), 1, 60).Draw(t, "order")
		var head counterlink.Head
		var taken []uint64
		for _, n := range order {
			signed, _, _ := box.Claim(n)
			claim, hash, err := counterlink.ParseClaim(signed)
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := head.Judge(claim, hash)
			if known := slices.Contains(taken, n); known != (err == nil && verdict == counterlink.Repeated) {
				t.Fatalf("claim %d, taken %v: %v, %v", n, taken, verdict, err)
			}
			if err == nil && verdict == counterlink.Next {
				head, taken = head.Advance(claim, hash), append(taken, n)
			}
		}
		for i, n := range taken {
			if n != uint64(i+1) {
				t.Fatalf("taken %v", taken)
			}
		}
	})
}

func TestVerifyClaim(t *testing.T) {
	key, other := userKey(t), userKey(t)
	public, _ := key.PublicKey()
	stranger, _ := other.PublicKey()
	signed := newMemory(t, key, "12237-main-1", "E1").add(t)
	if _, _, err := counterlink.VerifyClaim(public, signed); err != nil {
		t.Fatalf("as signed: %v", err)
	}
	if _, _, err := counterlink.VerifyClaim(stranger, signed); !errors.Is(err, events.ErrSignature) {
		t.Errorf("by another key: %v", err)
	}
	outer := &events.SignedClaim{}
	if err := proto.Unmarshal(signed, outer); err != nil {
		t.Fatal(err)
	}
	claim, _, _ := counterlink.ParseClaim(signed)
	claim.Officer = "changed"
	outer.Claim, _ = events.Encode(claim)
	changed, _ := events.Encode(outer)
	if _, _, err := counterlink.VerifyClaim(public, changed); !errors.Is(err, events.ErrSignature) {
		t.Errorf("changed after signing: %v", err)
	}
	for n := range signed {
		if _, _, err := counterlink.VerifyClaim(public, signed[:n]); err == nil {
			t.Errorf("truncated to %d bytes it verifies", n)
		}
	}
	if _, _, err := counterlink.VerifyClaim(public, make([]byte, events.MaxStored+1)); !errors.Is(err, events.ErrMalformed) {
		t.Errorf("too large: %v", err)
	}
}

func TestPersonalOpensOnlyWhereItBelongs(t *testing.T) {
	hub, other := sealKey(t), sealKey(t)
	personal := &events.Personal{Record: &events.ResidentRecord{ResidentCode: "00000000001", Municipality: "12237"}}
	sealed, err := counterlink.SealPersonal(hub.PublicKey(), "claim-1", personal)
	if err != nil {
		t.Fatal(err)
	}
	got, err := counterlink.OpenPersonal(hub, &events.Claim{Id: "claim-1", Sealed: sealed})
	if err != nil || !proto.Equal(got, personal) {
		t.Fatalf("opened %v, %v", got, err)
	}
	if got, err := counterlink.OpenPersonal(hub, &events.Claim{Id: "claim-1"}); err != nil || got.GetRecord() != nil {
		t.Errorf("nothing sealed: %v, %v", got, err)
	}
	torn := slices.Clone(sealed)
	torn[len(torn)-1] ^= 1
	for name, claim := range map[string]*events.Claim{
		"under another claim": {Id: "claim-2", Sealed: sealed},
		"changed":             {Id: "claim-1", Sealed: torn},
		"cut short":           {Id: "claim-1", Sealed: sealed[:10]},
	} {
		if _, err := counterlink.OpenPersonal(hub, claim); !errors.Is(err, counterlink.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := counterlink.OpenPersonal(other, &events.Claim{Id: "claim-1", Sealed: sealed}); !errors.Is(err, counterlink.ErrSealed) {
		t.Errorf("with another key: %v", err)
	}
}

func TestSealKeysSurviveTheirBytes(t *testing.T) {
	key := sealKey(t)
	secret, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := counterlink.ParseSealKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	public, err := counterlink.ParseSealPublicKey(key.PublicKey().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := counterlink.SealPersonal(public, "c", &events.Personal{Contact: &events.Contact{Language: "ja"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := counterlink.OpenPersonal(again, &events.Claim{Id: "c", Sealed: sealed}); err != nil {
		t.Error(err)
	}
	if _, err := counterlink.ParseSealKey(secret[:31]); err == nil {
		t.Error("31 bytes pass for a key")
	}
	if _, err := counterlink.ParseSealPublicKey(nil); err == nil {
		t.Error("no bytes pass for a public key")
	}
}
