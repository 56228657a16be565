// Package sheet writes an answer's rows as a file: CSV, an Excel workbook or Parquet. Each begins with what it is about, so that a
// file that is found a year later says what it counts, where, and as known when.
package sheet

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"github.com/xuri/excelize/v2"
)

// Sheet is what a file holds.
type Sheet struct {
	// Head are the lines of its heading.
	Head []Line
	// Columns are its columns, each name once.
	Columns []Column
	// Rows calls each with every row in turn, a cell for each column, and returns its first error. A cell is a string, or an
	// int64 where the column counts.
	Rows func(each func(cells []any) error) error
}

// Line is one line of a heading.
type Line struct{ Name, Text string }

// Column is one column.
type Column struct {
	// Name is for programs: a word without spaces. Label is for readers.
	Name, Label string
	// Number: its cells are int64.
	Number bool
}

// Format is a kind of file.
type Format string

// The formats.
const (
	CSV     Format = "csv"
	XLSX    Format = "xlsx"
	Parquet Format = "parquet"
)

// Formats are all formats.
var Formats = []Format{CSV, XLSX, Parquet}

// MediaType returns the format's media type.
func (f Format) MediaType() string {
	switch f {
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case Parquet:
		return "application/vnd.apache.parquet"
	default:
		return "text/csv; charset=utf-8"
	}
}

// Write writes the sheet as a file. CSV and Parquet are written row by row; a workbook is kept in a temporary file once it is large.
func (s Sheet) Write(to io.Writer, f Format) error {
	switch f {
	case CSV:
		return s.writeCSV(to)
	case XLSX:
		return s.writeXLSX(to)
	case Parquet:
		return s.writeParquet(to)
	}
	return fmt.Errorf("there is no format %q", f)
}

// byteOrderMark has Excel read the file as UTF-8.
const byteOrderMark = "\ufeff"

// writeCSV writes RFC 4180: the heading in lines of two fields, an empty line, the columns' labels and the rows.
func (s Sheet) writeCSV(to io.Writer) error {
	buffer := bufio.NewWriter(to)
	_, _ = buffer.WriteString(byteOrderMark)
	w := csv.NewWriter(buffer) // which keeps the first error, the buffer's too
	w.UseCRLF = true
	for _, line := range s.Head {
		_ = w.Write([]string{inert(line.Name), inert(line.Text)})
	}
	_ = w.Write(nil)
	fields := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		fields[i] = c.Label
	}
	_ = w.Write(fields)
	err := s.Rows(func(cells []any) error {
		for i, cell := range cells {
			switch v := cell.(type) {
			case int64:
				fields[i] = strconv.FormatInt(v, 10)
			case string:
				fields[i] = inert(v)
			}
		}
		return w.Write(fields)
	})
	if err != nil {
		return err // of what is in the buffer nothing has been sent
	}
	w.Flush()
	return w.Error()
}

// inert keeps a text from being read as a formula by a spreadsheet.
func inert(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@' || text[0] == '\t' || text[0] == '\r') {
		return "'" + text
	}
	return text
}

// rowsOfWorkbook is how many rows Excel reads of one sheet.
const rowsOfWorkbook = 1 << 20

// writeXLSX writes a workbook, with a further sheet wherever one is full.
func (s Sheet) writeXLSX(to io.Writer) error {
	book := excelize.NewFile()
	defer book.Close()
	pages := &workbook{sheet: s, book: book}
	if err := pages.turn(); err != nil {
		return err
	}
	if err := s.Rows(pages.add); err != nil {
		return err
	}
	if err := pages.out.Flush(); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	if _, err := book.WriteTo(to); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	return nil
}

// workbook is one that is being written.
type workbook struct {
	sheet      Sheet
	book       *excelize.File
	out        *excelize.StreamWriter
	pages, row int
}

// turn begins a sheet with the heading and the columns' labels.
func (w *workbook) turn() error {
	if w.out != nil {
		if err := w.out.Flush(); err != nil {
			return fmt.Errorf("writing a workbook: %w", err)
		}
	}
	w.pages++
	name := fmt.Sprintf("Sheet%d", w.pages)
	if _, err := w.book.NewSheet(name); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	out, err := w.book.NewStreamWriter(name)
	if err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	w.out, w.row = out, 0
	for _, line := range w.sheet.Head {
		if err := w.put([]any{line.Name, line.Text}); err != nil {
			return err
		}
	}
	w.row++
	labels := make([]any, len(w.sheet.Columns))
	for i, c := range w.sheet.Columns {
		labels[i] = c.Label
	}
	return w.put(labels)
}

func (w *workbook) add(cells []any) error {
	if w.row == rowsOfWorkbook {
		if err := w.turn(); err != nil {
			return err
		}
	}
	return w.put(cells)
}

func (w *workbook) put(cells []any) error {
	w.row++
	if err := w.out.SetRow("A"+strconv.Itoa(w.row), cells); err != nil {
		return fmt.Errorf("writing row %d of a workbook: %w", w.row, err)
	}
	return nil
}
