package lifecycle

import (
	"slices"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/regime"
)

// A holder does not pay for the authority's own error, and the fee says why; the same goes by every other cause of a
// reissue on the same card, whatever operation the clerk chooses.
func TestFeeAfterAnEnd(t *testing.T) {
	order := func(p *player) {
		p.do(OrderByAuthority{Serials: []uint64{p.held(kindSign).Serial}, Reason: events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED, Filed: p.now})
	}
	rename := func(p *player) { p.change(events.RecordChange_RECORD_CHANGE_NAME) }
	giveUp := func(p *player) { p.apply(opRevoke, kinds(kindSign)) }
	for _, c := range []struct {
		name string
		end  func(*player)
		rule string
		yen  uint32
	}{
		{"an error in the certificate", order, "mynumber.fee.certificate-error-waived", 0},
		{"a change of name", rename, "mynumber.fee.record-change-waived", 0},
		{"given up", giveUp, "mynumber.fee.reissue-certificates", 200},
	} {
		for _, op := range []events.Operation{opIssue, opReissue} {
			p := fromFactory(t).at("2017-05-10 10:00")
			c.end(p)
			fee := p.apply(op, kinds(kindSign)).Fee
			if len(fee) != 1 || fee[0].RuleId != c.rule || fee[0].Yen != c.yen {
				t.Errorf("%v after %s: %v", op, c.name, fee)
			}
		}
	}
	p := fromFactory(t).at("2017-05-10 10:00")
	equal(t, "still in force", p.apply(opReissue, kinds(kindSign)).Fee[0].Yen, uint32(200))
}

func TestDoubleIssueOfBothKindsNamesOneRule(t *testing.T) {
	p := fromFactory(t).at("2017-05-10 10:00")
	decided := find[*events.ApplicationRefused](p.do(p.application(opIssue))) // both kinds are held
	equal(t, "refusals", decided.Refusals, []string{regime.DoubleIssue})
}

// The letter of inquiry goes to the principal, so a proxy must prove to be one before it is posted.
func TestProxyShowsTheMandateFirst(t *testing.T) {
	for _, law := range []struct {
		at     string
		change func(*Apply)
		rule   string
	}{
		{"2012-12-03 10:00", juki, "juki.documents.mandate-seal"},
		{"2016-01-12 10:00", func(a *Apply) { a.Switches.ProxyNeedsSeal = true }, "mynumber.documents.mandate-seal"},
	} {
		p := newPlayer(t, law.at)
		mandate := func(sealed bool) func(*Apply) {
			return func(a *Apply) {
				a.Channel = regime.ChannelProxy
				a.Shown = append(photo(), regime.Shown{Document: regime.DocMandate, RegisteredSeal: sealed},
					regime.Shown{Document: regime.DocSealCertificate}, regime.Shown{Document: regime.DocProxyPhotoID})
			}
		}
		p.refused(law.rule, opIssue, law.change, mandate(false))
		equal(t, "letters", len(p.state.Letters), 0)
		if due := find[*events.InquiryLetterDue](p.do(p.application(opIssue, law.change, mandate(true)))); due == nil {
			t.Fatalf("%s: a proxy with a sealed mandate gets no letter", law.at)
		}
	}
}

// A notice has one outcome, which names its rule, also if the clock skipped the whole window.
func TestSuppressedNoticeNamesItsRule(t *testing.T) {
	sentences := func(list []*events.Event) []string {
		var rules []string
		for _, e := range list {
			if e.GetNoticeSuppressed() != nil {
				rules = append(rules, e.RuleIds[0])
			}
		}
		return rules
	}
	leap := fromFactory(t).at("2020-06-19 00:05")
	equal(t, "leap", sentences(leap.tick()), []string{regime.NoticeTooLate})
	equal(t, "leap, later", sentences(leap.at("2031-01-01 00:05").tick()), nil)

	p := fromFactory(t).at("2020-03-19 00:05")
	p.tick()
	equal(t, "expired unsent", sentences(p.at("2020-06-19 00:05").tick()), []string{regime.NothingToRemind})

	p = fromFactory(t).at("2020-03-19 00:05")
	p.tick()
	equal(t, "died", sentences(p.change(events.RecordChange_RECORD_CHANGE_DEATH)), []string{regime.NobodyToNotify})
	for _, id := range []string{regime.NoticeTooLate, regime.NothingToRemind, regime.NobodyToNotify} {
		if rule, ok := regime.Lookup(id); !ok || rule.JA == "" || rule.EN == "" {
			t.Errorf("%s has no sentence", id)
		}
	}
}

