package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"shomei/pkg/warehouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// some has rows with what breaks a file: a formula, a quote, a line break, a comma, nothing.
func some(n int) Sheet {
	texts := []string{"千葉県", "=1+1", "a \"b\"", "c\nd", "e,f", ""}
	return Sheet{
		Head:    []Line{{"何を", "発行"}, {"as of", "2026-11-30"}},
		Columns: []Column{{Name: "prefecture", Label: "都道府県"}, {Name: "count", Label: "件数", Number: true}, {Name: "cause", Label: "理由"}},
		Rows: func(each func([]any) error) error {
			for i := range n {
				if err := each([]any{texts[i%len(texts)], int64(i), texts[(i+1)%len(texts)]}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func write(t *testing.T, s Sheet, f Format) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Write(&out, f); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCSV(t *testing.T) {
	text := string(write(t, some(3), CSV))
	if want := "\ufeff何を,発行\r\nas of,2026-11-30\r\n\r\n都道府県,件数,理由\r\n千葉県,0,'=1+1\r\n"; !strings.HasPrefix(text, want) {
		t.Errorf("%q", text)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if diff := cmp.Diff([]string{"a \"b\"", "2", "c\nd"}, rows[len(rows)-1]); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestWorkbook(t *testing.T) {
	book, err := excelize.OpenReader(bytes.NewReader(write(t, some(3), XLSX)))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"何を", "発行"},
		{"as of", "2026-11-30"},
		nil,
		{"都道府県", "件数", "理由"},
		{"千葉県", "0", "=1+1"},
		{"=1+1", "1", "a \"b\""},
		{"a \"b\"", "2", "c\nd"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if formula, err := book.GetCellFormula("Sheet1", "A6"); formula != "" || err != nil {
		t.Errorf("a text became a formula: %q %v", formula, err)
	}
}

// TestParquet has the engine, which knows the format well, read the file.
func TestParquet(t *testing.T) {
	const rows = 1000
	address, _, _ := strings.Cut(enginetest.Start(t).DSN(), "/default")
	ask := func(sql string, body io.Reader) string {
		t.Helper()
		answer, err := http.Post(address+"/?query="+url.QueryEscape(sql), "application/octet-stream", body)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v %s", sql, answer.StatusCode, err, text)
		}
		return strings.TrimSpace(string(text))
	}
	ask("CREATE TABLE read_back (prefecture String, count Int64, cause String) ENGINE = MergeTree ORDER BY count", nil)
	ask("INSERT INTO read_back FORMAT Parquet", bytes.NewReader(write(t, some(rows), Parquet)))
	got := ask("SELECT count(), sum(count), countIf(prefecture = '千葉県'), countIf(cause = 'c\\nd') FROM read_back FORMAT TSV", nil)
	if want := fmt.Sprintf("%d\t%d\t%d\t%d", rows, rows*(rows-1)/2, 167, 167); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrorsReachTheCaller(t *testing.T) {
	s, broken := some(1), errors.New("the line broke")
	s.Rows = func(func([]any) error) error { return broken }
	for _, f := range Formats {
		if err := s.Write(io.Discard, f); !errors.Is(err, broken) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if err := s.Write(io.Discard, "pdf"); err == nil {
		t.Error("a format that there is none of was written")
	}
}
