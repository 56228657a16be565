package crashpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"shomei/pkg/crashpoint"
)

var (
	first  = crashpoint.Register("test.first")
	second = crashpoint.Register("test.second")
)

// TestMain is the process that dies when it is started with an armed point.
func TestMain(m *testing.M) {
	if os.Getenv("CRASHPOINT_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	for range 3 {
		first.Hit()
		os.Stdout.WriteString("first passed\n")
	}
	crashpoint.Point("test.second").Hit()
	os.Stdout.WriteString("second passed\n")
}

func TestAnArmedPointKillsAtItsVisit(t *testing.T) {
	for armed, row := range map[string]struct {
		passed int
		killed bool
	}{
		"":                           {4, false},
		"test.first":                 {0, true},
		"test.first:1":               {0, true},
		"test.first:3":               {2, true},
		"test.first:4":               {4, false},
		"test.second":                {3, true},
		"test.nowhere":               {4, false},
		"test.first:no":              {0, true},
		"test.nowhere,test.second":   {3, true},
		"test.second,test.first:2":   {1, true},
		",test.first:9,,test.second": {3, true},
	} {
		report := filepath.Join(t.TempDir(), "report")
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "CRASHPOINT_TEST_CHILD=1", crashpoint.Variable+"="+armed, crashpoint.ReportVariable+"="+report)
		out, err := child.Output()
		if passed := strings.Count(string(out), "passed"); passed != row.passed {
			t.Errorf("%q: %d points were passed, want %d", armed, passed, row.passed)
		}
		exit, _ := errors.AsType[*exec.ExitError](err)
		killed := exit != nil && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != row.killed {
			t.Errorf("%q: killed %v (%v), want %v", armed, killed, err, row.killed)
		}
		want := ""
		if row.killed {
			want = map[bool]string{true: "test.second\n", false: "test.first\n"}[row.passed == 3]
		}
		if told, err := os.ReadFile(report); string(told) != want || (want != "") != (err == nil) {
			t.Errorf("%q: the report says %q (%v), want %q", armed, told, err, want)
		}
	}
}

func TestListNamesEveryPointOnce(t *testing.T) {
	crashpoint.Register("test.first")
	if got, want := crashpoint.List(), []string{"test.first", "test.second"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_ = second
}