func TestOnlyTheKnownCardIsTakenBack(t *testing.T) {
	exchange := func(id string) func(*Apply) { return func(a *Apply) { a.TakenBack = id } }
	p := newPlayer(t, "2015-10-01 10:00")
	p.carried(opIssue, juki)
	p.at("2016-01-05 02:29").carried(opFactory, factory)
	p.at("2016-01-12 10:00").refused(regime.OtherCard, opHandOver, exchange("juki-9"))
	p.apply(opHandOver, exchange("juki-1"))
	p.unblocked()
	equal(t, "known", find[*events.CardHandedOver](p.handOver()).TakenBack, "juki-1")

	q := newPlayer(t, "2016-01-05 02:29")
	q.carried(opFactory, factory)
	q.at("2016-01-12 10:00").apply(opHandOver, exchange("juki-7"))
	q.unblocked()
	equal(t, "a juki card that held no certificate", find[*events.CardHandedOver](q.handOver()).TakenBack, "juki-7")
	q.at("2017-05-10 10:00").refused(regime.OtherCard, opReissue, card("card-2"), exchange("card-9"))
	q.carried(opReissue, card("card-2"), exchange("card-1"))
}

// A paper received before closing time and entered after it counts by its receipt; the log has both times and that a
// clerk entered the first.
func TestReceiptEnteredByHand(t *testing.T) {
	p := newPlayer(t, "2012-12-03 17:10")
	p.refused("office.closed.after-hours", opIssue, juki)
	late := p.application(opIssue, juki)
	late.Entered, late.Filed = p.now, p.now.Add(-11*time.Minute)
	decided := p.do(late)
	i := slices.IndexFunc(decided, func(e *events.Event) bool { return e.GetApplicationAccepted() != nil })
	if i < 0 {
		t.Fatalf("not accepted: %v", names(decided))
	}
	e := decided[i]
	equal(t, "filed, entered, recorded", []int64{e.FiledMs, e.EnteredMs, e.RecordedMs},
		[]int64{late.Filed.UnixMilli(), late.Entered.UnixMilli(), p.now.UnixMilli()})
}

// A change that ends nothing names the rule for that.
func TestMinorCorrectionNamesItsRule(t *testing.T) {
	p := fromFactory(t).at("2017-05-10 10:00")
	decided := p.change(events.RecordChange_RECORD_CHANGE_MINOR)
	equal(t, "events", names(decided), []string{"ResidentRecordChanged"})
	equal(t, "rules", decided[0].RuleIds, []string{"mynumber.ends.minor-correction"})
	decided = p.change(events.RecordChange_RECORD_CHANGE_NAME)
	equal(t, "rules of the change itself", len(decided[0].RuleIds), 0)
}

// The alternative to an early renewal would be accepted now; nothing else is offered.
func TestAlternativeToEarlyRenewalIsAcceptable(t *testing.T) {
	p := fromFactory(t).at("2020-03-18 10:00")
	early := find[*events.ApplicationRefused](p.do(p.application(opRenew)))
	equal(t, "offered", early.Alternative, opReissue)
	papers := find[*events.ApplicationRefused](p.do(p.application(opRenew, func(a *Apply) { a.Shown = a.Shown[:1] })))
	equal(t, "without papers", papers.Alternative, events.Operation_OPERATION_UNSPECIFIED)
	equal(t, "planned without papers", len(papers.AlternativePlanned), 0)
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	lost := find[*events.ApplicationRefused](p.do(p.application(opRenew)))
	equal(t, "with a suspended card", lost.Alternative, events.Operation_OPERATION_UNSPECIFIED)
	q := fromFactory(t).at("2020-03-18 10:00")
	q.do(q.application(opRenew))
	q.apply(opReissue)
}
