package agent_test

import (
	"testing"

	"shomei/events"
	"shomei/services/agent"
)

// What the centre answers to a withdrawal leaves it a withdrawal; a card that goes back was not handed over.
func TestWhatIsSaidAtTheEndIsSo(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	procedure := answered(t, centre, counter, &events.Answer{Accepted: true}, agent.StageAccepted)
	must(t, counter.Drop(t.Context(), procedure, "017", ""))
	drop := centre.claim("ApplicationDropped")
	must(t, centre.hub.Send(t.Context(), &events.Downlink{
		Id: drop.GetId(), Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{Answer: &events.Answer{
			Claim: drop.GetId(), Certificates: []*events.CertificateState{{Serial: 7, Kind: sign}},
		}},
	}))
	until(t, counter, procedure, func(s agent.Status) bool { return len(s.Answer.GetCertificates()) == 1 })
	status, err := counter.Status(procedure)
	must(t, err)
	if status.Message.JA != "申請を取りやめました。" {
		t.Errorf("after a withdrawal: %s", status.Message.JA)
	}
}
