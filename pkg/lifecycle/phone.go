package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// ApplyPhone is an application about a smartphone (events.PhoneApplication), decrypted by the hub and, if made on the
// phone itself, with its signature checked.
type ApplyPhone struct {
	Procedure string
	Operation events.Operation // PHONE_ISSUE, PHONE_RELEASE or PHONE_REVOKE
	Device    string
	Platform  events.PhonePlatform
	Keys      []*events.GeneratedKey // for an issue: the keys made on the phone
	Claim     []byte                 // the signed claim with application and proof
	Signing   map[events.CertificateKind]Signing
	// Made is when the holder signed on the phone; zero if a clerk took the application.
	Made time.Time
	// ProvedBy is the serial of the card's signature certificate that signed; zero if none did.
	ProvedBy uint64
	OfficeID string
	Counter  string // the gateway or counter that it came through
	Office   regime.Office
	Filed    time.Time
	Switches regime.Switches
}

func (ApplyPhone) command() {}

// installed returns the kinds of the certificates in force on a phone, suspended ones included. Those not yet installed
// don't count: a new application replaces them.
func installed(on []*events.Certificate) (kinds []regime.Kind) {
	for _, c := range on {
		if c.Status == valid || c.Status == suspended {
			kinds = append(kinds, lawKind(c.Kind))
		}
	}
	return kinds
}

// parent returns the card's certificate of this kind to which one on a smartphone can be bound: delivered, in force and
// not suspended. It returns nil if there is none.
func (d *decision) parent(kind events.CertificateKind) *events.Certificate {
	c := liveOn(d.state, events.Regime_REGIME_MYNUMBER, kind, d.today())
	if c == nil || c.Status != valid {
		return nil
	}
	return c
}

// phoneApplication is an ApplyPhone being judged.
type phoneApplication struct {
	ApplyPhone
	*decision
	on     []*events.Certificate // what is in force or on its way on the phone
	kinds  []events.CertificateKind
	ruling regime.Ruling
}

func (d *decision) applyPhone(c ApplyPhone) error {
	d.filedAt(c.Filed)
	if d.state.ProcedureOf(c.Procedure) != nil {
		d.factRefused("PhoneApplicationReceived", "this procedure is already open")
		return nil
	}
	// What deadlines ended before the filing no longer counts (law.md 8.1).
	if err := d.catchUp(func() error { return d.missDeadlines(civil.Of(d.filed), c.Switches) }); err != nil {
		return err
	}
	p := &phoneApplication{ApplyPhone: c, decision: d, on: onDevice(d.state, c.Device)}
	for _, kind := range []events.CertificateKind{kindAuth, kindSign} {
		if keyOf(c.Keys, kind) != nil {
			p.kinds = append(p.kinds, kind)
		}
	}
	p.judgeReceipt()
	if err := p.judgeOperation(); err != nil {
		return err
	}
	if !p.ruling.Accepted() {
		p.refuse()
		return nil
	}
	return p.accept()
}

// judgeReceipt asks who applies: the holder of the card's signature key, at any hour, or somebody before a clerk.
func (p *phoneApplication) judgeReceipt() {
	if p.state.Ended {
		p.ruling.Refuse(regime.RecordEnded)
	}
	if p.Made.IsZero() {
		p.ruling.Merge(p.Office.PhoneAtCounter(p.Operation == events.Operation_OPERATION_PHONE_ISSUE, p.filed))
		return
	}
	signature := p.parent(kindSign)
	signed := signature != nil && signature.Serial == p.ProvedBy
	p.ruling.Merge(regime.PhoneProof(signed, p.Made, time.UnixMilli(p.state.PhoneMadeMs), p.filed))
}

// judgeOperation judges what is asked for.
func (p *phoneApplication) judgeOperation() error {
	switch p.Operation {
	case events.Operation_OPERATION_PHONE_ISSUE:
		return p.judgeIssue()
	case events.Operation_OPERATION_PHONE_RELEASE:
		if len(p.on) > 0 {
			p.ruling.Merge(regime.PhoneRelease(p.lost(), slices.ContainsFunc(p.on, p.heldBack)))
		}
	case events.Operation_OPERATION_PHONE_REVOKE:
	default:
		return fmt.Errorf("operation %v does not apply to a smartphone", p.Operation)
	}
	if len(p.on) == 0 {
		p.ruling.Refuse(regime.NothingHeld)
	}
	return nil
}

