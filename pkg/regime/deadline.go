package regime

import (
	"time"

	"shomei/pkg/civil"
)

// Deadline is a statutory deadline and how it was counted.
type Deadline struct {
	Rule    ID
	Counted civil.Date // the last day as counted
	LastDay civil.Date // the day after rolling to the office's next open day
	Ends    time.Time  // end of LastDay, in UTC
	Rules   []ID       // counting and, when it rolled, rolling
}

// MoveInWithin30Days returns the last day for 転入届 counted from the planned day of the move: 30 days from the next
// day; if none is filed by then the card is void (MyNoOrd2016 Art 14, law.md 8.7).
func (s Switches) MoveInWithin30Days(planned civil.Date, office civil.Office) Deadline {
	return due(moveIn30, planned.AddDays(30), office)
}

// MoveInWithin14Days returns the last day for 転入届 counted from the day of the move: 14 days from the next day.
func (s Switches) MoveInWithin14Days(moved civil.Date, office civil.Office) Deadline {
	return due(moveIn14, moved.AddDays(14), office)
}

// CardWithin90Days returns the last day for submitting the card after 転入届 was filed: 90 days from the filing, that
// day included unless switched.
func (s Switches) CardWithin90Days(filed civil.Date, office civil.Office) Deadline {
	if s.SubmissionFromNextDay {
		return due(card90NextDay, filed.AddDays(90), office)
	}
	return due(card90, filed.AddDays(89), office)
}

// due rolls a counted day to the next day on which the office accepts notifications. An office that never opens again
// does not delay a deadline.
func due(rule ID, counted civil.Date, office civil.Office) Deadline {
	d := Deadline{Rule: rule, Counted: counted, LastDay: counted, Rules: []ID{rule}}
	if day, ok := office.NextOpenDay(OpResidentRecord, counted); ok && day != counted {
		d.LastDay = day
		d.Rules = append(d.Rules, deadlineRolls)
	}
	d.Ends = d.LastDay.EndInstant()
	return d
}

// NoticeDue returns the day on which the expiry notice for a last day is due, or the zero Date if the regime has no
// such notice.
func (s Switches) NoticeDue(r Regime, last civil.Date) civil.Date {
	return s.Window(r, last).NoticeDue
}
