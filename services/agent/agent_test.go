package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

func TestApplicationFromFilingToHandOver(t *testing.T) {
	for name, makeCard := range map[string]func(testing.TB, string) *softcard.Card{"on a new card": newCard, "on a card in use": usedCard} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			centre.auto = true
			chip := makeCard(t, centre.cardID)
			counter, _ := centre.counter(centre.config(storePath(t), newSlot(chip)))
			procedure, err := counter.Receive(t.Context(), application(centre.cardID))
			must(t, err)
			status := reach(t, counter, procedure, agent.StageConfirm)
			if status.Waiting == nil || len(status.Waiting.PINs)+len(status.Waiting.Optional) != 2 || status.FeeYen != 200 || !status.AtHub {
				t.Errorf("at confirmation: %+v", status)
			}
			if err := counter.HandOver(t.Context(), procedure, "017", true); !errors.Is(err, agent.ErrNotYet) {
				t.Errorf("handing over before the card is written: %v", err)
			}
			typed := pins()
			kept := slices.Collect(func(yield func([]byte) bool) {
				for _, pin := range typed {
					yield(pin)
				}
			})
			must(t, counter.Confirm(procedure, typed))
			reach(t, counter, procedure, agent.StageWritten)
			for _, pin := range kept {
				if !bytes.Equal(pin, make([]byte, len(pin))) {
					t.Error("a PIN is still in memory")
				}
			}
			must(t, counter.HandOver(t.Context(), procedure, "017", true))
			handed := centre.claim("HandedOver")
			if h := handed.GetHandedOver(); h.GetFeeYen() != 200 || !h.GetPaperCopy() || h.GetCard() != centre.cardID || handed.GetSubscriber() != "subscriber-1" {
				t.Errorf("handed over: %v", handed)
			}
			want := []string{"ApplicationReceived", "KeysGenerated", "CardWritten", "HandedOver"}
			if got := factsOf(centre.claims); !slices.Equal(got, want) {
				t.Errorf("claims %v, want %v", got, want)
			}
			centre.checkCard(chip)
		})
	}
}

