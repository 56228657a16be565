package lifecycle

import (
	"slices"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/regime"
)

const (
	opPhoneIssue   = events.Operation_OPERATION_PHONE_ISSUE
	opPhoneRelease = events.Operation_OPERATION_PHONE_RELEASE
	opPhoneRevoke  = events.Operation_OPERATION_PHONE_REVOKE

	androidPhone = events.PhonePlatform_PHONE_PLATFORM_ANDROID
	iPhonePhone  = events.PhonePlatform_PHONE_PLATFORM_IPHONE
)

// phoneApplication returns an application from a smartphone, signed with the card's signature certificate.
func (p *player) phoneApplication(op events.Operation, device string, change ...func(*ApplyPhone)) ApplyPhone {
	p.n++
	c := ApplyPhone{
		Procedure: "phone-procedure-" + time.Unix(int64(p.n), 0).UTC().Format("150405"), Operation: op, Device: device, Platform: androidPhone, Claim: []byte("claim"),
		Signing: map[events.CertificateKind]Signing{}, Made: p.now, OfficeID: "12237-main", Counter: "12237-main-phone",
		Office: p.office, Filed: p.now, ProvedBy: Live(p.state, underMyNumber, kindSign).GetSerial(),
	}
	if op == opPhoneIssue {
		onKinds(kindAuth, kindSign)(&c)
	}
	for _, f := range change {
		f(&c)
	}
	for _, key := range c.Keys {
		p.serial++
		key.SpkiSha256 = spki(p.serial)
		c.Signing[key.Kind] = Signing{Serial: p.serial, Authority: "sign", Generation: spki(0)[:20]}
	}
	return c
}

func onKinds(kinds ...events.CertificateKind) func(*ApplyPhone) {
	return func(c *ApplyPhone) {
		c.Keys = nil
		for _, k := range kinds {
			c.Keys = append(c.Keys, &events.GeneratedKey{Kind: k, Bits: 2048})
		}
	}
}

func iPhone(c *ApplyPhone)    { c.Platform = iPhonePhone }
func atCounter(c *ApplyPhone) { c.Made, c.ProvedBy = time.Time{}, 0 }

// registered carries an application from a smartphone through to installed certificates.
func (p *player) registered(device string, change ...func(*ApplyPhone)) []*events.Event {
	p.t.Helper()
	decided := p.do(p.phoneApplication(opPhoneIssue, device, change...))
	if find[*events.ApplicationAccepted](decided) == nil {
		p.t.Fatalf("the smartphone was refused: %v", decided)
	}
	p.signPhone(device)
	return append(decided, p.install(device)...)
}

func (p *player) signPhone(device string) []*events.Event {
	c := RecordIssued{Procedure: phoneOf(p.state, device).GetId()}
	for _, held := range onDevice(p.state, device) {
		if held.Status == authorized {
			c.Signed = append(c.Signed, SignedCertificate{Serial: held.Serial, SHA256: der(held.Serial)})
		}
	}
	return p.do(c)
}

func (p *player) install(device string) []*events.Event {
	c := RecordWritten{Procedure: phoneOf(p.state, device).GetId(), Device: device, Filed: p.now}
	for _, held := range onDevice(p.state, device) {
		c.Serials, c.SHA256 = append(c.Serials, held.Serial), append(c.SHA256, der(held.Serial))
	}
	return p.do(c)
}

// phoneOf returns the open application for a smartphone, or nil.
func phoneOf(s *events.SubscriberState, device string) *events.Procedure {
	for _, p := range s.Procedures {
		if p.Carrier.Device() == device {
			return p
		}
	}
	return nil
}

// onPhones counts the certificates in force or on their way on smartphones.
func onPhones(s *events.SubscriberState) int { return len(s.Certificates) - len(onCards(s)) }

// onDevice returns the status of a kind on a smartphone, or zero if there is none.
func (p *player) onDevice(device string, kind events.CertificateKind) events.CertificateStatus {
	for _, c := range onDevice(p.state, device) {
		if c.Kind == kind {
			return c.Status
		}
	}
	return 0
}

func (p *player) wantPhone(device string, auth, sign events.CertificateStatus) {
	p.t.Helper()
	if a, s := p.onDevice(device, kindAuth), p.onDevice(device, kindSign); a != auth || s != sign {
		p.t.Fatalf("on %s: auth %v, sign %v; want %v, %v", device, a, s, auth, sign)
	}
}

