package warehouse

import (
	"cmp"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
)

// The facts that are counted.
const (
	factApplication = "application" // received at a counter; its outcome is what the authority decided
	factCertificate = "certificate" // issued, or ended by its outcome
	factFee         = "fee"         // an item of what is to be paid for an accepted application
	factNotice      = "notice"      // due, sent, failed or suppressed
	factCard        = "card"        // an operation on a card, by the name of its event
)

// fact is one thing that is counted. What a fact does not have is empty.
type fact struct {
	Fact         string    `ch:"fact"`
	Municipality string    `ch:"municipality"`
	Office       string    `ch:"office"`
	Day          Date      `ch:"day"` // in Japan, on which it happened
	ID           string    `ch:"id"`
	Revision     uint64    `ch:"revision"`
	Index        uint16    `ch:"index"`
	Part         uint16    `ch:"part"`
	Recorded     time.Time `ch:"recorded"`
	Outcome      string    `ch:"outcome"`
	Regime       string    `ch:"regime"`
	Kind         string    `ch:"kind"`
	Carrier      string    `ch:"carrier"` // card or phone
	Operation    string    `ch:"operation"`
	Channel      string    `ch:"channel"`
	Reason       string    `ch:"reason"`
	Cause        string    `ch:"cause"`
	Rule         string    `ch:"rule"`
	Stage        string    `ch:"stage"`  // of work on a card
	Notice       string    `ch:"notice"` // what it is about
	Medium       string    `ch:"medium"` // of a notice
	Yen          uint32    `ch:"yen"`
}

// factRows collects the facts.
type factRows struct{ *block[fact] }

// factOf returns what every fact of an event says.
func factOf(s source, name string) fact {
	recorded := instant(s.event.RecordedMs)
	return fact{
		Fact: name, Municipality: s.municipality, Office: s.commit.Office, Day: Date{civil.Of(recorded)}, ID: s.commit.Id,
		Revision: s.commit.Revision, Index: s.index, Recorded: recorded, Carrier: carrierOf(s.body),
	}
}

func (r factRows) card(s source, c CardOperation) {
	row := factOf(s, factCard)
	row.Outcome, row.Stage, row.Reason = c.Event, c.Stage, c.Reason
	r.add(row)
}

func (r factRows) notice(s source, n Notice) {
	row := factOf(s, factNotice)
	row.Notice, row.Medium = n.Kind, n.Medium
	row.Outcome, row.Reason, _ = strings.Cut(cmp.Or(n.Outcome, "due"), ": ")
	r.add(row)
}

// application adds what was decided on an application, on the day on which it was filed, and what is to be paid for it.
func (r factRows) application(s source, a Application) {
	row := factOf(s, factApplication)
	row.Operation, row.Channel, row.Regime, row.Rule = a.Operation, a.Channel, a.Regime, a.Refusal
	if !a.Filed.IsZero() {
		row.Day = Date{civil.Of(a.Filed)}
	}
	switch b := s.body.(type) {
	case *events.ApplicationAccepted:
		row.Outcome, row.Cause = "accepted", b.Cause
		r.add(row)
		row.Fact, row.Outcome = factFee, ""
		for i, item := range b.Fee {
			row.Part, row.Rule, row.Yen = uint16(i), item.RuleId, item.Yen
			r.add(row)
		}
	case *events.ApplicationRefused:
		row.Outcome = "refused"
		r.add(row)
	case *events.InquiryLetterDue:
		row.Outcome, row.Cause = "letter", b.Cause
		r.add(row)
	case *events.ApplicationWithdrawn:
		row.Outcome = "withdrawn"
		r.add(row)
	}
}

// certificates adds what an event makes of certificates.
func (r factRows) certificates(s source) {
	for part, t := range events.Transitions(s.event) {
		r.certificate(s, t, part)
	}
}

// certificate adds what became of a certificate, with the regime and the procedure that the state remembers of it. One that has
// reached its last day ended on it, whenever that was recorded.
func (r factRows) certificate(s source, t events.Transition, part int) {
	if t.Serial == 0 || t.Status == events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED {
		return // a card's, or counted once it is issued
	}
	row := factOf(s, factCertificate)
	row.Part, row.Outcome = uint16(part), word(t.Status)
	row.Kind, row.Reason, row.Cause = word(t.Kind), reasonWord(t.Reason), t.Cause
	if t.Status == events.CertificateStatus_CERTIFICATE_STATUS_VALID && t.Held {
		row.Outcome = "released"
	}
	switch b := s.body.(type) {
	case *events.CertificateExpired:
		row.Day = day(b.LastDay)
	case *events.CertificateIssued:
		row.Regime = word(b.Regime)
	}
	r.remembered(&row, s, t.Serial)
	r.add(row)
}

// remembered fills in what the state remembers of a certificate.
func (r factRows) remembered(row *fact, s source, serial uint64) {
	for _, c := range s.state().Certificates {
		if c.Serial != serial {
			continue
		}
		row.Kind, row.Regime = word(c.Kind), word(c.Regime)
		for _, p := range s.state().Procedures {
			if p.Id == c.Procedure {
				row.Operation, row.Channel = word(p.Operation), word(p.Channel)
			}
		}
	}
}

// carrierOf says what holds the certificates of an event.
func carrierOf(body proto.Message) string {
	if b, ok := body.(interface{ GetDevice() string }); ok && b.GetDevice() != "" {
		return "phone"
	}
	return "card"
}
