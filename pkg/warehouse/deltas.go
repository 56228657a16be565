package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// deltaRow is +1 or -1 certificate in force from an instant on.
type deltaRow struct {
	source
	part         uint8
	sign         int8
	effective    int64
	serial       uint64
	kind, regime string
	municipality string
	lastDay      string
}

// deltaRows makes the signed rows. Discarding a certificate names neither its
// last day nor its municipality; such events wait in open until the facts of
// their certificates are known.
type deltaRows struct {
	rows  []deltaRow
	facts map[uint64]certificateFacts // of certificates issued in this batch
	open  []deltaRow
}

// certificateFacts is what never changes about an issued certificate.
type certificateFacts struct {
	lastDay, municipality string
}

func (r *deltaRows) add(s source) {
	switch b := s.body.(type) {
	case *events.CertificateIssued:
		row := deltaRow{
			source: s, serial: b.Serial, kind: word(b.Kind), regime: word(b.Regime),
			municipality: b.Municipality, lastDay: b.LastDay,
		}
		r.put(row, 0, +1, b.NotBeforeMs)
		r.put(row, 1, -1, endOf(b.LastDay))
		if r.facts == nil {
			r.facts = map[uint64]certificateFacts{}
		}
		r.facts[b.Serial] = certificateFacts{b.LastDay, b.Municipality}
	case *events.CertificateRevoked:
		r.end(deltaRow{
			source: s, serial: b.Serial, kind: word(b.Kind), regime: regimeOf(b.Authority),
			municipality: b.Municipality, lastDay: b.LastDay,
		})
	case *events.CertificateDiscarded:
		r.open = append(r.open, deltaRow{source: s, serial: b.Serial, kind: word(b.Kind), regime: regimeOf(b.Authority)})
	}
}

// end takes a certificate away at the recorded time of its event, and gives
// back what the issue planned to take at its last day; nothing when that day
// was over already.
func (r *deltaRows) end(row deltaRow) {
	recorded, planned := row.event.RecordedMs, endOf(row.lastDay)
	if recorded < planned {
		r.put(row, 0, -1, recorded)
		r.put(row, 1, +1, planned)
	}
}

func (r *deltaRows) put(row deltaRow, part uint8, sign int8, effective int64) {
	row.part, row.sign, row.effective = part, sign, effective
	r.rows = append(r.rows, row)
}

// endOf is the first instant at which a certificate with this last day is no
// longer in force (domain.md 1.5.1 D5), in milliseconds.
func endOf(lastDay string) int64 {
	d, err := civil.Parse(lastDay)
	if err != nil || d.IsZero() {
		return 0
	}
	return d.AddDays(1).StartInstant().UnixMilli()
}

// regimeOf is the regime of an authority's certificates: authorities of the
// juki regime are one for each prefecture, named juki-NN.
func regimeOf(authority string) string {
	if strings.HasPrefix(authority, word(events.Regime_REGIME_JUKI)) {
		return word(events.Regime_REGIME_JUKI)
	}
	return word(events.Regime_REGIME_MYNUMBER)
}

// completeDeltas finds the facts of discarded certificates, in the batch or
// in the table of certificates, where they stand since an earlier batch.
func (w *Warehouse) completeDeltas(ctx context.Context, r *deltaRows) error {
	var missing []uint64
	for _, row := range r.open {
		if _, ok := r.facts[row.serial]; !ok {
			missing = append(missing, row.serial)
		}
	}
	facts := r.facts
	if len(missing) > 0 {
		stored, err := w.storedFacts(ctx, missing)
		if err != nil {
			return err
		}
		facts = stored
		for serial, f := range r.facts {
			facts[serial] = f
		}
	}
	for _, row := range r.open {
		if f, ok := facts[row.serial]; ok { // otherwise it was never issued, so never in force
			row.lastDay, row.municipality = f.lastDay, f.municipality
			r.end(row)
		}
	}
	r.open = nil
	return nil
}

func (w *Warehouse) storedFacts(ctx context.Context, serials []uint64) (map[uint64]certificateFacts, error) {
	var rows []struct {
		Serial       uint64    `ch:"serial"`
		LastDay      time.Time `ch:"last_day"`
		Municipality string    `ch:"municipality"`
		Issued       time.Time `ch:"issued"`
	}
	err := w.query(ctx, &rows, "the terms of discarded certificates", `
		SELECT serial, last_day, municipality, issued FROM {certificates} FINAL
		WHERE serial IN {serials:Array(UInt64)}`, param("serials", serials))
	if err != nil {
		return nil, err
	}
	facts := make(map[uint64]certificateFacts, len(rows))
	for _, f := range rows {
		if f.Issued.UnixMilli() > 0 {
			facts[f.Serial] = certificateFacts{f.LastDay.Format(time.DateOnly), f.Municipality}
		}
	}
	return facts, nil
}

func (r *deltaRows) columns() []column {
	return []column{
		gather("id", r.rows, func(d *deltaRow) string { return d.commit.Id }),
		gather("revision", r.rows, func(d *deltaRow) uint64 { return d.commit.Revision }),
		gather("index", r.rows, func(d *deltaRow) uint16 { return d.index }),
		gather("part", r.rows, func(d *deltaRow) uint8 { return d.part }),
		gather("sign", r.rows, func(d *deltaRow) int8 { return d.sign }),
		gather("effective", r.rows, func(d *deltaRow) int64 { return d.effective }),
		gather("recorded", r.rows, func(d *deltaRow) int64 { return d.event.RecordedMs }),
		gather("serial", r.rows, func(d *deltaRow) uint64 { return d.serial }),
		gather("certificate_kind", r.rows, func(d *deltaRow) string { return d.kind }),
		gather("regime", r.rows, func(d *deltaRow) string { return d.regime }),
		gather("municipality", r.rows, func(d *deltaRow) string { return d.municipality }),
		gather("last_day", r.rows, func(d *deltaRow) time.Time { return day(d.lastDay) }),
	}
}

// InForce is how many certificates were in force in a municipality.
type InForce struct {
	Municipality string `ch:"municipality" json:"municipality"`
	Regime       string `ch:"regime" json:"regime"`
	Kind         string `ch:"certificate_kind" json:"kind"`
	Count        int64  `ch:"n" json:"count"`
}

// InForce counts the certificates in force (issued, not ended; suspended ones
// count) at the instant effective, as it was known at the instant known:
// "how many expire from under us on 1 April, by what we knew last June".
func (w *Warehouse) InForce(ctx context.Context, effective, known time.Time) ([]InForce, error) {
	var rows []InForce
	err := w.query(ctx, &rows, "certificates in force", `
		SELECT municipality, regime, certificate_kind, sum(toInt64(sign)) AS n
		FROM {certificate_deltas} FINAL
		WHERE effective <= fromUnixTimestamp64Milli({effective:Int64}) AND recorded <= fromUnixTimestamp64Milli({known:Int64})
		GROUP BY municipality, regime, certificate_kind HAVING n != 0
		ORDER BY municipality, regime, certificate_kind`, at("effective", effective), at("known", known))
	return rows, err
}
