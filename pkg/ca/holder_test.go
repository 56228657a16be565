package ca

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"shomei/pkg/civil"

	"pgregory.net/rapid"
)

func TestSubstitute(t *testing.T) {
	tests := []struct{ name, text, value, flags string }{
		{"levels 1 and 2", "山田　太郎", "山田　太郎", "00000"},
		{"supplementary kanji", "丂侔", "丂侔", "00"},
		{"beyond the BMP", "𠮷田", "吉田", "10"},
		{"vendor kanji outside JIS", "髙﨑", "高崎", "11"},
		{"vendor symbols outside JIS", "①㈱Ⅳ", "〓〓〓", "111"},
		{"variation sequence", "葛\U000e0100城", "葛城", "10"},
		{"variation sequence of a foreign base", "𠮷\ufe00", "吉", "1"},
		{"selector alone", "\ufe00", "〓", "1"},
		{"letters", "JOHN SMITH", "JOHN SMITH", "0000000000"},
		{"wide letters and signs", "ＪＯＨＮ−１〜２～３－４", "ＪＯＨＮ−１〜２～３－４", "000000000000"},
		{"half-width kana", "ﾀﾛｳ", "〓〓〓", "111"},
		{"a geta mark as recorded", "〓", "〓", "0"},
		{"control character", "a\nb", "a〓b", "010"},
		{"compatibility ideograph", "\ufa19", "神", "1"},
		{"empty", "", "", ""},
	}
	for _, test := range tests {
		if value, flags := Substitute(test.text, DefaultSubstitute); value != test.value || flags != test.flags {
			t.Errorf("%s: %+q gave %q %s, want %q %s", test.name, test.text, value, flags, test.value, test.flags)
		}
	}
}

// TestCharacterCounts holds the set against the published sizes: JIS X 0208 has 6,879 characters, JIS X 0212 6,067.
func TestCharacterCounts(t *testing.T) {
	n0208, n0212 := map[rune]struct{}{}, map[rune]struct{}{}
	for row := 1; row <= 84; row++ {
		if row < 9 || row > 15 {
			addRow(n0208, "", row)
		}
	}
	for row := 1; row <= 77; row++ {
		addRow(n0212, "\x8f", row)
	}
	if len(n0208) != 6879 || len(n0212) != 6067 {
		t.Errorf("%d and %d characters", len(n0208), len(n0212))
	}
}

func TestSubstituteProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		value, flags := Substitute(text, DefaultSubstitute)
		runes := []rune(value)
		if len(runes) != len(flags) {
			t.Fatalf("%d characters, %d flags", len(runes), len(flags))
		}
		for i, r := range runes {
			if !holdable(r) {
				t.Fatalf("%U can't be held", r)
			}
			if flags[i] == '0' && !strings.ContainsRune(text, r) {
				t.Fatalf("%U is flagged as recorded and was not", r)
			}
		}
		again, none := Substitute(value, DefaultSubstitute)
		if again != value || strings.Contains(none, "1") {
			t.Fatalf("substituting again changed %q to %q", value, again)
		}
	})
}

func TestEncodeBirth(t *testing.T) {
	tests := []struct {
		year, month, day int
		want             string
	}{
		{1912, 7, 29, "119120729"},
		{1912, 7, 30, "219120730"},
		{1926, 12, 24, "219261224"},
		{1926, 12, 25, "319261225"},
		{1989, 1, 7, "319890107"},
		{1989, 1, 8, "419890108"},
		{2019, 4, 30, "420190430"},
		{2019, 5, 1, "520190501"},
		{2000, 2, 29, "420000229"},
		{1950, 0, 0, "319500000"},
		{1989, 0, 0, "019890000"}, // Showa or Heisei
		{1989, 1, 0, "019890100"},
		{1989, 2, 0, "419890200"},
		{1867, 1, 1, "018670101"}, // before the eras that have a digit
		{0, 0, 0, "000000000"},
	}
	for _, test := range tests {
		p := civil.PartialDate(civil.Date{Year: test.year, Month: time.Month(test.month), Day: test.day})
		got, err := encodeBirth(p)
		if err != nil || got != test.want {
			t.Errorf("%d-%d-%d: got %s, %v, want %s", test.year, test.month, test.day, got, err, test.want)
		}
		if back := decodeBirth(got); back != p {
			t.Errorf("%s read back as %v", got, back)
		}
	}
}

// TestHolderRoundTrip: what Describe reads is what Substitute wrote, for any holder.
func TestHolderRoundTrip(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	in := testInput(t, g)
	text := rapid.StringN(1, 60, -1).Filter(utf8.ValidString)
	rapid.Check(t, func(t *rapid.T) {
		birth := civil.New(1900, 1, 1).AddDays(rapid.IntRange(0, 45_000).Draw(t, "birth"))
		in.Holder = &Holder{
			Name: text.Draw(t, "name"), Address: text.Draw(t, "address"), BirthDate: civil.PartialDate(birth),
			Sex: Sex(rapid.IntRange(1, 3).Draw(t, "sex")),
		}
		tbs, err := BuildTBS(in)
		if err != nil {
			t.Fatal(err)
		}
		unsigned, err := assemble(tbs, make([]byte, key.Size()))
		if err != nil {
			t.Fatal(err)
		}
		d, err := Describe(unsigned)
		if err != nil {
			t.Fatal(err)
		}
		name, nameFlags := Substitute(in.Holder.Name, DefaultSubstitute)
		address, addressFlags := Substitute(in.Holder.Address, DefaultSubstitute)
		want := Described{
			Name: name, NameFlags: nameFlags, BirthDate: civil.PartialDate(birth), BirthDigits: d.Holder.BirthDigits,
			Sex: in.Holder.Sex, Address: address, AddressFlags: addressFlags,
		}
		if *d.Holder != want {
			t.Fatalf("read %+v, wrote %+v", *d.Holder, want)
		}
	})
}
