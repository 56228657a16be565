package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shomei/cmd/cli/clitest"
	"shomei/pkg/warehouse/engine"
)

// person is somebody who gives commands, by the flags that say as whom.
type person struct {
	name, flags string
	// root: they have the root's key beside.
	root bool
}

// Whom the centre's commands know. A stranger has a folder of their own, which is no centre's; a former operator has credentials that
// were retired.
const (
	stranger       = "a stranger"
	owner          = "the owner of the data folder"
	ownerWithRoot  = "the owner with the root's key"
	operator       = "an operator"
	operatorRooted = "an operator with the root's key"
	former         = "a former operator"
)

// refusals say what somebody is told who may not give a command of a class; whoever is not named may.
var refusals = map[giver]map[string]string{
	folder: {
		stranger: noCentre, operator: noCentre + "|centre's own machine", operatorRooted: noCentre + "|centre's own machine",
		former: noCentre + "|centre's own machine",
	},
	operators:    {stranger: noCentre, former: notLetIn},
	founder:      {stranger: noCentre, owner: noRoot, operator: "centre's own folder", operatorRooted: "centre's own folder", former: notLetIn},
	rooted:       {stranger: noCentre, owner: noRoot, operator: noRoot, former: notLetIn},
	credentialed: {stranger: noCentre, owner: twoOfficers, ownerWithRoot: twoOfficers, former: notLetIn},
	paired:       {stranger: noCentre, owner: twoOfficers, ownerWithRoot: twoOfficers, former: notLetIn},
	bundled:      {stranger: noCentre, operator: noCentre, operatorRooted: noCentre, former: noCentre},
}

const (
	noCentre    = "no hub's data here"
	notLetIn    = "does not let the credentials of officer 0044 in"
	noRoot      = "only the root's key can do this"
	twoOfficers = "two officers with credentials"
)

// notTried lists commands of those classes that are tried elsewhere, with the reason.
var notTried = map[string]string{
	"all": "a centre is started by whoever has a folder for one", "up": "a centre is started by whoever has a folder for one",
	"nats init":  "it works on what lies in a stopped centre's folder (cmd/shomei/hub/separate_test.go)",
	"cards roll": "its second time is refused to nobody, and takes a backup (cmd/shomei/hub/keys_test.go)",
}

// tried is a command with arguments that lead beyond where it is decided who may give it; says is what somebody reads there who may: an
// outcome, or what is wrong with what they ask for.
type tried struct{ args, says string }

// asOfficer says who gives an order, where no credentials do.
const asOfficer = " --officer 0042"

const (
	noOffice     = "there is no office"
	noSubscriber = "the log holds no subscriber nobody"
	noOrder      = "is no number of an order"
	runsAlready  = "a hub is already running"
)

