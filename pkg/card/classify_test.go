package card_test

import (
	"testing"

	"shomei/pkg/card"
)

func TestClassify(t *testing.T) {
	ours, theirs := card.OperationOf("ours"), card.OperationOf("theirs")
	key, cert, other := []byte("key"), []byte("cert"), []byte("other")
	old := card.KeyPair{PublicKey: other, Certificate: other, Operation: card.OperationOf("before")}
	staged := card.KeyPair{PublicKey: key, Certificate: cert, CA: cert, Operation: ours}
	live := card.KeyPair{PublicKey: key, Certificate: cert, Operation: ours}
	foreign := card.KeyPair{PublicKey: key, Operation: theirs}
	keyOnly := card.KeyPair{PublicKey: key, Operation: ours}
	noCA := card.KeyPair{PublicKey: key, Certificate: cert, Operation: ours}
	both := func(auth, sign card.SlotState) card.Inventory {
		return card.Inventory{
			Identity: card.Identity{CardID: "C1", Kind: card.MyNumber, LifeCycle: card.Operational},
			Slots:    map[card.Slot]card.SlotState{card.Auth: auth, card.Sign: sign},
		}
	}
	same := func(s card.SlotState) card.Inventory { return both(s, s) }
	before := card.SlotState{Live: old}
	retired := same(before)
	retired.LifeCycle = card.Terminated
	stranger := same(before)
	stranger.CardID = "C2"
	juki := same(card.SlotState{Live: live})
	delete(juki.Slots, card.Auth)
	none, known, differ := card.Wanted{}, card.Wanted{PublicKey: key, Certificate: cert}, card.Wanted{PublicKey: other}
	newCert := card.Wanted{PublicKey: key, Certificate: other}
	for _, test := range []struct {
		name string
		got  card.Inventory
		want card.Wanted
		is   card.State
	}{
		{"nothing done", same(before), none, card.NotBegun},
		{"empty card", same(card.SlotState{}), none, card.NotBegun},
		{"one key made", both(card.SlotState{Live: old, Staged: keyOnly}, before), none, card.KeyOnly},
		{"both keys made", same(card.SlotState{Live: old, Staged: keyOnly}), known, card.KeyOnly},
		{"the CA's certificate is missing", same(card.SlotState{Live: old, Staged: noCA}), known, card.KeyOnly},
		{"one certificate written", both(card.SlotState{Live: old, Staged: staged}, card.SlotState{Live: old, Staged: keyOnly}), known, card.KeyOnly},
		{"an earlier try's certificate", same(card.SlotState{Live: old, Staged: staged}), newCert, card.KeyOnly},
		{"both written", same(card.SlotState{Live: old, Staged: staged}), known, card.CertificateStaged},
		{"activated", same(card.SlotState{Live: live}), known, card.Complete},
		{"activated, and the next one has begun", same(card.SlotState{Live: live, Staged: foreign}), known, card.Complete},
		{"another operation's key", same(card.SlotState{Live: old, Staged: foreign}), none, card.Foreign},
		{"a key nobody journalled", same(card.SlotState{Live: old, Staged: staged}), differ, card.Foreign},
		{"live with a key nobody journalled", same(card.SlotState{Live: live}), differ, card.Foreign},
		{"live with another certificate", same(card.SlotState{Live: live}), newCert, card.Foreign},
		{"half activated", both(card.SlotState{Live: live}, before), none, card.Foreign},
		{"another card", stranger, none, card.Foreign},
		{"retired card", retired, none, card.Foreign},
		{"no such slot", juki, none, card.Foreign},
	} {
		intent := card.Intent{CardID: "C1", Operation: ours, Slots: map[card.Slot]card.Wanted{card.Auth: test.want, card.Sign: test.want}}
		p := card.Classify(test.got, intent)
		if p.State != test.is {
			t.Errorf("%s: %v (%s), expected %v", test.name, p.State, p.Reason, test.is)
		}
		if (p.Reason != "") != (p.State == card.Foreign) {
			t.Errorf("%s: state %v with reason %q", test.name, p.State, p.Reason)
		}
	}
}
