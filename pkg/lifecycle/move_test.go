package lifecycle

import (
	"testing"

	"shomei/events"
)

const (
	changeMoveOut   = events.RecordChange_RECORD_CHANGE_MOVE_OUT
	changeMoveIn    = events.RecordChange_RECORD_CHANGE_MOVE_IN
	changeOverseas  = events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS
	changeCalledOff = events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF
	moveOutWaits    = events.DeadlineKind_DEADLINE_KIND_MOVE_OUT
	calledOffWaits  = events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF
)

func plannedOn(day string) func(*ChangeRecord) { return func(c *ChangeRecord) { c.PlannedOn = day } }

func keepsUsing(c *ChangeRecord) { c.KeepUsing = true }

// A move within Japan takes effect on its day: the filing ends nothing, certificates issued in between end on the day,
// and until then the holder is a resident (law.md 8.4).
func TestAMoveTakesEffectOnItsDay(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.change(changeMoveOut, plannedOn("2017-05-11"))
	p.wantStatus(underMyNumber, kindSign, valid)
	equal(t, "waits", p.deadline(moveOutWaits), "2017-05-10")
	p.at("2017-05-10 10:00").tick()
	p.wantStatus(underMyNumber, kindSign, valid)
	p.carried(opReissue, kinds(kindSign)) // still a resident
	p.wantStatus(underMyNumber, kindSign, valid)
	p.at("2017-05-11 00:05").tick()
	ended := p.wantStatus(underMyNumber, kindSign, revoked)
	equal(t, "reason", ended.Reason, events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED)
	p.wantStatus(underMyNumber, kindAuth, valid)

	p = newPlayer(t, "2008-03-03 10:00") // nothing is held when the move is filed
	p.change(changeMoveOut, plannedOn("2008-03-31"))
	p.at("2008-03-12 10:00").carried(opIssue, juki)
	p.at("2008-03-31 00:05").tick()
	if got := p.heldUnder(underJuki, kindSign).Status; got != revoked {
		t.Errorf("issued after the filing: %v on the day", got)
	}

	p = fromFactory(t).at("2017-05-08 10:00") // filed on its day
	p.change(changeMoveOut, plannedOn("2017-05-08"))
	p.wantStatus(underMyNumber, kindSign, revoked)
	equal(t, "nothing waits", p.deadline(moveOutWaits), "")
}

// An application accepted before the day gets no certificate on it, whether a Tick has come or not.
func TestNoSignatureCertificateAfterAMove(t *testing.T) {
	for name, then := range map[string]func(*player) []*events.Event{
		"tick": func(p *player) []*events.Event { return p.tick() },
		"keys": func(p *player) []*events.Event { return p.keys() },
	} {
		p := fromFactory(t).at("2020-03-19 10:00")
		p.change(changeMoveOut, plannedOn("2020-03-20"))
		p.apply(opRenew)
		p.at("2020-03-20 08:00")
		decided := then(p)
		if count[*events.ApplicationWithdrawn](decided) != 1 || count[*events.IssueAuthorized](decided) != 0 {
			t.Errorf("%s: %v", name, names(decided))
		}
	}
}

// A switch decides whether the filing ends the certificate; those issued in between end on the day either way.
func TestSwitchEndsCertificatesAtFiling(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	atFiling := func(c *ChangeRecord) { c.Switches.MoveOutEndsAtFiling = true }
	decided := p.change(changeMoveOut, plannedOn("2017-05-11"), atFiling)
	equal(t, "rule", find[*events.CertificateRevoked](decided) != nil, true)
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.carried(opIssue, kinds(kindSign))
	p.at("2017-05-11 00:05").tick()
	p.wantStatus(underMyNumber, kindSign, revoked)
}

// Moving in earlier than planned counts as moved; moving on before the card was submitted ends it on the day of the
// move.
func TestMoveInEarlyAndMoveOnBeforeSubmitting(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.change(changeMoveOut, plannedOn("2017-05-20"))
	p.at("2017-05-12 10:00").change(changeMoveIn)
	equal(t, "waits", p.deadline(moveOutWaits), "")
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.change(changeMoveOut, plannedOn("2017-06-01"))
	p.at("2017-05-31 10:00").tick()
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.at("2017-06-01 00:05").tick()
	p.wantStatus(underMyNumber, kindAuth, revoked)

	p = fromFactory(t).at("2017-05-08 10:00")
	p.change(changeMoveIn)
	p.change(changeMoveOut, plannedOn("2017-06-01"))
	p.apply(opContinue) // submitted in time
	p.at("2017-06-01 00:05").tick()
	p.wantStatus(underMyNumber, kindAuth, valid)
}

