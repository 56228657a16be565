package agent_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/services/agent"
)

// finished is a centre whose counter has finished an issue, and a copy of its store from the middle of it: the command to
// make keys is begun and waits for the card.
type finished struct {
	*centre
	procedure, store, old string
	chip                  *softcard.Card
	line                  *natstest.Line
}

func finish(t *testing.T) *finished {
	t.Helper()
	c := newCentre(t)
	c.auto = true
	c.mismatched = make(chan error, 1)
	f := &finished{centre: c, store: storePath(t), old: storePath(t), chip: usedCard(t, c.cardID)}
	f.line = natstest.NewLine(t, strings.TrimPrefix(c.url, "nats://"))
	reader := newSlot(f.chip)
	counter, stop := c.counter(c.config(f.store, reader))
	var err error
	f.procedure, err = counter.Receive(t.Context(), application(c.cardID))
	must(t, err)
	reach(t, counter, f.procedure, agent.StageConfirm)
	reader.put(nil)
	must(t, counter.Confirm(f.procedure, pins()))
	reach(t, counter, f.procedure, agent.StageCard)
	until(t, counter, f.procedure, func(agent.Status) bool {
		raw, err := os.ReadFile(f.store)
		must(t, err)
		return bytes.Contains(raw, []byte(`"step":"begun"`))
	})
	stop()
	copyFile(t, f.store, f.old)

	counter, stop = c.counter(c.config(f.store, newSlot(f.chip)))
	reach(t, counter, f.procedure, agent.StageConfirm) // the restart lost the PINs
	must(t, counter.Confirm(f.procedure, pins()))
	reach(t, counter, f.procedure, agent.StageWritten)
	must(t, counter.HandOver(t.Context(), f.procedure, "017", false))
	c.claim("HandedOver")
	stop()
	return f
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, raw, 0o600))
}

// put starts the counter with the old store and the card in the reader, over the line.
func (f *finished) put() (*agent.Counter, *slot) {
	f.t.Helper()
	reader := newSlot(f.chip)
	cfg := f.config(f.old, reader)
	cfg.Conn = f.dial("nats://" + f.line.Addr())
	counter, _ := f.counter(cfg)
	return counter, reader
}

// dial connects as the counter and reconnects soon after a line was cut.
func (c *centre) dial(url string) *nats.Conn {
	c.t.Helper()
	conn, err := nats.Connect(url, append(counterlink.ConnectOptions(desk, c.jwt(), c.key),
		nats.CustomReconnectDelay(func(int) time.Duration { return 50 * time.Millisecond }))...)
	must(c.t, err)
	c.t.Cleanup(conn.Close)
	return conn
}

// untouched fails the test if any APDU has reached the card or the card has changed.
func (f *finished) untouched(reader *slot, card []byte) {
	f.t.Helper()
	reader.mu.Lock()
	defer reader.mu.Unlock()
	if reader.apdus > 0 {
		f.t.Errorf("%d APDUs reached the card", reader.apdus)
	}
	now, err := os.ReadFile(f.chip.Path())
	must(f.t, err)
	if !bytes.Equal(now, card) {
		f.t.Error("the card was changed")
	}
}

func says(t *testing.T, counter *agent.Counter, procedure, sentence string) {
	t.Helper()
	until(t, counter, procedure, func(s agent.Status) bool { return s.Message.Key == sentence })
}

// In an old copy of the store a finished command looks unfinished. Nothing reaches the card, whether the hub is available,
// unavailable or comes later, and the page says why.
func TestRestoredStoreExecutesNothingOffline(t *testing.T) {
	f := finish(t)
	card, err := os.ReadFile(f.chip.Path())
	must(t, err)
	f.line.Break()
	counter, reader := f.put()
	says(t, counter, f.procedure, agent.WaitsForComparison)
	f.untouched(reader, card)

	f.line.Mend()
	says(t, counter, f.procedure, agent.HeadsDiffer)
	<-f.mismatched
	if counter.Link() != counterlink.Mismatched {
		t.Errorf("the link is %v", counter.Link())
	}
	_, _, page := visit(t, openDesk(t, counter)+"/procedures/"+f.procedure, nil)
	want(t, page, agent.Sentences[agent.HeadsDiffer].JA)
	f.untouched(reader, card)

	f.line.Break() // a hub that becomes unavailable again changes nothing
	f.line.Mend()
	f.untouched(reader, card)

	// People decide to keep this store: its begun command fails all the same.
	before := len(f.until("nothing", func([]*events.Claim) bool { return true }))
	s, ok := f.hub.Mismatch(desk)
	if !ok {
		t.Fatal("the hub did not record the mismatch")
	}
	must(t, f.hub.Adopt(t.Context(), desk, s.Hub, s.Counter))
	all := f.until("the outcome of the old command", func(all []*events.Claim) bool { return len(all) > before })
	if got := all[before].GetConfirmationFailed(); got.GetReason() != agent.ReasonDoubted {
		t.Errorf("the hub was told %v", all[before])
	}
	f.untouched(reader, card)
	f.checkCard(f.chip)
}

