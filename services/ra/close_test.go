package ra

import (
	"maps"
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
)

// What nothing readable has ended may be alive, whatever the lost commits were; what is over by its last day needs no list.
func TestWhatMayBeAliveInALostHistory(t *testing.T) {
	commit := func(bodies ...events.Body) eventlog.Record {
		c := &events.Commit{}
		for _, b := range bodies {
			c.Events = append(c.Events, events.New(b))
		}
		return eventlog.Record{Commit: c}
	}
	authorized := func(serial uint64, last string) events.Body {
		return &events.IssueAuthorized{Serial: serial, Authority: "sign", LastDay: last, NotAfterMs: 7}
	}
	alive := aliveIn([]eventlog.Record{
		commit(authorized(1, "2031-01-01"), authorized(2, "2031-01-01"), authorized(3, "2031-01-01"), authorized(4, "2019-12-31"), authorized(5, "2031-01-01")),
		commit(&events.IssueAbandoned{Serial: 2}),
		// Here a commit is lost, which may have issued 1 and 3 or not.
		commit(&events.CertificateRevoked{Serial: 3}, &events.CertificateExpired{Serial: 9}),
		commit(authorized(6, "2031-01-01"), &events.CertificateDiscarded{Serial: 5}),
	}, civil.New(2020, 1, 1))
	if got := slices.Sorted(maps.Keys(alive)); !slices.Equal(got, []uint64{1, 6}) || alive[1] != (possible{"sign", "2031-01-01", 7}) {
		t.Errorf("may be alive: %v", alive)
	}
}
