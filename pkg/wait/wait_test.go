package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"shomei/pkg/wait"
)

func TestAWaitEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := wait.For(t.Context(), time.Hour); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := wait.For(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUntilAsksAtOnceAndThenInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, asked := time.Now(), 0
		third := func() (bool, error) { asked++; return asked == 3, nil }
		if err := wait.Until(t.Context(), time.Second, third); err != nil || asked != 3 || time.Since(begin) != 2*time.Second {
			t.Errorf("%v after %d questions and %s", err, asked, time.Since(begin))
		}
		broken := errors.New("broken")
		if err := wait.Until(t.Context(), time.Second, func() (bool, error) { return false, broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := wait.Until(ctx, time.Second, func() (bool, error) { return false, nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
