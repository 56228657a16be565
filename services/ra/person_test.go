package ra_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"証明　花子": "証・花", "": "", "Maria Clara": "M・C", "鳳": "鳳", "𠮷田　一": "𠮷・一"} {
		if got := ra.Initials(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Code and date of birth are compared at the centre; each opened record is logged, without its content.
func TestPersonIsComparedAndLogged(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	w.Enrol(servicetest.Office, "register", "register")
	d.Hold("100")
	looks := func() int { return len(w.History(events.KindAccess, d.ID)) }
	for i, row := range []struct {
		code, birth string
		known       bool
		looked      int
	}{
		{servicetest.Code("100"), "1980-06-18", true, 1},
		{servicetest.Code("100"), "1980-06-19", false, 2},
		{servicetest.Code("101"), "1980-06-18", false, 2},
		{"100", "1980-06-18", false, 2},
		{servicetest.Code("100"), "", false, 2},
	} {
		id := hex.EncodeToString([]byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
		personal := &events.Personal{Record: &events.ResidentRecord{ResidentCode: row.code, BirthDate: row.birth}}
		sealed, err := counterlink.SealPersonal(w.SealKey(), id, personal)
		servicetest.Check(t, err)
		person, err := w.RA.AnswerPerson(t.Context(), counterlink.PersonRequest{Asker: asker(d, id), Sealed: sealed})
		if row.code == "100" {
			if err == nil {
				t.Error("a code of three digits was compared")
			}
			continue
		}
		if err != nil || person.Known != row.known || person.Known == (person.Initials == "") || looks() != row.looked {
			t.Errorf("%v: %+v, %v, %d looks", row, person, err, looks())
		}
	}
}

// asker is the clerk 017 at a desk.
func asker(d *servicetest.Desk, id string) counterlink.Asker {
	return counterlink.Asker{Counter: d.ID, Office: d.Office, Officer: "017", Role: d.Role, ID: id}
}

// A question with the id of an earlier one would open a record unlogged, so it gets no answer, whether it is about
// somebody else, another date, or a case.
func TestReusedQuestionIDGetsNoAnswer(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	d.Hold("101")
	id := hex.EncodeToString([]byte("the same nonce!!"))
	ask := func(code, birth string) (counterlink.Person, error) {
		sealed, err := counterlink.SealPersonal(w.SealKey(), id, &events.Personal{Record: &events.ResidentRecord{ResidentCode: code, BirthDate: birth}})
		servicetest.Check(t, err)
		return w.RA.AnswerPerson(t.Context(), counterlink.PersonRequest{Asker: asker(d, id), Sealed: sealed})
	}
	if person, err := ask(servicetest.Code("100"), "1980-06-18"); err != nil || !person.Known {
		t.Fatalf("%+v, %v", person, err)
	}
	for _, row := range [][2]string{{servicetest.Code("101"), "1980-06-18"}, {servicetest.Code("100"), "1980-06-18"}, {servicetest.Code("100"), "1980-06-19"}} {
		if person, err := ask(row[0], row[1]); err == nil {
			t.Errorf("%v: %+v, and %d looks", row, person, len(w.History(events.KindAccess, d.ID)))
		}
	}
	sealed, err := counterlink.SealPersonal(w.SealKey(), id, &events.Personal{Record: &events.ResidentRecord{ResidentCode: servicetest.Code("101"), BirthDate: "1980-06-18"}})
	servicetest.Check(t, err)
	if found, err := w.RA.AnswerCases(t.Context(), counterlink.CaseRequest{Asker: asker(d, id), Sealed: sealed}); err == nil {
		t.Errorf("cases were found: %v", found)
	}
}

// overTheWire runs an authority that answers a counter's questions, and returns the counter's client.
func overTheWire(t *testing.T, w *servicetest.World, d *servicetest.Desk) counterlink.PersonClient {
	t.Helper()
	o := natstest.StartOperated(t)
	gate := o.As(t, o.Accounts.Counters, hubserver.Rights{Publish: counterlink.GateMayPublish(), Subscribe: counterlink.GateMaySubscribe()})
	links := w.NewLinks(w.Conn, gate)
	servicetest.Check(t, links.Admit([]string{d.ID}))
	config := w.RA.Config
	config.Links = links
	authority, err := ra.New(config)
	servicetest.Check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- authority.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	client := personClient(t, w, o, d)
	natstest.Wait(t, 30*time.Second, "the centre to answer", func() bool {
		_, err := client.Ask(ctx, "017", servicetest.Code("100"), "1980-06-18")
		return err == nil
	})
	return client
}

// Each question about a known person is a commit, so their rate is bounded; other questions are not delayed.
func TestQuestionsAreBounded(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	client := overTheWire(t, w, d)
	answered := 0
	for ; answered < 600; answered++ {
		if _, err := client.Ask(t.Context(), "017", servicetest.Code("100"), "1980-06-18"); err != nil {
			break
		}
	}
	// One more becomes free every five seconds, however slow this machine is: questions about cases spend from the same.
	refused := false
	for range 20 {
		if _, err := client.FindCases(t.Context(), "017", counterlink.CaseKey{Number: "cafe0001"}); err != nil && strings.Contains(err.Error(), "wait") {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("cases could still be asked for")
	}
	if looks := len(w.History(events.KindAccess, d.ID)); answered < 450 || answered > 520 || looks > 521 {
		t.Errorf("%d questions answered at once, %d in the log", answered, looks)
	}
}

// Guessing is bounded; what a counter asks over the wire is signed and sealed.
func TestPersonQuestionsOverTheWire(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	client, ctx := overTheWire(t, w, d), t.Context()
	person, err := client.Ask(ctx, "017", servicetest.Code("100"), "1980-06-18")
	if err != nil || !person.Known || person.Initials != "試・1" {
		t.Errorf("%+v, %v", person, err)
	}
	d.Decide(d.Claim("0192a-cafe0001", "", withoutPhoto("CARD-200"), servicetest.Resident("200")))
	for code, want := range map[string]int{"200": 1, "100": 0} {
		found, err := client.FindCases(ctx, "017", counterlink.CaseKey{Code: servicetest.Code(code), BirthDate: "1980-06-18"})
		if err != nil || len(found) != want {
			t.Errorf("cases of %s: %v, %v", code, found, err)
		}
	}
	// A guess counts alike whether it asks for a person or for the person's case.
	guesses := []func(context.Context) (known bool, err error){
		func(ctx context.Context) (bool, error) {
			person, err := client.Ask(ctx, "017", servicetest.Code("100"), "1980-06-19")
			return person.Known, err
		},
		func(ctx context.Context) (bool, error) {
			found, err := client.FindCases(ctx, "017", counterlink.CaseKey{Code: servicetest.Code("200"), BirthDate: "1980-06-19"})
			return len(found) > 0, err
		},
	}
	told := 1 // the case of 100, above
	for ; told < 100; told++ {
		within, end := context.WithTimeout(ctx, 5*time.Second)
		known, failed := guesses[told%2](within)
		end()
		if err = failed; err != nil {
			break
		}
		if known {
			t.Fatal("a wrong date of birth was accepted")
		}
	}
	if told != 30 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d wrong dates of birth were answered, then %v", told, err)
	}
	if found, err := client.FindCases(ctx, "017", counterlink.CaseKey{Number: "cafe0001"}); err != nil || len(found) > 1 {
		t.Errorf("a case asked for by its number after too many guesses: %v, %v", found, err)
	}
}

func personClient(t *testing.T, w *servicetest.World, o *natstest.Operated, d *servicetest.Desk) counterlink.PersonClient {
	t.Helper()
	conn := o.As(t, o.Accounts.Counters, hubserver.Rights{
		Publish: counterlink.CounterMayPublish(d.ID), Subscribe: counterlink.CounterMaySubscribe(d.ID),
	}, nats.CustomInboxPrefix(counterlink.InboxPrefix(d.ID)))
	return counterlink.PersonClient{
		CardClient: counterlink.CardClient{Conn: conn, Counter: d.ID, Key: d.Key, SealKey: d.Seal, Writers: []string{servicetest.Public(t, w.Writer)}},
		HubSealKey: w.SealKey(),
	}
}
