package validation

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// near is how long before its end a list counts as near it. The issuer makes the next one an hour before.
const near = 30 * time.Minute

// Check returns what keeps people from verifying certificates, or soon will: an authority in force whose list is missing,
// over or near its end, or what the bucket has in the place of one.
func (v *Validation) Check() error {
	now := v.Clock()
	var errs []error
	for _, a := range v.known() {
		errs = append(errs, v.trouble(a, now))
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return errors.Join(append(errs, v.unreachable)...)
}

func (v *Validation) trouble(a *authority, now time.Time) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var errs []error
	if a.failed != nil {
		errs = append(errs, fmt.Errorf("%s is served, but can't be kept for the next start: %w", a.name, a.failed))
	}
	if !a.inForce(now) {
		return errors.Join(errs...)
	}
	switch {
	case a.list == nil:
		errs = append(errs, fmt.Errorf("%s: no list yet", a.listFile()))
	case !now.Before(a.list.NextUpdate):
		errs = append(errs, fmt.Errorf("%s has been over since %s: no certificate of this authority can be verified", a.listFile(), stamp(a.list.NextUpdate)))
	case a.list.NextUpdate.Sub(now) < near:
		errs = append(errs, fmt.Errorf("%s is over at %s and its successor has not come", a.listFile(), stamp(a.list.NextUpdate)))
	}
	if a.refused != nil {
		errs = append(errs, fmt.Errorf("%s: what is published is not served: %w", a.listFile(), a.refused))
	}
	return errors.Join(errs...)
}

// inForce reports whether certificates of the authority's key may be in force.
func (a *authority) inForce(now time.Time) bool {
	return !now.Before(a.certificate.NotBefore) && !now.After(a.certificate.NotAfter)
}

type metrics struct {
	left    prometheus.GaugeFunc
	refused prometheus.Counter
}

func (v *Validation) newMetrics() metrics {
	return metrics{
		left: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shomei_validation_next_update_seconds",
			Help: "Time until the first of the served revocation lists is over; 0 or less: one is over or missing. Alarm below 1800.",
		}, func() float64 { return v.left().Seconds() }),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shomei_validation_refused_total",
			Help: "Files in the place of a revocation list that were not served. Alarm when it grows.",
		}),
	}
}

// left returns the time until the first list of an authority in force is over.
func (v *Validation) left() time.Duration {
	now, left := v.Clock(), time.Duration(math.MaxInt64)
	for _, a := range v.known() {
		v.mu.RLock()
		switch {
		case !a.inForce(now):
		case a.list == nil:
			left = min(left, 0)
		default:
			left = min(left, a.list.NextUpdate.Sub(now))
		}
		v.mu.RUnlock()
	}
	return left
}

// Collectors returns the metrics of the service, for the command to register once.
func (v *Validation) Collectors() []prometheus.Collector {
	return []prometheus.Collector{v.metrics.left, v.metrics.refused}
}
