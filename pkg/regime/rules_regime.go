package regime

import (
	"shomei/pkg/civil"
)

// Which regime holds, and where.
var (
	jukiBegun = rule(Rule{
		ID: "juki.regime.begun", From: JukiFirstDay, Until: JukiLastDay,
		Source: "Act2013 Art 3; muni:Sammu; law.md 1.1",
		JA:     "住民基本台帳カードの電子証明書は、平成16年1月29日から平成27年12月22日まで発行されました。",
		EN:     "Certificates on juki cards were issued from 2004-01-29 to 2015-12-22.",
	})
	beforeJuki = rule(Rule{
		ID: "juki.regime.not-begun", Until: JukiFirstDay.AddDays(-1),
		Source: "Act2013 Art 3; muni:Sammu; law.md 1.1",
		JA:     "公的個人認証サービスは平成16年1月29日に始まります。それより前は受け付けられません。",
		EN:     "The service begins on 2004-01-29; nothing is accepted before that day.",
		NextJA: "平成16年1月29日以降に、住民基本台帳カードをお持ちのうえお越しください。",
		NextEN: "Come on or after 2004-01-29 with a juki card.",
	})
	jukiIssueEnded = rule(Rule{
		ID: "juki.regime.issue-ended", From: JukiLastDay.AddDays(1), Published: seedPublished,
		Source: "Act2016; muni:Sammu; law.md 1.1",
		JA:     "住民基本台帳カードの電子証明書の新規発行と更新は、平成27年12月22日で終了しました。",
		EN:     "Issue and renewal of certificates on juki cards ended on 2015-12-22.",
		NextJA: "平成28年1月1日以降、マイナンバーカードの電子証明書をご利用ください。お持ちの電子証明書は有効期間が終わるまで使えます。",
		NextEN: "From 2016-01-01 use the certificates of the My Number card. A certificate already held works until its last day.",
	})
	gapYearEnd = rule(Rule{
		ID: "juki.regime.gap", From: JukiLastDay.AddDays(1), Until: MyNumberFirstDay.AddDays(-1),
		Source: "Act2013; Act2016; law.md 1.1",
		JA:     "平成27年12月23日から31日までは、どちらのカードの電子証明書も発行できません。",
		EN:     "From 2015-12-23 to 2015-12-31 no certificate of either kind can be issued.",
		NextJA: "平成28年1月の開庁日以降に、マイナンバーカードでお手続きください。",
		NextEN: "Apply for the My Number card's certificates from the first open day of January 2016.",
	})
	jukiRunOff = rule(Rule{
		ID: "juki.regime.run-off", From: JukiLastDay.AddDays(1), Until: JukiRunOffDay,
		Source: "Act2013 Art 5; muni:Meguro; law.md 1.1",
		JA:     "発行済みの住民基本台帳カードの電子証明書について、失効と暗証番号の再設定は平成30年12月21日まで受け付けます。",
		EN:     "For juki certificates already issued, revocation and PIN reset go on until 2018-12-21.",
	})
	jukiRunOffEnded = rule(Rule{
		ID: "juki.regime.run-off-ended", From: JukiRunOffDay.AddDays(1),
		Source: "Act2013 Art 5; muni:Meguro; law.md 1.1",
		JA:     "住民基本台帳カードの電子証明書は平成30年12月21日までにすべて有効期間が終わりました。",
		EN:     "Every juki certificate had expired by 2018-12-21; there is nothing left to work on.",
		NextJA: "マイナンバーカードの電子証明書をご利用ください。",
		NextEN: "Use the certificates of the My Number card.",
	})
	myNumberBegun = rule(Rule{
		ID: "mynumber.regime.begun", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; law.md 1.1",
		JA:     "平成28年1月1日から、マイナンバーカードに署名用と利用者証明用の電子証明書が発行されます。",
		EN:     "From 2016-01-01 signature and authentication certificates are issued on the My Number card.",
	})
	dayAndNight = rule(Rule{
		ID: "mynumber.suspend.day-and-night", From: MyNumberFirstDay, Source: "Reg2016 Art 65(1) item 3; jpkilost; law.md 8.6",
		JA: "紛失の届出は、電話(0120-95-0178)で土日祝日を含め24時間受け付け、一時停止します。",
		EN: "A report of loss by telephone (0120-95-0178) is taken day and night, on closed days too, and suspends.",
	})
	myNumberNotBegun = rule(Rule{
		ID: "mynumber.regime.not-begun", Until: MyNumberFirstDay.AddDays(-1),
		Source: "Act2016 Arts 3, 22; law.md 1.1",
		JA:     "マイナンバーカードの電子証明書は平成28年1月1日に始まります。",
		EN:     "Certificates on the My Number card begin on 2016-01-01.",
		NextJA: "平成28年1月の開庁日以降にお越しください。",
		NextEN: "Come from the first open day of January 2016.",
	})
	branchCeased = rule(Rule{
		ID: "juki.office.branch-ceased", From: branchCeasedDay, Until: JukiRunOffDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 1.2, 11.1",
		JA:     "平成24年4月から、電子証明書の取扱窓口は本庁のみです。支所・出張所では受け付けられません。",
		EN:     "From April 2012 only the main office handles certificates; branch offices do not.",
		NextJA: "本庁の市民課窓口へお越しください。",
		NextEN: "Go to the residents' desk of the main office.",
	})
	lastAcceptance = rule(Rule{
		ID: "juki.office.last-acceptance", From: JukiFirstDay, Until: JukiLastDay,
		Source: "muni:Kanazawa, Oi; law.md 1.3",
		JA:     "この窓口での住民基本台帳カードの電子証明書の受付は、すでに終了しました。",
		EN:     "This office has already taken in its last application for a juki certificate.",
		NextJA: "平成28年1月以降、マイナンバーカードの電子証明書をご利用ください。",
		NextEN: "From January 2016 use the certificates of the My Number card.",
	})
)

