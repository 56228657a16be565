package lifecycle

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/regime"
)

// withLetter is what a person without photo ID brings on the second visit.
func withLetter(letter string) func(*Apply) {
	return func(a *Apply) {
		a.Shown = []regime.Shown{{Document: regime.DocForm}, {Document: regime.DocCard}, {Document: regime.DocOtherID}}
		if letter != "" {
			a.Shown = append(a.Shown, regime.Shown{Document: regime.DocInquiryAnswer, Letter: letter})
		}
	}
}

func sameProcedure(id string) func(*Apply) { return func(a *Apply) { a.Procedure = id } }

func TestLetterOfInquiry(t *testing.T) {
	p := newPlayer(t, "2012-12-03 10:00")
	noPhoto := channel(regime.ChannelSelfNoPhoto)
	due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, juki, noPhoto, withLetter(""))))
	if due == nil || p.state.Open() != nil {
		t.Fatalf("the first visit did more than post a letter: %v", p.state)
	}
	same := sameProcedure(due.Procedure)
	p.refused("juki.documents.letter-first", opIssue, juki, noPhoto, withLetter(due.Letter), same) // not posted yet
	equal(t, "posted", names(p.do(RecordLetterMailed{Letter: due.Letter})), []string{"InquiryLetterMailed"})
	equal(t, "posted again", len(p.do(RecordLetterMailed{Letter: due.Letter})), 0)
	p.refused("juki.documents.not-same-day", opIssue, juki, noPhoto, withLetter(due.Letter), same) // it can't have come yet
	p.at("2012-12-10 10:00")
	p.refused("juki.documents.inquiry-answer-other", opIssue, juki, noPhoto, withLetter("another"), same)
	p.apply(opIssue, juki, noPhoto, withLetter(due.Letter), same)
	equal(t, "letters", len(p.state.Letters), 0)
}

// The number of the letter comes from the command, so nobody can work it out from what a counter knows.
func TestLetterNumberComesFromTheCommand(t *testing.T) {
	p := newPlayer(t, "2012-12-03 10:00")
	noPhoto := channel(regime.ChannelSelfNoPhoto)
	unnumbered := func(a *Apply) { a.Letter = "" }
	if _, err := Decide(p.state, p.application(opIssue, juki, noPhoto, withLetter(""), unnumbered), p.now); err == nil {
		t.Error("a letter without a number is due")
	}
	due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, juki, noPhoto, withLetter(""), func(a *Apply) { a.Letter = "drawn" })))
	equal(t, "the number", due.GetLetter(), "drawn")
}

// The fifth wrong number voids the letter, and then the right one is refused, too.
func TestFifthWrongNumberVoidsTheLetter(t *testing.T) {
	for _, law := range []struct {
		change      func(*Apply)
		at, later   string
		other, none string
	}{
		{juki, "2012-12-03 10:00", "2012-12-10 10:00", "juki.documents.inquiry-answer-other", "juki.documents.not-same-day"},
		{func(*Apply) {}, "2024-12-02 10:00", "2024-12-09 10:00", "mynumber.documents.inquiry-answer-other", "mynumber.documents.not-same-day"},
	} {
		p := newPlayer(t, law.at)
		noPhoto := channel(regime.ChannelSelfNoPhoto)
		due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, law.change, noPhoto, withLetter(""))))
		same := sameProcedure(due.Procedure)
		p.do(RecordLetterMailed{Letter: due.Letter})
		p.refused(law.none, opIssue, law.change, noPhoto, withLetter(due.Letter), same)
		p.at(law.later)
		for range 4 {
			p.refused(law.other, opIssue, law.change, noPhoto, withLetter("guessed"), same)
			equal(t, "open letters", len(p.state.Letters), 1)
		}
		last := p.do(p.application(opIssue, law.change, noPhoto, withLetter("guessed"), same))
		equal(t, "the fifth", names(last), []string{"ResidentRecorded", "ApplicationRefused", "ApplicationWithdrawn"})
		equal(t, "why", find[*events.ApplicationRefused](last).Refusals, []string{law.other, regime.LetterGuessed})
		equal(t, "open letters", len(p.state.Letters), 0)
		again := find[*events.InquiryLetterDue](p.do(p.application(opIssue, law.change, noPhoto, withLetter(due.Letter), same)))
		if again == nil || again.Letter == due.Letter {
			t.Errorf("%s: the right number was accepted after the letter was void: %v", law.at, p.state)
		}
	}
}

