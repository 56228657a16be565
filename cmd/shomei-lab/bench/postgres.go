package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shomei/pkg/warehouse"
)

// postgres is a PostgreSQL server of the bench's own, and one psql that asks it and tells the times.
type postgres struct {
	AnalystOptions
	folder string
	server *exec.Cmd
	psql   *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
}

// postgresPrograms is where Debian has the programs of PostgreSQL 15.
const postgresPrograms = "/usr/lib/postgresql/15/bin"

// startPostgres makes a server in a temporary folder, reachable by a socket there.
func startPostgres(ctx context.Context, o AnalystOptions) (*postgres, error) {
	folder, _, err := Options{}.scratch()
	if err != nil {
		return nil, err
	}
	p := &postgres{AnalystOptions: o, folder: folder}
	who, err := p.owner()
	if err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(postgresPrograms, "initdb"), "-D", p.data(), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr = who
	if text, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s; the package is postgresql-15", err, text)
	}
	// As much memory as the engine may take, and what a careful administrator would set beside it.
	p.server = exec.Command(filepath.Join(postgresPrograms, "postgres"), "-D", p.data(), "-k", p.folder, "-c", "listen_addresses=",
		"-c", "shared_buffers=2GB", "-c", "work_mem=256MB", "-c", "maintenance_work_mem=1GB", "-c", "effective_cache_size=4GB",
		"-c", "max_wal_size=8GB", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "random_page_cost=1.1", "-c", "timezone=Asia/Tokyo")
	p.server.SysProcAttr = who
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	return p, p.connect(ctx)
}

func (p *postgres) data() string { return filepath.Join(p.folder, "data") }

// owner returns as whom the server runs: it refuses to be root.
func (p *postgres) owner() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(p.folder, uid, gid)
}

// connect starts a psql once the server answers.
func (p *postgres) connect(ctx context.Context) error {
	for {
		err := p.command("-c", "SELECT 1").Run()
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	p.psql = p.command("-q")
	var err error
	if p.in, err = p.psql.StdinPipe(); err != nil {
		return err
	}
	out, err := p.psql.StdoutPipe()
	if err != nil {
		return err
	}
	p.psql.Stderr = p.psql.Stdout
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, 1<<20)
	if err := p.psql.Start(); err != nil {
		return err
	}
	_, err = io.WriteString(p.in, "\\timing on\n")
	return err
}

func (p *postgres) command(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(postgresPrograms, "psql"), append([]string{"-h", p.folder, "-U", "postgres", "-X", "-v", "ON_ERROR_STOP=1"}, args...)...)
}

// ask runs a statement, and returns the time that psql measured.
func (p *postgres) ask(sql string) (time.Duration, error) {
	if _, err := fmt.Fprintf(p.in, "%s;\n", strings.ReplaceAll(sql, "\n", " ")); err != nil {
		return 0, err
	}
	said := ""
	for p.out.Scan() {
		var ms float64
		if n, _ := fmt.Sscanf(p.out.Text(), "Time: %f ms", &ms); n == 1 {
			return time.Duration(ms * float64(time.Millisecond)), nil
		}
		said = p.out.Text()
	}
	return 0, errors.Join(p.out.Err(), fmt.Errorf("psql ended: %s", said))
}

// stop stops the server and removes its folder.
func (p *postgres) stop() error {
	if p.in != nil {
		_ = p.in.Close()
		_ = p.psql.Wait()
	}
	err := p.server.Process.Signal(syscall.SIGINT)
	_ = p.server.Wait()
	return errors.Join(err, os.RemoveAll(p.folder))
}