// A move that is called off ends nothing, and its deadlines stop; what was revoked by then stays revoked (law.md 8.4).
func TestAMoveIsCalledOff(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.change(changeMoveOut, plannedOn("2017-05-20"))
	decided := p.at("2017-05-15 10:00").change(changeCalledOff)
	equal(t, "decided", names(decided), []string{"ResidentRecordChanged", "DeadlineMet", "DeadlineMet"})
	equal(t, "left", len(p.state.Deadlines), 0)
	equal(t, "moved out", p.state.MovedOut, false)
	p.at("2017-08-01 10:00").tick()
	p.wantStatus(underMyNumber, kindSign, valid)
	p.wantStatus(underMyNumber, kindAuth, valid)

	p = fromFactory(t).at("2017-05-08 10:00")
	p.change(changeMoveOut, plannedOn("2017-05-20"))
	p.at("2017-05-20 10:00").tick()
	p.at("2017-05-22 10:00").change(changeCalledOff)
	p.at("2017-08-01 10:00").tick()
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.carried(opIssue, kinds(kindSign))

	p = fromFactory(t).at("2017-05-08 10:00")
	equal(t, "nothing to call off", names(p.change(changeCalledOff)), []string{"ResidentRecordChanged"})
}

// Continued use overseas can be applied for at the counter after the move was filed without it, until the day before
// the move (law.md 8.5).
func TestContinuedUseIsAppliedFor(t *testing.T) {
	for name, c := range map[string]struct {
		at, planned, rule string
		foreign           bool
	}{
		"the day before": {"2024-06-19 16:00", "2024-06-20", "", false},
		"on the day":     {"2024-06-20 09:00", "2024-06-20", "mynumber.ends.overseas-too-late", false},
		"days later":     {"2024-06-27 09:00", "2024-06-20", "mynumber.ends.overseas-too-late", false},
		"a foreigner":    {"2024-06-11 09:00", "2024-06-20", "mynumber.ends.overseas-nationals-only", true},
		"before it was":  {"2024-05-24 09:00", "2024-05-26", "mynumber.ends.overseas-ends", false},
		"the first day":  {"2024-05-24 09:00", "2024-05-27", "", false},
	} {
		p := fromFactory(t)
		p.at("2020-03-19 10:00").carried(opRenew)
		p.person.Foreign = c.foreign
		p.at("2024-05-20 10:00").change(changeOverseas, plannedOn(c.planned))
		p.at(c.at)
		want := revoked
		if c.rule == "" {
			p.apply(opContinue)
			want = valid
		} else {
			p.refused(c.rule, opContinue)
		}
		p.at("2024-07-10 10:00").tick()
		p.wantStatus(underMyNumber, kindAuth, want)
		p.wantStatus(underMyNumber, kindSign, revoked)
		equal(t, name+": kept", p.state.Continued, c.rule == "")
	}
}

// Calling off a move overseas does not undo continued use; that needs an act of its own.
func TestAMoveOverseasIsCalledOff(t *testing.T) {
	start := func(change ...func(*ChangeRecord)) *player {
		p := fromFactory(t)
		p.at("2020-03-19 10:00").carried(opRenew)
		p.at("2024-06-10 10:00").change(changeOverseas, append(change, plannedOn("2024-06-20"))...)
		return p
	}
	lives := func(p *player, want events.CertificateStatus) {
		t.Helper()
		p.at("2024-07-10 10:00").tick()
		p.wantStatus(underMyNumber, kindAuth, want)
		p.wantStatus(underMyNumber, kindSign, want)
	}
	p := start()
	p.at("2024-06-12 10:00").change(changeCalledOff)
	lives(p, valid)

	p = start(keepsUsing)
	p.at("2024-06-12 10:00").change(changeCalledOff, keepsUsing) // with the undoing
	lives(p, valid)

	p = start(keepsUsing)
	p.at("2024-06-12 10:00").change(changeCalledOff)
	equal(t, "waits for the act", p.deadline(calledOffWaits), "2024-06-19")
	p.at("2024-06-19 10:00").apply(opContinue)
	lives(p, valid)

	p = start(keepsUsing)
	p.at("2024-06-12 10:00").change(changeCalledOff)
	lives(p, revoked)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)

	p = start(keepsUsing)
	p.at("2024-06-20 10:00").tick()
	p.at("2024-06-21 10:00").change(changeCalledOff) // its day has come
	p.wantStatus(underMyNumber, kindAuth, revoked)
}

