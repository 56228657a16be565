package simulation

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shomei/cmd/shomei/hub"
	"shomei/cmd/shomei/population"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var plan = Plan{Subscribers: 12, From: civil.New(2020, 5, 1), To: civil.New(2022, 3, 1), Seed: 11}

// live simulates in a folder, and stops after some months (0: not at all). It gives the histories at the end, by person.
func live(t *testing.T, data string, months int) (histories map[int][]string, done bool) {
	t.Helper()
	h, err := hub.StartStill(t.Context(), hub.Config{
		Data: data, Clock: Clock(data), Begin: plan.From.StartInstant(), ExpiryEvery: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
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
	seen := 0
	done, err = s.Run(t.Context(), stop, func(Progress) {
		if seen++; seen == months {
			close(stop)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return tell(t, h), done
}

// tell writes down what the log says of everybody, without what differs from run to run: keys, serials, hashes.
func tell(t *testing.T, h *hub.Hub) map[int][]string {
	t.Helper()
	histories := make(map[int][]string)
	for i := range plan.Subscribers {
		p := population.New(plan.Seed, i, plan.From, plan.To)
		history, err := h.Log.History(t.Context(), events.KindSubscriber, h.SubscriberID(p.Code))
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
			var at int64
			var name string
			if _, err := fmt.Sscan(line, &at, &name); err != nil {
				t.Fatal(err)
			}
			names[name]++
		}
	}
	if names["ApplicationAccepted"] < plan.Subscribers || names["CertificateIssued"] < plan.Subscribers || names["Delivered"] == 0 {
		t.Errorf("too little happens: %v", names)
	}
	data := t.TempDir()
	part, done := live(t, data, 6)
	if done {
		t.Fatal("it was stopped and says that it is done")
	}
	if cmp.Equal(part, whole) {
		t.Fatal("nothing was left to do after the interruption")
	}
	rest, done := live(t, data, 0)
	if !done {
		t.Fatal("it did not come to an end")
	}
	if diff := cmp.Diff(whole, rest); diff != "" {
		t.Errorf("the interrupted simulation (-whole +interrupted):\n%s", diff)
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
