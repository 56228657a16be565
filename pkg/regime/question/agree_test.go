package question

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

// asked is one application, as `shomei rules apply` is asked about it and as a counter files it.
type asked struct {
	day      civil.Date
	op       regime.Operation
	juki     bool
	newCard  bool // another card than the one held, or the first
	holds    bool // a card
	kinds    []regime.Kind
	channel  regime.Channel
	shown    []regime.Shown
	person   regime.Person
	letter   string
	posted   civil.Date
	moved    bool
	withMove bool
	leaving  Leaving
	pins     bool
	granted  string
	cause    regime.Cause
	express  bool
	returned bool
	sign     civil.Date // last days of what is held
	auth     civil.Date
	cardLast civil.Date
}

// answered is what comes of it, as far as all three can tell.
type answered struct {
	Accepted, Letter bool
	Yen              int
	Last             map[regime.Kind]string
	Refused          []string
}

func (a answered) verdict() string {
	switch {
	case a.Accepted:
		return "accepted"
	case a.Letter:
		return "letter"
	}
	return "refused"
}

func (a answered) String() string {
	switch {
	case a.Letter:
		return "a letter first"
	case !a.Accepted:
		return "refused by " + strings.Join(a.Refused, " ")
	}
	return fmt.Sprintf("accepted, %d yen, sign %q auth %q", a.Yen, a.Last[regime.Sign], a.Last[regime.Auth])
}

// dice draws applications that are near to something: a birthday, a window, an end, a day on which the law changes.
type dice struct{ *rand.Rand }

