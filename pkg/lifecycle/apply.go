package lifecycle

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// application is an Apply on its way through the rules.
type application struct {
	Apply
	*decision
	regime  regime.Regime
	day     civil.Date // of filing
	kinds   []events.CertificateKind
	newCard bool
	// cardTerm is set when a card is issued with the certificates.
	cardTerm *regime.Validity
	ruling   regime.Ruling
	planned  []*events.PlannedCertificate
	fee      regime.Fee
	// alternative is what would be issued by revoking and issuing anew.
	alternative []*events.PlannedCertificate
}

func (d *decision) apply(c Apply) error {
	d.filedAt(c.Filed)
	a := &application{Apply: c, decision: d, regime: cardRegime(c.CardKind), day: civil.Of(d.filed)}
	a.judgeReceipt()
	a.judgePerson()
	a.judgeCard()
	a.chooseKinds()
	a.judgeKinds()
	letterFirst, err := a.judgeDocuments()
	if err != nil {
		return err
	}
	if err := a.plan(); err != nil {
		return err
	}
	a.judgeFee()
	a.recordResidence()
	switch {
	case !a.ruling.Accepted():
		a.refuse()
	case letterFirst:
		a.defer_()
	default:
		return a.accept()
	}
	return nil
}

// lawOperation is the operation as the law's calendar and document lists know it.
func (a *application) lawOperation() regime.Operation {
	switch a.Operation {
	case events.Operation_OPERATION_RENEW:
		return regime.OpRenew
	case events.Operation_OPERATION_REISSUE:
		return regime.OpReissue
	case events.Operation_OPERATION_REVOKE, events.Operation_OPERATION_RETURN_CARD:
		return regime.OpRevoke
	case events.Operation_OPERATION_UNBLOCK:
		return regime.OpUnblock
	case events.Operation_OPERATION_HAND_OVER:
		return regime.OpHandOver
	case events.Operation_OPERATION_CONTINUE_USE, events.Operation_OPERATION_EXTEND_CARD:
		return regime.OpResidentRecord
	default:
		return regime.OpNew
	}
}

// issues tells whether the application ends in new certificates.
func (a *application) issues() bool {
	switch a.Operation {
	case events.Operation_OPERATION_ISSUE, events.Operation_OPERATION_RENEW, events.Operation_OPERATION_REISSUE,
		events.Operation_OPERATION_FACTORY_ISSUE:
		return true
	}
	return false
}

func (a *application) judge(r regime.Ruling) {
	a.ruling.Applied = append(a.ruling.Applied, r.Applied...)
	a.ruling.Refused = append(a.ruling.Refused, r.Refused...)
}

func (a *application) refuseBy(id regime.ID) { a.ruling.Refused = append(a.ruling.Refused, id) }

// judgeReceipt asks whether this office takes this in at this instant. The factory has no desk; it is bound by the
// dates of the regime alone.
func (a *application) judgeReceipt() {
	if a.Factory {
		a.judge(regime.Allows(a.regime, a.lawOperation(), a.day))
		return
	}
	a.judge(a.Office.Receives(a.regime, a.lawOperation(), a.filed).Ruling)
}

func (a *application) judgePerson() {
	if p := a.state.Procedure; p != nil && p.Id != a.Procedure {
		a.refuseBy(regime.OneAtATime)
	}
	if a.state.Ended {
		a.refuseBy(regime.RecordEnded)
	}
}

// judgeCard asks whether the card presented fits what is known of the holder's cards.
func (a *application) judgeCard() {
	held := a.state.Card
	switch {
	case a.CardTaken:
		a.refuseBy(regime.CardClaimedByOther)
	case a.Operation == events.Operation_OPERATION_FACTORY_ISSUE:
		a.newCard = true
	case a.Operation == events.Operation_OPERATION_HAND_OVER:
		if held == nil || held.Card != a.Card || held.Status != events.CardStatus_CARD_STATUS_ASSIGNED || !a.factoryDone() {
			a.refuseBy(regime.NoCardReady)
		}
	case held == nil:
		a.newCard = a.issues()
	case held.Card != a.Card && a.Card != "":
		a.judgeOtherCard(held)
	case a.needsUsableCard() && unusable(held):
		a.refuseBy(regime.CardNotUsable)
	}
}

