package desk

import (
	"encoding/hex"
	"net/url"

	schema "github.com/go-playground/form/v4"
)

// forms reads what pages post into the types of the API, by their JSON names.
var forms = func() *schema.Decoder {
	d := schema.NewDecoder()
	d.SetTagName("json")
	d.SetMode(schema.ModeExplicit)
	d.SetMaxArraySize(0)
	d.RegisterCustomTypeFunc(func(words []string) (any, error) {
		var s sex
		err := s.UnmarshalJSON([]byte(words[0]))
		return s, err
	}, sex(0))
	return d
}()

// fromForm reads the fields of a form into structs of the API. Fields that none of them has are ignored. Errors don't
// repeat values.
func fromForm(form url.Values, into ...any) error {
	for _, part := range into {
		if forms.Decode(part, form) != nil {
			return badRequest("a field of the form has a value that it can't have")
		}
	}
	return nil
}

// form is a form that may hold PINs: it is read into bytes that can be wiped, never into strings. A field may occur
// several times.
type form map[string][][]byte

// readForm reads application/x-www-form-urlencoded, in place: its fields are wiped with the body.
func readForm(body []byte) form {
	f := form{}
	var name []byte
	start := 0
	for i := 0; i <= len(body); i++ {
		switch {
		case i < len(body) && body[i] == '=' && name == nil:
			name, start = body[start:i], i+1
		case i == len(body) || body[i] == '&':
			if name != nil {
				key := string(unescape(name))
				f[key] = append(f[key], unescape(body[start:i]))
			}
			name, start = nil, i+1
		}
	}
	return f
}

// unescape decodes in place; a broken escape is left as it is.
func unescape(text []byte) []byte {
	out := text[:0]
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(text):
			var decoded [1]byte
			if _, err := hex.Decode(decoded[:], text[i+1:i+3]); err == nil {
				c, i = decoded[0], i+2
			}
		}
		out = append(out, c)
	}
	return out
}

// first returns the first value of a field, or nil. It points into the body and is wiped with it.
func (f form) first(name string) []byte {
	if values := f[name]; len(values) > 0 {
		return values[0]
	}
	return nil
}
