package fsck

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
)

// cell is what a row of a table says in one column: a text, a number, an instant in milliseconds, or a set of numbers.
// An empty cell is the same as none.
type cell struct {
	column, text string
	number       uint64
	at           int64
	set          []uint64
}

// String returns the value as the warehouse renders it for the check.
func (c cell) String() string {
	switch {
	case c.number != 0:
		return strconv.FormatUint(c.number, 10)
	case len(c.set) > 0:
		return numbers(c.set)
	case c.at != 0:
		return time.UnixMilli(c.at).In(civil.Tokyo).Format("2006-01-02 15:04:05.000")
	}
	return c.text
}

func numbers(list []uint64) string { return strings.Trim(fmt.Sprint(list), "[]") }

func (c cell) compare(o cell) int {
	return cmp.Or(cmp.Compare(c.number, o.number), cmp.Compare(c.at, o.at), cmp.Compare(c.text, o.text))
}

// row is what a table should say under one key.
type row struct {
	table, key string
	cells      []cell
}

// raise keeps the greatest value of each column, as tables do when they merge rows.
func (r *row) raise(cells ...cell) {
	for _, c := range cells {
		i := slices.IndexFunc(r.cells, func(held cell) bool { return held.column == c.column })
		if i < 0 {
			r.cells = append(r.cells, c)
		} else if c.compare(r.cells[i]) > 0 {
			r.cells[i] = c
		}
	}
}

// fact returns the row for comparison. A row that names its subscriber belongs to that one's shard.
func (r row) fact(owner string) fact {
	if i := slices.IndexFunc(r.cells, func(c cell) bool { return c.column == "subscriber" }); i >= 0 {
		owner = r.cells[i].text
	}
	slices.SortFunc(r.cells, func(a, b cell) int { return cmp.Compare(a.column, b.column) })
	var says strings.Builder
	for _, c := range r.cells {
		says.WriteString(said(c.column, c.String()))
	}
	return fact{int(events.Shard(owner)), r.table + " " + r.key, says.String()}
}

// said returns one column on a line of its own.
func said(column, value string) string {
	if value == "" {
		return ""
	}
	return column + "=" + value + "\n"
}

// source is one event with its position.
type source struct {
	commit *events.Commit
	index  int
	event  *events.Event
	name   string
	body   protoreflect.Message // nil for an unknown event
	place  string               // the municipality where it happened
}

// placeOf returns the municipality of an event: the one it names, where its person lived, or the first five digits of its office.
func (s source) placeOf(lived string) string {
	office := s.commit.Office
	if s.commit.Kind == events.KindOffice {
		office = s.commit.Id
	}
	return cmp.Or(s.text("municipality"), lived, officePlace.FindString(office))
}

var officePlace = regexp.MustCompile(`^[0-9]{5}\b`)

func sourceOf(c *events.Commit, index int) source {
	s := source{commit: c, index: index, event: c.Events[index], name: events.Name(c.Events[index])}
	if body := events.BodyOf(s.event); body != nil {
		s.body = body.ProtoReflect()
	}
	if s.body == nil {
		s.name = "Unknown"
	}
	return s
}

// field returns a field of the event's body by its name in the log, or nil.
func (s source) field(name protoreflect.Name) (protoreflect.FieldDescriptor, protoreflect.Value) {
	if s.body == nil {
		return nil, protoreflect.Value{}
	}
	field := s.body.Descriptor().Fields().ByName(name)
	if field == nil {
		return nil, protoreflect.Value{}
	}
	return field, s.body.Get(field)
}

// text returns a field of the body as a word, or "".
func (s source) text(name protoreflect.Name) string {
	field, value := s.field(name)
	switch {
	case field == nil || field.IsList():
		return ""
	case field.Enum() != nil:
		return enumWord(field.Enum(), value.Enum())
	case field.Kind() == protoreflect.StringKind:
		return value.String()
	}
	return ""
}

func (s source) number(name protoreflect.Name) uint64 {
	field, value := s.field(name)
	switch {
	case field == nil:
	case field.Kind() == protoreflect.Uint64Kind || field.Kind() == protoreflect.Uint32Kind:
		return value.Uint()
	case field.Kind() == protoreflect.Int64Kind:
		return uint64(value.Int())
	}
	return 0
}

// serials returns those that the event is about.
func (s source) serials() (list []uint64) {
	if field, value := s.field("serials"); field != nil {
		for i := range value.List().Len() {
			list = append(list, value.List().Get(i).Uint())
		}
	} else if field, value := s.field("serial"); field != nil {
		list = append(list, value.Uint())
	}
	return list
}

