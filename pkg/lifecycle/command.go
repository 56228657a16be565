package lifecycle

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Command is a request about a subscriber, or a fact to record.
type Command interface{ command() }

// Apply is an application received at a counter (events.ApplicationReceived), decrypted by the hub.
type Apply struct {
	Procedure string
	Operation events.Operation
	Channel   regime.Channel
	Kinds     []events.CertificateKind // none: all that the operation covers for this person
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
	NoCard    bool       // the holder has no card to show; implied if the state says that another is issued for it
	Letter    string     // unpredictable number for a letter of inquiry, should one be posted
	Factory   bool       // from the card factory: no desk, no hours, no documents
	AppliedOn civil.Date // day on which a factory's card was applied for; zero: the day of filing
	OfficeID  string     // the office that carries on the procedure
	Counter   string
	Office    regime.Office
	Person    regime.Person
	Filed     time.Time
	Entered   time.Time // the counter's clock when a clerk entered Filed by hand; zero: Filed is from that clock
	Switches  regime.Switches
}

// RecordKeys records that key pairs were generated on the card. Signing holds the serial and authority generation of
// each kind's future certificate.
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

// Signing is what an authorisation needs besides the rules' outcome.
type Signing struct {
	Serial     uint64
	Authority  string
	Generation []byte
}

// RecordIssued records that the issuer signed all authorised certificates of a procedure.
type RecordIssued struct {
	Procedure string
	Signed    []SignedCertificate
	Switches  regime.Switches
}

// SignedCertificate identifies a signed certificate.
type SignedCertificate struct {
	Serial uint64
	SHA256 []byte // of the DER
}

// AbandonIssue gives up an authorisation that can no longer be signed.
type AbandonIssue struct {
	Serial uint64
	Cause  string
}

// RecordWritten records that certificates were written to a card, read back, tried and activated, or that a smartphone
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

// RecordWriteFailed records that a counter could not carry out a command on the card.
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

// RecordHandOver records that the holder got the card and paid the fee.
type RecordHandOver struct {
	Procedure string
	Card      string
	Yen       uint32
	PaperCopy bool
	Filed     time.Time
	Switches  regime.Switches
}

// RecordUnblocked records that PINs were set.
type RecordUnblocked struct {
	Procedure  string
	Obligation string
	Card       string
	Pins       []events.PinKind
	Filed      time.Time
}

// RecordPinsBlocked records that a card was seen with blocked PINs.
type RecordPinsBlocked struct {
	Card  string
	Pins  []events.PinKind
	Filed time.Time
}

// RecordConfirmationFailed records that the counter did not start a command.
type RecordConfirmationFailed struct {
	Procedure  string
	Obligation string
	Reason     string
	Filed      time.Time
}

// RecordCustody records that a card was kept at the counter (預かり).
type RecordCustody struct {
	Procedure string
	Card      string
	Retired   bool // the chip was made unusable first
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
	CausedOn     string // day of the change; for a move, its day
	PlannedOn    string // planned day of a move-out
	Municipality string // after the change
	KeepUsing    bool
	StayUntil    string // new last day of the period of stay
	Foreign      bool   // not a Japanese national: no continued use overseas
	OtherHistory bool   // the corrected code has a history of its own
	Office       regime.Office
	Filed        time.Time
	Switches     regime.Switches
}

// ReportLoss reports a lost card: by telephone it is suspended, at the counter revoked. Certificates on a lost
// smartphone are suspended either way.
type ReportLoss struct {
	By       string // "telephone" or "counter"
	Device   string // the smartphone that was lost; empty: the card
	Filed    time.Time
	Switches regime.Switches
}

// ReportFound reports that a lost card was found.
type ReportFound struct {
	Card     string
	Filed    time.Time
	Switches regime.Switches
}

// OrderByAuthority revokes certificates for an error in them (Art 13) or a compromised authority key (Art 14).
type OrderByAuthority struct {
	Serials  []uint64
	Reason   events.RevocationReason
	Filed    time.Time
	Switches regime.Switches
}

// Tick does what has become due by now: windows open, notices fall due, deadlines pass, certificates expire.
type Tick struct {
	Switches regime.Switches
}

// RecordLetterMailed records that a letter of inquiry was posted.
type RecordLetterMailed struct{ Letter string }

// RecordNotice records the outcome of a notice.
type RecordNotice struct {
	Notice    string
	Outcome   NoticeOutcome
	Medium    string
	MessageID string
	Detail    string // code of the failure, or reason for the suppression
}

// NoticeOutcome is how a notice ended.
type NoticeOutcome int

// The outcomes of a notice.
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
