package card_test

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/pkg/card"
)

func TestCommandBytes(t *testing.T) {
	for _, test := range []struct {
		name string
		c    card.Command
		want []byte
	}{
		{"case 1, tries left", card.Command{INS: 0x20, P2: 0x80}, []byte{0, 0x20, 0, 0x80}},
		{"case 2, read 256", card.Command{INS: 0xB0, P1: 1, Le: 256}, []byte{0, 0xB0, 1, 0, 0}},
		{"case 3, select EF", card.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{0, 6}}, []byte{0, 0xA4, 2, 0x0C, 2, 0, 6}},
		{"case 4, sign", card.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: []byte{1}, Le: 256}, []byte{0x80, 0x2A, 0, 0x80, 1, 1, 0}},
	} {
		if got := test.c.Bytes(); !bytes.Equal(got, test.want) {
			t.Errorf("%s: % X, expected % X", test.name, got, test.want)
		}
	}
}

func TestCommandRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.Byte()
		c := card.Command{
			CLA: b.Draw(t, "cla"), INS: b.Draw(t, "ins"), P1: b.Draw(t, "p1"), P2: b.Draw(t, "p2"),
			Le: rapid.IntRange(0, 256).Draw(t, "le"),
		}
		if data := rapid.SliceOfN(b, 0, 255).Draw(t, "data"); len(data) > 0 {
			c.Data = data
		}
		got, err := card.ParseCommand(c.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatalf("-sent +parsed:\n%s", diff)
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte{0, 0xA4, 2, 0x0C, 2, 0, 6})
	f.Add([]byte{0, 0x20, 0, 0x80})
	f.Add([]byte{0, 0x20, 0, 0x80, 0, 1, 0})
	f.Fuzz(func(t *testing.T, apdu []byte) {
		c, err := card.ParseCommand(apdu)
		if err != nil {
			if !errors.Is(err, card.ErrMalformedAPDU) {
				t.Fatalf("unnamed error %v", err)
			}
			return
		}
		if !bytes.Equal(c.Bytes(), apdu) {
			t.Fatalf("% X became % X", apdu, c.Bytes())
		}
	})
}

func TestPublicKeyTemplate(t *testing.T) {
	key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 2046), E: 65537}
	tlv := card.EncodePublicKey(key)
	got, err := card.ParsePublicKey(tlv)
	if err != nil || !got.Equal(key) {
		t.Fatalf("%v, %v", got, err)
	}
	for n := range tlv {
		if _, err := card.ParsePublicKey(tlv[:n]); !errors.Is(err, card.ErrMalformedTemplate) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// scripted answers every command with the same bytes.
type scripted []byte

func (s scripted) Transmit([]byte) ([]byte, error) { return s, nil }

func TestStatusWords(t *testing.T) {
	for sw, want := range map[uint16]error{
		0x63C3: card.ErrWrongPIN, 0x63C0: card.ErrBlocked, 0x6983: card.ErrBlocked, 0x6984: card.ErrBlocked,
		0x6982: card.ErrSecurityNotSatisfied, 0x6985: card.ErrConditions, 0x6A82: card.ErrNotFound, 0x6D00: card.ErrUnsupported,
		0x6A80: card.ErrBadData, 0x6581: card.ErrMemory,
	} {
		if _, err := card.Send(scripted{byte(sw >> 8), byte(sw)}, card.Command{INS: 0x20}); !errors.Is(err, want) {
			t.Errorf("%04X: %v, expected %v", sw, err, want)
		}
	}
	_, err := card.Send(scripted{0x6F, 0x00}, card.Command{INS: 0x20})
	if status, ok := errors.AsType[*card.StatusError](err); !ok || status.SW != 0x6F00 {
		t.Errorf("6F00: %v", err)
	}
	if _, err := card.Send(scripted{0x90}, card.Command{INS: 0x20}); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("one byte: %v", err)
	}
	if _, err := card.Send(scripted{0x90, 0}, card.Command{INS: 0x20, Data: make([]byte, 256)}); !errors.Is(err, card.ErrMalformedAPDU) {
		t.Errorf("256 bytes of data: %v", err)
	}
}
