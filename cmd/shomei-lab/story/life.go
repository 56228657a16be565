package story

import (
	"slices"
	"time"

	"shomei/events"
)

// Certificate is one certificate of a person according to the log.
type Certificate struct {
	Serial uint64
	// Kind is sign, auth or juki.
	Kind   string
	Regime string
	// Status is authorized, issued, valid, suspended, revoked, expired or abandoned.
	Status                 string
	LastDay, Window        string
	Candidates             []*events.Candidate
	NotBefore, NotAfter    time.Time
	RevokedAt, SuspendedAt time.Time
	// Reason is RFC 5280's (5.3.1), empty if none was given.
	Reason     string
	Authority  string
	Generation []byte // key id of the issuer
	Card       string
	Device     string // the smartphone that holds it; empty on a card
}

// Card is a person's card according to the log.
type Card struct {
	ID, Status, LastDay string
	Candidates          []*events.Candidate
}

// Notice is one notice owed to a person, and its outcome.
type Notice struct {
	ID, Kind, Outcome, Detail, LastDay string
}

// Deadline is a statutory deadline; Outcome is empty while it runs.
type Deadline struct{ LastDay, Outcome string }

// Life is the state of one person according to the log. The zero Life is an unknown person's.
type Life struct {
	Subscriber   string
	Certificates []*Certificate // in the order of authorisation
	Cards        []*Card        // in the order of assignment
	Notices      []*Notice
	Deadlines    map[string]Deadline
}

// Read folds commits, oldest first, into a Life.
func Read(subscriber string, commits []*events.Commit) *Life {
	l := &Life{Subscriber: subscriber, Deadlines: make(map[string]Deadline)}
	for _, c := range commits {
		for _, e := range c.GetEvents() {
			l.certificateEvent(e)
			l.cardEvent(e)
			l.otherEvent(e)
		}
	}
	return l
}

// Newest returns the last authorised certificate of a kind after skipping some, on a smartphone or, without a device, on
// cards; nil if there is none. One on a card that waits at the office does not count while the person holds another.
func (l *Life) Newest(device, kind string, skip int) *Certificate {
	holds := slices.ContainsFunc(l.Certificates, func(c *Certificate) bool {
		return c.Kind == kind && c.Device == device && (c.Status == "valid" || c.Status == "suspended")
	})
	for _, c := range slices.Backward(l.Certificates) {
		if c.Kind != kind || c.Device != device || holds && l.waits(c) {
			continue
		}
		if skip == 0 {
			return c
		}
		skip--
	}
	return nil
}

// waits reports whether a certificate is on a card that has not been handed over.
func (l *Life) waits(c *Certificate) bool {
	return c.Status == "issued" && slices.ContainsFunc(l.Cards,
		func(card *Card) bool { return card.ID == c.Card && card.Status == "assigned" })
}

// BySerial returns the certificate with a serial, or nil.
func (l *Life) BySerial(serial uint64) *Certificate {
	for _, c := range l.Certificates {
		if c.Serial == serial {
			return c
		}
	}
	return nil
}

// kindOf returns the kind as expectations name it.
func kindOf(kind events.CertificateKind, regime events.Regime) string {
	switch {
	case regime == events.Regime_REGIME_JUKI:
		return JukiKind
	case kind == events.CertificateKind_CERTIFICATE_KIND_AUTH:
		return AuthKind
	}
	return SignKind
}

func (l *Life) certificateEvent(e *events.Event) {
	at := time.UnixMilli(e.GetRecordedMs())
	if b := e.GetIssueAuthorized(); b != nil {
		l.Certificates = append(l.Certificates, &Certificate{
			Serial: b.Serial, Kind: kindOf(b.Kind, b.Regime), Regime: Word(b.Regime), Status: "authorized", LastDay: b.LastDay,
			Window:     b.WindowOpens,
			Candidates: b.Candidates, NotBefore: time.UnixMilli(b.NotBeforeMs), NotAfter: time.UnixMilli(b.NotAfterMs),
			Authority: b.Authority, Generation: b.Generation, Card: b.Card, Device: b.Device,
		})
		return
	}
	for _, t := range events.Transitions(e) {
		if c := l.BySerial(t.Serial); c != nil {
			c.turn(t, at)
		}
	}
}

