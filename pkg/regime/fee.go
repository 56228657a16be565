package regime

import "shomei/pkg/civil"

// Cause is why something is issued, issued again or ended.
type Cause string

const (
	CauseFirst        Cause = "first"         // never had one
	CauseRenewal      Cause = "renewal"       // in the renewal window
	CauseExpired      Cause = "expired"       // the former one has expired
	CauseRecordChange Cause = "record-change" // the former one ended with a change of the resident record
	CauseLoss         Cause = "loss"          // lost, stolen, destroyed
	CauseDamage       Cause = "damage"        // broken by the holder
	CauseWish         Cause = "wish"          // the holder gave the former one up
	CauseFault        Cause = "fault"         // a fault of the authority, the office or the card
)

// FeeIn is what a fee depends on.
type FeeIn struct {
	Regime       Regime
	Operation    Operation
	Cause        Cause
	On           civil.Date // day of filing
	Card         bool       // a card is issued
	Certificates bool       // one or both certificates are issued
	Express      bool       // 特急発行
}

// FeeItem is one line of a fee.
type FeeItem struct {
	Rule ID  `json:"rule"`
	Yen  int `json:"yen"`
}

// Fee is an amount in yen, item by item. Waived items stand in it with 0.
type Fee struct {
	Yen    int        `json:"yen"`
	Items  []FeeItem  `json:"items"`
	Ruling `json:"-"` // refused when express issue does not exist on the day
}

// Fee answers what is to be paid (seed page; domain.md 1.4.5).
func (s Switches) Fee(in FeeIn) Fee { return Fee{} }
