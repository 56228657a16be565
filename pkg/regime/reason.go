package regime

// CRLReason is a CRLReason of RFC 5280 section 5.3.1.
type CRLReason int

const (
	Unspecified          CRLReason = 0
	KeyCompromise        CRLReason = 1
	CACompromise         CRLReason = 2
	AffiliationChanged   CRLReason = 3
	Superseded           CRLReason = 4
	CessationOfOperation CRLReason = 5
	CertificateHold      CRLReason = 6
)

// String returns the name of the reason in RFC 5280.
func (r CRLReason) String() string { return reasonNames[r] }

var reasonNames = map[CRLReason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise",
	AffiliationChanged: "affiliationChanged", Superseded: "superseded",
	CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold",
}
