package regime

import (
	"slices"
	"time"

	"shomei/pkg/civil"
)

// issuing are the operations that end with a certificate in the holder's hand.
var issuing = []Operation{OpNew, OpRenew, OpReissue, OpCard, OpHandOver}

// Governs returns which regime governs an operation on a day. Before 2004-01-29 and, for issuing, from 2015-12-23 to
// 2015-12-31 none does, and the ruling refuses. Revocation and unblocking of juki certificates continue until
// 2018-12-21 beside the My Number regime; use Allows for those, because from 2016-01-01 Governs returns My Number.
func Governs(op Operation, on civil.Date) (Regime, Ruling) {
	r := Juki
	if !on.Before(MyNumberFirstDay) {
		r = MyNumber
	}
	ruling := Allows(r, op, on)
	if !ruling.Accepted() {
		return "", ruling
	}
	return r, ruling
}

// Allows judges whether regime r permits the operation on the day at all: issue while the regime lasts, revocation and
// unblocking also in its run-off; the juki regime suspends nothing. Notifications to the resident record are
// independent of the regime.
func Allows(r Regime, op Operation, on civil.Date) Ruling {
	var ruling Ruling
	switch {
	case op == OpResidentRecord:
	case r == MyNumber && on.Before(MyNumberFirstDay):
		ruling.Refuse(myNumberNotBegun)
	case r == MyNumber:
		ruling.Apply(myNumberBegun)
	case on.Before(JukiFirstDay):
		ruling.Refuse(beforeJuki)
	case op == OpSuspend:
		ruling.Refuse(jukiNoSuspension)
	case !on.After(JukiLastDay):
		ruling.Apply(jukiBegun)
	case slices.Contains(issuing, op):
		ruling.Refuse(jukiIssueEnded)
		if on.Before(MyNumberFirstDay) {
			ruling.Refuse(gapYearEnd)
		}
	case !on.After(JukiRunOffDay):
		ruling.Apply(jukiRunOff)
	default:
		ruling.Refuse(jukiRunOffEnded)
	}
	return ruling
}

// Receipt is the result of an office receiving something at an instant.
type Receipt struct {
	Ruling
	Next time.Time // if refused: the next opening for this operation, or the first of a future regime, in UTC; zero: none
}

// Receives judges whether the office accepts the operation under regime r at the instant of receipt: the national
// dates, the office's own last acceptance capped by them (law.md 1.3), branches, and the opening calendar.
func (o Office) Receives(r Regime, op Operation, at time.Time) Receipt {
	day := civil.Of(at)
	out := Receipt{Ruling: Allows(r, op, day)}
	if !out.Accepted() {
		if first := firstDays[r]; day.Before(first) {
			out.Next = o.opensFrom(op, first.StartInstant())
		}
		return out
	}
	if op == OpSuspend { // by telephone, independent of any office
		out.Apply(dayAndNight)
		return out
	}
	if rule := o.ceased(r, op, at); rule != "" {
		out.Refuse(rule)
		return out
	}
	opening := o.Office.Open(op, at)
	if opening.Open {
		out.Apply(opening.Rule)
		return out
	}
	out.Refuse(opening.Rule)
	if next := opening.Next; Allows(r, op, civil.Of(next)).Accepted() && o.ceased(r, op, next) == "" {
		out.Next = next
	}
	return out
}

// firstDays are the days on which the regimes begin.
var firstDays = map[Regime]civil.Date{Juki: JukiFirstDay, MyNumber: MyNumberFirstDay}

// opensFrom returns the first opening of the office at or after the instant, in UTC; zero: none.
func (o Office) opensFrom(op Operation, at time.Time) time.Time {
	opening := o.Office.Open(op, at)
	if opening.Open {
		return at
	}
	return opening.Next
}

// ReceivesGoverned judges a receipt by the regime that governs on its day. If none does, it is refused and the next
// opening is that under the next regime.
func (o Office) ReceivesGoverned(op Operation, at time.Time) (Regime, Receipt) {
	day := civil.Of(at)
	r, ruling := Governs(op, day)
	if ruling.Accepted() {
		return r, o.Receives(r, op, at)
	}
	coming := MyNumber
	if day.Before(JukiFirstDay) {
		coming = Juki
	}
	return "", Receipt{Ruling: ruling, Next: o.Receives(coming, op, at).Next}
}

// ceased returns the rule by which this office no longer does juki work at the instant, or "".
func (o Office) ceased(r Regime, op Operation, at time.Time) ID {
	if r != Juki || op == OpResidentRecord {
		return ""
	}
	from := o.BranchCeased
	if from.IsZero() {
		from = branchCeasedDay
	}
	if o.Branch && !civil.Of(at).Before(from) {
		return branchCeased
	}
	if slices.Contains(issuing, op) && !o.LastAcceptance.IsZero() && !at.Before(o.LastAcceptance) {
		return lastAcceptance
	}
	return ""
}
