package regime

import (
	"slices"

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
	DocSealCertificate Document = "seal-certificate"        // 印鑑登録証明書 of the principal
	DocProxyPhotoID    Document = "proxy-photo-id"          // the proxy's photo ID
	DocRepresentation  Document = "proof-of-representation" // family register or register of guardianship
	DocNoticeAnswer    Document = "notice-answer"           // answer form of the expiry notice, with the sealed PINs
	DocHandOverNotice  Document = "handover-notice"         // 交付通知書, the postcard
)

// Known tells whether the law's lists know the document.
func (d Document) Known() bool {
	switch d {
	case DocForm, DocCard, DocPhotoID, DocOtherID, DocInquiryAnswer, DocMandate, DocSealCertificate, DocProxyPhotoID,
		DocRepresentation, DocNoticeAnswer, DocHandOverNotice:
		return true
	}
	return false
}

// Shown is a document as the clerk saw it.
type Shown struct {
	Document Document `json:"document"`
	// AddressCurrent says that a photo ID carries the address of the resident
	// record. A My Number card with the current address is a photo ID itself.
	AddressCurrent bool `json:"address_current,omitempty"`
	// Letter is the number printed on an answer form, to compare with the letter posted.
	Letter string `json:"letter,omitempty"`
	// RegisteredSeal says that a mandate bears the registered seal (実印).
	RegisteredSeal bool `json:"registered_seal,omitempty"`
}

// DocumentsIn is what the list of required documents depends on.
type DocumentsIn struct {
	Regime    Regime
	Operation Operation
	Channel   Channel
	On        civil.Date // day of filing; the lists hold while their regime does
	Shown     []Shown
	// Letter is the number of the letter of inquiry that was posted to the
	// registered address; empty: none was posted yet.
	Letter string
	// Posted is the day on which that letter was posted; zero: not known. An
	// answer brought on that day answers another letter: this way is never
	// finished on one day (seed page; domain.md 1.1, 1.3.2).
	Posted civil.Date
	// PINsMatch says that the PINs inside the sealed envelope of the expiry
	// notice opened the card (domain.md 1.4.8).
	PINsMatch bool
	// NoCard says that the card can't be shown: lost, destroyed, or not made yet.
	NoCard bool
	// OnFile are the papers of this application that the office has since an earlier visit (LeftWithOffice).
	OnFile []Document
	// Returned says that the card is given back for good (返納).
	Returned bool
}

// Requirement is a document that must be shown, and the rule that asks for it.
type Requirement struct {
	Document Document `json:"document"`
	Rule     ID       `json:"rule"`
}

// Documents is the outcome of comparing what is required with what was shown.
type Documents struct {
	Ruling      // refused with one rule for each thing that is missing or unfit
	Required    []Requirement
	Missing     []Requirement // Rule is the reason: missing, or shown but unfit
	LetterFirst bool          // a letter of inquiry must be posted and answered first
	Because     ID            // when LetterFirst: the rule that wants the letter
	// Now is what the first visit lacks although a letter comes first: the letter asks the principal whether they want
	// it, and proves nothing about who asks for them (seed page; domain.md 1.1, 1.3.2: the letter is mailed after the request).
	Now     []ID
	SameDay bool // this way can be finished on the day of the first visit
}

// docRules are the rules that both regimes know under their own source.
type docRules struct {
	form, card, photoID, photoAddress, letterFirst, answer, answerOther, otherID,
	mandate, mandateSeal, sealCertificate, proxyID, notSameDay, representation, onFile, returned ID
}

var documentRules = map[Regime]docRules{
	Juki: {
		jukiDocForm, jukiDocCard, jukiDocPhotoID, jukiDocPhotoAddress, jukiDocLetterFirst, jukiDocAnswer, jukiDocAnswerOther, jukiDocOtherID,
		jukiDocMandate, jukiDocMandateSeal, jukiDocSealCertificate, jukiDocProxyID, jukiDocNotSameDay, jukiDocRepresentation,
		jukiDocOnFile, jukiDocReturned,
	},
	MyNumber: {
		myDocForm, myDocCard, myDocPhotoID, myDocPhotoAddress, myDocLetterFirst, myDocAnswer, myDocAnswerOther, myDocOtherID,
		myDocMandate, myDocMandateSeal, myDocSealCertificate, myDocProxyID, myDocNotSameDay, myDocRepresentation,
		myDocOnFile, myDocReturned,
	},
}

