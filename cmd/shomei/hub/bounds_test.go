package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// patience bounds each wait for what the misbehaving counter must not keep from happening: it would do so for ever.
const patience = time.Minute

// crowd is a running hub with two counters speaking raw NATS: one that misbehaves, and one that works.
type crowd struct {
	t         *testing.T
	hub       *Hub
	said      *lines
	folder    string
	bad, good *nats.Conn
	key       nkeys.KeyPair // of the good one
	number    uint64
	hash      []byte
	js        jetstream.JetStream
}

func newCrowd(t *testing.T) *crowd {
	h, said := started(t, t.TempDir())
	folder, err := h.TryOut(t.Context(), "12237-main", attacker)
	check(t, err)
	other, err := h.EnrolCounter(t.Context(), "12237-main", victim, "counter", "12237A002")
	check(t, err)
	c := &crowd{t: t, hub: h, said: said, folder: folder}
	observer, err := h.dial(h.URL(), user{name: "observer", account: h.keys.accounts.Log, rights: natstest.Everything})
	check(t, err)
	c.js, err = jetstream.New(observer)
	check(t, err)
	c.bad, _ = c.dial(folder)
	c.good, c.key = c.dial(other)
	return c
}

func (c *crowd) dial(folder string) (*nats.Conn, nkeys.KeyPair) {
	conn, key := c.knock(folder)
	natstest.Wait(c.t, patience, "the counter to connect", conn.IsConnected)
	return conn, key
}

// knock dials without waiting: a counter that was cut off stays outside.
func (c *crowd) knock(folder string) (*nats.Conn, nkeys.KeyPair) {
	bundle, err := counterlink.ReadBundle(folder)
	check(c.t, err)
	secrets, err := bundle.Secrets()
	check(c.t, err)
	conn, err := bundle.Dial(secrets.Key)
	check(c.t, err)
	c.t.Cleanup(conn.Close)
	return conn, secrets.Key
}

// claim makes the good counter send a claim and returns how long its acknowledgement took.
func (c *crowd) claim() time.Duration {
	c.t.Helper()
	signed, hash, err := counterlink.SignClaim(c.key, &events.Claim{
		Id: fmt.Sprint("good-", c.number+1), Counter: victim, Office: "12237-main", StoreEpoch: "E", Number: c.number + 1,
		PreviousHash: c.hash,
	})
	check(c.t, err)
	begun := time.Now()
	answer, err := c.good.Request(counterlink.ClaimSubject(victim), signed, patience)
	check(c.t, err)
	if !stored(answer) {
		c.t.Fatalf("claim %d of the other counter: %s", c.number+1, answer.Data)
	}
	c.number, c.hash = c.number+1, hash
	return time.Since(begun)
}

func stored(answer *nats.Msg) bool {
	return strings.Contains(string(answer.Data), counterlink.ClaimStream)
}

// handled waits until everything that the good counter claimed is settled.
func (c *crowd) handled() {
	c.t.Helper()
	heads, err := c.js.Stream(c.t.Context(), counterlink.HeadStream)
	check(c.t, err)
	natstest.Wait(c.t, patience, "the other counter's claims to be handled", func() bool {
		var head counterlink.Head
		raw, err := heads.GetLastMsgForSubject(c.t.Context(), "shomei.claimhead."+victim)
		return err == nil && json.Unmarshal(raw.Data, &head) == nil && head.Number == c.number
	})
}

// drained waits until nothing is left to handle.
func (c *crowd) drained() {
	c.t.Helper()
	stream, err := c.js.Stream(c.t.Context(), counterlink.ClaimStream)
	check(c.t, err)
	natstest.Wait(c.t, patience, "nothing to be left to handle", func() bool {
		consumers, reading := stream.ListConsumers(c.t.Context()), 0
		for info := range consumers.Info() {
			if info.NumPending > 0 || info.NumAckPending > 0 {
				return false
			}
			reading++
		}
		return consumers.Err() == nil && reading > 0 // while nobody reads, nothing says what is left
	})
}

// quarantine returns the bad counter's entries, by aggregate.
func (c *crowd) quarantine() map[string][]*events.FactQuarantined {
	all := make(map[string][]*events.FactQuarantined)
	check(c.t, c.hub.Log.Scan(c.t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		for _, e := range r.Commit.GetEvents() {
			if q := e.GetFactQuarantined(); q.GetCounter() == attacker {
				all[r.ID] = append(all[r.ID], q)
			}
		}
		return err
	}))
	return all
}

