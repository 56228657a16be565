package regime

import (
	"fmt"
	"slices"
	"strings"

	"shomei/pkg/civil"
)

// Channel is how an application reaches the counter.
type Channel string

const (
	ChannelSelf           Channel = "self"                 // the person, with photo ID
	ChannelSelfNoPhoto    Channel = "self-no-photo"        // the person, without photo ID: letter of inquiry first
	ChannelProxy          Channel = "proxy"                // an agent by mandate (任意代理人)
	ChannelRepresentative Channel = "legal-representative" // parent or guardian (法定代理人)
	ChannelNotice         Channel = "notice-letter"        // a proxy with the answer form of the expiry notice
	ChannelHousehold      Channel = "household-member"     // a member of the same household who files the move (同一世帯員)
)

// Document is something shown at the counter.
type Document string

const (
	DocForm            Document = "application-form"        // 申請書
	DocCard            Document = "card"                    // the person's juki or My Number card
	DocPhotoID         Document = "photo-id"                // 写真付きの公的な本人確認書類
	DocOtherID         Document = "other-id"                // health-insurance card etc.
	DocInquiryAnswer   Document = "inquiry-answer"          // 照会書兼回答書, filled in
	DocMandate         Document = "mandate"                 // 委任状, hand-written
	DocSealedMandate   Document = "sealed-mandate"          // 委任状 in a closed envelope, with the PIN to be set
	DocSealCertificate Document = "seal-certificate"        // 印鑑登録証明書 of the principal
	DocProxyPhotoID    Document = "proxy-photo-id"          // the proxy's photo ID
	DocRepresentation  Document = "proof-of-representation" // family register or register of guardianship
	DocNoticeAnswer    Document = "notice-answer"           // answer form of the expiry notice, with the sealed PINs
	DocHandOverNotice  Document = "handover-notice"         // 交付通知書, the postcard
)

// Known reports whether the law's lists contain the document.
func (d Document) Known() bool {
	switch d {
	case DocForm, DocCard, DocPhotoID, DocOtherID, DocInquiryAnswer, DocMandate, DocSealedMandate, DocSealCertificate, DocProxyPhotoID,
		DocRepresentation, DocNoticeAnswer, DocHandOverNotice:
		return true
	}
	return false
}

// Shown is a document as the clerk saw it.
type Shown struct {
	Document Document `json:"document"`
	// AddressCurrent: a photo ID carries the address of the resident record. A My Number card with the current address
	// is itself a photo ID; so is a juki card with an address, because such cards have a photo.
	AddressCurrent bool `json:"address_current,omitempty"`
	// Letter is the number printed on an answer form, to compare with the letter posted.
	Letter string `json:"letter,omitempty"`
	// RegisteredSeal: a mandate bears the registered seal (実印).
	RegisteredSeal bool `json:"registered_seal,omitempty"`
}

// ParseShown parses documents as counters write them: the id, and after a colon what the clerk checked on it.
func ParseShown(documents []string) ([]Shown, error) {
	var shown []Shown
	for i, d := range documents {
		name, qualifier, _ := strings.Cut(d, ":")
		s := Shown{Document: Document(name)}
		switch {
		case !s.Document.Known():
			return nil, fmt.Errorf("document %d: unknown to the law", i+1)
		case qualifier == "current-address":
			s.AddressCurrent = true
		case qualifier == "registered-seal":
			s.RegisteredSeal = true
		case s.Document == DocInquiryAnswer:
			s.Letter = qualifier
		case qualifier != "":
			return nil, fmt.Errorf("document %d (%s): the qualifier after the colon is unknown", i+1, name)
		}
		shown = append(shown, s)
	}
	return shown, nil
}

// DocumentsIn is what the list of required documents depends on.
type DocumentsIn struct {
	Regime    Regime
	Operation Operation
	Channel   Channel
	On        civil.Date // day of filing; the lists hold while their regime does
	Shown     []Shown
	// Letter is the number of the letter of inquiry posted to the registered address; empty: none yet.
	Letter string
	// Posted is the day on which that letter was posted; zero: unknown. An answer brought on that day answers another
	// letter: this way never takes a single day (muni:Sammu; law.md 5.1).
	Posted civil.Date
	// Moved: the holder has moved, or changed address, since the letter was posted.
	Moved bool
	// Ended: a certificate that the expiry notice was about has ended.
	Ended bool
	// Overseas: the holder lives overseas on the day.
	Overseas bool
	// WithMove: a move into this office's municipality, or within it, is filed on the same day.
	WithMove bool
	// Kinds are the certificates applied for; only for ChannelHousehold.
	Kinds []Kind
	// PINsMatch: the PINs in the sealed envelope of the expiry notice opened the card (law.md 5.4).
	PINsMatch bool
	// NoCard: the card can't be shown, because it is lost, destroyed, or not made yet.
	NoCard bool
	// OnFile are the papers of this application that the office has kept since an earlier visit (LeftWithOffice).
	OnFile []Document
	// Returned: the card is given back for good (返納).
	Returned bool
}

