package projector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/lifecycle"
	"shomei/pkg/warehouse"
)

// place is what the tables should hold of one aggregate, folded from the log by a way of its own: neither the state
// nor the rows that the warehouse makes have a part in it.
type place struct {
	kind, id                 string
	revision, commits, count uint64
	certificates             map[uint64]*certificate
	notices                  map[string]*warehouse.Notice
}

// certificate is one certificate with its milestones in milliseconds; zero is "not".
type certificate struct {
	serial                                         uint64
	subscriber, kind, regime, authority, card      string
	device                                         string // the smartphone that holds it
	parent                                         uint64
	lastDay, windowOpens, reason                   string
	replaces                                       uint64
	notBefore, notAfter                            int64
	authorized, issued, written, delivered, opened int64
	suspended, revoked, expired, abandoned         int64
	crlReason                                      int
	holds, releases                                []uint64 // on a smartphone, where a suspension can be lifted
}

func (p *place) take(c *events.Commit) {
	p.revision = max(p.revision, c.Revision)
	p.commits++
	p.count += uint64(len(c.Events))
	if p.kind == events.KindAuthority {
		for _, e := range c.Events {
			p.takeFound(e)
		}
	}
	if p.kind != events.KindSubscriber {
		return
	}
	for _, e := range c.Events {
		p.takeCertificate(e)
		p.takeEnd(e)
		p.takeNotice(e)
	}
}

func (p *place) of(serial uint64) *certificate {
	if p.certificates == nil {
		p.certificates = make(map[uint64]*certificate)
	}
	held := p.certificates[serial]
	if held == nil {
		held = &certificate{serial: serial, subscriber: p.id}
		p.certificates[serial] = held
	}
	return held
}

// takeFound folds what an authority's history says of certificates outside the log.
func (p *place) takeFound(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.CertificateFound:
		held := p.of(b.Serial)
		held.subscriber, held.kind, held.authority, held.card, held.device = b.Subscriber, word(b.Kind), p.id, b.Card, b.Device
		held.regime = "mynumber"
		if strings.HasPrefix(p.id, "juki") {
			held.regime = "juki"
		}
		held.notBefore, held.notAfter, held.authorized, held.delivered = b.NotBeforeMs, b.NotAfterMs, e.RecordedMs, e.RecordedMs
	case *events.FoundCertificateRevoked:
		held := p.of(b.Serial)
		held.revoked, held.reason, held.crlReason = e.RecordedMs, reasonWord(b.Reason), int(lifecycle.CRLReason(b.Reason))
	}
}

func (p *place) takeCertificate(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		held := p.of(b.Serial)
		held.kind, held.regime, held.authority, held.card = word(b.Kind), word(b.Regime), b.Authority, b.Card
		held.device, held.parent = b.Device, b.Parent
		held.lastDay, held.windowOpens, held.replaces = b.LastDay, b.WindowOpens, b.Replaces
		held.notBefore, held.notAfter, held.authorized = b.NotBeforeMs, b.NotAfterMs, e.RecordedMs
	case *events.CertificateIssued:
		p.of(b.Serial).issued = e.RecordedMs
	case *events.CertificateWritten:
		for _, serial := range b.Serials {
			p.of(serial).written = e.RecordedMs
		}
	case *events.Delivered:
		for _, serial := range b.Serials {
			p.of(serial).delivered = e.RecordedMs
		}
	case *events.WindowOpened:
		p.of(b.Serial).opened = e.RecordedMs
	}
}

func (p *place) takeEnd(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.CertificateSuspended:
		held := p.of(b.Serial)
		held.suspended = e.RecordedMs
		if b.Device != "" {
			held.holds = append(held.holds, uint64(e.RecordedMs))
		}
	case *events.CertificateReleased:
		held := p.of(b.Serial)
		held.releases = append(held.releases, uint64(e.RecordedMs))
		held.suspended = 0
	case *events.CertificateRevoked:
		held := p.of(b.Serial)
		held.revoked, held.reason, held.crlReason = e.RecordedMs, reasonWord(b.Reason), int(lifecycle.CRLReason(b.Reason))
	case *events.CertificateDiscarded:
		held := p.of(b.Serial)
		held.revoked, held.reason = e.RecordedMs, "unspecified"
	case *events.IssueAbandoned:
		held := p.of(b.Serial)
		held.abandoned, held.reason = e.RecordedMs, "unspecified"
	case *events.CertificateExpired:
		p.of(b.Serial).expired = e.RecordedMs
	}
}

func (p *place) takeNotice(e *events.Event) {
	at := time.UnixMilli(e.RecordedMs)
	switch b := events.BodyOf(e).(type) {
	case *events.NoticeDue:
		n := p.notice(b.Notice)
		n.Kind, n.Due = word(b.Kind), at
	case *events.NoticeSent:
		n := p.notice(b.Notice)
		n.Medium, n.Outcome, n.Sent = b.Medium, "sent", at
	case *events.NoticeFailed:
		n := p.notice(b.Notice)
		n.Medium, n.Outcome, n.Failed = b.Medium, "failed: "+b.Code, at
	case *events.NoticeSuppressed:
		n := p.notice(b.Notice)
		n.Outcome, n.Suppressed = "suppressed: "+b.Reason, at
	}
}

