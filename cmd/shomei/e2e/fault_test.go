package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBadInputAndFaults does everything that people and machines do wrong, one after the other in one world, and sees a
// clear answer, nothing lost, and work going on.
func TestBadInputAndFaults(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	l := newLives(t, c, k)
	p, card := l.next("1990-06-18")
	l.play(p, card)
	for _, fault := range []struct {
		name string
		run  func(*lives, person, string)
	}{
		{"wrong and blocked PIN", (*lives).wrongPIN},
		{"card pulled out", (*lives).pulledOut},
		{"another person's card", (*lives).foreignCard},
		{"claims that lie, repeat or come out of order", (*lives).badClaims},
		{"the engine dies", (*lives).engineDies},
		{"pcscd dies", (*lives).readerDies},
		{"the clock jumps ahead in the middle of an act", (*lives).clockAhead},
		{"the clock is set back", (*lives).clockBack},
	} {
		begun := time.Now()
		fault.run(l, p, card)
		c.whole()
		t.Logf("%s: %v", fault.name, time.Since(begun).Round(time.Millisecond))
	}
	begun := time.Now()
	l.issue("1990-06-18")
	c.whole()
	t.Logf("after it all: %v", time.Since(begun).Round(time.Millisecond))
	c.leaks(t, []*counter{k}, l.all...)
}

// code is the counter's word for what is wrong.
func code(r *refused) string {
	if r == nil {
		return "accepted"
	}
	_, rest, _ := strings.Cut(r.text, `"code":"`)
	word, _, _ := strings.Cut(rest, `"`)
	return word
}

func (l *lives) refused(want, path string, body any) {
	l.t.Helper()
	if r := l.k.call("POST", path, body, nil); code(r) != want || r != nil && !strings.Contains(r.text, `"next_ja"`) {
		l.t.Errorf("%s: %v, want %s", path, r, want)
	}
}

// wrongPIN spends the tries of a card, and has it unblocked at the counter.
func (l *lives) wrongPIN(p person, card string) {
	l.k.insert(card)
	for range 4 {
		l.refused("wrong-pin", "/api/card", map[string]any{"pin": "WRONG9"})
	}
	l.refused("last-try", "/api/card", map[string]any{"pin": signPIN})
	l.k.call("POST", "/api/card", map[string]any{"pin": "WRONG9", "last_try": true}, nil)
	l.refused("pin-blocked", "/api/card", map[string]any{"pin": signPIN})
	l.k.apply(p, "unblock-"+card, "unblock", map[string]any{"pins": []string{"sign"}})
	l.k.drive("unblock-"+card, "done")
	l.k.must("POST", "/api/card", map[string]any{"pin": signPIN}, nil)
}

