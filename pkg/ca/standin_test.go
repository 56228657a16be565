package ca

import "testing"

// An agreed ordinary character stands for a form that a certificate can't hold, and 〓 where none is agreed (profile.md 3).
func TestStandIns(t *testing.T) {
	for _, c := range []struct{ text, value, flags string }{
		{"髙橋", "高橋", "10"},
		{"𠮷田　徳﨑", "吉田　徳崎", "10001"},
		{"\ufa1b井", "福井", "10"},
		{"ｱﾝﾅ", "〓〓〓", "111"},
		{"𠑊𡢽子", "〓〓子", "110"},
		{"德", "徳", "1"},
		{"山武 花子", "山武 花子", "00000"},
		{"Ł", "Ł", "0"}, // JIS X 0212 has it
		{"①", "〓", "1"},
	} {
		if value, flags := Substitute(c.text, DefaultSubstitute); value != c.value || flags != c.flags {
			t.Errorf("%s: %s %s, want %s %s", c.text, value, flags, c.value, c.flags)
		}
	}
	for form, instead := range standIns {
		if holdable(form) || !holdable(instead) {
			t.Errorf("%c (%U) stands as %c: %v, %v", form, form, instead, holdable(form), holdable(instead))
		}
	}
}
