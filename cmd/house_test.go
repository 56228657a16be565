// Package cmd_test holds the house rules as a test over the import graph, each with its reason.
package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list` says about one package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// rule forbids some packages to import others. A pattern is an import path; with /... it includes everything below.
type rule struct {
	reason string
	// of are the packages bound, except those in but.
	of, but []string
	// never are the packages they may not import; only, if set, are the only ones they may.
	never, only []string
	// whole counts indirect imports, too.
	whole bool
}

// testParts are packages that only tests import.
var testParts = []string{
	"shomei/pkg/natstest", "shomei/pkg/warehouse/enginetest", "shomei/pkg/card/cardtest", "shomei/pkg/page/pagetest",
	"shomei/services/servicetest",
}

var rules = []rule{
	{
		reason: "arrows point one way, cmd → services → pkg → events: what we know how to do must not depend on what runs",
		of:     []string{"shomei/pkg/..."}, never: []string{"shomei/services/...", "shomei/cmd/..."},
	},
	{
		reason: "the contract stands for decades, so it knows nothing of the code around it",
		of:     []string{"shomei/events"}, never: []string{"shomei/..."},
	},
	{
		reason: "what is started composes services, never the other way round",
		of:     []string{"shomei/services/..."}, never: []string{"shomei/cmd/..."},
	},
	{
		reason: "the rules are pure: the same inputs give the same decision in every replay, so no I/O, no keys, no logging library",
		of:     []string{"shomei/pkg/lifecycle", "shomei/pkg/regime", "shomei/pkg/civil"},
		only: []string{
			"shomei/pkg/lifecycle", "shomei/pkg/regime", "shomei/pkg/civil", "shomei/events",
			"github.com/rickar/cal/v2/...", "google.golang.org/protobuf/...",
		},
	},
	{
		reason: "questions about the law are read and answered by the rules that decide, nothing else: as pure as they are, with no way to the log",
		of:     []string{"shomei/pkg/regime/question"},
		only:   []string{"shomei/events", "shomei/pkg/lifecycle", "shomei/pkg/regime", "shomei/pkg/civil"},
	},
	{
		reason: "a story is read by whoever can read; playing it takes a centre and counters, which the language knows nothing of",
		of:     []string{"shomei/cmd/shomei-lab/story"},
		only:   []string{"shomei/events", "shomei/pkg/regime", "shomei/pkg/civil", "shomei/pkg/namekey", "shomei/pkg/ca", "google.golang.org/protobuf/..."},
	},
	{
		reason: "a forecast is judged by histories of which it knows nothing, made by what knows nothing of it: else it would judge itself",
		of:     []string{"shomei/cmd/shomei-lab/histories"}, whole: true, never: []string{"shomei/pkg/forecast/..."},
	},
	{
		reason: "a forecast is a function of a history: no tables, no log, no clock, no chance without a seed",
		of:     []string{"shomei/pkg/forecast"},
		only:   []string{"shomei/pkg/civil", "gonum.org/v1/gonum/...", "golang.org/x/sync/..."},
	},
	{
		reason: "the holiday library is civil's alone; others ask civil",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/civil"}, never: []string{"github.com/rickar/cal/v2/..."},
	},
	{
		reason: "rules read no files and no network",
		of:     []string{"shomei/pkg/lifecycle", "shomei/pkg/regime/...", "shomei/pkg/civil"},
		never:  []string{"os", "net", "net/http", "log/slog", "database/sql", "math/rand", "math/rand/v2", "crypto/rand"},
	},
	{
		reason: "what an office runs has no stories, invented people and measurements linked into it",
		of:     []string{"shomei/cmd/shomei", "shomei/cmd/shomei-agent"}, whole: true, never: []string{"shomei/cmd/shomei-lab/..."},
	},
	{
		reason: "there is one way to write the log, one wire to the counters and one bucket of what is published; JetStream anywhere else would be a second",
		of:     []string{"shomei/..."},
		but: []string{
			"shomei/pkg/eventlog", "shomei/pkg/counterlink", "shomei/pkg/published", "shomei/pkg/natstest", "shomei/cmd/shomei/hub", "shomei/cmd/shomei-lab/bench",
		},
		never: []string{"github.com/nats-io/nats.go/jetstream"},
	},
	{
		reason: "the NATS server inside the process is started in one place, where its sync and limits are set",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/hubserver"}, never: []string{"github.com/nats-io/nats-server/..."},
	},
	{
		reason: "SQL is the warehouse's: a table changes in one package",
		of:     []string{"shomei/..."},
		but:    []string{"shomei/pkg/warehouse/...", "shomei/cmd/shomei-lab/bench", "shomei/cmd/shomei-lab/census"},
		never:  []string{"github.com/ClickHouse/...", "database/sql"},
	},
	{
		reason: "the engine's library changes signal handlers, so one package loads it, in a process of its own",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/warehouse/engine/..."},
		never: []string{"github.com/ebitengine/purego/..."},
	},
	{
		reason: "mail is pkg/notice's: one place decides what may stand in it",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/notice"},
		never: []string{"github.com/wneessen/go-mail/...", "github.com/emersion/go-smtp/...", "net/smtp"},
	},
	{
		reason: "files are replaced by pkg/durable, which writes beside the target; the library by itself goes through the temporary folder",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/durable"}, never: []string{"github.com/google/renameio/..."},
	},
	{
		reason: "PC/SC needs a C library, so one package holds it and the hub builds without",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/card/pcsc"}, never: []string{"github.com/ebfe/scard"},
	},
	{
		reason: "a token's library is its vendor's code in our process, and needs cgo: one package loads it, and no counter",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/secret/token"},
		never: []string{"github.com/ThalesGroup/crypto11", "github.com/miekg/pkcs11"},
	},
	{
		reason: "a counter's program has no keys of the centre to unlock, and is built without cgo for Windows",
		of:     []string{"shomei/cmd/shomei-agent"}, whole: true, never: []string{"shomei/pkg/secret/..."},
	},
	{
		reason: "the format of secret files is pkg/secret's: one way to read them, so that none is read in the clear where all must be sealed",
		of:     []string{"shomei/..."}, but: []string{"shomei/pkg/secret/..."}, never: []string{"filippo.io/age/..."},
	},
	{
		reason: "projections write tables and nothing else: a rebuild must not mail every citizen again or command a card",
		of:     []string{"shomei/services/projector/..."}, whole: true,
		never: []string{"shomei/pkg/notice", "shomei/pkg/counterlink", "shomei/pkg/card/...", "shomei/pkg/ca/keyfile"},
	},
	{
		reason: "a check reads and writes nothing, and judges by a fold of its own: what it checks would judge itself",
		of:     []string{"shomei/services/fsck/..."}, whole: true,
		never: []string{"shomei/pkg/notice", "shomei/pkg/counterlink", "shomei/pkg/card/...", "shomei/pkg/ca/keyfile"},
	},
	{
		reason: "the process of the vault uses and destroys keys of personal data and holds no others: it signs nothing and commands no card",
		of:     []string{"shomei/services/vault/...", "shomei/services/eraser/..."}, whole: true,
		never: []string{"shomei/pkg/notice", "shomei/pkg/counterlink", "shomei/pkg/card/...", "shomei/pkg/ca/keyfile", "shomei/pkg/warehouse/..."},
	},
	{
		reason: "the console shows; it opens no sealed field, signs nothing and mails nobody",
		of:     []string{"shomei/services/console/..."}, whole: true,
		never: []string{"shomei/pkg/vault", "shomei/pkg/notice", "shomei/pkg/ca/keyfile", "shomei/pkg/eventlog"},
	},
	{
		reason: "validation gives out what is public to everybody who asks; it holds nothing that would be worth breaking in for",
		of:     []string{"shomei/services/validation/..."}, whole: true,
		never: []string{
			"shomei/pkg/vault", "shomei/pkg/notice", "shomei/pkg/ca/keyfile", "shomei/pkg/eventlog", "shomei/pkg/counterlink", "shomei/pkg/warehouse/...",
		},
	},
	{
		reason: "a counter holds no database driver, mailer, server, personal-data key or signing key: a stolen PC has none to give",
		of:     []string{"shomei/cmd/shomei-agent", "shomei/services/agent/..."}, whole: true,
		never: []string{
			"github.com/ClickHouse/...", "github.com/wneessen/go-mail/...", "github.com/emersion/go-smtp/...",
			"github.com/nats-io/nats-server/...", "github.com/ebitengine/purego/...",
			"shomei/pkg/vault", "shomei/pkg/notice", "shomei/pkg/warehouse/...", "shomei/pkg/ca/keyfile", "shomei/pkg/eventlog",
		},
	},
	{
		reason: "the hub runs in places without a card reader or its C library",
		of:     []string{"shomei/cmd/shomei"}, whole: true, never: []string{"github.com/ebfe/scard"},
	},
	{
		reason: "ops is what a process needs around its work; a service gets its logger, clock and collectors handed in",
		of:     []string{"shomei/..."}, but: []string{"shomei/cmd/...", "shomei/pkg/ops"}, never: []string{"shomei/pkg/ops"},
	},
	{
		reason: "test servers and test cards belong to tests",
		of:     []string{"shomei/..."},
		but:    testParts,
		never:  append([]string{"testing", "pgregory.net/rapid", "github.com/chromedp/..."}, testParts...),
	},
}

func TestImportsFollowTheHouse(t *testing.T) {
	packages := list(t)
	for _, broken := range judge(packages, rules) {
		t.Error(broken)
	}
	for _, broken := range servicesApart(packages) {
		t.Error(broken)
	}
}

// TestTheHouseFindsWhatIsPlanted keeps the checker honest: a rule that can't fail guards nothing.
func TestTheHouseFindsWhatIsPlanted(t *testing.T) {
	planted := []pkg{
		{ImportPath: "shomei/pkg/civil", Imports: []string{"time", "shomei/services/ra"}},
		{ImportPath: "shomei/services/ra", Imports: []string{"shomei/services/issuer"}},
		{ImportPath: "shomei/cmd/shomei-agent", Imports: []string{"shomei/pkg/x"}, Deps: []string{"shomei/pkg/x", "github.com/ClickHouse/ch-go"}},
		{ImportPath: "shomei/pkg/x", Imports: []string{"testing"}},
	}
	got := judge(planted, rules)
	for _, want := range []string{
		"shomei/pkg/civil imports shomei/services/ra", "shomei/cmd/shomei-agent imports github.com/ClickHouse/ch-go", "shomei/pkg/x imports testing",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want+": ") }) {
			t.Errorf("not found: %s\namong %q", want, got)
		}
	}
	if apart := servicesApart(planted); len(apart) != 1 {
		t.Errorf("services that import each other: found %q", apart)
	}
	if quiet := judge([]pkg{{ImportPath: "shomei/pkg/civil", Imports: []string{"time", "github.com/rickar/cal/v2/jp"}}}, rules); len(quiet) > 0 {
		t.Errorf("an allowed import was named: %q", quiet)
	}
	if lines := clockReads("planted.go", "package x\nimport clock \"time\"\nvar _ = clock.Now()\nfunc f() { clock.Sleep(1) }\n"); len(lines) != 2 {
		t.Errorf("clock reads found: %q", lines)
	}
}

// list returns the import graph; packages that don't build are included (-e).
func list(t *testing.T) []pkg {
	t.Helper()
	command := exec.Command("go", "list", "-e", "-json=ImportPath,Standard,Imports,Deps", "shomei/...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func judge(packages []pkg, rules []rule) []string {
	var broken []string
	for _, r := range rules {
		for _, p := range packages {
			if !matches(p.ImportPath, r.of) || matches(p.ImportPath, r.but) {
				continue
			}
			imports := p.Imports
			if r.whole {
				imports = slices.Concat(p.Imports, p.Deps)
			}
			for _, i := range slices.Compact(slices.Sorted(slices.Values(imports))) {
				if r.forbids(p.ImportPath, i) {
					broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.ImportPath, i, r.reason))
				}
			}
		}
	}
	return broken
}

func (r rule) forbids(from, to string) bool {
	if r.only != nil {
		first, _, _ := strings.Cut(to, "/")
		return (strings.Contains(first, ".") || first == "shomei") && !matches(to, r.only)
	}
	return from != to && matches(to, r.never)
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if below, ok := strings.CutSuffix(pattern, "/..."); ok {
			return path == below || strings.HasPrefix(path, below+"/")
		}
		return path == pattern
	})
}

// servicesApart finds services that import each other: services communicate through the log, so that each can run
// alone.
func servicesApart(packages []pkg) []string {
	service := func(path string) string {
		rest, ok := strings.CutPrefix(path, "shomei/services/")
		if !ok {
			return ""
		}
		name, _, _ := strings.Cut(rest, "/")
		return name
	}
	var broken []string
	for _, p := range packages {
		if slices.Contains(testParts, p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			if from, to := service(p.ImportPath), service(i); from != "" && to != "" && from != to {
				broken = append(broken, fmt.Sprintf("service %s imports service %s: they speak through the log only", from, to))
			}
		}
	}
	return broken
}

// TestRulesReadNoClock: time is an argument of every rule, or replays would differ.
func TestRulesReadNoClock(t *testing.T) {
	for _, folder := range []string{"lifecycle", "regime", "regime/question", "civil"} {
		for file, text := range sourcesIn(t, filepath.Join("..", "pkg", folder)) {
			for _, line := range clockReads(file, text) {
				t.Error(line)
			}
		}
	}
}

// sourcesIn returns the texts of a folder's Go files, except tests, by path.
func sourcesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	texts := make(map[string]string, len(files))
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}

// clockReads returns every use of the clock in a file, under whatever name it imports package time.
func clockReads(file, text string) []string {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, 0)
	if err != nil {
		return []string{err.Error()}
	}
	name := ""
	for _, i := range parsed.Imports {
		if i.Path.Value == `"time"` {
			name = "time"
			if i.Name != nil {
				name = i.Name.Name
			}
		}
	}
	var found []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clockFunctions, selector.Sel.Name) {
			found = append(found,
				fmt.Sprintf("%s uses time.%s: the clock is never read inside rules", set.Position(n.Pos()), selector.Sel.Name))
		}
		return true
	})
	return found
}

var clockFunctions = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// TestRoomsHaveNames: a package called util becomes the most imported and least understood one.
func TestRoomsHaveNames(t *testing.T) {
	nameless := []string{"util", "utils", "common", "core", "shared", "base", "types", "models", "helpers", "misc", "lib"}
	for _, p := range list(t) {
		if name := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]; slices.Contains(nameless, name) {
			t.Errorf("package %s has a name that tells nothing", p.ImportPath)
		}
	}
}

// TestTheRootStaysShort: the user fixed the top level.
func TestTheRootStaysShort(t *testing.T) {
	allowed := []string{
		"services", "pkg", "events", "cmd", "deploy", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "CHANGELOG.md",
		".ci", ".git", ".gitignore", "buf.yaml", "buf.gen.yaml", "staticcheck.conf", "out",
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s stands at the root; it belongs in services, pkg, events, cmd or deploy", e.Name())
		}
	}
}

// throughTemporary lists the folders that may be made among temporary files, each with its reason.
var throughTemporary = map[string]string{
	"../cmd/shomei-lab/story.go":                "the folder of a story that was given none holds an invented world and goes with it",
	"../cmd/shomei-lab/story/player/desk.go":    "a socket's name is short, so a story's invented cards lie at a short path, in a folder of their owner's",
	"../pkg/warehouse/enginetest/enginetest.go": "tables of a test",
	"../services/console/api.go":                "a file of counts for a reader, without a name from the beginning, gone with the request",
}

// TestNothingGoesThroughTheTemporaryFolder: secrets and mails are written beside their target (pkg/durable), where only
// its owner can look.
func TestNothingGoesThroughTheTemporaryFolder(t *testing.T) {
	const planted = "package x\nimport \"os\"\nvar d = os.TempDir()\nfunc f() { os.CreateTemp(\"\", \"x\"); os.MkdirTemp(\"beside\", \"x\") }\n"
	if lines := temporaryUses("planted.go", planted); len(lines) != 2 {
		t.Errorf("uses of the temporary folder found: %q", lines)
	}
	for _, root := range []string{"../cmd", "../services", "../pkg", "../events"} {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || throughTemporary[path] != "" {
				return err
			}
			for _, line := range temporaryUses(path, nil) {
				t.Error(line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// temporaryUses finds uses of the temporary folder: os.TempDir, and CreateTemp and MkdirTemp without a folder.
func temporaryUses(path string, source any) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, 0)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || fmt.Sprint(selector.X) != "os" {
			return true
		}
		inNoFolder := func() bool {
			literal, ok := call.Args[0].(*ast.BasicLit)
			return ok && literal.Value == `""`
		}
		switch name := selector.Sel.Name; {
		case name == "TempDir", (name == "CreateTemp" || name == "MkdirTemp") && inNoFolder():
			found = append(found, fmt.Sprintf("%s calls os.%s: write beside the target, by pkg/durable", files.Position(call.Pos()), name))
		}
		return true
	})
	return found
}