// What the office kept on the first visit is not missing on the second.
func TestFormKeptOnFirstVisitIsNotAskedAgain(t *testing.T) {
	p := newPlayer(t, "2012-12-03 10:00")
	noPhoto := channel(regime.ChannelSelfNoPhoto)
	due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, juki, noPhoto, withLetter(""))))
	equal(t, "kept", due.Documents, []string{"application-form"})
	p.do(RecordLetterMailed{Letter: due.Letter})
	p.at("2012-12-10 10:00")
	same := sameProcedure(due.Procedure)
	answer := func(documents ...regime.Document) func(*Apply) {
		return func(a *Apply) {
			a.Shown = []regime.Shown{{Document: regime.DocInquiryAnswer, Letter: due.Letter}}
			for _, document := range documents {
				a.Shown = append(a.Shown, regime.Shown{Document: document})
			}
		}
	}
	refused := p.refused("juki.documents.other-id", opIssue, juki, noPhoto, answer(regime.DocCard), same)
	equal(t, "refusals", refused.Refusals, []string{"juki.documents.other-id"})
	decided := p.do(p.application(opIssue, juki, noPhoto, answer(regime.DocCard, regime.DocOtherID), same))
	if find[*events.ApplicationAccepted](decided) == nil || !slices.Contains(decided[len(decided)-1].RuleIds, "juki.documents.form-on-file") {
		t.Errorf("the second visit: %v", decided)
	}
}

// A card can be returned without any paper, even that of a person who has died.
func TestReturnedCardNeedsNoIdentity(t *testing.T) {
	bare := func(a *Apply) {
		a.Channel, a.Shown = regime.ChannelSelfNoPhoto, []regime.Shown{{Document: regime.DocCard}}
	}
	p := fromFactory(t)
	p.apply(opReturn, bare)
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.wantStatus(underMyNumber, kindAuth, revoked)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)
	equal(t, "letters", len(p.state.Letters), 0)

	p = fromFactory(t)
	refused := p.refused("mynumber.documents.card-returned", opReturn, bare, func(a *Apply) { a.Shown = nil })
	equal(t, "without the card", refused.Refusals, []string{"mynumber.documents.card-returned"})
	p.change(events.RecordChange_RECORD_CHANGE_DEATH)
	p.apply(opReturn, bare)
	equal(t, "ended", p.state.Ended, true)
	p.refused(regime.RecordEnded, opIssue, card("card-2"))
}

func TestProxyNeverOnTheSameDay(t *testing.T) {
	for _, law := range []struct {
		at     string
		change func(*Apply)
	}{{"2012-12-03 10:00", juki}, {"2016-01-12 10:00", func(*Apply) {}}} {
		p := newPlayer(t, law.at)
		everything := func(a *Apply) {
			a.Channel = regime.ChannelProxy
			a.Shown = append(photo(), regime.Shown{Document: regime.DocMandate, RegisteredSeal: true},
				regime.Shown{Document: regime.DocSealCertificate}, regime.Shown{Document: regime.DocProxyPhotoID},
				regime.Shown{Document: regime.DocInquiryAnswer, Letter: "made-up"})
		}
		due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, law.change, everything)))
		if due == nil {
			t.Fatal("a proxy was served on the first visit")
		}
		equal(t, "dropped", names(p.do(DropApplication{Procedure: due.Procedure, Filed: p.now})), []string{"ApplicationWithdrawn"})
		equal(t, "owed", len(p.state.Obligations), 0)
	}
}

