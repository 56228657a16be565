package lifecycle

import (
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// oweNotices owes one notice for all certificates that share a last day.
func (d *decision) oweNotices(kind events.NoticeKind, about []*events.Certificate, rules ...string) {
	for len(about) > 0 {
		last := about[0].LastDay
		same := func(c *events.Certificate) bool { return c.LastDay == last }
		other := func(c *events.Certificate) bool { return c.LastDay != last }
		d.oweNotice(kind, slices.DeleteFunc(slices.Clone(about), other), rules...)
		about = slices.DeleteFunc(slices.Clone(about), same)
	}
}

// oweNotice owes one notice about the certificates; its id is the position of its event.
func (d *decision) oweNotice(kind events.NoticeKind, about []*events.Certificate, rules ...string) {
	due := &events.NoticeDue{
		Kind: kind, LastDay: about[0].LastDay, Regime: about[0].Regime, CardEnds: d.cardEnding(about[0]) != nil, Overseas: d.livesOverseas(),
	}
	for _, c := range about {
		due.Serials = append(due.Serials, c.Serial)
	}
	revision := d.state.Revision
	if len(d.events) == 0 {
		revision++
	}
	due.Notice = fmt.Sprintf("%d.%d", revision, len(d.events))
	d.emit(due, rules...)
	if kind == events.NoticeKind_NOTICE_KIND_EXPIRY && d.cardEnding(about[0]).GetStayCaps() {
		d.emit(&events.NoticeSuppressed{Notice: due.Notice, Reason: "limited-stay"}, regime.LimitedStay)
	}
}

// cardEnding returns the card in hand that ends with a certificate, so that only a new card helps (law.md 4.5), or nil.
func (d *decision) cardEnding(c *events.Certificate) *events.HeldCard {
	for _, held := range cardsOf(d.state, lawRegime(c.Regime)) {
		if last := lastDayOf(held); !last.IsZero() && !day(c.LastDay).Before(last) {
			return held
		}
	}
	return nil
}

// livesOverseas reports whether a move overseas has taken effect.
func (d *decision) livesOverseas() bool {
	left := day(d.state.LeftOn)
	return d.state.Overseas && !left.IsZero() && !d.today().Before(left)
}

// suppressAll suppresses every pending notice when nobody is left to be notified.
func (d *decision) suppressAll(reason string, rules ...string) {
	for _, n := range slices.Clone(d.state.Notices) {
		d.emit(&events.NoticeSuppressed{Notice: n.Id, Reason: reason}, append([]string{regime.NobodyToNotify}, rules...)...)
	}
}

// suppressPending suppresses the pending expiry notices that have nothing left to remind of.
func (d *decision) suppressPending(ended []*events.Certificate, reason string, rules ...string) {
	for _, n := range slices.Clone(d.state.Notices) {
		if n.Kind != events.NoticeKind_NOTICE_KIND_EXPIRY || d.stillReminds(n) {
			continue
		}
		if slices.ContainsFunc(ended, func(c *events.Certificate) bool { return c.LastDay == n.LastDay }) {
			d.emit(&events.NoticeSuppressed{Notice: n.Id, Reason: reason}, append([]string{d.whySuppressed(n)}, rules...)...)
		}
	}
}

// whySuppressed returns the rule for a notice that is not sent: what it was about has ended or, if it fell due in this
// very commit, its time passed unseen (the service or the clock skipped the whole window).
func (d *decision) whySuppressed(n *events.PendingNotice) string {
	if slices.ContainsFunc(d.events, func(e *events.Event) bool { return e.GetNoticeDue().GetNotice() == n.Id }) {
		return regime.NoticeTooLate
	}
	return regime.NothingToRemind
}

func (d *decision) stillReminds(n *events.PendingNotice) bool {
	return slices.ContainsFunc(d.state.Certificates, func(c *events.Certificate) bool {
		return c.LastDay == n.LastDay && c.WindowOpened && (c.Status == valid || c.Status == issued)
	})
}

// recordNotice records the outcome of a notice, once.
func (d *decision) recordNotice(c RecordNotice) {
	owed := slices.ContainsFunc(d.state.Notices, func(n *events.PendingNotice) bool { return n.Id == c.Notice })
	if !owed {
		return
	}
	switch c.Outcome {
	case NoticeSent:
		d.emit(&events.NoticeSent{Notice: c.Notice, Medium: c.Medium, MessageId: c.MessageID})
	case NoticeFailed:
		d.emit(&events.NoticeFailed{Notice: c.Notice, Medium: c.Medium, Code: c.Detail})
	case NoticeSuppressed:
		d.emit(&events.NoticeSuppressed{Notice: c.Notice, Reason: c.Detail})
	}
}

func (d *decision) recordLetterMailed(c RecordLetterMailed) {
	for _, l := range d.state.Letters {
		if l.Id == c.Letter && !l.Mailed {
			d.emit(&events.InquiryLetterMailed{Procedure: l.Procedure, Letter: l.Id})
			return
		}
	}
}
