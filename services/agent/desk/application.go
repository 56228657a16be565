package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// request is an application as the API and the page take it: fromForm reads the form by the same names.
type request struct {
	Procedure string   `json:"procedure"`
	Operation string   `json:"operation"`
	Channel   string   `json:"channel"`
	Kinds     []string `json:"kinds"`
	Documents []string `json:"documents"`
	// Card is the card concerned, if not the one on the reader. NoCard: there is none, whatever the reader says.
	Card                 string   `json:"card"`
	NoCard               bool     `json:"no_card"`
	CardKind             string   `json:"card_kind"`
	Clerk                string   `json:"clerk"`
	SecondOfficer        string   `json:"second_officer"`
	SpecialCircumstances string   `json:"special_circumstances"`
	Express              bool     `json:"express"`
	Cause                string   `json:"cause"`
	PINs                 []string `json:"pins"`
	NoticeAnswer         bool     `json:"notice_answer"`
	PINsMatch            bool     `json:"pins_match"`
	TakenBack            string   `json:"taken_back"`
	// AppliedOn is the day on which a factory's card was applied for.
	AppliedOn string `json:"applied_on"`
	// ReceivedAt is when the paper was received, HH:MM of today, if the clerk enters it later; empty: now.
	ReceivedAt string  `json:"received_at"`
	Person     person  `json:"person"`
	Contact    contact `json:"contact"`
}

// person is the resident record as the clerk's terminal shows it.
type person struct {
	ResidentCode string `json:"resident_code"`
	Name         string `json:"name"`
	Kana         string `json:"kana"`
	Alias        string `json:"alias"`
	BirthDate    string `json:"birth_date"`
	Sex          sex    `json:"sex"`
	Address      string `json:"address"`
	Registered   bool   `json:"registered"`
	Municipality string `json:"municipality"`
	AdultWard    bool   `json:"adult_ward"`
	Foreign      bool   `json:"foreign"`
	PeriodOfStay string `json:"period_of_stay"`
	Overseas     bool   `json:"overseas"`
	OverseasOn   string `json:"overseas_on"`
	StayPending  bool   `json:"stay_pending"`
}

type contact struct {
	Mail          string `json:"mail"`
	PostalCode    string `json:"postal_code"`
	PostalAddress string `json:"postal_address"`
	Language      string `json:"language"`
}

// sex is 1 male, 2 female, 3 unknown (profile.md 3); in JSON the number or a word.
type sex uint32

var sexes = map[string]sex{"": 0, "1": 1, "2": 2, "3": 3, "male": 1, "female": 2, "unknown": 3, "男": 1, "女": 2, "不明": 3}

// UnmarshalJSON reads a number or a word.
func (s *sex) UnmarshalJSON(text []byte) error {
	value, ok := sexes[string(bytes.Trim(text, `"`))]
	if !ok {
		return badRequest("sex is 1 (male), 2 (female) or 3 (unknown)")
	}
	*s = value
	return nil
}

var (
	operations = operationWords()
	channels   = map[string]events.Channel{
		"self": events.Channel_CHANNEL_SELF, "proxy": events.Channel_CHANNEL_PROXY,
		"legal-representative": events.Channel_CHANNEL_LEGAL_REPRESENTATIVE, "household": events.Channel_CHANNEL_HOUSEHOLD,
	}
	kinds     = actpage.Kinds
	pinKinds  = map[string]events.PinKind{"sign": events.PinKind_PIN_KIND_SIGN, "auth": events.PinKind_PIN_KIND_AUTH}
	cardKinds = map[string]events.CardKind{
		"": events.CardKind_CARD_KIND_UNSPECIFIED, "juki": events.CardKind_CARD_KIND_JUKI, "mynumber": events.CardKind_CARD_KIND_MYNUMBER,
	}
)

// operationWords maps the API's words to operations.
func operationWords() map[string]events.Operation {
	words := make(map[string]events.Operation)
	for _, h := range regime.Handlings() {
		words[h.Word] = h.Operation
	}
	return words
}

