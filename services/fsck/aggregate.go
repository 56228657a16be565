package fsck

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
)

// aggregate is one history being checked.
type aggregate struct {
	expected
	last     uint64 // revision
	hash     []byte // of the last message
	recorded int64
	state    []byte
	// adopt: take the next carried state as it is, because something before it could not be read.
	adopt bool
	// unsigned has the serials authorised but neither issued nor abandoned; told has 1 for what is due and 2 for what
	// is done.
	unsigned map[uint64]bool
	told     map[string]int8
	// destroyed counts the destroyed keys of each record class.
	destroyed map[string]uint32
	// keys has the expected status of each of the person's keys.
	keys map[vault.Key]vault.Status
}

// checkRecord checks one record against the earlier ones of its aggregate.
func (c *check) checkRecord(r eventlog.Record, readErr error) {
	a := c.aggregateOf(r)
	where := fmt.Sprintf("%s/%s revision %d", r.Kind, r.ID, a.last+1)
	if r.Commit == nil {
		next := nextRestore
		if errors.Is(readErr, eventlog.ErrParked) {
			next = nextParked
		}
		if by, closed := c.report.closed[r.Kind+"/"+r.ID]; closed && !by.Names(r.Stream, r.Sequence) {
			next = nextMore
		}
		c.report.add(where, next, "can't be read: %v", readErr)
		a.last, a.hash, a.adopt = a.last+1, events.Hash(r.Stored), true
		return
	}
	if readErr != nil {
		c.report.add(where, nextForged, "%v", readErr)
	} else if err := c.Log.Verify(r); err != nil {
		c.report.add(where, nextForged, "%v", err)
	}
	c.checkChain(a, r, where)
	c.checkTimes(a, r, where)
	c.checkState(a, r, where)
	c.checkProofs(r.Commit, where)
	a.fold(r, c.logged.add)
	for _, e := range r.Commit.Events {
		c.account(a, e, where)
	}
}

func (c *check) checkChain(a *aggregate, r eventlog.Record, where string) {
	if r.Commit.Revision != a.last+1 || !bytes.Equal(r.Commit.PreviousHash, a.hash) {
		c.report.add(where, nextRestore, "revision %d at %s sequence %d does not continue revision %d", r.Commit.Revision, r.Stream, r.Sequence, a.last)
		a.adopt = a.adopt || r.Commit.Revision != a.last+1
	}
	a.last, a.hash = r.Commit.Revision, events.Hash(r.Stored)
}

