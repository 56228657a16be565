package card

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// State says how far an operation came on a card (card.md 6).
type State int

// The states of an operation; only Foreign needs a person.
const (
	// NotBegun: nothing of the operation is on the card.
	NotBegun State = iota
	// KeyOnly: at least one staged key of the operation lacks its certificate; go on with GenerateStaged, which keeps
	// existing keys, and WriteStaged.
	KeyOnly
	// CertificateStaged: keys and certificates are staged in all slots, the old
	// ones are live; go on with ReadBack.
	CertificateStaged
	// Complete: all slots are live with the operation's keys; report it.
	Complete
	// Foreign: another card, another operation's work or keys nobody here made.
	Foreign
)

// String returns the words of card.md 6 for the state.
func (s State) String() string {
	return [...]string{"not begun", "key only", "certificate staged", "complete", "foreign"}[s]
}

// Wanted is what the journal knows about one slot: SHA-256 of the SubjectPublicKeyInfo and of the DER certificate, nil
// if unknown.
type Wanted struct{ PublicKey, Certificate []byte }

// Intent is the goal of an operation, as the journal recorded it before the first command.
type Intent struct {
	CardID    string
	Operation Operation
	Slots     map[Slot]Wanted
}

// Verdict is the result of Classify.
type Verdict struct {
	State State
	// Slots holds the verdict for each slot of the intent.
	Slots map[Slot]State
	// Reason says in English what makes it Foreign; otherwise empty.
	Reason string
}

// Classify compares what a card holds with what an operation intended. It alone decides how to go on after a restart or
// a torn-out card, and sends nothing to the card.
func Classify(got Inventory, want Intent) Verdict {
	p := Verdict{Slots: map[Slot]State{}}
	if got.CardID != want.CardID {
		p.State, p.Reason = Foreign, fmt.Sprintf("card %s is in the reader, not card %s", got.CardID, want.CardID)
		return p
	}
	if got.LifeCycle == Terminated {
		p.State, p.Reason = Foreign, fmt.Sprintf("card %s has been retired", got.CardID)
		return p
	}
	least, most := Complete, NotBegun
	for _, slot := range slices.Sorted(maps.Keys(want.Slots)) {
		state, known := got.Slots[slot]
		verdict, reason := classifySlot(state, want.Operation, want.Slots[slot])
		if !known {
			verdict, reason = Foreign, "the card has no such slot"
		}
		p.Slots[slot] = verdict
		if verdict == Foreign {
			p.State, p.Reason = Foreign, fmt.Sprintf("%s slot: %s", slot, reason)
			return p
		}
		least, most = min(least, verdict), max(most, verdict)
	}
	switch {
	case least == most:
		p.State = least
	case most == Complete:
		// ACTIVATE takes all slots or none, so this was not one operation of ours.
		p.State, p.Reason = Foreign, "the operation is live in one slot and not in another"
	default:
		p.State = KeyOnly
	}
	return p
}

func classifySlot(got SlotState, op Operation, want Wanted) (State, string) {
	if got.Live.Operation == op && got.Live.PublicKey != nil {
		return judge(Complete, got.Live, want)
	}
	switch staged := got.Staged; {
	case staged.PublicKey == nil:
		return NotBegun, ""
	case staged.Operation != op:
		return Foreign, fmt.Sprintf("staged by operation %s", staged.Operation)
	case staged.Certificate == nil || staged.CA == nil:
		return judge(KeyOnly, staged, Wanted{PublicKey: want.PublicKey})
	case want.Certificate != nil && !bytes.Equal(want.Certificate, staged.Certificate):
		return judge(KeyOnly, staged, Wanted{PublicKey: want.PublicKey}) // it is written again
	default:
		return judge(CertificateStaged, staged, want)
	}
}

// judge returns the state, or Foreign if the journal knows of another key or certificate.
func judge(state State, got KeyPair, want Wanted) (State, string) {
	if want.PublicKey != nil && !bytes.Equal(want.PublicKey, got.PublicKey) {
		return Foreign, "the key is not the one that was journalled"
	}
	if want.Certificate != nil && !bytes.Equal(want.Certificate, got.Certificate) {
		return Foreign, "the certificate is not the one that was journalled"
	}
	return state, ""
}
