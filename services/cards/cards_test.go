package cards_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/services/cards"
	"shomei/services/servicetest"
)

const (
	morning = "2020-01-15 10:00"
	cardID  = "CARD-1"
	issue   = events.Operation_OPERATION_ISSUE
	unblock = events.Operation_OPERATION_UNBLOCK
)

func keyFile(w *servicetest.World) string { return filepath.Join(w.Dir, "cards.key") }

func open(w *servicetest.World) (*cards.Cards, error) {
	return cards.New(w.T.Context(), cards.Config{Log: w.As(eventlog.RoleCards), Links: w.Links, Keys: keyFile(w), Logger: w.Logger()})
}

// service returns the service of a new centre.
func service(w *servicetest.World) *cards.Cards {
	w.T.Helper()
	c, err := open(w)
	servicetest.Check(w.T, err)
	return c
}

func byOfficer() eventlog.Envelope {
	return eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "0042"}}
}

// newCard returns a card from the factory, for the service's centre.
func newCard(t *testing.T, c *cards.Cards) *softcard.Card {
	t.Helper()
	centre, err := card.ParseFactoryPublic(c.FactoryKey())
	servicetest.Check(t, err)
	key, err := card.NewFactoryKey(centre, cardID)
	servicetest.Check(t, err)
	path := filepath.Join(t.TempDir(), "card.json")
	servicetest.Check(t, softcard.Personalise(softcard.Blank{Path: path, CardID: cardID, Kind: card.MyNumber, Key: key}))
	return cardtest.Open(t, path)
}

// session returns a counter's session with a card, for one command.
func session(t *testing.T, c *cards.Cards, chip *softcard.Card, counter, command string) *card.Session {
	t.Helper()
	chip.Reset()
	s := card.NewSession(chip)
	servicetest.Check(t, s.Open(chip.ID(), func(q card.Challenge) (card.Answer, error) {
		return c.Answer(t.Context(), counterlink.CardRequest{Counter: counter, Command: command, Challenge: q})
	}))
	return s
}

// owed returns the id of the command that a life's procedure waits for.
func owed(l *servicetest.Life) string {
	for _, o := range l.World.State(l.Subscriber).Obligations {
		if o.Target == l.Procedure {
			return l.Subscriber + "/" + o.Id
		}
	}
	return ""
}

// opened returns how often the log says that the card was opened.
func opened(w *servicetest.World) (n int) {
	for _, r := range w.History(events.KindCard, cardID) {
		for _, e := range r.Commit.Events {
			if e.GetCardOpened() != nil {
				n++
			}
		}
	}
	return n
}