// Documents judges what was shown (domain.md 1.1, 1.3.2, 1.4.8). The list is
// the same for issue, renewal and re-issue; revoking needs no card, a hand-over
// needs the notice instead of form and card, giving the card back needs the card
// alone. A channel that the regime does not know is a *FieldError. A report of loss by telephone and a notification to
// the resident record need nothing from this list.
func (s Switches) Documents(in DocumentsIn) (Documents, error) {
	rules, ok := documentRules[in.Regime]
	if !ok {
		return Documents{}, Unknown("regime", "juki, mynumber")
	}
	if in.Operation == OpSuspend || in.Operation == OpResidentRecord {
		return Documents{SameDay: true}, nil
	}
	list, err := in.required(rules)
	if err != nil {
		return Documents{}, err
	}
	out := Documents{Required: list, SameDay: in.sameDay()}
	for _, req := range list {
		if reason := in.lacks(req, rules); reason != "" {
			out.Missing = append(out.Missing, Requirement{req.Document, reason})
			if slices.Contains(ofProxy, req.Document) {
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
	return out, nil
}

// LeftWithOffice gives, of what was shown when a letter of inquiry is to be posted, the papers that stay with the office
// until its answer is brought: the application itself. Card and proofs of identity go home with whoever brought them, and
// an agent shows each time that they are still the agent.
func LeftWithOffice(shown []Shown) []Document {
	if slices.ContainsFunc(shown, func(s Shown) bool { return s.Document == DocForm }) {
		return []Document{DocForm}
	}
	return nil
}

// ofProxy is what makes somebody the proxy of the principal.
var ofProxy = []Document{DocMandate, DocSealCertificate, DocProxyPhotoID}

// byLetter reports whether the identity check goes through a mailed letter.
func (in DocumentsIn) byLetter() bool {
	return !in.Returned && (in.Channel == ChannelSelfNoPhoto || in.Channel == ChannelProxy)
}

func (in DocumentsIn) sameDay() bool {
	return !in.byLetter() && (in.Channel != ChannelNotice || in.PINsMatch || in.Returned)
}

// required lists what the channel asks for.
func (in DocumentsIn) required(r docRules) ([]Requirement, error) {
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
		return append(list, Requirement{DocMandate, r.mandate}, Requirement{DocSealCertificate, r.sealCertificate},
			Requirement{DocInquiryAnswer, r.answer}, Requirement{DocProxyPhotoID, r.proxyID}), nil
	case ChannelRepresentative:
		return append(list, Requirement{DocRepresentation, r.representation}, Requirement{DocProxyPhotoID, r.proxyID}), nil
	case ChannelNotice:
		if in.Regime == MyNumber {
			return append(list, Requirement{DocNoticeAnswer, myDocNoticeAnswer}, Requirement{DocProxyPhotoID, r.proxyID}), nil
		}
	}
	return nil, Unknown("channel", "self, self-no-photo, proxy, legal-representative; mynumber: notice-letter")
}

// base is what the operation asks for whoever comes.
func (in DocumentsIn) base(r docRules) []Requirement {
	if in.Operation == OpHandOver && in.Regime == MyNumber {
		return []Requirement{{DocHandOverNotice, myDocHandOverNotice}}
	}
	list := []Requirement{{DocForm, r.form}}
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
func (in DocumentsIn) lacks(req Requirement, r docRules) ID {
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
	case req.Document == DocMandate && !doc.RegisteredSeal:
		return r.mandateSeal
	}
	return ""
}

// cardIsPhotoID reports whether a My Number card with the current address stands for the photo ID.
func (in DocumentsIn) cardIsPhotoID() bool {
	card, ok := in.shown(DocCard)
	return ok && card.AddressCurrent && in.Regime == MyNumber
}

// satisfied is the rule that is applied for a requirement that is met.
func (in DocumentsIn) satisfied(req Requirement, r docRules) ID {
	_, ok := in.shown(req.Document)
	switch {
	case ok:
		return req.Rule
	case slices.Contains(in.OnFile, req.Document):
		return r.onFile
	}
	return myDocCardIsID
}

// judgeNotice adds what the way by the expiry notice asks for (domain.md 1.4.8).
func (in DocumentsIn) judgeNotice(out *Documents) {
	if in.Channel != ChannelNotice || in.Returned {
		return
	}
	if in.Operation != OpRenew {
		out.Refuse(myDocNoticeRenewal)
		return
	}
	if _, ok := in.shown(DocNoticeAnswer); ok && !in.PINsMatch {
		out.Refuse(myDocNoticePINs)
		out.LetterFirst, out.Because = true, myDocNoticePINs
	}
}