// A reader that fails in the middle of the work, as when its service restarts, says nothing about the card: the work
// continues, and no attempt is counted against the card.
func TestReaderFailureIsRetried(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip := newCard(t, centre.cardID)
	reader := newSlot(chip)
	counter, _ := centre.counter(centre.config(storePath(t), reader))
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	reader.mu.Lock()
	reader.fails = 3
	reader.mu.Unlock()
	natstest.Wait(t, time.Minute, "the card to be written", func() bool {
		status, err := counter.Status(procedure)
		must(t, err)
		if status.Stage == agent.StageConfirm { // typed PINs are not kept for another attempt
			_ = counter.Confirm(procedure, pins())
		}
		return status.Stage == agent.StageWritten
	})
	centre.claim("CardWritten")
	if got, want := factsOf(centre.claims), []string{"ApplicationReceived", "KeysGenerated", "CardWritten"}; !slices.Equal(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	centre.checkCard(chip)
}

// A command interrupted by card removal and a restart asks for no PIN once its application is withdrawn.
func TestWithdrawnApplicationAsksForNoPIN(t *testing.T) {
	centre := newCentre(t)
	chip, store := usedCard(t, centre.cardID), storePath(t)
	reader := newSlot(chip)
	counter, stop := centre.counter(centre.config(store, reader))
	must(t, centre.send(t.Context(), "p1", "unblock", func(d *events.Downlink) {
		d.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{
			Card: centre.cardID, Regime: events.Regime_REGIME_MYNUMBER, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN, events.PinKind_PIN_KIND_AUTH},
		}}
	}))
	reach(t, counter, "p1", agent.StageConfirm)
	chip.SetFault(func(_ int, cmd card.Command) softcard.Fault {
		if cmd.INS == 0x2C { // RESET RETRY COUNTER
			return softcard.RemoveBefore
		}
		return softcard.NoFault
	})
	must(t, counter.Confirm("p1", pins()))
	natstest.Wait(t, waitLimit, "the card to be missed", func() bool {
		status, err := counter.Status("p1")
		must(t, err)
		return status.Message.Key == agent.CardRemoved
	})
	stop()
	chip.SetFault(nil)
	counter, _ = centre.counter(centre.config(store, reader))
	must(t, counter.Drop(t.Context(), "p1", "017", ""))
	reader.put(chip)
	if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonDropped {
		t.Errorf("got %v", got)
	}
	if status, err := counter.Status("p1"); err != nil || status.Stage != agent.StageDropped || status.Waiting != nil {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestApplicationIsPendingUntilAtTheHub(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	offline, err := agent.Open(centre.config(store, nil))
	must(t, err)
	application := application(centre.cardID)
	application.Personal = &events.Personal{Record: &events.ResidentRecord{ResidentCode: "00000000001", Name: "証明花子"}}
	procedure, err := offline.Receive(t.Context(), application)
	must(t, err)
	status, err := offline.Status(procedure)
	must(t, err)
	if status.Stage != agent.StagePending || status.AtHub || offline.Outbox() != 1 || offline.Link() != counterlink.Away {
		t.Errorf("offline: %+v, outbox %d, link %v", status, offline.Outbox(), offline.Link())
	}
	must(t, offline.Close())
	raw, err := os.ReadFile(store)
	must(t, err)
	if bytes.Contains(raw, []byte("証明花子")) || bytes.Contains(raw, []byte("00000000001")) {
		t.Error("the store holds personal data in the clear")
	}
	if !bytes.Contains(raw, []byte(centre.cardID)) {
		t.Error("the scan does not find what is there")
	}

	counter, _ := centre.counter(centre.config(store, nil))
	status = reach(t, counter, procedure, agent.StageReceived)
	if !status.AtHub || counter.Outbox() != 0 || counter.Link() != counterlink.Up {
		t.Errorf("online: %+v, outbox %d, link %v", status, counter.Outbox(), counter.Link())
	}
	personal, err := counterlink.OpenPersonal(centre.seal, centre.claim("ApplicationReceived"))
	if err != nil || personal.GetRecord().GetName() != "証明花子" {
		t.Errorf("at the hub: %v, %v", personal, err)
	}
}

func TestPINsAreCheckedAndWiped(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	if err := counter.Confirm("nothing", pins()); !errors.Is(err, agent.ErrNotWaiting) {
		t.Errorf("nothing waits: %v", err)
	}
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	for name, typed := range map[string]agent.PINs{
		"none typed":       {},
		"one missing":      {events.PinKind_PIN_KIND_SIGN: []byte(signPIN)},
		"letters only":     {events.PinKind_PIN_KIND_SIGN: []byte("ABCDEF"), events.PinKind_PIN_KIND_AUTH: []byte(authPIN)},
		"five digits":      {events.PinKind_PIN_KIND_SIGN: []byte(signPIN), events.PinKind_PIN_KIND_AUTH: []byte("12345")},
		"one of no kind":   {events.PinKind_PIN_KIND_UNSPECIFIED: []byte("1234")},
		"lower-case typed": {events.PinKind_PIN_KIND_SIGN: []byte("abc123"), events.PinKind_PIN_KIND_AUTH: []byte(authPIN)},
	} {
		err := counter.Confirm(procedure, typed)
		if !errors.Is(err, agent.ErrPINRefused) {
			t.Errorf("%s: %v", name, err)
		}
		for kind, pin := range typed {
			if !bytes.Equal(pin, make([]byte, len(pin))) {
				t.Errorf("%s: the %v PIN was not wiped", name, kind)
			}
			if err != nil && len(pin) > 0 && bytes.Contains([]byte(err.Error()), []byte("ABC")) {
				t.Errorf("%s: the error repeats the PIN", name)
			}
		}
	}
	must(t, counter.Confirm(procedure, pins()))
	reach(t, counter, procedure, agent.StageWritten)
	if err := counter.Confirm(procedure, pins()); !errors.Is(err, agent.ErrNotWaiting) {
		t.Errorf("confirmed twice: %v", err)
	}
}

// Answers to later claims carry no fee: they must not make the hand-over free. An answer about a quarantined claim names no
// procedure.
func TestLaterAnswersKeepFeeAndStage(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	counter, stop := centre.counter(centre.config(store, nil))
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	must(t, centre.answer(t.Context(), centre.claim("ApplicationReceived")))
	reach(t, counter, procedure, agent.StageAccepted)
	later, err := counter.Report(t.Context(), &events.Claim{Procedure: procedure, Fact: &events.Claim_CustodyTaken{
		CustodyTaken: &events.CustodyTaken{Card: centre.cardID},
	}}, nil)
	must(t, err)
	send := func(id, procedure string, a *events.Answer) {
		must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: id, Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{Answer: a}}))
	}
	send("answer/1", procedure, &events.Answer{
		Claim: "command of a service", Accepted: true, CardLastDay: "2036-01-01",
		Certificates: []*events.CertificateState{{Serial: 7}},
	})
	send("answer/2", "", &events.Answer{Claim: later, Refusals: []string{"claim.quarantined"}})
	check := func(counter *agent.Counter) {
		t.Helper()
		natstest.Wait(t, waitLimit, "the refusal", func() bool {
			status, err := counter.Status(procedure)
			return err == nil && slices.Equal(status.Refusals, []string{"claim.quarantined"})
		})
		status, err := counter.Status(procedure)
		must(t, err)
		if status.Stage != agent.StageAccepted || status.FeeYen != 200 || !status.Answer.GetAccepted() ||
			status.Answer.GetCardLastDay() != "2036-01-01" || len(status.Answer.GetCertificates()) != 1 {
			t.Errorf("status %+v", status)
		}
	}
	check(counter)
	stop()
	again, _ := centre.counter(centre.config(store, nil))
	check(again)
}