func TestLetterAfterWrongPINsInTheNotice(t *testing.T) {
	p := fromFactory(t).at("2020-03-19 10:00")
	notice := func(match bool) func(*Apply) {
		return func(a *Apply) {
			a.Channel, a.PINsMatch = regime.ChannelNotice, match
			a.Shown = []regime.Shown{{Document: regime.DocForm}, {Document: regime.DocCard}, {Document: regime.DocNoticeAnswer}, {Document: regime.DocProxyPhotoID}}
		}
	}
	first := find[*events.InquiryLetterDue](p.do(p.application(opRenew, notice(false))))
	second := find[*events.InquiryLetterDue](p.do(p.application(opRenew, notice(false))))
	if first == nil || second == nil || len(p.state.Letters) != 1 {
		t.Fatalf("only the latest letter should be open: %v", p.state.Letters)
	}
	p.apply(opRenew, notice(true))
	p.do(DropApplication{Procedure: p.state.Open().Id, Filed: p.now})
	p.change(events.RecordChange_RECORD_CHANGE_DEATH)
	equal(t, "no letter to the dead", len(p.state.Letters)+len(p.state.Obligations), 0)
}

func TestWriteFailures(t *testing.T) {
	start := func() *player {
		p := fromFactory(t).at("2020-03-19 10:00")
		p.apply(opRenew)
		return p
	}
	fail := func(p *player, repairable bool) []*events.Event {
		open := p.state.Open()
		return p.do(RecordWriteFailed{Procedure: open.GetId(), Card: "card-1", Stage: "write", Reason: "torn", Repairable: repairable, Filed: p.now})
	}
	p := start()
	first := p.owed(events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS).Id
	fail(p, true)
	if p.owed(events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS).Id == first {
		t.Fatal("the second attempt has the id of the first")
	}
	late := RecordWriteFailed{Procedure: p.state.Open().Id, Obligation: first, Card: "card-1", Repairable: true, Filed: p.now}
	equal(t, "about the first attempt", names(p.do(late)), []string{"FactRefused"})
	p.keys()
	equal(t, "while signing", names(fail(p, true)), []string{"FactRefused"})
	p.sign()
	fail(p, true)
	p.owed(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD)
	equal(t, "attempt", p.state.Open().Attempt, uint32(3))
	wrong := p.written()
	wrong.SHA256[0] = spki(0)
	equal(t, "misread", names(p.do(wrong)), []string{"FactRefused"})
	less := p.written()
	less.Serials = less.Serials[:1]
	equal(t, "incomplete", names(p.do(less)), []string{"FactRefused"})
	decided := fail(p, false)
	equal(t, "given up", names(decided), []string{"CardWriteFailed", "CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn", "CardTakenIntoCustody"})
	equal(t, "reason", p.held(kindAuth).Reason, events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED)
	accepted := p.apply(opReissue, card("card-2"), cause(regime.CauseFault))
	equal(t, "fee", accepted.Fee[0].Yen, uint32(0))

	q := start()
	fail(q, false)
	q.wantStatus(underMyNumber, kindAuth, valid) // no key was made, so the old ones still stand
}

// A card that always fails repairably counts as broken in the end.
func TestCardCountsAsBrokenAfterMaxAttempts(t *testing.T) {
	p := fromFactory(t).at("2020-03-19 10:00")
	p.apply(opRenew)
	p.keys()
	p.sign()
	fail := func() []string {
		return names(p.do(RecordWriteFailed{
			Procedure: p.state.Open().GetId(), Card: "card-1", Stage: "write", Reason: "memory", Repairable: true, Filed: p.now,
		}))
	}
	for range maxAttempts - 1 {
		equal(t, "another attempt", fail(), []string{"CardWriteFailed"})
		p.owed(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD)
	}
	equal(t, "given up", fail(), []string{"CardWriteFailed", "CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn", "CardTakenIntoCustody"})
	equal(t, "reason", p.held(kindSign).Reason, events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED)
}

