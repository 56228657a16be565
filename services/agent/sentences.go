package agent

import "fmt"

// Message is a sentence for people; Key names it in [Sentences] and identifies it, whatever its arguments.
type Message struct{ Key, JA, EN string }

// Sentences are all sentences that a counter shows about its procedures, by key; say fills in %s.
var Sentences = map[string]struct{ JA, EN string }{
	"recorded-here":     {"この端末に記録しました（仮）。", "Recorded at this counter (pending)."},
	"accepted":          {"受理されました。", "Accepted."},
	"refused":           {"受理できません。", "Refused."},
	"waits-second":      {"別の職員の承認を待っています。", "This waits for another officer's approval."},
	"letter-due":        {"照会書を郵送します。", "A letter of inquiry is posted first."},
	"held-simulated":    {"この端末は模擬の時計（%s）で動いているため、センターは受け付けず保留にしました。センターの時刻は %s です。", "This counter runs by a settable clock (%s), so the centre holds this. The centre's time is %s."},
	"held-clock":        {"端末の時計は %s でしたが、センターとの回線の記録では %s から %s の間です。センターは受け付けず保留にしました。", "The counter's clock showed %s, its link to the centre says %s to %s. The centre holds this and has decided nothing."},
	"waits-comparison":  {"この端末の記録をセンターと照合してから続けます。照合が済むまで、カードには書き込みません。", "It goes on once this counter's records have been compared with the centre's. Nothing is written to a card before that."},
	"heads-differ":      {"この端末の記録がセンターの記録と一致しません。カードには書き込みません。管理者に連絡してください。", "This counter's records differ from the centre's. Nothing is written to a card: tell the administrator."},
	"put-card":          {"申請者のカードをリーダーに置いてください。", "Please put the applicant's card on the reader."},
	"card-removed":      {"カードが離れました。同じカードをもう一度かざしてください。", "The card was removed. Please put the same card back."},
	"other-card":        {"別のカードです。申請者のカードをかざしてください。", "This is another card. Please use the applicant's card."},
	"centre-needed":     {"センターに接続できません。カードへの書き込みには接続が必要です。つながり次第、自動で続けます。カードはそのままにしてください。", "The centre can't be reached, and no card can be written without it. The work goes on by itself once it is back; leave the card where it is."},
	"waits-resident":    {"申請者の確認と暗証番号の入力を待っています。", "Waiting for the resident to confirm and to set the PIN."},
	"making-keys":       {"カードの中で新しい鍵を作っています。カードを動かさないでください。", "Making new keys on the card. Please leave it where it is."},
	"keys-made":         {"新しい鍵を作りました。電子証明書の発行を待っています。", "New keys are made. Waiting for the certificates."},
	"writing":           {"電子証明書をカードに書き込んでいます。カードを動かさないでください。", "Writing the certificates. Please leave the card where it is."},
	"reading-back":      {"読み戻して確かめています。", "Reading back and checking."},
	"written":           {"カードに書き込み、読み戻して確かめました。", "Written to the card, read back and checked."},
	"not-written":       {"カードへの書込みができませんでした。", "The card could not be written."},
	"setting-pin":       {"暗証番号を設定しています。", "Setting the PIN."},
	"pin-set":           {"暗証番号を設定しました。", "The PIN has been set."},
	"not-begun":         {"手続きを始められませんでした（%s）。", "Could not begin: %s."},
	"handed-over":       {"交付しました。", "Handed over."},
	"given-back":        {"カードをお返ししました。", "The card was given back."},
	"not-handed-over":   {"カードはお渡ししましたが、センターは交付を記録しませんでした。カードの電子証明書は使えないことがあります。", "The card was given out, but the centre did not record the hand-over: its certificates may not be usable."},
	"not-given-back":    {"カードはお返ししましたが、センターはこの手続きを終わりとして記録しませんでした。", "The card was given back, but the centre did not record the end of the procedure."},
	"withdrawn":         {"申請を取りやめました。", "The application was withdrawn."},
	"not-used":          {"センターはこの報告を手続きに使いませんでした。職員の確認が必要です。", "The centre did not use this report. A clerk must look into it."},
	"in-vain":           {"この手続きは続けられなくなりました。", "The procedure can't go on any more."},
	"report-refused":    {"センターはこの届出を受け付けませんでした。", "The centre has not taken this report."},
	"report-unverified": {"センターはこの届出を確かめられませんでした。", "The centre could not verify this report."},
	"report-recorded":   {"届出をセンターに記録しました。", "The centre has recorded the report."},
	"report-nothing":    {"届出をセンターに記録しました。変わるものはありません。", "The centre has recorded the report; it changes nothing."},

	"reason." + ReasonDeadline:  {"期限切れ", "the deadline has passed"},
	"reason." + ReasonRetired:   {"廃止されたカード", "the card is retired"},
	"reason." + ReasonNoReader:  {"カードリーダーなし", "no card reader"},
	"reason." + ReasonVersion:   {"新しい版の指示", "a command of a newer version"},
	"reason." + ReasonCard:      {"カードが応じない", "the card does not comply"},
	"reason." + ReasonLastDay:   {"カードの有効期間が不明", "the card's last day is unknown"},
	"reason." + ReasonDoubted:   {"センターの記録と一致しなかった", "the records differed from the centre's"},
	"reason." + ReasonNotOpened: {"センターがカードの操作を認めない", "the centre does not open the card"},
	"reason." + reasonAdminKey:  {"カードの管理鍵が合わない", "the card's administrative key does not fit"},
	"reason." + reasonMemory:    {"カードの空きが足りない", "the card's memory is full"},
	"reason." + reasonUnknown:   {"カードにない命令", "the card does not know the command"},
	"reason." + reasonState:     {"カードの状態が合わない", "the card's state does not fit"},
}

// say returns a sentence with its arguments filled in.
func say(key string, args ...any) Message {
	s := Sentences[key]
	if len(args) == 0 {
		return Message{key, s.JA, s.EN}
	}
	return Message{key, fmt.Sprintf(s.JA, args...), fmt.Sprintf(s.EN, args...)}
}

// notBegun returns the sentence that says why a command was not begun.
func notBegun(reason string) Message {
	why, ok := Sentences["reason."+reason]
	if !ok { // a reason of a newer version
		why.JA, why.EN = reason, reason
	}
	m := say("not-begun")
	return Message{m.Key, fmt.Sprintf(m.JA, why.JA), fmt.Sprintf(m.EN, why.EN)}
}

// Keys of sentences that ask the person at the desk to act; a page may emphasise them.
const (
	PutCard     = "put-card"
	CardRemoved = "card-removed"
	OtherCard   = "other-card"
	// CentreNeeded: no counter has a key that opens a card, so nothing can be written without the centre.
	CentreNeeded = "centre-needed"
	// NotUsed, NotHandedOver and NotGivenBack: the centre did not use a claim of the procedure.
	NotUsed       = "not-used"
	NotHandedOver = "not-handed-over"
	NotGivenBack  = "not-given-back"
)

// Keys of sentences about a command that waits for the comparison.
const (
	WaitsForComparison = "waits-comparison"
	HeadsDiffer        = "heads-differ"
)
