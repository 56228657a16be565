package ra_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/regime"
	"shomei/services/servicetest"
)

const (
	opIssue = events.Operation_OPERATION_ISSUE
	morning = "2020-01-15 10:00"
)

var (
	sign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

func TestSubscriberIDIsTheSameAtEveryCounter(t *testing.T) {
	w := servicetest.New(t, morning)
	first, second := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter")
	one := first.Hold("100")
	two := second.Apply(opIssue, "100", "card-other")
	if one.Subscriber != two.Subscriber || w.Subscriber("101") == one.Subscriber {
		t.Fatalf("ids %s, %s, another person's %s", one.Subscriber, two.Subscriber, w.Subscriber("101"))
	}
	if n := w.Count(one.Subscriber, "ApplicationRefused"); n != 1 {
		t.Errorf("the second application was refused %d times, want once: %v", n, w.Events(one.Subscriber))
	}
	if strings.Contains(one.Subscriber, "100") {
		t.Errorf("the id %q contains the code", one.Subscriber)
	}
}

// Each row changes an application that would be accepted.
func TestUnattributableClaimIsQuarantined(t *testing.T) {
	w := servicetest.New(t, morning)
	roles := make(map[string]*servicetest.Desk)
	for _, role := range []string{"counter", "factory", "register", "telephone", "operator", "phone"} {
		roles[role] = w.Enrol(servicetest.Office, "source-"+role, role)
	}
	loss := func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "counter"}}
	}
	change := func(c *events.Claim) {
		c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_DEATH}}
	}
	applied := servicetest.Applied(opIssue, "card-1")
	for name, row := range map[string]struct {
		role, why string
		fact      func(*events.Claim)
		change    func(*events.Claim)
	}{
		"factory revokes":     {"factory", "may not apply", servicetest.Applied(events.Operation_OPERATION_REVOKE, ""), nil},
		"factory as a desk":   {"factory", "may not apply", applied, nil},
		"desk as a factory":   {"counter", "may not apply", servicetest.Applied(events.Operation_OPERATION_FACTORY_ISSUE, "card-1"), nil},
		"register applies":    {"register", "may not claim", applied, nil},
		"telephone applies":   {"telephone", "may not claim", applied, nil},
		"operator applies":    {"operator", "may not claim", applied, nil},
		"phone applies":       {"phone", "may not claim", applied, nil},
		"phone reports":       {"phone", "may not claim", loss, nil},
		"telephone changes":   {"telephone", "may not claim", change, nil},
		"factory reports":     {"factory", "may not claim", loss, nil},
		"nothing is said":     {"counter", "may not claim", func(*events.Claim) {}, nil},
		"another subscriber":  {"counter", "another subscriber", applied, func(c *events.Claim) { c.Subscriber = w.Subscriber("999") }},
		"nobody":              {"counter", "no subscriber", applied, func(c *events.Claim) { c.Sealed = nil }},
		"sealed for another":  {"counter", "does not open", applied, func(c *events.Claim) { c.Sealed[40] ^= 1 }},
		"a foreign office":    {"counter", "never belonged", applied, func(c *events.Claim) { c.Office = "13101-main" }},
		"a service's command": {"counter", "not an id", applied, func(c *events.Claim) { c.Id = "issue/x/1" }},
		"no id":               {"counter", "not an id", applied, func(c *events.Claim) { c.Id = "" }},
		"a card's name":       {"counter", "application_received.card", servicetest.Applied(opIssue, "カード 1"), nil},
		"a phone's operation": {"counter", "operation", servicetest.Applied(events.Operation_OPERATION_PHONE_ISSUE, "card-1"), nil},
		"no operation":        {"counter", "operation", servicetest.Applied(99, "card-1"), nil},
		"a strange document": {"counter", "documents", applied, func(c *events.Claim) {
			c.GetApplicationReceived().Documents = []string{"photo-id:looks-nice"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.Quarantined())
			d := roles[row.role]
			c := d.Claim("procedure", "", row.fact, servicetest.Resident("200"))
			if row.change != nil {
				row.change(c)
			}
			for range 2 { // delivered twice, kept once
				servicetest.Check(t, w.RA.Handle(t.Context(), d.Received(c)))
			}
			why := w.Quarantined()
			if len(why) != before+1 || !slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, row.why) }) {
				t.Errorf("in quarantine: %q, want one more with %q", why, row.why)
			}
		})
	}
	if h := w.History(events.KindSubscriber, w.Subscriber("200")); len(h) > 0 {
		t.Errorf("the person's history has %d commits, want none", len(h))
	}
}