func (p *postgres) size() (uint64, error) {
	text, err := p.command("-At", "-c", "SELECT pg_total_relation_size('certificates')").Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// milestones are the columns of instants that may be absent.
var milestones = []string{"not_before", "not_after", "authorized", "issued", "delivered", "suspended", "revoked", "expired", "abandoned"}

// load copies a row for each certificate on a card, as it stands, and makes the indexes that serve the questions.
func (p *postgres) load(ctx context.Context, dsn string) error {
	columns := []string{"kind", "regime", "subscriber", "office", "municipality", "card", "authority", "procedure", "reason", "cause"}
	created := "serial bigint"
	selected := "reinterpretAsInt64(serial)"
	for _, c := range columns {
		created, selected = created+", "+c+" text", selected+", "+c
	}
	for _, c := range []string{"last_day", "window_opens"} {
		created, selected = created+", "+c+" date", selected+", "+c
	}
	for _, c := range milestones {
		created, selected = created+", "+c+" timestamptz", selected+", if("+c+" > 0, toString("+c+"), NULL)"
	}
	if _, err := p.ask("CREATE TABLE certificates (" + created + ")"); err != nil {
		return err
	}
	p.say("copying the certificates into PostgreSQL")
	if err := p.copy(ctx, dsn, "SELECT "+selected+" FROM shomei.certificates FINAL WHERE device = '' FORMAT TabSeparated"); err != nil {
		return err
	}
	const needed = "kind, regime, not_after, last_day, window_opens, authorized, issued, delivered, suspended, revoked, expired, abandoned"
	for _, sql := range []string{
		"ALTER TABLE certificates ADD PRIMARY KEY (serial)",
		"CREATE INDEX ON certificates (subscriber)",
		"CREATE INDEX ON certificates (municipality, office) INCLUDE (" + needed + ")",
		"CREATE INDEX ON certificates (office) INCLUDE (" + needed + ", municipality)",
		"CREATE INDEX ON certificates (last_day, regime, kind) INCLUDE (office, municipality, not_after) WHERE " + inForceNow,
		"CREATE INDEX ON certificates (window_opens, regime, kind) INCLUDE (office, municipality, not_after) WHERE " + inForceNow,
		"VACUUM ANALYZE certificates",
	} {
		p.say("PostgreSQL: %s", sql)
		if _, err := p.ask(sql); err != nil {
			return err
		}
	}
	return nil
}

// copy streams the answer of the engine into the table.
func (p *postgres) copy(ctx context.Context, dsn, sql string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, dsn, strings.NewReader(sql))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return fmt.Errorf("the engine: %s: %s", response.Status, text)
	}
	into := p.command("-c", "COPY certificates FROM STDIN")
	into.Stdin = response.Body
	if text, err := into.CombinedOutput(); err != nil {
		return fmt.Errorf("copying into PostgreSQL: %w: %s", err, text)
	}
	return nil
}

// inForceNow is the condition of the indexes over what is in force now.
const inForceNow = "issued IS NOT NULL AND revoked IS NULL AND expired IS NULL AND abandoned IS NULL"

func literal(t time.Time) string {
	return "timestamptz '" + t.UTC().Format("2006-01-02 15:04:05.000") + "+00'"
}

// statusSQL counts by status at two clocks.
func statusSQL(when func(subject) warehouse.Clocks, where string) func(subject) string {
	return func(s subject) string {
		c := when(s)
		known := c.At
		if !c.Known.IsZero() && c.Known.Before(c.At) {
			known = c.Known
		}
		t, k := literal(c.At), literal(known)
		return "SELECT regime, kind, CASE WHEN abandoned <= " + k + " THEN 'abandoned' WHEN revoked <= " + k + " THEN 'revoked' WHEN expired <= " + k +
			" OR not_after < " + t + " THEN 'expired' WHEN suspended <= " + k + " THEN 'suspended' WHEN delivered <= " + k +
			" THEN 'valid' WHEN issued <= " + k + " THEN 'issued' ELSE 'authorized' END AS status, count(*) FROM certificates WHERE authorized <= " + k +
			" AND " + where + " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
	}
}

// placeSQL counts by status now in a place; format takes a municipality.
func placeSQL(format string) func(subject) string {
	return func(s subject) string { return statusSQL(nowOf, fmt.Sprintf(format, s.office.Municipality))(s) }
}

// endsSQL counts last days and windows from today on, of what is in force now.
func endsSQL(by, format string) func(subject) string {
	return func(s subject) string {
		where := format
		if strings.Contains(format, "%") {
			where = fmt.Sprintf(format, s.office.Municipality)
		}
		half := func(column, which string) string {
			return "SELECT date_trunc('" + by + "', " + column + ") AS starts, regime, kind, " + which + " AS which, count(*) FROM certificates WHERE " + inForceNow +
				" AND not_after >= " + literal(s.now) + " AND " + column + " >= date '" + s.now.Format("2006-01-02") + "' AND " + where + " GROUP BY 1, 2, 3"
		}
		return half("last_day", "1") + " UNION ALL " + half("window_opens", "2") + " ORDER BY 1, 2, 3, 4"
	}
}
