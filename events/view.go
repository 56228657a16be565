package events

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// viewBytes is the length up to which bytes are shown in full: keys, hashes and signatures. Longer ones (encoded
// claims, certificates) are shown by length and hash.
const viewBytes = 64

// JSON shows one stored message as one line of JSON, for people and for events.jsonl. It is a view, not an encoding:
// nothing reads it back. Names are those of the .proto files; absent fields are left out; *_ms are instants in RFC 3339
// (UTC) under the name without _ms; enum values are lower-case words; serial numbers are decimal digits in a string; bytes are hexadecimal, or {"bytes":…,"sha256":…}
// beyond 64. A Sealed shows as {"sealed":"identity","digest":"…"}: its record class and the keyed digest, never its
// ciphertext. The carried state is shown by version and hash. Errors are those of Decode.
func JSON(stored []byte) ([]byte, error) {
	s, commit, err := Decode(stored)
	if err != nil {
		return nil, err
	}
	var line object
	line.message(commit.ProtoReflect(), "events")
	line.add("events", viewEvents(commit.GetEvents()))
	line.add("writer", s.GetWriter())
	line.add("signature", hex.EncodeToString(s.GetSignature()))
	line.add("hash", hex.EncodeToString(Hash(stored)))
	if len(s.GetState()) > 0 {
		var state StateBytes
		if err := unmarshal(s.GetState(), &state); err != nil {
			return nil, err
		}
		line.add("state", object{{"version", state.GetVersion()}, {"sha256", hex.EncodeToString(Hash(state.GetState()))}})
	}
	return json.Marshal(line)
}

// EventJSON shows one event as JSON shows it inside its commit.
func EventJSON(e *Event) ([]byte, error) {
	return json.Marshal(viewEvent(e))
}

// MessageJSON shows a message as EventJSON shows those in an event.
func MessageJSON(m protoreflect.ProtoMessage) ([]byte, error) {
	return json.Marshal(viewMessage(m.ProtoReflect()))
}

// EnumWord returns the word by which an enumeration's value is shown.
func EnumWord(e protoreflect.Enum) string { return fmt.Sprint(viewEnum(e.Descriptor(), e.Number())) }

func viewEvents(events []*Event) []object {
	views := make([]object, len(events))
	for i, e := range events {
		views[i] = viewEvent(e)
	}
	return views
}

func viewEvent(e *Event) object {
	var view object
	view.add("type", Name(e))
	view.message(e.ProtoReflect(), "")
	return view
}

// object is a JSON object that keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("showing %s: %w", m.name, err)
		}
		fmt.Fprintf(&out, "%q:%s", m.name, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (o *object) add(name string, value any) {
	*o = append(*o, member{name, value})
}

// message adds the populated fields of m in the order of the .proto file, leaving out the one named.
func (o *object) message(m protoreflect.Message, without protoreflect.Name) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Name() == without || !m.Has(field) {
			continue
		}
		name := string(field.Name())
		if field.ContainingOneof() != nil {
			name = string(field.ContainingOneof().Name())
		}
		o.add(viewName(name, field), viewField(field, m.Get(field)))
	}
}

func viewName(name string, field protoreflect.FieldDescriptor) string {
	if isInstant(field) {
		return strings.TrimSuffix(name, "_ms")
	}
	return name
}

func isInstant(field protoreflect.FieldDescriptor) bool {
	return field.Kind() == protoreflect.Int64Kind && strings.HasSuffix(string(field.Name()), "_ms")
}

// isSerial reports whether a field holds serial numbers, which are shown as text.
func isSerial(field protoreflect.FieldDescriptor) bool {
	switch field.Name() {
	case "serial", "serials", "replaces", "parent", "proved_by":
		return true
	}
	return false
}

func viewField(field protoreflect.FieldDescriptor, value protoreflect.Value) any {
	if !field.IsList() {
		return viewValue(field, value)
	}
	list := value.List()
	views := make([]any, list.Len())
	for i := range views {
		views[i] = viewValue(field, list.Get(i))
	}
	return views
}

func viewValue(field protoreflect.FieldDescriptor, value protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return viewMessage(value.Message())
	case protoreflect.EnumKind:
		return viewEnum(field.Enum(), value.Enum())
	case protoreflect.BytesKind:
		return viewBinary(value.Bytes())
	case protoreflect.Uint64Kind:
		if isSerial(field) {
			return FormatSerial(value.Uint())
		}
	case protoreflect.Int64Kind:
		if isInstant(field) {
			return time.UnixMilli(value.Int()).UTC().Format("2006-01-02T15:04:05.000Z07:00")
		}
	}
	return value.Interface()
}

func viewMessage(m protoreflect.Message) object {
	if sealed, ok := m.Interface().(*Sealed); ok {
		return object{{"sealed", sealed.GetRecordClass()}, {"digest", hex.EncodeToString(sealed.GetDigest())}}
	}
	view := object{}
	view.message(m, "")
	return view
}

// viewEnum returns "superseded" for REVOCATION_REASON_SUPERSEDED, and the number of a value of a newer version.
func viewEnum(enum protoreflect.EnumDescriptor, number protoreflect.EnumNumber) any {
	value := enum.Values().ByNumber(number)
	if value == nil {
		return int32(number)
	}
	zero := string(enum.Values().ByNumber(0).Name())
	word := strings.TrimPrefix(string(value.Name()), strings.TrimSuffix(zero, "UNSPECIFIED"))
	// RevocationReason calls RFC 5280's "unspecified" CRL_UNSPECIFIED, because its own zero is "absent".
	word = strings.TrimPrefix(word, "CRL_")
	return strings.ReplaceAll(strings.ToLower(word), "_", "-")
}

func viewBinary(b []byte) any {
	if len(b) <= viewBytes {
		return hex.EncodeToString(b)
	}
	return object{{"bytes", len(b)}, {"sha256", hex.EncodeToString(Hash(b))}}
}
