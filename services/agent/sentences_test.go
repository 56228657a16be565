package agent_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/services/agent"
	pages "shomei/services/agent/desk"
)

// The table of sentences: every phrase that a clerk or a resident can be shown is either a label (testdata/labels.txt), which
// states nothing, or has a predicate over the states that may show it. TestEverySentenceIsTrueWhereShown checks the predicates.

// catalogue returns every phrase that the counter can show, by its key in the table.
func catalogue() map[string]page.Text {
	all := map[string]page.Text{}
	maps.Copy(all, pages.Words)
	maps.Copy(all, page.LayoutWords)
	for key, s := range agent.Sentences {
		all["agent."+key] = page.Text{JA: s.JA, EN: s.EN}
	}
	return all
}

// labels returns the keys of phrases that name a thing, a field or an act, and state nothing.
func labels(t testing.TB) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/labels.txt")
	must(t, err)
	all := map[string]bool{}
	for key := range strings.Lines(string(text)) {
		all[strings.TrimSuffix(key, "\n")] = true
	}
	return all
}

func TestEverySentenceHasARow(t *testing.T) {
	all, label := catalogue(), labels(t)
	for key := range all {
		if _, stated := statements[key]; stated == label[key] {
			t.Errorf("%q is a label: %v, has a predicate: %v", key, label[key], stated)
		}
	}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(label)), slices.Collect(maps.Keys(statements))) {
		if _, ok := all[key]; !ok {
			t.Errorf("%q has a predicate but is in no catalogue", key)
		}
	}
	states := regexp.MustCompile(`ました|ません|ています|できます|されます`)
	for key := range label {
		if text := all[key]; states.MatchString(text.JA) || strings.HasSuffix(text.JA, "。") {
			t.Errorf("%q is listed as a label but states something: %s", key, text.JA)
		}
	}
}

// TestSentencesAreOnlyInCatalogues finds text for people outside the catalogues: Japanese in code, any text in templates.
func TestSentencesAreOnlyInCatalogues(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	must(t, err)
	more, err := filepath.Glob("desk/*.go")
	must(t, err)
	for _, name := range append(sources, more...) {
		base := filepath.Base(name)
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(base, "words") || base == "sentences.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if ok && text.Kind == token.STRING && japanese(text.Value) && !slices.Contains([]string{`"男"`, `"女"`, `"不明"`}, text.Value) { // typed input
				t.Errorf("%s says %s itself", name, text.Value)
			}
			return true
		})
	}
	templates, err := filepath.Glob("desk/pages/*.html")
	must(t, err)
	outside := regexp.MustCompile(`(?s)\{\{.*?\}\}|<[^>]*>|[\w-]+="[^"]*"`)
	for _, name := range templates {
		text, err := os.ReadFile(name)
		must(t, err)
		if rest := outside.ReplaceAllString(string(text), ""); strings.ContainsFunc(rest, unicode.IsLetter) {
			t.Errorf("%s says %q itself", name, strings.Join(strings.Fields(rest), " "))
		}
	}
}

func japanese(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) })
}

// Marks around each phrase of a marked catalogue, so that a page's phrases are found by key, not by text.
const (
	markKey  = '\uE000'
	markText = '\uE001'
	markEnd  = '\uE002'
)

// mark adds marks around every phrase until the end of the test.
func mark(t *testing.T) {
	t.Helper()
	in := func(key, text string) string {
		return string(markKey) + key + string(markText) + text + string(markEnd)
	}
	for _, words := range []page.Catalogue{pages.Words, page.LayoutWords} {
		before := maps.Clone(words)
		t.Cleanup(func() { maps.Copy(words, before) })
		for key, text := range before {
			words[key] = page.Text{JA: in(key, text.JA), EN: in(key, text.EN)}
		}
	}
	before := maps.Clone(agent.Sentences)
	t.Cleanup(func() { maps.Copy(agent.Sentences, before) })
	for key, s := range before {
		s.JA, s.EN = in("agent."+key, s.JA), in("agent."+key, s.EN)
		agent.Sentences[key] = s
	}
}

// said is a phrase in a page, with its arguments filled in.
type said struct{ key, text string }

// phrases returns the phrases in a marked page, and the rest of its visible text.
func phrases(body string) (all []said, rest string) {
	type open struct {
		key, text strings.Builder
		named     bool
	}
	var stack []*open
	var outside strings.Builder
	for _, r := range html.UnescapeString(body) {
		switch {
		case r == markKey:
			stack = append(stack, &open{})
		case r == markText && len(stack) > 0:
			stack[len(stack)-1].named = true
		case r == markEnd && len(stack) > 0:
			done := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			all = append(all, said{done.key.String(), done.text.String()})
			if len(stack) > 0 {
				stack[len(stack)-1].text.WriteString(done.text.String())
			}
		case len(stack) == 0:
			outside.WriteRune(r)
		case !stack[len(stack)-1].named:
			stack[len(stack)-1].key.WriteRune(r)
		default:
			stack[len(stack)-1].text.WriteRune(r)
		}
	}
	return all, regexp.MustCompile(`<[^>]*>`).ReplaceAllString(outside.String(), "\n")
}

