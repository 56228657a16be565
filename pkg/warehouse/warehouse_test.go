package warehouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
)

func applied(t *testing.T, commits []*events.Commit) *Warehouse {
	t.Helper()
	w := open(t)
	if err := w.Apply(t.Context(), readOf(commits)); err != nil {
		t.Fatal(err)
	}
	return w
}

func tokyo(s string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", s, civil.Tokyo)
	if err != nil {
		panic(err)
	}
	return at
}

func TestStateAtAnyInstant(t *testing.T) {
	w := applied(t, life().commits)
	id := life().id
	for _, c := range []struct {
		at, want string
	}{
		{"2016-01-12 10:02", "1 authorized"},
		{"2016-01-12 10:04", "1 issued, 2 authorized"},
		{"2016-01-13 00:00", "1 valid, 2 valid"},
		{"2017-05-08 09:02", "1 valid, 2 revoked affiliation-changed name-changed, 3 authorized"},
		{"2017-05-09 00:00", "1 valid, 2 revoked affiliation-changed name-changed, 3 revoked unspecified write-failed"},
		{"2020-04-02 00:00", "1 suspended, 2 revoked affiliation-changed name-changed, 3 revoked unspecified write-failed"},
		{"2020-06-18 23:59", "1 suspended, 2 revoked affiliation-changed name-changed, 3 revoked unspecified write-failed"},
		{"2020-06-19 00:00", "1 expired, 2 revoked affiliation-changed name-changed, 3 revoked unspecified write-failed"},
	} {
		certificates, err := w.State(t.Context(), id, tokyo(c.at))
		if err != nil {
			t.Fatalf("%s: %v", c.at, err)
		}
		if got := summary(certificates); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.at, got, c.want)
		}
	}
	for _, key := range []string{"nobody", "99"} {
		if _, err := w.State(t.Context(), key, tokyo("2021-01-01 00:00")); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", key, err)
		}
	}
	if _, err := w.State(t.Context(), id, tokyo("2016-01-11 00:00")); !errors.Is(err, ErrNotFound) {
		t.Errorf("before anything: got %v, want ErrNotFound", err)
	}
}

func summary(certificates []Certificate) string {
	parts := make([]string, len(certificates))
	for i, c := range certificates {
		parts[i] = strings.TrimSpace(fmt.Sprintf("%d %s %s %s", c.Serial, c.Status, c.Reason, c.Cause))
	}
	return strings.Join(parts, ", ")
}

