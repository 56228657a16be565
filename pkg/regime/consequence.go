package regime

import (
	"slices"

	"shomei/pkg/civil"
)

// Event is something that may end a certificate or a card.
type Event string

const (
	EvName             Event = "name-correction"           // name corrected or changed
	EvSex              Event = "sex-correction"            // sex corrected or changed
	EvAddress          Event = "address-correction"        // address corrected, or move inside the municipality (転居)
	EvBirthDate        Event = "birth-date-correction"     // birth date corrected
	EvMinor            Event = "minor-correction"          // characters, renaming of districts, lot or house numbering
	EvMoveOut          Event = "move-out"                  // 転出届 to another municipality
	EvMoveCalledOff    Event = "move-called-off"           // 転出取消: a move that was filed does not take place
	EvNoMoveIn         Event = "no-move-in"                // no 転入届 within 30 days of the planned day
	EvLateMoveIn       Event = "late-move-in"              // 転入届 later than 14 days after the move
	EvCardNotSubmitted Event = "card-not-submitted"        // card not submitted within 90 days, or moved again first
	EvDeath            Event = "death"                     // the person has died
	EvOutOfScope       Event = "out-of-scope"              // no longer in the scope of the Juki Act
	EvRecordDeleted    Event = "record-deleted"            // record deleted ex officio
	EvOverseas         Event = "overseas-move"             // move overseas
	EvOverseasKept     Event = "overseas-called-off"       // a move overseas was called off, and its continued use was not undone
	EvNumberChanged    Event = "individual-number-changed" // the Individual Number (個人番号) changed
	EvCodeCorrected    Event = "resident-code-corrected"   // the resident-record code (住民票コード) was corrected
	EvCardReturned     Event = "card-returned"             // the holder gave the card back (返納)
	EvCardVoid         Event = "card-void"                 // the card becomes void for any other reason
	EvApplication      Event = "holder-application"        // 失効申請
	EvKeyLeak          Event = "key-leak"                  // 秘密鍵の漏えい等届出
	EvLossReport       Event = "loss-report"               // loss reported at the counter or in writing
	EvUnusable         Event = "medium-unusable"           // damage of the card, unusable medium
	EvPhoneLoss        Event = "phone-loss-report"         // loss reported by telephone: suspension
	EvFound            Event = "card-found"                // found again after a suspension
	EvCertificateError Event = "certificate-error"         // the authority finds an error in the certificate
	EvCACompromise     Event = "ca-compromise"             // the authority's key is compromised
	EvTerm             Event = "term-ended"                // the legal term is over
	EvCardTerm         Event = "card-term-ended"           // the card's own term is over
	EvRenewed          Event = "renewed"                   // replaced by renewal
	EvReissued         Event = "reissued"                  // replaced by a re-issue while still in force
	EvDiscarded        Event = "discarded"                 // discarded before delivery to the holder
	EvMyNumberHandOver Event = "mynumber-handover"         // a My Number card is handed over: the juki card is taken back
	EvStayEnded        Event = "stay-ended"                // the period of stay ended without extension
	EvHistoryJoined    Event = "history-joined"            // two histories turned out to be one person's, and this one ends

	EvSmartphoneLost    Event = "smartphone-lost"    // loss of a smartphone reported
	EvSmartphoneFound   Event = "smartphone-found"   // found again after that
	EvSmartphoneRevoked Event = "smartphone-revoked" // before it is disposed of, or no more wanted
)

// Target is what an event acts on.
type Target string

const (
	TargetSign Target = "sign" // the signature certificate
	TargetAuth Target = "auth" // the authentication certificate
	TargetCard Target = "card" // the card
)

// RevocationEvent returns the event that a holder's application to revoke stands for, by its cause: a wish, or the
// report of a loss, a leaked key or a broken card, which come on the same form (Act2013 Arts 9, 10; law.md 8.2, 8.8).
func RevocationEvent(cause Cause) Event {
	switch cause {
	case CauseLoss:
		return EvLossReport
	case CauseDamage:
		return EvUnusable
	case Cause(EvKeyLeak):
		return EvKeyLeak
	default:
		return EvApplication
	}
}

// Effect is what happens to a target.
type Effect string

const (
	Keep    Effect = "keep"    // stays as it is
	Revoke  Effect = "revoke"  // effect is lost when the revocation is recorded
	Suspend Effect = "suspend" // 一時停止
	Void    Effect = "void"    // cards only
	Expire  Effect = "expire"  // the term is over; nothing need be recorded
	Release Effect = "release" // the suspension is lifted: of a card, and of a smartphone's authentication certificate
)

