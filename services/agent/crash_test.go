package agent_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/services/agent"
)

const childVariable = "SHOMEI_AGENT_TEST_CHILD"

// child is the configuration of the process under test.
type child struct {
	URL, Store, Card      string
	Seed, Seal, HubPublic string
	Writer, CardID, JWT   string
}

// TestMain runs the agent's process if started as one, else the tests.
func TestMain(m *testing.M) {
	told := os.Getenv(childVariable)
	if told == "" {
		os.Exit(m.Run())
	}
	if err := runChild(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runChild runs a counter with one card in its reader and a resident who confirms every question, until stdin ends.
func runChild(told string) error {
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	counter, err := agent.Open(cfg)
	if err != nil {
		return err
	}
	updates := counter.Progress(ctx, "")
	done := make(chan error, 1)
	go func() { done <- counter.Run(ctx) }()
	if len(counter.Procedures()) == 0 {
		if _, err := counter.Receive(ctx, application(c.CardID)); err != nil {
			return err
		}
	}
	for u := range updates {
		if u.Stage == agent.StageConfirm {
			if err := counter.Confirm(u.Procedure, pins()); err != nil && !errors.Is(err, agent.ErrNotWaiting) {
				return err
			}
		}
	}
	return errors.Join(<-done, counter.Close())
}

func (c child) config() (cfg agent.Config, err error) {
	key, err := nkeys.FromSeed([]byte(c.Seed))
	if err != nil {
		return cfg, err
	}
	secret, _ := hex.DecodeString(c.Seal)
	seal, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return cfg, err
	}
	public, _ := hex.DecodeString(c.HubPublic)
	hub, err := counterlink.ParseSealPublicKey(public)
	if err != nil {
		return cfg, err
	}
	conn, err := nats.Connect(c.URL, counterlink.ConnectOptions(desk, c.JWT, key)...)
	if err != nil {
		return cfg, err
	}
	chip, err := softcard.Open(softcard.Config{Path: c.Card})
	if err != nil {
		return cfg, err
	}
	return agent.Config{
		Counter: desk, Office: "12237-main", Key: key, SealKey: seal, HubSealKey: hub, HubWriters: []string{c.Writer}, Conn: conn,
		StorePath: c.Store, Reader: newSlot(chip), OpenCard: openCard, Now: time.Now, ClockEvidence: func() string { return "synchronised" }, Logger: noLog,
	}, nil
}

// process is a started agent.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer
	ended  chan error
}

func (c *centre) start(t *testing.T, store, cardPath, crashAt string) *process {
	t.Helper()
	seed, err := c.key.Seed()
	must(t, err)
	seal, err := c.own.Bytes()
	must(t, err)
	writer, err := c.writer.PublicKey()
	must(t, err)
	told, err := json.Marshal(child{
		URL: c.url, Store: store, Card: cardPath, Seed: string(seed), Seal: hex.EncodeToString(seal),
		HubPublic: hex.EncodeToString(c.seal.PublicKey().Bytes()), Writer: writer, CardID: c.cardID, JWT: c.jwt(),
	})
	must(t, err)
	p := &process{cmd: exec.Command(os.Args[0]), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(told), crashpoint.Variable+"="+crashAt)
	p.cmd.Stderr = &p.stderr
	p.stdin, err = p.cmd.StdinPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.stdin.Close()
	if err := <-p.ended; err != nil {
		t.Errorf("the agent ended with %v: %s", err, p.stderr.String())
	}
}

// killed waits until the process has died of SIGKILL.
func (p *process) killed(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.ended:
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the agent ended with %v, not by a crash: %s", err, p.stderr.String())
		}
	case <-time.After(waitLimit):
		t.Fatal("the crash point was never reached")
	}
}

// prepare returns a centre, an empty store, and a card that holds unfinished work of an earlier procedure.
func prepare(t *testing.T) (c *centre, store, cardPath string) {
	t.Helper()
	c = newCentre(t)
	c.auto = true
	chip := usedCard(t, c.cardID)
	_, err := session(t, chip).GenerateStaged(card.Auth, card.OperationOf("an earlier procedure"))
	must(t, err)
	return c, storePath(t), chip.Path()
}

