package e2e

import (
	"errors"
	"net/http"
	"testing"
)

// namedOfficer is what officers might call themselves, written what they might write: both may stand nowhere in the clear.
const namedOfficer = "窓口係　佐藤一郎"

var written = []string{"母の再婚で父の鈴木健とは連絡がつかない", "本人の祖母高橋トメが止めに来た"}

// TestWhatOfficersWriteLeaksNowhere: an officer's name is turned away at every door of a counter, and what officers write in
// their own words goes into the log sealed.
func TestWhatOfficersWriteLeaksNowhere(t *testing.T) {
	c, k := world(t)
	k.make("CARD-C")
	child := person{"00000000321", "証明　小花", "2012-06-18", "千葉県山武市殿台三百番地", "kobana.shomei@mail.example"}
	application := map[string]any{
		"operation": "issue", "channel": "self", "clerk": "017", "person": child.record(), "documents": []string{"application-form", "card", "photo-id:current-address"},
	}
	for _, field := range []string{"clerk", "second_officer", "cause", "procedure", "card", "taken_back", "applied_on"} {
		k.turnsAway(t, "/api/applications", application, field)
	}
	k.turnsAway(t, "/api/reports", map[string]any{"what": "loss", "clerk": "017", "person": child.record()}, "clerk")

	k.apply(child, "child", "issue", map[string]any{"kinds": []string{"sign"}, "second_officer": " ０１８ ", "special_circumstances": written[0]})
	k.drive("child", "waiting-confirmation")
	k.turnsAway(t, "/api/procedures/child/drop", map[string]any{"why": "x"}, "clerk")
	k.must("POST", "/api/procedures/child/drop", map[string]string{"why": written[1]}, nil)
	k.drive("child", "dropped")
	c.whole()
	c.leaks(t, []*counter{k}, child)
}

// turnsAway sends a request with a name in one of its fields.
func (k *counter) turnsAway(t *testing.T, path string, request map[string]any, field string) {
	t.Helper()
	body := map[string]any{field: namedOfficer}
	for name, value := range request {
		if name != field {
			body[name] = value
		}
	}
	var r *refused
	if err := k.try("POST", path, body, nil); !errors.As(err, &r) || r.status != http.StatusBadRequest {
		t.Errorf("%s with a name as %s: %v", path, field, err)
	}
}