func TestBrokenFactoryCard(t *testing.T) {
	p := newPlayer(t, "2016-01-05 02:29")
	p.carried(opFactory, factory)
	p.at("2016-01-12 10:00").apply(opHandOver)
	p.do(RecordWriteFailed{Procedure: p.state.Open().Id, Card: "card-1", Stage: "unblock", Reason: "no answer", Filed: p.now})
	p.wantStatus(underMyNumber, kindAuth, revoked)
	p.carried(opFactory, factory, card("card-2"))
	equal(t, "card", p.state.Card.Card, "card-2")
	equal(t, "void", count[*events.CardVoided](p.all()), 1)
}

func TestDropAtEveryStep(t *testing.T) {
	steps := []func(*player){func(*player) {}, func(p *player) { p.keys() }, func(p *player) { p.sign() }, func(p *player) { p.write() }}
	want := [][]string{
		{"ApplicationWithdrawn"},
		{"IssueAbandoned", "IssueAbandoned", "ApplicationWithdrawn"},
		{"CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn"},
		{"CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn"},
	}
	for upTo := range steps {
		p := newPlayer(t, "2016-01-12 10:00")
		p.apply(opIssue)
		for _, step := range steps[:upTo+1] {
			step(p)
		}
		id := p.state.Open().Id
		equal(t, "dropped", names(p.do(DropApplication{Procedure: id, Filed: p.now})), want[upTo])
		equal(t, "owed", len(p.state.Obligations), 0)
		equal(t, "dropped again", names(p.do(DropApplication{Procedure: id, Filed: p.now})), []string{"FactRefused"})
		p.carried(opIssue) // the card can still be used
	}
}

// Facts that come twice, or for a closed procedure, are recorded as such and change nothing.
func TestRepeatedFactsChangeNothing(t *testing.T) {
	p := fromFactory(t).at("2020-03-19 10:00")
	p.apply(opRenew)
	id := p.state.Open().Id
	p.keys()
	serials := []SignedCertificate{{Serial: 3, SHA256: der(3)}, {Serial: 4, SHA256: der(4)}}
	p.sign()
	equal(t, "signed again", len(p.do(RecordIssued{Procedure: id, Signed: serials})), 0)
	written := p.written()
	p.write()
	equal(t, "abandoned too late", len(p.do(AbandonIssue{Serial: 3})), 0)
	p.handOver()
	before := proto.Clone(p.state).(*events.SubscriberState)
	for _, c := range []Command{
		RecordKeys{Procedure: id, Card: "card-1", Filed: p.now},
		written,
		RecordHandOver{Procedure: id, Filed: p.now},
		RecordWriteFailed{Procedure: id, Card: "card-1", Filed: p.now},
		RecordUnblocked{Procedure: id, Filed: p.now},
		RecordConfirmationFailed{Obligation: "1.1", Filed: p.now},
		DropApplication{Procedure: id, Filed: p.now},
		RecordPinsBlocked{Card: "card-1", Pins: []events.PinKind{1}, Filed: p.now},
		RecordWritten{Filed: p.now},
		RecordHandOver{Filed: p.now},
		RecordUnblocked{Filed: p.now},
		RecordKeys{Filed: p.now}, // of no procedure
	} {
		p.do(c)
		before.Revision, before.Commands, before.RecordedMs = p.state.Revision, p.state.Commands, p.state.RecordedMs
		equal(t, "state", p.state, before)
	}
}

func TestAbandonedIssue(t *testing.T) {
	p := newPlayer(t, "2016-01-12 10:00")
	p.apply(opIssue)
	p.keys()
	p.do(AbandonIssue{Serial: 2, Cause: "lint"})
	p.owed(events.ObligationKind_OBLIGATION_KIND_SIGN)
	p.sign()
	p.write()
	equal(t, "delivered", find[*events.Delivered](p.handOver()).Serials, []uint64{1})

	p = newPlayer(t, "2016-01-12 10:00")
	p.apply(opIssue)
	p.keys()
	p.do(AbandonIssue{Serial: 1, Cause: "lint"})
	equal(t, "nothing is left", names(p.do(AbandonIssue{Serial: 2, Cause: "lint"})), []string{"IssueAbandoned", "ApplicationWithdrawn"})
	equal(t, "owed", len(p.state.Obligations), 0)

	p = newPlayer(t, "2016-01-12 10:00")
	p.apply(opIssue)
	p.keys()
	p.do(RecordIssued{Procedure: p.state.Open().Id, Signed: []SignedCertificate{{Serial: 1, SHA256: der(1)}}})
	p.owed(events.ObligationKind_OBLIGATION_KIND_SIGN)
	p.do(AbandonIssue{Serial: 2, Cause: "lint"})
	p.owed(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD)
}

