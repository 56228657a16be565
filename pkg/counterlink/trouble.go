package counterlink

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// remembered is how long health names what a counter did.
const remembered = time.Hour

// trouble is a counter's latest misbehaviour.
type trouble struct {
	why string
	at  time.Time
}

func (t *trouble) note(why string, at time.Time) { *t = trouble{why, at} }

func (g *guard) remember(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trouble.note(why, time.Now())
}

// Check returns nil if every counter is well, and otherwise an error for each that is cut off, that exceeded its bounds
// within the last hour, or whose claims can't be handled.
func (h *Links) Check() error {
	var errs []error
	for _, g := range h.allGuards() {
		errs = append(errs, g.check())
	}
	for _, l := range h.allQueues() {
		errs = append(errs, l.check())
	}
	return errors.Join(errs...)
}

func (g *guard) check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch now := time.Now(); {
	case now.Before(g.cutOff):
		return fmt.Errorf("counter %s is cut off until %s: %s", g.counter, g.cutOff.Format(time.TimeOnly), g.trouble.why)
	case g.trouble.why != "" && now.Sub(g.trouble.at) < remembered:
		return fmt.Errorf("counter %s at %s: %s", g.counter, g.trouble.at.Format(time.TimeOnly), g.trouble.why)
	}
	return nil
}

func (h *Links) allGuards() []*guard {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.guards), func(a, b *guard) int { return cmp.Compare(a.counter, b.counter) })
}

func (h *Links) allQueues() []*queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.queues), func(a, b *queue) int { return cmp.Compare(a.counter, b.counter) })
}

// metrics are counted by counter: ids are enrolled, so nobody can make more of them.
type metrics struct {
	refused, cuts, quarantined *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_gate_refused_total", Help: "Messages of counters that the gate refused, by reason (rate, reply, session).",
		}, []string{"counter", "reason"}),
		cuts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_gate_cuts_total", Help: "How often a counter was cut off because it went beyond its bounds.",
		}, []string{"counter"}),
		quarantined: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_gate_quarantined_total",
			Help: "Messages of counters that went to quarantine, by what became of them (kept, counted).",
		}, []string{"counter", "outcome"}),
	}
}

// Collectors returns the metrics of the hub's end, for the command to register once.
func (h *Links) Collectors() []prometheus.Collector {
	return []prometheus.Collector{h.metrics.refused, h.metrics.cuts, h.metrics.quarantined}
}
