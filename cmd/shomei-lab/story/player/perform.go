package player

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// outcome is the result of a step's application.
type outcome struct {
	answer  *events.Answer
	trouble story.Text
}

// performance is one story being played.
type performance struct {
	world *World
	// people are the persons as last described, by name; order is that of their introduction.
	people map[string]story.Resident
	order  []string
	// hand maps persons to their card, waiting to the card that the factory made for them.
	hand, waiting map[string]string
	// left maps persons to an application left before its end, letters to one that waits for a letter's answer.
	left, letters map[string]leftAt
}

// leftAt is an application and where it continues.
type leftAt struct {
	desk        string
	procedure   string
	application *story.Application
}

func newPerformance(w *World) *performance {
	return &performance{
		world: w, people: make(map[string]story.Resident), hand: make(map[string]string), waiting: make(map[string]string),
		left: make(map[string]leftAt), letters: make(map[string]leftAt),
	}
}

// meet records a person as the story describes them now.
func (p *performance) meet(who story.Resident) {
	if _, known := p.people[who.Nick]; !known {
		p.order = append(p.order, who.Nick)
	}
	p.people[who.Nick] = who
}

// perform performs one act. Objections of the centre or a counter are part of the outcome; err is any other failure.
func (p *performance) perform(ctx context.Context, act story.Act) (outcome, error) {
	var out outcome
	var err error
	switch a := act.(type) {
	case *story.SetClock:
		err = p.world.Advance(ctx, a.To)
	case *story.Wait:
		err = p.world.Advance(ctx, a.After(p.world.Now()))
	case *story.Office:
		err = p.world.Define(ctx, a)
	case *story.Facts:
		p.meet(a.Person)
	case *story.Look:
	case *story.Application:
		p.meet(a.Person)
		out, err = p.apply(ctx, a)
	case *story.Finish:
		out, err = p.finish(ctx, a)
	case *story.Change:
		former := p.people[a.Person.Nick]
		p.meet(a.Person)
		err = p.change(ctx, a, former)
	case *story.Notification:
		err = p.report(ctx, a)
	case *story.Phone:
		out, err = p.phone(ctx, a)
	case *story.Order:
		err = p.command(ctx, a)
	case *story.Block:
		err = p.block(ctx, a)
	}
	var objection *problem
	if errors.As(err, &objection) {
		out.trouble, err = story.Text{JA: objection.JA, EN: objection.EN}, nil
	}
	if err != nil {
		return out, err
	}
	return out, p.world.Hub.Settle(ctx)
}

// apply files an application and, if it is accepted, carries it as far as the story says.
func (p *performance) apply(ctx context.Context, a *story.Application) (outcome, error) {
	d, name, err := p.deskFor(ctx, a)
	if err != nil {
		return outcome{}, err
	}
	presented := p.presented(a)
	if err := p.layDown(ctx, d, name, a, presented); err != nil {
		return outcome{}, err
	}
	waits, ok := p.letters[a.Person.Nick]
	if a.ReturnsLetter && !ok {
		return outcome{trouble: story.Text{JA: "照会書の回答を待つ申請がありません。", EN: "no application of this person waits for a letter"}}, nil
	}
	letter, err := LetterNumber(filepath.Join(p.world.Hub.Data, "mail"), p.world.Hub.PrintDesk, waits.procedure)
	if err != nil {
		return outcome{}, err
	}
	request := newRequest(a, presented, letter)
	if a.ReturnsLetter {
		request.Procedure = waits.procedure
	}
	var accepted struct{ Procedure string }
	if err := p.act(ctx, d, a, "/api/applications", request, &accepted); err != nil {
		return outcome{}, err
	}
	at := leftAt{name, accepted.Procedure, a}
	if err := p.grant(ctx, d, at); err != nil {
		return outcome{}, err
	}
	return p.follow(ctx, d, at)
}

// LetterNumber returns the number on a procedure's letter of inquiry, from the mails to the print desk in a folder; empty if
// there is none.
func LetterNumber(folder, printDesk, procedure string) (number string, err error) {
	if procedure == "" {
		return "", nil
	}
	mails, err := mailsTo(folder, printDesk)
	for _, mail := range mails {
		if found := letterNumber.FindStringSubmatch(mail); found != nil && strings.Contains(mail, events.CaseNumber(procedure)) {
			number = found[1]
		}
	}
	return number, err
}

var letterNumber = regexp.MustCompile(`照会書番号\s+(\S+)`)