func TestTelephoneOnlySuspends(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	phone := w.Enrol(servicetest.Office, "phone", "telephone")
	phone.Decide(phone.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "counter"}} // a lie
	}, servicetest.Resident("100")))
	if w.Count(l.Subscriber, "CertificateSuspended") != 2 || w.Count(l.Subscriber, "CertificateRevoked") != 0 {
		t.Errorf("a report by telephone led to %v", w.Events(l.Subscriber))
	}
}

func TestFastClockGainsNoOfficeHours(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 16:50")
	w.DefineOffice("12210-main", &events.OfficeDefined{Hours: []*events.Hours{{
		From: "2000-01-01", Weekdays: []uint32{1, 2, 3, 4, 5}, Spans: []*events.Span{{OpensMinute: 9 * 60, ClosesMinute: 17 * 60}},
	}}})
	d := w.Enrol("12210-main", "c1", "counter")
	resident := servicetest.Resident("100")
	resident.Record.Municipality = "12210"
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), resident)
	c.FiledMs += time.Hour.Milliseconds() // 17:50 by the counter's clock
	d.Decide(c)
	id := w.Subscriber("100")
	if w.Count(id, "ApplicationAccepted") != 1 {
		t.Fatalf("filed at 16:50 by the hub's clock: %v", w.Events(id))
	}
	if filed := w.History(events.KindSubscriber, id)[0].Commit.Events[0].FiledMs; filed != w.Clock.Now().UnixMilli() {
		t.Errorf("filed at %v, the hub's clock says %v", time.UnixMilli(filed), w.Clock.Now())
	}
	w.Clock.Set("2020-01-15 17:30") // late to arrive, in time when filed
	late := servicetest.Resident("101")
	late.Record.Municipality = "12210"
	c = d.Claim("p2", "", servicetest.Applied(opIssue, "card-2"), late)
	c.FiledMs -= 31 * time.Minute.Milliseconds()
	d.Decide(c)
	if w.Count(w.Subscriber("101"), "ApplicationAccepted") != 1 {
		t.Errorf("filed at 16:59: %v", w.Events(w.Subscriber("101")))
	}
}

func TestARepeatedClaimIsAnsweredOnce(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Apply(opIssue, "100", "card-100")
	keys := l.Keys(0)
	for range 3 {
		d.Decide(keys)
	}
	servicetest.Check(t, w.Issuer.Settle(t.Context(), l.Subscriber))
	received := d.Received(keys)
	received.Redelivered = true
	servicetest.Check(t, w.RA.Handle(t.Context(), received))
	if n := w.Count(l.Subscriber, "IssueAuthorized"); n != 2 {
		t.Errorf("%d authorisations, want one for each kind: %v", n, w.Events(l.Subscriber))
	}
	l.Decide(l.Written())
	l.Decide(l.HandedOver())
	for range 20 { // longer than the state remembers
		d.Decide(d.Claim("", l.Subscriber, func(c *events.Claim) {
			c.Fact = &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: l.Card, Pins: []events.PinKind{events.PinKind_PIN_KIND_AUTH}}}
		}, nil))
	}
	before := len(w.Events(l.Subscriber))
	servicetest.Check(t, w.RA.Handle(t.Context(), received))
	if after := len(w.Events(l.Subscriber)); after != before {
		t.Errorf("a claim redelivered much later wrote %d events", after-before)
	}
}

func TestRefusalLeavesCardUnclaimed(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	elsewhere := servicetest.Resident("100")
	elsewhere.Record.Municipality = "13101"
	d.Decide(d.Claim("p1", "", servicetest.Applied(opIssue, "blank"), elsewhere))
	if w.Count(w.Subscriber("100"), "ApplicationRefused") != 1 || len(w.History(events.KindCard, "blank")) != 0 {
		t.Fatalf("somebody from elsewhere: %v, the card has %d commits", w.Events(w.Subscriber("100")), len(w.History(events.KindCard, "blank")))
	}
	if l := d.Apply(opIssue, "101", "blank"); w.Count(l.Subscriber, "ApplicationAccepted") != 1 {
		t.Errorf("the next person with the blank card: %v", w.Events(l.Subscriber))
	}
	third := d.Apply(opIssue, "102", "blank")
	refused := w.History(events.KindSubscriber, third.Subscriber)[0].Commit.Events
	if !slices.ContainsFunc(refused, func(e *events.Event) bool {
		return slices.Contains(e.GetApplicationRefused().GetRefusals(), regime.CardClaimedByOther)
	}) {
		t.Errorf("a third person with the same card: %v", refused)
	}
}

