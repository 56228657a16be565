package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/events"
)

// deltaRow is one certificate more (+1) or less (-1) in force from an instant on.
type deltaRow struct {
	ID           string    `ch:"id"`
	Revision     uint64    `ch:"revision"`
	Index        uint16    `ch:"index"`
	Part         uint8     `ch:"part"`
	Sign         int8      `ch:"sign"`
	Effective    time.Time `ch:"effective"`
	Recorded     time.Time `ch:"recorded"`
	Serial       uint64    `ch:"serial"`
	Kind         string    `ch:"certificate_kind"`
	Regime       string    `ch:"regime"`
	Municipality string    `ch:"municipality"`
	LastDay      Date      `ch:"last_day"`
}

// deltaRows collects the signed rows. A discarded certificate's event names neither its last day nor its municipality;
// such events wait in open until the facts of their certificates are known.
type deltaRows struct {
	*block[deltaRow]
	facts map[uint64]certificateFacts // of certificates issued in this batch
	open  []deltaRow
}

// certificateFacts is what never changes about an issued certificate.
type certificateFacts struct {
	Serial       uint64    `ch:"serial"`
	LastDay      Date      `ch:"last_day"`
	Municipality string    `ch:"municipality"`
	Issued       time.Time `ch:"issued"`
}

func (r *deltaRows) addOf(s source) {
	if b, ok := s.body.(interface{ GetDevice() string }); ok && b.GetDevice() != "" {
		return // a smartphone's certificate is counted with the card's that it follows
	}
	row := deltaRow{ID: s.commit.Id, Revision: s.commit.Revision, Index: s.index, Recorded: instant(s.event.RecordedMs)}
	switch b := s.body.(type) {
	case *events.CertificateIssued:
		row.Serial, row.Kind, row.Regime = b.Serial, word(b.Kind), word(b.Regime)
		row.Municipality, row.LastDay = b.Municipality, day(b.LastDay)
		r.put(row, 0, +1, instant(b.NotBeforeMs))
		r.put(row, 1, -1, endOf(row.LastDay))
		if r.facts == nil {
			r.facts = map[uint64]certificateFacts{}
		}
		r.facts[b.Serial] = certificateFacts{LastDay: row.LastDay, Municipality: b.Municipality}
	case *events.CertificateRevoked:
		row.Serial, row.Kind, row.Regime = b.Serial, word(b.Kind), regimeOf(b.Authority)
		row.Municipality, row.LastDay = b.Municipality, day(b.LastDay)
		r.end(row)
	case *events.CertificateDiscarded:
		row.Serial, row.Kind, row.Regime = b.Serial, word(b.Kind), regimeOf(b.Authority)
		r.open = append(r.open, row)
	}
}

// end subtracts a certificate at its event's recorded time, and cancels the subtraction that the issue planned for its
// last day. It does nothing if that day was already over.
func (r *deltaRows) end(row deltaRow) {
	if planned := endOf(row.LastDay); row.Recorded.Before(planned) {
		r.put(row, 0, -1, row.Recorded)
		r.put(row, 1, +1, planned)
	}
}

func (r *deltaRows) put(row deltaRow, part uint8, sign int8, effective time.Time) {
	row.Part, row.Sign, row.Effective = part, sign, effective
	r.add(row)
}

// endOf returns the first instant at which a certificate with this last day is no longer in force (law.md 3.5).
func endOf(lastDay Date) time.Time {
	if lastDay.IsZero() {
		return time.Time{}
	}
	return lastDay.AddDays(1).StartInstant()
}

// regimeOf returns the regime of an authority's certificates: the juki regime has one authority for each prefecture,
// named juki-NN.
func regimeOf(authority string) string {
	if strings.HasPrefix(authority, word(events.Regime_REGIME_JUKI)) {
		return word(events.Regime_REGIME_JUKI)
	}
	return word(events.Regime_REGIME_MYNUMBER)
}

// completeDeltas looks up the facts of discarded certificates, in the batch or, from an earlier batch, in the table of
// certificates.
func (w *Warehouse) completeDeltas(ctx context.Context, r *deltaRows) error {
	var missing []uint64
	for _, row := range r.open {
		if _, ok := r.facts[row.Serial]; !ok {
			missing = append(missing, row.Serial)
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
		if f, ok := facts[row.Serial]; ok { // otherwise it was never issued, so never in force
			row.LastDay, row.Municipality = f.LastDay, f.Municipality
			r.end(row)
		}
	}
	r.open = nil
	return nil
}

func (w *Warehouse) storedFacts(ctx context.Context, serials []uint64) (map[uint64]certificateFacts, error) {
	rows, err := ask[certificateFacts](ctx, w, "the terms of discarded certificates", `
		SELECT serial, last_day, municipality, issued FROM {certificates} FINAL
		WHERE serial IN {serials:Array(UInt64)}`, param("serials", serials))
	facts := make(map[uint64]certificateFacts, len(rows))
	for _, f := range rows {
		if !f.Issued.IsZero() {
			facts[f.Serial] = f
		}
	}
	return facts, err
}

// InForce is the number of certificates in force in a municipality.
type InForce struct {
	Municipality string `ch:"municipality" json:"municipality"`
	Regime       string `ch:"regime" json:"regime"`
	Kind         string `ch:"certificate_kind" json:"kind"`
	Count        int64  `ch:"n" json:"count"`
}

// InForce counts the certificates in force (issued, not ended; suspended ones count) at the instant effective, as known
// at the instant known: "how many expire from under us on 1 April, by what we knew last June".
func (w *Warehouse) InForce(ctx context.Context, effective, known time.Time) ([]InForce, error) {
	return question[InForce](ctx, w, "certificates in force", `
		SELECT municipality, regime, certificate_kind, sum(toInt64(sign)) AS n
		FROM {certificate_deltas} FINAL
		WHERE effective <= fromUnixTimestamp64Milli({effective:Int64}) AND recorded <= fromUnixTimestamp64Milli({known:Int64})
		GROUP BY municipality, regime, certificate_kind HAVING n != 0
		ORDER BY municipality, regime, certificate_kind`, at("effective", effective), at("known", known))
}
