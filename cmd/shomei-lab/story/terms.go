package story

import (
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// operations are those applied for at a counter. The factory's issue has its own statement, and its card is collected.
var operations = operationTerms()

func operationTerms() (terms []term[events.Operation]) {
	for _, h := range regime.Handlings() {
		switch h.Operation {
		case events.Operation_OPERATION_FACTORY_ISSUE:
		case events.Operation_OPERATION_HAND_OVER:
			terms = append(terms, term[events.Operation]{"collect", "受取り", h.Operation})
		default:
			terms = append(terms, term[events.Operation]{h.Word, h.Name, h.Operation})
		}
	}
	return terms
}

// workings are the operations as an office's calendar names them (pkg/regime).
var workings = []term[civil.Operation]{
	{"new", "新規", regime.OpNew},
	{"renew", "更新", regime.OpRenew},
	{"reissue", "再発行", regime.OpReissue},
	{"revoke", "失効", regime.OpRevoke},
	{"unblock", "初期化", regime.OpUnblock},
	{"card", "カード", regime.OpCard},
	{"handover", "交付", regime.OpHandOver},
	{"resident-record", "異動届", regime.OpResidentRecord},
}

var channels = []term[events.Channel]{
	{"self", "本人", events.Channel_CHANNEL_SELF},
	{"proxy", "代理人", events.Channel_CHANNEL_PROXY},
	{"legal-representative", "法定代理人", events.Channel_CHANNEL_LEGAL_REPRESENTATIVE},
	{"household-member", "同一世帯員", events.Channel_CHANNEL_HOUSEHOLD},
}

var kinds = []term[events.CertificateKind]{
	{"sign", "署名用", events.CertificateKind_CERTIFICATE_KIND_SIGN},
	{"auth", "利用者証明用", events.CertificateKind_CERTIFICATE_KIND_AUTH},
}

var pins = []term[events.PinKind]{
	{"sign", "署名用", events.PinKind_PIN_KIND_SIGN},
	{"auth", "利用者証明用", events.PinKind_PIN_KIND_AUTH},
}

// The kinds of certificate in expectations: the juki card's has its own.
const (
	SignKind = "sign"
	AuthKind = "auth"
	JukiKind = "juki"
)

var certificateKinds = []term[string]{
	{SignKind, "署名用", SignKind}, {AuthKind, "利用者証明用", AuthKind}, {JukiKind, "住基", JukiKind},
}

var cardKinds = []term[events.CardKind]{
	{"juki", "住基", events.CardKind_CARD_KIND_JUKI},
	{"mynumber", "マイナンバー", events.CardKind_CARD_KIND_MYNUMBER},
}

var phoneActs = []term[PhoneStep]{
	{"register", "搭載", RegisterPhone}, {"lose", "紛失", LosePhone}, {"find", "発見", FindPhone}, {"dispose", "処分", DisposePhone},
}

var platforms = []term[events.PhonePlatform]{
	{"android", "アンドロイド", events.PhonePlatform_PHONE_PLATFORM_ANDROID},
	{"iphone", "アイフォーン", events.PhonePlatform_PHONE_PLATFORM_IPHONE},
}

// documents are those that can be shown, in the counter's words.
var documents = []term[string]{
	{"application-form", "申請書", "application-form"},
	{"card", "カード", "card"},
	{"card-with-current-address", "現住所のカード", "card:current-address"}, // itself a photo ID
	{"photo-id", "写真付き本人確認書類", "photo-id:current-address"},
	{"photo-id-with-old-address", "旧住所の写真付き本人確認書類", "photo-id"},
	{"other-id", "その他の本人確認書類", "other-id"},
	{"inquiry-answer", "照会書兼回答書", "inquiry-answer"},
	{"another-inquiry-answer", "別の照会書兼回答書", "inquiry-answer:another"},
	{"mandate", "委任状", "mandate:registered-seal"},
	{"mandate-without-seal", "実印のない委任状", "mandate"},
	{"sealed-mandate", "封入した委任状", "sealed-mandate"},
	{"seal-certificate", "印鑑登録証明書", "seal-certificate"},
	{"proxy-photo-id", "代理人の写真付き本人確認書類", "proxy-photo-id"},
	{"proof-of-representation", "法定代理権を示す書類", "proof-of-representation"},
	{"notice-answer", "有効期限通知書の回答書", "notice-answer"},
	{"handover-notice", "交付通知書", "handover-notice"},
}

var causes = []term[regime.Cause]{
	{"first", "初回", regime.CauseFirst},
	{"renewal", "更新", regime.CauseRenewal},
	{"expired", "満了", regime.CauseExpired},
	{"record-change", "記載変更", regime.CauseRecordChange},
	{"loss", "紛失", regime.CauseLoss},
	{"damage", "破損", regime.CauseDamage},
	{"wish", "希望", regime.CauseWish},
	{"fault", "行政側の不備", regime.CauseFault},
	{"overseas", "国外転出", regime.CauseOverseas},
	{"key-leak", "漏えい", regime.Cause(regime.EvKeyLeak)},
}

var changes = []term[events.RecordChange]{
	{"name", "氏名", events.RecordChange_RECORD_CHANGE_NAME},
	{"sex", "性別", events.RecordChange_RECORD_CHANGE_SEX},
	{"address", "住所", events.RecordChange_RECORD_CHANGE_ADDRESS},
	{"birth-date", "生年月日", events.RecordChange_RECORD_CHANGE_BIRTH_DATE},
	{"minor", "軽微な修正", events.RecordChange_RECORD_CHANGE_MINOR},
	{"move-out", "転出", events.RecordChange_RECORD_CHANGE_MOVE_OUT},
	{"move-in", "転入", events.RecordChange_RECORD_CHANGE_MOVE_IN},
	{"move-overseas", "国外転出", events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS},
	{"move-called-off", "転出取消", events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF},
	{"death", "死亡", events.RecordChange_RECORD_CHANGE_DEATH},
	{"deleted", "職権消除", events.RecordChange_RECORD_CHANGE_DELETED},
	{"individual-number", "個人番号", events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER},
	{"resident-code", "住民票コード", events.RecordChange_RECORD_CHANGE_RESIDENT_CODE},
	{"period-of-stay", "在留期間", events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY},
	{"out-of-scope", "適用除外", events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE},
}

var sexes = []term[uint32]{{"male", "男", 1}, {"female", "女", 2}, {"unknown", "不明", 3}}

var orders = []term[events.RevocationReason]{
	{"certificate-error", "記録誤り", events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED},
	{"ca-compromise", "署名符号の危殆化", events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE},
}

var statuses = []term[string]{
	{"none", "なし", "none"},
	{"authorized", "発行待ち", "authorized"},
	{"issued", "交付前", "issued"},
	{"valid", "有効", "valid"},
	{"suspended", "一時停止", "suspended"},
	{"revoked", "失効", "revoked"},
	{"expired", "満了", "expired"},
	{"abandoned", "取止め", "abandoned"},
}

var cardStatuses = []term[string]{
	{"none", "なし", "none"},
	{"assigned", "交付前", "assigned"},
	{"held", "所持", "held"},
	{"suspended", "一時停止", "suspended"},
	{"custody", "預かり", "custody"},
	{"void", "失効", "void"},
	{"expired", "満了", "expired"},
}

// reasons are those of RFC 5280 section 5.3.1, as in the log and the lists.
var reasons = []term[string]{
	{"unspecified", "不特定", "unspecified"},
	{"key-compromise", "秘密鍵の危殆化", "key-compromise"},
	{"ca-compromise", "認証局の危殆化", "ca-compromise"},
	{"affiliation-changed", "記載事項の変更", "affiliation-changed"},
	{"superseded", "取替え", "superseded"},
	{"cessation-of-operation", "利用終了", "cessation-of-operation"},
	{"certificate-hold", "一時停止", "certificate-hold"},
}

var deadlines = []term[string]{
	{"move-in-30", "転入届30日", "move-in-30"},
	{"move-in-14", "転入届14日", "move-in-14"},
	{"card-90", "カード提出90日", "card-90"},
	{"move-out", "転出の前日", "move-out"},
	{"overseas", "国外転出の前日", "overseas"},
	{"overseas-kept", "国外転出の前日(継続利用)", "overseas-kept"},
	{"overseas-called-off", "継続利用の取消しの期限", "overseas-called-off"},
}

var deadlineOutcomes = []term[string]{{"none", "なし", "none"}, {"met", "遵守", "met"}, {"missed", "徒過", "missed"}}

var noticeKinds = []term[string]{
	{"expiry", "有効期限", "expiry"}, {"revoked", "失効", "revoked"}, {"suspended", "一時停止", "suspended"}, {"expired", "満了", "expired"},
}

var noticeOutcomes = []term[string]{
	{"none", "なし", "none"}, {"pending", "未送付", "pending"}, {"sent", "送付", "sent"}, {"failed", "不達", "failed"}, {"suppressed", "不要", "suppressed"},
}
