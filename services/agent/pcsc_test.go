package agent_test

import (
	"errors"
	"os"
	"testing"

	"shomei/pkg/card"
	"shomei/pkg/card/vreader"
	"shomei/services/agent"
)

// TestOverPCSC issues through a real pcscd, with the card swapped in the reader.
func TestOverPCSC(t *testing.T) {
	dir, err := os.MkdirTemp("", "shomei-agent-") // short, because a socket's path has a limit
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	service, err := vreader.Start(t.Context(), vreader.Config{Dir: dir})
	must(t, err)
	t.Cleanup(func() { service.Close() })
	t.Setenv(vreader.SocketEnv, service.Socket())
	centre := newCentre(t)
	centre.auto = true
	chip, other := usedCard(t, centre.cardID), usedCard(t, "CARD-2")
	counter, _ := centre.counter(centre.config(storePath(t), agent.PCSC("")))
	if _, err := counter.ReadCard(); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("reading no card: %v", err)
	}
	service.Readers[0].Insert(other)
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	service.Readers[0].Insert(chip)
	reach(t, counter, procedure, agent.StageConfirm)
	must(t, counter.Confirm(procedure, pins()))
	reach(t, counter, procedure, agent.StageWritten)
	if id, err := counter.ReadCard(); err != nil || id.CardID != centre.cardID {
		t.Errorf("read %+v, %v", id, err)
	}
	service.Readers[0].Eject()
	centre.checkCard(chip)
}
