package lifecycle

import (
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// Every row of law.md 8.3 reported by the register, by telephone or by the authority, and what it leaves in force.
func TestWhatEndsWhatUnderMyNumber(t *testing.T) {
	changed := func(c events.RecordChange, keep bool) func(*player) {
		return func(p *player) { p.change(c, func(r *ChangeRecord) { r.KeepUsing = keep }) }
	}
	order := func(reason events.RevocationReason) func(*player) {
		return func(p *player) { p.do(OrderByAuthority{Serials: []uint64{1, 2, 99}, Reason: reason, Filed: p.now}) }
	}
	const (
		held, void, suspendedCard, expiredCard = events.CardStatus_CARD_STATUS_HELD, events.CardStatus_CARD_STATUS_VOID,
			events.CardStatus_CARD_STATUS_SUSPENDED, events.CardStatus_CARD_STATUS_EXPIRED
		affiliation = events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED
		cessation   = events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION
	)
	for _, c := range []struct {
		name       string
		at         string
		act        func(*player)
		sign, auth events.CertificateStatus
		card       events.CardStatus
		reason     events.RevocationReason // of the signature certificate
	}{
		{"name", "", changed(events.RecordChange_RECORD_CHANGE_NAME, false), revoked, valid, held, affiliation},
		{"sex", "", changed(events.RecordChange_RECORD_CHANGE_SEX, false), revoked, valid, held, affiliation},
		{"address", "", changed(events.RecordChange_RECORD_CHANGE_ADDRESS, false), revoked, valid, held, affiliation},
		{"birth date", "", changed(events.RecordChange_RECORD_CHANGE_BIRTH_DATE, false), revoked, valid, held, affiliation},
		{"minor", "", changed(events.RecordChange_RECORD_CHANGE_MINOR, false), valid, valid, held, 0},
		{"move out", "", changed(events.RecordChange_RECORD_CHANGE_MOVE_OUT, false), revoked, valid, held, affiliation},
		{"death", "", changed(events.RecordChange_RECORD_CHANGE_DEATH, false), revoked, revoked, void, cessation},
		{"out of scope", "", changed(events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE, false), revoked, revoked, void, cessation},
		{"deleted", "", changed(events.RecordChange_RECORD_CHANGE_DELETED, false), revoked, revoked, void, cessation},
		{"overseas before", "2019-05-07 10:00", changed(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, true), revoked, revoked, void, cessation},
		{"number", "", changed(events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER, false), revoked, revoked, void, cessation},
		{"code", "", changed(events.RecordChange_RECORD_CHANGE_RESIDENT_CODE, false), revoked, revoked, void, cessation},
		{"period of stay", "", changed(events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, false), valid, valid, held, 0},
		{"returned", "", func(p *player) { p.apply(opReturn) }, revoked, revoked, void, cessation},
		{"application", "", func(p *player) { p.apply(opRevoke) }, revoked, revoked, held, cessation},
		{"telephone", "", func(p *player) { p.do(ReportLoss{By: "telephone", Filed: p.now}) }, suspended, suspended, suspendedCard, 0},
		{
			"loss at the counter", "", func(p *player) { p.do(ReportLoss{By: "counter", Filed: p.now}) }, revoked, revoked, suspendedCard,
			events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE,
		},
		{"error", "", order(events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED), revoked, revoked, held, affiliation},
		{
			"authority's key", "", order(events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE), revoked, revoked, held,
			events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE,
		},
		{"legal term", "2020-06-19 00:05", func(p *player) { p.tick() }, expired, expired, held, 0},
		{"card's term", "2026-06-19 00:05", func(p *player) { p.tick() }, expired, expired, expiredCard, 0},
	} {
		p := fromFactory(t)
		p.at("2017-05-08 10:00")
		if c.at != "" {
			p.at(c.at)
		}
		c.act(p)
		if got := p.wantStatus(underMyNumber, kindSign, c.sign); got.Reason != c.reason {
			t.Errorf("%s: reason %v, want %v", c.name, got.Reason, c.reason)
		}
		p.wantStatus(underMyNumber, kindAuth, c.auth)
		if p.state.Card.Status != c.card {
			t.Errorf("%s: card %v, want %v", c.name, p.state.Card.Status, c.card)
		}
	}
}

// Every row of law.md 8.2.
func TestWhatEndsWhatUnderJuki(t *testing.T) {
	changed := func(c events.RecordChange) func(*player) { return func(p *player) { p.change(c) } }
	for _, c := range []struct {
		name string
		act  func(*player)
		want events.CertificateStatus
	}{
		{"name", changed(events.RecordChange_RECORD_CHANGE_NAME), revoked},
		{"sex", changed(events.RecordChange_RECORD_CHANGE_SEX), revoked},
		{"address", changed(events.RecordChange_RECORD_CHANGE_ADDRESS), revoked},
		{"birth date", changed(events.RecordChange_RECORD_CHANGE_BIRTH_DATE), revoked},
		{"minor", changed(events.RecordChange_RECORD_CHANGE_MINOR), valid},
		{"move out", changed(events.RecordChange_RECORD_CHANGE_MOVE_OUT), revoked},
		{"overseas", changed(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS), revoked},
		{"death", changed(events.RecordChange_RECORD_CHANGE_DEATH), revoked},
		{"deleted", changed(events.RecordChange_RECORD_CHANGE_DELETED), revoked},
		{"code", changed(events.RecordChange_RECORD_CHANGE_RESIDENT_CODE), revoked},
		{"number", changed(events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER), valid},
		{"application", func(p *player) { p.apply(opRevoke, juki) }, revoked},
		{"returned", func(p *player) { p.apply(opReturn, juki) }, revoked},
		{"loss", func(p *player) { p.do(ReportLoss{By: "counter", Filed: p.now}) }, revoked},
		{"telephone", func(p *player) { p.do(ReportLoss{By: "telephone", Filed: p.now}) }, valid},
		{"leak", func(p *player) { p.apply(opRevoke, juki, cause(regime.Cause(regime.EvKeyLeak))) }, revoked},
		{"error", func(p *player) { p.do(OrderByAuthority{Serials: []uint64{1}, Filed: p.now}) }, revoked},
		{"term", func(p *player) { p.at("2015-12-03 00:05").tick() }, expired},
	} {
		p := newPlayer(t, "2012-12-03 10:00")
		p.carried(opIssue, juki)
		c.act(p)
		if got := p.heldUnder(underJuki, kindSign).Status; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOverseasWithContinuedUse(t *testing.T) {
	for _, c := range []struct {
		day  string
		auth events.CertificateStatus
	}{{"2024-05-26", revoked}, {"2024-05-27", valid}} {
		p := fromFactory(t)
		p.at("2020-03-19 10:00").carried(opRenew)
		p.at("2024-05-28 10:00") // filed before the move but recorded after it; the move's day decides
		filed := day(c.day).AddDays(-1).StartInstant()
		p.change(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, func(r *ChangeRecord) { r.CausedOn, r.KeepUsing, r.Filed = c.day, true, filed })
		p.wantStatus(underMyNumber, kindSign, revoked)
		p.wantStatus(underMyNumber, kindAuth, c.auth)
		if c.auth == valid {
			p.person.Overseas = day(c.day)
			p.carried(opIssue, kinds(kindSign))
		}
	}
}

// A move overseas notified ahead ends nothing before its day, when the law of that day decides; calling it off keeps
// everything.
func TestOverseasNotifiedAhead(t *testing.T) {
	for _, c := range []struct {
		name       string
		day        string
		keep       bool
		then       string
		sign, auth events.CertificateStatus
		card       events.CardStatus
	}{
		{"the day before", "2024-06-10", true, "2024-06-09 23:00", valid, valid, events.CardStatus_CARD_STATUS_HELD},
		{"the day", "2024-06-10", true, "2024-06-10 03:00", revoked, valid, events.CardStatus_CARD_STATUS_HELD},
		{"the day, card given up", "2024-06-10", false, "2024-06-10 03:00", revoked, revoked, events.CardStatus_CARD_STATUS_VOID},
		{"before the law", "2024-05-26", true, "2024-05-26 03:00", revoked, revoked, events.CardStatus_CARD_STATUS_VOID},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := fromFactory(t)
			p.at("2020-03-19 10:00").carried(opRenew)
			p.at("2024-05-20 10:00")
			decided := p.change(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, func(r *ChangeRecord) { r.CausedOn, r.KeepUsing = c.day, c.keep })
			if last := decided[len(decided)-1]; !slices.Contains(last.RuleIds, "deadline.overseas-on-its-day") {
				t.Errorf("decided: %v", decided)
			}
			p.wantStatus(underMyNumber, kindSign, valid)
			p.at(c.then).tick()
			p.wantStatus(underMyNumber, kindSign, c.sign)
			p.wantStatus(underMyNumber, kindAuth, c.auth)
			if got := p.state.Card.Status; got != c.card {
				t.Errorf("card: %v, want %v", got, c.card)
			}
		})
	}
	p := fromFactory(t)
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2024-06-03 10:00").change(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, func(r *ChangeRecord) { r.PlannedOn, r.KeepUsing = "2024-06-10", true })
	p.change(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, func(r *ChangeRecord) { r.PlannedOn = "2024-06-12" })
	if len(p.state.Deadlines) != 1 {
		t.Errorf("waiting after a second notification: %v", p.state.Deadlines)
	}
	p.at("2024-06-11 10:00").tick()
	p.wantStatus(underMyNumber, kindSign, valid)
	p.at("2024-06-12 10:00").tick()
	p.wantStatus(underMyNumber, kindAuth, revoked)
}

// Coming home is a change of address: the signature certificate issued abroad ends (Reg2016 Art 20), the other one and
// the card stay.
func TestReturnFromOverseasEndsTheSignatureCertificate(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2024-05-27 10:00").change(events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, func(r *ChangeRecord) { r.PlannedOn, r.KeepUsing = "2024-05-28", true })
	p.at("2024-05-28 10:00").tick()
	p.person.Overseas = day("2024-05-28")
	p.carried(opIssue, kinds(kindSign))
	p.at("2025-04-01 10:00").person.Overseas = civil.Date{}
	decided := p.change(events.RecordChange_RECORD_CHANGE_MOVE_IN, func(r *ChangeRecord) { r.CausedOn, r.KeepUsing = "2025-03-28", true })
	equal(t, "in one commit", names(decided), []string{"ResidentRecordChanged", "CertificateRevoked", "NoticeDue", "DeadlineMet"})
	equal(t, "reason", find[*events.CertificateRevoked](decided).Reason, events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED)
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.carried(opIssue, kinds(kindSign))
}

func TestDeadlinesOfAMove(t *testing.T) {
	moveOut := func(p *player, planned string) {
		p.change(events.RecordChange_RECORD_CHANGE_MOVE_OUT, func(c *ChangeRecord) { c.PlannedOn = planned })
	}
	moveIn := func(p *player, moved string, submitted bool) []*events.Event {
		return p.change(events.RecordChange_RECORD_CHANGE_MOVE_IN, func(c *ChangeRecord) { c.CausedOn, c.KeepUsing = moved, submitted })
	}
	start := func() *player {
		p := fromFactory(t).at("2017-05-08 10:00")
		moveOut(p, "2017-05-11") // 30 days end on Saturday 2017-06-10 and roll to Monday
		equal(t, "rolled", p.deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_30), "2017-06-12")
		p.at("2017-05-11 00:05").tick()
		return p
	}
	ended := func(p *player) {
		t.Helper()
		p.wantStatus(underMyNumber, kindAuth, revoked)
		equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)
	}
	p := start().at("2017-06-12 23:59")
	equal(t, "the last day is in time", len(p.tick()), 0)
	p.at("2017-06-13 00:05").tick()
	ended(p)

	p = start().at("2017-05-25 10:00") // 14 days from 05-11 end today
	moveIn(p, "2017-05-11", true)
	p.wantStatus(underMyNumber, kindAuth, valid)
	equal(t, "nothing is left to keep", len(p.state.Deadlines), 0)

	p = start().at("2017-05-26 10:00")
	moveIn(p, "2017-05-11", true)
	ended(p)

	p = start().at("2017-05-12 10:00")
	moveIn(p, "2017-05-11", false)
	equal(t, "90 days with the day of filing", p.deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90), "2017-08-09")
	p.apply(opContinue)
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.refused(regime.NothingHeld, opContinue)

	p = start().at("2017-05-12 10:00")
	moveIn(p, "2017-05-11", false)
	p.at("2017-08-10 10:00") // the day has passed, though no Tick came
	p.refused(regime.NothingHeld, opContinue)
	ended(p)

	p = start().at("2017-05-12 10:00")
	moveIn(p, "2017-05-11", false)
	moveOut(p.at("2017-06-01 10:00"), "2017-06-02")
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.at("2017-06-02 00:05").tick()
	ended(p)

	p = start().at("2017-06-13 10:00") // late for the 30 days, before any Tick
	moveIn(p, "2017-06-10", true)
	ended(p)

	p = start().at("2017-05-12 10:00")
	moveIn(p, "2017-05-11", false)
	p.do(ReportLoss{By: "counter", Filed: p.now})
	p.carried(opReissue, card("card-2"))
	p.at("2017-12-01 00:05").tick()
	p.wantStatus(underMyNumber, kindAuth, valid) // a new card need not be submitted
}

