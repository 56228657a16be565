package agent_test

import (
	"context"
	"crypto/rand"
	"maps"
	"net/url"
	"time"

	"go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// scenes runs cases that chance seldom brings: failing forms, cards, readers, clocks and links.
func (w *world) scenes() {
	for _, scene := range []func(){
		w.forms, w.looksForCases, w.looksForPersons, w.strangers, w.strays, w.withoutNames, w.replacements, w.faultyCards, w.pulledCard, w.faultyWriting, w.work, w.withoutCentre, w.withoutReader,
		w.wrongClock, w.badLine, w.reports, w.anotherAgent, w.oldHub,
	} {
		scene()
		w.put("")
	}
}

// unpaired tries to show a procedure while no resident's screen is paired.
func (w *world) unpaired() {
	w.stranger = true
	a := w.commanded("unblock", "CARD-3", "yes")
	w.put("CARD-3")
	w.tryTo("show", a)
	w.dropIt(a)
	w.put("")
	w.stranger = false
}

// tryTo tries an act that is impossible now.
func (w *world) tryTo(act string, a *truth) {
	w.do("try to "+act, a.id, func() {
		w.problem = true
		where, body := w.send("/procedures/"+a.id+"/"+act, url.Values{"auth": {authPIN}, "auth_again": {authPIN}})
		w.check(where, body, w.statuses())
	})
}

// commanded returns an application whose command was sent.
func (w *world) commanded(operation, card, answer string) *truth {
	a := w.applied(operation, card)
	w.answerWith(a, answer)
	w.sendDown(a, nil)
	return a
}

// typed returns an application for which the resident has typed the PINs.
func (w *world) typed(operation, card, answer string) *truth {
	a := w.commanded(operation, card, answer)
	w.put(card)
	w.screenOf(a)
	w.confirmWith(a, "")
	return a
}

// refused sends a form and checks the page on which it comes back.
func (w *world) refused(path, fault string, form url.Values) {
	w.do("send "+path+" with fault "+fault, "", func() {
		w.fault = fault
		for _, lang := range []string{"", "?lang=en"} {
			where, body := w.send(path+lang, form)
			w.check(where, body, w.statuses())
		}
	})
}

func (w *world) forms() {
	for fault, fields := range map[string]url.Values{
		"document": {"document": {"a promise"}}, "letter": {"document": {"application-form", "inquiry-answer"}}, "unknown": {"cause": {"a whim"}}, "officer": {"clerk": {"証明花子"}}, "kana": {"kana": {"Hanako"}},
	} {
		form := filled()
		maps.Copy(form, fields)
		w.refused("/apply", fault, form)
	}
	form := filled()
	form["operation"], form["birth_date"], form["file"] = []string{"revoke"}, []string{"1990-06-19"}, []string{"anyway"}
	w.refused("/apply", "person", form)
	w.refused("/report", "empty", url.Values{"what": {"birth-date"}, "by": {"counter"}})
}

// foundHere is what the centre answers to a search, by the name that is looked for.
var foundHere = map[string]counterlink.Found{
	"双子": {More: true, Persons: []*events.FoundPerson{{Subscriber: "first", Name: "証明　花子"}, {Subscriber: "second", Name: "証明　花子"}}},
	"索引": {Unready: true},
}

func (w *world) looksForPersons() {
	look := func(name string) {
		w.do("look for a person", name, func() {
			where, body := w.send("/find", url.Values{"clerk": {"017"}, "name": {name}, "birth_date": {"1990-06-18"}})
			w.check(where, body, w.statuses())
		})
	}
	for _, name := range []string{"誰か", "双子", "索引"} {
		look(name)
	}
	w.cut(nil)
	look("誰か")
	w.cut(nil)
}

func (w *world) looksForCases() {
	look := func() {
		where, body := w.send("/cases", url.Values{"clerk": {"017"}, "case_number": {"ffffffff"}})
		w.check(where, body, w.statuses())
	}
	w.do("look for a case", "", look)
	w.cut(nil)
	w.do("look for a case", "", look)
	w.cut(nil)
	a := w.applied("issue", "CARD-2")
	w.answerWith(a, "letter")
	w.do("answer a letter", "", func() {
		w.onFile = true
		for range 2 {
			w.english = !w.english
			w.show("/apply?operation=issue&way=self-no-photo&card_kind=mynumber")
			w.show("/apply?operation=issue&way=self-no-photo&card_kind=mynumber&on_file=application-form&procedure=" + a.id)
		}
		w.onFile = false
		form := filled()
		form["procedure"], form["letter"], form["file"], form["document"] = []string{a.id}, []string{"0000"}, []string{"anyway"}, []string{"inquiry-answer", "card"}
		w.send("/apply", form)
		natstest.Wait(w.t, waitLimit, "the answer to the letter at the centre", func() bool { return len(w.claims(a.id, "")) == 2 })
		a.answer = &events.Answer{Refusals: []string{"mynumber.documents.inquiry-answer-other"}}
		w.tell(a, w.claims(a.id, "")[1], a.answer)
	})
	w.dropIt(a)
}

// strangers opens the clerk's pages in the resident's browser, and tries to withdraw an ended procedure.
func (w *world) strangers() {
	w.do("the resident's browser asks for the clerk's page", "", func() {
		w.stranger, w.problem = true, true
		_, where, body := visitBy(w.t, w.resident, w.address+"/", nil)
		w.check(where, body, w.statuses())
		w.stranger = false
	})
	a := w.commanded("unblock", "CARD-3", "yes")
	w.dropIt(a)
	w.tryTo("drop", a)
}

// strays performs acts of stale pages.
func (w *world) strays() {
	a := w.applied("revoke", "CARD-3")
	w.tryTo("drop", a)
	b := w.applied("issue", "CARD-2")
	w.answerWith(b, "yes")
	w.tryTo("hand-over", b)
	w.tryTo("show", b)
	w.sendDown(b, nil)
	w.put("CARD-2")
	w.tryTo("pin", b)
	w.dropIt(b)
}

// withoutNames runs a counter whose store lacks the name of the applicant whom a command waits for.
func (w *world) withoutNames() {
	a := w.commanded("unblock", "CARD-3", "yes")
	w.do("the names are gone", "", func() {
		w.stop()
		db, err := bbolt.Open(w.store, 0o600, nil)
		must(w.t, err)
		must(w.t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("names")).Delete([]byte(a.id)) }))
		must(w.t, db.Close())
		w.shown, w.thanked, w.namesLost = "", false, true
		w.start()
	})
	w.put("CARD-3")
	w.tryTo("show", a)
	w.thinkOf(a)
	w.dropIt(a)
	w.namesLost = false
}

