package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fsck runs the command as an operator does.
func (c *centre) fsck(t *testing.T) (code int, out string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(programs(t), "shomei"), "--data", c.data, "fsck")
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(text)
}

// fsckOfWholeTables runs it once the tables, which may be newer than the log, have been made anew from it.
func (c *centre) fsckOfWholeTables(t *testing.T) (code int, out string) {
	t.Helper()
	const later = 75 // EX_TEMPFAIL
	poll(t, "fsck to be possible", func() bool { code, out = c.fsck(t); return code != later }, func() string { return out })
	return code, out
}

// TestTheCommandFsck runs it beside a centre, after the centre has stopped, and on damage.
func TestTheCommandFsck(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	l := newLives(t, c, k)
	l.issue("1990-06-18")
	c.whole()
	if code, out := c.fsck(t); code != 0 || !strings.Contains(out, "nothing differs") {
		t.Errorf("beside a running centre: %d %s", code, out)
	}
	k.stop()
	c.stop()
	if code, out := c.fsck(t); code != 0 || !strings.Contains(out, "nothing differs") {
		t.Errorf("after it has stopped: %d %s", code, out)
	}
	list := filepath.Join(c.data, "crl", "sign.crl")
	kept, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if code, out := c.fsck(t); code != 3 || !strings.Contains(out, "sign.crl") {
		t.Errorf("without a list: %d %s", code, out)
	}
	if err := os.WriteFile(list, kept, 0o644); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(c.data, "nats"), "CARD-1")
	if code, out := c.fsck(t); code != 3 || len(out) == 0 {
		t.Errorf("with a flipped bit: %d %s", code, out)
	} else {
		t.Log(out)
	}
}

// flip changes one bit of the log in the middle of some text.
func flip(t *testing.T, folder, text string) {
	t.Helper()
	flipped := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".blk") || !strings.Contains(path, "shomei-log") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if at := bytes.Index(content, []byte(text)); at >= 0 {
			content[at] ^= 1
			flipped++
			return os.WriteFile(path, content, 0o600)
		}
		return nil
	})
	if err != nil || flipped == 0 {
		t.Fatalf("%d bits flipped: %v", flipped, err)
	}
}
