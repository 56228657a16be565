package lifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// life draws commands of all kinds in any order and at any time, about a few cards, procedures and serials.
type life struct {
	*player
	t *rapid.T
}

func pick[T any](t *rapid.T, what string, from ...T) T { return rapid.SampledFrom(from).Draw(t, what) }

func (l life) flip(what string) bool { return rapid.Bool().Draw(l.t, what) }

func (l life) anyCard() string {
	return pick(l.t, "card", "card-1", "card-2", "card-3", "juki-1", "juki-2", "")
}

func (l life) cardKind() events.CardKind {
	return pick(l.t, "card kind", events.CardKind_CARD_KIND_JUKI, events.CardKind_CARD_KIND_MYNUMBER, events.CardKind_CARD_KIND_PIV,
		events.CardKind_CARD_KIND_MYNUMBER, events.CardKind_CARD_KIND_UNSPECIFIED)
}

// procedure returns mostly the open one.
func (l life) procedure() string {
	if id := l.state.Open().GetId(); id != "" && rapid.IntRange(0, 4).Draw(l.t, "open") > 0 {
		return id
	}
	if len(l.state.Letters) > 0 {
		return l.state.Letters[0].Procedure
	}
	return pick(l.t, "procedure", "procedure-of-nobody", "")
}

func (l life) obligation(kind events.ObligationKind) string {
	for _, o := range l.state.Obligations {
		if o.Kind == kind {
			return pick(l.t, "obligation", o.Id, o.Id, o.Id, "0.0", "")
		}
	}
	return ""
}

func (l life) cardOfProcedure() string {
	if p := l.state.Open(); p != nil && rapid.IntRange(0, 9).Draw(l.t, "its card") > 0 {
		return p.Carrier.Card()
	}
	return l.anyCard()
}

func (l life) apply() Command {
	shown := slices.Concat(photo(), []regime.Shown{
		{Document: regime.DocOtherID},
		{Document: regime.DocSealCertificate},
		{Document: regime.DocMandate, RegisteredSeal: true},
		{Document: regime.DocProxyPhotoID},
		{Document: regime.DocNoticeAnswer},
		{Document: regime.DocRepresentation},
	})
	a := l.application(rapid.SampledFrom(regime.Handlings()).Draw(l.t, "operation").Operation)
	if len(l.state.Letters) > 0 && l.flip("with the answer") {
		a.Procedure = l.state.Letters[0].Procedure
		shown = append(shown, regime.Shown{Document: regime.DocInquiryAnswer, Letter: l.state.Letters[0].Id})
	}
	if p := l.state.Open(); p != nil && rapid.IntRange(0, 9).Draw(l.t, "again") == 0 {
		a.Procedure = p.Id
	}
	a.Shown, a.Card, a.CardKind = shown, l.anyCard(), l.cardKind()
	if held := l.state.Card; held != nil && l.flip("the card held") {
		a.Card, a.CardKind = held.Card, held.Kind
	}
	a.Channel = pick(l.t, "channel", regime.ChannelSelf, regime.ChannelSelf, regime.ChannelSelfNoPhoto, regime.ChannelProxy, regime.ChannelRepresentative)
	a.Kinds = pick(l.t, "kinds", nil, nil, []events.CertificateKind{kindSign}, []events.CertificateKind{kindAuth})
	a.Cause = pick[regime.Cause](l.t, "cause", "", "", regime.CauseLoss, regime.CauseDamage, regime.CauseFault)
	if a.Factory = a.Operation == opFactory; a.Factory {
		a.AppliedOn = civil.Of(l.now).AddDays(-rapid.IntRange(0, 60).Draw(l.t, "applied days ago"))
	}
	return a
}

func (l life) recordKeys() Command {
	c := RecordKeys{Procedure: l.procedure(), Card: l.cardOfProcedure(), Person: l.person, Filed: l.now, Signing: map[events.CertificateKind]Signing{}}
	c.Obligation = l.obligation(events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS)
	if rapid.IntRange(0, 9).Draw(l.t, "nobody known") == 0 {
		c.Person = regime.Person{}
	}
	for _, k := range pick(l.t, "keys", []events.CertificateKind{kindAuth, kindSign}, []events.CertificateKind{kindAuth, kindSign}, []events.CertificateKind{kindSign}) {
		l.serial++
		c.Keys = append(c.Keys, &events.GeneratedKey{Kind: k, SpkiSha256: spki(l.serial), Bits: 2048})
		c.Signing[k] = Signing{Serial: l.serial, Authority: "authority", Generation: spki(0)[:20]}
	}
	return c
}

