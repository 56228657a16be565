package regime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxLine bounds one line of input, in bytes.
const maxLine = 1 << 20

// ErrUnknownQuestion says that AnswerLines was asked something it does not know.
var ErrUnknownQuestion = errors.New("unknown question (known: validity, window, open, apply)")

// lineError is the answer to a line that can't be answered.
type lineError struct {
	Error struct {
		Line      int    `json:"line"`
		Field     string `json:"field,omitempty"`
		MessageJA string `json:"message_ja"`
		MessageEN string `json:"message_en"`
	} `json:"error"`
}

// AnswerLines answers one JSON object a line with one JSON object a line, by
// the default readings. See Switches.AnswerLines.
func AnswerLines(cmd string, in io.Reader, out io.Writer) (failed int, err error) {
	return Switches{}.AnswerLines(cmd, in, out)
}

// AnswerLines answers the question named by cmd (validity, window, open, apply)
// for each line of in that is not blank. A line that can't be answered gets an
// object {"error":{"line","field","message_ja","message_en"}} and is counted in
// failed; the other lines are answered all the same. The error is
// ErrUnknownQuestion, or one of reading or writing.
func (s Switches) AnswerLines(cmd string, in io.Reader, out io.Writer) (failed int, err error) {
	answer, ok := map[string]func(fields) (any, error){
		"validity": s.answerValidity, "window": s.answerWindow, "open": s.answerOpen, "apply": s.answerApply,
	}[cmd]
	if !ok {
		return 0, fmt.Errorf("answering %q: %w", cmd, ErrUnknownQuestion)
	}
	reader, writer := bufio.NewReader(in), bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for line := 1; ; line++ {
		text, readErr := readLine(reader)
		if readErr != nil && readErr != io.EOF && !errors.Is(readErr, errLineTooLong) {
			return failed, errors.Join(fmt.Errorf("reading line %d: %w", line, readErr), writer.Flush())
		}
		if len(bytes.TrimSpace(text)) > 0 || errors.Is(readErr, errLineTooLong) {
			result, bad := answerLine(answer, text, readErr)
			if bad != nil {
				failed++
				result = asLineError(line, bad)
			}
			if err := encoder.Encode(result); err != nil {
				return failed, fmt.Errorf("writing the answer to line %d: %w", line, err)
			}
		}
		// Whoever waits for an answer before asking on must get it now.
		if readErr == io.EOF || reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return failed, fmt.Errorf("writing answers: %w", err)
			}
		}
		if readErr == io.EOF {
			return failed, nil
		}
	}
}

// answerLine answers one line that was read with readErr.
func answerLine(answer func(fields) (any, error), text []byte, readErr error) (any, error) {
	if errors.Is(readErr, errLineTooLong) {
		return nil, &FieldError{"", "行が長すぎます(上限1MiB)。", readErr.Error()}
	}
	f, err := parseFields(text)
	if err != nil {
		return nil, err
	}
	return answer(f)
}

func asLineError(line int, err error) lineError {
	var out lineError
	out.Error.Line = line
	var bad *FieldError
	if !errors.As(err, &bad) {
		bad = &FieldError{"", "この行には答えられません。", err.Error()}
	}
	out.Error.Field, out.Error.MessageJA, out.Error.MessageEN = bad.Field, bad.JA, bad.EN
	return out
}

var errLineTooLong = fmt.Errorf("the line is longer than %d bytes", maxLine)

// readLine reads up to the next newline. A line that is too long is consumed
// and reported; the last line may lack its newline and comes with io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		chunk, err := r.ReadSlice('\n')
		if len(line)+len(chunk) > maxLine {
			tooLong = true
		} else {
			line = append(line, chunk...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && tooLong && len(chunk) > 0:
			return nil, errLineTooLong // the next call reports the end
		case err == nil && tooLong:
			return nil, errLineTooLong
		default:
			return line, err
		}
	}
}

// fields are the values of one JSON object by name.
type fields map[string]json.RawMessage

func parseFields(text []byte) (fields, error) {
	var f fields
	if err := json.Unmarshal(text, &f); err != nil || f == nil {
		return nil, &FieldError{"", "1行に1つのJSONオブジェクトを書いてください。", "expected one JSON object on the line"}
	}
	return f, nil
}

// into reads each named field into its pointer. Unknown names and values that
// don't fit are *FieldError; absent names and nulls leave the pointer's value.
func (f fields) into(targets map[string]any) error {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		target, ok := targets[name]
		if !ok {
			return &FieldError{name, "知らない項目です。", "unknown field"}
		}
		decoder := json.NewDecoder(bytes.NewReader(f[name]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(target); err != nil {
			return &FieldError{name, "値を読み取れません。日付はYYYY-MM-DD、日時は2012-11-30T17:01:00+09:00の形で書いてください。", err.Error()}
		}
	}
	return nil
}
