package story

import (
	_ "embed"
	"fmt"
	"strings"
)

// example is the complete story that the help shows.
//
//go:embed example.story
var example string

// Help returns a description of the whole language, in Japanese and English, made from the tables that Parse uses.
func Help() string {
	var b strings.Builder
	b.WriteString(introduction)
	section(&b, "文 / Statements (at the left edge)", statements())
	section(&b, "役所 / Under office", officeDetails())
	section(&b, "人物 / Under person, and under change: what the record says then", personDetails())
	section(&b, "申請 / Under apply", applicationDetails())
	section(&b, "工場 / Under factory", madeDetails())
	section(&b, "続き / Under confirm, hand-out and drop", finishDetails())
	section(&b, "異動 / Under change, besides what stands under person", changeDetails()[:3])
	fmt.Fprintf(&b, "\n  Operations of an office (for hours, closed, open, does): %s\n", inWords(workings))
	section(&b, "確認 / After expect (確認)", expectations())
	b.WriteString("\n電子証明書について / About a certificate (after sign, auth or juki)\n")
	for _, f := range certificateFields() {
		row(&b, f.en, f.ja, f.form, f.help)
	}
	fmt.Fprintf(&b, "\n  Cards new in a story are of kind: %s. Outcomes of a deadline: %s.\n", inWords(cardKinds),
		inWords(deadlineOutcomes))
	b.WriteString("\n例 / Example\n\n")
	for line := range strings.Lines(example) {
		b.WriteString("    " + line)
	}
	return b.String()
}

const introduction = `物語は、ある人の電子証明書の一生を、窓口の職員が読んで確かめられる形で書いたものです。
A story is the life of somebody's certificates, written so that an official can read it and object.

書き方 / How it is written
  一行に一つ。左端から始まる行が文、字下げした行はその上の文の細目です。# から後は注釈です。
  One thing a line. A line at the left edge is a statement; indented lines say more about the statement above them.
  Words are parted by spaces or commas (、も可); what stands in 「」 or "" is one word. From # on it is a comment.
  見出し語は英語でも日本語でもかまいません。Every word may be written in English or in Japanese.
  日付は 2012-11-30、2012/11/30、平成24年11月30日、H24.11.30 など。全角の数字も使えます。続けて曜日 (2012-11-30(金), 2012-11-30 Fri)
  を書くと、正しいか確かめます。
  Dates are days in Japan, by the Gregorian calendar or an era; full-width digits are read too. A weekday after a date is checked.
  時計は at と wait でだけ進みます。その間に来る日(更新期間の開始、満了、法定期限)は、その日の午前3時(at がそれより早ければその時刻)に処理されます。
  The clock moves by at and wait only; what the days between bring is done at three in the morning of its day, or at
  the time of an at that comes before three.
  申請は、受理されれば、本人の確認、鍵の生成、発行、書込み、手数料、交付まで進みます (until で途中まで)。
  An accepted application goes through to the hand-over by itself, unless it says until accepted or until written.
  expect の行は、すぐ上の行為の後に成り立つべきことです。at, wait, office の下では人物名を先に書きます。
  A line with expect says what must be true after the act above it. Under at and wait the person's name stands first.
  何も書かない申請は、受理され最後まで進むことが期待されます。An application of which nothing is said is expected to be carried through.
  読めない行はすべて、行番号とともに示されます。Every line that can't be read is reported with its number.
  間違った expect は報告され、物語は続きます。A failed expectation is reported and the story goes on; exit code 3.
  結果と理由は --lang で選んだ言葉で示されます。What came out, and why, is told in the language of --lang.
  カードの取替え: 窓口では apply NAME reissue(再交付)または renew(更新)に card NEW mynumber と新しい番号を書き、理由を
  because loss などと書きます。工場では factory NAME card NEW の後、apply NAME collect(受取り)で渡します。旧カードを
  引き換えるときは takes-back OLD を添えます。前のカードと電子証明書は、新しいカードを渡した時に終わり、それまで expect の
  電子証明書は前のものです。
  How a card is replaced: at a counter, apply NAME reissue or renew with the new number under it, card NEW mynumber, and
  why, as because loss; by the factory, factory NAME card NEW and then apply NAME collect. What is given in exchange is
  takes-back OLD. The former card and its certificates end when the new one is handed over; until then expect is about them.
  暗証番号は ABC123(署名用)と 1234(利用者証明用)です。The PINs are ABC123 (signature) and 1234 (authentication).
`

func section[T any](b *strings.Builder, title string, list []entry[T]) {
	fmt.Fprintf(b, "\n%s\n", title)
	for _, e := range list {
		row(b, e.en, e.ja, e.form, e.help)
	}
}

func row(b *strings.Builder, en, ja, form, help string) {
	fmt.Fprintf(b, "  %s\n      %s\n", strings.TrimSpace(en+" ("+ja+") "+form), help)
}
