package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// aggregates that the kept log holds, the facts about the log itself among them.
var spoilt = []string{"authority/log", "authority/sign", "office/12237-main", "card/CARD-10000000006", "subscriber/kaguozpbckyxwpghjimak5so"}

// fields of a record in which a bit is flipped: where in the record, and whether the others prove what stood there, so
// that nothing is lost.
var fields = []struct {
	name   string
	at     func(size, subject int) int
	proven bool
}{
	{"payload", func(size, _ int) int { return size - 60 }, false},
	{"length", func(int, int) int { return 1 }, true},
	{"subject", func(_, subject int) int { return subject + 12 }, true},
	{"checksum", func(size, _ int) int { return size - 3 }, false},
}

// TestADamagedCommitCostsItsOwnHistory: whatever aggregate the damaged commit belongs to, the centre starts, names it, and
// goes on with the others; with a copy nothing is lost. The data are those that version 5 left (testdata), so the fields of
// today's program are tried on them, too. Here each field is spoilt in one aggregate after an orderly stop and in another
// after a kill; make soak does each in all.
func TestADamagedCommitCostsItsOwnHistory(t *testing.T) {
	t.Parallel()
	for how, killed := range []bool{false, true} {
		whole := ended(t, killed)
		for n, field := range fields {
			list := spoilt
			if !soak() {
				list = spoilt[(n+how*2)%len(spoilt):][:1]
			}
			for _, aggregate := range list {
				t.Run(fmt.Sprintf("%s of %s, killed %v", field.name, aggregate, killed), func(t *testing.T) {
					t.Parallel()
					c := newCentre(t, opening)
					copyAll(t, whole+"/.", c.data)
					spoil(t, c.data, aggregate, field.at)
					c.startAsKept(t)
					c.damaged(t, aggregate, !field.proven)
					c.end(killed)
					if field.proven {
						return
					}
					if code, out := c.fsck(t); code != 3 || !strings.Contains(out, aggregate) {
						t.Errorf("fsck: %d %s", code, out)
					}
					c.repair(t, aggregate, whole)
				})
			}
		}
	}
}

// ended is a data folder of version 5 that today's program has run on, and that was stopped in order or killed.
func ended(t *testing.T, killed bool) string {
	t.Helper()
	c := newCentre(t, opening)
	copyAll(t, filepath.Join(unpacked(t), "data")+"/.", c.data)
	c.startAsKept(t)
	c.end(killed)
	return c.data
}

// damaged sees that a running centre serves, and names what is lost if something is.
func (c *centre) damaged(t *testing.T, aggregate string, lost bool) {
	t.Helper()
	mark := "[+] damage"
	if lost {
		mark = "[-] damage"
	}
	if health := c.health(t); !strings.Contains(health, mark) || strings.Contains(health, aggregate) != lost || !strings.Contains(health, "[+] log ") {
		t.Errorf("health says\n%s", health)
	}
	if code, out := c.shomei(t, "office", "list"); code != 0 || !strings.Contains(out, "12237-main") {
		t.Errorf("the centre does not serve: %d %s", code, out)
	}
}

// repair puts the commit back from a copy, after a look that changes nothing.
func (c *centre) repair(t *testing.T, aggregate, from string) {
	t.Helper()
	for _, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"log", "repair", aggregate}, 3, "no copy holds it"},
		{[]string{"log", "repair", aggregate, "--copy", from}, 3, "it can be put back"},
		{[]string{"log", "repair", aggregate, "--copy", from, "--yes"}, 0, "it is put back"},
		{[]string{"log", "repair", aggregate}, 0, "nothing is damaged"},
		{[]string{"log", aggregate}, 0, ""},
	} {
		if code, out := c.shomei(t, append(step.args, "--lang", "en")...); code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("%v: %d, want %d with %q:\n%s", step.args, code, step.code, step.says, out)
		}
	}
}

func (c *centre) shomei(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(programs(t), "shomei"), append([]string{"--data", c.data}, args...)...)
	text, _ := command.CombinedOutput()
	return command.ProcessState.ExitCode(), string(text)
}

// startAsKept runs shomei all on a log that the system's clock began.
func (c *centre) startAsKept(t *testing.T) {
	t.Helper()
	c.command = func() *exec.Cmd {
		return exec.Command(filepath.Join(programs(t), "shomei"), "all", "--data", c.data, "--port", strconv.Itoa(c.port), "--any-clock",
			"--console", "127.0.0.1:"+strconv.Itoa(c.page))
	}
	c.start()
	poll(t, "health", func() bool {
		if _, gone := c.supervised.address(); gone {
			t.Fatal("the centre has ended")
		}
		return c.health(t) != ""
	}, func() string { return string(c.tail()) })
}

// end stops the centre in order, or kills it.
func (c *centre) end(killed bool) {
	if killed {
		c.down()
	} else {
		c.stop()
	}
}

func (c *centre) health(t *testing.T) string {
	t.Helper()
	answer, err := http.Get("http://127.0.0.1:" + strconv.Itoa(c.page) + "/healthz?verbose")
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

func unpacked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "xzf", "testdata/kept-2026-11-28.tar.gz", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpacking: %v %s", err, out)
	}
	return dir
}

// spoil flips a bit in the last commit of an aggregate, where at says by the record's length and where its subject begins.
func spoil(t *testing.T, data, aggregate string, field func(size, subject int) int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "nats/jetstream/*/streams/shomei-log-000-fff/msgs/1.blk"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d first blocks: %v", len(files), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	kind, id, _ := strings.Cut(aggregate, "/")
	last := -1
	for at := 0; at < len(b); {
		size := int(binary.LittleEndian.Uint32(b[at:]) &^ (1 << 31))
		subject := b[at+22 : at+22+int(binary.LittleEndian.Uint16(b[at+20:]))]
		if bytes.Contains(subject, []byte("."+kind+".")) && bytes.HasSuffix(subject, []byte("."+id)) {
			last = at + field(size, 22)
		}
		at += size
	}
	if last < 0 {
		t.Fatalf("the log holds no %s", aggregate)
	}
	b[last] ^= 4
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
}
