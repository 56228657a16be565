package simulation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/cmd/shomei-lab/census"
	"shomei/cmd/shomei-lab/population"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse/enginetest"
)

// killedIn makes the test binary a simulation in the folder that it names, to be killed.
const killedIn = "SHOMEI_SIMULATION_TO_BE_KILLED"

func TestMain(m *testing.M) {
	if data := os.Getenv(killedIn); data != "" && len(os.Args) == 1 {
		if err := beKilled(data); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	enginetest.Main(m)
}

var plan = Plan{Subscribers: 25, From: civil.New(2020, 5, 1), To: civil.New(2022, 3, 1), Seed: 11}

func still(ctx context.Context, data string, plan Plan) (*hub.Hub, error) {
	return hub.StartStill(ctx, hub.Config{
		Data: data, Clock: Clock(data), Begin: plan.From.StartInstant(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// beKilled simulates and reports the number of acts again and again until it is killed.
func beKilled(data string) error {
	h, err := still(context.Background(), data, plan)
	if err != nil {
		return err
	}
	s, err := New(context.Background(), h, plan, 4)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	go func() {
		for range ticker.C {
			fmt.Println(s.Progress().Acts)
		}
	}()
	_, err = s.Run(context.Background(), nil)
	return errors.Join(err, h.Close())
}

// live simulates in a folder, and stops after some acts (0: at the end). It returns the histories, by person.
func live(t *testing.T, data string, acts uint64) (histories map[int][]string, done bool) {
	t.Helper()
	h, err := still(t.Context(), data, plan)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := New(t.Context(), h, plan, 4)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	s.onAct = func(n uint64) {
		if n == acts {
			close(stop)
		}
	}
	if done, err = s.Run(t.Context(), stop); err != nil {
		t.Fatal(err)
	}
	return tell(t, h, s), done
}

// tell returns what the log says of everybody, without what differs from run to run: keys, serials, hashes.
func tell(t *testing.T, h *hub.Hub, s *Simulation) map[int][]string {
	t.Helper()
	histories := make(map[int][]string)
	for i := range s.Subscribers {
		history, err := h.Log.History(t.Context(), events.KindSubscriber, h.SubscriberID(s.people.Person(i).Code))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range history {
			for _, e := range r.Commit.Events {
				histories[i] = append(histories[i], fmt.Sprint(e.RecordedMs, " ", events.Name(e), " ", e.RuleIds))
			}
		}
	}
	return histories
}

func TestAnInterruptedSimulationEndsInTheSameHistory(t *testing.T) {
	whole, done := live(t, t.TempDir(), 0)
	if !done || len(whole) != plan.Subscribers {
		t.Fatalf("%d lives, done: %v", len(whole), done)
	}
	names := map[string]int{}
	for _, history := range whole {
		for _, line := range history {
			names[strings.Fields(line)[1]]++
		}
	}
	if names["ApplicationAccepted"] < plan.Subscribers || names["CertificateIssued"] < plan.Subscribers || names["Delivered"] == 0 {
		t.Errorf("too little happens: %v", names)
	}

	t.Run("stopped", func(t *testing.T) {
		data := t.TempDir()
		if part, done := live(t, data, 90); done || cmp.Equal(part, whole) {
			t.Fatalf("nothing was left to do after the interruption; done: %v", done)
		}
		rest, done := live(t, data, 0)
		if diff := cmp.Diff(whole, rest); diff != "" || !done {
			t.Errorf("done: %v; the interrupted simulation (-whole +interrupted):\n%s", done, diff)
		}
	})
	t.Run("killed", func(t *testing.T) {
		data := t.TempDir()
		for _, acts := range []int{1, 40, 60} {
			kill(t, data, acts)
		}
		rest, done := live(t, data, 0)
		if diff := cmp.Diff(whole, rest); diff != "" || !done {
			t.Errorf("done: %v; the killed simulation (-whole +killed):\n%s", done, diff)
		}
	})
}

// kill starts the simulation in its own process and kills it, without warning, once it has lived some acts.
func kill(t *testing.T, data string, acts int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killedIn+"="+data)
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lived := 0
	for lines := bufio.NewScanner(out); lived < acts && lines.Scan(); {
		fmt.Sscan(lines.Text(), &lived)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || lived < acts {
		t.Fatalf("it ended by itself after %d acts: %v %s", lived, err, complaint.String())
	}
}

// lifeOf lives a plan to its end, has the folder checked and gives what the history holds.
func lifeOf(t *testing.T, plan Plan) (figures []census.Figure, happened map[string]int) {
	t.Helper()
	h, err := still(t.Context(), t.TempDir(), plan)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := New(t.Context(), h, plan, 12)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.Run(t.Context(), nil); err != nil || !done {
		t.Fatalf("done: %v, %v", done, err)
	}
	c, err := s.Census(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report, err := h.Fsck(t.Context(), func(uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range report.Findings {
		t.Errorf("fsck: %v", finding)
	}
	happened = make(map[string]int)
	for _, line := range c.Happened() {
		happened[line.What] = line.Times
	}
	return c.Figures(plan.From, plan.To), happened
}

// TestABelievablePopulation lives ten years of some hundred people: the result is within what is known of the country,
// and covers everything that the law knows.
func TestABelievablePopulation(t *testing.T) {
	figures, happened := lifeOf(t, Plan{Subscribers: 600, From: civil.New(2016, 1, 5), To: civil.New(2026, 4, 1), Seed: 7})
	if len(figures) < 18 {
		t.Errorf("only %d figures of the population", len(figures))
	}
	for _, f := range figures {
		if !f.Within() {
			t.Errorf("%s: %.3f, believable is %.3f to %.3f (%s)", f.Name, f.Value, f.Low, f.High, f.Source)
		}
	}
	for _, what := range []string{
		"accepted: unblock", "accepted: reissue", "accepted: continue use", "accepted: extend card", "came: proxy",
		"came: legal representative", "letter of inquiry first", "lost", "found again", "writings failed", "record: name",
		"record: move overseas", "record: death", "record: period of stay", "deadlines missed after a move", "PINs blocked",
		"notices by mail", "notices by letter", "refused: office.closed.after-hours", "refused: mynumber.renewal.before-window",
		"refused: mynumber.eligibility.other-municipality", "refused: mynumber.documents.photo-id-address",
	} {
		if happened[what] == 0 {
			t.Errorf("nobody of so many: %s", what)
		}
	}
}

// TestJukiHoldersMoveOn lives the last years of the juki regime with people of whom many had such a certificate.
func TestJukiHoldersMoveOn(t *testing.T) {
	plan := Plan{Subscribers: 30, From: civil.New(2012, 1, 4), To: civil.New(2017, 6, 1), Seed: 2163}
	holders := 0
	for i := range plan.Subscribers {
		if !population.Of(plan.Seed, plan.From, plan.To).Person(i).Juki.IsZero() {
			holders++
		}
	}
	_, happened := lifeOf(t, plan)
	if holders < 4 || happened["juki certificates issued"] < holders || happened["revoked: cessation of operation"] == 0 {
		t.Errorf("%d holders: %v", holders, happened)
	}
	if happened["accepted: factory issue"] != plan.Subscribers {
		t.Errorf("%d of %d got a My Number card", happened["accepted: factory issue"], plan.Subscribers)
	}
}

func TestAnotherPlanIsRefused(t *testing.T) {
	data := t.TempDir()
	if err := plan.Keep(data); err != nil {
		t.Fatal(err)
	}
	if err := plan.Keep(data); err != nil {
		t.Errorf("the same plan again: %v", err)
	}
	other := plan
	other.Seed++
	if err := other.Keep(data); !errors.Is(err, ErrPlan) {
		t.Errorf("another plan: %v", err)
	}
	if kept, found, err := ReadPlan(data); err != nil || !found || kept != plan {
		t.Errorf("kept is %v, %v, %v", kept, found, err)
	}
}
