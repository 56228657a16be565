package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/notice"
	"shomei/pkg/warehouse"
	"shomei/services/fsck"
)

// TestTheMailServerIsAway lets a window open while nobody takes mail, and then somebody does.
func TestTheMailServerIsAway(t *testing.T) {
	t.Parallel()
	c := newCentre(t, opening)
	c.mail = freePort(t)
	c.start()
	k := newCounter(t, c, "/counter")
	k.start()
	l := newLives(t, c, k)
	p := l.issue("1990-06-18")
	subscriber := c.subscriber(p.code)
	opens := c.certificates(subscriber)[0].WindowOpens
	advanced := make(chan struct{})
	go func() {
		defer close(advanced)
		c.advance(opens.At(civil.Clock(10, 0))) // waits for the mail
	}()
	notices := func() (list []warehouse.Notice) {
		c.order("GET", "/notices?subscriber="+subscriber, &list)
		return list
	}
	poll(t, "the notice to fall due", func() bool { return len(notices()) == 1 }, func() string { return fmt.Sprint(notices()) })
	if n := notices()[0]; n.Outcome != "" {
		t.Errorf("without a mail server: %+v", n)
	}
	health := func() (said string) {
		c.order("GET", "/healthz?verbose", &said)
		return said
	}
	poll(t, "health to name the mail server", func() bool { return strings.Contains(health(), "mail server has taken nothing since") }, health)
	folder := t.TempDir()
	sink, err := notice.ListenSink("127.0.0.1:"+strconv.Itoa(c.mail), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	<-advanced
	poll(t, "the notice to be sent", func() bool { return notices()[0].Outcome == "sent" }, func() string { return fmt.Sprint(notices()) })
	if n := countMails(t, folder, p.mail); n != 1 {
		t.Errorf("%d mails", n)
	}
	if said := health(); strings.Contains(said, "mail server has taken nothing") {
		t.Errorf("when it takes mails again: %s", said)
	}
	c.whole()
}

// TestTheMailServerAndTheEngineAreAway has both away when a notice is due, and the mail server back first.
func TestTheMailServerAndTheEngineAreAway(t *testing.T) {
	t.Parallel()
	c := newCentre(t, opening)
	c.mail = freePort(t)
	c.start()
	k := newCounter(t, c, "/counter")
	k.start()
	l := newLives(t, c, k)
	p := l.issue("1990-06-18")
	subscriber := c.subscriber(p.code)
	opens := c.certificates(subscriber)[0].WindowOpens
	advanced := make(chan struct{})
	go func() {
		defer close(advanced)
		c.advance(opens.At(civil.Clock(10, 0))) // waits for the mail
	}()
	notices := func() (list []warehouse.Notice) {
		c.order("GET", "/notices?subscriber="+subscriber, &list)
		return list
	}
	poll(t, "the notice to fall due", func() bool { return len(notices()) == 1 }, func() string { return fmt.Sprint(notices()) })
	if !c.signalEngine(syscall.SIGSTOP) {
		t.Fatal("the centre has no engine")
	}
	folder := t.TempDir()
	sink, err := notice.ListenSink("127.0.0.1:"+strconv.Itoa(c.mail), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	poll(t, "the mail, without an engine", func() bool { return countMails(t, folder, p.mail) == 1 }, func() string { return string(c.tail()) })
	if !c.killEngine() { // it never comes to itself again
		t.Fatal("the centre has no engine")
	}
	<-advanced
	poll(t, "the tables to tell of the mail", func() bool { return notices()[0].Outcome == "sent" }, func() string { return fmt.Sprint(notices()) })
	c.whole()
	if n := countMails(t, folder, p.mail); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// TestCentreAndCounterAreAwayAtOnce kills each while the other is dead, with work of the other's on the way.
func TestCentreAndCounterAreAwayAtOnce(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	l := newLives(t, c, k)
	begun, card := l.next("1990-06-18")
	k.make(card)
	k.apply(begun, "begun", "issue", nil)
	k.drive("begun", "waiting-confirmation")
	c.crashes.arm("the making of keys", "agent.work.done") // no card is opened without a centre, so they are made before it dies
	k.restart()
	k.drive("begun", "waiting-confirmation")
	k.last()
	poll(t, "the counter to die with keys that it told nobody of", func() bool {
		k.present()
		_ = k.try("POST", "/api/procedures/begun/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
		return k.dead()
	}, func() string { return string(k.tail()) })
	c.down()
	c.crashes.arm("")
	k.start()
	var state procedure
	poll(t, "keys that the centre can't hear of", func() bool {
		k.must("GET", "/api/procedures/begun", nil, &state)
		return !state.AtHub
	}, func() string { return fmt.Sprintf("%+v", state) })
	waiting, other := l.next("1991-06-18")
	k.make(other)
	k.apply(waiting, "waiting", "issue", nil)
	k.down()
	c.start()
	c.order("POST", "/settle", nil)
	c.down()
	k.start()
	k.must("GET", "/api/procedures/waiting", nil, &state)
	if state.State != "pending" || state.AtHub || state.Card != other {
		t.Errorf("what was taken without a centre, after a death: %+v", state)
	}
	k.insert(card)
	k.down()
	c.start()
	k.start()
	k.drive("begun", "done")
	expect(t, c, begun, "auth valid", "sign valid")
	k.insert(other)
	k.drive("waiting", "done")
	expect(t, c, waiting, "auth valid", "sign valid")
	c.whole()
}

// smallDisk is a world whose data lie on a disk of their own, with an application that waits for its holder.
func smallDisk(t *testing.T) (l *lives, p person, procedure string) {
	t.Helper()
	c := newCentre(t, opening)
	if err := syscall.Mount("tmpfs", c.data, "tmpfs", 0, "size=6g"); err != nil {
		t.Fatalf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		c.stop()
		if err := syscall.Unmount(c.data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c.start()
	k := newCounter(t, c, "/counter")
	k.start()
	t.Cleanup(k.stop)
	l = newLives(t, c, k)
	l.issue("1990-06-18")
	p, card := l.next("1990-06-18")
	k.make(card)
	k.apply(p, "full-"+card, "issue", nil)
	k.drive("full-"+card, "waiting-confirmation")
	return l, p, "full-" + card
}

// fill leaves no room on the disk of the centre.
func (c *centre) fill() {
	c.t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(c.data, &disk); err != nil {
		c.t.Fatal(err)
	}
	resize(c.t, c.data, fmt.Sprintf("size=%d", (disk.Blocks-disk.Bfree)*uint64(disk.Bsize))) // nothing more fits
	if err := os.WriteFile(filepath.Join(c.data, "straw"), make([]byte, 64<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		c.t.Fatalf("the disk is not full: %v", err)
	}
}

// standsStill sees for a while in which whoever writes meets the full disk that an act does not come to its end.
func (k *counter) standsStill(id string) {
	k.t.Helper()
	var state procedure
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 60 { // three seconds
		<-ticker.C
		if k.try("GET", "/api/procedures/"+id, nil, &state) == nil && (state.State == "done" || state.State == "ready") {
			k.t.Fatalf("an act came to its end on a full disk: %+v", state)
		}
	}
}

// spaceAgain ends the fault, and sees that everything goes on.
func (l *lives) spaceAgain(p person, id string) {
	l.t.Helper()
	resize(l.t, l.c.data, "size=6g")
	l.k.drive(id, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
	l.issue("1990-06-18")
	l.c.mends()
	l.c.whole()
	l.once()
	l.c.leaks(l.t, []*counter{l.k}, l.all...)
}

// mends waits until no table is damaged. What the engine was writing on a full disk it may take for written (it was seen to
// keep a merged part with an empty file); the hub makes the tables anew when it meets that.
func (c *centre) mends() {
	c.t.Helper()
	var report fsck.Report
	poll(c.t, "damaged tables to be made anew", func() bool {
		report = fsck.Report{}
		c.order("GET", "/fsck", &report)
		return !slices.ContainsFunc(report.Findings, func(f fsck.Finding) bool { return strings.Contains(f.What, warehouse.ErrDamaged.Error()) })
	}, func() string { return fmt.Sprint(report.Findings) })
}

// TestAFullDisk fills the disk of the centre in the middle of an act and makes space again.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	l, p, id := smallDisk(t)
	l.c.fill()
	r := l.k.call("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	t.Logf("confirming on a full disk: %v", r)
	l.k.standsStill(id)
	l.spaceAgain(p, id)
}

// TestAFullDiskAndAKill kills centre, engine and counter, whose files all lie on a full disk, and whoever supervises them
// starts them on it again and again, until there is space.
func TestAFullDiskAndAKill(t *testing.T) {
	t.Parallel()
	l, p, id := smallDisk(t)
	l.c.fill()
	_ = l.k.call("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	l.k.standsStill(id)
	l.c.mayFail(true)
	l.k.mayFail(true)
	l.c.killEngine()
	for range 2 {
		l.c.kill()
		l.k.kill()
		l.k.standsStill(id)
	}
	resize(t, l.c.data, "size=6g")
	l.c.order("POST", "/settle", nil)
	l.k.must("GET", "/api/status", nil, nil)
	t.Logf("on the full disk the centre ended %d times by itself, the counter %d times", l.c.mayFail(false), l.k.mayFail(false))
	l.spaceAgain(p, id)
}

func resize(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size); err != nil {
		t.Fatalf("resizing the disk: %v", err)
	}
}
