package lifecycle

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// ApplyPhone is an application about a smartphone (events.PhoneApplication), opened by the hub and, where it came from
// the phone itself, proved.
type ApplyPhone struct {
	Procedure string
	Operation events.Operation // PHONE_ISSUE, PHONE_RELEASE or PHONE_REVOKE
	Device    string
	Platform  events.PhonePlatform
	Keys      []*events.GeneratedKey // of an issue: the keys made on the phone
	Claim     []byte                 // the signed claim that holds application and proof
	Signing   map[events.CertificateKind]Signing
	// Made is when the holder signed on the phone; zero: a clerk took it in at a counter.
	Made time.Time
	// ProvedBy is the card's signature certificate (serial) whose key signed; zero: none did.
	ProvedBy uint64
	OfficeID string
	Counter  string // the gateway or counter that it came through
	Office   regime.Office
	Filed    time.Time
	Switches regime.Switches
}

// RecordInstalled tells that a smartphone holds the certificates that were issued to it.
type RecordInstalled struct {
	Procedure  string
	Obligation string
	Device     string
	Serials    []uint64
	SHA256     [][]byte // as installed, in the order of Serials
	Filed      time.Time
}

func (ApplyPhone) command()      {}
func (RecordInstalled) command() {}

// phoneOf is the smartphone with this id, nil when nothing is in force or on its way on it.
func phoneOf(s *events.SubscriberState, device string) *events.Phone {
	for _, p := range s.Phones {
		if p.Device == device && device != "" {
			return p
		}
	}
	return nil
}

// onPhone is the smartphone that holds the certificate with this serial; nil when none does.
func onPhone(s *events.SubscriberState, serial uint64) *events.Phone {
	for _, p := range s.Phones {
		if slices.ContainsFunc(p.Certificates, func(c *events.Certificate) bool { return c.Serial == serial }) {
			return p
		}
	}
	return nil
}

// installed are the kinds of which the phone holds a certificate in force, suspended ones included; what is still on its
// way gives way to a new application.
func installed(p *events.Phone) (kinds []regime.Kind) {
	for _, c := range p.GetCertificates() {
		if c.Status == valid || c.Status == suspended {
			kinds = append(kinds, lawKind(c.Kind))
		}
	}
	return kinds
}

// parent is the card's certificate that one of this kind on a smartphone can be bound to: delivered, in force and not
// suspended; nil when there is none.
func (d *decision) parent(kind events.CertificateKind) *events.Certificate {
	c := liveOn(d.state, events.Regime_REGIME_MYNUMBER, kind, d.today())
	if c == nil || c.Status != valid {
		return nil
	}
	return c
}

// phoneApplication is an ApplyPhone on its way through the rules.
type phoneApplication struct {
	ApplyPhone
	*decision
	phone  *events.Phone
	kinds  []events.CertificateKind
	ruling regime.Ruling
}

