package order

// Act is a kind of order. None of these is ever given by one operator alone: the law's minimum is all there is to choose from.
type Act string

// The orders that need two operators.
const (
	// Erasure destroys the key of what is sealed of a person, for good.
	Erasure Act = "erasure"
	// Adoption goes on from the end that a counter's own store has.
	Adoption Act = "adoption"
	// Revocation ends a person's certificates by the authority's own decision.
	Revocation Act = "revocation"
	// FoundRevocation ends a certificate that the log never issued.
	FoundRevocation Act = "found-revocation"
	// Release has a claim decided whose time of receipt the counter's link does not explain.
	Release Act = "release"
	// Closing ends the history of an aggregate that lost commits which no copy holds.
	Closing Act = "closing"
	// Opening lets the two open what is sealed in one history.
	Opening Act = "opening"
	// Disclosure lets the two write down everything held on a person.
	Disclosure Act = "disclosure"
)

// Acts lists all of them.
var Acts = []Act{Erasure, Adoption, Revocation, FoundRevocation, Release, Closing, Opening, Disclosure}

// Used reports whether an approved order is used by the two who gave it until it lapses, and not carried out once by the centre.
func (a Act) Used() bool { return a == Opening || a == Disclosure }
