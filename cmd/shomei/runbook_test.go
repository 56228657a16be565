package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shomei/cmd/cli/clitest"
)

const runbook = "../../deploy/runbook.md"

var (
	namedBlock = regexp.MustCompile("(?ms)^<!-- ([a-z-]+) -->\n```sh\n(.*?)^```$")
	anyBlock   = regexp.MustCompile("(?m)^```sh$")
)

// blocks are the boxes of the runbook by their names.
func blocks(text string) map[string]string {
	found := make(map[string]string)
	for _, m := range namedBlock.FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// Every box of the runbook is run, in its order: by testdata/runbook.txt, or by far.txt where it takes two machines.
func TestEveryBlockOfTheRunbookIsRun(t *testing.T) {
	book := document(t, "deploy/runbook.md")
	boxes := 0
	for script, belongs := range map[string]func(name string) bool{
		"runbook.txt": func(name string) bool { return !strings.HasPrefix(name, "far-") },
		"far.txt":     func(name string) bool { return strings.HasPrefix(name, "far-") },
	} {
		var written, run []string
		for _, m := range namedBlock.FindAllStringSubmatch(book, -1) {
			if belongs(m[1]) {
				written = append(written, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:on \S+ )?block ([a-z-]+)`).FindAllStringSubmatch(document(t, "cmd/shomei/testdata/"+script), -1) {
			run = append(run, m[1])
		}
		if !slices.Equal(written, run) {
			t.Errorf("the runbook has the boxes %q, %s runs %q", written, script, run)
		}
		boxes += len(written)
	}
	if all := len(anyBlock.FindAllString(book, -1)); all != boxes {
		t.Errorf("%d boxes of %d have a name", boxes, all)
	}
}

// block NAME [CODE] runs a box of the runbook by sh, with the folders of a machine inside the script's own, and wants it
// to end with that exit code (0).
func block(ts *testscript.TestScript, _ bool, args []string) {
	want := "0"
	if len(args) > 1 {
		want = args[1]
	}
	if code := clitest.ExitCode(ts, boxed(ts, args[0])); code != want {
		ts.Fatalf("exit code %s, want %s", code, want)
	}
}

// boxed is the command that runs a box of the runbook.
func boxed(ts *testscript.TestScript, name string) []string {
	text, err := os.ReadFile(runbook)
	ts.Check(err)
	commands, ok := blocks(string(text))[name]
	if !ok {
		ts.Fatalf("the runbook has no box %s", name)
	}
	return []string{"sh", "-euxc", inside(ts, commands)}
}

// inside leads the folders of a machine into the script's own.
func inside(ts *testscript.TestScript, text string) string {
	return strings.NewReplacer("/var/", ts.Getenv("WORK")+"/var/", "/media/", ts.Getenv("WORK")+"/media/").Replace(text)
}

// writes FILE puts the runbook's definition of an office into a file, and a stand-in for systemctl before the others.
func writes(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(runbook)
	ts.Check(err)
	_, office, _ := strings.Cut(string(text), "```toml\n")
	office, _, found := strings.Cut(office, "```")
	if !found {
		ts.Fatalf("the runbook defines no office")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(office), 0o600))
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	ts.Check(os.WriteFile(filepath.Join(bin, "systemctl"), []byte(systemctl), 0o755))
	for _, unit := range []string{"shomei", "shomei-agent"} {
		ts.Defer(func() { _ = ts.Exec("systemctl", "stop", unit) }) // when the script ends too early
	}
}

// harm ID [lost] flips a bit in the first record of the log that names an id, behind the name; with lost, so many that nothing proves
// what stood there.
func harm(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.Getenv("SHOMEI_HUB_DATA"), "nats/jetstream/*/streams/shomei-log-*/msgs/1.blk"))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%d first blocks of the log", len(files))
	}
	block, err := os.ReadFile(files[0])
	ts.Check(err)
	at := bytes.Index(block, []byte(args[0]))
	if at < 0 {
		ts.Fatalf("the log names no %s", args[0])
	}
	block[at+len(args[0])+200] ^= 4
	if len(args) > 1 {
		copy(block[at+len(args[0])+200:], strings.Repeat("lost", 16))
	}
	ts.Check(os.WriteFile(files[0], block, 0o600))
}

// systemctl starts and stops the programs as the units in deploy/systemd do, as far as the runbook asks for it.
const systemctl = `#!/bin/sh
set -eu
unit=$2
case "$1 $2" in
"start shomei")
	mkdir -p "$SHOMEI_HUB_DATA"
	if [ -e "$WORK/etc/shomei/shomei.toml" ]; then set -- --config "$WORK/etc/shomei/shomei.toml"; else at=${HUBAT:-0}; set -- --port "${at##*:}" --console :0; fi
	setsid shomei all "$@" --any-clock >>"$WORK/$unit.log" 2>&1 &
	echo $! >"$WORK/$unit.pid" ;;
"start shomei-agent")
	setsid shomei-agent run --bundle "$WORK/var/lib/shomei-agent" --listen 127.0.0.1:8472 --virtual-reader "$WORK/cards" >>"$WORK/$unit.log" 2>&1 &
	echo $! >"$WORK/$unit.pid" ;;
"stop shomei"|"stop shomei-agent")
	[ -e "$WORK/$unit.pid" ] || exit 0
	pid=$(cat "$WORK/$unit.pid")
	kill -INT "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	rm "$WORK/$unit.pid" ;;
"restart shomei") "$0" stop shomei; "$0" start shomei ;;
*) echo "systemctl: not for a test: $*" >&2; exit 1 ;;
esac
`
