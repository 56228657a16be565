package dispatcher

import (
	"slices"
	"testing"

	"shomei/events"
)

// Keys are in vain when their own application is withdrawn with them; not when an earlier one of the same smartphone gives
// way to theirs.
func TestKeysInVain(t *testing.T) {
	withdrawn := events.New(&events.ApplicationWithdrawn{Procedure: "p1"}, "a-rule")
	for procedure, want := range map[string][]string{"p1": {"a-rule"}, "p2": nil} {
		keys := events.New(&events.KeysRecorded{Procedure: procedure})
		for _, list := range [][]*events.Event{{withdrawn, keys}, {keys, withdrawn}} {
			if got := inVain(list); !slices.Equal(got, want) {
				t.Errorf("keys of %s: %v, want %v", procedure, got, want)
			}
		}
	}
	if got := inVain([]*events.Event{withdrawn}); got != nil {
		t.Errorf("without keys: %v", got)
	}
}
