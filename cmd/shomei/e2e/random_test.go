package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/warehouse"
)

// TestKilledAtRandom plays one act after another while somebody kills shomei all, its engine, the counter and the
// factory, one at a time and at random moments, also in the middle of a restart. What was promised stays, once.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	kills, seed := number("SHOMEI_RANDOM_KILLS", someKills()), uint64(number("SHOMEI_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("SHOMEI_SEED=%d SHOMEI_RANDOM_KILLS=%d", seed, kills)
	l := realWorld(t, newCrashes(t, t.TempDir()), opening)
	l.issue("1990-06-18")
	k := &killer{lives: l, kills: kills, random: rand.New(rand.NewPCG(seed, 1)), done: make(chan struct{}), end: make(chan struct{})}
	k.kill = k.one
	k.during.Store("nothing")
	t.Cleanup(func() { close(k.end); <-k.done })
	go k.run()
	p := &play{lives: l, random: rand.New(rand.NewPCG(seed, 2)), killer: k}
	p.until(k.done)
	l.c.restart() // which brings the day
	l.once()
	p.told()
	l.c.whole()
	l.c.leaks(t, []*counter{l.k, l.factory}, l.all...)
}

// killer kills processes at random moments.
type killer struct {
	*lives
	kills  int
	random *rand.Rand
	kill   func() string // kills somebody and tells whom
	killed atomic.Int64
	during atomic.Value // what is being played
	end    chan struct{}
	done   chan struct{}
}

// run kills, three times of four once everything has come up again and something goes on, else whenever it comes.
func (k *killer) run() {
	defer close(k.done)
	before := time.Now()
	for n := range k.kills {
		if k.random.IntN(4) > 0 && !k.awaitUp() {
			return
		}
		if !k.pause(time.Duration(k.random.IntN(2500)) * time.Millisecond) {
			return
		}
		k.t.Logf("kill %d: the %s, %v after the one before, during %v", n+1, k.kill(), time.Since(before).Round(time.Millisecond), k.during.Load())
		before = time.Now()
		k.killed.Add(1)
	}
}

// pause waits; false when the test ends before.
func (k *killer) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-k.end:
		return false
	case <-timer.C:
		return true
	}
}

// awaitUp waits until the centre and both counters serve; false when the test ends before.
func (k *killer) awaitUp() bool {
	for !k.c.serves() || !k.k.serves() || !k.factory.serves() {
		if !k.pause(50 * time.Millisecond) {
			return false
		}
	}
	return true
}

// serves reports whether the process that runs now has come up.
func (c *centre) serves() bool {
	var at struct {
		PID int `json:"pid"`
	}
	text, err := os.ReadFile(filepath.Join(c.data, "running.json"))
	return err == nil && json.Unmarshal(text, &at) == nil && at.PID == c.running().Pid
}

func (k *counter) serves() bool {
	url, _ := k.address()
	return url != ""
}

// one kills somebody and tells whom.
func (k *killer) one() string {
	switch n := k.random.IntN(10); {
	case n < 4:
		k.c.kill()
		return "centre"
	case n < 7:
		k.k.kill()
		return "counter"
	case n < 8:
		k.factory.kill()
		return "factory"
	}
	if !k.c.killEngine() {
		k.c.kill()
		return "centre, which had no engine yet"
	}
	return "engine"
}

// play plays acts at random. In the first third of the kills people get their certificates; in the second their windows
// are open; in the last those who did not renew have lost them.
type play struct {
	*lives
	random *rand.Rand
	killer *killer
	phase  int
	// reminded are those whose window opened while their certificates were valid, in the order of their coming. Who was
	// revoked before is not reminded, and rightly so; that no reminder of the others can be lost between window and notice is
	// held by pkg/lifecycle (player.reminders): both are one commit.
	reminded []person
}

// until plays until all are killed who are to be.
func (p *play) until(done <-chan struct{}) {
	p.t.Helper()
	for begun, now := time.Now(), false; !now; {
		p.act()
		select {
		case <-done:
			now = true
			p.t.Logf("%d kills and %d acts in %v", p.killer.killed.Load(), p.acts, time.Since(begun).Round(time.Second))
		default:
		}
	}
	if killed := p.killer.killed.Load(); killed != int64(p.killer.kills) {
		p.t.Errorf("%d processes were killed", killed)
	}
}

