package simulation

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/cmd/shomei-lab/population"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/services/dispatcher"
)

// lane lives the lives of some of the people, in order of time.
type lane struct {
	*Simulation
	*hub.Lane
	waiting timetable
}

// appointment is when something happens next to the person with an index.
type appointment struct {
	at    time.Time
	index int
}

// timetable is a heap, earliest first.
type timetable []appointment

func (t timetable) Len() int           { return len(t) }
func (t timetable) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timetable) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timetable) Push(x any)        { *t = append(*t, x.(appointment)) }
func (t *timetable) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// state returns a subscriber's state: only this lane writes about its people, so the log's memory of them is current.
func (l *lane) state(ctx context.Context, subscriber string) (*events.SubscriberState, error) {
	head, known := l.Log.Recent(events.KindSubscriber, subscriber)
	if !known {
		var err error
		if head, err = l.Log.Load(ctx, events.KindSubscriber, subscriber); err != nil {
			return nil, err
		}
	}
	return lifecycle.DecodeSubscriber(head.State)
}

// enter finds out where a person's life stands and what comes next. It may stand in the middle of a day, or of an
// application, if a simulation was interrupted or its process killed.
func (l *lane) enter(ctx context.Context, index int) error {
	p := l.people.Person(index)
	s, err := l.state(ctx, l.hub.SubscriberID(p.Code))
	if err != nil {
		return err
	}
	now := l.From.StartInstant()
	if s.RecordedMs > 0 {
		now = time.UnixMilli(s.RecordedMs)
	}
	if act, more := p.Next(s, now); more {
		heap.Push(&l.waiting, appointment{act.At, index})
	}
	return nil
}

// until lives everything that happens before an instant.
func (l *lane) until(ctx context.Context, end time.Time, stop <-chan struct{}) error {
	for len(l.waiting) > 0 && l.waiting[0].at.Before(end) {
		if closed(stop) {
			return nil
		}
		if err := l.meet(ctx, heap.Pop(&l.waiting).(appointment)); err != nil {
			return err
		}
	}
	l.ended(end)
	return nil
}

// meet does what happens to one person, and completes an application.
func (l *lane) meet(ctx context.Context, a appointment) error {
	p := l.people.Person(a.index)
	subscriber := l.hub.SubscriberID(p.Code)
	s, err := l.state(ctx, subscriber)
	if err != nil {
		return err
	}
	now := a.at.Add(-time.Millisecond)
	for {
		act, more := p.Next(s, now)
		if !more {
			return nil
		}
		if act.At.After(a.at) && s.Open() == nil {
			heap.Push(&l.waiting, appointment{act.At, a.index})
			return nil
		}
		l.SetTime(act.At)
		if err := l.do(ctx, p, subscriber, s, act); err != nil {
			return fmt.Errorf("person %d at %s: %w", a.index, act.At.Format(time.RFC3339), err)
		}
		now = act.At
		if s, err = l.after(ctx, subscriber, s, act); err != nil {
			return fmt.Errorf("person %d at %s: %w", a.index, act.At.Format(time.RFC3339), err)
		}
	}
}

// after returns the state after an act. Every act must change it, or the life would stand still.
func (l *lane) after(
	ctx context.Context,
	subscriber string,
	before *events.SubscriberState,
	act population.Act,
) (*events.SubscriberState, error) {
	if n := l.acts.Add(1); l.onAct != nil {
		l.onAct(n)
	}
	s, err := l.state(ctx, subscriber)
	if err != nil {
		return nil, err
	}
	stuck := before.Open() != nil && s.Open().GetId() == before.Open().Id && s.Open().Step == before.Open().Step &&
		s.Open().Attempt == before.Open().Attempt
	if stuck || s.Revision == before.Revision {
		return nil, fmt.Errorf("act %d of %s did not have its effect: a bug in the simulation", act.What, subscriber)
	}
	if outOfUse(before, s) {
		err = l.retire(ctx, subscriber, s.Revision)
	}
	return s, err
}

// outOfUse reports whether a card of the earlier state has been voided or is gone.
func outOfUse(before, after *events.SubscriberState) bool {
	for _, was := range []*events.HeldCard{before.Card, before.OldCard} {
		if was == nil || was.Status == events.CardStatus_CARD_STATUS_VOID {
			continue
		}
		kept := slices.ContainsFunc([]*events.HeldCard{after.Card, after.OldCard}, func(c *events.HeldCard) bool {
			return c.GetCard() == was.Card && c.GetStatus() != events.CardStatus_CARD_STATUS_VOID
		})
		if !kept {
			return true
		}
	}
	return false
}

// retire does what the dispatcher does in a running centre: voided cards go out of use.
func (l *lane) retire(ctx context.Context, subscriber string, revision uint64) error {
	history, err := l.Log.HistorySince(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: subscriber})
	if err != nil || uint64(len(history)) < revision {
		return err
	}
	return dispatcher.RetireCards(ctx, l.Log, history[revision-1])
}

// do carries out one act.
func (l *lane) do(ctx context.Context, p *population.Person, subscriber string, s *events.SubscriberState, act population.Act) error {
	switch act.What {
	case population.Issue:
		return l.Issuer.SettleSince(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: subscriber})
	case population.Tick:
		return l.decide(ctx, "expiry", fmt.Sprintf("tick/%s/%d", subscriber, act.At.Unix()), subscriber,
			lifecycle.Tick{Switches: l.hub.Switches})
	case population.Notice:
		return l.decide(ctx, "notifier", "notice/"+subscriber+"/"+act.Notice, subscriber, posted(p, act))
	case population.Letter:
		return l.decide(ctx, "notifier", "letter/"+subscriber+"/"+act.Notice, subscriber, lifecycle.RecordLetterMailed{Letter: act.Notice})
	}
	claim, personal := l.claim(p, s, act)
	claim.Subscriber = subscriber
	return l.Claim(ctx, l.voices[act.Source], claim, personal)
}

// posted returns the outcome of a notice: sent by mail to people with an address, as a letter to everybody else.
func posted(p *population.Person, act population.Act) lifecycle.RecordNotice {
	n := lifecycle.RecordNotice{Notice: act.Notice, Outcome: lifecycle.NoticeSent, Medium: "letter", MessageID: "simulated"}
	switch {
	case act.Undelivered:
		n.Outcome, n.MessageID, n.Detail = lifecycle.NoticeFailed, "", "addressee-unknown"
	case p.Mail:
		n.Medium = "mail"
	}
	return n
}

// decide makes a decision of the hub's own services.
func (l *lane) decide(ctx context.Context, service, id, subscriber string, command lifecycle.Command) error {
	env := eventlog.Envelope{CommandID: id, Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: service}}
	_, err := l.Log.Update(ctx, events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, command, h.Now)
	})
	return err
}
