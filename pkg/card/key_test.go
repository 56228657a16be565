package card_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
)

// centre answers challenges by what the card says of its key, as the service with the master keys does.
type centre struct {
	masters map[uint16]card.Secret
	newest  uint16
	rights  card.Rights
	asked   int
	names   map[string]bool // of keys that were handed out
	shared  bool            // a name was handed out twice
}

func newCentre(newest uint16) *centre {
	c := &centre{masters: map[uint16]card.Secret{}, newest: newest, rights: card.AllRights, names: map[string]bool{}}
	for version := range newest + 1 {
		c.masters[version] = card.Secret(bytes.Repeat([]byte{byte(0x10 + version)}, card.SecretSize))
	}
	return c
}

var factoryCentre, _ = card.NewFactoryCentre()

func (c *centre) key(name card.KeyName, id string) (card.Key, error) {
	version, err := name.Version()
	if err != nil {
		return card.Key{}, err
	}
	if version == card.FactoryVersion {
		return card.OpenFactoryKey(factoryCentre, name, id)
	}
	master := c.masters[version]
	return card.Diversify(&master, name, id)
}

func (c *centre) open(question card.Challenge) (card.Answer, error) {
	c.asked++
	present, err := c.key(question.Key, question.Card)
	if err != nil {
		return card.Answer{}, err
	}
	if version, _ := question.Key.Version(); version == c.newest {
		return present.Answer(question, c.rights, nil)
	}
	name := card.NewKeyName(c.newest)
	c.shared = c.shared || c.names[string(name)]
	c.names[string(name)] = true
	next, err := c.key(name, question.Card)
	if err != nil {
		return card.Answer{}, err
	}
	return present.Answer(question, c.rights, &next)
}

