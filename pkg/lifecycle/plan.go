package lifecycle

import (
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// plan works out the last day of everything the application would issue, with all candidates, in the order of issue. A
// refused application is planned only to find further refusals; there the law may have no answer.
func (a *application) plan() error {
	refused := !a.ruling.Accepted()
	err := a.planTerms()
	if err != nil && refused {
		return nil
	}
	return err
}

func (a *application) planTerms() error {
	if !a.issues() {
		return a.planExtension()
	}
	if err := a.planCard(); err != nil {
		return err
	}
	t := terms{application: a}
	for _, k := range a.kinds {
		planned, err := t.next(k)
		if err != nil {
			return err
		}
		if planned != nil {
			a.planned = append(a.planned, planned)
		}
	}
	return nil
}

// planCard works out the term of a card issued with the certificates. A juki card's term is not kept here: it does not
// end the certificate (law.md 3.1).
func (a *application) planCard() error {
	if !a.newCard || a.regime == regime.Juki {
		return nil
	}
	in := regime.CardValidityIn{
		Applied: a.applied(), Issued: a.day, BirthDate: a.Person.BirthDate, StayUntil: a.Person.StayUntil,
	}
	if a.Operation == events.Operation_OPERATION_RENEW || a.replacesHeld() && !unusable(a.state.Card) {
		in.CurrentLastDay = lastDayOf(a.state.Card)
	}
	return a.setCardTerm(in)
}

// planExtension works out the card's new last day after the period of stay was extended.
func (a *application) planExtension() error {
	if a.Operation != events.Operation_OPERATION_EXTEND_CARD || a.state.Card == nil {
		return nil
	}
	return a.setCardTerm(regime.CardValidityIn{
		Applied: a.day, Issued: day(a.state.Card.IssuedOn), BirthDate: a.Person.BirthDate, StayUntil: a.Person.StayUntil,
		CurrentLastDay: day(a.state.Card.LastDay), Extension: true,
		StayPending: a.Person.StayPending, PendingUsed: a.state.Card.StayPending, CardApplied: day(a.state.Card.AppliedOn),
	})
}

func (a *application) setCardTerm(in regime.CardValidityIn) error {
	term, err := a.Switches.CardValidity(in)
	if err != nil {
		return err
	}
	a.ruling.Merge(term.Ruling)
	a.cardTerm = &term
	return nil
}

// cardLastDay returns the last day of the card that the certificates will be on; zero if no card caps them.
func (a *application) cardLastDay() civil.Date {
	switch {
	case a.cardTerm != nil:
		return a.cardTerm.LastDay
	case a.regime == regime.Juki && !a.Switches.JukiCardCaps:
		return civil.Date{}
	}
	return lastDayOf(a.state.Card)
}

// terms plans one certificate after another; the authentication certificate's last day caps the signature
// certificate's.
type terms struct {
	*application
	auth civil.Date
}

func (t *terms) next(k events.CertificateKind) (*events.PlannedCertificate, error) {
	in := regime.ValidityIn{
		Regime: t.regime, Kind: lawKind(k), Issued: t.day, BirthDate: t.Person.BirthDate, CardLastDay: t.cardLastDay(),
		Overseas: t.Person.LivesOverseas(t.day),
	}
	if k == kindSign {
		in.AuthLastDay = t.authLastDay()
	}
	planned := &events.PlannedCertificate{Kind: k}
	old := t.live(k)
	if old != nil && (t.Operation != events.Operation_OPERATION_ISSUE || t.replacesEnding(k)) {
		planned.Replaces = old.Serial
	}
	if t.replacesEnding(k) && t.goesOverseas() || old.GetStatus() == valid && t.replacesHeld() {
		in.CurrentLastDay = day(old.LastDay) // counted like a renewal if its window is open (law.md 4.4, 8.5)
	}
	term, err := t.term(in, old)
	if err != nil || term == nil {
		return nil, err
	}
	planned.LastDay, planned.Candidates = term.LastDay.String(), logCandidates(*term)
	t.terms = append(t.terms, KindTerm{lawKind(k), *term})
	if k == kindAuth {
		t.auth = term.LastDay
	}
	return planned, nil
}

// term returns the validity of the certificate. A renewal before its window is refused, with what revoking and issuing
// anew would give as alternative.
func (t *terms) term(in regime.ValidityIn, old *events.Certificate) (*regime.Validity, error) {
	if t.Operation != events.Operation_OPERATION_RENEW {
		term, err := t.Switches.Validity(in)
		t.ruling.Merge(term.Ruling)
		return &term, err
	}
	if old == nil {
		if old = t.lapsed(logKind(in.Kind)); old == nil {
			t.ruling.Refuse(regime.NothingHeld)
			return t.asNew(in), nil
		}
	}
	in.CurrentLastDay = day(old.LastDay) // renewal after expiry is a new issue (law.md 4.2)
	renewal, err := t.Switches.Renewal(in)
	if err != nil {
		return nil, err
	}
	t.ruling.Merge(renewal.Ruling)
	if !renewal.Alternative {
		return &renewal.Validity, nil
	}
	t.alternative = append(t.alternative, &events.PlannedCertificate{
		Kind: logKind(in.Kind), LastDay: renewal.Validity.LastDay.String(),
		Candidates: logCandidates(renewal.Validity), Replaces: old.Serial,
	})
	t.terms = append(t.terms, KindTerm{in.Kind, renewal.Validity})
	t.early = append(t.early, renewal.Refused[0])
	if in.Kind == regime.Auth {
		t.auth = renewal.Validity.LastDay
	}
	return nil, nil
}

// asNew returns what a new issue would give if there is nothing to renew; nil if the law has no answer.
func (t *terms) asNew(in regime.ValidityIn) *regime.Validity {
	term, err := t.Switches.Validity(in)
	if err != nil {
		return nil
	}
	return &term
}

// lapsed returns a remembered certificate of the kind, under this regime, that has expired, or nil.
func (a *application) lapsed(kind events.CertificateKind) *events.Certificate {
	for _, c := range onCards(a.state) {
		if c.Kind == kind && c.Regime == logRegime(a.regime) && a.isLapsed(c) {
			return c
		}
	}
	return nil
}

// isLapsed reports whether a certificate has expired on the day of filing, recorded or not.
func (a *application) isLapsed(c *events.Certificate) bool {
	return c.Status == expired || !hasEnded(c) && day(c.LastDay).Before(a.day)
}

// authLastDay returns the last day of the authentication certificate that will accompany the signature certificate.
func (t *terms) authLastDay() civil.Date {
	if !t.auth.IsZero() {
		return t.auth
	}
	if c := t.live(kindAuth); c != nil && c.Status != suspended {
		return day(c.LastDay)
	}
	return civil.Date{}
}
