package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// Problem is the error object of the API: what happened and what to do next, in both languages. Code is a stable short
// name, Rules the ids of the rules behind it, if any.
type Problem struct {
	Code   string      `json:"code"`
	JA     string      `json:"ja"`
	EN     string      `json:"en"`
	NextJA string      `json:"next_ja"`
	NextEN string      `json:"next_en"`
	Rules  []regime.ID `json:"rules,omitempty"`
	Left   *int        `json:"tries_left,omitempty"`
	// Field is the field of the request that is at fault, such as person.birth_date.
	Field  string `json:"field,omitempty"`
	status int
}

func (p *Problem) in(l page.Language) (what, next string) {
	if l == page.English {
		return p.EN, p.NextEN
	}
	return p.JA, p.NextJA
}

// badRequest is a request that can't be read; what is a text for programmers, without any value of the request.
func badRequest(what string) *Problem {
	return &Problem{
		Code: "bad-request", JA: "送られた内容を読み取れません: " + what, EN: "The request can't be read: " + what,
		NextJA: "内容を直して、もう一度送ってください。", NextEN: "Correct it and send it again.", status: http.StatusBadRequest,
	}
}

// failures are the errors of the counter as people read them.
var failures = []struct {
	err error
	Problem
}{
	{agent.ErrUnknownProcedure, Problem{
		Code: "unknown-procedure", JA: "この端末にその手続きはありません。", EN: "This counter knows of no such procedure.",
		NextJA: "受付番号を確かめてください。", NextEN: "Check the receipt number.", status: http.StatusNotFound,
	}},
	{agent.ErrNotWaiting, Problem{
		Code: "not-waiting", JA: "この手続きは、申請者の確認を待っていません。", EN: "The procedure does not wait for the resident.",
		NextJA: "手続きの画面で今の段階をご覧ください。", NextEN: "See on its page how far the procedure is.", status: http.StatusConflict,
	}},
	{agent.ErrNotYet, Problem{
		Code: "not-yet", JA: "まだこの段階ではありません。", EN: "The procedure is not that far yet.",
		NextJA: "手続きの画面で今の段階をご覧ください。", NextEN: "See on its page how far the procedure is.", status: http.StatusConflict,
	}},
	{errNoReview, Problem{
		Code: "no-review", JA: "この確認の画面は使えなくなりました（10分で切れます）。", EN: "This review page can't be used any more (it lasts ten minutes).",
		NextJA: "「この端末の手続き」に受け付けたものがあるか確かめ、なければもう一度入力してください。",
		NextEN: "Look for it among the procedures at this counter; when it is not there, enter it again.", status: http.StatusConflict,
	}},
	{agent.ErrReceiptTime, Problem{
		Code: "receipt-time", JA: "受付時刻が正しくありません。", EN: "The receipt time can't be right.",
		NextJA: "今日の、今より前の時刻を入力してください。", NextEN: "Enter a time of today that has passed.", status: http.StatusUnprocessableEntity,
	}},
	{events.ErrOfficer, Problem{
		Code: "officer-code", JA: "職員番号の形ではありません。", EN: "That is no officer's number.",
		NextJA: "氏名ではなく、数字を含む英数字と . _ - の16文字までの番号を入力してください。",
		NextEN: "Give a number, not a name: up to 16 of A-Z a-z 0-9 . _ -, with a digit.", status: http.StatusBadRequest,
	}},
	{errFee, Problem{
		Code: "other-fee", JA: "手数料の額が違います。", EN: "The fee is another one.",
		NextJA: "手続きの画面に示された額を受け取ってください。", NextEN: "Take the fee that the procedure's page shows.", status: http.StatusConflict,
	}},
	{card.ErrBlocked, Problem{
		Code: "pin-blocked", JA: "暗証番号がロックされています。", EN: "The PIN is blocked.",
		NextJA: "暗証番号の再設定（ロック解除）の申請を受け付けてください。", NextEN: "Take an application to unblock the PIN.", status: http.StatusConflict,
	}},
	{card.ErrWrongPIN, Problem{
		Code: "wrong-pin", JA: "暗証番号が違います。", EN: "The PIN is wrong.",
		NextJA: "残りの回数を確かめてから、もう一度入力してください。", NextEN: "Look at the tries left before typing it again.", status: http.StatusConflict,
	}},
	{errLastTry, Problem{
		Code: "last-try", JA: "照合できるのは、あと1回です。まちがえるとロックされます。", EN: "One try is left; a wrong PIN blocks the card.",
		NextJA: "確かな暗証番号のときだけ、確認のうえ照合してください。", NextEN: "Confirm (last_try) only if the PIN is certain.", status: http.StatusConflict,
	}},
	{pcsc.ErrNoReader, Problem{
		Code: "no-reader", JA: "カードリーダーがつながっていません。", EN: "No card reader is connected.",
		NextJA: "ケーブルを確かめてください。", NextEN: "Check its cable.", status: http.StatusServiceUnavailable,
	}},
	{pcsc.ErrNoService, Problem{
		Code: "no-service", JA: "カードリーダーのサービスが応答しません。", EN: "The card reader's service does not answer.",
		NextJA: "サービス（pcscd）の再起動を管理者に依頼してください。", NextEN: "Ask the administrator to restart it (pcscd).", status: http.StatusServiceUnavailable,
	}},
	{pcsc.ErrInUse, Problem{
		Code: "card-in-use", JA: "ほかのプログラムがカードを使っています。", EN: "Another program is using the card.",
		NextJA: "そのプログラムを終わらせてください。", NextEN: "End that program.", status: http.StatusConflict,
	}},
	{card.ErrRemoved, Problem{
		Code: "no-card", JA: "リーダーにカードがありません。", EN: "No card is in the reader.",
		NextJA: "カードをリーダーに置いてください。", NextEN: "Put the card on the reader.", status: http.StatusConflict,
	}},
	{card.ErrForeignCard, Problem{
		Code: "foreign-card", JA: "対象外のカードです。", EN: "This card is of another kind.",
		NextJA: "個人番号カードか住民基本台帳カードを置いてください。", NextEN: "Use a My Number card or a juki card.", status: http.StatusConflict,
	}},
	{card.ErrNotFound, Problem{
		Code: "no-certificate", JA: "その電子証明書はカードにありません。", EN: "That certificate is not on the card.",
		NextJA: "新規発行の申請が必要です。", NextEN: "A new issue is needed.", status: http.StatusNotFound,
	}},
	{errNoFactory, Problem{
		Code: "old-bundle", JA: "この端末のフォルダーは古い版のもので、カードを作る鍵の情報がありません。", EN: "This counter's bundle is of an older version and can't make cards.",
		NextJA: "センターの shomei counter enrol で、同じフォルダーを作り直してください。", NextEN: "Make the bundle anew in the same folder: shomei counter enrol at the centre.", status: http.StatusConflict,
	}},
	{errNoSuchCard, Problem{
		Code: "no-such-card", JA: "その番号の仮想カードはありません。", EN: "No card in software has that number.",
		NextJA: "先にカードを作ってください。", NextEN: "Make the card first.", status: http.StatusNotFound,
	}},
	{errCardExists, Problem{
		Code: "card-exists", JA: "その番号の仮想カードはもうあります。", EN: "A card in software has that number already.",
		NextJA: "別の番号にするか、そのカードを挿入してください。", NextEN: "Choose another number, or insert that card.", status: http.StatusConflict,
	}},
}