func TestUnusableKeysAreQuarantined(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	for name, change := range map[string]func(*events.KeysGenerated){
		"not a request":     func(k *events.KeysGenerated) { k.Keys[0].Request = []byte("not a request") },
		"a wrong signature": func(k *events.KeysGenerated) { k.Keys[0].Request[len(k.Keys[0].Request)-1] ^= 1 },
		"an unknown kind":   func(k *events.KeysGenerated) { k.Keys[0].Kind = 0 },
		"one kind twice":    func(k *events.KeysGenerated) { k.Keys[0].Kind = k.Keys[1].Kind },
	} {
		t.Run(name, func(t *testing.T) {
			l := d.Apply(opIssue, "code-"+strings.ReplaceAll(name, " ", "-"), "card-"+strings.ReplaceAll(name, " ", "-"))
			before := len(w.Quarantined())
			c := l.Keys(0)
			change(c.GetKeysGenerated())
			d.Decide(c)
			if len(w.Quarantined()) != before+1 || w.Count(l.Subscriber, "IssueAuthorized") != 0 {
				t.Errorf("in quarantine: %q; %v", w.Quarantined(), w.Events(l.Subscriber))
			}
			l.Finish() // the right claim still succeeds
		})
	}
}

// Data that fits no certificate is quarantined before a key is made, whatever the counter let through, without naming a
// value.
func TestUncertifiableDataIsQuarantined(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	for name, change := range map[string]func(*events.Personal){
		"person.address":        func(p *events.Personal) { p.Record.Address = strings.Repeat("長", 300) },
		"person.name":           func(p *events.Personal) { p.Record.Name = strings.Repeat("長", 60000) },
		"person.resident_code":  func(p *events.Personal) { p.Record.ResidentCode = "100" },
		"person.birth_date":     func(p *events.Personal) { p.Record.BirthDate = "2999-01-01" },
		"person.period_of_stay": func(p *events.Personal) { p.Record.PeriodOfStay = "H2.6.18" },
		"contact.mail":          func(p *events.Personal) { p.Contact.Mail = "長い@mail.example\r\nBcc: x@mail.example" },
	} {
		resident := servicetest.Resident("100")
		change(resident)
		d.Decide(d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), resident))
		why := w.Quarantined()
		if !slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, name) }) || strings.Contains(strings.Join(why, ""), "長") {
			t.Errorf("%s: in quarantine: %q", name, why)
		}
	}
	if list := w.Events(w.Subscriber("100")); len(list) > 0 {
		t.Errorf("the person's history: %v", list)
	}
}

func TestPersonalDataIsNeverInTheClear(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("4711")
	p := servicetest.Resident("4711")
	needles := []string{p.Record.Name, p.Record.Address, p.Record.BirthDate, p.Contact.Mail, p.Record.ResidentCode + "\""}
	found := func(stored []byte) bool {
		return slices.ContainsFunc(needles, func(s string) bool { return bytes.Contains(stored, []byte(s)) })
	}
	if !found([]byte("planted: " + p.Record.Name)) {
		t.Fatal("the search does not find a planted name")
	}
	servicetest.Check(t, w.Log.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		if found(r.Stored) || found(l.Certificate(l.Serial(auth))) {
			t.Errorf("%s/%s at %d holds personal data in the clear", r.Kind, r.ID, r.Sequence)
		}
		return err
	}))
	if !bytes.Contains(l.Certificate(l.Serial(sign)), []byte(p.Record.Name)) {
		t.Error("the signature certificate does not name its holder")
	}
	if found([]byte(w.Logged.Text())) {
		t.Error("a log line holds personal data")
	}
}

func TestRegisterChangeReachesTheSubscriber(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	register := w.Enrol(servicetest.Office, "register", "register")
	register.Decide(register.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
			Change: events.RecordChange_RECORD_CHANGE_NAME, CausedOn: civil.Of(w.Clock.Now()).String(),
		}}
	}, servicetest.Resident("100")))
	if w.Count(l.Subscriber, "CertificateRevoked") != 1 {
		t.Errorf("a change of name: %v", w.Events(l.Subscriber))
	}
}
