package softcard

import (
	"bytes"

	"shomei/pkg/card"
)

// Applications of the My Number card that card software asks for the tries of
// their PINs (card.md 1, 4). They hold nothing else here.
var (
	aidFace  = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02} // 券面
	aidInput = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08} // 券面事項入力補助
)

// The tries left for the PINs of the stubs, by file.
var (
	facePINs  = map[uint16]uint16{0x0013: 10, 0x0012: 3}
	inputPINs = map[uint16]uint16{0x0011: 3, 0x0014: 10, 0x0015: 10}
)

func stubOf(aid []byte) application {
	switch {
	case bytes.Equal(aid, aidFace):
		return stub(facePINs)
	case bytes.Equal(aid, aidInput):
		return stub(inputPINs)
	}
	return nil
}

// stub reports the tries left and refuses every PIN without counting.
func stub(pins map[uint16]uint16) application {
	return func(c *Card, cmd card.Command) ([]byte, uint16) {
		left, selected := pins[c.ef]
		switch {
		case cmd.INS == 0xA4:
			return nil, c.selectEF(cmd, func(fid uint16) bool { _, ok := pins[fid]; return ok })
		case cmd.INS == 0x20 && selected && len(cmd.Data) == 0:
			return nil, swTries | left
		case cmd.INS == 0x20:
			return nil, swConditions
		}
		return nil, swUnknownINS
	}
}
