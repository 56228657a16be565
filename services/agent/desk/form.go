package desk

import (
	"encoding/hex"
	"net/http"
	"net/url"

	schema "github.com/go-playground/form/v4"

	"shomei/pkg/httpd"
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
type form struct {
	body   []byte
	fields map[string][][]byte
}

// secretLimit is far more than a form with PINs needs.
const secretLimit = 64 << 10

// readForm reads application/x-www-form-urlencoded. The caller wipes it.
func readForm(r *http.Request) (form, error) {
	body, err := httpd.ReadSecret(r, secretLimit)
	if err != nil {
		return form{}, badRequest("the form is too long or broke off")
	}
	f := form{body: body, fields: map[string][][]byte{}}
	var name []byte
	start := 0
	for i := 0; i <= len(body); i++ {
		switch {
		case i < len(body) && body[i] == '=' && name == nil:
			name, start = body[start:i], i+1
		case i == len(body) || body[i] == '&':
			if name != nil {
				key := string(unescape(name))
				f.fields[key] = append(f.fields[key], unescape(body[start:i]))
			}
			name, start = nil, i+1
		}
	}
	return f, nil
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

// first returns the first value of a field, or nil. It points into the form and is wiped with it.
func (f form) first(name string) []byte {
	if values := f.fields[name]; len(values) > 0 {
		return values[0]
	}
	return nil
}

func (f form) wipe() { clear(f.body) }
