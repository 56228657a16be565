package regime

// jukiEndings are what ends a certificate under the juki regime (Act2013 Art 15;
// domain.md 1.3.4). Effect is lost when the revocation is recorded.
var jukiEndings = []ending{
	{event: EvName, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.name", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; seed page; domain.md 1.1, 1.3.4",
		JA:     "氏名の修正があったため、電子証明書は失効します。",
		EN:     "A correction of name ends the certificate.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvSex, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.sex", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; seed page; domain.md 1.1, 1.3.4",
		JA:     "性別の修正があったため、電子証明書は失効します。",
		EN:     "A correction of sex ends the certificate.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvAddress, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.address", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; seed page; domain.md 1.1, 1.3.4",
		JA:     "住所の修正があったため、電子証明書は失効します。",
		EN:     "A correction of address ends the certificate.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvBirthDate, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.birth-date", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; seed page; domain.md 1.1, 1.3.4",
		JA:     "生年月日の修正があったため、電子証明書は失効します。",
		EN:     "A correction of birth date ends the certificate.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvMinor, sign: Keep, auth: Keep, card: Keep, rule: rule(Rule{
		ID: "juki.ends.minor-correction", From: JukiFirstDay, Source: "by analogy with Reg2016 Art 20; domain.md 4.1",
		JA:     "文字の同定、町名・地番の変更などの軽微な修正では、電子証明書は失効しません。",
		EN:     "Minor corrections of characters or place names end nothing.",
		NextJA: "お手続きは不要です。",
		NextEN: "Nothing needs to be done.",
	})},
	{event: EvMoveOut, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.move-out", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "他の市区町村への転出により、電子証明書は失効します。",
		EN:     "Moving to another municipality ends the certificate.",
		NextJA: "転入先の市区町村で新しい電子証明書を申請してください。",
		NextEN: "Apply in the municipality you move to.",
	})},
	{event: EvNoMoveIn, sign: Revoke, auth: Keep, card: Void, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.no-move-in", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "転入届がなかったため、カードは失効します。電子証明書は転出の時に失効しています。",
		EN:     "No move-in notification followed, so the card is void; the certificate ended with the move.",
		NextJA: "カードを返納し、必要であれば新しいカードを申請してください。",
		NextEN: "Return the card and apply for a new one if it is needed.",
	})},
	{event: EvLateMoveIn, sign: Revoke, auth: Keep, card: Void, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.late-move-in", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "転入届が期限を過ぎたため、カードは失効します。電子証明書は転出の時に失効しています。",
		EN:     "The move-in notification came late, so the card is void; the certificate ended with the move.",
		NextJA: "カードを返納し、必要であれば新しいカードを申請してください。",
		NextEN: "Return the card and apply for a new one if it is needed.",
	})},
	{event: EvCardNotSubmitted, sign: Revoke, auth: Keep, card: Void, reason: AffiliationChanged, rule: rule(Rule{
		ID: "juki.ends.card-not-submitted", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "カードの提出がなかったため、カードは失効します。電子証明書は転出の時に失効しています。",
		EN:     "The card was not submitted, so it is void; the certificate ended with the move.",
		NextJA: "カードを返納し、必要であれば新しいカードを申請してください。",
		NextEN: "Return the card and apply for a new one if it is needed.",
	})},
	{event: EvDeath, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.death", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "死亡により、電子証明書は失効します。",
		EN:     "Death ends the certificate.",
		NextJA: "カードを市区町村の窓口へ返納してください。",
		NextEN: "The card is to be returned to the municipality.",
	})},
	{event: EvOutOfScope, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.out-of-scope", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "住民基本台帳法の適用を受けなくなったため、電子証明書は失効します。",
		EN:     "The person is no longer in the scope of the Juki Act, so the certificate ends.",
		NextJA: "カードを市区町村の窓口へ返納してください。",
		NextEN: "The card is to be returned to the municipality.",
	})},
	{event: EvRecordDeleted, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.record-deleted", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "住民票が消除されたため、電子証明書は失効します。",
		EN:     "The resident record was deleted, so the certificate ends.",
		NextJA: "住民登録についてご相談ください。",
		NextEN: "Ask about the resident registration.",
	})},
	{event: EvOverseas, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.overseas", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "国外への転出により、電子証明書は失効します。",
		EN:     "Moving overseas ends the certificate.",
		NextJA: "カードを市区町村の窓口へ返納してください。",
		NextEN: "The card is to be returned to the municipality.",
	})},
	{event: EvCodeCorrected, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.resident-code-corrected", From: JukiFirstDay, Source: "Act2013 Arts 12, 15; domain.md 1.3.4",
		JA:     "住民票コードの修正により、カードと電子証明書は失効します。",
		EN:     "A correction of the resident-record code ends card and certificate.",
		NextJA: "カードを返納し、必要であれば新しいカードを申請してください。",
		NextEN: "Return the card and apply for a new one if it is needed.",
	})},
	{event: EvCardReturned, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.card-returned", From: JukiFirstDay, Source: "Act2013 Arts 10, 11, 15; domain.md 1.3.4",
		JA:     "カードの返納により、電子証明書は失効します。",
		EN:     "Returning the card ends the certificate.",
		NextJA: "お手続きは不要です。",
		NextEN: "Nothing needs to be done.",
	})},
	{event: EvCardVoid, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.card-void", From: JukiFirstDay, Source: "Act2013 Arts 10, 11, 15; domain.md 1.3.4",
		JA:     "カードが失効し使えなくなったため、電子証明書は失効します。",
		EN:     "The card is void and can't be used, so the certificate ends.",
		NextJA: "カードを返納し、必要であれば新しいカードを申請してください。",
		NextEN: "Return the card and apply for a new one if it is needed.",
	})},
	{event: EvApplication, sign: Revoke, auth: Keep, card: Keep, reason: CessationOfOperation, chosen: true, rule: rule(Rule{
		ID: "juki.ends.holder-application", From: JukiFirstDay, Source: "Act2013 Arts 9, 11, 15; domain.md 1.3.4",
		JA:     "本人の失効申請により、電子証明書を失効させます。記録された時に効力を失います。",
		EN:     "The holder's application ends the certificate at the moment it is recorded.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvKeyLeak, sign: Revoke, auth: Keep, card: Keep, reason: KeyCompromise, chosen: true, rule: rule(Rule{
		ID: "juki.ends.key-leak", From: JukiFirstDay, Source: "Act2013 Arts 10, 11, 15; domain.md 1.3.4",
		JA:     "秘密鍵の漏えいの届出により、電子証明書を失効させます。",
		EN:     "A report of a leaked key ends the certificate.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvLossReport, sign: Revoke, auth: Keep, card: Keep, reason: KeyCompromise, rule: rule(Rule{
		ID: "juki.ends.loss-report", From: JukiFirstDay, Source: "Act2013 Arts 10, 11, 15; domain.md 1.3.4",
		JA:     "カードの紛失の届出により、電子証明書を失効させます。",
		EN:     "A report of the loss of the card ends the certificate.",
		NextJA: "カードについても紛失の届出をしてください。",
		NextEN: "Report the loss of the card itself as well.",
	})},
	{event: EvUnusable, sign: Revoke, auth: Keep, card: Keep, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.medium-unusable", From: JukiFirstDay, Source: "Act2013 Arts 10, 11, 15; domain.md 1.3.4",
		JA:     "カードが壊れて使えないため、電子証明書を失効させます。",
		EN:     "The medium can no longer be used, so the certificate ends.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvPhoneLoss, sign: Keep, auth: Keep, card: Keep, rule: jukiNoSuspension},
	{event: EvFound, sign: Keep, auth: Keep, card: Keep, rule: rule(Rule{
		ID: "juki.ends.card-found", From: JukiFirstDay, Source: "Act2013 knows no suspension; domain.md 1.3.4",
		JA:     "カードが見つかりました。失効した電子証明書は元に戻りません。",
		EN:     "The card was found; a certificate that was revoked does not come back.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvCertificateError, sign: Revoke, auth: Keep, card: Keep, reason: AffiliationChanged, chosen: true, rule: rule(Rule{
		ID: "juki.ends.certificate-error", From: JukiFirstDay, Source: "Act2013 Arts 13, 15; domain.md 1.3.4",
		JA:     "電子証明書の記録の誤りが見つかったため失効させ、本人に速やかにお知らせします。",
		EN:     "An error was found in the certificate; it is revoked and the holder told promptly.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvCACompromise, sign: Revoke, auth: Keep, card: Keep, reason: CACompromise, chosen: true, rule: rule(Rule{
		ID: "juki.ends.ca-compromise", From: JukiFirstDay, Source: "Act2013 Arts 14, 15; domain.md 1.3.4",
		JA:     "認証局の署名符号の危殆化により失効し、遅滞なく公表します。",
		EN:     "The authority's key is compromised; the certificate is revoked and this is published without delay.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvTerm, sign: Expire, auth: Keep, card: Expire, chosen: true, cardChosen: true, rule: rule(Rule{
		ID: "juki.ends.term-ended", From: JukiFirstDay, Source: "Act2013 Arts 5, 15; domain.md 1.3.4",
		JA:     "3年間の有効期間が満了しました。",
		EN:     "The three-year term is over.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvCardTerm, sign: Keep, auth: Keep, card: Expire, when: cardApart, rule: rule(Rule{
		ID: "juki.ends.card-term-ended", From: JukiFirstDay, Source: "seed page; domain.md 1.3.1",
		JA:     "カードの有効期間が終わりましたが、電子証明書の有効期間は別です。",
		EN:     "The card's own term is over; the certificate's term is a separate one.",
		NextJA: "電子証明書の写しまたは証明書表示ツールで有効期間をお確かめください。",
		NextEN: "Check the certificate's term on its paper copy or with the display tool.",
	})},
	{event: EvCardTerm, sign: Expire, auth: Keep, card: Expire, when: cardCaps, rule: rule(Rule{
		ID: "juki.ends.card-term-ends-certificate", From: JukiFirstDay, Source: "domain.md 1.3.1, 1.7 (switch JukiCardCaps)",
		JA:     "カードの有効期間が終わり、電子証明書も使えなくなりました。",
		EN:     "The card's term is over and, in this municipality, the certificate's with it.",
		NextJA: applyAgainJA,
		NextEN: applyAgainEN,
	})},
	{event: EvRenewed, sign: Revoke, auth: Keep, card: Void, reason: Superseded, chosen: true, cardChosen: true, rule: rule(Rule{
		ID: "juki.ends.renewed", From: JukiFirstDay, Source: "Act2013 Art 6; seed page; domain.md 1.1, 2.5",
		JA:     "更新により、これまでの電子証明書は直ちに失効しました。",
		EN:     "Renewal has ended the former certificate at once.",
		NextJA: "新しい電子証明書をお使いください。",
		NextEN: "Use the new certificate.",
	})},
	{event: EvReissued, sign: Revoke, auth: Keep, card: Void, reason: Superseded, chosen: true, cardChosen: true, rule: rule(Rule{
		ID: "juki.ends.reissued", From: JukiFirstDay, Source: "Act2013 Art 6; domain.md 2.5",
		JA:     "再発行により、これまでの電子証明書は失効しました。",
		EN:     "Re-issue has ended the former certificate.",
		NextJA: "新しい電子証明書をお使いください。",
		NextEN: "Use the new certificate.",
	})},
	{event: EvDiscarded, sign: Revoke, auth: Keep, card: Void, reason: Unspecified, chosen: true, cardChosen: true, rule: rule(Rule{
		ID: "juki.ends.discarded", From: JukiFirstDay, Source: "CPS 4.9.9 (p8n) by analogy; domain.md 2.5",
		JA:     "交付前に不具合が見つかったため、電子証明書を廃棄しました。",
		EN:     "A fault was found before delivery, so the certificate was discarded.",
		NextJA: "カードをお預かりし、作り直します。",
		NextEN: "The card is kept and made again.",
	})},
	{event: EvMyNumberHandOver, sign: Revoke, auth: Keep, card: Void, reason: CessationOfOperation, rule: rule(Rule{
		ID: "juki.ends.mynumber-handover", From: MyNumberFirstDay, Source: "own knowledge, unverified: the juki card is given back for the My Number card; domain.md 1.2, 2.5",
		JA:     "マイナンバーカードの交付を受けるときは住民基本台帳カードを返納し、その電子証明書は失効します。",
		EN:     "When a My Number card is handed over, the juki card is taken back and its certificate ends.",
		NextJA: "マイナンバーカードの電子証明書をお使いください。",
		NextEN: "Use the certificates of the My Number card.",
	})},
}

// jukiNoSuspension is why a report of loss by telephone changes nothing.
var jukiNoSuspension = rule(Rule{
	ID: "juki.ends.phone-loss-report", From: JukiFirstDay, Source: "Act2013 knows no suspension; domain.md 1.3.4",
	JA:     "住民基本台帳カードの電子証明書には、電話による一時停止の制度がありません。",
	EN:     "The juki regime knows no suspension by telephone.",
	NextJA: "窓口で秘密鍵の漏えい等届出書を提出してください。",
	NextEN: "File the report of loss at the counter.",
})

// What to do after a juki certificate has ended, read out in 2010 as in 2017.
const (
	applyAgainJA = "平成27年12月22日までは新しい電子証明書を、平成28年1月1日からはマイナンバーカードの電子証明書を申請できます。"
	applyAgainEN = "Until 2015-12-22 apply for a new certificate, from 2016-01-01 for those of the My Number card."
)
