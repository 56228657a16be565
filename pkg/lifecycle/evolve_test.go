package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// foldedAt is when every event of the table was filed and recorded.
var foldedAt = civil.New(2026, time.November, 29).At(civil.Clock(10, 0))

// busy returns somebody with everything under way: an application p1 whose authentication certificate is authorised and
// whose signature certificate is issued, a letter due and another posted, a new card beside the old one, a phone.
func busy() *events.SubscriberState {
	return &events.SubscriberState{
		Revision: 7, Municipality: "12237",
		Procedures: []*events.Procedure{
			{
				Id: "p1", Operation: opIssue, Carrier: onCard("new"), Step: stepAccepted, Attempt: 1, Counter: "c1", Municipality: "12237",
				Planned: []*events.PlannedCertificate{{
					Kind: kindSign, Replaces: 1, LastDay: "2031-01-01", Candidates: []*events.Candidate{{RuleId: "r", Day: "2031-01-01", Binds: true}},
				}},
			},
			{Id: "pp", Operation: opPhoneIssue, Carrier: onAndroid("phone"), Step: stepKeys, Attempt: 1, Counter: "gateway"},
		},
		Certificates: []*events.Certificate{
			{Serial: 1, Kind: kindSign, Regime: underMyNumber, Status: valid, LastDay: "2027-01-01", WindowOpens: "2026-10-02", Carrier: onCard("old"), Authority: "a"},
			{Serial: 2, Kind: kindAuth, Regime: underMyNumber, Status: authorized, Procedure: "p1", Carrier: onCard("new"), TbsSha256: []byte{2}, NotBeforeMs: 5, Authority: "a"},
			{Serial: 3, Kind: kindSign, Regime: underMyNumber, Status: issued, Procedure: "p1", Carrier: onCard("new"), CertificateSha256: []byte{3}},
			{Serial: 4, Kind: kindAuth, Regime: underMyNumber, Status: suspended, LastDay: "2027-01-01", Carrier: onCard("old")},
			{Serial: 11, Kind: kindAuth, Status: authorized, TbsSha256: []byte{11}, NotBeforeMs: 5, Parent: 4, Carrier: onAndroid("phone"), Procedure: "pp"},
			{Serial: 12, Kind: kindSign, Status: issued, CertificateSha256: []byte{12}, NotBeforeMs: 5, Parent: 1, Carrier: onAndroid("phone"), Procedure: "pp"},
		},
		Card:    &events.HeldCard{Card: "new", Kind: events.CardKind_CARD_KIND_MYNUMBER, Status: events.CardStatus_CARD_STATUS_ASSIGNED, Fee: []*events.FeeItem{{Yen: 1000}}},
		OldCard: &events.HeldCard{Card: "old", Kind: events.CardKind_CARD_KIND_MYNUMBER, Status: events.CardStatus_CARD_STATUS_HELD},
		Obligations: []*events.Obligation{
			owed("1.0", owesKeys, "p1"), owed("1.1", owesSignature, "p1"), owed("1.2", owesWriting, "p1"), owed("1.3", owesUnblock, "p1"),
			owed("2.0", owesLetter, "l1"), owed("2.1", owesNotice, "n1"), owed("2.2", owesErasure, "identity"),
			owed("3.0", owesKeys, "other"), owed("3.1", owesLetter, "l2"), owed("4.0", owesSignature, "pp"),
		},
		Letters: []*events.Letter{{Id: "l1", Procedure: "p1"}, {Id: "l2", Procedure: "p2", Mailed: true, MailedOn: "2026-11-01"}},
		Notices: []*events.PendingNotice{{Id: "n1"}, {Id: "n2"}},
		Deadlines: []*events.Deadline{
			{Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT, LastDay: "2026-12-01"}, {Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS, LastDay: "2026-12-02"},
		},
	}
}

func onCard(card string) *events.Carrier { return events.CarrierOf(card, "", 0) }

func onAndroid(device string) *events.Carrier { return events.CarrierOf("", device, androidPhone) }

func owed(id string, kind events.ObligationKind, target string) *events.Obligation {
	return &events.Obligation{Id: id, Kind: kind, Target: target}
}

// want is the expected state.
type want struct{ *events.SubscriberState }

func (w want) owes(kind events.ObligationKind, target string) {
	o := owed("7.0", kind, target)
	o.SinceMs = foldedAt.UnixMilli()
	w.Obligations = append(w.Obligations, o)
}

