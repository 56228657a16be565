package regime

import (
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Platform is a kind of smartphone.
type Platform string

const (
	Android Platform = "android"
	IPhone  Platform = "iphone"
)

// PhoneIn is what certificates on a smartphone depend on. They are issued in addition to those of a My Number card,
// never in their place (law.md 10.1).
type PhoneIn struct {
	Platform Platform
	On       civil.Date // day of filing
	Kinds    []Kind     // those applied for
	// OnCard are the kinds of the card's certificates in force, neither suspended nor undelivered.
	OnCard []Kind
	// Held are the kinds of this smartphone's certificates in force.
	Held []Kind
	// Other: another smartphone of the platform holds certificates in force.
	Other bool
	// Lost: this smartphone was reported lost and not found again.
	Lost bool
}

// phonePlatforms are the rules by which certificates on a platform have begun, or not yet.
var phonePlatforms = map[Platform]struct {
	from              civil.Date
	begun, notYetRule ID
}{
	Android: {androidDay, android, androidNotYet},
	IPhone:  {iPhoneDay, iPhone, iPhoneNotYet},
}

// PhoneIssue judges whether certificates may be issued to a smartphone. That the holder is 15 or older, lives here and
// so on follows from the card's signature certificate, which proves the application. All refusals are listed; an
// unknown platform is a *FieldError.
func PhoneIssue(in PhoneIn) (Ruling, error) {
	platform, known := phonePlatforms[in.Platform]
	if !known {
		return Ruling{}, Unknown("platform", "android, iphone")
	}
	var ruling Ruling
	if in.On.Before(platform.from) {
		ruling.Refuse(platform.notYetRule)
	} else {
		ruling.Apply(platform.begun)
	}
	for _, kind := range in.Kinds {
		switch {
		case slices.Contains(in.Held, kind):
			ruling.Refuse(phoneOneSet)
		case !slices.Contains(in.OnCard, kind):
			ruling.Refuse(phoneParent)
		}
	}
	if in.Other {
		ruling.Refuse(phoneOther)
	}
	if in.Lost {
		ruling.Refuse(phoneIsLost)
	}
	return ruling, nil
}

// PhoneProof judges the proof of an application from a smartphone: signed with the card's signature certificate in
// force, at made, later than the previous one and within a day of its receipt. It is accepted at any hour.
func PhoneProof(signed bool, made, last, filed time.Time) Ruling {
	ruling := Ruling{Applied: []ID{phoneOnline}}
	if signed {
		ruling.Apply(phoneProved)
	} else {
		ruling.Refuse(phoneSignature)
	}
	if !made.After(last) || filed.Sub(made).Abs() >= phoneFreshness {
		ruling.Refuse(phoneNotFresh)
	}
	return ruling
}

// phoneFreshness is how far the phone's clock may be from the receipt of what was signed by it.
const phoneFreshness = 24 * time.Hour

// PhoneAtCounter judges an application about a smartphone that a clerk receives, in the office's hours: a release or a
// revocation. An issue is applied for on the phone, where the keys are made.
func (o Office) PhoneAtCounter(issue bool, at time.Time) Ruling {
	ruling := o.Receives(MyNumber, OpRevoke, at).Ruling
	if issue {
		ruling.Refuse(phoneSignature)
	}
	return ruling
}

// PhoneRelease judges whether there is something to release: a smartphone that was reported lost. While the card's
// certificate is suspended, the phone's stays suspended.
func PhoneRelease(lost, cardSuspended bool) Ruling {
	switch {
	case !lost:
		return Ruling{Refused: []ID{phoneNotLost}}
	case cardSuspended:
		return Ruling{Applied: []ID{phoneCardHold}}
	}
	return Ruling{}
}

// PhoneValidity returns how long a certificate on a smartphone is valid: as long as the card's that it is bound to,
// without a renewal window or notice of its own.
func PhoneValidity(parentLastDay civil.Date) Validity {
	v := Validity{LastDay: parentLastDay, NotAfter: parentLastDay.EndInstant(), Binds: phoneTerm}
	v.add(Candidate{phoneTerm, parentLastDay})
	v.Apply(phoneTerm, lastDayIncluded, phoneNoNotice)
	return v
}

// PhoneFee returns the fee for certificates on a smartphone.
func PhoneFee() Fee {
	var fee Fee
	fee.add(phoneFee, 0)
	return fee
}

// PhoneConsequences returns what an event does to the certificates on one smartphone. An event of the card reaches them
// through the card's certificates ([PhoneFollows]) and is a *FieldError here.
func PhoneConsequences(event Event) (Consequences, error) {
	for _, row := range phoneEndings {
		if row.event == event {
			return row.consequences(ConsequenceIn{Regime: MyNumber, Event: event}), nil
		}
	}
	return Consequences{}, Unknown("event", "an event of a smartphone")
}
