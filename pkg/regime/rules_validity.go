package regime

import "shomei/pkg/civil"

// How long certificates and cards are valid.
var (
	jukiThreeYears = rule(Rule{
		ID: "juki.validity.three-years", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Act2013 Art 5; Civil Code Art 143; muni:Sammu; law.md 3.1",
		JA:     "電子証明書の有効期間は、手続きの日から起算して3年間です。3年後の応当日の前日が最終日になります。応当日がないときは、その月の末日が最終日です。",
		EN:     "The certificate is valid for three years counted from the day of the procedure, so it ends on the day before the corresponding day three years on, or with that month when it has no such day.",
	})
	jukiCardApart = rule(Rule{
		ID: "juki.validity.card-term-apart", From: JukiFirstDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 3.1",
		JA:     "カードの表面に記載された有効期間はカードの期間であり、電子証明書の有効期間には影響しません。",
		EN:     "The date on the card's face is the card's own term and does not shorten the certificate.",
	})
	jukiCardCap = rule(Rule{
		ID: "juki.validity.card-term-caps", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "not settled: law.md 3.1, 14.1",
		JA:     "この市区町村では、電子証明書は住民基本台帳カードの有効期間を超えられません。",
		EN:     "In this municipality the certificate does not outlive the juki card's own term.",
	})
	lastDayIncluded = rule(Rule{
		ID:     "validity.last-day-included",
		Source: "c3lab; law.md 3.5",
		JA:     "最終日の23時59分59秒(日本時間)まで有効です。最終日が閉庁日でも延びません。",
		EN:     "Valid to 23:59:59 Japan time of the last day; it does not roll when that day is closed.",
	})
	fifthBirthday = rule(Rule{
		ID: "mynumber.validity.fifth-birthday", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 3.2",
		JA:     "電子証明書の有効期間は、発行の日の後の5回目の誕生日までです。",
		EN:     "The certificate is valid to the fifth birthday after the day of issue.",
	})
	sixthBirthday = rule(Rule{
		ID: "mynumber.validity.sixth-birthday", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 3.2",
		JA:     "有効期間が3か月未満になってからの更新なので、発行の日の後の6回目の誕生日まで有効です。",
		EN:     "Renewed when fewer than three months remained, so valid to the sixth birthday after the day of issue.",
	})
	authCap = rule(Rule{
		ID: "mynumber.validity.auth-caps-sign", From: MyNumberFirstDay,
		Source: "Reg2016 Art 13; law.md 3.2",
		JA:     "署名用電子証明書は、お持ちの利用者証明用電子証明書の最終日を超えられません。",
		EN:     "A signature certificate does not outlive the authentication certificate held.",
	})
	cardCap = rule(Rule{
		ID: "mynumber.validity.card-caps", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 3.2",
		JA:     "電子証明書は、マイナンバーカードの有効期間を超えられません。",
		EN:     "A certificate does not outlive the My Number card.",
	})
	leapFebruary = rule(Rule{
		ID: "mynumber.validity.leap-birthday-february", From: MyNumberFirstDay,
		Source: "by analogy with CardReg2016 Art 26(2); law.md 3.6",
		JA:     "2月29日生まれの方の誕生日は、うるう年でない年は2月28日として数えます。",
		EN:     "A birthday on 29 February counts as 28 February in common years.",
	})
	leapMarch = rule(Rule{
		ID: "mynumber.validity.leap-birthday-march", From: MyNumberFirstDay,
		Source: "not settled: law.md 3.6, 14.1",
		JA:     "2月29日生まれの方の誕生日は、うるう年でない年は3月1日として数えます。",
		EN:     "A birthday on 29 February counts as 1 March in common years.",
	})
	birthdayExcluded = rule(Rule{
		ID: "mynumber.validity.issued-on-birthday", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 3.6",
		JA:     "発行の日が誕生日のときは、その日の誕生日は数えず、翌年の誕生日から数えます。",
		EN:     "Issued on a birthday: that birthday is not counted, counting starts with the next one.",
	})
	birthdayCounted = rule(Rule{
		ID: "mynumber.validity.issued-on-birthday-counts", From: MyNumberFirstDay,
		Source: "not settled: law.md 3.6, 14.1",
		JA:     "発行の日が誕生日のときは、その日の誕生日を1回目と数えます。",
		EN:     "Issued on a birthday: that birthday is counted as the first.",
	})
	planTenthBirthday = rule(Rule{
		ID: "mynumber.validity.plan-tenth-birthday", From: civil.New(2028, 4, 1),
		Source: "news; no law yet: law.md 1.5, 14.1",
		JA:     "次期カードの案では、10回目の誕生日の1か月後まで有効です。",
		EN:     "By the draft for the next card, valid to one month after the tenth birthday.",
	})
	nothingLeft = rule(Rule{
		ID: "mynumber.validity.nothing-left", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 3.2",
		JA:     "カードまたは利用者証明用電子証明書の有効期間により、この電子証明書に残る期間がないため、発行できません。",
		EN:     "The card or the authentication certificate leaves no time for this certificate.",
		NextJA: "先にカードの更新、または利用者証明用電子証明書の発行を申請してください。",
		NextEN: "Apply for a new card, or for an authentication certificate, first.",
	})
	// CardEndsToo: a certificate ends with its card.
	CardEndsToo = rule(Rule{
		ID: "mynumber.validity.card-ends-too", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; muni:Shibata, Mashiki, Oita; law.md 4.5",
		JA:     "電子証明書はカードと同じ日に終わります。使い続けるには、電子証明書の更新ではなく、新しいカードが必要です。",
		EN:     "The certificate ends on the same day as the card. To go on, a new card is needed and not a renewal of the certificate.",
		NextJA: "新しいカードを、カードの有効期間が終わる1か月ほど前までに申請してください。",
		NextEN: "Apply for a new card about a month before the card ends.",
	})
	// GainsNothing warns, before keys are made, that a renewal does not change the last day.
	GainsNothing = rule(Rule{
		ID: "mynumber.renewal.gains-nothing", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; muni:Shibata, Mashiki, Oita; not settled: law.md 4.5, 14.1",
		JA:     "更新しても、最終日は延びません。カードまたは利用者証明用電子証明書が同じ日に終わるためです。",
		EN:     "Renewal does not move the last day, because the card or the authentication certificate ends on it.",
		NextJA: "カードの有効期間が近いときは、電子証明書の更新ではなく、新しいカードを申請してください(1か月ほどかかります)。",
		NextEN: "When the card is about to end, apply for a new card (it takes about a month) and not for a renewal.",
	})
	cardTenth = rule(Rule{
		ID: "mynumber.card.tenth-birthday", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 26(1); law.md 3.3",
		JA:     "成人の方のカードは、発行の日の後の10回目の誕生日まで有効です。",
		EN:     "An adult's card is valid to the tenth birthday after issue.",
	})
	cardEleventh = rule(Rule{
		ID: "mynumber.card.eleventh-birthday", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 29(3); law.md 3.3",
		JA:     "有効期間が3か月未満になってからの更新なので、成人の方のカードは11回目の誕生日まで有効です。",
		EN:     "Renewed when fewer than three months remained: an adult's card is valid to the eleventh birthday.",
	})
	cardMinorFifth = rule(Rule{
		ID: "mynumber.card.minor-fifth-birthday", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 26(1); law.md 3.3",
		JA:     "未成年の方のカードは、発行の日の後の5回目の誕生日まで有効です。",
		EN:     "A minor's card is valid to the fifth birthday after issue.",
	})
	cardMinorSixth = rule(Rule{
		ID: "mynumber.card.minor-sixth-birthday", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 29(3); law.md 3.3",
		JA:     "有効期間が3か月未満になってからの更新なので、未成年の方のカードは6回目の誕生日まで有効です。",
		EN:     "Renewed when fewer than three months remained: a minor's card is valid to the sixth birthday.",
	})
	adultAt20 = rule(Rule{
		ID: "mynumber.card.adult-at-20", From: MyNumberFirstDay, Until: adultAt18Day.AddDays(-1),
		Source: "CardReg2016 Art 26; Civil Code Art 4; muni:Konosu, Osakasayama, Kobe, Yukuhashi, Tadaoka, Hanno, Kitaei; law.md 2.6, 3.3",
		JA:     "令和4年3月31日までに受け付けた申請では、20歳以上を成人とします。",
		EN:     "For applications received until 2022-03-31 the adult age is 20.",
	})
	adultAt18 = rule(Rule{
		ID: "mynumber.card.adult-at-18", From: adultAt18Day,
		Source: "Civil Code Art 4; muni:Kasugai, Konosu, Osakasayama, Kobe, Yukuhashi, Tadaoka, Hanno, Kitaei; law.md 2.6, 3.3",
		JA:     "令和4年4月1日以降に受け付けた申請では、18歳以上を成人とします。",
		EN:     "For applications received from 2022-04-01 the adult age is 18.",
	})
	// StayCap ends a card with the period of stay.
	StayCap = rule(Rule{
		ID: "mynumber.card.stay-caps", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 27; muni:Kasugai; law.md 3.4",
		JA:     "在留期間のある方のカードは、在留期間の満了日までです。",
		EN:     "The card of a foreign national with a period of stay ends with that period.",
	})
	stayExtended = rule(Rule{
		ID: "mynumber.card.stay-extended", From: MyNumberFirstDay,
		Source: "muni:Kasugai, Tokai; law.md 3.4",
		JA:     "在留期間の延長により、カードの有効期間を延ばします。",
		EN:     "The period of stay was extended, so the card's term is extended by re-registration.",
	})
	// StayPending extends a card while the renewal of the stay is pending.
	StayPending = rule(Rule{
		ID: "mynumber.card.stay-pending", From: MyNumberFirstDay,
		Source: "muni:Tokai, Adachi, Katsuragi; law.md 3.4",
		JA:     "在留期間の更新を申請中(特例期間)のため、カードの有効期間を一度だけ2か月延ばします。",
		EN:     "The renewal of the stay is pending, so the card's term is extended by two months, once.",
		NextJA: "在留期間の更新が決まったら、この期間のうちに、もう一度有効期間の変更を申請してください。",
		NextEN: "When the stay has been renewed, apply again within these two months.",
	})
	stayPendingOnce = rule(Rule{
		ID: "mynumber.card.stay-pending-once", From: MyNumberFirstDay,
		Source: "muni:Tokai, Adachi, Katsuragi; law.md 3.4",
		JA:     "特例期間による延長は、一度しかできません。",
		EN:     "A card is extended only once while the renewal of the stay is pending.",
		NextJA: "在留期間の更新が住民票に反映されてからお越しください。",
		NextEN: "Come again when the renewed stay stands in the resident record.",
	})
	extensionTooLate = rule(Rule{
		ID: "mynumber.card.extension-too-late", From: MyNumberFirstDay,
		Source: "muni:Tokai; law.md 3.4",
		JA:     "カードの有効期間が過ぎているため、延長できません。",
		EN:     "The card has already expired and can't be extended.",
		NextJA: "新しいカードを申請してください。",
		NextEN: "Apply for a new card.",
	})
)

