package simulation

import (
	"io"
	"log/slog"
	"testing"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
)

// BenchmarkLives lives 400 lives of ten years, as `shomei-lab simulate` does. Run it with -cpuprofile to see where the time
// goes; lives/s is for the whole process, its engine beside it.
func BenchmarkLives(b *testing.B) {
	plan := Plan{Subscribers: 400, From: civil.New(2016, 1, 5), To: civil.New(2026, 4, 1), Seed: 3}
	for b.Loop() {
		data := b.TempDir()
		h, err := hub.StartStill(b.Context(), hub.Config{
			Data: data, Clock: Clock(data), Begin: plan.From.StartInstant(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			b.Fatal(err)
		}
		s, err := New(b.Context(), h, plan, 12)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Run(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(plan.Subscribers)*float64(b.N)/b.Elapsed().Seconds(), "lives/s")
}
