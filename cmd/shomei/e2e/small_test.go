package e2e

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shomei/pkg/counterlink"
	"shomei/services/agent"
)

// measure is how large a counter is after so many acts.
type measure struct {
	acts, remembered                int
	resident, anonymous, heap, file int // MB
	start, opened                   time.Duration
}

func (m measure) String() string {
	return fmt.Sprintf("%6d acts: resident %3d MB (%3d MB its own, heap %3d MB), store %3d MB, start %v (of it the store %v), %d procedures",
		m.acts, m.resident, m.anonymous, m.heap, m.file, m.start.Round(time.Millisecond), m.opened.Round(time.Millisecond), m.remembered)
}

// TestSoakACounterForgetsWhatIsClosed plays ten thousand acts (or SHOMEI_ACTS) at one counter and measures it on the way: what
// it holds in memory, how large its store is, how long a start takes.
func TestSoakACounterForgetsWhatIsClosed(t *testing.T) {
	if !soak() {
		t.Skip("make soak tries it: ten thousand acts; services/agent has the short test")
	}
	total, seed := number("SHOMEI_ACTS", 10000), uint64(number("SHOMEI_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("SHOMEI_SEED=%d SHOMEI_ACTS=%d", seed, total)
	_, k := world(t)
	d := &day{t: t, k: k, dice: rand.New(rand.NewPCG(seed, 3))}
	var before, all []measure
	for _, share := range []int{10, 25, 50, 75, 100} {
		for d.acts < total*share/100 {
			d.person()
		}
		m := d.measure()
		t.Log("running  ", m)
		before = append(before, m)
		m = d.restart(m)
		t.Log("restarted", m)
		all = append(all, m)
	}
	t.Log(d.kinds)
	first, last := before[1], before[len(before)-1]
	if last.resident > 80 || last.anonymous > first.anonymous+10 {
		t.Errorf("%d MB resident after %d acts, %d MB its own, which was %d MB after %d; under 80 MB and flat was the goal", last.resident, last.acts, last.anonymous, first.anonymous, first.acts)
	}
	if start := all[len(all)-1].start; start > time.Second {
		t.Errorf("a start takes %v, under 1 s was the goal", start)
	}
}

// day is the work of a counter, one person after another.
type day struct {
	t     *testing.T
	k     *counter
	dice  *rand.Rand
	count int
	acts  int
	kinds map[string]int
}

func (d *day) act(kind string) (procedure string) {
	if d.kinds == nil {
		d.kinds = map[string]int{}
	}
	d.acts++
	d.kinds[kind]++
	return fmt.Sprintf("%s-%d", kind, d.acts)
}

// person comes for a card and comes back again and again: new PINs, refused applications, some that are given up, reports.
func (d *day) person() {
	d.t.Helper()
	d.count++
	p := person{fmt.Sprintf("%011d", 70000+d.count), "試験　" + strings.Repeat("永", d.count%5+4), "1990-06-18", "千葉県山武市殿台二百九十六番地", fmt.Sprintf("p%d@mail.example", d.count)}
	d.k.make(fmt.Sprintf("CARD-%d", d.count))
	id := d.act("issue")
	d.k.apply(p, id, "issue", nil)
	d.k.drive(id, "done")
	if d.count%20 == 0 {
		d.letter()
	}
	ends := map[string]string{} // of what nobody waits for at the counter
	for range 19 {
		switch n := d.dice.IntN(10); {
		case n < 3:
			id := d.act("unblock")
			d.k.apply(p, id, "unblock", map[string]any{"pins": []string{"auth"}})
			d.k.drive(id, "done")
		case n < 5:
			id := d.act("refused")
			d.k.apply(p, id, "issue", nil)
			ends[id] = "refused"
		case n < 7:
			id := d.act("dropped")
			d.k.apply(p, id, "unblock", map[string]any{"pins": []string{"auth"}})
			d.k.drive(id, "waiting-confirmation")
			d.k.must("POST", "/api/procedures/"+id+"/drop", map[string]string{"why": "気が変わった"}, nil)
			d.k.drive(id, "dropped")
		default:
			ends[d.report(p, []string{"minor", "period-of-stay"}[n%2])] = "recorded"
		}
	}
	for id, end := range ends {
		d.k.drive(id, end)
	}
}

// letter is an application by somebody who shows no photograph and never comes back with the letter of inquiry.
func (d *day) letter() {
	d.t.Helper()
	d.count++
	p := person{fmt.Sprintf("%011d", 70000+d.count), "試験　文子", "1990-06-18", "千葉県山武市殿台二百九十六番地", ""}
	id := d.act("letter")
	d.k.apply(p, id, "issue", map[string]any{"contact": map[string]any{}, "documents": []string{"application-form", "card"}})
	d.k.drive(id, "deferred", "refused")
}

func (d *day) report(p person, what string) (procedure string) {
	d.t.Helper()
	d.act(what)
	var answer struct {
		Procedure string `json:"procedure"`
	}
	d.k.must("POST", "/api/reports", map[string]any{"what": what, "clerk": "017", "caused_on": "2024-06-01", "person": p.record()}, &answer)
	return answer.Procedure
}

func (d *day) measure() measure {
	d.t.Helper()
	pid := d.k.running().Pid
	m := measure{acts: d.acts, resident: statusOf(d.t, pid, "VmRSS:"), anonymous: statusOf(d.t, pid, "RssAnon:")}
	m.heap = int(d.metric("go_memstats_heap_inuse_bytes")) >> 20
	info, err := os.Stat(filepath.Join(d.k.bundle, "counter.db"))
	if err != nil {
		d.t.Fatal(err)
	}
	m.file = int(info.Size() >> 20)
	return m
}

// restart starts the counter again and measures that, and in this process what it takes to read the store.
func (d *day) restart(m measure) measure {
	d.t.Helper()
	d.k.stop()
	began := time.Now()
	store := openCounter(d.t, d.k.bundle)
	m.opened, m.remembered = time.Since(began), len(store.Procedures())
	if err := store.Close(); err != nil {
		d.t.Fatal(err)
	}
	began = time.Now()
	d.k.start()
	d.k.must("GET", "/api/status", nil, nil)
	m.start = time.Since(began)
	after := d.measure()
	after.start, after.opened, after.remembered = m.start, m.opened, m.remembered
	d.k.present()
	return after
}

// openCounter opens a counter's store as its program does.
func openCounter(t *testing.T, folder string) *agent.Counter {
	t.Helper()
	bundle, err := counterlink.ReadBundle(folder)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := bundle.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	c, err := agent.Open(agent.Config{
		Counter: bundle.Counter, Office: bundle.Office, Key: secrets.Key, SealKey: secrets.SealKey, HubSealKey: secrets.HubSealKey,
		HubWriters: bundle.HubWriters, StorePath: filepath.Join(folder, "counter.db"), Now: time.Now,
		ClockEvidence: func() string { return agent.Simulated }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// statusOf reads a figure of a process in MB.
func statusOf(t *testing.T, pid int, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes >> 10
		}
	}
	t.Fatalf("process %d has no %s", pid, field)
	return 0
}

// metric reads one of the counter's figures.
func (d *day) metric(name string) float64 {
	d.t.Helper()
	url, _ := d.k.address()
	answer, err := http.Get(url + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return value
		}
	}
	d.t.Fatalf("the counter tells no %s", name)
	return 0
}
