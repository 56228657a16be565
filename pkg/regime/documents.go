package regime

import "shomei/pkg/civil"

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

// Shown is a document as the clerk saw it.
type Shown struct {
	Document Document `json:"document"`
	// AddressCurrent says that a photo ID carries the address of the resident record.
	AddressCurrent bool `json:"address_current,omitempty"`
	// Letter is the number printed on an answer form, to compare with the letter posted.
	Letter string `json:"letter,omitempty"`
	// SealedByRegisteredSeal says that a mandate bears the registered seal (実印).
	SealedByRegisteredSeal bool `json:"registered_seal,omitempty"`
}

// DocumentsIn is what the list of required documents depends on.
type DocumentsIn struct {
	Regime    Regime
	Operation Operation
	Channel   Channel
	On        civil.Date
	Shown     []Shown
	// Letter is the number of the letter of inquiry that was posted to the
	// registered address; empty: none was posted yet.
	Letter string
	// PINsMatch says that the PINs inside the sealed envelope of the expiry
	// notice opened the card (domain.md 1.4.8).
	PINsMatch bool
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
	Missing     []Requirement
	LetterFirst bool // a letter of inquiry must be posted and answered first
	SameDay     bool // this channel can be finished on the day of the first visit
}

// Documents judges what was shown (domain.md 1.1, 1.3.2, 1.4.8). An unknown
// channel is a *FieldError.
func (s Switches) Documents(in DocumentsIn) (Documents, error) { return Documents{}, nil }
