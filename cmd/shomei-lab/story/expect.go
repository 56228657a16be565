package story

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/regime"
)

// Expectation is what must be true of a person after a step.
type Expectation struct {
	Line   int
	Text   string
	Person string // name in the story
	Lists  bool   // it needs the revocation lists
	About  string // AboutAnswer or AboutTrouble if it concerns the application itself
	judge  judgement
}

// Judge returns what was seen and whether it is as expected.
func (e Expectation) Judge(s *Seen) (seen string, ok bool) { return e.judge(s) }

// judgement compares what was seen with one expectation.
type judgement func(*Seen) (seen string, ok bool)

// Seen is what can be seen of a person after a step.
type Seen struct {
	Life *Life
	// Answer is the hub's answer to the application of this step, or nil.
	Answer *events.Answer
	// Trouble is the counter's objection if there is no answer.
	Trouble Text
	// Lang is the language for describing what was seen: ja or en.
	Lang string
	// Fresh are the events recorded of this person since the step began.
	Fresh []*events.Event
	// Mails are those to this person, decoded, oldest first.
	Mails []string
	// OnCard are the serials on the person's card, as read from the card, by kind.
	OnCard map[string]uint64
	// Listed are the reasons on the revocation lists, by serial ("unspecified" where a list gives none).
	Listed map[uint64]string
	// Generation returns the number of a generation by its key id, or 0.
	Generation func(keyID []byte) int
}

func expectations() []entry[*Expectation] {
	list := []entry[*Expectation]{
		{"accepted", "受理", "[RULE…]", "受理され、これらの規則が適用された。/ Accepted, and these rules were applied.", func(w *words, e *Expectation) {
			e.About, e.judge = AboutAnswer, judgeAnswer("accepted", rules(w, 0), (*Seen).applied)
		}},
		{"refused", "不受理", "[RULE…]", "(これらの規則により)受理されなかった。/ Refused, by these rules where they are named.", func(w *words, e *Expectation) {
			e.About, e.judge = AboutAnswer, judgeAnswer("refused", rules(w, 0), func(s *Seen) []string { return s.Answer.GetRefusals() })
		}},
		{"deferred", "照会", "[RULE…]", "照会書兼回答書を先に郵送する。/ A letter of inquiry goes first.", func(w *words, e *Expectation) {
			e.About, e.judge = AboutAnswer, judgeAnswer("deferred", rules(w, 0), func(s *Seen) []string { return s.Answer.GetRuleIds() })
		}},
		{"counter-says", "窓口表示", "TEXT…", "窓口の端末がこの文言を示し、先へ進めない。/ The counter objects with this text.", func(w *words, e *Expectation) {
			text := strings.Join(w.rest("a text"), " ")
			e.About, e.judge = AboutTrouble, func(s *Seen) (string, bool) {
				return s.Trouble.In(s.Lang), s.Trouble != Text{} && (strings.Contains(s.Trouble.JA, text) || strings.Contains(s.Trouble.EN, text))
			}
		}},
		{"alternative", "代替案", "KIND DATE [by RULE]", "失効と新規発行なら得られる最終日。/ What revoking and issuing anew would give.", readAlternative},
		{"fee", "手数料", "YEN [RULE…]", "手数料の合計と根拠。/ The fee in all, and its rules.", readFee},
		{"card", "カード", "status S | last-day … | is CARD", "カードの状態(" + inWords(cardStatuses) + ")、最終日、番号。/ The newest card.", readCardExpectation},
		{"deadline", "期限", "KIND DATE|met|missed|none", "法定期限。/ A statutory deadline: " + inWords(deadlines) + ".", readDeadline},
		{"notice", "通知", "KIND OUTCOME [because REASON]", "最後の通知(" + inWords(noticeKinds) + ")の結果: " + inWords(noticeOutcomes) + "。/ The newest notice of the kind.", readNotice},
		{"notices", "通知数", "KIND N", "これまでに送られた通知の数。/ How many notices of the kind were ever sent.", readNoticeCount},
		{"mail", "メール", "TEXT…", "この文言を含むメールが届いた。/ A mail to the person contains this text.", func(w *words, e *Expectation) { e.judge = judgeMail(w.rest("a text"), true) }},
		{"no-mail", "メールなし", "[TEXT…]", "(この文言を含む)メールは届いていない。/ No mail (with this text) has come.", func(w *words, e *Expectation) {
			var text []string
			if !w.empty() {
				text = w.rest("a text")
			}
			e.judge = judgeMail(text, false)
		}},
		{"rule", "規則", "RULE…", "この行為の記録に規則が現れる。/ The rule stands in what this act recorded.", func(w *words, e *Expectation) { e.judge = judgeRules(rules(w, 1)) }},
		{"event", "記録", "EVENT", "この行為で出来事が記録された。/ The event was recorded in this act (names of events/*.proto).", readEvent},
		{"no-event", "記録なし", "EVENT", "この行為では記録されなかった。/ The event was not recorded in this act.", readNoEvent},
	}
	for _, kind := range certificateKinds {
		list = append(list, entry[*Expectation]{
			kind.en, kind.ja, "[former] status|last-day|reason|revoked-at|suspended-at|issued-on|window|generation|on-card|listed …",
			kind.ja + "電子証明書について。/ About the newest certificate of the kind, or the one before it.",
			func(w *words, e *Expectation) { readCertificate(w, e, "", kind.value) },
		})
	}
	list = append(list, entry[*Expectation]{
		"phone", "スマホ", "DEVICE KIND [former] status|last-day|…", "スマートフォンの電子証明書について。/ About one on a smartphone, as about one on a card.", readPhoneCertificate,
	})
	return list
}