// recordIssued signs all, some or none of the authorised certificates.
func (l life) recordIssued() Command {
	c := RecordIssued{Procedure: l.state.Open().GetId()}
	for _, held := range onCards(l.state) {
		if held.Status == authorized && rapid.IntRange(0, 4).Draw(l.t, "signed") > 0 {
			c.Signed = append(c.Signed, SignedCertificate{Serial: held.Serial, SHA256: der(held.Serial)})
		}
	}
	return c
}

func (l life) abandonIssue() Command {
	for _, held := range onCards(l.state) {
		if held.Status == authorized {
			return AbandonIssue{Serial: held.Serial, Cause: "generation-over"}
		}
	}
	return AbandonIssue{Serial: l.serial, Cause: "generation-over"}
}

func (l life) recordWritten() Command {
	c := l.written()
	c.Obligation = l.obligation(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD)
	c.Card = l.cardOfProcedure()
	if len(c.SHA256) > 0 && rapid.IntRange(0, 9).Draw(l.t, "misread") == 0 {
		c.SHA256[0] = spki(0)
	}
	return c
}

func (l life) fails() Command {
	return RecordWriteFailed{
		Procedure: l.procedure(), Card: l.cardOfProcedure(), Stage: "write", Reason: "torn", Repairable: l.flip("repairable"),
		Filed: l.now, Obligation: l.obligation(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD),
	}
}

func (l life) changes() Command {
	c := ChangeRecord{
		Change: events.RecordChange(rapid.IntRange(1, 15).Draw(l.t, "change")), KeepUsing: l.flip("keep"), Office: l.office, Filed: l.now,
		Municipality: "12237",
	}
	c.CausedOn = civil.Of(l.now).AddDays(-rapid.IntRange(0, 40).Draw(l.t, "days ago")).String()
	if l.flip("ahead") {
		c.PlannedOn = civil.Of(l.now).AddDays(rapid.IntRange(0, 20).Draw(l.t, "days to come")).String()
	}
	return c
}

// anyPhone returns mostly one that holds something.
func (l life) anyPhone() string {
	i := slices.IndexFunc(l.state.Certificates, func(c *events.Certificate) bool { return c.Carrier.Device() != "" })
	if i >= 0 && rapid.IntRange(0, 3).Draw(l.t, "known phone") > 0 {
		return l.state.Certificates[i].Carrier.Id
	}
	return pick(l.t, "phone", "android-1", "android-2", "iphone-1")
}

func (l life) phoneApplies() Command {
	device := l.anyPhone()
	op := pick(l.t, "on the phone", opPhoneIssue, opPhoneIssue, opPhoneIssue, opPhoneRelease, opPhoneRevoke)
	lost := slices.ContainsFunc(onDevice(l.state, device), func(c *events.Certificate) bool { return c.Lost })
	if lost && l.flip("found") {
		op = opPhoneRelease
	}
	kinds := pick(l.t, "phone keys", []events.CertificateKind{kindAuth, kindSign}, []events.CertificateKind{kindAuth, kindSign},
		[]events.CertificateKind{kindSign}, []events.CertificateKind{kindAuth})
	return l.phoneApplication(op, device, func(c *ApplyPhone) {
		if op == opPhoneIssue {
			onKinds(kinds...)(c)
		}
		if device == "iphone-1" {
			c.Platform = iPhonePhone
		}
		switch rapid.IntRange(0, 9).Draw(l.t, "proof") {
		case 0:
			c.ProvedBy = 0
		case 1:
			c.Made = c.Made.Add(-time.Hour)
		case 2:
			c.Made, c.ProvedBy = time.Time{}, 0
		}
	})
}

// phoneGoesOn signs or installs what is on its way to a smartphone, or installs what is not.
func (l life) phoneGoesOn() Command {
	device := l.anyPhone()
	open := phoneOf(l.state, device).GetId()
	issue := RecordIssued{Procedure: open}
	install := RecordWritten{Procedure: open, Device: device, Filed: l.now}
	for _, held := range onDevice(l.state, device) {
		if held.Status == authorized {
			issue.Signed = append(issue.Signed, SignedCertificate{Serial: held.Serial, SHA256: der(held.Serial)})
		}
		install.Serials, install.SHA256 = append(install.Serials, held.Serial), append(install.SHA256, der(held.Serial))
	}
	if len(issue.Signed) > 0 {
		return issue
	}
	return install
}