// Keys that are refused certificates, as when the regime ended overnight, end the procedure with the rules that say why. A
// quarantined claim does not: people must look at it.
func TestRefusedKeysEndTheProcedure(t *testing.T) {
	for _, c := range []struct {
		refusal string
		want    agent.Stage
	}{{regime.ClaimQuarantined, agent.StageIssuing}, {"juki.regime.issue-ended", agent.StageRefused}} {
		centre := newCentre(t)
		store := storePath(t)
		counter, stop := centre.counter(centre.config(store, newSlot(newCard(t, centre.cardID))))
		procedure, err := counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
		must(t, centre.answer(t.Context(), centre.claim("ApplicationReceived")))
		must(t, centre.send(t.Context(), procedure, "keys", func(d *events.Downlink) {
			d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: centre.cardID, Regime: events.Regime_REGIME_MYNUMBER, Kinds: both}}
		}))
		reach(t, counter, procedure, agent.StageConfirm)
		must(t, counter.Confirm(procedure, pins()))
		keys := centre.claim("KeysGenerated")
		must(t, centre.send(t.Context(), procedure, "answer", func(d *events.Downlink) {
			d.Body = &events.Downlink_Answer{Answer: &events.Answer{Claim: keys.GetId(), Refusals: []string{c.refusal}}}
		}))
		check := func(counter *agent.Counter) {
			t.Helper()
			natstest.Wait(t, waitLimit, "the refusal", func() bool {
				status, err := counter.Status(procedure)
				return err == nil && slices.Contains(slices.Concat(status.Refusals, status.Answer.GetRefusals()), c.refusal)
			})
			status, err := counter.Status(procedure)
			must(t, err)
			if status.Stage != c.want || status.Answer.GetAccepted() != (c.want == agent.StageIssuing) {
				t.Errorf("%s: %+v", c.refusal, status)
			}
		}
		check(counter)
		stop()
		again, _ := centre.counter(centre.config(store, nil))
		check(again)
	}
}

// A slot keeps its PIN if none is typed. One that never held a certificate has a PIN that nobody knows, so it needs one.
func TestSlotInUseKeepsItsPINIfNoneIsTyped(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip := usedCard(t, centre.cardID)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(chip)))
	first, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, first, agent.StageConfirm)
	if err := counter.Confirm(first, agent.PINs{}); !errors.Is(err, agent.ErrPINRefused) {
		t.Errorf("no PIN for slots that never held a certificate: %v", err)
	}
	must(t, counter.Confirm(first, pins()))
	reach(t, counter, first, agent.StageWritten)
	second, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, second, agent.StageConfirm)
	must(t, counter.Confirm(second, agent.PINs{}))
	reach(t, counter, second, agent.StageWritten)
	if err := card.NewSession(chip).Verify(card.Sign, []byte(signPIN)); err != nil {
		t.Errorf("the PIN it had: %v", err)
	}
}