// rules reads the rest of the line as ids of existing rules, at least that many.
func rules(w *words, least int) []string {
	var ids []string
	for !w.empty() || len(ids) < least && w.err == nil {
		id := w.next("the id of a rule")
		if _, ok := regime.Lookup(id); !ok && w.err == nil {
			w.fail("print all with: shomei rules list", "there is no rule %q", id)
		}
		ids = append(ids, id)
	}
	return ids
}

// Values of Expectation.About. An application without such an expectation must be accepted and carried through.
const (
	AboutAnswer  = "answer"
	AboutTrouble = "trouble"
)

func judgeAnswer(verdict string, expected []string, of func(*Seen) []string) judgement {
	return func(s *Seen) (string, bool) {
		all := of(s)
		for _, id := range expected {
			if !slices.Contains(all, id) {
				return s.Verdict(), false
			}
		}
		return s.Verdict(), s.verdict() == verdict
	}
}

// lastDay is an expected last day, with its binding rule and the candidates that do not bind.
type lastDay struct {
	day, binds string
	others     []*events.Candidate
}

// readLastDay reads DATE [by RULE] [not DATE RULE]…
func readLastDay(w *words) lastDay {
	t := lastDay{day: w.date("the last day").String()}
	if w.accept("by", "根拠") {
		t.binds = ruleID(w)
	}
	for w.accept("not", "候補") {
		day := w.date("a candidate").String()
		t.others = append(t.others, &events.Candidate{Day: day, RuleId: ruleID(w)})
	}
	return t
}

func ruleID(w *words) string {
	id := w.next("the id of a rule")
	if _, ok := regime.Lookup(id); !ok {
		w.fail("print all with: shomei rules list", "there is no rule %q", id)
	}
	return id
}

func (t lastDay) judge(day string, candidates []*events.Candidate) (string, bool) {
	var text []string
	binds := ""
	for _, c := range candidates {
		if c.Binds {
			binds = c.RuleId
			text = append(text, "by "+c.RuleId)
		} else {
			text = append(text, "not "+c.Day+" "+c.RuleId)
		}
	}
	seen := strings.TrimSpace(day + " " + strings.Join(text, " "))
	// A rule that gives the same day also counts as binding.
	decides := slices.ContainsFunc(candidates, func(c *events.Candidate) bool { return c.RuleId == t.binds && c.Day == day })
	ok := day == t.day && (t.binds == "" || t.binds == binds || decides)
	for _, other := range t.others {
		ok = ok && slices.ContainsFunc(candidates, func(c *events.Candidate) bool {
			return !c.Binds && c.Day == other.Day && c.RuleId == other.RuleId
		})
	}
	return seen, ok
}

func readAlternative(w *words, e *Expectation) {
	kind := pick(w, "a kind of certificate", kinds)
	term := readLastDay(w)
	e.judge = func(s *Seen) (string, bool) {
		for _, p := range s.Answer.GetAlternativePlanned() {
			if p.Kind == kind {
				return term.judge(p.LastDay, p.Candidates)
			}
		}
		return Text{"代替案なし: ", "no alternative for it: "}.In(s.Lang) + s.Verdict(), false
	}
}

func readFee(w *words, e *Expectation) {
	yen := w.number("yen", 1_000_000)
	expected := rules(w, 0)
	e.judge = func(s *Seen) (string, bool) {
		sum, ok := 0, s.Answer != nil
		var items, ids []string
		for _, item := range s.Answer.GetFee() {
			sum += int(item.Yen)
			ids = append(ids, item.RuleId)
			items = append(items, fmt.Sprintf("%d %s", item.Yen, item.RuleId))
		}
		for _, id := range expected {
			ok = ok && slices.Contains(ids, id)
		}
		return fmt.Sprintf("%d = %s", sum, strings.Join(items, " + ")), ok && sum == yen
	}
}

