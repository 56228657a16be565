package ra_test

import (
	"bytes"
	"errors"
	"testing"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// What doesn't fit into a commit is cut, hashed and named; what comes beyond is counted in one aggregate of the counter.
func TestQuarantineCutsAndCounts(t *testing.T) {
	w := servicetest.New(t, morning)
	put := func(data []byte, beyond uint64) {
		t.Helper()
		servicetest.Check(t, ra.Quarantine(t.Context(), w.Log, counterlink.Quarantined{
			ID: string(rune('a'+beyond)) + "-id", Counter: "c1", Signed: data, Beyond: beyond, Why: errors.New("noise"),
		}))
	}
	pill := bytes.Repeat([]byte("pill"), events.MaxStored/4)
	put(pill, 0)
	put([]byte("small"), 1)
	put([]byte("small"), 2)
	put([]byte("small"), 2) // comes again
	aggregates := make(map[string][]*events.FactQuarantined)
	servicetest.Check(t, w.Log.Scan(t.Context(), nil, func(r eventlog.Record, err error) error {
		for _, e := range r.Commit.GetEvents() {
			if q := e.GetFactQuarantined(); q != nil {
				aggregates[r.ID] = append(aggregates[r.ID], q)
			}
		}
		return err
	}))
	if len(aggregates) != 2 {
		t.Fatalf("%d aggregates, want one for the large message and one for all beyond", len(aggregates))
	}
	for _, facts := range aggregates {
		switch first := facts[0]; {
		case first.Beyond == 0:
			if len(facts) != 1 || !bytes.HasPrefix(pill, first.Claim) || len(first.Claim) == 0 || first.Size != uint64(len(pill)) || !bytes.Equal(first.Sha256, events.Hash(pill)) {
				t.Errorf("the large message: %d facts, %d bytes kept of %d", len(facts), len(first.Claim), first.Size)
			}
		case len(facts) != 2 || facts[1].Beyond != 2 || facts[1].Claim != nil || facts[1].Size != 5:
			t.Errorf("those beyond: %v", facts)
		}
	}
}
