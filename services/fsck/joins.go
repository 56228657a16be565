package fsck

import (
	"context"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// joins are the histories that go on under another id, and those that others have taken in, as the events tell them.
type joins struct {
	// into maps each history that has ended to the one that goes on; had says which of them ever had a certificate.
	into map[string]string
	had  map[string]bool
	// taken are the histories that were taken in, by the one that goes on; closed those whose end is recorded.
	taken, closed map[string][]string
}

// noteJoin records what an event says of two histories, and reports what happens in one that has ended.
func (c *check) noteJoin(a *aggregate, e *events.Event, where string) {
	j := &c.joins
	if j.into == nil {
		*j = joins{into: map[string]string{}, had: map[string]bool{}, taken: map[string][]string{}, closed: map[string][]string{}}
	}
	switch b := events.BodyOf(e).(type) {
	case *events.SubscriberAliased:
		if former := j.into[a.id]; former != "" && former != b.To {
			c.report.add(where, nextProgram, "it goes on as %s, and as %s", former, b.To)
		}
		j.into[a.id] = b.To
	case *events.SubscriberTakenIn:
		j.taken[a.id] = append(j.taken[a.id], b.From)
	case *events.TakenInClosed:
		j.closed[a.id] = append(j.closed[a.id], b.From)
	case *events.ApplicationAccepted, *events.IssueAuthorized, *events.CertificateIssued, *events.Delivered, *events.CertificateReleased, *events.CardAssigned:
		if to := j.into[a.id]; to != "" {
			c.report.add(where, nextProgram, "%s in a history that goes on as %s", events.Name(e), to)
		}
	}
}

// finishJoin reports what is still alive in a history that goes on elsewhere.
func (c *check) finishJoin(a *aggregate, where string) {
	to := c.joins.into[a.id]
	if to == "" {
		return
	}
	for serial, held := range a.certificates {
		if held.subscriber == "" {
			continue
		}
		c.joins.had[a.id] = true
		if held.revoked == 0 && held.abandoned == 0 && held.expired == 0 {
			c.report.add(where, nextProgram, "it goes on as %s, and serial %d has not ended", to, serial)
		}
	}
}

// checkJoins holds all histories against each other: none leads round in a circle, and what took another in and what has ended
// tell the same. A history that seems to lack something is read again, because the hub may have gone on since.
func (c *check) checkJoins(ctx context.Context) error {
	for id, to := range c.joins.into {
		where := events.KindSubscriber + "/" + id
		if c.circles(id) {
			c.report.add(where, nextProgram, "it goes on as %s, which leads round to itself", to)
		}
		if !c.joins.had[id] || slices.Contains(c.joins.taken[to], id) {
			continue // a code without certificates is corrected without a second officer
		}
		found, err := c.tells(ctx, to, func(e *events.Event) bool { return e.GetSubscriberTakenIn().GetFrom() == id })
		if err != nil {
			return err
		}
		if !found {
			c.report.add(where, nextForged, "it had certificates and goes on as %s, which has not taken it in", to)
		}
	}
	for to, list := range c.joins.closed {
		for _, from := range list {
			if c.joins.into[from] == to {
				continue
			}
			found, err := c.tells(ctx, from, func(e *events.Event) bool { return e.GetSubscriberAliased().GetTo() == to })
			if err != nil {
				return err
			}
			if !found {
				c.report.add(events.KindSubscriber+"/"+to, nextProgram, "%s is said to have ended in it, and has not", from)
			}
		}
	}
	return nil
}

func (c *check) circles(id string) bool {
	at := c.joins.into[id]
	for range len(c.joins.into) {
		if at == id || at == "" {
			return at == id
		}
		at = c.joins.into[at]
	}
	return false // it leads into a circle of others
}

// tells reports whether a subscriber's history has an event, as it is now.
func (c *check) tells(ctx context.Context, id string, is func(*events.Event) bool) (bool, error) {
	history, err := c.Log.History(ctx, events.KindSubscriber, id)
	if eventlog.Unreadable(err) {
		return true, nil // the scan has reported it
	}
	return slices.ContainsFunc(history, func(r eventlog.Record) bool { return slices.ContainsFunc(r.Commit.GetEvents(), is) }), err
}
