package ca

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// ordinary pairs a form in which names are written, and which no certificate can hold, with the ordinary character
// agreed to replace it (縮退マップ of the national character sets; profile.md 3). It is limited to forms of one and the
// same character.
const ordinary = "髙高﨑崎德徳𠮷吉𡈽土栁柳黑黒淸清靑青瀨瀬增増寬寛橫横敎教緖緒薰薫賴頼閒間俱倶剝剥𠮟叱蟬蝉驒騨黃黄步歩每毎內内吳呉戶戸昻昂鄕郷" +
	"𠀋丈𣘺橋𦚰脇槪概涉渉悅悦溫温卽即彥彦揭掲歷歴淚涙渴渇產産硏研稅税絕絶綠緑緣縁虛虚說説錄録鍊錬閱閲頹頽"

// standIns maps each such form to its ordinary character.
var standIns = func() map[rune]rune {
	runes := []rune(ordinary)
	pairs := make(map[rune]rune, len(runes)/2)
	for i := 0; i+1 < len(runes); i += 2 {
		pairs[runes[i]] = runes[i+1]
	}
	return pairs
}()

// standIn returns the ordinary character for one that a certificate can't hold: the agreed one, or what Unicode itself
// calls the same character (compatibility ideographs). It reports whether there is one.
func standIn(r rune) (rune, bool) {
	if agreed, ok := standIns[r]; ok {
		return agreed, true
	}
	same := []rune(norm.NFKC.String(string(r)))
	if !unicode.Is(unicode.Han, r) || len(same) != 1 || same[0] == r {
		return 0, false
	}
	return same[0], holdable(same[0])
}