// rowKey returns the key of a row that this event alone makes.
func (s source) rowKey(prefix ...string) string {
	return strings.Join(append(prefix, s.commit.Id, strconv.FormatUint(s.commit.Revision, 10), strconv.Itoa(s.index)), "/")
}

// times returns the instants that every row of an event has.
func (s source) times() []cell {
	return []cell{{column: "caused", at: s.event.CausedMs}, {column: "filed", at: s.event.FiledMs}, {column: "recorded", at: s.event.RecordedMs}}
}

// eachRow calls give with the rows that the event alone makes. Rows of merged tables are folded by expected.
func (s source) eachRow(give func(row)) {
	give(s.logRow())
	if r, touches := s.cardRow(); touches {
		give(r)
	}
	if s.commit.Kind != events.KindSubscriber {
		return
	}
	for _, serial := range s.serials() {
		give(s.historyRow(serial))
	}
}

func (s source) logRow() row {
	return row{"log", s.rowKey(s.commit.Kind), append(s.times(),
		cell{column: "event", text: s.name}, cell{column: "rules", text: strings.Join(s.event.RuleIds, " ")},
		cell{column: "office", text: s.commit.Office}, cell{column: "counter", text: s.commit.Counter},
		cell{column: "actor_kind", text: word(s.commit.GetActor().GetKind())}, cell{column: "actor", text: s.commit.GetActor().GetId()},
		cell{column: "correlation", text: s.commit.CorrelationId}, cell{column: "procedure", text: s.text("procedure")},
		cell{column: "card", text: s.text("card")}, cell{column: "municipality", text: s.place},
		cell{column: "serials", text: numbers(s.serials())}, cell{column: "change", text: s.text("change")},
	)}
}

func (s source) historyRow(serial uint64) row {
	return row{"certificate_history", s.rowKey(s.commit.Kind) + "/" + strconv.FormatUint(serial, 10), append(s.times(),
		cell{column: "event", text: s.name}, cell{column: "office", text: s.commit.Office},
		cell{column: "reason", text: s.revocationReason()}, cell{column: "cause", text: s.text("cause")},
		cell{column: "municipality", text: s.place},
	)}
}

// revocationReason returns the RFC 5280 reason of an event, or "" if the reason is free text.
func (s source) revocationReason() string {
	field, value := s.field("reason")
	if field == nil || field.Enum() == nil {
		return ""
	}
	return strings.TrimPrefix(enumWord(field.Enum(), value.Enum()), "crl-")
}

// cardEvents are those that touch a physical card; true if the card is over after it.
var cardEvents = map[string]bool{
	"CardAssigned": false, "CardTermExtended": false, "CardExpired": true, "CardWriteFailed": false, "CardClaimed": false,
	"CardVoided": true, "CardReturned": true, "CardRetired": true, "CardHandedOver": false, "CardSuspended": false,
	"CardTakenIntoCustody": false, "CardFound": false, "LossReported": false, "KeysRecorded": false,
	"CertificateWritten": false, "Delivered": false, "PinBlocked": false, "PinUnblocked": false, "UnblockAuthorized": false,
}

func (s source) cardRow() (row, bool) {
	ends, touches := cardEvents[s.name]
	if !touches {
		return row{}, false
	}
	card, over := s.text("card"), ""
	if s.commit.Kind == events.KindCard {
		card = s.commit.Id
	}
	if ends {
		over = "true"
	}
	return row{"card_operations", s.rowKey(s.commit.Kind), []cell{
		{column: "card", text: card},
		{column: "event", text: s.name},
		{column: "card_kind", text: s.text("kind")},
		{column: "last_day", text: s.text("last_day")},
		{column: "ends", text: over},
		{column: "filed", at: s.event.FiledMs},
		{column: "recorded", at: s.event.RecordedMs},
		{column: "office", text: s.commit.Office},
		{column: "counter", text: s.commit.Counter},
		{column: "procedure", text: s.text("procedure")},
		{column: "stage", text: s.text("stage")},
		{column: "reason", text: cmp.Or(s.text("reason"), s.text("cause"))},
		{column: "municipality", text: s.place},
	}}, true
}

// enumWord returns an enum value in the words of the tables, or "" for the zero value.
func enumWord(of protoreflect.EnumDescriptor, value protoreflect.EnumNumber) string {
	if value == 0 || of.Values().ByNumber(value) == nil {
		return ""
	}
	prefix := strings.TrimSuffix(string(of.Values().ByNumber(0).Name()), "UNSPECIFIED")
	name := strings.TrimPrefix(string(of.Values().ByNumber(value).Name()), prefix)
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// word returns an enum value of the log in the words of the tables.
func word(e protoreflect.Enum) string { return enumWord(e.Descriptor(), e.Number()) }

func reasonWord(r events.RevocationReason) string { return strings.TrimPrefix(word(r), "crl-") }
