// Package cardtest makes software cards and certificates for them. Only tests
// import it.
package cardtest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shomei/pkg/ca"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/civil"
)

// PINs of every card made here.
var PINs = map[card.Slot][]byte{card.Auth: []byte("1234"), card.Sign: []byte("ABC123")}

// LastDay of every card made here.
const LastDay = "2030-06-18"

// AdminKey of every card made here.
var AdminKey = card.Key{Secret: card.Secret(bytes.Repeat([]byte{0x5A}, card.SecretSize))}

// Opener answers a card's challenges by its key, with every right.
func Opener(key card.Key) card.Opener {
	return func(c card.Challenge) (card.Answer, error) { return key.Answer(c, card.AllRights, nil) }
}

// New makes a card fresh from the factory.
func New(t testing.TB, kind card.Kind, id string) *softcard.Card {
	t.Helper()
	path := filepath.Join(t.TempDir(), id+".json")
	err := softcard.Personalise(softcard.Blank{Path: path, CardID: id, Kind: kind, Key: AdminKey})
	if err != nil {
		t.Fatal(err)
	}
	return Open(t, path)
}

// Open opens a card's file anew, as a process does that was started again.
func Open(t testing.TB, path string) *softcard.Card {
	t.Helper()
	c, err := softcard.Open(softcard.Config{Path: path, NewKey: NewKey})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// NewKey gives out keys that were generated in this process, the one that was given out longest ago again after many others.
func NewKey() (*rsa.PrivateKey, error) {
	keys.Lock()
	defer keys.Unlock()
	i := keys.given % len(keys.made)
	keys.given++
	if keys.made[i] == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		keys.made[i] = key
	}
	return keys.made[i], nil
}

var keys struct {
	sync.Mutex
	made  [16]*rsa.PrivateKey
	given int
}

// Intent is the intent to fill all slots of a card.
func Intent(id string, kind card.Kind, operation string) card.Intent {
	in := card.Intent{CardID: id, Operation: card.OperationOf(operation), Slots: map[card.Slot]card.Wanted{}}
	for _, slot := range kind.Slots() {
		in.Slots[slot] = card.Wanted{}
	}
	return in
}

// Ready makes a card with PINs, keys and certificates.
func Ready(t testing.TB, kind card.Kind, id string) *softcard.Card {
	t.Helper()
	c := New(t, kind, id)
	s := Session(t, c, id)
	if err := s.Install(Intent(id, kind, "first "+id), CA().Issuer(kind)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUp(LastDay, PINs); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	return c
}

// Session opens a session with every right.
func Session(t testing.TB, over card.Transmitter, id string) *card.Session {
	t.Helper()
	s := card.NewSession(over)
	if err := s.Open(id, Opener(AdminKey)); err != nil {
		t.Fatal(err)
	}
	return s
}

// Authority signs the certificates of test cards, by pkg/ca's profiles.
type Authority struct {
	mu         sync.Mutex
	serial     uint64
	key        *rsa.PrivateKey
	generation map[ca.Kind]*ca.Generation
}

// CA is one authority for the whole test process.
var CA = sync.OnceValue(func() *Authority {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	a := &Authority{key: key, serial: 1000, generation: map[ca.Kind]*ca.Generation{}}
	for kind, prefecture := range map[ca.Kind]string{ca.Sign: "", ca.Auth: "", ca.Juki: "12"} {
		if a.generation[kind], err = ceremony(kind, prefecture, key); err != nil {
			panic(err)
		}
	}
	return a
})

// notBefore is when every certificate of a kind begins.
func notBefore(kind ca.Kind) time.Time {
	if kind == ca.Juki {
		return time.Date(2012, 12, 3, 1, 0, 0, 0, time.UTC)
	}
	return time.Date(2025, 6, 1, 1, 0, 0, 0, time.UTC)
}

// ceremony makes the generation of an authority that signs at that time.
func ceremony(kind ca.Kind, prefecture string, key *rsa.PrivateKey) (*ca.Generation, error) {
	plans, err := ca.Plans(kind, prefecture)
	if err != nil {
		return nil, err
	}
	plan := plans[0]
	for _, later := range plans {
		if !later.NotBefore.After(notBefore(kind)) {
			plan = later
		}
	}
	tbs, err := ca.BuildAuthorityTBS(plan, 1, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	return ca.SelfSign(plan, key, tbs)
}

// Holder is who the signature certificates made here speak of.
var Holder = ca.Holder{
	Name: "試験　花子", BirthDate: civil.PartialDate(civil.New(1980, 6, 18)), Sex: ca.Female, Address: "千葉県東金市試験町一丁目２番３号",
}

// Issuer is the card.Issue for a kind of card.
func (a *Authority) Issuer(kind card.Kind) card.Issue {
	return func(slot card.Slot, request []byte) (certificate, issuer []byte, err error) {
		return a.issue(certificateKind(kind, slot), request)
	}
}

func certificateKind(kind card.Kind, slot card.Slot) ca.Kind {
	switch {
	case slot == card.Auth:
		return ca.Auth
	case kind == card.Juki:
		return ca.Juki
	}
	return ca.Sign
}

func (a *Authority) issue(kind ca.Kind, request []byte) (certificate, issuer []byte, err error) {
	public, err := ca.ParseRequest(kind, request)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	in := ca.Input{
		Generation: a.generation[kind], Serial: a.serial, PublicKey: public,
		NotBefore: notBefore(kind), LastDay: civil.New(2030, 6, 18),
		Office: ca.Municipality{Prefecture: "Chiba-ken", City: "Togane-shi"}, Counter: "122130A01", Sequence: int(a.serial % 1000),
	}
	if kind == ca.Juki {
		in.LastDay = civil.New(2015, 12, 2)
	}
	if kind != ca.Auth {
		in.Holder = &Holder
	}
	tbs, err := ca.BuildTBS(in)
	if err != nil {
		return nil, nil, err
	}
	certificate, err = ca.SignTBS(in.Generation, a.key, tbs)
	return certificate, in.Generation.DER, err
}

// FaultAt is the fault for SetFault that strikes at the nth command.
func FaultAt(nth int, fault softcard.Fault) func(int, card.Command) softcard.Fault {
	return func(n int, _ card.Command) softcard.Fault {
		if n == nth {
			return fault
		}
		return softcard.NoFault
	}
}
