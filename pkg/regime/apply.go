package regime

import (
	"cmp"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Application is a whole application as it stands at the counter, for judging
// it without a log behind it. Zero values are absent.
type Application struct {
	Regime    Regime // empty: the one that governs on the day of receipt
	Operation Operation
	Kinds     []Kind // empty: every kind the regime's card carries
	At        time.Time
	Office    Office
	Person    Person
	Channel   Channel // empty: self
	Shown     []Shown
	Letter    string     // the letter of inquiry that was posted
	Posted    civil.Date // day on which it was posted; zero: before today
	Moved     bool       // the holder has moved, or changed address, since then
	WithMove  bool       // a move to this municipality, or within it, is filed on the same day
	Leaving   Leaving    // a move out that was filed and whose day is yet to come
	Left      civil.Date // day of leaving overseas, when the card became void by it; zero: Person.Overseas
	PINsMatch bool
	NoCard    bool
	Returned  bool // with OpRevoke: the card is given back for good
	Clerk     string
	GrantedBy string // the second officer who granted special circumstances
	Cause     Cause  // empty: follows from the operation and the certificates held
	Card      bool   // a new card is issued as well
	Express   bool
	// SignLastDay and AuthLastDay are those of the certificates held now.
	SignLastDay, AuthLastDay civil.Date
	CardLastDay              civil.Date // of the card held now
}

// Leaving is a move out that was filed and whose day is yet to come.
type Leaving string

const (
	LeavingNot       Leaving = ""              // none
	LeavingHome      Leaving = "within-japan"  // to another municipality
	LeavingOverseas  Leaving = "overseas"      // overseas, without continued use
	LeavingContinued Leaving = "continued-use" // overseas, with continued use
)

// Ends reports whether a certificate of the kind is to end with the move, or may be issued anew with continued use, so that
// until then a new one may take its place (law.md 8.4, 8.5).
func (l Leaving) Ends(k Kind) bool { return l != LeavingNot && (k == Sign || l == LeavingContinued) }

// KindValidity is the validity of one of the certificates applied for.
type KindValidity struct {
	Kind Kind
	Validity
}

// Decision is how an application is judged, complete enough to be read out.
type Decision struct {
	Ruling
	Regime      Regime
	Next        time.Time // when the office was closed: its next opening
	Documents   Documents
	Fee         Fee
	Card        *Validity      // of the card that is issued as well; nil: none
	Validities  []KindValidity // authentication first
	Alternative bool           // the validities are those of revoking and issuing anew
}

// Apply judges a whole application: regime, office, person, documents, validity
// and fee, in the order in which a clerk meets them. All refusals are listed. A
// value that is missing or impossible is a *FieldError.
func (s Switches) Apply(a Application) (Decision, error) {
	if a.At.IsZero() {
		return Decision{}, Missing("at")
	}
	day := civil.Of(a.At)
	out := Decision{Regime: a.Regime}
	var receipt Receipt
	if out.Regime == "" {
		out.Regime, receipt = a.Office.ReceivesGoverned(a.Operation, a.At)
	} else {
		receipt = a.Office.Receives(out.Regime, a.Operation, a.At)
	}
	out.Merge(receipt.Ruling)
	out.Next = receipt.Next
	if out.Regime == "" {
		return out, nil
	}
	if !Allows(out.Regime, a.Operation, day).Accepted() {
		return out, nil
	}
	if err := s.judgeApplication(a, day, &out); err != nil {
		return Decision{}, err
	}
	return out, nil
}

// judgeFee works out what is to be paid.
func (s Switches) judgeFee(a Application, day civil.Date, kinds []Kind, out *Decision) {
	cause := a.cause(kinds, day)
	out.Fee = s.Fee(FeeIn{
		Regime: out.Regime, Operation: a.Operation, Cause: cause, On: day,
		Card: a.Card, Certificates: true, Express: a.Express, Left: cmp.Or(a.Left, a.Person.Overseas),
	})
	out.Merge(out.Fee.Ruling)
	if slices.Contains(issuing, a.Operation) {
		out.Apply(Usable(out.Regime, cause)...)
	}
}

// judgeApplication judges person, documents and certificates.
func (s Switches) judgeApplication(a Application, day civil.Date, out *Decision) error {
	if err := a.check(out.Regime, day); err != nil {
		return err
	}
	kinds := s.judgePerson(a, day, out)
	docs, err := s.Documents(DocumentsIn{
		Regime: out.Regime, Operation: a.Operation, Channel: a.channel(), On: day,
		Shown: a.Shown, Letter: a.Letter, Posted: a.Posted, PINsMatch: a.PINsMatch, NoCard: a.NoCard, Returned: a.Returned,
		Moved: a.Moved, WithMove: a.WithMove, Kinds: kinds,
		Ended: slices.ContainsFunc(kinds, func(k Kind) bool { return a.lapsed(k, day) }), Overseas: a.Person.LivesOverseas(day),
	})
	if err != nil {
		return err
	}
	rest := *out // what certificates and fee add comes after what the documents do
	rest.Ruling = Ruling{}
	switch a.Operation {
	case OpNew, OpReissue, OpRenew:
		err = s.judgeCertificates(a, day, kinds, &rest)
	case OpRevoke, OpUnblock:
		if !a.Returned && !slices.ContainsFunc(kinds, func(k Kind) bool { return a.holds(k, day) }) {
			rest.Refuse(NothingHeld)
		}
	}
	if err != nil {
		return err
	}
	s.judgeFee(a, day, kinds, &rest)
	switch {
	case docs.LetterFirst && a.Letter != "": // it was posted, and its answer is judged
		docs.LetterFirst = false
	case docs.LetterFirst && !(out.Accepted() && rest.Accepted() && len(docs.Now) == 0):
		docs.LetterFirst = false // nothing is posted for what is refused anyway
		docs.Ruling = Ruling{Applied: append(docs.Applied, docs.Because), Refused: docs.Now}
	}
	before := out.Ruling
	*out = rest
	out.Ruling, out.Documents = before, docs
	out.Merge(docs.Ruling)
	out.Merge(rest.Ruling)
	return nil
}

// judgePerson judges whether the person may have what is applied for, and gives the certificates that it is about.
func (s Switches) judgePerson(a Application, day civil.Date, out *Decision) []Kind {
	kinds := a.chosen(out.Regime, day)
	person := EligibilityIn{
		Regime: out.Regime, On: day, Office: a.Office, Person: a.Person,
		Clerk: a.Clerk, GrantedBy: a.GrantedBy, ByRepresentative: a.Channel == ChannelRepresentative,
	}
	switch {
	case slices.Contains(issuing, a.Operation):
		kinds = s.judgeKinds(a, kinds, person, out)
		out.Merge(s.Represented(person))
	case a.Operation == OpUnblock && out.Regime == MyNumber:
		out.Merge(person.Residence())
		out.Merge(s.SetsPINs(person))
		out.Merge(s.Represented(person))
	case out.Regime == Juki && slices.Contains(kinds, Auth):
		out.Refuse(NoSuchKind)
	}
	return kinds
}

// judgeKinds judges for each kind whether the person may have it. Where nobody asked for the signature certificate and the
// person may not have it, it is left out (law.md 2.2, 5.7).
func (s Switches) judgeKinds(a Application, kinds []Kind, person EligibilityIn, out *Decision) (eligible []Kind) {
	for _, k := range kinds {
		person.Kind = k
		ruling := s.Eligible(person)
		if len(a.Kinds) == 0 && len(kinds) > 1 && k == Sign && !ruling.Accepted() {
			out.Apply(ruling.Refused...)
			continue
		}
		out.Merge(ruling)
		eligible = append(eligible, k)
	}
	if len(eligible) == 0 && out.Accepted() {
		out.Refuse(NothingHeld)
	}
	return eligible
}

// judgeCertificates works out what would be issued, authentication first, so
// that the new one caps the signature certificate.
func (s Switches) judgeCertificates(a Application, day civil.Date, kinds []Kind, out *Decision) error {
	last, err := s.judgeCard(a, day, out)
	if err != nil {
		return err
	}
	in := ValidityIn{
		Regime: out.Regime, Issued: day, BirthDate: a.Person.BirthDate, CardLastDay: last, Overseas: a.Person.LivesOverseas(day),
	}
	if a.holds(Auth, day) { // one that has expired is not held any more and caps nothing (Reg2016 Art 13)
		in.AuthLastDay = a.AuthLastDay
	}
	if len(kinds) > 1 {
		out.Apply(AuthFirst)
	}
	for _, kind := range []Kind{Auth, Sign} {
		if !slices.Contains(kinds, kind) || out.Regime == Juki && kind == Auth {
			continue
		}
		in.Kind = kind
		v, err := s.judgeOne(a, in, out)
		if err != nil {
			return err
		}
		out.Validities = append(out.Validities, KindValidity{kind, v})
		if kind == Auth {
			in.AuthLastDay = v.LastDay
		}
	}
	return nil
}

// judgeCard works out the end of the card that the certificates will be on: that of a new card, where one is issued as
// well, or that of the card held, which for a foreign national is the period of stay where nothing else is said.
func (s Switches) judgeCard(a Application, day civil.Date, out *Decision) (civil.Date, error) {
	stay := a.Person.StayUntil
	switch {
	case out.Regime == Juki:
		return a.CardLastDay, nil
	case !a.Card && a.CardLastDay.IsZero() && !stay.IsZero():
		out.Apply(StayCap)
		return stay, nil
	case !a.Card:
		return a.CardLastDay, nil
	}
	in := CardValidityIn{Applied: day, Issued: day, BirthDate: a.Person.BirthDate, StayUntil: stay}
	if a.Operation == OpRenew {
		in.CurrentLastDay = a.CardLastDay
	}
	card, err := s.CardValidity(in)
	out.Card = &card
	out.Merge(card.Ruling)
	return card.LastDay, err
}

// judgeOne judges the issue or renewal of one certificate.
func (s Switches) judgeOne(a Application, in ValidityIn, out *Decision) (Validity, error) {
	held := a.lastDay(in.Kind)
	switch {
	case a.Operation == OpRenew && held.IsZero():
		out.Refuse(NothingHeld)
	case a.Operation == OpRenew:
		in.CurrentLastDay = held
		renewal, err := s.Renewal(in)
		out.Merge(renewal.Ruling)
		out.Alternative = out.Alternative || renewal.Alternative
		return renewal.Validity, err
	case a.replacesEnding(in.Kind, in.Issued):
		out.Apply(ReplacesEnding)
		if a.Leaving == LeavingContinued {
			in.CurrentLastDay = held
		}
	case a.Operation == OpNew && a.holds(in.Kind, in.Issued):
		out.Refuse(DoubleIssue)
	}
	v, err := s.Validity(in)
	out.Merge(v.Ruling)
	return v, err
}

// check finds a value without which the application can't be judged under
// regime r, or that can't be.
func (a Application) check(r Regime, day civil.Date) error {
	switch issues := slices.Contains(issuing, a.Operation); {
	case issues && a.Person.BirthDate.IsZero():
		return Missing("person.birth_date")
	case a.Person.BirthDate.After(day):
		return bornLater("person.birth_date")
	case issues && r == Juki && a.Express:
		return against("express", expressNotYet)
	}
	return nil
}

// chosen gives the certificates that the application is about, in the order of issue: those it names or, where it names
// none, all that the card carries when something is issued, what is held otherwise, and for a renewal after everything
// has expired what was held.
func (a Application) chosen(r Regime, day civil.Date) []Kind {
	all := []Kind{Auth, Sign}
	if r == Juki {
		all = []Kind{Sign}
	}
	held := func(k Kind) bool { return a.holds(k, day) }
	lapsed := func(k Kind) bool { return a.lapsed(k, day) }
	switch {
	case len(a.Kinds) > 0 && r == Juki:
		return a.Kinds // one that there is not is refused
	case len(a.Kinds) > 0:
		return only(all, func(k Kind) bool { return slices.Contains(a.Kinds, k) })
	case slices.Contains(issuing, a.Operation) && a.Operation != OpRenew:
		return all
	case a.Operation != OpRenew || slices.ContainsFunc(all, held):
		return only(all, held)
	case slices.ContainsFunc(all, lapsed):
		return only(all, lapsed)
	}
	return all // and none of them can be renewed
}

func only(kinds []Kind, keep func(Kind) bool) []Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return !keep(k) })
}

