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

// Every box of the runbook is run, in its order, by testdata/runbook.txt.
func TestEveryBlockOfTheRunbookIsRun(t *testing.T) {
	book, script := document(t, "deploy/runbook.md"), document(t, "cmd/shomei/testdata/runbook.txt")
	var written, run []string
	for _, m := range namedBlock.FindAllStringSubmatch(book, -1) {
		written = append(written, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^block ([a-z-]+)`).FindAllStringSubmatch(script, -1) {
		run = append(run, m[1])
	}
	if !slices.Equal(written, run) || len(written) != len(anyBlock.FindAllString(book, -1)) {
		t.Errorf("the runbook has %q and %d boxes in all, the script runs %q", written, len(anyBlock.FindAllString(book, -1)), run)
	}
}

// block NAME [CODE] runs a box of the runbook by sh, with the folders of a machine inside the script's own, and wants it
// to end with that exit code (0).
func block(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(runbook)
	ts.Check(err)
	commands, ok := blocks(string(text))[args[0]]
	if !ok {
		ts.Fatalf("the runbook has no box %s", args[0])
	}
	commands = strings.ReplaceAll(commands, "/var/", ts.Getenv("WORK")+"/var/")
	want := "0"
	if len(args) > 1 {
		want = args[1]
	}
	if code := exitCode(ts, []string{"sh", "-euxc", commands}); code != want {
		ts.Fatalf("exit code %s, want %s", code, want)
	}
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
	ts.Defer(func() { _ = ts.Exec("systemctl", "stop", "shomei") }) // when the script ends too early
}

// harm ID flips a bit in the first record of the log that names an id, behind the name.
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
	ts.Check(os.WriteFile(files[0], block, 0o600))
}

// systemctl starts and stops the hub as deploy/systemd/shomei.service does, as far as the runbook asks for it.
const systemctl = `#!/bin/sh
set -eu
case "$1 $2" in
"start shomei")
	mkdir -p "$SHOMEI_HUB_DATA"
	setsid shomei all --port 0 --console :0 --any-clock >>"$WORK/hub.log" 2>&1 &
	echo $! >"$WORK/hub.pid" ;;
"stop shomei")
	[ -e "$WORK/hub.pid" ] || exit 0
	pid=$(cat "$WORK/hub.pid")
	kill -INT "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	rm "$WORK/hub.pid" ;;
*) echo "systemctl: not for a test: $*" >&2; exit 1 ;;
esac
`