func (p *player) phoneRefused(rule string, c ApplyPhone) {
	p.t.Helper()
	refused := find[*events.ApplicationRefused](p.do(c))
	if refused == nil || !slices.Contains(refused.Refusals, rule) || refused.Device != c.Device {
		p.t.Fatalf("want a refusal by %s, got %v", rule, refused)
	}
}

// withPhone returns a person with certificates on the card and on one Android.
func withPhone(t *testing.T) *player {
	p := newPlayer(t, "2022-05-10 10:00")
	p.carried(opIssue)
	p.at("2024-03-05 22:30").registered("android-1")
	p.wantPhone("android-1", valid, valid)
	return p
}

func TestPhoneIsRegistered(t *testing.T) {
	p := newPlayer(t, "2022-05-10 10:00")
	p.phoneRefused("mynumber.phone.signature-needed", p.phoneApplication(opPhoneIssue, "android-1")) // no card
	p.carried(opIssue)
	card := p.held(kindAuth)
	p.at("2023-05-10 23:59").phoneRefused("mynumber.phone.android-not-yet", p.phoneApplication(opPhoneIssue, "android-1"))
	p.at("2023-05-14 02:00") // a Sunday, at night
	decided := p.do(p.phoneApplication(opPhoneIssue, "android-1"))
	equal(t, "decided", names(decided), []string{"ApplicationAccepted", "KeysRecorded", "IssueAuthorized", "IssueAuthorized"})
	for _, e := range decided[2:] {
		b := e.GetIssueAuthorized()
		if b.LastDay != card.LastDay || b.WindowOpens != "" || b.Device != "android-1" || b.Card != "" || !slices.Contains(e.RuleIds, "mynumber.phone.no-own-notice") {
			t.Errorf("%v by %v", b, e.RuleIds)
		}
	}
	p.owed(events.ObligationKind_OBLIGATION_KIND_SIGN)
	equal(t, "signed", names(p.signPhone("android-1")), []string{"CertificateIssued", "CertificateIssued"})
	p.owed(events.ObligationKind_OBLIGATION_KIND_INSTALL_PHONE)
	equal(t, "gateway", phoneOf(p.state, "android-1").Counter, "12237-main-phone")
	equal(t, "installed", names(p.install("android-1")), []string{"CertificateWritten", "Delivered"})
	equal(t, "owed", len(p.state.Obligations), 0)
	p.wantPhone("android-1", valid, valid)
	equal(t, "the card's is the one held", Live(p.state, underMyNumber, kindAuth).Serial, card.Serial)

	p.at("2023-05-15 02:00")
	p.phoneRefused("mynumber.phone.one-set", p.phoneApplication(opPhoneIssue, "android-1"))
	p.phoneRefused("mynumber.phone.another-of-its-kind", p.phoneApplication(opPhoneIssue, "android-2"))
	p.phoneRefused("mynumber.phone.iphone-not-yet", p.phoneApplication(opPhoneIssue, "iphone-1", iPhone))
	p.at("2025-06-24 00:00").registered("iphone-1", iPhone)
	p.wantPhone("iphone-1", valid, valid)
	p.phoneRefused("mynumber.phone.not-fresh", p.phoneApplication(opPhoneRevoke, "iphone-1", func(c *ApplyPhone) { c.Made = c.Made.Add(-time.Hour) }))
}

// An application without valid proof is refused, even if a clerk could have taken it.
func TestPhoneNeedsTheCardsSignature(t *testing.T) {
	p := withPhone(t)
	p.at("2024-03-06 10:00")
	other := func(c *ApplyPhone) { c.ProvedBy = 4711 }
	p.phoneRefused("mynumber.phone.signature-needed", p.phoneApplication(opPhoneRevoke, "android-1", other))
	p.phoneRefused("mynumber.phone.signature-needed", p.phoneApplication(opPhoneIssue, "iphone-1", iPhone, atCounter))
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	p.phoneRefused("mynumber.phone.signature-needed", p.phoneApplication(opPhoneRevoke, "android-1"))
	p.phoneRefused(regime.NothingHeld, p.phoneApplication(opPhoneRevoke, "android-9", atCounter))
	p.phoneRefused("mynumber.keys.rsa-2048", p.phoneApplication(opPhoneIssue, "android-9", func(c *ApplyPhone) { c.Keys[0].Bits = 1024 }))
	p.do(p.phoneApplication(opPhoneRevoke, "android-1", atCounter))
	p.wantPhone("android-1", 0, 0)
}

