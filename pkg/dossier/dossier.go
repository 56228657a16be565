// Package dossier seals and opens the sealed parts of one aggregate's history: a subscriber's resident record, contact,
// to-be-signed bytes and certificates; what people wrote in their own words; and quarantined claims. [events.SealedOf]
// knows which field of which event holds it.
package dossier

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// ErrNotFound: the history holds nothing of the kind.
var ErrNotFound = errors.New("not in the history")

// Keys seals and opens with the keys of persons: the vault itself, or a client of the service that has it. Renew is
// Vault.Renew.
type Keys interface {
	Seal(person, class string, binding vault.Binding, plaintext []byte) (*events.Sealed, error)
	Open(person string, binding vault.Binding, s *events.Sealed) ([]byte, error)
	Renew(person, class string) error
}

// lost lists the errors by which something sealed stays closed however often it is tried.
var lost = []error{ErrNotFound, vault.ErrErased, vault.ErrBinding, vault.ErrNoKey, vault.ErrMissing}

// Lost reports whether an error of a Dossier means that what is sealed is not there or can't be opened by trying again. It
// is false while the vault can't be asked.
func Lost(err error) bool {
	return slices.ContainsFunc(lost, func(target error) bool { return errors.Is(err, target) })
}

// Sealer seals for one commit that is about to be made.
type Sealer struct {
	Vault Keys
	// Subscriber is the id of the aggregate; for Remark and Claim it may be of any kind.
	Subscriber string
	Revision   uint64
}

func (s Sealer) seal(class, field string, plaintext []byte) (*events.Sealed, error) {
	binding := vault.Binding{ID: s.Subscriber, Revision: s.Revision, Field: field}
	return s.Vault.Seal(s.Subscriber, class, binding, plaintext)
}

func (s Sealer) sealMessage(class, field string, m proto.Message) (*events.Sealed, error) {
	plaintext, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", field, err)
	}
	return s.seal(class, field, plaintext)
}

const (
	identityField = "identity"
	contactField  = "contact"
	textField     = "text"
	remarkField   = "remark"
	claimField    = "claim"
)

func tbsField(serial uint64) string         { return fmt.Sprintf("tbs/%d", serial) }
func certificateField(serial uint64) string { return fmt.Sprintf("certificate/%d", serial) }

// Identity seals a resident record, without the resident-record code, which is never stored.
func (s Sealer) Identity(r *events.ResidentRecord) (*events.Sealed, error) {
	kept := proto.Clone(r).(*events.ResidentRecord)
	kept.ResidentCode = ""
	return s.sealMessage(vault.Identity, identityField, kept)
}

// Contact seals where the person wants to be reached.
func (s Sealer) Contact(c *events.Contact) (*events.Sealed, error) {
	return s.sealMessage(vault.Contact, contactField, c)
}

// TBS seals the to-be-signed bytes of the certificate with this serial.
func (s Sealer) TBS(serial uint64, tbs []byte) (*events.Sealed, error) {
	return s.seal(vault.Certificate, tbsField(serial), tbs)
}

// Certificate seals a certificate's DER.
func (s Sealer) Certificate(serial uint64, der []byte) (*events.Sealed, error) {
	return s.seal(vault.Certificate, certificateField(serial), der)
}

// Text seals what officers wrote about a person's procedure, with the person's resident record. A commit has at most
// one.
func (s Sealer) Text(text string) (*events.Sealed, error) {
	return s.seal(vault.Identity, textField, []byte(text))
}

// Remark seals what an officer wrote about their own order. No order of erasure reaches it.
func (s Sealer) Remark(text string) (*events.Sealed, error) {
	return s.seal(vault.Operations, remarkField, []byte(text))
}

// Claim seals a quarantined claim, as it came.
func (s Sealer) Claim(signed []byte) (*events.Sealed, error) {
	return s.seal(vault.Operations, claimField, signed)
}

// written returns the sealed text of an event that people wrote in their own words, and its field.
func written(body events.Body) (sealed *events.Sealed, field string) {
	switch body.(type) {
	case *events.SpecialCircumstancesGranted, *events.ApplicationWithdrawn, *events.SubscriberTakenIn:
		return events.SealedOf(body), textField
	case *events.ErasureOrdered, *events.CounterHeadAdopted, *events.FoundCertificateRevoked, *events.QuarantineResolved,
		*events.RecordOpened, *events.DisclosureAsked, *events.OfficerEnrolled, *events.OrderAsked, *events.OrderRefused, *events.ApprovalRefused:
		return events.SealedOf(body), remarkField
	}
	return nil, ""
}

// Dossier opens the sealed parts of one aggregate's history.
type Dossier struct {
	vault      Keys
	subscriber string
	history    []eventlog.Record
}

// Of returns the dossier of a subscriber, or of another aggregate by its id, from the verified history.
func Of(v Keys, subscriber string, history []eventlog.Record) Dossier {
	return Dossier{v, subscriber, history}
}