func (d *decision) applyPhone(c ApplyPhone) error {
	d.filedAt(c.Filed)
	if open := phoneOf(d.state, c.Device).GetProcedure(); open != "" && open == c.Procedure {
		d.factRefused("PhoneApplicationReceived", "this procedure is already open")
		return nil
	}
	// What deadlines have ended when it was filed is not there any more (law.md 8.1).
	if err := d.catchUp(func() error { return d.missDeadlines(civil.Of(d.filed), c.Switches) }); err != nil {
		return err
	}
	p := &phoneApplication{ApplyPhone: c, decision: d, phone: phoneOf(d.state, c.Device)}
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

// judgeReceipt asks who applies: the holder of the card's signature key, at any hour, or somebody a clerk has seen.
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

// judgeOperation asks what is to be done.
func (p *phoneApplication) judgeOperation() error {
	switch p.Operation {
	case events.Operation_OPERATION_PHONE_ISSUE:
		return p.judgeIssue()
	case events.Operation_OPERATION_PHONE_RELEASE:
		if p.phone == nil {
			p.ruling.Refuse(regime.NothingHeld)
			return nil
		}
		p.ruling.Merge(regime.PhoneRelease(p.phone.Suspended, p.cardSuspended()))
	case events.Operation_OPERATION_PHONE_REVOKE:
		if p.phone == nil {
			p.ruling.Refuse(regime.NothingHeld)
		}
	default:
		return fmt.Errorf("%v is not asked for about a smartphone", p.Operation)
	}
	return nil
}

func (p *phoneApplication) judgeIssue() error {
	if p.state.Procedure != nil {
		p.ruling.Refuse(regime.OneAtATime)
	}
	if len(p.kinds) == 0 {
		return fmt.Errorf("an application for certificates on a smartphone without keys")
	}
	in := regime.PhoneIn{
		Platform: lawPlatform(p.Platform), On: civil.Of(p.filed), Held: installed(p.phone), Lost: p.phone.GetSuspended(),
		Other: slices.ContainsFunc(p.state.Phones, func(o *events.Phone) bool { return o.Platform == p.Platform && o.Device != p.Device }),
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

// cardSuspended reports whether the card's certificate of one that would be released is suspended.
func (p *phoneApplication) cardSuspended() bool {
	return slices.ContainsFunc(p.phone.Certificates, p.heldBack)
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
		return p.endPhone(p.phone, event)
	}
	p.withdrawPhone(p.phone)
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
		p.authorize(planned)
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

func (p *phoneApplication) authorize(planned *events.PlannedCertificate) {
	s, last := p.Signing[planned.Kind], day(planned.LastDay)
	p.emit(&events.IssueAuthorized{
		Procedure: p.Procedure, Serial: s.Serial, Kind: planned.Kind, Regime: events.Regime_REGIME_MYNUMBER, Authority: s.Authority,
		Generation: s.Generation, NotBeforeMs: p.now.Unix() * 1000, NotAfterMs: last.EndInstant().UnixMilli(),
		LastDay: planned.LastDay, Candidates: planned.Candidates, Municipality: p.state.Municipality,
		SpkiSha256: keyOf(p.Keys, planned.Kind).SpkiSha256, Device: p.Device, Parent: planned.Parent,
	}, regime.PhoneValidity(last).Applied...)
}

// makeWay withdraws what is on its way to a smartphone when a procedure is opened at a counter: it may replace the very
// certificates that those would be bound to, and one person has one procedure at a time.
func (a *application) makeWay() {
	if a.state.Procedure.GetId() != a.Procedure {
		return
	}
	for _, phone := range slices.Clone(a.state.Phones) {
		a.withdrawPhone(phone, regime.OneAtATime)
	}
}

// withdrawPhone ends an application for a phone that is still on its way, with what was made for it.
func (d *decision) withdrawPhone(phone *events.Phone, rules ...string) {
	procedure, rules := phone.GetProcedure(), append(rules, regime.BeforeHandOver)
	if procedure == "" {
		return
	}
	for _, held := range slices.Clone(phone.Certificates) {
		switch held.Status {
		case authorized:
			d.emit(&events.IssueAbandoned{
				Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: "procedure-ended", Device: phone.Device,
			}, rules...)
		case issued:
			d.emit(&events.CertificateDiscarded{
				Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: string(regime.EvDiscarded), Device: phone.Device,
			}, rules...)
		}
	}
	d.emit(&events.ApplicationWithdrawn{Procedure: procedure}, rules...)
}

// endPhone does to the certificates on one smartphone what the law says of the event. What was still on its way to it is
// not sent any more.
func (d *decision) endPhone(phone *events.Phone, event regime.Event) error {
	law, err := regime.PhoneConsequences(event)
	if err != nil {
		return err
	}
	d.withdrawPhone(phone)
	for _, held := range slices.Clone(phoneOf(d.state, phone.Device).GetCertificates()) {
		d.endOne(consequence{event: event}, held, law.Of(lawKind(held.Kind)))
	}
	return nil
}

// losePhone suspends what is on a smartphone that was lost; the card and what is on it stay.
func (d *decision) losePhone(c ReportLoss) error {
	phone := phoneOf(d.state, c.Device)
	law, err := regime.PhoneConsequences(regime.EvSmartphoneLost)
	if err != nil {
		return err
	}
	if phone == nil {
		d.factRefused("LossReported", "nothing is in force on this smartphone", regime.NothingHeld)
		return nil
	}
	d.emit(&events.LossReported{By: c.By, Device: c.Device}, law.Rules[0])
	return d.endPhone(phone, regime.EvSmartphoneLost)
}

// recordInstalled puts what a smartphone has installed in force.
func (d *decision) recordInstalled(c RecordInstalled) {
	d.filedAt(c.Filed)
	phone := phoneOf(d.state, c.Device)
	if phone.GetProcedure() == "" || phone.Procedure != c.Procedure || d.unsignedOn(phone) {
		d.factRefused("PhoneInstalled", "no application waits for this smartphone")
		return
	}
	var serials []uint64
	for _, held := range phone.Certificates {
		if held.Status != issued {
			continue
		}
		i := slices.Index(c.Serials, held.Serial)
		if i < 0 || i >= len(c.SHA256) || !bytes.Equal(held.CertificateSha256, c.SHA256[i]) {
			d.factRefused("PhoneInstalled", fmt.Sprintf("what was installed for serial %d is not what was issued", held.Serial))
			return
		}
		serials = append(serials, held.Serial)
	}
	d.emit(&events.CertificateWritten{Procedure: c.Procedure, Device: c.Device, Serials: serials})
	d.emit(&events.Delivered{Procedure: c.Procedure, Device: c.Device, Serials: serials})
}

func (d *decision) unsignedOn(phone *events.Phone) bool {
	return slices.ContainsFunc(phone.Certificates, func(c *events.Certificate) bool { return c.Status == authorized })
}

// followParents does to the certificates on smartphones what this decision has done to the card's that they are bound to,
// whatever has done it: for the same reason, at the same time, and told with the card's (law.md 10.2).
func (d *decision) followParents() {
	for _, e := range slices.Clone(d.events) {
		switch b := events.BodyOf(e).(type) {
		case *events.CertificateRevoked:
			d.follow(e, b.Serial, func(held *events.Certificate, device string) events.Body {
				return &events.CertificateRevoked{
					Serial: held.Serial, Kind: held.Kind, Reason: b.Reason, Cause: b.Cause, Authority: held.Authority,
					LastDay: b.LastDay, Municipality: b.Municipality, Device: device,
				}
			})
		case *events.CertificateDiscarded:
			d.follow(e, b.Serial, func(held *events.Certificate, device string) events.Body {
				return &events.CertificateDiscarded{Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: b.Cause, Device: device}
			})
		case *events.CertificateSuspended:
			d.follow(e, b.Serial, func(held *events.Certificate, device string) events.Body {
				if held.Status == suspended {
					return nil
				}
				return &events.CertificateSuspended{Serial: held.Serial, Kind: held.Kind, Cause: b.Cause, Authority: held.Authority, Device: device}
			})
		case *events.CertificateExpired:
			d.follow(e, b.Serial, func(held *events.Certificate, device string) events.Body {
				return &events.CertificateExpired{Serial: held.Serial, Kind: held.Kind, LastDay: b.LastDay, Device: device}
			})
		}
	}
}

// follow stores, for every certificate bound to the parent, what same makes of it (nil: nothing), under the rules and at
// the times of the parent's event. What is not signed yet is abandoned, whatever became of the parent.
func (d *decision) follow(e *events.Event, parent uint64, same func(held *events.Certificate, device string) events.Body) {
	filed, caused := d.filed, d.caused
	defer func() { d.filed, d.caused = filed, caused }()
	d.filed, d.caused = time.Time{}, time.UnixMilli(e.CausedMs)
	if e.FiledMs != 0 {
		d.filed = time.UnixMilli(e.FiledMs)
	}
	for _, phone := range slices.Clone(d.state.Phones) {
		for _, held := range slices.Clone(phone.Certificates) {
			if held.Parent != parent || parent == 0 {
				continue
			}
			body := same(held, phone.Device)
			if held.Status == authorized {
				body = &events.IssueAbandoned{
					Serial: held.Serial, Kind: held.Kind, Authority: held.Authority, Cause: "card-certificate", Device: phone.Device,
				}
			}
			if body != nil {
				d.emit(body, append([]string{regime.PhoneFollows}, e.RuleIds...)...)
			}
		}
	}
}
