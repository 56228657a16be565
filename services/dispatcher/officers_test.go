package dispatcher_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/services/servicetest"
)

// officersTold returns who a counter was told may act at it, by the newest message, and the answers it got.
func officersTold(d *servicetest.Desk) (newest *events.OfficeOfficers, answers []string) {
	for _, m := range d.Told() {
		if told := m.GetOfficers(); told != nil && told.AsOfMs >= newest.GetAsOfMs() {
			newest = told
		}
		if a := m.GetAnswer(); a != nil {
			answers = append(answers, fmt.Sprintf("%s %v %v", a.Claim, a.Accepted, a.Refusals))
		}
	}
	return newest, answers
}

// Counters hear who may act there, at every change at whatever office, and how their claims about officers were decided.
func TestCountersHearOfTheirOfficers(t *testing.T) {
	const other = "12237-east"
	w := servicetest.New(t, morning)
	w.DefineOffice(other, &events.OfficeDefined{})
	here, there, register := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(other, "e1", "counter"), w.Enrol(servicetest.Office, "r1", "register")
	r := start(t, w, nil)
	r.settled(t)
	if told, _ := officersTold(here); told != nil {
		t.Errorf("an office without officers tells %v", told)
	}
	admin := w.Officer(servicetest.Office, "A1", officer.Administrator)
	until := w.Clock.Now().Add(time.Hour).UnixMilli()
	proposed := func(offices ...string) *events.Claim {
		return admin.Sign(here.Claim("", "", func(c *events.Claim) {
			c.Fact = &events.Claim_OfficerProposed{OfficerProposed: &events.OfficerProposed{Officer: "C1", Roles: []string{"clerk"}, Offices: offices, Until: "2020-12-31"}}
		}, nil))
	}
	enrolled, invited := proposed(other), admin.Sign(here.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_InvitationMade{InvitationMade: &events.InvitationMade{Officer: "C1", CodeSha256: officer.CodeHash("code"), UntilMs: until}}
	}, nil))
	wrong := proposed("nowhere-1")
	forged := here.Claim("", "", func(c *events.Claim) { c.Fact = enrolled.Fact }, nil)
	for _, c := range []*events.Claim{enrolled, invited, wrong, forged} {
		here.Decide(c)
	}
	r.settled(t)
	told, answers := officersTold(here)
	if len(told.GetOfficers()) != 2 || told.Officers[0].Officer != "A1" || len(told.Officers[0].Keys) != 1 || told.Officers[0].Keys[0].RelyingParty != officer.Counters {
		t.Fatalf("told: %v", told)
	}
	if c := told.Officers[1]; c.Home != servicetest.Office || c.Until != "2020-12-31" || !slices.Equal(c.InvitedSha256, officer.CodeHash("code")) || c.InvitedUntilMs != until {
		t.Errorf("told: %v", c)
	}
	slices.Sort(answers)
	want := []string{
		enrolled.Id + " true []", invited.Id + " true []", wrong.Id + " false [officer.ill-formed]", forged.Id + " false [claim.quarantined officer.unsigned]",
	}
	if slices.Sort(want); !slices.Equal(answers, want) {
		t.Errorf("answers: %q, want %q", answers, want)
	}
	if told, _ := officersTold(there); len(told.GetOfficers()) != 1 || told.Officers[0].Officer != "C1" || told.Officers[0].InvitedSha256 != nil {
		t.Errorf("at the other office: %v", told)
	}
	if told, _ := officersTold(register); told != nil {
		t.Errorf("a register is told %v", told)
	}
	w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
	here.Decide(proposed())
	w.Record(events.KindOffice, servicetest.Office, &events.SignaturesRequired{From: "2020-02-01"})
	r.settled(t)
	if told, _ := officersTold(there); told == nil || len(told.Officers) != 0 {
		t.Errorf("at the other office after the leave: %v", told)
	}
	later := w.Enrol(servicetest.Office, "c2", "counter")
	r.settled(t)
	if told, _ := officersTold(later); len(told.GetOfficers()) != 2 || told.RequiredFrom != "2020-02-01" || told.Demonstration {
		t.Errorf("a new counter is told %v", told)
	}
	r.stop(t)
}
