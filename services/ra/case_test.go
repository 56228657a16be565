package ra_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/services/servicetest"
)

// withoutPhoto is the first visit of somebody who gets a letter of inquiry.
func withoutPhoto(card string) func(*events.Claim) {
	return func(c *events.Claim) {
		servicetest.Applied(events.Operation_OPERATION_ISSUE, card)(c)
		c.GetApplicationReceived().Documents = []string{"application-form", "card", "other-id"}
	}
}

// answers is the second visit, with an answer form that has the number.
func answers(card, number string) func(*events.Claim) {
	return func(c *events.Claim) {
		servicetest.Applied(events.Operation_OPERATION_ISSUE, card)(c)
		received := c.GetApplicationReceived()
		received.Documents, received.Letter = []string{"card", "other-id", "inquiry-answer:" + number}, number
	}
}

// post records that a person's letter was posted, as the notifier does, and returns its number.
func post(t *testing.T, w *servicetest.World, subscriber string) (number string) {
	t.Helper()
	number = w.State(subscriber).Letters[0].Id
	env := eventlog.Envelope{CommandID: "letter/" + subscriber, Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "notifier"}}
	_, err := w.Log.Update(t.Context(), events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, lifecycle.RecordLetterMailed{Letter: number}, h.Now)
	})
	servicetest.Check(t, err)
	return number
}

// indexed finds in the log what the tables find in a running centre.
func indexed(w *servicetest.World, subscribers []string) func(context.Context, string, string) ([]string, error) {
	return func(_ context.Context, number, card string) (found []string, _ error) {
		for _, subscriber := range subscribers {
			for _, r := range w.History(events.KindSubscriber, subscriber) {
				for _, e := range r.Commit.Events {
					due := e.GetInquiryLetterDue()
					if due != nil && (number != "" && events.CaseNumber(due.Procedure) == number || card != "" && due.Card == card) {
						found = append(found, subscriber)
					}
				}
			}
		}
		return found, nil
	}
}

// A case that waits for the answer to a letter is found at any counter of its office by number, card or person, even
// among a hundred others, and can be completed there. Another office does not find it, and no answer contains the
// letter's number.
func TestCaseIsFoundAtEveryCounterOfItsOffice(t *testing.T) {
	w := servicetest.New(t, morning)
	first, second := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter")
	w.DefineOffice("12210-main", &events.OfficeDefined{})
	stranger := w.Enrol("12210-main", "c3", "counter")
	claim := first.Claim("0192a-cafe0001", "", withoutPhoto("CARD-200"), servicetest.Resident("200"))
	first.Decide(claim)
	subscribers := []string{w.Subscriber("200")}
	for i := range 100 {
		code := fmt.Sprint(300 + i)
		first.Decide(first.Claim(fmt.Sprintf("0192b-beef%04d", i), "", withoutPhoto("CARD-"+code), servicetest.Resident(code)))
		subscribers = append(subscribers, w.Subscriber(code))
	}
	w.RA.Inquired = indexed(w, subscribers)
	number := post(t, w, subscribers[0])
	w.Clock.Set("2020-01-20 10:00")

	asked := 0
	find := func(d *servicetest.Desk, key counterlink.CaseKey) []*events.OpenCase {
		t.Helper()
		asked++
		q := counterlink.CaseRequest{Asker: asker(d, hex.EncodeToString([]byte(fmt.Sprintf("%016d", asked)))), Number: key.Number, Card: key.Card}
		if key.Code != "" {
			sealed, err := counterlink.SealPersonal(w.SealKey(), q.ID, &events.Personal{Record: &events.ResidentRecord{ResidentCode: key.Code, BirthDate: key.BirthDate}})
			servicetest.Check(t, err)
			q.Sealed = sealed
		}
		found, err := w.RA.AnswerCases(t.Context(), q)
		servicetest.Check(t, err)
		for _, c := range found {
			if text, _ := proto.Marshal(c); bytes.Contains(text, []byte(number)) {
				t.Errorf("%v reveals the number that proves the letter's arrival", key)
			}
		}
		return found
	}
	for _, key := range []counterlink.CaseKey{
		{Number: "cafe0001"}, {Card: "CARD-200"}, {Code: servicetest.Code("200"), BirthDate: "1980-06-18"},
	} {
		for _, d := range []*servicetest.Desk{first, second} {
			found := find(d, key)
			if len(found) != 1 || found[0].Procedure != "0192a-cafe0001" || found[0].PostedOn != "2020-01-15" || len(found[0].OnFile) != 1 ||
				found[0].CardKind != events.CardKind_CARD_KIND_MYNUMBER || len(found[0].Kinds) != 2 {
				t.Errorf("%v at %s: %v", key, d.ID, found)
			}
		}
		if found := find(stranger, key); len(found) != 0 {
			t.Errorf("another office finds %v: %v", key, found)
		}
	}
	for _, key := range []counterlink.CaseKey{
		{Number: "cafe0002"}, {Number: number}, {Card: "CARD-1"}, {Code: servicetest.Code("200"), BirthDate: "1980-06-19"}, {},
	} {
		if found := find(second, key); len(found) != 0 {
			t.Errorf("%v finds %v", key, found)
		}
	}

	second.Decide(second.Claim("0192a-cafe0001", "", answers("CARD-200", "guessed2"), servicetest.Resident("200")))
	if found := find(second, counterlink.CaseKey{Number: "cafe0001"}); len(found) != 1 {
		t.Error("a wrong number closed the case")
	}
	second.Decide(second.Claim("0192a-cafe0001", "", answers("CARD-200", number), servicetest.Resident("200")))
	state := w.State(subscribers[0])
	if state.Open().GetId() != "0192a-cafe0001" || state.Open().GetCounter() != second.ID || len(state.Letters) != 0 {
		t.Errorf("the case was not continued at the other counter: %v", state)
	}
	if found := find(second, counterlink.CaseKey{Number: "cafe0001"}); len(found) != 0 {
		t.Error("a continued case is still found")
	}
}

