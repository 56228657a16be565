package warehouse

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
)

// place is where somebody of the random histories lives and applies.
type place struct{ municipality, office string }

var somePlaces = []place{{"12237", "12237-main"}, {"12237", "12237-east"}, {"13101", "13101-main"}, {"12100", "12100-1"}}

// histories draws the lives of people in several places: every end that a certificate can have, smartphones, and facts
// that were recorded weeks after they arose. It returns each one's commits in order.
func histories(t *rapid.T, people int) [][]*events.Commit {
	var all [][]*events.Commit
	for i := range people {
		s := newStory(fmt.Sprintf("person%018d", i), handedOver.AddDate(0, 0, rapid.IntRange(0, 500).Draw(t, "begins")))
		at := rapid.SampledFrom(somePlaces).Draw(t, "place")
		for j := range rapid.IntRange(1, 3).Draw(t, "certificates") {
			certificateLife(t, s, uint64(1000+i*10+j), rapid.IntRange(0, 9).Draw(t, "on") == 0)
		}
		for _, c := range s.commits {
			c.Office = at.office
			for _, e := range c.Events {
				locate(events.BodyOf(e), at.municipality)
			}
		}
		all = append(all, s.commits)
	}
	return append(all, foundLives(t))
}

func locate(body events.Body, municipality string) {
	switch b := body.(type) {
	case *events.IssueAuthorized:
		b.Municipality = municipality
	case *events.CertificateIssued:
		b.Municipality = municipality
	case *events.CertificateRevoked:
		b.Municipality = municipality
	}
}

// certificateLife commits one certificate from its authorization to wherever it comes.
func certificateLife(t *rapid.T, s *story, serial uint64, onPhone bool) {
	later := func() { s.now = s.now.Add(time.Duration(rapid.IntRange(0, 90*24).Draw(t, "later")) * time.Hour) }
	last := civil.Of(s.now).AddDays(rapid.IntRange(1, 900).Draw(t, "days"))
	device := map[bool]string{true: "android-1"}[onPhone]
	terms := &events.IssueAuthorized{
		Procedure: "p1", Serial: serial, Kind: sign, Regime: events.Regime_REGIME_MYNUMBER, Authority: "sign", Device: device,
		NotBeforeMs: s.now.UnixMilli(), NotAfterMs: last.EndInstant().UnixMilli(), LastDay: last.String(), WindowOpens: last.AddDays(-90).String(),
	}
	s.commit(terms)
	steps := []func(){
		func() {
			s.commit(&events.CertificateIssued{
				Procedure: "p1", Serial: serial, Kind: sign, Regime: terms.Regime, Authority: "sign", Device: device, NotBeforeMs: terms.NotBeforeMs,
				NotAfterMs: terms.NotAfterMs, LastDay: terms.LastDay, WindowOpens: terms.WindowOpens,
			})
		},
		func() { s.commit(&events.Delivered{Procedure: "p1", Serials: []uint64{serial}, Device: device}) },
		func() {
			s.commit(&events.CertificateSuspended{Serial: serial, Kind: sign, Cause: "loss", Authority: "sign", Device: device})
		},
	}
	if rapid.IntRange(0, 9).Draw(t, "abandoned") == 0 {
		s.commit(&events.IssueAbandoned{Serial: serial, Kind: sign, Authority: "sign", Cause: "gone", Device: device})
		return
	}
	for _, step := range steps[:rapid.IntRange(0, 3).Draw(t, "steps")] {
		later()
		step()
	}
	later()
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		s.commit(&events.CertificateRevoked{Serial: serial, Kind: sign, Authority: "sign", LastDay: terms.LastDay, Cause: "moved-overseas", Device: device})
	case 1:
		s.commit(&events.CertificateDiscarded{Serial: serial, Kind: sign, Authority: "sign", Cause: "write-failed", Device: device})
	case 2:
		s.now = last.EndInstant().Add(time.Duration(rapid.IntRange(0, 80*24).Draw(t, "noticed")) * time.Hour)
		s.commit(&events.CertificateExpired{Serial: serial, Kind: sign, LastDay: terms.LastDay, Device: device})
	}
}

// foundLives are certificates that exist outside the log.
func foundLives(t *rapid.T) []*events.Commit {
	s := newStory("sign", handedOver)
	for i := range uint64(3) {
		s.commit(&events.CertificateFound{
			Serial: 10 + i, Kind: sign, Subscriber: fmt.Sprintf("found%019d", i),
			NotBeforeMs: handedOver.UnixMilli(), NotAfterMs: handedOver.AddDate(1, int(i), 0).UnixMilli(),
		})
		if rapid.Bool().Draw(t, "revoked") {
			s.commit(&events.FoundCertificateRevoked{Serial: 10 + i})
		}
	}
	for _, c := range s.commits {
		c.Kind, c.Office = events.KindAuthority, ""
	}
	return s.commits
}