// judgeOtherCard accepts another card only where one is to be issued: by a re-issue, with a renewal, or when the one
// known is void or of the former regime.
func (a *application) judgeOtherCard(held *events.HeldCard) {
	replaces := a.Operation == events.Operation_OPERATION_REISSUE || a.Operation == events.Operation_OPERATION_RENEW ||
		a.Operation == events.Operation_OPERATION_ISSUE && (unusable(held) || held.Kind != a.CardKind)
	if replaces {
		a.newCard = true
		return
	}
	if a.state.OldCard.GetCard() == a.Card && a.Operation == events.Operation_OPERATION_REVOKE {
		return
	}
	a.refuseBy(regime.OtherCard)
}

func (a *application) needsUsableCard() bool {
	return a.Operation != events.Operation_OPERATION_REVOKE && a.Operation != events.Operation_OPERATION_RETURN_CARD
}

func unusable(c *events.HeldCard) bool {
	return c.Status == events.CardStatus_CARD_STATUS_VOID || c.Status == events.CardStatus_CARD_STATUS_EXPIRED ||
		c.Status == events.CardStatus_CARD_STATUS_SUSPENDED
}

// factoryDone tells whether the card's certificates, if any were wanted, are written.
func (a *application) factoryDone() bool {
	for _, c := range a.state.Certificates {
		if c.Card == a.Card && !hasEnded(c) && !c.Written {
			return false
		}
	}
	return true
}

// regimeKinds are the kinds of certificate a card of the regime carries, in the order of issue.
func (a *application) regimeKinds() []events.CertificateKind {
	if a.regime == regime.Juki {
		return []events.CertificateKind{kindSign}
	}
	return []events.CertificateKind{kindAuth, kindSign}
}

// chooseKinds fills in what an application without kinds means, and puts them in the order of issue.
func (a *application) chooseKinds() {
	for _, k := range a.regimeKinds() {
		if len(a.Kinds) > 0 {
			if slices.Contains(a.Kinds, k) {
				a.kinds = append(a.kinds, k)
			}
			continue
		}
		live := a.live(k) != nil
		if !a.issues() && live || a.issues() && (a.Operation != events.Operation_OPERATION_RENEW || live) {
			a.kinds = append(a.kinds, k)
		}
	}
	if a.regime == regime.Juki && slices.Contains(a.Kinds, kindAuth) {
		a.refuseBy(regime.NoSuchKind)
	}
	if a.regime == regime.MyNumber && len(a.kinds) == 2 && a.issues() {
		a.ruling.Applied = append(a.ruling.Applied, regime.AuthFirst)
	}
}

// live is the certificate of a kind in force on the day of filing, under this application's regime.
func (a *application) live(kind events.CertificateKind) *events.Certificate {
	return liveOn(a.state, logRegime(a.regime), kind, a.day)
}

// judgeKinds asks for each kind whether this person may have it and whether there is one already.
func (a *application) judgeKinds() {
	if !a.issues() {
		a.judgeHeld()
		return
	}
	eligible := a.kinds[:0:0]
	for _, k := range a.kinds {
		ruling := a.Switches.Eligible(regime.EligibilityIn{
			Regime: a.regime, Kind: lawKind(k), On: a.day, Office: a.Office, Person: a.Person, Clerk: a.Clerk,
			GrantedBy: a.GrantedBy, ByRepresentative: a.Channel == regime.ChannelRepresentative || a.Factory,
		})
		if a.Factory && !ruling.Accepted() && len(a.kinds) > 1 && k == kindSign {
			a.ruling.Applied = append(a.ruling.Applied, ruling.Refused...)
			continue // a card leaves the factory without the certificate its holder may not have (domain.md 1.4.1)
		}
		a.judge(ruling)
		a.judgeDouble(k)
		eligible = append(eligible, k)
	}
	a.kinds = eligible
	if len(a.kinds) == 0 && a.ruling.Accepted() {
		a.refuseBy(regime.NothingHeld)
	}
}

func (a *application) judgeDouble(k events.CertificateKind) {
	c := a.live(k)
	switch {
	case c == nil, a.Operation == events.Operation_OPERATION_REISSUE, a.Operation == events.Operation_OPERATION_RENEW && c.Status == valid:
	case a.Operation == events.Operation_OPERATION_RENEW:
		a.refuseBy(regime.CardNotUsable)
	default:
		a.refuseBy(regime.DoubleIssue)
	}
}

// judgeHeld asks, for what does not issue, whether there is anything to work on.
func (a *application) judgeHeld() {
	switch a.Operation {
	case events.Operation_OPERATION_REVOKE, events.Operation_OPERATION_UNBLOCK:
		held := slices.DeleteFunc(slices.Clone(a.kinds), func(k events.CertificateKind) bool { return a.live(k) == nil })
		if len(held) == 0 {
			a.refuseBy(regime.NothingHeld)
		}
		a.kinds = held
	case events.Operation_OPERATION_CONTINUE_USE, events.Operation_OPERATION_RETURN_CARD, events.Operation_OPERATION_EXTEND_CARD:
		if a.state.Card == nil {
			a.refuseBy(regime.NothingHeld)
		}
	}
}

