package hub

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/natstest"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
)

// lines is a log for tests to read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// kept unpacks the folder of an earlier program's hub, with a few lives in it.
func kept(t *testing.T) (data string) {
	t.Helper()
	dir := t.TempDir()
	unpack(t, dir)
	return filepath.Join(dir, "data")
}

func unpack(t *testing.T, dir string) {
	t.Helper()
	packed, err := os.Open("../e2e/testdata/kept-2026-11-28.tar.gz")
	check(t, err)
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	check(t, err)
	for files := tar.NewReader(plain); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		check(t, err)
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		switch head.Typeflag {
		case tar.TypeDir:
			check(t, os.MkdirAll(path, 0o700))
		case tar.TypeSymlink:
			check(t, os.Symlink(head.Linkname, path))
		default:
			content, err := io.ReadAll(files)
			check(t, err)
			check(t, os.WriteFile(path, content, head.FileInfo().Mode()))
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// started runs a hub on a folder until the test ends or it is closed.
func started(t *testing.T, data string, change ...func(*Config)) (*Hub, *lines) {
	t.Helper()
	said := new(lines)
	c := Config{Data: data, AnyClock: true, Logger: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	for _, f := range change {
		f(&c)
	}
	h, err := Start(t.Context(), c, ByHand...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, said
}

// decide makes a decision, which needs no tables.
func decide(t *testing.T, h *Hub, office string) {
	t.Helper()
	check(t, h.DefineOffice(t.Context(), office, tryOutOffice("12237")))
}

// served waits until the tables can be queried.
func served(t *testing.T, h *Hub, said *lines) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for h.tables.state() != nil {
		select {
		case <-deadline:
			t.Fatalf("the tables are not served: %v\n%s", h.tables.state(), said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// silent checks that fsck finds nothing.
func silent(t *testing.T, h *Parts) {
	t.Helper()
	report, err := h.Fsck(t.Context(), nil)
	check(t, err)
	for _, f := range report.Findings {
		if !strings.Contains(f.String(), "the issuer has owed") { // the kept lives stop half-way
			t.Errorf("fsck: %s", f)
		}
	}
}

// sql runs statements on an engine of its own, as somebody with a client could.
func sql(t *testing.T, data string, statements ...string) {
	t.Helper()
	p, err := engine.Start(t.Context(), engine.Config{
		Path: filepath.Join(data, "clickhouse"), Stderr: io.Discard, Logger: natstest.Quiet(),
	})
	check(t, err)
	for _, statement := range statements {
		response, err := http.Post(p.DSN(), "text/plain", strings.NewReader(statement))
		check(t, err)
		text, err := io.ReadAll(response.Body)
		check(t, errors.Join(err, response.Body.Close()))
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", statement, text)
		}
	}
	check(t, p.Stop(t.Context()))
}

// newestPart returns the folder of a table's largest part, which was merged from all others; ClickHouse keeps those for
// a while.
func newestPart(t *testing.T, data, table string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "clickhouse/data/shomei", table, "all_1_*"))
	check(t, err)
	if len(all) == 0 {
		t.Fatalf("the table %s has no part", table)
	}
	return all[len(all)-1]
}

func onFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, change(content), 0o600))
}

func flipped(content []byte) []byte {
	content[len(content)/2] ^= 1
	return content
}

func halved(content []byte) []byte { return content[:len(content)/2] }

// inPart returns a damage to one file in the newest part of a table.
func inPart(table, name string, change func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, data string) {
		path := filepath.Join(newestPart(t, data, table), name)
		if change == nil {
			check(t, os.Remove(path))
			return
		}
		onFile(t, path, change)
	}
}

func inFolder(path string, change func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, data string) {
		path := filepath.Join(data, "clickhouse", path)
		if change == nil {
			check(t, os.RemoveAll(path))
			return
		}
		onFile(t, path, change)
	}
}

func bySQL(statements ...string) func(*testing.T, string) {
	return func(t *testing.T, data string) { sql(t, data, statements...) }
}

func garbage([]byte) []byte { return []byte("garbage") }
func nothing([]byte) []byte { return nil }