// ConsequenceIn is an event with everything its effect depends on.
type ConsequenceIn struct {
	Regime Regime
	Event  Event
	On     civil.Date // day on which it is recorded; for an overseas move the day of the move
	// Chosen lists the certificates that the holder gives up (EvApplication) or finds leaked (EvKeyLeak), or whose
	// term, error or renewal is meant (EvTerm, EvCertificateError, EvRenewed, EvReissued, EvDiscarded, EvCACompromise).
	// Empty: both.
	Chosen []Kind
	// ContinuedUse: continued use overseas was applied for (EvOverseas).
	ContinuedUse bool
	// Filed is the day of that application; zero: in time.
	Filed civil.Date
	// Foreign: the holder is not a Japanese national (EvOverseas).
	Foreign bool
	// Ahead: the filing is being judged before its day (EvMoveOut).
	Ahead bool
	// CardChosen: the card itself is meant as well (EvRenewed, EvReissued, EvTerm, EvDiscarded).
	CardChosen bool
}

// Consequence is what an event does to one target.
type Consequence struct {
	Target Target
	Effect Effect
	Reason CRLReason // meaningful for Revoke and Suspend of certificates
	Rule   ID
}

// Consequences is what an event does to the certificates and the card. The juki regime has no authentication
// certificate: Auth is Keep.
type Consequences struct {
	Sign, Auth, Card Consequence
	Rules            []ID
}

// Of returns the consequence for a kind of certificate.
func (c Consequences) Of(k Kind) Consequence {
	if k == Auth {
		return c.Auth
	}
	return c.Sign
}

// ending is one row of the tables of what ends what.
type ending struct {
	event            Event
	sign, auth, card Effect
	reason           CRLReason
	rule             ID
	chosen           bool // the event concerns only the certificates chosen
	cardChosen       bool // the card shares the effect only if it is meant as well
	when             func(Switches, ConsequenceIn) bool
}

// wantsUse reports whether continued use was applied for on a move overseas, on a day when that exists.
func (in ConsequenceIn) wantsUse() bool { return in.ContinuedUse && !in.On.Before(overseasDay) }

// inTime reports whether continued use was applied for by the day before the move.
func (in ConsequenceIn) inTime() bool { return in.Filed.IsZero() || in.Filed.Before(in.On) }

// continued, tooLate and noNational are the conditions for a move overseas with an application for continued use: in
// time, too late, or by somebody who can't have it.
func continued(_ Switches, in ConsequenceIn) bool { return in.wantsUse() && in.inTime() && !in.Foreign }

func tooLate(_ Switches, in ConsequenceIn) bool    { return in.wantsUse() && !in.inTime() && !in.Foreign }
func noNational(_ Switches, in ConsequenceIn) bool { return in.wantsUse() && in.Foreign }

// sparesAuth is the reading by which a found card's authentication certificate is released with it.
func sparesAuth(s Switches, _ ConsequenceIn) bool { return s.PhoneLossSparesAuth }

// atFiling is the condition that filing a move within Japan already ends something.
func atFiling(s Switches, in ConsequenceIn) bool { return in.Ahead && s.MoveOutEndsAtFiling }

// cardApart and cardCaps are the two readings of a juki card's own term.
func cardApart(s Switches, _ ConsequenceIn) bool { return !s.JukiCardCaps }
func cardCaps(s Switches, _ ConsequenceIn) bool  { return s.JukiCardCaps }

// Consequences returns what an event ends (law.md 8.2, 8.3). It never refuses an event of the physical world; one that
// the regime's tables do not know is a *FieldError.
func (s Switches) Consequences(in ConsequenceIn) (Consequences, error) {
	row, ok := s.endingOf(in)
	if !ok {
		return Consequences{}, Unknown("event", "an event of the "+string(in.Regime)+" regime")
	}
	return row.consequences(in), nil
}

// consequences returns what the row does to certificates and card.
func (e ending) consequences(in ConsequenceIn) Consequences {
	out := Consequences{
		Sign:  e.on(in, TargetSign, e.sign, Sign),
		Auth:  e.on(in, TargetAuth, e.auth, Auth),
		Card:  Consequence{TargetCard, e.card, e.reason, e.rule},
		Rules: []ID{e.rule},
	}
	if e.cardChosen && !in.CardChosen {
		out.Card.Effect = Keep
	}
	if e.ends() {
		out.Rules = append(out.Rules, atRecording, e.reason.Rule())
	}
	return out
}

// endingOf returns the row for an event; a row with a condition takes precedence.
func (s Switches) endingOf(in ConsequenceIn) (ending, bool) {
	table := myNumberEndings
	if in.Regime == Juki {
		table = jukiEndings
	}
	var found ending
	for _, row := range table {
		if row.event != in.Event || row.when != nil && !row.when(s, in) {
			continue
		}
		if found.rule == "" || row.when != nil {
			found = row
		}
	}
	return found, found.rule != ""
}

// on returns what the row does to one kind of certificate.
func (e ending) on(in ConsequenceIn, t Target, effect Effect, k Kind) Consequence {
	if e.chosen && len(in.Chosen) > 0 && !slices.Contains(in.Chosen, k) {
		effect = Keep
	}
	return Consequence{t, effect, e.reason, e.rule}
}

// ends reports whether the row puts a certificate on the CRL, so that its reason matters.
func (e ending) ends() bool {
	return e.sign == Revoke || e.auth == Revoke || e.sign == Suspend || e.auth == Suspend
}