// replacements runs procedures that end a former certificate at each of their steps, and one without a fee.
func (w *world) replacements() {
	a := w.commanded("issue", "CARD-2", "replaces")
	w.thinkOf(a)
	w.put("CARD-2")
	w.screenOf(a)
	w.confirmWith(a, "")
	w.thinkOf(a)
	w.certifyIt(a)
	w.thinkOf(a)
	w.giveOut(a)
	w.put("")
	b := w.commanded("reissue", "CARD-2", "free") // the card has certificates, so its PINs may stay
	w.put("CARD-2")
	w.screenOf(b)
	w.look()
	w.confirmWith(b, "")
	w.refuseLast(b, regime.NotAwaited)
	c := w.applied("hand-over", "CARD-1")
	w.answerWith(c, "ends another")
	w.sendDown(c, nil)
	w.put("CARD-1")
	w.screenOf(c)
	w.confirmWith(c, "")
	w.giveOut(c)
	d := w.typed("issue", "CARD-1", "free")
	w.certifyIt(d)
	w.giveOut(d)
}

// answering makes the reader answer an instruction in the card's place.
func (w *world) answering(instruction byte, with func(chip *softcard.Card, apdu []byte) ([]byte, error)) {
	w.slot.set(func() {
		w.slot.instead = func(chip *softcard.Card, apdu []byte) ([]byte, error) {
			if apdu[1] != instruction {
				return nil, nil
			}
			return with(chip, apdu)
		}
	})
}

