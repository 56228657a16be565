package hub

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
)

// TestOperatorsAppointTheFirstAdministratorOnly: what the centre says about officers counts until one of them administers.
func TestOperatorsAppointTheFirstAdministratorOnly(t *testing.T) {
	p := newParts(Config{Data: t.TempDir(), Logger: natstest.Quiet(), AnyClock: true})
	if err := p.open(t.Context(), needed(serving, []row{{needs: []string{"directory"}}})); err != nil {
		t.Fatal(errors.Join(err, p.Close()))
	}
	const office = "12237-main"
	check(t, p.DefineOffice(t.Context(), office, &events.OfficeDefined{Municipality: "12237", EffectiveFrom: "2000-01-01"}))
	by, err := p.By("0042")
	check(t, err)
	enrol := func(b *events.OfficerEnrolled) error { return by.EnrolOfficer(t.Context(), office, b, "") }
	refused := func(what string, err error, words string) {
		t.Helper()
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a name", enrol(&events.OfficerEnrolled{Officer: "hanako", Roles: []string{"clerk"}}), "not a name")
	refused("no role", enrol(&events.OfficerEnrolled{Officer: "A1", Roles: []string{"mayor"}}), "the roles are")
	refused("no day", enrol(&events.OfficerEnrolled{Officer: "A1", Roles: []string{"clerk"}, From: "2026-02-30"}), "first day")
	refused("no office", enrol(&events.OfficerEnrolled{Officer: "A1", Roles: []string{"clerk"}, Offices: []string{"nowhere-1"}}), "no other office")
	check(t, enrol(&events.OfficerEnrolled{Officer: "A1", Roles: []string{"administrator"}}))
	secret, until, err := by.InviteOfficer(t.Context(), office, "A1")
	check(t, err)
	if time.Until(until) > InvitationTime || len(officer.TidyCode(secret)) < 20 {
		t.Errorf("a code of %d letters until %v", len(secret), until)
	}
	_, _, err = by.InviteOfficer(t.Context(), office, "A2")
	refused("to invite nobody", err, "no officer")
	hostNames(t, by, office)
	today := civil.Of(p.Clock.Now())
	refused("a past day", by.RequireSignatures(t.Context(), office, today.AddDays(-1).String()), "day from today")
	check(t, by.RequireSignatures(t.Context(), office, today.AddDays(9).String()))

	// As another process, the ra, records it: the operator's must read it first.
	env := eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "A1"}}
	_, err = p.as(eventlog.RoleRA).Update(t.Context(), events.KindOffice, office, env, func(eventlog.Head) ([]*events.Event, error) {
		k := officer.NewSoftKey().Passkey()
		return []*events.Event{events.New(&events.PasskeyEnrolled{Officer: "A1", Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty})}, nil
	})
	check(t, err)
	refused("administered", enrol(&events.OfficerEnrolled{Officer: "C1", Roles: []string{"clerk"}}), "administered by A1")
	_, _, err = by.InviteOfficer(t.Context(), office, "A1")
	refused("administered", err, "administered by A1")
	refused("later", by.RequireSignatures(t.Context(), office, today.AddDays(10).String()), "would waive")
	check(t, by.RequireSignatures(t.Context(), office, today.AddDays(8).String()))
	if got := p.Directory.OfficersOf(office, by.officersTime()).Required(); got != today.AddDays(8) {
		t.Errorf("required from %v", got)
	}
	_, err = by.DefineFourEyes(t.Context(), office, []string{"hand-over"}, today.String())
	refused("nothing to choose", err, "no act")
	all, err := by.DefineFourEyes(t.Context(), office, []string{"unblock"}, today.String())
	if err != nil || !strings.Contains(strings.Join(all, " "), "unblock correction") {
		t.Errorf("two officers for %v, %v", all, err)
	}
	check(t, by.RetireOfficer(t.Context(), office, "A1"))
	refused("retired twice", by.RetireOfficer(t.Context(), office, "A1"), "no officer")
	check(t, enrol(&events.OfficerEnrolled{Officer: "A2", Roles: []string{"administrator"}}))
	closeParts(t, p)
}

// hostNames enrols counters under host names: each has one of its own, only counters have one, and it can be changed and taken away.
func hostNames(t *testing.T, by Operator, office string) {
	t.Helper()
	key := map[string]Enrolment{}
	enrol := func(counter, role, host string) (Enrolled, error) {
		e, again := key[counter]
		if !again {
			pair, err := nkeys.CreateUser()
			check(t, err)
			seal, err := counterlink.NewSealKey()
			check(t, err)
			e = Enrolment{Office: office, Counter: counter, Role: role, Near: true, SealKey: seal.PublicKey().Bytes()}
			e.PublicKey, err = pair.PublicKey()
			check(t, err)
			key[counter] = e
		}
		e.HostName = &host
		if host == "as it is" {
			e.HostName = nil
		}
		return by.Enrol(t.Context(), e)
	}
	by.hub.ConsoleName = "console.example"
	for _, try := range []struct{ counter, role, host, want, refused string }{
		{"w1", "counter", "w1.example", "w1.example", ""},
		{"w1", "counter", "as it is", "w1.example", ""},
		{"w2", "counter", "w1.example", "", "w1.example"},
		{"w2", "counter", "console.example", "", "console's name"},
		{"w2", "counter", "192.0.2.1", "", "no host name"},
		{"w2", "counter", "localhost", "", "no host name"},
		{"t1", "telephone", "t1.example", "", "no pages"},
		{"w1", "counter", "window.example", "window.example", ""},
		{"w2", "counter", "w1.example", "w1.example", ""},
		{"w1", "counter", "", "", ""},
	} {
		enrolled, err := enrol(try.counter, try.role, try.host)
		if try.refused != "" {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), try.refused) {
				t.Errorf("%s as %q: %v", try.counter, try.host, err)
			}
			continue
		}
		check(t, err)
		known, _ := by.hub.Directory.Counter(try.counter)
		if enrolled.Bundle.HostName != try.want || known.HostName != try.want {
			t.Errorf("%s as %q: the bundle has %q, the directory %q", try.counter, try.host, enrolled.Bundle.HostName, known.HostName)
		}
	}
}
