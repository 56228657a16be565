package namekey_test

import (
	"testing"
	"unicode/utf8"

	"shomei/pkg/namekey"
)

func TestNamesAreComparedHoweverTheyAreWritten(t *testing.T) {
	for _, same := range [][]string{
		{"高橋　花子", "髙橋花子", "髙 橋 花 子", "高𣘺・花子"},
		{"山崎", "山﨑", "山嵜"},
		{"斉藤", "斎藤", "齊藤", "齋藤"},
		{"渡辺", "渡邉", "渡邊", "渡邉\U000E0101", "渡辺\ufe00"},
		{"吉田 広国", "𠮷田廣國"},
		{"沢田", "澤田"},
		{"神", "\ufa19"}, // a compatibility character
		{"佐々木", "佐佐木"},
		{"竹之内 さくら", "竹之内サクラ", "竹之内 ｻｸﾗ"},
		{"コウジ", "コージ", "こうじ", "ｺｰｼﾞ", "コオジ"},
		{"キヨウコ", "キョーコ", "きょうこ", "ｷｮｳｺ"},
		{"ケイコ", "ケーコ"},
		{"ミスズ", "ミスヾ", "みすゞ", "みすヾ"},
		{"ハヅキ", "ハズキ"},
		{"Maria José Núñez", "MARIA JOSE NUNEZ", "maria-jose nunez", "ＭＡＲＩＡ　ＪＯＳＥ　ＮＵＮＥＺ"},
		{"Strauß", "STRAUSS"},
		{"Łukasz Sørensen", "Lukasz Sorensen"},
		{"O'Neill", "ONEILL", "O’Neill"},
		{"Nguyễn Văn Đức", "NGUYEN VAN DUC"},
	} {
		for _, text := range same[1:] {
			if got, want := namekey.Name(text), namekey.Name(same[0]); got != want {
				t.Errorf("%q gives %q, and %q gives %q", text, got, same[0], want)
			}
		}
	}
	for _, apart := range [][2]string{
		{"オノ", "オオノ"},
		{"ガキ", "カキ"},
		{"パン", "バン"},
		{"高橋", "高崎"},
		{"李", "季"},
		{"二郎", "ニ郎"},
		{"Jan", "Jana"},
		{"太田", "大田"},
	} {
		if namekey.Name(apart[0]) == namekey.Name(apart[1]) {
			t.Errorf("%q and %q are taken for one", apart[0], apart[1])
		}
	}
	for _, none := range []string{"", " 　", "・", "\x00\x1b", "\U000E0100", "\xff"} {
		if got := namekey.Name(none); got != "" && utf8.ValidString(none) {
			t.Errorf("%q gives %q", none, got)
		}
	}
}

func TestFuriganaIsKatakana(t *testing.T) {
	for typed, want := range map[string]string{
		"":             "",
		"サンム　ハナコ":      "サンム　ハナコ",
		" さんむ  はなこ ":   "サンム　ハナコ",
		"ｻﾝﾑ ﾊﾅｺ":      "サンム　ハナコ",
		"ﾀﾞｲｺﾞ ｼﾞｭﾝ":   "ダイゴ　ジュン",
		"ヴィクトリア・ローズ":   "ヴィクトリア・ローズ",
		"みすゞ":          "ミスヾ",
		"カ\u3099イ":     "ガイ",
		"ゔぃおら":         "ヴィオラ",
		"サンム\tハナコ":     "サンム　ハナコ",
		"イケガヤ\u3000アア": "イケガヤ　アア",
	} {
		if got, ok := namekey.Kana(typed); !ok || got != want {
			t.Errorf("%q gives %q, %v, want %q", typed, got, ok, want)
		}
	}
	for _, typed := range []string{"山武", "ハナコ1", "Hana", "ハナコ。", "ハナ\x00コ", "ハナ\u200bコ", "\xff"} {
		if got, ok := namekey.Kana(typed); ok {
			t.Errorf("%q is taken as %q", typed, got)
		}
	}
}