func (w *world) answeringNothing() { w.slot.set(func() { w.slot.instead = nil }) }

// saysOnly returns an answer that is a status word only.
func saysOnly(sw uint16) func(*softcard.Card, []byte) ([]byte, error) {
	return func(*softcard.Card, []byte) ([]byte, error) { return []byte{byte(sw >> 8), byte(sw)}, nil }
}

// Instructions of a card that the scenes disturb (deploy/card.md).
const (
	insGenerate = 0x47
	insResetPIN = 0x2C
	insUpdate   = 0xD6
	insRead     = 0xB0
	insActivate = 0x44
)

// faultyCards tries cards that refuse to make keys, each for another reason.
func (w *world) faultyCards() {
	for sw, reason := range map[uint16]string{0x6F00: "card refused", 0x6D00: "command unknown to the card", 0x6A84: "card memory", 0x6985: "card state"} {
		w.answering(insGenerate, saysOnly(sw))
		w.failsFor(w.typed("issue", "CARD-2", "yes"), reason)
		w.answeringNothing()
		w.put("")
	}
	for reason, open := range map[string]card.Opener{
		"card not opened by the centre": func(card.Challenge) (card.Answer, error) { return card.Answer{}, counterlink.ErrCardRefused },
		"administrative key": func(q card.Challenge) (card.Answer, error) {
			answer, err := openCard(w.t.Context(), "", q)
			_, _ = rand.Read(answer.Host)
			return answer, err
		},
	} {
		w.opens.Store(&open)
		a := w.commanded("issue", "CARD-2", "yes")
		w.put("CARD-2")
		w.failsFor(a, reason)
		w.opens.Store(nil)
		w.put("")
	}
	w.cards["CARD-4"] = newCard(w.t, "CARD-4")
	a := w.commanded("issue", "CARD-4", "no last day")
	w.put("CARD-4")
	w.failsFor(a, "last day of the card unknown")
	w.put("")
	retired := usedCard(w.t, "CARD-5")
	must(w.t, session(w.t, retired).Retire())
	retired.Reset()
	w.cards["CARD-5"] = retired
	b := w.commanded("issue", "CARD-5", "yes")
	w.do("put on the reader a retired card", "", func() { w.slot.put(retired) })
	w.failsFor(b, "card retired")
	delete(w.cards, "CARD-5")
}

func (w *world) failsFor(a *truth, reason string) {
	w.t.Helper()
	if got := w.failedFor(a.id); got != reason {
		w.t.Errorf("the command of %s on %s failed for %q, want %q", a.operation, a.card, got, reason)
	}
}

// pulledCard removes a card in the middle of the work and puts it back.
func (w *world) pulledCard() {
	a := w.commanded("unblock", "CARD-3", "yes")
	w.put("CARD-3")
	w.screenOf(a)
	w.pullAt(insResetPIN)
	w.confirmWith(a, "")
	w.answeringNothing()
	w.put("CARD-3")
	w.giveOut(a)
}

// pullAt removes the card before the next APDU with an instruction.
func (w *world) pullAt(instruction byte) {
	w.answering(instruction, func(*softcard.Card, []byte) ([]byte, error) {
		w.slot.put(nil)
		return nil, card.ErrRemoved
	})
}