func (p *performance) deskFor(ctx context.Context, a *story.Application) (*desk, string, error) {
	if a.Office != "" {
		return p.world.desk(ctx, a.Office, "counter")
	}
	office, err := p.world.mainOffice(a.Person.Municipality)
	if err != nil {
		return nil, "", err
	}
	return p.world.desk(ctx, office, "factory")
}

// presented returns the card of an application: the one that the story names, else the one waiting or in hand.
func (p *performance) presented(a *story.Application) string {
	nick := a.Person.Nick
	switch {
	case a.Card != "":
		return a.Card
	case a.Operation == events.Operation_OPERATION_HAND_OVER:
		return p.waiting[nick]
	case a.Operation == events.Operation_OPERATION_REVOKE && !slices.Contains(a.Documents, "card"):
		return ""
	}
	return p.hand[nick]
}

// layDown puts the card onto the reader, or removes any other if the application has none.
func (p *performance) layDown(ctx context.Context, d *desk, name string, a *story.Application, card string) error {
	if card == "" {
		return d.eject(ctx)
	}
	if err := p.world.bring(ctx, d, name, card, a.CardKind); err != nil || !a.Worn {
		return err
	}
	if err := d.eject(ctx); err != nil {
		return err
	}
	if err := softcard.WearOut(d.file(card)); err != nil {
		return err
	}
	d.gone[card] = true // the agent must read the card anew
	return p.world.bring(ctx, d, name, card, a.CardKind)
}

// follow waits for an application's answer and carries it as far as the story says.
func (p *performance) follow(ctx context.Context, d *desk, at leftAt) (outcome, error) {
	a, nick := at.application, at.application.Person.Nick
	states := []string{"refused", "deferred", "failed", "waiting-confirmation", "ready", "done"}
	if regime.HandlingOf(a.Operation).Settled {
		states = append(states, "accepted")
	}
	state, err := d.until(ctx, at.procedure, states...)
	if err != nil {
		return outcome{}, err
	}
	answer, err := state.answer()
	if err != nil {
		return outcome{}, err
	}
	out := outcome{answer: answer}
	switch state.State {
	case "refused":
		return out, nil
	case "deferred":
		p.letters[nick] = at
		return out, nil
	case "failed":
		out.trouble = state.trouble()
		p.left[nick] = at
		return out, nil
	case "accepted", "done":
		return out, nil
	}
	delete(p.letters, nick)
	if a.Until == story.Accepted {
		p.left[nick] = at
		return out, nil
	}
	return p.carryThrough(ctx, d, at, state, out)
}

// carryThrough confirms, waits for the card and hands it over, as far as the story says.
func (p *performance) carryThrough(ctx context.Context, d *desk, at leftAt, state *procedure, out outcome) (outcome, error) {
	a, nick := at.application, at.application.Person.Nick
	p.left[nick] = at
	var err error
	if state.State == "waiting-confirmation" {
		if err = d.call(ctx, "POST", "/api/procedures/"+at.procedure+"/confirm", map[string]any{"pins": typed(a, state)}, nil); err != nil {
			return out, err
		}
		if state, err = d.until(ctx, at.procedure, "ready", "failed", "refused"); err != nil {
			return out, err
		}
		if state, err = p.answered(ctx, d, at, state); err != nil {
			return out, err
		}
	}
	if state.State == "refused" { // withdrawn by the centre after the acceptance
		delete(p.left, nick)
		out.answer, err = state.answer()
		return out, err
	}
	if state.State == "failed" {
		out.trouble = state.trouble()
		return out, nil
	}
	if a.Office == "" {
		delete(p.left, nick)
		p.waiting[nick] = a.Card
		return out, nil
	}
	if a.Until == story.Written {
		return out, nil
	}
	return out, p.handOut(ctx, d, at, state, a.PaperCopy)
}

// answered waits, after a failed command, for the centre's reaction: it may try the card again, or may already have
// withdrawn the application, which the counter then shows as refused.
func (p *performance) answered(ctx context.Context, d *desk, at leftAt, state *procedure) (*procedure, error) {
	if state.State != "failed" {
		return state, nil
	}
	err := d.poll(ctx, "the centre to have the counter's report", func() (bool, error) {
		state = &procedure{}
		err := d.call(ctx, "GET", "/api/procedures/"+at.procedure, nil, state)
		return state.AtHub, err
	})
	if err != nil {
		return nil, err
	}
	if err := p.world.Hub.Settle(ctx); err != nil {
		return nil, err
	}
	commits, err := p.world.Commits(ctx, p.world.Subscriber(at.application.Person))
	if err != nil || len(commits) == 0 {
		return state, err
	}
	for _, e := range commits[len(commits)-1].GetEvents() {
		if slices.Contains(e.GetRuleIds(), regime.NoLongerOpen) {
			return d.until(ctx, at.procedure, "refused")
		}
	}
	return d.until(ctx, at.procedure, "ready", "failed", "refused", "waiting-confirmation")
}

