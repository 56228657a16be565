package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/regime"
)

// The README and the decisions name files, rules and commands; whoever renames one learns here where it is mentioned.
func TestWhatTheDocumentsNameIsThere(t *testing.T) {
	a := &app{}
	root := a.root()
	path := regexp.MustCompile("`((?:events|pkg|services|cmd|deploy)/[a-z0-9_./]*)`")
	command := regexp.MustCompile(`(?m)(?:^|\x60)shomei ([a-z]+)`)
	rule := regexp.MustCompile(`(?:juki|mynumber)\.[a-z]+\.[a-z-]+`)
	for _, name := range []string{"README.md", "CHANGELOG.md", "deploy/DECISIONS.md", "deploy/runbook.md"} {
		text := document(t, name)
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s: %s is not there", name, m[1])
			}
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if cmd, _, err := root.Find([]string{m[1]}); err != nil || cmd == root {
				t.Errorf("%s: there is no command shomei %s", name, m[1])
			}
		}
		for _, id := range rule.FindAllString(text, -1) {
			if _, ok := regime.Lookup(id); !ok {
				t.Errorf("%s: there is no rule %s", name, id)
			}
		}
	}
}

func TestTheStoryInTheReadmeIsOne(t *testing.T) {
	_, text, found := strings.Cut(document(t, "README.md"), "```\nstory ")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatal("the README shows no story")
	}
	if _, err := story.Parse(strings.NewReader("story "+text), "README.md"); err != nil {
		t.Error(err)
	}
}

// Every term of the glossary is used: as an event, a kind of aggregate, or a word in the code.
func TestTheGlossaryNamesWhatTheCodeSays(t *testing.T) {
	_, glossary, found := strings.Cut(document(t, "README.md"), "\n## 用語 Glossary\n")
	glossary, _, ended := strings.Cut(glossary, "\n## ")
	terms := regexp.MustCompile("`([A-Za-z_-]+)`").FindAllStringSubmatch(glossary, -1)
	if !found || !ended || len(terms) < 15 {
		t.Fatalf("the glossary has %d terms", len(terms))
	}
	for _, m := range terms {
		if !slices.Contains(events.Kinds, m[1]) && !spelt(t, m[1]) {
			t.Errorf("no code says %s", m[1])
		}
	}
}

// spelt looks for a word in the Go code and the contract.
func spelt(t *testing.T, word string) bool {
	t.Helper()
	out, err := exec.Command("grep", "-rlw", "--include=*.go", "--include=*.proto", "--exclude=*_test.go", "--", word,
		"../../events", "../../pkg", "../../services").Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() > 1 {
		t.Fatal(err)
	}
	return len(out) > 0
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
