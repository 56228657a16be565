package officer

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Reason is why somebody is not believed to be an officer, or may not do what they ask for; an error, and the word of it in
// events.
type Reason string

func (r Reason) Error() string { return "officer: " + string(r) }

// Why somebody is not believed.
const (
	// Unsigned: the office requires a signature, and there is none.
	Unsigned Reason = "unsigned"
	// Unknown: the office has no officer of that code.
	Unknown Reason = "unknown-officer"
	// Ambiguous: officers of two offices have that code here.
	Ambiguous Reason = "ambiguous-officer"
	// Retired: the officer was retired.
	Retired Reason = "retired"
	// OutOfTerm: it is before the officer's first day or after the last.
	OutOfTerm Reason = "out-of-term"
	// NotAllowed: none of the officer's roles may do that.
	NotAllowed Reason = "role"
	// UnknownKey: the passkey is not one of the officer's, or is no longer.
	UnknownKey Reason = "unknown-key"
	// OtherBytes: the signature is over something else, a replay for one.
	OtherBytes Reason = "other-bytes"
	// OtherOrigin: it was made for another site.
	OtherOrigin Reason = "other-origin"
	// Unverified: the authenticator did not verify its user.
	Unverified Reason = "user-not-verified"
	// BadSignature: it is not the passkey's.
	BadSignature Reason = "signature"
	// Software: the key is held by a program, which only a demonstration believes.
	Software Reason = "software-key"
	// SamePerson: the second officer is the first.
	SamePerson Reason = "same-person"
)

// Why what is asked about officers can't be done.
const (
	// CodeTaken: an officer of another office acts there under that code.
	CodeTaken Reason = "code-taken"
	// IllFormed: a role, an office, a day or an area is none.
	IllFormed Reason = "ill-formed"
	// NoInvitation: no invitation has that code, or it has ended or was used.
	NoInvitation Reason = "no-invitation"
	// KeyTaken: the passkey is somebody's already, or is of a kind that can't be verified.
	KeyTaken Reason = "key-taken"
	// TwoNeeded: an officer who has a passkey is invited anew by two administrators.
	TwoNeeded Reason = "two-administrators"
	// InForce: signatures are required already, and can't be waived by a later day.
	InForce Reason = "in-force"
)

// Reasons lists all words of reasons.
func Reasons() []Reason {
	return []Reason{
		Unsigned, Unknown, Ambiguous, Retired, OutOfTerm, NotAllowed, UnknownKey, OtherBytes, OtherOrigin, Unverified, BadSignature, Software, SamePerson,
		CodeTaken, IllFormed, NoInvitation, KeyTaken, TwoNeeded, InForce,
	}
}

// Passkey is a key with which an officer signs.
type Passkey struct {
	Credential   []byte
	PublicKey    []byte // a COSE_Key
	RelyingParty string
	// CounterHost: RelyingParty is the host name of a counter.
	CounterHost bool
	Software    bool
	// CodeSHA256 is that of the invitation by which it was enrolled.
	CodeSHA256 []byte
	// From and Until bound the time in which it is believed; a zero Until has not come.
	From, Until time.Time
}

// InForce reports whether what the key signs is believed: it was not given up, and its officer not retired.
func (k Passkey) InForce() bool { return k.Until.IsZero() }

// Invitation lets an officer enrol passkeys with a code.
type Invitation struct {
	CodeSHA256 []byte
	Until      time.Time
}

// Officer is an officer as of a moment.
type Officer struct {
	Code, Home string
	Roles      []Role
	Offices    []string
	Areas      []string
	// From and Until are the first and last day of the term; zero: none.
	From, Until civil.Date
	// Identity is SHA-256 over issuer, a zero byte and subject of an account that opens reading sessions; nil: none.
	Identity    []byte
	Retired     bool
	Passkeys    []Passkey
	Invitations []Invitation
	// Since is when the code was first enrolled here.
	Since time.Time
}

