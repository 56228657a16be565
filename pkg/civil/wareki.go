package civil

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Era is a Japanese era. Its value is the era digit that stands before the
// birth date in a signature certificate (domain.md 2.4); other conventions use
// other digits, so never compare it with theirs.
type Era int

const (
	Meiji  Era = 1 // 明治; certificates use it from 1868
	Taisho Era = 2 // 大正, from 1912-07-30
	Showa  Era = 3 // 昭和, from 1926-12-25
	Heisei Era = 4 // 平成, from 1989-01-08
	Reiwa  Era = 5 // 令和, from 2019-05-01
)

// eras lists the eras, latest first, with their first days (domain.md 4.3).
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

// written is a day as people write it: an era, in characters or as its letter, or none; year, month and day.
var written = regexp.MustCompile(`^([^\d元]*)(\d+|元)(?:年|[./-])(\d{1,2})(?:月|[./-])(\d{1,2})日?$`)

// unbroken is a day in eight digits.
var unbroken = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})$`)

// ParseWritten reads a day as people write it on forms: 2026-06-15, 2026/6/15, 2026年6月15日, 20260615, 令和8年6月15日,
// R8.6.15; full-width characters are read too. A year that runs past the end of its era is accepted, because documents
// printed 平成31年 and later for days now in 令和 (domain.md 4.3). Days before the era began and everything else are
// ErrDate.
func ParseWritten(s string) (Date, error) {
	text := HalfWidth(strings.TrimSpace(s))
	if m := unbroken.FindStringSubmatch(text); m != nil {
		text = strings.Join(m[1:], "-")
	}
	m := written.FindStringSubmatch(text)
	if m == nil {
		return Date{}, fmt.Errorf("reading date %q: %w", s, ErrDate)
	}
	if m[2] == "元" {
		m[2] = "1"
	}
	first, known := eraNamed(m[1])
	year, _ := strconv.Atoi(m[2]) // one that is too great for an int is no valid year either
	month, _ := strconv.Atoi(m[3])
	day, _ := strconv.Atoi(m[4])
	d := Date{year, time.Month(month), day}
	if m[1] != "" {
		d.Year += first.Year - 1
	}
	inEra := known && len(m[2]) <= 2 && year > 0 && !d.Before(first)
	if m[1] != "" && !inEra || m[1] == "" && len(m[2]) != 4 || !d.Valid() {
		return Date{}, fmt.Errorf("reading date %q: %w", s, ErrDate)
	}
	return d, nil
}

// eraNamed gives the first day of an era by its name, or the letter that forms write for it.
func eraNamed(name string) (first Date, known bool) {
	name = strings.TrimSpace(name)
	for _, x := range eras {
		if name == x.name || strings.EqualFold(name, x.letter) {
			return x.first, true
		}
	}
	return Date{}, false
}

// HalfWidth turns the full-width forms of ASCII (U+FF01 to U+FF5E), as Japanese keyboards type them, into ASCII.
func HalfWidth(s string) string {
	const first, last = '\uFF01', '\uFF5E'
	return strings.Map(func(r rune) rune {
		if r >= first && r <= last {
			return r - first + '!'
		}
		return r
	}, s)
}
