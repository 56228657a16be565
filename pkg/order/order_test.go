package order

import (
	"errors"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// An order lapses at the end of the next working day: not on a Saturday, and not over the new year.
func TestAnOrderLapsesAtTheEndOfTheNextWorkingDay(t *testing.T) {
	for asked, want := range map[civil.Date]civil.Date{
		civil.New(2026, 11, 30): civil.New(2026, 12, 1), civil.New(2026, 12, 4): civil.New(2026, 12, 7), civil.New(2026, 12, 28): civil.New(2027, 1, 4),
		civil.New(2026, 5, 1): civil.New(2026, 5, 7),
	} {
		if got := civil.Of(LapseOf(asked.StartInstant().Add(16 * time.Hour))); got != want {
			t.Errorf("asked on %s it lapses at the end of %s, want %s", asked, got, want)
		}
	}
}

// Numbers name a history and a revision, whatever an attacker writes.
func TestNumbersOfOrders(t *testing.T) {
	for _, id := range []string{"12237-main", "abc", "0123456789012345678901234567890123456789012345678901234567890123"} {
		o := Order{History: HistoryOf(id), Revision: 7}
		if history, revision, err := ParseNumber(" " + o.Number() + "\n"); err != nil || history != o.History || revision != 7 || !events.ValidID(history) {
			t.Errorf("%s: %s %d, %v", o.Number(), history, revision, err)
		}
	}
	for _, bad := range []string{"", "abc", "abc.", ".1", "abc.0", "abc.-1", "a b.1", "a>.1", "a.*.1"} {
		if _, _, err := ParseNumber(bad); !errors.Is(err, ErrNone) {
			t.Errorf("%q is taken for a number: %v", bad, err)
		}
	}
}

// TestWhoMayApproveAndUseAnOrder walks what the one who asked, another and a third may do, and when.
func TestWhoMayApproveAndUseAnOrder(t *testing.T) {
	at := civil.New(2026, 11, 30).StartInstant()
	asked := &events.OrderAsked{Act: string(Disclosure), Target: "subscriber/p"}
	digest, err := Digest(asked)
	if err != nil {
		t.Fatal(err)
	}
	asked.Digest = digest
	waiting := Order{History: "order-p", Revision: 1, Asked: asked, AskedBy: "1", writer: "U1", Lapses: LapseOf(at), Outcome: Waiting}
	approved, declined, changed := waiting, waiting, waiting
	approved.Outcome, approved.DecidedBy = Approved, "2"
	declined.Outcome = Declined
	changed.Asked = &events.OrderAsked{Act: string(Disclosure), Target: "subscriber/q", Digest: digest}
	late := waiting.Lapses.Add(time.Millisecond)
	for name, got := range map[string]struct{ got, want error }{
		"the asker approves":            {waiting.Approvable("1", "U2", at), ErrSamePerson},
		"the asker's key under another": {waiting.Approvable("2", "U1", at), ErrSamePerson},
		"nobody approves":               {waiting.Approvable("", "U2", at), ErrSamePerson},
		"another approves":              {waiting.Approvable("2", "U2", at), nil},
		"another approves too late":     {waiting.Approvable("2", "U2", late), ErrLapsed},
		"approved twice":                {approved.Approvable("3", "U3", at), ErrOver},
		"other bytes":                   {changed.Approvable("2", "U2", at), ErrOtherBytes},
		"the digest of other bytes":     {waiting.approvable("2", "U2", []byte("x"), at), ErrOtherBytes},
		"used while it waits":           {waiting.usable("1", at), ErrWaiting},
		"the asker uses it":             {approved.usable("1", at), nil},
		"the second uses it":            {approved.usable("2", at), nil},
		"a third uses it":               {approved.usable("3", at), ErrOthers},
		"nobody uses it":                {approved.usable("", at), ErrOthers},
		"used too late":                 {approved.usable("1", late), ErrLapsed},
		"a refused one is used":         {declined.usable("1", at), ErrNotAsked},
	} {
		if !errors.Is(got.got, got.want) || got.want == nil && got.got != nil {
			t.Errorf("%s: %v, want %v", name, got.got, got.want)
		}
	}
}
