package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shomei/cmd/cli/clitest"
	"shomei/cmd/shomei/hub"
)

// exposure is the highest score, of 100, that systemd may give a unit's isolation; a unit without any scores 96.
const exposure = "20"

var execStart = regexp.MustCompile(`(?m)^ExecStart=\S*/(\S+)(.*)`)

// judgeUnit asks systemd about a unit whose program is not installed.
func judgeUnit(t *testing.T, name, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(execStart.ReplaceAllString(text, "ExecStart=/bin/true$2")), 0o600); err != nil {
		t.Fatal(err)
	}
	var objections []string
	for _, arguments := range [][]string{
		{"verify", "--man=no", path}, {"security", "--offline=yes", "--threshold=" + exposure, path},
	} {
		out, err := exec.Command("systemd-analyze", arguments...).CombinedOutput()
		said := strings.TrimSpace(string(out))
		if err != nil || arguments[0] == "verify" && said != "" {
			objections = append(objections, "systemd-analyze "+arguments[0]+": "+said)
		}
	}
	return objections
}

func TestSystemdJudgesABadUnit(t *testing.T) {
	const bad = "[Unit]\nDescription=bad\n[Service]\nExecStart=/usr/bin/x\nProtectSytem=strict\n"
	if found := judgeUnit(t, "bad.service", bad); len(found) != 2 || !strings.Contains(found[0], "ProtectSytem") {
		t.Errorf("objections: %q", found)
	}
}

func TestUnitsPassSystemdsJudgement(t *testing.T) {
	units, err := filepath.Glob("../deploy/systemd/*.service")
	if err != nil || len(units) < 2 {
		t.Fatalf("found units %v: %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for _, objection := range judgeUnit(t, filepath.Base(unit), string(text)) {
			t.Errorf("%s: %s", unit, objection)
		}
	}
}

// A unit that starts a command with an unknown flag would exit with code 2 on its first boot.
func TestUnitsStartCommandsAsTheyAreSpelt(t *testing.T) {
	units, err := filepath.Glob("../deploy/systemd/*.service")
	if err != nil || len(units) < 2 {
		t.Fatalf("found units %v: %v", units, err)
	}
	bin := t.TempDir()
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		start := execStart.FindSubmatch(text)
		program := filepath.Join(bin, string(start[1]))
		if err := clitest.Install(bin, string(start[1])); err != nil {
			t.Fatal(err)
		}
		instances := []string{""}
		if strings.Contains(unit, "@") {
			instances, _ = hub.Programs()
		}
		for _, instance := range instances {
			arguments := append(strings.Fields(strings.ReplaceAll(string(start[2]), "%i", instance)), "--help")
			if out, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s %q: %v\n%s", unit, start[1], arguments, err, out)
			}
		}
		if _, err := exec.Command(program, "all", "--no-such-flag", "--help").CombinedOutput(); err == nil {
			t.Errorf("%s takes any flag, so this test proves nothing", start[1])
		}
	}
}

// TestNoUnitAllowsCoreDumps: the memory of these programs holds keys and PINs.
func TestNoUnitAllowsCoreDumps(t *testing.T) {
	units, err := filepath.Glob("../deploy/systemd/*.service")
	if err != nil || len(units) < 2 {
		t.Fatalf("found units %v: %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\nLimitCORE=0\n") {
			t.Errorf("%s: LimitCORE=0 is missing", unit)
		}
	}
}
