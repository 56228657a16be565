//go:build linux

package tether_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shomei/pkg/tether"
)

// TestMain is also the parent that is killed: it starts cat on the pipe that it inherits, and says so.
func TestMain(m *testing.M) {
	if os.Getenv("TETHER_PARENT") == "" {
		os.Exit(m.Run())
	}
	child := exec.Command("cat")
	child.Stdin, child.Stdout = os.NewFile(3, "in"), os.NewFile(4, "out")
	process, err := tether.Start(child)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(process.Process.Pid)
	_ = process.Wait()
}

// TestAKilledParentTakesItsChildAlong: the child's end of a pipe is closed although nobody told it to end.
func TestAKilledParentTakesItsChildAlong(t *testing.T) {
	in, keepIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keepIn.Close()
	out, outChild, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "TETHER_PARENT=1")
	parent.ExtraFiles, parent.Stderr = []*os.File{in, outChild}, os.Stderr
	said, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	outChild.Close()
	child, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if _, err := io.ReadAll(out); err != nil { // ends when nobody holds the other end any more
		t.Fatal(err)
	}
	t.Logf("process %s ended with its parent", strings.TrimSpace(child))
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	if _, err := tether.Start(exec.Command("/no/such/program")); err == nil {
		t.Error("started what is not there")
	}
}

func TestHowItEndedIsTold(t *testing.T) {
	process, err := tether.Start(exec.Command("false"))
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Wait(); err == nil || process.ProcessState.ExitCode() != 1 {
		t.Errorf("false ended with %v, %v", err, process.ProcessState)
	}
}
