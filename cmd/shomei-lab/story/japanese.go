package story

import "strings"

// mistakesJA translates mistakes into Japanese, by their English format. It omits the description of a missing word.
var mistakesJA = map[string]string{
	"an indented line stands before any statement":                   "字下げした行の前に文がありません",
	"the line is not UTF-8":                                          "この行は UTF-8 ではありません",
	"the line has more than %d bytes":                                "この行は %d バイトを超えています",
	"the story has more than %d lines":                               "物語が %d 行を超えています",
	"%s is missing after %q":                                         "%[2]q の後に必要な語がありません",
	"person %s has no address":                                       "%s の住所がありません",
	"person %s has no birth date":                                    "%s の生年月日がありません",
	"person %s lives in no municipality":                             "%s の住所地がありません",
	"office %s has no municipality":                                  "役所 %s の市区町村がありません",
	"person %s has no name":                                          "%s の氏名がありません",
	"the office is missing":                                          "どの役所でか書かれていません",
	"the card is missing":                                            "工場で作るカードの番号がありません",
	"the granting officer is missing":                                "特別な事情を認めた職員が書かれていません",
	"the end is missing":                                             "終わりの日時がありません",
	"the title can't have details":                                   "表題の下には何も書けません",
	"%q is no municipality code":                                     "%q は市区町村コードではありません",
	"card %s was %s before":                                          "カード %s の種類は、前は %s でした",
	"%q has no meaning under %q":                                     "%q は %q の下では使えません",
	"the story knows no office %q":                                   "役所 %q はまだ定められていません",
	"the story knows no person %q":                                   "人物 %q はまだ紹介されていません",
	"a smartphone makes its keys itself and applies for them itself": "スマートフォンは自分で鍵を作って申請します",
	"%q is born on %s, after %s":                                     "%q の生年月日 %s は %s より後です",
	"there is no rule %q":                                            "%q という規則はありません",
	"the story has no time yet":                                      "いつからかが決まっていません",
	"card %s is new in the story":                                    "カード %s の種類がまだ書かれていません",
	"%q is unexpected here":                                          "%q は余分です",
	"the clock never goes back":                                      "時計は戻りません",
	"there is no event %q":                                           "%q という記録はありません",
	"%q begins no statement":                                         "%q で始まる文はありません",
	"the end is not after the beginning":                             "終わりが始まりより後ではありません",
	"%q can't be expected":                                           "%q は確認できません",
	"%q can't be expected of a certificate":                          "%q は電子証明書について確認できません",
	"%q can't be expected of a card":                                 "%q はカードについて確認できません",
	"%q is no number of a card":                                      "%q はカードの番号ではありません",
	"%q is no name for a smartphone":                                 "%q はスマートフォンの名になりません",
	"%q is no name for an office":                                    "%q は役所の名になりません",
	"%q is no number for %s":                                         "%[1]q は数ではありません",
	"%q is too large for %s":                                         "%[1]q は大きすぎます",
	"a second story begins here":                                     "ここで二つ目の物語が始まっています",
	"%q is no time of day for %s":                                    "%[1]q は時刻として読めません",
	"%q is no date for %s":                                           "%[1]q は日付として読めません",
	"%s is no %q":                                                    "%s の曜日は %q ではありません",
	"%q has something else than kana":                                "%q はかなだけではありません",
	"%q is no resident-record code":                                  "%q は住民票コードではありません",
	"%q is no mail address for a story":                              "%q は物語で使えるメールアドレスではありません",
	"%q is not known as %s":                                          "%[1]q という語はここでは使えません",
	"an office can't set %q":                                         "役所は %q を定められません",
	"%q are no opening hours":                                        "%q は開庁時間として読めません",
	"the hours are missing":                                          "開庁時間がありません",
	"%q is no value for %s":                                          "%[1]q は %[2]s の値になりません",
	"the file holds no story":                                        "ファイルに物語がありません",
	"the story does not begin with its title":                        "物語が表題で始まっていません",
	"a quotation is not closed by %c":                                "引用が %c で閉じられていません",
}

// mendsJA translates how to mend a mistake into Japanese, by a prefix of the English; the rest is kept.
var mendsJA = [][2]string{
	{"add a line: ", "行を足してください: "},
	{"add: ", "足してください: "},
	{"add ", "語を足してください"},
	{"begin with: ", "最初の行: "},
	{"begin the statement it belongs to at the left edge", "文は左端から始めてください"},
	{"begin a statement of its own for it", "別の文にしてください"},
	{"save the file as UTF-8", "UTF-8 で保存してください"},
	{"make it shorter", "短くしてください"},
	{"split it into several files", "いくつかのファイルに分けてください"},
	{"close it on the same line", "同じ行で閉じてください"},
	{"codes begin with 01 to 47", "コードは 01 から 47 で始まります"},
	{"give the other card a number of its own", "別のカードには別の番号を付けてください"},
	{"allowed here: ", "ここに書けるもの: "},
	{"introduce it first with: ", "先に書いてください: "},
	{"introduce them first with: ", "先に書いてください: "},
	{"leave the office out", "役所は書かないでください"},
	{"correct the birth date, or move this to a later time", "生年月日を直すか、後の日時にしてください"},
	{"print all with: ", "一覧: "},
	{"say first when the story begins: ", "先に日時を書いてください: "},
	{"say its kind: ", "種類を書いてください: "},
	{"remove it, or see shomei story --help", "取り除くか、shomei story --help をご覧ください"},
	{"put the statement where its time comes; here it is ", "その日時が来るところに書いてください。ここでは "},
	{"see the names in ", "名前の一覧: "},
	{"the statements are: ", "文の語: "},
	{"the maximum is ", "最大: "},
	{"swap them", "順序を直してください"},
	{"what can be expected is:", "確認できるもの:"},
	{"write at most 32 letters, digits and -", "英数字と - で32字までにしてください"},
	{"write it in a-z, 0-9 and -", "英小文字、数字、- で書いてください"},
	{"write it in digits", "数字で書いてください"},
	{"write it into a file of its own", "別のファイルにしてください"},
	{"write it like ", "書き方: "},
	{"write katakana or hiragana", "カタカナかひらがなで書いてください"},
	{"write its eleven digits", "11桁の数字で書いてください"},
	{"write its five digits, without the check digit", "検査数字を除く5桁で書いてください"},
	{"write one like hanako@mail.example", "hanako@mail.example のように .example で終わるものにしてください"},
	{"write one of: ", "次のどれか: "},
	{"write status, last-day or is", "status, last-day, is のどれか"},
	{"write them like ", "書き方: "},
	{"write yes, no or a number", "yes, no または数を書いてください"},
}

// mendJA translates how to mend a mistake, or returns the English if that is only an example, such as a weekday.
func mendJA(mend string) string {
	for _, pair := range mendsJA {
		rest, found := strings.CutPrefix(mend, pair[0])
		switch {
		case !found:
		case strings.HasSuffix(pair[0], ": ") || strings.HasSuffix(pair[0], "at ") || strings.HasSuffix(pair[0], "in ") ||
			strings.HasSuffix(pair[0], "is ") || strings.HasSuffix(pair[0], "like ") || strings.HasSuffix(pair[0], "is:"):
			return pair[1] + rest
		default:
			return pair[1]
		}
	}
	return mend
}
