package lifecycle

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Judgement is the outcome of judging an application, complete enough to be read out to the applicant.
type Judgement struct {
	regime.Ruling
	Next      time.Time        // the office's next opening, if it was closed
	Documents regime.Documents // with LetterFirst, Refused lists what must come with the answer to the letter
	Fee       regime.Fee
	Card      *regime.Validity // of the card issued with the certificates, or nil
	Terms     []KindTerm       // in the order of issue
	// Alternative: it is too early to renew, and the terms are those of revoking and issuing anew.
	Alternative bool
}

// KindTerm is the validity of one of the certificates applied for.
type KindTerm struct {
	Kind regime.Kind
	regime.Validity
}

// Judge judges an application from what is known of the subscriber, without recording a decision.
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
		return out, nil // on that day the law knows no documents, fee or term for it
	}
	out.Documents, out.Fee, out.Card, out.Terms, out.Alternative = a.documents, a.fee, a.cardTerm, a.terms, len(a.early) > 0
	out.Documents.LetterFirst = letterFirst && a.ruling.Accepted()
	if out.Documents.LetterFirst {
		out.Merge(a.documents.Ruling)
	}
	return out, nil
}