// Whatever ends or suspends a certificate on a card does so on the smartphone, for the same reason.
func TestPhoneFollowsTheCard(t *testing.T) {
	change := func(c events.RecordChange) func(*player) []*events.Event {
		return func(p *player) []*events.Event { return p.change(c) }
	}
	affiliation := events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED
	cessation := events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION
	for _, c := range []struct {
		name       string
		at         string
		act        func(*player) []*events.Event
		auth, sign events.CertificateStatus
		reason     events.RevocationReason
	}{
		{"address", "2024-03-06 10:00", change(events.RecordChange_RECORD_CHANGE_ADDRESS), valid, 0, affiliation},
		{"minor", "2024-03-06 10:00", change(events.RecordChange_RECORD_CHANGE_MINOR), valid, valid, 0},
		{"death", "2024-03-06 10:00", change(events.RecordChange_RECORD_CHANGE_DEATH), 0, 0, cessation},
		{"number", "2024-03-06 10:00", change(events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER), 0, 0, cessation},
		{"returned", "2024-03-06 10:00", func(p *player) []*events.Event { return p.do(p.application(opReturn)) }, 0, 0, cessation},
		{"applied for", "2024-03-06 10:00", func(p *player) []*events.Event { return p.do(p.application(opRevoke, kinds(kindAuth))) }, 0, valid, cessation},
		{"card lost", "2024-03-06 10:00", func(p *player) []*events.Event { return p.do(ReportLoss{By: "telephone", Filed: p.now}) }, suspended, suspended, 0},
		{"renewed", "2027-03-19 10:00", func(p *player) []*events.Event { return p.carried(opRenew) }, 0, 0, events.RevocationReason_REVOCATION_REASON_SUPERSEDED},
		{"term", "2027-06-19 00:05", func(p *player) []*events.Event { return p.tick() }, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := withPhone(t)
			before := onDevice(cloneState(p.state), "android-1")
			decided := c.act(p.at(c.at))
			p.wantPhone("android-1", c.auth, c.sign)
			for _, e := range decided {
				b := e.GetCertificateRevoked()
				if b.GetDevice() == "" {
					continue
				}
				i := slices.IndexFunc(before, func(held *events.Certificate) bool { return held.Serial == b.Serial })
				if b.Reason != c.reason || i < 0 || !slices.Contains(e.RuleIds, regime.PhoneFollows) {
					t.Errorf("revoked %v by %v", b, e.RuleIds)
				}
			}
			for _, e := range decided {
				if due := e.GetNoticeDue(); due != nil && slices.ContainsFunc(before, func(h *events.Certificate) bool { return slices.Contains(due.Serials, h.Serial) }) {
					t.Errorf("a notice of its own: %v", due)
				}
			}
		})
	}
}

// After a new signature certificate on the card, the phone can get one bound to it.
func TestPhoneSignatureAfterNewCardSignature(t *testing.T) {
	p := withPhone(t)
	p.at("2024-03-06 10:00").change(events.RecordChange_RECORD_CHANGE_ADDRESS)
	p.phoneRefused("mynumber.phone.signature-needed", p.phoneApplication(opPhoneIssue, "android-1", onKinds(kindSign)))
	p.carried(opIssue, kinds(kindSign))
	p.at("2024-03-06 23:00").registered("android-1", onKinds(kindSign))
	p.wantPhone("android-1", valid, valid)
	bound := onDevice(p.state, "android-1")
	equal(t, "parent", bound[len(bound)-1].Parent, p.held(kindSign).Serial)
}

