package story

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Word returns an enum value as events.JSON writes it: "key-compromise" for REVOCATION_REASON_KEY_COMPROMISE, and "" for
// zero, which means absent.
func Word(e protoreflect.Enum) string {
	values := e.Descriptor().Values()
	value := values.ByNumber(e.Number())
	if value == nil || e.Number() == 0 {
		return ""
	}
	prefix := strings.TrimSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
	text := strings.TrimPrefix(string(value.Name()), prefix)
	text = strings.TrimPrefix(text, "CRL_") // RFC 5280's unspecified, which is not absence
	return strings.ReplaceAll(strings.ToLower(text), "_", "-")
}
