package warehouse

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// open returns an empty warehouse in a database of its own.
func open(t *testing.T) *Warehouse {
	t.Helper()
	name := strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	return openNamed(t, "t_"+name)
}

func openNamed(t testing.TB, database string) *Warehouse {
	t.Helper()
	w, err := Open(t.Context(), Config{
		DSN: enginetest.Start(t).DSN(), Database: database, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func batchOf(commits []*events.Commit) *Batch {
	b := NewBatch()
	for _, r := range readOf(commits) {
		b.Add(r)
	}
	return b
}

// readOf returns commits as they are read from the log, of somebody in Sammu.
func readOf(commits []*events.Commit) []Read {
	all := make([]Read, len(commits))
	for i, c := range commits {
		all[i] = Read{Commit: c}
		if c.Kind == events.KindSubscriber {
			all[i].Municipality = "12237"
		}
	}
	return all
}

// story writes commits of one subscriber, a millisecond-precise clock in hand.
type story struct {
	id       string
	revision uint64
	now      time.Time
	commits  []*events.Commit
}

func newStory(id string, begin time.Time) *story { return &story{id: id, now: begin} }

// commit stores bodies as one decision, a minute after the previous one.
func (s *story) commit(bodies ...events.Body) {
	s.now = s.now.Add(time.Minute)
	s.revision++
	c := &events.Commit{
		Kind: events.KindSubscriber, Id: s.id, Revision: s.revision, Office: "12237-main", Counter: "12237-main-1",
		CorrelationId: "p1", Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "officer-7"},
	}
	for _, body := range bodies {
		e := events.New(body, "mynumber.validity.sixth-birthday")
		e.RecordedMs, e.FiledMs, e.CausedMs = s.now.UnixMilli(), s.now.UnixMilli()-5000, s.now.UnixMilli()-10000
		c.Events = append(c.Events, e)
	}
	s.commits = append(s.commits, c)
}

const (
	sign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

// issue authorises and issues a certificate now.
func (s *story) issue(serial uint64, kind events.CertificateKind, lastDay, window string) {
	last, err := civil.Parse(lastDay)
	if err != nil {
		panic(err)
	}
	before, after := s.now.Add(time.Minute).UnixMilli(), last.EndInstant().UnixMilli()
	authority := map[events.CertificateKind]string{sign: "sign", auth: "auth"}[kind]
	s.commit(&events.IssueAuthorized{
		Procedure: "p1", Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, Authority: authority,
		NotBeforeMs: before, NotAfterMs: after, LastDay: lastDay, Card: "card-1", Municipality: "12237", WindowOpens: window,
	})
	s.commit(&events.CertificateIssued{
		Procedure: "p1", Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, Authority: authority,
		NotBeforeMs: before, NotAfterMs: after, LastDay: lastDay, Card: "card-1", Municipality: "12237", WindowOpens: window,
	})
}

func (s *story) revoke(serial uint64, kind events.CertificateKind, lastDay, cause string) {
	s.commit(&events.CertificateRevoked{
		Serial: serial, Kind: kind, Reason: events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED, Cause: cause,
		Authority: map[events.CertificateKind]string{sign: "sign", auth: "auth"}[kind], LastDay: lastDay, Municipality: "12237",
	})
}

var handedOver = time.Date(2016, 1, 12, 1, 0, 0, 0, time.UTC)

// life is one person's certificates from issue to expiry, with a change of
// name, a lost card and a discarded certificate on the way.
func life() *story {
	s := newStory("aaaabbbbccccddddeeeeffff", handedOver)
	s.commit(&events.ApplicationAccepted{
		Procedure: "p1", Operation: events.Operation_OPERATION_ISSUE, Channel: events.Channel_CHANNEL_SELF,
		Regime: events.Regime_REGIME_MYNUMBER, Kinds: []events.CertificateKind{sign, auth}, Municipality: "12237",
		Card: "card-1", Fee: []*events.FeeItem{{RuleId: "fee.card", Yen: 800}, {RuleId: "fee.certificates", Yen: 200}},
	}, &events.CardAssigned{Card: "card-1", Kind: events.CardKind_CARD_KIND_MYNUMBER, LastDay: "2025-06-18"})
	s.issue(1, auth, "2020-06-18", "2020-03-19")
	s.issue(2, sign, "2020-06-18", "2020-03-19")
	s.commit(&events.CertificateWritten{Procedure: "p1", Card: "card-1", Serials: []uint64{1, 2}})
	s.commit(&events.FeeCollected{Procedure: "p1", Yen: 1000},
		&events.Delivered{Procedure: "p1", Serials: []uint64{1, 2}, Card: "card-1"},
		&events.CardHandedOver{Card: "card-1"})
	s.now = time.Date(2017, 5, 8, 0, 0, 0, 0, time.UTC)
	s.revoke(2, sign, "2020-06-18", "name-changed")
	s.issue(3, sign, "2020-06-18", "2020-03-19")
	s.commit(&events.CertificateDiscarded{Serial: 3, Kind: sign, Authority: "sign", Cause: "write-failed"})
	s.now = time.Date(2020, 3, 19, 0, 0, 0, 0, time.UTC)
	s.commit(&events.WindowOpened{Serial: 1, Kind: auth, LastDay: "2020-06-18"},
		&events.NoticeDue{Notice: "n1", Kind: events.NoticeKind_NOTICE_KIND_EXPIRY, Serials: []uint64{1}, LastDay: "2020-06-18"})
	s.commit(&events.NoticeSent{Notice: "n1", Medium: "mail"})
	s.now = time.Date(2020, 4, 1, 0, 0, 0, 0, time.UTC)
	s.commit(&events.LossReported{By: "telephone", Card: "card-1"},
		&events.CertificateSuspended{Serial: 1, Kind: auth, Cause: "loss", Authority: "auth"})
	s.commit(&events.DeadlineSet{Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14, LastDay: "2020-04-20"})
	s.now = time.Date(2020, 6, 18, 15, 0, 0, 0, time.UTC)
	s.commit(&events.CertificateExpired{Serial: 1, Kind: auth, LastDay: "2020-06-18"})
	return s
}

// population draws short lives of n people: some certificates are revoked, some discarded, some still valid.
func population(t *rapid.T, n int) []*events.Commit {
	var all []*events.Commit
	for i := range n {
		begin := handedOver.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "begins")) * time.Minute)
		s := newStory(fmt.Sprintf("person%018d", i), begin)
		for j := range rapid.IntRange(1, 3).Draw(t, "certificates") {
			serial := uint64(1000 + i*10 + j)
			day := civil.Of(begin).AddDays(rapid.IntRange(30, 2000).Draw(t, "days"))
			s.issue(serial, sign, day.String(), day.AddDays(-90).String())
			switch rapid.IntRange(0, 3).Draw(t, "end") {
			case 0:
				s.revoke(serial, sign, day.String(), "moved-overseas")
			case 1:
				s.commit(&events.CertificateDiscarded{Serial: serial, Kind: sign, Authority: "sign", Cause: "write-failed"})
			case 2:
				s.commit(&events.Delivered{Procedure: "p1", Serials: []uint64{serial}})
			}
		}
		all = append(all, s.commits...)
	}
	return all
}

func dsnOf(t testing.TB) string {
	t.Helper()
	return enginetest.Start(t).DSN()
}