func TestReturnToTheRegisterAfterDeletion(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.change(events.RecordChange_RECORD_CHANGE_DELETED)
	p.refused(regime.RecordEnded, opIssue, card("card-2"))
	p.change(events.RecordChange_RECORD_CHANGE_MOVE_IN)
	p.carried(opIssue, card("card-2"))
}

// A change of the record at every step of a procedure leaves nothing owed and nothing with old data in force.
func TestRecordChangeAtEveryStep(t *testing.T) {
	steps := []func(*player){
		func(*player) {}, func(p *player) { p.keys() }, func(p *player) { p.sign() }, func(p *player) { p.write() },
	}
	changes := []events.RecordChange{
		events.RecordChange_RECORD_CHANGE_NAME, events.RecordChange_RECORD_CHANGE_MOVE_OUT, events.RecordChange_RECORD_CHANGE_DEATH,
		events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER, events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS,
	}
	for _, change := range changes {
		for upTo := range steps {
			for _, only := range [][]events.CertificateKind{nil, {kindSign}, {kindAuth}} {
				p := fromFactory(t).at("2020-03-19 10:00")
				p.apply(opRenew, kinds(only...))
				for _, step := range steps[:upTo+1] {
					step(p)
				}
				p.change(change)
				for p.state.Open() != nil {
					switch p.state.Open().Step {
					case stepAccepted:
						p.keys()
					case stepKeys:
						p.sign()
					case stepIssued:
						p.write()
					default:
						p.handOver()
					}
				}
				if c := Live(p.state, underMyNumber, kindSign); c != nil {
					t.Errorf("%v at step %d of %v: %v is in force", change, upTo, only, c)
				}
			}
		}
	}
}

