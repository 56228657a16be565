package fsck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// moving is how a certificate on a card came from one status into the next.
type moving struct {
	subscriber, office, municipality string
	regime, kind, lastDay, opens     string
	notAfter                         int64
	steps                            []step
}

// step is the status that an event gives to a certificate.
type step struct {
	at     int64
	status string
}

// statuses are those of a certificate, in the order in which it goes through them; on a card it never goes back.
var statuses = []string{"", "authorized", "issued", "valid", "suspended", "expired", "revoked", "abandoned"}

// becomes maps events to the status of their certificates.
var becomes = map[string]string{
	"IssueAuthorized": "authorized", "CertificateIssued": "issued", "Delivered": "valid", "CertificateSuspended": "suspended",
	"CertificateExpired": "expired", "CertificateRevoked": "revoked", "CertificateDiscarded": "revoked", "IssueAbandoned": "abandoned",
	"CertificateFound": "valid", "FoundCertificateRevoked": "revoked",
}

// foldMove folds what certificate_moves says of a certificate. One on a smartphone has no rows there, nor has one whose
// authorization is not in the log.
func (p *expected) foldMove(s source) {
	status, about := becomes[s.name]
	if !about || s.text("device") != "" || s.body == nil {
		return
	}
	if begun := p.begin(s); begun != nil {
		if p.moving == nil {
			p.moving = make(map[uint64]*moving)
		}
		p.moving[s.number("serial")] = begun
	}
	for _, serial := range s.serials() {
		if m := p.moving[serial]; m != nil {
			m.steps = append(m.steps, step{s.event.RecordedMs, status})
		}
	}
}

// begin returns the certificate that an event is the first of, or nil.
func (p *expected) begin(s source) *moving {
	m := &moving{subscriber: p.id, kind: s.text("kind"), notAfter: int64(s.number("not_after_ms"))}
	switch s.name {
	case "IssueAuthorized":
		m.office, m.municipality, m.regime = s.commit.Office, s.text("municipality"), s.text("regime")
		m.lastDay, m.opens = s.text("last_day"), s.text("window_opens")
	case "CertificateFound":
		m.subscriber, m.regime = s.text("subscriber"), regimeOf(p.id)
	default:
		return nil
	}
	return m
}

// rows calls give with a row for each instant at which something happened.
func (m *moving) rows(serial uint64, give func(row)) {
	before, after := "", ""
	for i, s := range m.steps {
		if slices.Index(statuses, s.status) > slices.Index(statuses, after) {
			after = s.status
		}
		if i+1 < len(m.steps) && m.steps[i+1].at == s.at {
			continue
		}
		at := cell{at: s.at}.String()
		day := civil.Of(time.UnixMilli(s.at))
		give(row{"certificate_moves", fmt.Sprintf("%s/%s/%d/%s", civil.New(day.Year, day.Month, 1), m.municipality, serial, at), []cell{
			{column: "subscriber", text: m.subscriber},
			{column: "office", text: m.office},
			{column: "regime", text: m.regime},
			{column: "kind", text: m.kind},
			{column: "not_after", at: m.notAfter},
			{column: "last_day", text: m.lastDay},
			{column: "window_opens", text: m.opens},
			{column: "before", text: before},
			{column: "after", text: after},
		}})
		before = after
	}
}

// checkSums compares the sums of closed months with the moves, which have been compared with the log.
func (c *check) checkSums(ctx context.Context) error {
	wrong, err := c.Warehouse.WrongSums(ctx)
	for _, w := range wrong {
		c.report.add("tables, certificate_sums "+w.Key, nextRebuild, "it says %d, the moves of the month add up to %d", w.Stored, w.Summed)
	}
	return err
}