func (l life) phoneLost() Command {
	return ReportLoss{By: "telephone", Device: l.anyPhone(), Filed: l.now}
}

// command draws one of all kinds, favouring those that advance a procedure.
func (l life) command() Command {
	p := l.state.Open()
	onward := []func() Command{
		l.apply, l.apply, l.apply, l.recordKeys, l.recordKeys, l.recordIssued, l.recordIssued, l.recordWritten, l.recordWritten,
		func() Command {
			return RecordHandOver{Procedure: l.procedure(), Card: l.cardOfProcedure(), Yen: p.GetFeeYen(), Filed: l.now}
		},
		func() Command {
			return RecordUnblocked{Procedure: l.procedure(), Card: l.cardOfProcedure(), Pins: p.GetPins(), Filed: l.now}
		},
		func() Command { return Tick{} },
	}
	if p != nil && rapid.IntRange(0, 2).Draw(l.t, "in order") > 0 {
		return l.inOrder(p)
	}
	if rapid.IntRange(0, 2).Draw(l.t, "onward") > 0 {
		return pick(l.t, "step", onward...)()
	}
	return pick(l.t, "event", l.abandonIssue, l.fails, l.changes, l.changes,
		l.phoneApplies, l.phoneGoesOn, l.phoneLost,
		func() Command { return RecordPinsBlocked{Card: l.anyCard(), Pins: []events.PinKind{1}, Filed: l.now} },
		func() Command {
			return RecordConfirmationFailed{Obligation: l.obligation(pick(l.t, "failed", events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS,
				events.ObligationKind_OBLIGATION_KIND_WRITE_CARD, events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN)), Filed: l.now}
		},
		func() Command { return RecordCustody{Procedure: l.procedure(), Card: l.anyCard(), Filed: l.now} },
		func() Command { return DropApplication{Procedure: l.procedure(), Filed: l.now} },
		func() Command { return ReportLoss{By: pick(l.t, "by", "telephone", "counter"), Filed: l.now} },
		func() Command { return ReportFound{Card: l.anyCard(), Filed: l.now} },
		func() Command {
			return OrderByAuthority{
				Serials: []uint64{l.serial, l.serial - 1}, Filed: l.now,
				Reason: pick(l.t, "reason", events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE, events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED),
			}
		},
		func() Command {
			letter := "none"
			if len(l.state.Letters) > 0 {
				letter = l.state.Letters[0].Id
			}
			return RecordLetterMailed{Letter: letter}
		},
		func() Command {
			notice := "0.0"
			if len(l.state.Notices) > 0 {
				notice = l.state.Notices[0].Id
			}
			return RecordNotice{Notice: notice, Outcome: NoticeOutcome(rapid.IntRange(1, 3).Draw(l.t, "outcome"))}
		},
		l.erase,
		func() Command {
			return RecordKeyDestroyed{Class: pick(l.t, "destroyed", "identity", "certificate", "contact")}
		},
	)()
}

