package fsck

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/warehouse"
)

// expected is what the tables and lists should say about one aggregate, folded independently of lifecycle and
// warehouse.
type expected struct {
	kind, id     string
	certificates map[uint64]*certificate
	// merged has the rows that several events add up to, by table and key.
	merged map[string]*row
	// moving are the certificates on cards, by serial.
	moving map[uint64]*moving
}

// certificate has one certificate's milestones in milliseconds, by which revocation lists are checked; zero is never.
type certificate struct {
	serial                        uint64
	subscriber, kind, regime      string
	authority, device             string
	lastDay, municipality         string
	issued                        int64
	notAfter                      int64
	suspended, revoked, abandoned int64
	expired                       int64
	crlReason                     int
	holds, releases               []uint64 // on a smartphone, where suspensions can be lifted
}

// carriedBy returns the state of a subscriber that a commit carries; an empty one if there is none.
func carriedBy(r eventlog.Record) *events.SubscriberState {
	if r.Kind != events.KindSubscriber {
		return &events.SubscriberState{}
	}
	_, carried, err := r.State()
	if err != nil {
		return &events.SubscriberState{} // reported by checkState
	}
	state, err := lifecycle.DecodeSubscriber(carried)
	if err != nil {
		return &events.SubscriberState{}
	}
	return state
}

// fold folds a commit, and calls give with the rows that its events alone make.
func (p *expected) fold(r eventlog.Record, give func(fact)) {
	state := carriedBy(r)
	for i := range r.Commit.Events {
		s := sourceOf(r.Commit, i)
		s.place = s.placeOf(state.Municipality)
		s.eachRow(func(r row) { give(r.fact(p.id)) })
		p.foldMove(s)
		if p.kind == events.KindAuthority {
			p.foldFound(s)
		}
		if p.kind != events.KindSubscriber || s.body == nil {
			continue
		}
		s.eachFact(state, func(r row) { give(r.fact(p.id)) })
		p.foldCertificate(s)
		p.foldEnd(s.event)
		p.foldApplication(s)
		p.foldNotice(s)
		p.foldDeadline(s)
	}
}

// facts calls give with the rows that the aggregate's events add up to.
func (p *expected) facts(give func(fact)) {
	for _, r := range p.merged {
		give(r.fact(p.owner(r)))
	}
	for serial, m := range p.moving {
		m.rows(serial, func(r row) { give(r.fact(p.id)) })
	}
}

// owner returns whose row it is: a row in an authority's history belongs to its subscriber.
func (p *expected) owner(r *row) string {
	if p.kind != events.KindAuthority {
		return p.id
	}
	i := slices.IndexFunc(r.cells, func(c cell) bool { return c.column == "subscriber" })
	if i < 0 {
		return ""
	}
	return r.cells[i].text
}

// row returns the row of a merged table under a key.
func (p *expected) row(table, key string) *row {
	if p.merged == nil {
		p.merged = make(map[string]*row)
	}
	r := p.merged[table+" "+key]
	if r == nil {
		r = &row{table: table, key: key}
		p.merged[table+" "+key] = r
	}
	return r
}

func (p *expected) of(serial uint64) *certificate {
	if p.certificates == nil {
		p.certificates = make(map[uint64]*certificate)
	}
	held := p.certificates[serial]
	if held == nil {
		held = &certificate{serial: serial}
		p.certificates[serial] = held
	}
	return held
}

// foldFound folds the rows of certificates outside the log: they are in the authority's history but belong to their
// subscriber.
func (p *expected) foldFound(s source) {
	switch b := events.BodyOf(s.event).(type) {
	case *events.CertificateFound:
		r := p.row("certificates", strconv.FormatUint(b.Serial, 10))
		r.raise(
			cell{column: "subscriber", text: b.Subscriber}, cell{column: "revision", number: s.commit.Revision},
			cell{column: "kind", text: word(b.Kind)}, cell{column: "regime", text: regimeOf(p.id)}, cell{column: "authority", text: p.id},
			cell{column: "card", text: b.Card}, cell{column: "device", text: b.Device},
			cell{column: "not_before", at: b.NotBeforeMs}, cell{column: "not_after", at: b.NotAfterMs},
			cell{column: "authorized", at: s.event.RecordedMs}, cell{column: "delivered", at: s.event.RecordedMs},
		)
	case *events.FoundCertificateRevoked:
		p.row("certificates", strconv.FormatUint(b.Serial, 10)).raise(
			cell{column: "revision", number: s.commit.Revision}, cell{column: "revoked", at: s.event.RecordedMs},
			cell{column: "reason", text: reasonWord(b.Reason)}, cell{column: "cause", text: warehouse.FoundCause},
		)
	}
}