// nameOf returns the API's word for a value.
func nameOf[V comparable](words map[string]V, value V) string {
	for word, v := range words {
		if v == value {
			return word
		}
	}
	return ""
}

// decode reads JSON strictly: a misspelt field is an error, not ignored. Errors name fields, never values, and no copy
// of the body is made that could not be wiped.
func decode(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		if err != nil {
			return badRequest("not the JSON that is asked for")
		}
		return nil
	}
	field := strings.ReplaceAll(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/", ".")
	switch known := (*Problem)(nil); {
	case errors.As(wrong.Err, &known):
		return known
	case errors.Is(wrong.Err, json.ErrUnknownName):
		return badRequest(fmt.Sprintf("unknown field %q", wrong.JSONPointer.LastToken()))
	}
	return badRequest(fmt.Sprintf("%s must be %s", field, wrong.GoType))
}

// wordIn looks up a word of the API; its fault lists the known words.
func wordIn[V any](words map[string]V, field, word string) (V, []intake.Fault) {
	value, ok := words[word]
	if ok {
		return value, nil
	}
	possible := slices.Sorted(maps.Keys(words))
	return value, []intake.Fault{{Field: field, Why: intake.Unknown, Possible: slices.DeleteFunc(possible, func(w string) bool { return w == "" })}}
}

func wordsIn[V any](words map[string]V, field string, list []string) (values []V, faults []intake.Fault) {
	for _, word := range list {
		value, wrong := wordIn(words, field, word)
		values, faults = append(values, value), append(faults, wrong...)
	}
	return values, faults
}

// application returns what to file for a request, with the card on the reader if it names none. The error is a
// *readerError if the reader could not tell its card.
func (d *Desk) application(c call, r request) (agent.Application, error) {
	application, faults := d.judged(r, c.signs() || d.softly(r.Clerk))
	if err := faultProblem(faults); err != nil {
		return agent.Application{}, err
	}
	return application, d.fillCard(c.Context(), r, application.Received)
}

// fillCard names the card on the reader if a request needs one and names none. The error is a *readerError.
func (d *Desk) fillCard(ctx context.Context, r request, received *events.ApplicationReceived) error {
	if received.Card != "" || r.NoCard || !regime.HandlingOf(received.Operation).OnReader {
		return nil
	}
	if err := d.presented(ctx, received); err != nil {
		return &readerError{err}
	}
	return nil
}

// judged returns what to file for a request, and everything that is wrong with it. A request about a person must give
// all of the person's data; one that names a card needs none, because the centre knows whose card it is. Where the clerk signs,
// another officer is asked for special circumstances later, and no number of theirs is taken.
func (d *Desk) judged(r request, signs bool) (agent.Application, []intake.Fault) {
	now := d.Counter.Now()
	faults := intake.Officer("clerk", r.Clerk)
	if signs {
		r.SecondOfficer = ""
	} else if r.SecondOfficer != "" {
		faults = append(faults, intake.Officer("second_officer", r.SecondOfficer)...)
	} else if r.SpecialCircumstances != "" {
		faults = append(faults, intake.Fault{Field: "second_officer", Why: intake.NoSecond})
	}
	filed, untimely := receivedAt(r.ReceivedAt, now)
	received, unread := r.received()
	personal := r.personal()
	intake.Tidy(personal)
	faults = slices.Concat(faults, untimely, unread)
	if r.Person != (person{}) || r.Card == "" {
		faults = append(faults, intake.Whole(personal.GetRecord())...)
	}
	on := civil.Of(now)
	return agent.Application{
		Procedure: r.Procedure, Officer: r.Clerk, SecondOfficer: r.SecondOfficer, Received: received, Personal: personal, Filed: filed,
	}, slices.Concat(faults, intake.Personal(personal, on), intake.Application(received, on))
}