func one[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func (d dice) often() bool  { return d.IntN(20) > 0 }
func (d dice) seldom() bool { return d.IntN(25) == 0 }

// near gives a day close to another.
func (d dice) near(day civil.Date) civil.Date { return day.AddDays(d.IntN(5) - 2) }

var turns = []civil.Date{
	civil.New(2004, 1, 29), civil.New(2013, 7, 8), civil.New(2015, 12, 22), civil.New(2016, 1, 4), civil.New(2018, 12, 21),
	civil.New(2022, 4, 1),
	civil.New(2024, 5, 27), civil.New(2024, 12, 2),
}

func (d dice) application() asked {
	var a asked
	a.juki = d.IntN(4) == 0
	first, last := civil.New(2016, 1, 4), civil.New(2030, 12, 28)
	if a.juki {
		first, last = regime.JukiFirstDay, civil.New(2018, 12, 28)
	}
	span := int(last.StartInstant().Sub(first.StartInstant()) / (24 * time.Hour))
	a.day = first.AddDays(d.IntN(span))
	if d.seldom() {
		if near := d.near(one(d, turns...)); !near.Before(first) && !near.After(last) {
			a.day = near
		}
	}
	a.day, _ = civil.Office{}.NextOpenDay(regime.OpNew, a.day)
	d.whoAndWhat(&a)
	d.held(&a)
	d.papers(&a)
	return a
}

func (d dice) whoAndWhat(a *asked) {
	a.op = one(d, regime.OpNew, regime.OpRenew, regime.OpReissue, regime.OpRevoke, regime.OpUnblock)
	a.kinds = one(d, nil, []regime.Kind{regime.Sign}, []regime.Kind{regime.Auth}, []regime.Kind{regime.Auth, regime.Sign})
	if a.juki {
		a.kinds = one(d, nil, []regime.Kind{regime.Sign}, []regime.Kind{regime.Sign})
	}
	birthday := d.near(a.day)
	if d.often() {
		birthday = a.day.AddDays(-d.IntN(366))
	}
	if birthday.After(a.day) {
		birthday = birthday.AddYearsClamped(-1)
	}
	a.person = regime.Person{
		BirthDate: birthday.AddYearsClamped(-one(d, 10, 14, 15, 16, 18, 19, 20, 40, 70)), Registered: d.often(), Municipality: one(d,
			"12237", "12237", "12237", "12237", "12237", "12237", "12237", "12213"),
		AdultWard: d.seldom(), Foreign: d.seldom(),
	}
	if a.person.Foreign && d.IntN(2) == 0 {
		a.person.StayUntil, a.person.StayPending = a.day.AddDays(d.IntN(800)-70), d.IntN(3) == 0
	}
	if d.seldom() {
		a.person.Overseas = a.day.AddDays(-d.IntN(300))
	}
	a.cause = one[regime.Cause](d, "", "", "", "", regime.CauseLoss, regime.CauseDamage, regime.CauseWish, regime.CauseFault)
	a.express = !a.juki && d.seldom()
}

// held draws card and certificates in hand.
func (d dice) held(a *asked) {
	a.holds = d.IntN(8) > 0
	a.returned = a.holds && a.op == regime.OpRevoke && d.seldom()
	if !a.holds {
		a.newCard = a.op == regime.OpNew || a.op == regime.OpReissue || a.op == regime.OpRenew
		return
	}
	a.newCard = (a.op == regime.OpReissue || a.op == regime.OpRenew) && d.IntN(3) == 0
	lasts := func() civil.Date {
		switch d.IntN(6) {
		case 0:
			return civil.Date{}
		case 1:
			return d.near(a.day)
		case 2:
			return d.near(a.day.AddMonthsClamped(3))
		case 3:
			return d.near(a.day.AddMonthsClamped(12))
		}
		return a.day.AddDays(d.IntN(1500) - 200)
	}
	a.sign = lasts()
	if a.juki {
		return
	}
	a.auth = lasts()
	a.cardLast = a.day.AddDays(d.IntN(3000))
	for _, end := range []*civil.Date{&a.auth, &a.sign} { // nothing outlives the card, and no signature certificate the other
		if end.After(a.cardLast) {
			*end = a.cardLast
		}
	}
	if a.sign.After(a.auth) && !a.auth.IsZero() {
		a.sign = a.auth
	}
	if d.seldom() && a.person.Overseas.IsZero() {
		a.leaving = one(d, LeavingHome, LeavingOverseas, LeavingContinued)
	}
}

// papers draws who comes and what they show: mostly what is asked for.
func (d dice) papers(a *asked) {
	a.channel = one(d, regime.ChannelSelf, regime.ChannelSelf, regime.ChannelSelf, regime.ChannelSelfNoPhoto, regime.ChannelProxy,
		regime.ChannelRepresentative, regime.ChannelNotice, regime.ChannelHousehold)
	if a.juki && (a.channel == regime.ChannelNotice || a.channel == regime.ChannelHousehold) {
		a.channel = regime.ChannelProxy
	}
	a.pins, a.withMove = d.often(), d.often()
	if d.seldom() {
		a.granted = one(d, "clerk-1", "clerk-2")
	}
	if d.IntN(2) == 0 {
		a.letter, a.posted, a.moved = "letter-1", a.day.AddDays(-d.IntN(40)), d.seldom()
	}
	for _, document := range []regime.Document{
		regime.DocForm, regime.DocCard, regime.DocPhotoID, regime.DocOtherID, regime.DocInquiryAnswer, regime.DocMandate,
		regime.DocSealedMandate,
		regime.DocSealCertificate, regime.DocProxyPhotoID, regime.DocRepresentation, regime.DocNoticeAnswer,
	} {
		if d.IntN(40) == 0 || document == regime.DocPhotoID && a.channel != regime.ChannelSelf {
			continue
		}
		s := regime.Shown{Document: document}
		switch document {
		case regime.DocPhotoID:
			s.AddressCurrent = d.often()
		case regime.DocCard:
			s.AddressCurrent = a.channel == regime.ChannelSelf && d.seldom()
		case regime.DocInquiryAnswer:
			s.Letter = one(d, "letter-1", "letter-1", "letter-1", "letter-1", "another")
		case regime.DocMandate:
			s.RegisteredSeal = d.often()
		}
		a.shown = append(a.shown, s)
	}
}

// switches draws how the law is read.
func (d dice) switches() regime.Switches {
	return regime.Switches{
		LeapBirthdayOnMarch1: d.seldom(), WindowForwards: d.seldom(), BirthdayOfIssueCounts: d.seldom(), EndFeeWaiver: d.seldom(),
		JukiWindowMonths: one(d, 0, 0, 0, 3), NoSpecialCircumstances: d.seldom(), ProxyNeedsSeal: d.seldom(),
		RefuseGainlessRenewal: d.seldom(),
		LetterDays:            one(d, 0, 0, 14, 30),
	}
}

func (a asked) law() regime.Regime {
	if a.juki {
		return regime.Juki
	}
	return regime.MyNumber
}

func (a asked) noCard() bool { return a.newCard && !a.juki && a.op != regime.OpRenew }

// line is the question as `shomei rules apply` reads it.
func (a asked) line() string {
	person := map[string]any{
		"birth_date": a.person.BirthDate, "registered": a.person.Registered, "municipality": a.person.Municipality, "adult_ward": a.person.AdultWard,
		"foreign": a.person.Foreign, "stay_pending": a.person.StayPending,
	}
	line := map[string]any{
		"regime": a.law(), "operation": a.op, "at": a.day.At(civil.Clock(10, 0)), "office": map[string]string{"municipality": "12237"}, "person": person,
		"channel": a.channel, "shown": a.shown, "letter_moved": a.moved, "with_move": a.withMove, "pins_match": a.pins, "no_card": a.noCard(),
		"returned": a.returned, "clerk": "clerk-1", "card": a.newCard && !a.juki, "express": a.express,
	}
	for name, text := range map[string]string{
		"letter": a.letter, "leaving": string(a.leaving), "granted_by": a.granted, "cause": string(a.cause), "letter_posted": a.posted.String(),
		"sign_last_day": a.sign.String(), "auth_last_day": a.auth.String(), "card_last_day": a.cardLast.String(),
	} {
		if text != "" {
			line[name] = text
		}
	}
	for name, day := range map[string]civil.Date{"stay_until": a.person.StayUntil, "overseas": a.person.Overseas} {
		if !day.IsZero() {
			person[name] = day
		}
	}
	if a.kinds != nil {
		line["kinds"] = a.kinds
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// byQuestion asks `shomei rules apply`.
func byQuestion(t *testing.T, s regime.Switches, line string) answered {
	t.Helper()
	var out bytes.Buffer
	if _, err := Answer(s, "apply", strings.NewReader(line), &out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Accepted    bool
		LetterFirst bool `json:"letter_first"`
		Fee         struct{ Yen int }
		Refused     []struct{ Rule string }
		Alternative bool
		Validity    []struct {
			Kind    regime.Kind
			LastDay string `json:"last_day"`
		}
		Error json.RawMessage
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if read.Error != nil {
		t.Fatalf("%s\n%s", line, out.String())
	}
	got := answered{Accepted: read.Accepted, Letter: read.LetterFirst, Yen: read.Fee.Yen, Last: map[regime.Kind]string{}}
	for _, r := range read.Refused {
		got.Refused = append(got.Refused, r.Rule)
	}
	for _, v := range read.Validity {
		got.Last[v.Kind] = v.LastDay
	}
	return got
}

// state is what the log tells of the person before they come.
func (a asked) state() *events.SubscriberState {
	s := &events.SubscriberState{Municipality: a.person.Municipality}
	kind, law := events.CardKind_CARD_KIND_MYNUMBER, events.Regime_REGIME_MYNUMBER
	if a.juki {
		kind, law = events.CardKind_CARD_KIND_JUKI, events.Regime_REGIME_JUKI
	}
	if a.holds {
		s.Card = &events.HeldCard{Card: "card-1", Kind: kind, Status: events.CardStatus_CARD_STATUS_HELD, LastDay: a.cardLast.String()}
	}
	for i, last := range []civil.Date{a.auth, a.sign} {
		if !last.IsZero() {
			s.Certificates = append(s.Certificates, &events.Certificate{
				Serial: uint64(i + 1), Kind: inLog[[]regime.Kind{regime.Auth, regime.Sign}[i]], Regime: law,
				Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, LastDay: last.String(), Carrier: events.CarrierOf("card-1", "", 0),
			})
		}
	}
	if a.letter != "" {
		s.Letters = []*events.Letter{{Id: a.letter, Procedure: "procedure-1", Mailed: true, MailedOn: a.posted.String(), Void: a.moved}}
	}
	if a.withMove {
		s.MoveFiledOn = a.day.String()
	}
	if waits, ok := map[Leaving]events.DeadlineKind{
		LeavingHome: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT, LeavingOverseas: events.DeadlineKind_DEADLINE_KIND_OVERSEAS,
		LeavingContinued: events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT,
	}[a.leaving]; ok {
		s.Deadlines = []*events.Deadline{{Kind: waits, LastDay: a.day.AddDays(3).String()}}
		s.Continued = a.leaving == LeavingContinued
	}
	return s
}

// byCounter files the application.
func byCounter(t *testing.T, s regime.Switches, a asked) answered {
	t.Helper()
	at := a.day.At(civil.Clock(10, 0))
	c := lifecycle.Apply{
		Procedure: "procedure-1", Channel: a.channel, Shown: a.shown, Card: "card-1",
		CardKind: events.CardKind_CARD_KIND_MYNUMBER, Clerk: "clerk-1",
		GrantedBy: a.granted, Office: regime.Office{Municipality: "12237"}, Person: a.person, Filed: at, Switches: s, PINsMatch: a.pins,
		Cause: a.cause, Express: a.express, Letter: "letter-2",
	}
	c.Operation = counterOperations[a.op]
	if a.returned {
		c.Operation = events.Operation_OPERATION_RETURN_CARD
	}
	if a.juki {
		c.CardKind = events.CardKind_CARD_KIND_JUKI
	}
	if a.newCard {
		c.Card = "card-2"
	}
	for _, k := range a.kinds {
		c.Kinds = append(c.Kinds, inLog[k])
	}
	decided, err := lifecycle.Decide(a.state(), c, at)
	if err != nil {
		t.Fatalf("%s: %v", a.line(), err)
	}
	got := answered{Last: map[regime.Kind]string{}, Letter: holds(decided, (*events.Event).GetInquiryLetterDue) != nil}
	if accepted := holds(decided, (*events.Event).GetApplicationAccepted); accepted != nil {
		got.Accepted = true
		for _, item := range accepted.Fee {
			got.Yen += int(item.Yen)
		}
		for _, p := range accepted.Planned {
			got.Last[lawKind(p.Kind)] = p.LastDay
		}
	}
	if refused := holds(decided, (*events.Event).GetApplicationRefused); refused != nil {
		got.Refused = refused.Refusals
	}
	return got
}

// holds gives the first event of a kind; nil when there is none.
func holds[T any](decided []*events.Event, of func(*events.Event) *T) *T {
	for _, e := range decided {
		if body := of(e); body != nil {
			return body
		}
	}
	return nil
}

func lawKind(kind events.CertificateKind) regime.Kind {
	if kind == inLog[regime.Auth] {
		return regime.Auth
	}
	return regime.Sign
}

// TestThreeAnswerAlike asks `shomei rules apply`, the counter and a naive reading of law.md the same questions.
func TestThreeAnswerAlike(t *testing.T) {
	seed := uint64(rand.Int64())
	if set := os.Getenv("SHOMEI_SEED"); set != "" {
		seed, _ = strconv.ParseUint(set, 10, 64)
	}
	t.Logf("seed %d (SHOMEI_SEED)", seed)
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	seen := map[string]int{}
	for range 5000 {
		s, a := d.switches(), d.application()
		line := a.line()
		rules, counter, naive := byQuestion(t, s, line), byCounter(t, s, a), byHand(s, a)
		slices.Sort(rules.Refused)
		slices.Sort(counter.Refused)
		seen[string(a.op)+" "+counter.verdict()]++
		if rules.String() != counter.String() {
			t.Errorf("%s\n%+v\n  rules:   %s\n  counter: %s", line, s, rules, counter)
		}
		if naive.Refused = counter.Refused; naive.String() != counter.String() {
			t.Errorf("%s\n%+v\n  by hand: %s\n  counter: %s", line, s, naive, counter)
		}
		if t.Failed() && seen["failed"] > 2 {
			t.Fatal("and so on")
		} else if t.Failed() {
			seen["failed"]++
		}
	}
	for _, op := range []regime.Operation{regime.OpNew, regime.OpRenew, regime.OpReissue, regime.OpRevoke, regime.OpUnblock} {
		for _, verdict := range []string{"accepted", "letter", "refused"} {
			if seen[string(op)+" "+verdict] == 0 {
				t.Errorf("no question was %s: %s", op, verdict)
			}
		}
	}
	t.Log(seen)
}
