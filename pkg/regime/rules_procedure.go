package regime

// The order of things at the counter, which package lifecycle applies.
var (
	// DoubleIssue refuses a second certificate of a kind while one is in force.
	DoubleIssue = rule(Rule{
		ID:     "application.double-issue",
		Source: "Act2013 Art 6; Act2016 Arts 6, 25; law.md 4.4",
		JA:     "同じ種類の有効な電子証明書をすでにお持ちのため、重ねて発行することはできません。",
		EN:     "A certificate of this kind is already in force, and a second one must not be issued.",
		NextJA: "更新期間内であれば更新を、紛失や破損の場合は再発行をお申し込みください。",
		NextEN: "Apply for a renewal inside the window, or for a re-issue after loss or damage.",
	})
	// ReplacesEnding allows replacing a certificate that will end with a notified move, until then.
	ReplacesEnding = rule(Rule{
		ID: "application.replaces-ending", Source: "Act2016 Arts 6, 12; muni:Tomigusuku, Katano, Inazawa, Kobe; law.md 4.4, 8.4, 8.5",
		JA:     "届け出た転出により失効することになっている電子証明書に代えて発行します。これまでの電子証明書は発行の時に失効します。",
		EN:     "Issued in place of a certificate that is to end with the move that was notified; the former one ends when the new one is issued.",
		NextJA: "国内の転出では、新しい署名用電子証明書も転出の日に失効します。",
		NextEN: "With a move within Japan the new signature certificate ends on the day of the move, too.",
	})
	// FactoryReplaces: a card from the factory is not a double issue, because it renews the card or replaces a lost
	// one.
	FactoryReplaces = rule(Rule{
		ID: "mynumber.issue.card-replaced", From: MyNumberFirstDay, Source: "muni:Katsuragi, Kitakata; law.md 4.4",
		JA: "工場で作る新しいカードは、これまでのカードの更新または紛失による再交付であり、重ねての発行ではありません。これまでのカードと電子証明書は、新しいカードの交付の時に終わります。",
		EN: "The new card from the factory renews the former one, or replaces one that was lost, and is no double issue. The former card and its certificates end when the new one is handed over.",
	})
	// CardWrittenCounts: the card need not be submitted any more.
	CardWrittenCounts = rule(Rule{
		ID: "mynumber.deadline.card-written-counts", From: MyNumberFirstDay, Source: "muni:Ichikikushikino; law.md 8.4",
		JA: "転入先の窓口でカードを示して書き込みを受けたので、カードの提出(継続利用)があったものとします。",
		EN: "The card was shown and written to at the new municipality, which counts as submitting it (continued use).",
	})
	// LimitedStay: a resident with a limited stay gets no expiry notice.
	LimitedStay = rule(Rule{
		ID: "notice.limited-stay", From: MyNumberFirstDay, Source: "muni:Matsudo, Tsumagoi, Tsuruga, Toyokawa, Miyake, Yokote; law.md 9.2",
		JA: "在留期間のある方には、有効期限の通知を送りません。先に在留期間とカードの有効期間を延ばしてください。",
		EN: "A resident with a limited stay gets no expiry notice; the stay and the card are extended first.",
	})
	// StandIns: a certificate writes a name or an address differently from the resident record.
	StandIns = rule(Rule{
		ID: "certificate.stand-ins", Source: "muni:Kobe; profile.md 3",
		JA: "証明書に使えない文字は、同じ字とされる通常の文字(髙は高)に、それがなければ〓に置き換えて記載します。置き換えた位置も記載されます。",
		EN: "A character that a certificate can't hold stands as the ordinary character that is agreed for it, or as 〓; where that was done is marked.",
	})
	// NothingToRevoke: an order of the authority changes nothing.
	NothingToRevoke = rule(Rule{
		ID: "order.nothing-to-revoke", Source: "Act2013 Arts 13–15; Act2016 Arts 13–15, 32–34; law.md 8.2, 8.3",
		JA:     "指定された電子証明書は、この方のものではないか、すでに失効または満了しているため、変わるものはありません。",
		EN:     "None of the certificates named is this person's and still in force, so nothing changes.",
		NextJA: "シリアル番号と利用者を確かめてください(shomei state シリアル番号)。",
		NextEN: "Check the serial number and the subscriber (shomei state SERIAL).",
	})
	// NoLongerOpen: an application that the hub has withdrawn or ended goes no further.
	NoLongerOpen = rule(Rule{
		ID: "application.no-longer-open", Source: "decided here: law.md 8.1, 13.1",
		JA:     "この申請は、住民票の異動などによりセンターですでに取り下げられているか終わっているため、先に進められません。",
		EN:     "The centre has withdrawn or ended this application meanwhile, as after a change of the resident record, so it can't go on.",
		NextJA: "お持ちの電子証明書の状態を確かめ、必要ならあらためて申請してください。",
		NextEN: "Check how the certificates stand now, and apply again if one is needed.",
	})
	// LetterGuessed ends the wait for the answer to a letter of inquiry whose number is being guessed.
	LetterGuessed = rule(Rule{
		ID: "application.letter-guessed", Source: "decided here: law.md 5.3, 13.2",
		JA:     "照会書番号の誤りが5回になったため、この申請の照会書兼回答書は使えなくなりました。",
		EN:     "A wrong number was brought five times, so this application's letter of inquiry is void.",
		NextJA: "もう一度申請してください。新しい照会書兼回答書を郵送します。",
		NextEN: "Apply again; a new letter of inquiry is mailed.",
	})
	// NothingHeld refuses to renew, revoke or unblock what is not there.
	NothingHeld = rule(Rule{
		ID: "application.nothing-held", Source: "Act2013 Art 15; Act2016 Arts 15, 34; law.md 8.2, 8.3",
		JA:     "この手続の対象となる電子証明書がありません。",
		EN:     "There is no certificate that this procedure could be about.",
		NextJA: "電子証明書が必要な場合は、新規発行をお申し込みください。",
		NextEN: "Apply for a new issue if a certificate is wanted.",
	})
	// OneAtATime refuses a second application while one is open.
	OneAtATime = rule(Rule{
		ID: "application.one-at-a-time", Source: "decided here: law.md 13.2",
		JA:     "別の手続が途中です。先にその手続を終えるか、取り下げてください。",
		EN:     "Another procedure is still open; it must be finished or withdrawn first.",
		NextJA: "途中の手続を窓口で続けるか、取下げを申し出てください。",
		NextEN: "Carry the open procedure on at its counter, or withdraw it.",
	})
	// OtherCard refuses a card that is not the applicant's.
	OtherCard = rule(Rule{
		ID: "card.not-the-holders", Source: "decided here: law.md 13.2",
		JA:     "このカードは申請された方のカードではありません。",
		EN:     "This card is not the applicant's.",
		NextJA: "ご本人のカードを読取機に置いてください。",
		NextEN: "Place the applicant's own card on the reader.",
	})
	// CardClaimedByOther refuses a card that the log knows to be somebody else's.
	CardClaimedByOther = rule(Rule{
		ID: "card.claimed-by-another", Source: "decided here: law.md 13.2",
		JA:     "このカードは別の方のカードとして登録されています。",
		EN:     "This card is registered as another person's.",
		NextJA: "カードを取り違えていないか確かめ、分からないときは上席者に報告してください。",
		NextEN: "Check whether cards were mixed up; if that is not clear, report it to a superior.",
	})
	// CardNotUsable refuses work on a card that is void, expired or suspended. It never advises what may just have been
	// refused: the same on another card, or the report that a suspended one was found.
	CardNotUsable = rule(Rule{
		ID: "card.not-usable", Source: "MyNoOrd2016 Art 14; law.md 8.3, 13.2",
		JA:     "このカードは失効・満了しているか一時停止中のため、このカードではこの手続はできません。",
		EN:     "The card is void, expired or suspended, so this can't be done with it.",
		NextJA: "このカードを読取機から外し、新しいカードで再発行を受け付けます。一時停止中のカードがお手元にあるときは、先にカードの発見を届け出てください。",
		NextEN: "Take this card off the reader: a re-issue is taken with another card. If the card is suspended and at hand, report it as found first.",
	})
	// CardNotHandedOver refuses work on a card that its holder does not have yet.
	CardNotHandedOver = rule(Rule{
		ID: "card.not-handed-over", Source: "MyNoOrd2016 Art 13(2); law.md 5.8",
		JA:     "このカードはまだ交付されていないため、この手続はできません。",
		EN:     "The card has not been handed over yet, so this can't be done with it.",
		NextJA: "先にカードの交付の手続をしてください。",
		NextEN: "Have the card handed over first.",
	})
	// NotYetRenewable refuses to renew a certificate that is suspended, or not in its holder's hands yet.
	NotYetRenewable = rule(Rule{
		ID: "certificate.not-renewable-now", Source: "Act2016 Arts 6, 25; law.md 4.2, 8.6",
		JA:     "更新する電子証明書が一時停止中か交付前のため、更新できません。",
		EN:     "The certificate to be renewed is suspended, or has not been handed over yet.",
		NextJA: "一時停止中のときは、カードの発見の届出か、新しいカードでの再発行をお申し込みください。交付前のときは、先に交付を受けてください。",
		NextEN: "If it is suspended, report the card as found or apply for a re-issue on another card; if it was not handed over, have that done first.",
	})
	// CardNotSuspended: a found card stays as it is.
	CardNotSuspended = rule(Rule{
		ID: "card.not-suspended", Source: "jpkilost; law.md 8.6",
		JA:     "このカードは一時停止されていないため、解除するものがありません。",
		EN:     "This card is not suspended, so there is nothing to release.",
		NextJA: "カードの番号を確かめてください。失効したカードは使えません。再交付をお申し込みください。",
		NextEN: "Check the card's number. A void card can't be used again: apply for a new one.",
	})
	// NoCardNamed refuses to issue without a card.
	NoCardNamed = rule(Rule{
		ID: "card.none-named", Source: "Act2016 Arts 3(4), 22(4); law.md 5.7",
		JA:     "発行先のカードが読取機になく、番号もありません。",
		EN:     "No card is on the reader and no card's number was given.",
		NextJA: "発行先のカードを読取機に置くか、その番号を入力して、もう一度受け付けます。",
		NextEN: "Put the card on the reader, or give its number, and take the application once more.",
	})
	// NotAwaited: a fact about an open procedure changes nothing, because it is about another card, or came too early
	// or twice.
	NotAwaited = rule(Rule{
		ID: "claim.not-awaited", Source: "decided here: law.md 13.1",
		JA:     "センターは、この手続でこの報告を待っていません。",
		EN:     "The centre does not wait for this from the procedure.",
		NextJA: "手続の段階とカードを取り違えていないか確かめ、分からないときは上席者に報告してください。",
		NextEN: "Check how far the procedure is and whether cards were mixed up; if that is not clear, report it to a superior.",
	})
	// NoCardReady refuses to hand over a missing or unfinished card.
	NoCardReady = rule(Rule{
		ID: "card.none-to-hand-over", Source: "MyNoOrd2016 Art 13; law.md 5.8",
		JA:     "いまお渡しできるカードはありません。",
		EN:     "No card is ready to be handed over.",
		NextJA: "新しいカードは、交付通知書が届いてからお渡しします。失効や満了のカードはお渡しできません。",
		NextEN: "A new card is handed over once its hand-over notice has arrived; a void or expired one never.",
	})
	// RecordEnded refuses applications for a person whose record has ended.
	RecordEnded = rule(Rule{
		ID: "application.record-ended", Source: "Act2016 Arts 3, 22; law.md 2.1, 8.3",
		JA:     "住民票が消除されているため、申請を受け付けられません。",
		EN:     "The resident record has been deleted, so nothing can be applied for.",
		NextJA: "住民票の記録について、市民課にお尋ねください。",
		NextEN: "Ask the residents' desk about the record.",
	})
	// NoSuchKind refuses a kind of certificate that the regime's card does not carry.
	NoSuchKind = rule(Rule{
		ID: "juki.kind.signature-only", Until: JukiRunOffDay, Source: "Act2013 Art 3; law.md 1.1",
		JA:     "住民基本台帳カードに入るのは署名用の電子証明書だけです。",
		EN:     "A juki card carries a signature certificate only.",
		NextJA: "署名用の電子証明書としてお申し込みください。",
		NextEN: "Apply for the signature certificate.",
	})
	// AuthFirst is the order within one issue: the authentication certificate first, because it caps the other.
	AuthFirst = rule(Rule{
		ID: "mynumber.issue.authentication-first", From: MyNumberFirstDay, Source: "Reg2016 Art 13; law.md 3.2",
		JA: "署名用の有効期間は利用者証明用を超えられないため、利用者証明用を先に発行します。",
		EN: "The authentication certificate is issued first, because it caps the signature certificate's term.",
	})
	// FromManufacture: the term of a factory certificate does not depend on the day of its hand-over.
	FromManufacture = rule(Rule{
		ID: "mynumber.validity.from-manufacture", From: MyNumberFirstDay,
		Source: "c3lab; law.md 3.2, 5.7",
		JA:     "工場で書き込まれた電子証明書の有効期間は、交付の日ではなく製造の日から数えます。",
		EN:     "The validity of a certificate from the factory is counted from its manufacture, not from the hand-over.",
	})
	jukiKeyLength = rule(Rule{
		ID: "juki.keys.rsa-1024", From: JukiFirstDay, Until: JukiLastDay, Source: "Reg2013 Art 2; law.md 5.7",
		JA:     "鍵は1024ビット以上のRSAでなければなりません。",
		EN:     "The key must be RSA of at least 1024 bits.",
		NextJA: "カードをお預かりし、別のカードで申請し直します。",
		NextEN: "The card is kept; apply again with another one.",
	})
	keyLength = rule(Rule{
		ID: "mynumber.keys.rsa-2048", From: MyNumberFirstDay, Source: "Reg2016 Art 2; law.md 5.7",
		JA:     "鍵は2048ビット以上のRSAでなければなりません。",
		EN:     "The key must be RSA of at least 2048 bits.",
		NextJA: "カードをお預かりし、別のカードで申請し直します。",
		NextEN: "The card is kept; apply again with another one.",
	})
	// OverseasOnItsDay: a move overseas that was notified ahead ends nothing yet.
	OverseasOnItsDay = rule(Rule{
		ID: "deadline.overseas-on-its-day", Source: "MyNoOrd2016 Art 14 item 1; law.md 8.5",
		JA: "前もって届け出た国外転出は、転出の日に効力が生じます。それまでカードと電子証明書は使えます。",
		EN: "A move overseas that was notified ahead takes effect on its day; until then the card and its certificates can be used.",
	})
	// MoveOnItsDay: a move within Japan that was notified ahead ends nothing yet.
	MoveOnItsDay = rule(Rule{
		ID: "deadline.move-on-its-day", Source: "Act2016 Art 12 item 2; muni:Tomigusuku; law.md 8.4",
		JA:     "前もって届け出た転出は、転出予定日に効力が生じます。それまでは住民であり、署名用電子証明書も使えます。予定日に、その時有効な署名用電子証明書がすべて失効します。",
		EN:     "A move that was notified ahead takes effect on its planned day. Until then its holder is a resident and the signature certificate can be used; on that day every signature certificate in force ends.",
		NextJA: "転出を取りやめたときは、転出の取消しを届け出てください。",
		NextEN: "If the move does not take place, file that it is called off.",
	})
	// MoveCalledOff: nothing ends, and no deadline runs, after a move was called off.
	MoveCalledOff = rule(Rule{
		ID: "deadline.move-called-off", Source: "muni:Karatsu, Chofu, Kama; law.md 8.4, 8.5",
		JA:     "転出が取り消されたため、電子証明書もカードも失効しません。転入届などの期限もなくなります。すでに失効したものは元に戻りません。",
		EN:     "The move was called off: nothing ends by it and its deadlines stop. What was revoked meanwhile stays revoked.",
		NextJA: "失効した電子証明書は、新しく申請してください。",
		NextEN: "Apply anew for a certificate that was revoked.",
	})
	// UndoContinuedUse is what a card needs after a move overseas with an application for continued use was called off.
	UndoContinuedUse = rule(Rule{
		ID: "mynumber.deadline.undo-continued-use", From: overseasDay, Source: "muni:Chofu, Kama; assumed: law.md 8.5, 14.2",
		JA:     "継続利用の手続きをした後に国外転出を取り消すときは、継続利用を取り消す手続きが別に必要です。転出予定日の前日までにしないと、カードは失効します。",
		EN:     "Calling off a move overseas after continued use was applied for needs an act of its own: without it by the day before the planned day the card becomes void.",
		NextJA: "カードを窓口へお持ちください。",
		NextEN: "Bring the card to the counter.",
	})
	jukiPaperCopy = rule(Rule{
		ID: "juki.handover.paper-copy", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Reg2013 Art 11; muni:Sammu; law.md 5.8",
		JA:     "電子証明書の写しをお渡しします。有効期間は写しで確かめられます。",
		EN:     "A paper copy of the certificate is handed over; its term can be checked there.",
	})
	paperCopy = rule(Rule{
		ID: "mynumber.handover.paper-copy", From: MyNumberFirstDay, Source: "Reg2016 Arts 10, 46; law.md 5.8",
		JA: "ご希望により、電子証明書の写しをお渡しします。",
		EN: "A paper copy of the certificate is handed over on request.",
	})
	visibleInAnHour = rule(Rule{
		ID: "mynumber.handover.usable-in-an-hour", From: MyNumberFirstDay, Source: "muni:Maebashi; law.md 5.8",
		JA: "更新した電子証明書は、約1時間後から使えます。",
		EN: "The renewed certificates can be used after about one hour.",
	})
	visibleInADay = rule(Rule{
		ID: "mynumber.handover.usable-in-a-day", From: MyNumberFirstDay, Source: "muni:Maebashi; law.md 5.8",
		JA: "有効期間の満了後に新しく発行した電子証明書は、約24時間後から使えます。",
		EN: "Certificates issued after the former ones expired can be used after about 24 hours.",
	})
	// BeforeHandOver discards what was made but can't be handed over.
	BeforeHandOver = rule(Rule{
		ID: "application.discarded-before-delivery", Source: "CPS 4.9.9; law.md 8.9",
		JA:     "交付前に使えないことが分かった電子証明書は、廃棄として失効します。",
		EN:     "A certificate found unusable before it is handed over is discarded and revoked.",
		NextJA: "カードをお預かりし、新しい申請で作り直します。",
		NextEN: "The card is kept; a new application makes it again.",
	})
	// WithinDeadline: a deadline was met by acting in time.
	WithinDeadline = rule(Rule{
		ID: "mynumber.deadline.met", From: MyNumberFirstDay, Source: "MyNoOrd2016 Art 14 items 2, 3; law.md 8.7",
		JA: "期限内に届出またはカードの提出がありました。",
		EN: "The notification or the card was submitted within its deadline.",
	})
	// NothingToRemind: an expiry notice that was due is not sent.
	NothingToRemind = rule(Rule{
		ID: "notice.nothing-to-remind", Source: "decided here: law.md 13.3",
		JA: "お知らせする電子証明書がもう有効ではないため、有効期限の通知は送りません。",
		EN: "The certificate to be reminded of is no longer in force, so the expiry notice is not sent.",
	})
	// NoticeTooLate: an expiry notice is not sent because its whole window has passed.
	NoticeTooLate = rule(Rule{
		ID: "notice.window-passed", Source: "decided here: law.md 13.3",
		JA: "更新できる期間が過ぎてから記録したため、有効期限の通知は送らず、満了のお知らせに代えます。",
		EN: "The renewal window had passed before it was recorded, so the expiry notice is not sent; the notice of the end takes its place.",
	})
	// NobodyToNotify: nothing more is sent after a death.
	NobodyToNotify = rule(Rule{
		ID: "notice.holder-died", Source: "decided here: law.md 9.2, 13.3",
		JA: "ご本人が亡くなられたため、通知は送りません。",
		EN: "The holder has died, so no notice is sent.",
	})
	// ClaimQuarantined answers a counter whose claim was rejected or could not be attributed.
	ClaimQuarantined = rule(Rule{
		ID: "claim.quarantined", Source: "decided here: law.md 13.1",
		JA:     "センターがこの内容を確かめられなかったため、保留にしました。",
		EN:     "The centre could not verify this and has set it aside.",
		NextJA: "上席者に報告し、センターからの連絡をお待ちください。",
		NextEN: "Report it to a superior and wait for the centre.",
	})
	// ApprovalPending: an act waits for a second officer.
	ApprovalPending = rule(Rule{
		ID: "approval.pending", Source: "decided here: law.md 13.1",
		JA:     "この扱いには別の職員の承認が要るため、承認を待っています。",
		EN:     "This needs the approval of another officer, and waits for it.",
		NextJA: "別の職員に、承認待ちの一覧から内容を確かめて承認してもらってください。次の開庁日の終わりまでに承認がないときは取りやめになります。",
		NextEN: "Have another officer look at it in the list of what waits and approve it. Without an approval by the end of the next open day it lapses.",
	})
	// ApprovalDenied: a second officer was against it.
	ApprovalDenied = rule(Rule{
		ID: "approval.denied", Source: "decided here: law.md 13.1",
		JA:     "別の職員が承認しなかったため、この扱いはしません。",
		EN:     "Another officer did not approve this, so it is not done.",
		NextJA: "承認しなかった職員に理由を確かめ、申請者に伝えてください。",
		NextEN: "Ask that officer for the reason and tell the applicant.",
	})
	// ApprovalTakenBack: who asked for it took it back.
	ApprovalTakenBack = rule(Rule{
		ID: "approval.taken-back", Source: "decided here: law.md 13.1",
		JA: "承認を求めた職員が取り下げたため、この扱いはしません。",
		EN: "The officer who asked for the approval took it back, so this is not done.",
	})
	// ApprovalLapsed: nobody approved in time.
	ApprovalLapsed = rule(Rule{
		ID: "approval.lapsed", Source: "decided here: law.md 13.1",
		JA:     "次の開庁日の終わりまでに承認がなかったため、この扱いは取りやめになりました。",
		EN:     "Nobody approved this by the end of the next open day, so it has lapsed.",
		NextJA: "必要なときは、改めて受け付けてください。",
		NextEN: "If it is still wanted, take it again.",
	})
	// CodeHasHistory refuses to correct a resident-record code to one that already has certificates: two histories are
	// not joined because of a code that somebody typed.
	CodeHasHistory = rule(Rule{
		ID: "claim.code-has-history", Source: "decided here: law.md 13.1",
		JA: "訂正後の住民票コードには、すでに別の記録があります。この届出では何も変えていません。",
		EN: "The corrected resident-record code has a history of its own already. Nothing was changed.",
		NextJA: "訂正後のコードを住民票で確かめ、違うときは正しいコードで届け直してください。合っているときは、同じ方に記録が二つあります。" +
			"「二つの記録を一つにする」から、二人の職員で一つにしてください。",
		NextEN: "Check the corrected code against the resident record; if it is wrong, report again with the right one. If it is right, one person has two histories: " +
			"two officers join them, from \"Join two histories\".",
	})
	// HistoriesJoined: two histories turned out to be one person's.
	HistoriesJoined = rule(Rule{
		ID: "joining.one-history", Source: "Act2016 Arts 6, 25; decided here: law.md 4.4",
		JA:     "二人の職員が、二つの記録を同じ方のものと確かめました。終わる記録の電子証明書とカードは失効します。",
		EN:     "Two officers found that both histories are one person's. The certificates and the card of the one that ends are revoked.",
		NextJA: "失効したカードの返納をご案内ください。失効した電子証明書についてはお知らせもお送りします。",
		NextEN: "Ask for the card that ended to be returned. A notice about what was revoked is sent, too.",
	})
	// HistoryEnded ends what is open in the history that does not go on.
	HistoryEnded = rule(Rule{
		ID: "joining.history-ended", Source: "decided here: law.md 4.4",
		JA:     "同じ方のもう一つの記録にまとめたため、この記録の手続きは終わります。",
		EN:     "This history was joined to another one of the same person, so what was open in it ends.",
		NextJA: "必要な手続きは、残る記録で改めて受け付けてください。",
		NextEN: "Take what is still wanted again, under the history that goes on.",
	})
	// SameHistory refuses to join a history with itself.
	SameHistory = rule(Rule{
		ID: "joining.same-history", Source: "decided here: law.md 4.4",
		JA:     "二つの番号は、すでに同じ一つの記録を指しています。何も変えていません。",
		EN:     "Both numbers lead to one and the same history already. Nothing was changed.",
		NextJA: "別の方の記録と取り違えていないか、確かめてください。",
		NextEN: "Check whether another history was meant.",
	})
	// NoSuchHistory refuses to join a history that nobody has written.
	NoSuchHistory = rule(Rule{
		ID: "joining.unknown-history", Source: "decided here: law.md 4.4",
		JA:     "この番号の記録はセンターにありません。何も変えていません。",
		EN:     "The centre has no history under this number. Nothing was changed.",
		NextJA: "番号を確かめてください。",
		NextEN: "Check the number.",
	})
	// HistoryElsewhere refuses to join a history that has ended: whoever chose it did not see the one that goes on.
	HistoryElsewhere = rule(Rule{
		ID: "joining.continues-elsewhere", Source: "decided here: law.md 4.4",
		JA:     "選んだ記録は、すでに別の記録に続いています。何も変えていません。",
		EN:     "One of the histories chosen goes on under another number by now. Nothing was changed.",
		NextJA: "二つの記録を開き直し、続いている記録を選んでください。",
		NextEN: "Open both histories again and choose the one that goes on.",
	})
	// JoiningUnderWay refuses while one of the two is being joined with a third.
	JoiningUnderWay = rule(Rule{
		ID: "joining.under-way", Source: "decided here: law.md 4.4",
		JA:     "どちらかの記録を、ちょうど別の記録と一つにしているところです。何も変えていません。",
		EN:     "One of the two is being joined with another history at this moment. Nothing was changed.",
		NextJA: "少し待って、二つの記録を開き直してください。",
		NextEN: "Wait a moment and open both histories again.",
	})
	// OtherBirthDate refuses to join what can't be one person's.
	OtherBirthDate = rule(Rule{
		ID: "joining.other-birth-date", Source: "decided here: law.md 4.4",
		JA:     "二つの記録の生年月日が違うため、同じ方とは認められません。何も変えていません。",
		EN:     "The dates of birth differ, so these are not taken for one person. Nothing was changed.",
		NextJA: "住民票で確かめてください。生年月日の誤りが原因なら、先に生年月日の修正を受け付けてください。",
		NextEN: "Check the resident record. If one of the dates is wrong, take its correction first.",
	})
	// JoiningNeedsTwo refuses a joining by one officer alone.
	JoiningNeedsTwo = rule(Rule{
		ID: "joining.second-officer", Source: "decided here: law.md 13.1",
		JA:     "記録を一つにするには、届け出る職員とは別の職員の確認が要ります。何も変えていません。",
		EN:     "To join two histories takes another officer than the one who asks. Nothing was changed.",
		NextJA: "別の職員に内容を確かめてもらい、その職員の番号を入れてください。",
		NextEN: "Have another officer look at it, and give that officer's number.",
	})
	// JoiningGivenUp: the other history went another way before it could be ended.
	JoiningGivenUp = rule(Rule{
		ID: "joining.given-up", Source: "decided here: law.md 4.4",
		JA:     "一つにする前に、もう一方の記録が別の記録と一つになったため、取りやめました。",
		EN:     "Before it could be ended, the other history was joined with a third one, so this joining was given up.",
		NextJA: "続いている記録を開き直し、必要であれば改めて一つにしてください。",
		NextEN: "Open the histories that go on and join them, if it is still needed.",
	})
	// ClaimHeld answers a counter whose claim has a receipt time that its link to the hub can't explain.
	ClaimHeld = rule(Rule{
		ID: "claim.held", Source: "decided here: law.md 13.1",
		JA:     "端末の時計が示した受付時刻を、センターとの回線の記録から確かめられないため、受け付けず保留にしました。",
		EN:     "The receipt time that this counter's clock gave can't be explained by its link to the centre, so the receipt is held and nothing was decided.",
		NextJA: "端末の時計を合わせ、上席者に報告してください。申請者には改めて受け付けてください。",
		NextEN: "Set the counter's clock right, report it to a superior, and take the application again.",
	})
)

// PaperCopy returns the rule by which a paper copy goes with a certificate that is handed over: always under the juki
// regime, on request under the My Number regime (law.md 5.8).
func PaperCopy(r Regime) ID {
	if r == Juki {
		return jukiPaperCopy
	}
	return paperCopy
}

// Usable returns the rules that tell the holder when a certificate issued for the cause can be used: its new state
// takes time to reach relying parties, and trying again at the counter does not help (law.md 5.8).
func Usable(r Regime, c Cause) []ID {
	switch {
	case r == MyNumber && c == CauseRenewal:
		return []ID{visibleInAnHour}
	case r == MyNumber && c == CauseExpired:
		return []ID{visibleInADay}
	}
	return nil
}