func readCardExpectation(w *words, e *Expectation) {
	switch {
	case w.accept("status", "状態"):
		status := pick(w, "a status", cardStatuses)
		e.judge = ofCard(func(s *Seen, c *Card) (string, bool) { return say(s, cardStatuses, c.Status), c.Status == status })
	case w.accept("last-day", "最終日"):
		term := readLastDay(w)
		e.judge = ofCard(func(_ *Seen, c *Card) (string, bool) { return term.judge(c.LastDay, c.Candidates) })
	case w.accept("is", "番号"):
		id := cardID(w)
		e.judge = ofCard(func(_ *Seen, c *Card) (string, bool) { return c.ID, c.ID == id })
	default:
		w.fail("write status, last-day or is", "%q can't be expected of a card", w.peek())
	}
}

func ofCard(judge func(*Seen, *Card) (string, bool)) judgement {
	return func(s *Seen) (string, bool) {
		for _, c := range slices.Backward(s.Life.Cards) {
			if c.Status != "none" {
				return judge(s, c)
			}
		}
		return judge(s, &Card{Status: "none"})
	}
}

func readDeadline(w *words, e *Expectation) {
	kind := pick(w, "a deadline", deadlines)
	outcome, day := "", ""
	if knows(deadlineOutcomes, w.peek()) {
		outcome = pick(w, "an outcome", deadlineOutcomes)
	} else {
		day = w.date("the last day").String()
	}
	e.judge = func(s *Seen) (string, bool) {
		d, known := s.Life.Deadlines[kind]
		switch {
		case !known:
			return say(s, deadlineOutcomes, "none"), outcome == "none"
		case d.Outcome != "":
			return say(s, deadlineOutcomes, d.Outcome) + " " + d.LastDay, d.Outcome == outcome
		default:
			return d.LastDay, d.LastDay == day
		}
	}
}

func readNotice(w *words, e *Expectation) {
	kind, outcome, why := pick(w, "a notice", noticeKinds), pick(w, "an outcome", noticeOutcomes), ""
	if w.accept("because", "理由") {
		why = w.next("a reason")
	}
	e.judge = func(s *Seen) (string, bool) {
		for _, n := range slices.Backward(s.Life.Notices) {
			if n.Kind == kind {
				seen := strings.Join(strings.Fields(say(s, noticeOutcomes, n.Outcome)+" "+n.Detail+" "+n.LastDay), " ")
				return seen, n.Outcome == outcome && (why == "" || n.Detail == why)
			}
		}
		return say(s, noticeOutcomes, "none"), outcome == "none"
	}
}

func readNoticeCount(w *words, e *Expectation) {
	kind, n := pick(w, "a notice", noticeKinds), w.number("how many", 1000)
	e.judge = func(s *Seen) (string, bool) {
		sent := 0
		for _, notice := range s.Life.Notices {
			if notice.Kind == kind && notice.Outcome == "sent" {
				sent++
			}
		}
		return fmt.Sprint(sent), sent == n
	}
}

func judgeMail(text []string, wanted bool) judgement {
	return func(s *Seen) (string, bool) {
		found := 0
		for _, mail := range s.Mails {
			if !slices.ContainsFunc(text, func(t string) bool { return !strings.Contains(mail, t) }) {
				found++
			}
		}
		return fmt.Sprintf(Text{"メール%[2]d通のうち%[1]d通", "%d of %d mails"}.In(s.Lang), found, len(s.Mails)), found > 0 == wanted
	}
}

// applied returns the rules of the answer and of all events that the act recorded, up to the hand-over.
func (s *Seen) applied() []string { return append(s.rules(), s.Answer.GetRuleIds()...) }

// rules returns the rules of the events that the act recorded of this person, each once.
func (s *Seen) rules() []string {
	var all []string
	for _, event := range s.Fresh {
		for _, id := range event.GetRuleIds() {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all
}

func judgeRules(expected []string) judgement {
	return func(s *Seen) (string, bool) {
		all, ok := s.rules(), true
		for _, id := range expected {
			ok = ok && slices.Contains(all, id)
		}
		return strings.Join(all, " "), ok
	}
}

func readEvent(w *words, e *Expectation) {
	name := eventName(w)
	e.judge = func(s *Seen) (string, bool) { return s.recorded(name) }
}

func readNoEvent(w *words, e *Expectation) {
	name := eventName(w)
	e.judge = func(s *Seen) (string, bool) {
		seen, found := s.recorded(name)
		return seen, !found
	}
}

func (s *Seen) recorded(name string) (seen string, found bool) {
	var all []string
	for _, e := range s.Fresh {
		all = append(all, events.Name(e))
	}
	return strings.Join(all, " "), slices.Contains(all, name)
}

func minute(t time.Time) string { return t.In(tokyo).Format("2006-01-02 15:04") }
