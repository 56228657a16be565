package agent_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
	"shomei/services/agent"
	pages "shomei/services/agent/desk"
)

var wareki = regexp.MustCompile(`\((明治|大正|昭和|平成|令和)[^)]*\)`)

// world is a counter with its pages, a centre, cards and people, and the truth about what happened.
type world struct {
	t       *testing.T
	centre  *centre
	line    *natstest.Line
	store   string
	slot    *slot
	cards   map[string]*softcard.Card
	counter *agent.Counter
	served  *pages.Desk
	address string
	stop    func()

	away  bool
	opens atomic.Pointer[card.Opener] // instead of openCard
	told  map[string]*truth
	order []string
	shown string // on the resident's screen
	// thanked: a resident has confirmed; the thanks stand for some seconds.
	thanked bool
	// fault is the fault of the form just sent, tried the procedure of the act just tried ("review" for a review page).
	fault, tried           string
	problem, onFile, lasts bool
	unasked                bool
	// resident is the browser of the resident's screen; stranger: the wrong browser asked for a page; pairing: the clerk was
	// shown a code.
	resident          *http.Client
	stranger, pairing bool
	english           bool
	namesLost         bool // the counter's store is from a release that kept no names
	trail             []string
	seen              map[string]int
	wrong             map[string]bool
}

func newWorld(t *testing.T, seen map[string]int, wrong map[string]bool) *world {
	c := newCentre(t)
	w := &world{
		t: t, centre: c, line: natstest.NewLine(t, strings.TrimPrefix(c.url, "nats://")), store: storePath(t), slot: newSlot(nil),
		cards: map[string]*softcard.Card{}, told: map[string]*truth{}, seen: seen, wrong: wrong, resident: http.DefaultClient,
	}
	for _, id := range []string{"CARD-1", "CARD-2"} {
		w.cards[id] = newCard(t, id)
	}
	w.cards["CARD-3"] = usedCard(t, "CARD-3")
	w.start()
	return w
}

// start opens the counter on its store, with its pages.
func (w *world) start(change ...func(*agent.Config)) {
	cfg := w.centre.config(w.store, w.slot)
	for _, c := range change {
		c(&cfg)
	}
	cfg.Find = func(_ context.Context, _ string, key counterlink.FindKey) (counterlink.Found, error) {
		return foundHere[key.Name], nil
	}
	cfg.FindCases = func(context.Context, string, counterlink.CaseKey) ([]*events.OpenCase, error) { return nil, nil }
	cfg.Conn = w.centre.dial("nats://" + w.line.Addr())
	cfg.OpenCard = func(ctx context.Context, command string, q card.Challenge) (card.Answer, error) {
		if w.counter.Link() != counterlink.Up {
			return card.Answer{}, errors.New("no route to the centre")
		}
		if open := w.opens.Load(); open != nil {
			return (*open)(q)
		}
		return openCard(ctx, command, q)
	}
	counter, stop := w.centre.counter(cfg)
	w.counter = counter
	served, err := pages.New(deskConfig(counter))
	must(w.t, err)
	server := httptest.NewServer(served.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- served.Run(ctx) }()
	w.served, w.address = served, server.URL
	w.stop = func() {
		cancel()
		<-done
		server.CloseClientConnections()
		server.Close()
		stop()
		cfg.Conn.Close()
	}
}

// settles reports whether a procedure takes effect on acceptance.
func (a *truth) settles() bool {
	return a.report != "" || regime.HandlingOf(operations[a.operation]).Settled
}

// pair makes a browser the resident's screen with the code from the clerk's page, after trying a wrong code.
func (w *world) pair() {
	w.t.Helper()
	w.show("/screen")
	w.fault, w.stranger = "pair", true
	_, where, body := visit(w.t, w.address+"/resident?pair=another", nil)
	w.check(where, body, w.statuses())
	w.fault, w.stranger = "", false
	w.send("/screen", url.Values{})
	w.pairing = true
	w.show("/screen")
	w.resident = pairedClient(w.t, w.address)
	w.pairing = false
	w.show("/screen")
}

// browser returns the browser for a path: the resident's screen or the clerk's.
func (w *world) browser(path string) *http.Client {
	if path, _, _ := strings.Cut(path, "?"); path == "/resident" || strings.HasSuffix(path, "/pin") {
		return w.resident
	}
	return http.DefaultClient
}

// nameless reports whether the counter lacks the name of a procedure's applicant.
func (s sight) nameless() bool {
	name, err := s.counter.Applicant(s.about.id)
	return err == nil && name == ""
}

// inside returns the id of the card in the reader; empty for none.
func (w *world) inside() string {
	w.slot.mu.Lock()
	defer w.slot.mu.Unlock()
	if w.slot.card == nil {
		return ""
	}
	return w.slot.card.ID()
}

func (w *world) readerAway() bool {
	w.slot.mu.Lock()
	defer w.slot.mu.Unlock()
	return w.slot.away
}

// claims returns a procedure's claims at the centre with a fact; all for "".
func (w *world) claims(procedure, fact string) (all []*events.Claim) {
	w.centre.mu.Lock()
	defer w.centre.mu.Unlock()
	for i, name := range factsOf(w.centre.claims) {
		if c := w.centre.claims[i]; c.GetProcedure() == procedure && (fact == "" || name == fact) {
			all = append(all, c)
		}
	}
	return all
}

func (w *world) at(procedure, fact string) bool { return len(w.claims(procedure, fact)) > 0 }

