package warehouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
)

// reportLines writes the rows of a report as text.
func reportLines(rows []ReportRow) (all []string) {
	for _, r := range rows {
		text := fmt.Sprintf("%s %s %d", r.Starts, strings.Join(r.Values, "/"), r.Count)
		if r.Yen > 0 {
			text += fmt.Sprintf(" %d円", r.Yen)
		}
		all = append(all, strings.TrimSpace(text))
	}
	return all
}

// TestReportsTellOfALife asks each report about one person's certificates.
func TestReportsTellOfALife(t *testing.T) {
	s := life()
	s.commit(&events.ApplicationRefused{
		Procedure: "p2", Operation: events.Operation_OPERATION_RENEW, Channel: events.Channel_CHANNEL_PROXY, Municipality: "12237",
		Refusals: []string{"mynumber.proxy.mandate", "mynumber.window"},
	})
	w := applied(t, s.commits)
	of := func(name string) Report {
		r, err := ReportOf(name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		q    ReportQuery
		want string
	}{
		{ReportQuery{Report: of("applications"), By: []string{"outcome", "operation", "channel"}}, "accepted/issue/self 1; refused/renew/proxy 1"},
		{ReportQuery{Report: of("issued"), By: []string{"kind", "carrier"}}, "auth/card 1; sign/card 2"},
		{ReportQuery{Report: of("issued"), Per: "year"}, "2016-01-01  2; 2017-01-01  1"},
		{ReportQuery{Report: of("issued"), Per: "fiscal-year"}, "2015-04-01  2; 2017-04-01  1"},
		{ReportQuery{Report: of("issued"), Known: handedOver}, ""},
		{ReportQuery{Report: of("issued"), From: civil.New(2016, 1, 13)}, "1"},
		{ReportQuery{Report: of("issued"), To: civil.New(2016, 1, 12)}, "2"},
		{
			ReportQuery{Report: of("ends"), By: []string{"outcome", "reason", "cause"}},
			"expired// 1; revoked/affiliation-changed/name-changed 1; revoked/unspecified/write-failed 1",
		},
		{ReportQuery{Report: of("ends"), Per: "day", Only: map[string]string{"outcome": "expired"}}, "2020-06-18  1"},
		{ReportQuery{Report: of("refusals"), By: []string{"rule"}}, "mynumber.proxy.mandate 1"},
		{ReportQuery{Report: of("fees"), By: []string{"rule"}}, "fee.card 1 800円; fee.certificates 1 200円"},
		{ReportQuery{Report: of("notices"), By: []string{"outcome", "notice", "medium"}}, "due/expiry/ 1; sent//mail 1"},
		{ReportQuery{Report: of("cards"), By: []string{"outcome"}, Only: map[string]string{"outcome": "CardHandedOver"}}, "CardHandedOver 1"},
		{ReportQuery{Report: of("issued"), By: places}, "12/12237/12237-main 3"},
		{ReportQuery{Report: of("issued"), Extent: Extent{Area: Area{"13"}}}, ""},
		{ReportQuery{Report: of("issued"), Extent: Extent{Place: Place{Office: "12237-main"}}}, "3"},
	} {
		rows, err := w.Report(t.Context(), c.q)
		got := strings.ReplaceAll(strings.Join(reportLines(rows), "; "), "0001-01-01 ", "")
		if err != nil || got != c.want {
			t.Errorf("%+v: %q (%v), want %q", c.q, got, err, c.want)
		}
	}
	for _, q := range []ReportQuery{
		{Report: of("issued"), By: []string{"chanel"}},
		{Report: of("issued"), Only: map[string]string{"chanel": "self"}},
		{Report: of("issued"), By: []string{"id"}},
		{Report: of("issued"), Per: "weak"},
	} {
		var unknown *UnknownError
		if _, err := w.Report(t.Context(), q); !errors.As(err, &unknown) {
			t.Errorf("%+v: %v, want an unknown word", q, err)
		}
	}
}

// TestFactsKnowProcedureAndRegime: what an event does not say comes from the state that its commit leaves behind.
func TestFactsKnowProcedureAndRegime(t *testing.T) {
	s := newStory("aaaabbbbccccddddeeeeffff", handedOver)
	s.issue(1, sign, "2020-06-18", "2020-03-19")
	s.commit(&events.CertificateExpired{Serial: 1, Kind: sign, LastDay: "2020-06-18"})
	held := &events.Certificate{Serial: 1, Kind: sign, Regime: events.Regime_REGIME_JUKI, Procedure: "p1"}
	state, err := proto.Marshal(&events.SubscriberState{
		Certificates: []*events.Certificate{held},
		Procedures:   []*events.Procedure{{Id: "p1", Operation: events.Operation_OPERATION_RENEW, Channel: events.Channel_CHANNEL_PROXY}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reads := readOf(s.commits)
	for i := range reads {
		reads[i].State = state
	}
	reads[0].State = []byte{0xff} // unreadable: the event alone speaks
	w := open(t)
	if err := w.Apply(t.Context(), reads); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{"issued", "ends"} {
		r, _ := ReportOf(name)
		rows, err := w.Report(t.Context(), ReportQuery{Report: r, By: []string{"kind", "regime"}})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, reportLines(rows)...)
	}
	if diff := cmp.Diff([]string{"sign/juki 1", "sign/juki 1"}, got); diff != "" {
		t.Error(diff)
	}
	r, _ := ReportOf("issued")
	rows, err := w.Report(t.Context(), ReportQuery{Report: r, By: []string{"operation", "channel"}})
	if diff := cmp.Diff([]string{"renew/proxy 1"}, reportLines(rows)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestReportsEqualANaiveCount counts random lives, applied in random pieces of which some come twice, as known at a random
// instant, and compares with a count of the events themselves.
func TestReportsEqualANaiveCount(t *testing.T) {
	w, offices := open(t), 0
	rapid.Check(t, func(r *rapid.T) {
		commits := population(r, rapid.IntRange(1, 12).Draw(r, "people"))
		offices++
		office := fmt.Sprintf("12237-%d", offices)
		for _, c := range commits {
			c.Office = office
		}
		for rest := commits; len(rest) > 0; {
			n := rapid.IntRange((len(rest)+2)/3, len(rest)).Draw(r, "piece")
			for range rapid.IntRange(1, 2).Draw(r, "times") {
				if err := batchOf(rest[:n]).facts.insert(t.Context(), w); err != nil { // the other tables have their own tests
					r.Fatal(err)
				}
			}
			rest = rest[n:]
		}
		known := handedOver.Add(time.Duration(rapid.IntRange(0, 150_000).Draw(r, "known")) * time.Minute)
		for name, naive := range map[string]func(events.Body) string{"issued": naiveIssue, "ends": naiveEnd} {
			want := map[string]uint64{}
			for _, c := range commits {
				for _, e := range c.Events {
					if at := time.UnixMilli(e.RecordedMs); !at.After(known) {
						if key := naive(events.BodyOf(e)); key != "" {
							want[civil.Of(at).String()+" "+key]++
						}
					}
				}
			}
			report, _ := ReportOf(name)
			rows, err := w.Report(t.Context(), ReportQuery{Report: report, By: report.Dimensions[:1], Per: "day", Known: known, Extent: Extent{Place: ParsePlace(office)}})
			if err != nil {
				r.Fatal(err)
			}
			got := map[string]uint64{}
			for _, row := range rows {
				got[row.Starts.String()+" "+row.Values[0]] = row.Count
			}
			if diff := cmp.Diff(want, got); diff != "" {
				r.Errorf("%s (-naive +report): %s", name, diff)
			}
		}
	})
}

func naiveIssue(b events.Body) string {
	if _, ok := b.(*events.CertificateIssued); ok {
		return "sign"
	}
	return ""
}

func naiveEnd(b events.Body) string {
	switch b.(type) {
	case *events.CertificateRevoked, *events.CertificateDiscarded:
		return "revoked"
	}
	return ""
}

// TestEveryReportAnswers asks each report by each of its dimensions and periods.
func TestEveryReportAnswers(t *testing.T) {
	w := applied(t, life().commits)
	for _, r := range Reports() {
		for _, per := range append(Periods(), "") {
			for _, d := range r.All() {
				rows, err := w.Report(t.Context(), ReportQuery{Report: r, By: []string{d}, Per: per})
				if err != nil || len(rows) == 0 && r.Name != "refusals" && r.Name != "letters" {
					t.Errorf("%s by %s per %q: %d rows, %v", r.Name, d, per, len(rows), err)
				}
			}
		}
	}
}
