package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shomei/cmd/cli/clitest"
	"shomei/pkg/warehouse/engine"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shomei-lab": main})
}

// TestScripts plays testdata/*.txt: what a command prints, on which stream, and its exit code.
func TestScripts(t *testing.T) {
	library, err := engine.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv(engine.LibraryEnv, library)
			env.Setenv("LANG", "ja_JP.UTF-8")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": clitest.Exits, "eventually": clitest.Eventually, "build": clitest.Build,
		},
	})
}