// failedFor returns why a procedure's command was not begun, or its certificates not written; empty if it did not fail.
func (w *world) failedFor(procedure string) string {
	for _, c := range w.claims(procedure, "ConfirmationFailed") {
		return c.GetConfirmationFailed().GetReason()
	}
	for _, c := range w.claims(procedure, "WriteFailed") {
		return c.GetWriteFailed().GetReason()
	}
	return ""
}

// holds reports whether the certificates of a procedure are on its card, as far as the centre can know.
func (w *world) holds(a *truth) bool { return w.away || w.at(a.id, "CardWritten") }

// bears reports whether a card has a readable certificate.
func (w *world) bears(id string) bool {
	for _, a := range w.told {
		if a.card == id && w.at(a.id, "CardWritten") {
			return true
		}
	}
	return false
}

// used reports whether a card has been set up, as far as the centre knows.
func (w *world) used(id string) bool {
	for _, a := range w.told {
		if a.card == id && (w.at(a.id, "KeysGenerated") || w.at(a.id, "PinsUnblocked")) {
			return true
		}
	}
	return id == "CARD-3" || id == "CARD-6"
}

func (s sight) setsPINs() bool {
	return s.about.operation == "unblock" || s.about.operation == "hand-over"
}

func (w *world) holding() int {
	n := 0
	for _, a := range w.told {
		if a.answer.GetHeld() != nil {
			n++
		}
	}
	return n
}

// working reports whether a command of a procedure was sent and has no outcome, as far as the centre knows.
func (w *world) working(a *truth) bool {
	switch failed := w.at(a.id, "ConfirmationFailed"); {
	case a.issued:
		return !w.at(a.id, "CardWritten") && !w.at(a.id, "WriteFailed")
	case !a.sent || failed:
		return false
	case a.operation == "unblock" || a.operation == "hand-over":
		return !w.at(a.id, "PinsUnblocked")
	}
	return !w.at(a.id, "KeysGenerated")
}

// waits reports whether a command certainly waits for its resident: its card and the centre are available.
func (w *world) waits(a *truth) bool {
	return a.command && !a.confirmed && !w.away && w.inside() == a.card
}

func (w *world) ready(a *truth) bool {
	switch {
	case a.handed || a.dropped:
		return false
	case a.operation == "hand-over" && !a.sent:
		return a.answer.GetAccepted()
	case a.operation == "unblock", a.operation == "hand-over":
		return a.confirmed && (w.away || w.at(a.id, "PinsUnblocked"))
	}
	return a.issued && w.holds(a)
}

func (s sight) ready() bool { return s.world.ready(s.about) }

// mayGoOn reports whether a procedure has not ended.
func (w *world) mayGoOn(a *truth) bool {
	settled := a.answer.GetAccepted() && (regime.HandlingOf(operations[a.operation]).Settled || a.report != "")
	refused := len(a.answer.GetRefusals()) > 0 && a.letter == "" || a.answer.GetHeld() != nil || len(a.later) > 0
	return a.report == "" && !a.handed && !a.dropped && !settled && !refused
}

func (s sight) open() bool { return s.mayGoOn(s.about) || len(s.about.later) > 0 && !s.about.handed }

var operations = map[string]events.Operation{
	"issue": events.Operation_OPERATION_ISSUE, "renew": events.Operation_OPERATION_RENEW, "reissue": events.Operation_OPERATION_REISSUE,
	"unblock": events.Operation_OPERATION_UNBLOCK, "hand-over": events.Operation_OPERATION_HAND_OVER, "revoke": events.Operation_OPERATION_REVOKE,
	"return-card": events.Operation_OPERATION_RETURN_CARD, "extend-card": events.Operation_OPERATION_EXTEND_CARD,
}

// settle waits until the centre (unless unavailable), the counter and its reader have noticed what was done.
func (w *world) settle() {
	w.t.Helper()
	last, settled := "", false
	defer func() {
		if !settled {
			w.t.Logf("settling: %s\nafter %s", last, strings.Join(w.trail, "; "))
		}
	}()
	natstest.Wait(w.t, waitLimit, "everybody to notice", func() bool {
		last = w.unsettled()
		return last == ""
	})
	settled = true
	for _, a := range w.told {
		a.command = w.working(a)
	}
}

// outcomes are the facts that the centre must have at a stage.
var outcomes = map[agent.Stage][]string{
	agent.StageIssuing: {"KeysGenerated"}, agent.StageWritten: {"CardWritten"}, agent.StageUnblocked: {"PinsUnblocked"},
	agent.StageHandedOver: {"HandedOver"}, agent.StageDropped: {"ApplicationDropped"}, agent.StageFailed: {"ConfirmationFailed", "WriteFailed"},
}

// unsettled describes what has not been noticed yet; empty if nothing.
func (w *world) unsettled() string {
	if up := w.counter.Link() == counterlink.Up; up == w.away {
		return "the link"
	}
	for _, id := range w.order {
		s, err := w.counter.Status(id)
		must(w.t, err)
		if why := w.unnoticed(s, w.told[id]); why != "" {
			return fmt.Sprintf("%s of %s at %s, card %s, in the reader %q: %s", s.Message.EN, w.told[id].operation, s.Stage, w.told[id].card, w.inside(), why)
		}
	}
	if !w.readerKnown() { // last, because work on a card may end with its removal
		return "the reader"
	}
	return ""
}

// readerKnown reports whether the pages show the reader's present state.
func (w *world) readerKnown() bool {
	switch {
	case w.readerAway():
		return w.served.Reader() == pages.ReaderAway
	case w.inside() != "":
		return w.served.Reader() == pages.ReaderCard
	}
	return w.served.Reader() == pages.ReaderEmpty
}

