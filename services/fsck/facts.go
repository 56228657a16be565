package fsck

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
)

// endings says what becomes of a certificate by an event, and the reason where the event names none.
var endings = map[string][2]string{
	"CertificateIssued":    {"issued"},
	"Delivered":            {"valid"},
	"CertificateSuspended": {"suspended", "certificate-hold"},
	"CertificateReleased":  {"released"},
	"CertificateRevoked":   {"revoked"},
	"CertificateDiscarded": {"revoked", "unspecified"},
	"IssueAbandoned":       {"abandoned", "unspecified"},
	"CertificateExpired":   {"expired"},
}

// decisions says what was decided on an application by an event.
var decisions = map[string]string{
	"ApplicationAccepted": "accepted", "ApplicationRefused": "refused", "InquiryLetterDue": "letter", "ApplicationWithdrawn": "withdrawn",
}

// sendings says what became of a notice by an event.
var sendings = map[string]string{"NoticeDue": "due", "NoticeSent": "sent", "NoticeFailed": "failed", "NoticeSuppressed": "suppressed"}

// factOwner is the place of the subscriber in the key of a fact.
const factOwner = 4

// eachFact calls give with what is counted of an event of a subscriber, whose state after the commit is given.
func (s source) eachFact(state *events.SubscriberState, give func(row)) {
	for part, serial := range s.serials() {
		if _, ends := endings[s.name]; ends {
			give(s.certificateFact(part, serial, state))
		}
	}
	if _, touches := cardEvents[s.name]; touches {
		give(s.factRow("card", 0, s.recordedOn(), cell{column: "outcome", text: s.name}, cell{column: "stage", text: s.text("stage")},
			cell{column: "reason", text: cmp.Or(s.text("reason"), s.text("cause"))}))
	}
	if became := sendings[s.name]; became != "" {
		give(s.factRow("notice", 0, s.recordedOn(), cell{column: "outcome", text: became}, cell{column: "notice", text: s.text("kind")},
			cell{column: "medium", text: s.text("medium")}, cell{column: "reason", text: cmp.Or(s.text("reason"), s.text("code"))}))
	}
	if decisions[s.name] != "" && s.text("procedure") != "" {
		s.applicationFacts(give)
	}
}

func (s source) factRow(fact string, part int, day string, more ...cell) row {
	carrier := "card"
	if s.text("device") != "" {
		carrier = "phone"
	}
	key := strings.Join([]string{
		fact, s.place, s.commit.Office, day, s.commit.Id, strconv.FormatUint(s.commit.Revision, 10), strconv.Itoa(s.index), strconv.Itoa(part),
	}, "/")
	return row{"facts", key, append(more, cell{column: "recorded", at: s.event.RecordedMs}, cell{column: "carrier", text: carrier})}
}

func (s source) recordedOn() string { return civil.Of(time.UnixMilli(s.event.RecordedMs)).String() }

func (s source) certificateFact(part int, serial uint64, state *events.SubscriberState) row {
	day, became := s.recordedOn(), endings[s.name]
	if s.name == "CertificateExpired" {
		day = s.text("last_day")
	}
	kind, regime, operation, channel := s.text("kind"), s.text("regime"), "", ""
	if i := slices.IndexFunc(state.Certificates, func(c *events.Certificate) bool { return c.Serial == serial }); i >= 0 {
		kind, regime = word(state.Certificates[i].Kind), word(state.Certificates[i].Regime)
		for _, p := range state.Procedures {
			if p.Id == state.Certificates[i].Procedure {
				operation, channel = word(p.Operation), word(p.Channel)
			}
		}
	}
	return s.factRow("certificate", part, day, cell{column: "outcome", text: became[0]}, cell{column: "kind", text: kind},
		cell{column: "regime", text: regime}, cell{column: "operation", text: operation}, cell{column: "channel", text: channel},
		cell{column: "reason", text: cmp.Or(s.revocationReason(), became[1])}, cell{column: "cause", text: s.text("cause")})
}

// applicationFacts gives what was decided on an application, and each item of its fee.
func (s source) applicationFacts(give func(row)) {
	day := s.recordedOn()
	if s.name != "ApplicationWithdrawn" {
		day = civil.Of(time.UnixMilli(s.event.FiledMs)).String()
	}
	common := []cell{
		{column: "operation", text: s.text("operation")},
		{column: "channel", text: s.text("channel")},
		{column: "regime", text: s.text("regime")},
		{column: "cause", text: s.text("cause")},
	}
	give(s.factRow("application", 0, day, append(slices.Clone(common), cell{column: "outcome", text: decisions[s.name]}, cell{column: "rule", text: s.first("refusals")})...))
	field, fee := s.field("fee")
	if field == nil {
		return
	}
	for i := range fee.List().Len() {
		item := fee.List().Get(i).Message()
		of := func(name protoreflect.Name) protoreflect.Value {
			return item.Get(item.Descriptor().Fields().ByName(name))
		}
		give(s.factRow("fee", i, day, append(slices.Clone(common),
			cell{column: "rule", text: of("rule_id").String()}, cell{column: "yen", number: of("yen").Uint()})...))
	}
}

// first returns the first text of a list of the body, or "".
func (s source) first(name protoreflect.Name) string {
	field, value := s.field(name)
	if field == nil || !field.IsList() || value.List().Len() == 0 {
		return ""
	}
	return value.List().Get(0).String()
}