// complete lets an undisturbed agent finish the work and checks that everything happened exactly once.
func (c *centre) complete(t *testing.T, store, cardPath string) {
	t.Helper()
	p := c.start(t, store, cardPath, "")
	c.claim("CardWritten")
	p.stop(t)
	want := []string{"ApplicationReceived", "KeysGenerated", "CardWritten"}
	if got := factsOf(c.claims); !slices.Equal(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	chip, err := softcard.Open(softcard.Config{Path: cardPath, NewKey: cardtest.NewKey})
	must(t, err)
	c.checkCard(chip)
	s, err := agent.OpenStore(store, desk, c.key)
	must(t, err)
	defer s.Close()
	if s.Last().Number != 3 {
		t.Errorf("the store holds %d claims", s.Last().Number)
	}
	raw, err := os.ReadFile(store)
	must(t, err)
	if bytes.Contains(raw, []byte(signPIN)) {
		t.Error("the store holds a PIN")
	}
}

func TestCrashAtEachStepLosesAndRepeatsNothing(t *testing.T) {
	for _, point := range crashpoint.List() {
		if !strings.HasPrefix(point, "agent.") && point != "counterlink.claim.published" {
			continue // the hub's points
		}
		visits := []string{point}
		switch point {
		case "agent.claim.stored", "agent.card.renewed", "agent.staging.discarded", "agent.card.activated", "agent.pins.set", "agent.certificates.noted":
		default:
			visits = append(visits, point+":2")
		}
		for _, at := range visits {
			t.Run(at, func(t *testing.T) {
				c, store, cardPath := prepare(t)
				c.start(t, store, cardPath, at).killed(t)
				c.complete(t, store, cardPath)
			})
		}
	}
}

func TestRandomKillsLoseAndRepeatNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for run := range 3 {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			c, store, cardPath := prepare(t)
			for range 4 {
				p := c.start(t, store, cardPath, "")
				timer := time.NewTimer(time.Duration(random.IntN(800)) * time.Millisecond)
				select {
				case <-timer.C:
					must(t, p.cmd.Process.Kill())
					<-p.ended
				case err := <-p.ended:
					t.Fatalf("the agent ended by itself: %v: %s", err, p.stderr.String())
				}
			}
			c.complete(t, store, cardPath)
		})
	}
}

// The card is removed at various APDUs, before or after they take effect, and put back each time.
func TestCardRemovedAtAnyAPDUIsFinished(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	for range 8 {
		at, fault := 1+random.IntN(60), softcard.RemoveBefore+softcard.Fault(random.IntN(2))
		t.Run(fmt.Sprintf("command %d fault %d", at, fault), func(t *testing.T) {
			c := newCentre(t)
			c.auto = true
			chip := usedCard(t, c.cardID)
			chip.SetFault(func(n int, _ card.Command) softcard.Fault {
				if n == at {
					return fault
				}
				return softcard.NoFault
			})
			reader := newSlot(chip)
			counter, _ := c.counter(c.config(filepath.Join(t.TempDir(), "store.db"), reader))
			updates := counter.Progress(t.Context(), "")
			procedure, err := counter.Receive(t.Context(), application(c.cardID))
			must(t, err)
			limit := time.After(waitLimit)
			for stage := agent.StagePending; stage != agent.StageWritten; {
				select {
				case u := <-updates:
					stage = u.Stage
					if stage == agent.StageConfirm {
						if err := counter.Confirm(procedure, pins()); err != nil && !errors.Is(err, agent.ErrNotWaiting) {
							t.Fatal(err)
						}
					}
					if strings.Contains(u.Message.EN, "removed") {
						reader.put(chip)
					}
				case <-limit:
					t.Fatalf("stuck in stage %q", stage)
				}
			}
			c.checkCard(chip)
			if got := factsOf(c.until("all claims", func(all []*events.Claim) bool { return len(all) == 3 })); !slices.Equal(got, []string{"ApplicationReceived", "KeysGenerated", "CardWritten"}) {
				t.Errorf("claims %v", got)
			}
		})
	}
}