func (w *world) unnoticed(s agent.Status, a *truth) string {
	inside := w.inside()
	wait := map[string]bool{
		"making-keys": true, "writing": true, "reading-back": true, "setting-pin": true,
		agent.PutCard: inside != "", agent.CardRemoved: inside != "", agent.OtherCard: inside == "" || inside == s.Card,
		agent.CentreNeeded: !w.away || inside != s.Card, agent.WaitsForComparison: !w.away,
	}
	stands := s.Stage == agent.StageConfirm || s.Stage == agent.StageCard || s.Stage == agent.StageIssuing
	switch facts := outcomes[s.Stage]; {
	case wait[s.Message.Key] && stands, s.Stage == agent.StageConfirm && s.Waiting == nil:
		return "it works"
	case w.away:
		return ""
	case !s.AtHub || !w.at(s.Procedure, ""):
		return "it sends"
	case facts != nil && !slices.ContainsFunc(facts, func(f string) bool { return w.at(s.Procedure, f) }):
		return "the centre reads"
	case a.second != (s.Second != nil) && !a.dropped:
		return "the word that it waits, or waits no longer, is on its way"
	case a.answer != nil && (s.Stage == agent.StageReceived || s.Stage == agent.StagePending):
		return "the answer is on its way"
	case w.working(a) && !a.dropped && s.Stage == agent.StageAccepted:
		return "the command is on its way"
	case a.issued && s.Stage == agent.StageIssuing:
		return "the certificates are on their way"
	case len(s.Refusals) == 0 && len(a.later) > 0 && !a.dropped, a.later["HandedOver"] != "" && !s.Unrecorded():
		return "the later answer is on its way"
	}
	return ""
}

// do records an act, performs it, and checks the pages.
func (w *world) do(name, procedure string, act func()) {
	w.trail = append(w.trail, name+" "+procedure[max(len(procedure)-4, 0):])
	w.fault, w.tried, w.problem = "", procedure, false
	act()
	w.settle()
	w.look()
}

// look fetches the pages and checks every phrase in them.
func (w *world) look() {
	w.english = !w.english
	w.show("/")
	w.show("/resident")
	for i, id := range slices.Backward(w.order) {
		if len(w.order)-i <= 4 {
			w.show("/procedures/" + id)
			if _, err := w.counter.Certificates(id); err == nil {
				w.show("/procedures/" + id + "/copy")
			}
			if a := w.told[id]; a.letter != "" && !a.dropped {
				w.onFile = true
				w.show("/apply?operation=issue&way=self-no-photo&card_kind=mynumber&procedure=" + id)
				w.onFile = false
			}
		}
	}
}

// tour opens every page that needs no procedure, and some that do not exist.
func (w *world) tour() {
	w.mistake()
	for _, english := range []bool{true, false} {
		w.english = english
		for operation := range operations {
			w.show("/apply?operation=" + operation)
		}
		w.show("/cases")
		w.show("/find")
		w.show("/screen")
		for _, what := range []string{"loss", "found", "custody", "name", "birth-date", "move-out", "move-in", "move-overseas", "death", "resident-code"} {
			w.show("/report?what=" + what)
		}
		w.problem = true
		w.show("/card") // none is on the reader
		w.tried = "review"
		w.show("/review/AAAAAAAAAAAAAAAAAAAAAAAAAA")
		w.tried = "unknown"
		w.show("/procedures/none")
		w.problem, w.tried = false, ""
	}
}

// faults are wrong fields of an application, by fault.
var faults = map[string]url.Values{
	"long": {"name": {strings.Repeat("証", 500)}}, "unprintable": {"name": {"証明\u0007花子"}}, "day": {"birth_date": {"きのう"}}, "future": {"birth_date": {"2199-01-01"}},
	"old": {"birth_date": {"1700-01-01"}}, "code": {"resident_code": {"123"}}, "mail": {"mail": {"花子"}}, "postal": {"postal_code": {"1"}},
	"municipality": {"municipality": {"1"}}, "card": {"card": {"カード"}}, "received_at": {"received_at": {"99:99"}}, "second": {"special_circumstances": {"急ぎ"}},
	"empty": {"resident_code": {""}, "name": {""}, "birth_date": {""}, "address": {""}, "municipality": {""}}, "clerk": {"clerk": {""}}, "choice": {"shown": {"renew self mynumber"}},
}

// mistake sends a form with each fault.
func (w *world) mistake() {
	for fault, fields := range faults {
		form := filled()
		maps.Copy(form, fields)
		w.fault = fault
		where, body := w.send("/apply", form)
		if !strings.HasSuffix(where, "/apply") {
			w.t.Errorf("a form with fault %q was accepted", fault)
		}
		w.again(where, body)
	}
	w.fault = ""
}

// show fetches a page and checks it, again whenever the state changed meanwhile.
func (w *world) show(path string) {
	w.t.Helper()
	for range 20 {
		before := w.statuses()
		page := w.address + path
		if w.english {
			page += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "lang=en"
		}
		_, where, body := visitBy(w.t, w.browser(path), page, nil)
		if maps.EqualFunc(before, w.statuses(), sameState) {
			w.check(where, body, before)
			return
		}
	}
	w.t.Fatalf("the state kept changing while %s was fetched, after %s", path, strings.Join(w.trail, "; "))
}

func sameState(a, b agent.Status) bool {
	return a.Stage == b.Stage && a.AtHub == b.AtHub && a.Message == b.Message && (a.Waiting == nil) == (b.Waiting == nil)
}

