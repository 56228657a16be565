package desk

import (
	"context"
	"net/http"
	"slices"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// report is a fact other than an application, as sent to the API: a loss, a found card, a change of the resident
// record.
type report struct {
	What string `json:"what"`
	// By is counter (the holder, or who speaks for them, is here) or telephone; only for a loss.
	By        string `json:"by"`
	Card      string `json:"card"`
	CausedOn  string `json:"caused_on"`
	PlannedOn string `json:"planned_on"`
	KeepUsing bool   `json:"keep_using"`
	Clerk     string `json:"clerk"`
	// KnownBirthDate is the date of birth before its correction; otherwise person.birth_date is the known one.
	KnownBirthDate string `json:"known_birth_date"`
	// CorrectedCode is the new resident-record code, if that was corrected; person.resident_code is the one known so
	// far.
	CorrectedCode string `json:"corrected_code"`
	Person        person `json:"person"`
}

// reportKind is what can be reported, and what the clerk must enter for it.
type reportKind struct {
	what string
	// change is the change of the resident record, event the law's event for it; both empty if there is none.
	change events.RecordChange
	event  regime.Event
	// card: which card it is; record: the record after the change; planned: the planned day of a move; keep: the card
	// is submitted with the notification, will be used on abroad, or will not after all. code: the corrected
	// resident-record code.
	card, record, planned, keep, code bool
}

// reportKinds lists them in the order of the page, the most frequent first (law.md 8.2, 8.3).
var reportKinds = []reportKind{
	{what: "loss", event: regime.EvLossReport},
	{what: "found", event: regime.EvFound, card: true},
	{what: "custody", card: true},
	{what: "name", change: events.RecordChange_RECORD_CHANGE_NAME, event: regime.EvName, record: true},
	{what: "address", change: events.RecordChange_RECORD_CHANGE_ADDRESS, event: regime.EvAddress, record: true},
	{what: "sex", change: events.RecordChange_RECORD_CHANGE_SEX, event: regime.EvSex, record: true},
	{what: "birth-date", change: events.RecordChange_RECORD_CHANGE_BIRTH_DATE, event: regime.EvBirthDate, record: true},
	{what: "minor", change: events.RecordChange_RECORD_CHANGE_MINOR, event: regime.EvMinor, record: true},
	{what: "move-out", change: events.RecordChange_RECORD_CHANGE_MOVE_OUT, event: regime.EvMoveOut, planned: true},
	{what: "move-in", change: events.RecordChange_RECORD_CHANGE_MOVE_IN, event: regime.EvAddress, record: true, keep: true},
	{what: "move-overseas", change: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, event: regime.EvOverseas, planned: true, keep: true},
	{what: "move-called-off", change: events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF, event: regime.EvMoveCalledOff, keep: true},
	{what: "death", change: events.RecordChange_RECORD_CHANGE_DEATH, event: regime.EvDeath},
	{what: "deleted", change: events.RecordChange_RECORD_CHANGE_DELETED, event: regime.EvRecordDeleted},
	{what: "out-of-scope", change: events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE, event: regime.EvOutOfScope},
	{what: "period-of-stay", change: events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, record: true},
	{what: "individual-number", change: events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER, event: regime.EvNumberChanged},
	{what: "resident-code", change: events.RecordChange_RECORD_CHANGE_RESIDENT_CODE, event: regime.EvCodeCorrected, code: true},
}

// reportsByWord maps the API's words to the kinds.
var reportsByWord = func() map[string]reportKind {
	kinds := make(map[string]reportKind)
	for _, k := range reportKinds {
		kinds[k.what] = k
	}
	return kinds
}()

// wordOf returns the API's word for a report that was filed.
func wordOf(claim *events.Claim) string {
	switch fact := claim.GetFact().(type) {
	case *events.Claim_LossNotified:
		return "loss"
	case *events.Claim_CardFoundNotified:
		return "found"
	case *events.Claim_CustodyTaken:
		return "custody"
	case *events.Claim_PinsBlocked:
		return "pins-blocked"
	case *events.Claim_RecordChangeNotified:
		for _, k := range reportKinds {
			if k.change == fact.RecordChangeNotified.GetChange() {
				return k.what
			}
		}
	}
	return "other"
}

// cardOf returns the card that a report names, or "".
func cardOf(claim *events.Claim) string {
	switch fact := claim.GetFact().(type) {
	case *events.Claim_CardFoundNotified:
		return fact.CardFoundNotified.GetCard()
	case *events.Claim_CustodyTaken:
		return fact.CustodyTaken.GetCard()
	case *events.Claim_PinsBlocked:
		return fact.PinsBlocked.GetCard()
	}
	return ""
}

func (d *Desk) apiReport(c call, _ page.Language) (reply, error) {
	var r report
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	facts, err := d.factsOf(c.Context(), r)
	if err != nil {
		return reply{}, err
	}
	if _, err := d.comparedOf(c.Context(), r, facts); err != nil {
		return reply{}, err
	}
	id, err := d.Counter.Report(c.Context(), facts.claim, facts.personal)
	if err != nil {
		return reply{}, err
	}
	return told(http.StatusAccepted, map[string]string{"procedure": id, "claim": id}), nil
}

// filed is a report as it is filed.
type filed struct {
	claim    *events.Claim
	personal *events.Personal
	// who is everything that was entered about the person
	who *events.ResidentRecord
}

// asksWho reports whether code and date of birth must be confirmed before a report is filed: it ends something, and
// names a person rather than a card.
func (d *Desk) asksWho(kind reportKind, r report) bool {
	return !kind.card && d.consequences(kind, r).Ends
}

// knownBirth returns the date of birth that the centre knows so far.
func (r report) knownBirth() string {
	if r.What == "birth-date" {
		return r.KnownBirthDate
	}
	return r.Person.BirthDate
}

// comparedOf asks the centre about a report's person, if necessary. The error is errUnknownPerson.
func (d *Desk) comparedOf(ctx context.Context, r report, facts filed) (compared, error) {
	kind := reportsByWord[r.What]
	if !d.asksWho(kind, r) {
		return compared{}, nil
	}
	return d.compare(ctx, r.Clerk, facts.who.GetResidentCode(), intake.BirthDate(r.knownBirth()))
}

// judgedReport returns a report with its dates normalised, who it is about, and everything that is wrong with it, in
// the order of the form.
func (d *Desk) judgedReport(r report) (report, *events.ResidentRecord, []intake.Fault) {
	kind, faults := wordIn(reportsByWord, "what", r.What)
	told := request{Person: r.Person}.personal()
	told.Record.CorrectedCode = r.CorrectedCode
	intake.Tidy(told)
	r.CausedOn, r.PlannedOn = intake.Day(r.CausedOn), intake.Day(r.PlannedOn)
	faults = slices.Concat(faults, d.neededIn(kind, r, told.Record), intake.Personal(told, civil.Of(d.Counter.Now())))
	for _, day := range []struct{ field, text string }{{"caused_on", r.CausedOn}, {"planned_on", r.PlannedOn}} {
		if _, err := civil.Parse(day.text); err != nil {
			faults = append(faults, intake.Fault{Field: day.field, Why: intake.NoDay})
		}
	}
	if _, err := civil.ParseWritten(r.KnownBirthDate); err != nil {
		faults = append(faults, intake.Fault{Field: "known_birth_date", Why: intake.NoDay})
	}
	if kind.what == "loss" {
		_, unknown := wordIn(reporters, "by", r.By)
		faults = append(faults, unknown...)
	}
	return r, told.Record, append(faults, intake.Card("card", r.Card)...)
}

// neededIn checks that a report gives all that its kind needs.
func (d *Desk) neededIn(kind reportKind, r report, who *events.ResidentRecord) []intake.Fault {
	faults := intake.Officer("clerk", r.Clerk)
	switch {
	case kind.record:
		faults = append(faults, intake.Whole(who)...)
	case !kind.card:
		faults = append(faults, intake.Needed("person.resident_code", who.GetResidentCode())...)
	}
	if kind.change != 0 {
		faults = append(faults, intake.Needed("caused_on", r.CausedOn)...)
	}
	switch {
	case kind.what == "birth-date":
		faults = append(faults, intake.Needed("known_birth_date", r.KnownBirthDate)...)
	case !kind.record && d.asksWho(kind, r):
		faults = append(faults, intake.Needed("person.birth_date", who.GetBirthDate())...)
	}
	return faults
}

// factsOf judges a report and returns what to file.
func (d *Desk) factsOf(ctx context.Context, r report) (filed, error) {
	r, who, faults := d.judgedReport(r)
	if err := faultProblem(faults); err != nil {
		return filed{}, err
	}
	return d.filedOf(ctx, r, who)
}

// filedOf returns what to file for a faultless report.
func (d *Desk) filedOf(ctx context.Context, r report, who *events.ResidentRecord) (filed, error) {
	kind := reportsByWord[r.What]
	claim := &events.Claim{Officer: r.Clerk}
	if err := d.fact(ctx, claim, kind, r); err != nil {
		return filed{}, err
	}
	return filed{claim, kind.sealedOf(who), who}, nil
}

// fact fills in what was reported.
func (d *Desk) fact(ctx context.Context, claim *events.Claim, kind reportKind, r report) error {
	if kind.card && r.Card == "" {
		on, err := d.cardThere(ctx)
		if err != nil {
			return err
		}
		r.Card = on
	}
	switch kind.what {
	case "loss":
		claim.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: reporters[r.By]}}
	case "found":
		claim.Fact = &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: r.Card}}
	case "custody":
		claim.Fact = &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: r.Card}}
	default:
		claim.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
			Change: kind.change, CausedOn: r.CausedOn, PlannedOn: r.PlannedOn, KeepUsing: r.KeepUsing && kind.keep,
		}}
	}
	return nil
}

// reporters maps who reports a loss to the claim's name for them.
var reporters = map[string]string{"": "counter", "counter": "counter", "telephone": "telephone"}

// sealedOf returns what is sealed about the person: the whole record after a change of it, otherwise only who it is.
func (k reportKind) sealedOf(who *events.ResidentRecord) *events.Personal {
	if who.GetResidentCode() == "" {
		return nil
	}
	record := &events.ResidentRecord{ResidentCode: who.ResidentCode, Municipality: who.Municipality}
	if k.record {
		record = proto.CloneOf(who)
	}
	record.CorrectedCode = ""
	if k.code {
		record.CorrectedCode = who.CorrectedCode
	}
	return &events.Personal{Record: record}
}

// cardThere returns the number of the card on the reader.
func (d *Desk) cardThere(ctx context.Context) (string, error) {
	var identity card.Identity
	err := d.Counter.Look(ctx, func(s *card.Session) (err error) {
		identity, err = s.Identify()
		return err
	})
	return identity.CardID, err
}

// recorded reports whether a report is in the log; nothing more follows for it.
func recorded(s agent.Status) bool { return s.Report != nil && s.Stage == agent.StageAccepted }
