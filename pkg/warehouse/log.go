package warehouse

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

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

func changeOf(body proto.Message) string {
	if b, ok := body.(interface{ GetChange() events.RecordChange }); ok {
		return word(b.GetChange())
	}
	return ""
}

// Entry is one event of a history, without personal data.
type Entry struct {
	Kind         string    `ch:"kind" json:"kind"`
	ID           string    `ch:"id" json:"id"`
	Revision     uint64    `ch:"revision" json:"revision"`
	Index        uint16    `ch:"index" json:"index"`
	Event        string    `ch:"event" json:"event"`
	Rules        []string  `ch:"rules" json:"rules"`
	Caused       time.Time `ch:"caused" json:"caused,omitzero"`
	Filed        time.Time `ch:"filed" json:"filed,omitzero"`
	Recorded     time.Time `ch:"recorded" json:"recorded"`
	Office       string    `ch:"office" json:"office"`
	Counter      string    `ch:"counter" json:"counter"`
	ActorKind    string    `ch:"actor_kind" json:"actor_kind"`
	Actor        string    `ch:"actor" json:"actor"`
	Correlation  string    `ch:"correlation" json:"correlation"`
	Procedure    string    `ch:"procedure" json:"procedure"`
	Card         string    `ch:"card" json:"card"`
	Municipality string    `ch:"municipality" json:"municipality"`
	Serials      []uint64  `ch:"serials" json:"-"`
	Change       string    `ch:"change" json:"change,omitempty"` // of the resident record, such as move-in
}

// MarshalJSON writes the serials as text, like everywhere else.
func (e Entry) MarshalJSON() ([]byte, error) {
	serials := make([]string, len(e.Serials))
	for i, serial := range e.Serials {
		serials[i] = events.FormatSerial(serial)
	}
	type plain Entry
	return json.Marshal(struct {
		plain
		Serials []string `json:"serials"`
	}{plain(e), serials})
}

// entryOf returns the row of one event.
func entryOf(s source) Entry {
	c := s.commit
	return Entry{
		Kind: c.Kind, ID: c.Id, Revision: c.Revision, Index: s.index, Event: s.name, Rules: s.event.RuleIds,
		Caused: instant(s.event.CausedMs), Filed: instant(s.event.FiledMs), Recorded: instant(s.event.RecordedMs),
		Office: c.Office, Counter: c.Counter, ActorKind: word(c.GetActor().GetKind()), Actor: c.GetActor().GetId(),
		Correlation: c.CorrelationId, Procedure: procedureOf(s.body), Card: cardOf(s.body),
		Municipality: s.municipality, Serials: serialsOf(s.body), Change: changeOf(s.body),
	}
}

// History returns the events of a subscriber in order, up to those recorded at an instant (zero: all); ErrNotFound if
// there are none.
func (w *Warehouse) History(ctx context.Context, subscriber string, until time.Time) ([]Entry, error) {
	if until.IsZero() {
		until = farFuture
	}
	entries, err := question[Entry](ctx, w, "a history", `
		SELECT * FROM {log} FINAL
		WHERE kind = 'subscriber' AND id = {id:String} AND recorded <= fromUnixTimestamp64Milli({until:Int64})
		ORDER BY revision, index`, param("id", subscriber), at("until", until))
	if err == nil && len(entries) == 0 {
		err = ErrNotFound
	}
	return entries, err
}

// Holds reports whether the log table holds a commit as it is: as many events, recorded at the same instants.
func (w *Warehouse) Holds(ctx context.Context, c *events.Commit) (bool, error) {
	type recorded struct {
		Index    uint16    `ch:"index"`
		Recorded time.Time `ch:"recorded"`
	}
	rows, err := ask[recorded](ctx, w, "a commit", `
		SELECT index, recorded FROM {log} FINAL WHERE kind = {kind:String} AND id = {id:String} AND revision = {revision:UInt64} ORDER BY index`,
		param("kind", c.Kind), param("id", c.Id), param("revision", c.Revision))
	if err != nil || len(rows) != len(c.Events) {
		return false, err
	}
	for i, r := range rows {
		if !r.Recorded.Equal(instant(c.Events[i].RecordedMs)) {
			return false, nil
		}
	}
	return true, nil
}
