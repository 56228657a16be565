package ra_test

import (
	"testing"
	"time"

	"shomei/events"
	"shomei/services/servicetest"
)

// A receipt time entered by hand counts if it is earlier on the same day. Otherwise the counter's clock counts.
func TestReceiptTimeEnteredByHand(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 17:10")
	w.DefineOffice("12210-main", &events.OfficeDefined{Hours: []*events.Hours{{
		From: "2000-01-01", Weekdays: []uint32{1, 2, 3, 4, 5}, Spans: []*events.Span{{OpensMinute: 9 * 60, ClosesMinute: 17 * 60}},
	}}})
	d := w.Enrol("12210-main", "c1", "counter")
	for name, row := range map[string]struct {
		code    string
		earlier time.Duration
		event   string
	}{
		"received at 16:59": {"100", 11 * time.Minute, "ApplicationAccepted"},
		"not entered":       {"101", 0, "ApplicationRefused"},
		"in the future":     {"102", -time.Hour, "ApplicationRefused"},
		"the day before":    {"103", 24 * time.Hour, "ApplicationRefused"},
	} {
		resident := servicetest.Resident(row.code)
		resident.Record.Municipality = "12210"
		c := d.Claim("p"+row.code, "", servicetest.Applied(opIssue, "card-"+row.code), resident)
		if row.earlier != 0 {
			c.EnteredMs = c.FiledMs
			c.FiledMs -= row.earlier.Milliseconds()
		}
		d.Decide(c)
		id := w.Subscriber(row.code)
		if w.Count(id, row.event) != 1 {
			t.Errorf("%s: %v, want %s", name, w.Events(id), row.event)
		}
		if e := w.History("subscriber", id)[0].Commit.Events[0]; e.EnteredMs != c.EnteredMs {
			t.Errorf("%s: the log says entered %d, the claim %d", name, e.EnteredMs, c.EnteredMs)
		}
	}
}

// A fact about a card alone goes to its holder's history; one about a card without a holder is quarantined.
func TestFactAboutACardGoesToItsHolder(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	held := w.State(l.Subscriber).Card.Card
	facts := map[string]func(card string) func(*events.Claim){
		"CardTakenIntoCustody": func(card string) func(*events.Claim) {
			return func(c *events.Claim) {
				c.Fact = &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: card, Retired: true}}
			}
		},
		"FactRefused": func(card string) func(*events.Claim) {
			return func(c *events.Claim) {
				c.Fact = &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: card}}
			}
		},
		"PinBlocked": func(card string) func(*events.Claim) {
			return func(c *events.Claim) {
				c.Fact = &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: card, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN}}}
			}
		},
	}
	for event, fact := range facts {
		d.Decide(d.Claim("p-"+event, "", fact(held), nil))
		if n := w.Count(l.Subscriber, event); n != 1 {
			t.Errorf("%s is %d times in the holder's history: %v", event, n, w.Events(l.Subscriber))
		}
		before := len(w.Quarantined())
		d.Decide(d.Claim("q-"+event, "", fact("card-of-nobody"), nil))
		if got := len(w.Quarantined()); got != before+1 {
			t.Errorf("%s about a card without a holder: %d quarantined, want %d", event, got, before+1)
		}
	}
}