func (w want) settled(targets ...string) {
	w.Obligations = slices.DeleteFunc(w.Obligations, func(o *events.Obligation) bool { return slices.Contains(targets, o.Id) })
}

// ended sets and returns what remains of a certificate that has ended.
func (w want) ended(serial uint64, status events.CertificateStatus, reason events.RevocationReason) *events.Certificate {
	c := certificate(w.SubscriberState, serial)
	kept := &events.Certificate{
		Serial: serial, Kind: c.Kind, Regime: c.Regime, LastDay: c.LastDay, SuspendedMs: c.SuspendedMs, Status: status, Reason: reason, EndedMs: foldedAt.UnixMilli(),
	}
	w.Certificates[slices.Index(w.Certificates, c)] = kept
	return kept
}

// onlyIssued removes the phone's authorised certificate, so that only the issued one is left.
func onlyIssued(s *events.SubscriberState) { s.Certificates = slices.Delete(s.Certificates, 4, 5) }

// withoutOpen removes the procedure at a counter.
func withoutOpen(s *events.SubscriberState) { s.Procedures = s.Procedures[1:] }

// forgets removes a certificate from the state.
func (w want) forgets(serial uint64) {
	w.Certificates = slices.DeleteFunc(w.Certificates, func(c *events.Certificate) bool { return c.Serial == serial })
}

func (w want) noLetter(procedure string) {
	w.Letters = slices.DeleteFunc(w.Letters, func(l *events.Letter) bool { return l.Procedure == procedure })
}

const (
	unspecified = events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED
	changed     = events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED
)

