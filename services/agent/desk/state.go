package desk

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"shomei/events"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// state is a procedure in the API.
type state struct {
	Procedure string `json:"procedure"`
	State     string `json:"state"`
	// AtHub: everything the counter saw of it is at the hub (受付済); false is 仮.
	AtHub bool `json:"at_hub"`
	// Filed is the receipt; Entered is when a clerk entered that time by hand.
	Filed   time.Time `json:"filed,omitzero"`
	Entered time.Time `json:"entered,omitzero"`
	// Report is what was reported, if the procedure is not an application.
	Report   string          `json:"report,omitempty"`
	Card     string          `json:"card,omitempty"`
	FeeYen   uint32          `json:"fee_yen"`
	Answer   json.RawMessage `json:"answer,omitempty"`
	Progress []step          `json:"progress"`
	// Approval is the act of the procedure that waits for a second officer.
	Approval string `json:"approval,omitempty"`
	// PINs are what the resident must type in waiting-confirmation, Optional what they may.
	PINs     []string `json:"pins,omitempty"`
	Optional []string `json:"optional_pins,omitempty"`
	Error    *Problem `json:"error,omitempty"`
}

type step struct {
	Step    string `json:"step"`
	Percent int    `json:"percent"`
	JA      string `json:"ja"`
	EN      string `json:"en"`
}

// states are the API's words for the counter's stages.
var states = map[agent.Stage]string{
	agent.StagePending: "pending", agent.StageReceived: "received", agent.StageRefused: "refused", agent.StageDeferred: "deferred",
	agent.StageAccepted: "accepted", agent.StageConfirm: "waiting-confirmation", agent.StageCard: "working", agent.StageIssuing: "working",
	agent.StageWritten: "ready", agent.StageUnblocked: "ready", agent.StageHandedOver: "done", agent.StageFailed: "failed",
	agent.StageDropped: "dropped",
}

// stateOf returns the API's word for a procedure's state. What is done here but not yet at the hub counts as being
// worked on.
func stateOf(s agent.Status) string {
	word := states[s.Stage]
	switch {
	case s.ReadyToHandOver():
		return "ready"
	case s.Stage == agent.StageHandedOver && !s.AtHub:
		return "working"
	case recorded(s):
		return "recorded"
	case s.Stage == agent.StageConfirm && s.Waiting == nil:
		return "working" // confirmed just now
	}
	return word
}

func (d *Desk) tell(s agent.Status) (state, error) {
	out := state{
		Procedure: s.Procedure, State: stateOf(s), AtHub: s.AtHub, Filed: s.Filed, Entered: s.Entered, Card: s.Card, FeeYen: s.FeeYen,
		Progress: []step{{string(s.Stage), s.Percent, s.Message.JA, s.Message.EN}}, Error: wrong(s),
	}
	if s.Report != nil {
		out.Report = actpage.WordOf(s.Report)
	}
	if s.Report.GetPasskeyOffered() != nil && d.enrolState(s) == "done" {
		out.State = "done"
	}
	if s.Second != nil {
		out.Approval = s.Second.GetId()
	}
	if s.Answer != nil {
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(s.Answer)
		if err != nil {
			return out, err
		}
		out.Answer = text
	}
	if s.Waiting != nil {
		out.PINs, out.Optional = pinWords(s.Waiting.PINs), pinWords(s.Waiting.Optional)
	}
	return out, nil
}

func pinWords(list []events.PinKind) []string {
	var words []string
	for _, pin := range list {
		words = append(words, nameOf(pinKinds, pin))
	}
	return words
}

// wrong returns what prevents a procedure from going on: why it was refused, or what failed.
func wrong(s agent.Status) *Problem {
	switch s.Stage {
	case agent.StageRefused:
		return refusal(s.Answer.GetRefusals())
	case agent.StageFailed:
		return failure(s)
	}
	return nil
}

// refusal is what a clerk reads out: the sentences of the rules and what to do next.
func refusal(rules []string) *Problem {
	p := &Problem{Code: "refused", Rules: rules, status: http.StatusOK}
	var ja, en, nextJA, nextEN []string
	for _, id := range rules {
		rule, ok := regime.Lookup(id)
		if !ok { // a rule of a newer hub
			unknown := problem("unknown-rule", http.StatusOK, id)
			rule = regime.Rule{JA: unknown.JA, EN: unknown.EN, NextJA: unknown.NextJA, NextEN: unknown.NextEN}
		}
		ja, en = append(ja, rule.JA), append(en, rule.EN)
		nextJA, nextEN = appendNew(nextJA, rule.NextJA), appendNew(nextEN, rule.NextEN)
	}
	p.JA, p.EN = strings.Join(ja, ""), strings.Join(en, " ")
	p.NextJA, p.NextEN = strings.Join(nextJA, ""), strings.Join(nextEN, " ")
	return p
}

func appendNew(list []string, text string) []string {
	for _, known := range list {
		if known == text {
			return list
		}
	}
	if text == "" {
		return list
	}
	return append(list, text)
}

func failure(s agent.Status) *Problem {
	next := "failed"
	switch {
	case s.Failure != nil && s.Failure.GetRepairable():
		next = "failed.repairable"
	case s.Failure != nil:
		next = "failed.broken"
	}
	p := problem(next, http.StatusOK)
	p.Code, p.JA, p.EN = "failed", s.Message.JA, s.Message.EN
	return p
}