// made makes a software card whose key has a version.
func made(t testing.TB, version uint16) *softcard.Card {
	t.Helper()
	c, path := newCentre(7), filepath.Join(t.TempDir(), "C1.json")
	key, err := c.key(nil, "C1")
	switch {
	case version == card.FactoryVersion:
		key, err = card.NewFactoryKey(factoryCentre.PublicKey(), "C1")
	case version != card.OldVersion:
		key, err = c.key(card.NewKeyName(version), "C1")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := softcard.Personalise(softcard.Blank{Path: path, CardID: "C1", Kind: card.MyNumber, Key: key}); err != nil {
		t.Fatal(err)
	}
	return cardtest.Open(t, path)
}

// versionOf asks a card for the version of its key.
func versionOf(t testing.TB, c *softcard.Card) uint16 {
	t.Helper()
	var version uint16
	s := card.NewSession(c)
	err := s.Open("C1", func(question card.Challenge) (card.Answer, error) {
		version, _ = question.Key.Version()
		return card.Answer{}, errors.New("only asked")
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Inventory()
	return version
}

// setUp runs a whole set-up, preceded by the renewal of the key, as a counter does.
func setUp(c *softcard.Card, centre *centre) error {
	s := card.NewSession(c)
	if err := s.Open("C1", centre.open); err != nil {
		return err
	}
	if _, err := s.RenewKey(); err != nil {
		return err
	}
	err := s.SetUp(cardtest.LastDay, cardtest.PINs)
	if errors.Is(err, card.ErrAlreadySetUp) {
		return nil
	}
	return err
}

// A card is torn out at every command of the replacement of its key, before and after the effect: it always says which
// key it holds, and continuing ends with the newest.
func TestANewKeyTornAtEveryCommand(t *testing.T) {
	for _, version := range []uint16{card.OldVersion, 1, card.FactoryVersion} {
		for name, fault := range map[string]softcard.Fault{"before": softcard.RemoveBefore, "after": softcard.RemoveAfter} {
			t.Run(fmt.Sprintf("version %d %s", version, name), func(t *testing.T) {
				found := map[uint16]int{}
				for nth := 1; ; nth++ {
					chip, hub := made(t, version), newCentre(2)
					chip.SetFault(cardtest.FaultAt(nth, fault))
					err := setUp(chip, hub)
					if err == nil {
						break
					}
					if !errors.Is(err, card.ErrRemoved) {
						t.Fatalf("torn at command %d: %v", nth, err)
					}
					again := cardtest.Open(t, chip.Path()) // as after a restart
					found[versionOf(t, again)]++
					if err := setUp(again, hub); err != nil {
						t.Fatalf("going on after a tear at command %d: %v", nth, err)
					}
					if now := versionOf(t, again); now != 2 {
						t.Errorf("after a tear at command %d the key is of version %d", nth, now)
					}
					if hub.shared {
						t.Error("one key was handed out twice")
					}
				}
				if found[version] == 0 || found[2] == 0 || len(found) != 2 {
					t.Errorf("the tears left keys of versions %v, so not all was tried", found)
				}
			})
		}
	}
}

// The key that a card was shipped with opens it for nobody once it is set up, and a card can't be taken into use with
// it.
func TestATransportKeyEndsWithTheSetUp(t *testing.T) {
	chip := made(t, card.FactoryVersion)
	s := card.NewSession(chip)
	hub := newCentre(1)
	if err := s.Open("C1", hub.open); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUp(cardtest.LastDay, cardtest.PINs); !errors.Is(err, card.ErrConditions) {
		t.Errorf("taken into use with its transport key: %v", err)
	}
	if err := setUp(chip, hub); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(chip.Path())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(`"key_name": "//`)) {
		t.Error("the card still names a transport key")
	}
	before := hub.asked
	if err := setUp(chip, hub); err != nil || hub.asked != before+1 {
		t.Errorf("a card with the newest key: %v, asked %d times", err, hub.asked-before)
	}
}

// A transport key opens for its own card and at its own centre only.
func TestATransportKeyIsForOneCardAndOneCentre(t *testing.T) {
	key, err := card.NewFactoryKey(factoryCentre.PublicKey(), "C1")
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := card.OpenFactoryKey(factoryCentre, key.Name, "C1"); err != nil || opened.Secret != key.Secret {
		t.Errorf("its own: %v", err)
	}
	if _, err := card.OpenFactoryKey(factoryCentre, key.Name, "C2"); !errors.Is(err, card.ErrKeyName) {
		t.Errorf("another card's: %v", err)
	}
	other, err := card.NewFactoryCentre()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.OpenFactoryKey(other, key.Name, "C1"); !errors.Is(err, card.ErrKeyName) {
		t.Errorf("another centre's: %v", err)
	}
	for _, name := range []card.KeyName{{0}, {0, 0, 1}, {0, 1}, {0xFF, 0xFF}, append(bytes.Clone(key.Name), 0), nil} {
		if _, err := card.OpenFactoryKey(factoryCentre, name, "C1"); !errors.Is(err, card.ErrKeyName) {
			t.Errorf("name %x: %v", []byte(name), err)
		}
	}
}

// An answer opens a card for its own commands and no others, whatever the host does with it.
func TestAnAnswerOpensForItsCommandsOnly(t *testing.T) {
	op := card.OperationOf("x")
	commands := map[string]struct {
		do    func(*card.Session) error
		needs card.Rights
	}{
		"generate":     {func(s *card.Session) error { _, err := s.GenerateStaged(card.Auth, op); return err }, card.MayStage},
		"stage a PIN":  {func(s *card.Session) error { return s.StagePIN(card.Auth, []byte("4321")) }, card.MayStage},
		"discard":      {func(s *card.Session) error { return s.Discard(card.Auth) }, card.MayStage},
		"reset a PIN":  {func(s *card.Session) error { return s.ResetPIN(card.Auth, []byte("4321")) }, card.MaySetPINs},
		"retire":       {func(s *card.Session) error { return s.Retire() }, card.MayRetire},
		"activate":     {func(s *card.Session) error { return s.Activate(op, card.Auth) }, card.MayWrite},
		"read staging": {func(s *card.Session) error { return s.TestSign(card.Auth) }, card.MayWrite},
	}
	for name, row := range commands {
		t.Run(name, func(t *testing.T) {
			for _, rights := range []card.Rights{0, card.AllRights &^ row.needs} {
				s := card.NewSession(cardtest.Ready(t, card.MyNumber, "C1"))
				must(t, s.Open("C1", func(c card.Challenge) (card.Answer, error) { return cardtest.AdminKey.Answer(c, rights, nil) }))
				if err := row.do(s); !errors.Is(err, card.ErrSecurityNotSatisfied) {
					t.Errorf("opened for %q: %v", rights, err)
				}
				// Claiming more than was answered for breaks the proof.
				must(t, s.Open("C1", func(c card.Challenge) (card.Answer, error) {
					a, err := cardtest.AdminKey.Answer(c, rights, nil)
					a.Rights |= row.needs
					return a, err
				}))
				if err := row.do(s); !errors.Is(err, card.ErrAdminKey) {
					t.Errorf("rights widened on the way: %v", err)
				}
			}
			s := card.NewSession(cardtest.Ready(t, card.MyNumber, "C1"))
			must(t, s.Open("C1", func(c card.Challenge) (card.Answer, error) { return cardtest.AdminKey.Answer(c, row.needs, nil) }))
			if err := row.do(s); errors.Is(err, card.ErrSecurityNotSatisfied) || errors.Is(err, card.ErrAdminKey) {
				t.Errorf("opened for it: %v", err)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An answer serves one challenge of one card: it can't be repeated or shown to another.
func TestAnAnswerServesOneChallenge(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	var kept card.Answer
	s := card.NewSession(c)
	must(t, s.Open("C1", func(q card.Challenge) (card.Answer, error) {
		var err error
		kept, err = cardtest.AdminKey.Answer(q, card.AllRights, nil)
		return kept, err
	}))
	must(t, s.Discard(card.Auth))
	c.Reset()
	again := card.NewSession(c)
	must(t, again.Open("C1", func(card.Challenge) (card.Answer, error) { return kept, nil }))
	if err := again.Discard(card.Auth); !errors.Is(err, card.ErrAdminKey) {
		t.Errorf("an answer shown again: %v", err)
	}
}