// Classes lists the record classes of everything that the history seals, in order.
func (d Dossier) Classes() (classes []string) {
	for _, r := range d.history {
		for _, e := range r.Commit.GetEvents() {
			if sealed := events.SealedOf(events.BodyOf(e)); sealed != nil {
				classes = append(classes, sealed.GetRecordClass())
			}
		}
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}

// last calls found on the events from the newest back until it returns true; sealed is what it found.
func (d Dossier) last(found func(events.Body) *events.Sealed) (sealed *events.Sealed, revision uint64) {
	for i := len(d.history) - 1; i >= 0; i-- {
		list := d.history[i].Commit.GetEvents()
		for j := len(list) - 1; j >= 0; j-- {
			if sealed := found(events.BodyOf(list[j])); sealed != nil {
				return sealed, d.history[i].Commit.GetRevision()
			}
		}
	}
	return nil, 0
}

func (d Dossier) open(field string, found func(events.Body) *events.Sealed) ([]byte, error) {
	sealed, revision := d.last(found)
	if sealed == nil {
		return nil, fmt.Errorf("%s of subscriber %s: %w", field, d.subscriber, ErrNotFound)
	}
	return d.openAt(revision, field, sealed)
}

func (d Dossier) openAt(revision uint64, field string, sealed *events.Sealed) ([]byte, error) {
	if d.ordered(sealed.GetRecordClass(), revision) {
		return nil, fmt.Errorf("%s of subscriber %s: %w", field, d.subscriber, vault.ErrErased)
	}
	return d.vault.Open(d.subscriber, vault.Binding{ID: d.subscriber, Revision: revision, Field: field}, sealed)
}

// ordered reports whether the history orders the erasure of a record class after a revision: what was sealed by then is
// not read any more, whatever keys an old copy of the vault has brought back.
func (d Dossier) ordered(class string, revision uint64) bool {
	for _, r := range d.history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetErasureOrdered(); b != nil && b.RecordClass == class && r.Commit.Revision >= revision {
				return true
			}
		}
	}
	return false
}

func (d Dossier) openMessage(field string, into proto.Message, found func(events.Body) *events.Sealed) error {
	plaintext, err := d.open(field, found)
	if err != nil {
		return err
	}
	return proto.Unmarshal(plaintext, into)
}

// Identity returns the resident record last recorded.
func (d Dossier) Identity() (*events.ResidentRecord, error) {
	r := &events.ResidentRecord{}
	return r, d.openMessage(identityField, r, func(b events.Body) *events.Sealed {
		switch b := b.(type) {
		case *events.ResidentRecorded:
			return b.Identity
		case *events.ResidentRecordChanged:
			return b.Identity
		}
		return nil
	})
}

// Contact returns where the person wants to be reached, as last recorded.
func (d Dossier) Contact() (*events.Contact, error) {
	c := &events.Contact{}
	return c, d.openMessage(contactField, c, func(b events.Body) *events.Sealed {
		if b, ok := b.(*events.ContactRecorded); ok {
			return b.Contact
		}
		return nil
	})
}

// TBS returns the to-be-signed bytes authorised under a serial.
func (d Dossier) TBS(serial uint64) ([]byte, error) {
	return d.open(tbsField(serial), func(b events.Body) *events.Sealed {
		if b, ok := b.(*events.IssueAuthorized); ok && b.Serial == serial {
			return b.Tbs
		}
		return nil
	})
}

// Certificate returns the DER of an issued certificate.
func (d Dossier) Certificate(serial uint64) ([]byte, error) {
	return d.open(certificateField(serial), func(b events.Body) *events.Sealed {
		if b, ok := b.(*events.CertificateIssued); ok && b.Serial == serial {
			return b.Certificate
		}
		return nil
	})
}

// Note is a text that somebody wrote in their own words, in one commit.
type Note struct {
	Revision uint64
	// Event is the event's name.
	Event string
	Text  string
	// Err is why Text is unreadable: vault.ErrErased, or another error of the vault.
	Err error
}

// Notes returns everything that people wrote in their own words, oldest first. Commits from before 2026-11-29 hold it
// in clear text, which every reader of the log sees: those are left out.
func (d Dossier) Notes() []Note {
	var notes []Note
	for _, r := range d.history {
		for _, e := range r.Commit.GetEvents() {
			sealed, field := written(events.BodyOf(e))
			if sealed == nil {
				continue
			}
			text, err := d.openAt(r.Commit.GetRevision(), field, sealed)
			notes = append(notes, Note{r.Commit.GetRevision(), events.Name(e), string(text), err})
		}
	}
	return notes
}

// Claim returns the signed claim that a quarantine holds: whole, or its first bytes.
func (d Dossier) Claim() ([]byte, error) {
	for _, r := range d.history {
		for _, e := range r.Commit.GetEvents() {
			for _, clear := range [][]byte{e.GetFactQuarantined().GetClaim(), e.GetClaimHeld().GetClaim()} {
				if len(clear) > 0 { // from before 2026-11-29
					return clear, nil
				}
			}
		}
	}
	return d.open(claimField, func(b events.Body) *events.Sealed {
		switch b.(type) {
		case *events.FactQuarantined, *events.ClaimHeld:
			return events.SealedOf(b)
		}
		return nil
	})
}