// faultyWriting tries to write certificates that fail repairably, and for good.
func (w *world) faultyWriting() {
	a := w.typed("issue", "CARD-2", "yes")
	w.answering(insUpdate, saysOnly(0x6A84))
	w.certifyIt(a)
	w.failsFor(a, "card memory")
	w.answeringNothing()
	w.put("")
	w.cards["CARD-6"] = usedCard(w.t, "CARD-6")
	b := w.typed("issue", "CARD-6", "yes")
	w.put("")
	w.cards["CARD-6"] = usedCard(w.t, "CARD-6") // restored from an old copy
	w.certifyIt(b)
	w.put("CARD-6")
	w.failsFor(b, "keys not on the card")
	delete(w.cards, "CARD-6")
}

// work checks the pages in the middle of the work on a card.
func (w *world) work() {
	a := w.commanded("unblock", "CARD-3", "yes")
	w.put("CARD-3")
	w.screenOf(a)
	w.during(insResetPIN, "setting-pin", a, func() { w.confirmWith(a, "") })
	w.giveOut(a)
	w.put("")
	b := w.commanded("issue", "CARD-2", "yes")
	w.put("CARD-2")
	w.screenOf(b)
	w.during(insGenerate, "making-keys", b, func() { w.confirmWith(b, "") })
	w.put("")
	c := w.typed("issue", "CARD-2", "yes")
	w.during(insUpdate, "writing", c, func() { w.certifyIt(c) })
	w.put("")
	d := w.typed("issue", "CARD-2", "yes")
	w.during(insRead, "reading-back", d, func() { w.certifyIt(d) })
	w.giveOut(d)
}

// during delays the card's answer to an instruction, checks the page while the counter says that it works, and continues.
func (w *world) during(instruction byte, says string, a *truth, act func()) {
	w.t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	w.answering(instruction, func(*softcard.Card, []byte) ([]byte, error) {
		if s, err := w.counter.Status(a.id); err != nil || s.Message.Key != says {
			return nil, nil
		}
		select {
		case <-held:
		default:
			close(held)
			<-release
		}
		return nil, nil
	})
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		defer close(release)
		select {
		case <-held:
		case <-time.After(waitLimit):
			w.t.Errorf("the counter never said %q", says)
			return
		}
		a.issued = a.issued || says == "writing" || says == "reading-back"
		for _, lang := range []string{"", "?lang=en"} {
			_, where, body := visit(w.t, w.address+"/procedures/"+a.id+lang, nil)
			w.check(where, body, w.statuses())
		}
	}()
	act()
	<-looked
	w.answeringNothing()
}

// withoutCentre runs work on a card, a loss report and a withdrawal while the centre is unavailable.
func (w *world) withoutCentre() {
	a, b := w.commanded("unblock", "CARD-3", "yes"), w.applied("issue", "CARD-2")
	w.answerWith(b, "yes")
	w.put("CARD-3")
	w.screenOf(a)
	w.cut(nil)
	w.confirmWith(a, "")
	w.reportOf("loss", "counter")
	w.dropIt(b)
	w.put("") // the centre is unavailable, then the card is removed
	w.cut(nil)
	w.put("CARD-3")
	w.giveOut(a)
	c := w.commanded("issue", "CARD-2", "yes")
	w.cut(nil)
	w.restart(nil)
	w.cut(nil)
	w.dropIt(c)
}

// withoutReader runs a counter whose reader fails, and one without a reader.
func (w *world) withoutReader() {
	w.do("the reader fails", "", func() { w.slot.set(func() { w.slot.away = true }) })
	w.do("the reader is back", "", func() { w.slot.set(func() { w.slot.away = false }) })
	a := w.applied("issue", "CARD-2")
	w.answerWith(a, "yes")
	w.do("the reader fails", "", func() { w.slot.set(func() { w.slot.away = true }) })
	w.restartAs(func(cfg *agent.Config) { cfg.Reader = nil })
	w.sendDown(a, nil)
	w.failsFor(a, "no reader")
	w.do("the reader is back", "", func() {
		w.slot.set(func() { w.slot.away = false })
		w.stop()
		w.start()
	})
}