// Requirement is a document that must be shown, and the rule that asks for it.
type Requirement struct {
	Document Document `json:"document"`
	Rule     ID       `json:"rule"`
}

// Documents is the result of comparing the required documents with those shown.
type Documents struct {
	Ruling      // refused with one rule for each document that is missing or unfit
	Required    []Requirement
	Missing     []Requirement // Rule is the reason: missing, or shown but unfit
	LetterFirst bool          // a letter of inquiry must be posted and answered first
	Because     ID            // if LetterFirst: the rule that requires the letter
	// Now lists what the first visit lacks even if a letter comes first: the letter asks the principal whether they
	// want it, and proves nothing about who applies (muni:Sammu; law.md 5.3: the letter is mailed after the request).
	Now     []ID
	SameDay bool // this way can be finished on the day of the first visit
}

// docRules are the rules that both regimes have, each under its own source.
type docRules struct {
	form, card, cardIsID, photoID, photoAddress, letterFirst, answer, answerOther, answerLapsed, answerMoved, otherID,
	mandate, mandateSeal, sealCertificate, proxyID, notSameDay, representation, onFile, returned ID
}

var documentRules = map[Regime]docRules{
	Juki: {
		jukiDocForm, jukiDocCard, jukiDocCardIsID, jukiDocPhotoID, jukiDocPhotoAddress, jukiDocLetterFirst, jukiDocAnswer,
		jukiDocAnswerOther,
		jukiDocAnswerLapsed, jukiDocAnswerMoved, jukiDocOtherID,
		jukiDocMandate, jukiDocMandateSeal, jukiDocSealCertificate, jukiDocProxyID, jukiDocNotSameDay, jukiDocRepresentation,
		jukiDocOnFile, jukiDocReturned,
	},
	MyNumber: {
		myDocForm, myDocCard, myDocCardIsID, myDocPhotoID, myDocPhotoAddress, myDocLetterFirst, myDocAnswer, myDocAnswerOther,
		myDocAnswerLapsed, myDocAnswerMoved, myDocOtherID,
		myDocMandate, myDocMandateSeal, myDocSealCertificate, myDocProxyID, myDocNotSameDay, myDocRepresentation,
		myDocOnFile, myDocReturned,
	},
}

// Documents judges what was shown (law.md 5). The list is the same for issue, renewal and re-issue; revoking needs no
// card, a hand-over needs the notice in place of form and card, giving the card back needs only the card. A channel
// that the regime does not know is a *FieldError. A report of loss by telephone needs nothing from this list; nor does
// a notification to the resident record, unless a member of the household brings it and the office requires a mandate.
func (s Switches) Documents(in DocumentsIn) (Documents, error) {
	rules, ok := documentRules[in.Regime]
	if !ok {
		return Documents{}, Unknown("regime", "juki, mynumber")
	}
	if in.Operation == OpSuspend || in.Operation == OpResidentRecord && !(in.Channel == ChannelHousehold && s.HouseholdMandate) {
		return Documents{SameDay: true}, nil
	}
	list, err := s.required(in, rules)
	if err != nil {
		return Documents{}, err
	}
	out := Documents{Required: list, SameDay: in.sameDay()}
	for _, req := range list {
		if reason := s.lacks(in, req, rules); reason != "" {
			out.Missing = append(out.Missing, Requirement{req.Document, reason})
			if slices.Contains(ofProxy, req.Document) || req.Document == DocCard && in.Channel == ChannelProxy && in.Regime == MyNumber {
				out.Now = append(out.Now, reason)
			}
			out.Refuse(reason)
		} else {
			out.Apply(in.satisfied(req, rules))
		}
	}
	if in.byLetter() && in.Letter == "" {
		out.LetterFirst, out.Because = true, rules.letterFirst
	}
	if !out.SameDay && in.byLetter() && !slices.Contains(out.Refused, rules.notSameDay) {
		out.Apply(rules.notSameDay)
	}
	if in.Channel == ChannelProxy && in.Regime == Juki && in.Operation != OpRevoke {
		out.Apply(jukiDocSealedPIN)
	}
	in.judgeNotice(&out)
	in.judgeHousehold(&out)
	in.judgeOverseas(&out)
	return out, nil
}

