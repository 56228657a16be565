package warehouse

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
)

// logRows makes one row of each event.
type logRows struct{ rows []source }

func (r *logRows) add(s source) { r.rows = append(r.rows, s) }

func (r *logRows) columns() []column {
	return []column{
		gather("kind", r.rows, func(s *source) string { return s.commit.Kind }),
		gather("id", r.rows, func(s *source) string { return s.commit.Id }),
		gather("revision", r.rows, func(s *source) uint64 { return s.commit.Revision }),
		gather("index", r.rows, func(s *source) uint16 { return s.index }),
		gather("event", r.rows, func(s *source) string { return s.name }),
		gather("rules", r.rows, func(s *source) []string { return s.event.RuleIds }),
		gather("caused", r.rows, func(s *source) int64 { return s.event.CausedMs }),
		gather("filed", r.rows, func(s *source) int64 { return s.event.FiledMs }),
		gather("recorded", r.rows, func(s *source) int64 { return s.event.RecordedMs }),
		gather("office", r.rows, func(s *source) string { return s.commit.Office }),
		gather("counter", r.rows, func(s *source) string { return s.commit.Counter }),
		gather("actor_kind", r.rows, func(s *source) string { return word(s.commit.GetActor().GetKind()) }),
		gather("actor", r.rows, func(s *source) string { return s.commit.GetActor().GetId() }),
		gather("correlation", r.rows, func(s *source) string { return s.commit.CorrelationId }),
		gather("procedure", r.rows, func(s *source) string { return procedureOf(s.body) }),
		gather("card", r.rows, func(s *source) string { return cardOf(s.body) }),
		gather("municipality", r.rows, func(s *source) string { return municipalityOf(s.body) }),
		gather("serials", r.rows, func(s *source) []uint64 { return serialsOf(s.body) }),
	}
}

// What several events have in common is found by its getter.

func procedureOf(body proto.Message) string {
	if b, ok := body.(interface{ GetProcedure() string }); ok {
		return b.GetProcedure()
	}
	return ""
}

func cardOf(body proto.Message) string {
	if b, ok := body.(interface{ GetCard() string }); ok {
		return b.GetCard()
	}
	return ""
}

func municipalityOf(body proto.Message) string {
	if b, ok := body.(interface{ GetMunicipality() string }); ok {
		return b.GetMunicipality()
	}
	return ""
}

func serialsOf(body proto.Message) []uint64 {
	switch b := body.(type) {
	case interface{ GetSerials() []uint64 }:
		return b.GetSerials()
	case interface{ GetSerial() uint64 }:
		return []uint64{b.GetSerial()}
	}
	return nil
}

// Entry is one event of a history, without personal data.
type Entry struct {
	Kind         string    `ch:"kind" json:"kind"`
	ID           string    `ch:"id" json:"id"`
	Revision     uint64    `ch:"revision" json:"revision"`
	Index        uint16    `ch:"index" json:"index"`
	Event        string    `ch:"event" json:"event"`
	Rules        []string  `ch:"rules" json:"rules"`
	Caused       time.Time `ch:"caused" json:"caused"`
	Filed        time.Time `ch:"filed" json:"filed"`
	Recorded     time.Time `ch:"recorded" json:"recorded"`
	Office       string    `ch:"office" json:"office"`
	Counter      string    `ch:"counter" json:"counter"`
	ActorKind    string    `ch:"actor_kind" json:"actor_kind"`
	Actor        string    `ch:"actor" json:"actor"`
	Correlation  string    `ch:"correlation" json:"correlation"`
	Procedure    string    `ch:"procedure" json:"procedure"`
	Card         string    `ch:"card" json:"card"`
	Municipality string    `ch:"municipality" json:"municipality"`
	Serials      []uint64  `ch:"serials" json:"serials"`
}

// History returns the events of a subscriber in order, at most those recorded
// up to at (a zero at means all); ErrNotFound when there are none.
func (w *Warehouse) History(ctx context.Context, subscriber string, until time.Time) ([]Entry, error) {
	var entries []Entry
	err := w.query(ctx, &entries, "a history", `
		SELECT * FROM {log} FINAL
		WHERE kind = 'subscriber' AND id = {id:String} AND recorded <= fromUnixTimestamp64Milli({until:Int64})
		ORDER BY revision, index`, param("id", subscriber), at("until", orFarFuture(until)))
	if err == nil && len(entries) == 0 {
		err = ErrNotFound
	}
	return entries, err
}

// Head is how much of one aggregate the log table holds: what a check
// compares with the log itself.
type Head struct {
	Kind     string `ch:"kind"`
	ID       string `ch:"id"`
	Revision uint64 `ch:"last"`
	Commits  uint64 `ch:"commits"`
	Events   uint64 `ch:"rows"`
}

// Heads calls each for every aggregate in the log table, ordered by kind and
// id, until each fails.
func (w *Warehouse) Heads(ctx context.Context, each func(Head) error) error {
	rows, err := w.conn.Query(ctx, w.expand(`
		SELECT kind, id, max(revision) AS last, uniqExact(revision) AS commits, uniqExact(revision, index) AS rows
		FROM {log} GROUP BY kind, id ORDER BY kind, id`))
	if err != nil {
		return wrap("asking ClickHouse for the heads of all histories", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h Head
		if err := rows.ScanStruct(&h); err != nil {
			return wrap("asking ClickHouse for the heads of all histories", err)
		}
		if err := each(h); err != nil {
			return err
		}
	}
	return wrap("asking ClickHouse for the heads of all histories", rows.Err())
}
