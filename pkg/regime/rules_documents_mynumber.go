package regime

// What must be shown under the My Number regime.
var (
	myDocForm = rule(Rule{
		ID: "mynumber.documents.form", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; Reg2016 Arts 5, 41; law.md 5.2",
		JA:     "申請書が必要です。",
		EN:     "The application form is needed.",
		NextJA: "窓口にある申請書に記入してください。",
		NextEN: "Fill in the form at the counter.",
	})
	myDocCard = rule(Rule{
		ID: "mynumber.documents.card", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; Reg2016 Arts 5, 41; law.md 5.2",
		JA:     "マイナンバーカードが必要です。",
		EN:     "The My Number card is needed.",
		NextJA: "カードをお持ちください。紛失したときは、紛失の届出と再発行の手続きをご案内します。",
		NextEN: "Bring the card. If it is lost, report the loss and apply for a new one.",
	})
	myDocPhotoID = rule(Rule{
		ID: "mynumber.documents.photo-id", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; Reg2016 Arts 5(1), 41(1); law.md 5.2",
		JA:     "本人確認のため、写真付きの公的な本人確認書類が必要です。",
		EN:     "An official photo ID is needed.",
		NextJA: "写真付きの書類がないときは、照会書兼回答書をご住所へ郵送します。届いたら記入してお持ちください。",
		NextEN: "Without photo ID a letter of inquiry is mailed to the registered address; bring its answer form.",
	})
	myDocPhotoAddress = rule(Rule{
		ID: "mynumber.documents.photo-id-address", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; by analogy with muni:Sammu; law.md 5.2",
		JA:     "写真付きの本人確認書類の住所が、最新の住所ではありません。",
		EN:     "The address on the photo ID is not the current one.",
		NextJA: "住所を書き換えてからお持ちいただくか、照会書兼回答書による確認をお選びください。",
		NextEN: "Have the ID's address updated, or choose the check by letter of inquiry.",
	})
	myDocLetterFirst = rule(Rule{
		ID: "mynumber.documents.letter-first", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(1), 41(1); law.md 5.2, 5.3",
		JA:     "照会書兼回答書をご住所へ郵送してからの手続きになります。当日の発行はできません。",
		EN:     "A letter of inquiry must be mailed to the registered address first; issue on the same day is not possible.",
		NextJA: "郵送する照会書兼回答書に記入し、あらためてお越しください。",
		NextEN: "Fill in the answer form that will be mailed and come again.",
	})
	myDocAnswer = rule(Rule{
		ID: "mynumber.documents.inquiry-answer", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(1), 41(1); law.md 5.2, 5.3",
		JA:     "郵送した照会書兼回答書が必要です。",
		EN:     "The answer form of the letter of inquiry is needed.",
		NextJA: "届いた照会書兼回答書に記入してお持ちください。",
		NextEN: "Bring the answer form, filled in.",
	})
	myDocAnswerOther = rule(Rule{
		ID: "mynumber.documents.inquiry-answer-other", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(1), 41(1); law.md 5.2, 5.3",
		JA:     "お持ちの照会書兼回答書は、ご住所へ郵送したものと一致しません。",
		EN:     "The answer form is not the one that was mailed to the registered address.",
		NextJA: "最後に届いた照会書兼回答書をお持ちください。届いていないときは、もう一度郵送します。",
		NextEN: "Bring the form that arrived last; if none arrived, another is mailed.",
	})
	myDocAnswerLapsed = rule(Rule{
		ID: "mynumber.documents.inquiry-answer-lapsed", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 5.3",
		JA:     "照会書兼回答書の回答期限が過ぎています。",
		EN:     "The term for answering the letter of inquiry is over.",
		NextJA: "もう一度申請してください。新しい照会書兼回答書を郵送します。",
		NextEN: "Apply again; a new letter of inquiry is mailed.",
	})
	myDocAnswerMoved = rule(Rule{
		ID: "mynumber.documents.inquiry-answer-moved", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 5.3",
		JA:     "照会書兼回答書を郵送した後に住所が変わったため、この照会書兼回答書は使えません。",
		EN:     "The address has changed since the letter of inquiry was posted, so it is void.",
		NextJA: "もう一度申請してください。新しいご住所へ照会書兼回答書を郵送します。",
		NextEN: "Apply again; a new letter of inquiry is mailed to the new address.",
	})
	myDocSealedMandate = rule(Rule{
		ID: "mynumber.documents.sealed-mandate", From: MyNumberFirstDay,
		Source: "muni:Kobe, Shime, Ise; law.md 5.5",
		JA:     "本人が記入して封をした委任状(暗証番号を封入したもの)が必要です。実印は要りません。",
		EN:     "The holder's mandate in a closed envelope, with the PIN inside, is needed; no registered seal.",
		NextJA: "本人に委任状を書いて封をしてもらい、開けずにお持ちください。",
		NextEN: "Have the holder write the mandate and close the envelope, and bring it unopened.",
	})
	myDocHousehold = rule(Rule{
		ID: "mynumber.documents.household-with-move", From: MyNumberFirstDay,
		Source: "muni:Kobe, Shime, Ise; law.md 5.5",
		JA:     "同一世帯の方による当日の手続きは、引っ越しの届出と同じ日の、署名用電子証明書の発行に限ります。",
		EN:     "A member of the same household can have a signature certificate issued the same day only together with the filing of the move.",
		NextJA: "委任状による代理申請の方法をご案内します。",
		NextEN: "Apply as an agent by mandate instead.",
	})
	myDocHouseholdMandate = rule(Rule{
		ID: "mynumber.documents.household-mandate", From: MyNumberFirstDay,
		Source: "muni:Kishiwada; not settled: law.md 5.5, 14.1",
		JA:     "この窓口では、同一世帯の方による継続利用の手続きにも委任状が必要です。",
		EN:     "At this office a member of the household needs a mandate for continued use, too.",
		NextJA: "委任状を本人に書いてもらってください。",
		NextEN: "Have the principal write the mandate.",
	})
	myDocOverseasAlone = rule(Rule{
		ID: "mynumber.documents.overseas-holder-alone", From: overseasDay,
		Source: "muni:Nakashibetsu, Setagaya, Tomigusuku; law.md 2.5",
		JA:     "国外に転出した日からは、本人しか手続きできません。",
		EN:     "From the day of moving overseas only the holder in person can do this.",
		NextJA: "本人が、本籍地の市区町村または在外公館へお越しください。",
		NextEN: "The holder comes to the municipality of the family register or to a diplomatic mission.",
	})
	myDocOverseasNoLetter = rule(Rule{
		ID: "mynumber.documents.overseas-no-letter", From: overseasDay,
		Source: "muni:Setagaya, Tomigusuku; law.md 4.3",
		JA:     "国外に転出した方には登録された住所がないため、照会書兼回答書による本人確認はできません。",
		EN:     "Somebody overseas has no registered address, so identity can't be shown by a letter of inquiry.",
		NextJA: "旅券などの写真付きの公的な本人確認書類を、本籍地の市区町村または在外公館へお持ちください。",
		NextEN: "Bring an official photo ID such as a passport to the municipality of the family register or to a diplomatic mission.",
	})
	myDocOtherID = rule(Rule{
		ID: "mynumber.documents.other-id", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(1), 41(1); law.md 5.2",
		JA:     "照会書兼回答書とあわせて、健康保険証などの本人確認書類が必要です。",
		EN:     "A health-insurance card or the like is needed with the answer form.",
		NextJA: "健康保険証などをお持ちください。",
		NextEN: "Bring a health-insurance card or the like.",
	})
	myDocMandate = rule(Rule{
		ID: "mynumber.documents.mandate", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(2), 41(2); muni:Gujo, Kasai, Yokohama, Chikuhoku, Kyoto; law.md 5.2",
		JA:     "本人が自筆した委任状が必要です。",
		EN:     "A mandate in the principal's own hand is needed.",
		NextJA: "委任状を本人に書いてもらってください。",
		NextEN: "Have the principal write the mandate.",
	})
	myDocMandateSeal = rule(Rule{
		ID: "mynumber.documents.mandate-seal", From: MyNumberFirstDay,
		Source: "by analogy with Reg2013 Art 5; not settled: law.md 5.2, 14.1",
		JA:     "委任状に実印が押されていません。",
		EN:     "The mandate does not bear the registered seal.",
		NextJA: "本人の実印を押した委任状をお持ちください。",
		NextEN: "Bring a mandate sealed with the principal's registered seal.",
	})
	myDocSealCertificate = rule(Rule{
		ID: "mynumber.documents.seal-certificate", From: MyNumberFirstDay,
		Source: "by analogy with Reg2013 Art 5; not settled: law.md 5.2, 14.1",
		JA:     "本人の印鑑登録証明書が必要です。",
		EN:     "The principal's seal certificate is needed.",
		NextJA: "印鑑登録証明書をお持ちください。",
		NextEN: "Bring the seal certificate.",
	})
	myDocProxyID = rule(Rule{
		ID: "mynumber.documents.proxy-photo-id", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(2), 41(2); law.md 5.2",
		JA:     "代理人の写真付き本人確認書類が必要です。",
		EN:     "The representative's own photo ID is needed.",
		NextJA: "代理人ご自身の運転免許証などをお持ちください。",
		NextEN: "Bring the representative's own photo ID.",
	})
	myDocNotSameDay = rule(Rule{
		ID: "mynumber.documents.not-same-day", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(2), 41(2); law.md 5.2, 5.3",
		JA:     "この申請方法では、当日の発行はできません。",
		EN:     "Issue on the day of the first visit is not possible in this way.",
		NextJA: "照会書兼回答書が届いてから、あらためてお越しください。",
		NextEN: "Come again when the answer form has arrived.",
	})
	myDocRepresentation = rule(Rule{
		ID: "mynumber.documents.proof-of-representation", From: MyNumberFirstDay,
		Source: "muni:Nabari, Hagi; law.md 2.3",
		JA:     "法定代理人であることを示す書類(戸籍全部事項証明書、登記事項証明書など)が必要です。",
		EN:     "Proof that the representative is the legal representative is needed.",
		NextJA: "戸籍や登記の証明書をお持ちください。本籍地がこの市区町村であれば省略できる場合があります。",
		NextEN: "Bring an extract of the family register or of the register of guardianship.",
	})
	myDocCardIsID = rule(Rule{
		ID: "mynumber.documents.card-is-photo-id", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 5(1), 41(1); law.md 5.2",
		JA:     "マイナンバーカードを写真付きの本人確認書類として確認しました。",
		EN:     "The My Number card itself was taken as photo ID.",
	})
	myDocHandOverNotice = rule(Rule{
		ID: "mynumber.documents.handover-notice", From: MyNumberFirstDay,
		Source: "MyNoOrd2016 Art 13(2); muni:Kitakyushu, Hagi; law.md 5.8",
		JA:     "交付通知書(はがき)が必要です。",
		EN:     "The hand-over notice (postcard) is needed.",
		NextJA: "届いた交付通知書をお持ちください。なくしたときは本人確認書類を追加でお持ちください。",
		NextEN: "Bring the postcard; if it is lost, ask the counter.",
	})
	myDocNoticeAnswer = rule(Rule{
		ID: "mynumber.documents.notice-answer", From: MyNumberFirstDay,
		Source: "muni:Yokohama; law.md 5.4",
		JA:     "有効期限通知書に同封の照会書兼回答書(暗証番号を封入したもの)が必要です。",
		EN:     "The answer form enclosed with the expiry notice, with the PINs sealed inside, is needed.",
		NextJA: "同封の照会書兼回答書に本人が記入し、封をしてお持ちください。",
		NextEN: "Have the holder fill in the enclosed form, seal it and bring it.",
	})
	myDocNoticePINs = rule(Rule{
		ID: "mynumber.documents.notice-pins-differ", From: MyNumberFirstDay,
		Source: "muni:Yokohama; law.md 5.4",
		JA:     "封入された暗証番号がカードの暗証番号と一致しません。",
		EN:     "The PINs in the envelope do not match the card.",
		NextJA: "あらためて照会書兼回答書を郵送します。届いたら記入して、もう一度お越しください。",
		NextEN: "A new letter of inquiry is mailed; a second visit is needed.",
	})
	myDocNoticeRenewal = rule(Rule{
		ID: "mynumber.documents.notice-renewal-only", From: MyNumberFirstDay,
		Source: "muni:Mihara, Sakuragawa, Maebashi; law.md 5.4",
		JA:     "有効期限通知書による代理人の当日の手続きは、電子証明書の有効期間内の更新に限ります。同封の回答書は、有効期間が終わると使えません。",
		EN:     "The same-day way with the expiry notice is for renewals while the certificate is valid; its answer form ends with the certificate.",
		NextJA: "委任状による代理申請をしてください。新しい照会書兼回答書を郵送します。",
		NextEN: "Apply as an agent by mandate; a new letter of inquiry is mailed.",
	})
	myDocOnFile = rule(Rule{
		ID: "mynumber.documents.form-on-file", From: MyNumberFirstDay,
		Source: "by analogy with muni:Sammu; law.md 5.2",
		JA:     "申請書は、初めにお越しの際にお預かりしています。",
		EN:     "The application form is at the office since the first visit.",
	})
	myDocReturned = rule(Rule{
		ID: "mynumber.documents.card-returned", From: MyNumberFirstDay,
		Source: "MyNoOrd2016 Arts 14 item 9, 15(4); assumed: law.md 5.6, 14.2",
		JA:     "返納に必要なのは、返納するカードだけです。本人確認書類や照会書は要りません。",
		EN:     "Giving the card back needs the card alone: no proof of identity and no letter of inquiry.",
		NextJA: "カードを窓口にお渡しください。カードがお手元にないときは、紛失の届出をお願いします。",
		NextEN: "Hand over the card at the counter. If it is not at hand, report its loss.",
	})
)