// The PINs of every story; they open nothing but cards in software.
const (
	storySignPIN = "ABC123"
	storyAuthPIN = "1234"
)

// typed returns the PINs that the resident types: the required ones and those in the story.
func typed(a *story.Application, state *procedure) map[string]string {
	all := make(map[string]string)
	for _, kind := range state.PINs {
		all[kind] = map[string]string{"sign": storySignPIN, "auth": storyAuthPIN}[kind]
	}
	if a.SignPIN != "" {
		all["sign"] = a.SignPIN
	}
	if a.AuthPIN != "" {
		all["auth"] = a.AuthPIN
	}
	return all
}

// handOut collects the fee and hands over the card and the paper copy, which juki cards always have (law.md 5.8).
func (p *performance) handOut(ctx context.Context, d *desk, at leftAt, state *procedure, paper bool) error {
	card := p.presented(at.application)
	paper = paper || p.world.kinds[card] == events.CardKind_CARD_KIND_JUKI
	body := map[string]any{"fee_yen": state.FeeYen, "paper_copy": paper}
	if err := p.act(ctx, d, at.application, "/api/procedures/"+at.procedure+"/hand-over", body, nil); err != nil {
		return err
	}
	if _, err := d.until(ctx, at.procedure, "done"); err != nil {
		return err
	}
	nick := at.application.Person.Nick
	delete(p.left, nick)
	if p.hand[nick] = card; p.waiting[nick] == card {
		delete(p.waiting, nick)
	}
	return d.eject(ctx)
}

// finish continues an application that was left.
func (p *performance) finish(ctx context.Context, f *story.Finish) (outcome, error) {
	at, ok := p.left[f.Person.Nick]
	if letter, waits := p.letters[f.Person.Nick]; !ok && waits && f.Step == story.Drop {
		at, ok = letter, true
	}
	if !ok {
		return outcome{trouble: story.Text{JA: "途中で残した申請がありません。", EN: "no application of this person was left"}}, nil
	}
	d := p.world.desks[at.desk]
	if f.Step == story.Drop {
		delete(p.left, f.Person.Nick)
		delete(p.letters, f.Person.Nick)
		return outcome{}, p.act(ctx, d, at.application, "/api/procedures/"+at.procedure+"/drop", map[string]string{"why": "applicant"}, nil)
	}
	at.application.PaperCopy = at.application.PaperCopy || f.PaperCopy
	at.application.SignPIN, at.application.AuthPIN = f.SignPIN, f.AuthPIN
	if err := p.bringAgain(ctx, d, at); err != nil {
		return outcome{}, err
	}
	state, err := d.until(ctx, at.procedure, "waiting-confirmation", "ready", "failed", "refused", "done", "dropped")
	if err != nil {
		return outcome{}, err
	}
	answer, err := state.answer()
	out := outcome{answer: answer}
	switch {
	case err != nil:
		return out, err
	case f.Step == story.Confirm && state.State == "waiting-confirmation":
		at.application.Until = story.Written
		return p.carryThrough(ctx, d, at, state, out)
	case f.Step == story.HandOut && state.State == "ready":
		return out, p.handOut(ctx, d, at, state, at.application.PaperCopy)
	}
	out.trouble = state.trouble()
	return out, nil
}

// bringAgain puts the card of an application that was left back onto the reader.
func (p *performance) bringAgain(ctx context.Context, d *desk, at leftAt) error {
	card := p.presented(at.application)
	if card == "" {
		return nil
	}
	return p.world.bring(ctx, d, at.desk, card, at.application.CardKind)
}

// change reports a change of the resident record, from where it was filed or from the register itself. A corrected code is
// reported together with the former one.
func (p *performance) change(ctx context.Context, c *story.Change, former story.Resident) error {
	office := c.Office
	if office == "" {
		var err error
		if office, err = p.world.mainOffice(c.Person.Municipality); err != nil {
			return err
		}
	}
	caused := c.CausedOn
	if caused == "" {
		caused = civil.Of(p.world.Now()).String()
	}
	claim := &events.Claim{Fact: &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
		Change: c.Change, CausedOn: caused, PlannedOn: c.PlannedOn, KeepUsing: c.KeepUsing,
	}}}
	record := recordOf(c.Person)
	if c.Change == events.RecordChange_RECORD_CHANGE_RESIDENT_CODE && former.Code != "" && former.Code != c.Person.Code {
		record.ResidentCode, record.CorrectedCode = former.Code, c.Person.Code
	}
	return p.world.Tell(ctx, office, "register", claim, record)
}

