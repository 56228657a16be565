package question

import (
	"slices"

	"shomei/pkg/regime"
)

// The words of the questions.
var (
	regimeWords    = words(regime.Juki, regime.MyNumber)
	kindWords      = words(regime.Sign, regime.Auth)
	operationWords = words(regime.Operations()...)
	channelWords   = words(regime.ChannelSelf, regime.ChannelSelfNoPhoto, regime.ChannelProxy, regime.ChannelRepresentative,
		regime.ChannelNotice, regime.ChannelHousehold)
	causeWords = words(regime.CauseFirst, regime.CauseRenewal, regime.CauseExpired, regime.CauseRecordChange,
		regime.CauseError, regime.CauseLoss, regime.CauseDamage, regime.CauseWish, regime.CauseFault, regime.CauseOverseas)
	leavingWords  = words(LeavingHome, LeavingOverseas, LeavingContinued)
	documentWords = words(regime.DocForm, regime.DocCard, regime.DocPhotoID, regime.DocOtherID, regime.DocInquiryAnswer, regime.DocMandate, regime.DocSealCertificate, regime.DocProxyPhotoID,
		regime.DocRepresentation, regime.DocNoticeAnswer, regime.DocHandOverNotice, regime.DocSealedMandate)
)

// optionalRegime is the regime where it follows from the day.
var optionalRegime = field{
	name: "regime", form: asWord, words: regimeWords,
	ja: "制度: juki 住民基本台帳カード、mynumber マイナンバーカード。なし: その日に行われている制度。2016-01-01以降の juki の失効と暗証番号再設定には juki と書く",
	en: "the regime; absent: the one that governs on the day. Write juki for revoking and unblocking juki certificates from 2016-01-01",
}

var validityAsks = []field{
	{name: "regime", form: asWord, words: regimeWords, ja: "制度。必須", en: "the regime; required"},
	{name: "kind", form: asWord, words: kindWords, ja: "署名用か利用者証明用か。必須。juki は sign だけ", en: "signature or authentication; required. juki has sign only"},
	{name: "issued", form: asDay, ja: "発行の日(工場で書き込んだカードは製造の日)。必須", en: "day of issue, of manufacture for a card from the factory; required"},
	{name: "birth_date", form: asBirth, ja: "生年月日。mynumber では必須。不明な月日は末日とみなす", en: "birth date; required for mynumber. What is not known counts as the last day it can be"},
	{name: "current_last_day", form: asDay, ja: "更新するとき、いまの電子証明書の最終日。なし: 新規の発行", en: "for a renewal the last day of the certificate it replaces; absent: a new issue"},
	{name: "auth_last_day", form: asDay, ja: "持っている利用者証明用の最終日(署名用はこれを超えない)", en: "last day of the authentication certificate held, which caps a signature certificate"},
	{name: "card_last_day", form: asDay, ja: "カードの最終日(mynumber の電子証明書はこれを超えない)", en: "last day of the card, which caps certificates of mynumber"},
}

var ruleList = field{
	name: "rules", form: asRule, list: true, ja: "適用した規則の番号。受け付けない理由が先", en: "ids of the rules applied, those that refuse first",
}

// termAnswers is how long a certificate is valid.
var termAnswers = []field{
	{name: "last_day", form: asDay, ja: "最終日。その日を含む", en: "the last day, included"},
	{name: "not_after", form: asUTC, ja: "証明書の notAfter: 最終日の日本時間 23:59:59(UTC で表示)", en: "notAfter of the certificate: 23:59:59 Japan time of the last day, in UTC"},
	{name: "window_opens", form: asDay, ja: "次の更新の受付が始まる日。juki にはない", en: "first day of the renewal window; juki has none"},
	ruleList,
	{name: "binds", form: asRule, ja: "最終日を決めた規則", en: "the rule that decided the last day"},
	{name: "candidates", form: asObject, list: true, ja: "最終日の候補。もっとも早い日が最終日", en: "every candidate for the last day; the earliest binds", fields: []field{
		{name: "rule", form: asRule, ja: "規則の番号", en: "id of the rule"},
		{name: "day", form: asDay, ja: "その規則による最終日", en: "the last day by that rule"},
	}},
}

var validityAnswers = termAnswers

var windowAsks = []field{
	{name: "regime", form: asWord, words: regimeWords, ja: "制度。なし: mynumber", en: "the regime; absent: mynumber"},
	{name: "last_day", form: asDay, ja: "いまの電子証明書またはマイナンバーカードの最終日。必須", en: "last day of the certificate or My Number card held; required"},
	{name: "on", form: asDay, ja: "この日に更新できるかを state で答える", en: "a day for which state answers whether it can be renewed"},
}

var windowAnswers = []field{
	{name: "last_day", form: asDay, ja: "問いのとおり", en: "as asked"},
	{name: "window_opens", form: asDay, ja: "更新の受付が始まる日。juki にはない", en: "first day of the renewal window; juki has none"},
	{name: "notice_due", form: asDay, ja: "有効期限通知書を送る日。juki にはない", en: "day on which the expiry notice is due; juki has none"},
	{
		name: "state", form: asWord, words: words(regime.WindowNotYet, regime.WindowOpen, regime.WindowExpired, regime.WindowEnded),
		ja: "on の日に: まだ、受付中、有効期間の後(新規の発行になる)、制度が終わって更新も発行もない",
		en: "on that day: not yet, open, after the last day (a new issue then), or the regime has ended and neither renews nor issues",
	},
	ruleList,
}

// operationLists are the operations that a line of an office's calendar is about.
var operationLists = field{
	name: "operations", form: asWord, list: true, words: operationWords, ja: "対象の手続。なし: すべて", en: "the operations meant; absent: all",
}