func (w *world) statuses() map[string]agent.Status {
	all := map[string]agent.Status{}
	for _, s := range w.counter.Procedures() {
		all[s.Procedure] = s
	}
	return all
}

// send posts a form and checks the page that comes back.
func (w *world) send(path string, form url.Values) (where, body string) {
	w.t.Helper()
	_, where, body = visitBy(w.t, w.browser(path), w.address+path, form)
	return where, body
}

// check checks every phrase of a page against its predicate.
func (w *world) check(where, body string, statuses map[string]agent.Status) {
	address, err := url.Parse(where)
	must(w.t, err)
	all, rest := phrases(body)
	s := sight{world: w, path: address.Path}
	subjects := []sight{s}
	for _, id := range w.order {
		if strings.Contains(address.Path, id) || address.Path == "/" {
			about := s
			about.about, about.status = w.told[id], statuses[id]
			subjects = append(subjects, about)
		}
	}
	for _, phrase := range all {
		w.seen[phrase.key]++
		is, stated := statements[phrase.key]
		if !stated {
			continue // a label; TestEverySentenceHasARow finds missing rows
		}
		if !slices.ContainsFunc(subjects, func(s sight) bool { s.said = phrase; return is(s) }) {
			w.complain(phrase.key, address.Path, phrase.text, subjects)
		}
	}
	rules, rest := ruleSentences(rest)
	for _, ids := range rules {
		w.seen["a rule's sentence"]++
		if !slices.ContainsFunc(subjects, func(s sight) bool { return s.mayQuote(ids) }) {
			w.complain("rule "+ids[0], address.Path, "", subjects)
		}
	}
	for _, line := range strings.Split(rest, "\n") {
		for _, data := range []string{"証明　花子", "千葉県山武市殿台296番地", "証・花"} {
			line = strings.ReplaceAll(line, data, "")
		}
		if line = wareki.ReplaceAllString(line, ""); japanese(line) {
			w.complain("a sentence that stands in no catalogue", address.Path, line, subjects)
		}
	}
}

// mayQuote reports whether one of the rules that share a sentence applies to the page's procedure.
func (s sight) mayQuote(ids []regime.ID) bool {
	if anywhere("/apply", "/report", "/review/")(s) {
		return true // pkg/regime's tests check what these pages require and predict
	}
	if s.about == nil {
		return false
	}
	if strings.HasSuffix(s.path, "/pin") {
		return s.about.command && strings.Contains(strings.Join(ids, " "), ".pin.")
	}
	a := s.about.answer
	reasons := slices.Concat(a.GetRefusals(), a.GetRuleIds(), slices.Collect(maps.Values(s.about.later)))
	for _, e := range a.GetEndings() {
		reasons = append(reasons, e.GetRuleIds()...)
	}
	for _, p := range slices.Concat(a.GetPlanned(), a.GetAlternativePlanned()) {
		for _, c := range p.GetCandidates() {
			reasons = append(reasons, c.GetRuleId())
		}
	}
	for _, item := range a.GetFee() {
		reasons = append(reasons, item.GetRuleId())
	}
	return slices.ContainsFunc(ids, func(id regime.ID) bool { return slices.Contains(reasons, id) })
}

// complain fails the test, once for each phrase.
func (w *world) complain(key, path, text string, subjects []sight) {
	if w.wrong[key] {
		return
	}
	w.wrong[key] = true
	var states []string
	for _, s := range subjects {
		if s.about != nil {
			states = append(states, fmt.Sprintf("%+v at %q, the centre has %v", *s.about, s.status.Stage, factsOf(w.claims(s.about.id, ""))))
		}
	}
	w.t.Errorf("%s says what is not true: %q %s\nin %s\nafter %s; away %v, reader %q", path, key, text, strings.Join(states, "\n"), strings.Join(w.trail[max(len(w.trail)-40, 0):], "; "), w.away, w.inside())
}

