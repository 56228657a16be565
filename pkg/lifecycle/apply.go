package lifecycle

import (
	"cmp"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// application is an Apply being judged.
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
	receipt  regime.Receipt
	// documents compares what is required with what was shown.
	documents regime.Documents
	// terms are those of planned or of alternative, with all candidates.
	terms   []KindTerm
	planned []*events.PlannedCertificate
	fee     regime.Fee
	// alternative is what revoking and issuing anew would give, if no rule refuses but early: those by which it is too
	// early to renew.
	alternative []*events.PlannedCertificate
	early       []regime.ID
}

func (d *decision) apply(c Apply) error {
	d.filedAt(c.Filed)
	d.entered = c.Entered
	if d.state.ProcedureOf(c.Procedure) != nil {
		d.factRefused("ApplicationReceived", "this procedure is already open")
		return nil
	}
	a := &application{Apply: c, decision: d, day: civil.Of(d.filed)}
	letterFirst, err := a.judge()
	if err != nil {
		return err
	}
	a.recordResidence()
	switch {
	case !a.ruling.Accepted():
		a.refuse()
	case letterFirst:
		return a.postpone()
	default:
		return a.accept()
	}
	return nil
}

// judge applies all rules to an application, in the order in which a clerk meets them, and lists every refusal.
// letterFirst: only the letter of inquiry, not yet posted, is missing.
func (a *application) judge() (letterFirst bool, err error) {
	if err := a.missPassedDeadlines(); err != nil {
		return false, err
	}
	a.fillIn()
	a.judgeReceipt()
	a.judgePerson()
	a.judgeCard()
	a.chooseKinds()
	a.judgeKinds()
	if letterFirst, err = a.judgeDocuments(); err != nil {
		return false, err
	}
	if err := a.plan(); err != nil {
		return false, err
	}
	a.judgeFee()
	return letterFirst, nil
}

// missPassedDeadlines catches up with deadlines that passed before the filing, even without a Tick since: what they
// ended no longer counts (law.md 8.1).
func (a *application) missPassedDeadlines() error {
	return a.catchUp(func() error { return a.missDeadlines(a.day, a.Switches) })
}

// fillIn completes what the counter left open: the card held and its kind, and for the factory, which belongs to no
// municipality, the holder's municipality.
func (a *application) fillIn() {
	if held := a.state.Card; held != nil {
		if a.Card == "" && !a.Factory { // a factory makes a new one
			a.Card = held.Card
		}
		if a.CardKind == events.CardKind_CARD_KIND_UNSPECIFIED {
			a.CardKind = held.Kind
		}
	}
	if a.Factory {
		a.Office.Municipality = a.Person.Municipality
	}
	if a.CardKind == events.CardKind_CARD_KIND_UNSPECIFIED && a.day.Before(regime.MyNumberFirstDay) {
		a.CardKind = events.CardKind_CARD_KIND_JUKI // no card was named, and only juki cards existed on that day
	}
	a.regime = cardRegime(a.CardKind)
}

// lawOperation returns the operation under its name in package regime.
func (a *application) lawOperation() regime.Operation { return regime.HandlingOf(a.Operation).Law }

// issues reports whether the application ends in new certificates.
func (a *application) issues() bool { return regime.HandlingOf(a.Operation).Issues }

// judgeReceipt asks whether this office accepts this operation at this instant. The factory has no opening hours; only
// the dates of the regime bind it.
func (a *application) judgeReceipt() {
	if a.Factory {
		a.ruling.Merge(regime.Allows(a.regime, a.lawOperation(), a.day))
		return
	}
	a.receipt = a.Office.Receives(a.regime, a.lawOperation(), a.filed)
	a.ruling.Merge(a.receipt.Ruling)
}

func (a *application) judgePerson() {
	if p := a.state.Open(); p != nil && p.Id != a.Procedure {
		a.ruling.Refuse(regime.OneAtATime)
	}
	if a.state.Ended && a.Operation != events.Operation_OPERATION_RETURN_CARD {
		a.ruling.Refuse(regime.RecordEnded)
	}
}

// regimeKinds returns the kinds of certificate that a card of the regime carries, in the order of issue.
func (a *application) regimeKinds() []events.CertificateKind {
	if a.regime == regime.Juki {
		return []events.CertificateKind{kindSign}
	}
	return []events.CertificateKind{kindAuth, kindSign}
}