func (c *check) checkTimes(a *aggregate, r eventlog.Record, where string) {
	for i, e := range r.Commit.Events {
		if e.RecordedMs < a.recorded {
			c.report.add(where, nextProgram, "event %d was recorded at %s, before %s of an earlier one", i, stamp(e.RecordedMs), stamp(a.recorded))
		}
		a.recorded = max(a.recorded, e.RecordedMs)
	}
	c.newest = max(c.newest, a.recorded)
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// checkState compares the state carried with a commit with the fold of everything up to it.
func (c *check) checkState(a *aggregate, r eventlog.Record, where string) {
	version, carried, err := r.State()
	if err != nil {
		c.report.add(where, nextRestore, "%v", err)
		a.adopt = true
		return
	}
	if version > lifecycle.FoldVersion {
		c.report.add(where, "use a program at least as new", "the state was folded by version %d, this program knows %d", version, lifecycle.FoldVersion)
		a.adopt = true
		return
	}
	if a.adopt && version == lifecycle.FoldVersion {
		a.state, a.adopt = carried, false
		return
	}
	fold, ok := c.folds[r.Kind]
	if !ok {
		c.report.add(where, nextForged, "unknown kind of aggregate %q", r.Kind)
		return
	}
	folded, err := fold.Apply(a.state, r.Commit)
	switch {
	case err != nil:
		c.report.add(where, nextProgram, "can't be folded: %v", err)
		a.adopt = true
		return
	case version == lifecycle.FoldVersion && !sameState(r.Kind, folded, carried):
		c.report.add(where, nextForged, "the carried state is not the fold of the history")
		folded = carried // report only once
	}
	a.state = folded
	if r.Kind == events.KindSubscriber {
		c.checkLive(folded, where)
	}
}

// sameState compares states by their bytes and, because another build may order them differently, by their content.
func sameState(kind string, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	of := map[string]func() proto.Message{
		events.KindSubscriber: func() proto.Message { return &events.SubscriberState{} },
		events.KindCard:       func() proto.Message { return &events.CardState{} },
		events.KindOffice:     func() proto.Message { return &events.OfficeState{} },
		events.KindAuthority:  func() proto.Message { return &events.AuthorityState{} },
		events.KindApproval:   func() proto.Message { return &events.ApprovalState{} },
	}[kind]
	if of == nil {
		of = func() proto.Message { return &events.QuarantineState{} }
	}
	first, second := of(), of()
	return proto.Unmarshal(a, first) == nil && proto.Unmarshal(b, second) == nil && proto.Equal(first, second)
}

// checkLive reports two certificates of a kind in force at a time (law.md 4.4: double issue).
func (c *check) checkLive(state []byte, where string) {
	s, err := lifecycle.DecodeSubscriber(state)
	if err != nil {
		c.report.add(where, nextRestore, "%v", err)
		return
	}
	type slot struct {
		kind   events.CertificateKind
		regime events.Regime
		device string
	}
	live := make(map[slot]uint64)
	for _, held := range s.Certificates {
		if held.Carrier.Device() != "" {
			c.checkParent(s, held, where)
		}
		if !slices.Contains(inForce, held.Status) || waits(s, held) {
			continue
		}
		key := slot{held.Kind, held.Regime, held.Carrier.Device()}
		if other, ok := live[key]; ok {
			c.report.add(where, nextProgram, "serials %d and %d of one kind are live at a time", other, held.Serial)
		}
		live[key] = held.Serial
	}
}

// waits reports whether a certificate will replace another when its new card is handed over (law.md 4.4).
func waits(s *events.SubscriberState, held *events.Certificate) bool {
	waiting := s.GetCard().GetStatus() == events.CardStatus_CARD_STATUS_ASSIGNED || s.GetCard().GetStatus() == events.CardStatus_CARD_STATUS_CUSTODY
	return held.Replaces != 0 && held.Status == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED && waiting && s.GetCard().GetCard() == held.Carrier.Card()
}

// checkParent reports a certificate on a smartphone that is in force without its parent on the card, or while that is
// suspended (law.md 10.1, 10.2).
func (c *check) checkParent(s *events.SubscriberState, held *events.Certificate, where string) {
	i := slices.IndexFunc(s.Certificates, func(parent *events.Certificate) bool { return parent.Serial == held.Parent })
	switch {
	case i < 0 || !slices.Contains(inForce, s.Certificates[i].Status) || s.Certificates[i].Kind != held.Kind:
		c.report.add(where, nextProgram, "serial %d on a smartphone outlives serial %d of the card", held.Serial, held.Parent)
	case s.Certificates[i].Status == suspendedStatus && held.Status != suspendedStatus:
		c.report.add(where, nextProgram, "serial %d on a smartphone is in force while serial %d of the card is suspended", held.Serial, held.Parent)
	}
}

const suspendedStatus = events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED

var inForce = []events.CertificateStatus{
	events.CertificateStatus_CERTIFICATE_STATUS_ISSUED, events.CertificateStatus_CERTIFICATE_STATUS_VALID,
	events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED,
}

// account records what falls due and what becomes of it, independently of the fold.
func (c *check) account(a *aggregate, e *events.Event, where string) {
	a.wantSealed(e)
	c.noteJoin(a, e, where)
	if serial := spent(e); serial != 0 {
		c.serials = append(c.serials, serial)
	}
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		if a.unsigned == nil {
			a.unsigned = make(map[uint64]bool)
		}
		a.unsigned[b.Serial] = true
	case *events.CertificateIssued:
		c.close(a, b.Serial, "issued", where)
	case *events.IssueAbandoned:
		c.close(a, b.Serial, "abandoned", where)
	case *events.NoticeDue:
		c.due(a, "notice "+b.Notice, where)
	case *events.NoticeSent:
		c.done(a, "notice "+b.Notice, where)
	case *events.NoticeFailed:
		c.done(a, "notice "+b.Notice, where)
	case *events.NoticeSuppressed:
		c.done(a, "notice "+b.Notice, where)
	case *events.InquiryLetterDue:
		c.due(a, "letter "+b.Letter, where)
	case *events.InquiryLetterMailed:
		c.done(a, "letter "+b.Letter, where)
	case *events.ErasureOrdered:
		c.orderErased(a, b.RecordClass, where)
	case *events.KeyDestroyed:
		c.keyDestroyed(a, b.RecordClass, where)
	}
}

