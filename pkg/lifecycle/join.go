package lifecycle

import (
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/regime"
)

// TakeIn joins another history to this one, because officers found that both are one person's. What is alive in the other one is
// then owed an end ([CloseHistory]).
type TakeIn struct {
	// From is the other history, Other its state; one of revision 0 was never written.
	From  string
	Other *events.SubscriberState
	// Same: both names in the request lead to this history. Elsewhere: one of them goes on under another id.
	Same, Elsewhere bool
	// OtherBirthDate: both resident records can be read, and their dates of birth differ.
	OtherBirthDate bool
	Evidence       []string
	// Clerk asks, Second approves.
	Clerk, Second string
	Filed         time.Time
}

// CloseHistory ends everything alive in a history that another one has taken in, and makes it an alias of that one.
type CloseHistory struct {
	// To is the history that goes on, Read the revision at which that one has read this one.
	To       string
	Read     uint64
	Filed    time.Time
	Switches regime.Switches
}

// SettleTakenIn records what became of a history that was taken in.
type SettleTakenIn struct {
	From   string
	Closed bool
}

func (TakeIn) command()        {}
func (CloseHistory) command()  {}
func (SettleTakenIn) command() {}

// onAlias reports whether a command is decided although the history goes on under another id: what is sealed in it is still erased,
// and its notices are still sent.
func onAlias(cmd Command) bool {
	switch cmd.(type) {
	case OrderErasure, RecordKeyDestroyed, RecordNotice:
		return true
	}
	return false
}

// takeIn records that another history is this person's, or why two histories are not joined.
func (d *decision) takeIn(c TakeIn) {
	d.filedAt(c.Filed)
	if refused := d.againstTakingIn(c); len(refused) > 0 {
		d.emit(&events.RequestRefused{Request: "joining of two histories", Refusals: refused}, refused...)
		return
	}
	d.emit(&events.SubscriberTakenIn{From: c.From, FromRevision: c.Other.GetRevision(), Evidence: c.Evidence}, regime.HistoriesJoined)
}

func (d *decision) againstTakingIn(c TakeIn) []regime.ID {
	switch {
	case c.Same:
		return []regime.ID{regime.SameHistory}
	case c.Elsewhere:
		return []regime.ID{regime.HistoryElsewhere}
	case c.Other.GetRevision() == 0:
		return []regime.ID{regime.NoSuchHistory}
	case takesIn(d.state) || takesIn(c.Other):
		return []regime.ID{regime.JoiningUnderWay}
	case c.OtherBirthDate:
		return []regime.ID{regime.OtherBirthDate}
	case c.Second == "" || strings.EqualFold(c.Second, c.Clerk):
		return []regime.ID{regime.JoiningNeedsTwo}
	}
	return nil
}

// takesIn reports whether a history that was taken in has not ended yet.
func takesIn(s *events.SubscriberState) bool {
	return slices.ContainsFunc(s.Obligations, func(o *events.Obligation) bool { return o.Kind == owesClosing })
}

// ClosesInto reports whether a history can become an alias of another one that has read it at a revision, or is it already. It can't
// if it goes on elsewhere, or has taken in another since: of histories that take each other in, in whatever circle, at least one then
// stays. Once it can't, it never can again.
func ClosesInto(s *events.SubscriberState, to string, read uint64) bool {
	return s.AliasOf == to || s.AliasOf == "" && s.TookIn <= read
}

// closeHistory ends applications, certificates, cards, letters and deadlines. The holder is told what was revoked, as after any
// other revocation that they did not ask for.
func (d *decision) closeHistory(c CloseHistory) error {
	if d.state.AliasOf != "" || !ClosesInto(d.state, c.To, c.Read) {
		return nil
	}
	d.filedAt(c.Filed)
	for _, p := range slices.Clone(d.state.Procedures) {
		d.discard(p, regime.HistoryEnded)
		d.voidUnassigned(p.Carrier.Card())
	}
	for _, l := range slices.Clone(d.state.Letters) {
		d.emit(&events.ApplicationWithdrawn{Procedure: l.Procedure}, regime.HistoryEnded)
	}
	for _, r := range d.regimesHeld() {
		if err := d.end(consequence{event: regime.EvHistoryJoined, regime: r, switches: c.Switches}); err != nil {
			return err
		}
	}
	for _, deadline := range slices.Clone(d.state.Deadlines) {
		d.emit(&events.DeadlineMet{Kind: deadline.Kind}, regime.HistoryEnded)
	}
	for _, n := range slices.Clone(d.state.Notices) {
		if n.Kind == events.NoticeKind_NOTICE_KIND_EXPIRY {
			d.emit(&events.NoticeSuppressed{Notice: n.Id, Reason: "revoked"}, regime.HistoryEnded)
		}
	}
	d.emit(&events.SubscriberAliased{To: c.To}, regime.HistoriesJoined)
	return nil
}

// voidUnassigned voids a procedure's card that is not known as the holder's yet, with whatever stands on it by now: nobody else may
// have it.
func (d *decision) voidUnassigned(card string) {
	if card != "" && card != d.state.Card.GetCard() && card != d.state.OldCard.GetCard() {
		d.emit(&events.CardVoided{Card: card, Cause: string(regime.EvHistoryJoined)}, regime.HistoryEnded)
	}
}

// settleTakenIn records, once, that a history that was taken in has ended or goes on elsewhere.
func (d *decision) settleTakenIn(c SettleTakenIn) {
	for _, o := range d.state.Obligations {
		if o.Kind != owesClosing || o.Target != c.From {
			continue
		}
		if c.Closed {
			d.emit(&events.TakenInClosed{From: c.From}, regime.HistoriesJoined)
		} else {
			d.emit(&events.TakenInGivenUp{From: c.From}, regime.JoiningGivenUp)
		}
		return
	}
}
