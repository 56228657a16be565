package question

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// instant is a point in time as people write it: RFC 3339, or without an offset
// as Japan time.
type instant struct{ at time.Time }

func (i *instant) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04",
	} {
		if t, err := time.ParseInLocation(layout, string(text), civil.Tokyo); err == nil {
			i.at = t
			return nil
		}
	}
	return fmt.Errorf("%q is not a time (expected like 2012-11-30T17:01:00+09:00)", text)
}

// sentence is a rule as a clerk reads it out.
type sentence struct {
	Rule   regime.ID `json:"rule"`
	JA     string    `json:"ja"`
	EN     string    `json:"en"`
	NextJA string    `json:"next_ja,omitempty"`
	NextEN string    `json:"next_en,omitempty"`
}

func sentenceOf(id regime.ID) sentence {
	r, _ := regime.Lookup(id)
	return sentence{id, r.JA, r.EN, r.NextJA, r.NextEN}
}

func sentences(ids []regime.ID) []sentence {
	var list []sentence
	for _, id := range once(ids) {
		list = append(list, sentenceOf(id))
	}
	return list
}

// once drops repeated ids and keeps the order.
func once(ids []regime.ID) []regime.ID {
	list := make([]regime.ID, 0, len(ids))
	for _, id := range ids {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

type validityAnswer struct {
	LastDay     civil.Date         `json:"last_day"`
	NotAfter    time.Time          `json:"not_after"`
	WindowOpens civil.Date         `json:"window_opens,omitzero"`
	Rules       []regime.ID        `json:"rules"`
	Binds       regime.ID          `json:"binds"`
	Candidates  []regime.Candidate `json:"candidates"`
}

func answerOf(v regime.Validity) validityAnswer {
	return validityAnswer{v.LastDay, v.NotAfter, v.WindowOpens, once(v.Rules()), v.Binds, v.Candidates}
}

// askedValidity is a line of the question validity.
type askedValidity struct {
	Regime         regime.Regime     `json:"regime"`
	Kind           regime.Kind       `json:"kind"`
	Issued         civil.Date        `json:"issued"`
	BirthDate      civil.PartialDate `json:"birth_date"`
	CurrentLastDay civil.Date        `json:"current_last_day"`
	AuthLastDay    civil.Date        `json:"auth_last_day"`
	CardLastDay    civil.Date        `json:"card_last_day"`
}

func answerValidity(s regime.Switches, in askedValidity) (any, error) {
	v, err := s.Validity(regime.ValidityIn{
		Regime: in.Regime, Kind: in.Kind, Issued: in.Issued, BirthDate: in.BirthDate.Latest(),
		CurrentLastDay: in.CurrentLastDay, AuthLastDay: in.AuthLastDay, CardLastDay: in.CardLastDay,
	})
	if err != nil {
		return nil, err
	}
	if err := v.TimeLeft(); err != nil {
		return nil, err
	}
	return answerOf(v), nil
}

type windowAnswer struct {
	LastDay     civil.Date         `json:"last_day"`
	WindowOpens civil.Date         `json:"window_opens,omitzero"`
	NoticeDue   civil.Date         `json:"notice_due,omitzero"`
	State       regime.WindowState `json:"state,omitempty"`
	Rules       []regime.ID        `json:"rules"`
}

// askedWindow is a line of the question window.
type askedWindow struct {
	Regime  regime.Regime `json:"regime"`
	LastDay civil.Date    `json:"last_day"`
	On      civil.Date    `json:"on"`
}

func answerWindow(s regime.Switches, in askedWindow) (any, error) {
	if in.Regime == "" {
		in.Regime = regime.MyNumber
	}
	if in.LastDay.IsZero() {
		return nil, regime.Missing("last_day")
	}
	w := s.Window(in.Regime, in.LastDay)
	out := windowAnswer{LastDay: in.LastDay, WindowOpens: w.Opens, NoticeDue: w.NoticeDue, Rules: w.Rules}
	if !in.On.IsZero() {
		state, rule := w.Renewable(in.Regime, in.On)
		out.State, out.Rules = state, append(out.Rules, rule)
	}
	out.Rules = once(out.Rules)
	return out, nil
}

type openAnswer struct {
	Open bool `json:"open"`
	sentence
	Regime      regime.Regime `json:"regime,omitempty"`
	NextOpening time.Time     `json:"next_opening,omitzero"`
	Rules       []regime.ID   `json:"rules"`
}

// checkOperation rejects an operation that the law does not know, and an unusable office.
func checkOperation(op regime.Operation, office regime.Office) error {
	if !slices.Contains(operationWords, string(op)) {
		return regime.Unknown("operation", strings.Join(operationWords, ", "))
	}
	if err := office.Check(); err != nil {
		return &regime.FieldError{Field: "office", JA: "窓口の受付時間に誤りがあります。終わりは始まりより後にしてください。", EN: err.Error()}
	}
	return nil
}

// askedOpen is a line of the question open.
type askedOpen struct {
	Operation regime.Operation `json:"operation"`
	At        time.Time        `json:"at"`
	Regime    regime.Regime    `json:"regime"`
	Office    regime.Office    `json:"office"`
}

func answerOpen(_ regime.Switches, in askedOpen) (any, error) {
	if err := checkOperation(in.Operation, in.Office); err != nil {
		return nil, err
	}
	if in.At.IsZero() {
		return nil, regime.Missing("at")
	}
	r, receipt := in.Regime, regime.Receipt{}
	if r == "" {
		r, receipt = in.Office.ReceivesGoverned(in.Operation, in.At)
	} else {
		receipt = in.Office.Receives(r, in.Operation, in.At)
	}
	out := openAnswer{Open: receipt.Accepted(), Regime: r, NextOpening: receipt.Next, Rules: once(receipt.Rules())}
	out.sentence = sentenceOf(out.Rules[0])
	if out.Open { // the last rule applied is the one of the calendar
		out.sentence = sentenceOf(receipt.Applied[len(receipt.Applied)-1])
	}
	return out, nil
}