// The number of a letter does not depend on anything the counter knows: two letters for the same application differ.
func TestLetterNumberIsRandom(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	seen := map[string]bool{}
	for i := range 3 {
		code := fmt.Sprint(200 + i)
		d.Decide(d.Claim("same-procedure", "", withoutPhoto("CARD-"+code), servicetest.Resident(code)))
		letter := w.State(w.Subscriber(code)).Letters[0].Id
		if len(letter) != 8 || seen[letter] {
			t.Errorf("the number %q is short, or a second letter's too", letter)
		}
		seen[letter] = true
	}
}

// Moving a counter to another office leaves its cases behind; once the last one has moved, the office has become the
// other.
func TestMovedCounterLeavesItsCases(t *testing.T) {
	w := servicetest.New(t, morning)
	first := w.Enrol(servicetest.Office, "c1", "counter")
	w.Enrol(servicetest.Office, "c2", "counter")
	w.DefineOffice("12210-main", &events.OfficeDefined{})
	stranger := w.Enrol("12210-main", "c3", "counter")
	first.Decide(first.Claim("0192a-cafe0001", "", withoutPhoto("CARD-200"), servicetest.Resident("200")))
	w.RA.Inquired = indexed(w, []string{w.Subscriber("200")})
	find := func(d *servicetest.Desk) int {
		t.Helper()
		found, err := w.RA.AnswerCases(t.Context(), counterlink.CaseRequest{
			Asker: asker(d, "00112233445566778899aabbccddeeff"), Number: "cafe0001",
		})
		servicetest.Check(t, err)
		return len(found)
	}
	for _, step := range []struct {
		moves string
		want  int
	}{{"c1", 0}, {"c2", 1}} {
		moved := w.Enrol("12210-main", step.moves, "counter")
		if at, beside := find(moved), find(stranger); at != step.want || beside != step.want {
			t.Errorf("after %s was moved: %d cases there, %d beside it, want %d", step.moves, at, beside, step.want)
		}
	}
}
