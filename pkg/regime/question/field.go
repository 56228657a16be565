package question

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// form is how a value on a line is written.
type form int

const (
	asText    form = iota
	asWord         // one of the words of the field
	asDay          // YYYY-MM-DD
	asBirth        // YYYY-MM-DD, 00 for unknown parts
	asMoment       // RFC 3339; without an offset Japan time
	asUTC          // RFC 3339 in UTC, in answers only
	asClock        // HH:MM
	asFlag         // true or false
	asWeekday      // 0 Sunday … 6 Saturday
	asNumber       // whole number; in questions from 0 to 366
	asCode         // local government code
	asRule         // id of a rule
	asObject       // the fields of the field
)

// field is one value on a line, asked or answered. Questions are read and checked by it, and the help prints it.
type field struct {
	name   string
	form   form
	list   bool     // a list of such values
	words  []string // of asWord: the words allowed
	fields []field  // of asObject
	ja, en string   // what it is, its unit, and when it is needed
}

// The range of days: birth dates go back to the first era that certificates know (law.md 11.3), the equinoxes are
// computed to the end of this century.
var (
	firstDay = civil.New(1868, time.January, 1)
	finalDay = civil.New(civil.LastHolidayYear, time.December, 31)
)

// codeShape matches a local government code with or without its check digit (law.md 11.4).
var codeShape = regexp.MustCompile(`^[0-9]{5}$`)

// allowed says what the field may contain, in Japanese and English.
func (f field) allowed() (ja, en string) {
	switch f.form {
	case asWord:
		list := strings.Join(f.words, ", ")
		return "使える値: " + list, "known: " + list
	case asDay:
		return fmt.Sprintf("%v から %v までの日付を YYYY-MM-DD の形で書いてください。",
			firstDay, finalDay), fmt.Sprintf("write a day from %v to %v as YYYY-MM-DD", firstDay, finalDay)
	case asBirth:
		return fmt.Sprintf("%v から %v までの日付を YYYY-MM-DD の形で書いてください。不明な月日は 00 とします。", firstDay, finalDay),
			fmt.Sprintf("write a day from %v to %v as YYYY-MM-DD, with 00 for a month or day that is not known", firstDay, finalDay)
	case asMoment:
		return "日時を 2012-11-30T17:01:00+09:00 の形で書いてください(時差を省くと日本時間、西暦2000年から2099年まで)。",
			"write an instant like 2012-11-30T17:01:00+09:00, in the years 2000 to 2099; without an offset it is Japan time"
	case asClock:
		return "時刻を 00:00 から 24:00 までの HH:MM の形で書いてください。", "write a time of day as HH:MM, from 00:00 to 24:00"
	case asFlag:
		return "true または false を書いてください(引用符なし)。", "write true or false, without quotation marks"
	case asWeekday:
		return "曜日を 0(日曜)から 6(土曜)までの数字で書いてください。", "write a day of the week as a number from 0 (Sunday) to 6 (Saturday)"
	case asNumber:
		return "0 から 366 までの整数を書いてください。", "write a whole number from 0 to 366"
	case asCode:
		return "全国地方公共団体コードを、数字5桁または検査数字を含む6桁の文字列で書いてください。", "write a local government code as a string of five digits, or six with a right check digit"
	case asRule:
		return "規則の番号を書いてください(一覧: shomei rules list)。", "write the id of a rule (all of them: shomei rules list)"
	case asObject:
		return "{…} の形のオブジェクトを書いてください。", "write an object {…}"
	}
	return "文字列を書いてください。", "write a string"
}

// unfit returns the error for a value at path that the field does not allow.
func (f field) unfit(path string) error {
	ja, en := f.allowed()
	if f.list && !strings.HasSuffix(path, "]") {
		ja, en = "リスト […] を書いてください。各要素: "+ja, "write a list […]; each element: "+en
	}
	return &regime.FieldError{Field: path, JA: "値が正しくありません。" + ja, EN: "not a value that can stand here; " + en}
}

