package civil

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestDaysAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "  ": "", "1990-06-18": "1990-06-18", "1990-6-18": "1990-06-18", "1990/6/18": "1990-06-18", "19900618": "1990-06-18",
		"1990年6月18日": "1990-06-18", "平成2年6月18日": "1990-06-18", "平成２年６月１８日": "1990-06-18", "H2.6.18": "1990-06-18",
		"h02.06.18": "1990-06-18", "Ｈ２．６．１８": "1990-06-18", "１９９０／６／１８": "1990-06-18", " 1990-06-18　": "1990-06-18",
		"令和元年5月1日": "2019-05-01", "R元.5.1": "2019-05-01", "S64.1.7": "1989-01-07", "T1.7.30": "1912-07-30", "M33.1.1": "1900-01-01",
		"1990-06-00": "1990-06-00", "1990-00-00": "1990-00-00", "19900000": "1990-00-00", "昭和20年0月0日": "1945-00-00",
		"平成33年6月15日": "2021-06-15",
	} {
		p, err := ParseWritten(text)
		if got := p.String(); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"1985-02-30", "S60-06-18", "h2/6/18", "26年6月15日", "8.6.15", "令和8年6月15日頃", "X8.6.15", "令和2016年1月1日", "平成0年6月18日", "平成元年1月7日", "R1.4.30", "90-06-18", "6/18/1990", "1990-06", "199006181", "1990-6/18",
		"平成2年13月1日", "花子", "1990-06-18x", "H2.6.18.", "19901318", "٢٠٢٠-٠١-٠١", "-1990-06-18",
	} {
		if p, err := ParseWritten(text); err == nil {
			t.Errorf("%q was read as %s", text, p)
		}
	}
	for _, text := range []string{"1990-06-00", "1990-00-00", "0000-00-00"} {
		if d, err := ParseDay(text); err == nil {
			t.Errorf("%q was read as the day %s", text, d)
		}
	}
}

// Every day from 1873 on is read back from each way of writing it.
func TestWrittenDaysAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := New(1873, 1, 1).AddDays(rapid.IntRange(0, 70000).Draw(t, "days"))
		era, year := EraOf(d)
		letter := map[Era]string{Meiji: "M", Taisho: "T", Showa: "S", Heisei: "H", Reiwa: "R"}[era]
		for _, text := range []string{
			d.String(), fmt.Sprintf("%d/%d/%d", d.Year, d.Month, d.Day), fmt.Sprintf("%04d%02d%02d", d.Year, d.Month, d.Day), d.Wareki(),
			fmt.Sprintf("%s%d.%d.%d", letter, year, d.Month, d.Day),
		} {
			if got, err := ParseDay(text); err != nil || got != d {
				t.Fatalf("%q: %s, %v; want %s", text, got, err, d)
			}
		}
	})
}
