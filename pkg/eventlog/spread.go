package eventlog

import (
	"context"
	"errors"
	"sync"
)

// Spread hands the records of different aggregates to do at the same time, at most limit at once, and those of one
// aggregate in order and one after another. It is for followers that wait for a disk or a key with each record. Every
// record is handed on, whatever became of the others; the errors come back together.
func Spread(ctx context.Context, records []Record, limit int, do func(context.Context, Record) error) error {
	var order []string
	of := make(map[string][]Record)
	for _, r := range records {
		key := r.Kind + "/" + r.ID
		if of[key] == nil {
			order = append(order, key)
		}
		of[key] = append(of[key], r)
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, limit)
	failed := make([]error, len(order))
	for n, key := range order {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			for _, r := range of[key] {
				failed[n] = errors.Join(failed[n], do(ctx, r))
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}