// pick draws a procedure that fulfils a condition, or nil.
func (w *world) pick(rt *rapid.T, is func(*truth) bool) *truth {
	var fit []string
	for _, id := range w.order {
		if is(w.told[id]) {
			fit = append(fit, id)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return w.told[fit[len(fit)-1-rapid.IntRange(0, min(len(fit)-1, 3)).Draw(rt, "which")]]
}

// filed records a procedure by the address of its page.
func (w *world) filed(where string, a *truth) {
	a.id, a.later = where[strings.LastIndex(where, "/")+1:], map[string]regime.ID{}
	if w.told[a.id] == nil {
		w.told[a.id] = a
		w.order = append(w.order, a.id)
	}
}

func (w *world) apply(rt *rapid.T) {
	operation := rapid.SampledFrom(slices.Sorted(maps.Keys(operations))).Draw(rt, "operation")
	a := &truth{operation: operation, card: rapid.SampledFrom(slices.Sorted(maps.Keys(w.cards))).Draw(rt, "card")}
	how := rapid.SampledFrom([]string{"", "", "", "documents", "person", "sex", "officer"}).Draw(rt, "how")
	w.do("apply for "+operation+" "+how, "", func() {
		form := filled()
		form["operation"], form["card"], form["file"] = []string{operation}, []string{a.card}, []string{"anyway"}
		w.fault, w.lasts = how, true
		switch how {
		case "documents":
			form.Del("document")
			form.Del("file")
		case "person":
			form.Set("birth_date", "1990-06-19")
		case "sex":
			form.Del("sex")
		case "officer":
			form.Set("clerk", "証明花子")
		}
		where, body := w.send("/apply", form)
		w.again(where, body)
		w.reviewed(where, a)
	})
}

// again checks a form that came back because of a fault.
func (w *world) again(where, body string) {
	if strings.HasSuffix(where, "/apply") || strings.HasSuffix(where, "/report") {
		w.check(where, body, w.statuses())
	}
}

// reviewed files what waits on its review page, or records what was filed at once.
func (w *world) reviewed(where string, a *truth) {
	address, err := url.Parse(where)
	must(w.t, err)
	if strings.HasPrefix(address.Path, "/review/") {
		w.unasked = w.away
		w.show(address.Path)
		where, _ = w.send(address.Path, url.Values{"do": {"file"}})
	}
	if strings.Contains(where, "/procedures/") {
		w.filed(where, a)
	}
}

func (w *world) report(rt *rapid.T) {
	what := rapid.SampledFrom([]string{"loss", "found", "custody", "move-out", "move-overseas", "move-called-off", "death", "individual-number"}).Draw(rt, "what")
	w.reportOf(what, rapid.SampledFrom([]string{"counter", "telephone"}).Draw(rt, "by"))
}

func (w *world) reportOf(what, by string) {
	w.do("report "+what+" by "+by, "", func() {
		w.lasts = what != "loss" || by != "telephone"
		w.show("/report?what=" + what)
		form := url.Values{
			"what": {what}, "by": {by}, "clerk": {"017"}, "caused_on": {time.Now().Format(time.DateOnly)}, "card": {"CARD-1"},
			"resident_code": {"00000000123"}, "birth_date": {"1990-06-18"},
		}
		where, body := w.send("/report", form)
		w.again(where, body)
		w.reviewed(where, &truth{report: what, card: "CARD-1"})
	})
}

// answers are the centre's possible answers to the claim that opened a procedure.
var centreSays = map[string]func(a *truth) *events.Answer{
	"yes": func(a *truth) *events.Answer {
		answer := &events.Answer{Accepted: true, CardLastDay: cardEnds, RuleIds: []string{regime.CardEndsToo}}
		if a.operation != "revoke" && a.operation != "return-card" {
			answer.Fee = []*events.FeeItem{{RuleId: "mynumber.fee.reissue-certificates", Yen: 200}}
			answer.Planned = []*events.PlannedCertificate{{Kind: sign, LastDay: cardEnds}, {Kind: auth, LastDay: cardEnds}}
		}
		return answer
	},
	"free": func(*truth) *events.Answer { return &events.Answer{Accepted: true, CardLastDay: cardEnds} },
	"no": func(*truth) *events.Answer {
		return &events.Answer{
			Refusals: []string{regime.OneAtATime, regime.CardNotUsable}, Alternative: events.Operation_OPERATION_REISSUE,
			Certificates: []*events.CertificateState{
				{Serial: 1, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_ISSUED, LastDay: cardEnds},
				{Serial: 2, Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, LastDay: cardEnds},
				{Serial: 3, Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, LastDay: cardEnds},
				{Serial: 4, Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED, LastDay: cardEnds},
			},
		}
	},
	"letter": func(a *truth) *events.Answer {
		a.letter = "L-" + a.id[len(a.id)-4:]
		return &events.Answer{Deferred: true, Letter: a.letter, OnFile: []string{"application-form"}}
	},
	"replaces": func(a *truth) *events.Answer {
		if regime.HandlingOf(operations[a.operation]).Settled {
			return &events.Answer{Accepted: true, CardLastDay: cardEnds}
		}
		answer := &events.Answer{Accepted: true, CardLastDay: cardEnds, CardCandidates: []*events.Candidate{{Day: cardEnds, RuleId: regime.CardEndsToo, Binds: true}}}
		for _, kind := range both {
			answer.Planned = append(answer.Planned, &events.PlannedCertificate{
				Kind: kind, LastDay: cardEnds, Replaces: 5, Candidates: []*events.Candidate{{Day: cardEnds, RuleId: regime.CardEndsToo, Binds: true}},
			})
		}
		return answer
	},
	"ends another": func(*truth) *events.Answer {
		return &events.Answer{Accepted: true, CardLastDay: cardEnds, FormerCard: "CARD-0", Certificates: []*events.CertificateState{
			{Serial: 1, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_ISSUED, Regime: events.Regime_REGIME_MYNUMBER, LastDay: cardEnds},
			{Serial: 2, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, Regime: events.Regime_REGIME_MYNUMBER, LastDay: cardEnds},
		}}
	},
	"waits for a second officer": func(a *truth) *events.Answer {
		return &events.Answer{RuleIds: []string{regime.ApprovalPending}, Pending: &events.OpenApproval{Id: a.id, Act: "special-circumstances"}}
	},
	"no last day": func(*truth) *events.Answer { return &events.Answer{Accepted: true} },
	"held simulated": func(*truth) *events.Answer {
		return &events.Answer{Refusals: []string{regime.ClaimHeld}, Held: &events.HeldReceipt{ClockMs: 1, LatestMs: 3, Reason: events.HeldReason_HELD_REASON_SIMULATED}}
	},
	"held": func(*truth) *events.Answer {
		return &events.Answer{Refusals: []string{regime.ClaimHeld}, Held: &events.HeldReceipt{ClockMs: 1, EarliestMs: 2, LatestMs: 3}}
	},
}

var reportSays = map[string]func(*truth) *events.Answer{
	"ends": func(a *truth) *events.Answer {
		answer := &events.Answer{Accepted: true, FormerCard: "CARD-0"} // of the person's other procedure, which a report does not end
		for _, s := range []events.CertificateStatus{events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED, events.CertificateStatus_CERTIFICATE_STATUS_VALID} {
			answer.Endings = append(answer.Endings, &events.Ending{Serial: 7, Kind: sign, Status: s})
		}
		for _, s := range []events.CardStatus{events.CardStatus_CARD_STATUS_VOID, events.CardStatus_CARD_STATUS_SUSPENDED, events.CardStatus_CARD_STATUS_EXPIRED, events.CardStatus_CARD_STATUS_CUSTODY, events.CardStatus_CARD_STATUS_HELD} {
			answer.Endings = append(answer.Endings, &events.Ending{Card: a.card, CardStatus: s})
		}
		return answer
	},
	"deadlines": func(*truth) *events.Answer {
		answer := &events.Answer{Accepted: true, RuleIds: []string{regime.MoveOnItsDay}}
		for kind := range events.DeadlineKind_name {
			if kind != 0 {
				answer.Deadlines = append(answer.Deadlines, &events.DeadlineSet{Kind: events.DeadlineKind(kind), LastDay: cardEnds})
			}
		}
		return answer
	},
	"refused":    func(*truth) *events.Answer { return &events.Answer{Refusals: []string{regime.CardNotUsable}} },
	"nothing":    func(*truth) *events.Answer { return &events.Answer{RuleIds: []string{regime.CardNotSuspended}} },
	"unbelieved": func(*truth) *events.Answer { return &events.Answer{Refusals: []string{regime.ClaimQuarantined}} },
}

// answer makes the centre answer the claim that opened a procedure.
func (w *world) answer(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool { return a.answer == nil && !a.dropped && w.at(a.id, "") })
	if a == nil || w.away {
		return
	}
	says := centreSays
	if a.report != "" {
		says = reportSays
	}
	words := slices.Sorted(maps.Keys(says))
	if a.report == "" {
		words = append(words, "yes", "yes", "free")
	}
	w.answerWith(a, rapid.SampledFrom(words).Draw(rt, "answer"))
}

func (w *world) answerWith(a *truth, word string) {
	says := centreSays
	if a.report != "" {
		says = reportSays
	}
	w.do("the centre says "+word+" to", a.id, func() {
		answer := says[word](a)
		for _, item := range answer.GetFee() {
			a.fee += item.GetYen()
		}
		if a.second = answer.GetPending() != nil; !a.second {
			a.answer = answer
		}
		w.tell(a, w.claims(a.id, "")[0], answer)
	})
}

func (w *world) tell(a *truth, claim *events.Claim, answer *events.Answer) {
	answer.Claim = claim.GetId()
	must(w.t, w.centre.hub.Send(w.t.Context(), &events.Downlink{
		Id: fmt.Sprintf("answer/%s/%t", claim.GetId(), answer.GetPending() != nil), Counter: desk, Procedure: a.id, Subscriber: "subscriber-" + a.card, Body: &events.Downlink_Answer{Answer: answer},
	}))
}

// command makes the centre send the command of an accepted application.
func (w *world) command(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool {
		return a.answer.GetAccepted() && !a.sent && !a.handed && !a.dropped && a.report == "" && !regime.HandlingOf(operations[a.operation]).Settled
	})
	if a == nil || w.away {
		return
	}
	w.sendDown(a, nil)
}

