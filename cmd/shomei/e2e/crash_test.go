package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/crashpoint"
	"shomei/pkg/warehouse"
	_ "shomei/services/agent" // its crash points are in the list
)

// elsewhere are points that no act of a counter comes by, and where they are killed at instead.
var elsewhere = []string{
	// Keys are destroyed, shards compacted and master keys changed by pkg/vault alone: its own tests kill it there.
	"vault.compact.copied", "vault.erase.tombstoned", "vault.replace.linked", "vault.replace.replaced", "vault.replace.shredded",
	"vault.rewrap.rewrapped", "vault.rewrap.rotated",
	// Reached in the first start of a centre: TestTheFirstStartSurvivesACrash.
	"vault.master.made",
	// Reached when a dropped application left keys on a card: killedTwice.
	"agent.staging.discarded",
	// Reached when days pass or lists are made: days.
	"expiry.ticked", "notifier.sent", "notifier.recorded", "issuer.list-recorded",
}

// TestKilledAtEveryPointOfAnAct kills the process that comes by a point during a new issue, and sees the issue go on to
// its end, once, with everything whole.
func TestKilledAtEveryPointOfAnAct(t *testing.T) {
	c, k := world(t)
	l := &lives{t: t, c: c, k: k}
	for _, point := range crashpoint.List() {
		if slices.Contains(elsewhere, point) {
			continue
		}
		begun := time.Now()
		before := l.arm(point)
		l.issue("1990-06-18")
		l.died(point, before, 1)
		c.whole()
		t.Logf("%-28s %v", point, time.Since(begun).Round(time.Millisecond))
	}
	l.days()
	l.killedTwice()
	l.once()
	c.leaks(t, k, l.all...)
}