// plainly is what the naive fold knows of a certificate.
type plainly struct {
	municipality, office, status string
	notAfter                     int64
	last, opens                  string
	device                       bool
}

// naive folds the commits recorded until an instant, in order, with no other rule than that the newest event counts.
func naive(all [][]*events.Commit, when Clocks) []plainly {
	held := make(map[uint64]*plainly)
	for _, commits := range all {
		for _, c := range commits {
			for _, e := range c.Events {
				if e.RecordedMs <= when.At.UnixMilli() && (when.Known.IsZero() || e.RecordedMs <= when.Known.UnixMilli()) {
					naively(held, c, e)
				}
			}
		}
	}
	var list []plainly
	for _, p := range held {
		if over := p.notAfter < when.At.UnixMilli() && p.status != "revoked" && p.status != "abandoned"; over {
			p.status = "expired"
		}
		if !p.device {
			list = append(list, *p)
		}
	}
	return list
}

func naively(held map[uint64]*plainly, c *events.Commit, e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		held[b.Serial] = &plainly{b.Municipality, c.Office, "authorized", b.NotAfterMs, b.LastDay, b.WindowOpens, b.Device != ""}
	case *events.CertificateIssued:
		held[b.Serial].status = "issued"
	case *events.Delivered:
		held[b.Serials[0]].status = "valid"
	case *events.CertificateSuspended:
		held[b.Serial].status = "suspended"
	case *events.CertificateRevoked:
		held[b.Serial].status = "revoked"
	case *events.CertificateDiscarded:
		held[b.Serial].status = "revoked"
	case *events.CertificateExpired:
		held[b.Serial].status = "expired"
	case *events.IssueAbandoned:
		held[b.Serial].status = "abandoned"
	case *events.CertificateFound:
		held[b.Serial] = &plainly{status: "valid", notAfter: b.NotAfterMs}
	case *events.FoundCertificateRevoked:
		held[b.Serial].status = "revoked"
	}
}

func (p plainly) inForce() bool {
	return slices.Contains([]string{"issued", "valid", "suspended"}, p.status)
}

func (p plainly) lies(in Extent) bool {
	begins := func(code string) bool { return p.municipality[:min(len(code), len(p.municipality))] == code }
	area := in.Area == nil || slices.ContainsFunc(in.Area, begins)
	return area && begins(in.Place.Prefecture) && begins(in.Place.Municipality) && (in.Place.Office == "" || in.Place.Office == p.office)
}

// seeds is how many random histories are tried.
func seeds() int {
	if os.Getenv("SHOMEI_SOAK") != "" {
		return 40
	}
	return 2
}

// answers are the three questions, as text.
func answers(t *testing.T, w *Warehouse, when Clocks, in Extent) string {
	counts, err := w.CountsByStatus(t.Context(), when, in)
	if err != nil {
		t.Fatal(err)
	}
	text := "counts:"
	for _, c := range counts {
		text += fmt.Sprintf(" %s=%d", c.Status, c.Count)
	}
	buckets, err := w.Forecast(t.Context(), ForecastQuery{By: "day", When: when, Extent: in})
	if err != nil {
		t.Fatal(err)
	}
	text += "\nforecast:"
	for _, b := range buckets {
		text += fmt.Sprintf(" %s=%d/%d", b.Starts, b.Expiring, b.Opening)
	}
	inForce, err := w.InForce(t.Context(), when, in)
	if err != nil {
		t.Fatal(err)
	}
	text += "\nin force:"
	for _, f := range inForce {
		text += fmt.Sprintf(" %s=%d", f.Municipality, f.Count)
	}
	return text
}

// expectedAnswers are the same by the naive fold.
func expectedAnswers(all [][]*events.Commit, when Clocks, in Extent) string {
	counts, inForce, ends, opens := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	days := map[string]bool{}
	for _, p := range naive(all, when) {
		if !p.lies(in) {
			continue
		}
		counts[p.status]++
		if p.inForce() {
			inForce[p.municipality]++
		}
		if p.inForce() && p.last != "" {
			ends[p.last]++
			opens[p.opens]++
			days[p.last], days[p.opens] = true, true
		}
	}
	text := "counts:" + sortedText(counts, func(n int) string { return fmt.Sprint(n) })
	both := map[string]string{}
	for day := range days {
		both[day] = fmt.Sprintf("%d/%d", ends[day], opens[day])
	}
	return text + "\nforecast:" + sortedText(both, func(s string) string { return s }) +
		"\nin force:" + sortedText(inForce, func(n int) string { return fmt.Sprint(n) })
}

