package e2e

import (
	"slices"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/warehouse"
)

// realWorld is a centre that shomei all runs, with the office's counter, its factory and its telephone desk.
func realWorld(t *testing.T, at *crashes, begin time.Time) *lives {
	t.Helper()
	programs(t)
	c := newCentre(t, begin)
	c.crashes = at
	c.start()
	k, factory := newCounter(t, c, "/counter"), newCounter(t, c, "/factory")
	c.order("POST", "/telephone", nil)
	c.stop()
	c.real = true
	c.start()
	k.start()
	factory.start()
	l := newLives(t, c, k)
	l.factory = factory
	return l
}

// firstStart is that of shomei all in an empty folder, which dies at every point that it comes by.
func firstStart(t *testing.T, at *crashes, points []string) {
	t.Helper()
	c := newCentre(t, opening)
	c.real, c.crashes = true, at
	c.advance(opening)
	at.arm("the first start", points...)
	c.start()
	poll(t, "the first day to be done", func() bool {
		died := at.at("the first start")
		return slices.Contains(died, "issuer.list-handed-on") && slices.Contains(died, "validation.list-kept")
	}, func() string { return string(c.tail()) })
	at.arm("")
	c.restart()
	c.whole()
	t.Logf("the first start: killed at %v", at.at("the first start"))
}

// restart starts every process anew, with the points armed that are.
func (l *lives) restart() {
	l.t.Helper()
	l.k.restart()
	l.factory.restart()
	l.c.look()
	l.c.restart()
}

// TestKilledAtEveryPointOfEveryAct arms every crash point during every act: the process that comes by one dies there and
// is started again with the others armed, so that one act meets every point on its way, one after the other, some of
// them while it recovers from the one before. The act goes on to its end, once, and everything is whole. The first
// three worlds come by every point; make soak plays the others as well.
func TestKilledAtEveryPointOfEveryAct(t *testing.T) {
	t.Parallel()
	points := pointsOf(t)
	var all []*crashes
	t.Run("in", func(t *testing.T) {
		for _, world := range []struct {
			name  string
			begin time.Time
			play  func(*lives) []act
		}{
			{"the first start", opening, nil},
			{"cards lost and left", opening, lostAndLeft},
			{"a renewal", opening, throughTheYears},
			{"a life at the counter", opening, atTheCounter},
			{"juki cards", jukiDays, withJukiCards},
		} {
			if len(all) == 3 && !soak() {
				break
			}
			at := newCrashes(t, t.TempDir())
			all = append(all, at)
			t.Run(world.name, func(t *testing.T) {
				t.Parallel()
				if at.t = t; world.play == nil {
					firstStart(t, at, points)
					return
				}
				l := realWorld(t, at, world.begin)
				l.dieEverywhere(points, world.play(l))
			})
		}
	})
	complete(t, points, all)
}

// act is something that goes on while every crash point is armed.
type act struct {
	name string
	play func()
}

func atTheCounter(l *lives) []act {
	var p person
	return []act{
		{"new issue", func() { p = l.issue("1990-06-18") }},
		{"PIN set anew", func() { l.unblock(p) }},
		{"re-issue with revocation", func() { l.reissue(p) }},
		{"revocation", func() { l.revoke(p) }},
	}
}

func lostAndLeft(l *lives) []act {
	var p person
	return []act{
		{"factory issue and hand-over", func() { p = l.collect("1991-06-19") }},
		{"loss by telephone, then a list", func() { l.lose(p); l.c.restart() }},
		{dropped, l.afterDropped},
	}
}

func throughTheYears(l *lives) []act {
	const opens = "the day the window opens"
	var p person
	held := func() warehouse.Certificate { return l.c.certificates(l.c.subscriber(p.code))[0] }
	return []act{
		{"new issue of who will renew", func() { p = l.issue("1990-06-18") }},
		{opens, func() {
			// The tick first: followers that die at what it brings could take the process with them before its point is come by.
			l.c.crashes.arm(opens, "expiry.ticked")
			l.c.restart()
			l.c.advance(held().WindowOpens.At(civil.Clock(10, 0)))
			l.c.restart()
			poll(l.t, "the tick", func() bool { return slices.Contains(l.c.crashes.at(opens), "expiry.ticked") }, func() string { return string(l.c.tail()) })
			l.c.crashes.arm(opens, slices.DeleteFunc(pointsOf(l.t), func(p string) bool { return p == "expiry.ticked" })...)
			l.c.restart()
			l.notified(p)
		}},
		{"renewal", func() { l.renew(p) }},
	}
}

// dieEverywhere plays acts, each with every point armed anew.
func (l *lives) dieEverywhere(points []string, acts []act) {
	l.t.Helper()
	at := l.c.crashes
	for _, act := range acts {
		begun := time.Now()
		at.arm(act.name, points...)
		l.restart()
		act.play()
		took := time.Since(begun)
		at.arm("")
		l.restart()
		l.c.whole()
		l.t.Logf("%s: %v, then whole after %v, killed at %v", act.name, took.Round(time.Millisecond), (time.Since(begun) - took).Round(time.Millisecond), at.at(act.name))
	}
	l.once()
	l.c.leaks(l.t, []*counter{l.k, l.factory}, l.all...)
}

// notified waits until a notice was sent, and sees that its record says once. One mail may go out again after a death
// between the sending and the record of it, with the same Message-ID, by which whoever gets it knows it.
func (l *lives) notified(p person) {
	l.t.Helper()
	subscriber := l.c.subscriber(p.code)
	poll(l.t, "the notice to be sent", func() bool {
		list := l.c.notices(subscriber)
		return len(list) > 0 && list[0].Outcome == "sent"
	}, func() string { return string(l.c.tail()) })
	if list := l.c.notices(subscriber); len(list) != 1 {
		l.t.Errorf("notices %+v", list)
	}
	if n := l.c.letters(l.t, p.mail); n != 1 {
		l.t.Errorf("%d different mails", n)
	}
}

const dropped = "an application dropped, and a new one"

// afterDropped leaves keys on a card by an application that is dropped, and issues with the same card.
func (l *lives) afterDropped() {
	l.t.Helper()
	p, card := l.next("1990-06-18")
	id := l.id("left")
	l.k.make(card)
	l.k.apply(p, id, "issue", nil)
	l.k.drive(id, "waiting-confirmation")
	poll(l.t, "the counter to die with keys on the card", func() bool {
		l.k.present()
		_ = l.k.try("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
		return slices.Contains(l.c.crashes.at(dropped), "agent.key.generated")
	}, func() string { return string(l.k.tail()) })
	l.k.driveWith(id, nil, "waiting-confirmation")
	poll(l.t, "the application to be dropped", func() bool { // a counter that dies behind its claim says nothing, and next that it is over
		_ = l.k.try("POST", "/api/procedures/"+id+"/drop", map[string]string{"why": "left"}, nil)
		var state procedure
		return l.k.try("GET", "/api/procedures/"+id, nil, &state) == nil && state.State == "dropped"
	}, func() string { return string(l.k.tail()) })
	l.play(p, card)
}
