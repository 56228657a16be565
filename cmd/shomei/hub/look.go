package hub

import (
	"context"
	"fmt"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/services/console"
)

// Look is a look at a record or a history, by a command.
type Look struct {
	// Subscriber is whose it is, About the history as KIND/ID if it is nobody's.
	Subscriber, About string
	// Classes are the record classes of the sealed fields that are opened.
	Classes []string
	// Place is one of pkg/access, Purpose what is shown.
	Place, Purpose string
	// Why stays in the log for ever, sealed; it may be empty where nothing sealed is opened.
	Why string
}

// Look records a look in the officer's access history. Whoever gets an error shows nothing.
func (o Operator) Look(ctx context.Context, l Look) error {
	if l.Why != "" || len(l.Classes) > 0 {
		if err := checkRemark("--why", l.Why); err != nil {
			return err
		}
	}
	if err := o.hub.toRecord(ctx, l.Why != ""); err != nil {
		return fmt.Errorf("recording who looks: %w", err)
	}
	return access.Record(ctx, o.hub.as(eventlog.RoleOperator), o.hub.sealed, o.envelope(), access.ID("operator", o.officer), access.Because(l.Why), &events.RecordOpened{
		Subscriber: l.Subscriber, About: l.About, Purpose: l.Purpose, RecordClasses: l.Classes, Place: l.Place,
	})
}

// Records reports whether looks are recorded with these parts: an operator's, or those of a stopped centre's own log. A log that
// a running centre serves for reading takes no commit.
func (p *Parts) Records() bool { return p.asks || p.server != nil }

// Credited reports whether these parts were opened with an operator's credentials.
func (p *Parts) Credited() bool { return p.officer != "" }

// Sealed returns what opens and seals: the vault, or the way to its service.
func (p *Parts) Sealed() dossier.Keys { return p.sealed }

// toRecord opens what a look in a stopped centre is recorded with.
func (p *Parts) toRecord(ctx context.Context, sealing bool) error {
	if p.logs == nil {
		if err := p.openRoles(); err != nil {
			return err
		}
	}
	if sealing && p.sealed == nil {
		return p.OpenVault(ctx)
	}
	return nil
}

// HistoryShown records that the console is about to show a history: to an officer who is signed in, or to somebody on this machine.
func (p *Parts) HistoryShown(ctx context.Context, l console.Look) error {
	env := p.envelope()
	env.Actor = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: access.Console}
	id := access.ID(access.Console, "")
	if l.Officer != "" {
		env.Actor, env.Office = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: l.Officer}, l.Office
		id = access.ID(access.Console, l.Officer)
	}
	return access.Record(ctx, p.as(eventlog.RoleConsole), nil, env, id, nil, &events.RecordOpened{
		Subscriber: l.Subscriber, Purpose: "history shown", Place: access.Console,
	})
}