// Continued use applied for in time is kept when the register repeats the move on its day or later. Nobody can apply
// then (law.md 8.5), nor can foreigners at all.
func TestContinuedUseIsAppliedForInTime(t *testing.T) {
	held := func() *player {
		p := fromFactory(t)
		p.at("2020-03-19 10:00").carried(opRenew)
		return p.at("2024-06-19 10:00")
	}
	p := held()
	p.change(changeOverseas, plannedOn("2024-06-20"), keepsUsing)
	p.at("2024-06-20 03:00").tick()
	p.at("2024-06-20 10:00").change(changeOverseas, keepsUsing)
	p.at("2024-06-21 10:00").change(changeOverseas, func(c *ChangeRecord) { c.CausedOn = "2024-06-20" })
	p.wantStatus(underMyNumber, kindAuth, valid)

	p = held()
	p.change(changeOverseas, plannedOn("2024-06-20"))
	p.at("2024-06-20 10:00").change(changeOverseas, keepsUsing)
	p.wantStatus(underMyNumber, kindAuth, revoked)

	p = held().at("2024-06-20 10:00")
	decided := p.change(changeOverseas, keepsUsing)
	equal(t, "rule", find[*events.CardVoided](decided) != nil, true)

	p = held()
	p.change(changeOverseas, plannedOn("2024-06-25"), keepsUsing, func(c *ChangeRecord) { c.Foreign = true })
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.at("2024-06-25 03:00").tick()
	p.wantStatus(underMyNumber, kindAuth, revoked)
	equal(t, "card", p.state.Card.Status, events.CardStatus_CARD_STATUS_VOID)

	// Nothing is held when the move is filed; what is issued in between ends on its day.
	p = newPlayer(t, "2010-06-10 10:00")
	p.change(changeOverseas, plannedOn("2010-06-20"))
	p.at("2010-06-15 10:00").carried(opIssue, juki)
	p.at("2010-06-20 03:00").tick()
	equal(t, "juki", p.heldUnder(underJuki, kindSign).Status, revoked)
}

// Before the move the signature certificate may be reissued in place of the one that will end, never two at a time; the
// authentication certificate only with continued use overseas (law.md 8.4, 8.5).
func TestIssueBetweenFilingAndMove(t *testing.T) {
	p := fromFactory(t).at("2017-05-08 10:00")
	p.refused("application.double-issue", opIssue, kinds(kindSign))
	p.change(changeMoveOut, plannedOn("2017-05-11"))
	p.refused("application.double-issue", opIssue, kinds(kindAuth))
	accepted := p.apply(opIssue, kinds(kindSign))
	equal(t, "replaces", accepted.Planned[0].Replaces != 0, true)
	p.keys()
	decided := p.sign()
	equal(t, "in one commit", count[*events.CertificateRevoked](decided), 1)
	p.write()
	p.handOver()
	p.at("2017-05-11 03:00").tick()
	p.wantStatus(underMyNumber, kindSign, revoked)
}

// A signature certificate for use overseas is issued with continued use before leaving and outlives the day; so does
// one issued there, whatever the register repeats.
func TestSignatureCertificateForUseOverseas(t *testing.T) {
	p := fromFactory(t)
	p.at("2020-03-19 10:00").carried(opRenew) // both to 2025-06-18, the card's last day
	p.at("2024-06-10 10:00").change(changeOverseas, plannedOn("2024-06-20"), keepsUsing)
	p.person.Overseas = day("2024-06-20")
	p.carried(opIssue)
	p.at("2024-06-20 03:00").tick()
	p.wantStatus(underMyNumber, kindSign, valid)
	p.wantStatus(underMyNumber, kindAuth, valid)
	p.at("2024-06-21 10:00").carried(opReissue, kinds(kindSign))
	p.change(changeOverseas, func(c *ChangeRecord) { c.CausedOn = "2024-06-20" })
	p.wantStatus(underMyNumber, kindSign, valid)
	p.at("2024-12-02 10:00").change(changeMoveIn)
	p.wantStatus(underMyNumber, kindSign, revoked)

	p = fromFactory(t) // the former one ends on the day unless a new one was issued
	p.at("2020-03-19 10:00").carried(opRenew)
	p.at("2024-06-10 10:00").change(changeOverseas, plannedOn("2024-06-20"), keepsUsing)
	p.carried(opIssue, kinds(kindAuth))
	p.at("2024-06-20 03:00").tick()
	p.wantStatus(underMyNumber, kindSign, revoked)
	p.wantStatus(underMyNumber, kindAuth, valid)

	// The authentication certificate counts to the sixth birthday if fewer than three months remain, to the fifth
	// otherwise.
	for at, last := range map[string]string{"2024-06-10 10:00": "2028-06-18", "2025-04-10 10:00": "2030-06-18"} {
		p = newPlayer(t, "2020-07-01 10:00")
		p.carried(opIssue)
		p.at(at).change(changeOverseas, plannedOn(day(at[:10]).AddDays(10).String()), keepsUsing)
		accepted := p.apply(opIssue, kinds(kindAuth))
		equal(t, "at "+at, accepted.Planned[0].LastDay, last)
		sixth := accepted.Planned[0].Candidates[0].RuleId == "mynumber.validity.sixth-birthday"
		equal(t, "sixth at "+at, sixth, at[:4] == "2025")
	}
}
