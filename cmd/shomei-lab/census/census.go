// Package census counts what the tables say about people and compares it with what is known of the country: how many
// cards were applied for and when, what was renewed, lost, refused, and when people come (figures.md 1, 2). It knows
// nothing of how the history came about, so it judges a simulated one as it would a real one.
package census

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"shomei/pkg/civil"
)

// Census is a count of what the tables hold.
type Census struct {
	happened map[string]int
	days     map[series]map[civil.Date]int
	visits   map[time.Weekday]int
	months   map[time.Month]int
	morning  int
	// closed counts the renewal windows of authentication certificates that are over, renewed those that were used.
	closed, renewed int
	// due is for how many people something ends, by day.
	due  map[civil.Date]int
	last civil.Date
}

// series is something counted by day.
type series string

const (
	applied    series = "applied"
	handedOver series = "handed over"
	outOfUse   series = "out of use"
	signatures series = "sign"
	logins     series = "auth"
	unblocked  series = "unblocked"
)

// row is one row from the tables: what, on which day, and how often; a visit has a weekday (Monday is 1) and a month,
// and was in the morning or not; a window was used to renew or not.
type row struct {
	What    string `ch:"what"`
	Day     string `ch:"day"`
	Weekday uint8  `ch:"weekday"`
	Month   uint8  `ch:"month"`
	Morning bool   `ch:"morning"`
	Used    bool   `ch:"used"`
	Times   uint64 `ch:"times"`
}

// Take counts what the tables of a database hold. The dsn is ClickHouse's, for clickhouse.ParseDSN.
func Take(ctx context.Context, dsn, database string) (*Census, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("taking the census: %w", err)
	}
	options.Auth.Database = database
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("taking the census: %w", err)
	}
	defer conn.Close()
	c := &Census{
		happened: make(map[string]int), days: make(map[series]map[civil.Date]int), visits: make(map[time.Weekday]int),
		months: make(map[time.Month]int), due: make(map[civil.Date]int),
	}
	for _, q := range questions {
		if err := c.ask(ctx, conn, q); err != nil {
			return nil, fmt.Errorf("taking the census: %s: %w", q.about, err)
		}
	}
	return c, nil
}

func (c *Census) ask(ctx context.Context, conn driver.Conn, q question) error {
	var rows []row
	if err := conn.Select(ctx, &rows, "WITH toDateTime64(0, 3, 'Asia/Tokyo') AS never "+q.sql); err != nil {
		return err
	}
	for _, r := range rows {
		day, err := civil.Parse(r.Day)
		if err != nil {
			return err
		}
		q.take(c, r, day)
	}
	return nil
}

// question is a query whose result is rows.
type question struct {
	about, sql string
	take       func(c *Census, r row, day civil.Date)
}

func happens(c *Census, r row, _ civil.Date) { c.happened[r.What] += int(r.Times) }

func daily(c *Census, r row, day civil.Date) {
	if c.days[series(r.What)] == nil {
		c.days[series(r.What)] = make(map[civil.Date]int)
	}
	c.days[series(r.What)][day] += int(r.Times)
}

// cards are the My Number cards that were handed over, with the days of that, in order, and those on which the card
// ended.
const cards = `(SELECT card, arraySort(groupArrayIf(recorded, event = 'CardHandedOver')) AS handed,
	arraySort(groupArrayIf(recorded, ends)) AS ended
	FROM card_operations FINAL WHERE kind = 'subscriber' GROUP BY card
	HAVING has(groupArrayIf(card_kind, event = 'CardAssigned'), 'mynumber') AND notEmpty(handed))`

