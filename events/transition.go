package events

// Transition is what an event makes of one certificate or of one card. Whoever tells how a certificate stands folds these;
// what else an event says of it (terms, obligations) is in its body.
type Transition struct {
	// Serial is the certificate's number; zero where it is about a card.
	Serial uint64
	// Kind, Authority and Device are the certificate's, as far as the event names them.
	Kind      CertificateKind
	Authority string
	Device    string
	Status    CertificateStatus
	// Reason and Cause are why it is suspended or over; Reason is zero where it expired.
	Reason RevocationReason
	Cause  string

	// Card is the card's number; empty where it is about a certificate.
	Card       string
	CardStatus CardStatus

	// Held: the certificate was in force until then, or the card was its holder's, so the holder has to be told.
	Held bool
}

const (
	crlUnspecified  = RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED
	certificateHold = RevocationReason_REVOCATION_REASON_CERTIFICATE_HOLD
)

// Transitions are what an event makes of certificates and cards: nothing for most kinds of event.
func Transitions(e *Event) []Transition {
	switch b := BodyOf(e).(type) {
	case *IssueAuthorized:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED, Transition{Authority: b.Authority})
	case *CertificateIssued:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_ISSUED, Transition{Authority: b.Authority})
	case *Delivered:
		list := make([]Transition, len(b.Serials))
		for i, serial := range b.Serials {
			list[i] = Transition{Serial: serial, Device: b.Device, Status: CertificateStatus_CERTIFICATE_STATUS_VALID}
		}
		return list
	case *CertificateSuspended:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, Transition{Authority: b.Authority, Reason: certificateHold, Cause: b.Cause, Held: true})
	case *CertificateReleased:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_VALID, Transition{Authority: b.Authority, Cause: b.Cause, Held: true})
	case *CertificateRevoked:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_REVOKED, Transition{Authority: b.Authority, Reason: b.Reason, Cause: b.Cause, Held: true})
	case *CertificateDiscarded:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_REVOKED, Transition{Authority: b.Authority, Reason: crlUnspecified, Cause: b.Cause})
	case *IssueAbandoned:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_ABANDONED, Transition{Authority: b.Authority, Reason: crlUnspecified, Cause: b.Cause})
	case *CertificateExpired:
		return certificate(b, CertificateStatus_CERTIFICATE_STATUS_EXPIRED, Transition{Held: true})
	case *CardAssigned:
		return card(b, CardStatus_CARD_STATUS_ASSIGNED, false)
	case *CardHandedOver:
		return card(b, CardStatus_CARD_STATUS_HELD, false)
	case *CardFound:
		return card(b, CardStatus_CARD_STATUS_HELD, true)
	case *CardSuspended:
		return card(b, CardStatus_CARD_STATUS_SUSPENDED, true)
	case *CardTakenIntoCustody:
		return card(b, CardStatus_CARD_STATUS_CUSTODY, true)
	case *CardExpired:
		return card(b, CardStatus_CARD_STATUS_EXPIRED, true)
	case *CardVoided:
		return card(b, CardStatus_CARD_STATUS_VOID, true)
	case *CardReturned:
		return card(b, CardStatus_CARD_STATUS_VOID, true)
	}
	return nil
}

func certificate(b interface {
	GetSerial() uint64
	GetKind() CertificateKind
	GetDevice() string
}, status CertificateStatus, t Transition,
) []Transition {
	t.Serial, t.Kind, t.Device, t.Status = b.GetSerial(), b.GetKind(), b.GetDevice(), status
	return []Transition{t}
}

func card(b interface{ GetCard() string }, status CardStatus, held bool) []Transition {
	return []Transition{{Card: b.GetCard(), CardStatus: status, Held: held}}
}
