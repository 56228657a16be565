package directory

import (
	"crypto/subtle"
	"time"

	"shomei/pkg/officer"
)

// OfficerByKey returns the officer of any office who has a passkey in force, by its credential id, as of a moment. Errors:
// officer.UnknownKey, officer.Ambiguous.
func (d *Directory) OfficerByKey(credential []byte, at time.Time) (officer.Officer, error) {
	return d.only(at, officer.UnknownKey, func(o officer.Officer) bool {
		_, err := o.Key(credential)
		return err == nil
	})
}

// OfficerByCode returns the officer of any office who has a code, as of a moment. Errors: officer.Unknown, officer.Ambiguous.
func (d *Directory) OfficerByCode(code string, at time.Time) (officer.Officer, error) {
	return d.only(at, officer.Unknown, func(o officer.Officer) bool { return o.Code == code })
}

// OfficerByIdentity returns the officer whose account at an identity provider has a hash, as of a moment. Errors: officer.Unknown,
// officer.Ambiguous.
func (d *Directory) OfficerByIdentity(identity []byte, at time.Time) (officer.Officer, error) {
	return d.only(at, officer.Unknown, func(o officer.Officer) bool { return len(identity) > 0 && string(o.Identity) == string(identity) })
}

// OfficerInvited returns the officer of any office whose newest invitation has a code of that hash, as of a moment. It may be used up or
// over. The error is officer.NoInvitation.
func (d *Directory) OfficerInvited(codeHash []byte, at time.Time) (officer.Officer, error) {
	return d.only(at, officer.NoInvitation, func(o officer.Officer) bool {
		n := len(o.Invitations)
		return n > 0 && subtle.ConstantTimeCompare(o.Invitations[n-1].CodeSHA256, codeHash) == 1
	})
}

// only returns the one officer who is meant.
func (d *Directory) only(at time.Time, none error, meant func(officer.Officer) bool) (found officer.Officer, err error) {
	d.mu.Lock() // a history sorts itself
	defer d.mu.Unlock()
	err = none
	for home := range d.officers {
		for _, o := range d.officersOf(home, at).Officers() {
			if !meant(o) {
				continue
			}
			if err == nil {
				return officer.Officer{}, officer.Ambiguous
			}
			found, err = o, nil
		}
	}
	return found, err
}