// Key returns the officer's passkey of that credential id. The error is UnknownKey.
func (o Officer) Key(credential []byte) (Passkey, error) {
	for _, k := range o.Passkeys {
		if bytes.Equal(k.Credential, credential) && k.InForce() {
			return k, nil
		}
	}
	return Passkey{}, UnknownKey
}

// HasKey reports whether the officer has a passkey to sign with.
func (o Officer) HasKey() bool {
	return slices.ContainsFunc(o.Passkeys, Passkey.InForce)
}

// HadKey reports whether the officer has, or ever had, a passkey: then somebody new who comes in under the code is taken for who
// signed before.
func (o Officer) HadKey() bool { return len(o.Passkeys) > 0 }

// Invitation returns the invitation by which the officer can enrol a passkey at a kind of site: the newest, unless it has ended or
// was used there already. The error is NoInvitation.
func (o Officer) Invitation(kind SiteKind, at time.Time) (Invitation, error) {
	if len(o.Invitations) == 0 {
		return Invitation{}, NoInvitation
	}
	newest := o.Invitations[len(o.Invitations)-1]
	used := slices.ContainsFunc(o.Passkeys, func(k Passkey) bool {
		return k.Site() == kind && bytes.Equal(k.CodeSHA256, newest.CodeSHA256)
	})
	if used || !at.Before(newest.Until) {
		return Invitation{}, NoInvitation
	}
	return newest, nil
}

// InTerm returns why an officer can't act on a day, or nil. Errors: Retired, OutOfTerm.
func (o Officer) InTerm(on civil.Date) error {
	switch {
	case o.Retired:
		return Retired
	case o.From != (civil.Date{}) && on.Before(o.From), o.Until != (civil.Date{}) && on.After(o.Until):
		return OutOfTerm
	}
	return nil
}

// Position is the place of an event in its office's history.
type Position struct{ Revision, Index uint64 }

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Revision, q.Revision), cmp.Compare(p.Index, q.Index))
}

type entry struct {
	Position
	at    time.Time
	actor events.ActorKind
	body  events.Body
}

// History is what the events of one office say about its officers, in whatever order they are added. The zero History is empty.
type History struct {
	entries []entry // in their order in the office's history
	// codes and also are the officers that were ever enrolled, and the further offices that they were ever let act at.
	codes, also map[string]struct{}
}

// Add adds an event of the office, recorded at a time; others than those about officers are passed over.
func (h *History) Add(at Position, recorded time.Time, actor *events.Actor, body events.Body) {
	if IsAbout(body) {
		h.insert(entry{at, recorded, actor.GetKind(), body})
	}
	if enrolled, ok := body.(*events.OfficerEnrolled); ok {
		h.index(enrolled)
	}
}

// insert puts an entry in its place, which nearly always is the end.
func (h *History) insert(e entry) {
	i := len(h.entries)
	for i > 0 && h.entries[i-1].compare(e.Position) > 0 {
		i--
	}
	h.entries = slices.Insert(h.entries, i, e)
}

func (h *History) index(b *events.OfficerEnrolled) {
	if h.codes == nil {
		h.codes, h.also = map[string]struct{}{}, map[string]struct{}{}
	}
	h.codes[b.Officer] = struct{}{}
	for _, office := range b.Offices {
		h.also[office] = struct{}{}
	}
}

// Knows reports whether an officer of that code was ever enrolled.
func (h *History) Knows(code string) bool {
	_, ok := h.codes[code]
	return ok
}

// Reaches reports whether an officer was ever let act at a further office.
func (h *History) Reaches(office string) bool {
	_, ok := h.also[office]
	return ok
}

// IsAbout reports whether an event says who may act at an office, or what the office demands.
func IsAbout(body events.Body) bool {
	switch body.(type) {
	case *events.OfficerEnrolled, *events.OfficerRetired, *events.OfficerInvited, *events.PasskeyEnrolled, *events.PasskeyRetired,
		*events.SignaturesRequired, *events.FourEyesDefined, *events.PasswordsAllowed:
		return true
	}
	return false
}

