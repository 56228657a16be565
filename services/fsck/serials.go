package fsck

import (
	"context"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// serials are all serial numbers of the log: eight bytes each, in no order.
type serials []uint64

// twice returns those that stand more than once.
func (s serials) twice() map[uint64]string {
	slices.Sort(s)
	found := make(map[uint64]string)
	for i := 1; i < len(s); i++ {
		if s[i] == s[i-1] {
			found[s[i]] = ""
		}
	}
	return found
}

// checkSerials looks for numbers that two certificates carry: whoever revokes one revokes both. There are next to none, so
// the log is read once more for the places of those.
func (c *check) checkSerials(ctx context.Context) error {
	first := c.serials.twice()
	if len(first) == 0 {
		return nil
	}
	return c.Log.Scan(ctx, nil, nil, func(r eventlog.Record, _ error) error {
		for _, e := range r.Commit.GetEvents() {
			serial := spent(e)
			before, double := first[serial]
			where := fmt.Sprintf("%s/%s revision %d", r.Kind, r.ID, r.Commit.GetRevision())
			if double && before != "" {
				c.report.add(where, nextProgram, "serial %d is used a second time, first in %s", serial, before)
			} else if double {
				first[serial] = where
			}
		}
		return nil
	})
}

// spent is the serial that an event gives to a certificate; 0 for other events.
func spent(e *events.Event) uint64 {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		return b.Serial
	case *events.GenerationActivated:
		return b.Serial
	}
	return 0
}