// folds lists for each event what it must change in a state; nothing else may change.
var folds = []struct {
	name  string
	given func(*events.SubscriberState) // changes busy first; may be nil
	event events.Body
	want  func(want)
}{
	{"a first application", withoutOpen, &events.ApplicationAccepted{
		Procedure: "p9", Operation: opIssue, Card: "new", Counter: "c2", Office: "o", Fee: []*events.FeeItem{{Yen: 200}, {Yen: 800}}, TakenBack: "old", Cause: "loss",
		Kinds: []events.CertificateKind{kindAuth}, Pins: []events.PinKind{events.PinKind_PIN_KIND_AUTH}, CardLastDay: "2031-01-01", Municipality: "12237",
		Channel: events.Channel_CHANNEL_SELF, CardKind: events.CardKind_CARD_KIND_MYNUMBER,
		Planned: []*events.PlannedCertificate{{Kind: kindAuth}}, CardCandidates: []*events.Candidate{{RuleId: regime.StayCap, Binds: true}},
	}, func(w want) {
		w.Procedures = append(w.Procedures, &events.Procedure{
			Id: "p9", Operation: opIssue, Carrier: onCard("new"), Counter: "c2", Office: "o", FeeYen: 1000, TakenBack: "old", Cause: "loss", Step: stepAccepted, Attempt: 1,
			Kinds: []events.CertificateKind{kindAuth}, Pins: []events.PinKind{events.PinKind_PIN_KIND_AUTH}, CardLastDay: "2031-01-01", Municipality: "12237",
			Channel: events.Channel_CHANNEL_SELF, CardKind: events.CardKind_CARD_KIND_MYNUMBER, Planned: []*events.PlannedCertificate{{Kind: kindAuth}}, CardStayCaps: true,
		})
		w.owes(owesKeys, "p9")
	}},
	{"an application whose letter was answered", withoutOpen, &events.ApplicationAccepted{Procedure: "p1", Operation: opUnblock}, func(w want) {
		w.Procedures = append(w.Procedures, &events.Procedure{Id: "p1", Operation: opUnblock, Carrier: onCard(""), Step: stepAccepted, Attempt: 1})
		w.settled("2.0")
		w.noLetter("p1")
	}},
	{"an application in place of another", nil, &events.ApplicationAccepted{Procedure: "p9", Operation: opUnblock}, func(w want) {
		w.Procedures[0] = w.Procedures[1]
		w.Procedures[1] = &events.Procedure{Id: "p9", Operation: opUnblock, Carrier: onCard(""), Step: stepAccepted, Attempt: 1}
	}},
	{"an application that is carried out at once", nil, &events.ApplicationAccepted{Procedure: "p2", Operation: opRevoke}, func(w want) {
		w.settled("3.1")
		w.noLetter("p2")
	}},
	{"an application for another phone", nil, &events.ApplicationAccepted{
		Procedure: "p9", Operation: events.Operation_OPERATION_PHONE_ISSUE, Device: "second", Counter: "gateway", MadeMs: 9, Platform: events.PhonePlatform_PHONE_PLATFORM_IPHONE,
	}, func(w want) {
		w.PhoneMadeMs = 9
		w.Procedures = append(w.Procedures, &events.Procedure{
			Id: "p9", Operation: opPhoneIssue, Carrier: events.CarrierOf("", "second", iPhonePhone), Counter: "gateway", Step: stepAccepted, Attempt: 1,
		})
	}},
	{"a phone that was found", func(s *events.SubscriberState) { s.Certificates[4].Lost, s.Certificates[5].Lost = true, true }, &events.ApplicationAccepted{
		Procedure: "p9", Operation: events.Operation_OPERATION_PHONE_RELEASE, Device: "phone",
	}, func(w want) { w.Certificates[4].Lost, w.Certificates[5].Lost = false, false }},
	{"refused for the letter's number", nil, &events.ApplicationRefused{Procedure: "p2", Refusals: []string{"mynumber.documents.inquiry-answer-other"}}, func(w want) { w.Letters[1].Wrong = 1 }},
	{"refused for something else", nil, &events.ApplicationRefused{Procedure: "p2", Refusals: []string{"office.closed.saturday"}}, func(want) {}},
	{"withdrawn", nil, &events.ApplicationWithdrawn{Procedure: "p1"}, func(w want) {
		w.Procedures = w.Procedures[1:]
		w.settled("1.0", "1.1", "1.2", "1.3", "2.0")
		w.noLetter("p1")
	}},
	{"another is withdrawn", nil, &events.ApplicationWithdrawn{Procedure: "p2"}, func(w want) {
		w.settled("3.1")
		w.noLetter("p2")
	}},
	{"a letter is due", nil, &events.InquiryLetterDue{Procedure: "p3", Letter: "l3", Documents: []string{"application-form"}}, func(w want) {
		w.Letters = append(w.Letters, &events.Letter{Id: "l3", Procedure: "p3", Documents: []string{"application-form"}})
		w.owes(owesLetter, "l3")
	}},
	{"a letter is posted", nil, &events.InquiryLetterMailed{Letter: "l1"}, func(w want) {
		w.Letters[0].Mailed, w.Letters[0].MailedOn = true, "2026-11-29"
		w.settled("2.0")
	}},
	{"a letter is posted again", nil, &events.InquiryLetterMailed{Letter: "l2"}, func(w want) { w.settled("3.1") }},
	{"keys are made", nil, &events.KeysRecorded{Procedure: "p1"}, func(w want) {
		w.settled("1.0")
		w.Open().Step = stepKeys
		w.Open().Planned = []*events.PlannedCertificate{{Kind: kindSign, Replaces: 1, Candidates: []*events.Candidate{{RuleId: "r"}}}}
	}},
	{"keys are made of another application", nil, &events.KeysRecorded{Procedure: "other"}, func(w want) { w.settled("3.0") }},
	{"an issue is authorised", nil, &events.IssueAuthorized{
		Procedure: "p1", Serial: 9, Kind: kindAuth, Regime: underMyNumber, Authority: "b", LastDay: "2031-01-01", WindowOpens: "2030-10-02", NotBeforeMs: 8, Card: "new",
		Replaces: 4, SpkiSha256: []byte{9}, TbsSha256: []byte{8}, Overseas: true,
	}, func(w want) {
		w.Certificates = append(w.Certificates, &events.Certificate{
			Serial: 9, Kind: kindAuth, Regime: underMyNumber, Status: authorized, Authority: "b", LastDay: "2031-01-01", WindowOpens: "2030-10-02", NotBeforeMs: 8,
			Carrier: onCard("new"), Replaces: 4, TbsSha256: []byte{8}, Procedure: "p1", Overseas: true,
		})
		w.settled("1.1")
		w.owes(owesSignature, "p1")
	}},
	{"an issue is authorised for a PIV card", func(s *events.SubscriberState) { s.Card.Kind = events.CardKind_CARD_KIND_PIV }, &events.IssueAuthorized{
		Procedure: "p1", Serial: 9, Card: "new", SpkiSha256: []byte{9},
	}, func(w want) {
		w.Certificates = append(w.Certificates, &events.Certificate{Serial: 9, Status: authorized, Carrier: onCard("new"), SpkiSha256: []byte{9}, Procedure: "p1"})
		w.settled("1.1")
		w.owes(owesSignature, "p1")
	}},
	{"an issue is authorised for a PIV card that is new", func(s *events.SubscriberState) {
		s.Card, s.OldCard, s.Open().CardKind = nil, nil, events.CardKind_CARD_KIND_PIV
	}, &events.IssueAuthorized{Procedure: "p1", Serial: 9, Card: "new", SpkiSha256: []byte{9}}, func(w want) {
		w.Certificates = append(w.Certificates, &events.Certificate{Serial: 9, Status: authorized, Carrier: onCard("new"), SpkiSha256: []byte{9}, Procedure: "p1"})
		w.settled("1.1")
		w.owes(owesSignature, "p1")
	}},
	{"an issue is authorised for a phone", nil, &events.IssueAuthorized{
		Procedure: "pp", Device: "phone", Serial: 13, Kind: kindSign, Authority: "b", NotBeforeMs: 8, TbsSha256: []byte{8}, Parent: 1,
	}, func(w want) {
		w.Certificates = append(w.Certificates, &events.Certificate{
			Serial: 13, Kind: kindSign, Status: authorized, Authority: "b", NotBeforeMs: 8, TbsSha256: []byte{8}, Parent: 1, Carrier: onAndroid("phone"), Procedure: "pp",
		})
		w.settled("4.0")
		w.owes(owesSignature, "pp")
	}},
	{"the last unsigned authorisation is abandoned", func(s *events.SubscriberState) { s.Open().Step = stepKeys }, &events.IssueAbandoned{Serial: 2}, func(w want) {
		w.ended(2, abandoned, unspecified)
		w.Open().Step = stepIssued
		w.settled("1.1", "1.2")
		w.owes(owesWriting, "p1")
	}},
	{"the only authorisation is abandoned", func(s *events.SubscriberState) {
		s.Open().Step, s.Certificates = stepKeys, s.Certificates[:2]
	}, &events.IssueAbandoned{Serial: 2}, func(w want) {
		w.ended(2, abandoned, unspecified)
		w.settled("1.1")
	}},
	{"an authorisation is abandoned while another is unsigned", func(s *events.SubscriberState) {
		s.Open().Step, s.Certificates[2].Status = stepKeys, authorized
	}, &events.IssueAbandoned{Serial: 2}, func(w want) { w.ended(2, abandoned, unspecified) }},
	{"the last certificate is issued", nil, &events.CertificateIssued{Serial: 2, Procedure: "p1", CertificateSha256: []byte{7}}, func(w want) {
		c := w.Certificates[1]
		c.Status, c.CertificateSha256, c.TbsSha256 = issued, []byte{7}, nil
		w.Open().Step = stepIssued
		w.settled("1.1", "1.2")
		w.owes(owesWriting, "p1")
	}},
	{"one of two is issued", func(s *events.SubscriberState) { s.Certificates[2].Status = authorized }, &events.CertificateIssued{Serial: 2, Procedure: "p1"}, func(w want) {
		w.Certificates[1].Status, w.Certificates[1].TbsSha256 = issued, nil
	}},
	{"the last certificate is issued for a phone", nil, &events.CertificateIssued{Serial: 11, Procedure: "pp", CertificateSha256: []byte{7}}, func(w want) {
		c := w.Certificates[4]
		c.Status, c.CertificateSha256, c.TbsSha256 = issued, []byte{7}, nil
		w.Procedures[1].Step = stepIssued
		w.settled("4.0")
		w.owes(owesPhone, "pp")
	}},
	{"written", nil, &events.CertificateWritten{Procedure: "p1", Serials: []uint64{3}}, func(w want) {
		w.Certificates[2].Written = true
		w.Open().Step = stepWritten
		w.settled("1.2")
	}},
	{"written at the factory", func(s *events.SubscriberState) { s.Open().Operation = events.Operation_OPERATION_FACTORY_ISSUE }, &events.CertificateWritten{
		Procedure: "p1", Serials: []uint64{3},
	}, func(w want) {
		w.Certificates[2].Written, w.Procedures = true, w.Procedures[1:]
		w.settled("1.2")
	}},
	{"written to a phone", nil, &events.CertificateWritten{Procedure: "pp", Device: "phone", Serials: []uint64{12}}, func(w want) {
		w.Certificates[5].Written, w.Procedures[1].Step = true, stepWritten
	}},
	{"discarded", nil, &events.CertificateDiscarded{Serial: 3}, func(w want) { w.ended(3, revoked, unspecified) }},
	{"keys could not be made, but can be retried", nil, &events.CardWriteFailed{Procedure: "p1", Repairable: true}, func(w want) {
		w.Open().Attempt = 2
		w.settled("1.0")
		w.owes(owesKeys, "p1")
	}},
	{"a card can't be written at all", func(s *events.SubscriberState) { s.Open().Step = stepIssued }, &events.CardWriteFailed{Procedure: "p1"}, func(w want) { w.settled("1.2") }},
	{"a card of another application could not be written", nil, &events.CardWriteFailed{Procedure: "other", Repairable: true}, func(want) {}},
	{"a command was not carried out", nil, &events.CommandFailed{Obligation: "1.2"}, func(w want) { w.settled("1.2") }},
	{"a PIN is to be set", nil, &events.UnblockAuthorized{Procedure: "p1"}, func(w want) { w.owes(owesUnblock, "p1") }},
	{"a PIN is set", nil, &events.PinUnblocked{Procedure: "p1"}, func(w want) {
		w.Open().Step = stepWritten
		w.settled("1.3")
	}},
	{"delivered", nil, &events.Delivered{Procedure: "p1", Serials: []uint64{3, 1}}, func(w want) {
		w.Certificates[2].Status, w.Certificates[2].CertificateSha256, w.Certificates[2].Procedure = valid, nil, ""
		w.Procedures = w.Procedures[1:]
		w.settled("1.0", "1.1", "1.2", "1.3", "2.0")
		w.noLetter("p1")
	}},
	{"installed on a phone", onlyIssued, &events.Delivered{
		Procedure: "pp", Device: "phone", Serials: []uint64{12},
	}, func(w want) {
		c := certificate(w.SubscriberState, 12)
		c.Status, c.CertificateSha256, c.Procedure = valid, nil, ""
		w.Procedures = w.Procedures[:1]
		w.settled("4.0")
	}},
	{"revoked", nil, &events.CertificateRevoked{Serial: 1, Reason: changed, Cause: "name"}, func(w want) { w.ended(1, revoked, changed).Cause = "name" }},
	{"revoked on a phone", nil, &events.CertificateRevoked{Serial: 11}, func(w want) {
		w.forgets(11)
		w.Procedures[1].Step = stepIssued
		w.settled("4.0")
		w.owes(owesPhone, "pp")
	}},
	{"the last on a phone is revoked", onlyIssued, &events.CertificateRevoked{Serial: 12}, func(w want) {
		w.forgets(12)
		w.Procedures = w.Procedures[:1]
		w.settled("4.0")
	}},
	{"an unknown one is issued", nil, &events.CertificateIssued{Serial: 99, Procedure: "p1"}, func(want) {}},
	{"an unknown one is revoked", nil, &events.CertificateRevoked{Serial: 99}, func(want) {}},
	{"an issue is authorised for an unknown phone", nil, &events.IssueAuthorized{Device: "another", Procedure: "p1", Serial: 13}, func(want) {}},
	{"the last on its way to a phone is suspended", onlyIssued, &events.CertificateSuspended{Serial: 12}, func(w want) {
		c := certificate(w.SubscriberState, 12)
		c.Status, c.SuspendedMs = suspended, foldedAt.UnixMilli()
		w.Procedures = w.Procedures[:1]
		w.settled("4.0")
	}},
	{"a fifth certificate ends", func(s *events.SubscriberState) {
		for serial := range uint64(keepEnded) {
			s.Certificates = slices.Insert(s.Certificates, 0, &events.Certificate{Serial: 20 + serial, Status: expired})
		}
	}, &events.CertificateExpired{Serial: 1}, func(w want) {
		w.ended(1, expired, 0)
		w.Certificates = w.Certificates[1:]
	}},
	{"suspended", nil, &events.CertificateSuspended{Serial: 1}, func(w want) {
		w.Certificates[0].Status, w.Certificates[0].SuspendedMs = suspended, foldedAt.UnixMilli()
	}},
	{"suspended on a phone", nil, &events.CertificateSuspended{Serial: 12}, func(w want) {
		w.Certificates[5].Status, w.Certificates[5].SuspendedMs = suspended, foldedAt.UnixMilli()
	}},
	{"released", nil, &events.CertificateReleased{Serial: 4}, func(w want) { w.Certificates[3].Status = valid }},
	{"expired", nil, &events.CertificateExpired{Serial: 1}, func(w want) { w.ended(1, expired, 0) }},
	{"the window opens", nil, &events.WindowOpened{Serial: 1}, func(w want) { w.Certificates[0].WindowOpened = true }},
	{"a phone is lost", nil, &events.LossReported{Device: "phone"}, func(w want) { w.Certificates[4].Lost, w.Certificates[5].Lost = true, true }},
	{"a card is lost", nil, &events.LossReported{}, func(want) {}},
	{"a card is assigned", func(s *events.SubscriberState) { s.OldCard = nil }, &events.CardAssigned{
		Card: "third", Kind: events.CardKind_CARD_KIND_MYNUMBER, LastDay: "2036-01-01", AppliedOn: "2026-10-01", Fee: []*events.FeeItem{{Yen: 0}},
		Candidates: []*events.Candidate{{RuleId: regime.StayPending, Binds: true}},
	}, func(w want) {
		w.OldCard = w.Card
		w.Card = &events.HeldCard{
			Card: "third", Kind: events.CardKind_CARD_KIND_MYNUMBER, Status: events.CardStatus_CARD_STATUS_ASSIGNED, LastDay: "2036-01-01", IssuedOn: "2026-11-29",
			AppliedOn: "2026-10-01", StayCaps: true,
		}
	}},
	{"a card is assigned in place of a void one", func(s *events.SubscriberState) { s.Card.Status = events.CardStatus_CARD_STATUS_VOID }, &events.CardAssigned{
		Card: "third", Fee: []*events.FeeItem{{Yen: 800}},
	}, func(w want) {
		w.Card = &events.HeldCard{Card: "third", Status: events.CardStatus_CARD_STATUS_ASSIGNED, IssuedOn: "2026-11-29", Fee: []*events.FeeItem{{Yen: 800}}}
	}},
	{"a card is handed over", nil, &events.CardHandedOver{Card: "new"}, func(w want) { w.Card.Status, w.Card.Fee = events.CardStatus_CARD_STATUS_HELD, nil }},
	{"the old card is void", nil, &events.CardVoided{Card: "old", Cause: "returned"}, func(w want) { w.OldCard = nil }},
	{"the new card is void", nil, &events.CardVoided{Card: "new", Cause: "returned"}, func(w want) { w.Card, w.OldCard = w.OldCard, nil }},
	{"the only card is void", func(s *events.SubscriberState) { s.OldCard = nil }, &events.CardVoided{Card: "new", Cause: "overseas"}, func(w want) {
		w.Card.Status, w.Card.Cause = events.CardStatus_CARD_STATUS_VOID, "overseas"
	}},
	{"a card ends by its term", nil, &events.CardExpired{Card: "old"}, func(w want) { w.OldCard.Status = events.CardStatus_CARD_STATUS_EXPIRED }},
	{"a card is suspended", nil, &events.CardSuspended{Card: "old"}, func(w want) { w.OldCard.Status = events.CardStatus_CARD_STATUS_SUSPENDED }},
	{"a card is found", func(s *events.SubscriberState) { s.OldCard.Status = events.CardStatus_CARD_STATUS_SUSPENDED }, &events.CardFound{Card: "old"}, func(w want) {
		w.OldCard.Status = events.CardStatus_CARD_STATUS_HELD
	}},
	{"a card is given back", nil, &events.CardReturned{Card: "old"}, func(w want) { w.OldCard = nil }},
	{"a card lies at the office", nil, &events.CardTakenIntoCustody{Card: "new"}, func(w want) { w.Card.Status = events.CardStatus_CARD_STATUS_CUSTODY }},
	{"a void card lies at the office", func(s *events.SubscriberState) { s.Card.Status = events.CardStatus_CARD_STATUS_VOID }, &events.CardTakenIntoCustody{Card: "new"}, func(want) {}},
	{"a card's term is extended", nil, &events.CardTermExtended{
		Card: "new", LastDay: "2028-01-01", StayPending: true, Candidates: []*events.Candidate{{RuleId: regime.StayCap, Binds: true}},
	}, func(w want) { w.Card.LastDay, w.Card.StayCaps, w.Card.StayPending = "2028-01-01", true, true }},
	{"a resident is recorded", nil, &events.ResidentRecorded{Municipality: "12213"}, func(w want) { w.Municipality = "12213" }},
	{"moves in", func(s *events.SubscriberState) { s.MovedOut, s.Overseas, s.Ended, s.Continued = true, true, true, true }, &events.ResidentRecordChanged{
		Change: events.RecordChange_RECORD_CHANGE_MOVE_IN, Municipality: "12213", CausedOn: "2026-11-20",
	}, func(w want) {
		w.MovedOut, w.Overseas, w.Ended, w.Continued = false, false, false, false
		w.Municipality, w.MovedOn, w.MoveFiledOn, w.Letters[1].Void = "12213", "2026-11-20", "2026-11-29", true
	}},
	{"moves within", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_ADDRESS}, func(w want) {
		w.MoveFiledOn, w.Letters[1].Void = "2026-11-29", true
	}},
	{"moves out", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_MOVE_OUT}, func(w want) { w.MovedOut = true }},
	{"moves overseas", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, CausedOn: "2026-11-20"}, func(w want) {
		w.Overseas, w.LeftOn = true, "2026-11-20"
	}},
	{"moves overseas on a planned day", nil, &events.ResidentRecordChanged{
		Change: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, CausedOn: "2026-11-20", PlannedOn: "2026-12-01",
	}, func(w want) { w.Overseas, w.LeftOn = true, "2026-12-01" }},
	{"a move is called off", func(s *events.SubscriberState) {
		s.MovedOut, s.Overseas, s.Continued, s.LeftOn = true, true, true, "2026-12-01"
	}, &events.ResidentRecordChanged{
		Change: events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF,
	}, func(w want) { w.MovedOut, w.Overseas, w.Continued, w.LeftOn = false, false, false, "" }},
	{"dies", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_DEATH}, func(w want) { w.Ended = true }},
	{"is deleted", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_DELETED}, func(w want) { w.Ended = true }},
	{"is out of scope", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE}, func(w want) { w.Ended = true }},
	{"changes the name", nil, &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_NAME}, func(want) {}},
	{"becomes an alias", nil, &events.SubscriberAliased{To: "other"}, func(w want) { w.AliasOf = "other" }},
	{"takes another history in", nil, &events.SubscriberTakenIn{From: "other", FromRevision: 3}, func(w want) {
		w.TookIn = 7
		w.owes(owesClosing, "other")
	}},
	{"the history taken in has ended", takesInTwo, &events.TakenInClosed{From: "other"}, func(w want) { w.settled("5.0") }},
	{"the history taken in goes on elsewhere", takesInTwo, &events.TakenInGivenUp{From: "other"}, func(w want) { w.settled("5.0") }},
	{"a deadline is set anew", nil, &events.DeadlineSet{Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT, LastDay: "2027-01-01"}, func(w want) {
		w.Deadlines = []*events.Deadline{w.Deadlines[1], {Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT, LastDay: "2027-01-01"}}
	}},
	{"use is continued overseas", nil, &events.DeadlineSet{Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT, LastDay: "2027-01-01"}, func(w want) {
		w.Continued = true
		w.Deadlines = append(w.Deadlines, &events.Deadline{Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT, LastDay: "2027-01-01"})
	}},
	{"use is not continued overseas", func(s *events.SubscriberState) { s.Continued = true }, &events.DeadlineSet{
		Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS, LastDay: "2027-01-01",
	}, func(w want) {
		w.Continued, w.Deadlines[1].LastDay = false, "2027-01-01"
	}},
	{"a deadline is met", nil, &events.DeadlineMet{Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_OUT}, func(w want) { w.Deadlines = w.Deadlines[1:] }},
	{"a deadline is missed", nil, &events.DeadlineMissed{Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS}, func(w want) { w.Deadlines = w.Deadlines[:1] }},
	{"a notice is due", nil, &events.NoticeDue{Notice: "n3", LastDay: "2027-01-01", Kind: events.NoticeKind(1)}, func(w want) {
		w.Notices = append(w.Notices, &events.PendingNotice{Id: "n3", LastDay: "2027-01-01", Kind: events.NoticeKind(1)})
		w.owes(owesNotice, "n3")
	}},
	{"a notice is sent", nil, &events.NoticeSent{Notice: "n1"}, noticeDone},
	{"a notice can't be sent", nil, &events.NoticeFailed{Notice: "n1"}, noticeDone},
	{"a notice is not needed", nil, &events.NoticeSuppressed{Notice: "n1"}, noticeDone},
	{"an erasure is ordered", nil, &events.ErasureOrdered{RecordClass: "contact"}, func(w want) { w.owes(owesErasure, "contact") }},
	{"a key is destroyed", nil, &events.KeyDestroyed{RecordClass: "identity"}, func(w want) { w.settled("2.2") }},
	{"a contact", nil, &events.ContactRecorded{}, func(want) {}},
	{"special circumstances", nil, &events.SpecialCircumstancesGranted{Procedure: "p1"}, func(want) {}},
	{"a fee", nil, &events.FeeCollected{Procedure: "p1"}, func(want) {}},
	{"a blocked PIN", nil, &events.PinBlocked{}, func(want) {}},
	{"a fact refused", nil, &events.FactRefused{}, func(want) {}},
	{"a request refused", nil, &events.RequestRefused{}, func(want) {}},
}