func TestOneCertificateInFull(t *testing.T) {
	w := applied(t, life().commits)
	got, err := w.State(t.Context(), "1", tokyo("2021-01-01 00:00"))
	if err != nil {
		t.Fatal(err)
	}
	minute := func(n int) time.Time { return handedOver.Add(time.Duration(n) * time.Minute) }
	want := []Certificate{{
		Serial: 1, Kind: "auth", Regime: "mynumber", Status: "expired", Subscriber: life().id, Office: "12237-main",
		Municipality: "12237", Card: "card-1", Authority: "auth", Procedure: "p1",
		NotBefore: minute(2), NotAfter: tokyo("2020-06-18 23:59").Add(59 * time.Second),
		LastDay: Date{civil.New(2020, 6, 18)}, WindowOpens: Date{civil.New(2020, 3, 19)},
		Authorized: minute(2), Issued: minute(3), Written: minute(6), Delivered: minute(7),
		WindowOpened: tokyo("2020-03-19 09:01"), Suspended: tokyo("2020-04-01 09:01"), Expired: tokyo("2020-06-19 00:01"),
		SuspendCause: "loss", Revision: 16,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
}

func TestHistories(t *testing.T) {
	w := applied(t, life().commits)
	entries, err := w.History(t.Context(), life().id, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, c := range life().commits {
		events += len(c.Events)
	}
	if len(entries) != events || entries[0].Event != "ApplicationAccepted" || entries[0].Rules[0] != "mynumber.validity.sixth-birthday" {
		t.Errorf("history: %d of %d events, first %+v", len(entries), events, entries[0])
	}
	until, err := w.History(t.Context(), life().id, tokyo("2017-01-01 00:00"))
	if err != nil || len(until) != 10 {
		t.Errorf("history until 2017: %d events, %v; want 10", len(until), err)
	}
	occurrences, err := w.CertificateHistory(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range occurrences {
		names = append(names, o.Event)
	}
	want := "IssueAuthorized CertificateIssued CertificateWritten Delivered WindowOpened NoticeDue CertificateSuspended CertificateExpired"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("certificate's history:\n got %s\nwant %s", got, want)
	}
}

// A case is found by its number and by its card, and only one that a letter was posted for.
func TestACaseIsFoundByNumberAndCard(t *testing.T) {
	s := newStory("aaaabbbbccccddddeeeeffff", handedOver)
	s.commit(&events.InquiryLetterDue{Procedure: "0192-case0001", Letter: "l-1", Kinds: []events.CertificateKind{sign}, Card: "card-1"})
	s.commit(&events.ApplicationRefused{Procedure: "0192-case0001", Kinds: []events.CertificateKind{sign}})
	s.commit(&events.ApplicationRefused{Procedure: "0192-case0002", Kinds: []events.CertificateKind{sign}})
	w := applied(t, s.commits)
	for _, row := range []struct {
		number, card string
		found        int
	}{{"case0001", "", 1}, {"", "card-1", 1}, {"case0002", "", 0}, {"", "card-2", 0}, {"0001", "", 0}} {
		if got, err := w.Inquired(t.Context(), row.number, row.card); err != nil || len(got) != row.found {
			t.Errorf("%v: %v, %v", row, got, err)
		}
	}
}

func TestApplicationsCardsAndNotices(t *testing.T) {
	w := applied(t, life().commits)
	applications, err := w.Applications(t.Context(), life().id)
	if err != nil || len(applications) != 1 {
		t.Fatalf("applications: %v, %v", applications, err)
	}
	if a := applications[0]; a.Operation != "issue" || a.Kinds != "sign auth" || a.FeeYen != 1000 || a.PaidYen != 1000 || a.Delivered.Year() != 2016 {
		t.Errorf("application: %+v", a)
	}
	cards, err := w.CardOperations(t.Context(), life().id)
	if err != nil || len(cards) != 5 || cards[0].Event != "CardAssigned" || cards[4].Event != "LossReported" {
		t.Errorf("card operations: %+v, %v", cards, err)
	}
	notices, err := w.Notices(t.Context(), life().id)
	if err != nil || len(notices) != 1 || notices[0].Kind != "expiry" || notices[0].Outcome != "sent" || notices[0].Serial != 1 {
		t.Errorf("notices: %+v, %v", notices, err)
	}
}

func TestForecastAndCounts(t *testing.T) {
	var commits []*events.Commit
	for i, day := range []string{"2021-03-01", "2021-03-31", "2021-04-01", "2021-04-01"} {
		s := newStory(fmt.Sprintf("person-%d", i), handedOver)
		s.issue(uint64(i+1), sign, day, "2021-01-01")
		if i == 3 {
			s.revoke(4, sign, day, "moved-overseas")
		}
		commits = append(commits, s.commits...)
	}
	for i, office := range []string{"12237-main", "12237-east", "13101-main"} {
		commits = append(commits, &events.Commit{Kind: events.KindOffice, Id: office, Revision: 1, Events: []*events.Event{{
			RecordedMs: int64(i + 1), Body: &events.Event_OfficeDefined{OfficeDefined: &events.OfficeDefined{Municipality: office[:5]}},
		}}})
	}
	w := applied(t, commits)
	for _, c := range []struct{ by, want string }{
		{"month", "2021-01-01 0/3, 2021-03-01 2/0, 2021-04-01 1/0"},
		{"week", "2020-12-28 0/3, 2021-03-01 1/0, 2021-03-29 2/0"},
		{"day", "2021-01-01 0/3, 2021-03-01 1/0, 2021-03-31 1/0, 2021-04-01 1/0"},
	} {
		for _, office := range []string{"", "12237-main", "12237", "12"} {
			got, err := w.Forecast(t.Context(), ForecastQuery{By: c.by, Extent: Extent{Place: ParsePlace(office)}, When: Clocks{At: tokyo("2016-02-01 00:00")}})
			if err != nil || buckets(got) != c.want {
				t.Errorf("by %s at %q: got %s (%v), want %s", c.by, office, buckets(got), err, c.want)
			}
		}
	}
	elsewhere, err := w.Forecast(t.Context(), ForecastQuery{By: "day", Extent: Extent{Place: ParsePlace("13101")}, When: Clocks{At: tokyo("2016-02-01 00:00")}})
	if err != nil || len(elsewhere) != 0 {
		t.Errorf("elsewhere: %v, %v", elsewhere, err)
	}
	for _, c := range []struct {
		in      Extent
		nearest string // "-": nothing is known; empty: the place is
	}{
		{Extent{}, ""},
		{Extent{Place: ParsePlace("12")}, ""},
		{Extent{Place: Place{"12", "12237", "12237-east"}}, ""},
		{Extent{Place: ParsePlace("99")}, "12"},
		{Extent{Place: ParsePlace("12238")}, "12237"},
		{Extent{Place: ParsePlace("12237-mian")}, "12237-main"},
		{Extent{Place: Place{Prefecture: "12", Office: "13101-main"}}, "12237-main"},
		{Extent{Area: Area{"13"}, Place: ParsePlace("12237-main")}, "13101-main"},
		{Extent{Area: Area{}, Place: ParsePlace("12")}, "-"},
	} {
		err := w.Known(t.Context(), c.in)
		var unknown *UnknownError
		if errors.As(err, &unknown) != (c.nearest != "") || unknown != nil && unknown.Nearest != strings.Trim(c.nearest, "-") {
			t.Errorf("%+v: %v, want the nearest to be %q", c.in, err, c.nearest)
		}
	}
	var unknown *UnknownError
	if _, err := w.Forecast(t.Context(), ForecastQuery{By: "moth"}); !errors.As(err, &unknown) || unknown.Nearest != "month" {
		t.Errorf("by moth: %v", err)
	}
	counts, err := w.CountsByStatus(t.Context(), Clocks{At: tokyo("2021-03-15 00:00")}, Extent{})
	want := []StatusCount{{"mynumber", "sign", "expired", 1}, {"mynumber", "sign", "issued", 2}, {"mynumber", "sign", "revoked", 1}}
	if diff := cmp.Diff(want, counts); err != nil || diff != "" {
		t.Errorf("counts (%v):\n%s", err, diff)
	}
	months, err := w.ExpiriesByMonth(t.Context(), Clocks{At: tokyo("2021-03-15 00:00")}, Extent{})
	if err != nil || buckets(months) != "2021-03-01 1/0, 2021-04-01 1/0" {
		t.Errorf("by month from now on: %s, %v", buckets(months), err)
	}
}

func buckets(all []Bucket) string {
	parts := make([]string, len(all))
	for i, b := range all {
		parts[i] = fmt.Sprintf("%s %d/%d", b.Starts, b.Expiring, b.Opening)
	}
	return strings.Join(parts, ", ")
}

func TestDue(t *testing.T) {
	begun := func(id string, more ...events.Body) []*events.Commit {
		s := newStory(id, handedOver)
		serial := uint64(id[0])
		s.commit(&events.CardAssigned{Card: "card-" + id, Kind: events.CardKind_CARD_KIND_MYNUMBER, LastDay: "2020-06-18"})
		s.issue(serial, sign, "2020-06-18", "2020-03-19")
		s.commit(&events.DeadlineSet{Kind: events.DeadlineKind_DEADLINE_KIND_CARD_90, LastDay: "2020-05-01"})
		for _, body := range more {
			s.commit(body)
		}
		return s.commits
	}
	w := applied(t, append(append(begun("a"),
		begun("b", &events.WindowOpened{Serial: 'b', Kind: sign}, &events.DeadlineMet{Kind: events.DeadlineKind_DEADLINE_KIND_CARD_90})...),
		begun("c", &events.CertificateExpired{Serial: 'c', Kind: sign}, &events.CardExpired{Card: "card-c", LastDay: "2020-06-18"},
			&events.DeadlineMissed{Kind: events.DeadlineKind_DEADLINE_KIND_CARD_90, LastDay: "2020-05-01"})...))
	for _, c := range []struct{ day, want string }{
		{"2020-03-18", ""},
		{"2020-03-19", "a window 2020-03-19"},
		{"2020-05-01", "a window 2020-03-19"},
		{"2020-05-02", "a window 2020-03-19, a deadline 2020-05-01"},
		{"2020-06-18", "a window 2020-03-19, a deadline 2020-05-01"},
		{"2020-06-19", "a deadline 2020-05-01, a card 2020-06-18, a expiry 2020-06-18, b card 2020-06-18, b expiry 2020-06-18"},
	} {
		today, _ := civil.Parse(c.day)
		due, err := w.Due(t.Context(), today, "", 100)
		var parts []string
		for _, d := range due {
			parts = append(parts, fmt.Sprintf("%s %s %s", d.Subscriber, d.What, d.Day))
		}
		if got := strings.Join(parts, ", "); err != nil || got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.day, got, err, c.want)
		}
	}
	after, err := w.Due(t.Context(), civil.New(2020, 6, 19), "a", 1)
	if err != nil || len(after) != 2 || after[0].Subscriber != "b" || after[0].Target != "card-b" {
		t.Errorf("second page: %+v, %v", after, err)
	}
}

// contents returns every row of every table that follows the log, as text.
func contents(t *testing.T, w *Warehouse) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := tables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range names {
		if table == "positions" || table == "certificate_sums" { // the months that happen to be closed
			continue
		}
		type line struct {
			Row string `ch:"row"`
		}
		rows, err := ask[line](t.Context(), w, table, "SELECT toString(tuple(*)) AS row FROM {"+table+"} FINAL")
		if err != nil {
			t.Fatal(err)
		}
		lines := make([]string, len(rows))
		for i, r := range rows {
			lines[i] = r.Row
		}
		slices.Sort(lines)
		all[table] = strings.Join(lines, "\n")
	}
	return all
}

