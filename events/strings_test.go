package events

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// stringKinds are the kinds of testdata/strings.txt. A name, or what people write in their own words, is in none of them but
// sealed: a new string field gets a row, and with it somebody who has thought about what it may hold.
var stringKinds = map[string]string{
	"officer":      "an officer's code (ParseOfficer)",
	"actor":        "an officer's code, or a service or source of facts",
	"id":           "an id, a number or a key that a program made or checks",
	"word":         "a word of the contract: of an enumeration, of pkg/regime or of pkg/card",
	"day":          "a civil date",
	"municipality": "a local government code",
	"office":       "what an office tells everybody of itself",
	"program":      "a sentence of the program's own, which repeats nothing but codes",
	"sealed":       "part of what is sealed; never in a commit or a claim as it is",
	"old":          "stands in the log of before 2026-11-29 and is written no more",
}

// TestEveryStringHasItsKind holds each string field of the contract against testdata/strings.txt.
func TestEveryStringHasItsKind(t *testing.T) {
	text, err := os.ReadFile("testdata/strings.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		field, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		if stringKinds[kind] == "" || rows[field] != "" {
			t.Errorf("%q: no kind, or a second row", line)
		}
		rows[field] = kind
	}
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		for _, field := range stringFields(m.Descriptor()) {
			name := strings.TrimPrefix(string(field.FullName()), "shomei.events.")
			if rows[name] == "" {
				t.Errorf("%s has no row in testdata/strings.txt: what may it hold?", name)
			}
			delete(rows, name)
		}
		return true
	})
	for name := range rows {
		t.Errorf("%s has a row and is no string field", name)
	}
}

func stringFields(m protoreflect.MessageDescriptor) (list []protoreflect.FieldDescriptor) {
	if m.ParentFile().Package() != "shomei.events" {
		return nil
	}
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); f.Kind() == protoreflect.StringKind {
			list = append(list, f)
		}
	}
	return list
}

// TestNoFieldOfAClaimTakesAName tries every string field that a claim has in the clear.
func TestNoFieldOfAClaimTakesAName(t *testing.T) {
	free := map[protoreflect.FullName]bool{
		"shomei.events.ApplicationReceived.special_circumstances": true, "shomei.events.ApplicationDropped.why": true, // old
		"shomei.events.CertificateFound.card": true, "shomei.events.CertificateFound.device": true, "shomei.events.CertificateFound.subscriber": true, // dropped by the hub
	}
	tried := 0
	var try func(m protoreflect.MessageDescriptor, wrap func(protoreflect.Message) *Claim)
	try = func(m protoreflect.MessageDescriptor, wrap func(protoreflect.Message) *Claim) {
		found, err := protoregistry.GlobalTypes.FindMessageByName(m.FullName())
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range stringFields(m) {
			for _, name := range []string{"佐藤 花子", "Sato Hanako", "０１７", "a\x00b", strings.Repeat("x", maxCode+1)} {
				message := found.New()
				if field.IsList() {
					message.Mutable(field).List().Append(protoreflect.ValueOfString(name))
				} else {
					message.Set(field, protoreflect.ValueOfString(name))
				}
				tried++
				err := CheckClaim(wrap(message))
				if (err == nil) != free[field.FullName()] || err != nil && strings.Contains(err.Error(), name) {
					t.Errorf("%s takes %.20q: %v", field.FullName(), name, err)
				}
			}
		}
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if f.Kind() != protoreflect.MessageKind {
				continue
			}
			try(f.Message(), func(inner protoreflect.Message) *Claim {
				message := found.New()
				if f.IsList() {
					message.Mutable(f).List().Append(protoreflect.ValueOfMessage(inner))
				} else {
					message.Set(f, protoreflect.ValueOfMessage(inner))
				}
				return wrap(message)
			})
		}
	}
	try((&Claim{}).ProtoReflect().Descriptor(), func(m protoreflect.Message) *Claim { return m.Interface().(*Claim) })
	if tried < 100 {
		t.Errorf("%d texts were tried", tried)
	}
}