// read reads the next value from the line and checks it. An empty string and null are absent: nil. Instants are
// returned as RFC 3339, everything else as it was written. Whatever does not fit is a *FieldError.
func (f field) read(d *json.Decoder, path string) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	switch {
	case token == nil || token == "":
		return nil, nil
	case f.list:
		if token != json.Delim('[') {
			return nil, f.unfit(path)
		}
		return f.readList(d, path)
	case f.form == asObject:
		if token != json.Delim('{') {
			return nil, f.unfit(path)
		}
		return f.readObject(d, path)
	}
	value, ok := f.scalar(token)
	if !ok {
		return nil, f.unfit(path)
	}
	return value, nil
}

func (f field) readList(d *json.Decoder, path string) (any, error) {
	element := f
	element.list = false
	list := []any{}
	for d.More() {
		at := fmt.Sprintf("%s[%d]", path, len(list))
		value, err := element.read(d, at)
		if err != nil {
			return nil, err
		}
		if value == nil {
			return nil, regime.Missing(at)
		}
		list = append(list, value)
	}
	_, err := d.Token()
	return list, err
}

func (f field) readObject(d *json.Decoder, path string) (any, error) {
	object := map[string]any{}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("reading a name: %w", err)
		}
		name := fmt.Sprint(token)
		at := strings.TrimPrefix(path+"."+name, ".")
		i := slices.IndexFunc(f.fields, func(x field) bool { return x.name == name })
		switch {
		case i < 0:
			known := f.names()
			return nil, &regime.FieldError{Field: at, JA: "知らない項目です。使える項目: " + known, EN: "unknown field; known: " + known}
		case seen[name]:
			return nil, &regime.FieldError{Field: at, JA: "同じ項目が2回あります。1回だけ書いてください。", EN: "the field stands twice; write it once"}
		}
		seen[name] = true
		value, err := f.fields[i].read(d, at)
		if err != nil {
			return nil, err
		}
		if value != nil {
			object[name] = value
		}
	}
	_, err := d.Token()
	return object, err
}

func (f field) names() string {
	names := make([]string, len(f.fields))
	for i, x := range f.fields {
		names[i] = x.name
	}
	return strings.Join(names, ", ")
}

// scalar checks a value that is neither a list nor an object.
func (f field) scalar(token json.Token) (any, bool) {
	switch v := token.(type) {
	case bool:
		return v, f.form == asFlag
	case json.Number:
		n, err := v.Int64()
		greatest := map[form]int64{asWeekday: 6, asNumber: 366}
		most, ok := greatest[f.form]
		return n, err == nil && ok && 0 <= n && n <= most
	case string:
		return f.text(v)
	}
	return nil, false
}

// text checks a quoted value.
func (f field) text(s string) (any, bool) {
	switch f.form {
	case asText:
		return s, true
	case asWord:
		return s, slices.Contains(f.words, s)
	case asDay:
		d, err := civil.Parse(s)
		return s, err == nil && d.Within(firstDay, finalDay)
	case asBirth:
		p, err := civil.ParsePartial(s)
		return s, err == nil && p.Latest().Within(firstDay, finalDay)
	case asMoment:
		var i instant
		err := i.UnmarshalText([]byte(s))
		year := civil.Of(i.at).Year
		return i.at.Format(time.RFC3339Nano), err == nil && year >= civil.FirstHolidayYear && year <= civil.LastHolidayYear
	case asClock:
		var t civil.TimeOfDay
		return s, t.UnmarshalText([]byte(s)) == nil
	case asCode:
		return s, codeShape.MatchString(s) || regime.MunicipalityCode(s)
	case asRule:
		_, ok := regime.Lookup(s)
		return s, ok
	}
	return nil, false
}

// words converts the values of a word type.
func words[T ~string](list ...T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}