// chooseKinds sets the kinds that the application covers, in the order of issue.
func (a *application) chooseKinds() {
	for _, k := range a.regimeKinds() {
		if len(a.Kinds) > 0 {
			if slices.Contains(a.Kinds, k) {
				a.kinds = append(a.kinds, k)
			}
			continue
		}
		if a.includes(k) {
			a.kinds = append(a.kinds, k)
		}
	}
	if a.regime == regime.Juki && slices.Contains(a.Kinds, kindAuth) {
		a.ruling.Refuse(regime.NoSuchKind)
	}
	if a.regime == regime.MyNumber && len(a.kinds) == 2 && a.issues() {
		a.ruling.Apply(regime.AuthFirst)
	}
}

// includes reports whether an application that names no kinds covers kind k. An issue covers everything, other
// operations what is held; a renewal after everything has expired covers what was held or, if nothing is known of that,
// everything.
func (a *application) includes(k events.CertificateKind) bool {
	if a.issues() && a.Operation != events.Operation_OPERATION_RENEW || a.live(k) != nil {
		return true
	}
	renewsLapsed := a.Operation == events.Operation_OPERATION_RENEW && a.live(kindAuth) == nil && a.live(kindSign) == nil
	return renewsLapsed && (a.lapsed(k) != nil || a.lapsed(kindAuth) == nil && a.lapsed(kindSign) == nil)
}

// live returns the certificate of a kind in force on the day of filing, under this application's regime.
func (a *application) live(kind events.CertificateKind) *events.Certificate {
	return liveOn(a.state, logRegime(a.regime), kind, a.day)
}

// judgeKinds asks for each kind whether this person may have it and whether one is already held.
func (a *application) judgeKinds() {
	if !a.issues() {
		a.judgeHeld()
		a.judgeHolder()
		return
	}
	eligible := a.kinds[:0:0]
	for _, k := range a.kinds {
		ruling := a.Switches.Eligible(a.eligibility(k))
		if (a.Factory || len(a.Kinds) == 0) && !ruling.Accepted() && len(a.kinds) > 1 && k == kindSign {
			a.ruling.Apply(ruling.Refused...)
			continue // the applicant did not ask for this kind, so it is left out rather than refused (law.md 2.2, 5.7)
		}
		a.ruling.Merge(ruling)
		a.judgeDouble(k)
		eligible = append(eligible, k)
	}
	a.kinds = eligible
	a.judgeRepresentative()
	if len(a.kinds) == 0 && a.ruling.Accepted() {
		a.ruling.Refuse(regime.NothingHeld)
	}
}

func (a *application) eligibility(k events.CertificateKind) regime.EligibilityIn {
	return regime.EligibilityIn{
		Regime: a.regime, Kind: lawKind(k), On: a.day, Applied: a.applied(), Office: a.Office, Person: a.Person, Clerk: a.Clerk,
		GrantedBy: a.GrantedBy, ByRepresentative: a.Channel == regime.ChannelRepresentative || a.Factory,
	}
}

// judgeHolder asks, for work on a My Number card that issues nothing, whether this is the municipality of residence and
// who sets the PINs. Revoking and returning skip both: nothing must stand in the way of ending a certificate.
func (a *application) judgeHolder() {
	if a.regime != regime.MyNumber {
		return
	}
	in := a.eligibility(kindAuth)
	switch a.Operation {
	case events.Operation_OPERATION_HAND_OVER, events.Operation_OPERATION_UNBLOCK:
		a.ruling.Merge(in.Residence())
		a.ruling.Merge(a.Switches.SetsPINs(in))
		a.judgeRepresentative()
	case events.Operation_OPERATION_CONTINUE_USE, events.Operation_OPERATION_EXTEND_CARD:
		a.ruling.Merge(in.Residence())
	}
}

// judgeRepresentative refuses a legal representative of somebody who can't have one, so that nobody evades the proxy's
// mandate and letter by claiming to be one.
func (a *application) judgeRepresentative() {
	if a.Channel == regime.ChannelRepresentative && !a.Factory {
		a.ruling.Merge(a.Switches.Represented(a.eligibility(kindAuth)))
	}
}

func (a *application) judgeDouble(k events.CertificateKind) {
	c := a.live(k)
	switch {
	case a.replacesEnding(k):
		a.ruling.Apply(regime.ReplacesEnding)
	case c != nil && a.replacesHeld():
		a.ruling.Apply(regime.FactoryReplaces)
	case c == nil, a.Operation == events.Operation_OPERATION_REISSUE, a.Operation == events.Operation_OPERATION_RENEW && c.Status == valid:
	case a.Operation == events.Operation_OPERATION_RENEW:
		a.ruling.Refuse(regime.NotYetRenewable)
	default:
		a.ruling.Refuse(regime.DoubleIssue)
	}
}