// ruleSentences returns the rules whose sentences are in a text, in sets that share a sentence, and the rest of the text.
func ruleSentences(rest string) (found [][]regime.ID, left string) {
	byText := map[string][]regime.ID{}
	for _, r := range regime.Rules() {
		for _, text := range []string{r.JA, r.EN, r.NextJA, r.NextEN} {
			if text != "" {
				byText[text] = append(byText[text], r.ID)
			}
		}
	}
	texts := slices.SortedFunc(maps.Keys(byText), func(a, b string) int { return len(b) - len(a) })
	for _, text := range texts {
		if strings.Contains(rest, text) {
			found, rest = append(found, byText[text]), strings.ReplaceAll(rest, text, "\n")
		}
	}
	return found, rest
}

// truth is what really happened in a procedure: what clerk and resident did, and what the centre answered.
type truth struct {
	id, operation, report, card, letter string
	// answer is the newest answer to its first claim; later maps facts to the rules by which the centre refused later claims.
	answer *events.Answer
	// second: the centre has said that it waits for a second officer, and nothing since.
	second bool
	later  map[string]regime.ID
	fee    uint32
	// command: a command has no outcome yet; confirmed: the resident typed a PIN; issued: certificates were sent.
	sent, command, confirmed, issued, handed, dropped bool
}

// sight is a phrase in a page, with the state at that time.
type sight struct {
	*world
	path string
	said
	// about is the procedure of the page or of a list's row, or nil; status is the counter's view of it.
	about  *truth
	status agent.Status
}

func (s sight) answered() bool { return s.about.answer != nil }

// opened reports whether the procedure's first claim is at the centre.
func (s sight) opened() bool { return s.at(s.about.id, "") }

func (s sight) refused() bool {
	return s.answered() && !s.about.answer.GetDeferred() && len(s.about.answer.GetRefusals()) > 0
}

func (s sight) refusedFor(id regime.ID) bool {
	return slices.Contains(s.about.answer.GetRefusals(), id)
}

func (s sight) ended(certificate events.CertificateStatus, card events.CardStatus) bool {
	return s.answered() && slices.ContainsFunc(s.about.answer.GetEndings(), func(e *events.Ending) bool {
		return certificate != 0 && e.GetStatus() == certificate || card != 0 && e.GetCardStatus() == card
	})
}

type predicate func(sight) bool

// anywhere returns the predicate of phrases that are true whenever their page can be opened: how the counter works, or what
// to do there.
func anywhere(paths ...string) predicate {
	return func(s sight) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(s.path, p) })
	}
}

// of returns a predicate about a procedure.
func of(is func(sight) bool) predicate { return func(s sight) bool { return s.about != nil && is(s) } }

func link(state counterlink.LinkState) predicate {
	return func(s sight) bool { return s.counter.Link() == state }
}

func readerIs(state pages.ReaderState) predicate {
	return func(s sight) bool {
		return s.readerAway() == (state == pages.ReaderAway) && (s.readerAway() || (s.inside() != "") == (state == pages.ReaderCard))
	}
}

func reason(text string) predicate {
	return of(func(s sight) bool { return s.failedFor(s.about.id) == text })
}

// searchedFor returns the predicate of a search that the centre has answered.
func searchedFor(name string) predicate {
	return func(s sight) bool { return s.path == "/find" && s.tried == name && !s.away }
}

// fault returns the predicate of a wrong field: the form just sent had that fault.
func fault(fields ...string) predicate {
	return func(s sight) bool { return slices.Contains(fields, s.fault) }
}

func certificateHeld(status events.CertificateStatus) predicate {
	return of(func(s sight) bool {
		return slices.ContainsFunc(s.about.answer.GetCertificates(), func(c *events.CertificateState) bool { return c.GetStatus() == status })
	})
}

func ends(certificate events.CertificateStatus, card events.CardStatus) predicate {
	return of(func(s sight) bool { return s.ended(certificate, card) })
}

func deadline(kind events.DeadlineKind) predicate {
	return of(func(s sight) bool {
		return slices.ContainsFunc(s.about.answer.GetDeadlines(), func(d *events.DeadlineSet) bool { return d.GetKind() == kind })
	})
}

var (
	foretells = anywhere("/report", "/review", "/apply")
	dropping  = of(func(s sight) bool { return strings.HasSuffix(s.path, "/drop") && s.open() })
	unsent    = of(func(s sight) bool { return !s.status.AtHub })
)

func unsentWhile(state counterlink.LinkState) predicate {
	return func(s sight) bool { return unsent(s) && link(state)(s) }
}