// judgeDocuments compares what was shown with what is required. A letter of inquiry comes first where the channel
// wants one and none was answered yet; then what is missing besides the answer is not held against the applicant.
func (a *application) judgeDocuments() (letterFirst bool, err error) {
	if a.Factory {
		return false, nil
	}
	documents, err := a.Switches.Documents(regime.DocumentsIn{
		Regime: a.regime, Operation: a.lawOperation(), Channel: a.Channel, On: a.day, Shown: a.Shown,
		Letter: a.postedLetter(), PINsMatch: a.PINsMatch,
	})
	if err != nil {
		return false, err
	}
	if documents.LetterFirst && a.postedLetter() == "" {
		a.ruling.Applied = append(a.ruling.Applied, documents.Applied...)
		return true, nil
	}
	a.judge(documents.Ruling)
	return false, nil
}

// postedLetter is the letter of inquiry that was posted for this procedure; empty when none was.
func (a *application) postedLetter() string {
	for _, l := range a.state.Letters {
		if l.Procedure == a.Procedure {
			return l.Id
		}
	}
	return ""
}

func (a *application) judgeFee() {
	if a.Factory {
		return
	}
	replaced := a.newCard && a.regime == regime.MyNumber
	a.fee = a.Switches.Fee(regime.FeeIn{
		Regime: a.regime, Operation: a.lawOperation(), Cause: a.cause(), On: a.day, Express: a.Express,
		Card: replaced, Certificates: a.issues(),
	})
	a.judge(a.fee.Ruling)
}

// cause is why something is issued: what the clerk said or, failing that, what the state tells.
func (a *application) cause() regime.Cause {
	if a.Cause != "" {
		return a.Cause
	}
	switch {
	case a.Operation == events.Operation_OPERATION_RENEW:
		return regime.CauseRenewal
	case a.Operation == events.Operation_OPERATION_REISSUE:
		if c := a.state.Card; c.GetStatus() == events.CardStatus_CARD_STATUS_SUSPENDED {
			return regime.CauseLoss
		}
		return regime.CauseWish
	}
	for _, k := range a.kinds {
		for _, c := range a.state.Certificates {
			if c.Kind == k && c.Status == revoked && c.Reason == events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED {
				return regime.CauseRecordChange
			}
			if c.Kind == k && c.Status == expired {
				return regime.CauseExpired
			}
		}
	}
	return regime.CauseFirst
}

func (a *application) refuse() {
	a.emit(&events.ApplicationRefused{
		Procedure: a.Procedure, Operation: a.Operation, Channel: logChannel(a.Channel), Kinds: a.kinds,
		Refusals: a.ruling.Refused, Municipality: municipality(a.Office), AlternativePlanned: a.alternative,
		Alternative: a.alternativeOperation(),
	}, a.ruling.Rules()...)
}

func (a *application) alternativeOperation() events.Operation {
	if len(a.alternative) > 0 {
		return events.Operation_OPERATION_REISSUE
	}
	return events.Operation_OPERATION_UNSPECIFIED
}

// defer_ posts a letter of inquiry; the application is judged again when the answer is brought.
func (a *application) defer_() {
	sum := sha256.Sum256([]byte(a.Procedure))
	letter := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:5]))
	a.emit(&events.InquiryLetterDue{
		Procedure: a.Procedure, Letter: letter, Operation: a.Operation, Channel: logChannel(a.Channel), Kinds: a.kinds,
		Municipality: municipality(a.Office),
	}, a.ruling.Rules()...)
}

func (a *application) accept() error {
	if a.GrantedBy != "" {
		a.emit(&events.SpecialCircumstancesGranted{Procedure: a.Procedure}, a.ruling.Applied...)
	}
	accepted := &events.ApplicationAccepted{
		Procedure: a.Procedure, Operation: a.Operation, Channel: logChannel(a.Channel), Regime: logRegime(a.regime),
		Kinds: a.kinds, Planned: a.planned, Card: a.Card, CardKind: a.CardKind, Municipality: municipality(a.Office),
		SpecialCircumstances: a.GrantedBy != "", Express: a.Express, Pins: a.pins(), Cause: string(a.cause()),
		CardLastDay: a.state.Card.GetLastDay(), Office: a.OfficeID, Counter: a.Counter,
	}
	for _, s := range a.Shown {
		accepted.Documents = append(accepted.Documents, string(s.Document))
	}
	for _, item := range a.fee.Items {
		accepted.Fee = append(accepted.Fee, &events.FeeItem{RuleId: item.Rule, Yen: uint32(item.Yen)})
	}
	if a.cardTerm != nil {
		accepted.CardLastDay, accepted.CardCandidates = a.cardTerm.LastDay.String(), logCandidates(*a.cardTerm)
	}
	a.emit(accepted, a.ruling.Applied...)
	if a.newCard && !a.swapsCard() {
		a.assignCard()
	}
	return a.carryOut()
}