// WrongLetter reports whether a rule refuses an answer form because of its number.
func WrongLetter(id ID) bool { return id == jukiDocAnswerOther || id == myDocAnswerOther }

// LeftWithOffice returns those of the documents shown that stay with the office until a letter of inquiry is answered:
// the application itself. Card and proofs of identity go home with whoever brought them, and an agent proves each time
// that they are still the agent.
func LeftWithOffice(shown []Shown) []Document {
	if slices.ContainsFunc(shown, func(s Shown) bool { return s.Document == DocForm }) {
		return []Document{DocForm}
	}
	return nil
}

// ofProxy lists what makes somebody the principal's proxy.
var ofProxy = []Document{DocMandate, DocSealCertificate, DocProxyPhotoID}

// byLetter reports whether the identity check goes through a mailed letter.
func (in DocumentsIn) byLetter() bool {
	return !in.Returned && (in.Channel == ChannelSelfNoPhoto || in.Channel == ChannelProxy)
}

func (in DocumentsIn) sameDay() bool {
	return !in.byLetter() && (in.Channel != ChannelNotice || in.PINsMatch || in.Returned)
}

// sealed reports whether a mandate must bear the registered seal, with its certificate.
func (s Switches) sealed(r Regime) bool { return r == Juki || s.ProxyNeedsSeal }

// ofAgent lists what an agent by mandate brings. If no seal is required, the letter's answer carries the mandate, and a
// separate mandate is for the first visit (law.md 5.2).
func (s Switches) ofAgent(in DocumentsIn, r docRules) []Requirement {
	answer, id := Requirement{DocInquiryAnswer, r.answer}, Requirement{DocProxyPhotoID, r.proxyID}
	switch {
	case s.sealed(in.Regime):
		return []Requirement{{DocMandate, r.mandate}, {DocSealCertificate, r.sealCertificate}, answer, id}
	case in.Letter == "":
		return []Requirement{{DocMandate, r.mandate}, answer, id}
	}
	return []Requirement{answer, id}
}

// required lists what the channel requires.
func (s Switches) required(in DocumentsIn, r docRules) ([]Requirement, error) {
	if in.Operation == OpResidentRecord {
		return []Requirement{{DocMandate, myDocHouseholdMandate}}, nil
	}
	if in.Returned {
		return []Requirement{{DocCard, r.returned}}, nil
	}
	list := in.base(r)
	switch in.Channel {
	case ChannelSelf:
		return append(list, Requirement{DocPhotoID, r.photoID}), nil
	case ChannelSelfNoPhoto:
		return append(list, Requirement{DocInquiryAnswer, r.answer}, Requirement{DocOtherID, r.otherID}), nil
	case ChannelProxy:
		return append(list, s.ofAgent(in, r)...), nil
	case ChannelRepresentative:
		return append(list, Requirement{DocRepresentation, r.representation}, Requirement{DocProxyPhotoID, r.proxyID}), nil
	case ChannelNotice:
		if in.Regime == MyNumber {
			return append(list, Requirement{DocNoticeAnswer, myDocNoticeAnswer}, Requirement{DocProxyPhotoID, r.proxyID}), nil
		}
	case ChannelHousehold:
		if in.Regime == MyNumber {
			return append(list, Requirement{DocSealedMandate, myDocSealedMandate}, Requirement{DocProxyPhotoID, r.proxyID}), nil
		}
	}
	return nil, Unknown("channel", "self, self-no-photo, proxy, legal-representative; mynumber: notice-letter, household-member")
}

// base lists what the operation requires, whoever comes.
func (in DocumentsIn) base(r docRules) []Requirement {
	if in.Operation == OpHandOver && in.Regime == MyNumber {
		return []Requirement{{DocHandOverNotice, myDocHandOverNotice}}
	}
	var list []Requirement
	if in.Channel != ChannelNotice { // its answer form is the application (law.md 5.2)
		list = append(list, Requirement{DocForm, r.form})
	}
	if in.Operation != OpRevoke && in.Operation != OpCard && !in.NoCard {
		list = append(list, Requirement{DocCard, r.card})
	}
	return list
}