func TestACardIsOpenedForTheCommandThatIsOwed(t *testing.T) {
	w := servicetest.New(t, morning)
	c := service(w)
	desk, other := w.Enrol(servicetest.Office, "12237-main-1", "counter"), w.Enrol(servicetest.Office, "12237-main-2", "counter")
	life := desk.Apply(issue, "00000000001", cardID)
	chip := newCard(t, c)
	command := owed(life)

	for name, row := range map[string]struct{ counter, command string }{
		"another counter":      {other.ID, command},
		"no counter":           {"", command},
		"a command of nobody":  {desk.ID, "nobody/1.0"},
		"a command not owed":   {desk.ID, life.Subscriber + "/99.0"},
		"no command":           {desk.ID, ""},
		"an id that is none":   {desk.ID, "../" + command},
		"the subscriber alone": {desk.ID, life.Subscriber},
	} {
		if _, err := session(t, c, chip, row.counter, row.command).Inventory(); !errors.Is(err, counterlink.ErrCardRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := counterlink.CardRequest{
		Counter: desk.ID, Command: command, Challenge: card.Challenge{Card: "CARD-2", Key: card.NewKeyName(1), Random: make([]byte, 16)},
	}
	if _, err := c.Answer(t.Context(), elsewhere); !errors.Is(err, counterlink.ErrCardRefused) {
		t.Errorf("another card: %v", err)
	}
	if n := opened(w); n != 0 {
		t.Fatalf("%d openings are recorded of what was refused", n)
	}

	s := session(t, c, chip, desk.ID, command)
	renewed, err := s.RenewKey()
	if err != nil || !renewed {
		t.Fatalf("the factory's key is not replaced: %v", err)
	}
	servicetest.Check(t, s.SetUp(cardtest.LastDay, cardtest.PINs))
	_, err = s.GenerateStaged(card.Auth, card.OperationOf("x"))
	servicetest.Check(t, err)
	if n := opened(w); n != 1 {
		t.Errorf("%d openings are recorded", n)
	}
	// A command to make keys does not allow setting a PIN, writing or retiring the card.
	for name, do := range map[string]func() error{
		"unblock": func() error { return s.ResetPIN(card.Auth, []byte("0000")) },
		"retire":  s.Retire,
		"write":   func() error { return s.TestSign(card.Auth) },
	} {
		if err := do(); !errors.Is(err, card.ErrSecurityNotSatisfied) {
			t.Errorf("%s by a command to make keys: %v", name, err)
		}
	}

	life.Finish()
	if _, err := session(t, c, chip, desk.ID, command).Inventory(); !errors.Is(err, counterlink.ErrCardRefused) {
		t.Errorf("a command that is done: %v", err)
	}
	again := desk.Apply(unblock, "00000000001", cardID)
	if err := session(t, c, chip, desk.ID, owed(again)).ResetPIN(card.Auth, []byte("4321")); err != nil {
		t.Errorf("unblocking by its command: %v; %v", err, w.Events(life.Subscriber))
	}
}

func TestACardIsOpenedForOneCommandSoOften(t *testing.T) {
	w := servicetest.New(t, morning)
	c := service(w)
	life := w.Enrol(servicetest.Office, "12237-main-1", "counter").Apply(issue, "00000000001", cardID)
	chip := newCard(t, c)
	for n := range lifecycle.MaxOpenings {
		if _, err := session(t, c, chip, life.ID, owed(life)).Inventory(); err != nil {
			t.Fatalf("opening %d: %v", n+1, err)
		}
	}
	for range 2 {
		if _, err := session(t, c, chip, life.ID, owed(life)).Inventory(); !errors.Is(err, lifecycle.ErrOpenedOften) || !errors.Is(err, counterlink.ErrCardRefused) {
			t.Errorf("one more: %v", err)
		}
	}
	if n := opened(w); n != lifecycle.MaxOpenings {
		t.Errorf("%d openings are recorded", n)
	}
	life.Decide(life.Keys(0))
	servicetest.Check(t, w.Issuer.Settle(t.Context(), life.Subscriber))
	if _, err := session(t, c, chip, life.ID, owed(life)).Inventory(); err != nil {
		t.Errorf("the next command: %v", err)
	}
}

// version asks a card for the version of its key.
func version(t *testing.T, chip *softcard.Card) (of uint16) {
	t.Helper()
	chip.Reset()
	s := card.NewSession(chip)
	servicetest.Check(t, s.Open(chip.ID(), func(q card.Challenge) (card.Answer, error) {
		of, _ = q.Key.Version()
		return card.Answer{}, errors.New("only asked")
	}))
	_, _ = s.Inventory()
	return of
}

func TestCardsFollowTheMasterKeyThatIsRolled(t *testing.T) {
	w := servicetest.New(t, morning)
	c := service(w)
	life := w.Enrol(servicetest.Office, "12237-main-1", "counter").Apply(issue, "00000000001", cardID)
	chip := newCard(t, c)
	renew := func(c *cards.Cards) {
		t.Helper()
		if renewed, err := session(t, c, chip, life.ID, owed(life)).RenewKey(); err != nil || !renewed {
			t.Fatalf("renewing: %v, %v", renewed, err)
		}
	}
	renew(c)
	if got := version(t, chip); got != 1 {
		t.Fatalf("a new card came to version %d", got)
	}
	for want := uint16(2); want < 4; want++ {
		got, err := c.Roll(t.Context(), byOfficer())
		if err != nil || got != want {
			t.Fatalf("rolled to %d: %v", got, err)
		}
		if _, err := session(t, c, chip, life.ID, owed(life)).Inventory(); err != nil {
			t.Fatalf("a card of the version before is opened no more: %v", err)
		}
		c = service(w) // as after a restart
		renew(c)
		if got := version(t, chip); got != want {
			t.Errorf("the card is at version %d, not %d", got, want)
		}
	}
	if renewed, err := session(t, c, chip, life.ID, owed(life)).RenewKey(); err != nil || renewed {
		t.Errorf("a card with the newest key got another: %v", err)
	}
}

// A key file that is missing, older than the log or another hub's is noticed at start, and never replaced.
func TestMasterKeysThatAreGoneAreNoticed(t *testing.T) {
	w := servicetest.New(t, morning)
	c := service(w)
	first, err := os.ReadFile(keyFile(w))
	servicetest.Check(t, err)
	_, err = c.Roll(t.Context(), byOfficer())
	servicetest.Check(t, err)
	second, err := os.ReadFile(keyFile(w))
	servicetest.Check(t, err)
	elsewhere := servicetest.New(t, morning)
	_, err = service(elsewhere).Roll(t.Context(), byOfficer())
	servicetest.Check(t, err)
	foreign, err := os.ReadFile(keyFile(elsewhere))
	servicetest.Check(t, err)
	for name, content := range map[string][]byte{
		"gone": nil, "older": first, "another hub's": foreign, "of an old program": []byte(strings.Repeat("0f", 32) + "\n"),
	} {
		servicetest.Check(t, os.Remove(keyFile(w)))
		if content != nil {
			servicetest.Check(t, os.WriteFile(keyFile(w), content, 0o600))
		}
		if _, err := open(w); !errors.Is(err, cards.ErrKeysGone) || !strings.Contains(err.Error(), keyFile(w)) {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(keyFile(w)); !bytes.Equal(now, content) {
			t.Errorf("%s: the file was changed", name)
		}
		servicetest.Check(t, os.WriteFile(keyFile(w), second, 0o600))
	}
	for name, content := range map[string]string{
		"rubbish": "rubbish", "cut": string(second[:len(second)/2]), "a short key": strings.Replace(string(second), "factory = '", "factory = '00", 1),
	} {
		servicetest.Check(t, os.WriteFile(keyFile(w), []byte(content), 0o600))
		if _, err := open(w); err == nil || !strings.Contains(err.Error(), keyFile(w)) || strings.Contains(err.Error(), content) {
			t.Errorf("%s: %v", name, err)
		}
	}
	servicetest.Check(t, os.WriteFile(keyFile(w), second, 0o600))
	if _, err := open(w); err != nil {
		t.Errorf("the right file: %v", err)
	}
}

// While authority/log is unreadable the centre uses the keys of the file, whatever they are, and makes none.
func TestCardsAreOpenedWhileTheLogCantTellTheMasterKeys(t *testing.T) {
	w := servicetest.New(t, morning)
	first := service(w)
	life := w.Enrol(servicetest.Office, "12237-main-1", "counter").Apply(issue, "00000000001", cardID)
	chip := newCard(t, first)
	content, err := os.ReadFile(keyFile(w))
	servicetest.Check(t, err)
	w.Forge(events.KindAuthority, events.AuthorityLog, []byte("no commit"))

	c := service(w)
	if renewed, err := session(t, c, chip, life.ID, owed(life)).RenewKey(); err != nil || !renewed {
		t.Errorf("a new card: %v, %v", renewed, err)
	}
	if version, err := c.Roll(t.Context(), byOfficer()); !eventlog.Unreadable(err) {
		t.Errorf("rolled to %d: %v", version, err)
	}
	if now, _ := os.ReadFile(keyFile(w)); !bytes.Equal(now, content) {
		t.Error("the key file was changed")
	}
	servicetest.Check(t, os.Remove(keyFile(w)))
	c = service(w)
	if _, err := session(t, c, chip, life.ID, owed(life)).Inventory(); !errors.Is(err, counterlink.ErrCardRefused) {
		t.Errorf("without a key file: %v", err)
	}
	if _, err := session(t, c, newCard(t, first), life.ID, owed(life)).Inventory(); !errors.Is(err, counterlink.ErrCardRefused) {
		t.Errorf("a new card, without a key file: %v", err)
	}
	if _, err := os.Stat(keyFile(w)); !errors.Is(err, os.ErrNotExist) || c.FactoryKey() != nil {
		t.Errorf("keys were made anew: %v", err)
	}
}

// Every card in an earlier program's data folder is opened by the old master key, and moves to the new one.
func TestCardsOfAnEarlierProgramMoveToNewKeys(t *testing.T) {
	w := servicetest.New(t, morning)
	kept := untar(t, "../../cmd/shomei/e2e/testdata/kept-2026-11-28.tar.gz")
	master := kept["data/counters/12237-main-1/cards.key"]
	servicetest.Check(t, os.WriteFile(keyFile(w), master, 0o600))
	c := service(w)
	desk, tried := w.Enrol(servicetest.Office, "12237-main-1", "counter"), 0
	for name, content := range kept {
		if !strings.HasPrefix(name, "data/cards/CARD-") {
			continue
		}
		path := filepath.Join(t.TempDir(), "card.json")
		servicetest.Check(t, os.WriteFile(path, content, 0o600))
		chip := cardtest.Open(t, path)
		tried++
		life := desk.Apply(issue, "0000000000"+string(rune('0'+tried)), chip.ID())
		s := session(t, c, chip, desk.ID, owed(life))
		if renewed, err := s.RenewKey(); err != nil || !renewed {
			t.Errorf("%s: renewed %v, %v", name, renewed, err)
			continue
		}
		if _, err := session(t, c, cardtest.Open(t, path), desk.ID, owed(life)).Inventory(); err != nil {
			t.Errorf("%s, with its new key: %v", name, err)
		}
		if got := version(t, cardtest.Open(t, path)); got != 1 {
			t.Errorf("%s is of version %d", name, got)
		}
		// What every old bundle held opens the card no more.
		if opensWithOldMaster(t, master, cardtest.Open(t, path)) {
			t.Errorf("%s still opens with the master key of the old bundles", name)
		}
	}
	if tried == 0 {
		t.Fatal("no card was tried")
	}
}

func opensWithOldMaster(t *testing.T, text []byte, chip *softcard.Card) bool {
	t.Helper()
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	servicetest.Check(t, err)
	master := card.Secret(raw)
	key, err := card.Diversify(&master, nil, chip.ID())
	servicetest.Check(t, err)
	s := card.NewSession(chip)
	servicetest.Check(t, s.Open(chip.ID(), cardtest.Opener(key)))
	_, err = s.Inventory()
	return err == nil
}

func untar(t *testing.T, path string) map[string][]byte {
	t.Helper()
	file, err := os.Open(path)
	servicetest.Check(t, err)
	defer file.Close()
	plain, err := gzip.NewReader(file)
	servicetest.Check(t, err)
	found := make(map[string][]byte)
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		servicetest.Check(t, err)
		found[header.Name], err = io.ReadAll(archive)
		servicetest.Check(t, err)
	}
}

// If a counter claims that a card in use holds a transport key, chosen by the counter, it learns a key that the card
// never gets.
func TestACounterThatLiesAboutACardsKeyLearnsNothingOfIt(t *testing.T) {
	w := servicetest.New(t, morning)
	c := service(w)
	life := w.Enrol(servicetest.Office, "12237-main-1", "counter").Apply(issue, "00000000001", cardID)
	chip := newCard(t, c)
	_, err := session(t, c, chip, life.ID, owed(life)).RenewKey()
	servicetest.Check(t, err)

	centre, err := card.ParseFactoryPublic(c.FactoryKey())
	servicetest.Check(t, err)
	chosen, err := card.NewFactoryKey(centre, cardID)
	servicetest.Check(t, err)
	question := card.Challenge{Card: cardID, Key: chosen.Name, Random: make([]byte, card.ChallengeSize)}
	answer, err := c.Answer(t.Context(), counterlink.CardRequest{Counter: life.ID, Command: owed(life), Challenge: question})
	servicetest.Check(t, err)
	x := card.Exchange{Card: question.Random, Host: answer.Random, Rights: answer.Rights, ID: cardID}
	learnt, err := x.Unwrap(&chosen.Secret, answer.Next.Name, answer.Next.Wrapped)
	servicetest.Check(t, err)

	_, err = c.Roll(t.Context(), byOfficer())
	servicetest.Check(t, err)
	for range 2 {
		s := card.NewSession(chip)
		servicetest.Check(t, s.Open(cardID, cardtest.Opener(card.Key{Name: answer.Next.Name, Secret: learnt})))
		if _, err := s.Inventory(); !errors.Is(err, card.ErrAdminKey) {
			t.Errorf("the card opens with the key that was learnt: %v", err)
		}
		if _, err := session(t, c, chip, life.ID, owed(life)).RenewKey(); err != nil { // to version 2
			t.Fatal(err)
		}
	}
}

// wire is the account of the counters, on a server of its own, with the gate in it.
type wire struct {
	w      *servicetest.World
	server *natstest.Operated
	writer string
}

// openWire lets the gate answer the desks' card requests until the test ends.
func openWire(w *servicetest.World, c *cards.Cards, desks ...*servicetest.Desk) wire {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	o := natstest.StartOperated(w.T)
	gate := o.As(w.T, o.Accounts.Counters, hubserver.Rights{
		Publish: counterlink.GateMayPublish(), Subscribe: counterlink.GateMaySubscribe(),
	})
	links := w.NewLinks(w.Conn, gate)
	var counters []string
	for _, d := range desks {
		counters = append(counters, d.ID)
	}
	servicetest.Check(w.T, links.Admit(counters))
	done := make(chan error, 2)
	go func() { done <- links.AnswerCards(ctx, c.Answer) }()
	go func() {
		done <- links.Claims(ctx, func(context.Context, counterlink.Received) error { return errors.New("a claim that nobody made") })
	}()
	w.T.Cleanup(func() { cancel(); servicetest.Check(w.T, errors.Join(<-done, <-done)) })
	wr := wire{w, o, servicetest.Public(w.T, w.Writer)}
	for _, d := range desks {
		conn := wr.client(d, d.Key).Conn
		natstest.Wait(w.T, 20*time.Second, "the gate to listen", func() bool {
			_, err := conn.Request(counterlink.ClaimSubject(d.ID)+".alive", nil, time.Second)
			return err == nil
		})
	}
	return wr
}

// client connects as a counter, with its rights, and signs with a key.
func (wr wire) client(d *servicetest.Desk, key nkeys.KeyPair) counterlink.CardClient {
	conn := wr.server.As(wr.w.T, wr.server.Accounts.Counters, hubserver.Rights{
		Publish: counterlink.CounterMayPublish(d.ID), Subscribe: counterlink.CounterMaySubscribe(d.ID),
	}, nats.CustomInboxPrefix(counterlink.InboxPrefix(d.ID)))
	return counterlink.CardClient{Conn: conn, Counter: d.ID, Key: key, SealKey: d.Seal, Writers: []string{wr.writer}}
}

// spy records what is sent to a subject of the counters' account.
func (wr wire) spy(subject string) *nats.Subscription {
	conn := wr.server.As(wr.w.T, wr.server.Accounts.Counters, natstest.Everything)
	sub, err := conn.SubscribeSync(subject)
	servicetest.Check(wr.w.T, err)
	servicetest.Check(wr.w.T, conn.Flush())
	return sub
}

// Over the wire: a counter with cards is answered, on its own inbox only; others are ignored.
func TestCardRequestsOverTheWire(t *testing.T) {
	w := servicetest.New(t, morning)
	c, ctx := service(w), t.Context()
	desk, telephone := w.Enrol(servicetest.Office, "12237-main-1", "counter"), w.Enrol(servicetest.Office, "12237-main-2", "telephone")
	life := desk.Apply(issue, "00000000001", cardID)
	chip, command := newCard(t, c), owed(life)
	wire := openWire(w, c, desk, telephone)
	challenge := card.Challenge{Card: cardID, Random: make([]byte, card.ChallengeSize), Key: card.NewKeyName(1)}

	// First what is silently dropped: nobody answers in time, and the log does not change.
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	for name, asking := range map[string]counterlink.CardClient{
		"a telephone desk": wire.client(telephone, telephone.Key), "somebody with another key": wire.client(desk, telephone.Key),
	} {
		if _, err := asking.Open(short, command, challenge); err == nil || errors.Is(err, counterlink.ErrCardRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	honest := wire.client(desk, desk.Key)
	strangers, tapped := wire.spy("elsewhere.>"), wire.spy(counterlink.CardSubject(desk.ID))

	s := card.NewSession(chip)
	servicetest.Check(t, s.Open(cardID, func(q card.Challenge) (answer card.Answer, err error) {
		for ctx.Err() == nil { // the desk's subject was misused just now, and is heard again after a second
			if answer, err = honest.Open(ctx, command, q); err == nil {
				break
			}
		}
		return answer, err
	}))
	if renewed, err := s.RenewKey(); err != nil || !renewed {
		t.Fatalf("over the wire: %v, %v", renewed, err)
	}
	recorded := opened(w)

	// The same request with a reply subject elsewhere: nothing is sent there, and nothing is recorded.
	request, err := tapped.NextMsg(5 * time.Second)
	servicetest.Check(t, err)
	servicetest.Check(t, honest.Conn.PublishRequest(counterlink.CardSubject(desk.ID), "elsewhere.weapon", request.Data))
	servicetest.Check(t, honest.Conn.Flush())
	w.Logged.Await(t, "a subject that is not its own")
	if n, _, _ := strangers.Pending(); n != 0 || opened(w) != recorded {
		t.Errorf("%d messages went to a subject that the counter chose, %d openings", n, opened(w)-recorded)
	}
	if _, err := (counterlink.CardClient{Conn: honest.Conn, Counter: desk.ID, Key: desk.Key, SealKey: telephone.Seal, Writers: honest.Writers}).Open(ctx, "x/1.0", challenge); err == nil {
		t.Error("an answer opened with another's seal key")
	}
	if _, err := honest.Open(ctx, "x/1.0", challenge); err == nil {
		t.Error("a command that is not owed was answered")
	}
}