// adultAt18Day is the day from which applications count 18 as the adult age.
var adultAt18Day = civil.New(2022, 4, 1)

// Renewal.
var (
	windowBack = rule(Rule{
		ID: "mynumber.window.three-months-back", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; muni:Omura, Utsunomiya, Yokohama, Azumino; law.md 4.2",
		JA:     "更新の受付は、有効期間の最終日の3か月前の翌日から始まります。",
		EN:     "Renewal opens on the day after (last day − 3 months).",
	})
	windowForward = rule(Rule{
		ID: "mynumber.window.three-months-forward", From: MyNumberFirstDay,
		Source: "not settled: law.md 4.2, 14.1",
		JA:     "更新の受付は、残りの期間が3か月未満になる最初の日から始まります。",
		EN:     "Renewal opens on the first day from which fewer than three months remain.",
	})
	windowNone = rule(Rule{
		ID: "mynumber.window.none", From: MyNumberFirstDay, Source: "derived: law.md 4.2, 4.5",
		JA: "カードまたは利用者証明用電子証明書とともにまもなく終わるため、更新の受付期間はありません。",
		EN: "It ends soon with the card or the authentication certificate, so there is no window for renewing it.",
	})
	windowOverseas = rule(Rule{
		ID: "mynumber.window.overseas-one-year", From: overseasDay,
		Source: "muni:Setagaya, Tomigusuku; law.md 4.3",
		JA:     "国外に転出した方の更新の受付は、有効期間の最終日の1年前の翌日から、本籍地の市区町村と在外公館で始まります。",
		EN:     "For somebody overseas renewal opens on the day after (last day − 1 year), at the municipality of the family register and at diplomatic missions.",
	})
	jukiNoWindow = rule(Rule{
		ID: "juki.window.none", From: JukiFirstDay, Until: JukiLastDay,
		Source: "Act2013 Arts 3–6; law.md 4.1",
		JA:     "住民基本台帳カードの電子証明書は、有効期間内であればいつでも更新できます。",
		EN:     "A juki certificate can be renewed at any time while it is valid.",
	})
	jukiMunicipalWindow = rule(Rule{
		ID: "juki.window.municipal", From: JukiFirstDay, Until: JukiLastDay,
		Source: "muni:Ichikai, Shirako; not settled: law.md 4.1, 14.1",
		JA:     "この市区町村では、有効期間の満了前の一定期間に限り更新を受け付けます。",
		EN:     "This municipality takes in renewals only in the last months of validity.",
		NextJA: "ご案内する受付開始日以降にお越しください。急ぐときは失効と新規発行を申請できます。",
		NextEN: "Come on or after the opening day. If it can't wait, apply for revocation and a new issue.",
	})
	jukiUnusedLost = rule(Rule{
		ID: "juki.renewal.unused-time-lost", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Act2013 Art 6; muni:Sammu; law.md 4.1",
		JA:     "更新すると現在の電子証明書は直ちに失効し、新しい電子証明書は更新の日から3年間有効です。残りの期間は引き継がれません。",
		EN:     "Renewal ends the current certificate at once; the new one runs three years from the day of renewal and unused time is lost.",
	})
	jukiAfterExpiry = rule(Rule{
		ID: "juki.renewal.after-expiry", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 4.1",
		JA:     "有効期間が過ぎた後でも、新しい電子証明書の発行を受けられます。",
		EN:     "A new certificate can be issued after the former one has expired.",
	})
	inWindow = rule(Rule{
		ID: "mynumber.renewal.in-window", From: MyNumberFirstDay,
		Source: "Act2016 Arts 6, 25; Reg2016 Arts 13, 49; law.md 4.2",
		JA:     "更新の受付期間内です。現在の電子証明書の失効と新しい電子証明書の発行を同時に行います。",
		EN:     "Inside the renewal window: the current certificate is revoked and the new one issued in one application.",
	})
	beforeWindow = rule(Rule{
		ID: "mynumber.renewal.before-window", From: MyNumberFirstDay,
		Source: "Reg2016 Arts 13, 49; law.md 4.2",
		JA:     "更新の受付期間がまだ始まっていません。",
		EN:     "The renewal window has not opened yet.",
		NextJA: "受付開始日以降にお越しください。急ぐときは、現在の電子証明書を失効させて新しく発行できますが、有効期間は5回目の誕生日までです。",
		NextEN: "Come on or after the opening day. If it can't wait, the current certificate can be revoked and a new one issued, valid to the fifth birthday only.",
	})
	afterExpiry = rule(Rule{
		ID: "mynumber.renewal.after-expiry", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 4.2",
		JA:     "有効期間が過ぎているので、更新ではなく新規の発行になります。手数料はかかりません。",
		EN:     "The certificate has expired, so this is a new issue; it is free.",
	})
)