var officeField = field{
	name: "office", form: asObject, ja: "窓口。なし: 本庁、平日9時から17時まで", en: "the office; absent: a main office, Monday to Friday 09:00–17:00",
	fields: []field{
		{name: "municipality", form: asCode, ja: "市区町村の全国地方公共団体コード", en: "local government code of the municipality"},
		{name: "branch", form: asFlag, ja: "支所・出張所なら true", en: "true for a branch office"},
		{name: "branch_ceased", form: asDay, ja: "支所で juki を扱わなくなった日。なし: 2012-04-01", en: "first day on which branches do no juki work; absent: 2012-04-01"},
		{name: "last_acceptance", form: asMoment, ja: "この窓口の juki の受付が終わった日時。なし: 国の終了日(2015-12-22)まで", en: "instant from which this office takes in no juki application; absent: the national end, 2015-12-22"},
		{name: "hours", form: asObject, list: true, ja: "週の受付時間。祝日と年末年始は閉庁。なし: 平日9時から17時まで", en: "weekly hours; holidays and the year-end are closed. Absent: Monday to Friday 09:00–17:00", fields: []field{
			operationLists,
			{name: "weekdays", form: asWeekday, list: true, ja: "曜日、0 日曜 … 6 土曜。なし: 月曜から金曜", en: "days of the week, 0 Sunday … 6 Saturday; absent: Monday to Friday"},
			{name: "spans", form: asObject, list: true, ja: "受付の時間帯", en: "when it is open on such a day", fields: []field{
				{name: "from", form: asClock, ja: "この時刻から", en: "open from this time of day"},
				{name: "to", form: asClock, ja: "この時刻の直前まで。ちょうどは時間外", en: "closed from this time of day on"},
			}},
			{name: "from", form: asDay, ja: "この日から。なし: 制限なし", en: "first day of these hours; absent: unbounded"},
			{name: "until", form: asDay, ja: "この日まで。なし: 制限なし", en: "last day of these hours; absent: unbounded"},
		}},
		{name: "exceptions", form: asObject, list: true, ja: "臨時の開庁と閉庁。閉庁が優先", en: "openings and closings out of the usual; a closing wins", fields: []field{
			{name: "open", form: asFlag, ja: "true 開庁、false 閉庁", en: "true: open, false: closed"},
			operationLists,
			{name: "from", form: asMoment, ja: "この日時から。必須", en: "from this instant; required"},
			{name: "until", form: asMoment, ja: "この日時の直前まで。必須", en: "up to, not including, this instant; required"},
			{name: "rule", form: asRule, ja: "理由の規則。なし: office.open.extra または office.closed.exception", en: "the rule that says why; absent: office.open.extra or office.closed.exception"},
		}},
		{name: "terms", form: asObject, list: true, ja: "手続を扱う期間", en: "the time in which the office does some operations at all", fields: []field{
			operationLists,
			{name: "begins", form: asMoment, ja: "この日時から。なし: 制限なし", en: "from this instant; absent: unbounded"},
			{name: "ends", form: asMoment, ja: "この日時の直前まで。なし: 制限なし", en: "up to, not including, this instant; absent: unbounded"},
			{name: "rule", form: asRule, ja: "理由の規則。なし: office.closed.not-begun または office.closed.operation-ended", en: "the rule that says why; absent: office.closed.not-begun or office.closed.operation-ended"},
		}},
	},
}

var operationField = field{
	name: "operation", form: asWord, words: operationWords,
	ja: "手続。必須。new 新規発行、renew 更新、reissue 再発行、revoke 失効、suspend 一時停止、unblock 暗証番号再設定、card カードの申請、handover 交付、resident-record 住民異動の届出",
	en: "what is to be done; required. reissue: in place of one lost, damaged or revoked; resident-record: moves and other notifications",
}

var openAsks = []field{
	operationField,
	{name: "at", form: asMoment, ja: "受付の日時。必須", en: "instant of receipt; required"},
	optionalRegime,
	officeField,
}

// sentenceAnswers is a rule as a clerk reads it out.
var sentenceAnswers = []field{
	{name: "rule", form: asRule, ja: "規則の番号", en: "id of the rule"},
	{name: "ja", form: asText, ja: "窓口で読み上げる文", en: "the sentence in Japanese"},
	{name: "en", form: asText, ja: "英語の文", en: "the sentence in English"},
	{name: "next_ja", form: asText, ja: "次にすること", en: "what to do next, in Japanese"},
	{name: "next_en", form: asText, ja: "次にすること(英語)", en: "what to do next, in English"},
}

var nextOpening = field{
	name: "next_opening", form: asUTC, ja: "閉庁のとき、次に受け付ける日時(UTC、400日以内)", en: "when closed: the next opening, in UTC, within 400 days",
}

var openAnswers = slices.Concat(
	[]field{{name: "open", form: asFlag, ja: "受け付けるか", en: "whether it is taken in"}},
	sentenceAnswers,
	[]field{{name: "regime", form: asWord, words: regimeWords, ja: "適用した制度", en: "the regime that governs"}, nextOpening, ruleList},
)

var errorAnswers = []field{{name: "error", form: asObject, ja: "答えられない理由", en: "why the line can't be answered", fields: []field{
	{name: "line", form: asNumber, ja: "行の番号、1から", en: "number of the line, from 1"},
	{name: "field", form: asText, ja: "正しくない項目。例: office.hours[0].spans[0].from", en: "the field that is wrong, like office.hours[0].spans[0].from"},
	{name: "rule", form: asRule, ja: "その値を許さない規則", en: "the rule that does not allow the value"},
	{name: "message_ja", form: asText, ja: "理由と、書いてよい値", en: "why, and what may be written, in Japanese"},
	{name: "message_en", form: asText, ja: "同じく英語", en: "the same in English"},
}}}
