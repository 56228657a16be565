package agent_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/card/softcard"
	"shomei/pkg/civil"
	"shomei/services/agent"
	pages "shomei/services/agent/desk"
)

const newIssue = `{"operation":"issue","channel":"self","clerk":"017","documents":["application-form"],"person":{"resident_code":"00000000123","name":"証明　花子","birth_date":"1990-06-18","sex":2,"address":"千葉県山武市殿台1","municipality":"12237"}`

// serveDesk serves a desk that does not watch its reader until the test runs it.
func serveDesk(t *testing.T, counter *agent.Counter, tray *pages.Tray) (served *pages.Desk, url string) {
	t.Helper()
	config := deskConfig(counter)
	config.Tray = tray
	served, err := pages.New(config)
	must(t, err)
	server := httptest.NewServer(served.Handler())
	t.Cleanup(server.Close)
	return served, server.URL
}

// An application filed before the desk's first reading still names the card in the reader.
func TestApplicationNamesCardBeforeTheFirstWatch(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	_, at := serveDesk(t, counter, nil)
	if status, out := post(t, at+"/api/applications", newIssue+`}`); status != http.StatusAccepted {
		t.Fatalf("%d %v", status, out)
	}
	received := centre.claim("ApplicationReceived").GetApplicationReceived()
	if received.GetCard() != centre.cardID || received.GetCardKind().String() != "CARD_KIND_MYNUMBER" {
		t.Errorf("the application is for card %q of kind %v", received.GetCard(), received.GetCardKind())
	}
}

// An empty reader is no error, and neither is a counter without one: the hub knows the applicant's card.
func TestApplicationOnEmptyReaderNamesNoCard(t *testing.T) {
	for name, reader := range map[string]agent.Reader{"empty": newSlot(nil), "none": nil} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			counter, _ := centre.counter(centre.config(storePath(t), reader))
			_, at := serveDesk(t, counter, nil)
			if status, out := post(t, at+"/api/applications", newIssue+`}`); status != http.StatusAccepted {
				t.Fatalf("%d %v", status, out)
			}
			if on := centre.claim("ApplicationReceived").GetApplicationReceived().GetCard(); on != "" {
				t.Errorf("the application is for card %q", on)
			}
		})
	}
}

// lateSlot is a reader whose first Await for a card returns late.
type lateSlot struct {
	*slot
	once  sync.Once
	late  chan struct{} // closed to let the first Await return
	asked chan bool     // what each Await waits for
}

func (s *lateSlot) Await(ctx context.Context, present bool) error {
	first := false
	s.once.Do(func() { first = true })
	s.asked <- present
	if !first {
		return s.slot.Await(ctx, present)
	}
	<-s.late
	return errors.Join(context.DeadlineExceeded, errors.New("nothing happened in the reader"))
}

// A card is put on the reader while the desk's watch is about to report an empty one: that result is stale.
func TestStaleWatchDoesNotHideTheCard(t *testing.T) {
	centre := newCentre(t)
	reader := &lateSlot{slot: newSlot(nil), late: make(chan struct{}), asked: make(chan bool, 16)}
	counter, _ := centre.counter(centre.config(storePath(t), reader))
	tray := &pages.Tray{Dir: t.TempDir(), Reader: softcard.NewReader(nil, nil), Factory: sealKey(t).PublicKey()}
	_, err := tray.Make(centre.cardID, card.MyNumber, civil.New(2035, 6, 18))
	must(t, err)
	served, at := serveDesk(t, counter, tray)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- served.Run(ctx) }()
	defer func() { cancel(); must(t, <-done) }()
	if waits := <-reader.asked; !waits {
		t.Fatal("the watch waits for an empty reader first")
	}
	reader.put(newCard(t, centre.cardID)) // as PC/SC sees a card in the tray
	if status, out := post(t, at+"/api/reader/insert", `{"id":"`+centre.cardID+`"}`); status != http.StatusOK || out["reader"] != "card" {
		t.Fatalf("%d %v", status, out)
	}
	<-reader.asked // by the insert request
	close(reader.late)
	if waits := <-reader.asked; waits {
		t.Error("the watch does not wait for the card's removal")
	}
	if state := served.Reader(); state != pages.ReaderCard {
		t.Errorf("the reader is %q", state)
	}
}

// silentSlot is a reader whose service does not answer.
type silentSlot struct{ *slot }

func (silentSlot) Present(context.Context) (bool, error) { return false, pcsc.ErrNoService }

// A reader that does not answer is not taken as empty: nothing is filed until the clerk names the card, or none.
func TestApplicationIsNotFiledWhileReaderIsSilent(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), silentSlot{newSlot(nil)}))
	_, at := serveDesk(t, counter, nil)
	status, out := post(t, at+"/api/applications", newIssue+`}`)
	problem, _ := out["error"].(map[string]any)
	if status != http.StatusServiceUnavailable || problem["code"] != "no-service" || problem["next_ja"] == "" {
		t.Errorf("%d %v", status, out)
	}
	form := filled()
	form.Del("card")
	status, _, text := visit(t, at+"/apply", form)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("the page answers %d", status)
	}
	want(t, text, "カードリーダーのサービスが応答しません", "カードなしで受け付ける", "証明　花子")
	if filed := len(counter.Procedures()); filed != 0 {
		t.Errorf("%d applications were filed", filed)
	}
	form.Set("file", "without-card")
	if status, where, _ := visit(t, at+"/apply", form); status != http.StatusOK || len(counter.Procedures()) != 1 {
		t.Errorf("without a card: %d at %s, %d filed", status, where, len(counter.Procedures()))
	}
	if status, out := post(t, at+"/api/applications", newIssue+`,"no_card":true}`); status != http.StatusAccepted {
		t.Errorf("the API, without a card: %d %v", status, out)
	}
	if status, out := post(t, at+"/api/applications", newIssue+`,"card":"CARD-7"}`); status != http.StatusAccepted {
		t.Errorf("with a card named: %d %v", status, out)
	}
}
