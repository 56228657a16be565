// Package wait waits for a time to pass, or for something to hold, and ends with its context.
package wait

import (
	"context"
	"time"
)

// For waits until d has passed. The error is that of ctx, when it ends first.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Until asks at once, and then again after each interval, until something holds. The error is that of asking, or that of
// ctx when it ends first.
func Until(ctx context.Context, every time.Duration, holds func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if held, err := holds(); held || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
