package question

import (
	"cmp"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

type missingAnswer struct {
	Document regime.Document `json:"document"`
	sentence
}

type kindAnswer struct {
	Kind regime.Kind `json:"kind"`
	validityAnswer
}

type applyAnswer struct {
	Accepted    bool            `json:"accepted"`
	Regime      regime.Regime   `json:"regime,omitempty"`
	Refused     []sentence      `json:"refused,omitempty"`
	Missing     []missingAnswer `json:"missing,omitempty"`
	SameDay     bool            `json:"same_day"`
	LetterFirst bool            `json:"letter_first,omitempty"`
	Fee         *regime.Fee     `json:"fee,omitempty"`
	Card        *validityAnswer `json:"card,omitempty"`
	Validity    []kindAnswer    `json:"validity,omitempty"`
	Alternative bool            `json:"alternative,omitempty"`
	NextOpening time.Time       `json:"next_opening,omitzero"`
	Rules       []regime.ID     `json:"rules"`
}

// askedApply is a line of the question apply.
type askedApply struct {
	Regime    regime.Regime    `json:"regime"`
	Operation regime.Operation `json:"operation"`
	Kinds     []regime.Kind    `json:"kinds"`
	At        time.Time        `json:"at"`
	Office    regime.Office    `json:"office"`
	Person    askedPerson      `json:"person"`
	Channel   regime.Channel   `json:"channel"`
	Shown     []regime.Shown   `json:"shown"`
	Letter    string           `json:"letter"`
	Posted    civil.Date       `json:"letter_posted"`
	Moved     bool             `json:"letter_moved"`
	WithMove  bool             `json:"with_move"`
	Leaving   Leaving          `json:"leaving"`
	Left      civil.Date       `json:"left_on"`
	PINsMatch bool             `json:"pins_match"`
	NoCard    bool             `json:"no_card"`
	Returned  bool             `json:"returned"`
	Clerk     string           `json:"clerk"`
	GrantedBy string           `json:"granted_by"`
	Cause     regime.Cause     `json:"cause"`
	Card      bool             `json:"card"`
	Express   bool             `json:"express"`

	SignLastDay civil.Date `json:"sign_last_day"`
	AuthLastDay civil.Date `json:"auth_last_day"`
	CardLastDay civil.Date `json:"card_last_day"`
}

// askedPerson is a person whose birth date may be known in part.
type askedPerson struct {
	regime.Person
	BirthDate civil.PartialDate `json:"birth_date"`
}

// Leaving is a move out that was filed and whose day has not come.
type Leaving string

const (
	LeavingHome      Leaving = "within-japan"  // to another municipality
	LeavingOverseas  Leaving = "overseas"      // overseas, without continued use
	LeavingContinued Leaving = "continued-use" // overseas, with continued use
)

func answerApply(s regime.Switches, in askedApply) (any, error) {
	if err := checkOperation(in.Operation, in.Office); err != nil {
		return nil, err
	}
	if in.At.IsZero() {
		return nil, regime.Missing("at")
	}
	in.Person.Person.BirthDate = in.Person.BirthDate.Latest()
	judged, err := in.judge(s)
	if err != nil {
		return nil, err
	}
	return decided(in.Regime, judged), nil
}

// judge judges the application. The regime, if none is named, is the one that governs on the day.
func (in *askedApply) judge(s regime.Switches) (out lifecycle.Judgement, err error) {
	if in.Regime == "" {
		var closed regime.Receipt
		if in.Regime, closed = in.Office.ReceivesGoverned(in.Operation, in.At); in.Regime == "" {
			return lifecycle.Judgement{Ruling: closed.Ruling, Next: closed.Next}, nil
		}
	}
	if in.operation() == events.Operation_OPERATION_UNSPECIFIED {
		return in.received(s)
	}
	if err := in.check(); err != nil {
		return out, err
	}
	if out, err = lifecycle.Judge(in.state(), in.application(s)); err != nil {
		return out, err
	}
	if in.stayCaps() {
		out.Apply(regime.StayCap)
	}
	return out, nil
}

// received judges what is filed without certificates of its own (a card, its hand-over, a notification, a report by
// telephone): whether it is accepted, from whom, with which papers, for how much.
func (in askedApply) received(s regime.Switches) (lifecycle.Judgement, error) {
	receipt := in.Office.Receives(in.Regime, in.Operation, in.At)
	out := lifecycle.Judgement{Ruling: receipt.Ruling, Next: receipt.Next}
	if !regime.Allows(in.Regime, in.Operation, in.day()).Accepted() {
		return out, nil // what the law does not have on that day has no papers and no fee
	}
	if err := in.checkBirth(); err != nil {
		return out, err
	}
	out.Merge(in.ofHolder(s))
	documents, err := s.Documents(regime.DocumentsIn{
		Regime: in.Regime, Operation: in.Operation, Channel: in.way(), On: in.day(), Shown: in.Shown, Letter: in.Letter,
		Posted: in.Posted, Moved: in.Moved, WithMove: in.WithMove, PINsMatch: in.PINsMatch, NoCard: in.NoCard,
	})
	if err != nil {
		return out, err
	}
	documents.LetterFirst = documents.LetterFirst && in.Letter == ""
	fee := s.Fee(regime.FeeIn{
		Regime: in.Regime, Operation: in.Operation, Cause: in.causeOfCard(), On: in.day(), Card: in.Card, Certificates: true,
		Express: in.Express,
		Left:    cmp.Or(in.Left, in.Person.Overseas),
	})
	out.Documents, out.Fee = documents, fee
	out.Merge(documents.Ruling)
	out.Merge(fee.Ruling)
	return out, nil
}

// ofHolder judges, as the counter does when a My Number card is handed over, whether this office serves the holder and
// who sets the PINs.
func (in askedApply) ofHolder(s regime.Switches) (ruling regime.Ruling) {
	if in.Operation != regime.OpCard && in.Operation != regime.OpHandOver {
		return ruling
	}
	holder := regime.EligibilityIn{
		Regime: in.Regime, On: in.day(), Office: in.Office, Person: in.Person.Person, Clerk: in.Clerk,
		GrantedBy: in.GrantedBy, ByRepresentative: in.way() == regime.ChannelRepresentative,
	}
	ruling.Merge(holder.Residence())
	ruling.Merge(s.SetsPINs(holder))
	ruling.Merge(s.Represented(holder))
	return ruling
}

// causeOfCard returns why a card is applied for: what the line says, otherwise that the former one has expired, or that
// it is the first.
func (in askedApply) causeOfCard() regime.Cause {
	over := func(last civil.Date) bool { return !last.IsZero() && in.day().After(last) }
	switch {
	case in.Cause != "":
		return in.Cause
	case over(in.SignLastDay), over(in.AuthLastDay):
		return regime.CauseExpired
	}
	return regime.CauseFirst
}

// check rejects a missing or impossible value without which the application can't be judged.
func (in askedApply) check() error {
	if in.issues() && in.Regime == regime.Juki && in.Express {
		return regime.ExpressNotYet("express")
	}
	return in.checkBirth()
}

func (in askedApply) checkBirth() error {
	needed := in.issues() || in.Operation == regime.OpCard || in.Operation == regime.OpHandOver
	switch {
	case needed && in.Person.Person.BirthDate.IsZero():
		return regime.Missing("person.birth_date")
	case in.Person.Person.BirthDate.After(in.day()):
		return regime.BornLater("person.birth_date")
	}
	return nil
}

func (in askedApply) issues() bool { return regime.HandlingOf(in.operation()).Issues }

func (in askedApply) day() civil.Date { return civil.Of(in.At) }

func (in askedApply) way() regime.Channel { return cmp.Or(in.Channel, regime.ChannelSelf) }

// operation returns what a counter files; unspecified if it is not an application.
func (in askedApply) operation() events.Operation {
	switch {
	case in.Returned && in.Operation == regime.OpRevoke:
		return events.Operation_OPERATION_RETURN_CARD
	default:
		return counterOperations[in.Operation]
	}
}

var counterOperations = map[regime.Operation]events.Operation{
	regime.OpNew: events.Operation_OPERATION_ISSUE, regime.OpRenew: events.Operation_OPERATION_RENEW,
	regime.OpReissue: events.Operation_OPERATION_REISSUE,
	regime.OpRevoke:  events.Operation_OPERATION_REVOKE, regime.OpUnblock: events.Operation_OPERATION_UNBLOCK,
}

// What the person has is given without numbers; these stand for them.
const (
	cardHeld, cardNew = "held", "new"
	filed             = "filed" // the application
)

// application returns what a counter would file.
func (in askedApply) application(s regime.Switches) lifecycle.Apply {
	a := lifecycle.Apply{
		Procedure: filed, Operation: in.operation(), Channel: in.way(), Shown: in.Shown, Card: cardHeld,
		CardKind: in.cardKind(), Clerk: in.Clerk,
		GrantedBy: in.GrantedBy, Office: in.Office, Person: in.Person.Person, Filed: in.At, Switches: s,
		PINsMatch: in.PINsMatch, NoCard: in.NoCard,
		Cause: in.Cause, Express: in.Express,
	}
	if in.Card && in.issues() { // nothing else replaces the card that is held
		a.Card = cardNew
	}
	for _, kind := range in.Kinds {
		a.Kinds = append(a.Kinds, inLog[kind])
	}
	return a
}

func (in askedApply) cardKind() events.CardKind {
	if in.Regime == regime.Juki {
		return events.CardKind_CARD_KIND_JUKI
	}
	return events.CardKind_CARD_KIND_MYNUMBER
}

// state returns what the log would say about the person.
func (in askedApply) state() *events.SubscriberState {
	s := &events.SubscriberState{Municipality: in.Person.Municipality, LeftOn: in.Left.String()}
	if !in.Card || in.Operation != regime.OpNew {
		s.Card = &events.HeldCard{
			Card: cardHeld, Kind: in.cardKind(), Status: events.CardStatus_CARD_STATUS_HELD, LastDay: in.cardLastDay().String(),
		}
	}
	for kind, last := range map[regime.Kind]civil.Date{regime.Auth: in.AuthLastDay, regime.Sign: in.SignLastDay} {
		if !last.IsZero() {
			s.Certificates = append(s.Certificates, in.certificate(kind, last))
		}
	}
	if in.Letter != "" {
		s.Letters = []*events.Letter{{Id: in.Letter, Procedure: filed, Mailed: true, MailedOn: in.Posted.String(), Void: in.Moved}}
	}
	if in.WithMove {
		s.MoveFiledOn = in.day().String()
	}
	if waits, ok := leavings[in.Leaving]; ok {
		s.Deadlines = []*events.Deadline{{Kind: waits, LastDay: in.day().AddDays(1).String()}}
		s.Continued = in.Leaving == LeavingContinued
	}
	return s
}

func (in askedApply) certificate(kind regime.Kind, last civil.Date) *events.Certificate {
	c := &events.Certificate{
		Serial: uint64(inLog[kind]), Kind: inLog[kind], Regime: events.Regime_REGIME_MYNUMBER,
		Status:  events.CertificateStatus_CERTIFICATE_STATUS_VALID,
		LastDay: last.String(), Carrier: events.CarrierOf(cardHeld, "", 0),
	}
	if in.Regime == regime.Juki {
		c.Regime = events.Regime_REGIME_JUKI
	}
	return c
}

var inLog = map[regime.Kind]events.CertificateKind{
	regime.Sign: events.CertificateKind_CERTIFICATE_KIND_SIGN, regime.Auth: events.CertificateKind_CERTIFICATE_KIND_AUTH,
}

var leavings = map[Leaving]events.DeadlineKind{
	LeavingHome: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT, LeavingOverseas: events.DeadlineKind_DEADLINE_KIND_OVERSEAS,
	LeavingContinued: events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT,
}

// stayCaps reports whether the card's end is missing and follows from the period of stay.
func (in askedApply) stayCaps() bool {
	return in.Regime == regime.MyNumber && in.issues() && !in.Card && in.CardLastDay.IsZero() && !in.Person.StayUntil.IsZero()
}

func (in askedApply) cardLastDay() civil.Date {
	if in.stayCaps() {
		return in.Person.StayUntil
	}
	return in.CardLastDay
}

// decided formats a judgement for the answer's line.
func decided(under regime.Regime, j lifecycle.Judgement) applyAnswer {
	out := applyAnswer{
		Accepted: j.Accepted(), Regime: under, Refused: sentences(j.Refused), SameDay: j.Documents.SameDay,
		LetterFirst: j.Documents.LetterFirst, Alternative: j.Alternative, NextOpening: j.Next, Rules: once(j.Rules()),
	}
	for _, m := range j.Documents.Missing {
		out.Missing = append(out.Missing, missingAnswer{m.Document, sentenceOf(m.Rule)})
	}
	if len(j.Fee.Items) > 0 {
		out.Fee = &j.Fee
	}
	if j.Card != nil {
		card := answerOf(*j.Card)
		out.Card = &card
	}
	for _, t := range j.Terms {
		out.Validity = append(out.Validity, kindAnswer{t.Kind, answerOf(t.Validity)})
	}
	return out
}
