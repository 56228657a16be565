package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// trial is `shomei up` on a data folder of its own, which can be killed and started again.
type trial struct {
	t              *testing.T
	data           string
	console, desk  string // addresses
	mark           string // stands in the environment of every process of it
	process        *exec.Cmd
	greeted, ended chan struct{}
	said           *bytes.Buffer // read it when ended is closed
}

func newTrial(t *testing.T) *trial {
	u := &trial{
		t: t, data: filepath.Join(t.TempDir(), "data"), mark: "SHOMEI_TRIAL=" + rand.Text(),
		console: "127.0.0.1:" + strconv.Itoa(freePort(t)), desk: "127.0.0.1:" + strconv.Itoa(freePort(t)),
	}
	t.Cleanup(func() {
		for pid := range u.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return u
}

func (u *trial) start(environment ...string) {
	u.t.Helper()
	u.process = exec.Command(filepath.Join(programs(u.t), "shomei"), "up", "--data", u.data, "--console", u.console, "--counter", u.desk, "--lang", "en")
	u.process.Env = append(append(os.Environ(), u.mark), environment...)
	u.said = &bytes.Buffer{}
	u.process.Stderr = u.said
	out, err := u.process.StdoutPipe()
	if err == nil {
		err = startChild(u.process)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	u.greeted, u.ended = make(chan struct{}), make(chan struct{})
	go u.watch(out, u.greeted, u.ended)
}

func (u *trial) watch(out io.Reader, greeted, ended chan struct{}) {
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err == nil {
		close(greeted)
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = u.process.Wait()
	close(ended)
}

// runs waits until everything has been started.
func (u *trial) runs() {
	u.t.Helper()
	select {
	case <-u.greeted:
	case <-u.ended:
		u.t.Fatalf("shomei up ended: %v\n%s", u.process.ProcessState, u.said)
	case <-time.After(2 * time.Minute):
		u.t.Fatal("shomei up does not start")
	}
	answer, err := http.Get("http://" + u.desk + "/api/status")
	if err != nil {
		u.t.Fatalf("the counter does not answer: %v", err)
	}
	answer.Body.Close()
}

func (u *trial) end(signal os.Signal) {
	_ = u.process.Process.Signal(signal)
	<-u.ended
}

// processes are all that belong to it, by number, with the program's name.
func (u *trial) processes() map[int]string {
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		if !bytes.Contains(text, []byte(u.mark+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		found[pid] = strings.TrimSpace(string(name))
	}
	return found
}

// await waits until a program of that name belongs to it.
func (u *trial) await(name string) (pid int) {
	u.t.Helper()
	poll(u.t, name, func() bool {
		for p, n := range u.processes() {
			if n == name {
				pid = p
			}
		}
		return pid != 0
	}, func() string { return fmt.Sprint(u.processes()) })
	return pid
}

// gone waits until none of its programs of that name is left, of any when it is empty.
func (u *trial) gone(name string) {
	u.t.Helper()
	left := func() (n int) {
		for _, other := range u.processes() {
			if name == "" || other == name {
				n++
			}
		}
		return n
	}
	poll(u.t, "no "+name+" left", func() bool { return left() == 0 }, func() string { return fmt.Sprint(u.processes()) })
}

// TestAKilledUpLeavesNothingInTheWay kills it at each step of its start and while it runs, and starts it again at once.
func TestAKilledUpLeavesNothingInTheWay(t *testing.T) {
	t.Parallel()
	u := newTrial(t)
	for _, step := range []string{"shomei-agent", "pcscd", "greeted"} {
		u.start()
		if step == "greeted" {
			u.runs()
		} else {
			u.await(step)
		}
		u.end(syscall.SIGKILL)
	}
	u.start()
	u.runs()
	t.Run("a killed counter", func(t *testing.T) {
		_ = syscall.Kill(u.await("shomei-agent"), syscall.SIGKILL)
		u.gone("pcscd")
		<-u.ended
		if code := u.process.ProcessState.ExitCode(); code != 1 || !strings.Contains(u.said.String(), "counter's program ended") {
			t.Errorf("shomei up ended with %d: %s", code, u.said)
		}
	})
	u.start()
	u.runs()
	u.end(os.Interrupt)
	u.gone("")
}

// TestNoProcessLeavesACoreFile asks the system about every process of a running hub and counter.
func TestNoProcessLeavesACoreFile(t *testing.T) {
	t.Parallel()
	var before syscall.Rlimit
	const core = 4 // RLIMIT_CORE
	if err := syscall.Getrlimit(core, &before); err != nil {
		t.Fatal(err)
	}
	if before.Max == 0 {
		t.Skip("core files are forbidden here already, so this proves nothing")
	}
	u := newTrial(t)
	u.start()
	u.runs()
	for _, name := range []string{"shomei", "shomei-agent", "pcscd"} {
		u.await(name)
	}
	for pid, name := range u.processes() {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(limits)) {
			if limit, ok := strings.CutPrefix(line, "Max core file size"); ok && strings.Join(strings.Fields(limit)[:2], " ") != "0 0" {
				t.Errorf("%s (process %d) may leave a core file: %s", name, pid, line)
			}
		}
	}
	u.end(os.Interrupt)
	u.gone("")
}
