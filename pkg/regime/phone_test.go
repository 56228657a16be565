package regime

import (
	"slices"
	"testing"
	"time"
)

func TestPhoneIssue(t *testing.T) {
	both := []Kind{Auth, Sign}
	for _, c := range []struct {
		name    string
		in      PhoneIn
		applied ID
		refused []ID
	}{
		{"android before its day", PhoneIn{Platform: Android, On: day("2023-05-10"), Kinds: both, OnCard: both}, "", []ID{"mynumber.phone.android-not-yet"}},
		{"android on its day", PhoneIn{Platform: Android, On: day("2023-05-11"), Kinds: both, OnCard: both}, "mynumber.phone.android", nil},
		{"iphone before its day", PhoneIn{Platform: IPhone, On: day("2025-06-23"), Kinds: both, OnCard: both}, "", []ID{"mynumber.phone.iphone-not-yet"}},
		{"iphone on its day", PhoneIn{Platform: IPhone, On: day("2025-06-24"), Kinds: both, OnCard: both}, "mynumber.phone.iphone", nil},
		{"no authentication certificate on the card", PhoneIn{Platform: Android, On: day("2024-01-09"), Kinds: both, OnCard: []Kind{Sign}}, "", []ID{"mynumber.phone.card-certificate-needed"}},
		{"signature again", PhoneIn{Platform: Android, On: day("2024-01-09"), Kinds: []Kind{Sign}, OnCard: both, Held: []Kind{Auth}}, "mynumber.phone.android", nil},
		{"twice", PhoneIn{Platform: Android, On: day("2024-01-09"), Kinds: both, OnCard: both, Held: []Kind{Auth}}, "", []ID{"mynumber.phone.one-set"}},
		{"another android", PhoneIn{Platform: Android, On: day("2024-01-09"), Kinds: both, OnCard: both, Other: true}, "", []ID{"mynumber.phone.another-of-its-kind"}},
		{"lost", PhoneIn{Platform: Android, On: day("2024-01-09"), Kinds: []Kind{Sign}, OnCard: both, Lost: true}, "", []ID{"mynumber.phone.reported-lost"}},
	} {
		got, err := PhoneIssue(c.in)
		if err != nil || !slices.Equal(got.Refused, c.refused) || c.applied != "" && !slices.Contains(got.Applied, c.applied) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if _, err := PhoneIssue(PhoneIn{Platform: "pager", On: day("2024-01-09")}); err == nil {
		t.Error("a pager passes for a smartphone")
	}
}

func TestPhoneProof(t *testing.T) {
	filed := tokyo("2024-01-07 03:00:00") // a Sunday, at night
	for _, c := range []struct {
		name       string
		signed     bool
		made, last time.Time
		refused    []ID
	}{
		{"signed", true, filed.Add(-time.Minute), time.Time{}, nil},
		{"not signed", false, filed, time.Time{}, []ID{"mynumber.phone.signature-needed"}},
		{"the last one again", true, filed.Add(-time.Hour), filed.Add(-time.Hour), []ID{"mynumber.phone.not-fresh"}},
		{"of yesterday", true, filed.Add(-24 * time.Hour), time.Time{}, []ID{"mynumber.phone.not-fresh"}},
		{"of tomorrow", true, filed.Add(24 * time.Hour), time.Time{}, []ID{"mynumber.phone.not-fresh"}},
	} {
		got := PhoneProof(c.signed, c.made, c.last, filed)
		if !slices.Equal(got.Refused, c.refused) || !slices.Contains(got.Applied, "mynumber.phone.day-and-night") ||
			slices.Contains(got.Applied, "mynumber.phone.signed-with-card") != c.signed {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestPhoneAtCounter(t *testing.T) {
	office := Office{Municipality: "12237"}
	if got := office.PhoneAtCounter(false, tokyo("2024-01-09 10:00:00")); !got.Accepted() {
		t.Errorf("a revocation in office hours: %+v", got)
	}
	if got := office.PhoneAtCounter(false, tokyo("2024-01-07 10:00:00")); !slices.Equal(got.Refused, []ID{"office.closed.sunday"}) {
		t.Errorf("a revocation on a Sunday: %+v", got)
	}
	if got := office.PhoneAtCounter(true, tokyo("2024-01-09 10:00:00")); !slices.Equal(got.Refused, []ID{"mynumber.phone.signature-needed"}) {
		t.Errorf("an issue at a counter: %+v", got)
	}
}

func TestPhoneRelease(t *testing.T) {
	if got := PhoneRelease(false, false); !slices.Equal(got.Refused, []ID{"mynumber.phone.not-lost"}) {
		t.Errorf("one that was not lost: %+v", got)
	}
	if got := PhoneRelease(true, false); !got.Accepted() || len(got.Applied) != 0 {
		t.Errorf("found: %+v", got)
	}
	if got := PhoneRelease(true, true); !slices.Equal(got.Applied, []ID{"mynumber.phone.card-suspended"}) || !got.Accepted() {
		t.Errorf("found while the card is suspended: %+v", got)
	}
}

func TestPhoneValidityAndFee(t *testing.T) {
	v := PhoneValidity(day("2028-06-18"))
	if v.LastDay != day("2028-06-18") || v.Binds != "mynumber.phone.card-certificate-caps" || v.NotAfter != day("2028-06-18").EndInstant() ||
		!v.WindowOpens.IsZero() || !slices.Contains(v.Applied, "mynumber.phone.no-own-notice") {
		t.Errorf("validity: %+v", v)
	}
	if fee := PhoneFee(); fee.Yen != 0 || fee.Items[0].Rule != "mynumber.fee.phone" {
		t.Errorf("fee: %+v", fee)
	}
}

// Smartphones (law.md 10.2): what is theirs alone. What they share with the card follows it.
func TestPhoneConsequences(t *testing.T) {
	for _, c := range []struct {
		event      Event
		sign, auth Effect
		reason     CRLReason
		rule       ID
	}{
		{EvSmartphoneLost, Suspend, Suspend, CertificateHold, "mynumber.phone.ends.lost"},
		{EvSmartphoneFound, Revoke, Release, KeyCompromise, "mynumber.phone.ends.found"},
		{EvSmartphoneRevoked, Revoke, Revoke, CessationOfOperation, "mynumber.phone.ends.holder-application"},
	} {
		got, err := PhoneConsequences(c.event)
		if err != nil || got.Sign.Effect != c.sign || got.Auth.Effect != c.auth || got.Card.Effect != Keep || got.Sign.Reason != c.reason ||
			got.Sign.Rule != c.rule || got.Rules[0] != c.rule {
			t.Errorf("%s: %+v, %v", c.event, got, err)
		}
	}
	if _, err := PhoneConsequences(EvAddress); err == nil {
		t.Error("a change of address reaches a smartphone otherwise than through the card's certificate")
	}
	if r, ok := Lookup(PhoneFollows); !ok || r.ID != "mynumber.phone.follows-card" {
		t.Errorf("the rule by which it follows: %+v", r)
	}
}
