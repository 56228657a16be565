package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/regime"
)

// TestWhatEndsAHistory ends a history with everything under way in it, and looks at what is left.
func TestWhatEndsAHistory(t *testing.T) {
	now := newPlayer(t, "2026-11-30 10:00").now
	s := busy()
	s.Card.Status = events.CardStatus_CARD_STATUS_ASSIGNED
	decided, err := Decide(s, CloseHistory{To: "survivor", Read: 7, Filed: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	Evolve(s, &events.Commit{Revision: 8, Events: decided})
	if s.AliasOf != "survivor" || len(s.Procedures)+len(s.Letters)+len(s.Deadlines) > 0 {
		t.Errorf("left open: %v", s)
	}
	for _, o := range s.Obligations {
		if o.Kind != owesNotice && o.Kind != owesErasure && o.Target != "other" { // busy owes "other" without a procedure
			t.Errorf("still owed: %v", o)
		}
	}
	for _, c := range s.Certificates {
		if !hasEnded(c) {
			t.Errorf("still there: %v", c)
		}
	}
	voided := map[string]bool{}
	for _, e := range decided {
		if b := e.GetCardVoided(); b != nil {
			voided[b.Card] = true
		}
	}
	if !voided["new"] || !voided["old"] {
		t.Errorf("cards out of use: %v", voided)
	}
	if _, err := Alias(&events.SubscriberState{Revision: 2, TookIn: 1}, "other"); !errors.Is(err, ErrOtherPerson) {
		t.Errorf("a history that others lead to is made an alias because of a code: %v", err)
	}
	for _, cmd := range []Command{Tick{}, CloseHistory{To: "survivor", Read: 7}, TakeIn{From: "x", Other: &events.SubscriberState{Revision: 1}}} {
		if again, err := Decide(s, cmd, now); err != nil || len(again) > 0 {
			t.Errorf("%T of a history that has ended: %v, %v", cmd, names(again), err)
		}
	}
}

// TestWhyHistoriesAreNotJoined tries each refusal, and what is no reason for one.
func TestWhyHistoriesAreNotJoined(t *testing.T) {
	good := TakeIn{From: "b", Other: &events.SubscriberState{Revision: 3}, Clerk: "017", Second: "018"}
	taking := &events.SubscriberState{Revision: 3, Obligations: []*events.Obligation{owed("3.0", owesClosing, "c")}}
	for _, row := range []struct {
		change func(*TakeIn)
		mine   *events.SubscriberState
		why    string
	}{
		{func(*TakeIn) {}, nil, ""},
		{func(c *TakeIn) { c.Same = true }, nil, regime.SameHistory},
		{func(c *TakeIn) { c.Elsewhere = true }, nil, regime.HistoryElsewhere},
		{func(c *TakeIn) { c.Other = &events.SubscriberState{} }, nil, regime.NoSuchHistory},
		{func(c *TakeIn) { c.Other = taking }, nil, regime.JoiningUnderWay},
		{func(*TakeIn) {}, taking, regime.JoiningUnderWay},
		{func(c *TakeIn) { c.OtherBirthDate = true }, nil, regime.OtherBirthDate},
		{func(c *TakeIn) { c.Second = "" }, nil, regime.JoiningNeedsTwo},
		{func(c *TakeIn) { c.Clerk, c.Second = "a17", "A17" }, nil, regime.JoiningNeedsTwo},
	} {
		p := newPlayer(t, "2026-11-30 10:00")
		if row.mine != nil {
			p.state = proto.CloneOf(row.mine)
		}
		c := good
		row.change(&c)
		decided, err := Decide(p.state, c, p.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := find[*events.RequestRefused](decided).GetRefusals(); row.why == "" && got != nil || row.why != "" && !slices.Equal(got, []string{row.why}) {
			t.Errorf("%+v: %v, want %q", c, names(decided), row.why)
		}
	}
}

// histories are some lives, of which some may be one person's.
type histories struct {
	t     *rapid.T
	lives map[string]life
	// asked are joinings that officers want, with the other history as it was read; taken are those that were decided; ended those
	// whose other history was dealt with, with what became of it. Each is carried on at any time, and again.
	asked, taken, ended []joined
}

type joined struct {
	to, from string
	other    *events.SubscriberState
	read     uint64
	closed   bool
}

func (h *histories) id(what string) string { return pick(h.t, what, "a", "b", "c") }

// end returns the history that goes on.
func (h *histories) end(id string) string {
	for range len(h.lives) {
		to := h.lives[id].state.AliasOf
		if to == "" {
			return id
		}
		id = to
	}
	h.t.Fatalf("%s leads round in a circle: %s, %s, %s", id, h.lives["a"].state.AliasOf, h.lives["b"].state.AliasOf, h.lives["c"].state.AliasOf)
	return ""
}

func (h *histories) one(list []joined) (joined, bool) {
	if len(list) == 0 {
		return joined{}, false
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(h.t, "which")], true
}

// ask reads the other history; what is decided later may rest on an old copy.
func (h *histories) ask() {
	to, from := h.id("goes on"), h.id("ends")
	h.asked = append(h.asked, joined{to: to, from: from, other: proto.CloneOf(h.lives[from].state)})
}

func (h *histories) decide() {
	j, ok := h.one(h.asked)
	if !ok {
		return
	}
	to := h.end(j.to)
	c := TakeIn{
		From: j.from, Other: j.other, Same: to == j.from, Elsewhere: to != j.to || j.other.AliasOf != "",
		Clerk: "017", Second: "018", Filed: h.lives[to].now,
	}
	if b := find[*events.SubscriberTakenIn](h.lives[to].do(c)); b != nil {
		h.taken = append(h.taken, joined{to: to, from: b.From, read: b.FromRevision})
	}
}

func (h *histories) close() {
	if j, ok := h.one(h.taken); ok {
		h.closeOne(j)
	}
}

func (h *histories) closeOne(j joined) {
	l := h.lives[j.from]
	j.closed = ClosesInto(l.state, j.to, j.read)
	l.do(CloseHistory{To: j.to, Read: j.read, Filed: l.now})
	h.ended = append(h.ended, j)
}

func (h *histories) settle() {
	if j, ok := h.one(h.ended); ok {
		h.lives[j.to].do(SettleTakenIn{From: j.from, Closed: j.closed})
	}
}

// correct makes a history without certificates an alias, as the correction of a code does.
func (h *histories) correct() {
	from, to := h.id("new code"), h.end(h.id("former code"))
	if from == to {
		return
	}
	if decided, err := Alias(h.lives[from].state, to); err == nil && len(decided) > 0 {
		p := h.lives[from]
		for _, e := range decided {
			e.RecordedMs, e.CausedMs = p.now.UnixMilli(), p.now.UnixMilli()
		}
		Evolve(p.state, &events.Commit{Revision: p.state.Revision + 1, Events: decided})
		p.history = append(p.history, &events.Commit{Revision: p.state.Revision, Events: decided})
	}
}

// live has something happen in one life. A claim or a service may still name a history that has ended.
func (h *histories) live() {
	id := h.id("whose")
	l := h.lives[id]
	cmd := pick(h.t, "act", l.command, func() Command { return l.apply() })()
	if rapid.IntRange(0, 2).Draw(h.t, "found") > 0 {
		l = h.lives[h.end(id)] // what is claimed about a history that has ended reaches the one that goes on
	}
	l.do(cmd)
	l.later()
	for _, other := range h.lives {
		other.now = l.now
	}
}

// hold gives somebody a card with certificates, if nothing is in the way.
func (h *histories) hold() {
	l := h.lives[h.end(h.id("holder"))]
	a := l.application(opIssue)
	a.Card = fmt.Sprintf("card-of-%d", l.n)
	if find[*events.ApplicationAccepted](l.do(a)) == nil {
		return
	}
	for _, step := range []func() []*events.Event{l.keys, l.sign, l.write, l.handOver}[:rapid.IntRange(0, 4).Draw(h.t, "how far")] {
		if l.state.Open().GetId() == a.Procedure {
			step()
		}
	}
}

// check holds the histories against each other, after every step.
func (h *histories) check() {
	for id, l := range h.lives {
		end := h.end(id)
		if end == id {
			continue
		}
		for _, c := range l.state.Certificates {
			if !hasEnded(c) {
				h.t.Fatalf("%s goes on as %s and has %v", id, end, c)
			}
		}
		for _, held := range []*events.HeldCard{l.state.Card, l.state.OldCard} {
			if held != nil && held.Status != events.CardStatus_CARD_STATUS_VOID {
				h.t.Fatalf("%s goes on as %s and has %v", id, end, held)
			}
		}
		if len(l.state.Procedures)+len(l.state.Letters)+len(l.state.Deadlines) > 0 || takesIn(l.state) {
			h.t.Fatalf("%s goes on as %s with something open: %v", id, end, l.state)
		}
	}
}

// rest carries on what is owed, as the followers do.
func (h *histories) rest() {
	for _, j := range h.taken {
		h.closeOne(j)
		h.check()
	}
	for _, j := range h.ended {
		h.lives[j.to].do(SettleTakenIn{From: j.from, Closed: j.closed})
	}
	for id, l := range h.lives {
		if takesIn(l.state) {
			h.t.Fatalf("%s still owes an end: %v", id, l.state.Obligations)
		}
		for _, e := range l.all() {
			if from := e.GetTakenInClosed().GetFrom(); from != "" && h.end(from) != h.end(id) {
				h.t.Fatalf("%s is said to have ended in %s, and leads to %s", from, id, h.end(from))
			}
		}
	}
}

// However applications, corrections, moves, erasures and joinings come, in both directions and with the steps of a joining anywhere
// between other things, nobody has a certificate in a history that goes on elsewhere, no history leads round in a circle, and
// everything that is owed ends.
func TestAnyJoinings(t *testing.T) {
	reached := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := &histories{t: t, lives: map[string]life{}}
		for i, id := range []string{"a", "b", "c"} {
			l := life{newPlayer(t, "2020-01-15 10:00"), t}
			l.serial, l.n = uint64(i+1)*10000, i*1000
			h.lives[id] = l
		}
		for range rapid.IntRange(10, 60).Draw(t, "length") {
			pick(t, "what", h.live, h.hold, h.hold, h.ask, h.ask, h.decide, h.decide, h.close, h.settle, h.correct)()
			h.check()
		}
		h.rest()
		for _, l := range h.lives {
			for _, e := range l.all() {
				reached[events.Name(e)]++
			}
		}
	})
	for _, must := range []string{"SubscriberTakenIn", "TakenInClosed", "TakenInGivenUp", "SubscriberAliased", "IssueAbandoned", "CertificateRevoked"} {
		if reached[must] == 0 && !testing.Short() {
			t.Errorf("no drawn histories reached %s", must)
		}
	}
}
