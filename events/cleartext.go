package events

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// ClearTextError means that a field of a claim holds in clear text something that is neither a code nor a word. It does
// not repeat it: it may be a name.
type ClearTextError struct {
	// Field is the field's path in the claim, such as application_received.card.
	Field string
}

func (e *ClearTextError) Error() string {
	return e.Field + " is no code: what people write in their own words is sealed, and names have no place in a claim"
}

// CheckClaim checks that a claim says nothing in clear text that it must not: officers have codes (ParseOfficer),
// everything else is an id, a word of the contract, a day or a number. Sealed parts are not checked. The error is a
// *ClearTextError.
func CheckClaim(c *Claim) error { return checkClear("", c.ProtoReflect()) }

func checkClear(path string, m protoreflect.Message) (err error) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		at := path + string(field.Name())
		switch {
		case field.Kind() != protoreflect.StringKind && field.Kind() != protoreflect.MessageKind || field.IsMap():
		case field.IsList():
			for i := range value.List().Len() {
				if err == nil {
					err = checkClearValue(fmt.Sprintf("%s.%d", at, i), field, value.List().Get(i))
				}
			}
		default:
			err = checkClearValue(at, field, value)
		}
		return err == nil
	})
	return err
}

func checkClearValue(path string, field protoreflect.FieldDescriptor, value protoreflect.Value) error {
	if field.Kind() == protoreflect.MessageKind {
		return checkClear(path+".", value.Message())
	}
	if !clearForm(field.FullName())(value.String()) {
		return &ClearTextError{path}
	}
	return nil
}

// clearForm returns the check for a string field of a claim.
func clearForm(name protoreflect.FullName) func(string) bool {
	switch name {
	case "shomei.events.Claim.officer", "shomei.events.Claim.second_officer":
		return isOfficer
	case "shomei.events.WriteFailed.stage", "shomei.events.WriteFailed.reason", "shomei.events.ConfirmationFailed.reason":
		return isPhrase
	case "shomei.events.ApplicationReceived.special_circumstances", "shomei.events.ApplicationDropped.why":
		// Agents from before 2026-11-29 write clear text here. Their queued claims are still decided on: the text goes
		// into the log sealed, as that of Personal does.
		return func(string) bool { return true }
	case "shomei.events.CertificateFound.card", "shomei.events.CertificateFound.device", "shomei.events.CertificateFound.subscriber":
		// A lost certificate must be found whatever is written here: the registration authority drops what is not an
		// id.
		return func(string) bool { return true }
	}
	return isCode
}

func isOfficer(text string) bool {
	code, err := ParseOfficer(text)
	return err == nil && code == text
}

// Bounds of clear text in a claim, in bytes.
const (
	maxCode   = 128
	maxPhrase = 48
)

// isCode reports whether text is an id, a word, a day or a number, with punctuation between such.
func isCode(text string) bool {
	return len(text) <= maxCode && strings.IndexFunc(text, func(r rune) bool {
		return r > 127 || !idByte(byte(r)) && !strings.ContainsRune(".:/+", r)
	}) < 0
}

// isPhrase reports whether text is a few words that a program might write ("card refused").
func isPhrase(text string) bool {
	return len(text) <= maxPhrase && strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != ' ' && r != '-'
	}) < 0
}
