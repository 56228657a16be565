package cmd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^([a-z]+)\.([A-Z]\w*)$`)
	target     = regexp.MustCompile(`^make ([a-z-]+)$`)
)

// TestTheArchitectureIsAsItSays: every path, identifier and make target that deploy/architecture.md names is there.
func TestTheArchitectureIsAsItSays(t *testing.T) {
	text, err := os.ReadFile("../deploy/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	exported := exportedNames(t)
	checked := 0
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
		what := strings.Fields(m[1])[0]
		if run := target.FindStringSubmatch(m[1]); run != nil {
			what = m[1]
			if !strings.Contains(string(makefile), "\n"+run[1]+":") {
				t.Errorf("the page names %q, which the Makefile lacks", what)
			}
		} else if id := identifier.FindStringSubmatch(what); id != nil {
			if !exported[what] {
				t.Errorf("the page names %s, which package %s lacks", what, id[1])
			}
		} else if strings.Contains(what, "/") || what == "events" {
			if _, err := os.Stat(filepath.Join("..", what)); err != nil {
				t.Errorf("the page names %s: %v", what, err)
			}
		} else {
			continue
		}
		checked++
	}
	if checked < 50 {
		t.Errorf("only %d names were found in the page", checked)
	}
}

// exportedNames are the exported identifiers of every package of the tree, as package.Name.
func exportedNames(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for _, floor := range []string{"../events", "../pkg", "../services", "../cmd"} {
		err := filepath.WalkDir(floor, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				for _, name := range declared(d) {
					names[file.Name.Name+"."+name] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}