// tableDamages are what can happen to the tables' folder while no hub runs.
var tableDamages = map[string]func(*testing.T, string){
	"a bit in a part":                inPart("log", "data.bin", flipped),
	"a bit in another part":          inPart("certificates", "data.bin", flipped),
	"a bit in an index":              inPart("certificate_history", "primary.cidx", flipped),
	"a part cut off":                 inPart("certificates", "data.bin", halved),
	"a file of a part missing":       inPart("applications", "data.bin", nil),
	"columns of a part missing":      inPart("log", "columns.txt", nil),
	"a table's definition gone":      inFolder("metadata/shomei/log.sql", nil),
	"a table's definition garbage":   inFolder("metadata/shomei/certificates.sql", garbage),
	"a table's definition empty":     inFolder("metadata/shomei/positions.sql", nothing),
	"the database's definition gone": inFolder("metadata/shomei.sql", nil),
	"the database's garbage":         inFolder("metadata/shomei.sql", garbage),
	"the store gone":                 inFolder("store", nil),
	"the folder gone":                inFolder("", nil),
	"a table dropped":                bySQL("DROP TABLE shomei.deadlines SYNC"),
	"a column gone":                  bySQL("ALTER TABLE shomei.log DROP COLUMN office"),
	"an earlier program's":           bySQL("ALTER TABLE shomei.table_files DELETE WHERE file = 'tables/010_certificates.phones.sql' SETTINGS mutations_sync = 2"),
	"positions lost":                 bySQL("TRUNCATE TABLE shomei.positions"),
	"positions dropped":              bySQL("DROP TABLE shomei.positions SYNC"),
	"positions ahead":                bySQL("INSERT INTO shomei.positions SELECT generation, stream, sequence + 1000 FROM shomei.positions FINAL WHERE stream != ''"),
	"the newest commit lost":         bySQL("ALTER TABLE shomei.log DELETE WHERE recorded = (SELECT max(recorded) FROM shomei.log) SETTINGS mutations_sync = 2"),
}

