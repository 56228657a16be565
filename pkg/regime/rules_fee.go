package regime

import "shomei/pkg/civil"

// What is to be paid. Amounts in yen are in fee.go.
var (
	jukiFeeNew = rule(Rule{
		ID: "juki.fee.new", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 7.1",
		JA:     "発行手数料は500円です。", EN: "The fee for issue is 500 yen.",
	})
	jukiFeeRenewal = rule(Rule{
		ID: "juki.fee.renewal", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 7.1",
		JA:     "更新手数料は500円です。", EN: "The fee for renewal is 500 yen.",
	})
	jukiFeeNone = rule(Rule{
		ID: "juki.fee.none", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Sammu; law.md 7.1",
		JA:     "この手続に手数料はかかりません。", EN: "There is no fee for this.",
	})
	feeFirst = rule(Rule{
		ID: "mynumber.fee.first-waived", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "初めての発行は、当分の間無料です。", EN: "The first issue is free for the time being.",
	})
	feeRenewal = rule(Rule{
		ID: "mynumber.fee.renewal-waived", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "更新は、当分の間無料です。", EN: "Renewal is free for the time being.",
	})
	feeExpired = rule(Rule{
		ID: "mynumber.fee.expired-waived", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "有効期間満了後の発行は、当分の間無料です。", EN: "Issue after expiry is free for the time being.",
	})
	feeRecordChange = rule(Rule{
		ID: "mynumber.fee.record-change-waived", From: MyNumberFirstDay,
		Source: "assumed: law.md 7.2, 14.2",
		JA:     "住民票の記載の変更で失効した電子証明書の発行は、当分の間無料です。",
		EN:     "Issue after a certificate ended with a change of the resident record is free for the time being.",
	})
	feeError = rule(Rule{
		ID: "mynumber.fee.certificate-error-waived", From: MyNumberFirstDay,
		Source: "assumed: law.md 7.2, 14.2",
		JA:     "記録の誤りで失効した電子証明書に代わる発行は無料です。", EN: "Issue in place of a certificate that was revoked for an error in it is free.",
	})
	feeFault = rule(Rule{
		ID: "mynumber.fee.fault-waived", From: MyNumberFirstDay,
		Source: "assumed: law.md 7.2, 14.2",
		JA:     "お客様の責任によらない不具合による再発行は無料です。", EN: "Re-issue for a fault that is not the holder's is free.",
	})
	feeOverseas = rule(Rule{
		ID: "mynumber.fee.overseas-90-days-waived", From: overseasDay,
		Source: "muni:Chiyoda, Nagayo; law.md 7.2",
		JA:     "継続利用の手続きがなく国外転出で失効したカードの再交付は、転出の日から90日以内の申請であれば無料です。",
		EN:     "Re-issue of a card that became void by a move overseas without continued use is free when applied for within 90 days of leaving.",
	})
	feeCard = rule(Rule{
		ID: "mynumber.fee.reissue-card", From: MyNumberFirstDay,
		Source: "muni:Kitakyushu; law.md 7.2",
		JA:     "紛失などによるカードの再発行手数料は800円です。", EN: "Re-issue of the card for loss etc. costs 800 yen.",
	})
	feeCertificates = rule(Rule{
		ID: "mynumber.fee.reissue-certificates", From: MyNumberFirstDay,
		Source: "muni:Kitakyushu; law.md 7.2",
		JA:     "紛失などによる電子証明書の再発行手数料は200円です。", EN: "Re-issue of the certificates for loss etc. costs 200 yen.",
	})
	feeExpressCard = rule(Rule{
		ID: "mynumber.fee.express-card", From: expressDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "特急発行によるカードの再発行手数料は1,800円です。", EN: "Express re-issue of the card costs 1,800 yen.",
	})
	feeExpressCertificates = rule(Rule{
		ID: "mynumber.fee.express-certificates", From: expressDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "特急発行に伴う電子証明書の再発行手数料は200円です。", EN: "The certificates of an express re-issue cost 200 yen.",
	})
	expressNotYet = rule(Rule{
		ID: "mynumber.fee.express-not-yet", From: MyNumberFirstDay, Until: expressDay.AddDays(-1),
		Source: "municipal pages; law.md 1.2, 7.2",
		JA:     "特急発行は令和6年12月2日に始まります。", EN: "Express issue begins on 2024-12-02.",
		NextJA: "通常の発行を申請してください。", NextEN: "Apply for ordinary issue.",
	})
	expressCases = rule(Rule{
		ID: "mynumber.express.fixed-cases", From: expressDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "特急発行を申請できるのは定められた場合だけで、多くは30日の申請期間があります。当てはまるかどうかは窓口で確かめます。",
		EN:     "Express issue is for a fixed list of cases only, most with a window of 30 days to apply; the counter checks whether one of them is given.",
	})
	feeWaiverEnded = rule(Rule{
		ID: "mynumber.fee.waiver-ended", From: MyNumberFirstDay,
		Source: "not settled: law.md 7.2, 14.1",
		JA:     "当分の間の無料の取扱いが終わったため、手数料がかかります。", EN: "The standing waiver has ended, so the fee is due.",
	})
	feeNone = rule(Rule{
		ID: "mynumber.fee.none", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 7.2",
		JA:     "この手続に手数料はかかりません。", EN: "There is no fee for this.",
	})
)

// expressDay is the day from which express issue exists (law.md 1.2).
var expressDay = civil.New(2024, 12, 2)