func TestTickCatchesUpOnce(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-03-18 23:59")
	equal(t, "the day before", len(p.tick()), 0)
	decided := p.at("2020-03-19 00:05").tick()
	equal(t, "opened", names(decided), []string{"WindowOpened", "WindowOpened", "NoticeDue"})
	equal(t, "caused", decided[0].CausedMs, civil.New(2020, 3, 19).StartInstant().UnixMilli())
	equal(t, "again", len(p.tick()), 0)
	decided = p.at("2020-06-19 00:05").tick()
	equal(t, "ended", names(decided), []string{"CertificateExpired", "CertificateExpired", "NoticeSuppressed", "NoticeDue"})
	equal(t, "again", len(p.tick()), 0)

	q := fromFactory(t).at("2031-01-01 00:05")
	equal(t, "all at once", names(q.tick()), []string{
		"WindowOpened", "WindowOpened", "NoticeDue", "CertificateExpired", "CertificateExpired", "NoticeSuppressed", "NoticeDue", "CardExpired",
	})
	equal(t, "again", len(q.tick()), 0)

	s := fromFactory(t)
	s.do(ReportLoss{By: "telephone", Filed: s.now})
	equal(t, "suspended ones", names(s.at("2020-06-19 00:05").tick()), []string{"CertificateExpired", "CertificateExpired"})
	equal(t, "suspended since", s.held(kindAuth).SuspendedMs != 0, true)
}

