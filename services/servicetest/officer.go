package servicetest

import (
	"shomei/events"
	"shomei/pkg/officer"
)

// Officer is an officer of an office with a passkey that the test holds.
type Officer struct {
	World        *World
	Office, Code string
	Key          *officer.SoftKey
}

// Officer enrols an officer with a passkey, past the claims by which that is done. A log that is no trial takes it for one in
// hardware.
func (w *World) Officer(office, code string, roles ...officer.Role) *Officer {
	w.T.Helper()
	var words []string
	for _, role := range roles {
		words = append(words, string(role))
	}
	return w.EnrolOfficer(office, &events.OfficerEnrolled{Officer: code, Roles: words})
}

// EnrolOfficer is Officer with everything that an enrolment says.
func (w *World) EnrolOfficer(office string, enrolled *events.OfficerEnrolled) *Officer {
	w.T.Helper()
	o := &Officer{World: w, Office: office, Code: enrolled.Officer, Key: officer.NewSoftKey()}
	w.Record(events.KindOffice, office, enrolled)
	key := o.Key.Passkey()
	w.Record(events.KindOffice, office, &events.PasskeyEnrolled{
		Officer: o.Code, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty, Software: w.Directory.Trial(),
	})
	return o
}

// Sign puts the officer's code and signature into a claim.
func (o *Officer) Sign(c *events.Claim) *events.Claim {
	o.World.T.Helper()
	c.Officer = o.Code
	c.Act = must(events.ActOf(c))(o.World.T)
	c.Assertion = must(o.Key.Sign(events.ActChallenge(c.Act)))(o.World.T)
	return c
}
