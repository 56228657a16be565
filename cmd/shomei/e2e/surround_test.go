package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/notice"
	"shomei/pkg/warehouse"
)

// TestTheMailServerIsAway lets a window open while nobody takes mail, and then somebody does.
func TestTheMailServerIsAway(t *testing.T) {
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
	c.whole()
}

// TestAFullDisk fills the disk of the centre in the middle of an act and makes space again.
func TestAFullDisk(t *testing.T) {
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
	l := newLives(t, c, k)
	l.issue("1990-06-18")
	p, card := l.next("1990-06-18")
	k.make(card)
	k.apply(p, "full-"+card, "issue", nil)
	k.drive("full-"+card, "waiting-confirmation")
	var disk syscall.Statfs_t
	if err := syscall.Statfs(c.data, &disk); err != nil {
		t.Fatal(err)
	}
	resize(t, c.data, fmt.Sprintf("size=%d", (disk.Blocks-disk.Bfree)*uint64(disk.Bsize))) // nothing more fits
	if err := os.WriteFile(filepath.Join(c.data, "straw"), make([]byte, 64<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	r := k.call("POST", "/api/procedures/full-"+card+"/confirm", map[string]any{"pins": map[string]string{"sign": signPIN, "auth": authPIN}}, nil)
	t.Logf("confirming on a full disk: %v", r)
	var state procedure
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 60 { // three seconds in which whoever writes meets the full disk
		<-ticker.C
		if k.try("GET", "/api/procedures/full-"+card, nil, &state) == nil && (state.State == "done" || state.State == "ready") {
			t.Fatalf("an act came to its end on a full disk: %+v", state)
		}
	}
	resize(t, c.data, "size=6g")
	k.drive("full-"+card, "done")
	expect(t, c, p, "auth valid", "sign valid")
	l.issue("1990-06-18")
	c.whole()
	l.once()
	c.leaks(t, []*counter{k}, l.all...)
}

func resize(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size); err != nil {
		t.Fatalf("resizing the disk: %v", err)
	}
}