// lost reports whether the phone was reported lost and not found again.
func (p *phoneApplication) lost() bool {
	return slices.ContainsFunc(p.on, func(c *events.Certificate) bool { return c.Lost })
}

func (p *phoneApplication) judgeIssue() error {
	if p.state.Open() != nil {
		p.ruling.Refuse(regime.OneAtATime)
	}
	if len(p.kinds) == 0 {
		return fmt.Errorf("application for certificates on a smartphone has no keys")
	}
	own := events.CarrierOf("", p.Device, p.Platform)
	in := regime.PhoneIn{
		Platform: lawPlatform(p.Platform), On: civil.Of(p.filed), Held: installed(p.on), Lost: p.lost(),
		Other: slices.ContainsFunc(p.state.Certificates, func(c *events.Certificate) bool {
			return c.Carrier.GetKind() == own.Kind && c.Carrier.Id != own.Id
		}),
	}
	for _, kind := range p.kinds {
		if serial := p.Signing[kind].Serial; serial == 0 || certificate(p.state, serial) != nil {
			return fmt.Errorf("no serial of its own for kind %s", lawKind(kind))
		}
		in.Kinds = append(in.Kinds, lawKind(kind))
		if p.parent(kind) != nil {
			in.OnCard = append(in.OnCard, lawKind(kind))
		}
	}
	ruling, err := regime.PhoneIssue(in)
	if err != nil {
		return err
	}
	p.ruling.Merge(ruling)
	p.ruling.Merge(keyLengths(regime.MyNumber, p.Keys))
	p.ruling.Merge(regime.PhoneFee().Ruling)
	return nil
}

func lawPlatform(p events.PhonePlatform) regime.Platform {
	switch p {
	case events.PhonePlatform_PHONE_PLATFORM_ANDROID:
		return regime.Android
	case events.PhonePlatform_PHONE_PLATFORM_IPHONE:
		return regime.IPhone
	}
	return ""
}

// heldBack reports whether a phone's authentication certificate stays suspended because the card's is.
func (d *decision) heldBack(c *events.Certificate) bool {
	return c.Kind == kindAuth && certificate(d.state, c.Parent).GetStatus() == suspended
}

func (p *phoneApplication) refuse() {
	p.emit(&events.ApplicationRefused{
		Procedure: p.Procedure, Operation: p.Operation, Channel: events.Channel_CHANNEL_SELF, Kinds: p.kinds, Device: p.Device,
		Refusals: distinct(p.ruling.Refused), Municipality: p.state.Municipality,
	}, p.ruling.Rules()...)
}

func (p *phoneApplication) accept() error {
	if p.Operation != events.Operation_OPERATION_PHONE_ISSUE {
		p.emit(p.accepted(), p.ruling.Applied...)
		event := regime.EvSmartphoneRevoked
		if p.Operation == events.Operation_OPERATION_PHONE_RELEASE {
			event = regime.EvSmartphoneFound
		}
		return p.endPhone(p.Device, event)
	}
	p.withdraw(p.Device)
	accepted := p.accepted()
	for _, kind := range p.kinds {
		parent := p.parent(kind)
		term := regime.PhoneValidity(day(parent.LastDay))
		accepted.Planned = append(accepted.Planned, &events.PlannedCertificate{
			Kind: kind, LastDay: parent.LastDay, Candidates: logCandidates(term), Parent: parent.Serial,
		})
	}
	for _, item := range regime.PhoneFee().Items {
		accepted.Fee = append(accepted.Fee, &events.FeeItem{RuleId: item.Rule, Yen: uint32(item.Yen)})
	}
	p.emit(accepted, p.ruling.Applied...)
	p.emit(&events.KeysRecorded{Procedure: p.Procedure, Device: p.Device, Keys: p.Keys, Claim: p.Claim}, keyLengths(regime.MyNumber, p.Keys).Applied...)
	for _, planned := range accepted.Planned {
		p.authorize(p.state.ProcedureOf(p.Procedure), planned, p.Signing[planned.Kind], p.Keys,
			&events.IssueAuthorized{Regime: accepted.Regime}, regime.PhoneValidity(day(planned.LastDay)).Applied...)
	}
	return nil
}

