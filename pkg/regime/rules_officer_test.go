package regime

import "testing"

// Who is refused as an officer is told why and what to do.
func TestOfficersAreToldWhyAndWhatNext(t *testing.T) {
	for _, id := range []string{
		"officer.unsigned", "officer.unknown-officer", "officer.ambiguous-officer", "officer.retired", "officer.out-of-term", "officer.role",
		"officer.unknown-key", "officer.other-bytes", "officer.other-origin", "officer.user-not-verified", "officer.signature", "officer.software-key",
		"officer.same-person", "officer.code-taken", "officer.ill-formed", "officer.no-invitation", "officer.key-taken", "officer.two-administrators",
		"officer.in-force",
	} {
		if r, ok := Lookup(id); !ok || r.NextJA == "" {
			t.Errorf("%s: %+v", id, r)
		}
	}
}