func takesInTwo(s *events.SubscriberState) {
	s.Obligations = append(s.Obligations, owed("5.0", owesClosing, "other"), owed("6.0", owesClosing, "a third"))
}

func noticeDone(w want) {
	w.settled("2.1")
	w.Notices = w.Notices[1:]
}

// Each event changes in the state what the table says, and nothing else.
func TestWhatEachEventChanges(t *testing.T) {
	for _, row := range folds {
		t.Run(row.name, func(t *testing.T) {
			before := busy()
			if row.given != nil {
				row.given(before)
			}
			after, should := proto.CloneOf(before), want{proto.CloneOf(before)}
			e := events.New(row.event)
			e.RecordedMs, e.FiledMs = foldedAt.UnixMilli(), foldedAt.UnixMilli()
			evolve(after, e, 0)
			row.want(should)
			should.RecordedMs = foldedAt.UnixMilli()
			if diff := cmp.Diff(should.SubscriberState, after, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// elsewhere lists the events of other aggregates, which have their own folds.
var elsewhere = []string{
	"CardClaimed", "CardRetired", "CardOpened", "CardKeyMade", "CardKeyOrdered", "MasterKeyChanged", "ProgramUserRevoked", "OfficeDefined", "CounterEnrolled", "CounterRetired", "CounterHeadAdopted",
	"LogOpened", "GenerationActivated", "BlockLeased", "CrlPublished", "CertificateFound", "RevocationFound", "FoundCertificateRevoked", "VaultRecorded", "WriterEnrolled", "WriterRetired", "RecordOpened", "DisclosureAsked", "DisclosureReleased",
	"FactQuarantined", "QuarantineResolved", "ClaimHeld", "OfficerEnrolled", "OfficerRetired", "OfficerInvited", "PasskeyEnrolled", "PasskeyRetired", "SignaturesRequired", "FourEyesDefined", "PasswordsAllowed",
	"SignInRefused", "OfficerClaimRefused", "ApprovalAsked", "ApprovalGiven", "ApprovalRefused", "ApprovalWithdrawn", "ApprovalLapsed", "OrderAsked", "OrderApproved", "OrderRefused", "OrderWithdrawn", "OrderLapsed", "OrderCarriedOut", "FeedReaderEnrolled", "FeedReaderRetired",
}

// Every event of the catalogue is in the table, except those of other aggregates.
func TestFoldTableListsEveryEvent(t *testing.T) {
	told := map[string]bool{}
	for _, row := range folds {
		told[string(row.event.ProtoReflect().Descriptor().Name())] = true
	}
	fields := (&events.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Message().Name())
		if told[name] == slices.Contains(elsewhere, name) {
			t.Errorf("%s: in the table %v, of another aggregate %v", name, told[name], !told[name])
		}
	}
}

// The municipality is read out of an encoded state as decoding the whole would, whatever else the state holds.
func TestMunicipalityOf(t *testing.T) {
	for _, s := range []*events.SubscriberState{
		{},
		{Revision: 1},
		{Municipality: "12237"},
		{Revision: 300, RecordedMs: 1 << 40, Municipality: "13101", MovedOut: true},
		{RecordedMs: 5, Certificates: []*events.Certificate{{Serial: 1}}},
		{AliasOf: "someone"},
	} {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := MunicipalityOf(raw); got != s.Municipality {
			t.Errorf("%v: %q", s, got)
		}
		for cut := range raw {
			MunicipalityOf(raw[:cut]) // what broke off is no reason to end
		}
	}
}
