package regime

import "shomei/pkg/civil"

// The days from which certificates exist on the two kinds of smartphone (law.md 1.2).
var (
	androidDay = civil.New(2023, 5, 11)
	iPhoneDay  = civil.New(2025, 6, 24)
)

// Certificates on smartphones (law.md 10.1, 10.2). Where its source is silent, a rule says what was chosen.
var (
	android = rule(Rule{
		ID: "mynumber.phone.android", From: androidDay, Source: "municipal pages; law.md 1.2, 10.1",
		JA: "Androidのスマートフォンには、令和5年5月11日から電子証明書を搭載できます。",
		EN: "Android smartphones carry certificates from 2023-05-11.",
	})
	androidNotYet = rule(Rule{
		ID: "mynumber.phone.android-not-yet", Until: androidDay.AddDays(-1), Source: "municipal pages; law.md 1.2, 10.1",
		JA:     "Androidのスマートフォンへの電子証明書の搭載は、令和5年5月11日に始まります。",
		EN:     "Certificates on Android smartphones begin on 2023-05-11.",
		NextJA: "令和5年5月11日以降に申請してください。それまではカードをお使いください。",
		NextEN: "Apply on or after 2023-05-11; use the card until then.",
	})
	iPhone = rule(Rule{
		ID: "mynumber.phone.iphone", From: iPhoneDay, Source: "assumed: law.md 1.2, 14.2",
		JA: "iPhoneには、令和7年6月24日から電子証明書を搭載できます。",
		EN: "iPhones carry certificates from 2025-06-24.",
	})
	iPhoneNotYet = rule(Rule{
		ID: "mynumber.phone.iphone-not-yet", Until: iPhoneDay.AddDays(-1), Source: "assumed: law.md 1.2, 14.2",
		JA:     "iPhoneへの電子証明書の搭載は、令和7年6月24日に始まります。",
		EN:     "Certificates on iPhones begin on 2025-06-24.",
		NextJA: "令和7年6月24日以降に申請してください。それまではカードをお使いください。",
		NextEN: "Apply on or after 2025-06-24; use the card until then.",
	})
	phoneOnline = rule(Rule{
		ID: "mynumber.phone.day-and-night", From: androidDay, Source: "assumed: law.md 10.1, 14.2",
		JA: "スマートフォンからの申請は、窓口の受付時間にかかわらず24時間受け付けます。",
		EN: "Applications from a smartphone are taken day and night, whatever the hours of the counters.",
	})
	phoneSignature = rule(Rule{
		ID: "mynumber.phone.signature-needed", From: androidDay, Source: "assumed: law.md 10.3, 14.2",
		JA:     "スマートフォンからの申請には、カードの有効な署名用電子証明書による電子署名が必要です。",
		EN:     "An application from a smartphone is signed with the card's signature certificate, which must be in force and not suspended.",
		NextJA: "先に窓口でカードの署名用電子証明書の発行を受けてください。スマートフォンの電子証明書の失効と一時停止の解除は窓口でもできます。",
		NextEN: "Have a signature certificate issued on the card at the counter first. The counter also revokes and releases what is on a smartphone.",
	})
	phoneProved = rule(Rule{
		ID: "mynumber.phone.signed-with-card", From: androidDay, Source: "assumed: law.md 10.3, 14.2",
		JA: "申請は、カードの署名用電子証明書で電子署名されています。",
		EN: "The application is signed with the card's signature certificate.",
	})
	phoneParent = rule(Rule{
		ID: "mynumber.phone.card-certificate-needed", From: androidDay, Source: "municipal pages; law.md 10.1",
		JA:     "同じ種類の電子証明書がカードで有効でないため、スマートフォンには発行できません。",
		EN:     "The card holds no certificate of this kind in force that one on a smartphone could be bound to.",
		NextJA: "先に窓口でカードの電子証明書の発行を受けてください。",
		NextEN: "Have the card's certificate issued at the counter first.",
	})
	phoneOneSet = rule(Rule{
		ID: "mynumber.phone.one-set", From: androidDay, Source: "by analogy with Act2016 Arts 6, 25; law.md 10.1",
		JA:     "このスマートフォンには、同じ種類の有効な電子証明書がすでにあります。",
		EN:     "This smartphone already holds a certificate of this kind in force.",
		NextJA: "お手続きは不要です。作り直すときは、先に失効を申請してください。",
		NextEN: "Nothing needs to be done. To have it made anew, apply for its revocation first.",
	})
	phoneOther = rule(Rule{
		ID: "mynumber.phone.another-of-its-kind", From: androidDay, Source: "assumed: law.md 10.1, 14.2",
		JA:     "同じ種類(AndroidまたはiPhone)の別のスマートフォンに、有効な電子証明書があります。",
		EN:     "Another smartphone of this platform holds certificates in force.",
		NextJA: "先に、前のスマートフォンの電子証明書の失効を申請してください。",
		NextEN: "Apply for the revocation of those on the former smartphone first.",
	})
	phoneIsLost = rule(Rule{
		ID: "mynumber.phone.reported-lost", From: androidDay, Source: "decided here: law.md 10.2",
		JA:     "このスマートフォンは紛失の届出により一時停止中のため、発行できません。",
		EN:     "This smartphone was reported lost, so nothing can be issued to it.",
		NextJA: "見つかったときは、先に一時停止の解除を申請してください。",
		NextEN: "When it has been found, apply for the release of the suspension first.",
	})
	phoneNotLost = rule(Rule{
		ID: "mynumber.phone.not-lost", From: androidDay, Source: "municipal pages; law.md 10.2",
		JA:     "このスマートフォンには紛失の届出がないため、解除するものがありません。",
		EN:     "This smartphone was not reported lost, so there is nothing to release.",
		NextJA: "どのスマートフォンのことか確かめてください。カードの一時停止は解除されません。",
		NextEN: "Check which smartphone is meant. The suspension of a card's certificates is never lifted.",
	})
	phoneNotFresh = rule(Rule{
		ID: "mynumber.phone.not-fresh", From: androidDay, Source: "decided here: law.md 13.1",
		JA:     "この申請は、受け付け済みの申請以前に署名されたものか、署名の時刻が受付の時刻から24時間以上離れているため、受け付けられません。",
		EN:     "This application was signed no later than one that was taken in before, or a day or more away from its receipt.",
		NextJA: "スマートフォンで、もう一度申請してください。",
		NextEN: "Apply again on the smartphone.",
	})
	phoneCardHold = rule(Rule{
		ID: "mynumber.phone.card-suspended", From: androidDay, Source: "municipal pages; law.md 10.2",
		JA:     "カードの電子証明書が一時停止中のため、スマートフォンの一時停止も解除されません。",
		EN:     "The card's certificate is suspended, so that of the smartphone is not released.",
		NextJA: "カードと電子証明書の再発行を申請し、その後スマートフォンに発行を受けてください。",
		NextEN: "Apply for a new card and certificates, and for those on the smartphone afterwards.",
	})
	phoneTerm = rule(Rule{
		ID: "mynumber.phone.card-certificate-caps", From: androidDay, Source: "municipal pages; law.md 10.1",
		JA: "カードの電子証明書の有効期間の最終日までです。",
		EN: "Valid to the last day of the card's certificate.",
	})
	phoneNoNotice = rule(Rule{
		ID: "mynumber.phone.no-own-notice", From: androidDay, Source: "decided here: law.md 10.3, 13.3",
		JA: "カードの電子証明書とともに終わるため、スマートフォンの電子証明書には更新期間も有効期限の通知もありません。",
		EN: "It ends with the card's certificate, so it has neither a renewal window nor an expiry notice of its own.",
	})
	phoneFee = rule(Rule{
		ID: "mynumber.fee.phone", From: androidDay, Source: "municipal pages; law.md 10.3",
		JA: "スマートフォン用電子証明書の発行に手数料はかかりません。", EN: "Certificates on a smartphone are free.",
	})
	// PhoneFollows: a certificate on a smartphone ends, or is suspended, with the card's that it is bound to.
	PhoneFollows = rule(Rule{
		ID: "mynumber.phone.follows-card", From: androidDay, Source: "municipal pages; law.md 10.2",
		JA:     "スマートフォンの電子証明書は、もとになったカードの電子証明書に従い、同じ理由で失効し、または一時停止します。",
		EN:     "A certificate on a smartphone follows the card's certificate that it is bound to, for the same reason.",
		NextJA: "カードの電子証明書が新しく発行されたら、スマートフォンからもう一度申請してください。",
		NextEN: "Apply again on the smartphone when the card's certificate has been issued anew.",
	})
)