func (p *play) act() {
	if third := int(3 * p.killer.killed.Load() / int64(p.killer.kills)); third > p.phase && p.phase < 2 {
		p.turn()
	}
	names := []string{"issue", "issue", "collect", "collect", "unblock", "unblock", "reissue", "revoke", "loss"}
	if p.phase == 1 {
		names = append(names, "renewal", "renewal", "renewal")
	}
	name := names[p.random.IntN(len(names))]
	who, ok := p.somebody(name == "renewal", name == "reissue")
	if !ok {
		name = "issue"
	}
	p.killer.during.Store(name)
	switch name {
	case "issue":
		p.issue("1990-06-18")
	case "collect":
		p.collect("1990-06-18")
	case "unblock":
		p.unblock(who)
	case "reissue":
		p.reissue(who)
	case "revoke":
		p.revoke(who)
	case "loss":
		p.lose(who)
	case "renewal":
		p.renew(who)
	}
}

// somebody is a person with valid certificates; with old ones who was reminded, with lost ones maybe who lost the card.
func (p *play) somebody(old, lost bool) (who person, ok bool) {
	var list []person
	for _, one := range p.all {
		want := p.want[one.code]
		valid := slices.Contains(want, "auth valid") || lost && slices.Contains(want, "auth suspended")
		reminded := slices.Contains(p.reminded, one) && !slices.Contains(want, "auth revoked superseded") && !slices.Contains(want, "auth revoked key-compromise")
		if valid && (!old || reminded) {
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		return who, false
	}
	return list[p.random.IntN(len(list))], true
}

// turn brings the next phase: the day after everybody's window opened, or the day after their last.
func (p *play) turn() {
	p.phase++
	p.killer.during.Store("the turn of years")
	held := p.c.certificates(p.c.subscriber(p.all[0].code))[0]
	if p.phase == 1 {
		for _, one := range p.all {
			if slices.Contains(p.want[one.code], "auth valid") {
				p.reminded = append(p.reminded, one)
			}
		}
		p.c.advance(held.WindowOpens.AddDays(1).At(civil.Clock(10, 0)))
		for _, one := range p.reminded { // before anything else happens to them, though the killing goes on
			subscriber := p.c.subscriber(one.code)
			poll(p.t, one.code+" to be reminded", func() bool { return len(p.c.notices(subscriber)) > 0 }, func() string { return string(p.c.tail()) })
		}
		return
	}
	morning := held.LastDay.AddDays(1)
	for _, one := range p.all { // what was renewed or issued since goes on
		if slices.ContainsFunc(p.c.certificates(p.c.subscriber(one.code)), func(c warehouse.Certificate) bool {
			return (c.Status == "valid" || c.Status == "suspended") && c.LastDay.Before(morning)
		}) {
			p.want[one.code] = replaced(replaced(p.want[one.code], " valid", " expired"), " suspended", " expired")
		}
	}
	p.c.advance(morning.At(civil.Clock(10, 0)))
}

// told sees that everybody who was to be reminded was, once.
func (p *play) told() {
	p.t.Helper()
	for _, one := range p.reminded {
		sent := map[string]int{}
		for _, n := range p.c.notices(p.c.subscriber(one.code)) {
			if n.Outcome != "sent" && n.Outcome != "suppressed" {
				p.t.Errorf("%s: notice %+v", one.code, n)
			}
			sent[n.Kind+" "+n.LastDay.String()]++
		}
		for what, n := range sent {
			if n > 1 {
				p.t.Errorf("%s: %d notices about %s", one.code, n, what)
			}
		}
		if len(sent) == 0 {
			p.t.Errorf("%s was never reminded", one.code)
		}
	}
}

// someKills is how many there are when nobody asks for a number.
func someKills() int {
	if soak() {
		return 120
	}
	return 10
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}
