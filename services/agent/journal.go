package agent

import (
	"context"

	"shomei/events"
)

// Entry is one element of the store's chain: a claim, a received downlink, or a step of a command's execution. It holds no
// PIN and no personal data; a command stays sealed.
type Entry struct {
	Number   uint64 `json:"number"`
	Previous []byte `json:"previous,omitempty"`
	AtMS     int64  `json:"at_ms"`
	// Step is what happened; see the constants.
	Step Step `json:"step"`
	// ID is the claim's (Claimed) or the downlink's: an obligation for a command, a claim for an answer.
	ID        string `json:"id"`
	Procedure string `json:"procedure,omitempty"`
	// Signed is the SealedDownlink as received (Received).
	Signed []byte `json:"signed,omitempty"`
	// Answer: the downlink is an answer, with nothing to execute (Received).
	Answer bool `json:"answer,omitempty"`
	// Card is the card to be changed (Begun).
	Card string `json:"card,omitempty"`
	// PINs are the kinds of PIN that the resident typed (Begun).
	PINs []events.PinKind `json:"pins,omitempty"`
	// Digest is the SHA-256 of a key's SubjectPublicKeyInfo (KeyMade, with Kind) or the hash of a claim (Claimed).
	Kind   events.CertificateKind `json:"kind,omitempty"`
	Digest []byte                 `json:"digest,omitempty"`
	// Claim is the number of the claim (Claimed), or of the claim with the outcome (Done).
	Claim uint64 `json:"claim,omitempty"`
	// Note is a remark in English for an administrator (Discarded).
	Note string `json:"note,omitempty"`
}

// Step is what an entry says happened.
type Step string

// The steps, in the order in which they occur.
const (
	// StepClaimed: the counter signed a claim; see Claim and Digest.
	StepClaimed Step = "claimed"
	// StepReceived: a command or answer came.
	StepReceived Step = "received"
	// StepBegun: the intent; from here on the card may have changed.
	StepBegun Step = "begun"
	// StepDiscarded: unfinished keys of an earlier command were removed from the card.
	StepDiscarded Step = "discarded"
	// StepKeyMade: a key pair is in staging.
	StepKeyMade Step = "key made"
	// StepPINsSet: the card has the resident's PINs.
	StepPINsSet Step = "pins set"
	// StepWritten: certificates are staged, read back, and their keys tried.
	StepWritten Step = "written"
	// StepActivated: the card's new state is in force.
	StepActivated Step = "activated"
	// StepDoubted: the command was begun in a store that differs from the hub's records, and will fail.
	StepDoubted Step = "doubted"
	// StepDone: the outcome is recorded, in one transaction with its claim.
	StepDone Step = "done"
)

// work is a command or answer with its journal entries.
type work struct {
	down  *events.Downlink
	begun *Entry
	// steps holds the newest entry of each step.
	steps map[Step]Entry
	keys  map[events.CertificateKind][]byte
	done  *Entry
	// cancel stops the command while it runs; guarded by Counter.mu.
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

// owed reports whether the hub still waits for a command's outcome.
func (w *work) owed() bool { return w.done == nil && w.down.GetAnswer() == nil }

func newWork(d *events.Downlink) *work {
	return &work{down: d, steps: map[Step]Entry{}, keys: map[events.CertificateKind][]byte{}}
}
