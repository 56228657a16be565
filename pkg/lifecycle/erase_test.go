package lifecycle

import (
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/regime"
)

// issuedOn plays a first issue of both certificates up to its hand-over.
func issuedOn(t *testing.T, at string) *player {
	t.Helper()
	p := newPlayer(t, at)
	p.carried(events.Operation_OPERATION_ISSUE)
	return p
}

func erase(t *testing.T, p *player, class string) []*events.Event {
	t.Helper()
	c, err := PrepareErasure(p.history, class)
	if err != nil {
		t.Fatal(err)
	}
	return p.do(c)
}

// A certificate issued on 2016-01-12 to somebody born on 18 June ends on 2020-06-18; its issue record is kept to
// 2030-06-18, the application of 2016-01-12 to 2031-01-12 (law.md 12.1).
func TestErasureWaitsForEveryRetentionPeriod(t *testing.T) {
	for _, row := range []struct {
		class, at string
		refused   []regime.ID // nil: ordered
	}{
		{"contact", "2016-01-12 11:00", nil},
		{"certificate", "2016-01-12 11:00", []regime.ID{"retention.issue-record"}},
		{"certificate", "2030-06-18 23:59", []regime.ID{"retention.issue-record"}},
		{"certificate", "2030-06-19 00:00", nil},
		{"identity", "2030-06-18 23:59", []regime.ID{"retention.application-forms", "retention.card-application", "retention.issue-record"}},
		{"identity", "2030-06-19 00:00", []regime.ID{"retention.application-forms", "retention.card-application"}},
		{"identity", "2031-01-12 23:59", []regime.ID{"retention.application-forms", "retention.card-application"}},
		{"identity", "2031-01-13 00:00", nil},
	} {
		t.Run(row.class+" "+row.at, func(t *testing.T) {
			p := issuedOn(t, "2016-01-12 10:00").at(row.at)
			decided := erase(t, p, row.class)
			if len(decided) != 1 {
				t.Fatalf("decided %v", decided)
			}
			refused := decided[0].GetRequestRefused().GetRefusals()
			slices.Sort(refused)
			if !slices.Equal(refused, row.refused) {
				t.Errorf("refused by %q, want %q", refused, row.refused)
			}
			if b := decided[0].GetErasureOrdered(); (b != nil) != (row.refused == nil) || b != nil && b.RecordClass != row.class {
				t.Errorf("decided %v", decided[0])
			}
			if row.refused == nil && row.class != "contact" && len(decided[0].RuleIds) == 0 {
				t.Error("the rules that allow it are not named")
			}
		})
	}
}

// A refused applicant has an application form on file as well.
func TestRefusedApplicationIsRetained(t *testing.T) {
	p := newPlayer(t, "2016-01-12 10:00")
	p.person.Registered = false
	p.do(p.application(events.Operation_OPERATION_ISSUE))
	if last := p.history[len(p.history)-1].Events; !slices.ContainsFunc(last, func(e *events.Event) bool { return e.GetApplicationRefused() != nil }) {
		t.Fatalf("decided %v", last)
	}
	if decided := erase(t, p.at("2031-01-12 10:00"), "identity"); decided[0].GetRequestRefused() == nil {
		t.Errorf("decided %v", decided)
	}
	if decided := erase(t, p.at("2031-01-13 10:00"), "identity"); decided[0].GetErasureOrdered() == nil {
		t.Errorf("decided %v", decided)
	}
}

func TestAnErasureIsOrderedAndCarriedOutOnce(t *testing.T) {
	p := issuedOn(t, "2016-01-12 10:00")
	if decided := p.do(RecordKeyDestroyed{Class: "contact"}); len(decided) > 0 {
		t.Errorf("destroyed without an order: decided %v", decided)
	}
	erase(t, p, "contact")
	if decided := erase(t, p, "contact"); len(decided) > 0 {
		t.Errorf("ordered again, decided %v", decided)
	}
	for n, want := range []int{1, 0} {
		if decided := p.do(RecordKeyDestroyed{Class: "contact"}); len(decided) != want {
			t.Errorf("destroyed for the %d. time, decided %v", n+1, decided)
		}
	}
	if decided := erase(t, p, "contact"); len(decided) > 0 {
		t.Errorf("ordered after it was done, decided %v", decided)
	}
	if _, err := PrepareErasure(nil, "diary"); err == nil {
		t.Error("accepted a record class that does not exist: diary")
	}
}