func (c *check) close(a *aggregate, serial uint64, how, where string) {
	if !a.unsigned[serial] {
		c.report.add(where, nextProgram, "serial %d is %s without being authorised", serial, how)
	}
	delete(a.unsigned, serial)
}

func (c *check) due(a *aggregate, what, where string) {
	if a.told == nil {
		a.told = make(map[string]int8)
	}
	if a.told[what] != 0 {
		c.report.add(where, nextProgram, "%s falls due a second time", what)
	}
	a.told[what] = 1
}

func (c *check) done(a *aggregate, what, where string) {
	if a.told[what] != 1 {
		c.report.add(where, nextProgram, "%s has an outcome without being due, or a second one", what)
		return
	}
	a.told[what] = 2
}

const (
	signPatience   = time.Hour
	noticePatience = 24 * time.Hour
)

// finish checks that whatever a subscriber's history leaves open is owed in the state.
func (c *check) finish(a *aggregate) {
	if a.kind != events.KindSubscriber {
		return
	}
	where := a.kind + "/" + a.id
	state, err := lifecycle.DecodeSubscriber(a.state)
	if err != nil {
		c.report.add(where, nextRestore, "%v", err)
		return
	}
	for serial := range a.unsigned {
		if !owesSignature(state, serial) {
			c.report.add(where, nextProgram, "serial %d is authorised, but neither issued, abandoned nor owed", serial)
		}
	}
	for what, step := range a.told {
		if notice, ok := bytes.CutPrefix([]byte(what), []byte("notice ")); ok && step == 1 && !owes(state, noticeOwed, string(notice)) {
			c.report.add(where, nextProgram, "%s is due, but has no outcome and is not owed", what)
		}
	}
	c.finishErasures(a, state, where)
	c.finishJoin(a, where)
	for _, o := range state.Obligations {
		if len(c.owed) < 10*maxFindings && patience(o.Kind) > 0 {
			c.owed = append(c.owed, owed{where, o})
		}
	}
}

// owed is what a service of the hub still has to do.
type owed struct {
	where      string
	obligation *events.Obligation
}

// patience returns how long a service of the hub may owe something; zero for what a counter owes, because that waits
// for people.
func patience(kind events.ObligationKind) time.Duration {
	switch kind {
	case events.ObligationKind_OBLIGATION_KIND_SIGN, destroyOwed, closingOwed:
		return signPatience
	case noticeOwed, events.ObligationKind_OBLIGATION_KIND_MAIL_INQUIRY:
		return noticePatience
	}
	return 0
}

const closingOwed = events.ObligationKind_OBLIGATION_KIND_CLOSE_HISTORY

const noticeOwed = events.ObligationKind_OBLIGATION_KIND_SEND_NOTICE

func owes(s *events.SubscriberState, kind events.ObligationKind, target string) bool {
	return slices.ContainsFunc(s.Obligations, func(o *events.Obligation) bool { return o.Kind == kind && o.Target == target })
}

func owesSignature(s *events.SubscriberState, serial uint64) bool {
	return slices.ContainsFunc(s.Certificates, func(held *events.Certificate) bool {
		return held.Serial == serial && held.Status == events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED &&
			owes(s, events.ObligationKind_OBLIGATION_KIND_SIGN, held.Procedure)
	})
}

// checkPatience reports what the services of the hub have not done in time.
func (c *check) checkPatience() {
	now := c.Now
	if now.IsZero() {
		now = time.UnixMilli(c.newest)
	}
	for _, o := range c.owed {
		if now.Sub(time.UnixMilli(o.obligation.SinceMs)) <= patience(o.obligation.Kind) {
			continue
		}
		who := "the notifier"
		switch o.obligation.Kind {
		case events.ObligationKind_OBLIGATION_KIND_SIGN:
			who = "the issuer"
		case destroyOwed:
			who = "the eraser"
		case closingOwed:
			who = "the registration authority"
		}
		c.report.add(o.where, nextService, "%s has owed %s (obligation %s) since %s", who, o.obligation.Target, o.obligation.Id, stamp(o.obligation.SinceMs))
	}
}