// swapsCard tells whether the new card takes the place of one still held: it does so when it is handed over.
func (a *application) swapsCard() bool { return a.state.Card != nil && a.regime == regime.MyNumber && !a.Factory }

// assignCard makes the card the holder's, from now on or, from the factory, until it is handed over.
func (a *application) assignCard() {
	card := &events.CardAssigned{Card: a.Card, Kind: a.CardKind}
	if a.cardTerm != nil {
		card.LastDay, card.Candidates = a.cardTerm.LastDay.String(), logCandidates(*a.cardTerm)
	}
	a.emit(card, a.ruling.Applied...)
}

// carryOut does what is done with the acceptance itself.
func (a *application) carryOut() error {
	switch a.Operation {
	case events.Operation_OPERATION_REVOKE:
		return a.end(consequence{event: regime.EvApplication, chosen: a.kinds, regime: a.regime, switches: a.Switches})
	case events.Operation_OPERATION_RETURN_CARD:
		return a.end(consequence{event: regime.EvCardReturned, regime: a.regime, switches: a.Switches})
	case events.Operation_OPERATION_CONTINUE_USE:
		a.emit(&events.DeadlineMet{Kind: events.DeadlineKind_DEADLINE_KIND_CARD_90}, regime.WithinDeadline)
	case events.Operation_OPERATION_UNBLOCK, events.Operation_OPERATION_HAND_OVER:
		if len(a.pins()) > 0 {
			a.emit(&events.UnblockAuthorized{Procedure: a.Procedure, Pins: a.pins(), Card: a.Card}, a.ruling.Applied...)
		}
	}
	return nil
}

// pins are the PINs that the holder sets in this procedure, apart from those set with new keys.
func (a *application) pins() []events.PinKind {
	if a.Operation != events.Operation_OPERATION_UNBLOCK && a.Operation != events.Operation_OPERATION_HAND_OVER {
		return nil
	}
	if len(a.Pins) > 0 {
		return a.Pins
	}
	var pins []events.PinKind
	for _, c := range a.state.Certificates {
		if c.Card == a.Card && !hasEnded(c) {
			pins = append(pins, events.PinKind(c.Kind))
		}
	}
	slices.Sort(pins)
	return pins
}

// recordResidence notes the register's facts with the application; ra puts the sealed identity into the event.
func (a *application) recordResidence() {
	if m := a.Person.Municipality; m != "" {
		a.emit(&events.ResidentRecorded{Municipality: m})
	}
}

func municipality(o regime.Office) string {
	if len(o.Municipality) > 5 {
		return o.Municipality[:5]
	}
	return o.Municipality
}

func logChannel(c regime.Channel) events.Channel {
	switch c {
	case regime.ChannelProxy, regime.ChannelNotice:
		return events.Channel_CHANNEL_PROXY
	case regime.ChannelRepresentative:
		return events.Channel_CHANNEL_LEGAL_REPRESENTATIVE
	default:
		return events.Channel_CHANNEL_SELF
	}
}

// LawChannel gives the channel the law's document lists know, from what the clerk chose and what was shown.
func LawChannel(c events.Channel, shown []regime.Shown, noticeAnswer bool) (regime.Channel, error) {
	switch c {
	case events.Channel_CHANNEL_PROXY:
		if noticeAnswer {
			return regime.ChannelNotice, nil
		}
		return regime.ChannelProxy, nil
	case events.Channel_CHANNEL_LEGAL_REPRESENTATIVE:
		return regime.ChannelRepresentative, nil
	case events.Channel_CHANNEL_SELF:
		photo := slices.ContainsFunc(shown, func(s regime.Shown) bool { return s.Document == regime.DocPhotoID })
		if photo {
			return regime.ChannelSelf, nil
		}
		return regime.ChannelSelfNoPhoto, nil
	}
	return "", fmt.Errorf("no such channel: %v", c)
}
