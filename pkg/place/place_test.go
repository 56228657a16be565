package place

import (
	"testing"

	"shomei/pkg/regime"
)

func TestName(t *testing.T) {
	if len(names()) == 0 {
		t.Fatal("no names: run make assets")
	}
	for code, want := range map[string]string{
		"12": "千葉県", "12237": "山武市", "13101": "千代田区", "01101": "札幌市中央区", "01100": "札幌市", "47382": "与那国町",
		"": "", "99": "99", "99999": "99999",
	} {
		if got := Name(code); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// TestCodes looks at the form of every code.
func TestCodes(t *testing.T) {
	prefectures := 0
	for code, name := range names() {
		switch len(code) {
		case prefectureDigits:
			prefectures++
		case municipalityDigits:
			if regime.MunicipalityOf(code+"-") != code {
				t.Errorf("%s (%s) is no municipality", code, name)
			}
		default:
			t.Errorf("%s (%s)", code, name)
		}
	}
	if prefectures != 47 || len(names()) < 1900 {
		t.Errorf("%d prefectures, %d places", prefectures, len(names()))
	}
}
