package sheet

import (
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// rowsInMemory is how many rows wait to be written together.
const rowsInMemory = 1 << 16

// writeParquet writes the rows under the columns' names, and the heading as the file's key-value metadata.
func (s Sheet) writeParquet(to io.Writer) error {
	group := parquet.Group{}
	for _, c := range s.Columns {
		group[c.Name] = parquet.String()
		if c.Number {
			group[c.Name] = parquet.Int(64)
		}
	}
	schema := parquet.NewSchema("shomei", group)
	options := []parquet.WriterOption{schema, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowsInMemory)}
	for _, line := range s.Head {
		options = append(options, parquet.KeyValueMetadata(line.Name, line.Text))
	}
	w := parquet.NewGenericWriter[any](to, options...)
	at := s.places(schema)
	row := make(parquet.Row, len(s.Columns))
	err := s.Rows(func(cells []any) error {
		for i, cell := range cells {
			row[at[i]] = parquet.ValueOf(cell).Level(0, 0, at[i])
		}
		_, err := w.WriteRows([]parquet.Row{row})
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("writing Parquet: %w", err)
	}
	return nil
}

// places returns where each column stands in the schema, which is in the order of names.
func (s Sheet) places(schema *parquet.Schema) []int {
	names := make([]string, 0, len(s.Columns))
	for _, path := range schema.Columns() {
		names = append(names, path[0])
	}
	at := make([]int, len(s.Columns))
	for i, c := range s.Columns {
		at[i] = slices.Index(names, c.Name)
	}
	return at
}