func (p *place) notice(id string) *warehouse.Notice {
	if p.notices == nil {
		p.notices = make(map[string]*warehouse.Notice)
	}
	n := p.notices[id]
	if n == nil {
		n = &warehouse.Notice{Subscriber: p.id, Notice: id}
		p.notices[id] = n
	}
	return n
}

// word is an enum value of the log in the words of the tables; nothing for the zero value.
func word(e interface {
	protoreflect.Enum
	String() string
},
) string {
	if e.Number() == 0 {
		return ""
	}
	zero := string(e.Descriptor().Values().ByNumber(0).Name())
	value := strings.TrimPrefix(e.String(), strings.TrimSuffix(zero, "UNSPECIFIED"))
	return strings.ReplaceAll(strings.ToLower(value), "_", "-")
}

func reasonWord(r events.RevocationReason) string { return strings.TrimPrefix(word(r), "crl-") }

// fact is one thing that log and tables must say alike.
type fact struct {
	shard      int
	what, says string
}

// facts gives everything that the tables should say of the aggregate.
func (p *place) facts(fn func(fact)) {
	shard := int(events.Shard(p.id))
	fn(headFact(shard, warehouse.Head{Kind: p.kind, ID: p.id, Revision: p.revision, Commits: p.commits, Events: p.count}))
	for _, held := range p.certificates {
		// What was found stands in the authority's history and is its subscriber's.
		fn(fact{int(events.Shard(held.subscriber)), fmt.Sprintf("certificate %d", held.serial), held.says()})
	}
	for _, n := range p.notices {
		fn(noticeFact(*n))
	}
}

func noticeFact(n warehouse.Notice) fact {
	says := fmt.Sprintf("%s %s by %s", n.Kind, n.Outcome, n.Medium)
	for _, at := range []time.Time{n.Due, n.Sent, n.Failed, n.Suppressed} {
		says += fmt.Sprintf(" %d", millis(at))
	}
	return fact{int(events.Shard(n.Subscriber)), fmt.Sprintf("notice %s of %s", n.Notice, n.Subscriber), says}
}

func headFact(shard int, h warehouse.Head) fact {
	return fact{shard, h.Kind + "/" + h.ID, fmt.Sprintf("%d commits up to revision %d with %d events", h.Commits, h.Revision, h.Events)}
}

// says lines up what a certificate is and has been through; only instants that there were are named.
func (held *certificate) says() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s of %s under %s on card %s until %s", held.regime, held.kind, held.subscriber, held.authority, held.card, held.lastDay)
	if held.windowOpens != "" {
		fmt.Fprintf(&b, ", window %s", held.windowOpens)
	}
	if held.device != "" {
		fmt.Fprintf(&b, ", on smartphone %s bound to %d, held %v, released %v", held.device, held.parent, held.holds, held.releases)
	}
	if held.replaces != 0 {
		fmt.Fprintf(&b, ", replaces %d", held.replaces)
	}
	for _, milestone := range []struct {
		name string
		at   int64
	}{
		{"not before", held.notBefore},
		{"not after", held.notAfter},
		{"authorized", held.authorized},
		{"issued", held.issued},
		{"written", held.written},
		{"delivered", held.delivered},
		{"window opened", held.opened},
		{"suspended", held.suspended},
		{"revoked", held.revoked},
		{"expired", held.expired},
		{"abandoned", held.abandoned},
	} {
		if milestone.at != 0 {
			fmt.Fprintf(&b, ", %s %s", milestone.name, stamp(milestone.at))
		}
	}
	if held.reason != "" {
		fmt.Fprintf(&b, ", %s", held.reason)
	}
	return b.String()
}

// certificateFact is what the tables say of a certificate.
func certificateFact(row warehouse.Certificate) fact {
	held := certificate{
		serial: row.Serial, subscriber: row.Subscriber, kind: row.Kind, regime: row.Regime, authority: row.Authority, card: row.Card,
		replaces: row.Replaces, reason: row.Reason, device: row.Device, parent: row.Parent,
		holds: slices.Sorted(slices.Values(row.Holds)), releases: slices.Sorted(slices.Values(row.Releases)),
		notBefore: millis(row.NotBefore), notAfter: millis(row.NotAfter), authorized: millis(row.Authorized), issued: millis(row.Issued),
		written: millis(row.Written), delivered: millis(row.Delivered), opened: millis(row.WindowOpened),
		suspended: millis(row.Suspended), revoked: millis(row.Revoked), expired: millis(row.Expired), abandoned: millis(row.Abandoned),
	}
	if !row.LastDay.IsZero() {
		held.lastDay = row.LastDay.String()
	}
	if !row.WindowOpens.IsZero() {
		held.windowOpens = row.WindowOpens.String()
	}
	return fact{int(events.Shard(row.Subscriber)), fmt.Sprintf("certificate %d", row.Serial), held.says()}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
