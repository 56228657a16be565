package warehouse

import (
	"context"
	"strconv"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// certificateRow is what one event adds to the row of a certificate: the
// columns it knows, and the milestone it is.
type certificateRow struct {
	serial                                         uint64
	kind, regime, subscriber, office, municipality string
	card, authority, procedure                     string
	replaces                                       uint64
	notBefore, notAfter                            int64
	lastDay, windowOpens                           string
	authorized, issued, written, delivered         int64
	windowOpened, suspended, revoked, expired      int64
	abandoned                                      int64
	reason, cause, suspendCause                    string
	revision                                       uint64
}

type certificateRows struct{ rows []certificateRow }

// add makes the rows of one event of a subscriber; most events have none.
func (r *certificateRows) add(s source) {
	recorded := s.event.RecordedMs
	switch b := s.body.(type) {
	case *events.IssueAuthorized:
		r.put(s, b.Serial, certificateRow{
			kind: word(b.Kind), regime: word(b.Regime), office: s.commit.Office, municipality: b.Municipality,
			card: b.Card, authority: b.Authority, procedure: b.Procedure, replaces: b.Replaces,
			notBefore: b.NotBeforeMs, notAfter: b.NotAfterMs, lastDay: b.LastDay, windowOpens: b.WindowOpens,
			authorized: recorded,
		})
	case *events.CertificateIssued:
		r.put(s, b.Serial, certificateRow{
			kind: word(b.Kind), regime: word(b.Regime), municipality: b.Municipality, card: b.Card,
			authority: b.Authority, procedure: b.Procedure, notBefore: b.NotBeforeMs, notAfter: b.NotAfterMs,
			lastDay: b.LastDay, windowOpens: b.WindowOpens, issued: recorded,
		})
	case *events.CertificateWritten:
		for _, serial := range b.Serials {
			r.put(s, serial, certificateRow{written: recorded})
		}
	case *events.Delivered:
		for _, serial := range b.Serials {
			r.put(s, serial, certificateRow{delivered: recorded})
		}
	case *events.WindowOpened:
		r.put(s, b.Serial, certificateRow{windowOpened: recorded})
	case *events.CertificateSuspended:
		r.put(s, b.Serial, certificateRow{suspended: recorded, suspendCause: b.Cause})
	default:
		r.addEnd(s)
	}
}

// addEnd makes the row of an event that ends a certificate.
func (r *certificateRows) addEnd(s source) {
	recorded := s.event.RecordedMs
	unspecified := reasonWord(events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED)
	switch b := s.body.(type) {
	case *events.CertificateRevoked:
		r.put(s, b.Serial, certificateRow{revoked: recorded, reason: reasonWord(b.Reason), cause: b.Cause})
	case *events.CertificateDiscarded:
		r.put(s, b.Serial, certificateRow{revoked: recorded, reason: unspecified, cause: b.Cause})
	case *events.CertificateExpired:
		r.put(s, b.Serial, certificateRow{expired: recorded})
	case *events.IssueAbandoned:
		r.put(s, b.Serial, certificateRow{abandoned: recorded, reason: unspecified, cause: b.Cause})
	}
}

func (r *certificateRows) put(s source, serial uint64, row certificateRow) {
	row.serial, row.subscriber, row.revision = serial, s.commit.Id, s.commit.Revision
	r.rows = append(r.rows, row)
}

func (r *certificateRows) columns() []column {
	return []column{
		gather("serial", r.rows, func(c *certificateRow) uint64 { return c.serial }),
		gather("kind", r.rows, func(c *certificateRow) string { return c.kind }),
		gather("regime", r.rows, func(c *certificateRow) string { return c.regime }),
		gather("subscriber", r.rows, func(c *certificateRow) string { return c.subscriber }),
		gather("office", r.rows, func(c *certificateRow) string { return c.office }),
		gather("municipality", r.rows, func(c *certificateRow) string { return c.municipality }),
		gather("card", r.rows, func(c *certificateRow) string { return c.card }),
		gather("authority", r.rows, func(c *certificateRow) string { return c.authority }),
		gather("procedure", r.rows, func(c *certificateRow) string { return c.procedure }),
		gather("replaces", r.rows, func(c *certificateRow) uint64 { return c.replaces }),
		gather("not_before", r.rows, func(c *certificateRow) int64 { return c.notBefore }),
		gather("not_after", r.rows, func(c *certificateRow) int64 { return c.notAfter }),
		gather("last_day", r.rows, func(c *certificateRow) time.Time { return day(c.lastDay) }),
		gather("window_opens", r.rows, func(c *certificateRow) time.Time { return day(c.windowOpens) }),
		gather("authorized", r.rows, func(c *certificateRow) int64 { return c.authorized }),
		gather("issued", r.rows, func(c *certificateRow) int64 { return c.issued }),
		gather("written", r.rows, func(c *certificateRow) int64 { return c.written }),
		gather("delivered", r.rows, func(c *certificateRow) int64 { return c.delivered }),
		gather("window_opened", r.rows, func(c *certificateRow) int64 { return c.windowOpened }),
		gather("suspended", r.rows, func(c *certificateRow) int64 { return c.suspended }),
		gather("revoked", r.rows, func(c *certificateRow) int64 { return c.revoked }),
		gather("expired", r.rows, func(c *certificateRow) int64 { return c.expired }),
		gather("abandoned", r.rows, func(c *certificateRow) int64 { return c.abandoned }),
		gather("reason", r.rows, func(c *certificateRow) string { return c.reason }),
		gather("cause", r.rows, func(c *certificateRow) string { return c.cause }),
		gather("suspend_cause", r.rows, func(c *certificateRow) string { return c.suspendCause }),
		gather("revision", r.rows, func(c *certificateRow) uint64 { return c.revision }),
	}
}

// statusAt is the status of a row of certificates at the instant t: its last
// milestone by then. A certificate is past its end at the instant after
// notAfter, whether or not its expiry has been recorded yet (RFC 5280
// 4.1.2.5). never is the epoch.
const statusAt = `multiIf(
	abandoned > never AND abandoned <= t, 'abandoned',
	revoked > never AND revoked <= t, 'revoked',
	expired > never AND expired <= t OR not_after > never AND not_after < t, 'expired',
	suspended > never AND suspended <= t, 'suspended',
	delivered > never AND delivered <= t, 'valid',
	issued > never AND issued <= t, 'issued',
	'authorized')`

// withInstant defines t and never for statusAt.
const withInstant = `WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Tokyo') AS t, toDateTime64(0, 3, 'Asia/Tokyo') AS never `

// Certificate is one certificate at an instant. Instants of what had not
// happened by then are zero, as are absent dates. Words are those of
// events.JSON; Reason is RFC 5280's (5.3.1) in lower case with hyphens.
type Certificate struct {
	Serial       uint64     `json:"serial"`
	Kind         string     `json:"kind"`   // sign or auth
	Regime       string     `json:"regime"` // juki or mynumber
	Status       string     `json:"status"` // authorized, issued, valid, suspended, revoked, expired, abandoned
	Subscriber   string     `json:"subscriber"`
	Office       string     `json:"office"` // where it was applied for
	Municipality string     `json:"municipality"`
	Card         string     `json:"card"`
	Authority    string     `json:"authority"`
	Procedure    string     `json:"procedure"`
	Replaces     uint64     `json:"replaces"`
	NotBefore    time.Time  `json:"not_before,omitzero"`
	NotAfter     time.Time  `json:"not_after,omitzero"`
	LastDay      civil.Date `json:"last_day,omitzero"`
	WindowOpens  civil.Date `json:"window_opens,omitzero"`
	Authorized   time.Time  `json:"authorized,omitzero"`
	Issued       time.Time  `json:"issued,omitzero"`
	Written      time.Time  `json:"written,omitzero"`
	Delivered    time.Time  `json:"delivered,omitzero"`
	WindowOpened time.Time  `json:"window_opened,omitzero"`
	Suspended    time.Time  `json:"suspended,omitzero"`
	Revoked      time.Time  `json:"revoked,omitzero"`
	Expired      time.Time  `json:"expired,omitzero"`
	Abandoned    time.Time  `json:"abandoned,omitzero"`
	Reason       string     `json:"reason"`
	Cause        string     `json:"cause"`
	SuspendCause string     `json:"suspend_cause"`
	Revision     uint64     `json:"revision"` // of the newest commit that touched it
}

// certificateRecord is a row of certificates as it is read.
type certificateRecord struct {
	Serial       uint64    `ch:"serial"`
	Kind         string    `ch:"kind"`
	Regime       string    `ch:"regime"`
	Status       string    `ch:"status"`
	Subscriber   string    `ch:"subscriber"`
	Office       string    `ch:"office"`
	Municipality string    `ch:"municipality"`
	Card         string    `ch:"card"`
	Authority    string    `ch:"authority"`
	Procedure    string    `ch:"procedure"`
	Replaces     uint64    `ch:"replaces"`
	NotBefore    time.Time `ch:"not_before"`
	NotAfter     time.Time `ch:"not_after"`
	LastDay      time.Time `ch:"last_day"`
	WindowOpens  time.Time `ch:"window_opens"`
	Authorized   time.Time `ch:"authorized"`
	Issued       time.Time `ch:"issued"`
	Written      time.Time `ch:"written"`
	Delivered    time.Time `ch:"delivered"`
	WindowOpened time.Time `ch:"window_opened"`
	Suspended    time.Time `ch:"suspended"`
	Revoked      time.Time `ch:"revoked"`
	Expired      time.Time `ch:"expired"`
	Abandoned    time.Time `ch:"abandoned"`
	Reason       string    `ch:"reason"`
	Cause        string    `ch:"cause"`
	SuspendCause string    `ch:"suspend_cause"`
	Revision     uint64    `ch:"revision"`
}

// asOf turns the record into what was known at t.
func (r certificateRecord) asOf(t time.Time) Certificate {
	c := Certificate{
		Serial: r.Serial, Kind: r.Kind, Regime: r.Regime, Status: r.Status, Subscriber: r.Subscriber,
		Office: r.Office, Municipality: r.Municipality, Card: r.Card, Authority: r.Authority,
		Procedure: r.Procedure, Replaces: r.Replaces, NotBefore: present(r.NotBefore, farFuture),
		NotAfter: present(r.NotAfter, farFuture), LastDay: dateOf(r.LastDay), WindowOpens: dateOf(r.WindowOpens),
		Authorized: present(r.Authorized, t), Issued: present(r.Issued, t), Written: present(r.Written, t),
		Delivered: present(r.Delivered, t), WindowOpened: present(r.WindowOpened, t),
		Suspended: present(r.Suspended, t), Revoked: present(r.Revoked, t), Expired: present(r.Expired, t),
		Abandoned: present(r.Abandoned, t), Revision: r.Revision,
	}
	if !c.Revoked.IsZero() || !c.Abandoned.IsZero() {
		c.Reason, c.Cause = r.Reason, r.Cause
	}
	if !c.Suspended.IsZero() {
		c.SuspendCause = r.SuspendCause
	}
	return c
}

// present is an instant of a table: zero when it stands for "not", or lies
// after limit.
func present(t, limit time.Time) time.Time {
	if t.UnixMilli() == 0 || t.After(limit) {
		return time.Time{}
	}
	return t
}

// clearAbsent makes the instants zero that stand for "not".
func clearAbsent(all ...*time.Time) {
	for _, t := range all {
		*t = present(*t, farFuture)
	}
}

func dateOf(t time.Time) civil.Date {
	if t.Unix() == 0 {
		return civil.Date{}
	}
	return civil.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

// State returns a certificate by its serial (decimal), or all certificates of
// a subscriber by id, oldest first, as they stood at an instant.
// ErrNotFound when there was none by then.
func (w *Warehouse) State(ctx context.Context, key string, instant time.Time) ([]Certificate, error) {
	where, who := "serial IN (SELECT serial FROM {certificate_history} WHERE kind = 'subscriber' AND id = {id:String})", param("id", key)
	if serial, err := strconv.ParseUint(key, 10, 64); err == nil {
		where, who = "serial = {serial:UInt64}", param("serial", serial)
	}
	var rows []certificateRecord
	err := w.query(ctx, &rows, "certificates", withInstant+"SELECT *, "+statusAt+
		" AS status FROM {certificates} FINAL WHERE "+where+" AND authorized <= t ORDER BY authorized, serial",
		at("at", instant), who)
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	certificates := make([]Certificate, len(rows))
	for i, r := range rows {
		certificates[i] = r.asOf(instant)
	}
	return certificates, err
}

// EachCertificate calls each with every certificate, in the order of serials,
// as they stood at an instant, until each fails.
func (w *Warehouse) EachCertificate(ctx context.Context, instant time.Time, each func(Certificate) error) error {
	const what = "asking ClickHouse for all certificates"
	rows, err := w.conn.Query(ctx, w.expand(withInstant+"SELECT *, "+statusAt+
		" AS status FROM {certificates} FINAL WHERE authorized <= t ORDER BY serial"), at("at", instant))
	if err != nil {
		return wrap(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r certificateRecord
		if err := rows.ScanStruct(&r); err != nil {
			return wrap(what, err)
		}
		if err := each(r.asOf(instant)); err != nil {
			return err
		}
	}
	return wrap(what, rows.Err())
}

// StatusCount is how many certificates of a kind have a status.
type StatusCount struct {
	Regime string `ch:"regime" json:"regime"`
	Kind   string `ch:"kind" json:"kind"`
	Status string `ch:"status" json:"status"`
	Count  uint64 `ch:"n" json:"count"`
}

// CountsByStatus counts all certificates by regime, kind and status at an
// instant, as it was known then.
func (w *Warehouse) CountsByStatus(ctx context.Context, instant time.Time) ([]StatusCount, error) {
	var counts []StatusCount
	err := w.query(ctx, &counts, "counts by status", withInstant+"SELECT regime, kind, "+statusAt+` AS status, count() AS n
		FROM {certificates} FINAL WHERE authorized <= t GROUP BY regime, kind, status ORDER BY regime, kind, status`,
		at("at", instant))
	return counts, err
}