var (
	errFee     = errors.New("the fee is another one")
	errLastTry = errors.New("one try is left")
)

// problemOf turns an error into what people can act on; one that is none of the known ones is the machine's own fault.
func problemOf(err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	var pin *agent.PINRefusal
	if errors.As(err, &pin) {
		return pinProblem(pin)
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			p := f.Problem
			if wrong := (*card.PINError)(nil); errors.As(err, &wrong) {
				p.Left = &wrong.Left
			}
			return &p
		}
	}
	if text := (*events.ClearTextError)(nil); errors.As(err, &text) {
		return badRequest(text.Error())
	}
	if reader := (*readerError)(nil); errors.As(err, &reader) {
		return &Problem{
			Code: "reader-not-ready", JA: "カードリーダーがまだ答えません。", EN: "The card reader does not answer yet.",
			NextJA: "カードを置き直し、少し待ってもう一度受け付けてください。続くときはカードの番号を入力してください。",
			NextEN: "Put the card down again, wait a moment and take it once more; if it goes on, type the card's number.", status: http.StatusServiceUnavailable,
		}
	}
	return &Problem{
		Code: "internal", JA: "処理できませんでした。", EN: "It could not be done.", status: http.StatusInternalServerError,
		NextJA: "もう一度試し、続くときは管理者に連絡してください。", NextEN: "Try again; if it goes on, tell the administrator.",
	}
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Code + ": " + p.EN }

func pinProblem(refused *agent.PINRefusal) *Problem {
	p := &Problem{
		Code: "pin-refused", JA: "暗証番号の形が決まりに合いません。", EN: "The PIN has not the form that is asked for.",
		NextJA: "説明の形で、もう一度入力してください。", NextEN: "Type one of the form described.", Rules: refused.Rules, status: http.StatusUnprocessableEntity,
	}
	if len(refused.Rules) > 0 {
		if rule, ok := regime.Lookup(refused.Rules[0]); ok {
			p.JA, p.EN = rule.JA, rule.EN
		}
	}
	name := pinNames[refused.Kind]
	if !strings.HasPrefix(p.JA, name.JA) { // the sentences of some rules name the PIN themselves
		p.JA = name.JA + ": " + p.JA
	}
	if !strings.HasPrefix(p.EN, name.EN) {
		p.EN = name.EN + ": " + p.EN
	}
	return p
}

// respond writes a value as JSON.
func (d *Desk) respond(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		d.Logger.Error("an answer could not be encoded", "error", err)
		http.Error(w, `{"error":{"code":"internal"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The reader may have gone; nobody is left to tell.
	_, _ = fmt.Fprintf(w, "%s\n", text)
}

// fail writes the error object. Only what is the machine's own fault is logged, and never with the request.
func (d *Desk) fail(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError {
		d.Logger.Error("a request could not be answered", "code", p.Code, "error", err)
	}
	d.respond(w, p.status, map[string]*Problem{"error": p})
}
