package lifecycle

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Command is something that is asked of a subscriber, or a fact told about one.
type Command interface{ command() }

// Apply is an application received at a counter (events.ApplicationReceived), opened by the hub.
type Apply struct {
	Procedure string
	Operation events.Operation
	Channel   regime.Channel
	Kinds     []events.CertificateKind // none: all that the operation can mean for this person
	Shown     []regime.Shown
	Card      string
	CardKind  events.CardKind
	Pins      []events.PinKind
	Cause     regime.Cause
	Express   bool
	TakenBack string // the old card given in exchange
	Clerk     string
	GrantedBy string     // the second officer who granted special circumstances; empty: none claimed
	PINsMatch bool       // the PINs in the expiry notice's envelope opened the card
	CardTaken bool       // the card presented is claimed by another subscriber
	NoCard    bool       // the holder has no card to show, as also follows from the state when another is issued for it
	Letter    string     // unpredictable: the number that a letter of inquiry gets, should one be posted
	Factory   bool       // from the card factory: no desk, no hours, no documents
	AppliedOn civil.Date // day on which a factory's card was applied for; zero: that of filing
	OfficeID  string     // where the procedure goes on
	Counter   string
	Office    regime.Office
	Person    regime.Person
	Filed     time.Time
	Entered   time.Time // the counter's clock when a clerk entered Filed by hand; zero: Filed is that clock's
	Switches  regime.Switches
}

// RecordKeys tells that key pairs were generated on the card. Signing says, for each kind, under which serial and by
// which authority generation a certificate will be made of it.
type RecordKeys struct {
	Procedure  string
	Obligation string
	Card       string
	Keys       []*events.GeneratedKey
	Claim      []byte // the counter's signed claim
	Signing    map[events.CertificateKind]Signing
	Person     regime.Person
	Filed      time.Time
	Switches   regime.Switches
}

// Signing is what an authorisation needs from outside the rules.
type Signing struct {
	Serial     uint64
	Authority  string
	Generation []byte
}

// RecordIssued tells that the issuer signed what was authorised; all authorised certificates of a procedure at once.
type RecordIssued struct {
	Procedure string
	Signed    []SignedCertificate
	Switches  regime.Switches
}

// SignedCertificate is one certificate as signed.
type SignedCertificate struct {
	Serial uint64
	SHA256 []byte // of the DER
}

// AbandonIssue gives up an authorisation that can't be signed any more.
type AbandonIssue struct {
	Serial uint64
	Cause  string
}

// RecordWritten tells that certificates were written to a card, read back, tried and activated, or that a smartphone has
// installed them.
type RecordWritten struct {
	Procedure  string
	Obligation string
	Card       string
	Device     string // the smartphone; empty: the card
	Serials    []uint64
	SHA256     [][]byte // as read back, in the order of Serials
	Filed      time.Time
}

// RecordWriteFailed tells that a counter could not do what it was told with the card.
type RecordWriteFailed struct {
	Procedure  string
	Obligation string
	Card       string
	Stage      string
	Reason     string
	Repairable bool
	Filed      time.Time
	Switches   regime.Switches
}

// RecordHandOver tells that the holder has the card again and the fee was taken.
type RecordHandOver struct {
	Procedure string
	Card      string
	Yen       uint32
	PaperCopy bool
	Filed     time.Time
	Switches  regime.Switches
}

// RecordUnblocked tells that PINs were set.
type RecordUnblocked struct {
	Procedure  string
	Obligation string
	Card       string
	Pins       []events.PinKind
	Filed      time.Time
}

// RecordPinsBlocked tells that a card was seen with blocked PINs.
type RecordPinsBlocked struct {
	Card  string
	Pins  []events.PinKind
	Filed time.Time
}

// RecordConfirmationFailed tells that the counter did not begin a command.
type RecordConfirmationFailed struct {
	Procedure  string
	Obligation string
	Reason     string
	Filed      time.Time
}

// RecordCustody tells that a card was kept at the counter (預かり).
type RecordCustody struct {
	Procedure string
	Card      string
	Retired   bool // the chip was made unusable before
	Filed     time.Time
}

// DropApplication ends the open application.
type DropApplication struct {
	Procedure string
	Filed     time.Time
	Switches  regime.Switches
}

// ChangeRecord is a change of the resident record, notified by the register.
type ChangeRecord struct {
	Change       events.RecordChange
	CausedOn     string // day of the change; for a move the day of moving
	PlannedOn    string // planned day of a move-out
	Municipality string // after the change
	KeepUsing    bool
	StayUntil    string // new last day of the period of stay
	Foreign      bool   // no Japanese national, who can't use the card on overseas
	OtherHistory bool   // the corrected code has a history of its own
	Office       regime.Office
	Filed        time.Time
	Switches     regime.Switches
}

// ReportLoss suspends, by telephone, or revokes, at the counter; what is on a lost smartphone is suspended by both.
type ReportLoss struct {
	By       string // "telephone" or "counter"
	Device   string // the smartphone that was lost; empty: the card
	Filed    time.Time
	Switches regime.Switches
}

// ReportFound tells that a lost card was found again.
type ReportFound struct {
	Card     string
	Filed    time.Time
	Switches regime.Switches
}

// OrderByAuthority revokes for an error in the certificate (Art 13) or a compromised authority key (Art 14).
type OrderByAuthority struct {
	Serials  []uint64
	Reason   events.RevocationReason
	Filed    time.Time
	Switches regime.Switches
}

// Tick tells what day it is: windows open, notices fall due, deadlines pass, certificates expire.
type Tick struct {
	Switches regime.Switches
}

// RecordLetterMailed tells that an inquiry letter was posted.
type RecordLetterMailed struct{ Letter string }

// RecordNotice tells what became of a notice: sent, failed or suppressed.
type RecordNotice struct {
	Notice    string
	Outcome   NoticeOutcome
	Medium    string
	MessageID string
	Detail    string // code of a failure, reason of a suppression
}

// NoticeOutcome is one of the three ends of a notice.
type NoticeOutcome int

// The ends of a notice.
const (
	NoticeSent NoticeOutcome = iota + 1
	NoticeFailed
	NoticeSuppressed
)

func (Apply) command()                    {}
func (RecordKeys) command()               {}
func (RecordIssued) command()             {}
func (AbandonIssue) command()             {}
func (RecordWritten) command()            {}
func (RecordWriteFailed) command()        {}
func (RecordHandOver) command()           {}
func (RecordUnblocked) command()          {}
func (RecordPinsBlocked) command()        {}
func (RecordConfirmationFailed) command() {}
func (RecordCustody) command()            {}
func (DropApplication) command()          {}
func (ChangeRecord) command()             {}
func (ReportLoss) command()               {}
func (ReportFound) command()              {}
func (OrderByAuthority) command()         {}
func (Tick) command()                     {}
func (RecordLetterMailed) command()       {}
func (RecordNotice) command()             {}