func TestLostPhone(t *testing.T) {
	lose := func(p *player) []*events.Event {
		return p.do(ReportLoss{By: "telephone", Device: "android-1", Filed: p.now})
	}
	p := withPhone(t)
	p.phoneRefused("mynumber.phone.not-lost", p.phoneApplication(opPhoneRelease, "android-1"))
	equal(t, "lost", names(lose(p.at("2024-03-06 03:00"))), []string{"LossReported", "CertificateSuspended", "CertificateSuspended"})
	p.wantPhone("android-1", suspended, suspended)
	p.wantStatus(underMyNumber, kindSign, valid)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_HELD)
	p.phoneRefused("mynumber.phone.reported-lost", p.phoneApplication(opPhoneIssue, "android-1", onKinds(kindSign)))
	found := p.at("2024-03-07 03:00").do(p.phoneApplication(opPhoneRelease, "android-1"))
	equal(t, "found", names(found), []string{"ApplicationAccepted", "CertificateReleased", "CertificateRevoked"})
	equal(t, "reason", found[2].GetCertificateRevoked().Reason, events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE)
	p.wantPhone("android-1", valid, 0)
	p.at("2024-03-07 03:10").registered("android-1", onKinds(kindSign))
	lose(p.at("2024-03-08 03:00"))
	equal(t, "given up", names(p.do(p.phoneApplication(opPhoneRevoke, "android-1"))), []string{"ApplicationAccepted", "CertificateRevoked", "CertificateRevoked"})
	equal(t, "forgotten", onPhones(p.state), 0)
	equal(t, "lost once more", names(lose(p)), []string{"FactRefused"})

	// If the card is lost, too, a found phone's certificates stay suspended with the card's.
	p = withPhone(t)
	lose(p.at("2024-03-06 03:00"))
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	found = p.at("2024-03-06 10:00").do(p.phoneApplication(opPhoneRelease, "android-1", atCounter))
	equal(t, "found", names(found), []string{"ApplicationAccepted", "CertificateRevoked"})
	equal(t, "said", slices.Contains(found[0].RuleIds, "mynumber.phone.card-suspended"), true)
	p.wantPhone("android-1", suspended, 0)
}

// Certificates on their way to a smartphone give way to a new application, to a loss and to the end of the card's.
func TestUnfinishedPhoneApplicationGivesWay(t *testing.T) {
	start := func() *player {
		p := newPlayer(t, "2024-03-05 10:00")
		p.carried(opIssue)
		p.do(p.phoneApplication(opPhoneIssue, "android-1"))
		return p
	}
	p := start().at("2024-03-05 10:01")
	again := names(p.do(p.phoneApplication(opPhoneIssue, "android-1")))
	equal(t, "again", again, []string{
		"IssueAbandoned", "IssueAbandoned", "ApplicationWithdrawn", "ApplicationAccepted", "KeysRecorded", "IssueAuthorized", "IssueAuthorized",
	})
	p.signPhone("android-1")
	equal(t, "another procedure", names(p.do(RecordWritten{Procedure: "another", Device: "android-1", Filed: p.now})), []string{"FactRefused"})
	open := phoneOf(p.state, "android-1").Id
	equal(t, "nothing installed", names(p.do(RecordWritten{Procedure: open, Device: "android-1", Filed: p.now})), []string{"FactRefused"})
	p.at("2024-03-05 10:02")
	equal(t, "signed, and again", names(p.do(p.phoneApplication(opPhoneIssue, "android-1")))[:3],
		[]string{"CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn"})

	p = start()
	p.signPhone("android-1")
	equal(t, "lost", names(p.do(ReportLoss{By: "telephone", Device: "android-1", Filed: p.now})),
		[]string{"LossReported", "CertificateDiscarded", "CertificateDiscarded", "ApplicationWithdrawn"})
	equal(t, "nothing is left", onPhones(p.state)+len(p.state.Procedures)+len(p.state.Obligations), 0)

	p = start()
	p.apply(opReissue)
	equal(t, "the counter goes first", onPhones(p.state), 0)
	p.phoneRefused(regime.OneAtATime, p.phoneApplication(opPhoneIssue, "android-1"))

	p = start()
	equal(t, "died", slices.Contains(names(p.change(events.RecordChange_RECORD_CHANGE_DEATH)), "IssueAbandoned"), true)
	equal(t, "nothing is owed", onPhones(p.state)+len(p.state.Procedures)+len(p.state.Obligations), 0)

	p = start()
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "card lost", onPhones(p.state)+len(p.state.Procedures)+len(p.state.Obligations), 0+1) // the notice about the card

	p = start()
	p.signPhone("android-1")
	p.do(OrderByAuthority{Serials: []uint64{onDevice(p.state, "android-1")[0].Serial}, Filed: p.now})
	p.wantPhone("android-1", 0, issued)
	p.wantStatus(underMyNumber, kindAuth, valid)
}