// TestDamagedTablesAreRebuilt: whatever is wrong with the tables, the hub starts, decides, reports the damage and
// rebuilds them by itself.
func TestDamagedTablesAreRebuilt(t *testing.T) {
	for name, damage := range tableDamages {
		t.Run(name, func(t *testing.T) {
			data := kept(t)
			damage(t, data)
			h, said := started(t, data)
			decide(t, h, "12237-other")
			served(t, h, said)
			natstest.Wait(t, 2*time.Minute, "the damage to be found and mended", func() bool {
				_, err := os.Stat(filepath.Join(data, "clickhouse", "being-rebuilt"))
				text := said.String()
				mended := strings.Contains(text, "made anew from the log") || name == "the folder gone" || name == "positions lost" ||
					name == "the database's definition gone" || name == "the store gone"
				return mended && err != nil && h.tables.state() == nil
			})
			check(t, h.Projector.CaughtUp(t.Context()))
			silent(t, h.Parts)
			if _, err := h.Warehouse.CountsByStatus(t.Context(), warehouse.Clocks{At: time.Now()}, warehouse.Extent{}); err != nil {
				t.Error(err)
			}
			check(t, h.Close())
			for line := range strings.Lines(said.String()) {
				if strings.Contains(line, "level=ERROR") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

// TestDerivedFilesAreRemade: whatever blocks the place of lists, mails, the address, the socket and the engine's log,
// the hub starts and makes them.
func TestDerivedFilesAreRemade(t *testing.T) {
	data := kept(t)
	for _, folder := range []string{"crl", "validation", "mail", "clickhouse"} {
		check(t, os.RemoveAll(filepath.Join(data, folder)))
		check(t, os.WriteFile(filepath.Join(data, folder), []byte("x"), 0o600))
	}
	for _, file := range []string{"engine.log", "running.json"} {
		check(t, os.RemoveAll(filepath.Join(data, file)))
		check(t, os.MkdirAll(filepath.Join(data, file, "x"), 0o700))
	}
	h, said := started(t, data)
	served(t, h, said)
	check(t, h.PublishLists(t.Context()))
	silent(t, h.Parts)
	check(t, h.Close())
	half, err := os.ReadFile(filepath.Join(data, "crl", "sign.crl"))
	check(t, err)
	for name, content := range map[string][]byte{"half written": half[:len(half)/2], "empty": nil, "garbage": []byte("garbage")} {
		check(t, os.WriteFile(filepath.Join(data, "crl", "sign.crl"), content, 0o600))
		check(t, os.WriteFile(filepath.Join(data, "running.json"), content, 0o600))
		h, said := started(t, data)
		served(t, h, said)
		check(t, day(t, h))
		silent(t, h.Parts)
		check(t, h.Close())
		t.Log(name)
	}
}

// day takes the steps of the rows that act on dates.
func day(t *testing.T, h *Hub) error {
	_, expiries := h.Expiry.Tick(t.Context())
	return errors.Join(expiries, h.Issuer.Day(t.Context()))
}

// TestListsArePublishedWithoutTables: relying parties don't wait for reports.
func TestListsArePublishedWithoutTables(t *testing.T) {
	h, said := started(t, kept(t))
	served(t, h, said)
	check(t, os.RemoveAll(h.path("crl")))
	h.tables.set(warehouse.Rebuilding{})
	if err := day(t, h); !errors.Is(err, warehouse.ErrUnavailable) {
		t.Errorf("the day without tables: %v", err)
	}
	if lists, err := filepath.Glob(h.path("crl", "*.crl")); err != nil || len(lists) < 2 {
		t.Errorf("published: %v, %v", lists, err)
	}
}

// TestAnOlderLogUnderNewerTables: the log was restored from a copy and continued; the tables hold what it does not.
func TestAnOlderLogUnderNewerTables(t *testing.T) {
	for name, gone := range map[string]bool{"shorter": false, "as long, and another": true} {
		t.Run(name, func(t *testing.T) {
			data, copied := kept(t), kept(t)
			h, said := started(t, data)
			served(t, h, said) // with tables of this program
			decide(t, h, "12237-lost")
			check(t, h.Close())
			for _, part := range []string{"nats", "marks"} {
				check(t, os.RemoveAll(filepath.Join(data, part)))
				check(t, os.CopyFS(filepath.Join(data, part), os.DirFS(filepath.Join(copied, part))))
			}
			if gone { // decided while the tables were unavailable
				check(t, os.Rename(filepath.Join(data, "clickhouse"), filepath.Join(data, "elsewhere")))
				h, said := started(t, data)
				served(t, h, said)
				decide(t, h, "12237-new")
				check(t, h.Close())
				check(t, os.RemoveAll(filepath.Join(data, "clickhouse")))
				check(t, os.Rename(filepath.Join(data, "elsewhere"), filepath.Join(data, "clickhouse")))
			}
			h, said = started(t, data)
			served(t, h, said)
			if !strings.Contains(said.String(), "made anew from the log") {
				t.Errorf("nothing was made anew:\n%s", said)
			}
			silent(t, h.Parts)
		})
	}
}

// TestHangingEngineStopsNoDecision: decisions go on, queries wait or fail, and the tables recover.
func TestHangingEngineStopsNoDecision(t *testing.T) {
	h, said := started(t, kept(t), func(c *Config) { c.Engine.Silence = 3 * time.Second })
	served(t, h, said)
	check(t, syscall.Kill(h.engine.PID(), syscall.SIGSTOP))
	asked := make(chan error, 1)
	go func() {
		_, err := h.Warehouse.CountsByStatus(t.Context(), warehouse.Clocks{At: time.Now()}, warehouse.Extent{})
		asked <- err
	}()
	begun := time.Now()
	decide(t, h, "12237-meanwhile")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("a decision took %v", took)
	}
	if err := <-asked; err != nil && !errors.Is(err, warehouse.ErrUnavailable) {
		t.Errorf("a question meanwhile: %v", err)
	}
	natstest.Wait(t, time.Minute, "the engine to be started again", func() bool { return h.engine.Restarts() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, h.Projector.CaughtUp(ctx))
	silent(t, h.Parts)
}

// TestTablesAreUnavailableWhileRebuilt: incomplete tables would give wrong answers.
func TestTablesAreUnavailableWhileRebuilt(t *testing.T) {
	h, said := started(t, kept(t))
	served(t, h, said)
	h.tables.set(warehouse.Rebuilding{Percent: 7})
	_, err := h.Warehouse.CountsByStatus(t.Context(), warehouse.Clocks{At: time.Now()}, warehouse.Extent{})
	if !errors.Is(err, warehouse.ErrUnavailable) || !strings.Contains(err.Error(), "7 %") {
		t.Errorf("asked while they are rebuilt: %v", err)
	}
	if err := h.tablesNear(t.Context()); err == nil {
		t.Error("health says nothing of it")
	}
	check(t, os.WriteFile(h.rebuildMark(), nil, 0o600))
	if _, err := Attach(t.Context(), Config{Data: h.Data, Logger: natstest.Quiet()}); !errors.Is(err, ErrRebuilding) {
		t.Errorf("a tool: %v", err)
	}
	check(t, os.Remove(h.rebuildMark()))
	if quiet, err := h.quiet(t.Context()); err != nil || quiet {
		t.Errorf("whoever waits for the tables is told to ask: %t, %v", quiet, err)
	}
	h.tables.set(nil)
	check(t, h.Settle(t.Context()))
}

// TestOrderlyStopLeavesTablesUpToDate: what was decided at the very moment of the stop is in the tables, so a check
// finds nothing. After a kill the check catches up first.
func TestOrderlyStopLeavesTablesUpToDate(t *testing.T) {
	data := kept(t)
	h, said := started(t, data)
	served(t, h, said)
	for _, office := range []string{"12237-a", "12237-b", "12237-c"} {
		decide(t, h, office)
	}
	check(t, h.Close())
	looked, err := Attach(t.Context(), Config{Data: data, Logger: natstest.Quiet()})
	check(t, err)
	if looked.Behind != 0 {
		t.Errorf("after an orderly stop the tables are %d commits behind", looked.Behind)
	}
	silent(t, looked)
	check(t, looked.Close())

	sql(t, data, "TRUNCATE TABLE shomei.positions")
	looked, err = Attach(t.Context(), Config{Data: data, Logger: natstest.Quiet()})
	check(t, err)
	if looked.Behind == 0 {
		t.Error("tables without positions count as level with the log")
	}
	silent(t, looked)
	check(t, looked.Close())
}
