package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"shomei/events"
	"shomei/pkg/eventlog"
)

func spreadRecords() []eventlog.Record {
	var records []eventlog.Record
	for i := range 60 {
		records = append(records, eventlog.Record{Kind: events.KindSubscriber, ID: fmt.Sprint("p", i%7), Sequence: uint64(i)})
	}
	return records
}

func TestSpreadKeepsTheOrderOfEachAggregate(t *testing.T) {
	var mu sync.Mutex
	seen := map[string][]uint64{}
	meet := make(chan struct{}) // two aggregates wait for each other: only at the same time can both go on
	err := eventlog.Spread(t.Context(), spreadRecords(), 3, func(ctx context.Context, r eventlog.Record) error {
		if r.Sequence == 0 {
			meet <- struct{}{}
		}
		if r.Sequence == 1 {
			<-meet
		}
		mu.Lock()
		defer mu.Unlock()
		seen[r.ID] = append(seen[r.ID], r.Sequence)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for id, sequences := range seen {
		total += len(sequences)
		if !slices.IsSorted(sequences) {
			t.Errorf("%s was handled in the order %v", id, sequences)
		}
	}
	if total != 60 {
		t.Errorf("%d records were handled, want 60", total)
	}
}

func TestSpreadGoesOnAfterAnError(t *testing.T) {
	broken := errors.New("broken")
	var handled atomic.Int64
	err := eventlog.Spread(t.Context(), spreadRecords(), 2, func(_ context.Context, r eventlog.Record) error {
		handled.Add(1)
		if r.ID == "p3" {
			return &eventlog.ParkError{Kind: r.Kind, ID: r.ID, Err: broken}
		}
		return nil
	})
	var park *eventlog.ParkError
	if !errors.As(err, &park) || park.ID != "p3" || !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if n := handled.Load(); n != 60 {
		t.Errorf("%d records were handed on, want 60", n)
	}
}
