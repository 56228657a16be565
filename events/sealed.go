package events

// SealedOf returns what an event seals, or nil. No event seals more than one thing.
func SealedOf(body Body) *Sealed {
	switch b := body.(type) {
	case *ResidentRecorded:
		return b.Identity
	case *ResidentRecordChanged:
		return b.Identity
	case *ContactRecorded:
		return b.Contact
	case *IssueAuthorized:
		return b.Tbs
	case *CertificateIssued:
		return b.Certificate
	case *SpecialCircumstancesGranted:
		return b.Circumstances
	case *ApplicationWithdrawn:
		return b.Why
	case *SubscriberTakenIn:
		return b.Why
	case *ErasureOrdered:
		return b.SealedOrder
	case *CounterHeadAdopted:
		return b.SealedWhy
	case *FoundCertificateRevoked:
		return b.SealedWhy
	case *QuarantineResolved:
		return b.SealedWhy
	case *FactQuarantined:
		return b.SealedClaim
	case *ClaimHeld:
		return b.SealedClaim
	case *OfficerEnrolled:
		return b.SealedName
	case *ApprovalAsked:
		return b.SealedClaim
	case *ApprovalRefused:
		return b.SealedWhy
	case *RecordOpened:
		return b.SealedWhy
	case *DisclosureAsked:
		return b.SealedWhy
	case *OrderAsked:
		return b.SealedWhy
	case *OrderRefused:
		return b.SealedWhy
	}
	return nil
}

// SealedFor returns whose key an event's sealed part needs: that of the aggregate with this id, but for an act that waits for a
// second officer, which is sealed with its person's if it is about one.
func SealedFor(id string, body Body) string {
	if asked, ok := body.(*ApprovalAsked); ok && asked.Subscriber != "" {
		return asked.Subscriber
	}
	return id
}