// report reports a loss, by telephone or at an office, or a card that was found.
func (p *performance) report(ctx context.Context, r *story.Notification) error {
	who := p.people[r.Person.Nick]
	if !r.Found {
		return p.lose(ctx, who, r.Office, "")
	}
	return p.notify(ctx, who, r.Office, func(string) *events.Claim {
		return &events.Claim{Fact: &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: p.hand[who.Nick]}}}
	})
}

// lose reports the loss of the card or, if one is named, of a smartphone.
func (p *performance) lose(ctx context.Context, who story.Resident, office, device string) error {
	return p.notify(ctx, who, office, func(by string) *events.Claim {
		return &events.Claim{Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: by, Device: device}}}
	})
}

// notify reports a fact at an office or, if none is named, by telephone.
func (p *performance) notify(ctx context.Context, who story.Resident, office string, claim func(by string) *events.Claim) (err error) {
	role := "counter"
	if office == "" {
		role = "telephone"
		if office, err = p.world.mainOffice(who.Municipality); err != nil {
			return err
		}
	}
	return p.world.Tell(ctx, office, role, claim(role), recordOf(who))
}

// command files the authority's order about certificates that have not ended.
func (p *performance) command(ctx context.Context, o *story.Order) error {
	who := p.people[o.Person.Nick]
	office, err := p.world.mainOffice(who.Municipality)
	if err != nil {
		return err
	}
	commits, err := p.world.Commits(ctx, p.world.Subscriber(who))
	if err != nil {
		return err
	}
	fact := &events.AuthorityOrder{Reason: o.Reason}
	for _, c := range story.Read("", commits).Certificates {
		ended := c.Status == "revoked" || c.Status == "expired" || c.Status == "abandoned"
		if !ended && (len(o.Kinds) == 0 || slices.Contains(o.Kinds, c.Kind)) {
			fact.Serials = append(fact.Serials, c.Serial)
		}
	}
	return p.world.Tell(ctx, office, "operator", &events.Claim{Fact: &events.Claim_AuthorityOrder{AuthorityOrder: fact}}, recordOf(who))
}

// block tries wrong PINs on the person's card until they are blocked, and reports that.
func (p *performance) block(ctx context.Context, b *story.Block) error {
	who := p.people[b.Person.Nick]
	id := p.hand[who.Nick]
	file, err := p.takeOut(ctx, id, &problem{JA: "ロックする暗証番号の入ったカードを本人が持っていません。", EN: "this person has no card whose PIN could be blocked"})
	if err != nil {
		return err
	}
	if err := spendTries(file, b.Pins); err != nil {
		return err
	}
	return p.world.Tell(ctx, b.Office, "counter", &events.Claim{Fact: &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Pins: b.Pins, Card: id}}}, recordOf(who))
}

// takeOut removes a card from its reader for use elsewhere and returns its file. It returns the error missing if the holder
// has no card.
func (p *performance) takeOut(ctx context.Context, id string, missing *problem) (file string, err error) {
	d := p.world.desks[p.world.cards[id]]
	if d == nil {
		return "", missing
	}
	if err := d.eject(ctx); err != nil {
		return "", err
	}
	d.gone[id] = true
	return d.file(id), nil
}

func spendTries(file string, pins []events.PinKind) error {
	chip, err := softcard.Open(softcard.Config{Path: file})
	if err != nil {
		return err
	}
	defer chip.Reset()
	session := card.NewSession(chip)
	for _, pin := range pins {
		slot, wrong := card.Sign, []byte("WRONG000")
		if pin == events.PinKind_PIN_KIND_AUTH {
			slot, wrong = card.Auth, []byte("0000")
		}
		for range 10 { // no PIN has so many tries (law.md 6.2)
			if err = session.Verify(slot, wrong); errors.Is(err, card.ErrBlocked) {
				break
			}
		}
		if !errors.Is(err, card.ErrBlocked) {
			return fmt.Errorf("blocking the PIN of the %s slot: %w", slot, err)
		}
	}
	return nil
}