// seedPublished is the date printed on muni:Sammu's page. The page was edited in
// place, so nothing on it takes effect on that date (law.md 1.4).
var seedPublished = civil.New(2015, 11, 2)

// branchCeasedDay is the day from which branches of muni:Sammu's office no longer do certificate work.
var branchCeasedDay = civil.New(2012, 4, 1)

// When an office is open. Package civil applies these; the sentences are here.
var _ = []ID{
	rule(Rule{
		ID: civil.OpenHours, Source: "muni:Sammu; law.md 11.1",
		JA: "受付時間内です。受付の時刻で判断するので、終了時刻の直前に受け付けたものも最後まで処理します。",
		EN: "Within opening hours. The time of receipt decides: what was received just before closing is carried through.",
	}),
	rule(Rule{
		ID: civil.OpenExtra, Source: "muni:Kasugai; law.md 11.1",
		JA: "臨時または延長の開庁時間内です。",
		EN: "Within an extra or extended opening of this office.",
	}),
	closed(civil.ClosedSaturday, "muni:Sammu; law.md 11.1", "土曜日は受け付けていません。", "The office is closed on Saturdays."),
	closed(civil.ClosedSunday, "muni:Sammu; law.md 11.1", "日曜日は受け付けていません。", "The office is closed on Sundays."),
	closed(civil.ClosedWeekday, "law.md 11.1", "この曜日は、この手続を受け付けていません。", "The office does not do this work on this day of the week."),
	closed(civil.ClosedHoliday, "Holidays Act Art 3(1)–(2); muni:Sammu; law.md 11.1, 11.2", "祝日(振替休日を含む)は受け付けていません。",
		"The office is closed on national holidays and their substitutes."),
	closed(civil.ClosedCitizens, "Holidays Act Art 3(3); muni:Sammu; law.md 11.1, 11.2", "国民の休日は受け付けていません。",
		"The office is closed on citizens' holidays."),
	closed(civil.ClosedYearEnd, "muni:Sammu; law.md 11.1", "年末年始(12月29日から1月3日まで)は受け付けていません。",
		"The office is closed from 29 December to 3 January."),
	closed(civil.ClosedBefore, "muni:Sammu; law.md 11.1", "受付時間の前です。", "It is before opening time."),
	closed(civil.ClosedAfter, "muni:Sammu; law.md 11.1", "本日の受付時間は終了しました。終了時刻ちょうどからは受け付けられません。",
		"It is after closing time; the closing time itself is already closed."),
	closed(civil.ClosedGap, "muni:Kasugai; law.md 11.1", "昼休みのため受け付けていません。", "The office is closed over lunch."),
	closed(civil.ClosedException, "law.md 11.1", "臨時に閉庁しています。", "The office is closed out of the usual."),
	closed(civil.ClosedMaintenance, "law.md 11.1", "システムの保守のため、この手続は停止しています。", "This work is stopped for maintenance of the system."),
	rule(Rule{
		ID: civil.ClosedEnded, Source: "muni:Kanazawa, Oi; law.md 1.3, 11.1",
		JA:     "この窓口では、この手続の受付を終了しました。",
		EN:     "This office no longer does this work.",
		NextJA: "この手続を扱っている窓口へお越しください。場所はこの窓口でご案内します。",
		NextEN: "Go to an office that does it; this one tells you where.",
	}),
	closed(civil.ClosedNotBegun, "law.md 11.1", "この窓口では、この手続をまだ始めていません。", "This office does not do this work yet."),
}

// closed adds a rule by which an office is closed.
func closed(id civil.RuleID, source, ja, en string) ID {
	return rule(Rule{
		ID: id, Source: source, JA: ja, EN: en,
		NextJA: "次の受付日時をご案内しますので、その時にお越しください。",
		NextEN: "Come at the next opening, which is given with this answer.",
	})
}