// commandsTried has a row for each command of those classes.
var commandsTried = map[string]tried{
	"access":             {"", "OFFICER"},
	"access report":      {"--week 2020-W01", "OFFICER"},
	"approval list":      {"", "ASKED BY"},
	"approval show":      {"none/1", noOrder},
	"authority found":    {"", "AUTHORITY"},
	"counter enrol":      {"nowhere-1 --out OUT/bundle" + asOfficer, noOffice},
	"counter list":       {"", "COUNTER"},
	"counter renew":      {"none-1" + asOfficer, "no counter none-1"},
	"counter retire":     {"none-1" + asOfficer, "no counter none-1"},
	"feed enrol":         {"reader-1 --prefecture 99 --out OUT/reader" + asOfficer, "two digits"},
	"feed list":          {"", "READER"},
	"feed retire":        {"reader-1" + asOfficer, "no reader reader-1"},
	"log":                {"office/12237-main", "OfficeDefined"},
	"office define":      {"OFFICE" + asOfficer, "12237-main"},
	"office list":        {"", "12237-main"},
	"office show":        {"12237-main", "12237-main"},
	"officer enrol":      {"nowhere-1 A1 --role clerk" + asOfficer, noOffice},
	"officer four-eyes":  {"nowhere-1 --act unblock --from 2199-01-01" + asOfficer, noOffice},
	"officer invite":     {"nowhere-1 A1" + asOfficer, noOffice},
	"officer list":       {"12237-main", "not required"},
	"officer passkeys":   {"12237-main A1", "no such officer"},
	"officer passwords":  {"nowhere-1" + asOfficer, noOffice},
	"officer require":    {"nowhere-1 2199-01-01" + asOfficer, noOffice},
	"officer retire":     {"nowhere-1 A1" + asOfficer, noOffice},
	"operators list":     {"", "0043"},
	"quarantine list":    {"", "CLAIM"},
	"quarantine resolve": {"none --outcome repeated --why x" + asOfficer, "nothing in quarantine"},
	"report change":      {"nobody death --on 2026-11-01 --office 12237-main" + asOfficer, noSubscriber},
	"report loss":        {"nobody --office 12237-main" + asOfficer, noSubscriber},

	"operators enrol":  {"0099 --out OUT/creds ROOT" + asOfficer, "credentials of officer 0099 are in"},
	"operators retire": {"0098 ROOT" + asOfficer, "0098 has no credentials"},

	"approval approve":    {"none/1", noOrder},
	"approval refuse":     {"none/1 --why x", noOrder},
	"approval withdraw":   {"none/1", noOrder},
	"person export write": {"nobody --out OUT/doc", noSubscriber},

	"authority revoke":   {"1 --authority sign --reason key-compromise --why x" + asOfficer, "order sign.|asked for already|waits"},
	"counter adopt":      {"none-1 --yes --why x" + asOfficer, "no counter none-1"},
	"erase":              {"nobody --class contact --order x" + asOfficer, noSubscriber},
	"log close":          {"subscriber/nobody --why x", "only what is parked is closed"},
	"person export ask":  {"nobody --why x", noSubscriber},
	"quarantine release": {"none --why x", "nothing in quarantine"},
	"report order":       {"nobody ca-compromise --serial 1 --office 12237-main" + asOfficer, noSubscriber},

	"forecast":              {"", "ENDING"},
	"forecast backtest":     {"", "no visits"},
	"forecast history":      {"", "what,day,office"},
	"forecast visits":       {"", "no visits"},
	"forecast what-if":      {"", "no visits"},
	"fsck":                  {"", "nothing differs"},
	"keys change authority": {"sign", runsAlready},
	"keys change master":    {"", runsAlready},
	"keys change nats":      {"ra", runsAlready},
	"keys change writer":    {"ra --root OUT/none", runsAlready},
	"keys list":             {"", "SEALED"},
	"keys root":             {"--out OUT/root", "root.nk: no such file"},
	"keys seal":             {"--unlock passphrase", runsAlready},
	"keys unseal":           {"", runsAlready},
	"log repair":            {"office/12237-main", runsAlready},
	"rebuild":               {"", "ROWS"},
	"state":                 {"nobody", "nothing known"},

	"residents import": {"- --office 12237-main" + asOfficer, "."},
}

// trial is a centre that is no trial, in a process of its own, and those who give it commands.
type trial struct {
	*testing.T
	dir, data, office string
	people            []person
}

