package story

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is a mistake in a story: where it is, what is wrong (JA in Japanese) and how to mend it.
type Error struct {
	File string
	Line int
	What string
	Mend string
	JA   string
}

// mistake returns an Error about a line; what is a format in mistakesJA.
func mistake(file string, line int, mend, what string, args ...any) *Error {
	return &Error{file, line, fmt.Sprintf(what, args...), mend, fmt.Sprintf(mistakesJA[what], args...)}
}

// Error returns "file:line: what; how to mend it".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s; %s", e.File, e.Line, e.What, e.Mend) }

// In returns the mistake in a language: ja or en.
func (e *Error) In(lang string) string {
	if lang == "en" {
		return e.Error()
	}
	return fmt.Sprintf("%s:%d: %s。%s", e.File, e.Line, e.JA, mendJA(e.Mend))
}

// Mistakes returns the mistakes in an error of Parse, or in several such errors joined.
func Mistakes(err error) (all []*Error) {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, Mistakes(one)...)
		}
	case interface{ Unwrap() error }:
		return Mistakes(e.Unwrap())
	}
	return all
}

// mistakes are those of one file.
type mistakes []*Error

// note adds a mistake, unless it is nil.
func (m *mistakes) note(e *Error) {
	if e != nil {
		*m = append(*m, e)
	}
}

// join returns the mistakes in order of their lines, or nil.
func (m mistakes) join() error {
	slices.SortStableFunc(m, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	var all []error
	for _, e := range m {
		all = append(all, e)
	}
	return errors.Join(all...)
}

// Limits of a story, far above any real one.
const (
	maxLine  = 4096  // bytes
	maxLines = 20000 // lines
)

// line is one non-empty line, split into words.
type line struct {
	number   int
	text     string
	indented bool
	words    []string
}

// block is a statement: its first line, and the indented lines under it.
type block struct {
	line
	details []line
}

// scan reads a text into blocks, without comments and empty lines. Malformed lines are skipped and reported as mistakes; err
// is a read error.
func scan(r io.Reader, file string) (blocks []block, wrong mistakes, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	number := 0
	fail := func(mend, what string, args ...any) {
		wrong = append(wrong, mistake(file, number, mend, what, args...))
	}
	for lines.Scan() {
		number++
		text := strings.TrimPrefix(lines.Text(), "\ufeff")
		if number > maxLines {
			fail("split it into several files", "the story has more than %d lines", maxLines)
			return blocks, wrong, nil
		}
		if !utf8.ValidString(text) {
			fail("save the file as UTF-8", "the line is not UTF-8")
			return blocks, wrong, nil // one mistake is enough for the whole file
		}
		words, open := cut(text)
		if open != 0 {
			fail("close it on the same line", "a quotation is not closed by %c", open)
			continue
		}
		if len(words) == 0 {
			continue
		}
		l := line{number, strings.TrimSpace(text), unicode.IsSpace(first(text)), words}
		switch {
		case !l.indented:
			blocks = append(blocks, block{line: l})
		case len(blocks) == 0:
			fail("begin the statement it belongs to at the left edge", "an indented line stands before any statement")
		default:
			last := &blocks[len(blocks)-1]
			last.details = append(last.details, l)
		}
	}
	number++
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		fail("make it shorter", "the line has more than %d bytes", maxLine)
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading story %s: %w", file, err)
	}
	return blocks, wrong, nil
}

func first(text string) rune {
	r, _ := utf8.DecodeRuneInString(text)
	return r
}

// closing maps an opening mark to its closing mark.
var closing = map[rune]rune{'「': '」', '"': '"'}

// cut splits a line into words at white space and commas (also the Japanese ones). Text in 「」 or "" is one word; # at
// the beginning of a word starts a comment. It returns the closing mark of an unclosed quotation.
func cut(text string) (words []string, open rune) {
	var word strings.Builder
	inside, until := false, rune(0)
	end := func() {
		if inside {
			words = append(words, word.String())
		}
		word.Reset()
		inside = false
	}
	for _, r := range text {
		switch {
		case until != 0 && r == until:
			until = 0
			end()
		case until != 0:
			word.WriteRune(r)
		case !inside && (r == '#' || r == '＃'):
			return words, 0
		case !inside && closing[r] != 0:
			inside, until = true, closing[r]
		case unicode.IsSpace(r) || r == ',' || r == '，' || r == '、':
			end()
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if until == 0 {
		end()
	}
	return words, until
}
