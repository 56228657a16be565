package desk

import (
	"context"
	"slices"

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

// reportKind is what can be reported: a change of the resident record, or what happened to a card.
type reportKind struct {
	intake.Change
	// card: which card it is must be entered.
	card bool
}

// reportKinds lists them in the order of the page.
var reportKinds = func() []reportKind {
	kinds := []reportKind{
		{Change: intake.Change{Word: "loss", Event: regime.EvLossReport}},
		{Change: intake.Change{Word: "found", Event: regime.EvFound}, card: true},
		{Change: intake.Change{Word: "custody"}, card: true},
	}
	for _, c := range intake.Changes {
		kinds = append(kinds, reportKind{Change: c})
	}
	return kinds
}()

// reportsByWord maps the API's words to the kinds.
var reportsByWord = func() map[string]reportKind {
	kinds := make(map[string]reportKind)
	for _, k := range reportKinds {
		kinds[k.Word] = k
	}
	return kinds
}()

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
	act, err := d.Counter.Reporting(facts.claim, facts.personal)
	return d.file(c, act, err)
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
	faults = append(faults, intake.ChangeDays(r.change(kind))...)
	if _, err := civil.ParseWritten(r.KnownBirthDate); err != nil {
		faults = append(faults, intake.Fault{Field: "known_birth_date", Why: intake.NoDay})
	}
	if kind.Word == "loss" {
		_, unknown := wordIn(reporters, "by", r.By)
		faults = append(faults, unknown...)
	}
	return r, told.Record, append(faults, intake.Card("card", r.Card)...)
}

// neededIn checks that a report gives all that its kind needs.
func (d *Desk) neededIn(kind reportKind, r report, who *events.ResidentRecord) []intake.Fault {
	faults := intake.Officer("clerk", r.Clerk)
	switch {
	case kind.Kind != 0:
		faults = append(faults, kind.Needs(r.change(kind), who)...)
	case !kind.card:
		faults = append(faults, intake.Needed("person.resident_code", who.GetResidentCode())...)
	}
	switch {
	case kind.Word == "birth-date":
		faults = append(faults, intake.Needed("known_birth_date", r.KnownBirthDate)...)
	case !kind.Record && d.asksWho(kind, r):
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
	return filed{claim, kind.Sealed(who), who}, nil
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
	switch kind.Word {
	case "loss":
		claim.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: reporters[r.By]}}
	case "found":
		claim.Fact = &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: r.Card}}
	case "custody":
		claim.Fact = &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: r.Card}}
	default:
		claim.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: r.change(kind)}
	}
	return nil
}

// change returns a report as a change of the resident record.
func (r report) change(kind reportKind) *events.RecordChangeNotified {
	return &events.RecordChangeNotified{
		Change: kind.Kind, CausedOn: r.CausedOn, PlannedOn: r.PlannedOn, KeepUsing: r.KeepUsing && kind.Keep,
	}
}

// reporters maps who reports a loss to the claim's name for them.
var reporters = map[string]string{"": "counter", "counter": "counter", "telephone": "telephone"}

// cardThere returns the number of the card on the reader.
func (d *Desk) cardThere(ctx context.Context) (string, error) {
	if d.doorOf(ctx).far() {
		return "", errAtReader
	}
	var identity card.Identity
	err := d.Counter.Look(ctx, func(s *card.Session) (err error) {
		identity, err = s.Identify()
		return err
	})
	return identity.CardID, err
}

// recorded reports whether a report is in the log; nothing more follows for it.
func recorded(s agent.Status) bool { return s.Report != nil && s.Stage == agent.StageAccepted }