var questions = []question{
	{"applications accepted", `SELECT concat('accepted: ', replaceAll(operation, '-', ' ')) AS what, count() AS times
		FROM applications FINAL WHERE accepted > never GROUP BY what`, happens},
	{"who came", `SELECT concat('came: ', replaceAll(channel, '-', ' ')) AS what, count() AS times FROM applications FINAL
		WHERE (subscriber, procedure) IN (SELECT id, procedure FROM log WHERE event = 'ApplicationAccepted' AND actor_kind = 'clerk') GROUP BY what`, happens},
	{"applications refused", `SELECT concat('refused: ', refusal) AS what, count() AS times FROM applications FINAL
		WHERE refused > never GROUP BY what`, happens},
	{"changes of the record", `SELECT concat('record: ', replaceAll(change, '-', ' ')) AS what, count() AS times FROM log FINAL
		WHERE event = 'ResidentRecordChanged' GROUP BY what`, happens},
	{"revocations", `SELECT concat('revoked: ', replaceAll(reason, '-', ' ')) AS what, count() AS times FROM certificate_history FINAL
		WHERE event = 'CertificateRevoked' GROUP BY what`, happens},
	{"notices", `SELECT concat('notices by ', medium) AS what, count() AS times FROM notices FINAL WHERE sent > never GROUP BY what`, happens},
	{"juki certificates", `SELECT 'juki certificates issued' AS what, count() AS times FROM certificates FINAL
		WHERE issued > never AND regime = 'juki' HAVING times > 0`, happens},
	{"events", `SELECT event AS what, count() AS times FROM log FINAL WHERE kind = 'subscriber' GROUP BY what`, func(c *Census, r row, _ civil.Date) {
		if name, counted := counted[r.What]; counted {
			c.happened[name] += int(r.Times)
		}
	}},
	{"applications by day", `SELECT if(operation = 'unblock', 'unblocked', 'applied') AS what, toString(toDate(accepted)) AS day, count() AS times
		FROM applications FINAL WHERE accepted > never AND operation IN ('unblock', 'factory-issue') GROUP BY what, day`, daily},
	{"certificates by day", `SELECT kind AS what, toString(toDate(issued)) AS day, count() AS times FROM certificates FINAL
		WHERE issued > never AND regime = 'mynumber' GROUP BY what, day`, daily},
	{"cards handed over", `SELECT 'handed over' AS what, toString(toDate(handed[1])) AS day, count() AS times FROM ` + cards + ` GROUP BY day`, daily},
	{"cards out of use", `SELECT 'out of use' AS what, toString(toDate(arrayFirst(e -> e >= handed[1], ended))) AS day, count() AS times
		FROM ` + cards + ` WHERE arrayExists(e -> e >= handed[1], ended) GROUP BY day`, daily},
	{"visits", `SELECT toUInt8(toDayOfWeek(filed)) AS weekday, toUInt8(toMonth(filed)) AS month,
		toBool(toHour(filed) * 60 + toMinute(filed) BETWEEN 570 AND 719) AS morning, count() AS times FROM log FINAL
		WHERE event IN ('ApplicationAccepted', 'ApplicationRefused', 'InquiryLetterDue') AND actor_kind = 'clerk' GROUP BY weekday, month, morning`, (*Census).visit},
	{"the last day", `SELECT toString(toDate(max(recorded))) AS day FROM log WHERE kind = 'subscriber' HAVING count() > 0`, func(c *Census, _ row, day civil.Date) { c.last = day }},
	{"renewals", `SELECT toBool(reason = 'superseded' AND revoked > never) AS used, toString(last_day) AS day, count() AS times FROM certificates FINAL
		WHERE window_opened > never AND kind = 'auth' GROUP BY used, day`, (*Census).window},
	{"what ends", `SELECT toString(last_day) AS day, uniqExact(subscriber) AS times FROM certificates FINAL WHERE window_opened > never GROUP BY day`, func(c *Census, r row, day civil.Date) { c.due[day] = int(r.Times) }},
}

// counted are the events that are counted one by one, with their names for people.
var counted = map[string]string{
	"InquiryLetterDue": "letter of inquiry first", "ApplicationWithdrawn": "withdrawn", "CertificateIssued": "certificates issued",
	"CertificateExpired": "certificates expired", "WindowOpened": "windows opened", "NoticeFailed": "notices undelivered",
	"NoticeSuppressed": "notices not needed any more", "LossReported": "lost", "CardFound": "found again", "CertificateWritten": "cards written",
	"CardWriteFailed": "writings failed", "PinBlocked": "PINs blocked", "PinUnblocked": "PINs set", "DeadlineMissed": "deadlines missed after a move",
}

func (c *Census) visit(r row, _ civil.Date) {
	c.visits[time.Weekday(r.Weekday%7)] += int(r.Times)
	c.months[time.Month(r.Month)] += int(r.Times)
	if r.Morning {
		c.morning += int(r.Times)
	}
}

// window takes the windows that closed before the last day.
func (c *Census) window(r row, last civil.Date) {
	if !last.Before(c.last) {
		return
	}
	c.closed += int(r.Times)
	if r.Used {
		c.renewed += int(r.Times)
	}
}

// between returns how often something happened from a day until before another.
func (c *Census) between(s series, from, until civil.Date) (n int) {
	for day, times := range c.days[s] {
		if !day.Before(from) && day.Before(until) {
			n += times
		}
	}
	return n
}

// held returns how many My Number cards were in their holders' hands at the end of a day.
func (c *Census) held(on civil.Date) int {
	next := on.AddDays(1)
	return c.between(handedOver, civil.Date{}, next) - c.between(outOfUse, civil.Date{}, next)
}

// holderYears returns how long cards have been held, in total.
func (c *Census) holderYears() float64 {
	days := 0
	for day, n := range c.days[handedOver] {
		days += n * day.DaysUntil(c.last)
	}
	for day, n := range c.days[outOfUse] {
		days -= n * day.DaysUntil(c.last)
	}
	return float64(days) / 365.25
}

// Line is how often one thing happened.
type Line struct {
	What  string
	Times int
}

// Happened returns everything that happened and how often, by name.
func (c *Census) Happened() []Line {
	lines := make([]Line, 0, len(c.happened))
	for _, what := range slices.Sorted(maps.Keys(c.happened)) {
		lines = append(lines, Line{what, c.happened[what]})
	}
	return lines
}

func (c *Census) sum(prefix string) (n int) {
	for what, times := range c.happened {
		if strings.HasPrefix(what, prefix) {
			n += times
		}
	}
	return n
}
