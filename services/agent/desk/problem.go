package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/pkg/signin"
	"shomei/services/agent"
)

// Problem is the error object of the API: what happened and what to do next, in both languages. Code is a stable short
// name, Rules the ids of the rules behind it, if any.
type Problem struct {
	Code   string      `json:"code"`
	JA     string      `json:"ja"`
	EN     string      `json:"en"`
	NextJA string      `json:"next_ja"`
	NextEN string      `json:"next_en"`
	Rules  []regime.ID `json:"rules,omitempty"`
	Left   *int        `json:"tries_left,omitempty"`
	// Field is the field of the request that is at fault, such as person.birth_date.
	Field  string `json:"field,omitempty"`
	status int
}

func (p *Problem) in(l page.Language) (what, next string) {
	if l == page.English {
		return p.EN, p.NextEN
	}
	return p.JA, p.NextJA
}

// problem returns the problem of a code, with the phrases of that code.
func problem(code string, status int, args ...any) *Problem {
	what, next := words["problem."+code], words["problem."+code+".next"]
	if len(args) > 0 {
		what.JA, what.EN = fmt.Sprintf(what.JA, args...), fmt.Sprintf(what.EN, args...)
	}
	return &Problem{Code: code, JA: what.JA, EN: what.EN, NextJA: next.JA, NextEN: next.EN, status: status}
}

// badRequest is a request that can't be read; what is a text for programmers, without any value of the request.
func badRequest(what string) *Problem {
	return problem("bad-request", http.StatusBadRequest, what)
}

// failures maps the counter's errors to codes, which name the phrases for people.
var failures = []struct {
	err    error
	code   string
	status int
}{
	{agent.ErrUnknownProcedure, "unknown-procedure", http.StatusNotFound},
	{agent.ErrNotWaiting, "not-waiting", http.StatusConflict},
	{agent.ErrNotYet, "not-yet", http.StatusConflict},
	{errNoReview, "no-review", http.StatusConflict},
	{agent.ErrReceiptTime, "receipt-time", http.StatusUnprocessableEntity},
	{events.ErrOfficer, "officer-code", http.StatusBadRequest},
	{errFee, "other-fee", http.StatusConflict},
	{card.ErrBlocked, "pin-blocked", http.StatusConflict},
	{card.ErrWrongPIN, "wrong-pin", http.StatusConflict},
	{errLastTry, "last-try", http.StatusConflict},
	{pcsc.ErrNoReader, "no-reader", http.StatusServiceUnavailable},
	{pcsc.ErrNoService, "no-service", http.StatusServiceUnavailable},
	{pcsc.ErrInUse, "card-in-use", http.StatusConflict},
	{card.ErrRemoved, "no-card", http.StatusConflict},
	{card.ErrForeignCard, "foreign-card", http.StatusConflict},
	{card.ErrNotFound, "no-certificate", http.StatusNotFound},
	{errNoFactory, "old-bundle", http.StatusConflict},
	{errNoSuchCard, "no-such-card", http.StatusNotFound},
	{errCardExists, "card-exists", http.StatusConflict},
	{agent.ErrOver, "over", http.StatusConflict},
	{agent.ErrSettles, "settles", http.StatusConflict},
	{errNoTray, "real-reader", http.StatusNotFound},
	{errNotShown, "not-shown", http.StatusConflict},
	{errUnknownPerson, "unknown-person", http.StatusConflict},
	{errNoCase, "unknown-case", http.StatusNotFound},
	{errCaseUnasked, "centre-away", http.StatusServiceUnavailable},
	{errNobody, "nobody-found", http.StatusNotFound},
	{errFindUnasked, "find-away", http.StatusServiceUnavailable},
	{errUnindexed, "find-unready", http.StatusServiceUnavailable},
	{errNoHistory, "no-history", http.StatusNotFound},
	{errSameHistory, "same-history", http.StatusConflict},
	{errJoinUnasked, "history-away", http.StatusServiceUnavailable},
	{errNoApproval, "no-approval", http.StatusNotFound},
	{errApprovalChanged, "approval-changed", http.StatusConflict},
	{errUnasked, "approvals-away", http.StatusServiceUnavailable},
	{errNoName, "no-name", http.StatusConflict},
	{errResidentsBrowser, "residents-browser", http.StatusForbidden},
	{errNotTheResidents, "not-the-residents", http.StatusForbidden},
	{errNoCookie, "no-cookie", http.StatusForbidden},
	{errProgramsOnly, "programs-only", http.StatusForbidden},
	{errAtReader, "at-reader", http.StatusForbidden},
	{errForeignPost, "foreign-post", http.StatusForbidden},
	{errNotPaired, "not-paired", http.StatusConflict},
	{errCode, "invitation", http.StatusUnprocessableEntity},
	{errNoAct, "no-act", http.StatusConflict},
	{agent.ErrCancelled, "no-act", http.StatusConflict},
	{signin.ErrBusy, "many-sessions", http.StatusServiceUnavailable},
	{officer.Unsigned, "unsigned", http.StatusForbidden},
	{officer.NotAllowed, "role", http.StatusForbidden},
	{officer.Unknown, "no-officer", http.StatusForbidden},
	{officer.Ambiguous, "no-officer", http.StatusForbidden},
	{officer.Retired, "no-officer", http.StatusForbidden},
	{officer.OutOfTerm, "no-officer", http.StatusForbidden},
	{officer.UnknownKey, "unknown-key", http.StatusUnprocessableEntity},
	{officer.OtherBytes, "touch-late", http.StatusUnprocessableEntity},
	{officer.OtherOrigin, "touch-void", http.StatusUnprocessableEntity},
	{officer.Unverified, "touch-void", http.StatusUnprocessableEntity},
	{officer.BadSignature, "touch-void", http.StatusUnprocessableEntity},
	{officer.Software, "touch-void", http.StatusUnprocessableEntity},
}

