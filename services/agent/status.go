package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/regime"
)

// Stage is how far a procedure is, as the counter sees it.
type Stage string

// The stages. Only Received and later ones are a promise to the applicant (受付済).
const (
	// StagePending: stored here, not yet at the hub (仮).
	StagePending Stage = "pending"
	// StageReceived: at the hub, no answer yet (受付済).
	StageReceived Stage = "received"
	// StageRefused: the hub refused; Answer holds the rules and what would be accepted.
	StageRefused Stage = "refused"
	// StageDeferred: a letter of inquiry is posted first.
	StageDeferred Stage = "deferred"
	// StageAccepted: the hub accepted; nothing to do at the counter yet, or ever.
	StageAccepted Stage = "accepted"
	// StageConfirm: the resident's page waits for confirmation and PINs.
	StageConfirm Stage = "confirm"
	// StageCard: the card is being worked on, or waited for.
	StageCard Stage = "card"
	// StageIssuing: the new keys are told to the hub, the certificates are awaited.
	StageIssuing Stage = "issuing"
	// StageWritten: certificates are on the card, read back and in force; fee and hand-over are next.
	StageWritten Stage = "written"
	// StageUnblocked: the PINs are set anew.
	StageUnblocked Stage = "unblocked"
	// StageHandedOver: done.
	StageHandedOver Stage = "handed over"
	// StageFailed: the work on the card failed; Failure says how, the hub decides what next.
	StageFailed Stage = "failed"
	// StageDropped: given up by the applicant.
	StageDropped Stage = "dropped"
)

// Status is what a page shows of a procedure.
type Status struct {
	Procedure  string
	Subscriber string
	Stage      Stage
	// AtHub: every claim of the procedure is at the hub.
	AtHub bool
	// Application as it was recorded; nil for other facts.
	Application *events.ApplicationReceived
	// Report is the claim of another fact that opened the procedure, without its sealed part; nil for applications.
	Report  *events.Claim
	Officer string
	Filed   time.Time
	// Entered is when a clerk entered Filed by hand; zero when the clock gave it.
	Entered time.Time
	// Answer is the hub's answer to the application, nil before; certificates and the card's last day are the newest told.
	Answer *events.Answer
	// Inquired: the answer to a letter of inquiry is waited for; OnFile is what the office has of the application since then.
	Inquired bool
	OnFile   []string
	// Refusals are the rules by which the hub refused a later claim of the procedure.
	Refusals []string
	Card     string
	FeeYen   uint32
	// Commanded: the centre has sent work to do on the card, so that a card is not ready before it is done.
	Commanded bool
	// Waiting is what the resident must confirm in StageConfirm.
	Waiting *Confirmation
	// Percent and Message are those of the newest progress.
	Percent int
	Message Message
	Failure *events.WriteFailed
}

// Confirmation is what the resident's page asks.
type Confirmation struct {
	Obligation string
	// PINs must be typed (each twice, on the page); Optional ones may be: without one the card keeps the PIN it has.
	PINs, Optional []events.PinKind
	Regime         events.Regime
	// Deadline after which it is too late; zero for none.
	Deadline time.Time
}

// Update is one step of live progress of a procedure.
type Update struct {
	Procedure string
	Stage     Stage
	// Percent of the work at the counter.
	Percent int
	Message Message
	// Link and Outbox go with every update, so that one subscription serves a page.
	Link   counterlink.LinkState
	Outbox int
}

// procedure is what the counter remembers; the application is guarded by Counter.mu.
type procedure struct {
	status Status
	// last is the number of the newest claim, to know when the hub has all.
	last uint64
	// opened is the id of the claim whose answer decides the stage.
	opened string
	// keys is the id of the claim that told of new keys, of what became of their certificates or of a command that was not
	// begun, refused the newest answer that refused a claim after the first.
	keys    string
	refused *events.Answer
	// newest is the id of the newest claim; unused are the rules by which the hub did not use a claim, by its id.
	newest string
	unused map[string][]string
	wait   *waiting
	// claims are the ids of its claims, works its commands and answers, oldest first.
	claims map[string]bool
	works  []*work
}