// wrongClock runs a counter whose clock is wrong, and one with a settable clock.
func (w *world) wrongClock() {
	w.restartAs(func(cfg *agent.Config) {
		cfg.Now, cfg.ClockEvidence = off(2*time.Hour), func() string { return agent.Simulated }
	})
	w.look()
	w.restartAs(func(cfg *agent.Config) { cfg.Now = off(2 * time.Hour) })
	w.look()
	w.restart(nil)
	a := w.applied("issue", "CARD-2")
	w.answerWith(a, "held simulated")
}

// badLine delays messages over a link, and those of a link-up.
func (w *world) badLine() {
	w.do("the line holds back", "", func() {
		w.line.Hold(counterlink.ClaimSubject(desk) + " ")
		w.fileUnsent(counterlink.Up)
		w.line.Release()
		w.line.Hold(counterlink.HelloSubject(desk) + " ")
		w.line.Cut()
		w.fileUnsent(counterlink.Comparing)
		w.line.Release()
	})
}

// reports files reports that end nothing for good, and one that the centre refuses.
func (w *world) reports() {
	w.reportOf("loss", "telephone")
	w.reportOf("found", "counter")
	w.answerWith(w.told[w.order[len(w.order)-1]], "refused")
}

// anotherAgent runs a second agent as this counter, with a copy of its store.
func (w *world) anotherAgent() {
	copied := storePath(w.t)
	w.do("another agent", "", func() {
		w.stop()
		copyFile(w.t, w.store, copied)
		other, stop := w.centre.counter(w.centre.config(copied, nil))
		natstest.Wait(w.t, waitLimit, "the other agent's link", func() bool { return other.Link() == counterlink.Up })
		w.shown, w.thanked, w.away = "", false, true
		w.start()
		w.fileUnsent(counterlink.Taken)
		stop()
		w.away = false
	})
}

// fileUnsent files an application that can't be sent while the link is in a state, and checks its page.
func (w *world) fileUnsent(link counterlink.LinkState) {
	natstest.Wait(w.t, waitLimit, "the link to be "+link.String(), func() bool { return w.counter.Link() == link && w.readerKnown() })
	form := filled()
	form["card"], form["file"] = []string{"CARD-2"}, []string{"anyway"}
	where, _ := w.send("/apply", form)
	w.filed(where, &truth{operation: "issue", card: "CARD-2"})
	for range 2 {
		w.english = !w.english
		w.show("/procedures/" + w.order[len(w.order)-1])
	}
	w.show("/")
}

// oldHub runs a centre whose history differs from the counter's, while a command is unfinished.
func (w *world) oldHub() {
	w.centre.mismatched = make(chan error, 1)
	a := w.commanded("unblock", "CARD-3", "yes")
	w.put("CARD-3")
	w.screenOf(a)
	w.pullAt(insResetPIN)
	w.confirmWith(a, "")
	w.answeringNothing()
	w.do("the centre is an old copy", "", func() {
		w.stop()
		s, err := agent.OpenStore(w.store, desk, w.centre.key)
		must(w.t, err)
		first, hash, err := s.Claim(1)
		must(w.t, err)
		delivered := s.Delivered()
		must(w.t, s.Close())
		must(w.t, w.centre.hub.Adopt(w.t.Context(), desk, delivered, counterlink.Head{Epoch: epochOf(w.t, first), Number: 1, Hash: hash}))
		w.shown, w.thanked, w.away = "", false, true
		w.start()
		w.fileUnsent(counterlink.Mismatched)
		w.show("/procedures/" + a.id)
		m, known := w.centre.hub.Mismatch(desk)
		if !known {
			w.t.Fatal("the hub did not record the mismatch")
		}
		must(w.t, w.centre.hub.Adopt(context.Background(), desk, m.Hub, m.Counter))
		w.away = false
	})
	w.failsFor(a, "records differed")
}
