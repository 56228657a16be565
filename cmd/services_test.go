package cmd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// otherShapes are the folders below services that hold no service of the hub, each with what it is.
var otherShapes = map[string]string{
	"agent":       "the counter's program, which stands alone",
	"console":     "pages: whoever listens serves them, nothing of their own runs",
	"fsck":        "a check, which ends and says what it found",
	"servicetest": "parts of tests",
}

// sameWords are the names that fields of these types have in every Config.
var sameWords = map[string]string{
	"func() time.Time": "Clock", "*slog.Logger": "Logger", "func(eventlog.Positions)": "Handled", "days.Watch": "Days",
	"*eventlog.Log": "Log", "*counterlink.Links": "Links", "*directory.Directory": "Directory", "*vault.Vault": "Vault",
	"dossier.Keys":         "Vault",
	"*warehouse.Warehouse": "Warehouse", "regime.Switches": "Switches",
}

// TestServicesHaveOneShape: each has a Config, a New and a Run(ctx) error, with the same names for the same things, so
// that whoever has wired one can wire them all.
func TestServicesHaveOneShape(t *testing.T) {
	folders, err := os.ReadDir("../services")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if otherShapes[folder.Name()] != "" {
			continue
		}
		s := shape{}
		for _, text := range sourcesIn(t, filepath.Join("../services", folder.Name())) {
			s.take(t, text)
		}
		for _, wrong := range s.judge() {
			t.Errorf("services/%s: %s", folder.Name(), wrong)
		}
	}
	planted := shape{}
	planted.take(t,
		"package x\ntype Config struct { Now func() time.Time }\nfunc (x *X) Run(ctx context.Context, hurry bool) error { return nil }")
	if found := planted.judge(); len(found) != 3 {
		t.Errorf("found in a planted service: %q", found)
	}
}

// shape is what a service's package has of the one shape.
type shape struct {
	config, made, runs bool
	otherwise          []string // fields of Config under other words
}

func (s *shape) take(t *testing.T, text string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.made = s.made || d.Recv == nil && d.Name.Name == "New"
			s.runs = s.runs || d.Recv != nil && d.Name.Name == "Run" && written(d.Type) == "func(context.Context) error"
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if one, ok := spec.(*ast.TypeSpec); ok && one.Name.Name == "Config" {
					s.takeConfig(one)
				}
			}
		}
	}
}

func (s *shape) takeConfig(spec *ast.TypeSpec) {
	fields, ok := spec.Type.(*ast.StructType)
	s.config = ok
	for _, f := range fields.Fields.List {
		word := sameWords[written(f.Type)]
		for _, name := range f.Names {
			if word != "" && name.Name != word {
				s.otherwise = append(s.otherwise, fmt.Sprintf("Config calls %s what is %s elsewhere", name.Name, word))
			}
		}
	}
}

func (s *shape) judge() []string {
	wrong := s.otherwise
	for what, has := range map[string]bool{"type Config": s.config, "func New": s.made, "method Run(ctx context.Context) error": s.runs} {
		if !has {
			wrong = append(wrong, "no "+what)
		}
	}
	return wrong
}

// written is a type as it is written, without the names of parameters.
func written(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return written(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + written(e.X)
	case *ast.FuncType:
		return "func(" + typesOf(e.Params) + ")" + strings.TrimRight(" "+typesOf(e.Results), " ")
	}
	return ""
}

func typesOf(fields *ast.FieldList) string {
	var types []string
	if fields != nil {
		for _, f := range fields.List {
			types = append(types, written(f.Type))
		}
	}
	return strings.Join(types, ", ")
}
