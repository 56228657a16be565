package regime

import (
	"time"

	"shomei/pkg/civil"
)

// ValidityIn is what the validity of a certificate depends on. Zero dates are absent.
type ValidityIn struct {
	Regime Regime
	Kind   Kind
	Issued civil.Date // day of issue; for a card from the factory the day of manufacture
	// BirthDate decides under the My Number regime; not needed under the juki regime.
	BirthDate civil.Date
	// CurrentLastDay is the last day of the certificate being replaced by a
	// renewal; zero means a new issue.
	CurrentLastDay civil.Date
	// AuthLastDay is the last day of the authentication certificate held, which
	// caps a signature certificate (Reg2016 Art 13).
	AuthLastDay civil.Date
	// CardLastDay is the last day of the card, which caps both.
	CardLastDay civil.Date
}

// Candidate is one day on which a validity could end and the rule that says so.
type Candidate struct {
	Rule ID         `json:"rule"`
	Day  civil.Date `json:"day"`
}

// Validity is how long a certificate or a card is valid.
type Validity struct {
	LastDay     civil.Date  // the last day, included; never rolls to an open day
	NotAfter    time.Time   // last day 23:59:59 in Japan, in UTC (D5)
	Binds       ID          // the rule of the candidate that binds, the earliest
	Candidates  []Candidate // all candidates, the certificate's own term first
	WindowOpens civil.Date  // first day of the renewal window; zero under the juki regime
	NoticeDue   civil.Date  // day on which the expiry notice is due; zero under the juki regime
	Ruling                  // refused when the last day would lie before the issue
}

// Validity answers how long a certificate issued on in.Issued is valid, with
// all candidates for its last day and the one that binds (domain.md 1.3.1,
// 1.4.2). A value that is missing or impossible is a *FieldError.
func (s Switches) Validity(in ValidityIn) (Validity, error) { return Validity{}, nil }

// CardValidityIn is what the validity of a My Number card depends on.
type CardValidityIn struct {
	Applied   civil.Date // day on which the application was received; decides the adult age
	Issued    civil.Date // day of issue of the card
	BirthDate civil.Date
	// CurrentLastDay is the last day of the card being renewed; zero: none.
	CurrentLastDay civil.Date
	// StayUntil is the last day of the period of stay of a foreign national
	// without permanent residence; zero: no such period.
	StayUntil civil.Date
	// Extension is set when an existing card gets a new end because the period
	// of stay was extended; Issued stays the card's own day of issue, and
	// CurrentLastDay must not have passed on Applied.
	Extension bool
}

// CardValidity answers how long a My Number card is valid (CardReg2016 Art 26,
// domain.md 1.4.2). A value that is missing or impossible is a *FieldError.
func (s Switches) CardValidity(in CardValidityIn) (Validity, error) { return Validity{}, nil }
