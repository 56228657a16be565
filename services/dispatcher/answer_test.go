package dispatcher

import (
	"slices"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// Keys are rejected if their own application is withdrawn with them, but not if an earlier one of the same smartphone
// gives way to theirs.
func TestKeysOfWithdrawnApplicationAreRejected(t *testing.T) {
	withdrawn := events.New(&events.ApplicationWithdrawn{Procedure: "p1"}, "a-rule")
	for procedure, want := range map[string][]string{"p1": {"a-rule"}, "p2": nil} {
		keys := events.New(&events.KeysRecorded{Procedure: procedure})
		for _, list := range [][]*events.Event{{withdrawn, keys}, {keys, withdrawn}} {
			if got := rejectedBy(list); !slices.Equal(got, want) {
				t.Errorf("keys of %s: %v, want %v", procedure, got, want)
			}
		}
	}
	if got := rejectedBy([]*events.Event{withdrawn}); got != nil {
		t.Errorf("no keys: %v", got)
	}
}

// A hand-over's former card is named only in answers about its own procedure.
func TestFormerCardIsNamedForItsProcedureOnly(t *testing.T) {
	state := &events.SubscriberState{
		Card:       &events.HeldCard{Card: "card-1", Status: events.CardStatus_CARD_STATUS_HELD},
		Procedures: []*events.Procedure{{Id: "p1", Carrier: events.CarrierOf("card-2", "", 0), Operation: events.Operation_OPERATION_REISSUE}},
	}
	d := Dispatcher{Config: Config{Clock: time.Now}}
	for procedure, want := range map[string]string{"p1": "card-1", "p2": "", "": ""} {
		r := eventlog.Record{Commit: &events.Commit{CorrelationId: procedure, CommandId: "claim"}}
		if got := d.answer(r, state).GetAnswer().GetFormerCard(); got != want {
			t.Errorf("procedure %q: former card %q, want %q", procedure, got, want)
		}
	}
}
