package regime

import "shomei/pkg/civil"

// Person is what the resident record says about an applicant, as far as the
// law asks.
type Person struct {
	BirthDate civil.Date `json:"birth_date"`
	// Registered says that the person stands in a resident register (住民基本台帳)
	// or, after moving overseas, in a register of supplementary records (戸籍の附票).
	Registered bool `json:"registered"`
	// Municipality is the code of the municipality that keeps that record.
	Municipality string `json:"municipality"`
	AdultWard    bool   `json:"adult_ward,omitempty"` // 成年被後見人
	Foreign      bool   `json:"foreign,omitempty"`
	Alias        bool   `json:"alias,omitempty"` // a 通称 is recorded
	// StayUntil is the last day of the period of stay; zero: none.
	StayUntil civil.Date `json:"stay_until,omitzero"`
	// Overseas is the day of a move-out to abroad; zero: lives in Japan.
	Overseas civil.Date `json:"overseas,omitzero"`
}

// EligibilityIn is what the right to a certificate depends on.
type EligibilityIn struct {
	Regime Regime
	Kind   Kind
	On     civil.Date // day on which the application is filed
	Office Office
	Person Person
	// Clerk and GrantedBy are the officer who takes the application in and the
	// second officer who granted special circumstances; GrantedBy empty: none claimed.
	Clerk, GrantedBy string
	// ByRepresentative says that the legal representative applies and sets the PIN.
	ByRepresentative bool
}

// Eligible judges whether the person may have the certificate from this office
// (seed page; domain.md 1.3.2, 1.4.6). All refusals are listed.
func (s Switches) Eligible(in EligibilityIn) Ruling { return Ruling{} }
