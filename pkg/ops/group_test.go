package ops

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) part(name string) Part {
	return Part{Name: name, Run: func(ctx context.Context, ready func()) error {
		j.add("+" + name)
		ready()
		<-ctx.Done()
		j.add("-" + name)
		return nil
	}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- RunParts(ctx, quiet(), j.part("nats"), j.part("engine"), j.part("ra")) }()
		synctest.Wait()
		cancel()
		if err := <-result; err != nil {
			t.Errorf("orderly stop: %v", err)
		}
		if want := []string{"+nats", "+engine", "+ra", "-ra", "-engine", "-nats"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %v, want %v", j.lines, want)
		}
	})
}

func TestAPartThatFailsStopsTheOthersInOrder(t *testing.T) {
	broken := errors.New("disk full")
	tests := map[string]struct {
		last Part
		want error
	}{
		"before it was ready": {Part{Name: "bad", Run: func(context.Context, func()) error { return broken }}, broken},
		"later": {Part{Name: "bad", Run: func(_ context.Context, ready func()) error {
			ready()
			return broken
		}}, broken},
		"without an error": {Part{Name: "bad", Run: func(_ context.Context, ready func()) error {
			ready()
			return nil
		}}, ErrEnded},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				err := RunParts(t.Context(), quiet(), j.part("a"), j.part("b"), test.last)
				if !errors.Is(err, test.want) {
					t.Errorf("got %v", err)
				}
				if want := []string{"+a", "+b", "-b", "-a"}; !slices.Equal(j.lines, want) {
					t.Errorf("got %v, want %v", j.lines, want)
				}
			})
		})
	}
}

func TestAPartThatHangsDoesNotKeepTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		hung := Part{Name: "hung", Deadline: time.Second, Run: func(_ context.Context, ready func()) error {
			ready()
			<-release
			return nil
		}}
		result := make(chan error, 1)
		go func() { result <- RunParts(ctx, quiet(), j.part("a"), hung) }()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, ErrStopDeadline) {
			t.Errorf("got %v", err)
		}
		if want := []string{"+a", "-a"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %v, want %v", j.lines, want)
		}
		close(release)
	})
}
