package warehouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/lifecycle"
)

// TestStateEqualsTheFold compares, at the instant of every commit, the
// certificates in the tables with those in the folded state of the subscriber.
func TestStateEqualsTheFold(t *testing.T) {
	commits := append(rapid.Custom(func(rt *rapid.T) []*events.Commit { return population(rt, 25) }).Example(5), life().commits...)
	w := applied(t, commits)
	states := map[string]*events.SubscriberState{}
	compared := 0
	for _, c := range commits {
		if states[c.Id] == nil {
			states[c.Id] = &events.SubscriberState{}
		}
		lifecycle.Evolve(states[c.Id], c)
		folded := foldedLines(states[c.Id])
		if len(folded) == 0 {
			continue
		}
		when := time.UnixMilli(c.Events[0].RecordedMs)
		certificates, err := w.State(t.Context(), c.Id, when)
		if err != nil {
			t.Fatalf("%s revision %d: %v", c.Id, c.Revision, err)
		}
		stored := map[uint64]string{}
		for _, s := range certificates {
			stored[s.Serial] = storedLine(s)
		}
		for serial, line := range folded { // the state forgets old ended ones, the tables do not
			if diff := cmp.Diff(line, stored[serial]); diff != "" {
				t.Errorf("%s revision %d serial %d (-folded +stored):\n%s", c.Id, c.Revision, serial, diff)
			}
			compared++
		}
	}
	if compared < 100 {
		t.Errorf("only %d certificates compared", compared)
	}
}

// foldedLines returns what the state says of each certificate; of an ended one it keeps less.
func foldedLines(s *events.SubscriberState) map[uint64]string {
	lines := map[uint64]string{}
	for _, c := range s.Certificates {
		lines[c.Serial] = fmt.Sprintf("%s %s %s ended=%d", word(c.Status), word(c.Kind), reasonWord(c.Reason), c.EndedMs)
		if c.EndedMs == 0 {
			lines[c.Serial] += fmt.Sprintf(" %s %s %s %s %d %t suspended=%d", word(c.Regime), c.LastDay, c.WindowOpens, c.Carrier.Card(),
				c.NotBeforeMs, c.WindowOpened, c.SuspendedMs)
		}
	}
	return lines
}

func storedLine(c Certificate) string {
	ended := int64(0)
	for _, end := range []time.Time{c.Revoked, c.Expired, c.Abandoned} {
		if !end.IsZero() {
			ended = end.UnixMilli()
		}
	}
	suspended := int64(0)
	if !c.Suspended.IsZero() {
		suspended = c.Suspended.UnixMilli()
	}
	line := fmt.Sprintf("%s %s %s ended=%d", c.Status, c.Kind, c.Reason, ended)
	if ended == 0 {
		line += fmt.Sprintf(" %s %s %s %s %d %t suspended=%d", c.Regime, c.LastDay, c.WindowOpens, c.Card,
			c.NotBefore.UnixMilli(), !c.WindowOpened.IsZero(), suspended)
	}
	return line
}

// TestEveryKindOfEventFindsItsPlace applies one event of each kind of the catalogue: none is lost, and none breaks a
// projection.
func TestEveryKindOfEventFindsItsPlace(t *testing.T) {
	var commits []*events.Commit
	body := (*events.Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("body")
	for i := range body.Fields().Len() {
		e := &events.Event{RecordedMs: handedOver.UnixMilli()}
		field := body.Fields().Get(i)
		e.ProtoReflect().Set(field, e.ProtoReflect().NewField(field))
		commits = append(commits, &events.Commit{
			Kind: events.KindSubscriber, Id: "all", Revision: uint64(i + 1), Events: []*events.Event{e},
		})
	}
	w := applied(t, commits)
	entries, err := w.History(t.Context(), "all", time.Time{})
	if err != nil || len(entries) != len(commits) {
		t.Fatalf("%d of %d events in the log table (%v)", len(entries), len(commits), err)
	}
	for i, entry := range entries {
		if want := string(body.Fields().Get(i).Message().Name()); entry.Event != want || strings.Contains(entry.Event, unknown) {
			t.Errorf("event %d: %s, want %s", i, entry.Event, want)
		}
	}
}
