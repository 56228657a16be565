// Package actpage says what an act of an officer is, on the pages of those who decide on it: the same at the counter and at the console.
package actpage

import (
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/regime"
)

// Row is something about an act, with its label.
type Row struct{ Label, Text string }

// Reader makes texts in one reader's language, with the phrases of Words.
type Reader struct {
	Lang page.Language
	Say  func(key string, args ...any) string
}

// Kinds are the words of certificates' kinds.
var Kinds = map[string]events.CertificateKind{
	"sign": events.CertificateKind_CERTIFICATE_KIND_SIGN, "auth": events.CertificateKind_CERTIFICATE_KIND_AUTH,
}

// Qualifiers are what must be checked on a document.
var Qualifiers = map[regime.Document]string{
	regime.DocCard:    "current-address", // a My Number card is itself a photo ID
	regime.DocPhotoID: "current-address", regime.DocProxyPhotoID: "current-address", regime.DocMandate: "registered-seal",
}

// Asked says of an act that waits who has asked for what, as everybody who lists it knows.
func (r Reader) Asked(open *events.OpenApproval) []Row {
	return []Row{
		{r.Say("approvals.act"), r.Say("act." + open.GetAct())},
		{r.Say("procedure.receipt"), events.CaseNumber(open.GetProcedure())},
		{r.Say("approvals.by"), open.GetOfficer()},
		{r.Say("approvals.counter"), open.GetCounter()},
	}
}

// Facts says what was claimed in an act, but for whom it is about. Personal is the claim's sealed part, as far as it is known.
func (r Reader) Facts(claim *events.Claim, personal *events.Personal) []Row {
	var rows []Row
	if a := claim.GetApplicationReceived(); a != nil {
		var kinds []string
		for _, k := range a.GetKinds() {
			for word, kind := range Kinds {
				if kind == k {
					kinds = append(kinds, r.Say("kind."+word))
				}
			}
		}
		rows = []Row{
			{r.Say("procedure.operation"), r.Say("operation." + regime.HandlingOf(a.GetOperation()).Word)},
			{r.Say("approvals.kinds"), strings.Join(kinds, " ")},
			{r.Say("apply.card"), a.GetCard()},
			{r.Say("approvals.documents"), r.documents(a.GetDocuments())},
		}
	} else if claim != nil {
		rows = []Row{{r.Say("procedure.operation"), r.Say("report." + WordOf(claim))}, {r.Say("officers.code"), claim.GetInvitationMade().GetOfficer()}}
	}
	return filled(append(rows, r.joining(claim, personal)...))
}

// joining says which of two histories goes on, which ends, and why.
func (r Reader) joining(claim *events.Claim, personal *events.Personal) []Row {
	joined := claim.GetHistoriesJoined()
	if joined == nil {
		return nil
	}
	var seen []string
	for _, word := range joined.GetEvidence() {
		seen = append(seen, r.Say("join.evidence."+word))
	}
	return []Row{
		{r.Say("join.goes-on"), claim.GetSubscriber()},
		{r.Say("join.is-over"), joined.GetAbsorbed()},
		{r.Say("join.evidence"), strings.Join(seen, r.Say("officers.and"))},
		{r.Say("join.why"), personal.GetWhy()},
	}
}

// documents names documents as a claim has them: each with what was checked on it, or its number, behind a colon.
func (r Reader) documents(documents []string) string {
	var names []string
	for _, text := range documents {
		name, checked, _ := strings.Cut(text, ":")
		shown := r.Say("document." + name)
		if Qualifiers[regime.Document(name)] == checked && checked != "" {
			shown += r.Say("approvals.checked", r.Say("qualifier."+checked))
		}
		names = append(names, shown)
	}
	return strings.Join(names, r.Say("officers.and"))
}

// Person says whom an act is about.
func (r Reader) Person(record *events.ResidentRecord) []Row {
	return filled([]Row{
		{r.Say("person.code"), record.GetResidentCode()},
		{r.Say("report.corrected"), record.GetCorrectedCode()},
		{r.Say("person.name"), record.GetName()},
		{r.Say("person.birth"), Day(r.Lang, record.GetBirthDate())},
		{r.Say("person.address"), record.GetAddress()},
	})
}

func filled(rows []Row) []Row {
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Text == "" })
}

// Day writes a day of the contract; in Japanese, with its year of the era.
func Day(lang page.Language, text string) string {
	date, err := civil.Parse(text)
	if err != nil || date.IsZero() || lang == page.English {
		return text
	}
	return text + " (" + date.Wareki() + ")"
}

// LastMinute is the last minute in which an act can be approved.
func LastMinute(lapses time.Time) time.Time { return lapses.Add(-time.Minute) }

// WordOf returns the word for what was claimed, unless it is an application.
func WordOf(claim *events.Claim) string {
	switch fact := claim.GetFact().(type) {
	case *events.Claim_LossNotified:
		return "loss"
	case *events.Claim_CardFoundNotified:
		return "found"
	case *events.Claim_CustodyTaken:
		return "custody"
	case *events.Claim_HistoriesJoined:
		return "joining"
	case *events.Claim_PinsBlocked:
		return "pins-blocked"
	case *events.Claim_OfficerProposed, *events.Claim_OfficerLeft, *events.Claim_InvitationMade, *events.Claim_PasskeyOffered,
		*events.Claim_PasskeyGivenUp:
		return "officers"
	case *events.Claim_SignaturesWanted, *events.Claim_FourEyesWanted, *events.Claim_PasswordsWanted:
		return "demands"
	case *events.Claim_RecordChangeNotified:
		for _, c := range intake.Changes {
			if c.Kind == fact.RecordChangeNotified.GetChange() {
				return c.Word
			}
		}
	}
	return "other"
}
