package regime

// CRLReason is a CRLReason of RFC 5280 section 5.3.1, as J-LIS uses it
// (CPS 4.9.9, law.md 8.8).
type CRLReason int

const (
	Unspecified          CRLReason = 0 // discarded before delivery to the holder
	KeyCompromise        CRLReason = 1 // key leak, loss of the card
	CACompromise         CRLReason = 2 // the authority's key
	AffiliationChanged   CRLReason = 3 // recorded content changed: move, name
	Superseded           CRLReason = 4 // replaced by renewal
	CessationOfOperation CRLReason = 5 // no longer needed: wish, death, card void
	CertificateHold      CRLReason = 6 // suspension; never lifted on a card
)

// reasons are the names in RFC 5280 and the rules that say when a reason is used.
var reasons = [...]struct {
	name string
	rule ID
}{
	Unspecified: {"unspecified", rule(Rule{
		ID: "reason.unspecified", Source: reasonSource,
		JA:     "本人への交付前に廃棄した電子証明書です。",
		EN:     "The certificate was discarded before it was delivered to the holder.",
		NextJA: "カードをお預かりし、新しい電子証明書を作り直します。", NextEN: "The card is kept and a new certificate is made.",
	})},
	KeyCompromise: {"keyCompromise", rule(Rule{
		ID: "reason.key-compromise", Source: reasonSource,
		JA:     "秘密鍵の漏えい、またはカードの紛失による失効です。",
		EN:     "Revoked because the key leaked or the card was lost.",
		NextJA: "再発行を申請してください。", NextEN: "Apply for a re-issue.",
	})},
	CACompromise: {"cACompromise", rule(Rule{
		ID: "reason.ca-compromise", Source: reasonSource,
		JA:     "認証局の秘密鍵の危殆化による失効です。",
		EN:     "Revoked because the authority's own key is compromised.",
		NextJA: "発行者からの案内をお待ちください。", NextEN: "Wait for the authority's announcement.",
	})},
	AffiliationChanged: {"affiliationChanged", rule(Rule{
		ID: "reason.affiliation-changed", Source: reasonSource,
		JA:     "氏名・住所など、記載内容の変更による失効です。",
		EN:     "Revoked because recorded content such as name or address changed.",
		NextJA: "新しい内容の電子証明書を申請してください。", NextEN: "Apply for a certificate with the new content.",
	})},
	Superseded: {"superseded", rule(Rule{
		ID: "reason.superseded", Source: reasonSource,
		JA:     "更新により、新しい電子証明書に置き換わりました。",
		EN:     "Replaced by a new certificate.",
		NextJA: "新しい電子証明書をお使いください。", NextEN: "Use the new certificate.",
	})},
	CessationOfOperation: {"cessationOfOperation", rule(Rule{
		ID: "reason.cessation", Source: reasonSource,
		JA:     "本人の希望、死亡、カードの失効などにより、使われなくなりました。",
		EN:     "No longer needed: the holder's wish, death, or the card void.",
		NextJA: "必要になったときは、新規の発行を申請してください。", NextEN: "Apply for a new issue if it is needed again.",
	})},
	CertificateHold: {"certificateHold", rule(Rule{
		ID: "reason.hold", From: MyNumberFirstDay, Source: "Reg2016 Art 65(1) item 3; " + reasonSource,
		JA:     "一時停止中です。カードの電子証明書の一時停止は解除されません。",
		EN:     "Suspended; the suspension of a certificate on a card is never lifted.",
		NextJA: "カードが見つかった場合も、失効と再発行を申請してください。", NextEN: "Even when the card is found, apply for revocation and re-issue.",
	})},
}

// atRecording says when a revoked or suspended certificate loses effect.
var atRecording = rule(Rule{
	ID: "reason.effect-at-recording", Source: "Act2013 Art 15; Act2016 Arts 15, 34; law.md 8.1",
	JA:     "電子証明書は、原因が生じた時ではなく、失効または一時停止が記録された時に効力を失います。",
	EN:     "A certificate loses effect when its revocation or suspension is recorded, not when the cause arose.",
	NextJA: "記録された時刻は、履歴で確かめられます。",
	NextEN: "The history shows when it was recorded.",
})

const reasonSource = "CPS 4.9.9; law.md 8.8"

// known reports whether the reason is one that Shomei uses.
func (r CRLReason) known() bool { return r >= 0 && int(r) < len(reasons) }

// String returns the name of the reason in RFC 5280, or "" for one that Shomei does not use.
func (r CRLReason) String() string {
	if !r.known() {
		return ""
	}
	return reasons[r].name
}

// Rule returns the rule that says when the reason is used, or "".
func (r CRLReason) Rule() ID {
	if !r.known() {
		return ""
	}
	return reasons[r].rule
}