func TestNoticeHasOneOutcome(t *testing.T) {
	due := func() (*player, string) {
		p := fromFactory(t).at("2020-03-19 00:05")
		return p, find[*events.NoticeDue](p.tick()).Notice
	}
	outcomes := func(p *player, id string) (n int) {
		for _, e := range p.all() {
			switch b := events.BodyOf(e).(type) {
			case *events.NoticeSent:
				n += map[bool]int{true: 1}[b.Notice == id]
			case *events.NoticeFailed:
				n += map[bool]int{true: 1}[b.Notice == id]
			case *events.NoticeSuppressed:
				n += map[bool]int{true: 1}[b.Notice == id]
			}
		}
		return n
	}
	for name, act := range map[string]func(*player, string){
		"sent":   func(p *player, id string) { p.do(RecordNotice{Notice: id, Outcome: NoticeSent, Medium: "mail"}) },
		"failed": func(p *player, id string) { p.do(RecordNotice{Notice: id, Outcome: NoticeFailed, Detail: "5.1.1"}) },
		"none": func(p *player, id string) {
			p.do(RecordNotice{Notice: id, Outcome: NoticeSuppressed, Detail: "no-contact"})
		},
		"renewed": func(p *player, _ string) { p.at("2020-03-19 10:00").carried(opRenew) },
		"revoked": func(p *player, _ string) { p.at("2020-03-19 10:00").apply(opRevoke) },
		"died":    func(p *player, _ string) { p.change(events.RecordChange_RECORD_CHANGE_DEATH) },
		"expired": func(p *player, _ string) { p.at("2020-06-19 00:05").tick() },
	} {
		p, id := due()
		act(p, id)
		p.do(RecordNotice{Notice: id, Outcome: NoticeSent, Medium: "mail"})
		if n := outcomes(p, id); n != 1 {
			t.Errorf("%s: %d outcomes", name, n)
		}
	}
	p, id := due()
	p.at("2020-03-19 10:00").carried(opRenew, kinds(kindAuth))
	if n := outcomes(p, id); n != 0 {
		t.Errorf("the signature certificate still ends on that day: %d outcomes", n)
	}
}

