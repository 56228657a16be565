package ra_test

import (
	"bytes"
	"errors"
	"testing"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// A claim too large for a commit is cut, with its size and hash; claims beyond the quota are counted in one aggregate
// of the counter.
func TestQuarantineCutsLargeClaimsAndCountsExcess(t *testing.T) {
	w := servicetest.New(t, morning)
	put := func(data []byte, beyond uint64) {
		t.Helper()
		servicetest.Check(t, ra.Quarantine(t.Context(), w.Log, w.Vault, counterlink.Quarantined{
			ID: string(rune('a'+beyond)) + "-id", Counter: "c1", Signed: data, Beyond: beyond, Why: errors.New("noise"),
		}))
	}
	pill := bytes.Repeat([]byte("pill"), events.MaxStored/4)
	put(pill, 0)
	put([]byte("small"), 1)
	put([]byte("small"), 2)
	put([]byte("small"), 2) // redelivered
	aggregates, claims := make(map[string][]*events.FactQuarantined), make(map[string][]byte)
	servicetest.Check(t, w.Log.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		for _, e := range r.Commit.GetEvents() {
			if q := e.GetFactQuarantined(); q != nil {
				aggregates[r.ID] = append(aggregates[r.ID], q)
				claims[r.ID], _ = dossier.Of(w.Vault, r.ID, []eventlog.Record{r}).Claim()
			}
		}
		if bytes.Contains(r.Stored, []byte("pillpill")) || bytes.Contains(r.Stored, []byte("small")) {
			t.Errorf("%s/%s has the quarantined claim in the clear", r.Kind, r.ID)
		}
		return err
	}))
	if len(aggregates) != 2 {
		t.Fatalf("%d aggregates, want one for the large message and one for all beyond", len(aggregates))
	}
	for id, facts := range aggregates {
		switch first := facts[0]; {
		case first.Beyond == 0:
			if len(facts) != 1 || !bytes.HasPrefix(pill, claims[id]) || len(claims[id]) == 0 || first.Claim != nil || first.Size != uint64(len(pill)) || !bytes.Equal(first.Sha256, events.Hash(pill)) {
				t.Errorf("the large message: %d facts, %d bytes kept of %d", len(facts), len(claims[id]), first.Size)
			}
		case len(facts) != 2 || facts[1].Beyond != 2 || facts[1].SealedClaim != nil || facts[1].Size != 5:
			t.Errorf("those beyond: %v", facts)
		}
	}
}