// replacesEnding reports whether an issue replaces a certificate that will end with a notified move.
func (a *application) replacesEnding(k events.CertificateKind) bool {
	c := a.live(k)
	return a.Operation == events.Operation_OPERATION_ISSUE && c.GetStatus() == valid && a.endsWithMove(k)
}

// endsWithMove reports whether certificates of the kind will end with a pending move, or may be reissued because use
// continues overseas (law.md 8.4, 8.5).
func (a *application) endsWithMove(k events.CertificateKind) bool {
	return slices.ContainsFunc(a.state.Deadlines, func(d *events.Deadline) bool {
		m, waits := pendingMove(d)
		return waits && (k == kindSign || m.keepUse)
	})
}

// judgeHeld refuses operations on certificates or cards that the applicant does not hold.
func (a *application) judgeHeld() {
	switch a.Operation {
	case events.Operation_OPERATION_REVOKE, events.Operation_OPERATION_UNBLOCK:
		held := slices.DeleteFunc(slices.Clone(a.kinds), func(k events.CertificateKind) bool { return a.live(k) == nil })
		if len(held) == 0 && !slices.Contains(a.ruling.Refused, regime.NoSuchKind) {
			a.ruling.Refuse(regime.NothingHeld)
		}
		a.kinds = held
	case events.Operation_OPERATION_CONTINUE_USE:
		a.judgeContinuedUse()
	case events.Operation_OPERATION_EXTEND_CARD:
		if a.state.Card.GetLastDay() == "" {
			a.ruling.Refuse(regime.NothingHeld)
		}
	case events.Operation_OPERATION_RETURN_CARD:
		if a.state.Card == nil {
			a.ruling.Refuse(regime.NothingHeld)
		}
	}
}

// judgeDocuments compares what was shown with what is required. If the channel requires a letter of inquiry and none
// was answered yet, the letter comes first, and the first visit needs only what makes somebody a proxy.
func (a *application) judgeDocuments() (letterFirst bool, err error) {
	if a.Factory {
		return false, nil
	}
	documents, err := a.Switches.Documents(regime.DocumentsIn{
		Regime: a.regime, Operation: a.lawOperation(), Channel: a.Channel, On: a.day, Shown: a.Shown,
		Letter: a.postedLetter(), Posted: day(a.letter().GetMailedOn()), PINsMatch: a.PINsMatch, NoCard: a.noCard(),
		OnFile: a.onFile(), Returned: a.Operation == events.Operation_OPERATION_RETURN_CARD,
		Moved: a.letter().GetVoid(), Ended: slices.ContainsFunc(a.kinds, a.hasLapsed),
		Overseas: a.Person.LivesOverseas(a.day), WithMove: a.state.MoveFiledOn == a.day.String(), Kinds: a.lawKinds(),
	})
	if err != nil {
		return false, err
	}
	a.documents = documents
	if documents.LetterFirst && a.letter() == nil {
		a.ruling.Apply(append(documents.Applied, documents.Because)...)
		a.ruling.Refuse(documents.Now...)
		return true, nil
	}
	a.ruling.Merge(documents.Ruling)
	return false, nil
}

// hasLapsed reports whether a certificate of the kind was held and has expired.
func (a *application) hasLapsed(k events.CertificateKind) bool {
	return a.live(k) == nil && a.lapsed(k) != nil
}

func (a *application) lawKinds() []regime.Kind {
	var list []regime.Kind
	for _, k := range a.kinds {
		list = append(list, lawKind(k))
	}
	return list
}

// noCard reports whether no former card can be shown: it was lost or destroyed, or there has been none.
func (a *application) noCard() bool {
	return a.NoCard || a.newCard && a.regime == regime.MyNumber && a.Operation != events.Operation_OPERATION_RENEW
}

// letter returns this procedure's open letter of inquiry, posted or not, or nil.
func (a *application) letter() *events.Letter {
	for _, l := range a.state.Letters {
		if l.Procedure == a.Procedure {
			return l
		}
	}
	return nil
}

// onFile returns the documents that the office kept when the letter of inquiry became due.
func (a *application) onFile() []regime.Document {
	var papers []regime.Document
	for _, paper := range a.letter().GetDocuments() {
		papers = append(papers, regime.Document(paper))
	}
	return papers
}

// postedLetter returns the id of the letter of inquiry posted for this procedure, or "".
func (a *application) postedLetter() string {
	if l := a.letter(); l.GetMailed() {
		return l.Id
	}
	return ""
}

