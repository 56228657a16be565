package ra_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
	"shomei/pkg/vault"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

func erasureOf(person, class string) *events.OrderAsked {
	return &events.OrderAsked{
		Act: string(order.Erasure), Target: "subscriber/" + person, What: &events.OrderAsked_Erasure{Erasure: &events.ErasureOrdered{RecordClass: class}},
	}
}

// TestAnOrderOfTwoIsCarriedOutOnce follows one order through everything that does not approve it, to what does, over a crash.
func TestAnOrderOfTwoIsCarriedOutOnce(t *testing.T) {
	w := servicetest.New(t, morning)
	person := w.Enrol(servicetest.Office, "c1", "counter").Hold("100").Subscriber
	one, two, left := w.Operator("0815"), w.Operator("0816"), w.Operator("0817")
	carry := func() { t.Helper(); servicetest.Check(t, w.RA.CarryOutOrders(t.Context())) }
	ordered := func() int { return w.Count(person, "ErasureOrdered") }

	// A stolen credential alone: what it would order is neither written nor, by a program of the thief, believed.
	_, err := one.Log.Update(t.Context(), events.KindSubscriber, person, one.Envelope(), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.ErasureOrdered{RecordClass: vault.Contact})}, nil
	})
	if !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("one operator orders an erasure: %v", err)
	}
	asked := one.Ask(erasureOf(person, vault.Contact))
	for name, what := range map[string]func(){
		"nobody has approved": func() {},
		"the one who asked":   func() { one.Approve(asked) },
		"another digest": func() {
			two.Say(asked.History, &events.OrderApproved{Order: asked.Revision, Digest: events.Hash([]byte("x"))})
		},
		"another order": func() { two.Say(asked.History, &events.OrderApproved{Order: 99, Digest: asked.Asked.Digest}) },
		"withdrawn by who did not ask": func() {
			two.Say(asked.History, &events.OrderWithdrawn{Order: asked.Revision})
		},
	} {
		what()
		if carry(); ordered() != 0 {
			t.Fatalf("%s, and it is carried out", name)
		}
	}
	for end, o := range map[order.Outcome]order.Order{
		order.Declined: one.Ask(erasureOf(person, vault.Contact)), order.Withdrawn: two.Ask(erasureOf(person, vault.Contact)),
	} {
		if end == order.Declined {
			two.Say(o.History, &events.OrderRefused{Order: o.Revision})
		} else {
			two.Say(o.History, &events.OrderWithdrawn{Order: o.Revision})
		}
		left.Approve(o)
		if carry(); ordered() != 0 {
			t.Fatalf("%s, then approved, and it is carried out", end)
		}
	}
	two.Approve(asked)
	// As if the ra had crashed between the order's effect and its end: it is not done again.
	env := eventlog.Envelope{
		CommandID: "order/" + asked.Number(), Redelivered: true, Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "0815"},
		SecondOfficer: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "0816"},
	}
	_, err = order.ErasureOrder{Subscriber: person, Class: vault.Contact, Envelope: env}.Decide(t.Context(), w.As(eventlog.RoleRA), w.Vault)
	servicetest.Check(t, err)
	carry()
	carry()
	now, err := order.Of(t.Context(), w.Log, asked.Number())
	if err != nil || now.Outcome != order.Done || ordered() != 1 {
		t.Fatalf("approved: %+v, %v, %d times", now, err, ordered())
	}
	for _, r := range w.History(events.KindSubscriber, person) {
		if r.Commit.Events[0].GetErasureOrdered() != nil && (r.Commit.Actor.Id != "0815" || r.Commit.SecondOfficer.GetId() != "0816" || r.Role != eventlog.RoleRA) {
			t.Errorf("it stands as %v", r.Commit)
		}
	}

	// What the law does not allow yet ends as not carried out, with its rules.
	kept := one.Ask(erasureOf(person, vault.Identity))
	two.Approve(kept)
	carry()
	if now, err = order.Of(t.Context(), w.Log, kept.Number()); err != nil || now.Outcome != order.Failed || now.Refused == "" {
		t.Errorf("while a retention period runs: %+v, %v", now, err)
	}
	late := one.Ask(erasureOf(person, vault.Certificate))
	w.Clock.Set("2020-01-17 10:00")
	carry()
	two.Approve(late)
	carry()
	if now, err = order.Of(t.Context(), w.Log, late.Number()); err != nil || now.Outcome != order.Lapsed {
		t.Errorf("approved too late: %+v, %v", now, err)
	}
	if open := w.Directory.Orders(); len(open) > 0 {
		t.Errorf("still open: %+v", open)
	}
}

// TestTheAuthorityRevokesByTwo: a source of claims says nothing any more that two operators have to order.
func TestTheAuthorityRevokesByTwo(t *testing.T) {
	w := servicetest.New(t, morning)
	life := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	serial := w.State(life.Subscriber).Certificates[0].Serial
	revocation := &events.AuthorityOrder{Serials: []uint64{serial}, Reason: events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED}
	source := w.Enrol(servicetest.Office, "authority", "operator")
	source.Decide(source.Claim("", life.Subscriber, func(c *events.Claim) { c.Fact = &events.Claim_AuthorityOrder{AuthorityOrder: revocation} }, nil))
	if len(w.Quarantined()) != 1 || w.Count(life.Subscriber, "CertificateRevoked") != 0 {
		t.Fatalf("a source orders alone: %v", w.Events(life.Subscriber))
	}
	asked := w.Operator("0815").Ask(&events.OrderAsked{
		Act: string(order.Revocation), Target: "subscriber/" + life.Subscriber, Office: servicetest.Office,
		What: &events.OrderAsked_Revocation{Revocation: revocation},
	})
	two := w.Operator("0816")
	two.Approve(asked)
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	history := w.History(events.KindSubscriber, life.Subscriber)
	last := history[len(history)-1].Commit
	if w.Count(life.Subscriber, "CertificateRevoked") != 1 || last.Actor.GetId() != "0815" || last.SecondOfficer.GetId() != "0816" || last.Office != servicetest.Office {
		t.Errorf("revoked: %v; quarantined %q", last, w.Quarantined())
	}
	// Another person's certificate stays as it is, and they are told.
	other := w.Enrol(servicetest.Office, "c2", "counter").Hold("200")
	asked = w.Operator("0817").Ask(&events.OrderAsked{
		Act: string(order.Revocation), Target: "subscriber/" + other.Subscriber, Office: servicetest.Office,
		What: &events.OrderAsked_Revocation{Revocation: revocation},
	})
	two.Approve(asked)
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	if now, err := order.Of(t.Context(), w.Log, asked.Number()); err != nil || now.Outcome != order.Failed || w.Count(other.Subscriber, "CertificateRevoked") != 0 {
		t.Errorf("another person's serial: %+v, %v", now, err)
	}
}