// busy reports whether a command of the procedure has no outcome yet.
func (p *procedure) busy() bool { return slices.ContainsFunc(p.works, (*work).owed) }

// cancel ends what waits in a procedure, the newest command first.
func (p *procedure) cancel(why error) {
	for _, w := range slices.Backward(p.works) {
		if w.done == nil && w.cancel != nil {
			w.cancel(why)
		}
	}
}

type watcher struct {
	procedure string
	ch        chan Update
}

// Status tells how far a procedure is. ErrUnknownProcedure.
func (c *Counter) Status(procedure string) (Status, error) {
	delivered := c.store.Delivered().Number
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procedures[procedure]
	if p == nil {
		return Status{}, fmt.Errorf("procedure %q: %w", procedure, ErrUnknownProcedure)
	}
	return p.snapshot(delivered), nil
}

// Procedures lists what this counter remembers, the newest first.
func (c *Counter) Procedures() []Status {
	delivered := c.store.Delivered().Number
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Status, 0, len(c.procedures))
	for _, p := range c.procedures {
		all = append(all, p.snapshot(delivered))
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(b.Filed.Compare(a.Filed), cmp.Compare(b.Procedure, a.Procedure))
	})
	return all
}

func (p *procedure) snapshot(delivered uint64) Status {
	s := p.status
	s.AtHub = p.last <= delivered
	if s.Stage == StagePending && s.AtHub {
		s.Stage = StageReceived
	}
	return s
}

// Progress subscribes to the updates of one procedure, or of all when it is empty. The newest state comes first. A
// reader that is slow misses steps in between, never the newest. The channel is closed when ctx ends.
func (c *Counter) Progress(ctx context.Context, procedure string) <-chan Update {
	w := &watcher{procedure: procedure, ch: make(chan Update, 16)}
	c.mu.Lock()
	id := c.nextWatch
	c.nextWatch++
	c.watchers[id] = w
	if p := c.procedures[procedure]; p != nil {
		w.offer(c.updateOf(p))
	}
	c.mu.Unlock()
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, id)
		close(w.ch)
	})
	return w.ch
}

// offer puts an update in, and throws the oldest away when nobody reads.
func (w *watcher) offer(u Update) {
	for {
		select {
		case w.ch <- u:
			return
		default:
		}
		select {
		case <-w.ch:
		default:
		}
	}
}

// updateOf and tell are called with mu held.
func (c *Counter) updateOf(p *procedure) Update {
	s := p.snapshot(c.store.Delivered().Number)
	return Update{Procedure: s.Procedure, Stage: s.Stage, Percent: s.Percent, Message: s.Message, Link: c.Link(), Outbox: c.store.Outbox()}
}

func (c *Counter) tell(p *procedure) {
	u := c.updateOf(p)
	for _, w := range c.watchers {
		if w.procedure == "" || w.procedure == u.Procedure {
			w.offer(u)
		}
	}
}

func (c *Counter) linkChanged(state counterlink.LinkState) {
	c.compare(state)
	c.afterMismatch(state)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watchers {
		if p := c.procedures[w.procedure]; p != nil {
			w.offer(c.updateOf(p))
			continue
		}
		w.offer(Update{Procedure: w.procedure, Link: c.Link(), Outbox: c.store.Outbox()})
	}
}

// progress moves a procedure to a stage and tells the watchers. One that was dropped stays so, whatever still works on it.
func (c *Counter) progress(procedure string, stage Stage, percent int, m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procedure(procedure)
	if p.status.Stage == StageDropped {
		return
	}
	p.status.Stage, p.status.Percent, p.status.Message = stage, percent, m
	if stage != StageConfirm {
		p.status.Waiting = nil
	}
	c.tell(p)
}

// procedure is called with mu held.
func (c *Counter) procedure(id string) *procedure {
	p := c.procedures[id]
	if p == nil {
		p = &procedure{status: Status{Procedure: id, Stage: StageAccepted}, unused: map[string][]string{}, claims: map[string]bool{}}
		c.procedures[id] = p
	}
	return p
}

