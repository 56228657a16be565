package officefile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// maxID leaves room for a counter's number behind an office's id: ids in the log have 64 characters at most.
const maxID = 48

var idForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// CheckID checks that an id may name an office or a counter: a-z, 0-9 and single - between them, 48 characters at most.
func CheckID(id string) error {
	if !idForm.MatchString(id) || len(id) > maxID {
		return fmt.Errorf("%.60q can't be an id: write it in a-z, 0-9 and single - between them, %d characters at most, such as 12237-main", id, maxID)
	}
	return nil
}

// Values that are checked as they are parsed are structs: the library assigns a string to a string without calling
// UnmarshalText.
type officeID struct{ text string }

func (i *officeID) UnmarshalText(text []byte) error {
	i.text = string(text)
	return CheckID(string(text))
}

type municipalityCode struct{ text string }

func (c *municipalityCode) UnmarshalText(text []byte) error {
	c.text = string(text)
	if len(text) != 5 || strings.Trim(string(text), "0123456789") != "" {
		return fmt.Errorf("municipality %.20q: write the five digits of its code, without the check digit, in quotes", text)
	}
	if _, err := ca.PrefectureByCode(string(text[:2])); err != nil {
		return fmt.Errorf("municipality %q: codes begin with 01 to 47", text)
	}
	return nil
}

// romaji goes into certificates (profile.md 2).
type romaji struct{ text string }

var romajiForm = regexp.MustCompile(`^[A-Z][A-Za-z]*(-[A-Za-z]+)*$`)

func (r *romaji) UnmarshalText(text []byte) error {
	r.text = string(text)
	if !romajiForm.Match(text) || len(text) > 60 {
		return fmt.Errorf("municipality_romaji %.70q: write it in letters and -, as it shall stand in certificates, such as Sammu-shi", text)
	}
	return nil
}

type telephone struct{ text string }

var telephoneForm = regexp.MustCompile(`^[0-9][0-9-]{4,18}$`)

func (n *telephone) UnmarshalText(text []byte) error {
	n.text = string(text)
	if !telephoneForm.Match(text) {
		return fmt.Errorf("telephone %.30q: write digits and -, such as 0475-80-1141", text)
	}
	return nil
}

// span is HH:MM-HH:MM: open at the first, closed at the second sharp.
type span civil.Span

func (s *span) UnmarshalText(text []byte) error {
	from, to, _ := strings.Cut(string(text), "-")
	if s.From.UnmarshalText([]byte(from)) != nil || s.To.UnmarshalText([]byte(to)) != nil || s.To <= s.From {
		return fmt.Errorf("spans: %.30q is not a span of time: write it like 09:00-17:00", text)
	}
	return nil
}

func (s span) String() string { return s.From.String() + "-" + s.To.String() }

type weekday time.Weekday

const days = "日月火水木金土"

func (w *weekday) UnmarshalText(text []byte) error {
	at := 0
	for _, japanese := range days {
		english := time.Weekday(at).String()[:3]
		if said := string(text); said == string(japanese) || strings.EqualFold(said, english) {
			*w = weekday(at)
			return nil
		}
		at++
	}
	return fmt.Errorf("weekdays: %.20q is none: write 月 火 水 木 金 土 日, or Mon to Sun", text)
}

func (w weekday) String() string { return string([]rune(days)[w]) }

// operation is one of pkg/regime that an office does.
type operation struct{ text string }

// A report by telephone is accepted at any hour, so no office limits it.
var operations = slices.DeleteFunc(regime.Operations(), func(op regime.Operation) bool { return op == regime.OpSuspend })

func (o *operation) UnmarshalText(text []byte) error {
	if !slices.Contains(operations, civil.Operation(text)) {
		return fmt.Errorf("operations: %.30q is none: there are %s", text, strings.Trim(fmt.Sprint(operations), "[]"))
	}
	o.text = string(text)
	return nil
}

// closingRule says why an office is closed exceptionally.
type closingRule struct{ text string }

func (r *closingRule) UnmarshalText(text []byte) error {
	if rule := string(text); rule != civil.ClosedException && rule != civil.ClosedMaintenance {
		return fmt.Errorf("rule %.40q: write %s, or %s, or leave it out", text, civil.ClosedException, civil.ClosedMaintenance)
	}
	r.text = string(text)
	return nil
}

// moment is a day, or a day and a time of day, in Japan. A day alone stands for its beginning if something begins, and
// for its end if something ends.
type moment struct {
	day   civil.Date
	at    civil.TimeOfDay
	clock bool
}

func (m *moment) UnmarshalText(text []byte) error {
	day, at, clock := strings.Cut(string(text), " ")
	parsed, err := civil.Parse(day)
	if err == nil && clock {
		err = m.at.UnmarshalText([]byte(at))
	}
	if err != nil || parsed.IsZero() {
		return fmt.Errorf("%.30q is not a date: write it like 2026-12-29, or with a time like 2026-12-29 12:00", text)
	}
	m.day, m.clock = parsed, clock
	return nil
}

func (m moment) isZero() bool { return m.day.IsZero() }

func (m moment) begin() time.Time { return m.day.At(m.at) }

func (m moment) end() time.Time {
	if m.clock {
		return m.begin()
	}
	return m.day.At(civil.Clock(24, 0))
}

// beginMs and endMs return the log's instants, in milliseconds, or 0.
func (m moment) beginMs() int64 { return ms(m, m.begin) }
func (m moment) endMs() int64   { return ms(m, m.end) }

func ms(m moment, of func() time.Time) int64 {
	if m.isZero() {
		return 0
	}
	return of().UnixMilli()
}