// Offices returns the further offices where an officer may act or ever might, each perhaps more than once.
func (h *History) Offices(code string) (offices []string) {
	for _, e := range h.entries {
		if enrolled, ok := e.body.(*events.OfficerEnrolled); ok && enrolled.Officer == code {
			offices = append(offices, enrolled.Offices...)
		}
	}
	return offices
}

// AsOf returns the time of the newest event.
func (h *History) AsOf() (newest time.Time) {
	for _, e := range h.entries {
		if e.at.After(newest) {
			newest = e.at
		}
	}
	return newest
}

// Empty reports whether the office has told nothing about officers.
func (h *History) Empty() bool { return len(h.entries) == 0 }

// Has reports whether a passkey of that credential id was ever enrolled.
func (h *History) Has(credential []byte) bool {
	return slices.ContainsFunc(h.entries, func(e entry) bool {
		enrolled, ok := e.body.(*events.PasskeyEnrolled)
		return ok && bytes.Equal(enrolled.Credential, credential)
	})
}

// At returns the office's officers and its demands as recorded up to a moment.
func (h *History) At(office string, moment time.Time) Office {
	o := Office{ID: office, officers: map[string]*Officer{}}
	for _, e := range h.entries {
		if !e.at.After(moment) {
			o.take(e)
		}
	}
	return o
}

// Office is who may act at one office, as of a moment.
type Office struct {
	ID       string
	officers map[string]*Officer
	required civil.Date
	fourEyes []fourEyes
	// passwords: officers may sign in to the console with one.
	passwords bool
}

type fourEyes struct {
	from civil.Date
	acts []string
}

// Officers returns the office's own officers, by code, the retired ones included.
func (o Office) Officers() []Officer {
	var all []Officer
	for _, code := range slices.Sorted(maps.Keys(o.officers)) {
		all = append(all, *o.officers[code])
	}
	return all
}

// Officer returns one of the office's own officers. The error is Unknown.
func (o Office) Officer(code string) (Officer, error) {
	if found := o.officers[code]; found != nil {
		return *found, nil
	}
	return Officer{}, Unknown
}

// Standing returns one of the office's own officers who is not retired. Errors: Unknown, Retired.
func (o Office) Standing(code string) (Officer, error) {
	found, err := o.Officer(code)
	if err == nil && found.Retired {
		err = Retired
	}
	return found, err
}

// Required returns the first day on which officers must sign; zero: they need not.
func (o Office) Required() civil.Date { return o.required }

// Passwords reports whether the office's officers may sign in to the console with a password.
func (o Office) Passwords() bool { return o.passwords }

// RequiredOn reports whether officers must sign on a day.
func (o Office) RequiredOn(day civil.Date) bool {
	return o.required != (civil.Date{}) && !day.Before(o.required)
}

// FourEyes returns the acts that need a second officer on a day.
func (o Office) FourEyes(day civil.Date) []string {
	var chosen []string
	said := false
	for _, f := range o.fourEyes {
		if f.from == (civil.Date{}) || !day.Before(f.from) {
			chosen, said = f.acts, true
		}
	}
	var words []string
	for _, a := range acts {
		if a.Pairs == Always || said && a.Pairs != Single && slices.Contains(chosen, a.Word) || !said && a.Pairs == Usual {
			words = append(words, a.Word)
		}
	}
	return words
}

// FourEyesAfter returns the acts that need a second officer from days after a day on, in the order of the days.
func (o Office) FourEyesAfter(day civil.Date) (coming []*events.FourEyesDefined) {
	var days []civil.Date
	for _, f := range o.fourEyes {
		if f.from.After(day) {
			days = append(days, f.from)
		}
	}
	slices.SortFunc(days, civil.Date.Compare)
	for _, from := range slices.Compact(days) {
		coming = append(coming, &events.FourEyesDefined{Acts: o.FourEyes(from), From: from.String()})
	}
	return coming
}

