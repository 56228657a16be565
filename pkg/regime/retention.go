package regime

import "shomei/pkg/civil"

// Record is a class of records with a retention period of its own.
type Record string

const (
	RecordIssue           Record = "issue"            // 発行記録: counted from the certificate's last day
	RecordRevocation      Record = "revocation"       // revocation information: kept to the certificate's scheduled last day
	RecordRevocationFile  Record = "revocation-file"  // revocation-information file: counted from its day
	RecordApplication     Record = "application"      // application forms and ID copies: counted from their day
	RecordCardApplication Record = "card-application" // card application papers: counted from their day
)

// retentions are the periods in years and where they start (law.md 12.1).
var retentions = map[Record]struct {
	years int
	rule  ID
}{
	RecordIssue: {10, rule(Rule{
		ID: "retention.issue-record", Source: "Ord2013 Art 2; Ord2016 Arts 2, 18; law.md 12.1",
		JA:     "発行記録は、有効期間満了の日の翌日から10年間保存します。",
		EN:     "Issue records are kept until ten years have passed from the day after expiry.",
		NextJA: keepJA, NextEN: keepEN,
	})},
	RecordRevocation: {0, rule(Rule{
		ID: "retention.revocation-information", Source: "Ord2013 Arts 3–6; Ord2016 Arts 3–6, 19–22; law.md 12.1",
		JA:     "失効情報は、電子証明書の本来の有効期間が終わる日まで保存します。",
		EN:     "Revocation information is kept until the certificate's scheduled expiry.",
		NextJA: keepJA, NextEN: keepEN,
	})},
	RecordRevocationFile: {10, rule(Rule{
		ID: "retention.revocation-file", Source: "Ord2013 Art 7; Ord2016 Arts 7, 23; law.md 12.1",
		JA:     "失効情報ファイルは10年間保存します。",
		EN:     "Revocation-information files are kept for ten years.",
		NextJA: keepJA, NextEN: keepEN,
	})},
	RecordApplication: {15, rule(Rule{
		ID: "retention.application-forms", Source: "Reg2016 Art 80 item 1; law.md 12.1",
		JA:     "申請書と本人確認書類の写しは15年間保存します。",
		EN:     "Application forms and copies of ID are kept for fifteen years.",
		NextJA: keepJA, NextEN: keepEN,
	})},
	RecordCardApplication: {15, rule(Rule{
		ID: "retention.card-application", Source: "CardReg2016 Art 23; law.md 12.1",
		JA:     "カードの申請書類は15年間保存します。",
		EN:     "Card application papers are kept for fifteen years.",
		NextJA: keepJA, NextEN: keepEN,
	})},
}

const (
	keepJA = "保存期間が終わるまで消去できません。"
	keepEN = "It can't be erased before the period is over."
)

// KeepUntil returns the last day on which a record must still be kept and the rule that says so. From is the
// certificate's scheduled last day for RecordIssue and RecordRevocation, and the record's own day for the others;
// counting starts on the next day (Civil Code Art 140). An unknown record is a *FieldError.
func KeepUntil(record Record, from civil.Date) (civil.Date, ID, error) {
	r, ok := retentions[record]
	if !ok {
		return civil.Date{}, "", Unknown("record", "issue, revocation, revocation-file, application, card-application")
	}
	if r.years == 0 {
		return from, r.rule, nil
	}
	return termEnd(from.AddDays(1), r.years), r.rule, nil
}
