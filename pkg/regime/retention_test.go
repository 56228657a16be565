package regime

import "testing"

func TestKeepUntil(t *testing.T) {
	for _, c := range []struct {
		record     Record
		from, want string
		rule       ID
	}{
		{RecordIssue, "2015-12-02", "2025-12-02", "retention.issue-record"},
		{RecordIssue, "2016-02-29", "2026-02-28", "retention.issue-record"},
		{RecordIssue, "2022-02-28", "2032-02-29", "retention.issue-record"},
		{RecordIssue, "2024-02-28", "2034-02-28", "retention.issue-record"},
		{RecordRevocation, "2015-12-02", "2015-12-02", "retention.revocation-information"},
		{RecordRevocationFile, "2013-01-07", "2023-01-07", "retention.revocation-file"},
		{RecordApplication, "2012-12-03", "2027-12-03", "retention.application-forms"},
		{RecordCardApplication, "2015-12-01", "2030-12-01", "retention.card-application"},
	} {
		got, rule, err := KeepUntil(c.record, day(c.from))
		if err != nil || got != day(c.want) || rule != c.rule {
			t.Errorf("%s from %s: %v, %s, %v", c.record, c.from, got, rule, err)
		}
	}
	if _, _, err := KeepUntil("diary", day("2020-01-01")); err == nil {
		t.Error("an unknown record has a retention period")
	}
}

// The check vectors of law.md 11.4.
func TestMunicipalityCode(t *testing.T) {
	for _, code := range []string{"122131", "122378", "122394", "124036", "124095", "124109", "011002", "131016"} {
		if !MunicipalityCode(code) {
			t.Errorf("%s is refused", code)
		}
		for last := byte('0'); last <= '9'; last++ {
			if wrong := code[:5] + string(last); wrong != code && MunicipalityCode(wrong) {
				t.Errorf("%s is accepted", wrong)
			}
		}
	}
	for _, bad := range []string{"", "12213", "1221310", "12213a", "a22131"} {
		if MunicipalityCode(bad) {
			t.Errorf("%q is accepted", bad)
		}
	}
}
