package vaultlink

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/vault"
)

// TestTheVaultsErrorsKeepTheirIdentity: callers decide by them what becomes of a person.
func TestTheVaultsErrorsKeepTheirIdentity(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra := c.ra()
	held, erased, lost := c.sealed("held", vault.Identity), c.sealed("erased", vault.Identity), c.sealed("held", vault.Identity)
	check(t, c.vault.Erase("erased", vault.Identity))
	check(t, c.vault.NoteMissing([]vault.Key{{Person: "lost", Class: vault.Identity, Version: 1}}))
	elsewhere, longField := placeOf("held"), placeOf("held")
	elsewhere.Revision++
	longField.Field = strings.Repeat("x", maxField+1)
	newer := proto.Clone(held).(*events.Sealed)
	newer.Suite = 9
	all := []error{vault.ErrErased, vault.ErrBinding, vault.ErrNoKey, vault.ErrMissing, ErrRefused, ErrUnavailable}
	for name, row := range map[string]struct {
		err  error
		want error
	}{
		"opening what was erased":      {errorOnly(ra.Open("erased", placeOf("erased"), erased)), vault.ErrErased},
		"opening it elsewhere":         {errorOnly(ra.Open("held", elsewhere, held)), vault.ErrBinding},
		"opening of a stranger":        {errorOnly(ra.Open("stranger", placeOf("stranger"), held)), vault.ErrNoKey},
		"opening without the key":      {errorOnly(ra.Open("lost", placeOf("lost"), lost)), vault.ErrMissing},
		"sealing for an erased person": {errorOnly(ra.Seal("erased", vault.Identity, placeOf("erased"), nil)), vault.ErrErased},
		"sealing without the key":      {errorOnly(ra.Seal("lost", vault.Identity, placeOf("lost"), nil)), vault.ErrMissing},
		"no person":                    {errorOnly(ra.Seal("no person", vault.Identity, placeOf("no person"), nil)), ErrRefused},
		"no class":                     {errorOnly(ra.Seal("held", "everything", placeOf("held"), nil)), ErrRefused},
		"nothing sealed":               {errorOnly(ra.Open("held", placeOf("held"), nil)), ErrRefused},
		"another's place":              {errorOnly(ra.Seal("held", vault.Identity, placeOf("erased"), nil)), ErrRefused},
		"a field without end":          {errorOnly(ra.Open("held", longField, held)), ErrRefused},
		"a suite of next year":         {errorOnly(ra.Open("held", placeOf("held"), newer)), errFailed},
	} {
		if !errors.Is(row.err, row.want) {
			t.Errorf("%s: %v", name, row.err)
		}
		for _, other := range all {
			if other != row.want && errors.Is(row.err, other) {
				t.Errorf("%s: %v is %v as well", name, row.err, other)
			}
		}
	}
}

func errorOnly[T any](_ T, err error) error { return err }

// TestWhateverIsSealedComesBack: nothing at all, and the largest claim that quarantine keeps.
func TestWhateverIsSealedComesBack(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra, dispatcher := c.ra(), c.client(c.enrol(eventlog.RoleDispatcher))
	for _, plain := range [][]byte{nil, []byte(text), bytes.Repeat([]byte{7}, events.MaxStored-32<<10)} {
		sealed, err := ra.Seal(person, vault.Operations, placeOf(person), plain)
		check(t, err)
		if got, err := dispatcher.Open(person, placeOf(person), sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back as %d, %v", len(plain), len(got), err)
		}
	}
	if _, err := ra.Seal(person, vault.Operations, placeOf(person), make([]byte, MaxRequest)); !errors.Is(err, ErrRefused) {
		t.Errorf("more than a request may hold: %v", err)
	}
}

