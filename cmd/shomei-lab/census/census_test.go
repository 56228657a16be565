package census

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// taken is the census of commits of one person, through the tables.
func taken(t *testing.T, commits ...*events.Commit) *Census {
	t.Helper()
	dsn := enginetest.Start(t).DSN()
	w, err := warehouse.Open(t.Context(), warehouse.Config{
		DSN: dsn, Database: t.Name(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var read []warehouse.Read
	for i, c := range commits {
		c.Kind, c.Id, c.Revision = events.KindSubscriber, "a", uint64(i+1)
		read = append(read, warehouse.Read{Commit: c, Municipality: "12237"})
	}
	if err := w.Apply(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	c, err := Take(t.Context(), dsn, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// commit is one of a clerk, or of the factory, in which something happens at an instant.
func commit(kind events.ActorKind, at time.Time, bodies ...events.Body) *events.Commit {
	c := &events.Commit{Actor: &events.Actor{Kind: kind}}
	for _, body := range bodies {
		e := events.New(body)
		e.RecordedMs, e.FiledMs = at.UnixMilli(), at.UnixMilli()
		c.Events = append(c.Events, e)
	}
	return c
}

const (
	clerk   = events.ActorKind_ACTOR_KIND_CLERK
	factory = events.ActorKind_ACTOR_KIND_FACTORY
)

func at(day string, hour, minute int) time.Time {
	d, err := civil.Parse(day)
	if err != nil {
		panic(err)
	}
	return d.At(civil.Clock(hour, minute))
}

func TestCountsOfOneLife(t *testing.T) {
	card := &events.CardAssigned{Card: "one", Kind: events.CardKind_CARD_KIND_MYNUMBER}
	window := &events.WindowOpened{Serial: 7, Kind: events.CertificateKind_CERTIFICATE_KIND_AUTH, LastDay: "2021-04-03"}
	c := taken(
		t,
		commit(factory, at("2016-02-01", 2, 0), &events.ApplicationAccepted{
			Procedure: "p1", Operation: events.Operation_OPERATION_FACTORY_ISSUE,
		}, card),
		commit(factory, at("2016-02-02", 2, 0), &events.IssueAuthorized{
			Procedure: "p1", Serial: 7, Kind: window.Kind, Regime: events.Regime_REGIME_MYNUMBER, LastDay: window.LastDay,
		}),
		commit(clerk, at("2016-03-07", 10, 0), &events.ApplicationRefused{Procedure: "p2", Refusals: []string{"x.y"}}),
		commit(clerk, at("2016-03-08", 15, 0), &events.ApplicationAccepted{
			Procedure: "p3", Operation: events.Operation_OPERATION_HAND_OVER,
		}),
		commit(clerk, at("2016-03-08", 15, 20), &events.CardHandedOver{Card: "one"}),
		commit(factory, at("2021-01-04", 3, 0), window),
		commit(clerk, at("2021-02-02", 11, 0), &events.CertificateRevoked{
			Serial: 7, Reason: events.RevocationReason_REVOCATION_REASON_SUPERSEDED,
		}),
		commit(clerk, at("2021-03-02", 11, 0), &events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_MOVE_IN}),
		commit(clerk, at("2022-03-08", 11, 0), &events.CardVoided{Card: "one"}),
		commit(clerk, at("2022-03-09", 11, 0), &events.CardVoided{Card: "one"}),
	)
	if c.held(civil.New(2016, 3, 7)) != 0 || c.held(civil.New(2020, 1, 1)) != 1 || c.held(civil.New(2022, 3, 8)) != 0 {
		t.Error("the card was held from 2016-03-08 to 2022-03-07")
	}
	if years := c.holderYears(); years < 5.9 || years > 6.1 {
		t.Errorf("held for %.2f years, want 6", years)
	}
	if part, whole := c.renewals(); part != 1 || whole != 1 {
		t.Errorf("%v of %v windows were used", part, whole)
	}
	if c.allVisits() != 2 || c.morning != 1 || c.visits[time.Monday] != 1 {
		t.Errorf("visits %v, %d in the morning", c.visits, c.morning)
	}
	if c.happened["record: move in"] != 1 || c.happened["came: self"] != 0 || c.dueIn(span{civil.New(2021, 4, 3), civil.New(2021, 4, 4)}) != 1 {
		t.Errorf("moves or what ends are not counted: %v, %v", c.Happened(), c.due)
	}
	if c.between(applied, start, launch) != 1 || c.sum("refused: ") != 1 {
		t.Errorf("applied or refused are not counted: %v", c.Happened())
	}
}

func TestAFigureOutOfItsRangeIsNotBelievable(t *testing.T) {
	var refused []*events.Commit
	for i := range 10 {
		refused = append(refused, commit(clerk, at("2020-06-01", 10, i), &events.ApplicationRefused{
			Procedure: string(rune('a' + i)), Refusals: []string{"x.y"},
		}))
	}
	c := taken(t, refused...)
	seen := map[string]bool{}
	for _, f := range c.Figures(civil.New(2020, 1, 1), civil.New(2021, 1, 1)) {
		seen[f.Name] = true
		if f.Name == "visits that ended in a refusal" && (f.Value != 1 || f.Within()) {
			t.Errorf("all are refused, and that is %v, believable: %v", f.Value, f.Within())
		}
	}
	if !seen["visits that ended in a refusal"] || seen["cards held 2024-03, of those held 2025-12"] {
		t.Errorf("figures of one year are %v", seen)
	}
}
