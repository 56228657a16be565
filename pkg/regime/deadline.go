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

// MoveInWithin30Days is the last day for 転入届 counted from the planned day of
// the move: 30 days from the next day; if none is filed by then the card is
// void (MyNoOrd2016 Art 14, domain.md 1.4.7).
func (s Switches) MoveInWithin30Days(planned civil.Date, office civil.Office) Deadline {
	return Deadline{}
}

// MoveInWithin14Days is the last day for 転入届 counted from the day of the
// move: 14 days from the next day.
func (s Switches) MoveInWithin14Days(moved civil.Date, office civil.Office) Deadline {
	return Deadline{}
}

// CardWithin90Days is the last day for submitting the card after 転入届 was
// filed: 90 days from the filing, that day included unless switched.
func (s Switches) CardWithin90Days(filed civil.Date, office civil.Office) Deadline {
	return Deadline{}
}

// NoticeDue is the day on which the expiry notice for a last day is due.
func (s Switches) NoticeDue(r Regime, last civil.Date) civil.Date { return civil.Date{} }
