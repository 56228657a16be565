package ra

import (
	"context"
	"errors"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// beforeJoining is the purpose of a look at a history that officers may join with another.
const beforeJoining = "history looked at before two are joined"

// heldBy answers what a subscriber's history holds, or the one under which it goes on.
func (r *RA) heldBy(ctx context.Context, q counterlink.PersonRequest) (counterlink.Person, error) {
	if !events.ValidID(q.Subscriber) {
		return counterlink.Person{}, nil
	}
	a := &attempt{RA: r}
	id, err := a.resolve(ctx, q.Subscriber)
	if err != nil {
		return counterlink.Person{}, err
	}
	history, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: id})
	if err != nil || len(history) == 0 {
		return counterlink.Person{}, err
	}
	if err := r.recordOpened(ctx, q.Asker, beforeJoining, id); err != nil {
		return counterlink.Person{}, err
	}
	found := counterlink.Person{Known: true, Held: heldIn(id, history)}
	record, err := dossier.Of(r.Vault, id, history).Identity()
	if errors.Is(err, dossier.ErrNotFound) || errors.Is(err, vault.ErrErased) {
		return found, nil
	}
	found.Initials = Initials(record.GetName())
	return found, err
}

func heldIn(id string, history []eventlog.Record) *events.HeldHistory {
	state := folded(history)
	held := &events.HeldHistory{
		Subscriber: id, Revision: state.Revision, FirstMs: history[0].Commit.GetEvents()[0].GetRecordedMs(), NewestMs: state.RecordedMs,
		Open: len(state.Procedures)+len(state.Letters) > 0,
	}
	for _, c := range state.Certificates {
		held.Certificates = append(held.Certificates, &events.CertificateState{
			Serial: c.Serial, Kind: c.Kind, Regime: c.Regime, Status: c.Status, LastDay: c.LastDay, WindowOpens: c.WindowOpens, Device: c.Carrier.Device(),
		})
	}
	for _, card := range []*events.HeldCard{state.Card, state.OldCard} {
		if card != nil {
			held.Cards = append(held.Cards, &events.HistoryCard{Card: card.Card, Status: card.Status, LastDay: card.LastDay})
		}
	}
	return held
}
