package eventlog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	updates    *prometheus.CounterVec
	seconds    prometheus.Histogram
	conflicts  prometheus.Counter
	unanswered prometheus.Counter
	followed   *prometheus.CounterVec
	parked     *prometheus.GaugeVec
}

func newMetrics() *metrics {
	return &metrics{
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_log_updates_total",
			Help: "Updates by kind of aggregate and outcome (stored, nothing, repeated, error).",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shomei_log_update_seconds",
			Help: "Time from the call of Update to the durable commit.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shomei_log_conflicts_total",
			Help: "Commits that lost against another writer and were decided again.",
		}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shomei_log_unanswered_total",
			Help: "Commits whose acknowledgement did not come in time.",
		}),
		followed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_log_followed_total",
			Help: "Commits handled by followers.",
		}, []string{"follower"}),
		parked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shomei_log_parked_subjects",
			Help: "Aggregates that a follower passes over because it can't read a commit of theirs. Alarm when above zero.",
		}, []string{"follower"}),
	}
}

// Collectors returns the metrics of the log, for the command to register once.
func (l *Log) Collectors() []prometheus.Collector {
	m := l.metrics
	return []prometheus.Collector{m.updates, m.seconds, m.conflicts, m.unanswered, m.followed, m.parked}
}

func (m *metrics) count(kind string, outcome Outcome, err error, took time.Duration) {
	result := "stored"
	switch {
	case err != nil:
		result = "error"
	case outcome.Repeated:
		result = "repeated"
	case outcome.Commit == nil:
		result = "nothing"
	default:
		m.seconds.Observe(took.Seconds())
	}
	m.updates.WithLabelValues(kind, result).Inc()
}
