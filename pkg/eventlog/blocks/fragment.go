package blocks

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"shomei/events"
)

// fragment is the remains of one damaged record.
type fragment struct {
	sequence uint64
	bytes    []byte
	// exact reports whether the bounds of the record are known, so that the bytes hold nothing of another.
	exact bool
}

// fragments splits a hole into the remains of each of its records. Bytes are nil where they can't be told apart.
func (h hole) fragments() []fragment {
	if h.first > h.last {
		return nil
	}
	if h.first == h.last {
		return []fragment{{h.first, h.bytes, h.after.sequence > 0 || h.stated(0) == len(h.bytes)}}
	}
	all := make([]fragment, 0, h.last-h.first+1)
	hints := h.hints(h.first, h.last)
	for sequence := h.first; sequence <= h.last; sequence++ {
		f := fragment{sequence: sequence}
		switch {
		case len(hints) > 0 && hints[0].sequence == sequence:
			begin, end := hints[0].at, len(h.bytes)
			if hints = hints[1:]; len(hints) > 0 {
				end = hints[0].at
			}
			next := len(hints) > 0 && hints[0].sequence == sequence+1 || sequence == h.last && h.after.sequence > 0
			f.bytes, f.exact = h.bytes[begin:end], next || h.stated(begin) == end-begin
		case len(hints) > 0 && hints[0].sequence == sequence+1 && sequence == h.first:
			f.bytes, f.exact = h.bytes[:hints[0].at], true
		}
		all = append(all, f)
	}
	return all
}

// stated returns the length that the record at an offset of the hole claims to have, or 0.
func (h hole) stated(at int) int {
	if at+headSize > len(h.bytes) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(h.bytes[at:]) &^ withHeaders)
}

// itself restores a record in which only something redundant was changed: a length (known from where the record ends),
// the sequence (from its neighbours) or a commit's subject (from the commit). The record's own checksum proves the
// result; nothing is guessed.
func (f fragment) itself(strict bool, sum checksum) (record, bool) {
	if len(f.bytes) < smallest {
		return record{}, false
	}
	for _, headers := range []bool{true, false} {
		for _, length := range f.subjectLengths(headers) {
			for _, subject := range f.subjects(length, headers, strict) {
				if r, ok := f.with(length, subject, headers, sum); ok && fits(r, strict) {
					return r, true
				}
			}
		}
	}
	return record{}, false
}

// fits reports whether a record's subject is plausible where no checksum tells where it ends.
func fits(r record, strict bool) bool {
	if !strict || len(r.headers) > 0 {
		return true
	}
	return ofTheLog(string(r.subject))
}

// ofTheLog reports whether commits stand on a subject.
func ofTheLog(subject string) bool {
	kind, _, err := events.ParseLogSubject(subject)
	return err == nil && slices.Contains(events.Kinds, kind)
}

// subject returns the subject of a whole record.
func (f fragment) subject() []byte {
	return f.bytes[headSize : headSize+int(binary.LittleEndian.Uint16(f.bytes[20:]))]
}

// subjectLengths returns the possible lengths of the subject: as stated, and by where the headers begin.
func (f fragment) subjectLengths(headers bool) []int {
	most := len(f.bytes) - smallest
	lengths := []int{int(binary.LittleEndian.Uint16(f.bytes[20:]))}
	if i := bytes.Index(f.bytes, headersBegin); headers && i >= headSize+4 {
		lengths = append(lengths, i-4-headSize)
	}
	if n := subjectBefore(f.bytes[headSize:max(headSize, len(f.bytes)-sumSize)]); !headers && n > 0 {
		lengths = append(lengths, n)
	}
	fitting := lengths[:0]
	for _, n := range lengths {
		if headers && n+4 <= most || !headers && n <= most {
			fitting = append(fitting, n)
		}
	}
	return fitting
}

// longestSubject bounds the search for the end of a subject: the longest kind and id, and what surrounds them.
const longestSubject = 128

// subjectBefore returns the length of the subject in front of a commit, or 0.
func subjectBefore(b []byte) int {
	for n := 1; n <= min(len(b), longestSubject); n++ {
		if subject := string(b[:n]); ofTheLog(subject) && ownerIn(b[n:]) == subject {
			return n
		}
	}
	return 0
}

// subjects returns the possible subjects of the record: as it stands, and the one its commit belongs on.
func (f fragment) subjects(length int, headers, strict bool) [][]byte {
	subjects := [][]byte{f.bytes[headSize : headSize+length]}
	if subject := ownerIn(f.payload(length, headers)); strict && len(subject) == length {
		subjects = append(subjects, []byte(subject))
	}
	return subjects
}

// payload returns what follows subject and headers.
func (f fragment) payload(subject int, headers bool) []byte {
	rest := f.bytes[headSize+subject : len(f.bytes)-sumSize]
	if !headers {
		return rest
	}
	if i := bytes.Index(rest, headersEnd); i >= 0 {
		return rest[i+len(headersEnd):]
	}
	return nil
}

// with builds the record under the given assumptions and verifies its checksum.
func (f fragment) with(length int, subject []byte, headers bool, sum checksum) (record, bool) {
	head := bytes.Clone(f.bytes[:headSize])
	binary.LittleEndian.PutUint64(head[4:], f.sequence)
	rest := f.bytes[headSize+length : len(f.bytes)-sumSize]
	if headers {
		rest = rest[4:]
	}
	if !bytes.Equal(sumOf(sum, head, subject, rest), f.bytes[len(f.bytes)-sumSize:]) {
		return record{}, false
	}
	r := record{sequence: f.sequence, at: int64(binary.LittleEndian.Uint64(head[12:])), subject: subject, payload: rest}
	if headers {
		if end := bytes.Index(rest, headersEnd); !bytes.HasPrefix(rest, headersBegin) || end < 0 {
			return record{}, false
		}
		_ = r.split(0) // only for the parts: the length that split compares is what was changed
	}
	return r, true
}

// owners returns the subjects that a fragment may belong to, as far as that is certain: a commit's subject carries part
// of the hash of its id, and the commit repeats kind and id. Possible remains of another record don't count.
func (f fragment) owners(strict bool) []string {
	if len(f.bytes) < headSize || !f.exact && binary.LittleEndian.Uint64(f.bytes[4:]) != f.sequence {
		return nil
	}
	var found []string
	for _, headers := range []bool{true, false} {
		for _, length := range f.subjectLengths(headers) {
			subject := string(f.bytes[headSize : headSize+length])
			if !strict && plain(subject) {
				return []string{subject}
			}
			candidates := []string{subject}
			if f.exact {
				candidates = append(candidates, ownerIn(f.payload(length, headers)))
			}
			for _, owner := range candidates {
				if ofTheLog(owner) && !slices.Contains(found, owner) {
					found = append(found, owner)
				}
			}
		}
	}
	return found
}

// ownerIn returns the subject that the commit in a payload belongs on, or "".
func ownerIn(payload []byte) string {
	if len(payload) == 0 {
		return ""
	}
	_, commit, err := events.Decode(payload)
	if err != nil || !events.ValidID(commit.GetId()) {
		return ""
	}
	return events.LogSubject(commit.GetKind(), commit.GetId())
}

// plain reports whether a subject outside the log is readable.
func plain(subject string) bool {
	rest, ok := strings.CutPrefix(subject, "shomei.")
	return ok && rest != "" && strings.IndexFunc(rest, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}
