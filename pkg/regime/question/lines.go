package question

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"shomei/pkg/regime"
)

// maxLine bounds one line of input, in bytes.
const maxLine = 1 << 20

// ErrUnknown: Answer was asked an unknown question.
var ErrUnknown = errors.New("unknown question (known: validity, window, open, apply)")

// lineError is the answer to a line that can't be answered.
type lineError struct {
	Error struct {
		Line      int       `json:"line"`
		Field     string    `json:"field,omitempty"`
		Rule      regime.ID `json:"rule,omitempty"`
		MessageJA string    `json:"message_ja"`
		MessageEN string    `json:"message_en"`
	} `json:"error"`
}

// Answer answers the question of that name (validity, window, open, apply) for each line of in, in order, by the
// readings of the law that s chooses. A line that can't be answered, even an empty one, gets an object
// {"error":{"line","field","rule","message_ja","message_en"}} and is counted in failed; the others are answered all the
// same, so the nth line out answers the nth line in. Question.Help defines every field. The error is ErrUnknown, or one
// of reading or writing.
func Answer(s regime.Switches, name string, in io.Reader, out io.Writer) (failed int, err error) {
	asked, ok := named(name)
	if !ok {
		return 0, fmt.Errorf("answering %q: %w", name, ErrUnknown)
	}
	reader, writer := bufio.NewReader(in), bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for line := 1; ; line++ {
		text, readErr := readLine(reader)
		if readErr != nil && readErr != io.EOF && !errors.Is(readErr, errLineTooLong) {
			return failed, errors.Join(fmt.Errorf("reading line %d: %w", line, readErr), writer.Flush())
		}
		if len(text) > 0 || readErr != io.EOF {
			if line == 1 {
				text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows begin a file with it
			}
			result, bad := asked.answerLine(s, text, readErr)
			if bad != nil {
				failed++
				result = asLineError(line, bad)
			}
			if err := encoder.Encode(result); err != nil {
				return failed, fmt.Errorf("writing the answer to line %d: %w", line, err)
			}
		}
		// Whoever waits for an answer before sending more must get it now.
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
func (q Question) answerLine(s regime.Switches, text []byte, readErr error) (any, error) {
	if errors.Is(readErr, errLineTooLong) {
		return nil, &regime.FieldError{JA: "行が長すぎます(上限1MiB)。", EN: readErr.Error()}
	}
	checked, err := q.read(text)
	if err != nil {
		return nil, err
	}
	return q.answer(s, checked)
}

// read checks a line by the fields of the question and returns it with absent values omitted and instants as RFC 3339.
func (q Question) read(text []byte) ([]byte, error) {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, &regime.FieldError{JA: "空の行です。1行に1つのJSONオブジェクトを書いてください。", EN: "the line is empty; write one JSON object on it"}
	case !utf8.Valid(text):
		return nil, &regime.FieldError{JA: "UTF-8の文字ではありません。UTF-8で書いてください。", EN: "the line is not UTF-8; write it in UTF-8"}
	case bytes.TrimSpace(text)[0] != '{':
		return nil, &regime.FieldError{JA: "1行に1つのJSONオブジェクトを書いてください。", EN: "expected one JSON object on the line"}
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, &regime.FieldError{
			JA: fmt.Sprintf("JSONとして読めません(%dバイト目)。1行に1つのJSONオブジェクトを書いてください。", syntax.Offset),
			EN: fmt.Sprintf("not JSON from byte %d on: expected one JSON object on the line", syntax.Offset),
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	object, err := q.asks.read(decoder, "")
	if err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

func asLineError(line int, err error) lineError {
	var out lineError
	out.Error.Line = line
	var bad *regime.FieldError
	if !errors.As(err, &bad) {
		bad = &regime.FieldError{JA: "この行には答えられません。", EN: err.Error()}
	}
	out.Error.Field, out.Error.Rule, out.Error.MessageJA, out.Error.MessageEN = bad.Field, bad.Rule, bad.JA, bad.EN
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
