// Mutants blanks the statements of the fold of a certificate's life, one after the other, and says which quick test notices:
//
//	go run -C deploy/tools ./mutants
//
// It is run in the repository; one line tells of each mutant, and the exit code is 1 when a test noticed nothing of one. A
// mutant that does not compile is none.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The files that fold, the package whose tests must notice, and which of those are quick.
var (
	files = []string{"pkg/lifecycle/evolve.go"}
	tests = "./pkg/lifecycle"
	quick = []string{"-test.count=1", "-test.failfast", "-test.timeout=2m"}
)

// mutant is a file with one statement blanked.
type mutant struct {
	file, statement string
	line            int
	text            []byte
}

func main() {
	survived, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survived > 0 {
		os.Exit(1)
	}
}

func run() (survived int, err error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	killed := 0
	for _, file := range files {
		list, err := mutantsOf(filepath.Join(root, file))
		if err != nil {
			return survived, err
		}
		for _, m := range list {
			by, err := m.noticed(root, work)
			switch {
			case err != nil:
				return survived, err
			case by == notBuilt:
				continue
			case by == "":
				survived++
				by = "NOBODY"
			default:
				killed++
			}
			fmt.Printf("%s:%d\t%s\t%s\n", file, m.line, m.statement, by)
		}
	}
	fmt.Printf("%d noticed, %d not\n", killed, survived)
	return survived, nil
}

// mutantsOf are the mutants of a file: each body of a case of the switch over events, each statement that changes something.
func mutantsOf(file string) ([]mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, 0)
	if err != nil {
		return nil, err
	}
	var list []mutant
	blank := func(from, to ast.Node) {
		start, end := fset.Position(from.Pos()), fset.Position(to.End())
		blanked := append([]byte{}, text...)
		for i := start.Offset; i < end.Offset; i++ {
			if blanked[i] != '\n' {
				blanked[i] = ' '
			}
		}
		first, _, _ := strings.Cut(string(text[start.Offset:end.Offset]), "\n")
		list = append(list, mutant{file, first, start.Line, blanked})
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.CaseClause:
			if len(s.Body) > 1 {
				blank(s.Body[0], s.Body[len(s.Body)-1])
			}
		case *ast.ExprStmt, *ast.IncDecStmt:
			blank(n, n)
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				blank(n, n)
			}
		}
		return true
	})
	return list, nil
}

const notBuilt = "not built"

var failed = regexp.MustCompile(`--- FAIL: (\S+)`)

// noticed names the test that fails with the mutant, empty when none does.
func (m mutant) noticed(root, work string) (string, error) {
	other, overlay, binary := filepath.Join(work, "mutant.go"), filepath.Join(work, "overlay.json"), filepath.Join(work, "test")
	described, err := json.Marshal(map[string]any{"Replace": map[string]string{m.file: other}})
	if err != nil {
		return "", err
	}
	for name, text := range map[string][]byte{other: m.text, overlay: described} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return "", err
		}
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, tests)
	build.Dir = root
	if build.Run() != nil {
		return notBuilt, nil
	}
	run := exec.Command(binary, quick...)
	run.Dir = filepath.Join(root, tests)
	out, err := run.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if name := failed.FindSubmatch(out); name != nil {
		return string(name[1]), nil
	}
	return "panic", nil
}
