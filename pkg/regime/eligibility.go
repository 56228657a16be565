package regime

import (
	"strings"

	"shomei/pkg/civil"
)

// minAge is the age from which a person may have a signature certificate
// without special circumstances (muni:Sammu; law.md 2.2).
const minAge = 15

// Person is the part of an applicant's resident record that the law depends on.
type Person struct {
	BirthDate civil.Date `json:"birth_date"`
	// Registered: the person is in a resident register (住民基本台帳) or, after moving overseas, in a register of
	// supplementary records (戸籍の附票).
	Registered bool `json:"registered"`
	// Municipality is the code of the municipality that keeps that record.
	Municipality string `json:"municipality"`
	AdultWard    bool   `json:"adult_ward,omitempty"` // 成年被後見人
	Foreign      bool   `json:"foreign,omitempty"`
	Alias        bool   `json:"alias,omitempty"` // a 通称 is recorded
	// StayUntil is the last day of the period of stay; zero: none.
	StayUntil civil.Date `json:"stay_until,omitzero"`
	// StayPending: its renewal was applied for and is undecided (特例期間).
	StayPending bool `json:"stay_pending,omitempty"`
	// Overseas is the day of a move-out to abroad; zero: lives in Japan.
	Overseas civil.Date `json:"overseas,omitzero"`
}

// LivesOverseas reports whether the person has moved overseas by the day.
func (p Person) LivesOverseas(on civil.Date) bool {
	return !p.Overseas.IsZero() && !on.Before(p.Overseas)
}

// stays returns the last day on which the person may stay: two months more while the renewal is pending.
func (p Person) stays() civil.Date {
	if p.StayPending {
		return p.StayUntil.AddMonthsClamped(pendingMonths)
	}
	return p.StayUntil
}

// EligibilityIn is what the right to a certificate depends on.
type EligibilityIn struct {
	Regime Regime
	Kind   Kind
	On     civil.Date // day on which the application is filed
	// Applied is the day on which a factory's card was applied for, on which its holder's age is judged unless
	// switched; zero: On.
	Applied civil.Date
	Office  Office
	Person  Person
	// Clerk is the officer who receives the application, GrantedBy the second officer who granted special
	// circumstances; GrantedBy empty: none claimed.
	Clerk, GrantedBy string
	// ByRepresentative: the legal representative applies and sets the PIN.
	ByRepresentative bool
}

// Eligible judges whether the person may have the certificate from this office (muni:Sammu; law.md 2). All refusals are
// listed.
func (s Switches) Eligible(in EligibilityIn) Ruling {
	ruling := in.Residence()
	if in.Person.LivesOverseas(in.On) {
		ruling = in.overseas()
	}
	if in.Regime == Juki && in.Kind == Auth {
		ruling.Refuse(NoSuchKind)
	}
	ruling.Merge(in.foreign())
	ruling.Merge(s.capacity(in))
	return ruling
}

// Residence judges whether this office serves the person: it must be that of the municipality which keeps the record
// (law.md 2.1, 6.2).
func (in EligibilityIn) Residence() Ruling {
	var ruling Ruling
	rules := eligibilityRules(in.Regime)
	switch {
	case !in.Person.Registered:
		ruling.Refuse(rules.notRegistered)
	case !sameMunicipality(in.Person.Municipality, in.Office.Municipality):
		ruling.Refuse(rules.elsewhere)
	default:
		ruling.Apply(rules.resident)
	}
	return ruling
}

// SetsPINs judges who may set the PINs of a My Number card that is handed over or unblocked: for a holder under 15, and
// for an adult ward, the legal representative (law.md 2.2). A juki card's PIN is the holder's own.
func (s Switches) SetsPINs(in EligibilityIn) Ruling {
	if in.Regime != MyNumber {
		return Ruling{}
	}
	in.Kind = Auth
	return s.capacity(in)
}

// Represented judges whether the person can have a legal representative at all: only a minor and an adult ward have one
// (Civil Code Arts 4, 8, 824, 859; law.md 2.3). Otherwise an agent by mandate could avoid the letter of inquiry by
// claiming to be a representative.
func (s Switches) Represented(in EligibilityIn) Ruling {
	age := 20
	if !in.On.Before(adultAt18Day) {
		age = 18
	}
	if !in.ByRepresentative || in.Person.AdultWard || in.Person.BirthDate.IsZero() || civil.AgeDuring(in.Person.BirthDate, in.On) < age {
		return Ruling{}
	}
	return Ruling{Refused: []ID{eligibilityRules(in.Regime).noRepresentative}}
}

// rulesOfEligibility are the rules that both regimes have, each under its own source.
type rulesOfEligibility struct {
	resident, notRegistered, elsewhere, under15, ward, special, noRepresentative ID
}

func eligibilityRules(r Regime) rulesOfEligibility {
	if r == Juki {
		return rulesOfEligibility{jukiResident, jukiNotRegistered, jukiElsewhere, jukiUnder15, jukiWard, jukiSpecial, jukiNoRepresentative}
	}
	return rulesOfEligibility{resident, notRegistered, elsewhere, under15, ward, special, noRepresentative}
}

// foreign judges nationality and period of stay.
func (in EligibilityIn) foreign() Ruling {
	var ruling Ruling
	switch {
	case !in.Person.Foreign:
	case in.Regime == Juki && in.On.Before(foreignDay):
		ruling.Refuse(jukiForeignNotYet)
	case in.Regime == Juki:
		ruling.Apply(jukiForeign)
	case !in.Person.StayUntil.IsZero() && in.On.After(in.Person.stays()):
		ruling.Refuse(stayOver)
	default:
		ruling.Apply(foreignResident)
	}
	return ruling
}

// overseas judges a person who has moved abroad: only the municipality of the supplementary family register serves them
// (law.md 2.5).
func (in EligibilityIn) overseas() Ruling {
	ruling := in.Residence()
	switch {
	case in.Regime == Juki:
		return Ruling{Refused: []ID{jukiNotRegistered}}
	case in.On.Before(overseasDay):
		return Ruling{Refused: []ID{overseasNotYet}}
	case ruling.Accepted():
		return Ruling{Applied: []ID{overseasWindow}}
	}
	return ruling
}

// capacity judges age and wardship. A year of age is completed at the end of the day before the birthday, so during
// none of that day's opening hours.
func (s Switches) capacity(in EligibilityIn) Ruling {
	on := in.On
	if !in.Applied.IsZero() && !s.FifteenAtIssue {
		on = in.Applied
	}
	young := !in.Person.BirthDate.IsZero() && civil.AgeDuring(in.Person.BirthDate, on) < minAge
	if !young && !in.Person.AdultWard {
		return Ruling{}
	}
	if in.Regime == MyNumber && in.Kind == Auth {
		if in.ByRepresentative {
			return Ruling{Applied: []ID{byRepresentative}}
		}
		return Ruling{Refused: []ID{representativeNeeded}}
	}
	rules := eligibilityRules(in.Regime)
	if in.GrantedBy != "" && !s.NoSpecialCircumstances {
		if strings.EqualFold(in.GrantedBy, in.Clerk) {
			return Ruling{Refused: []ID{secondOfficer}}
		}
		return Ruling{Applied: []ID{rules.special}}
	}
	var ruling Ruling
	if young {
		ruling.Refuse(rules.under15)
	}
	if in.Person.AdultWard {
		ruling.Refuse(rules.ward)
	}
	return ruling
}
