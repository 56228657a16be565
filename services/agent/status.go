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

// Stage is how far a procedure has come, as the counter knows.
type Stage string

// The stages. From StageReceived on, the receipt is a promise to the applicant (受付済).
const (
	// StagePending: stored here, not yet at the hub (仮).
	StagePending Stage = "pending"
	// StageReceived: at the hub, no answer yet (受付済).
	StageReceived Stage = "received"
	// StageRefused: the hub refused; Answer holds the rules and what it would accept.
	StageRefused Stage = "refused"
	// StageDeferred: a letter of inquiry is posted first.
	StageDeferred Stage = "deferred"
	// StageAccepted: the hub accepted; the counter has nothing to do yet, or ever.
	StageAccepted Stage = "accepted"
	// StageConfirm: the resident's page waits for confirmation and PINs.
	StageConfirm Stage = "confirm"
	// StageCard: a command works on the card, or waits for it.
	StageCard Stage = "card"
	// StageIssuing: the hub has the new keys, and the counter waits for the certificates.
	StageIssuing Stage = "issuing"
	// StageWritten: certificates are on the card, read back and in force; fee and hand-over are next.
	StageWritten Stage = "written"
	// StageUnblocked: the PINs are set anew.
	StageUnblocked Stage = "unblocked"
	// StageHandedOver: the card was handed over or given back.
	StageHandedOver Stage = "handed over"
	// StageFailed: the work on the card failed; Failure says how, and the hub decides what is next.
	StageFailed Stage = "failed"
	// StageDropped: the applicant gave up.
	StageDropped Stage = "dropped"
)

// Status is what a page shows of a procedure.
type Status struct {
	Procedure  string
	Subscriber string
	Stage      Stage
	// AtHub: every claim of the procedure is at the hub.
	AtHub bool
	// Application is the recorded application; nil for reports.
	Application *events.ApplicationReceived
	// Report is the claim of a report, without its sealed part; nil for applications.
	Report  *events.Claim
	Officer string
	Filed   time.Time
	// Entered is when a clerk entered Filed by hand; zero if the clock set it.
	Entered time.Time
	// Answer is the hub's answer to the application, or nil; later answers update its certificates and the card's last day.
	Answer *events.Answer
	// Second is set while the application or report waits for a second officer.
	Second *events.OpenApproval
	// Inquired: the answer to a letter of inquiry is pending; OnFile lists the documents that the office already has.
	Inquired bool
	OnFile   []string
	// Refusals are the rules by which the hub refused a later claim of the procedure.
	Refusals []string
	Card     string
	FeeYen   uint32
	// Commanded: the centre has sent a command, so the card is not ready until that is done.
	Commanded bool
	// Waiting is what the resident must confirm in StageConfirm.
	Waiting *Confirmation
	// Percent and Message are the newest progress.
	Percent int
	Message Message
	Failure *events.WriteFailed
}

// Confirmation is what the resident's page asks for.
type Confirmation struct {
	Obligation string
	// PINs must be typed (each twice, on the page). Optional ones may be; otherwise the card keeps its PIN.
	PINs, Optional []events.PinKind
	Regime         events.Regime
	// Deadline is the latest time to confirm; zero for none.
	Deadline time.Time
}

// Update is one step of live progress of a procedure.
type Update struct {
	Procedure string
	Stage     Stage
	// Percent is how much of the counter's work is done.
	Percent int
	Message Message
	// Link and Outbox are in every update, so that a page needs one subscription only.
	Link   counterlink.LinkState
	Outbox int
}

// procedure is the counter's record of a procedure, guarded by Counter.mu.
type procedure struct {
	status Status
	// last is the number of the newest claim, to know when the hub has all.
	last uint64
	// opened is the id of the claim whose answer decides the stage.
	opened string
	// keys is the id of the newest claim about keys, their certificates or a command that was not begun.
	keys string
	// refused is the newest answer that refused a later claim.
	refused *events.Answer
	// newest is the id of the newest claim; unused maps claims that the hub did not use to the rules.
	newest string
	unused map[string][]string
	wait   *waiting
	// claims holds the ids of its claims, works its commands and answers, oldest first.
	claims map[string]bool
	works  []*work
}

// busy reports whether a command of the procedure has no outcome yet.
func (p *procedure) busy() bool { return slices.ContainsFunc(p.works, (*work).owed) }

// cancel stops the running commands of a procedure, the newest first.
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

// Status returns the state of a procedure. Error: ErrUnknownProcedure.
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

// Procedures returns the procedures that this counter remembers, the newest first.
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

// Progress subscribes to the updates of one procedure, or of all if procedure is empty, beginning with its current state. A
// slow reader misses older updates, never the newest. The channel is closed when ctx ends.
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

// offer sends an update, discarding the oldest ones if the channel is full.
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

// updateOf and notify need mu held.
func (c *Counter) updateOf(p *procedure) Update {
	s := p.snapshot(c.store.Delivered().Number)
	return Update{Procedure: s.Procedure, Stage: s.Stage, Percent: s.Percent, Message: s.Message, Link: c.Link(), Outbox: c.store.Outbox()}
}

func (c *Counter) notify(p *procedure) {
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
	c.notifyAll()
}