func (c *Certificate) turn(t events.Transition, at time.Time) {
	if t.Status == events.CertificateStatus_CERTIFICATE_STATUS_VALID && !t.Held && c.Status != "issued" {
		return // lifting a suspension before delivery does not make it valid
	}
	c.Status = Word(t.Status)
	if t.Reason != 0 {
		c.Reason = Word(t.Reason)
	}
	switch t.Status {
	case events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED:
		c.SuspendedAt = at
	case events.CertificateStatus_CERTIFICATE_STATUS_VALID:
		c.Reason, c.SuspendedAt = "", time.Time{} // a lifted suspension leaves no trace
	case events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, events.CertificateStatus_CERTIFICATE_STATUS_ABANDONED:
		c.RevokedAt = at
	}
}

func (l *Life) cardEvent(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.CardAssigned:
		l.assign(b)
	case *events.CardTermExtended:
		c := l.card(b.Card)
		c.LastDay, c.Candidates = b.LastDay, b.Candidates
	case *events.ApplicationAccepted:
		if len(b.CardCandidates) > 0 && b.CardLastDay != "" {
			c := l.card(b.Card)
			c.LastDay, c.Candidates = b.CardLastDay, b.CardCandidates
		}
	}
	for _, t := range events.Transitions(e) {
		if t.Card != "" {
			l.card(t.Card).turn(t.CardStatus)
		}
	}
}

// turn sets a card's status. Custody does not change a card that is out of use.
func (c *Card) turn(status events.CardStatus) {
	if status == events.CardStatus_CARD_STATUS_CUSTODY && c.Status != "assigned" && c.Status != "held" {
		return
	}
	c.Status = Word(status)
}

// assign makes a card the person's newest, keeping its application's term unless the event has one.
func (l *Life) assign(b *events.CardAssigned) {
	c := l.card(b.Card)
	if b.LastDay != "" {
		c.LastDay = b.LastDay
	}
	if len(b.Candidates) > 0 {
		c.Candidates = b.Candidates
	}
	l.Cards = append(slices.DeleteFunc(l.Cards, func(other *Card) bool { return other == c }), c)
}

// card returns the card with a number, adding it if it is new.
func (l *Life) card(id string) *Card {
	for _, c := range l.Cards {
		if c.ID == id {
			return c
		}
	}
	c := &Card{ID: id, Status: "none"}
	l.Cards = append(l.Cards, c)
	return c
}

func (l *Life) otherEvent(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.NoticeDue:
		l.Notices = append(l.Notices, &Notice{ID: b.Notice, Kind: Word(b.Kind), Outcome: "pending", LastDay: b.LastDay})
	case *events.NoticeSent:
		l.noticeDone(b.Notice, "sent", b.Medium)
	case *events.NoticeFailed:
		l.noticeDone(b.Notice, "failed", b.Code)
	case *events.NoticeSuppressed:
		l.noticeDone(b.Notice, "suppressed", b.Reason)
	case *events.DeadlineSet:
		l.Deadlines[Word(b.Kind)] = Deadline{LastDay: b.LastDay}
	case *events.DeadlineMet:
		l.deadlineDone(Word(b.Kind), "met")
	case *events.DeadlineMissed:
		l.Deadlines[Word(b.Kind)] = Deadline{LastDay: b.LastDay, Outcome: "missed"}
	}
}

func (l *Life) noticeDone(id, outcome, detail string) {
	for _, n := range l.Notices {
		if n.ID == id {
			n.Outcome, n.Detail = outcome, detail
		}
	}
}

func (l *Life) deadlineDone(kind, outcome string) {
	d := l.Deadlines[kind]
	d.Outcome = outcome
	l.Deadlines[kind] = d
}
