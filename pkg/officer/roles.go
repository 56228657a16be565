// Package officer says who may act at an office: officers with their terms, roles and passkeys as the office's events tell
// them, what each role may do, and whether a signature by a passkey is an officer's over an act. It is pure: it reads no log
// and no clock.
package officer

import (
	"slices"

	"shomei/events"
)

// Role is what an officer may do; an officer can have several.
type Role string

// The roles.
const (
	// Clerk takes applications and reports at a counter, and hands cards over.
	Clerk Role = "clerk"
	// Approver decides on what another officer has asked for.
	Approver Role = "approver"
	// Administrator enrols and retires the officers of an office.
	Administrator Role = "administrator"
	// TelephoneDesk takes reports by telephone.
	TelephoneDesk Role = "telephone"
	// Analyst reads counts and forecasts of an area.
	Analyst Role = "analyst"
	// Auditor reads who did and who looked at what.
	Auditor Role = "auditor"
	// Operator runs the centre.
	Operator Role = "operator"
	// Security watches over keys and erasures.
	Security Role = "security"
)

// Roles lists all roles, as words that an enrolment may have.
func Roles() []Role {
	return []Role{Clerk, Approver, Administrator, TelephoneDesk, Analyst, Auditor, Operator, Security}
}

// Pairs says when an act needs a second officer.
type Pairs int

// When an act needs a second officer, at an office that requires signatures.
const (
	// Single: never.
	Single Pairs = iota
	// Chosen: when the office has said so (FourEyesDefined).
	Chosen
	// Usual: unless the office has said otherwise.
	Usual
	// Always: whatever the office says.
	Always
)

// Act is something that an officer does.
type Act struct {
	// Word is the act's name in events.
	Word string
	// Roles may do it; none: a program reports it, and nobody signs.
	Roles []Role
	Pairs Pairs
}

// Signed reports whether the act is an officer's own, who signs it.
func (a Act) Signed() bool { return len(a.Roles) > 0 }

// May reports whether one of the roles may do it.
func (a Act) May(roles []Role) bool {
	return slices.ContainsFunc(a.Roles, func(r Role) bool { return slices.Contains(roles, r) })
}

var (
	atCounter = []Role{Clerk, Approver}
	byPhone   = []Role{Clerk, Approver, TelephoneDesk}
)

// The acts that are claimed. What an office chooses by word is one of these.
var acts = []Act{
	{"application", atCounter, Single},
	{"special-circumstances", atCounter, Always},
	{"unblock", atCounter, Chosen},
	{"revocation", atCounter, Chosen},
	{"hand-over", atCounter, Single},
	{"drop", atCounter, Single},
	{"record-change", byPhone, Single},
	{"correction", atCounter, Usual},
	{"joining", atCounter, Always},
	{"loss", byPhone, Single},
	{"found", atCounter, Single},
	{"custody", atCounter, Single},
	{"custody-destruction", atCounter, Usual},
	{"order", []Role{Operator, Security}, Single},
	{"approval", []Role{Approver, Administrator}, Single},
	{"withdrawal", []Role{Clerk, Approver, Administrator}, Single},
	{"officer", []Role{Administrator}, Single},
	{Recovery, []Role{Administrator}, Always},
	{"passkey", Roles(), Single},
	{"signatures", []Role{Administrator}, Single},
	{"search", byPhone, Single},
	{"report", nil, Single},
}

// Acts lists all acts.
func Acts() []Act { return slices.Clone(acts) }

// ActNamed returns the act with a word; false if there is none.
func ActNamed(word string) (Act, bool) {
	i := slices.IndexFunc(acts, func(a Act) bool { return a.Word == word })
	if i < 0 {
		return Act{}, false
	}
	return acts[i], true
}

// Recovery is the act of letting an officer in anew, in whose name somebody can sign already.
const Recovery = "recovery"

// DeciderOf returns the role that decides on an act that waits, by its word.
func DeciderOf(act string) Role {
	if act == Recovery {
		return Administrator
	}
	return Approver
}

// ActOf returns which act a claim is. A claim of an unknown kind is an "application", which must be signed.
func ActOf(c *events.Claim) Act {
	act, _ := ActNamed(wordOf(c))
	return act
}

func wordOf(c *events.Claim) string {
	switch fact := c.GetFact().(type) {
	case *events.Claim_ApplicationReceived:
		return applicationWord(c, fact.ApplicationReceived)
	case *events.Claim_HandedOver:
		return "hand-over"
	case *events.Claim_ApplicationDropped:
		return "drop"
	case *events.Claim_RecordChangeNotified:
		if fact.RecordChangeNotified.GetChange() == events.RecordChange_RECORD_CHANGE_RESIDENT_CODE {
			return "correction"
		}
		return "record-change"
	case *events.Claim_HistoriesJoined:
		return "joining"
	case *events.Claim_LossNotified:
		return "loss"
	case *events.Claim_CardFoundNotified:
		return "found"
	case *events.Claim_CustodyTaken:
		return custodyWord(fact.CustodyTaken)
	case *events.Claim_AuthorityOrder:
		return "order"
	case *events.Claim_ApprovalDecided:
		if fact.ApprovalDecided.GetOutcome() == "withdrawn" {
			return "withdrawal"
		}
		return "approval"
	case *events.Claim_ApprovalOpened:
		return "approval"
	case *events.Claim_OfficerProposed, *events.Claim_OfficerLeft, *events.Claim_InvitationMade:
		return "officer"
	case *events.Claim_PasskeyOffered, *events.Claim_PasskeyGivenUp:
		return "passkey"
	case *events.Claim_SignaturesWanted, *events.Claim_FourEyesWanted, *events.Claim_PasswordsWanted:
		return "signatures"
	case *events.Claim_KeysGenerated, *events.Claim_CardWritten, *events.Claim_WriteFailed, *events.Claim_PinsUnblocked, *events.Claim_PinsBlocked,
		*events.Claim_ConfirmationFailed, *events.Claim_CertificatesTold, *events.Claim_PhoneInstalled, *events.Claim_SignInFailed:
		return "report"
	}
	return "application"
}

func applicationWord(c *events.Claim, a *events.ApplicationReceived) string {
	switch {
	case a.GetSpecial() || c.GetSecondOfficer() != "" || a.GetSpecialCircumstances() != "":
		return "special-circumstances"
	case a.GetOperation() == events.Operation_OPERATION_UNBLOCK:
		return "unblock"
	case a.GetOperation() == events.Operation_OPERATION_REVOKE:
		return "revocation"
	}
	return "application"
}

// custodyWord tells a card that a clerk takes in from one that a command had made unusable.
func custodyWord(c *events.CustodyTaken) string {
	switch {
	case c.GetObligation() != "":
		return "report"
	case c.GetRetired():
		return "custody-destruction"
	}
	return "custody"
}