func TestWaitsForRemovedCardAndRefusesAnother(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip, other := usedCard(t, centre.cardID), usedCard(t, "CARD-2")
	reader := newSlot(other)
	counter, _ := centre.counter(centre.config(storePath(t), reader))
	updates := counter.Progress(t.Context(), "")
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	told := func(what string) {
		t.Helper()
		limit := time.After(waitLimit)
		for {
			select {
			case u := <-updates:
				if bytes.Contains([]byte(u.Message.EN), []byte(what)) && u.Message.JA != "" {
					return
				}
			case <-limit:
				t.Fatalf("no progress said %q", what)
			}
		}
	}
	told("another card")
	reader.put(nil)
	reader.put(chip)
	reach(t, counter, procedure, agent.StageConfirm)
	pulled := false
	chip.SetFault(func(_ int, cmd card.Command) softcard.Fault {
		if cmd.INS == 0x47 && cmd.P1 == 0x80 && !pulled { // GENERATE: takes effect, but its answer is lost
			pulled = true
			return softcard.RemoveAfter
		}
		return softcard.NoFault
	})
	must(t, counter.Confirm(procedure, pins()))
	told("removed")
	reader.put(other)
	told("another card")
	reader.put(nil)
	reader.put(chip)
	reach(t, counter, procedure, agent.StageWritten)
	centre.checkCard(chip)
	if inv := centre.inventory(other); inv.Slots[card.Sign].Staged.PublicKey != nil || inv.Slots[card.Sign].Live.PublicKey != nil {
		t.Error("the other person's card was changed")
	}
}

func TestCommandThatCannotBeginReportsWhy(t *testing.T) {
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	generate := func(d *events.Downlink) {
		d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: "CARD-1", Regime: events.Regime_REGIME_MYNUMBER, Kinds: both}}
		d.DeadlineMs = start.Add(time.Minute).UnixMilli()
	}
	t.Run("the deadline passes before the resident confirms", func(t *testing.T) {
		centre := newCentre(t)
		at := running()
		at.set(start)
		centre.clock.set(start)
		cfg := centre.config(storePath(t), newSlot(usedCard(t, centre.cardID)))
		cfg.Now, cfg.Uptime = at.now, at.uptime()
		counter, _ := centre.counter(cfg)
		must(t, centre.send(t.Context(), "p1", "keys", generate))
		reach(t, counter, "p1", agent.StageConfirm)
		at.set(start.Add(2 * time.Minute))
		if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonDeadline || got.GetObligation() != "p1-keys" {
			t.Errorf("got %v", got)
		}
		if err := counter.Confirm("p1", pins()); !errors.Is(err, agent.ErrNotWaiting) {
			t.Errorf("too late: %v", err)
		}
	})
	t.Run("the command comes after its deadline", func(t *testing.T) {
		centre := newCentre(t)
		cfg := centre.config(storePath(t), newSlot(usedCard(t, centre.cardID)))
		centre.clock.set(start.Add(time.Hour))
		centre.counter(cfg)
		must(t, centre.send(t.Context(), "p1", "keys", generate))
		if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonDeadline {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the applicant gives up", func(t *testing.T) {
		centre := newCentre(t)
		centre.auto = true
		chip := usedCard(t, centre.cardID)
		counter, _ := centre.counter(centre.config(storePath(t), newSlot(chip)))
		procedure, err := counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
		reach(t, counter, procedure, agent.StageConfirm)
		must(t, counter.Drop(t.Context(), procedure, "017", "gave up"))
		if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonDropped {
			t.Errorf("got %v", got)
		}
		if status, err := counter.Status(procedure); err != nil || status.Stage != agent.StageDropped {
			t.Errorf("status %+v, %v", status, err)
		}
		if centre.inventory(chip).Slots[card.Sign].Staged.PublicKey != nil {
			t.Error("keys were made")
		}
	})
	t.Run("there is no reader", func(t *testing.T) {
		centre := newCentre(t)
		centre.clock.set(start)
		centre.counter(centre.config(storePath(t), nil))
		must(t, centre.send(t.Context(), "p1", "keys", generate))
		if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonNoReader {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the card lacks the certificates' keys", func(t *testing.T) {
		centre := newCentre(t)
		chip, elsewhere := usedCard(t, centre.cardID), usedCard(t, centre.cardID)
		centre.counter(centre.config(storePath(t), newSlot(chip)))
		generated, err := session(t, elsewhere).GenerateStaged(card.Sign, card.OperationOf("x"))
		must(t, err)
		must(t, centre.sendCertificates(t.Context(), "p1", "write", []*events.KeyRequest{{Kind: sign, Request: generated.Request}}))
		if got := centre.claim("WriteFailed").GetWriteFailed(); got.GetRepairable() || got.GetReason() != "keys not on the card" || got.GetObligation() != "p1-write" {
			t.Errorf("got %v", got)
		}
	})
}

// A new card can't be set up before the hub has sent its last day.
func TestNewCardNeedsItsLastDay(t *testing.T) {
	centre := newCentre(t)
	centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	must(t, centre.send(t.Context(), "p1", "keys", func(d *events.Downlink) {
		d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: centre.cardID, Kinds: both}}
	}))
	if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonLastDay {
		t.Errorf("got %v", got)
	}
}