// sendDown sends the command of an application, changed by spoil if that is not nil.
func (w *world) sendDown(a *truth, spoil func(*events.Downlink)) {
	w.do("command", a.id, func() {
		a.sent = true
		must(w.t, w.centre.send(w.t.Context(), a.id, "command", func(d *events.Downlink) {
			if spoil != nil {
				defer spoil(d)
			}
			if a.operation == "unblock" || a.operation == "hand-over" {
				d.Body = &events.Downlink_UnblockPins{UnblockPins: &events.UnblockPins{Card: a.card, Regime: events.Regime_REGIME_MYNUMBER, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN, events.PinKind_PIN_KIND_AUTH}}}
				return
			}
			d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: a.card, Regime: events.Regime_REGIME_MYNUMBER, Kinds: both, FeeYen: a.fee}}
		}))
	})
}

// certify makes the centre send the certificates for keys.
func (w *world) certify(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool {
		return w.at(a.id, "KeysGenerated") && !a.issued && len(a.later) == 0 && !a.dropped
	})
	if a == nil || w.away {
		return
	}
	w.certifyIt(a)
}

func (w *world) mayCertify(a *truth) bool {
	return w.at(a.id, "KeysGenerated") && !a.issued && len(a.later) == 0 && !a.dropped
}

func (w *world) certifyIt(a *truth) {
	w.do("certify", a.id, func() {
		w.centre.mu.Lock()
		clear(w.centre.issued)
		w.centre.cardID = a.card
		w.centre.mu.Unlock()
		a.issued = true
		must(w.t, w.centre.sendCertificates(w.t.Context(), a.id, "write", w.claims(a.id, "KeysGenerated")[0].GetKeysGenerated().GetKeys()))
	})
}

// refuse makes the centre refuse the newest claim of a procedure.
func (w *world) refuse(rt *rapid.T) {
	facts := []string{"KeysGenerated", "CardWritten", "WriteFailed", "PinsUnblocked", "HandedOver", "ConfirmationFailed"}
	a := w.pick(rt, func(a *truth) bool {
		all := factsOf(w.claims(a.id, ""))
		return len(all) > 1 && slices.Contains(facts, all[len(all)-1]) && a.later[all[len(all)-1]] == "" && (!a.issued || !a.command) && !a.dropped
	})
	if a == nil || w.away {
		return
	}
	why := rapid.SampledFrom([]regime.ID{regime.NoLongerOpen, regime.NotAwaited}).Draw(rt, "why")
	w.refuseLast(a, why)
}

