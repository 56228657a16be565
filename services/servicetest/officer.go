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

// Officer enrols an officer with a passkey.
func (w *World) Officer(office, code string, roles ...officer.Role) *Officer {
	w.T.Helper()
	o := &Officer{World: w, Office: office, Code: code, Key: officer.NewSoftKey()}
	var words []string
	for _, role := range roles {
		words = append(words, string(role))
	}
	w.Record(events.KindOffice, office, &events.OfficerEnrolled{Officer: code, Roles: words})
	key := o.Key.Passkey()
	w.Record(events.KindOffice, office, &events.PasskeyEnrolled{
		Officer: code, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty, Software: true,
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
