package hub

import (
	"errors"
	"testing"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
	"shomei/services/console"
)

// TestTheConsoleKnowsOfficersFromTheLog, and what it shows them is recorded under their number.
func TestTheConsoleKnowsOfficersFromTheLog(t *testing.T) {
	p := newParts(Config{Data: t.TempDir(), Logger: natstest.Quiet(), AnyClock: true})
	defer closeParts(t, p)
	check(t, p.open(t.Context(), needed(serving, []row{{needs: []string{"directory"}}})))
	key := officer.NewSoftKey().Passkey()
	record := func(role eventlog.Role, bodies ...events.Body) {
		t.Helper()
		outcome, err := p.as(role).Update(t.Context(), events.KindOffice, "12237-main", p.envelope(), func(eventlog.Head) (list []*events.Event, _ error) {
			for _, b := range bodies {
				list = append(list, events.New(b))
			}
			return list, nil
		})
		check(t, err)
		check(t, p.Directory.Learn(events.KindOffice, "12237-main", outcome.Commit))
	}
	record(eventlog.RoleOperator, tryOutOffice("12237"), &events.OfficerEnrolled{Officer: "A1", Roles: []string{"analyst"}, IdentitySha256: []byte("hash")})
	record(eventlog.RoleRA, &events.PasskeyEnrolled{Officer: "A1", Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: "console.example"})

	by := p.SignInAt("console.example", &console.Accounts{})
	for name, find := range map[string]func() (officer.Officer, error){
		"by account": func() (officer.Officer, error) { return by.Accounts.ByIdentity([]byte("hash")) },
		"by key":     func() (officer.Officer, error) { return by.Find(key.Credential) }, "by code": func() (officer.Officer, error) { return by.ByCode("A1") },
	} {
		if o, err := find(); err != nil || o.Code != "A1" || o.Home != "12237-main" || by.Municipality(o.Home) != "12237" {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	if _, err := by.Find([]byte("another")); !errors.Is(err, officer.UnknownKey) {
		t.Errorf("a key of nobody: %v", err)
	}
	check(t, p.HistoryShown(t.Context(), console.Look{Subscriber: "someone", Officer: "A1", Office: "12237-main"}))
	check(t, p.HistoryShown(t.Context(), console.Look{Subscriber: "someone"}))
	looks, err := access.Looks(t.Context(), p.Log, access.Query{Person: "someone"})
	if err != nil || len(looks) != 2 || looks[0].Officer != "A1" || looks[0].Office != "12237-main" || looks[0].History != "console-A1" || looks[1].Officer != "console" {
		t.Errorf("%v %+v", err, looks)
	}
	record(eventlog.RoleOperator, &events.OfficerRetired{Officer: "A1"})
	if o, err := by.ByCode("A1"); err != nil || !o.Retired {
		t.Errorf("retired: %+v, %v", o, err)
	}
}
