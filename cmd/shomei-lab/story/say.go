package story

import (
	"strings"

	"shomei/pkg/regime"
)

// Text is a text in both languages.
type Text struct{ JA, EN string }

// In returns the text in a language: ja or en.
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.JA
}

// Reason returns a rule's id and its sentence in a language.
func Reason(id, lang string) string {
	r, ok := regime.Lookup(id)
	if !ok {
		return id
	}
	return "[" + id + "] " + Text{r.JA, r.EN}.In(lang)
}

// verdicts are the possible answers to an application.
var verdicts = []term[string]{{"accepted", "受理", "accepted"}, {"refused", "不受理", "refused"}, {"deferred", "照会", "deferred"}}

// verdict returns the hub's answer to the application of the step, or "".
func (s *Seen) verdict() string {
	switch a := s.Answer; {
	case a == nil:
		return ""
	case a.Deferred:
		return "deferred"
	case a.Accepted:
		return "accepted"
	}
	return "refused"
}

// Verdict returns the hub's answer in a line: the verdict and its rules, with sentences for a refusal.
func (s *Seen) Verdict() string {
	verdict := s.verdict()
	switch {
	case verdict == "" && s.Trouble != Text{}:
		return Text{"回答なし: ", "no answer: "}.In(s.Lang) + s.Trouble.In(s.Lang)
	case verdict == "":
		return Text{"この行為に申請はありません", "no application in this step"}.In(s.Lang)
	case verdict != "refused":
		return say(s, verdicts, verdict) + " " + strings.Join(s.Answer.GetRuleIds(), " ")
	}
	seen := say(s, verdicts, verdict)
	for _, id := range s.Answer.GetRefusals() {
		seen += " " + Reason(id, s.Lang)
	}
	return seen
}

// say returns the word for a value, in the language of s.
func say(s *Seen, list []term[string], value string) string {
	for _, t := range list {
		if t.value == value {
			return Text{t.ja, t.en}.In(s.Lang)
		}
	}
	return value
}