// TestNATSSeesNothingOfWhatIsSealed: a spy with all rights finds neither the text nor whose it is.
func TestNATSSeesNothingOfWhatIsSealed(t *testing.T) {
	c := newCentre(t)
	c.start()
	spy, _ := c.listen(">")
	ra := c.ra()
	sealed, err := ra.Seal(person, vault.Identity, placeOf(person), []byte(text))
	check(t, err)
	if got, err := ra.Open(person, placeOf(person), sealed); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
	check(t, ra.Renew(person, vault.Identity))
	heard := 0
	natstest.Wait(t, limit, "the requests and their answers", func() bool {
		m, err := spy.NextMsg(time.Second)
		if err != nil {
			return false
		}
		if strings.HasPrefix(m.Subject, subjectPrefix) || strings.HasPrefix(m.Subject, inboxPrefix) {
			heard++
		}
		whole := fmt.Sprintf("%s %s %v %s", m.Subject, m.Reply, m.Header, m.Data)
		for _, secret := range []string{text, person, placeOf(person).Field, vault.Identity} {
			if strings.Contains(whole, secret) {
				t.Errorf("%q stands in a message on %s", secret, m.Subject)
			}
		}
		return heard >= 6
	})
}

// TestAnAnswerIsForItsRequestAlone: not one to another request, an altered one, or one by somebody who sees NATS and has
// not the vault's key.
func TestAnAnswerIsForItsRequestAlone(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra := c.ra()
	first, second := ra.request(t, sealCallOf(person)), ra.request(t, sealCallOf(person))
	answer, err := proto.Marshal(c.raw(Seal, first.data))
	check(t, err)
	if got, err := first.open(answer); err != nil || got.GetSealed() == nil {
		t.Fatalf("its own answer: %v, %v", got, err)
	}
	if _, err := second.open(answer); !errors.Is(err, errAnswer) {
		t.Errorf("the answer to another request: %v", err)
	}
	for i := range answer {
		altered := bytes.Clone(answer)
		altered[i] ^= 0x40
		if got, err := first.open(altered); err == nil {
			t.Errorf("altered at byte %d: %v", i, got)
		}
	}
	if _, err := first.open(nil); !errors.Is(err, errAnswer) {
		t.Errorf("an empty answer: %v", err)
	}
	seen, err := parseRequest(first.data, func(string) error { return nil })
	check(t, err)
	seen.exported = make([]byte, keySize) // whoever does not have the vault's key can only guess
	forged, err := seen.seal(&events.VaultAnswer{Outcome: events.VaultOutcome_VAULT_OUTCOME_ERASED})
	check(t, err)
	if _, err := first.open(forged); !errors.Is(err, errAnswer) {
		t.Errorf("a forged answer: %v", err)
	}
	// The same over NATS, by somebody who answers in the vault's place.
	other := newCentre(t)
	_, err = other.conn.Subscribe(subjectPrefix+">", func(m *nats.Msg) { check(t, m.Respond(answer)) })
	check(t, err)
	check(t, other.conn.Flush())
	if _, err := other.ra().Seal(person, vault.Identity, placeOf(person), nil); !errors.Is(err, ErrUnavailable) || errors.Is(err, vault.ErrErased) {
		t.Errorf("answered by another: %v", err)
	}
}

// TestCallsWaitForAVaultThatComesBack: for some seconds by themselves, and then by being made again.
func TestCallsWaitForAVaultThatComesBack(t *testing.T) {
	c := newCentre(t)
	ra := c.ra()
	hasty := *ra
	hasty.patience = 200 * time.Millisecond
	for range 2 {
		if _, err := hasty.Seal(person, vault.Identity, placeOf(person), nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("while it is away: %v", err)
		}
		if err := hasty.Renew(person, vault.Identity); !errors.Is(err, ErrUnavailable) {
			t.Errorf("while it is away: %v", err)
		}
		c.untouched(person)
		done := make(chan error, 1)
		go func() { done <- errorOnly(ra.Seal("somebody", vault.Identity, placeOf("somebody"), nil)) }()
		stop := c.start()
		if err := <-done; err != nil {
			t.Errorf("it has come back: %v", err)
		}
		stop()
	}
}

