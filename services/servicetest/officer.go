package servicetest

import (
	"shomei/events"
	"shomei/pkg/officer"
)

// Clerk is an officer with a passkey.
type Clerk struct {
	Code string
	Key  *officer.SoftKey
}

// Officer enrols an officer with a passkey, past the claims by which that is done. The log takes the passkey for one in hardware.
func (w *World) Officer(office string, enrolled *events.OfficerEnrolled) Clerk {
	w.T.Helper()
	c := Clerk{enrolled.Officer, officer.NewSoftKey()}
	w.Record(events.KindOffice, office, enrolled)
	w.Record(events.KindOffice, office, c.enrolment(false))
	return c
}

func (c Clerk) enrolment(software bool) *events.PasskeyEnrolled {
	k := c.Key.Passkey()
	return &events.PasskeyEnrolled{
		Officer: c.Code, Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty, Software: software,
	}
}

// Sign makes a claim the officer's own.
func (d *Desk) Sign(by Clerk, c *events.Claim) *events.Claim {
	d.World.T.Helper()
	c.Officer = by.Code
	c.Act = must(events.ActOf(c))(d.World.T)
	c.Assertion = must(by.Key.Sign(events.ActChallenge(c.Act)))(d.World.T)
	return c
}
