package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/services/agent"
)

// off returns a clock that is wrong by that much.
func off(by time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(by) } }

func statusOf(t *testing.T, url string) map[string]any {
	t.Helper()
	response, err := http.Get(url + "/api/status")
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	var told map[string]any
	must(t, json.Unmarshal(raw, &told))
	return told
}

// Deadlines are judged by the hub's time: a counter whose clock is fast issues like any other, and shows that its clock
// differs, with both times.
func TestFastClockEndsNoCommand(t *testing.T) {
	for name, by := range map[string]time.Duration{"two hours fast": 2 * time.Hour, "nine days slow": -9 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			centre.auto = true
			chip := usedCard(t, centre.cardID)
			cfg := centre.config(storePath(t), newSlot(chip))
			cfg.Now = off(by)
			counter, _ := centre.counter(cfg)
			procedure, err := counter.Receive(t.Context(), application(centre.cardID))
			must(t, err)
			reach(t, counter, procedure, agent.StageConfirm)
			must(t, counter.Confirm(procedure, pins()))
			reach(t, counter, procedure, agent.StageWritten)
			centre.checkCard(chip)

			clock := counter.Clock()
			if !clock.Differs || clock.Own.Sub(clock.Centre).Round(time.Minute) != by || clock.Refused {
				t.Errorf("Clock() = %+v", clock)
			}
			if d := time.Since(counter.Now()).Abs(); d > time.Minute {
				t.Errorf("Now() is off by %v", d)
			}
			url := openDesk(t, counter)
			centres := clock.Centre.In(civil.Tokyo).Format("2006-01-02")
			_, _, page := visit(t, url+"/", nil)
			want(t, page, "時計が違います", "センター "+centres)
			_, _, page = visit(t, url+"/?lang=en", nil)
			want(t, page, "The clock is wrong", "centre "+centres)
			told := statusOf(t, url)
			if told["clock_differs"] != true || told["centre_clock"] == nil || told["clock"] == told["centre_clock"] {
				t.Errorf("/api/status: %v", told)
			}
		})
	}
}

// A deadline that has passed by the hub's time has passed, whatever the counter's clock says.
func TestSlowClockDoesNotExtendDeadlines(t *testing.T) {
	centre := newCentre(t)
	cfg := centre.config(storePath(t), newSlot(usedCard(t, centre.cardID)))
	cfg.Now = off(-9 * 24 * time.Hour)
	centre.counter(cfg)
	must(t, centre.send(t.Context(), "p1", "keys", func(d *events.Downlink) {
		d.DeadlineMs = time.Now().Add(-time.Minute).UnixMilli()
		d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: centre.cardID, Regime: events.Regime_REGIME_MYNUMBER, Kinds: both}}
	}))
	if got := centre.claim("ConfirmationFailed").GetConfirmationFailed(); got.GetReason() != agent.ReasonDeadline {
		t.Errorf("got %v", got)
	}
}

// Claims carry the hub's time and the time elapsed since the newest link-up, also after the agent restarts offline: none
// before the first link-up, and no elapsed time after a reboot.
func TestClaimsCarryLinkTime(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	boot, up := "first start", time.Hour
	cfg := centre.config(store, nil)
	cfg.Uptime = func() (string, time.Duration) { return boot, up }
	filed := func(counter *agent.Counter) {
		t.Helper()
		_, err := counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
	}
	offline, err := agent.Open(cfg)
	must(t, err)
	filed(offline)
	must(t, offline.Close())

	linked, stop := centre.counter(cfg)
	natstest.Wait(t, waitLimit, "the link", func() bool { return linked.Link() == counterlink.Up && linked.Outbox() == 0 })
	filed(linked)
	centre.until("two claims", func(all []*events.Claim) bool { return len(all) == 2 })
	stop()

	up += 48 * time.Hour
	offline, err = agent.Open(cfg)
	must(t, err)
	filed(offline)
	must(t, offline.Close())
	boot, up = "second start", time.Minute
	offline, err = agent.Open(cfg)
	must(t, err)
	filed(offline)
	if clock := offline.Clock(); !clock.Centre.IsZero() {
		t.Errorf("after a reboot the centre's time is %v", clock.Centre)
	}
	must(t, offline.Close())

	centre.counter(cfg)
	all := centre.until("four claims", func(all []*events.Claim) bool { return len(all) == 4 })
	if all[0].GetLinkTime() != nil {
		t.Errorf("before the first link-up: %v", all[0].GetLinkTime())
	}
	hub := time.UnixMilli(all[1].GetLinkTime().GetHubMs())
	if time.Since(hub).Abs() > waitLimit || all[1].GetLinkTime().GetElapsedMs() != 0 {
		t.Errorf("while linked up: %v", all[1].GetLinkTime())
	}
	if l := all[2].GetLinkTime(); l.GetElapsedMs() != (48*time.Hour).Milliseconds() || l.GetRestarted() {
		t.Errorf("after the agent's restart: %v", l)
	}
	if l := all[3].GetLinkTime(); !l.GetRestarted() || l.GetElapsedMs() != 0 || l.GetHubMs() == 0 {
		t.Errorf("after a reboot: %v", l)
	}
}

