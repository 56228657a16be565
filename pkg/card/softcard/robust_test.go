package softcard_test

import (
	"testing"

	"pgregory.net/rapid"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
)

// TestAnyCommand throws commands at a card that has proven its administrative
// key: whatever comes, it answers with at least a status word, and live keys
// keep working unless the card was terminated.
func TestAnyCommand(t *testing.T) {
	template := cardtest.Ready(t, card.MyNumber, "C1")
	rapid.Check(t, func(r *rapid.T) {
		c := cardtest.Open(t, copyOf(t, template.Path()))
		cardtest.Session(t, c, "C1")
		b := rapid.Byte()
		ins := rapid.OneOf(rapid.SampledFrom([]byte{0x20, 0x24, 0x2A, 0x2C, 0x44, 0x82, 0x84, 0xA4, 0xB0, 0xC0, 0xCA, 0xD6, 0xDA, 0xE4}), b)
		small := rapid.OneOf(rapid.SampledFrom([]byte{0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83, 0x9E}), b)
		for range 30 {
			command := card.Command{
				CLA: rapid.SampledFrom([]byte{0, 0, 0, 0x80, 0x10}).Draw(r, "cla"), INS: ins.Draw(r, "ins"),
				P1: small.Draw(r, "p1"), P2: small.Draw(r, "p2"), Data: rapid.SliceOfN(b, 0, 40).Draw(r, "data"),
				Le: rapid.SampledFrom([]int{0, 1, 256}).Draw(r, "le"),
			}
			resp, err := c.Transmit(command.Bytes())
			if err != nil || len(resp) < 2 {
				r.Fatalf("%+v: % X, %v", command, resp, err)
			}
		}
		id, err := card.NewSession(cardtest.Open(t, c.Path())).Identify()
		if err != nil || id.CardID != "C1" {
			r.Fatalf("afterwards: %+v, %v", id, err)
		}
		if _, err := card.NewSession(c).Certificate(card.Auth); (err == nil) != (id.LifeCycle == card.Operational) {
			r.Fatalf("authentication certificate of a card that is %v: %v", id.LifeCycle, err)
		}
	})
}
