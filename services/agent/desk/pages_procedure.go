package desk

import (
	"cmp"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// procedureView is one procedure on the clerk's page.
type procedureView struct {
	station
	ID, Receipt, Operation, State, Message string
	Steps                                  []stepBox
	Percent                                int
	// Kari: not yet durable at the hub (仮); Calm says so without alarm.
	Kari  string
	Alarm *alarm
	Read  []alarm // the sentences of a refusal, to be read out
	// Holds is what a refused applicant holds, Open the page of the procedure that prevents this one.
	Holds *page.Table
	Open  string
	Offer *offer
	// Letter: a letter is being posted, or its answer awaited; Answer is the form for its answer.
	Letter, Answer string
	// Endings are what this ended or suspended, Deadlines what it started, Kept why nothing ended, Next what to do.
	Endings               *page.Table
	Deadlines, Kept, Next []string
	// HandOverText is what the clerk confirms when the card is handed over.
	HandOverText string
	// Filed is the receipt, with the time of entry if a clerk entered it by hand.
	Filed   string
	Planned []page.Table
	Fees    *page.Table
	FeeYen  uint32
	Card    string
	Confirm bool
	// Ends are what the next step ends for good: the issue of new certificates, or the hand-over of a card.
	Ends []string
	// Shown: it is on the resident's screen.
	Shown    bool
	HandOver bool
	Copy     bool
	Done     bool
	Drop     bool
}

// stepBox is one box of the stepper.
type stepBox struct {
	Text    string
	Current bool
}

// alarm is a sentence and what to do next.
type alarm struct{ What, Next string }

// offer is what would be accepted in place of what was refused.
type offer struct {
	Operation, Href string
	Planned         []page.Table
}

// stages of the stepper: 受付 → 審査 → 本人の確認 → カード → 交付 → 完了.
var stages = []string{"received", "judged", "confirm", "card", "hand-over", "done"}

// settlingStages are those of an application that ends something when accepted: 受付 → 審査 → 完了.
var settlingStages = []string{"received", "judged", "done"}

// reportStages are those of a report: 受付 → 記録.
var reportStages = []string{"received", "recorded"}

var stageOf = map[agent.Stage]int{
	agent.StagePending: 0, agent.StageReceived: 0, agent.StageAccepted: 1, agent.StageRefused: 1, agent.StageDeferred: 1,
	agent.StageConfirm: 2, agent.StageCard: 3, agent.StageIssuing: 3, agent.StageFailed: 3, agent.StageWritten: 4, agent.StageUnblocked: 4,
	agent.StageHandedOver: 5, agent.StageDropped: 5,
}

func (d *Desk) showProcedure(r call, lang page.Language) (reply, error) {
	status, err := d.Counter.Status(r.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	value, err := d.tell(status)
	if err != nil {
		return reply{}, err
	}
	view := d.procedureView(status, lang)
	view.station = d.station(lang, status.Procedure)
	out := show("procedure", page.View{Title: "procedure.title", Scripts: scripts, Data: view})
	out.value = value
	return out, nil
}

func (d *Desk) procedureView(s agent.Status, lang page.Language) procedureView {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	v := procedureView{
		ID: s.Procedure, Receipt: events.CaseNumber(s.Procedure), State: d.stateText(s, lang), Message: pick(lang, s.Message),
		Percent:   s.Percent,
		Operation: d.operationText(s, lang), Card: cmp.Or(s.Card, cardOf(s.Report)), FeeYen: s.FeeYen, Filed: d.filedText(s, lang),
		Confirm: s.Waiting != nil, HandOver: s.ReadyToHandOver(), Done: s.Stage == agent.StageHandedOver && !s.Unrecorded(),
		Drop: s.MayDrop() == nil,
	}
	_, err := d.Counter.Certificates(s.Procedure)
	v.Copy = err == nil && (s.Stage == agent.StageWritten || s.Stage == agent.StageHandedOver)
	at, steps := stageOf[s.Stage], stages
	switch {
	case s.Report != nil:
		at, steps, v.Done = min(at, 1), reportStages, recorded(s)
	case regime.HandlingOf(s.Application.GetOperation()).Settled:
		at, steps = min(at, 1), settlingStages
		if s.Stage == agent.StageAccepted {
			at, v.Done = len(steps)-1, true
		}
	}
	for i, name := range steps {
		v.Steps = append(v.Steps, stepBox{say("step." + name), i == at})
	}
	v.Percent = 100 * at / (len(steps) - 1)
	if s.Stage == agent.StageCard || s.Stage == agent.StageIssuing {
		v.Percent += s.Percent / (len(steps) - 1) // progress of the work on the card, as part of the whole
	}
	v.Shown = d.asked() == s.Procedure
	v.HandOverText = say("handover.do." + handOverWord(s))
	d.tellLetter(&v, s, lang)
	if !s.AtHub {
		v.Kari = say("procedure.unsent")
		if s.Stage == agent.StagePending {
			v.Kari = say("procedure.kari")
		}
		v.Kari += say("procedure.sent." + d.Counter.Link().String())
		if s.Report.GetLossNotified() != nil && d.usualCard() == "mynumber" {
			v.Kari += say("procedure.kari.loss") // what is lost must not wait for the hub
		}
	}
	d.tellAnswer(&v, s, lang)
	v.Alarm = d.alarmOf(s, lang)
	v.Ends = d.endsNext(s, lang)
	return v
}

// endsNext says what the next step ends for good: new certificates end those they replace when issued, a new card the
// one it replaces when handed over.
func (d *Desk) endsNext(s agent.Status, lang page.Language) (ends []string) {
	target := func(kind events.CertificateKind) string {
		return d.pages.Say(lang, "ending.target."+nameOf(kinds, kind))
	}
	if s.Report != nil || regime.HandlingOf(s.Application.GetOperation()).Settled {
		return nil // the hub's answer is all there is
	}
	before := s.Stage == agent.StageAccepted || s.Stage == agent.StageConfirm || s.Stage == agent.StageCard
	if former := s.Answer.GetFormerCard(); former != "" && (before || s.Stage == agent.StageIssuing || s.ReadyToHandOver()) {
		ends = append(ends, d.pages.Say(lang, "procedure.ends.card", former))
	}
	switch {
	case s.ReadyToHandOver():
		for _, c := range s.Answer.GetCertificates() {
			former := c.GetStatus() == events.CertificateStatus_CERTIFICATE_STATUS_VALID || c.GetStatus() == events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED
			juki := c.GetRegime() == events.Regime_REGIME_JUKI && s.Application.GetCardKind() == events.CardKind_CARD_KIND_MYNUMBER
			if former && (juki || s.Application.GetOperation() == events.Operation_OPERATION_HAND_OVER && coming(s.Answer, c)) {
				ends = append(ends, d.pages.Say(lang, "procedure.ends.handed", target(c.GetKind())))
			}
		}
	case before:
		if d.Counter.Made(s.Procedure).Signed {
			return ends
		}
		for _, planned := range s.Answer.GetPlanned() {
			if planned.GetReplaces() != 0 {
				ends = append(ends, d.pages.Say(lang, "procedure.ends.issued", target(planned.GetKind())))
			}
		}
	}
	return ends
}

// coming reports whether a certificate of the same kind and regime awaits hand-over.
func coming(a *events.Answer, former *events.CertificateState) bool {
	return slices.ContainsFunc(a.GetCertificates(), func(c *events.CertificateState) bool {
		return c.GetStatus() == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED && c.GetKind() == former.GetKind() && c.GetRegime() == former.GetRegime()
	})
}

// tellLetter says that a letter of inquiry is on its way and where its answer is entered, even after a refused answer:
// nobody should start again with another letter.
func (d *Desk) tellLetter(v *procedureView, s agent.Status, lang page.Language) {
	switch {
	case s.Stage == agent.StageDeferred:
		v.Letter = d.pages.Say(lang, "procedure.letter", events.CaseNumber(s.Procedure))
	case s.Stage == agent.StageRefused && s.Inquired:
		v.Letter = d.pages.Say(lang, "procedure.letter.waits")
	default:
		return
	}
	v.Answer = d.answerForm(caseOf(s))
}

// filedText says when the procedure was received; a time that a clerk entered by hand is marked as such.
func (d *Desk) filedText(s agent.Status, lang page.Language) string {
	if s.Filed.IsZero() {
		return ""
	}
	filed := s.Filed.In(civil.Tokyo).Format("2006-01-02 15:04")
	if s.Entered.IsZero() {
		return filed
	}
	return filed + d.pages.Say(lang, "procedure.entered", s.Entered.In(civil.Tokyo).Format("15:04"))
}

func handOverWord(s agent.Status) string {
	switch {
	case s.GivesBack():
		return "back"
	case s.FeeYen > 0:
		return "paid"
	}
	return "free"
}

func pick(lang page.Language, m agent.Message) string {
	if lang == page.English {
		return m.EN
	}
	return m.JA
}

// alarmOf returns what a person must put right now.
func (d *Desk) alarmOf(s agent.Status, lang page.Language) *alarm {
	switch {
	case s.Stage == agent.StageCard && s.Message.Key == agent.CardRemoved:
		return &alarm{pick(lang, s.Message), d.pages.Say(lang, "procedure.removed")}
	case s.Stage == agent.StageCard && s.Message.Key == agent.OtherCard:
		return &alarm{pick(lang, s.Message), d.pages.Say(lang, "procedure.other")}
	case s.Message.Key == agent.NotUsed, s.Unrecorded():
		_, next := refusal(s.Refusals).in(lang)
		return &alarm{pick(lang, s.Message), next}
	case s.Stage == agent.StageFailed:
		what, next := failure(s).in(lang)
		return &alarm{what, next}
	}
	return nil
}

// tellAnswer puts the hub's answer into words.
func (d *Desk) tellAnswer(v *procedureView, s agent.Status, lang page.Language) {
	a := s.Answer
	if a == nil {
		return
	}
	if s.Stage == agent.StageRefused {
		for _, id := range a.GetRefusals() {
			what, next := refusal([]string{id}).in(lang)
			v.Read = append(v.Read, alarm{what, next})
		}
		v.Offer, v.Holds = d.offer(a, lang), d.heldTable(a, lang)
		if slices.Contains(a.GetRefusals(), regime.OneAtATime) {
			v.Open = d.openOf(s)
		}
		return
	}
	for _, id := range saidFirst {
		if slices.Contains(a.GetRuleIds(), id) && s.Report == nil {
			v.Kept = append(v.Kept, ruleText(lang, id))
			v.addNext([]string{id}, lang)
		}
	}
	d.tellEndings(v, a, lang)
	if recorded(s) && v.Endings == nil {
		for _, id := range a.GetRuleIds() {
			v.Kept = append(v.Kept, ruleText(lang, id))
		}
		v.addNext(a.GetRuleIds(), lang)
	}
	v.Planned = d.plannedTables(a.GetPlanned(), lang)
	if len(a.GetCardCandidates()) > 0 {
		v.Planned = append(v.Planned,
			d.candidateTable(d.pages.Say(lang, "planned.card", actpage.Day(lang, a.GetCardLastDay())), a.GetCardCandidates(), lang))
	}
	if len(a.GetFee()) > 0 {
		table := d.feeTable(a.GetFee(), lang)
		v.Fees = &table
	}
}

// saidFirst are the rules that the holder must hear before keys are made: what is gained, and what ends (law.md 4.5).
var saidFirst = []regime.ID{regime.GainsNothing, regime.CardEndsToo, regime.ReplacesEnding}

func ruleText(lang page.Language, id regime.ID) string {
	rule, ok := regime.Lookup(id)
	switch {
	case !ok:
		return id
	case lang == page.English:
		return rule.EN
	}
	return rule.JA
}

// postShow sends a procedure to the resident's screen.
func (d *Desk) postShow(r call, _ page.Language) (reply, error) {
	id := r.PathValue("id")
	return goTo("/procedures/" + id), d.sendToScreen(id)
}

// copyView is the 電子証明書の写し that is handed over with the card (law.md 5.8).
type copyView struct {
	ID, Receipt, Office, Printed string
	Certificates                 []shownCertificate
}

func (d *Desk) showCopy(r call, lang page.Language) (reply, error) {
	id := r.PathValue("id")
	if _, err := d.Counter.Status(id); err != nil {
		return reply{}, err
	}
	all, err := d.Counter.Certificates(id)
	if err != nil {
		return reply{}, err
	}
	view := copyView{ID: id, Receipt: events.CaseNumber(id), Office: d.Office, Printed: actpage.Day(lang, civil.Of(d.Counter.Now()).String())}
	for _, der := range all {
		c, err := describe("", der)
		if err != nil {
			return reply{}, err
		}
		view.Certificates = append(view.Certificates, d.showCertificate(c, lang))
	}
	return show("copy", page.View{Title: "copy.title", Scripts: []string{"privacy.js"}, Data: view}), nil
}