// notifyAll notifies every watcher that something about the counter itself has changed.
func (c *Counter) notifyAll() {
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

// progress sets a procedure's stage and notifies the watchers. A dropped procedure stays dropped, even if work on it still runs.
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
	c.notify(p)
}

// procedure returns a procedure, a new one if it is unknown; mu is held.
func (c *Counter) procedure(id string) *procedure {
	p := c.procedures[id]
	if p == nil {
		p = &procedure{status: Status{Procedure: id, Stage: StageAccepted}, unused: map[string][]string{}, claims: map[string]bool{}}
		c.procedures[id] = p
	}
	return p
}

// procedureOf returns the procedure of a command or answer; mu is held. An answer to a claim that the hub could not
// attribute names none, so it is found by the claim.
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

// work returns a command or answer of a procedure, nil if it is unknown; mu is held.
func (c *Counter) work(procedure, id string) *work {
	for _, w := range c.worksOf(procedure) {
		if w.down.GetId() == id {
			return w
		}
	}
	return nil
}

// publishClaim folds a stored claim and notifies the watchers.
func (c *Counter) publishClaim(claim *events.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.foldClaim(claim)
	c.notify(c.procedure(claim.GetProcedure()))
}

// foldClaim folds a claim into its procedure, both when it is filed and when the store is read again.
func (c *Counter) foldClaim(claim *events.Claim) {
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
		s.setReceipt(claim)
	}
	switch fact := claim.GetFact().(type) {
	case *events.Claim_ApplicationReceived:
		s.Stage, s.Application, s.Answer, p.opened = StagePending, fact.ApplicationReceived, nil, claim.GetId()
		s.Card, s.Message, s.Report = fact.ApplicationReceived.GetCard(), say("recorded-here"), nil
		s.setReceipt(claim)
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
			break // it only confirms the drop
		}
		s.Stage = StageFailed
		p.keys = claim.GetId()
		s.Message = notBegun(fact.ConfirmationFailed.GetReason())
	}
	if s.Stage != StagePending && p.wait == nil {
		s.Waiting = nil
	}
	p.showUnused()
	p.endRefused()
}

// setReceipt sets the receipt time from the claim that opened or reopened the procedure.
func (s *Status) setReceipt(claim *events.Claim) {
	s.Filed, s.Entered = time.UnixMilli(claim.GetFiledMs()), time.Time{}
	if ms := claim.GetEnteredMs(); ms > 0 {
		s.Entered = time.UnixMilli(ms)
	}
}

// foldAnswer folds an answer of the hub; mu is held. The answer to the application decides the stage; answers to later
// claims update what is known of the certificates and the card.
func (c *Counter) foldAnswer(p *procedure, d *events.Downlink) {
	a, s := d.GetAnswer(), &p.status
	switch {
	case a.GetHeld() != nil:
		c.held[a.GetClaim()] = a.GetHeld()
	case c.held[a.GetClaim()] != nil: // two operators have released it
		delete(c.held, a.GetClaim())
		if a.GetClaim() == p.opened && s.Stage == StageRefused {
			s.Stage, s.Answer = StagePending, nil
		}
	}
	s.Subscriber = cmp.Or(d.GetSubscriber(), s.Subscriber)
	if a.GetClaim() != p.opened {
		p.foldLaterAnswer(a)
		return
	}
	if a.GetPending() != nil {
		if s.Stage == StagePending && s.Answer == nil {
			s.Second, s.Message = a.GetPending(), say("waits-second")
		}
		return
	}
	s.Second = nil
	s.Answer, s.FeeYen = proto.CloneOf(a), 0
	s.Answer.Letter = "" // an older centre sent the number, which only the letter itself may show
	for _, item := range a.GetFee() {
		s.FeeYen += item.GetYen()
	}
	if s.Stage != StagePending {
		return // the procedure is already further
	}
	switch {
	case a.GetHeld() != nil:
		s.Stage, s.Message = StageRefused, heldMessage(a.GetHeld())
	case s.Report != nil:
		s.foldReportAnswer(a)
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

func (p *procedure) foldLaterAnswer(a *events.Answer) {
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
		p.showUnused()
	}
	if len(a.GetRefusals()) > 0 && !slices.ContainsFunc(a.GetRefusals(), forPeople) {
		p.refused = a
		p.endRefused()
	}
}

// showUnused shows that the centre did not use the newest claim of a procedure. Claims and answers both call it, because
// the answer may be read before its claim.
func (p *procedure) showUnused() {
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

// forPeople reports whether a refusal only means that people must look at the claim.
func forPeople(id string) bool {
	return id == regime.ClaimQuarantined || id == regime.ClaimHeld || id == regime.NotAwaited
}

// endRefused ends a procedure whose newest outcome the hub refused: its keys get no certificates, its written certificates
// are not in force, or its failed command is no longer owed. The answer may be read before its claim.
func (p *procedure) endRefused() {
	s := &p.status
	if s.Stage != StageIssuing && s.Stage != StageWritten && s.Stage != StageFailed || p.keys == "" || p.keys != p.refused.GetClaim() {
		return
	}
	s.Stage, s.Answer.Accepted, s.Answer.Refusals = StageRefused, false, p.refused.GetRefusals()
	s.Message = say("in-vain")
}