func TestRedeliveredCommandRunsOnce(t *testing.T) {
	centre := newCentre(t)
	shortMemory(t, centre)
	chip := usedCard(t, centre.cardID)
	store := storePath(t)
	counter, stop := centre.counter(centre.config(store, newSlot(chip)))
	unblock := func(d *events.Downlink) {
		d.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{
			Card: centre.cardID, Regime: events.Regime_REGIME_MYNUMBER,
			Pins: []events.PinKind{events.PinKind_PIN_KIND_AUTH},
		}}
	}
	for range 3 { // block the PIN
		if err := card.NewSession(chip).Verify(card.Auth, []byte("0000")); err == nil {
			t.Fatal("a wrong PIN passed")
		}
	}
	must(t, centre.send(t.Context(), "p1", "unblock", unblock))
	reach(t, counter, "p1", agent.StageConfirm)
	must(t, counter.Confirm("p1", agent.PINs{events.PinKind_PIN_KIND_AUTH: []byte(authPIN)}))
	first := centre.claim("PinsUnblocked")
	if tries, err := card.NewSession(chip).Tries(card.Auth); err != nil || tries != 3 {
		t.Errorf("tries left %d, %v", tries, err)
	}
	must(t, card.NewSession(chip).Verify(card.Auth, []byte(authPIN)))

	// A redelivery after the counter's restart changes nothing.
	stop()
	centre.forgetTaken()
	counter, _ = centre.counter(centre.config(store, newSlot(chip)))
	must(t, centre.send(t.Context(), "p2", "unblock", unblock))
	reach(t, counter, "p2", agent.StageConfirm)
	if status, err := counter.Status("p1"); err != nil || status.Stage != agent.StageUnblocked {
		t.Errorf("after a redelivery: %+v, %v", status, err)
	}
	if got := factsOf(centre.claims); len(got) != 1 {
		t.Errorf("claims after a redelivery: %v", got)
	}

	// The hub itself sends the command again: the first outcome is repeated, and the card is not touched.
	forgotten(t, centre)
	must(t, centre.send(t.Context(), "p1", "unblock", unblock))
	claims := centre.until("the first outcome again", func(c []*events.Claim) bool { return len(c) == 2 })
	if again := claims[1]; again.GetPinsUnblocked().GetObligation() != "p1-unblock" || again.GetId() == first.GetId() || again.GetFiledMs() != first.GetFiledMs() {
		t.Errorf("again: %v, first: %v", again, first)
	}
}

