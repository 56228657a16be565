package intake

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Change is a kind of change of the resident record (law.md 8.2, 8.3): its word in forms and files, the law's event for
// it, if there is one, and what must be told of it.
type Change struct {
	Word  string
	Kind  events.RecordChange
	Event regime.Event
	// Record: the record after the change. Planned: the planned day of a move. Keep: whether the card is kept in use over a
	// move. Code: the corrected resident-record code.
	Record, Planned, Keep, Code bool
}

// Changes lists them, the most frequent first.
var Changes = []Change{
	{Word: "name", Kind: events.RecordChange_RECORD_CHANGE_NAME, Event: regime.EvName, Record: true},
	{Word: "address", Kind: events.RecordChange_RECORD_CHANGE_ADDRESS, Event: regime.EvAddress, Record: true},
	{Word: "sex", Kind: events.RecordChange_RECORD_CHANGE_SEX, Event: regime.EvSex, Record: true},
	{Word: "birth-date", Kind: events.RecordChange_RECORD_CHANGE_BIRTH_DATE, Event: regime.EvBirthDate, Record: true},
	{Word: "minor", Kind: events.RecordChange_RECORD_CHANGE_MINOR, Event: regime.EvMinor, Record: true},
	{Word: "move-out", Kind: events.RecordChange_RECORD_CHANGE_MOVE_OUT, Event: regime.EvMoveOut, Planned: true},
	{Word: "move-in", Kind: events.RecordChange_RECORD_CHANGE_MOVE_IN, Event: regime.EvAddress, Record: true, Keep: true},
	{Word: "move-overseas", Kind: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, Event: regime.EvOverseas, Planned: true, Keep: true},
	{Word: "move-called-off", Kind: events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF, Event: regime.EvMoveCalledOff, Keep: true},
	{Word: "death", Kind: events.RecordChange_RECORD_CHANGE_DEATH, Event: regime.EvDeath},
	{Word: "deleted", Kind: events.RecordChange_RECORD_CHANGE_DELETED, Event: regime.EvRecordDeleted},
	{Word: "out-of-scope", Kind: events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE, Event: regime.EvOutOfScope},
	{Word: "period-of-stay", Kind: events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, Record: true},
	{Word: "individual-number", Kind: events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER, Event: regime.EvNumberChanged},
	{Word: "resident-code", Kind: events.RecordChange_RECORD_CHANGE_RESIDENT_CODE, Event: regime.EvCodeCorrected, Code: true},
}

// ChangeWords returns the words of all changes.
func ChangeWords() []string {
	words := make([]string, len(Changes))
	for i, c := range Changes {
		words[i] = c.Word
	}
	return words
}

// ChangeOf returns the change of a word. It returns false if there is none.
func ChangeOf(word string) (Change, bool) {
	return changeThat(func(c Change) bool { return c.Word == word })
}

// ChangeOfKind returns the change of a kind in the log. It returns false if there is none.
func ChangeOfKind(kind events.RecordChange) (Change, bool) {
	return changeThat(func(c Change) bool { return c.Kind == kind })
}

func changeThat(is func(Change) bool) (Change, bool) {
	i := slices.IndexFunc(Changes, is)
	if i < 0 {
		return Change{}, false
	}
	return Changes[i], true
}

// Needs judges whether a change gives all that its kind needs: the day, and who it is about or the record after it.
func (c Change) Needs(told *events.RecordChangeNotified, who *events.ResidentRecord) []Fault {
	faults := Needed("person.resident_code", who.GetResidentCode())
	if c.Record {
		faults = Whole(who)
	}
	return append(faults, Needed("caused_on", told.GetCausedOn())...)
}

// Sealed returns what is sealed about the person: the whole record after a change of it, otherwise only who it is; nil if
// that is not known.
func (c Change) Sealed(who *events.ResidentRecord) *events.Personal {
	if who.GetResidentCode() == "" {
		return nil
	}
	record := &events.ResidentRecord{ResidentCode: who.ResidentCode, Municipality: who.Municipality}
	if c.Record {
		record = proto.CloneOf(who)
	}
	record.CorrectedCode = ""
	if c.Code {
		record.CorrectedCode = who.CorrectedCode
	}
	return &events.Personal{Record: record}
}

// ChangeDays judges the days of a change, which may be empty.
func ChangeDays(told *events.RecordChangeNotified) []Fault {
	var j judge
	j.day("caused_on", told.GetCausedOn())
	j.day("planned_on", told.GetPlannedOn())
	return j.faults
}

// Notified judges a whole change that the resident register notifies on a day, after tidying it.
func (c Change) Notified(told *events.RecordChangeNotified, personal *events.Personal, on civil.Date) []Fault {
	told.CausedOn, told.PlannedOn = Day(told.CausedOn), Day(told.PlannedOn)
	Tidy(personal)
	return slices.Concat(c.Needs(told, personal.GetRecord()), ChangeDays(told), Personal(personal, on))
}