// TestACounterTakesNoOrdersID: the order would be answered with what the counter's claim has led to, and told as carried out.
func TestACounterTakesNoOrdersID(t *testing.T) {
	w := servicetest.New(t, morning)
	life := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	loss := life.Claim("", life.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: "card-100", Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN}}}
	}, nil)
	loss.Id = order.HistoryOf(life.Subscriber) + "-1"
	life.Decide(loss)
	if why := w.Quarantined(); len(why) != 1 || !strings.Contains(why[0], "order of operators") {
		t.Errorf("quarantined: %q", why)
	}
}

// TestWhatIsNoOrderEnds: who has one operator's key can write it, and it keeps nobody busy for long; acts of officers have histories of
// their own.
func TestWhatIsNoOrderEnds(t *testing.T) {
	w := servicetest.New(t, morning)
	one := w.Operator("0815")
	bogus := &events.OrderAsked{Act: string(order.Erasure), Target: "subscriber/q", LapsesMs: w.Clock.Now().AddDate(900, 0, 0).UnixMilli()}
	_, err := one.Log.Update(t.Context(), events.KindApproval, "the-id-of-a-claim", one.Envelope(), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(bogus)}, nil
	})
	if !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("an operator writes about an officer's act: %v", err)
	}
	one.Say(order.HistoryOf("p"), bogus)
	one.Say(order.HistoryOf("p"), &events.OrderApproved{Order: 1})
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	w.Clock.Set(time.Now().In(civil.Tokyo).AddDate(0, 0, 20).Format("2006-01-02 15:04")) // of the server's days
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	if open := w.Directory.Orders(); len(open) > 0 {
		t.Errorf("still open: %+v", open)
	}
}

// TestAHeldClaimIsReleasedByTwo: it is decided as of the counter's clock, for which they vouch, and nothing else is.
func TestAHeldClaimIsReleasedByTwo(t *testing.T) {
	w, d, known := doubting(t)
	one, two := w.Operator("0815"), w.Operator("0816")
	hold := func(evidence, procedure, code string) string {
		c := d.Claim(procedure, "", servicetest.Applied(opIssue, "card-"+code), servicetest.Resident(code))
		c.ClockEvidence, c.FiledMs = evidence, w.Clock.Now().Add(-9*24*time.Hour).UnixMilli()
		r := d.Received(c)
		r.Link = known
		before := w.Directory.Held()
		servicetest.Check(t, w.RA.Handle(t.Context(), r))
		servicetest.Check(t, w.Directory.Refresh(t.Context(), w.Log))
		for _, h := range w.Directory.Held() {
			if !slices.ContainsFunc(before, func(b directory.Aside) bool { return b.ID == h.ID }) {
				return h.ID
			}
		}
		t.Fatal("it is not held")
		return ""
	}
	id, settable := hold(counterlink.ClockSynchronised, "p1", "100"), hold(counterlink.ClockSimulated, "p2", "200")
	asked := one.Ask(&events.OrderAsked{Act: string(order.Release), Target: "quarantine/" + id})
	one.Approve(asked)
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	if len(w.Events(w.Subscriber("100"))) > 0 {
		t.Fatal("one operator has released it")
	}
	two.Approve(asked)
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	history := w.History(events.KindSubscriber, w.Subscriber("100"))
	if len(history) == 0 {
		now, err := order.Of(t.Context(), w.Log, asked.Number())
		t.Fatalf("nothing is decided: %+v, %v", now, err)
	}
	c := history[0].Commit
	if filed := w.Clock.Now().Add(-9 * 24 * time.Hour); !time.UnixMilli(c.Events[0].FiledMs).Equal(filed) || !slices.Equal(c.Receipt.GetVouchedBy(), []string{"0815", "0816"}) {
		t.Errorf("filed at %v, evidence %v", time.UnixMilli(c.Events[0].FiledMs), c.Receipt)
	}
	resolved := w.History(events.KindQuarantine, id)
	if b := resolved[len(resolved)-1].Commit.Events[0].GetQuarantineResolved(); b.GetOutcome() != ra.Released || len(resolved) != 2 {
		t.Errorf("in quarantine it ends as %v", b)
	}
	if asked = one.Ask(&events.OrderAsked{Act: string(order.Release), Target: "quarantine/" + settable}); true {
		two.Approve(asked)
		servicetest.Check(t, w.RA.CarryOutOrders(t.Context()))
	}
	if now, err := order.Of(t.Context(), w.Log, asked.Number()); err != nil || now.Outcome != order.Failed || len(w.Events(w.Subscriber("200"))) > 0 {
		t.Errorf("a settable clock is vouched for: %+v, %v", now, err)
	}
}