// statements maps the phrases that state something to their predicates.
var statements = map[string]predicate{
	"agent.recorded-here": of(func(s sight) bool { return !s.answered() }),
	"agent.accepted": of(func(s sight) bool {
		return s.answered() && s.about.answer.GetAccepted() && s.about.report == "" && !s.about.dropped
	}),
	"agent.refused":      of(func(s sight) bool { return s.refused() && s.about.report == "" && !s.about.dropped }),
	"agent.waits-second": of(func(s sight) bool { return s.about.second && !s.about.dropped }),
	"agent.letter-due":   of(func(s sight) bool { return s.about.answer.GetDeferred() && !s.about.dropped }),
	"agent.held-simulated": of(func(s sight) bool {
		return s.about.answer.GetHeld().GetReason() == events.HeldReason_HELD_REASON_SIMULATED
	}),
	"agent.held-clock": of(func(s sight) bool {
		return s.about.answer.GetHeld() != nil && s.about.answer.GetHeld().GetReason() != events.HeldReason_HELD_REASON_SIMULATED
	}),
	"agent.waits-comparison": of(func(s sight) bool { return s.counter.Link() != counterlink.Up && s.about.command }),
	"agent.heads-differ":     of(func(s sight) bool { return s.counter.Link() == counterlink.Mismatched }),
	"agent.put-card":         of(func(s sight) bool { return s.about.command && s.inside() == "" }),
	"agent.card-removed":     of(func(s sight) bool { return s.about.command && s.inside() == "" }),
	"agent.other-card":       of(func(s sight) bool { return s.about.command && s.inside() != "" && s.inside() != s.about.card }),
	"agent.centre-needed":    of(func(s sight) bool { return s.about.command && s.away && s.inside() == s.about.card }),
	"agent.waits-resident":   of(func(s sight) bool { return s.about.command && !s.about.dropped }),
	"agent.making-keys":      of(func(s sight) bool { return s.about.confirmed && !s.about.issued }),
	"agent.keys-made": of(func(s sight) bool {
		return s.about.confirmed && !s.about.issued && (s.away || s.at(s.about.id, "KeysGenerated"))
	}),
	"agent.writing":      of(func(s sight) bool { return s.about.issued }),
	"agent.reading-back": of(func(s sight) bool { return s.about.issued }),
	"agent.written":      of(func(s sight) bool { return s.about.issued && s.holds(s.about) }),
	"agent.not-written": of(func(s sight) bool {
		return s.at(s.about.id, "WriteFailed") || s.away && s.about.issued && !s.holds(s.about)
	}),
	"agent.setting-pin": of(func(s sight) bool { return s.about.confirmed && s.setsPINs() }),
	"agent.pin-set": of(func(s sight) bool {
		return s.about.confirmed && s.setsPINs() && (s.away || s.at(s.about.id, "PinsUnblocked"))
	}),
	"agent.not-begun": of(func(s sight) bool { return s.failedFor(s.about.id) != "" }),
	"agent.handed-over": of(func(s sight) bool {
		return s.about.handed && s.about.operation != "unblock" && s.about.later["HandedOver"] == ""
	}),
	"agent.given-back": of(func(s sight) bool {
		return s.about.handed && s.about.operation == "unblock" && s.about.later["HandedOver"] == ""
	}),
	"agent.not-handed-over": of(func(s sight) bool {
		return s.about.handed && s.about.operation != "unblock" && s.about.later["HandedOver"] != ""
	}),
	"agent.not-given-back": of(func(s sight) bool {
		return s.about.handed && s.about.operation == "unblock" && s.about.later["HandedOver"] != ""
	}),
	"agent.withdrawn": of(func(s sight) bool { return s.about.dropped }),
	"agent.not-used":  of(func(s sight) bool { return len(s.about.later) > 0 && !s.about.dropped }),
	"agent.in-vain": of(func(s sight) bool {
		return slices.Contains(slices.Collect(maps.Values(s.about.later)), regime.NoLongerOpen) && !s.about.handed
	}),
	"agent.report-refused": of(func(s sight) bool {
		return s.about.report != "" && s.refused() && !s.refusedFor(regime.ClaimQuarantined)
	}),
	"agent.report-unverified": of(func(s sight) bool { return s.about.report != "" && s.refusedFor(regime.ClaimQuarantined) }),
	"agent.report-recorded":   of(func(s sight) bool { return s.about.report != "" && s.about.answer.GetAccepted() }),
	"agent.report-nothing": of(func(s sight) bool {
		return s.about.report != "" && s.answered() && !s.refused() && !s.about.answer.GetAccepted()
	}),

	"agent.reason.deadline":                      reason("deadline"),
	"agent.reason.card retired":                  reason("card retired"),
	"agent.reason.no reader":                     reason("no reader"),
	"agent.reason.card refused":                  reason("card refused"),
	"agent.reason.command of a newer version":    reason("command of a newer version"),
	"agent.reason.last day of the card unknown":  reason("last day of the card unknown"),
	"agent.reason.records differed":              reason("records differed"),
	"agent.reason.card not opened by the centre": reason("card not opened by the centre"),
	"agent.reason.card memory":                   reason("card memory"),
	"agent.reason.administrative key":            reason("administrative key"),
	"agent.reason.command unknown to the card":   reason("command unknown to the card"),
	"agent.reason.card state":                    reason("card state"),

	"station.reader.away":     readerIs(pages.ReaderAway),
	"station.reader.empty":    readerIs(pages.ReaderEmpty),
	"station.reader.card":     readerIs(pages.ReaderCard),
	"station.link.away":       link(counterlink.Away),
	"station.link.comparing":  link(counterlink.Comparing),
	"station.link.up":         link(counterlink.Up),
	"station.link.taken":      link(counterlink.Taken),
	"station.link.mismatched": link(counterlink.Mismatched),
	"station.clock.differs":   func(s sight) bool { return s.counter.Clock().Differs },
	"station.clock.refused":   func(s sight) bool { return s.counter.Clock().Refused },
	"station.simulated":       func(s sight) bool { return s.counter.Clock().Evidence == agent.Simulated },
	"station.held":            func(s sight) bool { return s.holding() > 0 },
	"problem.title":           func(s sight) bool { return s.problem },
	"page.privacy": func(s sight) bool {
		return anywhere("/apply", "/report", "/review", "/cases", "/find")(s) || dropping(s)
	},
	"layout.demo": anywhere("/"),
	"start.none":  func(s sight) bool { return len(s.told) == 0 },

	"state.pending":  of(func(s sight) bool { return !s.opened() }),
	"state.received": of(func(s sight) bool { return s.opened() && !s.answered() }),
	"state.recorded": of(func(s sight) bool { return s.about.report != "" && s.answered() && !s.refused() }),
	"state.accepted": of(func(s sight) bool { return s.about.answer.GetAccepted() && !s.about.handed && !s.about.dropped }),
	"state.deferred": of(func(s sight) bool { return s.about.answer.GetDeferred() && !s.about.dropped }),
	"state.refused": of(func(s sight) bool {
		return (s.refused() || len(s.about.later) > 0 || s.about.answer.GetHeld() != nil) && !s.about.dropped
	}),
	"state.waiting-confirmation": of(func(s sight) bool { return s.about.command && !s.about.dropped }),
	"state.working":              of(func(s sight) bool { return s.about.command || s.about.confirmed }),
	"state.ready":                of(func(s sight) bool { return s.ready() && s.about.operation != "unblock" }),
	"state.ready-back":           of(func(s sight) bool { return s.ready() && s.about.operation == "unblock" }),
	"state.done": of(func(s sight) bool {
		return s.about.handed && s.about.operation != "unblock" && s.about.later["HandedOver"] == ""
	}),
	"state.done-back": of(func(s sight) bool {
		return s.about.handed && s.about.operation == "unblock" && s.about.later["HandedOver"] == ""
	}),
	"state.unrecorded": of(func(s sight) bool { return s.about.handed && s.about.later["HandedOver"] != "" }),
	"state.failed":     of(func(s sight) bool { return s.failedFor(s.about.id) != "" || s.at(s.about.id, "WriteFailed") || s.away }),
	"state.dropped":    of(func(s sight) bool { return s.about.dropped }),
	"state.kari":       unsent,

	"apply.missing":                func(s sight) bool { return s.path == "/apply" && s.fault != "" },
	"apply.person.hint":            anywhere("/report", "/review", "/apply", "/cases"),
	"document.on-file":             func(s sight) bool { return s.path == "/apply" && s.onFile },
	"document.if-at-hand":          anywhere("/apply"),
	"wrong.choice":                 fault("choice"),
	"wrong.empty.sex":              fault("sex", "empty"),
	"wrong.empty.clerk":            fault("clerk", "empty"),
	"wrong.empty.resident_code":    fault("empty"),
	"wrong.empty.name":             fault("empty"),
	"wrong.empty.birth_date":       fault("empty"),
	"wrong.empty.address":          fault("empty"),
	"wrong.empty.municipality":     fault("empty"),
	"wrong.empty.caused_on":        fault("empty"),
	"wrong.empty.known_birth_date": fault("empty"),
	"wrong.received":               fault("received_at"),
	"wrong.officer":                fault("officer"),
	"wrong.second":                 fault("second"),
	"wrong.long":                   fault("long"),
	"wrong.unprintable":            fault("unprintable"),
	"wrong.kana":                   fault("kana"),
	"wrong.day":                    fault("day"),
	"wrong.future":                 fault("future"),
	"wrong.old":                    fault("old"),
	"wrong.code":                   fault("code"),
	"wrong.mail":                   fault("mail"),
	"wrong.postal":                 fault("postal"),
	"wrong.municipality":           fault("municipality"),
	"wrong.card":                   fault("card"),
	"wrong.document":               fault("document"),
	"wrong.unknown":                fault("unknown"),

	"procedure.kari":            of(func(s sight) bool { return !s.opened() }),
	"procedure.kari.loss":       of(func(s sight) bool { return !s.opened() && s.about.report == "loss" }),
	"procedure.unsent":          of(func(s sight) bool { return !s.status.AtHub && s.opened() || s.about.dropped || s.about.handed }),
	"procedure.sent.away":       unsentWhile(counterlink.Away),
	"procedure.sent.comparing":  unsentWhile(counterlink.Comparing),
	"procedure.sent.up":         unsentWhile(counterlink.Up),
	"procedure.sent.mismatched": unsentWhile(counterlink.Mismatched),
	"procedure.sent.taken":      unsentWhile(counterlink.Taken),
	"procedure.letter": of(func(s sight) bool {
		return s.about.answer.GetDeferred() && strings.Contains(s.text, events.CaseNumber(s.about.id))
	}),
	"procedure.letter.waits": of(func(s sight) bool {
		return s.about.letter != "" && s.refused()
	}),
	"procedure.answer": of(func(s sight) bool { return s.about.letter != "" && !s.about.dropped }),
	"procedure.read":   of(func(s sight) bool { return s.refused() || len(s.about.later) > 0 }),
	"procedure.next":   of(func(s sight) bool { return s.refused() || len(s.about.later) > 0 }),
	"procedure.then":   of(sight.answered),
	"procedure.open": of(func(s sight) bool {
		return s.refused() && slices.Contains(s.about.answer.GetRefusals(), regime.OneAtATime)
	}),
	"procedure.offer":    of(func(s sight) bool { return s.about.answer.GetAlternative() != 0 }),
	"procedure.show":     of(func(s sight) bool { return s.about.command && s.shown != s.about.id }),
	"procedure.shown":    of(func(s sight) bool { return s.about.command && s.shown == s.about.id }),
	"procedure.pin.hint": of(func(s sight) bool { return s.about.command }),
	"procedure.removed":  of(func(s sight) bool { return s.about.command && s.inside() == "" }),
	"procedure.other":    of(func(s sight) bool { return s.inside() != s.about.card && s.inside() != "" }),
	"planned.this":       of(sight.answered),
	"planned.sign":       of(sight.answered),
	"planned.auth":       of(sight.answered),
	"planned.card":       of(sight.answered),
	"handover.fee": of(func(s sight) bool {
		return s.ready() && s.about.fee > 0 && strings.Contains(s.text, fmt.Sprint(s.about.fee))
	}),
	"handover.free":    of(func(s sight) bool { return s.ready() && s.about.fee == 0 }),
	"handover.do.paid": of(func(s sight) bool { return s.ready() && s.about.fee > 0 }),
	"handover.do.free": of(func(s sight) bool { return s.ready() && s.about.fee == 0 && s.about.operation != "unblock" }),
	"handover.do.back": of(func(s sight) bool { return s.ready() && s.about.operation == "unblock" }),
	"handover.copy":    of(func(s sight) bool { return s.ready() && s.about.issued }), // a checkbox, never ticked beforehand
	"copy.print":       of(func(s sight) bool { return s.about.issued }),
	"copy.hint":        anywhere("/procedures/"),
	"held.issued":      certificateHeld(events.CertificateStatus_CERTIFICATE_STATUS_ISSUED),
	"held.valid":       certificateHeld(events.CertificateStatus_CERTIFICATE_STATUS_VALID),
	"held.suspended":   certificateHeld(events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED),
	"held.authorized":  certificateHeld(events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED),

	"drop.title":       of(sight.open),
	"drop.not":         of(func(s sight) bool { return !s.about.dropped }),
	"drop.ends":        of(sight.open),
	"drop.letter.void": of(func(s sight) bool { return s.about.letter != "" }),
	"drop.former.keep": of(func(s sight) bool {
		return !s.about.confirmed || s.away || s.counter.Outbox() == 0 && !s.at(s.about.id, "KeysGenerated") // the card is still at it
	}),
	"drop.former.gone":    of(func(s sight) bool { return s.about.issued }),
	"drop.former.perhaps": of(func(s sight) bool { return s.about.confirmed }),
	"drop.pin.set":        of(func(s sight) bool { return s.about.confirmed && s.setsPINs() }),
	"drop.card":           of(sight.open),
	"drop.final":          of(sight.open),
	"drop.why":            of(sight.open),
	"drop.noname":         of(func(s sight) bool { return s.nameless() }),
	"drop.changed":        fault("changed"),
	"drop.do":             of(sight.open),

	"apply.letter.first": anywhere("/apply"),
	"apply.case": func(s sight) bool {
		return s.path == "/apply" && slices.ContainsFunc(slices.Collect(maps.Values(s.told)), func(a *truth) bool {
			return a.letter != "" && strings.Contains(s.text, events.CaseNumber(a.id))
		})
	},
	"wrong.letter":           fault("letter"),
	"cases.hint":             anywhere("/cases"),
	"find.hint":              anywhere("/find"),
	"find.recorded":          anywhere("/find"),
	"find.more":              searchedFor("双子"),
	"find.pairs":             searchedFor("双子"),
	"find.certificates.none": searchedFor("双子"),
	"pair.why":               anywhere("/screen"),
	"pair.paired":            func(s sight) bool { return s.counter.ScreenPaired() },
	"pair.none":              func(s sight) bool { return !s.counter.ScreenPaired() },
	"pair.first":             func(s sight) bool { return s.pairing },
	"pair.second":            func(s sight) bool { return s.pairing },
	"pair.third":             func(s sight) bool { return s.pairing },
	"pair.until":             func(s sight) bool { return s.pairing },
	"pair.wrong":             fault("pair"),
	"procedure.ends.issued":  of(func(s sight) bool { return s.answered() && !s.about.issued && s.open() }),
	"procedure.ends.card": of(func(s sight) bool {
		former := s.about.answer.GetFormerCard()
		return former != "" && s.about.report == "" && !s.about.handed && s.open() && strings.Contains(s.text, former)
	}),
	"procedure.ends.handed": of(sight.ready),

	"resident.wait": func(s sight) bool { return s.shown == "" || !s.told[s.shown].command || s.told[s.shown].dropped },
	"resident.done": func(s sight) bool { return s.thanked },
	"pin.yours":     func(s sight) bool { return s.shown != "" },
	"pin.intro":     func(s sight) bool { return s.shown != "" },
	"pin.kept":      func(s sight) bool { return s.shown != "" },
	"pin.optional":  func(s sight) bool { return s.shown != "" && (s.used(s.told[s.shown].card) || s.away) },
	"pin.yen":       of(func(s sight) bool { return s.about.fee > 0 && strings.Contains(s.text, fmt.Sprint(s.about.fee)) }),
	"pin.free":      of(func(s sight) bool { return s.about.fee == 0 }),
	"pin.differ":    fault("differ"),

	"card.none":              func(s sight) bool { return s.inside() != "" && !s.bears(s.inside()) },
	"card.left":              func(s sight) bool { return s.inside() != "" },
	"card.cycle.initialised": func(s sight) bool { return s.inside() != "" && (!s.used(s.inside()) || s.away) },
	"card.cycle.operational": func(s sight) bool { return s.used(s.inside()) || s.away },
	"origin.":                anywhere("/card", "/procedures/"),

	"report.final":          anywhere("/report"),
	"review.what":           anywhere("/review/"),
	"review.unasked":        func(s sight) bool { return strings.HasPrefix(s.path, "/review/") && s.away },
	"review.unasked.next":   func(s sight) bool { return strings.HasPrefix(s.path, "/review/") && s.away },
	"review.initials":       func(s sight) bool { return strings.HasPrefix(s.path, "/review/") && !s.unasked },
	"review.final":          func(s sight) bool { return strings.HasPrefix(s.path, "/review/") && s.lasts },
	"review.suspends":       func(s sight) bool { return strings.HasPrefix(s.path, "/review/") && !s.lasts },
	"review.do":             anywhere("/review/"),
	"ending.title":          of(func(s sight) bool { return len(s.about.answer.GetEndings()) > 0 }),
	"ending.effect.keep":    func(s sight) bool { return foretells(s) || dropping(s) },
	"ending.effect.revoke":  func(s sight) bool { return foretells(s) || dropping(s) && s.about.confirmed },
	"ending.effect.suspend": foretells,
	"ending.effect.void":    foretells,
	"ending.effect.release": foretells,

	"ending.certificate.revoked":   ends(events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, 0),
	"ending.certificate.suspended": ends(events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, 0),
	"ending.certificate.expired":   ends(events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED, 0),
	"ending.certificate.valid":     ends(events.CertificateStatus_CERTIFICATE_STATUS_VALID, 0),
	"ending.card.void":             ends(0, events.CardStatus_CARD_STATUS_VOID),
	"ending.card.suspended":        ends(0, events.CardStatus_CARD_STATUS_SUSPENDED),
	"ending.card.expired":          ends(0, events.CardStatus_CARD_STATUS_EXPIRED),
	"ending.card.custody":          ends(0, events.CardStatus_CARD_STATUS_CUSTODY),
	"ending.card.held":             ends(0, events.CardStatus_CARD_STATUS_HELD),
	"deadline.overseas":            deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS),
	"deadline.overseas_kept":       deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT),
	"deadline.move_out":            deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_OUT),
	"deadline.overseas_called_off": deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF),
	"deadline.move_in_30":          deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_30),
	"deadline.move_in_14":          deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14),
	"deadline.card_90":             deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90),
}

