package ra_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/services/servicetest"
)

// An office's first administrator comes in by the operator's code, and from then on the administrator's signature decides who is
// an officer there.
func TestAnAdministratorEnrolsOfficers(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	const other = "12237-east"
	w.DefineOffice(other, &events.OfficeDefined{})
	w.DefineOffice("12100-main", &events.OfficeDefined{})
	w.EnrolOfficer(other, &events.OfficerEnrolled{Officer: "E7", Roles: []string{"clerk"}, Offices: []string{servicetest.Office}})
	until := w.Clock.Now().Add(24 * time.Hour).UnixMilli()
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerEnrolled{Officer: "A1", Roles: []string{"administrator"}})
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerInvited{Officer: "A1", CodeSha256: officer.CodeHash("one-time"), UntilMs: until})

	// outcome decides a claim and returns the event that it led to, with the reason if it is a refusal.
	outcome := func(c *events.Claim) string {
		t.Helper()
		before := len(w.History(events.KindOffice, servicetest.Office))
		if c.Counter == "" {
			encoded, err := events.EncodeClaim(c)
			servicetest.Check(t, err)
			_, err = w.RA.FileAtConsole(t.Context(), encoded)
			servicetest.Check(t, err)
		} else {
			d.Decide(c)
		}
		history := w.History(events.KindOffice, servicetest.Office)
		if len(history) == before {
			return ""
		}
		e := history[len(history)-1].Commit.Events[0]
		return events.Name(e) + e.GetOfficerClaimRefused().GetReason() + e.GetSignInRefused().GetReason()
	}
	claim := func(fact func(*events.Claim), personal *events.Personal) *events.Claim {
		return d.Claim("", "", fact, personal)
	}
	offered := func(by *servicetest.Officer, code string, change func(*events.PasskeyOffered)) *events.Claim {
		k := by.Key.Passkey()
		o := &events.PasskeyOffered{Officer: by.Code, Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty}
		if change != nil {
			change(o)
		}
		c := claim(func(c *events.Claim) { c.Fact = &events.Claim_PasskeyOffered{PasskeyOffered: o} }, &events.Personal{Code: code})
		c.Officer = by.Code
		return c
	}
	proposed := func(p *events.OfficerProposed) *events.Claim {
		return claim(func(c *events.Claim) { c.Fact = &events.Claim_OfficerProposed{OfficerProposed: p} }, &events.Personal{OfficerName: "証明 花子"})
	}
	invited := func(code, secret string) *events.Claim {
		return claim(func(c *events.Claim) {
			c.Fact = &events.Claim_InvitationMade{InvitationMade: &events.InvitationMade{Officer: code, CodeSha256: officer.CodeHash(secret), UntilMs: until}}
		}, nil)
	}
	newcomer := func(code string) *servicetest.Officer {
		return &servicetest.Officer{World: w, Code: code, Key: officer.NewSoftKey()}
	}
	first, second, clerk := newcomer("A1"), newcomer("A2"), newcomer("C1")
	recovery := first.Sign(invited("C1", "again"))
	approved := func(by *servicetest.Officer) *events.Claim {
		shown, err := w.RA.AnswerApprovals(t.Context(), counterlink.ApprovalRequest{
			Asker: counterlink.Asker{Counter: "c1", Office: servicetest.Office, Officer: by.Code, ID: uuid.NewString()}, Approval: recovery.Id,
		})
		if err != nil || shown.Claim.GetInvitationMade().GetOfficer() != "C1" {
			t.Fatalf("what waits is shown as %v, %v", shown.Claim, err)
		}
		return by.Sign(claim(func(c *events.Claim) {
			c.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{
				Approval: recovery.Id, Digest: events.Hash(recovery.Act), Outcome: lifecycle.ApprovalApproved,
			}}
		}, nil))
	}
	wanted := func(from string) *events.Claim {
		return first.Sign(claim(func(c *events.Claim) {
			c.Fact = &events.Claim_SignaturesWanted{SignaturesWanted: &events.SignaturesWanted{From: from}}
		}, nil))
	}
	chosen := func(acts ...string) *events.Claim {
		return first.Sign(claim(func(c *events.Claim) {
			c.Fact = &events.Claim_FourEyesWanted{FourEyesWanted: &events.FourEyesWanted{Acts: acts, From: "2029-01-01"}}
		}, nil))
	}
	given := func(by *servicetest.Officer, of *servicetest.Officer) *events.Claim {
		return by.Sign(claim(func(c *events.Claim) {
			c.Fact = &events.Claim_PasskeyGivenUp{PasskeyGivenUp: &events.PasskeyGivenUp{Officer: of.Code, Credential: of.Key.Passkey().Credential}}
		}, nil))
	}
	enrolment := &events.OfficerProposed{Officer: "C1", Roles: []string{"clerk"}, Offices: []string{other}}
	for _, step := range []struct {
		name  string
		claim func() *events.Claim
		want  string
	}{
		{"before anybody can sign", func() *events.Claim { return proposed(enrolment) }, "SignInRefusedunsigned"},
		{"a wrong code", func() *events.Claim { return offered(first, "one-timf", nil) }, "OfficerClaimRefusedno-invitation"},
		{"nobody's invitation", func() *events.Claim { return offered(clerk, "one-time", nil) }, "OfficerClaimRefusedno-invitation"},
		{"a program's key", func() *events.Claim {
			return offered(first, "one-time", func(o *events.PasskeyOffered) { o.Software = true })
		}, "OfficerClaimRefusedsoftware-key"},
		{"an address", func() *events.Claim {
			return offered(first, "one-time", func(o *events.PasskeyOffered) { o.RelyingParty = "127.0.0.1" })
		}, "OfficerClaimRefusedill-formed"},
		{"no key", func() *events.Claim {
			return offered(first, "one-time", func(o *events.PasskeyOffered) { o.PublicKey = []byte("k") })
		}, "OfficerClaimRefusedkey-taken"},
		{"the first administrator", func() *events.Claim { return offered(first, "one-time", nil) }, "PasskeyEnrolled"},
		{"the code again", func() *events.Claim {
			return offered(newcomer("A1"), "one-time", nil)
		}, "OfficerClaimRefusedno-invitation"},
		{"the key again", func() *events.Claim {
			return offered(first, "one-time", func(o *events.PasskeyOffered) { o.RelyingParty = "console.example" })
		}, "OfficerClaimRefusedkey-taken"},
		{"a key of the console from a counter", func() *events.Claim {
			return offered(newcomer("A1"), "one-time", func(o *events.PasskeyOffered) { o.RelyingParty = servicetest.Console })
		}, "OfficerClaimRefusedill-formed"},
		{"a second site", func() *events.Claim {
			c := offered(newcomer("A1"), "one-time", func(o *events.PasskeyOffered) { o.RelyingParty = servicetest.Console })
			c.Counter, c.Number = "", 0
			return c
		}, "PasskeyEnrolled"},
		{"unsigned", func() *events.Claim { return proposed(enrolment) }, "SignInRefusedunsigned"},
		{"signed", func() *events.Claim { return first.Sign(proposed(enrolment)) }, "OfficerEnrolled"},
		{"a code that is another's here", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "E7", Roles: []string{"clerk"}}))
		}, "OfficerClaimRefusedcode-taken"},
		{"another municipality", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "C2", Roles: []string{"clerk"}, Offices: []string{"12100-main"}}))
		}, "OfficerClaimRefusedill-formed"},
		{"no role", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "C2", Roles: []string{"boss"}}))
		}, "OfficerClaimRefusedill-formed"},
		{"a name for a code", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "hanako", Roles: []string{"clerk"}}))
		}, "OfficerClaimRefusedill-formed"},
		{"an invitation", func() *events.Claim { return first.Sign(invited("C1", "clerk-code")) }, "OfficerInvited"},
		{"the clerk's key", func() *events.Claim { return offered(clerk, "clerk-code", nil) }, "PasskeyEnrolled"},
		{"a clerk enrols", func() *events.Claim {
			return clerk.Sign(proposed(&events.OfficerProposed{Officer: "C2", Roles: []string{"administrator"}}))
		}, "SignInRefusedrole"},
		{"another administrator", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "A2", Roles: []string{"administrator"}}))
		}, "OfficerEnrolled"},
		{"is invited", func() *events.Claim { return first.Sign(invited("A2", "second-code")) }, "OfficerInvited"},
		{"and comes", func() *events.Claim { return offered(second, "second-code", nil) }, "PasskeyEnrolled"},
		{"an analyst of everywhere", func() *events.Claim {
			return first.Sign(proposed(&events.OfficerProposed{Officer: "N1", Roles: []string{"analyst"}, Areas: []string{"jp"}}))
		}, "OfficerClaimRefusedill-formed"},
		{"a third site", func() *events.Claim {
			return offered(newcomer("A1"), "one-time", func(o *events.PasskeyOffered) { o.RelyingParty = "evil.example" })
		}, "OfficerClaimRefusedill-formed"},
		{"a recovery waits", func() *events.Claim { return recovery }, ""},
		{"for somebody else", func() *events.Claim { return approved(first) }, "SignInRefusedsame-person"},
		{"who administers", func() *events.Claim { return approved(clerk) }, "SignInRefusedrole"},
		{"the other administrator, when the code had lapsed", func() *events.Claim {
			w.Clock.SetTo(w.Clock.Now().Add(25 * time.Hour))
			return approved(second)
		}, "OfficerInvited"},
		{"whoever has found the lost key", func() *events.Claim {
			return clerk.Sign(proposed(&events.OfficerProposed{Officer: "C2", Roles: []string{"administrator"}}))
		}, "SignInRefusedunknown-key"},
		{"the clerk's new key", func() *events.Claim {
			clerk.Key = officer.NewSoftKey()
			return offered(clerk, "again", nil)
		}, "PasskeyEnrolled"},
		{"a past day", func() *events.Claim { return wanted("2016-01-01") }, "OfficerClaimRefusedill-formed"},
		{"from tomorrow", func() *events.Claim { return wanted("2030-01-01") }, "SignaturesRequired"},
		{"from today", func() *events.Claim {
			return wanted(w.Clock.Now().In(time.FixedZone("", 9*3600)).Format(time.DateOnly))
		}, "SignaturesRequired"},
		{"later after all", func() *events.Claim { return wanted("2030-01-01") }, "OfficerClaimRefusedin-force"},
		{"two officers", func() *events.Claim { return chosen("unblock") }, "FourEyesDefined"},
		{"two officers for what nobody can choose", func() *events.Claim { return chosen("hand-over") }, "OfficerClaimRefusedill-formed"},
		{"a clerk gives up another's key", func() *events.Claim { return given(clerk, first) }, "SignInRefusedrole"},
		{"an own key", func() *events.Claim { return given(clerk, clerk) }, "PasskeyRetired"},
		{"a recovery of who has none any more", func() *events.Claim { return first.Sign(invited("C1", "mine")) }, ""},
		{"a failed sign-in", func() *events.Claim {
			return claim(func(c *events.Claim) {
				c.Fact = &events.Claim_SignInFailed{SignInFailed: &events.SignInFailed{Officer: "C1", Reason: "unknown-key"}}
			}, nil)
		}, "SignInRefusedunknown-key"},
		{"a leave", func() *events.Claim {
			return first.Sign(claim(func(c *events.Claim) {
				c.Fact = &events.Claim_OfficerLeft{OfficerLeft: &events.OfficerLeft{Officer: "C1"}}
			}, nil))
		}, "OfficerRetired"},
	} {
		if got := outcome(step.claim()); got != step.want {
			t.Fatalf("%s: %s, want %s; %v", step.name, got, step.want, w.Quarantined())
		}
	}
	notes := dossier.Of(w.Vault, servicetest.Office, w.History(events.KindOffice, servicetest.Office)).Notes()
	if len(notes) != 2 || notes[0].Text != "証明 花子" {
		t.Errorf("the name is not sealed: %v", notes)
	}
	// A claim that has been decided is not decided again, and what another process has recorded meanwhile is read first.
	c := d.Received(first.Sign(proposed(&events.OfficerProposed{Officer: "C3", Roles: []string{"clerk"}})))
	servicetest.Check(t, w.RA.Handle(t.Context(), c))
	c.Redelivered = true
	before := len(w.History(events.KindOffice, servicetest.Office))
	servicetest.Check(t, w.RA.Handle(t.Context(), c))
	if n := len(w.History(events.KindOffice, servicetest.Office)); n != before {
		t.Errorf("%d commits, %d before it came again", n, before)
	}
	env := eventlog.Envelope{CommandID: "elsewhere", Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "test"}}
	_, err := w.As(eventlog.RoleOperator).Update(t.Context(), events.KindOffice, servicetest.Office, env, func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.OfficerRetired{Officer: "A1"})}, nil
	})
	servicetest.Check(t, err)
	if got := outcome(first.Sign(proposed(enrolment))); got != "SignInRefusedretired" {
		t.Errorf("an administrator whom another process has retired: %s", got)
	}
}
