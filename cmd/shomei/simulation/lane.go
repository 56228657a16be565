package simulation

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/cmd/shomei/population"
	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/services/dispatcher"
)

// lane lives the lives of some of the people, in the order of time.
type lane struct {
	*Simulation
	*hub.Lane
	waiting timetable
	counts  map[string]int
}

// appointment is when something happens next to the person of an index.
type appointment struct {
	at    time.Time
	index int
}

// timetable is a heap, the earliest first.
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

func (l *lane) person(index int) *population.Person {
	return population.New(l.Seed, index, l.From, l.To)
}

func (l *lane) state(ctx context.Context, subscriber string) (*events.SubscriberState, error) {
	head, err := l.Log.Load(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return nil, err
	}
	return lifecycle.DecodeSubscriber(head.State)
}

// enter finds out where a person's life stands and what comes next.
func (l *lane) enter(ctx context.Context, index int) error {
	p := l.person(index)
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
func (l *lane) until(ctx context.Context, end time.Time) error {
	for len(l.waiting) > 0 && l.waiting[0].at.Before(end) {
		next := heap.Pop(&l.waiting).(appointment)
		if err := l.meet(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// meet does what happens to one person, and an application to its end.
func (l *lane) meet(ctx context.Context, a appointment) error {
	p := l.person(a.index)
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
		if act.At.After(a.at) && s.Procedure == nil {
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

// after gives the state after an act. Steps of an application must change it, or the life would stand still.
func (l *lane) after(ctx context.Context, subscriber string, before *events.SubscriberState, act population.Act) (*events.SubscriberState, error) {
	s, err := l.state(ctx, subscriber)
	if err != nil {
		return nil, err
	}
	stuck := before.Procedure != nil && s.Procedure.GetId() == before.Procedure.Id && s.Procedure.Step == before.Procedure.Step
	if stuck || s.Revision == before.Revision {
		return nil, fmt.Errorf("act %d of %s changed nothing that it should have: a bug of the simulation", act.What, subscriber)
	}
	if cards(before) != cards(s) {
		err = l.retire(ctx, subscriber, s.Revision)
	}
	l.count(before, s, act)
	return s, err
}

func cards(s *events.SubscriberState) string {
	return fmt.Sprint(s.Card.GetCard(), s.Card.GetStatus(), s.OldCard.GetCard(), s.OldCard.GetStatus())
}

// retire does what the dispatcher does in a running centre: voided cards go out of use for everybody.
func (l *lane) retire(ctx context.Context, subscriber string, revision uint64) error {
	history, err := l.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil || uint64(len(history)) < revision {
		return err
	}
	return dispatcher.RetireCards(ctx, l.Log, history[revision-1])
}

func (l *lane) count(before, after *events.SubscriberState, act population.Act) {
	switch act.What {
	case population.Apply:
		name := act.Application.Operation.String()
		if after.Procedure == nil && act.Application.Operation < events.Operation_OPERATION_CONTINUE_USE {
			name = "refused " + name
		}
		l.counts[name]++
	case population.Changed:
		l.counts[act.Change.Change.String()]++
	case population.Lost:
		l.counts["LOSS_REPORTED"]++
	case population.Notice:
		l.counts["NOTICE_POSTED"]++
	case population.Issue:
		for _, c := range after.Certificates {
			if c.Procedure == before.Procedure.GetId() && c.CertificateSha256 != nil {
				l.counts["certificates issued"]++
			}
		}
	case population.Tick:
		l.countTick(before, after)
	}
}

func (l *lane) countTick(before, after *events.SubscriberState) {
	for _, c := range after.Certificates {
		for _, was := range before.Certificates {
			switch {
			case was.Serial != c.Serial:
			case was.Status != c.Status && c.Status == events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED:
				l.counts["certificates expired"]++
			case !was.WindowOpened && c.WindowOpened:
				l.counts["windows opened"]++
			}
		}
	}
}

// do makes one act true.
func (l *lane) do(ctx context.Context, p *population.Person, subscriber string, s *events.SubscriberState, act population.Act) error {
	switch act.What {
	case population.Issue:
		return l.Issuer.Settle(ctx, subscriber)
	case population.Tick:
		return l.decide(ctx, "expiry", fmt.Sprintf("tick/%s/%d", subscriber, act.At.Unix()), subscriber, lifecycle.Tick{Switches: l.hub.Switches})
	case population.Notice:
		return l.decide(ctx, "notifier", "notice/"+subscriber+"/"+act.Notice, subscriber, lifecycle.RecordNotice{
			Notice: act.Notice, Outcome: lifecycle.NoticeSent, Medium: "letter", MessageID: "simulated",
		})
	}
	claim, personal := l.claim(p, s, act)
	claim.Subscriber = subscriber
	return l.Claim(ctx, l.voices[act.Source], claim, personal)
}

// decide is a decision of the hub's own services.
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
