package player

import (
	"cmp"
	"encoding/hex"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
)

// request is an application in the counter's HTTP API.
type request struct {
	Procedure            string   `json:"procedure,omitempty"`
	Operation            string   `json:"operation"`
	Channel              string   `json:"channel"`
	Kinds                []string `json:"kinds,omitempty"`
	Documents            []string `json:"documents,omitempty"`
	Card                 string   `json:"card,omitempty"`
	CardKind             string   `json:"card_kind,omitempty"`
	Clerk                string   `json:"clerk"`
	SecondOfficer        string   `json:"second_officer,omitempty"`
	SpecialCircumstances string   `json:"special_circumstances,omitempty"`
	Express              bool     `json:"express,omitempty"`
	Cause                string   `json:"cause,omitempty"`
	PINs                 []string `json:"pins,omitempty"`
	NoticeAnswer         bool     `json:"notice_answer,omitempty"`
	PINsMatch            bool     `json:"pins_match,omitempty"`
	TakenBack            string   `json:"taken_back,omitempty"`
	ReceivedAt           string   `json:"received_at,omitempty"`
	AppliedOn            string   `json:"applied_on,omitempty"`
	Person               person   `json:"person"`
	Contact              contact  `json:"contact"`
}

type person struct {
	ResidentCode string `json:"resident_code"`
	Name         string `json:"name"`
	Kana         string `json:"kana,omitempty"`
	Alias        string `json:"alias,omitempty"`
	BirthDate    string `json:"birth_date"`
	Sex          uint32 `json:"sex"`
	Address      string `json:"address"`
	Registered   bool   `json:"registered"`
	Municipality string `json:"municipality"`
	AdultWard    bool   `json:"adult_ward,omitempty"`
	Foreign      bool   `json:"foreign,omitempty"`
	PeriodOfStay string `json:"period_of_stay,omitempty"`
	Overseas     bool   `json:"overseas,omitempty"`
	OverseasOn   string `json:"overseas_on,omitempty"`
	StayPending  bool   `json:"stay_pending,omitempty"`
}

type contact struct {
	Mail     string `json:"mail,omitempty"`
	Language string `json:"language,omitempty"`
}

// newRequest returns the request for an application, as the clerk's page would send it.
func newRequest(a *story.Application, presented, letter string) request {
	r := a.Person
	out := request{
		Operation: story.Word(a.Operation), Channel: story.Word(a.Channel), Card: presented, CardKind: story.Word(a.CardKind), Clerk: cmp.Or(officerCode(a.Clerk), anybody),
		SecondOfficer: officerCode(a.SecondOfficer), SpecialCircumstances: a.SpecialCircumstances, Express: a.Express, Cause: a.Cause,
		NoticeAnswer: a.NoticeAnswer, PINsMatch: a.PINsMatch, TakenBack: a.TakenBack, ReceivedAt: a.ReceivedAt, AppliedOn: a.AppliedOn,
		Person: person{
			ResidentCode: r.Code, Name: r.Name, Kana: r.Kana, Alias: r.Alias, BirthDate: r.BirthDate, Sex: r.Sex, Address: r.Address,
			Registered: r.Registered, Municipality: r.Municipality, AdultWard: r.AdultWard, Foreign: r.Foreign,
			PeriodOfStay: r.PeriodOfStay, Overseas: r.OverseasOn != "", OverseasOn: r.OverseasOn, StayPending: r.StayPending,
		},
	}
	if r.Mail != "" {
		out.Contact = contact{r.Mail, r.Language}
	}
	for _, kind := range a.Kinds {
		out.Kinds = append(out.Kinds, story.Word(kind))
	}
	for _, pin := range a.Pins {
		out.PINs = append(out.PINs, story.Word(pin))
	}
	for _, d := range a.Documents {
		if d == "inquiry-answer" && letter != "" {
			d += ":" + letter
		}
		out.Documents = append(out.Documents, d)
	}
	return out
}

// officerCode returns the code of an officer whom a story calls by a name, derived from that name. A code and the empty name
// are returned unchanged.
func officerCode(called string) string {
	if _, err := events.ParseOfficer(called); err == nil || called == "" {
		return called
	}
	return "s0-" + hex.EncodeToString(events.Hash([]byte(called))[:4])
}
