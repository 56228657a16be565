package main

import (
	"errors"
	"fmt"

	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/counterlink"
	"shomei/pkg/ops"
	"shomei/services/agent"
)

// sentences say in Japanese what happened and what to do next; the first that fits an error is shown before its English
// text.
var sentences = []struct {
	err      error
	japanese string
}{
	{errUsage, "コマンドの使い方が違います。--help をご覧ください。"},
	{errLastTry, "残り1回です。間違えるとロックされます。照合するには --last-try を付けてください。"},
	{card.ErrBlocked, "暗証番号がロックされています。住所地の窓口で再設定してください。"},
	{card.ErrWrongPIN, "暗証番号が違います。"},
	{card.ErrForeignCard, "対象外のカードです。個人番号カードか住民基本台帳カードを入れてください。"},
	{pcsc.ErrNoService, "PC/SC サービスが応答しません。pcscd を起動してください。"},
	{pcsc.ErrNoReader, "リーダーがありません。接続と名前を確かめてください。"},
	{pcsc.ErrInUse, "ほかのプログラムがカードを使っています。終わらせてからやり直してください。"},
	{card.ErrRemoved, "カードが抜かれました。入れ直してやり直してください。"},
	{counterlink.ErrNoJWT, "端末のフォルダーに counter.jwt がありません。センターで shomei counter renew を実行し、できたファイルを端末のフォルダーに置いてください。"},
	{counterlink.ErrBundle, "端末のフォルダー（--bundle）が使えません。センターで登録したときのフォルダーを指定してください。"},
	{agent.ErrStoreBusy, "この端末の記録は、ほかの shomei-agent が使っています。それを終わらせてください。"},
	{agent.ErrTampered, "この端末の記録が外から書き換えられています。ファイルを保全し、管理者に連絡してください。"},
	{ops.ErrConfig, "設定が使えません。"},
	{errUnreachable, "接続できません。相手が動いているか確かめてください。"},
}

// explain puts an error into the user's language.
func explain(lang *language, err error) string {
	if lang.english {
		return err.Error()
	}
	for _, s := range sentences {
		if errors.Is(err, s.err) {
			return fmt.Sprintf("%s (%v)", s.japanese, err)
		}
	}
	return fmt.Sprintf("処理できませんでした。 (%v)", err)
}
