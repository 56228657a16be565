package ca

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var update = flag.Bool("update", false, "write the goldens of testdata anew")

// TestGoldenStructure compares the ASN.1 structure of every certificate with a golden that was read against the
// tables of profile.md by hand.
func TestGoldenStructure(t *testing.T) {
	key := testKey(t, "authority")
	for kind, g := range everyGeneration(t) {
		compareGolden(t, fmt.Sprintf("authority-%s.txt", kind), dump(g.DER))
		compareGolden(t, fmt.Sprintf("subscriber-%s.txt", kind), dump(mustSign(t, g, key, testInput(t, g))))
		if PhonePolicy(kind) != nil {
			compareGolden(t, fmt.Sprintf("phone-%s.txt", kind), dump(mustSign(t, g, key, phoneInput(t, g))))
		}
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +now):\n%s", name, diff)
	}
}

// dump writes DER as an indented tree, looking into extensions too.
func dump(der []byte) string {
	var out strings.Builder
	dumpInto(&out, der, 0)
	return out.String()
}

func dumpInto(out *strings.Builder, der cryptobyte.String, depth int) {
	for !der.Empty() {
		var content cryptobyte.String
		var tag cbasn1.Tag
		if !der.ReadAnyASN1(&content, &tag) {
			fmt.Fprintf(out, "%*s!! %x\n", 2*depth, "", []byte(der))
			return
		}
		nested := tag&0x20 != 0 || tag == cbasn1.OCTET_STRING && len(content) > 2 && (content[0] == 0x30 || content[0] == 3 || content[0] == 4)
		if nested {
			fmt.Fprintf(out, "%*s%s\n", 2*depth, "", tagName(tag))
			dumpInto(out, content, depth+1)
			continue
		}
		fmt.Fprintf(out, "%*s%s %s\n", 2*depth, "", tagName(tag), leaf(tag, content))
	}
}

func tagName(tag cbasn1.Tag) string {
	names := map[cbasn1.Tag]string{
		cbasn1.SEQUENCE: "SEQUENCE", cbasn1.SET: "SET", cbasn1.INTEGER: "INTEGER", cbasn1.OCTET_STRING: "OCTET STRING",
		cbasn1.BIT_STRING: "BIT STRING", cbasn1.BOOLEAN: "BOOLEAN", cbasn1.NULL: "NULL", cbasn1.OBJECT_IDENTIFIER: "OID",
		cbasn1.UTF8String: "UTF8String", cbasn1.PrintableString: "PrintableString", cbasn1.IA5String: "IA5String",
		cbasn1.UTCTime: "UTCTime", cbasn1.GeneralizedTime: "GeneralizedTime",
	}
	if name, ok := names[tag]; ok {
		return name
	}
	return fmt.Sprintf("[%d]", tag&0x1f)
}

func leaf(tag cbasn1.Tag, content []byte) string {
	switch tag {
	case cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.IA5String, cbasn1.UTCTime, cbasn1.GeneralizedTime, cbasn1.Tag(6).ContextSpecific():
		return string(content)
	case cbasn1.OBJECT_IDENTIFIER:
		var oid asn1.ObjectIdentifier
		full := append([]byte{6, byte(len(content))}, content...)
		if _, err := asn1.Unmarshal(full, &oid); err == nil {
			return oid.String()
		}
	}
	return hex.EncodeToString(content)
}