// judgeFee sets the fee. A factory's card is priced when it is made and paid for when it is handed over.
func (a *application) judgeFee() {
	if fee := a.state.Card.GetFee(); a.Operation == events.Operation_OPERATION_HAND_OVER && len(fee) > 0 {
		for _, item := range fee {
			a.fee.Items = append(a.fee.Items, regime.FeeItem{Rule: item.RuleId, Yen: int(item.Yen)})
			a.ruling.Apply(item.RuleId)
		}
		return
	}
	replaced := a.newCard && a.regime == regime.MyNumber
	a.fee = a.Switches.Fee(regime.FeeIn{
		Regime: a.regime, Operation: a.lawOperation(), Cause: a.cause(), On: a.applied(), Express: a.Express,
		Card: replaced, Certificates: a.issues(), Left: cmp.Or(day(a.state.LeftOn), a.Person.Overseas),
	})
	if a.Factory {
		return // named when it is collected
	}
	a.ruling.Merge(a.fee.Ruling)
	if a.issues() {
		a.ruling.Apply(regime.Usable(a.regime, a.cause())...)
	}
}

// cause returns why something is issued: what the clerk said or, failing that, what the state tells.
func (a *application) cause() regime.Cause {
	if a.Cause != "" {
		return a.Cause
	}
	switch {
	case a.newCard && a.state.Card.GetCause() == string(regime.EvOverseas):
		return regime.CauseOverseas
	case a.Operation == events.Operation_OPERATION_RENEW && a.allLapsed():
		return regime.CauseExpired
	case a.Operation == events.Operation_OPERATION_RENEW:
		return regime.CauseRenewal
	case (a.Operation == events.Operation_OPERATION_REISSUE || a.Factory) && a.state.Card.GetStatus() == events.CardStatus_CARD_STATUS_SUSPENDED:
		return regime.CauseLoss
	case a.replacesHeld() && !a.allLapsed():
		return regime.CauseRenewal
	case a.Operation == events.Operation_OPERATION_REISSUE && (a.newCard || !a.allLapsed()):
		return regime.CauseWish
	case slices.ContainsFunc(a.kinds, a.replacesEnding):
		return regime.CauseRecordChange
	}
	return a.causeOfEnd()
}

// allLapsed reports whether no certificate of the application's kinds is in force, so that it is a new issue.
func (a *application) allLapsed() bool {
	return !slices.ContainsFunc(a.kinds, func(k events.CertificateKind) bool { return a.live(k) != nil })
}

// causeOfEnd returns how the applicant's most recent certificate of the application's kinds ended.
func (a *application) causeOfEnd() regime.Cause {
	var latest *events.Certificate
	for _, c := range onCards(a.state) {
		if c.Regime != logRegime(a.regime) || !slices.Contains(a.kinds, c.Kind) || c.Status == abandoned {
			continue
		}
		if a.isLapsed(c) && !hasEnded(c) {
			return regime.CauseExpired // expiry takes effect without a record
		}
		if hasEnded(c) && c.EndedMs >= latest.GetEndedMs() {
			latest = c
		}
	}
	switch {
	case latest == nil:
		return regime.CauseFirst
	case latest.Status == expired:
		return regime.CauseExpired
	}
	switch latest.Reason {
	case events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED:
		if regime.Event(latest.Cause) == regime.EvCertificateError {
			return regime.CauseError
		}
		return regime.CauseRecordChange
	case events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE:
		return regime.CauseLoss
	case events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED, events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE:
		return regime.CauseFault
	}
	return regime.CauseWish
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
	case regime.ChannelHousehold:
		return events.Channel_CHANNEL_HOUSEHOLD
	default:
		return events.Channel_CHANNEL_SELF
	}
}

// LawChannel returns the channel by which the document lists go, from what the clerk chose and what was shown.
func LawChannel(c events.Channel, shown []regime.Shown, noticeAnswer bool) (regime.Channel, error) {
	switch c {
	case events.Channel_CHANNEL_PROXY:
		if noticeAnswer {
			return regime.ChannelNotice, nil
		}
		return regime.ChannelProxy, nil
	case events.Channel_CHANNEL_LEGAL_REPRESENTATIVE:
		return regime.ChannelRepresentative, nil
	case events.Channel_CHANNEL_HOUSEHOLD:
		return regime.ChannelHousehold, nil
	case events.Channel_CHANNEL_SELF:
		if slices.ContainsFunc(shown, identifies) {
			return regime.ChannelSelf, nil
		}
		return regime.ChannelSelfNoPhoto, nil
	}
	return "", fmt.Errorf("unknown channel %v", c)
}

// identifies reports whether a document counts as a photo ID here. A card with the current address does; the regime's
// document list has the last word.
func identifies(s regime.Shown) bool {
	return s.Document == regime.DocPhotoID || s.Document == regime.DocCard && s.AddressCurrent
}