// regimeOf returns the regime of an authority's certificates.
func regimeOf(authority string) string {
	if strings.HasPrefix(authority, "juki") {
		return "juki"
	}
	return "mynumber"
}

// milestones maps events to the columns of certificates for what happens once.
var milestones = map[string]string{
	"IssueAuthorized": "authorized", "CertificateIssued": "issued", "CertificateWritten": "written", "Delivered": "delivered",
	"WindowOpened": "window_opened", "CertificateSuspended": "suspended", "CertificateReleased": "", "CertificateRevoked": "revoked",
	"CertificateDiscarded": "revoked", "IssueAbandoned": "abandoned", "CertificateExpired": "expired",
}

// foldCertificate folds the rows of certificates.
func (p *expected) foldCertificate(s source) {
	milestone, about := milestones[s.name]
	if !about {
		return
	}
	recorded := uint64(s.event.RecordedMs)
	for _, serial := range s.serials() {
		r := p.row("certificates", strconv.FormatUint(serial, 10))
		r.raise(cell{column: "subscriber", text: p.id}, cell{column: "revision", number: s.commit.Revision})
		if milestone != "" {
			r.raise(cell{column: milestone, at: s.event.RecordedMs})
		}
		switch s.name {
		case "IssueAuthorized":
			r.raise(cell{column: "office", text: s.commit.Office}, cell{column: "replaces", number: s.number("replaces")})
			r.raise(s.terms()...)
		case "CertificateIssued":
			r.raise(s.terms()...)
		case "CertificateSuspended":
			r.raise(cell{column: "suspend_cause", text: s.text("cause")})
			if s.text("device") != "" {
				r.gather("holds", recorded)
			}
		case "CertificateReleased":
			r.gather("releases", recorded)
		case "CertificateRevoked":
			r.raise(cell{column: "reason", text: s.revocationReason()}, cell{column: "cause", text: s.text("cause")})
		case "CertificateDiscarded", "IssueAbandoned":
			r.raise(cell{column: "reason", text: "unspecified"}, cell{column: "cause", text: s.text("cause")})
		}
	}
}

// terms returns what an authorisation and an issue both say about a certificate.
func (s source) terms() []cell {
	cells := []cell{
		{column: "not_before", at: int64(s.number("not_before_ms"))},
		{column: "not_after", at: int64(s.number("not_after_ms"))},
		{column: "parent", number: s.number("parent")},
	}
	for _, name := range []protoreflect.Name{
		"kind", "regime", "municipality", "card", "authority", "procedure", "last_day", "window_opens", "device",
	} {
		cells = append(cells, cell{column: string(name), text: s.text(name)})
	}
	return cells
}

// gather adds a number to a column's set.
func (r *row) gather(column string, number uint64) {
	i := slices.IndexFunc(r.cells, func(c cell) bool { return c.column == column })
	if i < 0 {
		i = len(r.cells)
		r.cells = append(r.cells, cell{column: column})
	}
	c := &r.cells[i]
	if at, held := slices.BinarySearch(c.set, number); !held {
		c.set = slices.Insert(c.set, at, number)
	}
}

// foldEnd folds the milestones by which revocation lists are checked.
func (p *expected) foldEnd(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		held := p.of(b.Serial)
		held.subscriber, held.kind, held.regime, held.authority = p.id, word(b.Kind), word(b.Regime), b.Authority
		held.notAfter = b.NotAfterMs
		held.lastDay, held.municipality, held.device = b.LastDay, b.Municipality, b.Device
	case *events.CertificateIssued:
		p.of(b.Serial).issued = e.RecordedMs
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
		held.revoked, held.crlReason = e.RecordedMs, int(lifecycle.CRLReason(b.Reason))
	case *events.CertificateDiscarded:
		p.of(b.Serial).revoked = e.RecordedMs
	case *events.IssueAbandoned:
		p.of(b.Serial).abandoned = e.RecordedMs
	case *events.CertificateExpired:
		p.of(b.Serial).expired = e.RecordedMs
	}
}

