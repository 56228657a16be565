package warehouse

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

// on sets the clock of a story to ten o'clock of a day.
func (s *story) on(day string) *story {
	d, err := civil.Parse(day)
	if err != nil {
		panic(err)
	}
	s.now = d.At(civil.Clock(10, 0))
	return s
}

// atOffice has the last commit happen at another office.
func (s *story) atOffice(office string) { s.commits[len(s.commits)-1].Office = office }

// accepted commits the acceptance of an application.
func (s *story) accepted(procedure string, operation events.Operation) {
	s.commit(&events.ApplicationAccepted{
		Procedure: procedure, Operation: operation, Channel: events.Channel_CHANNEL_SELF, Regime: events.Regime_REGIME_MYNUMBER,
		Kinds: []events.CertificateKind{sign, auth}, Municipality: "12237", Card: "card-1",
	})
}

// held issues both certificates, with serials from first on.
func (s *story) held(first uint64, lastDay, window string) {
	s.issue(first, auth, lastDay, window)
	s.issue(first+1, sign, lastDay, window)
}

const (
	renew       = events.Operation_OPERATION_RENEW
	continueUse = events.Operation_OPERATION_CONTINUE_USE
)

// renewer is told, is refused, comes back and renews.
func renewer() *story {
	s := newStory("renewer0000000000000000a", time.Time{}).on("2016-01-12")
	s.accepted("p1", events.Operation_OPERATION_ISSUE)
	s.held(1, "2020-06-18", "2020-03-19")
	s.on("2020-03-19").commit(&events.NoticeDue{Notice: "n1", Kind: events.NoticeKind_NOTICE_KIND_EXPIRY, Serials: []uint64{1}, LastDay: "2020-06-18"})
	s.commit(&events.NoticeSent{Notice: "n1", Medium: "letter"})
	s.on("2020-04-01").commit(&events.ApplicationRefused{
		Procedure: "p2", Operation: renew, Channel: events.Channel_CHANNEL_SELF, Kinds: []events.CertificateKind{sign, auth}, Municipality: "12237",
		Refusals: []string{"mynumber.documents.photo-id"},
	})
	s.on("2020-04-06").accepted("p3", renew)
	s.revoke(1, auth, "2020-06-18", "renewal")
	s.revoke(2, sign, "2020-06-18", "renewal")
	s.held(3, "2026-06-18", "2026-03-19")
	return s
}

// mover takes the certificates to another town, has PINs set there, and renews by a letter of inquiry.
func mover() *story {
	s := newStory("mover000000000000000000b", time.Time{}).on("2016-01-12")
	s.held(11, "2020-07-01", "2020-04-02")
	s.on("2018-03-26").accepted("p2", continueUse)
	s.atOffice("13101-main")
	s.on("2019-02-18").accepted("p3", events.Operation_OPERATION_UNBLOCK)
	s.atOffice("13101-main")
	s.on("2020-04-02").commit(&events.InquiryLetterDue{
		Procedure: "p4", Operation: renew, Channel: events.Channel_CHANNEL_PROXY, Kinds: []events.CertificateKind{sign, auth}, Municipality: "13101", Card: "card-1",
	})
	s.atOffice("13101-main")
	s.on("2020-04-20").accepted("p4", renew)
	s.atOffice("13101-main")
	return s
}

// dead dies; what was on a smartphone, and what the factory was asked for, is nobody's visit.
func dead() *story {
	s := newStory("dead0000000000000000000c", time.Time{}).on("2016-01-12")
	s.accepted("p1", events.Operation_OPERATION_FACTORY_ISSUE)
	s.held(21, "2020-06-18", "2020-03-19")
	s.on("2019-05-07")
	s.revoke(21, auth, "2020-06-18", "death")
	s.revoke(22, sign, "2020-06-18", "death")
	return s
}

// TestVisitsAreAHistory: what the tables say about who came is what a forecast reads, as known at an instant.
func TestVisitsAreAHistory(t *testing.T) {
	w := applied(t, slices.Concat(renewer().commits, mover().commits, dead().commits))
	for _, c := range []struct {
		name, at string
		extent   Extent
		want     []string
	}{
		{"all", "2021-01-11 00:00", Extent{}, []string{
			"issued,,12237-main,auth sign,,2020-06-18,2020-03-19,,2",
			"issued,,12237-main,auth sign,,2020-07-01,2020-04-02,,1",
			"issued,,12237-main,auth sign,,2026-06-18,2026-03-19,,1",
			"issued,,13101-main,auth sign,,2020-07-01,2020-04-02,,1",
			"ended,2019-05-07,12237-main,auth sign,death,2020-06-18,,,1",
			"ended,2018-03-26,12237-main,auth sign,moved,2020-07-01,,,1",
			"notice,2020-03-19,12237-main,auth sign,,2020-06-18,,,1",
			"visit,2016-01-12,12237-main,auth sign,issue,,,,1",
			"visit,2018-03-26,13101-main,auth sign,continue-use,,,,1",
			"visit,2019-02-18,13101-main,auth sign,unblock,,,,1",
			"refused,2020-04-01,12237-main,auth sign,renew,2020-06-18,,,1",
			"refused,2020-04-02,13101-main,auth sign,renew,2020-07-01,,,1",
			"returned,2020-04-06,12237-main,auth sign,renew,2020-06-18,,2020-04-01,1",
			"returned,2020-04-20,13101-main,auth sign,renew,2020-07-01,,2020-04-02,1",
		}},
		{"before it was known", "2018-01-01 00:00", Extent{}, []string{
			"issued,,12237-main,auth sign,,2020-06-18,2020-03-19,,2",
			"issued,,12237-main,auth sign,,2020-07-01,2020-04-02,,1",
			"visit,2016-01-12,12237-main,auth sign,issue,,,,1",
		}},
		{"years later, what had ended before is not held", "2026-01-11 00:00", Extent{}, []string{"issued,,12237-main,auth sign,,2026-06-18,2026-03-19,,1"}},
		{"another prefecture", "2018-01-01 00:00", Extent{Area: Area{"47"}}, nil},
	} {
		var got []string
		err := w.EachVisits(t.Context(), VisitsQuery{At: tokyo(c.at), Extent: c.extent}, func(r forecast.Record) error {
			got = append(got, lineOf(t, r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	first, err := w.VisitsBegin(t.Context())
	if want := civil.New(2016, 1, 12); err != nil || first != want {
		t.Errorf("visits begin on %s, want %s; %v", first, want, err)
	}
}

// lineOf returns a record as CSV, without the columns that visits never fill.
func lineOf(t *testing.T, r forecast.Record) string {
	t.Helper()
	var out bytes.Buffer
	w := forecast.NewWriter(&out)
	if err := w.Write(r); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return strings.Replace(line, ",,,auth", ",auth", 1)
}
