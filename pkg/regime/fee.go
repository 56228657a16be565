package regime

import (
	"slices"

	"shomei/pkg/civil"
)

// Cause is why something is issued, issued again or ended.
type Cause string

const (
	CauseFirst        Cause = "first"         // never had one
	CauseRenewal      Cause = "renewal"       // in the renewal window
	CauseExpired      Cause = "expired"       // the former one has expired
	CauseRecordChange Cause = "record-change" // the former one ended with a change of the resident record
	CauseError        Cause = "error"         // the former one ended for an error that the authority found in it
	CauseLoss         Cause = "loss"          // lost, stolen, destroyed
	CauseDamage       Cause = "damage"        // broken by the holder
	CauseWish         Cause = "wish"          // the holder gave the former one up
	CauseFault        Cause = "fault"         // a fault of the authority, the office or the card
	CauseOverseas     Cause = "overseas"      // the card became void for want of continued use overseas
)

// Known reports whether the law knows the cause; an empty one follows from the operation.
func (c Cause) Known() bool {
	switch c {
	case "", CauseFirst, CauseRenewal, CauseExpired, CauseRecordChange, CauseError, CauseLoss, CauseDamage, CauseWish, CauseFault, CauseOverseas,
		Cause(EvKeyLeak):
		return true
	}
	return false
}

// FeeIn is what a fee depends on.
type FeeIn struct {
	Regime       Regime
	Operation    Operation
	Cause        Cause
	On           civil.Date // day of filing
	Card         bool       // a card is issued
	Certificates bool       // one or both certificates are issued
	Express      bool       // 特急発行
	Left         civil.Date // day of leaving (CauseOverseas)
}

// FeeItem is one line of a fee.
type FeeItem struct {
	Rule ID  `json:"rule"`
	Yen  int `json:"yen"`
}

// Fee is an amount in yen, item by item. Waived items are listed with 0.
type Fee struct {
	Yen    int        `json:"yen"`
	Items  []FeeItem  `json:"items"`
	Ruling `json:"-"` // refused if express issue does not exist on the day
}

// Amounts in yen (law.md 7.1, 7.2).
const (
	yenJuki         = 500
	yenCard         = 800
	yenExpressCard  = 1800
	yenCertificates = 200
)

// overseasFreeDays is how long after leaving a card that became void is replaced free of charge (law.md 7.2).
const overseasFreeDays = 90

// waivers are the rules by which an issue is free for a cause.
var waivers = map[Cause]ID{
	CauseFirst: feeFirst, CauseRenewal: feeRenewal, CauseExpired: feeExpired,
	CauseRecordChange: feeRecordChange, CauseError: feeError, CauseFault: feeFault,
}

// Fee returns what is to be paid (law.md 7.1, 7.2). A cause without a waiver is charged.
func (s Switches) Fee(in FeeIn) Fee {
	var fee Fee
	switch {
	case in.Regime == Juki:
		fee.juki(in.Operation)
	case !slices.Contains(issuing, in.Operation) || in.Operation == OpHandOver:
		fee.add(feeNone, 0)
	default:
		s.myNumberFee(&fee, in)
	}
	return fee
}

func (f *Fee) juki(op Operation) {
	switch op {
	case OpNew, OpReissue:
		f.add(jukiFeeNew, yenJuki)
	case OpRenew:
		f.add(jukiFeeRenewal, yenJuki)
	default:
		f.add(jukiFeeNone, 0)
	}
}

// myNumberFee itemises an issue under the My Number regime.
func (s Switches) myNumberFee(f *Fee, in FeeIn) {
	if in.Express && in.On.Before(expressDay) {
		f.Refuse(expressNotYet)
		in.Express = false
	}
	if in.Express {
		f.Apply(expressCases)
	}
	waiver, waived := waivers[in.Cause]
	if in.Cause == CauseOverseas {
		waiver, waived = feeOverseas, !in.Left.Before(overseasDay) && !in.On.After(in.Left.AddDays(overseasFreeDays))
	}
	standing := in.Cause != CauseFault && in.Cause != CauseError // a fault is not charged even without the waiver
	if waived && !(standing && s.EndFeeWaiver) {
		f.add(waiver, 0)
		return
	}
	if waived {
		f.Apply(feeWaiverEnded)
	}
	switch {
	case in.Card && in.Express:
		f.add(feeExpressCard, yenExpressCard)
	case in.Card:
		f.add(feeCard, yenCard)
	}
	switch {
	case in.Certificates && in.Express:
		f.add(feeExpressCertificates, yenCertificates)
	case in.Certificates:
		f.add(feeCertificates, yenCertificates)
	}
}

func (f *Fee) add(rule ID, yen int) {
	f.Items = append(f.Items, FeeItem{rule, yen})
	f.Yen += yen
	f.Apply(rule)
}

// ExpressNotYet returns the *FieldError for express issue under a regime that never had it.
func ExpressNotYet(field string) error { return against(field, expressNotYet) }
