package eventlog_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// The log of these tests: five commits of each of forty people, in blocks of 32 KB.
const (
	people     = 40
	eachPerson = 5
	logBytes   = 127_000
	logStream  = "shomei-log-000-fff"
	// writerFolder makes the test program write that log in a process of its own, until it is killed or told to stop.
	writerFolder = "SHOMEI_TEST_WRITER"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(writerFolder); folder != "" {
		if err := writeUntilStopped(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// centre is a folder with a log, as a hub keeps it.
type centre struct {
	folder string
	copies []string
	key    nkeys.KeyPair
	// conn is the connection of the log last opened.
	conn *nats.Conn
}

func (c centre) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

func (c centre) blocks() blocks.Config {
	return blocks.Config{
		Store: c.path("nats"), Evidence: c.path("evidence"), Gaps: c.path("marks"), Seen: eventlog.SeenIn(c.path("marks")),
		Copies: c.copies,
		Logger: natstest.Quiet(),
	}
}

// open runs a server and the log on the folder.
func (c *centre) open(ctx context.Context) (l *eventlog.Log, shut func(), err error) {
	s, err := hubserver.Start(ctx, hubserver.Config{
		StoreDir: c.path("nats"), Port: -1, Reserve: -1, Logger: natstest.Quiet(), Blocks: c.blocks(),
	})
	if err != nil {
		return nil, nil, err
	}
	conn, err := nats.Connect(s.URL())
	c.conn = conn
	if err != nil {
		s.Shutdown()
		return nil, nil, err
	}
	public, err := c.key.PublicKey()
	if err == nil {
		l, err = eventlog.Open(ctx, eventlog.Config{
			Conn: conn, Writer: c.key, Writers: map[string]eventlog.Role{public: eventlog.RoleHub}, Folds: toyFolds(1),
			Marks: c.path("marks"), Gaps: c.path("marks"), MaxBytes: logBytes, Logger: natstest.Quiet(),
		})
	}
	if err != nil {
		conn.Close()
		s.Shutdown()
		return nil, nil, err
	}
	return l, func() { _ = l.Close(); conn.Close(); s.Shutdown() }, nil
}

func writeUntilStopped(folder string) error {
	seed, err := os.ReadFile(filepath.Join(folder, "seed"))
	if err != nil {
		return err
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return err
	}
	slog.SetDefault(natstest.Quiet())
	l, shut, err := (&centre{folder: folder, key: key}).open(context.Background())
	if err != nil {
		return err
	}
	for i := range people * eachPerson {
		command := fmt.Sprintf("c%d", i)
		_, err := l.Update(context.Background(), events.KindSubscriber, person(i%people),
			eventlog.Envelope{CommandID: command}, reissue(uint64(i+1)))
		if err != nil {
			return err
		}
	}
	fmt.Println("written")
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is closed, or for ever
	shut()
	return nil
}

func person(i int) string { return fmt.Sprintf("person-%02d", i) }

// written returns a folder whose log was written by a process that was stopped in order, or killed.
func written(t testing.TB, killed bool) centre {
	t.Helper()
	c := centre{folder: t.TempDir(), key: newKey(t)}
	seed := must(c.key.Seed())(t)
	check(t, os.WriteFile(c.path("seed"), seed, 0o600))
	program := exec.Command(must(os.Executable())(t))
	program.Env = append(os.Environ(), writerFolder+"="+c.folder)
	program.Stderr = os.Stderr
	in := must(program.StdinPipe())(t)
	out := must(program.StdoutPipe())(t)
	check(t, program.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "written\n" {
		t.Fatalf("the writer said %q: %v", line, err)
	}
	if killed {
		check(t, program.Process.Kill())
	}
	check(t, in.Close())
	if err := program.Wait(); err != nil && !killed {
		t.Fatal(err)
	}
	return c
}

// again returns a fresh copy of a folder.
func (c centre) again(t testing.TB) centre {
	t.Helper()
	other := centre{folder: t.TempDir(), key: c.key}
	check(t, os.CopyFS(other.folder, os.DirFS(c.folder)))
	return other
}

func (c centre) blockFiles(t testing.TB) []string {
	t.Helper()
	files := must(filepath.Glob(c.path("nats/jetstream/*/streams", logStream, "msgs/*.blk")))(t)
	slices.SortFunc(files, func(a, b string) int { return numberOf(a) - numberOf(b) })
	return files
}

func numberOf(block string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(block), ".blk"))
	return n
}

// places returns where the records of a block begin, and where the last one ends.
func places(b []byte) []int {
	at := []int{0}
	for at[len(at)-1] < len(b) {
		last := at[len(at)-1]
		at = append(at, last+int(binary.LittleEndian.Uint32(b[last:])&^(1<<31)))
	}
	return at
}

// parts of a record of the log, by name, as the bytes they begin at.
func parts(record []byte) map[string][2]int {
	subject := int(binary.LittleEndian.Uint16(record[20:]))
	headers := 26 + subject + int(binary.LittleEndian.Uint32(record[22+subject:]))
	return map[string][2]int{
		"length": {0, 4}, "sequence": {4, 12}, "time": {12, 20}, "subject length": {20, 22}, "subject": {22, 22 + subject},
		"headers' length": {22 + subject, 26 + subject}, "headers": {26 + subject, headers}, "payload": {headers, len(record) - 8},
		"checksum": {len(record) - 8, len(record)},
	}
}

// told is what became of the log's people after a start.
type told struct {
	whole, parked []string
	refused       error
}

// judge starts the centre and fails the test unless every acknowledged commit is readable, or its aggregate is parked
// and named and its remains kept, or the whole stream is refused; and unless nothing new is decided about what is not
// whole.
func (c centre) judge(t *testing.T) (found told) {
	t.Helper()
	l, shut, err := c.open(t.Context())
	if errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrBehindMark) {
		return told{refused: err}
	}
	check(t, err)
	defer shut()
	var named []string
	for _, p := range l.Parked() {
		if !slices.Contains(named, p.ID) { // a person who lost two commits is named with each
			named = append(named, p.ID)
		}
		if _, err := os.Stat(c.path("evidence", p.Evidence, "findings.jsonl")); p.Evidence == "" || err != nil {
			t.Errorf("%s has no evidence: %v", p.ID, err)
		}
	}
	for i := range people {
		records, err := l.History(t.Context(), events.KindSubscriber, person(i))
		if errors.Is(err, eventlog.ErrParked) && slices.Contains(named, person(i)) {
			found.parked = append(found.parked, person(i))
			c.wantUndecided(t, l, person(i))
			continue
		}
		check(t, err)
		if len(records) != eachPerson {
			t.Errorf("%s has %d commits of %d", person(i), len(records), eachPerson)
		}
		for j, r := range records {
			if want := fmt.Sprintf("c%d", i+j*people); r.Commit.GetCommandId() != want {
				t.Errorf("%s revision %d answers %s, want %s", person(i), j+1, r.Commit.GetCommandId(), want)
			}
		}
		found.whole = append(found.whole, person(i))
	}
	check(t, l.Check(t.Context()))
	c.wantFollowed(t, l, named)
	if len(found.whole) > 0 {
		mustUpdate(t, l, found.whole[0], "one more", 1000)
	}
	mustUpdate(t, l, "somebody-new", "first", 1001)
	return found
}

func (c centre) wantUndecided(t *testing.T, l *eventlog.Log, id string) {
	t.Helper()
	_, err := l.Update(t.Context(), events.KindSubscriber, id, eventlog.Envelope{CommandID: "second history"}, func(eventlog.Head) ([]*events.Event, error) {
		t.Errorf("%s is parked, and something is decided about it", id)
		return nil, nil
	})
	if !errors.Is(err, eventlog.ErrParked) {
		t.Errorf("update of parked %s: %v", id, err)
	}
	if _, err := l.Load(t.Context(), events.KindSubscriber, id); !errors.Is(err, eventlog.ErrParked) {
		t.Errorf("load of parked %s: %v", id, err)
	}
}

// wantFollowed checks that a follower reaches the end of the log, and parks what is parked.
func (c centre) wantFollowed(t *testing.T, l *eventlog.Log, parked []string) {
	t.Helper()
	ends := must(l.LastSequences(t.Context()))(t)
	for _, kinds := range [][]string{nil, {events.KindSubscriber}, {events.KindAuthority}} {
		var lost []string
		check(t, l.Scan(t.Context(), nil, kinds, func(r eventlog.Record, err error) error {
			if err != nil && !slices.Contains(lost, r.ID) {
				lost = append(lost, r.ID)
			}
			return nil
		}))
		want := len(parked)
		if slices.Equal(kinds, []string{events.KindAuthority}) {
			want = 0 // no person is one
		}
		if len(lost) != want {
			t.Errorf("a scan of %v names %v as lost, want %d of %v", kinds, lost, want, parked)
		}
	}
	for _, lanes := range []int{0, 4} {
		for _, kinds := range [][]string{nil, {events.KindSubscriber}, {events.KindAuthority}} {
			want := parked
			if slices.Equal(kinds, []string{events.KindAuthority}) {
				want = nil
			}
			c.wantFollowedBy(t, l, eventlog.Follower{
				Name: fmt.Sprintf("follower-%d-%s", lanes, strings.Join(kinds, "")), Kinds: kinds, Lanes: lanes,
			}, ends, want)
		}
	}
}

func (c centre) wantFollowedBy(t *testing.T, l *eventlog.Log, f eventlog.Follower, ends eventlog.Positions, parked []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all, arrived := new(collector), false
	f.Handle, f.Parked, f.From = all.handle, all.park, eventlog.Positions{}
	f.Handled = func(p eventlog.Positions) {
		if p[logStream] >= ends[logStream] {
			arrived = true
			cancel()
		}
	}
	check(t, l.Follow(ctx, f))
	if !arrived || len(all.parked) != len(parked) {
		t.Errorf("the follower of %v arrives %v and parks %v, want %v", f.Kinds, arrived, all.parked, parked)
	}
}

// One flipped bit, wherever it is, costs nothing if a copy is at hand or the record itself reveals what stood there,
// and otherwise parks one person; the hundreds of others go on.
func TestOneBit(t *testing.T) {
	for _, killed := range []bool{false, true} {
		kept := written(t, killed)
		files := kept.blockFiles(t)
		if len(files) < 3 {
			t.Fatalf("%d blocks are too few", len(files))
		}
		for _, block := range []int{0, len(files) - 1} {
			b := must(os.ReadFile(files[block]))(t)
			at := places(b)
			for where, i := range map[string]int{"first": 0, "middle": len(at) / 2, "last": len(at) - 2} {
				for name, part := range parts(b[at[i]:at[i+1]]) {
					t.Run(fmt.Sprintf("killed %v/block %d/%s record/%s", killed, block, where, name), func(t *testing.T) {
						for _, copied := range []bool{false, true} {
							c := kept.again(t)
							flip(t, c.blockFiles(t)[block], at[i]+(part[0]+part[1])/2)
							if copied {
								c.copies = []string{kept.folder}
							}
							found := c.judge(t)
							itself := []string{"length", "sequence", "subject length", "subject", "headers' length"}
							wanted := 1
							if copied || slices.Contains(itself, name) {
								wanted = 0
							}
							if found.refused != nil || len(found.parked) != wanted {
								t.Errorf("copy %v: %d parked, want %d (%v)", copied, len(found.parked), wanted, found.refused)
							}
							if wanted == 1 {
								c.wantBack(t, kept, found)
							}
						}
					})
				}
			}
		}
	}
}

// wantBack checks that parked people come back once a copy is at hand, and that what was written since stays.
func (c centre) wantBack(t *testing.T, from centre, found told) {
	t.Helper()
	c.copies = []string{from.folder}
	l, shut, err := c.open(t.Context())
	check(t, err)
	defer shut()
	for _, id := range found.parked {
		if records, err := l.History(t.Context(), events.KindSubscriber, id); err != nil || len(records) != eachPerson {
			t.Errorf("%s with a copy: %d commits, %v", id, len(records), err)
		}
	}
	if records, err := l.History(t.Context(), events.KindSubscriber, "somebody-new"); err != nil || len(records) != 1 {
		t.Errorf("what was written since: %d commits, %v", len(records), err)
	}
	if len(l.Parked()) > 0 {
		t.Errorf("still parked: %v", l.Parked())
	}
}

func flip(t testing.TB, path string, at int) {
	t.Helper()
	b := must(os.ReadFile(path))(t)
	b[at] ^= 0x04
	check(t, os.WriteFile(path, b, 0o600))
}

// Whatever happens to the blocks, nothing is missing without being named, and no second history begins; with a whole
// copy nothing is lost at all.
func TestAnyDamage(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("SHOMEI_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("SHOMEI_SEED=%d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	kept := map[bool]centre{false: written(t, false), true: written(t, true)}
	for round := range 40 {
		killed, copied := chance.IntN(2) == 0, chance.IntN(3) == 0
		t.Run(fmt.Sprintf("%d, killed %v, copy %v", round, killed, copied), func(t *testing.T) {
			c := kept[killed].again(t)
			t.Log(harm(t, chance, c))
			if copied {
				c.copies = []string{kept[killed].folder}
			}
			found := c.judge(t)
			t.Logf("%d whole, %d parked, refused: %v", len(found.whole), len(found.parked), found.refused)
			if copied && (found.refused != nil || len(found.parked) > 0) {
				t.Errorf("with a copy: %v parked, refused: %v", found.parked, found.refused)
			}
			if found.refused != nil {
				c.copies = []string{kept[killed].folder}
				if found := c.judge(t); found.refused != nil || len(found.parked) > 0 {
					t.Errorf("with a copy afterwards: %v parked, refused: %v", found.parked, found.refused)
				}
			}
		})
	}
}

// harm damages the blocks of the log in some way, and returns how.
func harm(t *testing.T, chance *rand.Rand, c centre) string {
	t.Helper()
	files := c.blockFiles(t)
	path := files[chance.IntN(len(files))]
	b := must(os.ReadFile(path))(t)
	at, how := chance.IntN(len(b)), ""
	switch chance.IntN(6) {
	case 0:
		n := 1 + chance.IntN(4)
		for range n {
			b[chance.IntN(len(b))] ^= 1 << chance.IntN(8)
		}
		how = fmt.Sprintf("%d bits", n)
	case 1:
		n := min(1+chance.IntN(4096), len(b)-at)
		clear(b[at : at+n])
		how = fmt.Sprintf("%d zeros at %d", n, at)
	case 2:
		n := min(1+chance.IntN(2000), len(b)-at)
		for i := range n {
			b[at+i] = byte(chance.Uint32())
		}
		how = fmt.Sprintf("%d bytes of rubbish at %d", n, at)
	case 3:
		b = b[:at]
		how = fmt.Sprintf("cut at %d", at)
	case 4:
		n := min(1+chance.IntN(300), len(b)-at)
		b = slices.Delete(bytes.Clone(b), at, at+n)
		how = fmt.Sprintf("%d bytes taken out at %d", n, at)
	case 5:
		check(t, os.Remove(path))
		return "no block " + filepath.Base(path)
	}
	check(t, os.WriteFile(path, b, 0o600))
	return how + " of " + filepath.Base(path)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What never was a commit, inserted by someone with rights on the server, parks only its aggregate, even across a
// restart; naming the aggregate removes it, and the history continues.
func TestJunkIsRemoved(t *testing.T) {
	c := centre{folder: t.TempDir(), key: newKey(t)}
	trusted := map[string]eventlog.Role{public(t, c.key): eventlog.RoleHub}
	subject := events.LogSubject(events.KindSubscriber, "p")
	for name, junk := range map[string]func(eventlog.Record) []byte{
		"rubbish":          func(eventlog.Record) []byte { return []byte("rubbish") },
		"nothing":          func(eventlog.Record) []byte { return nil },
		"an old one again": func(r eventlog.Record) []byte { return r.Stored },
		"a wrong signature": func(r eventlog.Record) []byte {
			return stored(t, next(r), nil, c.key, []byte("something else"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, shut, err := c.open(t.Context())
			check(t, err)
			mustUpdate(t, l, "p", name+" before", 1)
			records := must(l.History(t.Context(), events.KindSubscriber, "p"))(t)
			inject(t, c.conn, subject, junk(records[len(records)-1]))
			for range 2 {
				if _, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: name + " refused"}, reissue(9)); !eventlog.Unreadable(err) {
					t.Errorf("update behind junk: %v", err)
				}
				mustUpdate(t, l, "other", fmt.Sprint(name, time.Now().UnixNano()), 2)
				shut()
				l, shut, err = c.open(t.Context())
				check(t, err)
			}
			shut()
			c.takeOut(t, trusted)
			l, shut, err = c.open(t.Context())
			check(t, err)
			defer shut()
			mustUpdate(t, l, "p", name+" after", 3)
			if got := must(l.History(t.Context(), events.KindSubscriber, "p"))(t); len(got) != len(records)+1 {
				t.Errorf("%d commits, want %d", len(got), len(records)+1)
			}
			if len(l.Parked()) > 0 {
				t.Errorf("parked: %v", l.Parked())
			}
			c.wantFollowed(t, l, nil)
		})
	}
}

// takeOut removes what never was a commit of the subscriber p.
func (c centre) takeOut(t *testing.T, trusted map[string]eventlog.Role) {
	t.Helper()
	config := c.blocks()
	var err error
	config.Unwanted, err = eventlog.Foreign(config.Store, events.KindSubscriber, "p", trusted)
	check(t, err)
	if n := len(config.Unwanted[logStream]); n != 1 {
		t.Errorf("%d messages are unwanted, want 1", n)
	}
	_, err = blocks.Mend(t.Context(), config)
	check(t, err)
}

// What a formerly trusted writer signed may have been a commit: it is not removed.
func TestWhatAnUnknownWriterSignedStays(t *testing.T) {
	c := centre{folder: t.TempDir(), key: newKey(t)}
	l, shut, err := c.open(t.Context())
	check(t, err)
	mustUpdate(t, l, "p", "c", 1)
	shut()
	_, err = eventlog.Foreign(c.path("nats"), events.KindSubscriber, "p", map[string]eventlog.Role{public(t, newKey(t)): eventlog.RoleHub})
	if !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("a commit of an unknown writer: %v", err)
	}
}

// If a server cuts a block while it runs, a person in it looks unknown: nothing is decided then.
func TestCutWhileTheServerRuns(t *testing.T) {
	c := written(t, false)
	l, shut, err := c.open(t.Context())
	check(t, err)
	defer shut()
	path := c.blockFiles(t)[len(c.blockFiles(t))-2] // the last one is in memory
	b := must(os.ReadFile(path))(t)
	at := places(b)
	b[at[1]+2] ^= 0x40 // a bad length: the server cuts the block at the next read of it
	check(t, os.WriteFile(path, b, 0o600))
	for i := range people { // the histories make the server read its blocks
		records, err := l.History(t.Context(), events.KindSubscriber, person(i))
		if err == nil && len(records) < eachPerson {
			t.Errorf("%s: %d commits", person(i), len(records))
		}
	}
	refused := 0
	for i := range people {
		_, err := l.Update(t.Context(), events.KindSubscriber, person(i), eventlog.Envelope{CommandID: "later"}, func(h eventlog.Head) ([]*events.Event, error) {
			if h.Revision != eachPerson {
				t.Errorf("%s: decided on revision %d", person(i), h.Revision)
			}
			return nil, nil
		})
		if errors.Is(err, eventlog.ErrDamaged) {
			refused++
		} else if err != nil {
			t.Errorf("%s: %v", person(i), err)
		}
	}
	if refused == 0 {
		t.Error("the server cut no block: this test shows nothing")
	}
}