// steps maps events to the columns of applications for what happens once.
var steps = map[string]string{
	"ApplicationAccepted": "accepted", "ApplicationRefused": "refused", "InquiryLetterDue": "letter", "ApplicationWithdrawn": "withdrawn",
	"KeysRecorded": "keys", "CertificateIssued": "issued", "CertificateWritten": "written", "CardWriteFailed": "failed",
	"Delivered": "delivered", "FeeCollected": "",
}

func (p *expected) foldApplication(s source) {
	step, about := steps[s.name]
	procedure := s.text("procedure")
	if !about || procedure == "" {
		return
	}
	r := p.row("applications", p.id+"/"+procedure)
	if step != "" {
		r.raise(cell{column: step, at: s.event.RecordedMs})
	}
	switch b := events.BodyOf(s.event).(type) {
	case *events.ApplicationAccepted:
		var fee uint64
		for _, item := range b.Fee {
			fee += uint64(item.Yen)
		}
		r.raise(cell{column: "regime", text: word(b.Regime)}, cell{column: "card", text: b.Card}, cell{column: "fee_yen", number: fee})
		r.raise(s.received(b.Kinds)...)
	case *events.ApplicationRefused:
		if len(b.Refusals) > 0 {
			r.raise(cell{column: "refusal", text: b.Refusals[0]})
		}
		r.raise(s.received(b.Kinds)...)
	case *events.InquiryLetterDue:
		r.raise(cell{column: "card", text: b.Card})
		r.raise(s.received(b.Kinds)...)
	case *events.KeysRecorded:
		r.raise(cell{column: "card", text: b.Card})
	case *events.CertificateIssued:
		r.raise(cell{column: "regime", text: word(b.Regime)})
	case *events.FeeCollected:
		r.raise(cell{column: "paid_yen", number: uint64(b.Yen)})
	}
}

// received returns what a counter received, whatever was decided.
func (s source) received(kinds []events.CertificateKind) []cell {
	list := ""
	for i, kind := range kinds {
		if i > 0 {
			list += " "
		}
		list += word(kind)
	}
	return []cell{
		{column: "filed", at: s.event.FiledMs},
		{column: "office", text: s.commit.Office},
		{column: "operation", text: s.text("operation")},
		{column: "channel", text: s.text("channel")},
		{column: "municipality", text: s.text("municipality")},
		{column: "kinds", text: list},
	}
}

func (p *expected) foldNotice(s source) {
	at := s.event.RecordedMs
	row := func(notice string) *row { return p.row("notices", p.id+"/"+notice) }
	switch b := events.BodyOf(s.event).(type) {
	case *events.NoticeDue:
		r := row(b.Notice)
		r.raise(cell{column: "kind", text: word(b.Kind)}, cell{column: "last_day", text: b.LastDay}, cell{column: "due", at: at},
			cell{column: "municipality", text: s.place})
		if len(b.Serials) > 0 {
			r.raise(cell{column: "serial", number: b.Serials[0]})
		}
	case *events.NoticeSent:
		row(b.Notice).raise(cell{column: "medium", text: b.Medium}, cell{column: "outcome", text: "sent"}, cell{column: "sent", at: at})
	case *events.NoticeFailed:
		row(b.Notice).raise(cell{column: "medium", text: b.Medium}, cell{column: "outcome", text: "failed: " + b.Code}, cell{column: "failed", at: at})
	case *events.NoticeSuppressed:
		row(b.Notice).raise(cell{column: "outcome", text: "suppressed: " + b.Reason}, cell{column: "suppressed", at: at})
	}
}

// foldDeadline keeps the newest event about a deadline.
func (p *expected) foldDeadline(s source) {
	lastDay := ""
	switch b := events.BodyOf(s.event).(type) {
	case *events.DeadlineSet:
		lastDay = b.LastDay
	case *events.DeadlineMissed:
		lastDay = b.LastDay
	case *events.DeadlineMet:
	default:
		return
	}
	p.row("deadlines", p.id+"/"+s.text("kind")).cells = []cell{
		{column: "version", number: s.commit.Revision<<16 | uint64(s.index)},
		{column: "event", text: s.name},
		{column: "last_day", text: lastDay},
		{column: "recorded", at: s.event.RecordedMs},
		{column: "municipality", text: s.place},
	}
}

// fact is one thing about which log and tables must agree.
type fact struct {
	shard      int
	what, says string
}
