package story

import (
	"fmt"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// words parses the words of one line. It keeps the first mistake, which ends the parsing.
type words struct {
	file string
	line line
	left []string
	err  *Error
}

// fail records the first mistake.
func (w *words) fail(mend, what string, args ...any) {
	if w.err == nil {
		w.err = mistake(w.file, w.line.number, mend, what, args...)
	}
}

func (w *words) empty() bool { return w.err != nil || len(w.left) == 0 }

// peek returns the next word, or "".
func (w *words) peek() string {
	if w.empty() {
		return ""
	}
	return w.left[0]
}

// accept consumes the next word if it is the given one, in English or Japanese.
func (w *words) accept(en, ja string) bool {
	if next := w.peek(); next == "" || next != en && next != ja {
		return false
	}
	w.left = w.left[1:]
	return true
}

// next consumes a word; what describes it for the mistake if none is left.
func (w *words) next(what string) string {
	if w.err != nil {
		return ""
	}
	if len(w.left) == 0 {
		w.fail("add "+what, "%s is missing after %q", what, w.line.text)
		return ""
	}
	word := w.left[0]
	w.left = w.left[1:]
	return word
}

// rest consumes all that is left, at least one word.
func (w *words) rest(what string) []string {
	list := []string{w.next(what)}
	if w.err != nil {
		return nil
	}
	list = append(list, w.left...)
	w.left = nil
	return list
}

// done records leftover words as a mistake.
func (w *words) done() {
	if w.err == nil && len(w.left) > 0 {
		w.fail("remove it, or see shomei story --help", "%q is unexpected here", w.left[0])
	}
}

// narrow consumes a word and returns it in half-width characters; it is for words that are not names.
func (w *words) narrow(what string) string { return civil.HalfWidth(w.next(what)) }

// number reads a whole number from 0 to most.
func (w *words) number(what string, most int) int {
	text := w.narrow(what)
	n := 0
	for _, r := range text {
		if r < '0' || r > '9' || n > most {
			w.fail("write it in digits", "%q is no number for %s", text, what)
			return 0
		}
		n = 10*n + int(r-'0')
	}
	if n > most {
		w.fail(fmt.Sprintf("the maximum is %d", most), "%q is too large for %s", text, what)
	}
	return n
}

// date reads a day as people write it: 2012-11-30, 平成24年11月30日, H24.11.30. A weekday may follow, in brackets or as
// its own word, and must be right.
func (w *words) date(what string) civil.Date {
	text := w.narrow(what)
	if w.err != nil {
		return civil.Date{}
	}
	day, weekday := text, ""
	if i := strings.Index(text, "("); i > 0 {
		day, weekday = text[:i], strings.Trim(text[i:], "()")
	}
	d, err := civil.ParseDay(day)
	if err != nil || d.Year < 1868 || d.Year > 2199 {
		w.fail("write it like 2012-11-30, 平成24年11月30日, H24.11.30", "%q is no date for %s", text, what)
		return civil.Date{}
	}
	if weekday == "" && isWeekday(w.peek()) {
		weekday = w.next("a weekday")
	}
	if said, known := weekdayNamed(weekday); weekday != "" && (!known || said != d.Weekday()) {
		w.fail(fmt.Sprintf("%s is a %s", d, d.Weekday()), "%s is no %q", d, weekday)
	}
	return d
}

var weekdays = map[string]time.Weekday{
	"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6,
	"日": 0, "月": 1, "火": 2, "水": 3, "木": 4, "金": 5, "土": 6,
}

// weekdayNamed returns a weekday by its name, in brackets or not: Fri, 金, 金曜日, (金).
func weekdayNamed(word string) (time.Weekday, bool) {
	day, known := weekdays[strings.TrimSuffix(strings.Trim(civil.HalfWidth(word), "()"), "曜日")]
	return day, known
}

func isWeekday(word string) bool {
	_, known := weekdayNamed(word)
	return known
}

// isClock reports whether a word has the form of a time of day.
func isClock(word string) bool {
	hour, minute, ok := strings.Cut(civil.HalfWidth(word), ":")
	return ok && (len(hour) == 1 || len(hour) == 2) && len(minute) == 2
}

// timeOfDay parses HH:MM or H:MM.
func timeOfDay(text string) (civil.TimeOfDay, error) {
	text = civil.HalfWidth(text)
	if len(text) == len("9:00") {
		text = "0" + text
	}
	var t civil.TimeOfDay
	return t, t.UnmarshalText([]byte(text))
}

// clock reads a time of day, HH:MM.
func (w *words) clock(what string) civil.TimeOfDay {
	text := w.next(what)
	t, err := timeOfDay(text)
	if err != nil && w.err == nil {
		w.fail("write it like 09:30", "%q is no time of day for %s", text, what)
	}
	return t
}

// instant reads a date and a time of day, or the given one if there is none.
func (w *words) instant(what string, otherwise civil.TimeOfDay) time.Time {
	d := w.date(what)
	if isClock(w.peek()) {
		otherwise = w.clock(what)
	}
	if w.err != nil {
		return time.Time{}
	}
	return d.At(otherwise)
}

// term is the word of the language for a value, in English and Japanese.
type term[T any] struct {
	en, ja string
	value  T
}

// pick reads a word of the list.
func pick[T any](w *words, what string, list []term[T]) T {
	var none T
	text := w.next(what)
	if w.err != nil {
		return none
	}
	for _, t := range list {
		if text == t.en || text == t.ja {
			return t.value
		}
	}
	w.fail("write one of: "+inWords(list), "%q is not known as %s", text, what)
	return none
}

// some reads words of the list as long as they come, at least one.
func some[T any](w *words, what string, list []term[T]) []T {
	values := []T{pick(w, what, list)}
	for !w.empty() && knows(list, w.peek()) {
		values = append(values, pick(w, what, list))
	}
	return values
}

// each reads the rest of the line as words of the list, at least one.
func each[T any](w *words, what string, list []term[T]) []T {
	values := []T{pick(w, what, list)}
	for w.err == nil && !w.empty() {
		values = append(values, pick(w, what, list))
	}
	return values
}

func knows[T any](list []term[T], word string) bool {
	for _, t := range list {
		if word == t.en || word == t.ja {
			return true
		}
	}
	return false
}

// inWords lists the words as people may write them: "issue (新規), renew (更新)".
func inWords[T any](list []term[T]) string {
	var text []string
	for _, t := range list {
		word := t.en
		if t.ja != "" {
			word += " (" + t.ja + ")"
		}
		text = append(text, word)
	}
	return strings.Join(text, ", ")
}