// phoneEndings lists what ends the certificates on a smartphone independently of the card's.
var phoneEndings = []ending{
	{event: EvSmartphoneLost, sign: Suspend, auth: Suspend, card: Keep, reason: CertificateHold, rule: rule(Rule{
		ID: "mynumber.phone.ends.lost", From: androidDay, Source: "municipal pages; law.md 10.2",
		JA:     "スマートフォンの紛失の届出により、その電子証明書を一時停止します。カードの電子証明書はそのまま使えます。",
		EN:     "A report of the loss of the smartphone suspends the certificates on it; those of the card stay.",
		NextJA: "見つかったときは一時停止の解除を、見つからないときは失効を申請してください。",
		NextEN: "Apply for their release when it is found, for their revocation when it is not.",
	})},
	{event: EvSmartphoneFound, sign: Revoke, auth: Release, card: Keep, reason: KeyCompromise, rule: rule(Rule{
		ID: "mynumber.phone.ends.found", From: androidDay, Source: "municipal pages; law.md 8.8, 10.2",
		JA:     "スマートフォンが見つかったため、利用者証明用電子証明書の一時停止を解除します。署名用電子証明書は解除されず、失効します。",
		EN:     "The smartphone was found: its authentication certificate is released; its signature certificate is not, it is revoked.",
		NextJA: "署名用電子証明書は、スマートフォンからもう一度申請してください。",
		NextEN: "Apply for the signature certificate again on the smartphone.",
	})},
	{event: EvSmartphoneRevoked, sign: Revoke, auth: Revoke, card: Keep, reason: CessationOfOperation, rule: rule(Rule{
		ID: "mynumber.phone.ends.holder-application", From: androidDay, Source: "municipal pages; law.md 8.8, 10.2",
		JA:     "本人の申請により、スマートフォンの電子証明書を失効させます。初期化しても電子証明書は消えないため、手放す前に必要です。",
		EN:     "The holder's application ends the certificates on the smartphone. It must come before the phone is disposed of: a factory reset does not remove them.",
		NextJA: "別のスマートフォンで使うときは、そのスマートフォンから申請してください。",
		NextEN: "To use them on another smartphone, apply on that one.",
	})},
}
