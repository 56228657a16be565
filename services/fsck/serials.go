package fsck

import (
	"context"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// serials are all serial numbers of the log, eight bytes each, unordered.
type serials []uint64

// twice returns the duplicates.
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

// checkSerials reports numbers used by two certificates: revoking one would revoke both. They are very rare, so the log
// is read once more to find where they are.
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

// spent returns the serial that an event gives to a certificate, or 0.
func spent(e *events.Event) uint64 {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		return b.Serial
	case *events.GenerationActivated:
		return b.Serial
	}
	return 0
}
