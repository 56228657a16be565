package question

import "slices"

var personField = field{
	name: "person", form: asObject, ja: "住民票の記録による申請者", en: "the applicant as the resident record has them",
	fields: []field{
		{name: "birth_date", form: asBirth, ja: "生年月日。発行する手続では必須", en: "birth date; required for whatever issues"},
		{name: "registered", form: asFlag, ja: "住民基本台帳(国外転出者は戸籍の附票)に記録されていれば true", en: "true: recorded in a resident register or, from overseas, in a supplementary family register"},
		{name: "municipality", form: asCode, ja: "その記録がある市区町村のコード", en: "code of the municipality that keeps that record"},
		{name: "adult_ward", form: asFlag, ja: "成年被後見人", en: "an adult ward"},
		{name: "foreign", form: asFlag, ja: "外国人住民", en: "a foreign resident"},
		{name: "alias", form: asFlag, ja: "通称が記録されている", en: "an alias is recorded"},
		{name: "stay_until", form: asDay, ja: "在留期間の満了日。なし: 期間の定めなし", en: "last day of the period of stay; absent: unlimited"},
		{name: "stay_pending", form: asFlag, ja: "在留期間の更新を申請中(特例期間)", en: "the renewal of the stay is pending"},
		{name: "overseas", form: asDay, ja: "国外に転出した日。なし: 国内在住", en: "day of a move abroad; absent: lives in Japan"},
	},
}

var shownField = field{
	name: "shown", form: asObject, list: true, ja: "窓口で示された書類", en: "the documents shown at the counter",
	fields: []field{
		{
			name: "document", form: asWord, words: documentWords,
			ja: "書類: 申請書、カード、写真付き本人確認書類、健康保険証など、照会書兼回答書、委任状、印鑑登録証明書、代理人の写真付き本人確認書類、法定代理人を示す書類、有効期限通知書の照会書兼回答書、交付通知書、封入した委任状",
			en: "what was shown; inquiry-answer: the answer form of a mailed letter of inquiry; notice-answer: that of the expiry notice, with sealed PINs",
		},
		{name: "address_current", form: asFlag, ja: "写真付き本人確認書類: 住所が最新。card に付けるとカード(住基カードは写真付きのもの)を本人確認書類として使う", en: "of a photo ID: it bears the current address; on card: the card (a juki card with a photo) serves as photo ID"},
		{name: "letter", form: asText, ja: "照会書兼回答書に印刷された番号", en: "number printed on the answer form"},
		{name: "registered_seal", form: asFlag, ja: "委任状: 実印が押されている", en: "of a mandate: it bears the registered seal"},
	},
}

