package story

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Story is a parsed story: what happens, in order, and what must be true after each act.
type Story struct {
	// File is the file name of the story; Title is its title.
	File, Title string
	Steps       []Step
}

// Begin returns the instant at which the story's clock starts: its first "at".
func (s *Story) Begin() time.Time {
	for _, step := range s.Steps {
		if at, ok := step.Act.(*SetClock); ok {
			return at.To
		}
	}
	return civil.New(2016, time.January, 4).At(civil.Clock(10, 0))
}

// Step is one statement: an act and what must be true after it.
type Step struct {
	Line   int
	Text   string
	Act    Act
	Expect []Expectation
}

// Act is what happens in a step: *SetClock, *Wait, *Office, *Facts, *Application, *Finish, *Change, *Notification, *Phone,
// *Order, *Block or *Look.
type Act interface{ act() }

// SetClock sets the clock forward to an instant.
type SetClock struct{ To time.Time }

// Wait sets the clock forward by a period; the time of day stays.
type Wait struct{ Years, Months, Days int }

// Office defines an office as of its effective date.
type Office struct {
	// ID is the office's id in the log: municipality code and name.
	ID         string
	Definition *events.OfficeDefined
}

// Facts introduces a person without a procedure; the hub gets the data with the next act.
type Facts struct{ Person Resident }

// Resident is a person as in the resident record, and where they want to be reached. Dates are YYYY-MM-DD, or empty if
// absent.
type Resident struct {
	// Nick is the person's name in the story.
	Nick string
	// Code is the resident-record code.
	Code               string
	Name, Kana, Alias  string
	BirthDate          string // may be partly unknown: 1950-00-00
	Sex                uint32 // 1 male, 2 female, 3 unknown (profile.md 3)
	Address            string
	Registered         bool
	Municipality       string // five digits
	AdultWard, Foreign bool
	PeriodOfStay       string // its last day
	StayPending        bool   // its renewal is pending
	OverseasOn         string
	LeavesOn           string // planned day of a move-out; from then until a move-in the person is in no register
	Mail, Language     string
}

// Application is an application at a counter, or the order for a card at the factory.
type Application struct {
	Person               Resident
	Office               string // id; empty: the factory
	Operation            events.Operation
	Channel              events.Channel
	Kinds                []events.CertificateKind
	Documents            []string // as a counter writes them; inquiry-answer without a number gets the one posted
	Card                 string
	CardKind             events.CardKind
	TakenBack            string
	Clerk, SecondOfficer string // Clerk: empty if the story names nobody
	SpecialCircumstances string
	Cause                string
	Express              bool
	Pins                 []events.PinKind
	NoticeAnswer         bool
	PINsMatch            bool
	ReturnsLetter        bool // continues the application that waits for the letter
	PaperCopy            bool
	Worn                 bool   // the card accepts no certificates
	SignPIN, AuthPIN     string // typed by the resident; empty: those of every story
	ReceivedAt           string // HH:MM of the day when a clerk enters the receipt by hand; empty: now
	Until                Stage  // where it stops
	AppliedOn            string // day on which a factory's card was applied for; empty: the day on which it is made
}

// Stage is where an application stops.
type Stage string

// Stages at which an application can be left. Handed is the default.
const (
	Accepted Stage = "accepted" // the resident has not confirmed yet
	Written  Stage = "written"  // on the card, not handed over
	Handed   Stage = ""
)

// Finish confirms, hands over or drops an application that was left.
type Finish struct {
	Person           Resident
	Step             FinishStep
	PaperCopy        bool
	SignPIN, AuthPIN string // typed by the resident who confirms; empty: those of every story
}

// FinishStep is how an application that was left continues.
type FinishStep string

// What can be done with an application that was left.
const (
	Confirm FinishStep = "confirm"
	HandOut FinishStep = "hand-out"
	Drop    FinishStep = "drop"
)

// Change is a change of the resident record. Person is the record after it.
type Change struct {
	Person              Resident
	Change              events.RecordChange
	CausedOn, PlannedOn string
	KeepUsing           bool
	Office              string // where it was filed; empty: reported by the register itself
}

// Notification is a loss reported by telephone or at an office, or a card that was found.
type Notification struct {
	Person Resident
	Found  bool
	Office string // empty: by telephone
}

// Phone is an act concerning the certificates on a smartphone.
type Phone struct {
	Person   Resident
	Step     PhoneStep
	Device   string
	Platform events.PhonePlatform
	Kinds    []events.CertificateKind // none: both
	Office   string                   // where a clerk receives it; empty: the phone itself asks, a loss is reported by telephone
}

// PhoneStep is what is done about a smartphone.
type PhoneStep string

// What can be done about a smartphone.
const (
	RegisterPhone PhoneStep = "register"
	LosePhone     PhoneStep = "lose"
	FindPhone     PhoneStep = "find"
	DisposePhone  PhoneStep = "dispose"
)

// Order is an order of the authority, because of an error in a certificate or its compromised key.
type Order struct {
	Person Resident
	Kinds  []string // sign, auth, juki; none: every certificate that has not ended
	Reason events.RevocationReason
}

// Block spends PIN tries of the person's card until the PINs are blocked.
type Block struct {
	Person Resident
	Pins   []events.PinKind
	Office string
}

// Look does nothing but hold expectations.
type Look struct{ Person Resident }

func (*SetClock) act()     {}
func (*Wait) act()         {}
func (*Office) act()       {}
func (*Facts) act()        {}
func (*Application) act()  {}
func (*Finish) act()       {}
func (*Change) act()       {}
func (*Notification) act() {}
func (*Phone) act()        {}
func (*Order) act()        {}
func (*Block) act()        {}
func (*Look) act()         {}