// cuts draws batches that cover n commits in order, some commits twice.
func cuts(t *rapid.T, n int) [][2]int {
	var all [][2]int
	for from := 0; from < n; {
		to := min(n, from+rapid.IntRange(1, n/3).Draw(t, "batch"))
		all = append(all, [2]int{from, to})
		if from = to; to < n {
			from -= rapid.IntRange(0, min(3, all[len(all)-1][1]-all[len(all)-1][0]-1)).Draw(t, "again")
		}
	}
	return all
}

func TestTwiceEqualsOnceInAnyCutOfTheLog(t *testing.T) {
	type draw struct {
		commits []*events.Commit
		batches [][2]int
	}
	draws := rapid.Custom(func(rt *rapid.T) draw {
		commits := append(population(rt, rapid.IntRange(1, 30).Draw(rt, "people")), life().commits...)
		return draw{commits, cuts(rt, len(commits))}
	})
	for seed := range 8 {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			d := draws.Example(seed)
			once, twice := openNamed(t, fmt.Sprintf("once_%d", seed)), openNamed(t, fmt.Sprintf("twice_%d", seed))
			if err := once.Apply(t.Context(), readOf(d.commits)); err != nil {
				t.Fatal(err)
			}
			for _, cut := range append(d.batches, [2]int{0, len(d.commits)}) {
				if err := twice.Apply(t.Context(), readOf(d.commits[cut[0]:cut[1]])); err != nil {
					t.Fatal(err)
				}
			}
			want := contents(t, once)
			if diff := cmp.Diff(want, contents(t, twice)); diff != "" {
				t.Errorf("applied again in %v differs (-once +again):\n%.3000s", d.batches, diff)
			}
			together := openNamed(t, fmt.Sprintf("together_%d", seed))
			if err := together.Apply(t.Context(), readOf(slices.Repeat(d.commits, 1+manyRows/len(d.commits)))); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, together)); diff != "" {
				t.Errorf("many times in one batch differs (-once +together):\n%.3000s", diff)
			}
		})
	}
}