var applyAsks = []field{
	operationField,
	{name: "at", form: asMoment, ja: "受付の日時。必須", en: "instant of receipt; required"},
	optionalRegime,
	{name: "kinds", form: asWord, list: true, words: kindWords, ja: "申請する電子証明書。なし: 発行ではその制度で認められるすべて、ほかの手続では持っているもの", en: "the certificates applied for; absent: all that the law allows where something is issued, otherwise what is held"},
	officeField,
	personField,
	{
		name: "channel", form: asWord, words: channelWords,
		ja: "申請の方法。なし: self。self 本人(写真付き本人確認書類)、self-no-photo 本人(なし)、proxy 任意代理人、legal-representative 法定代理人、notice-letter 有効期限通知書による代理人(mynumber)、household-member 引っ越しを届け出る同一世帯員(mynumber)",
		en: "how it reaches the counter; absent: self. notice-letter: a proxy with the answer form of the expiry notice; household-member: one who files the move; both mynumber only",
	},
	shownField,
	{name: "letter", form: asText, ja: "登録住所へ郵送した照会書兼回答書の番号。なし: まだ郵送していない", en: "number of the letter of inquiry that was mailed; absent: none was yet"},
	{name: "letter_posted", form: asDay, ja: "それを郵送した日。その日のうちの回答は受け付けない。なし: 前日まで", en: "day on which it was mailed: an answer on that very day is refused; absent: an earlier day"},
	{name: "letter_moved", form: asFlag, ja: "郵送の後に転入または住所の変更があった", en: "the holder has moved in or changed address since it was mailed"},
	{name: "with_move", form: asFlag, ja: "household-member: 同じ日に転入または転居を届け出る", en: "household-member: a move to or within the municipality is filed on the same day"},
	{
		name: "leaving", form: asWord, words: leavingWords,
		ja: "届け出たが、予定日がまだ来ていない転出: within-japan 国内、overseas 国外(継続利用なし)、continued-use 国外(継続利用)。なし: 転出の予定なし",
		en: "a move out that was filed and whose day is yet to come; absent: none",
	},
	{name: "left_on", form: asDay, ja: "cause が overseas のとき、国外に転出した日。なし: person.overseas", en: "with cause overseas the day of leaving; absent: person.overseas"},
	{name: "pins_match", form: asFlag, ja: "notice-letter: 封入された暗証番号がカードと一致した", en: "notice-letter: the PINs in the sealed envelope opened the card"},
	{name: "no_card", form: asFlag, ja: "カードを示せない(紛失など)", en: "the card can't be shown: lost, destroyed, not made yet"},
	{name: "returned", form: asFlag, ja: "revoke と: カードの返納。必要なのはカードだけ", en: "with revoke: the card is given back for good, which needs the card alone"},
	{name: "clerk", form: asText, ja: "受け付けた職員", en: "the officer who takes it in"},
	{name: "granted_by", form: asText, ja: "特別な事情を認めた別の職員。なし: 特別な事情の申出なし", en: "the second officer who granted special circumstances; absent: none claimed"},
	{
		name: "cause", form: asWord, words: causeWords,
		ja: "発行の理由(手数料が決まる)。なし: 手続と持っている電子証明書から決める。record-change 住民票の記載の変更で失効、error 記録誤りで失効、wish 本人が手放した、fault 本人によらない不具合、overseas 継続利用をせずに国外へ転出してカードが失効",
		en: "why it is issued, which decides the fee; absent: follows from the operation and what is held. error: found in the certificate; wish: given up by the holder; fault: not the holder's; overseas: the card became void for want of continued use",
	},
	{name: "card", form: asFlag, ja: "カードも新しく発行する", en: "a new card is issued as well"},
	{name: "express", form: asFlag, ja: "特急発行(2024-12-02から)", en: "express issue, from 2024-12-02"},
	{name: "sign_last_day", form: asDay, ja: "いま持っている署名用の最終日。なし: 持っていない", en: "last day of the signature certificate held; absent: none"},
	{name: "auth_last_day", form: asDay, ja: "いま持っている利用者証明用の最終日。なし: 持っていない", en: "last day of the authentication certificate held; absent: none"},
	{name: "card_last_day", form: asDay, ja: "いま持っているカードの最終日。なし: 在留期間の満了日があればその日", en: "last day of the card held; absent: that of the period of stay, where there is one"},
}

var applyAnswers = []field{
	{name: "accepted", form: asFlag, ja: "受け付けるか", en: "whether it is accepted"},
	{name: "regime", form: asWord, words: regimeWords, ja: "適用した制度", en: "the regime that governs"},
	{name: "refused", form: asObject, list: true, ja: "受け付けない理由のすべて", en: "every rule that refuses", fields: sentenceAnswers},
	{
		name: "missing", form: asObject, list: true, ja: "足りない、または使えない書類と、その理由", en: "documents that are missing or unfit, and why",
		fields: slices.Concat([]field{{name: "document", form: asWord, words: documentWords, ja: "書類", en: "the document"}},
			sentenceAnswers),
	},
	{name: "same_day", form: asFlag, ja: "この方法は初めの来庁の日に終えられるか", en: "whether this way can be finished on the day of the first visit"},
	{name: "letter_first", form: asFlag, ja: "先に照会書兼回答書を郵送する。足りないものは refused にある", en: "a letter of inquiry is mailed first; refused lists what its answer must bring"},
	{name: "fee", form: asObject, ja: "手数料", en: "the fee", fields: []field{
		{name: "yen", form: asNumber, ja: "合計、円", en: "sum, in yen"},
		{name: "items", form: asObject, list: true, ja: "内訳。無料のものは0円", en: "item by item; waived ones with 0", fields: []field{
			{name: "rule", form: asRule, ja: "規則の番号", en: "id of the rule"},
			{name: "yen", form: asNumber, ja: "円", en: "in yen"},
		}},
	}},
	{name: "card", form: asObject, ja: "あわせて発行されるマイナンバーカード", en: "the My Number card that is issued as well", fields: termAnswers},
	{
		name: "validity", form: asObject, list: true, ja: "発行されるもの。利用者証明用が先", en: "what would be issued, authentication first",
		fields: slices.Concat([]field{{name: "kind", form: asWord, words: kindWords, ja: "種類", en: "the kind"}}, termAnswers),
	},
	{name: "alternative", form: asFlag, ja: "validity は、更新でなく失効と新規発行をした場合のもの", en: "validity is that of revoking and issuing anew instead of renewing"},
	nextOpening,
	ruleList,
}
