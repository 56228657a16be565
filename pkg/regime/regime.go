// Package regime is the law by date: which rules govern a certificate on a given
// day, who may have one, with which documents, for how long, at what price, and
// what ends it. There are two regimes, the juki card (2004-01-29 … 2015-12-22,
// with a run-off until 2018-12-21) and the My Number card (2016-01-01 …).
//
// It is pure: values in, values out, no clock and no storage. Every answer
// names the rules it applied by id; Lookup gives the sentence for an id, its
// source and the time in which it holds. A rule's id stands once, in the table
// (rules_*.go), beside the variable that the code uses; so one search for the
// id finds the rule and one more, for the variable, finds its effect. Package
// question asks it from outside, one JSON object a line.
package regime

import (
	"fmt"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Regime is a body of law that governs certificates on a card.
type Regime string

const (
	Juki     Regime = "juki"     // 住民基本台帳カード: one signature certificate
	MyNumber Regime = "mynumber" // 個人番号カード: a signature and an authentication certificate
)

// Kind is the kind of a certificate.
type Kind string

const (
	Sign Kind = "sign" // 署名用電子証明書
	Auth Kind = "auth" // 利用者証明用電子証明書
)

// Operation is a kind of work at a counter or by telephone.
type Operation = civil.Operation

const (
	OpNew            Operation = "new"             // first issue, issue after expiry, later addition
	OpRenew          Operation = "renew"           // revocation and new issue in one application
	OpReissue        Operation = "reissue"         // new issue in place of one that was lost, damaged or revoked
	OpRevoke         Operation = "revoke"          // the holder's application or report
	OpSuspend        Operation = "suspend"         // report of loss by telephone
	OpUnblock        Operation = "unblock"         // setting a new PIN, clearing a lock
	OpCard           Operation = "card"            // application for a card
	OpHandOver       Operation = "handover"        // handing over a card with its certificates
	OpResidentRecord Operation = "resident-record" // move-in, move-out and other notifications
)

var operations = []Operation{OpNew, OpRenew, OpReissue, OpRevoke, OpSuspend, OpUnblock, OpCard, OpHandOver, OpResidentRecord}

// Operations returns the operations that the law knows. The caller owns the slice.
func Operations() []Operation { return slices.Clone(operations) }

// Switches choose between readings of the law that its text leaves open (law.md 14.1). The zero value is the default
// reading, which gives every golden vector of law.md 3.7. A deployment sets them in [law] of its configuration, and an
// office, in its file, those in which offices may differ (Settings); the rules applied name the reading.
type Switches struct {
	// LeapBirthdayOnMarch1 puts the birthday of a person born on 29 February on 1 March in common years. Default: 28
	// February, as the card rule says (CardReg2016 Art 26(2)); for certificates that is an analogy (law.md 3.6).
	LeapBirthdayOnMarch1 bool `toml:"leap_birthday_in_march"`
	// WindowForwards opens the renewal window on the first day from which fewer
	// than three months remain when counted forwards. Default: the day
	// after (last day − 3 months), as municipalities publish it (law.md 4.2).
	WindowForwards bool `toml:"window_forwards"`
	// BirthdayOfIssueCounts counts a birthday that falls on the issue day. Default: only birthdays strictly after the
	// issue day, the literal reading, so a renewal on the birthday itself runs six years (law.md 3.6).
	BirthdayOfIssueCounts bool `toml:"birthday_of_issue_counts"`
	// EndFeeWaiver ends the standing waiver (当分の間) by which the first issue and
	// the renewal of a My Number card and its certificates are free.
	EndFeeWaiver bool `toml:"end_fee_waiver"`
	// JukiWindowMonths lets the municipality accept juki renewals only from so many months before the last day. Default
	// 0: at any time, as the Act has no window.
	JukiWindowMonths int `toml:"juki_window_months"`
	// NoSpecialCircumstances never accepts special circumstances of persons
	// under 15 and adult wards. Default: accepted when a second officer grants them.
	NoSpecialCircumstances bool `toml:"no_special_circumstances"`
	// JukiCardCaps ends a juki certificate with the juki card's own term.
	// Default: it does not (law.md 3.1).
	JukiCardCaps bool `toml:"juki_card_caps"`
	// MoveOutEndsAtFiling ends the signature certificate when a move within Japan is filed, and on the day of the move
	// whatever was issued meanwhile. Default: only on the planned day, when the record is deleted (law.md 8.4).
	MoveOutEndsAtFiling bool `toml:"move_out_ends_at_filing"`
	// ProxyNeedsSeal requires from an agent by mandate, under the My Number regime too, the registered seal and its
	// certificate. Default: the answer to the letter of inquiry carries the mandate (law.md 5.2).
	ProxyNeedsSeal bool `toml:"proxy_needs_seal"`
	// HouseholdMandate requires a mandate from a member of the household, for continued use only. Default: none (law.md
	// 5.5).
	HouseholdMandate bool `toml:"household_mandate"`
	// RefuseGainlessRenewal refuses a renewal that gains no day, because the card ends on the last day of the
	// certificate. Default: it is accepted, after a warning before keys are made (law.md 4.5).
	RefuseGainlessRenewal bool `toml:"refuse_gainless_renewal"`
	// FifteenAtIssue judges at the issue of a factory's card whether its applicant is 15. Default: on the day of the
	// application, as the adult age is (law.md 2.6).
	FifteenAtIssue bool `toml:"fifteen_at_issue"`
	// PhoneLossSparesAuth releases a suspended authentication certificate with its card when that is found. Default: both
	// certificates are revoked (jpkilost; law.md 8.6).
	PhoneLossSparesAuth bool `toml:"phone_loss_spares_auth"`
	// LetterDays is how many days after its posting a letter of inquiry can be answered, set by the office, commonly 14
	// to 30. Default 0: no limit (law.md 5.3).
	LetterDays int `toml:"letter_days"`
	// SubmissionFromNextDay counts the 90 days for submitting the card from the
	// day after the filing. Default: the day of filing is the first day.
	SubmissionFromNextDay bool `toml:"submission_from_next_day"`
	// PlanBirthdayMonth applies the draft of the next-generation card, by which certificates issued from PlanFrom on
	// run to the tenth birthday plus one month. Default: off; the plan is not law (law.md 1.5).
	PlanBirthdayMonth bool `toml:"plan_birthday_month"`
	// PlanFrom is the first day of the draft above; without it the draft never applies.
	PlanFrom civil.Date `toml:"plan_from"`
}

// FieldError says which input value makes an answer impossible and why, in words for a clerk. Field is the JSON path of
// the value; Rule is the rule that forbids it, if the law does.
type FieldError struct {
	Field  string
	JA, EN string
	Rule   ID
}

// Missing returns the *FieldError for a required value that is absent.
func Missing(field string) error {
	return &FieldError{Field: field, JA: "値が必要です。", EN: "a value is needed"}
}

// Unknown returns the *FieldError for an unknown value.
func Unknown(field, known string) error {
	return &FieldError{Field: field, JA: "値が正しくありません。使える値: " + known, EN: "not a known value; known: " + known}
}

// against returns the error for a value that a rule does not allow.
func against(field string, rule ID) error {
	r, _ := Lookup(rule)
	return &FieldError{Field: field, JA: r.JA, EN: r.EN, Rule: rule}
}

// Error returns the field and the English sentence.
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.EN) }

