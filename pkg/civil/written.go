package civil

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// written are the ways in which people write a day, after HalfWidth.
var written = []*regexp.Regexp{
	regexp.MustCompile(`^()(\d{4})-(\d{1,2})-(\d{1,2})$`),
	regexp.MustCompile(`^()(\d{4})/(\d{1,2})/(\d{1,2})$`),
	regexp.MustCompile(`^()(\d{4})(\d{2})(\d{2})$`),
	regexp.MustCompile(`^()(\d{4})年(\d{1,2})月(\d{1,2})日$`),
	regexp.MustCompile(`^(明治|大正|昭和|平成|令和)(\d{1,2}|元)年(\d{1,2})月(\d{1,2})日$`),
	regexp.MustCompile(`^([MTSHRmtshr])(\d{1,2}|元)\.(\d{1,2})\.(\d{1,2})$`),
}

// ParseWritten parses a date of birth as people write it: 1990-06-18, 1990/6/18, 19900618, 平成2年6月18日 or H2.6.18,
// in digits of either width, with 00 for unknown parts. A year that runs past the end of its era is accepted, because
// documents printed 平成31年 and later for days now in 令和 (law.md 11.3). The empty text is the zero date. The error
// is ErrDate.
func ParseWritten(s string) (PartialDate, error) {
	text := strings.TrimSpace(HalfWidth(s))
	if text == "" {
		return PartialDate{}, nil
	}
	for _, form := range written {
		if parts := form.FindStringSubmatch(text); parts != nil {
			return writtenDate(parts[1], parts[2], parts[3], parts[4])
		}
	}
	return PartialDate{}, fmt.Errorf("reading a written date: %w", ErrDate)
}

// ParseDay parses a day as ParseWritten does; no part of it may be unknown.
func ParseDay(s string) (Date, error) {
	p, err := ParseWritten(s)
	if err != nil || p.IsZero() && strings.TrimSpace(s) == "" {
		return Date{}, err
	}
	if !p.Known() {
		return Date{}, fmt.Errorf("reading a written day: %w", ErrDate)
	}
	return Date(p), nil
}

func writtenDate(era, year, month, day string) (PartialDate, error) {
	y, _ := strconv.Atoi(strings.Replace(year, "元", "1", 1))
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	var first Date
	for _, x := range eras {
		if era == x.name || strings.EqualFold(era, x.letter) {
			first = x.first
		}
	}
	if era != "" {
		if y < 1 {
			return PartialDate{}, fmt.Errorf("reading a written date: %w", ErrDate)
		}
		y += first.Year - 1
	}
	p := PartialDate{y, time.Month(m), d}
	if !p.valid() || p.Latest().Before(first) {
		return PartialDate{}, fmt.Errorf("reading a written date: %w", ErrDate)
	}
	return p, nil
}

// HalfWidth turns full-width Latin letters, digits and signs (U+FF01 to U+FF5E), as typed on Japanese forms, into ASCII.
func HalfWidth(s string) string {
	const first, last, shift = '\uFF01', '\uFF5E', '\uFF01' - '!'
	return strings.Map(func(r rune) rune {
		if r >= first && r <= last {
			return r - shift
		}
		return r
	}, s)
}
