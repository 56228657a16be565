package forecast_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

const head = "what,day,office,municipality,into,kind,procedure,last_day,window,since,count\n"

// TestReadRefusesWithLineAndColumn: whoever brings a series must be able to mend it.
func TestReadRefusesWithLineAndColumn(t *testing.T) {
	const office = "office,,a,12237,,,,,,,\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                 {"", "line 1, is no CSV"},
		"another head":            {"day,office\n", "line 1, is \"day,office\", but must be"},
		"an unknown row":          {head + "visits,,,,,,,,,,\n", "line 2, column what: \"visits\" is none of"},
		"no day":                  {head + office + "visit,,a,,,,renew,,,,1\n", "line 3, column day: is empty"},
		"no such day":             {head + office + "visit,2026-02-30,a,,,,renew,,,,1\n", "line 3, column day: \"2026-02-30\" is not a day"},
		"a day long ago":          {head + office + "visit,1926-02-03,a,,,,renew,,,,1\n", "line 3, column day: 1926-02-03 is not a day of the years 2000 to 2199"},
		"an office not named":     {head + office + "visit,2026-02-03,b,,,,renew,,,,1\n", "line 3, column office: \"b\" is no office"},
		"an office named twice":   {head + office + office, "line 3, column office: \"a\" was named before"},
		"a municipality's name":   {head + "office,,a,Sammu,,,,,,,\n", "line 2, column municipality: \"Sammu\" is not a code of five digits"},
		"a word for a number":     {head + office + "visit,2026-02-03,a,,,,renew,,,,many\n", "line 3, column count: \"many\" is not a number"},
		"nobody":                  {head + office + "visit,2026-02-03,a,,,,renew,,,,0\n", "line 3, column count: \"0\" is not a number from 1 on"},
		"a column too many":       {head + office + "notice,2026-02-03,a,,,sign,renew,2026-05-01,,,1\n", "line 3, column procedure: must be empty"},
		"a field too few":         {head + office + "visit,2026-02-03,a,,,,renew,,,1\n", "line 3"},
		"a window after the end":  {head + office + "issued,,a,,,sign,,2026-05-01,2026-05-02,,1\n", "line 3, column window: 2026-05-02 is after"},
		"back before the refusal": {head + office + "returned,2026-02-03,a,,,,renew,,,2026-02-03,1\n", "line 3, column since: 2026-02-03 is not before"},
		"merged into itself":      {head + office + "merged,2026-04-01,a,,a,,,,,,\n", "line 3, column into"},
		"a quote that never ends": {head + office + "visit,2026-02-03,\"a,,,,renew,,,,1\n", "line 3"},
		"no visits":               {head + office, forecast.ErrEmpty.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := forecast.Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestWhatIsWrittenIsRead: what the tables give goes through the same CSV as anybody's.
func TestWhatIsWrittenIsRead(t *testing.T) {
	day := func(s string) civil.Date {
		d, err := civil.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	records := []forecast.Record{
		{What: forecast.Place, Office: "a, main", Municipality: "12237"},
		{What: forecast.Place, Office: "b", Municipality: "12237"},
		{What: forecast.Merged, Day: day("2026-04-01"), Office: "b", Into: "a, main", Since: day("2025-04-01")},
		{What: forecast.Closed, Day: day("2026-04-02")},
		{What: forecast.Opened, Day: day("2026-04-05"), Office: "b", Since: day("2026-01-01")},
		{What: forecast.Issued, Office: "b", Kind: "auth sign", LastDay: day("2027-01-01"), Window: day("2026-10-02"), Count: 7},
		{What: forecast.Noticed, Day: day("2026-01-05"), Office: "b", Kind: "sign", LastDay: day("2026-03-31"), Count: 2},
		{What: forecast.Ended, Day: day("2026-01-05"), Office: "b", Kind: "sign", Procedure: "death", LastDay: day("2026-03-31"), Count: 1},
		{What: forecast.Visit, Day: day("2026-01-06"), Office: "b", Kind: "sign", Procedure: "renew", LastDay: day("2026-03-31"), Count: 3},
		{What: forecast.Refused, Day: day("2026-01-06"), Office: "b", Procedure: "unblock", Count: 1},
		{What: forecast.Returned, Day: day("2026-01-08"), Office: "b", Procedure: "unblock", Since: day("2026-01-06"), Count: 1},
	}
	var out bytes.Buffer
	w := forecast.NewWriter(&out)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	h, err := forecast.Read(bytes.NewReader(append([]byte("\ufeff"), out.Bytes()...)))
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if len(h.Offices) != 2 || h.First() != day("2026-01-05") || h.Last() != day("2026-01-08") {
		t.Errorf("offices %v, days %s to %s", h.Offices, h.First(), h.Last())
	}
	field := (*forecast.FieldError)(nil)
	if err := w.Write(forecast.Record{What: forecast.Visit}); !errors.As(err, &field) {
		t.Errorf("half a record was written: %v", err)
	}
}
