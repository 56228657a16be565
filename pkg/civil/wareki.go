package civil

import (
	"fmt"
	"strconv"
	"time"
)

// Era is a Japanese era. Its value is the era digit that stands before the
// birth date in a signature certificate (profile.md 3); other conventions use
// other digits, so never compare it with theirs.
type Era int

const (
	Meiji  Era = 1 // 明治; certificates use it from 1868
	Taisho Era = 2 // 大正, from 1912-07-30
	Showa  Era = 3 // 昭和, from 1926-12-25
	Heisei Era = 4 // 平成, from 1989-01-08
	Reiwa  Era = 5 // 令和, from 2019-05-01
)

// eras lists the eras, latest first, with their first days (law.md 11.3).
var eras = []struct {
	era          Era
	name, letter string
	first        Date
}{
	{Reiwa, "令和", "R", Date{2019, time.May, 1}},
	{Heisei, "平成", "H", Date{1989, time.January, 8}},
	{Showa, "昭和", "S", Date{1926, time.December, 25}},
	{Taisho, "大正", "T", Date{1912, time.July, 30}},
	{Meiji, "明治", "M", Date{1868, time.January, 1}},
}

// String returns the name of the era in Japanese, or "" for no era.
func (e Era) String() string {
	for _, x := range eras {
		if x.era == e {
			return x.name
		}
	}
	return ""
}

// EraOf returns the era of d and the year in it, counted from 1; zeros before 1868.
func EraOf(d Date) (Era, int) {
	for _, x := range eras {
		if !d.Before(x.first) {
			return x.era, d.Year - x.first.Year + 1
		}
	}
	return 0, 0
}

// Wareki returns d as forms and letters print it, such as 令和8年6月15日, with
// 元年 for the first year; "" for the zero Date and the ISO form before 1868.
func (d Date) Wareki() string {
	if d.IsZero() {
		return ""
	}
	era, year := EraOf(d)
	if era == 0 {
		return d.String()
	}
	y := strconv.Itoa(year)
	if year == 1 {
		y = "元"
	}
	return fmt.Sprintf("%v%s年%d月%d日", era, y, int(d.Month), d.Day)
}
