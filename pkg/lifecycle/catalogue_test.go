package lifecycle

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"testing"

	"shomei/events"
)

// elsewhere are events of the other aggregates, which their own folds know.
var elsewhere = []string{
	"CardClaimed", "CardReleased", "CardRetired", "CardOpened", "CardKeyMade", "OfficeDefined", "CounterEnrolled", "CounterRetired", "CounterHeadAdopted", "DayClosed",
	"StockCounted", "LogOpened", "GenerationActivated", "BlockLeased", "CrlPublished", "CertificateFound", "RevocationFound", "FoundCertificateRevoked", "VaultRecorded", "WriterEnrolled", "WriterRetired", "RecordOpened",
	"FactQuarantined", "QuarantineResolved", "ClaimHeld",
}

// Every event of the catalogue stands in evolve, folded or as history only; and what evolve hands on to a part of the
// fold has its own case there. Read from the source, so that a case that is taken out fails here by the event's name.
func TestEveryEventIsFolded(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "evolve.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	top := casesOf(file, "evolve")
	parts := map[string]bool{}
	for _, part := range []string{"procedure", "issue", "certificate", "card", "resident", "notice", "erasure"} {
		maps.Copy(parts, casesOf(file, part))
	}
	fields := (&events.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Message().Name())
		t.Run(name, func(t *testing.T) {
			handed, known := top[name]
			switch {
			case slices.Contains(elsewhere, name):
				if known {
					t.Fatal("an event of another aggregate is folded into the subscriber")
				}
			case !known:
				t.Fatal("evolve neither folds it nor lists it as history only")
			case handed && !parts[name]:
				t.Fatal("evolve hands it on to a part of the fold that has no case for it")
			}
		})
	}
}

// casesOf gives the event types named in the type switch of a function, and whether the case does something.
func casesOf(file *ast.File, function string) map[string]bool {
	found := map[string]bool{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			clause, ok := n.(*ast.CaseClause)
			if !ok {
				return true
			}
			for _, expr := range clause.List {
				if star, ok := expr.(*ast.StarExpr); ok {
					found[star.X.(*ast.SelectorExpr).Sel.Name] = len(clause.Body) > 0
				}
			}
			return true
		})
	}
	return found
}