// Ruling is the result of judging something: accepted if nothing is refused. A rule is listed once, however many
// certificates break it.
type Ruling struct {
	Applied []ID // the rules that were applied and let it pass
	Refused []ID // the rules that refuse it; the first is read out first
}

// Accepted reports whether no rule refuses.
func (r Ruling) Accepted() bool { return len(r.Refused) == 0 }

// Rules returns the ids of all rules, those that refuse first.
func (r Ruling) Rules() []ID { return slices.Concat(r.Refused, r.Applied) }

// Apply adds rules that were applied, each once.
func (r *Ruling) Apply(ids ...ID) { r.Applied = with(r.Applied, ids) }

// Refuse adds rules that refuse, each once.
func (r *Ruling) Refuse(ids ...ID) { r.Refused = with(r.Refused, ids) }

// with adds the missing ids to a list.
func with(list, more []ID) []ID {
	for _, id := range more {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// Merge adds what another ruling applied and refused.
func (r *Ruling) Merge(other Ruling) {
	r.Apply(other.Applied...)
	r.Refuse(other.Refused...)
}

// The days that bound the regimes (law.md 1.1).
var (
	JukiFirstDay     = civil.New(2004, time.January, 29)  // issuance begins
	JukiLastDay      = civil.New(2015, time.December, 22) // issuance ends
	JukiRunOffDay    = civil.New(2018, time.December, 21) // the last certificate expires
	MyNumberFirstDay = civil.New(2016, time.January, 1)   // the second regime begins
)

// Office is what the law needs to know of a municipal office: where it is, what kind it is, and when it is open.
// Offices differ in their last acceptance under the juki regime (law.md 1.3).
type Office struct {
	Municipality string `json:"municipality,omitempty"` // code of the municipality, 5 or 6 digits
	Branch       bool   `json:"branch,omitempty"`       // 支所 or 出張所, not the main office
	// BranchCeased is the first day on which branches no longer do certificate
	// work; zero: 2012-04-01 (muni:Sammu; law.md 1.2).
	BranchCeased civil.Date `json:"branch_ceased,omitzero"`
	// LastAcceptance is the instant from which this office accepts no juki applications; zero, or later than the
	// national end: the national end.
	LastAcceptance time.Time `json:"last_acceptance,omitzero"`
	civil.Office
}