// A certificate on a smartphone has its row, can be suspended and released more than once, and is nobody's visit.
func TestPhone(t *testing.T) {
	s := newStory("phonephonephonephonephone", time.Date(2024, 3, 5, 0, 0, 0, 0, time.UTC))
	s.issue(1, auth, "2028-06-18", "2028-03-19")
	s.commit(&events.Delivered{Procedure: "p1", Serials: []uint64{1}, Card: "card-1"})
	s.issue(2, auth, "2028-06-18", "")
	for _, c := range s.commits[3:] {
		for _, e := range c.Events {
			if b := e.GetIssueAuthorized(); b != nil {
				b.Device, b.Parent, b.Card = "android-1", 1, ""
			}
			if b := e.GetCertificateIssued(); b != nil {
				b.Device, b.Parent, b.Card = "android-1", 1, ""
			}
		}
	}
	s.commit(&events.Delivered{Procedure: "p1", Serials: []uint64{2}, Device: "android-1"})
	at := map[string]time.Time{"valid": s.now}
	hold := func(name string) {
		s.commit(&events.CertificateSuspended{Serial: 2, Kind: auth, Cause: "smartphone-lost", Authority: "auth", Device: "android-1"})
		at[name] = s.now
	}
	hold("suspended")
	s.commit(&events.CertificateReleased{Serial: 2, Kind: auth, Cause: "smartphone-found", Authority: "auth", Device: "android-1"})
	at["valid again"] = s.now
	hold("suspended again")
	s.commit(&events.CertificateReleased{Serial: 2, Kind: auth, Cause: "smartphone-found", Authority: "auth", Device: "android-1"})
	at["valid for the third time"] = s.now
	w := applied(t, s.commits)
	for name, when := range at {
		got, err := w.State(t.Context(), "2", when)
		if err != nil || got[0].Status != strings.Fields(name)[0] || got[0].Device != "android-1" || got[0].Parent != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if held := strings.HasPrefix(name, "suspended"); held != got[0].Suspended.Equal(when) || !held && !got[0].Suspended.IsZero() {
			t.Errorf("%s: suspended at %v, want %v", name, got[0].Suspended, when)
		}
	}
	buckets, err := w.Forecast(t.Context(), ForecastQuery{By: "month", When: Clocks{At: s.now}})
	if err != nil {
		t.Fatal(err)
	}
	var expiring, opening uint64
	for _, b := range buckets {
		expiring, opening = expiring+b.Expiring, opening+b.Opening
	}
	if expiring != 1 || opening != 1 {
		t.Errorf("%d end and %d windows open, want the card's alone: %+v", expiring, opening, buckets)
	}
	counts, err := w.CountsByStatus(t.Context(), Clocks{At: s.now}, Extent{})
	if err != nil || len(counts) != 1 || counts[0].Count != 1 {
		t.Errorf("counts %+v, %v; want the card's alone", counts, err)
	}
	inForce, err := w.InForce(t.Context(), Clocks{At: s.now}, Extent{})
	if err != nil || len(inForce) != 1 || inForce[0].Count != 1 {
		t.Errorf("in force %+v, %v; want the card's alone", inForce, err)
	}
}
