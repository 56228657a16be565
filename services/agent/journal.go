package agent

import (
	"context"

	"shomei/events"
)

// Entry is one link of the store's chain: a claim that was made, a command that came, or a step of its execution. It holds
// no PIN and no personal data; a command lies in it sealed.
type Entry struct {
	Number   uint64 `json:"number"`
	Previous []byte `json:"previous,omitempty"`
	AtMS     int64  `json:"at_ms"`
	// Step is what happened, see the constants.
	Step Step `json:"step"`
	// ID is that of the claim (Claimed), or that of the downlink: an obligation's for a command, a claim's for an answer.
	ID        string `json:"id"`
	Procedure string `json:"procedure,omitempty"`
	// Signed is the SealedDownlink as it came (Received).
	Signed []byte `json:"signed,omitempty"`
	// Answer: the downlink is an answer, there is nothing to execute (Received).
	Answer bool `json:"answer,omitempty"`
	// Card is the card that is going to be changed (Begun).
	Card string `json:"card,omitempty"`
	// PINs are the kinds that the resident typed a PIN for (Begun).
	PINs []events.PinKind `json:"pins,omitempty"`
	// Kind and Digest name a key by SHA-256 of its SubjectPublicKeyInfo (KeyMade). Digest is the hash of a claim (Claimed).
	Kind   events.CertificateKind `json:"kind,omitempty"`
	Digest []byte                 `json:"digest,omitempty"`
	// Claim is the claim's own number (Claimed), or that of the claim that told the hub the outcome (Done).
	Claim uint64 `json:"claim,omitempty"`
	// Note says in English what a person should know (Discarded).
	Note string `json:"note,omitempty"`
}

// Step is what an entry says happened.
type Step string

// The steps, in the order in which they occur.
const (
	// StepClaimed: the counter signed a claim, see Claim and Digest.
	StepClaimed Step = "claimed"
	// StepReceived: the command or answer is here.
	StepReceived Step = "received"
	// StepBegun: the intent; from here on the card may be changed.
	StepBegun Step = "begun"
	// StepDiscarded: unfinished keys of an earlier command were cleared from the card.
	StepDiscarded Step = "discarded"
	// StepKeyMade: a key pair is in staging.
	StepKeyMade Step = "key made"
	// StepPINsSet: the card has taken the PINs of the resident.
	StepPINsSet Step = "pins set"
	// StepWritten: certificates are staged, read back and tried.
	StepWritten Step = "written"
	// StepActivated: the card's new state is in force.
	StepActivated Step = "activated"
	// StepDoubted: it was begun in a store that then differed from the hub's memory, and is not taken up any more.
	StepDoubted Step = "doubted"
	// StepDone: the outcome is a claim; written in one step with it.
	StepDone Step = "done"
)

// work is a command as the journal knows it.
type work struct {
	down  *events.Downlink
	begun *Entry
	// steps holds the newest entry of each step.
	steps map[Step]Entry
	keys  map[events.CertificateKind][]byte
	done  *Entry
	// cancel ends what waits, while the command runs; guarded by Counter.mu.
	cancel context.CancelCauseFunc
}

func (w *work) note(e Entry) {
	w.steps[e.Step] = e
	switch e.Step {
	case StepBegun:
		w.begun = &e
	case StepKeyMade:
		w.keys[e.Kind] = e.Digest
	case StepDone:
		w.done = &e
	}
}

// owed reports whether the hub waits for the outcome of a command.
func (w *work) owed() bool { return w.done == nil && w.down.GetAnswer() == nil }

func newWork(d *events.Downlink) *work {
	return &work{down: d, steps: map[Step]Entry{}, keys: map[events.CertificateKind][]byte{}}
}
