package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/notice"
	"shomei/pkg/warehouse"
)

// TestBadInputAndFaults does everything that people and machines do wrong, one after the other in one world, and sees a
// clear answer, nothing lost, and work going on.
func TestBadInputAndFaults(t *testing.T) {
	c, k := world(t)
	l := &lives{t: t, c: c, k: k}
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
	c.leaks(t, k, l.all...)
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

// badClaims speaks as a second counter that is broken or in bad hands.
func (l *lives) badClaims(p person, card string) {
	var bundle string
	l.c.order("POST", "/second-counter", &bundle)
	mouth := newMouth(l.t, bundle)
	subscriber := l.c.subscriber(p.code)
	first := mouth.claim(subscriber, card)
	second := mouth.claim(subscriber, card)
	third := mouth.claim(subscriber, card)
	stranger, err := nkeys.CreateUser()
	if err != nil {
		l.t.Fatal(err)
	}
	forged, _, err := counterlink.SignClaim(stranger, &events.Claim{Id: uuid.NewString(), Counter: mouth.bundle.Counter, Office: office, Subscriber: subscriber})
	if err != nil {
		l.t.Fatal(err)
	}
	var before, after int
	l.c.order("GET", "/quarantined", &before)
	for _, message := range [][]byte{first, first, third, second, first[:40], forged, first, mouth.lie(subscriber, card)} {
		mouth.say(message)
	}
	poll(l.t, "the bad claims to be set aside", func() bool {
		l.c.order("POST", "/settle", nil)
		l.c.order("GET", "/quarantined", &after)
		return after >= before+4
	}, func() string { return fmt.Sprintf("%d before, %d after", before, after) })
	var history []warehouse.Entry
	l.c.order("GET", "/history?subscriber="+subscriber, &history)
	blocked := 0
	for _, entry := range history {
		if entry.Event == "PinBlocked" {
			blocked++
		}
	}
	if blocked != 2 || after != before+4 {
		l.t.Errorf("%d facts in the history, want the first and the second, once; %d set aside, want the third, which came too early, the torn, the forged and the lie", blocked, after-before)
	}
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// mouth is a counter without an agent.
type mouth struct {
	t      *testing.T
	bundle counterlink.Bundle
	key    nkeys.KeyPair
	seal   counterlink.Secrets
	number uint64
	hash   []byte
	send   func(subject string, data []byte) error
}

func newMouth(t *testing.T, folder string) *mouth {
	t.Helper()
	m := &mouth{t: t}
	var err error
	if m.bundle, err = counterlink.ReadBundle(folder); err != nil {
		t.Fatal(err)
	}
	if m.seal, err = m.bundle.Secrets(); err != nil {
		t.Fatal(err)
	}
	conn, err := m.bundle.Dial(m.seal.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	m.send = func(subject string, data []byte) error {
		_, err := conn.Request(subject, data, 10*time.Second)
		return err
	}
	return m
}

// claim is the next of this counter's chain: a fact that changes no certificate.
func (m *mouth) claim(subscriber, card string) []byte {
	m.t.Helper()
	return m.sign(&events.Claim{Subscriber: subscriber, Fact: &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{
		Card: card, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN},
	}}})
}

// lie is a well-signed claim of keys whose request is signed by another key than the one it is for.
func (m *mouth) lie(subscriber, card string) []byte {
	m.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		m.t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		m.t.Fatal(err)
	}
	request[len(request)-1] ^= 1
	return m.sign(&events.Claim{Subscriber: subscriber, Procedure: "lie", Fact: &events.Claim_KeysGenerated{KeysGenerated: &events.KeysGenerated{
		Obligation: subscriber + "/1.0", Card: card, Keys: []*events.KeyRequest{{Kind: events.CertificateKind_CERTIFICATE_KIND_SIGN, Request: request}},
	}}})
}

func (m *mouth) sign(claim *events.Claim) []byte {
	m.t.Helper()
	m.number++
	claim.Id, claim.Counter, claim.Office, claim.StoreEpoch = uuid.Must(uuid.NewV7()).String(), m.bundle.Counter, office, "e2e"
	claim.Number, claim.PreviousHash, claim.FiledMs, claim.CausedMs = m.number, m.hash, opening.UnixMilli(), opening.UnixMilli()
	claim.ClockEvidence, claim.Officer = "simulated", "017"
	signed, hash, err := counterlink.SignClaim(m.seal.Key, claim)
	if err != nil {
		m.t.Fatal(err)
	}
	m.hash = hash
	return signed
}

func (m *mouth) say(message []byte) {
	m.t.Helper()
	if err := m.send(counterlink.ClaimSubject(m.bundle.Counter), message); err != nil {
		m.t.Fatal(err)
	}
}

// engineDies kills ClickHouse under the hub in the middle of an act; the tables come back and catch up.
func (l *lives) engineDies(person, string) {
	p, card := l.next("1990-06-18")
	l.k.make(card)
	l.k.apply(p, "engine-"+card, "issue", nil)
	l.k.drive("engine-"+card, "waiting-confirmation")
	killChildren(l.t, l.c.process.Process.Pid)
	l.k.drive("engine-"+card, "done")
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// killChildren kills the children of a process: of a centre, its engine.
func killChildren(t *testing.T, pid int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no process %d: %v", pid, err)
	}
	killed := 0
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil || syscall.Kill(child, syscall.SIGKILL) != nil {
				t.Fatalf("child %q could not be killed", word)
			}
			killed++
		}
	}
	if killed == 0 {
		t.Fatal("the process has no children")
	}
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
	l.c.restart("")
	l.k.restart("")
	l.issue("1990-06-18")
	if err := os.WriteFile(file, []byte(before.Format(time.RFC3339)+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// TestTheMailServerIsAway lets a window open while nobody takes mail, and then somebody does.
func TestTheMailServerIsAway(t *testing.T) {
	c := newCentre(t, opening)
	c.mail = freePort(t)
	c.start("")
	k := newCounter(t, c)
	k.start("")
	l := &lives{t: t, c: c, k: k}
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
	c.start("")
	k := newCounter(t, c)
	k.start("")
	t.Cleanup(k.stop)
	l := &lives{t: t, c: c, k: k}
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
	c.leaks(t, k, l.all...)
}

func resize(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size); err != nil {
		t.Fatalf("resizing the disk: %v", err)
	}
}
