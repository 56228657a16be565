package agent_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"shomei/events"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// The centre's answer to a withdrawal does not change its message; a card that is given back is not called handed over.
func TestMessagesAtTheEnd(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	procedure := answered(t, centre, counter, &events.Answer{Accepted: true}, agent.StageAccepted)
	must(t, counter.Drop(t.Context(), procedure, "017", ""))
	drop := centre.claim("ApplicationDropped")
	must(t, centre.hub.Send(t.Context(), &events.Downlink{
		Id: drop.GetId(), Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{Answer: &events.Answer{
			Claim: drop.GetId(), Certificates: []*events.CertificateState{{Serial: 7, Kind: sign}},
		}},
	}))
	until(t, counter, procedure, func(s agent.Status) bool { return len(s.Answer.GetCertificates()) == 1 })
	status, err := counter.Status(procedure)
	must(t, err)
	if status.Message.JA != "申請を取りやめました。" {
		t.Errorf("after a withdrawal: %s", status.Message.JA)
	}
}

// If the centre had withdrawn the application of a card that was given out, the page says that no hand-over was recorded,
// also after a restart. The same holds for a reset PIN.
func TestUnrecordedHandOverIsShownAsSuch(t *testing.T) {
	for operation, want := range map[events.Operation]string{
		events.Operation_OPERATION_HAND_OVER: "センターは交付を記録しませんでした", events.Operation_OPERATION_UNBLOCK: "終わりとして記録しませんでした",
	} {
		centre := newCentre(t)
		store := storePath(t)
		counter, stop := centre.counter(centre.config(store, newSlot(newCard(t, centre.cardID))))
		a := application(centre.cardID)
		a.Received.Operation = operation
		procedure, err := counter.Receive(t.Context(), a)
		must(t, err)
		must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: procedure, Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{
			Answer: &events.Answer{Claim: centre.claim("ApplicationReceived").GetId(), Accepted: true, CardLastDay: cardEnds},
		}}))
		reach(t, counter, procedure, agent.StageAccepted)
		if operation == events.Operation_OPERATION_UNBLOCK {
			must(t, centre.send(t.Context(), procedure, "unblock", func(d *events.Downlink) {
				d.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{Card: centre.cardID, Regime: events.Regime_REGIME_MYNUMBER, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN, events.PinKind_PIN_KIND_AUTH}}}
			}))
			reach(t, counter, procedure, agent.StageConfirm)
			must(t, counter.Confirm(procedure, pins()))
			reach(t, counter, procedure, agent.StageUnblocked)
		}
		must(t, counter.HandOver(t.Context(), procedure, "017", false))
		given := centre.claim("HandedOver")
		must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: "answer/" + given.GetId(), Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{
			Answer: &events.Answer{Claim: given.GetId(), Refusals: []string{regime.NoLongerOpen}},
		}}))
		check := func(counter *agent.Counter) {
			t.Helper()
			until(t, counter, procedure, agent.Status.Unrecorded)
			_, _, text := visit(t, openDesk(t, counter)+"/procedures/"+procedure, nil)
			if !strings.Contains(text, want) || !strings.Contains(text, "センターに記録されていません") || strings.Contains(text, "交付しました。") || strings.Contains(text, "カードをお返ししました。") {
				t.Errorf("after %v: the page lacks %q, or reports success", operation, want)
			}
		}
		check(counter)
		stop()
		again, _ := centre.counter(centre.config(store, nil))
		check(again)
	}
}

// Withdrawing an ended procedure returns ErrOver, not ErrNotYet.
func TestDropAfterTheEndReturnsErrOver(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	a := application(centre.cardID)
	a.Received.Operation = events.Operation_OPERATION_REVOKE
	procedure, err := counter.Receive(t.Context(), a)
	must(t, err)
	must(t, centre.answer(t.Context(), centre.claim("ApplicationReceived")))
	reach(t, counter, procedure, agent.StageAccepted)
	if err := counter.Drop(t.Context(), procedure, "017", ""); !errors.Is(err, agent.ErrOver) {
		t.Errorf("withdrawing a revocation that took effect: %v", err)
	}
	status, _, text := visit(t, openDesk(t, counter)+"/procedures/"+procedure+"/drop", url.Values{})
	if status != http.StatusConflict {
		t.Errorf("on the page: %d", status)
	}
	want(t, text, "この手続きはもう終わっています")
}