func (w *world) refuseLast(a *truth, why regime.ID) {
	w.do("the centre refuses by "+why+" the last of", a.id, func() {
		all := w.claims(a.id, "")
		newest := all[len(all)-1]
		a.later[factsOf(all)[len(all)-1]] = why
		w.tell(a, newest, &events.Answer{Refusals: []string{why}})
	})
}

// screen sends a procedure to the resident's screen.
func (w *world) screen(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool { s, _ := w.counter.Status(a.id); return s.Waiting != nil })
	if a == nil {
		return
	}
	w.screenOf(a)
}

func (w *world) screenOf(a *truth) {
	w.do("show", a.id, func() {
		w.shown, w.thanked = a.id, false
		w.send("/procedures/"+a.id+"/show", url.Values{})
	})
}

// confirm types PINs on the resident's screen.
func (w *world) confirm(rt *rapid.T) {
	how := rapid.SampledFrom([]string{"", "", "", "pin", "differ"}).Draw(rt, "how")
	a := w.told[w.shown]
	if a == nil || !a.command {
		return
	}
	if s, _ := w.counter.Status(a.id); s.Waiting == nil {
		return
	}
	w.confirmWith(a, how)
}

func (w *world) confirmWith(a *truth, how string) {
	w.do("confirm "+how, a.id, func() {
		w.fault = how
		form := url.Values{"sign": {signPIN}, "sign_again": {signPIN}, "auth": {authPIN}, "auth_again": {authPIN}}
		switch how {
		case "pin":
			form["sign"], form["sign_again"] = []string{"AB1"}, []string{"AB1"}
		case "differ":
			form.Set("sign_again", "ABC124")
		default:
			a.confirmed, w.shown, w.thanked = true, "", true
		}
		where, body := w.send("/procedures/"+a.id+"/pin", form)
		if how != "" {
			w.check(where, body, w.statuses())
		}
	})
}

// swap puts another card on the reader, or none.
func (w *world) swap(rt *rapid.T) {
	id := rapid.SampledFrom([]string{"", "CARD-1", "CARD-1", "CARD-2", "CARD-3"}).Draw(rt, "card")
	w.put(id)
}

func (w *world) put(id string) {
	w.do("put on the reader "+id, "", func() {
		w.slot.put(w.cards[id])
	})
	if id != "" {
		w.show("/card")
	}
}

// cut breaks or restores the line to the centre.
func (w *world) cut(*rapid.T) {
	w.do(fmt.Sprintf("the line, away %v", !w.away), "", func() {
		w.away = !w.away
		if w.away {
			w.line.Break()
		} else {
			w.line.Mend()
		}
	})
}

func (w *world) handOver(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool { s, _ := w.counter.Status(a.id); return s.ReadyToHandOver() })
	if a == nil {
		return
	}
	w.giveOut(a)
}

func (w *world) giveOut(a *truth) {
	w.do("hand over", a.id, func() {
		a.handed = true
		w.send("/procedures/"+a.id+"/hand-over", url.Values{})
	})
}

func (w *world) drop(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool { s, _ := w.counter.Status(a.id); return s.MayDrop() == nil })
	if a == nil || rapid.IntRange(0, 2).Draw(rt, "change of mind") > 0 {
		return
	}
	w.dropIt(a)
}

func (w *world) dropIt(a *truth) {
	w.do("drop", a.id, func() {
		shown := hidden(w.t, w.withdrawal(a), "shown")
		w.fault = "changed"
		where, body := w.send("/procedures/"+a.id+"/drop", url.Values{"shown": {"another"}})
		w.check(where, body, w.statuses())
		w.fault = ""
		w.send("/procedures/"+a.id+"/drop", url.Values{"shown": {shown}})
		a.dropped = true
	})
}

// withdrawal returns the path of the page that shows what a withdrawal ends.
func (w *world) withdrawal(a *truth) string {
	where, body := w.send("/procedures/"+a.id+"/drop", url.Values{})
	w.check(where, body, w.statuses())
	return body
}

// thinkOf opens that page and leaves it.
func (w *world) thinkOf(a *truth) {
	w.do("think of dropping", a.id, func() { w.withdrawal(a) })
}

// stray tries what can't be done now, as a stale page does.
func (w *world) stray(rt *rapid.T) {
	act := rapid.SampledFrom([]string{"drop", "hand-over", "show", "pin"}).Draw(rt, "act")
	a := w.pick(rt, func(a *truth) bool {
		s, _ := w.counter.Status(a.id)
		return map[string]bool{"drop": s.MayDrop() != nil, "hand-over": !s.ReadyToHandOver(), "show": s.Waiting == nil, "pin": a.id != w.shown}[act]
	})
	if a == nil {
		return
	}
	w.tryTo(act, a)
}

// goOn performs the next regular step of the newest application.
func (w *world) goOn(rt *rapid.T) {
	a := w.pick(rt, func(a *truth) bool { return w.mayGoOn(a) && !a.answer.GetDeferred() })
	if a == nil || w.away {
		return
	}
	s, _ := w.counter.Status(a.id)
	switch {
	case a.answer == nil:
		w.answerWith(a, rapid.SampledFrom([]string{"yes", "free"}).Draw(rt, "answer"))
	case s.Waiting != nil && w.shown != a.id:
		w.screenOf(a)
	case s.Waiting != nil:
		w.confirmWith(a, "")
	case s.ReadyToHandOver():
		w.giveOut(a)
	case !a.sent:
		w.sendDown(a, nil)
	case s.Stage == agent.StageCard && w.inside() != a.card:
		w.put(a.card)
	case w.mayCertify(a):
		w.certifyIt(a)
	default:
		return
	}
}