// impossible maps the phrases, or codes of problems, that no state of this test may show to the reason.
var impossible = map[string]string{
	"page.broken":              "a page fails",
	"tray.hint":                "no virtual reader",
	"card.lasttry":             "no PIN is verified here",
	"card.blocked":             "no PIN is blocked here",
	"card.cycle.terminated":    "no card is retired here",
	"certificate.substitutes":  "the test's certificates name nobody",
	"origin.jpki":              "the test's certificates are its own",
	"origin.jpki-smartphone":   "the test's certificates are its own",
	"origin.jpki-test":         "the test's certificates are its own",
	"origin.shomei":            "the test's certificates are its own",
	"origin.shomei-smartphone": "the test's certificates are its own",
	"other-fee":                "the pages tell the centre's fee",
	"pin-blocked":              "no PIN is blocked here",
	"wrong-pin":                "no PIN is verified here",
	"last-try":                 "no PIN is verified here",
	"no-reader":                "the reader is there",
	"no-service":               "the reader is there",
	"card-in-use":              "nothing else uses the card",
	"foreign-card":             "every card is one that the counter knows",
	"no-certificate":           "no certificate is asked for by name",
	"old-bundle":               "no card is made here",
	"no-such-card":             "no virtual reader",
	"card-exists":              "no virtual reader",
	"real-reader":              "no virtual reader",
	"bad-request":              "a browser sends what can be read",
	"reader-not-ready":         "the reader answers",
	"internal":                 "the counter fails",
	"bad-field":                "the pages tell faults at their fields",
	"cases.unposted":           "the test's centre finds no case; two counters at a real one do (cases_test.go)",
	"cases.moved":              "the test's centre finds no case",
	"cases.lapsed":             "the test's centre finds no case",
	"pair.clerk":               "no browser of a clerk's opens the resident's screen here; seat_test.go has each",
	"no-cookie":                "no script runs here; seat_test.go has each",
	"programs-only":            "no page calls the API here; seat_test.go has each",
	"unknown-rule":             "the centre names rules that exist",
	"ending.effect.expire":     "no application and no report ends a term",
	"pin-refused":              "the resident's page tells it at its field",
	"officer-code":             "the pages tell faults at their fields",
	"receipt-time":             "the pages tell faults at their fields",

	"at-reader":                     "every page is on the counter's own machine here; desk/door_test.go has the others",
	"foreign-post":                  "every page is on the counter's own machine here; desk/door_test.go has the others",
	"far.counter":                   "every page is on the counter's own machine here; desk/door_test.go has the others",
	"officers.passwords.hint":       "no officers are set up here; officers_test.go has those who are",
	"officers.passwords.forbid":     "no officers are set up here; officers_test.go has those who are",
	"signin.how":                    "no officers are set up here; signin_test.go has those who are",
	"signin.lost":                   "no officers are set up here; signin_test.go has those who are",
	"signin.locked":                 "no officers are set up here; signin_test.go has those who are",
	"signin.unlock.how":             "no officers are set up here; signin_test.go has those who are",
	"signin.soft":                   "no officers are set up here; signin_test.go has those who are",
	"touch.failed":                  "no officers are set up here; signin_test.go has those who are",
	"touch.script":                  "no officers are set up here; signin_test.go has those who are",
	"sign.how":                      "no officers are set up here; signin_test.go has those who are",
	"join.how":                      "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.not":                      "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.ends.nothing":             "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.recorded":                 "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.waits":                    "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.final":                    "the test's centre knows no histories; cmd/shomei-agent joins two",
	"join.changed":                  "the test's centre knows no histories; cmd/shomei-agent joins two",
	"wrong.join.survivor":           "the test's centre knows no histories; cmd/shomei-agent joins two",
	"wrong.join.evidence":           "the test's centre knows no histories; cmd/shomei-agent joins two",
	"wrong.join.why":                "the test's centre knows no histories; cmd/shomei-agent joins two",
	"wrong.join.second_officer":     "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.no-history":            "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.no-history.next":       "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.same-history":          "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.same-history.next":     "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.history-away":          "the test's centre knows no histories; cmd/shomei-agent joins two",
	"problem.history-away.next":     "the test's centre knows no histories; cmd/shomei-agent joins two",
	"approvals.hint":                "nothing waits here for a second officer; approval_test.go has what does",
	"approvals.none":                "nothing waits here for a second officer; approval_test.go has what does",
	"approval.as":                   "nothing waits here for a second officer; approval_test.go has what does",
	"approval.own":                  "nothing waits here for a second officer; approval_test.go has what does",
	"approval.recorded":             "nothing waits here for a second officer; approval_test.go has what does",
	"apply.special.hint":            "nothing waits here for a second officer; approval_test.go has what does",
	"wrong.refusal.why":             "nothing waits here for a second officer; approval_test.go has what does",
	"problem.approval-changed":      "nothing waits here for a second officer; approval_test.go has what does",
	"problem.approval-changed.next": "nothing waits here for a second officer; approval_test.go has what does",
	"problem.no-approval":           "nothing waits here for a second officer; approval_test.go has what does",
	"problem.no-approval.next":      "nothing waits here for a second officer; approval_test.go has what does",
	"problem.approvals-away":        "nothing waits here for a second officer; approval_test.go has what does",
	"problem.approvals-away.next":   "nothing waits here for a second officer; approval_test.go has what does",
	"enrol.how":                     "no officers are set up here; signin_test.go has those who are",
	"enrol.waits":                   "no officers are set up here; signin_test.go has those who are",
	"enrol.centre":                  "no officers are set up here; signin_test.go has those who are",
	"enrol.done":                    "no officers are set up here; signin_test.go has those who are",
	"enrol.refused":                 "no officers are set up here; signin_test.go has those who are",
	"invited.anew":                  "no officers are set up here; cmd/shomei-agent has those who are",
	"invited.how":                   "no officers are set up here; signin_test.go has those who are",
	"invited.until":                 "no officers are set up here; signin_test.go has those who are",
	"wrong.roles":                   "no officers are set up here; signin_test.go has those who are",
	"officers.free":                 "no officers are set up here; signin_test.go has those who are",
	"officers.signed":               "no officers are set up here; signin_test.go has those who are",
	"officers.require":              "no officers are set up here; signin_test.go has those who are",
	"officers.giveup":               "no officers are set up here; signin_test.go has those who are",
	"wrong.no-key":                  "no officers are set up here; signin_test.go has those who are",
	"wrong.past-day":                "no officers are set up here; signin_test.go has those who are",
	"wrong.term":                    "no officers are set up here; signin_test.go has those who are",
	"unsigned":                      "no officers are set up here; signin_test.go has those who are",
	"role":                          "no officers are set up here; signin_test.go has those who are",
	"no-officer":                    "no officers are set up here; signin_test.go has those who are",
	"unknown-key":                   "no officers are set up here; signin_test.go has those who are",
	"touch-late":                    "no officers are set up here; signin_test.go has those who are",
	"touch-void":                    "no officers are set up here; signin_test.go has those who are",
	"invitation":                    "no officers are set up here; signin_test.go has those who are",
	"no-act":                        "no officers are set up here; signin_test.go has those who are",
	"many-sessions":                 "no officers are set up here; signin_test.go has those who are",
	"too-many":                      "no officers are set up here; signin_test.go has those who are",
}