func (a Application) channel() Channel {
	if a.Channel == "" {
		return ChannelSelf
	}
	return a.Channel
}

// lastDay is the last day of the certificate of a kind held now, or zero.
func (a Application) lastDay(k Kind) civil.Date {
	if k == Auth {
		return a.AuthLastDay
	}
	return a.SignLastDay
}

// holds reports whether a certificate of the kind is in force on the day.
func (a Application) holds(k Kind, day civil.Date) bool {
	last := a.lastDay(k)
	return !last.IsZero() && !day.After(last)
}

// lapsed reports whether a certificate of the kind was held and its last day has passed.
func (a Application) lapsed(k Kind, day civil.Date) bool {
	return !a.lastDay(k).IsZero() && !a.holds(k, day)
}

// replacesEnding reports whether an issue takes the place of a certificate that is to end with a move.
func (a Application) replacesEnding(k Kind, day civil.Date) bool {
	return a.Operation == OpNew && a.holds(k, day) && a.Leaving.Ends(k)
}

// cause is why the kinds are issued, when the application does not say.
func (a Application) cause(kinds []Kind, day civil.Date) Cause {
	lapsed := slices.ContainsFunc(kinds, func(k Kind) bool { return a.lapsed(k, day) })
	held := slices.ContainsFunc(kinds, func(k Kind) bool { return a.holds(k, day) })
	switch {
	case a.Cause != "":
		return a.Cause
	case a.Operation == OpRenew && !held:
		return CauseExpired
	case a.Operation == OpRenew:
		return CauseRenewal
	case a.Operation == OpReissue && (a.Card || held):
		return CauseWish
	case slices.ContainsFunc(kinds, func(k Kind) bool { return a.replacesEnding(k, day) }):
		return CauseRecordChange
	case lapsed:
		return CauseExpired
	default:
		return CauseFirst
	}
}