// killedTwice kills the counter again while it clears a card of keys that a dropped application left there.
func (l *lives) killedTwice() {
	l.t.Helper()
	before := l.arm("agent.key.generated")
	p, card := l.next("1990-06-18")
	l.k.make(card)
	l.k.apply(p, "left-"+card, "issue", nil)
	l.k.drive("left-"+card, "waiting-confirmation")
	poll(l.t, "the first death", func() bool {
		_ = l.k.try("POST", "/api/procedures/left-"+card+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
		return l.k.died() > before-l.c.died()
	}, func() string { return string(l.k.tail()) })
	l.k.driveWith("left-"+card, nil, "waiting-confirmation")
	l.k.must("POST", "/api/procedures/left-"+card+"/drop", map[string]string{"why": "left"}, nil)
	l.k.drive("left-"+card, "dropped")
	l.k.restart("agent.staging.discarded")
	l.play(p, card)
	l.died("agent.staging.discarded", before, 2)
	l.c.whole()
}

// lives plays one act after another, each with a person and a card of its own.
type lives struct {
	t     *testing.T
	c     *centre
	k     *counter
	count int
	// people whose windows open one after the other.
	people []person
	all    []person
	// acts counts what was done beside issuing; revoked is the newest person.
	acts    int
	revoked bool
}

func (l *lives) inCounter(point string) bool {
	return strings.HasPrefix(point, "agent.") || point == "counterlink.claim.published"
}

func (l *lives) arm(point string) (deaths int) {
	l.t.Helper()
	deaths = l.c.died() + l.k.died()
	if l.inCounter(point) {
		l.k.restart(point)
	} else {
		l.c.restart(point)
	}
	return deaths
}

// died sees that processes did die.
func (l *lives) died(point string, before, times int) {
	l.t.Helper()
	if died := l.c.died() + l.k.died() - before; died != times {
		l.t.Errorf("%s: killed %d times, want %d", point, died, times)
	}
}

// next invents a person and a card.
func (l *lives) next(birth string) (person, string) {
	l.count++
	p := person{
		fmt.Sprintf("%011d", 5000+l.count), "試験　" + strings.Repeat("永", l.count%5+4), birth, "千葉県山武市殿台二百九十六番地", fmt.Sprintf("p%d@mail.example", l.count),
	}
	l.all = append(l.all, p)
	return p, fmt.Sprintf("CARD-%d", l.count)
}

// issue plays a new issue to its end and sees what came of it.
func (l *lives) issue(birth string) person {
	l.t.Helper()
	p, card := l.next(birth)
	l.play(p, card)
	return p
}

func (l *lives) play(p person, card string) {
	l.t.Helper()
	l.k.make(card)
	l.k.apply(p, "issue-"+card, "issue", nil)
	l.k.drive("issue-"+card, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// days kills what days set in motion: windows that open, notices, lists. One mail may go out twice after a death between
// the sending and the record of it, with the same Message-ID; the record says once.
func (l *lives) days() {
	l.t.Helper()
	for _, day := range []struct{ point, birth string }{
		{"expiry.ticked", "1991-06-19"}, {"notifier.sent", "1991-07-21"}, {"notifier.recorded", "1991-08-22"},
	} {
		p := l.issue(day.birth)
		l.people = append(l.people, p)
	}
	for i, point := range []string{"expiry.ticked", "notifier.sent", "notifier.recorded"} {
		p := l.people[i]
		opens := l.c.certificates(l.c.subscriber(p.code))[0].WindowOpens
		before := l.arm(point)
		l.c.advance(opens.At(civil.Clock(10, 0)))
		l.died(point, before, 1)
		var notices []warehouse.Notice
		l.c.order("POST", "/settle", nil)
		l.c.order("GET", "/notices?subscriber="+l.c.subscriber(p.code), &notices)
		if len(notices) != 1 || notices[0].Outcome != "sent" {
			l.t.Errorf("%s: notices %+v", point, notices)
		}
		if n := l.c.mails(l.t, p.mail); n < 1 || n > 2 {
			l.t.Errorf("%s: %d mails", point, n)
		}
		l.c.whole()
	}
	l.c.order("POST", "/loss?subscriber="+l.c.subscriber(l.people[0].code), nil)
	expect(l.t, l.c, l.people[0], "auth suspended", "sign suspended")
	before := l.arm("issuer.list-recorded")
	l.c.order("POST", "/lists", nil)
	l.died("issuer.list-recorded", before, 1)
	l.c.whole()
}

func TestTheFirstStartSurvivesACrash(t *testing.T) {
	c := newCentre(t, opening)
	c.start("vault.master.made")
	c.whole()
	if c.died() != 1 {
		t.Errorf("killed %d times", c.died())
	}
}

// TestKilledAtRandom kills the centre or the counter at random moments of new issues, PINs set anew and revocations.
func TestKilledAtRandom(t *testing.T) {
	kills, seed := number("SHOMEI_RANDOM_KILLS", 4), uint64(number("SHOMEI_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("SHOMEI_SEED=%d SHOMEI_RANDOM_KILLS=%d", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	c, k := world(t)
	l := &lives{t: t, c: c, k: k}
	l.issue("1990-06-18")
	for range kills {
		victim, name := c.kill, "centre"
		if random.IntN(2) == 0 {
			victim, name = k.kill, "counter"
		}
		after := time.Duration(random.IntN(2000)) * time.Millisecond
		t.Logf("kill the %s after %v", name, after)
		before := c.died() + k.died()
		timer := time.AfterFunc(after, victim)
		l.act(random.IntN(4))
		if timer.Stop() {
			victim() // the act was faster
		}
		poll(t, "the death", func() bool { return c.died()+k.died() == before+1 }, func() string { return "" })
	}
	c.whole()
	l.once()
	c.leaks(t, k, l.all...)
}

// act plays something on the newest living card, or issues a new one.
func (l *lives) act(which int) {
	l.t.Helper()
	p, card := l.all[len(l.all)-1], fmt.Sprintf("CARD-%d", l.count)
	switch {
	case which == 0 && !l.revoked:
		l.acts++
		id := fmt.Sprintf("unblock-%d", l.acts)
		l.k.apply(p, id, "unblock", map[string]any{"pins": []string{"auth"}})
		l.k.drive(id, "done")
		expect(l.t, l.c, p, "auth valid", "sign valid")
	case which == 1 && !l.revoked:
		l.revoked = true
		l.k.apply(p, "revoke-"+card, "revoke", nil)
		l.k.drive("revoke-"+card, "done", "ready", "accepted")
		expect(l.t, l.c, p, "auth revoked cessation-of-operation", "sign revoked cessation-of-operation")
	default:
		l.revoked = false
		l.issue("1990-06-18")
	}
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// once sees that nobody has more than was asked for.
func (l *lives) once() {
	l.t.Helper()
	for i := range l.count {
		subscriber := l.c.subscriber(fmt.Sprintf("%011d", 5001+i))
		live := map[string]int{}
		for _, held := range l.c.certificates(subscriber) {
			if held.Status == "valid" || held.Status == "issued" {
				live[held.Kind]++
			}
		}
		if live["sign"] > 1 || live["auth"] > 1 || len(live) == 1 {
			l.t.Errorf("person %d holds %v", i+1, live)
		}
	}
}
