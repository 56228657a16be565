package regime

import (
	"slices"
	"testing"

	"shomei/pkg/civil"
)

// Every row of law.md 8.2 and 8.3.
func TestConsequences(t *testing.T) {
	for _, c := range []struct {
		regime           Regime
		event            Event
		on               string
		sign, auth, card Effect
		reason           CRLReason
		rule             ID
	}{
		{MyNumber, EvName, "2017-05-10", Revoke, Keep, Keep, AffiliationChanged, "mynumber.ends.name"},
		{MyNumber, EvSex, "2017-05-10", Revoke, Keep, Keep, AffiliationChanged, "mynumber.ends.sex"},
		{MyNumber, EvAddress, "2017-05-10", Revoke, Keep, Keep, AffiliationChanged, "mynumber.ends.address"},
		{MyNumber, EvBirthDate, "2017-05-10", Revoke, Keep, Keep, AffiliationChanged, "mynumber.ends.birth-date"},
		{MyNumber, EvMinor, "2017-05-10", Keep, Keep, Keep, 0, "mynumber.ends.minor-correction"},
		{MyNumber, EvMoveOut, "2017-05-10", Revoke, Keep, Keep, AffiliationChanged, "mynumber.ends.move-out"},
		{MyNumber, EvMoveCalledOff, "2017-05-10", Keep, Keep, Keep, 0, "deadline.move-called-off"},
		{MyNumber, EvOverseasKept, "2024-06-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.overseas-called-off"},
		{MyNumber, EvNoMoveIn, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.no-move-in"},
		{MyNumber, EvLateMoveIn, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.late-move-in"},
		{MyNumber, EvCardNotSubmitted, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.card-not-submitted"},
		{MyNumber, EvDeath, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.death"},
		{MyNumber, EvOutOfScope, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.out-of-scope"},
		{MyNumber, EvRecordDeleted, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.record-deleted"},
		{MyNumber, EvOverseas, "2024-05-26", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.overseas-ends"},
		{MyNumber, EvNumberChanged, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.individual-number-changed"},
		{MyNumber, EvCodeCorrected, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.resident-code-corrected"},
		{MyNumber, EvHistoryJoined, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.history-joined"},
		{MyNumber, EvCardReturned, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.card-returned"},
		{MyNumber, EvCardVoid, "2017-05-10", Revoke, Revoke, Void, CessationOfOperation, "mynumber.ends.card-void"},
		{MyNumber, EvApplication, "2017-05-10", Revoke, Revoke, Keep, CessationOfOperation, "mynumber.ends.holder-application"},
		{MyNumber, EvKeyLeak, "2017-05-10", Revoke, Revoke, Keep, KeyCompromise, "mynumber.ends.key-leak"},
		{MyNumber, EvLossReport, "2017-05-10", Revoke, Revoke, Suspend, KeyCompromise, "mynumber.ends.loss-report"},
		{MyNumber, EvUnusable, "2017-05-10", Revoke, Revoke, Keep, CessationOfOperation, "mynumber.ends.medium-unusable"},
		{MyNumber, EvPhoneLoss, "2021-08-10", Suspend, Suspend, Suspend, CertificateHold, "mynumber.ends.phone-loss-report"},
		{MyNumber, EvFound, "2021-08-12", Revoke, Revoke, Release, KeyCompromise, "mynumber.ends.card-found"},
		{MyNumber, EvCertificateError, "2017-05-10", Revoke, Revoke, Keep, AffiliationChanged, "mynumber.ends.certificate-error"},
		{MyNumber, EvCACompromise, "2017-05-10", Revoke, Revoke, Keep, CACompromise, "mynumber.ends.ca-compromise"},
		{MyNumber, EvTerm, "2020-06-19", Expire, Expire, Keep, 0, "mynumber.ends.term-ended"},
		{MyNumber, EvCardTerm, "2025-06-19", Expire, Expire, Expire, 0, "mynumber.ends.card-term-ended"},
		{MyNumber, EvRenewed, "2020-03-19", Revoke, Revoke, Keep, Superseded, "mynumber.ends.renewed"},
		{MyNumber, EvReissued, "2020-03-19", Revoke, Revoke, Keep, Superseded, "mynumber.ends.reissued"},
		{MyNumber, EvDiscarded, "2020-03-19", Revoke, Revoke, Keep, Unspecified, "mynumber.ends.discarded"},
		{MyNumber, EvStayEnded, "2021-04-01", Expire, Expire, Expire, 0, "mynumber.ends.stay-ended"},

		{Juki, EvName, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.name"},
		{Juki, EvSex, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.sex"},
		{Juki, EvAddress, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.address"},
		{Juki, EvBirthDate, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.birth-date"},
		{Juki, EvMinor, "2013-05-10", Keep, Keep, Keep, 0, "juki.ends.minor-correction"},
		{Juki, EvMoveOut, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.move-out"},
		{Juki, EvMoveCalledOff, "2013-05-10", Keep, Keep, Keep, 0, "deadline.move-called-off"},
		{Juki, EvNoMoveIn, "2013-05-10", Revoke, Keep, Void, AffiliationChanged, "juki.ends.no-move-in"},
		{Juki, EvLateMoveIn, "2013-05-10", Revoke, Keep, Void, AffiliationChanged, "juki.ends.late-move-in"},
		{Juki, EvCardNotSubmitted, "2013-05-10", Revoke, Keep, Void, AffiliationChanged, "juki.ends.card-not-submitted"},
		{Juki, EvDeath, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.death"},
		{Juki, EvOutOfScope, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.out-of-scope"},
		{Juki, EvRecordDeleted, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.record-deleted"},
		{Juki, EvOverseas, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.overseas"},
		{Juki, EvCodeCorrected, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.resident-code-corrected"},
		{Juki, EvHistoryJoined, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.history-joined"},
		{Juki, EvCardReturned, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.card-returned"},
		{Juki, EvCardVoid, "2013-05-10", Revoke, Keep, Void, CessationOfOperation, "juki.ends.card-void"},
		{Juki, EvApplication, "2017-05-10", Revoke, Keep, Keep, CessationOfOperation, "juki.ends.holder-application"},
		{Juki, EvKeyLeak, "2013-05-10", Revoke, Keep, Keep, KeyCompromise, "juki.ends.key-leak"},
		{Juki, EvLossReport, "2013-05-10", Revoke, Keep, Keep, KeyCompromise, "juki.ends.loss-report"},
		{Juki, EvUnusable, "2013-05-10", Revoke, Keep, Keep, CessationOfOperation, "juki.ends.medium-unusable"},
		{Juki, EvPhoneLoss, "2013-05-10", Keep, Keep, Keep, 0, "juki.ends.phone-loss-report"},
		{Juki, EvFound, "2013-05-10", Keep, Keep, Keep, 0, "juki.ends.card-found"},
		{Juki, EvCertificateError, "2013-05-10", Revoke, Keep, Keep, AffiliationChanged, "juki.ends.certificate-error"},
		{Juki, EvCACompromise, "2013-05-10", Revoke, Keep, Keep, CACompromise, "juki.ends.ca-compromise"},
		{Juki, EvTerm, "2015-12-03", Expire, Keep, Keep, 0, "juki.ends.term-ended"},
		{Juki, EvCardTerm, "2013-05-10", Keep, Keep, Expire, 0, "juki.ends.card-term-ended"},
		{Juki, EvRenewed, "2015-11-30", Revoke, Keep, Keep, Superseded, "juki.ends.renewed"},
		{Juki, EvReissued, "2013-05-10", Revoke, Keep, Keep, Superseded, "juki.ends.reissued"},
		{Juki, EvDiscarded, "2013-05-10", Revoke, Keep, Keep, Unspecified, "juki.ends.discarded"},
		{Juki, EvMyNumberHandOver, "2016-01-12", Revoke, Keep, Void, CessationOfOperation, "juki.ends.mynumber-handover"},
	} {
		got, err := Switches{}.Consequences(ConsequenceIn{Regime: c.regime, Event: c.event, On: day(c.on)})
		if err != nil || got.Sign.Effect != c.sign || got.Auth.Effect != c.auth || got.Card.Effect != c.card || got.Sign.Rule != c.rule {
			t.Errorf("%s %s: %+v, %v", c.regime, c.event, got, err)
		}
		ends := c.sign == Revoke || c.sign == Suspend
		if ends && (got.Sign.Reason != c.reason || got.Rules[len(got.Rules)-1] != c.reason.Rule()) {
			t.Errorf("%s %s: reason %v, want %v; %v", c.regime, c.event, got.Sign.Reason, c.reason, got.Rules)
		}
		if slices.Contains(got.Rules, "reason.effect-at-recording") != (ends || c.auth == Revoke) {
			t.Errorf("%s %s: when effect is lost: %v", c.regime, c.event, got.Rules)
		}
		if got.Of(Sign) != got.Sign || got.Of(Auth) != got.Auth {
			t.Errorf("%s %s: Of mixes kinds up", c.regime, c.event)
		}
	}
}

func TestOverseasWithContinuedUse(t *testing.T) {
	in := ConsequenceIn{Regime: MyNumber, Event: EvOverseas, ContinuedUse: true, On: day("2024-05-27")}
	got, err := Switches{}.Consequences(in)
	if err != nil || got.Sign.Effect != Revoke || got.Auth.Effect != Keep || got.Card.Effect != Keep || got.Sign.Rule != "mynumber.ends.overseas-continued" {
		t.Errorf("from 2024-05-27: %+v, %v", got, err)
	}
	in.On = day("2024-05-26")
	if got, err = (Switches{}).Consequences(in); err != nil || got.Card.Effect != Void {
		t.Errorf("the day before: %+v, %v", got, err)
	}
	in.On, in.ContinuedUse = day("2024-05-27"), false
	if got, err = (Switches{}).Consequences(in); err != nil || got.Card.Effect != Void || got.Auth.Effect != Revoke {
		t.Errorf("not applied for: %+v, %v", got, err)
	}
}

// Continued use overseas is for nationals who apply for it by the day before (law.md 8.5).
func TestContinuedUseInTimeAndForNationals(t *testing.T) {
	for _, c := range []struct {
		filed   string
		foreign bool
		auth    Effect
		rule    ID
	}{
		{"2024-06-19", false, Keep, "mynumber.ends.overseas-continued"},
		{"", false, Keep, "mynumber.ends.overseas-continued"},
		{"2024-06-20", false, Revoke, "mynumber.ends.overseas-too-late"},
		{"2024-06-27", false, Revoke, "mynumber.ends.overseas-too-late"},
		{"2024-06-10", true, Revoke, "mynumber.ends.overseas-nationals-only"},
		{"2024-06-27", true, Revoke, "mynumber.ends.overseas-nationals-only"},
	} {
		in := ConsequenceIn{Regime: MyNumber, Event: EvOverseas, ContinuedUse: true, On: day("2024-06-20"), Foreign: c.foreign}
		if c.filed != "" {
			in.Filed = day(c.filed)
		}
		got, err := Switches{}.Consequences(in)
		if err != nil || got.Auth.Effect != c.auth || got.Sign.Effect != Revoke || got.Sign.Rule != c.rule {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
		if void := got.Card.Effect == Void; void != (c.auth == Revoke) {
			t.Errorf("%+v: card %v", c, got.Card.Effect)
		}
	}
}

// Whether a found card's authentication certificate is released is debated (law.md 8.6).
func TestFoundAfterALossByTelephone(t *testing.T) {
	in := ConsequenceIn{Regime: MyNumber, Event: EvFound, On: day("2021-08-12")}
	got, err := Switches{PhoneLossSparesAuth: true}.Consequences(in)
	if err != nil || got.Sign.Effect != Revoke || got.Auth.Effect != Release || got.Card.Effect != Release || got.Auth.Rule != "mynumber.ends.card-found-auth-released" {
		t.Errorf("by the switch: %+v, %v", got, err)
	}
}

// Whether the filing of a move ends the signature certificate is debated (law.md 8.4).
func TestMoveOutAtFiling(t *testing.T) {
	for r, rule := range map[Regime]ID{MyNumber: "mynumber.ends.move-out-at-filing", Juki: "juki.ends.move-out-at-filing"} {
		in := ConsequenceIn{Regime: r, Event: EvMoveOut, On: day("2015-06-20"), Ahead: true}
		if got, err := (Switches{MoveOutEndsAtFiling: true}).Consequences(in); err != nil || got.Sign.Rule != rule || got.Sign.Effect != Revoke {
			t.Errorf("%s, by the switch: %+v, %v", r, got, err)
		}
		in.Ahead = false
		if got, err := (Switches{MoveOutEndsAtFiling: true}).Consequences(in); err != nil || got.Sign.Rule == rule {
			t.Errorf("%s, on the day: %+v, %v", r, got, err)
		}
	}
}

func TestChosenCertificates(t *testing.T) {
	in := ConsequenceIn{Regime: MyNumber, Event: EvApplication, On: day("2020-01-06"), Chosen: []Kind{Auth}}
	got, err := Switches{}.Consequences(in)
	if err != nil || got.Sign.Effect != Keep || got.Auth.Effect != Revoke || got.Card.Effect != Keep {
		t.Errorf("authentication chosen: %+v, %v", got, err)
	}
	in = ConsequenceIn{Regime: MyNumber, Event: EvReissued, On: day("2021-09-01"), CardChosen: true}
	if got, err = (Switches{}).Consequences(in); err != nil || got.Card.Effect != Void || got.Sign.Effect != Revoke {
		t.Errorf("card re-issued as well: %+v, %v", got, err)
	}
	in = ConsequenceIn{Regime: MyNumber, Event: EvDeath, On: day("2021-09-01"), Chosen: []Kind{Sign}}
	if got, err = (Switches{}).Consequences(in); err != nil || got.Auth.Effect != Revoke {
		t.Errorf("death does not choose: %+v, %v", got, err)
	}
	in = ConsequenceIn{Regime: Juki, Event: EvCardTerm, On: day("2013-05-10")}
	if got, err = (Switches{JukiCardCaps: true}).Consequences(in); err != nil || got.Sign.Effect != Expire || got.Sign.Rule != "juki.ends.card-term-ends-certificate" {
		t.Errorf("juki card caps: %+v, %v", got, err)
	}
	if _, err = (Switches{}).Consequences(ConsequenceIn{Regime: Juki, Event: EvNumberChanged}); err == nil {
		t.Error("the Individual Number changed under the juki regime")
	}
}

func TestReasons(t *testing.T) {
	for reason, want := range map[CRLReason]struct {
		name string
		rule ID
	}{
		0: {"unspecified", "reason.unspecified"}, 1: {"keyCompromise", "reason.key-compromise"},
		2: {"cACompromise", "reason.ca-compromise"}, 3: {"affiliationChanged", "reason.affiliation-changed"},
		4: {"superseded", "reason.superseded"}, 5: {"cessationOfOperation", "reason.cessation"},
		6: {"certificateHold", "reason.hold"}, 7: {}, 9: {}, -1: {},
	} {
		if reason.String() != want.name || reason.Rule() != want.rule {
			t.Errorf("%d: %q, %q", int(reason), reason.String(), reason.Rule())
		}
	}
}

func TestDeadlines(t *testing.T) {
	var office civil.Office
	for _, c := range []struct {
		name          string
		got           Deadline
		counted, last string
		rule          ID
		rolled        bool
	}{
		{"30 days", Switches{}.MoveInWithin30Days(day("2017-05-10"), office), "2017-06-09", "2017-06-09", "mynumber.deadline.move-in-30-days", false},
		{"14 days", Switches{}.MoveInWithin14Days(day("2017-05-10"), office), "2017-05-24", "2017-05-24", "mynumber.deadline.move-in-14-days", false},
		{"14 days over a Saturday", Switches{}.MoveInWithin14Days(day("2017-05-13"), office), "2017-05-27", "2017-05-29", "mynumber.deadline.move-in-14-days", true},
		{"14 days over the year-end", Switches{}.MoveInWithin14Days(day("2017-12-16"), office), "2017-12-30", "2018-01-04", "mynumber.deadline.move-in-14-days", true},
		{"90 days with the filing", Switches{}.CardWithin90Days(day("2017-05-15"), office), "2017-08-12", "2017-08-14", "mynumber.deadline.card-90-days", true},
		{"90 days from the next day", Switches{SubmissionFromNextDay: true}.CardWithin90Days(day("2017-05-15"), office), "2017-08-13", "2017-08-14", "mynumber.deadline.card-90-days-next-day", true},
	} {
		if c.got.Rule != c.rule || c.got.Counted != day(c.counted) || c.got.LastDay != day(c.last) || c.got.Ends != day(c.last).EndInstant() {
			t.Errorf("%s: %+v", c.name, c.got)
		}
		if c.rolled {
			mustHold(t, c.name, c.got.Rules, "deadline.rolls", c.rule)
		}
		if rolled := len(c.got.Rules) == 2; rolled != c.rolled {
			t.Errorf("%s: rules %v", c.name, c.got.Rules)
		}
	}
	open := civil.Office{Exceptions: []civil.Exception{{Open: true, From: tokyo("2017-05-27 09:00:00"), Until: tokyo("2017-05-27 12:00:00")}}}
	if got := (Switches{}).MoveInWithin14Days(day("2017-05-13"), open); got.LastDay != day("2017-05-27") {
		t.Errorf("an office open on that Saturday: %+v", got)
	}
	never := civil.Office{Terms: []civil.Term{{Ends: tokyo("2017-05-20 00:00:00")}}}
	if got := (Switches{}).MoveInWithin14Days(day("2017-05-13"), never); got.LastDay != day("2017-05-27") {
		t.Errorf("an office that never opens again: %+v", got)
	}
}
