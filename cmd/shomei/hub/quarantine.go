package hub

import (
	"context"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
)

// Resolution is what an officer says of something in quarantine.
type Resolution struct {
	// Outcome is one of Resolutions.
	Outcome string `json:"outcome"`
	// Why stays in the log for ever, sealed.
	Why string `json:"why"`
}

// Resolutions are the outcomes: it is not to be believed, or the act was taken again.
var Resolutions = []string{"rejected", "repeated"}

// Resolve records that nothing is left to do about something in quarantine.
func (o Operator) Resolve(ctx context.Context, id string, r Resolution) error {
	if !slices.Contains(Resolutions, r.Outcome) {
		return refuse("%.40q is no outcome: there are %v", r.Outcome, Resolutions)
	}
	if err := checkRemark("--why", r.Why); err != nil {
		return err
	}
	if !slices.ContainsFunc(o.hub.Directory.Aside(), func(a directory.Aside) bool { return a.ID == id }) {
		return refuse("nothing in quarantine under %.60q waits for an officer: shomei quarantine list shows what does", id)
	}
	log := o.hub.as(eventlog.RoleOperator)
	outcome, err := log.Update(ctx, events.KindQuarantine, id, o.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		why, err := dossier.Sealer{Vault: o.hub.sealed, Subscriber: id, Revision: head.Revision + 1}.Remark(r.Why)
		if err != nil {
			return nil, err
		}
		return []*events.Event{events.New(&events.QuarantineResolved{Outcome: r.Outcome, SealedWhy: why})}, nil
	})
	if err != nil {
		return fmt.Errorf("resolving %s: %w", id, err)
	}
	return o.hub.Directory.Learn(events.KindQuarantine, id, outcome.Commit)
}