// shortMemory makes the server forget message ids after 100 ms instead of ten minutes; forgotten waits for that.
func shortMemory(t *testing.T, c *centre) {
	t.Helper()
	stream, err := c.js.Stream(t.Context(), counterlink.CommandStream)
	must(t, err)
	cfg := stream.CachedInfo().Config
	cfg.Duplicates = 100 * time.Millisecond
	_, err = c.js.UpdateStream(t.Context(), cfg)
	must(t, err)
}

func forgotten(t *testing.T, c *centre) {
	t.Helper()
	newest := nuid.Next()
	put := func() *jetstream.PubAck {
		ack, err := c.js.Publish(t.Context(), counterlink.CommandSubject("nobody"), []byte("x"), jetstream.WithMsgID(newest))
		must(t, err)
		return ack
	}
	put()
	natstest.Wait(t, waitLimit, "the server to forget the ids it has seen", func() bool { return !put().Duplicate })
}

func TestRetiredCardIsTerminated(t *testing.T) {
	centre := newCentre(t)
	chip := usedCard(t, centre.cardID)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(chip)))
	if id, err := counter.ReadCard(); err != nil || id.CardID != centre.cardID || id.Tries[card.Sign] != 5 {
		t.Errorf("read %+v, %v", id, err)
	}
	must(t, centre.send(t.Context(), "p1", "retire", func(d *events.Downlink) {
		d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: centre.cardID}}
	}))
	if kept := centre.claim("CustodyTaken").GetCustodyTaken(); !kept.GetRetired() || kept.GetObligation() != "p1-retire" || kept.GetCard() != centre.cardID {
		t.Errorf("the claim says %v", kept)
	}
	if id, err := counter.ReadCard(); err != nil || id.LifeCycle != card.Terminated {
		t.Errorf("read %+v, %v", id, err)
	}
}

func TestReportNeedsNoReader(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	caused := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	id, err := counter.Report(t.Context(), &events.Claim{Subscriber: "s", CausedMs: caused.UnixMilli(), Fact: &events.Claim_RecordChangeNotified{
		RecordChangeNotified: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_ADDRESS},
	}}, nil)
	must(t, err)
	claim := centre.claim("RecordChangeNotified")
	if claim.GetId() != id || claim.GetProcedure() != id || claim.GetCausedMs() != caused.UnixMilli() || claim.GetFiledMs() == 0 ||
		claim.GetClockEvidence() != "synchronised" || claim.GetOffice() != "12237-main" {
		t.Errorf("got %v", claim)
	}
}

func TestUnblockPINNamesPINs(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	_, err := counter.UnblockPIN(t.Context(), application(centre.cardID), events.PinKind_PIN_KIND_SIGN)
	must(t, err)
	got := centre.claim("ApplicationReceived").GetApplicationReceived()
	if got.GetOperation() != events.Operation_OPERATION_UNBLOCK || !slices.Equal(got.GetPins(), []events.PinKind{events.PinKind_PIN_KIND_SIGN}) {
		t.Errorf("got %v", got)
	}
}

func TestSecondAgentGetsErrStoreBusy(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	first, err := agent.Open(centre.config(store, nil))
	must(t, err)
	defer first.Close()
	if _, err := agent.Open(centre.config(store, nil)); !errors.Is(err, agent.ErrStoreBusy) {
		t.Errorf("opening the store a second time: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	updates := first.Progress(ctx, "")
	cancel()
	for range updates { // ends with ctx
	}
	if _, err := first.Status("nothing"); !errors.Is(err, agent.ErrUnknownProcedure) {
		t.Errorf("status of an unknown procedure: %v", err)
	}
}

// Sealed parts of claims and commands must not stay on a counter's disk for ever. Unfinished ones stay.
func TestOldFinishedEntriesAreRemoved(t *testing.T) {
	centre := newCentre(t)
	at := running()
	store := storePath(t)
	cfg := centre.config(store, newSlot(usedCard(t, centre.cardID)))
	cfg.Now, cfg.Uptime = at.now, at.uptime()
	counter, stop := centre.counter(cfg)
	retire := func(d *events.Downlink) {
		d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: centre.cardID}}
		d.DeadlineMs = 0
	}
	must(t, centre.send(t.Context(), "old-and-done", "retire", retire))
	centre.claim("CustodyTaken")
	for range 2 {
		_, err := counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
	}
	centre.until("three claims", func(all []*events.Claim) bool { return len(all) == 3 })
	natstest.Wait(t, waitLimit, "the counter to know it", func() bool { return counter.Outbox() == 0 })
	stop()
	holds := func(what string) bool {
		raw, err := os.ReadFile(store)
		must(t, err)
		return bytes.Contains(raw, []byte(what))
	}
	if !holds("old-and-done-retire") {
		t.Error("the scan does not find what is there")
	}

	at.set(at.now().Add(agent.Keep + time.Hour))
	cfg.Conn = nil
	again, err := agent.Open(cfg)
	must(t, err)
	must(t, again.Close())
	if holds("old-and-done") {
		t.Error("a finished command is still in the file")
	}
	s, err := agent.OpenStore(store, desk, cfg.Key)
	must(t, err)
	if _, _, err := s.Claim(2); err == nil {
		t.Error("an old claim is still there")
	}
	if _, _, err := s.Claim(3); err != nil {
		t.Errorf("the newest delivered claim is needed to compare heads: %v", err)
	}
	must(t, s.Close())

	counter, _ = centre.counter(cfg)
	_, err = counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	centre.until("a claim that continues the chain", func(all []*events.Claim) bool { return len(all) == 4 })
}

