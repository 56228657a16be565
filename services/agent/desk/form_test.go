package desk

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// TestFormsReadAsBodies: what a page posts and what a program sends make the same request.
func TestFormsReadAsBodies(t *testing.T) {
	form := url.Values{
		"operation": {"renew"}, "way": {"notice-answer"}, "kinds": {"sign", "auth"}, "clerk": {"017"}, "second_officer": {""}, "express": {"1"},
		"pins_match": {"1"}, "resident_code": {"12345678901"}, "name": {"証明　花子"}, "sex": {"2"}, "registered": {"1"}, "overseas_on": {"2024-05-27"},
		"mail": {"a@b.example"}, "file": {"without-card"}, "shown": {"renew"}, "person.name": {""}, "unknown": {"x"},
	}
	for _, w := range ways {
		if w.notice {
			form.Set("way", string(w.law))
		}
	}
	got, err := requestOf(form, []string{"photo-id"})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"operation": "renew", "channel": "proxy", "notice_answer": true, "kinds": ["sign", "auth"], "documents": ["photo-id"], "no_card": true,
		"clerk": "017", "express": true, "pins_match": true, "contact": {"mail": "a@b.example"},
		"person": {"resident_code": "12345678901", "name": "証明　花子", "sex": "female", "registered": true, "overseas_on": "2024-05-27"}}`
	var want request
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{}, person{}, contact{})); diff != "" {
		t.Error(diff)
	}
	if !got.personal().Record.Overseas {
		t.Error("who lives overseas since a day does not live overseas")
	}
}

func TestAFormThatCannotBeReadIsRefusedWithoutItsValues(t *testing.T) {
	for field, value := range map[string]string{"express": "maybe", "sex": "unheard-of", "registered": "12345678901"} {
		_, err := requestOf(url.Values{field: {value}}, nil)
		var refused *Problem
		if !errors.As(err, &refused) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