// lives runs three procedures that end irregularly: withdrawn at the centre after the keys, after the hand-over, and after
// the card was given back.
func (w *world) lives() {
	for operation, card := range map[string]string{"issue": "CARD-1", "reissue": "CARD-2", "unblock": "CARD-3"} {
		a := w.applied(operation, card)
		w.answerWith(a, "yes")
		w.sendDown(a, nil)
		w.put(card)
		w.screenOf(a)
		w.thinkOf(a)
		for _, how := range []string{"differ", "pin", ""} {
			w.confirmWith(a, how)
		}
		w.thinkOf(a)
		if operation != "reissue" {
			if operation == "issue" {
				w.certifyIt(a)
				w.thinkOf(a)
			}
			w.giveOut(a)
		}
		w.refuseLast(a, regime.NoLongerOpen)
		w.put("")
	}
}

// applied files a correct application.
func (w *world) applied(operation, card string) *truth {
	a := &truth{operation: operation, card: card}
	w.do("apply for "+operation, "", func() {
		form := filled()
		form["operation"], form["card"], form["file"] = []string{operation}, []string{card}, []string{"anyway"}
		w.lasts = true
		where, _ := w.send("/apply", form)
		w.reviewed(where, a)
	})
	return a
}

// answers makes the centre give every possible answer to applications and reports.
func (w *world) answers() {
	for _, word := range slices.Sorted(maps.Keys(centreSays)) {
		a := w.applied("issue", "CARD-2")
		w.answerWith(a, word)
		if s, _ := w.counter.Status(a.id); s.MayDrop() == nil {
			w.thinkOf(a)
		}
	}
	for _, word := range slices.Sorted(maps.Keys(reportSays)) {
		w.reportOf("custody", "counter")
		w.answerWith(w.told[w.order[len(w.order)-1]], word)
	}
}

// unbegun are changes to a command by which a counter can't begin it, by reason.
var unbegun = map[string]func(*events.Downlink){
	agent.ReasonDeadline: func(d *events.Downlink) { d.DeadlineMs = time.Now().Add(-time.Minute).UnixMilli() },
	agent.ReasonVersion:  func(d *events.Downlink) { d.Body = nil },
}

func (w *world) inVain() {
	w.put("CARD-2")
	for _, reason := range slices.Sorted(maps.Keys(unbegun)) {
		a := w.applied("issue", "CARD-2")
		w.answerWith(a, "yes")
		w.sendDown(a, unbegun[reason])
		if got := w.failedFor(a.id); got != reason {
			w.t.Errorf("a command with the fault %q failed for %q", reason, got)
		}
	}
	w.put("")
}

// restart stops the counter and starts it again on its store.
func (w *world) restart(*rapid.T) { w.restartAs() }

func (w *world) restartAs(change ...func(*agent.Config)) {
	w.do("restart", "", func() {
		w.stop()
		w.shown, w.thanked = "", false
		w.start(change...)
	})
}

// TestEverySentenceIsTrueWhereShown lets clerk, resident, centre, line and reader act at random, and checks each phrase of the
// pages after each step.
func TestEverySentenceIsTrueWhereShown(t *testing.T) {
	mark(t)
	checks := "1"
	if os.Getenv("SHOMEI_SOAK") != "" {
		checks = "100"
	}
	seed := rand.Uint64N(1<<62) + 1
	if told := os.Getenv("SHOMEI_SEED"); told != "" {
		_, err := fmt.Sscan(told, &seed)
		must(t, err)
	}
	t.Logf("SHOMEI_SEED=%d", seed)
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.steps": "200", "rapid.seed": fmt.Sprint(seed), "rapid.shrinktime": "1s"} {
		was := flag.Lookup(name).Value.String()
		must(t, flag.Set(name, value))
		t.Cleanup(func() { must(t, flag.Set(name, was)) })
	}
	seen, wrong := map[string]int{}, map[string]bool{}
	w := newWorld(t, seen, wrong)
	w.settle()
	w.unpaired()
	w.pair()
	w.scenes()
	w.stop()
	if t.Failed() {
		return
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, seen, wrong)
		defer func() { w.stop() }()
		w.settle()
		w.pair()
		w.look()
		w.tour()
		w.answers()
		w.inVain()
		w.lives()
		rt.Repeat(map[string]func(*rapid.T){
			"apply": w.apply, "go on": w.goOn, "go on 2": w.goOn, "go on 3": w.goOn, "go on 4": w.goOn, "report": w.report, "answer": w.answer, "answer again": w.answer, "command": w.command,
			"command again": w.command, "certify": w.certify, "certify again": w.certify, "refuse": w.refuse, "screen": w.screen, "screen again": w.screen,
			"confirm": w.confirm, "confirm again": w.confirm, "swap": w.swap, "cut": w.cut, "hand over": w.handOver, "drop": w.drop, "stray": w.stray, "restart": w.restart,
		})
	})
	if len(wrong) == 0 && seen["agent.handed-over"]+seen["agent.given-back"] == 0 {
		t.Error("no procedure was completed")
	}
	if testing.Verbose() {
		t.Logf("%d statements have a row", len(statements))
	}
	for key := range statements {
		code := strings.TrimSuffix(strings.TrimPrefix(key, "problem."), ".next")
		if impossible[key] == "" && impossible[code] == "" && seen[key] == 0 {
			t.Errorf("no state of this test shows %q, so its predicate is untested", key)
		}
	}
}
