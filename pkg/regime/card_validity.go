package regime

import (
	"cmp"

	"shomei/pkg/civil"
)

// CardValidityIn is what the validity of a My Number card depends on.
type CardValidityIn struct {
	Applied   civil.Date // day on which the application was received; decides the adult age
	Issued    civil.Date // day of issue of the card
	BirthDate civil.Date
	// CurrentLastDay is the last day of the card being renewed; zero: none.
	CurrentLastDay civil.Date
	// StayUntil is the last day of the period of stay of a foreign national without permanent residence; zero: no such
	// period.
	StayUntil civil.Date
	// Extension: an existing card gets a new end because the period of stay was extended; Issued is still the card's
	// own day of issue, and CurrentLastDay must not have passed on Applied.
	Extension bool
	// StayPending: the renewal of the stay is pending (特例期間); PendingUsed: the card was already extended for that.
	StayPending, PendingUsed bool
	// CardApplied is the day on which the card being extended was applied for; zero: the day of its issue.
	CardApplied civil.Date
}

// CardValidity returns how long a My Number card is valid (CardReg2016 Art 26, law.md 3.2). Whether the holder is an
// adult is judged on the day of application, by the adult age of that day (law.md 2.6). A missing or impossible value
// is a *FieldError.
func (s Switches) CardValidity(in CardValidityIn) (Validity, error) {
	if err := in.check(); err != nil {
		return Validity{}, err
	}
	var v Validity
	v.add(s.cardTerm(in, &v.Ruling))
	if in.Extension && in.StayPending && !in.StayUntil.IsZero() {
		v.add(Candidate{StayPending, in.StayUntil.AddMonthsClamped(pendingMonths)})
	} else {
		v.add(Candidate{StayCap, in.StayUntil})
	}
	if in.Extension {
		v.Apply(stayExtended)
		if in.StayPending && in.PendingUsed {
			v.Refuse(stayPendingOnce)
		}
		if in.Applied.After(in.CurrentLastDay) {
			v.Refuse(extensionTooLate)
		}
	}
	s.settle(&v, MyNumber, in.Issued)
	return v, nil
}

// pendingMonths is how long a card is extended while the renewal of the stay is pending (law.md 3.4).
const pendingMonths = 2

func (in CardValidityIn) check() error {
	switch {
	case in.Applied.IsZero():
		return Missing("applied")
	case in.Issued.IsZero():
		return Missing("issued")
	case in.BirthDate.IsZero():
		return Missing("birth_date")
	case in.BirthDate.After(in.Issued):
		return BornLater("birth_date")
	case in.Extension && in.CurrentLastDay.IsZero():
		return Missing("current_last_day")
	}
	return nil
}

// cardTerm returns the card's own birthday, before the cap by the period of stay.
func (s Switches) cardTerm(in CardValidityIn, ruling *Ruling) Candidate {
	adult, age := 20, adultAt20
	applied := in.Applied
	if in.Extension { // an extension makes no new card
		applied = cmp.Or(in.CardApplied, in.Issued)
	}
	if !applied.Before(adultAt18Day) {
		adult, age = 18, adultAt18
	}
	ruling.Apply(age)
	renewed := !in.Extension && !in.CurrentLastDay.IsZero() &&
		s.Window(MyNumber, in.CurrentLastDay).On(in.Applied) == WindowOpen
	n, rule := 5, cardMinorFifth
	switch grown := civil.AgeDuring(in.BirthDate, applied) >= adult; {
	case grown && renewed:
		n, rule = 11, cardEleventh
	case grown:
		n, rule = 10, cardTenth
	case renewed:
		n, rule = 6, cardMinorSixth
	}
	return Candidate{rule, s.nthBirthday(in.BirthDate, in.Issued, n, ruling)}
}
