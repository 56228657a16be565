package hub

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

// named is how many findings one line of health lists.
const named = 5

// counterClocks fails if a counter's clock differed from the hub's at its last link-up, and lists the differences.
func (p *Parts) counterClocks() error {
	var list []string
	for _, c := range p.clockDifferences() {
		list = append(list, fmt.Sprintf("counter %s showed %s when it was %s", c.Counter, showTime(c.Own), showTime(c.Hub)))
	}
	return nameSome(list, "clocks of counters differ")
}

// clockDifferences returns those of enrolled counters, and none in a simulated log, where every clock is settable.
func (p *Parts) clockDifferences() (list []counterlink.ClockDifference) {
	if p.Clock.Simulated() {
		return nil
	}
	for _, c := range p.Links.ClockDifferences() {
		if _, enrolled := p.Directory.Counter(c.Counter); enrolled {
			list = append(list, c)
		}
	}
	return list
}

// heldClaims fails while claims are held, and names their counters with both times.
func (p *Parts) heldClaims() error {
	var list []string
	for _, c := range p.Directory.Held() {
		why := fmt.Sprintf("its clock showed %s, its link explains %s to %s",
			showMS(c.Receipt.GetClockMs()), showMS(c.Receipt.GetEarliestMs()), showMS(c.Receipt.GetLatestMs()))
		if c.Receipt.GetReason() == events.HeldReason_HELD_REASON_SIMULATED {
			why = "it runs by a settable clock, which showed " + showMS(c.Receipt.GetClockMs())
		}
		list = append(list, fmt.Sprintf("claim %d of counter %s (%s): %s", c.Number, c.Counter, c.ID, why))
	}
	return nameSome(list, "claims are held")
}

// quarantined fails while something is in quarantine that nobody has looked at, and names it.
func (p *Parts) quarantined() error {
	var list []string
	for _, a := range p.Directory.Quarantined() {
		list = append(list, fmt.Sprintf("%s of counter %s at %s: %s", a.ID, a.Counter, showTime(a.Since), a.Why))
	}
	return nameSome(list, "claims are in quarantine")
}

// nameSome returns an error that lists the newest findings, or nil if there are none.
func nameSome(list []string, what string) error {
	if len(list) == 0 {
		return nil
	}
	shown := list[max(0, len(list)-named):]
	return fmt.Errorf("%d %s: %s", len(list), what, strings.Join(shown, "; "))
}

func showMS(ms int64) string {
	if ms == 0 {
		return "the beginning"
	}
	return showTime(time.UnixMilli(ms))
}

func showTime(t time.Time) string { return t.In(civil.Tokyo).Format(time.RFC3339) }

// clockCollectors returns the same findings as metrics.
func (p *Parts) clockCollectors() []prometheus.Collector {
	gauge := func(name, help string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(count()) })
	}
	return []prometheus.Collector{
		gauge("shomei_counter_clocks_differ", "Counters whose clock differed from the hub's at their last link-up.",
			func() int { return len(p.clockDifferences()) }),
		gauge("shomei_claims_held", "Claims that wait for officers because their receipt time could not be believed.",
			func() int { return len(p.Directory.Held()) }),
		gauge("shomei_claims_quarantined", "Claims in quarantine that no officer has looked at.",
			func() int { return len(p.Directory.Quarantined()) }),
	}
}