// Without the centre no counter can change a card: the page says so, and the work waits and continues by itself. Reading a
// card needs no centre.
func TestWaitsForUnavailableCentre(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip := usedCard(t, centre.cardID)
	cfg := centre.config(storePath(t), newSlot(chip))
	var back atomic.Bool
	cfg.OpenCard = func(ctx context.Context, command string, q card.Challenge) (card.Answer, error) {
		if !back.Load() {
			return card.Answer{}, errors.New("no route to the centre")
		}
		return openCard(ctx, command, q)
	}
	counter, _ := centre.counter(cfg)
	updates := counter.Progress(t.Context(), "")
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	for u := range updates {
		if u.Stage == agent.StageConfirm {
			t.Fatal("the resident was asked before the card was opened")
		}
		if u.Message.Key == agent.CentreNeeded {
			break
		}
	}
	if id, err := counter.ReadCard(); err != nil || id.CardID != centre.cardID || id.Tries[card.Auth] != 3 {
		t.Errorf("reading meanwhile: %+v, %v", id, err)
	}
	back.Store(true)
	reach(t, counter, procedure, agent.StageConfirm)
	must(t, counter.Confirm(procedure, pins()))
	reach(t, counter, procedure, agent.StageWritten)
	centre.checkCard(chip)
}

// No counter sets a PIN, makes keys or writes by itself: if the centre refuses to open the card, the command fails and the
// card stays unchanged.
func TestCardStaysUnchangedIfCentreRefusesToOpenIt(t *testing.T) {
	for name, body := range map[string]func(*events.Downlink){
		"keys": func(d *events.Downlink) {
			d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: "CARD-1", Kinds: both}}
		},
		"retire": func(d *events.Downlink) {
			d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: "CARD-1"}}
		},
		"unblock": func(d *events.Downlink) {
			d.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{Card: "CARD-1", Pins: []events.PinKind{events.PinKind_PIN_KIND_AUTH}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			chip := usedCard(t, centre.cardID)
			before, err := os.ReadFile(chip.Path())
			must(t, err)
			cfg := centre.config(storePath(t), newSlot(chip))
			cfg.OpenCard = func(context.Context, string, card.Challenge) (card.Answer, error) {
				return card.Answer{}, fmt.Errorf("%w: nothing is owed", counterlink.ErrCardRefused)
			}
			counter, _ := centre.counter(cfg)
			must(t, centre.send(t.Context(), "p1", name, body))
			if name == "unblock" { // asks the resident before it opens the card
				reach(t, counter, "p1", agent.StageConfirm)
				must(t, counter.Confirm("p1", agent.PINs{events.PinKind_PIN_KIND_AUTH: []byte("4321")}))
			}
			if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonNotOpened {
				t.Errorf("reason %q", got.GetReason())
			}
			after, err := os.ReadFile(chip.Path())
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the card was changed")
			}
		})
	}
}