func TestSameInputSameCertificate(t *testing.T) {
	key := testKey(t, "authority")
	for kind, g := range everyGeneration(t) {
		in := testInput(t, g)
		first, second := mustSign(t, g, key, in), mustSign(t, g, key, in)
		if !bytes.Equal(first, second) {
			t.Errorf("%s: signing the same input twice gave two certificates", kind)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	generations := everyGeneration(t)
	tests := []struct {
		name   string
		kind   Kind
		change func(*Input)
		want   error
	}{
		{"serial zero", Sign, func(in *Input) { in.Serial = 0 }, ErrProfile},
		{"the authority's own serial", Sign, func(in *Input) { in.Serial = in.Generation.Serial }, ErrProfile},
		{"holder missing", Sign, func(in *Input) { in.Holder = nil }, ErrProfile},
		{"juki holder missing", Juki, func(in *Input) { in.Holder = nil }, ErrProfile},
		{"holder in authentication", Auth, func(in *Input) { in.Holder = testHolder() }, ErrProfile},
		{"counter id too short", Auth, func(in *Input) { in.Counter = "122130A0" }, ErrProfile},
		{"counter id with a letter in the code", Auth, func(in *Input) { in.Counter = "1221A0A01" }, ErrProfile},
		{"counter id in lower case", Auth, func(in *Input) { in.Counter = "122130a01" }, ErrProfile},
		{"sequence over three digits", Sign, func(in *Input) { in.Sequence = 1000 }, ErrProfile},
		{"office not romaji", Sign, func(in *Input) { in.Office.City = "東金市" }, ErrProfile},
		{"office empty", Auth, func(in *Input) { in.Office.Prefecture = "" }, ErrProfile},
		{"juki on a smartphone", Juki, func(in *Input) { in.Phone = true }, ErrProfile},
		{"juki office of another prefecture", Juki, func(in *Input) { in.Office = chuo }, ErrProfile},
		{"no last day", Sign, func(in *Input) { in.LastDay = civil.Date{} }, ErrProfile},
		{"last day before issue", Sign, func(in *Input) { in.LastDay = civil.New(2024, 3, 3) }, ErrOutsideAuthority},
		{"past the authority's last day", Sign, func(in *Input) { in.LastDay = civil.New(2033, 7, 16) }, ErrOutsideAuthority},
		{"before the authority began", Sign, func(in *Input) { in.NotBefore = time.Date(2023, 7, 16, 0, 50, 26, 0, time.UTC) }, ErrOutsideAuthority},
		{"key of 1024 bits", Sign, func(in *Input) { in.PublicKey = &testKey(t, "holder1024").PublicKey }, ErrKey},
		{"no key", Auth, func(in *Input) { in.PublicKey = nil }, ErrKey},
		{"exponent 3", Auth, func(in *Input) { k := *in.PublicKey; k.E = 3; in.PublicKey = &k }, ErrKey},
		{"name empty", Sign, func(in *Input) { in.Holder.Name = "" }, ErrProfile},
		{"name not UTF-8", Sign, func(in *Input) { in.Holder.Name = "\xff" }, ErrProfile},
		{"address of 201 characters", Sign, func(in *Input) { in.Holder.Address = strings.Repeat("町", 201) }, ErrProfile},
		{"sex 0", Sign, func(in *Input) { in.Holder.Sex = 0 }, ErrProfile},
		{"substitute that can't be held", Sign, func(in *Input) { in.Holder.Mark = '𠮷' }, ErrProfile},
		{"birth date that is none", Sign, func(in *Input) { in.Holder.BirthDate = civil.PartialDate{Year: 2023, Month: 2, Day: 30} }, ErrProfile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := testInput(t, generations[test.kind])
			if _, err := BuildTBS(in); err != nil {
				t.Fatalf("the unchanged input is refused: %v", err)
			}
			test.change(&in)
			if _, err := BuildTBS(in); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, err := BuildTBS(Input{}); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("no generation: %v", err)
	}
}

func TestBuildAccepts(t *testing.T) {
	generations := everyGeneration(t)
	tests := []struct {
		name   string
		kind   Kind
		change func(*Input)
	}{
		{"juki key of 1024 bits", Juki, func(in *Input) { in.PublicKey = &testKey(t, "holder1024").PublicKey }},
		{"the authority's very last day", Sign, func(in *Input) { in.LastDay = civil.New(2033, 7, 15) }},
		{"the second the authority began", Sign, func(in *Input) { in.NotBefore = time.Date(2023, 7, 16, 0, 50, 27, 0, time.UTC) }},
		{"ward of a designated city", Auth, func(in *Input) { in.Office = chuo; in.Counter = "01101ZZZ9" }},
		{"address of 200 characters", Sign, func(in *Input) { in.Holder.Address = strings.Repeat("町", 200) }},
		{"birth date unknown", Sign, func(in *Input) { in.Holder.BirthDate = civil.PartialDate{} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := testInput(t, generations[test.kind])
			test.change(&in)
			if _, err := SignTBS(in.Generation, testKey(t, "authority"), mustTBS(t, in)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTimeEncoding(t *testing.T) {
	tests := []struct {
		at   time.Time
		want string
	}{
		{civil.New(2026, 6, 15).EndInstant(), "170d3236303631353134353935395a"}, // 260615145959Z, law.md 3.7
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), "170d3439313233313233353935395a"},
		{time.Date(2050, 1, 1, 8, 59, 59, 999, civil.Tokyo), "170d3439313233313233353935395a"},
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), "180f32303530303130313030303030305a"},
	}
	for _, test := range tests {
		var b cryptobyte.Builder
		addTime(&b, test.at)
		if got := hex.EncodeToString(b.BytesOrPanic()); got != test.want {
			t.Errorf("%v: got %s, want %s", test.at, got, test.want)
		}
	}
}

func TestSubjects(t *testing.T) {
	generations := everyGeneration(t)
	sign, err := Describe(mustSign(t, generations[Sign], testKey(t, "authority"), testInput(t, generations[Sign])))
	if err != nil {
		t.Fatal(err)
	}
	// 01:02:03 UTC is 10:02:03 in Japan.
	if want := "CN=20240304100203007122130A01,L=Chiba-ken+L=Togane-shi,C=JP"; strings.ReplaceAll(sign.Subject, "L=Togane-shi,L=Chiba-ken", "L=Chiba-ken+L=Togane-shi") != want {
		t.Errorf("sign: %s, want %s", sign.Subject, want)
	}
	auth, err := Describe(mustSign(t, generations[Auth], testKey(t, "authority"), testInput(t, generations[Auth])))
	if err != nil {
		t.Fatal(err)
	}
	cn := auth.Certificate.Subject.CommonName
	if len(cn) != 23 || !strings.HasSuffix(cn, "122130A01") || len(auth.Certificate.Subject.Names) != 2 {
		t.Errorf("auth: %s should be C and a CN of 14 characters and the counter id", auth.Subject)
	}
}

// TestNoFalseColours scans everything issued by default for the real JPKI's identifiers.
func TestNoFalseColours(t *testing.T) {
	key := testKey(t, "authority")
	for kind, g := range everyGeneration(t) {
		crl, err := BuildCRL(key, CRLInput{Generation: g, Number: 1, ThisUpdate: g.NotBefore, NextUpdate: g.NotBefore.Add(CRLPeriod)})
		if err != nil {
			t.Fatal(err)
		}
		issued := [][]byte{g.DER, mustSign(t, g, key, testInput(t, g)), crl}
		if PhonePolicy(kind) != nil {
			issued = append(issued, mustSign(t, g, key, phoneInput(t, g)))
		}
		for _, der := range issued {
			if bytes.Contains(der, []byte{0x2a, 0x83, 0x08, 0x8c, 0x9b, 0x55}) || bytes.Contains(bytes.ToUpper(der), []byte("JPKI")) {
				t.Errorf("%s: issued bytes hold a real identifier", kind)
			}
		}
	}
	for _, oid := range jpkiSAN {
		der, err := asn1.Marshal(oid)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkColours(der); !errors.Is(err, ErrFalseColours) {
			t.Errorf("%v passes the scan: %v", oid, err)
		}
	}
	for _, der := range [][]byte{encodeName(attribute{oidOrganisation, "JPKI"}), []byte("http://www.JPKI.go.jp/cps.html")} {
		if err := checkColours(der); !errors.Is(err, ErrFalseColours) {
			t.Errorf("%q passes the scan: %v", der, err)
		}
	}
}
