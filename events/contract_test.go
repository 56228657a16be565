package events

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buf runs buf of the pinned tools over a folder holding buf.yaml and gives its exit code and what it said.
// Exit code 100 means that it found something.
func buf(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("buf is built first, which takes minutes")
	}
	tools, err := filepath.Abs(filepath.Join("..", "deploy", "tools", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"tool", "-modfile=" + tools, "buf"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running buf: %v", err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// release is the image of the contract as last released. A release writes it anew:
// go tool -modfile=deploy/tools/go.mod buf build -o events/testdata/contract.binpb
const release = "testdata/contract.binpb"

// copyOfContract copies what buf reads into a module of its own, with one change in one file.
func copyOfContract(t *testing.T, file, from, to string) string {
	t.Helper()
	dir := t.TempDir()
	protos, err := filepath.Glob("*.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(protos, "../buf.yaml", "../go.mod") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if name == file {
			if !strings.Contains(text, from) {
				t.Fatalf("%s does not contain %q", file, from)
			}
			text = strings.Replace(text, from, to, 1)
		}
		target := filepath.Join(dir, "events", name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBufFindsNothingToLint(t *testing.T) {
	bad := copyOfContract(t, "card.proto", "CardKind kind = 2;", "CardKind Kind_Of = 2;")
	if code, said := buf(t, bad, "lint"); code != 100 || !strings.Contains(said, "lower_snake_case") {
		t.Fatalf("a badly named field: exit code %d, said %q", code, said)
	}
	if code, said := buf(t, "..", "lint"); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
}

func TestNothingBreaksTheReleasedContract(t *testing.T) {
	against, err := filepath.Abs(release)
	if err != nil {
		t.Fatal(err)
	}
	breaks := map[string][2]string{
		"renumbered": {"CardKind kind = 2;", "CardKind kind = 3;"},
		"retyped":    {"string subscriber = 1;", "uint64 subscriber = 1;"},
		"removed":    {"  CardKind kind = 2;\n", ""},
		"renamed":    {"string cause = 1;", "string why = 1;"},
	}
	for name, change := range breaks {
		t.Run(name, func(t *testing.T) {
			dir := copyOfContract(t, "card.proto", change[0], change[1])
			if code, said := buf(t, dir, "breaking", "--against", against); code != 100 {
				t.Fatalf("a breaking change: exit code %d, said %q", code, said)
			}
		})
	}
	if code, said := buf(t, "..", "breaking", "--against", against); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
}
