package ca

import "encoding/asn1"

// The identifiers of the real JPKI (profile.md 5), for reading only: nothing made here holds them.
var (
	jpkiSAN = func() sanOIDs {
		oid := asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5}
		return sanOIDs{under(oid, 1), under(oid, 4), under(oid, 3), under(oid, 5), under(oid, 2), under(oid, 6)}
	}()
	jpkiPolicies = map[string]policyMeaning{
		"1.2.392.200149.8.5.1.1.20": {JPKI, Sign},
		"1.2.392.200149.8.5.1.3.30": {JPKI, Auth},
		"1.2.392.200149.8.5.1.1.40": {JPKISmartphone, Sign},
		"1.2.392.200149.8.5.1.0.20": {JPKITest, Sign},
	}
)