// problems maps codes of problems to predicates: the state just before the act makes it impossible.
var problems = map[string]predicate{
	"unknown-procedure": func(s sight) bool { return s.tried == "unknown" },
	"not-waiting":       func(s sight) bool { return s.tried != "" && !s.waits(s.told[s.tried]) },
	"not-yet":           func(s sight) bool { return s.tried != "" && !s.told[s.tried].issued },
	"unknown-case":      func(s sight) bool { return s.path == "/cases" && !s.away },
	"nobody-found":      searchedFor("誰か"),
	"find-unready":      searchedFor("索引"),
	"find-away":         func(s sight) bool { return s.path == "/find" && s.away },
	"centre-away":       func(s sight) bool { return s.path == "/cases" },
	"residents-browser": func(s sight) bool { return s.stranger },
	"not-the-residents": func(s sight) bool { return s.stranger },
	"not-paired":        func(s sight) bool { return !s.counter.ScreenPaired() },
	"no-name": func(s sight) bool {
		return s.tried != "" && (s.told[s.tried].report != "" || s.namesLost)
	},
	"settles":           func(s sight) bool { return s.tried != "" && !s.at(s.tried, "HandedOver") && s.told[s.tried].settles() },
	"over":              func(s sight) bool { return s.tried != "" && !s.mayGoOn(s.told[s.tried]) },
	"no-review":         func(s sight) bool { return s.tried == "review" },
	"not-shown":         func(s sight) bool { return s.shown != s.tried },
	"no-card":           func(s sight) bool { return s.inside() == "" },
	"unknown-person":    func(s sight) bool { return s.fault == "person" && !s.away },
	"failed.repairable": of(func(s sight) bool { return s.status.Failure.GetRepairable() }),
	"failed.broken":     of(func(s sight) bool { return s.status.Failure != nil && !s.status.Failure.GetRepairable() }),
	"failed":            of(func(s sight) bool { return s.failedFor(s.about.id) != "" || s.away }),
}

func init() {
	for key := range impossible {
		if _, ok := pages.Words[key]; ok {
			statements[key] = func(sight) bool { return false }
			continue
		}
		problems[key] = func(sight) bool { return false }
	}
	for code, is := range problems {
		for _, key := range []string{"problem." + code, "problem." + code + ".next"} {
			if _, ok := pages.Words[key]; ok {
				statements[key] = is
			}
		}
	}
}
