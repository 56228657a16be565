package ra

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// AnswerCases returns the applications of the counter's office, taken at any of its counters, that wait for the answer
// to a letter of inquiry. The letters' numbers are never included, because they prove that a letter arrived.
func (r *RA) AnswerCases(ctx context.Context, q counterlink.CaseRequest) ([]*events.OpenCase, error) {
	subscribers, err := r.askedFor(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []*events.OpenCase
	for _, subscriber := range subscribers {
		cases, err := r.openCases(ctx, q, subscriber)
		if err != nil {
			return nil, err
		}
		found = append(found, cases...)
	}
	return found, nil
}

// askedFor returns the subscribers whom a question can concern.
func (r *RA) askedFor(ctx context.Context, q counterlink.CaseRequest) ([]string, error) {
	switch {
	case len(q.Sealed) > 0:
		subscriber, _, err := r.identify(ctx, counterlink.PersonRequest{Asker: q.Asker, Sealed: q.Sealed}, "code and date of birth compared for the answer to a letter")
		return present(subscriber), err
	case q.Number != "":
		return r.inquired(ctx, q.Number, "")
	case !events.ValidID(q.Card):
		return nil, nil
	}
	holder, err := (&attempt{RA: r}).holderOf(ctx, q.Card)
	if err != nil {
		return nil, err
	}
	// A letter comes before the acceptance, and only then does a card become its holder's.
	applied, err := r.inquired(ctx, "", q.Card)
	return slices.Compact(slices.Sorted(slices.Values(append(applied, present(holder)...)))), err
}

func present(subscriber string) []string {
	if subscriber == "" {
		return nil
	}
	return []string{subscriber}
}

func (r *RA) inquired(ctx context.Context, number, card string) ([]string, error) {
	if r.Inquired == nil {
		return nil, nil
	}
	return r.Inquired(ctx, number, card)
}

// openCases returns the applications of a subscriber that match a question.
func (r *RA) openCases(ctx context.Context, q counterlink.CaseRequest, subscriber string) ([]*events.OpenCase, error) {
	a := &attempt{RA: r}
	subscriber, err := a.resolve(ctx, subscriber)
	if err != nil {
		return nil, err
	}
	head, err := r.Log.Load(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return nil, fmt.Errorf("looking for a case: %w", err)
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil || len(state.Letters) == 0 {
		return nil, err
	}
	history, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: subscriber})
	if err != nil {
		return nil, err
	}
	var found []*events.OpenCase
	for _, letter := range state.Letters {
		if q.Number != "" && events.CaseNumber(letter.Procedure) != q.Number {
			continue
		}
		if open, card := r.openCase(q, letter, history); open != nil && (q.Card == "" || q.Card == card || q.Card == state.Card.GetCard()) {
			found = append(found, open)
		}
	}
	return found, nil
}

// openCase returns an application that waits for the answer to a letter, and its card; nil if it is another office's.
func (r *RA) openCase(q counterlink.CaseRequest, letter *events.Letter, history []eventlog.Record) (open *events.OpenCase, card string) {
	for _, record := range slices.Backward(history) {
		for _, e := range record.Commit.GetEvents() {
			due := e.GetInquiryLetterDue()
			if due.GetLetter() != letter.Id || !r.sameOffice(q, record.Commit) {
				continue
			}
			return &events.OpenCase{
				Procedure: due.Procedure, Operation: due.Operation, Channel: due.Channel, Kinds: due.Kinds, CardKind: due.CardKind,
				Pins: due.Pins, Cause: due.Cause, OnFile: letter.Documents, FiledOn: civil.Of(time.UnixMilli(e.FiledMs)).String(),
				PostedOn: letter.MailedOn, GoodUntil: r.goodUntil(record.Commit.Office, letter), Void: letter.Void,
			}, due.Card
		}
	}
	return nil, ""
}

// sameOffice reports whether a commit was filed at the asking counter's office or at one merged into it, with all its
// counters. Moving a single counter does not take its former office's cases along.
func (r *RA) sameOffice(q counterlink.CaseRequest, c *events.Commit) bool {
	if c.Office == q.Office {
		return true
	}
	if slices.ContainsFunc(r.Directory.Counters(), func(d directory.Counter) bool { return d.Office == c.Office && d.Role == "counter" }) {
		return false
	}
	taker, ok := r.Directory.Counter(c.Counter)
	return ok && taker.Office == q.Office || r.Directory.Belonged(q.Counter, c.Office)
}

// goodUntil returns the last day for the answer to a letter; "" if it was not posted or has no deadline.
func (r *RA) goodUntil(office string, letter *events.Letter) string {
	posted, err := civil.Parse(letter.MailedOn)
	days := r.Directory.Law(office, civil.Of(r.Clock()), r.Switches).LetterDays
	if err != nil || posted.IsZero() || days == 0 {
		return ""
	}
	return posted.AddDays(days).String()
}
