// Package player plays stories on a real centre and real counters, and checks their expectations.
package player

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Report is the result of a story, as in report.json.
type Report struct {
	Story        string       `json:"story"`
	Title        string       `json:"title"`
	Steps        []StepReport `json:"steps"`
	Expected     int          `json:"expected"`
	Failed       int          `json:"failed"`
	Milliseconds int64        `json:"milliseconds"`
}

// StepReport is the result of one step.
type StepReport struct {
	Line         int                 `json:"line"`
	Text         string              `json:"text"`
	At           time.Time           `json:"at"`
	Rules        []string            `json:"rules,omitempty"`
	Expectations []ExpectationReport `json:"expectations,omitempty"`
	Milliseconds int64               `json:"milliseconds"`
}

// ExpectationReport is one expectation and what was seen.
type ExpectationReport struct {
	Line     int    `json:"line"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	OK       bool   `json:"ok"`
}

// Play plays a story and writes what happens, step by step with the rules behind it. A failed expectation is reported and
// the story continues; an error means that the story could not be played.
func Play(ctx context.Context, s *story.Story, w *World, out io.Writer) (*Report, error) {
	p := newPerformance(w)
	report := &Report{Story: s.File, Title: s.Title}
	begin := time.Now()
	fmt.Fprintf(out, "%s: %s\n", s.File, s.Title)
	for _, step := range s.Steps {
		done, err := p.play(ctx, step, out)
		report.Steps = append(report.Steps, done)
		for _, e := range done.Expectations {
			report.Expected++
			if !e.OK {
				report.Failed++
			}
		}
		if err != nil {
			return report, fmt.Errorf("%s:%d: %s: %w", s.File, step.Line, step.Text, err)
		}
	}
	report.Milliseconds = time.Since(begin).Milliseconds()
	return report, nil
}

// stepTime bounds one step, in which decades of the story may pass.
const stepTime = 5 * time.Minute

func (p *performance) play(ctx context.Context, step story.Step, out io.Writer) (StepReport, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	begin := time.Now()
	done := StepReport{Line: step.Line, Text: step.Text}
	before, err := p.revisions(ctx)
	if err != nil {
		return done, err
	}
	result, err := p.perform(ctx, step.Act)
	done.At = p.world.Now()
	fmt.Fprintf(out, "\n%s  %s\n", minute(done.At), step.Text)
	if err != nil {
		return done, err
	}
	after, err := p.fresh(ctx, before, out)
	if err != nil {
		return done, err
	}
	done.Rules = after
	p.tellRules(out, result, after)
	done.Expectations, err = p.check(ctx, step, before, result, out)
	done.Milliseconds = time.Since(begin).Milliseconds()
	return done, err
}

// fresh prints the events that the step recorded and returns their rules, each once.
func (p *performance) fresh(ctx context.Context, before map[string]int, out io.Writer) ([]string, error) {
	var rules []string
	for _, nick := range p.order {
		commits, err := p.world.Commits(ctx, p.world.Subscriber(p.people[nick]))
		if err != nil {
			return nil, err
		}
		for _, c := range commits[min(before[nick], len(commits)):] {
			for _, e := range c.GetEvents() {
				fmt.Fprintf(out, "    %s %s %s\n", minute(time.UnixMilli(e.GetRecordedMs())), nick, events.Name(e))
				for _, id := range e.GetRuleIds() {
					if !slices.Contains(rules, id) {
						rules = append(rules, id)
					}
				}
			}
		}
	}
	return rules, nil
}

// tellRules prints objections and refusals, then each rule with its sentence.
func (p *performance) tellRules(out io.Writer, result outcome, rules []string) {
	if result.trouble != (story.Text{}) {
		fmt.Fprintf(out, "    ! %s\n", result.trouble.In(p.world.Lang))
	}
	if a := result.answer; a != nil && !a.Accepted && !a.Deferred {
		fmt.Fprintf(out, "    ! %s\n", p.verdict(a))
	}
	for _, id := range rules {
		fmt.Fprintf(out, "    %s\n", story.Reason(id, p.world.Lang))
	}
}

func (p *performance) verdict(a *events.Answer) string {
	return (&story.Seen{Answer: a, Lang: p.world.Lang}).Verdict()
}

// check judges the expectations of a step.
func (p *performance) check(ctx context.Context, step story.Step, before map[string]int, result outcome, out io.Writer) ([]ExpectationReport, error) {
	var reports []ExpectationReport
	seen := make(map[string]*story.Seen)
	lists := slices.ContainsFunc(step.Expect, func(e story.Expectation) bool { return e.Lists })
	for _, e := range step.Expect {
		if seen[e.Person] == nil {
			s, err := p.observe(ctx, p.people[e.Person], before[e.Person], result, lists)
			if err != nil {
				return reports, err
			}
			seen[e.Person] = s
		}
		was, ok := e.Judge(seen[e.Person])
		reports = append(reports, ExpectationReport{e.Line, e.Text, was, ok})
	}
	reports = append(reports, p.unsaid(step, result)...)
	for _, r := range reports {
		if r.OK {
			fmt.Fprintf(out, "    ✓ %s\n", r.Expected)
		} else {
			fmt.Fprintf(out, story.Text{JA: "    ✗ %d行目: %s\n      実際: %s\n", EN: "    ✗ line %d: %s\n      seen: %s\n"}.In(p.world.Lang), r.Line, r.Expected, r.Seen)
		}
	}
	return reports, nil
}

// unsaid judges what every story expects: that an application is accepted and no counter objects, unless the step says
// otherwise.
func (p *performance) unsaid(step story.Step, result outcome) []ExpectationReport {
	var failed []ExpectationReport
	about := func(what string) bool {
		return slices.ContainsFunc(step.Expect, func(e story.Expectation) bool { return e.About == what })
	}
	lang := p.world.Lang
	if result.trouble != (story.Text{}) && !about(story.AboutTrouble) {
		carried := story.Text{JA: "行為が最後まで進む", EN: "the act is carried through"}
		failed = append(failed, ExpectationReport{step.Line, carried.In(lang), result.trouble.In(lang), false})
	}
	_, goesOn := step.Act.(*story.Finish)
	withdrawn := goesOn && slices.Contains(result.answer.GetRefusals(), regime.NoLongerOpen) // no mistake of the story
	if a := result.answer; a != nil && !a.Accepted && !about(story.AboutAnswer) && !withdrawn {
		accepted := story.Text{JA: "申請が受理される", EN: "the application is accepted"}
		failed = append(failed, ExpectationReport{step.Line, accepted.In(lang), p.verdict(a), false})
	}
	return failed
}

func minute(t time.Time) string { return t.In(civil.Tokyo).Format("2006-01-02 15:04") }
