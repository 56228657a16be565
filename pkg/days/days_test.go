package days_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shomei/pkg/days"
)

// TestLooks counts the looks of an hour: every ten minutes, soon after one that came too early, none while the clock is not
// trusted, and goes on after one that failed.
func TestLooks(t *testing.T) {
	for name, row := range map[string]struct {
		looks []error // the outcomes, then none fails
		doubt time.Duration
		want  int
		said  string
	}{
		"all well":               {want: 6},
		"tables being started":   {looks: []error{days.NotYet{errors.New("starting")}, days.NotYet{errors.New("starting")}}, want: 8},
		"one fails":              {looks: []error{errors.New("away")}, want: 6, said: "away"},
		"the clock is in doubt":  {doubt: 25 * time.Minute, want: 3, said: "jumped"},
		"it is in doubt all day": {doubt: 24 * time.Hour, want: 0, said: "jumped"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said bytes.Buffer
				begin, n := time.Now(), 0
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Second)
				defer cancel()
				w := days.Watch{Every: 10 * time.Minute, Logger: slog.New(slog.NewTextHandler(&said, nil)), Trusted: func() error {
					if time.Since(begin) < row.doubt {
						return errors.New("the clock jumped")
					}
					return nil
				}}
				err := w.Follow(ctx, func(context.Context) error {
					if n++; n <= len(row.looks) {
						return row.looks[n-1]
					}
					return nil
				})
				if err != nil || n != row.want {
					t.Errorf("%d looks, want %d; %v", n, row.want, err)
				}
				if strings.Contains(said.String(), "retrying") != (row.said != "") || !strings.Contains(said.String(), row.said) {
					t.Errorf("said %q", said.String())
				}
			})
		})
	}
}
