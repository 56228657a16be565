package softcard_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
)

// pinMachine compares a card's PINs with a model in plain variables: tries,
// verification, changes, unblocking, pulling the card, restarts.
type pinMachine struct {
	t     *testing.T
	path  string
	card  *softcard.Card
	left  map[card.Slot]int
	value map[card.Slot]string
	open  map[card.Slot]bool // verified
}

var limits = map[card.Slot]int{card.Auth: 3, card.Sign: 5}

var values = map[card.Slot][]string{
	card.Auth: {"1234", "5678", "0000", "99"},
	card.Sign: {"ABC123", "ZZZZZ9", "A1", "QWERTY7890ABCDEF"},
}

func fits(slot card.Slot, value string) bool {
	if slot == card.Auth {
		return len(value) == 4
	}
	return len(value) >= 6 && len(value) <= 16
}

func (m *pinMachine) slot(t *rapid.T) card.Slot {
	return rapid.SampledFrom([]card.Slot{card.Auth, card.Sign}).Draw(t, "slot")
}

// send selects the slot's PIN file and sends a command, answering the status word.
func (m *pinMachine) send(t *rapid.T, slot card.Slot, c card.Command) string {
	fid := card.PINEF(slot)
	for _, command := range []card.Command{{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}}, c} {
		resp, err := m.card.Transmit(command.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if command.INS != 0xA4 {
			return fmt.Sprintf("%X", resp)
		}
	}
	return ""
}

func (m *pinMachine) enter(t *rapid.T) {
	resp, err := m.card.Transmit(card.Command{INS: 0xA4, P1: 4, P2: 0x0C, Data: card.AIDJPKI}.Bytes())
	if err != nil || fmt.Sprintf("%X", resp) != "9000" {
		t.Fatalf("selecting the application: %X, %v", resp, err)
	}
	m.open = map[card.Slot]bool{}
}

func (m *pinMachine) Verify(t *rapid.T) {
	slot := m.slot(t)
	value := rapid.SampledFrom(values[slot]).Draw(t, "value")
	want := "6984"
	m.open[slot] = false
	if m.left[slot] > 0 {
		m.left[slot]--
		want = fmt.Sprintf("63C%X", m.left[slot])
		if value == m.value[slot] {
			m.left[slot], m.open[slot], want = limits[slot], true, "9000"
		}
	}
	if got := m.send(t, slot, card.Command{INS: 0x20, P2: 0x80, Data: []byte(value)}); got != want {
		t.Fatalf("verify: %s, expected %s", got, want)
	}
}

func (m *pinMachine) Change(t *rapid.T) {
	slot := m.slot(t)
	value := rapid.SampledFrom(values[slot]).Draw(t, "value")
	want := "6982"
	if m.open[slot] && !fits(slot, value) {
		want = "6700"
	} else if m.open[slot] {
		want, m.value[slot] = "9000", value
	}
	if got := m.send(t, slot, card.Command{INS: 0x24, P1: 1, P2: 0x80, Data: []byte(value)}); got != want {
		t.Fatalf("change: %s, expected %s", got, want)
	}
}

func (m *pinMachine) Unblock(t *rapid.T) {
	slot := m.slot(t)
	value := rapid.SampledFrom(values[slot]).Draw(t, "value")
	s := card.NewSession(m.card)
	if err := s.Open("C1", cardtest.Opener(cardtest.AdminKey)); err != nil {
		t.Fatal(err)
	}
	if err := s.ResetPIN(slot, []byte(value)); (err == nil) != fits(slot, value) {
		t.Fatalf("unblocking: %v", err)
	}
	if fits(slot, value) {
		m.value[slot], m.left[slot] = value, limits[slot]
	}
	m.enter(t)
}

func (m *pinMachine) Restart(t *rapid.T) {
	m.card = cardtest.Open(m.t, m.path)
	m.enter(t)
}

func (m *pinMachine) Select(t *rapid.T) { m.enter(t) }

// Check asks for the tries and for what the security status opens.
func (m *pinMachine) Check(t *rapid.T) {
	for slot, left := range m.left {
		if got, want := m.send(t, slot, card.Command{INS: 0x20, P2: 0x80}), fmt.Sprintf("63C%X", left); got != want {
			t.Fatalf("%s tries: %s, expected %s", slot, got, want)
		}
	}
	file := card.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{0, byte(card.EFSignCertificate)}}
	if _, err := m.card.Transmit(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	resp, err := m.card.Transmit(card.Command{INS: 0xB0, Le: 4}.Bytes())
	if opened := fmt.Sprintf("%X", resp) != "6982"; err != nil || opened != m.open[card.Sign] {
		t.Fatalf("signature certificate answers %X (%v), PIN verified: %v", resp, err, m.open[card.Sign])
	}
}

func TestPINMachine(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := cardtest.New(t, card.MyNumber, "C1")
		if err := cardtest.Session(t, c, "C1").SetUp(cardtest.LastDay, cardtest.PINs); err != nil {
			r.Fatal(err)
		}
		m := &pinMachine{
			t: t, path: c.Path(), card: c, left: map[card.Slot]int{card.Auth: 3, card.Sign: 5},
			value: map[card.Slot]string{card.Auth: "1234", card.Sign: "ABC123"},
		}
		m.enter(r)
		r.Repeat(rapid.StateMachineActions(m))
	})
}
