package player

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"shomei/cmd/cli/clitest"
	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/warehouse/engine"
)

// agentProgram is the path of the agent, built once for all tests here.
var agentProgram string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(serveEngine(os.Args[2:])) // the test binary runs the engine, as cmd/shomei does
	}
	os.Exit(withAgent(m))
}

func serveEngine(args []string) int {
	c := engine.ServeConfig{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	c.Bind(flags)
	_ = flags.Parse(args) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := engine.Serve(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func withAgent(m *testing.M) int {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	agentProgram = filepath.Join(dir, "shomei-agent")
	if err := clitest.Install(dir, "shomei-agent"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func parse(t *testing.T, text string) *story.Story {
	t.Helper()
	s, err := story.Parse(strings.NewReader(text), "test.story")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const someone = `story S
office main
  municipality 12237 山武市 Sammu-shi
person A
  name 山武 花子
  birth 1980-06-18
  address 千葉県山武市殿台296番地
  lives-in 12237
`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// played plays a story on a new world, which stays open until the test ends, and returns the story's report and output.
func played(t *testing.T, s *story.Story) (*World, *Report, string) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	w, err := Build(t.Context(), t.TempDir(), agentProgram, s.Begin(), logger)
	must(t, err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	var out bytes.Buffer
	report, err := Play(t.Context(), s, w, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return w, report, out.String()
}

// play plays a story on a new world and returns its report, its output and the folder of its export.
func play(t *testing.T, s *story.Story) (*Report, string, string) {
	t.Helper()
	w, report, out := played(t, s)
	folder := t.TempDir()
	must(t, w.Export(t.Context(), folder, report))
	return report, out, folder
}

// TestFailuresAreFound plays the example of the help with added expectations that must fail: each must be reported, and none
// may end the story.
func TestFailuresAreFound(t *testing.T) {
	planted := []string{
		"  expect refused application.double-issue", "  expect auth status revoked", "  expect auth last-day 2020-06-17",
		"  expect auth last-day 2020-06-18 by mynumber.validity.card-caps", "  expect auth on-card no", "  expect fee 500",
		"  expect card status void", "  expect notice expiry sent", "  expect mail 満了", "  expect auth generation 9",
		"  expect auth listed superseded", "  expect deadline card-90 missed", "  expect event CertificateRevoked",
		"  expect rule mynumber.ends.name", "  expect counter-says x", "  expect sign window 2020-03-18", "  expect deferred",
		"  expect auth reason superseded", "  expect auth revoked-at 2016-01-12 10:00", "  expect notices expiry 1",
		"  expect alternative auth 2020-06-18", "  expect no-event Delivered",
	}
	example, err := os.ReadFile("../example.story")
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(example), "  expect fee 0\n")
	s := parse(t, before+strings.Join(planted, "\n")+"\n"+after+"\nlook 花子\n  expect auth status valid\n")
	report, out, folder := play(t, s)
	if report.Failed != len(planted) {
		t.Errorf("%d expectations failed, %d were planted\n%s", report.Failed, len(planted), out)
	}
	if last := report.Steps[len(report.Steps)-1]; len(last.Expectations) != 1 || !last.Expectations[0].OK {
		t.Errorf("the story did not continue to its end: %+v", last)
	}
	checkExport(t, folder)
}

// checkExport checks that all exported files exist and can be read.
func checkExport(t *testing.T, folder string) {
	t.Helper()
	var index []map[string]any
	text, err := os.ReadFile(filepath.Join(folder, "certs", "index.json"))
	if err != nil || json.Unmarshal(text, &index) != nil || len(index) != 4 {
		t.Fatalf("certs/index.json: %v, %d certificates", err, len(index))
	}
	for _, field := range []string{"serial", "kind", "subscriber", "regime", "not_before", "not_after", "last_day", "status", "revoked_at", "suspended_at", "reason"} {
		if _, ok := index[0][field]; !ok {
			t.Errorf("certs/index.json lacks %s", field)
		}
	}
	for _, one := range index {
		file := filepath.Join(folder, "certs", fmt.Sprintf("%s.pem", one["serial"]))
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{"ca/*.pem", "crl/sign.crl", "crl/auth.crl", "card/MN-0001.json", "mail/*.eml", "events.jsonl", "report.json"} {
		if found, err := filepath.Glob(filepath.Join(folder, pattern)); err != nil || len(found) == 0 {
			t.Errorf("%s is missing", pattern)
		}
	}
	log, err := os.ReadFile(filepath.Join(folder, "events.jsonl"))
	if err != nil || !bytes.Contains(log, []byte(`"CertificateIssued"`)) || bytes.Contains(log, []byte("花子")) {
		t.Errorf("events.jsonl: %v; it must hold the events and no name", err)
	}
}

// TestExportHasListOfEachAuthority plays a story of two prefectures: a revoked certificate is on the list of its authority and
// in the file of its kind.
func TestExportHasListOfEachAuthority(t *testing.T) {
	text, err := os.ReadFile("../../../../deploy/stories/juki-last-acceptance.story")
	if err != nil {
		t.Fatal(err)
	}
	_, _, folder := play(t, parse(t, string(text)))
	var index []struct{ Serial, Status string }
	raw, err := os.ReadFile(filepath.Join(folder, "certs", "index.json"))
	if err != nil || json.Unmarshal(raw, &index) != nil || len(index) < 2 {
		t.Fatalf("certs/index.json: %v, %d certificates", err, len(index))
	}
	named := make(map[string][]string) // serials by file
	files, _ := filepath.Glob(filepath.Join(folder, "crl", "*.crl"))
	for _, file := range files {
		serials := make(map[uint64]string)
		if err := readList(file, serials); err != nil {
			t.Fatal(err)
		}
		for serial := range serials {
			named[filepath.Base(file)] = append(named[filepath.Base(file)], events.FormatSerial(serial))
		}
	}
	ended := 0
	for _, c := range index {
		if c.Status != "revoked" {
			continue
		}
		ended++
		for _, file := range []string{"juki-14.crl", "juki.crl"} { // this story revokes only Kanagawa's certificates
			if !slices.Contains(named[file], c.Serial) {
				t.Errorf("certificate %s is revoked and not in %s: %v", c.Serial, file, named)
			}
		}
	}
	if ended == 0 {
		t.Error("nothing was revoked")
	}
	for _, file := range []string{"juki-12.crl", "juki-14.crl", "juki.crl", "sign.crl"} {
		if _, err := os.Stat(filepath.Join(folder, "crl", file)); err != nil {
			t.Error(err)
		}
	}
}

// TestUnexpectedRefusalFails plays a refused application without an expectation about it.
func TestUnexpectedRefusalFails(t *testing.T) {
	s := parse(t, someone+"at 2016-02-01(月) 10:00\napply A collect at main\n  shows photo-id\n")
	report, out, _ := play(t, s)
	if report.Failed != 1 || report.Expected != 1 {
		t.Errorf("%d of %d expectations failed, want 1 of 1\n%s", report.Failed, report.Expected, out)
	}
}

// TestNamedClerksSign plays special circumstances between two named clerks: both have signed, and everything else is unsigned.
func TestNamedClerksSign(t *testing.T) {
	const acts = `at 2022-03-31(木) 02:00
factory A card MN-1
at 2022-04-01(金) 10:00
apply A collect at main
  by legal-representative
  shows handover-notice, photo-id, proof-of-representation, proxy-photo-id
apply A issue at main
  kinds sign
  by legal-representative
  clerk 017
  special-circumstances granted-by 課長
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted mynumber.eligibility.special-circumstances
`
	s := parse(t, someone+"  adult-ward yes\n"+acts)
	w, report, out := played(t, s)
	if report.Failed > 0 {
		t.Fatal(out)
	}
	last := s.Steps[len(s.Steps)-1].Act.(*story.Application)
	commits, err := w.Commits(t.Context(), w.Subscriber(last.Person))
	must(t, err)
	signed := make(map[string]int)
	for _, c := range commits {
		who := c.GetActor().GetId()
		if c.Proof != nil {
			signed[who]++
		}
		if c.SecondProof != nil {
			signed[c.SecondOfficer.GetId()]++
		}
		if who == anybody && c.Proof != nil {
			t.Errorf("%s has signed", anybody)
		}
	}
	if signed["017"] != 2 || signed[officerCode("課長")] != 1 { // the application and the hand-over; the approval
		t.Errorf("signed: %v\n%s", signed, out)
	}
}
