package regime

import (
	"slices"
	"time"

	"shomei/pkg/civil"
)

// jukiYears is the term of a juki certificate (Act2013 Art 5).
const jukiYears = 3

// ValidityIn is what the validity of a certificate depends on. Zero dates are absent.
type ValidityIn struct {
	Regime Regime
	Kind   Kind
	Issued civil.Date // day of issue; for a card from the factory the day of manufacture
	// BirthDate decides under the My Number regime; not needed under the juki regime.
	BirthDate civil.Date
	// CurrentLastDay is the last day of the certificate being replaced by a renewal; zero: a new issue.
	CurrentLastDay civil.Date
	// AuthLastDay is the last day of the holder's authentication certificate, which caps a signature certificate
	// (Reg2016 Art 13).
	AuthLastDay civil.Date
	// CardLastDay is the last day of the card, which caps both.
	CardLastDay civil.Date
	// Overseas: the holder lives overseas on the day of issue, and may renew earlier.
	Overseas bool
}

// Candidate is one day on which a validity could end and the rule that says so.
type Candidate struct {
	Rule ID         `json:"rule"`
	Day  civil.Date `json:"day"`
}

// Validity is how long a certificate or a card is valid.
type Validity struct {
	LastDay     civil.Date  // the last day, included; never rolls to an open day
	NotAfter    time.Time   // last day 23:59:59 in Japan, in UTC (law.md 3.5)
	Binds       ID          // the rule of the candidate that binds, the earliest
	Candidates  []Candidate // all candidates, the certificate's own term first
	WindowOpens civil.Date  // first day of the renewal window; zero under the juki regime
	NoticeDue   civil.Date  // day on which the expiry notice is due; zero under the juki regime
	Ruling                  // refused if the last day would be before the issue
}

// Validity returns how long a certificate issued on in.Issued is valid, with all candidates for its last day and the
// one that binds (law.md 3.1, 3.2). A missing or impossible value is a *FieldError.
func (s Switches) Validity(in ValidityIn) (Validity, error) {
	if err := in.check(); err != nil {
		return Validity{}, err
	}
	if in.Regime == Juki {
		return s.jukiValidity(in), nil
	}
	var v Validity
	v.add(s.ownTerm(in, &v.Ruling))
	if in.Kind == Sign {
		v.add(Candidate{authCap, in.AuthLastDay})
	}
	v.add(Candidate{cardCap, in.CardLastDay})
	s.settle(&v, MyNumber, in.Issued)
	return v, nil
}

// TimeLeft returns nil for a certificate that would be valid for at least a day, otherwise the *FieldError that names
// the cap before the issue.
func (v Validity) TimeLeft() error {
	switch {
	case v.Accepted():
		return nil
	case v.Binds == authCap:
		return against("auth_last_day", v.Refused[0])
	}
	return against("card_last_day", v.Refused[0])
}

// check rejects the first missing or impossible value.
func (in ValidityIn) check() error {
	switch {
	case in.Regime != Juki && in.Regime != MyNumber:
		return Unknown("regime", "juki, mynumber")
	case in.Kind != Sign && in.Kind != Auth:
		return Unknown("kind", "sign, auth")
	case in.Regime == Juki && in.Kind == Auth:
		return against("kind", NoSuchKind)
	case in.Issued.IsZero():
		return Missing("issued")
	case !Allows(in.Regime, OpNew, in.Issued).Accepted():
		return against("issued", Allows(in.Regime, OpNew, in.Issued).Refused[0])
	case in.Regime == MyNumber && in.BirthDate.IsZero():
		return Missing("birth_date")
	case in.BirthDate.After(in.Issued):
		return BornLater("birth_date")
	}
	return nil
}

// BornLater returns the *FieldError for a birth date after the day in question.
func BornLater(field string) error {
	return &FieldError{Field: field, JA: "生年月日が発行日より後です。", EN: "the birth date lies after the day of issue"}
}