// shown finds a document among those shown.
func (in DocumentsIn) shown(d Document) (Shown, bool) {
	for _, s := range in.Shown {
		if s.Document == d {
			return s, true
		}
	}
	return Shown{}, false
}

// lacks returns why a requirement is not met, or "".
func (s Switches) lacks(in DocumentsIn, req Requirement, r docRules) ID {
	doc, ok := in.shown(req.Document)
	switch {
	case req.Document == DocPhotoID && in.cardIsPhotoID():
		return ""
	case req.Document == DocInquiryAnswer && in.Letter == "":
		return r.letterFirst
	case !ok && slices.Contains(in.OnFile, req.Document):
		return ""
	case !ok:
		return req.Rule
	case req.Document == DocPhotoID && !doc.AddressCurrent:
		return r.photoAddress
	case req.Document == DocInquiryAnswer && doc.Letter != in.Letter:
		return r.answerOther
	case req.Document == DocInquiryAnswer && !in.Posted.IsZero() && !in.On.After(in.Posted):
		return r.notSameDay
	case req.Document == DocInquiryAnswer:
		return s.outdated(in, r)
	case req.Document == DocMandate && s.sealed(in.Regime) && !doc.RegisteredSeal:
		return r.mandateSeal
	}
	return ""
}

// outdated returns why the answer to the right letter is no longer valid, or "" (law.md 5.3).
func (s Switches) outdated(in DocumentsIn, r docRules) ID {
	switch {
	case in.Moved:
		return r.answerMoved
	case s.LetterDays > 0 && !in.Posted.IsZero() && in.On.After(in.Posted.AddDays(s.LetterDays)):
		return r.answerLapsed
	}
	return ""
}

// cardIsPhotoID reports whether the card, with the current address, counts as the photo ID.
func (in DocumentsIn) cardIsPhotoID() bool {
	card, ok := in.shown(DocCard)
	return ok && card.AddressCurrent
}

// satisfied returns the rule applied to a requirement that is met.
func (in DocumentsIn) satisfied(req Requirement, r docRules) ID {
	_, ok := in.shown(req.Document)
	switch {
	case ok:
		return req.Rule
	case slices.Contains(in.OnFile, req.Document):
		return r.onFile
	}
	return r.cardIsID
}

// judgeNotice adds the requirements of an application by expiry notice (law.md 5.4).
func (in DocumentsIn) judgeNotice(out *Documents) {
	if in.Channel != ChannelNotice || in.Returned {
		return
	}
	if in.Operation != OpRenew || in.Ended {
		out.Refuse(myDocNoticeRenewal)
		return
	}
	if _, ok := in.shown(DocNoticeAnswer); ok && !in.PINsMatch {
		out.Refuse(myDocNoticePINs)
		out.LetterFirst, out.Because = true, myDocNoticePINs
	}
}

// judgeHousehold adds the requirements of an application by a member of the household: only the signature certificate,
// and only on the day on which they file the move (law.md 5.5).
func (in DocumentsIn) judgeHousehold(out *Documents) {
	if in.Channel != ChannelHousehold || in.Operation == OpResidentRecord || in.Returned {
		return
	}
	onlySign := !slices.Contains(in.Kinds, Auth) && len(in.Kinds) > 0
	if issues := in.Operation == OpNew || in.Operation == OpRenew; issues && onlySign && in.WithMove {
		out.Apply(myDocHousehold)
	} else {
		out.Refuse(myDocHousehold)
	}
}

// judgeOverseas refuses what is useless overseas: an agent, and a letter to a registered address (law.md 2.5). What
// ends a certificate is never refused.
func (in DocumentsIn) judgeOverseas(out *Documents) {
	if !in.Overseas || in.Operation == OpRevoke || in.Regime == Juki {
		return
	}
	switch in.Channel {
	case ChannelProxy, ChannelNotice, ChannelHousehold:
		out.Refuse(myDocOverseasAlone)
	case ChannelSelfNoPhoto:
		out.Refuse(myDocOverseasNoLetter)
	default:
		return
	}
	out.LetterFirst, out.Because = false, ""
}