// procedureOf returns the procedure that a command or answer belongs to; mu is held. About a claim that the hub could not
// attribute it names none.
func (c *Counter) procedureOf(d *events.Downlink) string {
	if d.GetProcedure() != "" {
		return d.GetProcedure()
	}
	for id, p := range c.procedures {
		if p.claims[d.GetAnswer().GetClaim()] {
			return id
		}
	}
	return ""
}

// worksOf returns the commands and answers of a procedure, oldest first; mu is held.
func (c *Counter) worksOf(procedure string) []*work {
	if p := c.procedures[procedure]; p != nil {
		return p.works
	}
	return nil
}

// work returns a command or answer of a procedure, nil when it is not remembered; mu is held.
func (c *Counter) work(procedure, id string) *work {
	for _, w := range c.worksOf(procedure) {
		if w.down.GetId() == id {
			return w
		}
	}
	return nil
}

func (c *Counter) learnClaim(claim *events.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply(claim)
	c.tell(c.procedure(claim.GetProcedure()))
}

// apply folds a claim of this counter into its procedure, both when it is made and when the store is read again.
func (c *Counter) apply(claim *events.Claim) {
	p := c.procedure(claim.GetProcedure())
	if claim.GetNumber() >= p.last {
		p.last, p.newest = claim.GetNumber(), claim.GetId()
	}
	p.claims[claim.GetId()] = true
	s := &p.status
	s.Subscriber = cmp.Or(s.Subscriber, claim.GetSubscriber())
	if s.Filed.IsZero() {
		s.Officer, s.Stage, p.opened = claim.GetOfficer(), StagePending, claim.GetId()
		s.Message, s.Report = say("recorded-here"), reported(claim)
		s.learnReceipt(claim)
	}
	switch fact := claim.GetFact().(type) {
	case *events.Claim_ApplicationReceived:
		s.Stage, s.Application, s.Answer, p.opened = StagePending, fact.ApplicationReceived, nil, claim.GetId()
		s.Card, s.Message, s.Report = fact.ApplicationReceived.GetCard(), say("recorded-here"), nil
		s.learnReceipt(claim)
	case *events.Claim_KeysGenerated:
		s.Stage, s.Percent, s.Card = StageIssuing, 50, fact.KeysGenerated.GetCard()
		s.Message = say("keys-made")
		p.keys = claim.GetId()
	case *events.Claim_CardWritten:
		p.keys = claim.GetId()
		s.Stage, s.Percent, s.Card = StageWritten, 100, fact.CardWritten.GetCard()
		s.Message = say("written")
	case *events.Claim_WriteFailed:
		p.keys = claim.GetId()
		s.Stage, s.Failure = StageFailed, fact.WriteFailed
		s.Message = say("not-written")
	case *events.Claim_PinsUnblocked:
		s.Stage, s.Percent, s.Card = StageUnblocked, 100, fact.PinsUnblocked.GetCard()
		s.Message = say("pin-set")
	case *events.Claim_HandedOver:
		s.Stage = StageHandedOver
		s.Message = say("handed-over")
		if s.GivesBack() {
			s.Message = say("given-back")
		}
	case *events.Claim_ApplicationDropped:
		s.Stage, s.Inquired, s.OnFile = StageDropped, false, nil
		s.Message = say("withdrawn")
	case *events.Claim_ConfirmationFailed:
		if s.Stage == StageDropped {
			break // it only says that the drop was heeded
		}
		s.Stage = StageFailed
		p.keys = claim.GetId()
		s.Message = notBegun(fact.ConfirmationFailed.GetReason())
	}
	if s.Stage != StagePending && p.wait == nil {
		s.Waiting = nil
	}
	p.tellUnused()
	p.endInVain()
}

// learnReceipt takes the receipt time of the claim that opened the procedure, or opened it anew.
func (s *Status) learnReceipt(claim *events.Claim) {
	s.Filed, s.Entered = time.UnixMilli(claim.GetFiledMs()), time.Time{}
	if ms := claim.GetEnteredMs(); ms > 0 {
		s.Entered = time.UnixMilli(ms)
	}
}