// A new key on a PIV card destroys the old one: its certificate ends with the claim, whatever follows.
func TestNewKeysOnAPIVCard(t *testing.T) {
	piv := func(a *Apply) { a.CardKind = events.CardKind_CARD_KIND_PIV }
	p := newPlayer(t, "2016-01-12 10:00")
	p.carried(opIssue, piv)
	p.at("2020-03-19 10:00").apply(opRenew, piv)
	equal(t, "in one commit", names(p.keys()), []string{"KeysRecorded", "CertificateRevoked", "CertificateRevoked", "IssueAuthorized", "IssueAuthorized"})
	p.sign()
	p.write()
	p.handOver()
	equal(t, "for no procedure", names(p.do(RecordKeys{Card: "card-1", Keys: []*events.GeneratedKey{{Kind: kindAuth, SpkiSha256: spki(99)}}, Filed: p.now})),
		[]string{"FactRefused", "CertificateRevoked"})
	p.wantStatus(underMyNumber, kindSign, valid)
}

func TestCustodyKeepsACardOutOfUse(t *testing.T) {
	p := fromFactory(t)
	p.do(RecordCustody{Card: "card-1", Filed: p.now})
	equal(t, "kept", p.state.Card.Status, events.CardStatus_CARD_STATUS_CUSTODY)
	equal(t, "a card at the office can't be lost", names(p.do(ReportLoss{By: "telephone", Filed: p.now})), []string{"LossReported"})
	p.apply(opHandOver, card("card-1"))
	p.unblocked()
	p.handOver()
	p.apply(opReturn)
	p.do(RecordCustody{Card: "card-1", Filed: p.now})
	equal(t, "void", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)
}

func TestCardIsClaimedAndRetiredOnce(t *testing.T) {
	var raw []byte
	folds := Folds()
	step := func(list []*events.Event, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 0 {
			if raw, err = folds[events.KindCard].Apply(raw, &events.Commit{Revision: 1, Events: list}); err != nil {
				t.Fatal(err)
			}
		}
		return len(list)
	}
	kind := events.CardKind_CARD_KIND_MYNUMBER
	equal(t, "claimed", step(ClaimCard(raw, "a", kind)), 1)
	equal(t, "claimed again", step(ClaimCard(raw, "a", kind)), 0)
	if _, err := ClaimCard(raw, "b", kind); !errors.Is(err, ErrCardClaimed) {
		t.Fatalf("another's card: %v", err)
	}
	equal(t, "retired", step(RetireCard(raw, "card-returned")), 1)
	equal(t, "retired again", step(RetireCard(raw, "card-returned")), 0)
	if _, err := ClaimCard(raw, "a", kind); !errors.Is(err, ErrCardClaimed) {
		t.Fatalf("a retired card: %v", err)
	}
}

func TestCommandsAreRemembered(t *testing.T) {
	fold := Folds()[events.KindSubscriber]
	var raw []byte
	var err error
	for i := range 20 {
		c := &events.Commit{Revision: uint64(i + 1), CommandId: string(rune('a' + i))}
		if raw, err = fold.Apply(raw, c); err != nil {
			t.Fatal(err)
		}
	}
	_, oldest := fold.Remembered(raw, "d")
	revision, known := fold.Remembered(raw, "e")
	equal(t, "the last sixteen", []bool{oldest, known}, []bool{false, true})
	equal(t, "revision", revision, uint64(5))
	if _, err := fold.Apply([]byte{0xff}, &events.Commit{}); err == nil {
		t.Fatal("a damaged state was read")
	}
}
