package regime

// What must be shown under the juki regime.
var (
	jukiDocForm = rule(Rule{
		ID: "juki.documents.form", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "申請書が必要です。",
		EN:     "The application form is needed.",
		NextJA: "窓口にある申請書に記入してください。",
		NextEN: "Fill in the form at the counter.",
	})
	jukiDocCard = rule(Rule{
		ID: "juki.documents.card", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "住民基本台帳カードが必要です。",
		EN:     "The juki card is needed.",
		NextJA: "カードをお持ちください。紛失したときは、紛失の届出と再発行の手続きをご案内します。",
		NextEN: "Bring the card. If it is lost, report the loss and apply for a new one.",
	})
	jukiDocPhotoID = rule(Rule{
		ID: "juki.documents.photo-id", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "本人確認のため、写真付きの公的な本人確認書類が必要です。",
		EN:     "An official photo ID is needed.",
		NextJA: "写真付きの書類がないときは、照会書兼回答書をご住所へ郵送します。届いたら記入してお持ちください。",
		NextEN: "Without photo ID a letter of inquiry is mailed to the registered address; bring its answer form.",
	})
	jukiDocPhotoAddress = rule(Rule{
		ID: "juki.documents.photo-id-address", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "写真付きの本人確認書類の住所が、最新の住所ではありません。",
		EN:     "The address on the photo ID is not the current one.",
		NextJA: "住所を書き換えてからお持ちいただくか、照会書兼回答書による確認をお選びください。",
		NextEN: "Have the ID's address updated, or choose the check by letter of inquiry.",
	})
	jukiDocLetterFirst = rule(Rule{
		ID: "juki.documents.letter-first", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "照会書兼回答書をご住所へ郵送してからの手続きになります。当日の発行はできません。",
		EN:     "A letter of inquiry must be mailed to the registered address first; issue on the same day is not possible.",
		NextJA: "郵送する照会書兼回答書に記入し、あらためてお越しください。",
		NextEN: "Fill in the answer form that will be mailed and come again.",
	})
	jukiDocAnswer = rule(Rule{
		ID: "juki.documents.inquiry-answer", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "郵送した照会書兼回答書が必要です。",
		EN:     "The answer form of the letter of inquiry is needed.",
		NextJA: "届いた照会書兼回答書に記入してお持ちください。",
		NextEN: "Bring the answer form, filled in.",
	})
	jukiDocAnswerOther = rule(Rule{
		ID: "juki.documents.inquiry-answer-other", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "お持ちの照会書兼回答書は、ご住所へ郵送したものと一致しません。",
		EN:     "The answer form is not the one that was mailed to the registered address.",
		NextJA: "最後に届いた照会書兼回答書をお持ちください。届いていないときは、もう一度郵送します。",
		NextEN: "Bring the form that arrived last; if none arrived, another is mailed.",
	})
	jukiDocAnswerLapsed = rule(Rule{
		ID: "juki.documents.inquiry-answer-lapsed", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "municipal pages; law.md 5.3",
		JA:     "照会書兼回答書の回答期限が過ぎています。",
		EN:     "The term for answering the letter of inquiry is over.",
		NextJA: "もう一度申請してください。新しい照会書兼回答書を郵送します。",
		NextEN: "Apply again; a new letter of inquiry is mailed.",
	})
	jukiDocAnswerMoved = rule(Rule{
		ID: "juki.documents.inquiry-answer-moved", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "municipal pages; law.md 5.3",
		JA:     "照会書兼回答書を郵送した後に住所が変わったため、この照会書兼回答書は使えません。",
		EN:     "The address has changed since the letter of inquiry was posted, so it is void.",
		NextJA: "もう一度申請してください。新しいご住所へ照会書兼回答書を郵送します。",
		NextEN: "Apply again; a new letter of inquiry is mailed to the new address.",
	})
	jukiDocCardIsID = rule(Rule{
		ID: "juki.documents.card-is-photo-id", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Art 6; muni:Sammu; law.md 5.1",
		JA:     "写真付きの住民基本台帳カードを本人確認書類として確認しました。",
		EN:     "The juki card with a photo was taken as photo ID.",
	})
	jukiDocOtherID = rule(Rule{
		ID: "juki.documents.other-id", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "照会書兼回答書とあわせて、健康保険証などの本人確認書類が必要です。",
		EN:     "A health-insurance card or the like is needed with the answer form.",
		NextJA: "健康保険証などをお持ちください。",
		NextEN: "Bring a health-insurance card or the like.",
	})
	jukiDocMandate = rule(Rule{
		ID: "juki.documents.mandate", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "本人が自筆した委任状が必要です。",
		EN:     "A mandate in the principal's own hand is needed.",
		NextJA: "委任状を本人に書いてもらってください。",
		NextEN: "Have the principal write the mandate.",
	})
	jukiDocMandateSeal = rule(Rule{
		ID: "juki.documents.mandate-seal", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "委任状に実印が押されていません。",
		EN:     "The mandate does not bear the registered seal.",
		NextJA: "本人の実印を押した委任状をお持ちください。",
		NextEN: "Bring a mandate sealed with the principal's registered seal.",
	})
	jukiDocSealCertificate = rule(Rule{
		ID: "juki.documents.seal-certificate", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "本人の印鑑登録証明書が必要です。",
		EN:     "The principal's seal certificate is needed.",
		NextJA: "印鑑登録証明書をお持ちください。",
		NextEN: "Bring the seal certificate.",
	})
	jukiDocProxyID = rule(Rule{
		ID: "juki.documents.proxy-photo-id", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "代理人の写真付き本人確認書類が必要です。",
		EN:     "The representative's own photo ID is needed.",
		NextJA: "代理人ご自身の運転免許証などをお持ちください。",
		NextEN: "Bring the representative's own photo ID.",
	})
	jukiDocNotSameDay = rule(Rule{
		ID: "juki.documents.not-same-day", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "Reg2013 Arts 5, 6; muni:Sammu; law.md 5.1",
		JA:     "この申請方法では、当日の発行はできません。",
		EN:     "Issue on the day of the first visit is not possible in this way.",
		NextJA: "照会書兼回答書が届いてから、あらためてお越しください。",
		NextEN: "Come again when the answer form has arrived.",
	})
	jukiDocSealedPIN = rule(Rule{
		ID: "juki.documents.pin-under-seal", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Kaminokawa; law.md 5.1",
		JA:     "代理人の申請では、設定する暗証番号を本人が回答書に書き、目隠しシールを貼ります。",
		EN:     "For an application by an agent the principal writes the PIN to be set into the answer form, under a masking seal.",
	})
	jukiDocRepresentation = rule(Rule{
		ID: "juki.documents.proof-of-representation", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "muni:Sammu; by analogy with muni:Nabari; law.md 2.2, 2.3",
		JA:     "法定代理人であることを示す書類(戸籍全部事項証明書、登記事項証明書など)が必要です。",
		EN:     "Proof that the representative is the legal representative is needed.",
		NextJA: "戸籍や登記の証明書をお持ちください。本籍地がこの市区町村であれば省略できる場合があります。",
		NextEN: "Bring an extract of the family register or of the register of guardianship.",
	})
	jukiDocOnFile = rule(Rule{
		ID: "juki.documents.form-on-file", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Sammu; law.md 5.1",
		JA:     "申請書は、初めにお越しの際にお預かりしています。",
		EN:     "The application form is at the office since the first visit.",
	})
	jukiDocReturned = rule(Rule{
		ID: "juki.documents.card-returned", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "assumed: law.md 5.6, 14.2",
		JA:     "返納に必要なのは、返納するカードだけです。本人確認書類や照会書は要りません。",
		EN:     "Giving the card back needs the card alone: no proof of identity and no letter of inquiry.",
		NextJA: "カードを窓口にお渡しください。カードがお手元にないときは、紛失の届出をお願いします。",
		NextEN: "Hand over the card at the counter. If it is not at hand, report its loss.",
	})
)
