package regime

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// instant is a point in time as people write it: RFC 3339, or without an offset
// as Japan time.
type instant struct{ at time.Time }

func (i *instant) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if t, err := time.Parse(time.RFC3339, string(text)); err == nil {
		i.at = t
		return nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, string(text), civil.Tokyo); err == nil {
			i.at = t
			return nil
		}
	}
	return fmt.Errorf("%q is no time (expected like 2012-11-30T17:01:00+09:00)", text)
}

// sentence is a rule as a clerk reads it out.
type sentence struct {
	Rule   ID     `json:"rule"`
	JA     string `json:"ja"`
	EN     string `json:"en"`
	NextJA string `json:"next_ja,omitempty"`
	NextEN string `json:"next_en,omitempty"`
}

func sentenceOf(id ID) sentence {
	r, _ := Lookup(id)
	return sentence{id, r.JA, r.EN, r.NextJA, r.NextEN}
}

func sentences(ids []ID) []sentence {
	var list []sentence
	for _, id := range once(ids) {
		list = append(list, sentenceOf(id))
	}
	return list
}

// once drops repeated ids and keeps the order.
func once(ids []ID) []ID {
	list := make([]ID, 0, len(ids))
	for _, id := range ids {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

type validityAnswer struct {
	LastDay     civil.Date  `json:"last_day"`
	NotAfter    time.Time   `json:"not_after"`
	WindowOpens civil.Date  `json:"window_opens,omitzero"`
	Rules       []ID        `json:"rules"`
	Binds       ID          `json:"binds"`
	Candidates  []Candidate `json:"candidates"`
}

func answerOf(v Validity) validityAnswer {
	return validityAnswer{v.LastDay, v.NotAfter, v.WindowOpens, once(v.Rules()), v.Binds, v.Candidates}
}

func (s Switches) answerValidity(f fields) (any, error) {
	var in ValidityIn
	var birth civil.PartialDate
	err := f.into(map[string]any{
		"regime": &in.Regime, "kind": &in.Kind, "issued": &in.Issued, "birth_date": &birth,
		"current_last_day": &in.CurrentLastDay, "auth_last_day": &in.AuthLastDay, "card_last_day": &in.CardLastDay,
	})
	if err != nil {
		return nil, err
	}
	in.BirthDate = birth.Latest()
	v, err := s.Validity(in)
	if err != nil {
		return nil, err
	}
	if !v.Accepted() {
		return nil, noTimeLeft(v)
	}
	return answerOf(v), nil
}

// noTimeLeft names the cap that lies before the issue.
func noTimeLeft(v Validity) error {
	field := "card_last_day"
	if v.Binds == authCap {
		field = "auth_last_day"
	}
	r, _ := Lookup(v.Refused[0])
	return &FieldError{field, r.JA, r.EN}
}

type windowAnswer struct {
	LastDay     civil.Date  `json:"last_day"`
	WindowOpens civil.Date  `json:"window_opens,omitzero"`
	NoticeDue   civil.Date  `json:"notice_due,omitzero"`
	State       WindowState `json:"state,omitempty"`
	Rules       []ID        `json:"rules"`
}

func (s Switches) answerWindow(f fields) (any, error) {
	r := MyNumber
	var last, on civil.Date
	if err := f.into(map[string]any{"regime": &r, "last_day": &last, "on": &on}); err != nil {
		return nil, err
	}
	if r != Juki && r != MyNumber {
		return nil, unknown("regime", "juki, mynumber")
	}
	if last.IsZero() {
		return nil, missing("last_day")
	}
	w := s.Window(r, last)
	out := windowAnswer{LastDay: last, WindowOpens: w.Opens, NoticeDue: w.NoticeDue, Rules: w.Rules}
	if !on.IsZero() {
		out.State = w.On(on)
		rules := renewalRules(r)
		out.Rules = append(out.Rules, map[WindowState]ID{WindowNotYet: rules.before, WindowOpen: rules.in, WindowExpired: rules.after}[out.State])
	}
	out.Rules = once(out.Rules)
	return out, nil
}

type openAnswer struct {
	Open bool `json:"open"`
	sentence
	Regime      Regime    `json:"regime,omitempty"`
	NextOpening time.Time `json:"next_opening,omitzero"`
	Rules       []ID      `json:"rules"`
}

// operations are the operations that the law knows.
var operations = []Operation{OpNew, OpRenew, OpReissue, OpRevoke, OpSuspend, OpUnblock, OpCard, OpHandOver, OpResidentRecord}

// checkOperation finds an operation that the law does not know and an office that can't be used.
func checkOperation(op Operation, office Office) error {
	if !slices.Contains(operations, op) {
		return unknown("operation", fmt.Sprint(operations))
	}
	if err := office.Check(); err != nil {
		return &FieldError{"office", "窓口の記述に誤りがあります。", err.Error()}
	}
	return nil
}

func checkRegime(r Regime) error {
	if r != "" && r != Juki && r != MyNumber {
		return unknown("regime", "juki, mynumber")
	}
	return nil
}

func (s Switches) answerOpen(f fields) (any, error) {
	var r Regime
	var op Operation
	var office Office
	var at instant
	err := f.into(map[string]any{"regime": &r, "office": &office, "operation": &op, "at": &at})
	if err = errors.Join(err, checkOperation(op, office), checkRegime(r)); err != nil {
		return nil, err
	}
	if at.at.IsZero() {
		return nil, missing("at")
	}
	receipt := Receipt{}
	if r == "" {
		r, receipt.Ruling = Governs(op, civil.Of(at.at))
	}
	if receipt.Accepted() {
		receipt = office.Receives(r, op, at.at)
	}
	out := openAnswer{Open: receipt.Accepted(), Regime: r, NextOpening: receipt.Next, Rules: once(receipt.Rules())}
	out.sentence = sentenceOf(out.Rules[0])
	if out.Open { // the last rule applied is the one of the calendar
		out.sentence = sentenceOf(receipt.Applied[len(receipt.Applied)-1])
	}
	return out, nil
}

type missingAnswer struct {
	Document Document `json:"document"`
	sentence
}

type kindAnswer struct {
	Kind Kind `json:"kind"`
	validityAnswer
}

type applyAnswer struct {
	Accepted    bool            `json:"accepted"`
	Regime      Regime          `json:"regime,omitempty"`
	Refused     []sentence      `json:"refused,omitempty"`
	Missing     []missingAnswer `json:"missing,omitempty"`
	SameDay     bool            `json:"same_day"`
	LetterFirst bool            `json:"letter_first,omitempty"`
	Fee         *Fee            `json:"fee,omitempty"`
	Validity    []kindAnswer    `json:"validity,omitempty"`
	Alternative bool            `json:"alternative,omitempty"`
	NextOpening time.Time       `json:"next_opening,omitzero"`
	Rules       []ID            `json:"rules"`
}

func (s Switches) answerApply(f fields) (any, error) {
	var a Application
	var at instant
	err := f.into(map[string]any{
		"regime": &a.Regime, "operation": &a.Operation, "kinds": &a.Kinds, "at": &at, "office": &a.Office,
		"person": &a.Person, "channel": &a.Channel, "shown": &a.Shown, "letter": &a.Letter, "pins_match": &a.PINsMatch,
		"no_card": &a.NoCard, "clerk": &a.Clerk, "granted_by": &a.GrantedBy, "cause": &a.Cause, "card": &a.Card,
		"express": &a.Express, "sign_last_day": &a.SignLastDay, "auth_last_day": &a.AuthLastDay, "card_last_day": &a.CardLastDay,
	})
	if err = errors.Join(err, checkOperation(a.Operation, a.Office), checkRegime(a.Regime)); err != nil {
		return nil, err
	}
	a.At = at.at
	d, err := s.Apply(a)
	if err != nil {
		return nil, err
	}
	return d.answer(), nil
}

// answer puts a decision into the shape that stands on a line.
func (d Decision) answer() applyAnswer {
	out := applyAnswer{
		Accepted: d.Accepted(), Regime: d.Regime, Refused: sentences(d.Refused), SameDay: d.Documents.SameDay,
		LetterFirst: d.Documents.LetterFirst, Alternative: d.Alternative, NextOpening: d.Next, Rules: once(d.Rules()),
	}
	for _, m := range d.Documents.Missing {
		out.Missing = append(out.Missing, missingAnswer{m.Document, sentenceOf(m.Rule)})
	}
	if len(d.Fee.Items) > 0 {
		out.Fee = &d.Fee
	}
	for _, v := range d.Validities {
		out.Validity = append(out.Validity, kindAnswer{v.Kind, answerOf(v.Validity)})
	}
	return out
}