// TestALineThatBreaksLosesNoCall: the connection is lost with a request on it, or with its answer, and it is asked again.
func TestALineThatBreaksLosesNoCall(t *testing.T) {
	c := newCentre(t)
	c.start()
	line := natstest.NewLine(t, strings.TrimPrefix(c.url, "nats://"))
	ra := c.ra()
	ra.conn = natstest.Connect(t, "nats://"+line.Addr())
	check(t, errorOnly(ra.Seal(person, vault.Identity, placeOf(person), nil)))
	line.LoseRequest(Seal.subject())
	check(t, errorOnly(ra.Seal(person, vault.Identity, placeOf(person), nil)))
	line.LoseAnswer("MSG " + inboxPrefix)
	check(t, errorOnly(ra.Seal(person, vault.Identity, placeOf(person), nil)))
	if line.Lost() != 2 {
		t.Errorf("%d of a request and an answer were lost", line.Lost())
	}
}

// TestAVaultWhoseLineIsBrokenStopsAtOnce: it does not wait for what it can't be sent.
func TestAVaultWhoseLineIsBrokenStopsAtOnce(t *testing.T) {
	c := newCentre(t)
	line := natstest.NewLine(t, strings.TrimPrefix(c.url, "nats://"))
	c.server.Conn = natstest.Connect(t, "nats://"+line.Addr())
	stop := c.start()
	ra := c.ra()
	check(t, errorOnly(ra.Seal(person, vault.Identity, placeOf(person), nil)))
	line.Break()
	natstest.Wait(t, limit, "the loss of the line", func() bool { return !c.server.Conn.IsConnected() })
	begin := time.Now()
	stop()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// TestManyAskAtOnce: none gets another's answer.
func TestManyAskAtOnce(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra := c.ra()
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			id, plain := fmt.Sprintf("person-%d", i%20), fmt.Sprintf("%s %d", text, i)
			sealed, err := ra.Seal(id, vault.Identity, placeOf(id), []byte(plain))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := ra.Open(id, placeOf(id), sealed); err != nil || string(got) != plain {
				t.Errorf("%q came back as %q, %v", plain, got, err)
			}
		})
	}
	all.Wait()
}

// TestAcrossAccounts: service and vault have accounts of their own, and the rights that this package lists.
func TestAcrossAccounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	check(t, os.WriteFile(file, fmt.Appendf(nil, `
listen: "127.0.0.1:-1"
accounts {
  VAULT {
    users: [{user: vault, password: x, permissions: {publish: [%s], subscribe: [%s]}}]
    exports: [{service: "shomei.vault.>"}]
  }
  RA {
    users: [{user: ra, password: x, permissions: {publish: [%s], subscribe: ["_INBOX.>"]}}]
    imports: [{service: {account: VAULT, subject: "shomei.vault.>"}}]
  }
}`, listed(ServerMayPublish()), listed(ServerMaySubscribe()), listed(ClientMayPublish(eventlog.RoleRA))), 0o600))
	options, err := server.ProcessConfigFile(file)
	check(t, err)
	options.NoSigs, options.NoLog = true, true
	nats1, err := server.NewServer(options)
	check(t, err)
	nats1.Start()
	t.Cleanup(nats1.Shutdown)
	if !nats1.ReadyForConnections(limit) {
		t.Fatal("the server does not start")
	}
	c := newCentre(t)
	c.server.Conn = natstest.Connect(t, nats1.ClientURL(), nats.UserInfo("vault", "x"))
	c.start()
	ra := c.ra()
	ra.conn = natstest.Connect(t, nats1.ClientURL(), nats.UserInfo("ra", "x"))
	sealed, err := ra.Seal(person, vault.Identity, placeOf(person), []byte(text))
	check(t, err)
	if got, err := ra.Open(person, placeOf(person), sealed); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
	check(t, ra.Renew(person, vault.Identity))
}

func listed(subjects []string) string { return `"` + strings.Join(subjects, `", "`) + `"` }