// jukiValidity is three years from the day of issue (Act2013 Art 5).
func (s Switches) jukiValidity(in ValidityIn) Validity {
	var v Validity
	v.add(Candidate{jukiThreeYears, termEnd(in.Issued, jukiYears)})
	switch {
	case s.JukiCardCaps:
		v.add(Candidate{jukiCardCap, in.CardLastDay})
	case !in.CardLastDay.IsZero():
		v.Apply(jukiCardApart)
	}
	s.settle(&v, Juki, in.Issued)
	return v
}

// termEnd returns the last day of a term of years that begins on first: the day before the corresponding day; if that
// month has no such day, the term ends with the month (Civil Code Art 143(2), D2).
func termEnd(first civil.Date, years int) civil.Date {
	day := first.AddYearsClamped(years)
	if day.Day != first.Day {
		return day
	}
	return day.AddDays(-1)
}

// ownTerm returns the certificate's own birthday, before any cap.
func (s Switches) ownTerm(in ValidityIn, ruling *Ruling) Candidate {
	if s.PlanBirthdayMonth && !s.PlanFrom.IsZero() && !in.Issued.Before(s.PlanFrom) {
		tenth := s.nthBirthday(in.BirthDate, in.Issued, 10, ruling)
		return Candidate{planTenthBirthday, tenth.AddMonthsClamped(1)}
	}
	if s.renews(in) {
		return Candidate{sixthBirthday, s.nthBirthday(in.BirthDate, in.Issued, 6, ruling)}
	}
	return Candidate{fifthBirthday, s.nthBirthday(in.BirthDate, in.Issued, 5, ruling)}
}

// renews reports whether the issue is a renewal inside the window; outside it a
// renewal is revocation and new issue, and after expiry a new issue.
func (s Switches) renews(in ValidityIn) bool {
	return !in.CurrentLastDay.IsZero() &&
		s.Window(MyNumber, in.CurrentLastDay).On(in.Issued) == WindowOpen
}

// nthBirthday counts birthdays after the day of issue (D3, D4).
func (s Switches) nthBirthday(birth, issued civil.Date, n int, ruling *Ruling) civil.Date {
	if birth.Month == time.February && birth.Day == 29 {
		if s.LeapBirthdayOnMarch1 {
			ruling.Apply(leapMarch)
		} else {
			ruling.Apply(leapFebruary)
		}
	}
	this := s.birthdayIn(birth, issued.Year)
	year := issued.Year + n
	switch {
	case this.After(issued):
		year--
	case this == issued && s.BirthdayOfIssueCounts:
		ruling.Apply(birthdayCounted)
		year--
	case this == issued:
		ruling.Apply(birthdayExcluded)
	}
	return s.birthdayIn(birth, year)
}

// birthdayIn returns the birthday in a year; for 29 February by the switch (D4).
func (s Switches) birthdayIn(birth civil.Date, year int) civil.Date {
	if birth.Month == time.February && birth.Day == 29 && !civil.IsLeap(year) {
		if s.LeapBirthdayOnMarch1 {
			return civil.Date{Year: year, Month: time.March, Day: 1}
		}
		return civil.Date{Year: year, Month: time.February, Day: 28}
	}
	return civil.Date{Year: year, Month: birth.Month, Day: birth.Day}
}

// add adds a candidate, unless it has no day.
func (v *Validity) add(c Candidate) {
	if !c.Day.IsZero() {
		v.Candidates = append(v.Candidates, c)
	}
}

// settle picks the earliest candidate (the first of equals) and derives the rest from it.
func (s Switches) settle(v *Validity, r Regime, issued civil.Date) {
	for _, c := range v.Candidates {
		if v.LastDay.IsZero() || c.Day.Before(v.LastDay) {
			v.LastDay, v.Binds = c.Day, c.Rule
		}
		v.Apply(c.Rule)
	}
	v.NotAfter = v.LastDay.EndInstant()
	v.Apply(lastDayIncluded)
	if v.LastDay.Before(issued) {
		v.Refuse(nothingLeft)
	}
	if slices.Contains(v.Candidates, Candidate{cardCap, v.LastDay}) {
		v.Apply(CardEndsToo)
	}
	if r == MyNumber {
		w := s.WindowFrom(r, issued, v.LastDay)
		v.WindowOpens, v.NoticeDue = w.Opens, w.NoticeDue
		v.Apply(w.Rules...)
	}
}