// page returns the content of /healthz or /metrics.
func (c *crowd) page(path string) string {
	w := httptest.NewRecorder()
	c.hub.Operations().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

// blamed checks that health names the bad counter and not the good one, whose empty claims are in quarantine.
func (c *crowd) blamed() {
	c.t.Helper()
	page := c.page("/healthz?verbose")
	_, line, _ := strings.Cut(page, "counters: ")
	line, _, _ = strings.Cut(line, "\n")
	if !strings.Contains(line, attacker) || strings.Contains(line, victim) {
		c.t.Errorf("health doesn't name %s alone:\n%s", attacker, page)
	}
}

// has returns how many of the bad counter's messages the stream of claims holds.
func (c *crowd) has() uint64 {
	stream, err := c.js.Stream(c.t.Context(), counterlink.ClaimStream)
	check(c.t, err)
	info, err := stream.Info(c.t.Context(), jetstream.WithSubjectFilter(counterlink.ClaimSubject(attacker)))
	check(c.t, err)
	return info.State.Subjects[counterlink.ClaimSubject(attacker)]
}

func TestOversizedMessageBlocksNobody(t *testing.T) {
	c := newCrowd(t)
	c.claim()
	for i, size := range []int{events.MaxStored - 64<<10, events.MaxStored - 64<<10 + 1, events.MaxStored - 1, events.MaxStored, counterlink.MaxMessage - 1} {
		pill := bytes.Repeat([]byte("pill"), size/4+1)[:size]
		_, err := c.bad.Request(counterlink.ClaimSubject(attacker), pill, patience)
		check(t, err)
		c.drained()
		all, named := c.quarantine(), size < events.MaxStored-32<<10 // kept whole
		for _, facts := range all {
			named = named || facts[0].GetSize() == uint64(size) && bytes.Equal(facts[0].GetSha256(), events.Hash(pill))
		}
		if len(all) != i+1 || !named {
			t.Errorf("a message of %d bytes: %d entries in quarantine, named: %t", size, len(all), named)
		}
		c.claim()
	}
	c.blamed()
	c.handled()
}

func TestExcessQuarantineIsOnlyCounted(t *testing.T) {
	c := newCrowd(t)
	inbox := c.bad.NewInbox()
	answers, err := c.bad.SubscribeSync(inbox)
	check(t, err)
	const sent, underWay = 800, 50
	taken, answered, lost := 0, 0, 0
	receive := func() {
		answer, err := answers.NextMsg(10 * time.Second)
		if errors.Is(err, nats.ErrTimeout) {
			lost++ // a busy gate drops what it can't examine
			return
		}
		check(t, err)
		answered++
		if stored(answer) {
			taken++
		}
	}
	pace := rate.NewLimiter(150, underWay) // within the bounds: each one is examined
	for i := range sent {
		if i-answered-lost >= underWay {
			receive()
		}
		check(t, pace.Wait(t.Context()))
		check(t, c.bad.PublishRequest(counterlink.ClaimSubject(attacker), inbox, fmt.Appendf(nil, "%06d", i)))
	}
	for answered+lost < sent {
		receive()
	}
	c.claim()
	c.handled()
	c.drained()
	kept, commits := c.quarantine(), 0
	for _, facts := range kept {
		commits += len(facts)
	}
	t.Logf("%d sent, %d taken, %d aggregates, %d commits", sent, taken, len(kept), commits)
	if taken < 500 || len(kept) > 101 || commits > 100+12 {
		t.Errorf("%d messages were taken; quarantine has %d aggregates of %d commits", taken, len(kept), commits)
	}
	counted := map[string]int{"kept": 100}
	if answered == sent { // otherwise more may have been stored than was acknowledged
		counted["counted"] = taken - 100
	}
	for outcome, n := range counted {
		if want := fmt.Sprintf(`shomei_gate_quarantined_total{counter=%q,outcome=%q} %d`, attacker, outcome, n); !strings.Contains(c.page("/metrics"), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// storm is a misbehaving counter in a process of its own: it sends a message again and again for a time, and reconnects
// as soon as it can when it is disconnected.
type storm struct {
	Folder string // of its bundle
	Word   string // of the subject; empty is a claim
	Header nats.Header
	Size   int
	For    time.Duration
	Calm   bool // it sends nothing
}

// rage runs the process of a storm, given as text.
func rage(text string) error {
	var s storm
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	bundle, err := counterlink.ReadBundle(s.Folder)
	if err != nil {
		return err
	}
	secrets, err := bundle.Secrets()
	if err != nil {
		return err
	}
	conn, err := bundle.Dial(secrets.Key, nats.CustomReconnectDelay(func(int) time.Duration { return 0 }), nats.ReconnectBufSize(-1))
	if err != nil {
		return err
	}
	defer conn.Close()
	m := &nats.Msg{
		Subject: counterlink.ClaimSubject(bundle.Counter) + s.Word, Reply: counterlink.InboxPrefix(bundle.Counter) + ".a",
		Header: s.Header, Data: bytes.Repeat([]byte("x"), s.Size),
	}
	if s.Calm {
		<-time.After(s.For)
		return nil
	}
	back, sent, stop := conn.StatusChanged(nats.CONNECTED), 0, time.After(s.For)
	for {
		select {
		case <-stop:
			fmt.Printf("%d sent, came back %d times", sent, conn.Stats().Reconnects)
			return nil
		default:
		}
		if conn.PublishMsg(m) == nil {
			sent++
			continue
		}
		select { // disconnected
		case <-back:
		case <-stop:
			fmt.Printf("%d sent, came back %d times, is put out", sent, conn.Stats().Reconnects)
			return nil
		}
	}
}

// under lets the bad counter storm while the other one claims, and returns how long its claims waited, the longest
// last.
func (c *crowd) under(s storm) (waited []time.Duration) {
	c.t.Helper()
	s.Folder = c.folder
	text, err := json.Marshal(s)
	check(c.t, err)
	command := exec.CommandContext(c.t.Context(), os.Args[0], "storm", string(text))
	command.Stderr = os.Stderr
	var said bytes.Buffer
	command.Stdout = &said
	check(c.t, command.Start())
	pace := rate.NewLimiter(5, 1)
	for stop := time.Now().Add(s.For); time.Now().Before(stop); {
		check(c.t, pace.Wait(c.t.Context()))
		waited = append(waited, c.claim())
	}
	check(c.t, command.Wait())
	c.t.Log("the attacker: ", said.String())
	slices.Sort(waited)
	return waited
}

// TestSoakOneCounterAgainstAnother has a counter send as fast as it can for a minute in each of four ways, from a process of
// its own.
func TestSoakOneCounterAgainstAnother(t *testing.T) {
	if os.Getenv("SHOMEI_SOAK") == "" {
		t.Skip("make soak tries it, a minute for each way")
	}
	for name, way := range map[string]storm{
		"nobody": {Calm: true}, // shows what the machine itself costs
		"pill":   {Size: counterlink.MaxMessage - 1}, "litter": {Size: 6}, "flood": {Size: 4 << 10},
		"hellos": {Word: ".head", Header: withHello(nil, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t)
			c.claim()
			before := resident(t)
			way.For = time.Minute
			waited := c.under(way)
			grown := resident(t) - before
			p50, p99 := waited[len(waited)/2], waited[len(waited)*99/100]
			t.Logf("%d claims acknowledged, p50 %v, p99 %v, longest %v; %d of the attacker's kept; grown by %d MB",
				len(waited), p50, p99, waited[len(waited)-1], c.has(), grown>>20)
			if p99 > 250*time.Millisecond || grown > 100<<20 {
				t.Errorf("p99 %v, grown by %d MB; at most 250ms and 100 MB", p99, grown>>20)
			}
			c.handled()
		})
	}
}

// resident is what this process has in memory.
func resident(t *testing.T) int64 {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	check(t, err)
	var size, pages int64
	_, err = fmt.Sscan(string(statm), &size, &pages)
	check(t, err)
	return pages * int64(os.Getpagesize())
}

// TestCutOffCounterIsDisconnected: the server refuses it until its time is over. Its agent reconnects by itself.
func TestCutOffCounterIsDisconnected(t *testing.T) {
	c := newCrowd(t)
	lost := c.bad.StatusChanged(nats.RECONNECTING)
	again, _ := c.dial(c.folder) // with every connection that it has
	for c.bad.IsConnected() {
		if err := c.bad.Publish(counterlink.ClaimSubject(attacker), nil); err != nil {
			break
		}
	}
	begun := time.Now()
	<-lost
	natstest.Wait(t, 10*time.Second, "the other connection to be ended",
		func() bool { return again.Stats().Reconnects > 0 || !again.IsConnected() })
	c.blamed()
	c.claim()
	natstest.Wait(t, 20*time.Second, "the counter to be back", func() bool { return c.bad.IsConnected() && again.IsConnected() })
	if d := time.Since(begun); d < 900*time.Millisecond {
		t.Errorf("it was let in again after %v", d)
	}
	natstest.Wait(t, 10*time.Second, "the counter to be heard", func() bool {
		_, err := c.bad.Request(counterlink.ClaimSubject(attacker)+".alive", nil, time.Second)
		return err == nil
	})
}

func TestConnectionsOfOneCounterAreBounded(t *testing.T) {
	c := newCrowd(t)
	cuts := func() bool {
		return strings.Contains(c.page("/metrics"), fmt.Sprintf(`shomei_gate_cuts_total{counter=%q}`, attacker))
	}
	var more []*nats.Conn
	for range 40 {
		conn, _ := c.knock(c.folder)
		more = append(more, conn)
		natstest.Wait(t, 10*time.Second, "the counter to connect or to be cut off", func() bool { return conn.IsConnected() || cuts() })
		if cuts() {
			break
		}
	}
	natstest.Wait(t, 10*time.Second, "the counter to be cut off", cuts)
	natstest.Wait(t, 10*time.Second, "every connection to be ended", func() bool {
		return !slices.ContainsFunc(more, func(conn *nats.Conn) bool { return conn.IsConnected() && conn.Stats().Reconnects == 0 })
	})
	c.blamed()
	c.claim()
}

func TestLinkUpsCostNothing(t *testing.T) {
	c := newCrowd(t)
	c.claim()
	before, goroutines, said := heap(), runtime.NumGoroutine(), strings.Count(c.said.String(), attacker)
	waited := c.under(storm{Word: ".head", Header: withHello(nil, 1), For: 4 * time.Second})
	if grown := runtime.NumGoroutine() - goroutines; grown > 50 {
		t.Errorf("%d goroutines more", grown)
	}
	if grown := heap() - before; grown > 50<<20 {
		t.Errorf("%d bytes of heap more", grown)
	}
	if n := strings.Count(c.said.String(), attacker) - said; n > 20 {
		t.Errorf("%d log lines about one counter", n)
	}
	t.Logf("the other counter waited %v at most", waited[len(waited)-1])
	c.blamed()
	c.handled()
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestClaimFloodDelaysNoOtherCounter(t *testing.T) {
	c := newCrowd(t)
	begun := time.Now()
	waited := c.under(storm{Size: 4 << 10, For: 4 * time.Second})
	t.Logf("%d claims taken, the other counter waited %v at most", c.has(), waited[len(waited)-1])
	if n, most := c.has(), uint64(1000+200*(time.Since(begun).Seconds()+1)); n > most {
		t.Errorf("%d claims of one counter are stored, at most %d may", n, most)
	}
	c.blamed()
	c.handled()
}

func TestRetiredCounterIsDisconnectedAtOnce(t *testing.T) {
	c := newCrowd(t)
	pace := rate.NewLimiter(150, 50)
	for i := range 300 {
		check(t, pace.Wait(t.Context()))
		check(t, c.bad.PublishRequest(counterlink.ClaimSubject(attacker), "_INBOX."+attacker+".a", fmt.Appendf(nil, "%06d", i)))
	}
	check(t, c.bad.Flush())
	natstest.Wait(t, 10*time.Second, "claims to come", func() bool { return c.has() > 0 })
	operator, err := c.hub.By("0042")
	check(t, err)
	check(t, operator.Retire(t.Context(), attacker))
	natstest.Wait(t, 10*time.Second, "the counter to be disconnected", func() bool { return !c.bad.IsConnected() })
	c.drained()
	n := c.has()
	c.claim()
	c.handled()
	if c.bad.IsConnected() || c.has() != n {
		t.Error("a retired counter is heard")
	}
}

// link asks to be the bad counter, as an agent would, and returns the refusal.
func (c *crowd) link(conn *nats.Conn, session string) string {
	c.t.Helper()
	client, err := conn.GetClientID()
	check(c.t, err)
	hello := nats.NewMsg(counterlink.ClaimSubject(attacker) + ".head")
	hello.Header = withHello(nats.Header{"Shomei-Session": {session}, "Shomei-Client": {fmt.Sprint(client)}}, 1)
	answer, err := conn.RequestMsg(hello, 10*time.Second)
	check(c.t, err)
	if answer.Header.Get("Shomei-Signature") == "" {
		c.t.Fatalf("not answered by the hub: %v %s", answer.Header, answer.Data)
	}
	return answer.Header.Get("Shomei-Refused")
}

func TestSecondAgentIsRefused(t *testing.T) {
	c := newCrowd(t)
	second, _ := c.dial(c.folder)
	third, _ := c.dial(c.folder)
	if why := c.link(c.bad, "one"); why != "" {
		t.Fatal(why)
	}
	if why := c.link(second, "two"); !strings.Contains(why, "in use by another agent") || !strings.Contains(why, "have the counter retired") {
		t.Errorf("a second agent: %q", why)
	}
	c.blamed()
	begun := time.Now()
	for pace := rate.NewLimiter(1, 1); c.link(second, "two") != ""; { // the first is connected and silent
		check(t, pace.Wait(t.Context()))
	}
	if d := time.Since(begun); d < 10*time.Second || d > 40*time.Second {
		t.Errorf("a counter whose agent is silent was free after %v", d)
	}
	second.Close()
	for pace := rate.NewLimiter(1, 1); time.Since(begun) < 40*time.Second && c.link(third, "three") != ""; { // the server notices
		check(t, pace.Wait(t.Context()))
	}
	if why := c.link(third, "three"); why != "" {
		t.Errorf("a counter whose agent is gone: %q", why)
	}
}