func sortedText[V any](m map[string]V, show func(V) string) (text string) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		text += " " + k + "=" + show(m[k])
	}
	return text
}

// delivered is how the commits of some people reach the tables: in pieces, some pieces twice or late again, months being
// closed between them.
func delivered(t *rapid.T, all [][]*events.Commit) [][]*events.Commit {
	var pieces [][]*events.Commit
	left := make([]int, len(all))
	for open := len(all); open > 0; {
		var piece []*events.Commit
		for range rapid.IntRange(1, 25).Draw(t, "of a piece") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "whose")
			to := min(len(all[i]), left[i]+rapid.IntRange(1, 4).Draw(t, "commits"))
			if left[i] < to && to == len(all[i]) {
				open--
			}
			piece = append(piece, all[i][left[i]:to]...)
			left[i] = to
		}
		pieces = append(pieces, piece)
		if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
			pieces = append(pieces, pieces[rapid.IntRange(0, len(pieces)-1).Draw(t, "which")])
		}
	}
	return pieces
}

// TestTwoClocksAgainstANaiveFold: however the commits arrive and whenever months are closed, the questions answer what a
// fold of the commits does, for any two instants and any extent; the sums are right; and a rebuild makes the same rows.
func TestTwoClocksAgainstANaiveFold(t *testing.T) {
	for seed := range seeds() {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			var all, pieces [][]*events.Commit
			var closing []bool
			rapid.Custom(func(rt *rapid.T) bool {
				all = histories(rt, 12)
				pieces = delivered(rt, all)
				closing = rapid.SliceOfN(rapid.Bool(), len(pieces), len(pieces)).Draw(rt, "closing")
				return true
			}).Example(seed)
			w := openNamed(t, fmt.Sprintf("clocks_%d", seed))
			for i, piece := range pieces {
				if err := w.Apply(t.Context(), readOf(piece)); err != nil {
					t.Fatal(err)
				}
				if closing[i] {
					if err := w.CloseMonths(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			askedAtRandom(t, w, all)
			if wrong, err := w.WrongSums(t.Context()); err != nil || len(wrong) > 0 {
				t.Errorf("wrong sums: %v, %v", wrong, err)
			}
			rebuiltEquals(t, w, all)
		})
	}
}

func askedAtRandom(t *testing.T, w *Warehouse, all [][]*events.Commit) {
	t.Helper()
	extents := []Extent{
		{},
		{Place: ParsePlace("12")},
		{Place: ParsePlace("12237")},
		{Place: ParsePlace("12237-east")},
		{Area: Area{"12", "13101"}},
		{Area: Area{"12100"}, Place: ParsePlace("12")},
		{Area: Area{}},
	}
	type draw struct {
		when Clocks
		in   Extent
	}
	draws := rapid.Custom(func(rt *rapid.T) draw {
		hour := rapid.Map(rapid.IntRange(0, 1800*24), func(h int) time.Time { return handedOver.Add(time.Duration(h) * time.Hour) })
		when := Clocks{At: hour.Draw(rt, "at")}
		if rapid.Bool().Draw(rt, "as known then") {
			when.Known = hour.Draw(rt, "known")
		}
		return draw{when, rapid.SampledFrom(extents).Draw(rt, "in")}
	})
	for seed := range 15 {
		d := draws.Example(seed)
		if diff := gocmp.Diff(expectedAnswers(all, d.when, d.in), answers(t, w, d.when, d.in)); diff != "" {
			t.Errorf("at %v as known at %v in %+v (-fold +tables):\n%s", d.when.At, d.when.Known, d.in, diff)
		}
	}
}

// rebuiltEquals rebuilds in order of time, and compares every row and an answer.
func rebuiltEquals(t *testing.T, w *Warehouse, all [][]*events.Commit) {
	t.Helper()
	before := contents(t, w)
	inOrder := slices.Concat(all...)
	slices.SortStableFunc(inOrder, func(a, b *events.Commit) int { return cmp.Compare(a.Events[0].RecordedMs, b.Events[0].RecordedMs) })
	_, err := w.Rebuild(t.Context(), func(ctx context.Context, target *Target) error {
		return target.Write(ctx, batchOf(inOrder))
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(before, contents(t, w)); diff != "" {
		t.Errorf("rebuilt differs (-incremental +rebuilt):\n%.2000s", diff)
	}
	if wrong, err := w.WrongSums(t.Context()); err != nil || len(wrong) > 0 {
		t.Errorf("wrong sums after a rebuild: %v, %v", wrong, err)
	}
	when := Clocks{At: handedOver.AddDate(1, 1, 3)}
	if diff := gocmp.Diff(expectedAnswers(all, when, Extent{}), answers(t, w, when, Extent{})); diff != "" {
		t.Errorf("after a rebuild (-fold +tables):\n%s", diff)
	}
}