// Administered reports whether the office has an administrator who can sign: then only administrators may say who its officers
// are, and nobody at the centre.
func (o Office) Administered() bool {
	for _, a := range o.officers {
		if a.HasKey() && !a.Retired && slices.Contains(a.Roles, Administrator) {
			return true
		}
	}
	return false
}

// take applies one event. What the centre's operators say about who is an officer counts only while nobody administers the
// office, and then they can't waive what it demands: otherwise an operator could act in an officer's name. A retirement always
// counts.
func (o *Office) take(e entry) {
	fromCentre := e.actor == events.ActorKind_ACTOR_KIND_OPERATOR && o.Administered()
	switch b := e.body.(type) {
	case *events.OfficerEnrolled:
		if !fromCentre {
			o.enrol(b, e.at)
		}
	case *events.OfficerRetired:
		o.change(b.Officer, func(a *Officer) { a.retire(e.at) })
	case *events.OfficerInvited:
		o.change(b.Officer, func(a *Officer) {
			if e.actor != events.ActorKind_ACTOR_KIND_OPERATOR || !fromCentre && !a.HasKey() {
				a.Invitations = append(a.Invitations, Invitation{b.CodeSha256, time.UnixMilli(b.UntilMs)})
			}
		})
	case *events.PasskeyEnrolled:
		o.change(b.Officer, func(a *Officer) {
			a.Passkeys = append(a.Passkeys, Passkey{
				Credential: b.Credential, PublicKey: b.PublicKey, RelyingParty: b.RelyingParty, CounterHost: b.CounterHost, Software: b.Software,
				CodeSHA256: b.CodeSha256, From: e.at,
			})
		})
	case *events.PasskeyRetired:
		o.change(b.Officer, func(a *Officer) { a.retireKey(b.Credential, e.at) })
	case *events.SignaturesRequired:
		if from, _ := civil.Parse(b.From); !fromCentre || o.tightens(from) {
			o.required = from
		}
	case *events.PasswordsAllowed:
		o.passwords = b.Allowed && (!fromCentre || o.passwords)
	case *events.FourEyesDefined:
		from, _ := civil.Parse(b.From)
		chosen := b.Acts
		if fromCentre {
			chosen = slices.Concat(o.FourEyes(from), chosen)
		}
		o.fourEyes = append(o.fourEyes, fourEyes{from, chosen})
	}
}

// tightens reports whether a first day on which officers must sign waives nothing.
func (o *Office) tightens(from civil.Date) bool {
	return from != (civil.Date{}) && (o.required == (civil.Date{}) || !from.After(o.required))
}

func (o *Office) change(code string, apply func(*Officer)) {
	if a := o.officers[code]; a != nil {
		apply(a)
	}
}

// enrol sets what an officer may do. Who was retired starts without passkeys.
func (o *Office) enrol(b *events.OfficerEnrolled, at time.Time) {
	a := o.officers[b.Officer]
	if a == nil {
		a = &Officer{Code: b.Officer, Home: o.ID, Since: at}
		o.officers[b.Officer] = a
	}
	a.Roles = nil
	for _, word := range b.Roles {
		a.Roles = append(a.Roles, Role(word))
	}
	a.Offices, a.Areas, a.Identity, a.Retired = b.Offices, b.Areas, b.IdentitySha256, false
	a.From, _ = civil.Parse(b.From) // empty is no bound
	a.Until, _ = civil.Parse(b.Until)
}

func (a *Officer) retire(at time.Time) {
	a.Retired, a.Invitations = true, nil
	a.endKeys(at, Passkey.InForce)
}

func (a *Officer) retireKey(credential []byte, at time.Time) {
	a.endKeys(at, func(k Passkey) bool { return k.InForce() && bytes.Equal(k.Credential, credential) })
}

func (a *Officer) endKeys(at time.Time, ends func(Passkey) bool) {
	for i, k := range a.Passkeys {
		if ends(k) {
			a.Passkeys[i].Until = at
		}
	}
}