// A claim that the centre holds is shown with both times on its procedure's page, and counted in the counter's status.
func TestHeldClaimsAreShown(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	claim := centre.claim("ApplicationReceived")
	must(t, centre.hub.Send(t.Context(), &events.Downlink{
		Id: "held/" + claim.GetId(), Counter: desk,
		Body: &events.Downlink_Answer{Answer: &events.Answer{
			Claim: claim.GetId(), Refusals: []string{"claim.held"}, Held: &events.HeldReceipt{
				Reason:  events.HeldReason_HELD_REASON_OLDER,
				ClockMs: time.Date(2026, 11, 17, 1, 0, 0, 0, time.UTC).UnixMilli(), EarliestMs: time.Date(2026, 11, 26, 0, 59, 0, 0, time.UTC).UnixMilli(),
				LatestMs: time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC).UnixMilli(),
			},
		}},
	}))
	status := reach(t, counter, procedure, agent.StageRefused)
	for _, text := range []string{"2026-11-17 10:00", "2026-11-26 09:59", "2026-11-26 10:00"} {
		want(t, status.Message.JA, text)
		want(t, status.Message.EN, text)
	}
	url := openDesk(t, counter)
	_, _, page := visit(t, url+"/procedures/"+procedure, nil)
	want(t, page, "保留", "2026-11-17 10:00")
	if told := statusOf(t, url); told["held"] != float64(1) {
		t.Errorf("/api/status: %v", told)
	}
	must(t, centre.hub.Send(t.Context(), &events.Downlink{ // two operators have released it
		Id: "answer/" + claim.GetId(), Counter: desk, Body: &events.Downlink_Answer{Answer: &events.Answer{Claim: claim.GetId(), Accepted: true}},
	}))
	reach(t, counter, procedure, agent.StageAccepted)
	if n := counter.Held(); n != 0 {
		t.Errorf("%d claims are held once it was released", n)
	}
}

// A counter with a settable clock shows that a hub with a real clock refuses it.
func TestStatusShowsRefusedClock(t *testing.T) {
	centre := newCentre(t)
	cfg := centre.config(storePath(t), nil)
	cfg.ClockEvidence = func() string { return agent.Simulated }
	counter, _ := centre.counter(cfg)
	natstest.Wait(t, waitLimit, "the refusal", func() bool { return counter.Clock().Refused })
	url := openDesk(t, counter)
	_, _, page := visit(t, url+"/", nil)
	want(t, page, "センターは受け付けません")
	if told := statusOf(t, url); told["clock_refused"] != true {
		t.Errorf("/api/status: %v", told)
	}
}

// A clock that is a year fast removes nothing from the store that the hub may still redeliver.
func TestFastClockRemovesNoSeenCommands(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	cfg := centre.config(store, newSlot(usedCard(t, centre.cardID)))
	cfg.Uptime = func() (string, time.Duration) { return "one start", time.Hour }
	_, stop := centre.counter(cfg)
	must(t, centre.send(t.Context(), "done", "retire", func(d *events.Downlink) {
		d.Body = &events.Downlink_RetireCard{RetireCard: &events.RetireCard{Card: centre.cardID}}
	}))
	centre.claim("CustodyTaken")
	stop()
	for _, boot := range []string{"one start", "another start"} {
		cfg.Now, cfg.Conn = off(365*24*time.Hour), nil
		cfg.Uptime = func() (string, time.Duration) { return boot, time.Hour }
		counter, err := agent.Open(cfg)
		must(t, err)
		must(t, counter.Close())
		raw, err := os.ReadFile(store)
		must(t, err)
		if !bytes.Contains(raw, []byte("done-retire")) {
			t.Errorf("%s: a command that may be redelivered is forgotten", boot)
		}
	}
}