// learnAnswer folds an answer of the hub; called with mu held. The answer to the application decides the stage and stays;
// answers to later claims bring news about the certificates and the card.
func (c *Counter) learnAnswer(p *procedure, d *events.Downlink) {
	a, s := d.GetAnswer(), &p.status
	if a.GetHeld() != nil {
		c.held[a.GetClaim()] = a.GetHeld()
	}
	s.Subscriber = cmp.Or(d.GetSubscriber(), s.Subscriber)
	if a.GetClaim() != p.opened {
		p.learnNews(a)
		return
	}
	s.Answer, s.FeeYen = proto.CloneOf(a), 0
	s.Answer.Letter = "" // an older centre told the number that only the letter may tell
	for _, item := range a.GetFee() {
		s.FeeYen += item.GetYen()
	}
	if s.Stage != StagePending {
		return // it does not take the procedure back
	}
	switch {
	case a.GetHeld() != nil:
		s.Stage, s.Message = StageRefused, heldMessage(a.GetHeld())
	case s.Report != nil:
		s.learnReport(a)
	case a.GetDeferred():
		s.Stage, s.Message = StageDeferred, say("letter-due")
		s.Inquired, s.OnFile = true, a.GetOnFile()
	case a.GetAccepted():
		s.Stage, s.Message = StageAccepted, say("accepted")
		s.Inquired, s.OnFile = false, nil
	default:
		s.Stage, s.Message = StageRefused, say("refused")
		if slices.Contains(a.GetRefusals(), regime.LetterGuessed) {
			s.Inquired, s.OnFile = false, nil
		}
	}
}

func (p *procedure) learnNews(a *events.Answer) {
	s := &p.status
	if s.Answer == nil {
		s.Answer = &events.Answer{}
	}
	if len(a.GetCertificates()) > 0 {
		s.Answer.Certificates = proto.CloneOf(a).GetCertificates()
	}
	s.Answer.FormerCard = a.GetFormerCard()
	s.Answer.CardLastDay = cmp.Or(a.GetCardLastDay(), s.Answer.GetCardLastDay())
	if len(a.GetRefusals()) > 0 && s.Stage != StageDropped && !a.GetAccepted() && p.claims[a.GetClaim()] {
		s.Refusals, p.unused[a.GetClaim()] = a.GetRefusals(), a.GetRefusals()
		p.tellUnused()
	}
	if len(a.GetRefusals()) > 0 && !slices.ContainsFunc(a.GetRefusals(), forPeople) {
		p.refused = a
		p.endInVain()
	}
}

// tellUnused says that the centre did not use the newest claim of a procedure. The answer that says so may be read before the
// claim it is about.
func (p *procedure) tellUnused() {
	s := &p.status
	refusals, unused := p.unused[p.newest]
	if !unused || s.Stage == StageDropped {
		return
	}
	s.Refusals, s.Message = refusals, say(NotUsed)
	if s.Stage == StageHandedOver {
		s.Message = say(NotHandedOver)
		if s.GivesBack() {
			s.Message = say(NotGivenBack)
		}
	}
}

// forPeople reports whether a refusal only says that people must look at the claim.
func forPeople(id string) bool {
	return id == regime.ClaimQuarantined || id == regime.ClaimHeld || id == regime.NotAwaited
}

// endInVain ends a procedure of which nothing comes any more: its keys get no certificates, what was written of them is not
// in force, or its command was not begun and is owed no longer. The answer that says so may be read before the claim it is about.
func (p *procedure) endInVain() {
	s := &p.status
	if s.Stage != StageIssuing && s.Stage != StageWritten && s.Stage != StageFailed || p.keys == "" || p.keys != p.refused.GetClaim() {
		return
	}
	s.Stage, s.Answer.Accepted, s.Answer.Refusals = StageRefused, false, p.refused.GetRefusals()
	s.Message = say("in-vain")
}
