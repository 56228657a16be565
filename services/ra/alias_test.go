package ra_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"shomei/events"
	"shomei/pkg/regime"
	"shomei/services/servicetest"
)

func codeCorrected(c *events.Claim) {
	c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
		Change: events.RecordChange_RECORD_CHANGE_RESIDENT_CODE, CausedOn: "2020-01-15",
	}}
}

// corrects returns the fact that a code was corrected, with the person's record.
func corrects(d *servicetest.Desk, former, corrected string) *events.Claim {
	return d.Claim("", "", codeCorrected, &events.Personal{Record: &events.ResidentRecord{ResidentCode: servicetest.Code(former), CorrectedCode: servicetest.Code(corrected), Municipality: "12237"}})
}

// One person has one history under every code: claims under the corrected code, and again under the former one, reach
// the subscriber with the certificates.
func TestCorrectedCodeKeepsOneHistory(t *testing.T) {
	w := servicetest.New(t, morning)
	d, register := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "r1", "register")
	l := d.Hold("100")
	register.Decide(corrects(register, "100", "200"))
	if got := w.State(l.Subscriber); got.Card.GetStatus() != events.CardStatus_CARD_STATUS_VOID || w.Count(l.Subscriber, "CertificateRevoked") != 2 {
		t.Fatalf("after the correction: %v", got)
	}
	for _, code := range []string{"200", "100"} {
		d.Decide(d.Claim("p-"+code, "", servicetest.Applied(opIssue, "card-new"), servicetest.Resident(code)))
	}
	if a, r := w.Count(l.Subscriber, "ApplicationAccepted"), w.Count(l.Subscriber, "ApplicationRefused"); a != 2 || r != 1 {
		t.Errorf("accepted %d, refused %d: %v", a, r, w.Events(l.Subscriber))
	}
	if got := w.Events(w.Subscriber("200")); !slices.Equal(got, []string{"SubscriberAliased"}) {
		t.Errorf("under the new code: %v", got)
	}
	register.Decide(corrects(register, "200", "300")) // once more, under the current code
	register.Decide(corrects(register, "300", "100")) // and back
	d.Decide(d.Claim("p-300", "", servicetest.Applied(opIssue, "card-new"), servicetest.Resident("300")))
	if got := w.Events(w.Subscriber("300")); !slices.Equal(got, []string{"SubscriberAliased"}) {
		t.Errorf("under the third code: %v", got)
	}
	register.Decide(register.Claim("", l.Subscriber, codeCorrected, servicetest.Resident("400")))
	if got := w.Events(w.Subscriber("400")); !slices.Equal(got, []string{"SubscriberAliased"}) {
		t.Errorf("a correction that names the new code alone: %v", got)
	}
}

// A code with a history of its own is not joined and ends nothing, whoever's it is: the office hears at once why, and
// what to do. If it is the same person's, following that advice leaves one live certificate of a kind.
func TestCodeWithAHistoryIsNotJoined(t *testing.T) {
	w := servicetest.New(t, morning)
	d, register := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "r1", "register")
	one, other := d.Hold("100"), d.Hold("200")
	before, theirs := w.State(one.Subscriber), w.Events(other.Subscriber)
	for _, desk := range []*servicetest.Desk{register, d} {
		known := len(w.Events(one.Subscriber))
		claim := corrects(desk, "100", "200")
		desk.Decide(claim)
		desk.Decide(claim) // and again, as after a crash
		if got := w.Events(one.Subscriber)[known:]; !slices.Equal(got, []string{"RequestRefused"}) {
			t.Fatalf("decided %v", got)
		}
	}
	history := w.History(events.KindSubscriber, one.Subscriber)
	refused := history[len(history)-1].Commit.Events[0].GetRequestRefused()
	if rule, _ := regime.Lookup(refused.GetRefusals()[0]); rule.ID != regime.CodeHasHistory || rule.NextJA == "" || rule.NextEN == "" {
		t.Errorf("refused by %v", refused)
	}
	if got := w.Events(other.Subscriber); !slices.Equal(got, theirs) {
		t.Errorf("under the corrected code %v, was %v", got, theirs)
	}
	if got := w.State(one.Subscriber); len(got.Certificates) != len(before.Certificates) || got.AliasOf != "" || got.Card.GetStatus() != before.Card.GetStatus() {
		t.Errorf("something was changed: %v", got)
	}

	d.Decide(d.Claim("revoke", "", servicetest.Applied(events.Operation_OPERATION_REVOKE, one.Card), servicetest.Resident("100")))
	never(t, w, []string{"100", "200"})
}

// However codes are corrected and used, nobody ever has two live certificates of a kind, and nobody's claims reach
// another.
func TestCorrectedCodesNeverGiveTwoLiveCertificates(t *testing.T) {
	seed := uint64(rand.Int64())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	w := servicetest.New(t, morning)
	d, register := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "r1", "register")
	people := [][]string{{"100"}, {"500"}} // all codes that each has had
	for step := range 40 {
		who := dice.IntN(len(people))
		codes := people[who]
		told := codes[dice.IntN(len(codes))]
		switch dice.IntN(4) {
		case 0:
			corrected := fmt.Sprintf("%d", 1000+step)
			register.Decide(corrects(register, told, corrected))
			people[who] = append(codes, corrected)
		case 1: // the other person's code, by mistake
			other := people[1-who]
			register.Decide(corrects(register, told, other[dice.IntN(len(other))]))
		default:
			l := &servicetest.Life{Desk: d, Code: told, Subscriber: w.Subscriber(codes[0]), Procedure: fmt.Sprintf("p%d", step), Card: fmt.Sprintf("card-%d", step)}
			accepted := w.Count(l.Subscriber, "ApplicationAccepted")
			d.Decide(d.Claim(l.Procedure, "", servicetest.Applied(opIssue, l.Card), servicetest.Resident(told)))
			if w.Count(l.Subscriber, "ApplicationAccepted") > accepted {
				l.Finish()
			}
		}
		for _, codes := range people {
			never(t, w, codes)
		}
	}
}

// never fails if somebody has two live certificates of a kind under all of their codes together.
func never(t *testing.T, w *servicetest.World, codes []string) {
	t.Helper()
	live := make(map[events.CertificateKind]int)
	for _, code := range codes {
		for _, c := range w.State(w.Subscriber(code)).GetCertificates() {
			switch c.Status {
			case events.CertificateStatus_CERTIFICATE_STATUS_ISSUED, events.CertificateStatus_CERTIFICATE_STATUS_VALID, events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED:
				live[c.Kind]++
			}
		}
	}
	for kind, n := range live {
		if n > 1 {
			t.Fatalf("%d live certificates of %v under %v", n, kind, codes)
		}
	}
}