// pulledOut takes the card away while keys are made, waits to be told so, and puts it back.
func (l *lives) pulledOut(person, string) {
	p, card := l.next("1990-06-18")
	l.k.make(card)
	l.k.apply(p, "pulled-"+card, "issue", nil)
	l.k.drive("pulled-"+card, "waiting-confirmation")
	l.k.must("POST", "/api/procedures/pulled-"+card+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	l.k.must("POST", "/api/reader/eject", struct{}{}, nil)
	l.k.card = ""
	var state procedure
	l.k.must("GET", "/api/procedures/pulled-"+card, nil, &state)
	if state.State == "failed" || state.State == "refused" || len(state.Progress) == 0 || state.Progress[0].JA == "" {
		l.t.Errorf("with the card pulled out: %+v", state)
	}
	l.refused("no-card", "/api/card", map[string]any{"pin": signPIN})
	l.k.insert(card)
	l.k.drive("pulled-"+card, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// foreignCard lays somebody else's card on the reader, at the application and in the middle of an act.
func (l *lives) foreignCard(_ person, other string) {
	p, card := l.next("1990-06-18")
	l.k.insert(other)
	l.k.apply(p, "foreign-"+card, "issue", nil)
	if state := l.k.drive("foreign-"+card, "refused"); state.Error["ja"] == "" || state.Error["next_ja"] == "" {
		l.t.Errorf("another person's card: %+v", state)
	}
	l.k.make(card)
	l.k.apply(p, "own-"+card, "issue", nil)
	l.k.drive("own-"+card, "waiting-confirmation")
	l.k.insert(other)
	_ = l.k.call("POST", "/api/procedures/own-"+card+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	var state procedure
	l.k.must("GET", "/api/procedures/own-"+card, nil, &state)
	if state.State == "ready" || state.State == "done" {
		l.t.Errorf("written on another person's card: %+v", state)
	}
	l.k.insert(card)
	l.k.drive("own-"+card, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// engineDies kills ClickHouse under the hub in the middle of an act; the tables come back and catch up.
func (l *lives) engineDies(person, string) {
	p, card := l.next("1990-06-18")
	l.k.make(card)
	l.k.apply(p, "engine-"+card, "issue", nil)
	l.k.drive("engine-"+card, "waiting-confirmation")
	if !l.c.killEngine() {
		l.t.Fatal("the centre has no engine")
	}
	l.k.drive("engine-"+card, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// killEngine kills the engine of the centre; false when there is none at the moment.
func (c *centre) killEngine() (killed bool) { return c.signalEngine(syscall.SIGKILL) }

func (c *centre) signalEngine(signal syscall.Signal) bool {
	if c.engineOf != nil {
		return signalChildren(c.engineOf(), "", signal)
	}
	return signalChildren(c.running().Pid, "", signal)
}

// readerDies kills pcscd at each step of the work on a card that the clerk's page tells of.
func (l *lives) readerDies(person, string) {
	p, card := l.next("1990-06-18")
	id := "service-" + card
	l.k.make(card)
	l.k.apply(p, id, "issue", nil)
	l.k.drive(id, "waiting-confirmation")
	deaths := map[string]bool{}
	var state procedure
	poll(l.t, "the card to be written while pcscd dies", func() bool {
		state = procedure{}
		if l.k.try("GET", "/api/procedures/"+id, nil, &state) != nil || len(state.Progress) == 0 {
			return false
		}
		switch said := state.Progress[0].EN; state.State {
		case "waiting-confirmation":
			_ = l.k.try("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
		case "working":
			if !deaths[said] && signalChildren(l.k.running().Pid, "pcscd", syscall.SIGKILL) {
				deaths[said] = true
			}
		}
		return state.State != "waiting-confirmation" && state.State != "working"
	}, func() string { return fmt.Sprintf("%+v\n%s", state, l.k.tail()) })
	if len(deaths) < 2 {
		l.t.Errorf("pcscd died at %v only: the test proves little", deaths)
	}
	l.t.Logf("pcscd died at %d steps", len(deaths))
	l.k.drive(id, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// clockAhead moves the clock past every deadline while the resident hesitates.
func (l *lives) clockAhead(person, string) {
	p, card := l.next("1990-06-18")
	l.k.make(card)
	l.k.apply(p, "late-"+card, "issue", nil)
	l.k.drive("late-"+card, "waiting-confirmation")
	var now time.Time
	l.c.order("GET", "/clock", &now)
	l.c.advance(now.AddDate(0, 0, 40))
	_ = l.k.call("POST", "/api/procedures/late-"+card+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	state := l.k.drive("late-"+card, "done", "failed", "dropped")
	if state.State != "done" && (state.Error["ja"] == "" || state.Error["next_ja"] == "") {
		l.t.Errorf("long after the deadline: %+v", state)
	}
	if state.State == "failed" {
		if r := l.k.call("POST", "/api/procedures/late-"+card+"/drop", map[string]string{"why": "late"}, nil); r != nil && r.status != http.StatusConflict {
			l.t.Error(r)
		}
		l.play(p, card)
	}
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// clockBack sets the clock back under everybody, also through a start: time in the log goes on all the same.
func (l *lives) clockBack(person, string) {
	var before, after time.Time
	l.c.order("GET", "/clock", &before)
	file := filepath.Join(l.c.data, "clock")
	if err := os.WriteFile(file, []byte(before.AddDate(0, 0, -3).Format(time.RFC3339)+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.c.order("GET", "/clock", &after)
	if after.Before(before) {
		l.t.Errorf("the clock went back from %s to %s", before, after)
	}
	l.c.restart()
	l.k.restart()
	l.issue("1990-06-18")
	if err := os.WriteFile(file, []byte(before.Format(time.RFC3339)+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
}
