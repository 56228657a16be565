package chdb_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"shomei/pkg/warehouse/engine"
	"shomei/pkg/warehouse/engine/chdb"
)

func open(t *testing.T) *chdb.Conn {
	t.Helper()
	path, err := engine.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := chdb.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := lib.Open(t.TempDir(), map[string]string{"max_threads": "2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func text(t *testing.T, c *chdb.Conn, s chdb.Statement) (string, error) {
	t.Helper()
	var out strings.Builder
	_, err := c.Run(t.Context(), s, func(p []byte) error { out.Write(p); return nil })
	return out.String(), err
}

// TestOneConnection holds everything that needs an open engine: it starts
// once in a process.
func TestOneConnection(t *testing.T) {
	c := open(t)
	t.Run("a nil dereference is recovered", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		var nothing *chdb.Statement
		t.Log(nothing.SQL)
	})
	t.Run("parameters may hold any byte", func(t *testing.T) {
		got, err := text(t, c, chdb.Statement{
			SQL: "SELECT length({s:String}), {n:UInt8}", Format: "TSV", Params: map[string]string{"s": "a\x00'b", "n": "7"},
		})
		if err != nil || got != "4\t7\n" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("settings go back to the base", func(t *testing.T) {
		ask := chdb.Statement{SQL: "SELECT getSetting('max_threads')", Format: "TSV"}
		with := ask
		with.Settings = map[string]string{"max_threads": "1"}
		for _, step := range []struct {
			s    chdb.Statement
			want string
		}{{with, "1\n"}, {ask, "2\n"}} {
			if got, err := text(t, c, step.s); err != nil || got != step.want {
				t.Errorf("got %q, %v, want %q", got, err, step.want)
			}
		}
	})
	t.Run("exceptions have codes", func(t *testing.T) {
		for sql, code := range map[string]int{"SELECT * FROM nowhere": 60, "SELEKT 1": 62, "SELECT throwIf(1)": 395} {
			_, err := text(t, c, chdb.Statement{SQL: sql, Format: "Native"})
			var e *chdb.Exception
			if !errors.As(err, &e) || e.Code != code {
				t.Errorf("%s: got %v, want code %d", sql, err, code)
			}
		}
	})
	t.Run("a cancelled context ends a stream", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		pieces := 0
		_, err := c.Run(ctx, chdb.Statement{SQL: "SELECT number FROM numbers(1000000000)", Format: "Native"}, func([]byte) error {
			pieces++
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || pieces != 1 {
			t.Errorf("got %v after %d pieces", err, pieces)
		}
	})
	t.Run("a body that breaks off inserts nothing", func(t *testing.T) {
		if _, err := text(t, c, chdb.Statement{SQL: "CREATE TABLE rows (x UInt32) ENGINE = Memory", Format: "Null"}); err != nil {
			t.Fatal(err)
		}
		broken := io.MultiReader(strings.NewReader("1\n2\n"), brokenReader{})
		if _, err := text(t, c, chdb.Statement{SQL: "INSERT INTO rows", InsertFormat: "TSV", Body: broken}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
		whole := strings.NewReader("1\n2\n3\n")
		if n, err := c.Run(t.Context(), chdb.Statement{SQL: "INSERT INTO rows", InsertFormat: "TSV", Body: whole}, nil); err != nil || n != 3 {
			t.Errorf("whole body: %d rows, %v", n, err)
		}
		if got, err := text(t, c, chdb.Statement{SQL: "SELECT count() FROM rows", Format: "TSV"}); err != nil || got != "3\n" {
			t.Errorf("rows: %q, %v", got, err)
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestLoadSaysWhatIsMissing(t *testing.T) {
	if _, err := chdb.Load("/nonexistent/libchdb.so"); err == nil || !strings.Contains(err.Error(), "/nonexistent/libchdb.so") {
		t.Errorf("got %v", err)
	}
}
