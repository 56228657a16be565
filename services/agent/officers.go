package agent

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/officer"
)

// Officers says who may act at this counter's office, and what the office demands of them, as the centre last told. It stays
// known without the centre. The zero Officers is that of a counter that was told nothing.
type Officers struct {
	told *events.OfficeOfficers
	list []officer.Officer
}

// Officers returns what the centre last told about the officers of this counter's office.
func (c *Counter) Officers() Officers {
	if told := c.officers.Load(); told != nil {
		return *told
	}
	return Officers{}
}

// receiveOfficers stores a new list of officers; one older than that in force is passed over.
func (c *Counter) receiveOfficers(told *events.OfficeOfficers, signed []byte) error {
	c.recording.RLock()
	defer c.recording.RUnlock()
	if told.GetAsOfMs() < c.Officers().told.GetAsOfMs() {
		return nil
	}
	if err := c.store.putMeta(keyOfficers, signed); err != nil {
		return fmt.Errorf("storing the office's officers: %w", err)
	}
	c.officers.Store(officersOf(told))
	c.notifyAll()
	return nil
}

// recallOfficers loads the stored list, which is kept sealed and signed as received. One that this bundle's hub has not signed is
// not believed; the centre judges what is filed without it.
func (c *Counter) recallOfficers() {
	signed := c.store.meta(keyOfficers)
	if signed == nil {
		return
	}
	d, err := counterlink.VerifyDownlink(c.cfg.HubWriters, c.cfg.SealKey, c.cfg.Counter, signed)
	if err != nil {
		c.alarm(fmt.Errorf("the office's officers in the store, until the centre sends them again: %w", err))
		return
	}
	c.officers.Store(officersOf(d.GetOfficers()))
}

func officersOf(told *events.OfficeOfficers) *Officers {
	o := &Officers{told: told}
	for _, t := range told.GetOfficers() {
		one := officer.Officer{Code: t.GetOfficer(), Home: t.GetHome(), Passkeys: keysOf(t)}
		one.From, _ = civil.Parse(t.GetFrom()) // empty is no bound
		one.Until, _ = civil.Parse(t.GetUntil())
		for _, role := range t.GetRoles() {
			one.Roles = append(one.Roles, officer.Role(role))
		}
		if len(t.GetInvitedSha256()) > 0 {
			one.Invitations = []officer.Invitation{{CodeSHA256: t.GetInvitedSha256(), Until: time.UnixMilli(t.GetInvitedUntilMs())}}
		}
		o.list = append(o.list, one)
	}
	return o
}

func keysOf(t *events.OfficeOfficer) []officer.Passkey {
	var keys []officer.Passkey
	for _, k := range t.GetKeys() {
		keys = append(keys, officer.Passkey{
			Credential: k.GetCredential(), PublicKey: k.GetPublicKey(), RelyingParty: k.GetRelyingParty(), Software: k.GetSoftware(),
		})
	}
	return keys
}

// All returns the officers, those out of term included.
func (o Officers) All() []officer.Officer { return slices.Clone(o.list) }

// SetUp reports whether the office has officers.
func (o Officers) SetUp() bool { return len(o.list) > 0 }

// Find returns the officer who has a passkey, by its credential id. The error is officer.UnknownKey.
func (o Officers) Find(credential []byte) (officer.Officer, error) {
	for _, one := range o.list {
		if slices.ContainsFunc(one.Passkeys, func(k officer.Passkey) bool { return bytes.Equal(k.Credential, credential) }) {
			return one, nil
		}
	}
	return officer.Officer{}, officer.UnknownKey
}

// Officer returns the officer who acts under a code. Errors: officer.Unknown, officer.Ambiguous.
func (o Officers) Officer(code string) (officer.Officer, error) {
	found, err := officer.Officer{}, error(officer.Unknown)
	for _, one := range o.list {
		switch {
		case one.Code != code:
		case err == nil:
			return officer.Officer{}, officer.Ambiguous
		default:
			found, err = one, nil
		}
	}
	return found, err
}

// RequiredOn reports whether officers must sign on a day.
func (o Officers) RequiredOn(day civil.Date) bool {
	from := o.Required()
	return from != (civil.Date{}) && !day.Before(from)
}

// Required returns the day from which officers must sign; the zero date if they need not.
func (o Officers) Required() civil.Date {
	from, _ := civil.Parse(o.told.GetRequiredFrom()) // empty is no day
	return from
}

// NeedsSecond reports whether an act needs a second officer here on a day, by its word.
func (o Officers) NeedsSecond(act string, on civil.Date) bool {
	words := o.told.GetFourEyes()
	for _, coming := range o.told.GetFourEyesComing() {
		if from, err := civil.Parse(coming.GetFrom()); err == nil && !on.Before(from) {
			words = coming.GetActs()
		}
	}
	return slices.Contains(words, act)
}

// AsOf returns the centre's time of the newest change, in milliseconds; zero if the centre has told nothing.
func (o Officers) AsOf() int64 { return o.told.GetAsOfMs() }

// Demonstration reports whether keys in software are believed.
func (o Officers) Demonstration() bool { return o.told.GetDemonstration() }

// judge returns why an act that is signed so, or unsigned with a nil signature, is not to be filed on a day; nil if it is. The
// error is an officer.Reason.
func (o Officers) judge(claim *events.Claim, act []byte, signature *events.Assertion, on civil.Date) error {
	kind := officer.ActOf(claim)
	if signature == nil {
		if kind.Signed() && claim.GetPasskeyOffered() == nil && o.RequiredOn(on) { // an offered passkey is proven by the invitation's code
			return officer.Unsigned
		}
		return nil
	}
	who, err := o.Officer(claim.GetOfficer())
	if err == nil {
		err = who.InTerm(on)
	}
	if err != nil {
		return err
	}
	key, err := who.Key(signature.GetCredential())
	switch {
	case err != nil:
		return err
	case key.Software && !o.Demonstration():
		return officer.Software
	case !kind.May(who.Roles):
		return officer.NotAllowed
	}
	return officer.Verify(signature, events.ActChallenge(act), key)
}
