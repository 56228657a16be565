package lifecycle

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Judgement is how an application is judged, complete enough to be read out.
type Judgement struct {
	regime.Ruling
	Next      time.Time        // when the office was closed: its next opening
	Documents regime.Documents // LetterFirst: a letter of inquiry is posted, and Refused says what its answer must bring
	Fee       regime.Fee
	Card      *regime.Validity // of the card that is issued as well; nil: none
	Terms     []KindTerm       // of what would be issued, in the order of issue
	// Alternative: the terms are those of revoking and issuing anew, for it is too early to renew.
	Alternative bool
}

// KindTerm is the validity of one of the certificates applied for.
type KindTerm struct {
	Kind regime.Kind
	regime.Validity
}

// Judge judges an application by what is known of the subscriber, without deciding anything.
func Judge(s *events.SubscriberState, c Apply) (Judgement, error) {
	d := &decision{state: s, now: c.Filed}
	d.filedAt(c.Filed)
	a := &application{Apply: c, decision: d, day: civil.Of(d.filed)}
	letterFirst, err := a.judge()
	if err != nil {
		return Judgement{}, err
	}
	out := Judgement{Ruling: a.ruling, Next: a.receipt.Next}
	if !regime.Allows(a.regime, a.lawOperation(), a.day).Accepted() {
		return out, nil // what the law does not know on that day has no papers, fee and term
	}
	out.Documents, out.Fee, out.Card, out.Terms, out.Alternative = a.documents, a.fee, a.cardTerm, a.terms, len(a.early) > 0
	out.Documents.LetterFirst = letterFirst && a.ruling.Accepted()
	if out.Documents.LetterFirst {
		out.Merge(a.documents.Ruling)
	}
	return out, nil
}