// receivedAt returns the time of receipt that a clerk entered, HH:MM of the day; zero for an empty text.
func receivedAt(text string, now time.Time) (time.Time, []intake.Fault) {
	if text == "" {
		return time.Time{}, nil
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, []intake.Fault{{Field: "received_at", Why: intake.NoTime}}
	}
	at := civil.Of(now).StartInstant().Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
	if at.After(now) {
		return time.Time{}, []intake.Fault{{Field: "received_at", Why: intake.NotReceived}}
	}
	return at, nil
}

func (r request) received() (*events.ApplicationReceived, []intake.Fault) {
	operation, noOperation := wordIn(operations, "operation", r.Operation)
	channel, noChannel := wordIn(channels, "channel", r.Channel)
	certificates, noKind := wordsIn(kinds, "kinds", r.Kinds)
	pins, noPIN := wordsIn(pinKinds, "pins", r.PINs)
	cardKind, noCard := wordIn(cardKinds, "card_kind", r.CardKind)
	faults := slices.Concat(noOperation, noChannel, noKind, noPIN, noCard)
	if slices.Contains(r.Documents, inquiryAnswer) {
		faults = append(faults, intake.Fault{Field: "documents", Why: intake.NoLetter})
	}
	return &events.ApplicationReceived{
		Operation: operation, Channel: channel, Kinds: certificates, Documents: r.Documents, Card: r.Card, CardKind: cardKind,
		Express: r.Express, Cause: r.Cause, Pins: pins, Letter: letterOf(r.Documents),
		NoticeAnswer: r.NoticeAnswer, TakenBack: r.TakenBack, PinsMatch: r.PINsMatch, AppliedOn: intake.Day(r.AppliedOn),
		Special: r.SpecialCircumstances != "",
	}, faults
}

func (r request) personal() *events.Personal {
	p, c := r.Person, r.Contact
	personal := &events.Personal{Record: &events.ResidentRecord{
		ResidentCode: p.ResidentCode, Name: p.Name, Kana: p.Kana, Alias: p.Alias, BirthDate: p.BirthDate, Sex: uint32(p.Sex), Address: p.Address,
		Registered: p.Registered, Municipality: p.Municipality, AdultWard: p.AdultWard, Foreign: p.Foreign,
		PeriodOfStay: p.PeriodOfStay, Overseas: p.Overseas || p.OverseasOn != "", OverseasOn: p.OverseasOn, StayPending: p.StayPending,
	}}
	personal.SpecialCircumstances = r.SpecialCircumstances
	if c != (contact{}) {
		personal.Contact = &events.Contact{Mail: c.Mail, PostalCode: c.PostalCode, PostalAddress: c.PostalAddress, Language: c.Language}
	}
	return personal
}

// inquiryAnswer is the prefix of the document that answers a letter of inquiry; the letter's number follows.
const inquiryAnswer = string(regime.DocInquiryAnswer) + ":"

// letterOf returns the number of the letter of inquiry among the documents.
func letterOf(documents []string) string {
	for _, document := range documents {
		if letter, ok := strings.CutPrefix(document, inquiryAnswer); ok {
			return letter
		}
	}
	return ""
}

// readerError is why the card on the reader is unknown. The clerk, who sees what lies there, may name it instead.
type readerError struct{ err error }

func (e *readerError) Error() string { return "asking the reader for its card: " + e.err.Error() }
func (e *readerError) Unwrap() error { return e.err }

// presented fills in the card on the reader. An empty reader is no error: the hub knows the card that is held. It asks
// the reader, not the desk's watch, which may not have noticed the card yet: a present but unnamed card would be
// refused as missing.
func (d *Desk) presented(ctx context.Context, received *events.ApplicationReceived) error {
	identity, err := d.onReader(ctx)
	if errors.Is(err, errAtReader) { // somebody else's card may be on it
		err = nil
	}
	if err != nil {
		return err
	}
	received.Card = identity.CardID
	if received.CardKind == events.CardKind_CARD_KIND_UNSPECIFIED {
		received.CardKind = cardKinds[identity.Kind.String()]
	}
	return nil
}