func openTrial(t *testing.T) *trial {
	t.Helper()
	s := &trial{T: t, dir: t.TempDir()}
	s.data, s.office = filepath.Join(s.dir, "data"), filepath.Join(s.dir, "main.toml")
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.dir, "config"))
	library, err := engine.FindLibrary("")
	s.must(err)
	t.Setenv(engine.LibraryEnv, library)
	centre := exec.Command("shomei", "all", "--data", s.data, "--port", "0", "--console", ":0", "--any-clock")
	var said bytes.Buffer
	centre.Stderr = &said
	s.must(centre.Start())
	t.Cleanup(func() { // no error of a signal matters: it is waited for
		_ = centre.Process.Signal(os.Interrupt)
		if err := centre.Wait(); err != nil || t.Failed() {
			t.Logf("the centre: %v %s", err, said.String())
		}
	})
	s.must(os.WriteFile(s.office, []byte(officeTried), 0o600))
	s.people = []person{
		{stranger, "--data " + filepath.Join(s.dir, "empty"), false},
		{owner, "--data " + s.data, false},
		{ownerWithRoot, "--data " + s.data, true},
		{operator, "--creds " + filepath.Join(s.dir, "0042"), false},
		{operatorRooted, "--creds " + filepath.Join(s.dir, "0042"), true},
		{former, "--creds " + filepath.Join(s.dir, "0044"), true},
	}
	t.Chdir(s.dir)
	boss := s.people[2]
	if !clitest.Await(func() bool { _, err := s.give(boss, "office define", "OFFICE"+asOfficer); return err == nil }) {
		t.Fatal("the centre does not answer")
	}
	for _, done := range [][2]string{
		{"keys root", "--out " + s.rootKey()},
		{"operators enrol", "0042 --out 0042 ROOT" + asOfficer},
		{"operators enrol", "0043 --out 0043 ROOT" + asOfficer},
		{"operators enrol", "0044 --out 0044 ROOT" + asOfficer},
		{"operators retire", "0044 ROOT" + asOfficer},
	} {
		if out, err := s.give(boss, done[0], done[1]); err != nil {
			t.Fatalf("%s: %v %s", done[0], err, out)
		}
	}
	return s
}

const officeTried = `id = "12237-main"
effective = "2016-01-01"
municipality = "12237"
name = "山武市"
municipality_romaji = "Sammu-shi"
telephone = "0475-80-1141"

[[open]]
from = "2016-01-01"
until = "2199-12-31"
`

func (s *trial) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *trial) rootKey() string { return filepath.Join(s.dir, "root.nk") }

// give gives a command as somebody, and returns what it says.
func (s *trial) give(as person, command, args string) (string, error) {
	root := ""
	if as.root {
		root = "--root " + s.rootKey()
	}
	args = strings.NewReplacer("OUT", s.TempDir(), "ROOT", root, "OFFICE", s.office).Replace(args)
	var out bytes.Buffer
	line := (&app{}).root()
	line.SetArgs(strings.Fields(as.flags + " --lang en " + command + " " + args))
	line.SetIn(strings.NewReader(""))
	line.SetOut(&out)
	line.SetErr(&out)
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	err := line.ExecuteContext(ctx)
	if err != nil {
		return out.String() + err.Error(), err
	}
	return out.String(), nil
}

// TestEveryCommandByEverybody gives each command as each person: whoever may by the table gets beyond the question who gives it, and
// everybody else is refused for that and nothing else.
func TestEveryCommandByEverybody(t *testing.T) {
	s := openTrial(t)
	rows := maps.Clone(commandsTried)
	for class, commands := range commandsOf {
		if refusals[class] == nil {
			continue // anybody's; and programs, whose keys are tried in cmd/shomei/hub/programs_test.go
		}
		for _, command := range commands {
			row, ok := rows[command]
			delete(rows, command)
			if _, elsewhere := notTried[command]; ok == elsewhere {
				t.Errorf("how is %q tried? Say so in one of the tables", command)
			}
			if !ok {
				continue
			}
			for _, as := range s.people {
				says, mayNot := refusals[class][as.name]
				if !mayNot {
					says = row.says
				}
				if got, err := s.give(as, command, row.args); !regexp.MustCompile(says).MatchString(got) || mayNot && err == nil {
					t.Errorf("%s by %s: want %q: %v\n%.300s", command, as.name, says, err, got)
				}
			}
		}
	}
	for command := range rows {
		t.Errorf("%q is no command of a class that is tried", command)
	}
}