var (
	errFee     = errors.New("the fee differs")
	errLastTry = errors.New("one try left")
)

// problemOf turns an error into what people can act on; an unknown one is the machine's own fault.
func problemOf(err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	var pin *agent.PINRefusal
	if errors.As(err, &pin) {
		return pinProblem(pin)
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			p := problem(f.code, f.status)
			if wrong := (*card.PINError)(nil); errors.As(err, &wrong) {
				p.Left = &wrong.Left
			}
			return p
		}
	}
	if many := (*signin.TooMany)(nil); errors.As(err, &many) {
		return problem("too-many", http.StatusTooManyRequests, int(many.Wait/time.Second)+1)
	}
	if text := (*events.ClearTextError)(nil); errors.As(err, &text) {
		return badRequest(text.Error())
	}
	if reader := (*readerError)(nil); errors.As(err, &reader) {
		return problem("reader-not-ready", http.StatusServiceUnavailable)
	}
	return problem("internal", http.StatusInternalServerError)
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.EN }

func pinProblem(refused *agent.PINRefusal) *Problem {
	p := problem("pin-refused", http.StatusUnprocessableEntity)
	p.Rules = refused.Rules
	if len(refused.Rules) > 0 {
		if rule, ok := regime.Lookup(refused.Rules[0]); ok {
			p.JA, p.EN = rule.JA, rule.EN
		}
	}
	name := words["pin."+nameOf(pinKinds, refused.Kind)]
	if !strings.HasPrefix(p.JA, name.JA) { // the sentences of some rules name the PIN themselves
		p.JA = name.JA + ": " + p.JA
	}
	if !strings.HasPrefix(p.EN, name.EN) {
		p.EN = name.EN + ": " + p.EN
	}
	return p
}

// respond writes a value as JSON.
func (d *Desk) respond(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		d.Logger.Error("could not encode a response", "error", err)
		http.Error(w, `{"error":{"code":"internal"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The client may have disconnected; nobody is left to tell.
	_, _ = fmt.Fprintf(w, "%s\n", text)
}

// fail writes the error object. Only the machine's own faults are logged, and never with the request.
func (d *Desk) fail(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError {
		d.Logger.Error("could not serve a request", "code", p.Code, "error", err)
	}
	d.respond(w, p.status, map[string]*Problem{"error": p})
}