func TestRestoredStoreExecutesNothingOnline(t *testing.T) {
	f := finish(t)
	card, err := os.ReadFile(f.chip.Path())
	must(t, err)
	counter, reader := f.put()
	says(t, counter, f.procedure, agent.HeadsDiffer)
	f.untouched(reader, card)
}

// A hub restored from an old copy has fewer claims than the counter delivered, and would repeat finished commands. The gate
// sends none.
func TestRestoredHubCommandsNothing(t *testing.T) {
	f := finish(t)
	card, err := os.ReadFile(f.chip.Path())
	must(t, err)
	s, err := agent.OpenStore(f.store, desk, f.key)
	must(t, err)
	first, hash, err := s.Claim(1)
	must(t, err)
	taken := s.Last()
	must(t, s.Close())
	must(t, f.hub.Adopt(t.Context(), desk, taken, counterlink.Head{Epoch: epochOf(t, first), Number: 1, Hash: hash}))
	f.old = f.store
	must(t, f.send(t.Context(), "another", "keys", func(d *events.Downlink) {
		d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: f.cardID, Regime: events.Regime_REGIME_MYNUMBER, Kinds: both}}
	}))
	counter, reader := f.put()
	<-f.mismatched
	if status, err := counter.Status("another"); err == nil {
		t.Errorf("a command was sent to a counter with a different history: %v", status.Message)
	}
	f.untouched(reader, card)
}

func epochOf(t *testing.T, signed []byte) string {
	t.Helper()
	claim, _, err := counterlink.ParseClaim(signed)
	must(t, err)
	return claim.GetStoreEpoch()
}

// A line cut after heads were compared stops no work: a begun command is finished.
func TestCutLineStopsNoCommand(t *testing.T) {
	c := newCentre(t)
	c.auto = true
	chip := usedCard(t, c.cardID)
	line := natstest.NewLine(t, strings.TrimPrefix(c.url, "nats://"))
	cfg := c.config(storePath(t), newSlot(chip))
	cfg.Conn = c.dial("nats://" + line.Addr())
	counter, _ := c.counter(cfg)
	procedure, err := counter.Receive(t.Context(), application(c.cardID))
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	line.Break()
	natstest.Wait(t, waitLimit, "the line to be away", func() bool { return counter.Link() != counterlink.Up })
	must(t, counter.Confirm(procedure, pins()))
	reach(t, counter, procedure, agent.StageIssuing)
	line.Mend()
	reach(t, counter, procedure, agent.StageWritten)
	c.checkCard(chip)
}

// A card restored from an old copy refuses certificates for keys that it does not hold, and loses nothing in force.
func TestRestoredCardIsNotWritten(t *testing.T) {
	c := newCentre(t)
	c.auto = true
	chip := usedCard(t, c.cardID)
	_, err := session(t, chip).RenewKey() // a card gets its own administrative key in any case
	must(t, err)
	chip.Reset()
	old := storePath(t)
	copyFile(t, chip.Path(), old)
	reader := newSlot(chip)
	cfg := c.config(storePath(t), reader)
	counter, _ := c.counter(cfg)
	procedure, err := counter.Receive(t.Context(), application(c.cardID))
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	c.mu.Lock()
	c.auto = false // the certificates come after the card was restored
	c.mu.Unlock()
	must(t, counter.Confirm(procedure, pins()))
	keys := c.claim("KeysGenerated").GetKeysGenerated().GetKeys()
	reader.put(nil)
	copyFile(t, old, chip.Path())
	back, err := softcard.Open(softcard.Config{Path: chip.Path(), NewKey: cardtest.NewKey})
	must(t, err)
	reader.put(back)
	must(t, c.sendCertificates(t.Context(), procedure, "write", keys))
	if got := c.claim("WriteFailed").GetWriteFailed(); got.GetRepairable() || got.GetReason() != "keys not on the card" {
		t.Errorf("the hub was told %v", got)
	}
	if slices.Contains(factsOf(c.claims), "CardWritten") {
		t.Error("the card counts as written")
	}
	now, err := os.ReadFile(chip.Path())
	must(t, err)
	was, err := os.ReadFile(old)
	must(t, err)
	if !bytes.Equal(now, was) {
		t.Errorf("the restored card was changed: %s", cmp.Diff(string(was), string(now)))
	}
}