func (p *phoneApplication) accepted() *events.ApplicationAccepted {
	accepted := &events.ApplicationAccepted{
		Procedure: p.Procedure, Operation: p.Operation, Channel: events.Channel_CHANNEL_SELF, Regime: events.Regime_REGIME_MYNUMBER,
		Kinds: p.kinds, Municipality: p.state.Municipality, Office: p.OfficeID, Counter: p.Counter,
		Device: p.Device, Platform: p.Platform, ProvedBy: p.ProvedBy,
	}
	if !p.Made.IsZero() {
		accepted.MadeMs = p.Made.UnixMilli()
	}
	return accepted
}

// withdrawPhones withdraws procedures for smartphones when one is opened at a counter: it may replace the certificates to
// which theirs would be bound, and one person has one procedure at a time.
func (a *application) withdrawPhones() {
	if a.state.Open().GetId() != a.Procedure {
		return
	}
	for _, p := range slices.Clone(a.state.Procedures) {
		if p.Carrier.Device() != "" {
			a.discard(p, regime.OneAtATime)
		}
	}
}

// withdraw withdraws an open application for a phone, with what was made for it.
func (d *decision) withdraw(device string) {
	for _, p := range slices.Clone(d.state.Procedures) {
		if p.Carrier.Device() == device {
			d.discard(p)
		}
	}
}

// endPhone applies the law on the event to the certificates on one smartphone. Those still on their way to it are not
// sent.
func (d *decision) endPhone(device string, event regime.Event) error {
	law, err := regime.PhoneConsequences(event)
	if err != nil {
		return err
	}
	d.withdraw(device)
	for _, held := range onDevice(d.state, device) {
		d.endOne(consequence{event: event}, held, law.Of(lawKind(held.Kind)))
	}
	return nil
}

// losePhone suspends the certificates on a lost smartphone; the card and its certificates stay.
func (d *decision) losePhone(c ReportLoss) error {
	law, err := regime.PhoneConsequences(regime.EvSmartphoneLost)
	if err != nil {
		return err
	}
	if len(onDevice(d.state, c.Device)) == 0 {
		d.factRefused("LossReported", "nothing is in force on this smartphone", regime.NothingHeld)
		return nil
	}
	d.emit(&events.LossReported{By: c.By, Device: c.Device}, law.Rules[0])
	return d.endPhone(c.Device, regime.EvSmartphoneLost)
}

// followParents ends or suspends certificates on smartphones as this decision did the card's to which they are bound:
// for the same reason, under the same rules and at the same times (law.md 10.2).
func (d *decision) followParents() {
	filed, caused := d.filed, d.caused
	defer func() { d.filed, d.caused = filed, caused }()
	for _, e := range slices.Clone(d.events) {
		for _, held := range slices.Clone(d.state.Certificates) {
			body := following(held, events.BodyOf(e))
			if body == nil {
				continue
			}
			d.filed, d.caused = time.Time{}, time.UnixMilli(e.CausedMs)
			if e.FiledMs != 0 {
				d.filed = time.UnixMilli(e.FiledMs)
			}
			d.emit(body, append([]string{regime.PhoneFollows}, e.RuleIds...)...)
		}
	}
}

// following returns what happens to a certificate because of an event about its parent; nil if it is not bound to that
// one, or nothing changes. Unsigned certificates are abandoned, whatever happened to the parent.
func following(held *events.Certificate, parent events.Body) (body events.Body) {
	var serial uint64
	switch b := parent.(type) {
	case *events.CertificateRevoked:
		serial, body = b.Serial, &events.CertificateRevoked{
			Serial: held.Serial, Kind: held.Kind, Reason: b.Reason, Cause: b.Cause, Authority: held.Authority,
			LastDay: b.LastDay, Municipality: b.Municipality, Device: held.Carrier.Device(),
		}
	case *events.CertificateDiscarded:
		serial, body = b.Serial, discarding(held, b.Cause)
	case *events.CertificateSuspended:
		if serial, body = b.Serial, suspension(held, b.Cause); held.Status == suspended {
			return nil
		}
	case *events.CertificateExpired:
		serial, body = b.Serial, &events.CertificateExpired{Serial: held.Serial, Kind: held.Kind, LastDay: b.LastDay, Device: held.Carrier.Device()}
	}
	switch {
	case serial == 0, held.Parent != serial:
		return nil
	case held.Status == authorized:
		return abandonment(held, "card-certificate")
	}
	return body
}