// A juki certificate can't be suspended by telephone, and the caller must hear that.
func TestLossOfAJukiCardByTelephone(t *testing.T) {
	p := newPlayer(t, "2014-03-03 10:00")
	p.carried(opIssue, juki)
	decided := p.at("2014-05-07 23:00").do(ReportLoss{By: "telephone", Filed: p.now})
	equal(t, "events", names(decided), []string{"LossReported"})
	equal(t, "rules", decided[0].RuleIds, []string{"juki.ends.phone-loss-report"})
	p.wantStatus(underJuki, kindSign, valid)
}

// Under the reading that spares it, an authentication certificate suspended by telephone is released with its card.
func TestFoundCardReleasesTheAuthenticationCertificate(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	decided, err := Decide(p.state, ReportFound{Card: "card-1", Filed: p.now, Switches: regime.Switches{PhoneLossSparesAuth: true}}, p.now)
	if err != nil || count[*events.CertificateReleased](decided) != 1 || count[*events.CertificateRevoked](decided) != 1 || count[*events.CardFound](decided) != 1 {
		t.Errorf("%v, %v", names(decided), err)
	}
}

// An order about certificates that have ended, or are another's, is recorded and answered (law.md 8.3); so is every
// other fact that a source can claim.
func TestAFactThatChangesNothingIsRecorded(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	order := OrderByAuthority{Serials: []uint64{1}, Reason: events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED, Filed: p.now}
	equal(t, "the first", count[*events.CertificateRevoked](p.do(order)), 1)
	for name, again := range map[string]OrderByAuthority{
		"revoked already": order, "nobody's": {Serials: []uint64{4242}, Filed: p.now}, "no serial": {Filed: p.now},
	} {
		decided := p.do(again)
		if len(decided) != 1 || decided[0].GetFactRefused() == nil || !slices.Contains(decided[0].RuleIds, regime.NothingToRevoke) {
			t.Errorf("%s: %v", name, decided)
		}
	}
	unknown := newPlayer(t, "2017-05-08 10:00")
	for _, c := range []Command{
		order,
		ReportLoss{By: "telephone"},
		ReportFound{Card: "X"},
		RecordPinsBlocked{Card: "X", Pins: []events.PinKind{1}},
		RecordPinsBlocked{Card: "X"},
		RecordCustody{Card: "X"},
		DropApplication{Procedure: "X"},
		RecordKeys{Procedure: "X"},
		RecordWritten{Procedure: "X"},
		RecordWriteFailed{Procedure: "X"},
		RecordHandOver{Procedure: "X"},
		RecordUnblocked{Procedure: "X"},
		RecordConfirmationFailed{Obligation: "X"},
		RecordWritten{Procedure: "X", Device: "X"},
		ChangeRecord{Change: events.RecordChange_RECORD_CHANGE_MINOR},
		ChangeRecord{Change: events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF},
	} {
		if decided := unknown.do(c); len(decided) == 0 {
			t.Errorf("%T about an unknown person left nothing in the log", c)
		}
	}
}