func (l life) erase() Command {
	c, err := PrepareErasure(l.history, pick(l.t, "class", "identity", "certificate", "contact"))
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// inOrder returns what an orderly counter would do next about the open procedure.
func (l life) inOrder(p *events.Procedure) Command {
	switch {
	case waitsFor(p) == events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS:
		return l.recordKeys()
	case waitsFor(p) == events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN:
		return RecordUnblocked{Procedure: p.Id, Card: p.Carrier.Card(), Pins: p.Pins, Filed: l.now}
	case p.Step == stepKeys:
		return l.recordIssued()
	case p.Step == stepIssued:
		return l.written()
	default:
		return RecordHandOver{Procedure: p.Id, Card: p.Carrier.Card(), Yen: p.FeeYen, Filed: l.now}
	}
}

// later moves the clock: mostly within the day, sometimes by months or years to an open hour of an open day.
func (l life) later() {
	for _, c := range onCards(l.state) {
		opens := day(c.WindowOpens)
		if c.Status == valid && opens.After(civil.Of(l.now)) && rapid.IntRange(0, 9).Draw(l.t, "to the window") == 0 {
			l.now = opens.AddDays(1).StartInstant().Add(10 * time.Hour)
			return
		}
	}
	hop := pick(l.t, "hop", 0, 0, 0, 0, 0, 1, 7, 40, 100, 400, 1500)
	on := civil.Of(l.now).AddDays(hop)
	if open, ok := l.office.NextOpenDay(regime.OpNew, on); ok && hop > 0 {
		l.now = open.StartInstant().Add(10 * time.Hour)
		return
	}
	l.now = l.now.Add(time.Second)
}

func TestAnyLife(t *testing.T) {
	reached := map[string]int{}
	for round := 0; round == 0 || round < 20 && unseen(reached) != ""; round++ {
		rapid.Check(t, func(t *rapid.T) { live(t, reached) })
	}
	if kind := unseen(reached); kind != "" {
		t.Errorf("no drawn life reached %q: draw more lives or better ones", kind)
	}
}

// live plays one drawn life and counts which command has led to which event.
func live(t *rapid.T, reached map[string]int) {
	start := pick(t, "start", "2012-12-03 10:00", "2015-12-01 10:00", "2016-01-12 10:00", "2024-05-01 10:00")
	l := life{newPlayer(t, start), t}
	l.person.BirthDate = civil.New(1950+rapid.IntRange(0, 65).Draw(t, "born"), 6, 18)
	for range rapid.IntRange(20, 120).Draw(t, "length") {
		cmd := l.command()
		for _, e := range l.do(cmd) {
			reached[fmt.Sprintf("%T %s", cmd, events.Name(e))]++
		}
		l.later()
	}
}

// unseen returns something that the drawn lives must reach and did not, or "".
func unseen(reached map[string]int) string {
	for _, must := range []string{
		"lifecycle.RecordHandOver Delivered", "lifecycle.RecordWriteFailed CardTakenIntoCustody",
		"lifecycle.DropApplication IssueAbandoned", "lifecycle.Tick WindowOpened", "lifecycle.Apply InquiryLetterDue",
		"lifecycle.ChangeRecord IssueAbandoned", "lifecycle.RecordHandOver CardVoided",
		"lifecycle.OrderErasure ErasureOrdered", "lifecycle.OrderErasure RequestRefused", "lifecycle.RecordKeyDestroyed KeyDestroyed",
	} {
		if reached[must] == 0 {
			return must
		}
	}
	return ""
}

// Lives mostly about smartphones, with everything else in between.
func TestAnyLifeWithPhones(t *testing.T) {
	reached := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := life{newPlayer(t, "2025-07-01 10:00"), t}
		l.carried(opIssue)
		for range rapid.IntRange(20, 80).Draw(t, "length") {
			act := pick(t, "phone act", l.command, l.command, l.phoneApplies, l.phoneApplies, l.phoneGoesOn, l.phoneGoesOn, l.phoneLost)
			for _, e := range l.do(act()) {
				reached[events.Name(e)]++
			}
			l.now = l.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
		}
	})
	for _, must := range []string{"Delivered", "CertificateSuspended", "CertificateReleased", "CertificateRevoked", "CertificateDiscarded", "IssueAbandoned"} {
		if reached[must] == 0 && !testing.Short() { // few lives are drawn in short tests
			t.Errorf("no drawn life reached %s", must)
		}
	}
	t.Logf("%d times released", reached["CertificateReleased"])
}

// When everything owed is done or failed and time passes, nothing stays owed or open.
func TestEveryLifeComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := life{newPlayer(t, "2016-01-12 10:00"), t}
		for range rapid.IntRange(1, 40).Draw(t, "length") {
			l.do(l.command())
			l.later()
		}
		l.rest()
		if len(l.state.Obligations) > 0 || l.state.Open() != nil || len(l.model) > 0 {
			t.Fatalf("not at rest: %v", l.state)
		}
	})
}

// rest does what services and counter would do: drop what is open, settle what is owed, let the years pass.
func (l life) rest() {
	if p := l.state.Open(); p != nil {
		l.do(DropApplication{Procedure: p.Id, Filed: l.now})
	}
	l.at("2060-01-05 10:00").do(Tick{})
	for _, letter := range l.state.Letters {
		l.do(RecordLetterMailed{Letter: letter.Id})
	}
	for _, class := range []string{"identity", "certificate", "contact"} {
		l.do(RecordKeyDestroyed{Class: class})
	}
	for len(l.state.Notices) > 0 {
		l.do(RecordNotice{Notice: l.state.Notices[0].Id, Outcome: NoticeSent})
	}
}
