package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jedib0t/go-pretty/v6/table"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
)

// Tables are an engine with tables and no log.
type Tables struct {
	Warehouse *warehouse.Warehouse
	engine    *engine.Process
	trace     *os.File
}

// OpenTables starts an engine in a folder of its own and opens the tables there, empty if there are none.
func OpenTables(ctx context.Context, folder string) (*Tables, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	trace, err := os.OpenFile(filepath.Join(folder, "engine.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	t := &Tables{trace: trace}
	t.engine, err = engine.Start(ctx, engine.Config{Path: filepath.Join(folder, "clickhouse"), Stderr: trace, Logger: silent})
	if err != nil {
		return nil, errors.Join(err, trace.Close())
	}
	if t.Warehouse, err = warehouse.Open(ctx, warehouse.Config{DSN: t.engine.DSN(), Logger: silent}); err != nil {
		return nil, errors.Join(err, t.engine.Stop(context.WithoutCancel(ctx)), trace.Close())
	}
	return t, nil
}

// Close stops the engine.
func (t *Tables) Close(ctx context.Context) error {
	return errors.Join(t.Warehouse.Close(), t.engine.Stop(context.WithoutCancel(ctx)), t.trace.Close())
}

// asking is one measured question, to the tables and to PostgreSQL.
type asking struct {
	name string
	goal time.Duration
	ours func(context.Context, *warehouse.Warehouse, subject) error
	sql  func(subject) string
}

// subject is what one turn of a question asks about.
type subject struct {
	office warehouse.Office
	serial uint64
	now    time.Time
	past   time.Time // some day of the years before
}

// askings are the questions of the console's pages.
var askings = []asking{
	{"overview: counts by status", 300 * time.Millisecond, counts(nowOf, everywhere), statusSQL(nowOf, "true")},
	{"drill-down: a prefecture", 500 * time.Millisecond, counts(nowOf, inPrefecture), placeSQL("left(municipality, 2) = '%.2s'")},
	{"drill-down: a municipality", 500 * time.Millisecond, counts(nowOf, inMunicipality), placeSQL("municipality = '%s'")},
	{"drill-down: an office", 500 * time.Millisecond, counts(nowOf, inOffice), placeSQL("office = '%s-main'")},
	{"forecast: the nation by month", 200 * time.Millisecond, ends("month", everywhere), endsSQL("month", "true")},
	{"forecast: a prefecture by month", 200 * time.Millisecond, ends("month", inPrefecture), endsSQL("month", "left(municipality, 2) = '%.2s'")},
	{"forecast: an office by week", 200 * time.Millisecond, ends("week", inOffice), endsSQL("week", "office = '%s-main'")},
	{"one certificate", 20 * time.Millisecond, one, func(s subject) string {
		return fmt.Sprintf("SELECT * FROM certificates WHERE serial = %d", int64(s.serial))
	}},
	{"as of a past day: counts", time.Second, counts(pastOf, everywhere), statusSQL(pastOf, "true")},
	{"as of a past day: a municipality", time.Second, counts(pastOf, inMunicipality), func(s subject) string {
		return statusSQL(pastOf, "municipality = '"+s.office.Municipality+"'")(s)
	}},
	{"now, as known on a past day", time.Second, counts(knownThen, everywhere), statusSQL(knownThen, "true")},
}

func nowOf(s subject) warehouse.Clocks     { return warehouse.Clocks{At: s.now} }
func pastOf(s subject) warehouse.Clocks    { return warehouse.Clocks{At: s.past} }
func knownThen(s subject) warehouse.Clocks { return warehouse.Clocks{At: s.now, Known: s.past} }

func everywhere(subject) warehouse.Extent { return warehouse.Extent{} }
func inPrefecture(s subject) warehouse.Extent {
	return warehouse.Extent{Place: warehouse.Place{Prefecture: s.office.Prefecture()}}
}

func inMunicipality(s subject) warehouse.Extent {
	return warehouse.Extent{Place: warehouse.Place{Municipality: s.office.Municipality}}
}

func inOffice(s subject) warehouse.Extent {
	return warehouse.Extent{Place: warehouse.Place{Office: s.office.ID}}
}

func counts(when func(subject) warehouse.Clocks, where func(subject) warehouse.Extent) func(context.Context, *warehouse.Warehouse, subject) error {
	return func(ctx context.Context, w *warehouse.Warehouse, s subject) error {
		_, err := w.CountsByStatus(ctx, when(s), where(s))
		return err
	}
}

func ends(by string, where func(subject) warehouse.Extent) func(context.Context, *warehouse.Warehouse, subject) error {
	return func(ctx context.Context, w *warehouse.Warehouse, s subject) error {
		_, err := w.Forecast(ctx, warehouse.ForecastQuery{By: by, From: civil.Of(s.now), When: nowOf(s), Extent: where(s)})
		return err
	}
}

func one(ctx context.Context, w *warehouse.Warehouse, s subject) error {
	_, err := w.State(ctx, events.FormatSerial(s.serial), s.now)
	return err
}

// AnalystOptions says how the questions are measured.
type AnalystOptions struct {
	// Turns is how often each question is asked; what takes long is asked less often, for at most Longest.
	Turns   int
	Longest time.Duration
	// Rival has PostgreSQL asked the same of the same rows.
	Rival bool
	// Now is the day of the questions.
	Now      civil.Date
	Progress io.Writer
}

func (o AnalystOptions) say(format string, args ...any) {
	Options{Progress: o.Progress}.say(format, args...)
}

// Answer is how long a question took.
type Answer struct {
	Name         string
	Goal         time.Duration
	Median, P95  time.Duration
	RivalsMedian time.Duration
	RivalsP95    time.Duration
}

// Analyst is what was measured of the questions of analysts.
type Analyst struct {
	Certificates uint64
	Answers      []Answer
	// Peak is the most memory that the engine took, in bytes; Disk what the tables and PostgreSQL's rows and indexes take.
	Peak, Disk, RivalsDisk uint64
}

// Analyst measures the questions.
func (t *Tables) Analyst(ctx context.Context, o AnalystOptions) (a Analyst, err error) {
	raw, err := openEngine(t.engine.DSN())
	if err != nil {
		return a, err
	}
	defer raw.Close()
	subjects, err := t.subjects(ctx, raw, o)
	if err != nil {
		return a, err
	}
	var rival *postgres
	if o.Rival {
		if rival, err = startPostgres(ctx, o); err != nil {
			return a, err
		}
		defer func() { err = errors.Join(err, rival.stop()) }()
		if err := rival.load(ctx, t.engine.DSN()); err != nil {
			return a, err
		}
	}
	for _, q := range askings {
		answer, err := t.measure(ctx, q, o, subjects, rival)
		if err != nil {
			return a, fmt.Errorf("%s: %w", q.name, err)
		}
		o.say("%s: %v, PostgreSQL %v", q.name, answer.P95, answer.RivalsP95)
		a.Answers = append(a.Answers, answer)
	}
	if a.Peak, err = peakMemory(t.engine.PID()); err != nil {
		return a, err
	}
	if rival != nil {
		if a.RivalsDisk, err = rival.size(); err != nil {
			return a, err
		}
	}
	err = raw.QueryRow(ctx, "SELECT uniqExact(serial) FROM shomei.certificates").Scan(&a.Certificates)
	if err == nil {
		err = raw.QueryRow(ctx, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'shomei'").Scan(&a.Disk)
	}
	return a, err
}

// openEngine opens a connection without the warehouse.
func openEngine(dsn string) (clickhouse.Conn, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the engine's DSN is malformed")
	}
	return clickhouse.Open(options)
}

// subjects draws what is asked about: each turn another office, certificate and past day, the same at each run.
func (t *Tables) subjects(ctx context.Context, raw clickhouse.Conn, o AnalystOptions) (list []subject, err error) {
	offices, err := t.Warehouse.Offices(ctx, nil)
	if err != nil || len(offices) == 0 {
		return nil, errors.Join(err, errors.New("the tables have no offices; fill them with: shomei-lab simulate --tables N"))
	}
	rows, err := raw.Query(ctx, "SELECT serial FROM shomei.certificates WHERE device = '' AND authorized > 0 ORDER BY cityHash64(serial) LIMIT 200")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for rows.Next() {
		s := subject{now: o.Now.EndInstant(), office: offices[r.IntN(len(offices))]}
		if err := rows.Scan(&s.serial); err != nil {
			return nil, err
		}
		const years = 9
		s.past = o.Now.AddDays(-r.IntN(365 * years)).EndInstant()
		list = append(list, s)
	}
	return list, rows.Err()
}

// measure asks one question in turns, after a first time that does not count.
func (t *Tables) measure(ctx context.Context, q asking, o AnalystOptions, subjects []subject, rival *postgres) (Answer, error) {
	a := Answer{Name: q.name, Goal: q.goal}
	ours, err := o.turns(subjects, func(s subject) (time.Duration, error) {
		begin := time.Now()
		err := q.ours(ctx, t.Warehouse, s)
		return time.Since(begin), err
	})
	if err != nil {
		return a, err
	}
	a.Median, a.P95 = quantile(ours, 0.5), quantile(ours, 0.95)
	if rival == nil {
		return a, nil
	}
	theirs, err := o.turns(subjects, func(s subject) (time.Duration, error) { return rival.ask(q.sql(s)) })
	if err == nil {
		a.RivalsMedian, a.RivalsP95 = quantile(theirs, 0.5), quantile(theirs, 0.95)
	}
	return a, err
}

// fewest is how often even a slow question is asked.
const fewest = 3

func (o AnalystOptions) turns(subjects []subject, ask func(subject) (time.Duration, error)) (times []time.Duration, err error) {
	if _, err := ask(subjects[0]); err != nil {
		return nil, err
	}
	for begin := time.Now(); len(times) < o.Turns && (len(times) < fewest || time.Since(begin) < o.Longest); {
		took, err := ask(subjects[(1+len(times))%len(subjects)])
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}

// quantile returns the smallest time that at least so many of them don't exceed.
func quantile(times []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

// Print writes the answers as a table.
func (a Analyst) Print(out io.Writer) {
	fmt.Fprintln(out, Machine())
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{fmt.Sprintf("%s certificates, ms", number(float64(a.Certificates))), "median", "p95", "goal", "", "PostgreSQL 15, median", "p95"})
	ms := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return number(float64(d.Microseconds()) / 1000)
	}
	for _, q := range a.Answers {
		reached := "reached"
		if q.P95 > q.Goal {
			reached = "short"
		}
		t.AppendRow(table.Row{q.Name, ms(q.Median), ms(q.P95), ms(q.Goal), reached, ms(q.RivalsMedian), ms(q.RivalsP95)})
	}
	t.Render()
	const mb = 1 << 20
	fmt.Fprintf(out, "engine: %s MB of memory at most, %s MB of tables on disk", number(float64(a.Peak/mb)), number(float64(a.Disk/mb)))
	if a.RivalsDisk > 0 {
		fmt.Fprintf(out, "; PostgreSQL: %s MB for one row a certificate with its indexes", number(float64(a.RivalsDisk/mb)))
	}
	fmt.Fprintln(out)
}

// peakMemory returns the most resident memory of a process, as proc(5) has it.
func peakMemory(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb uint64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10, nil
		}
	}
	return 0, errors.New("the system does not tell the peak of a process's memory")
}
