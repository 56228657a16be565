package vault_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/notice"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/pkg/vaultlink"
	"shomei/services/dispatcher"
	"shomei/services/issuer"
	"shomei/services/notifier"
	"shomei/services/servicetest"
)

const (
	sign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth = events.CertificateKind_CERTIFICATE_KIND_AUTH

	limit = 30 * time.Second
)

// centre is a centre in which every service has the keys of persons from the vault's service.
type centre struct {
	*servicetest.World
	counter, gateway *servicetest.Desk
	stopVault        func()
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{World: servicetest.New(t, "2024-03-05 10:00")}
	c.stopVault = c.ServeVault()
	c.RA, c.Issuer = c.NewRA(c.Log), c.NewIssuer(c.Log)
	c.counter, c.gateway = c.Enrol(servicetest.Office, "c1", "counter"), c.Enrol(servicetest.Office, "gateway", "phone")
	sink, err := notice.ListenSink("127.0.0.1:0", filepath.Join(c.Dir, "mail"))
	servicetest.Check(t, err)
	t.Cleanup(func() { servicetest.Check(t, sink.Close()) })
	d := dispatcher.New(dispatcher.Config{
		Log: c.As(eventlog.RoleDispatcher), Links: c.Links, Directory: c.Directory, Vault: c.Keys(eventlog.RoleDispatcher),
		Patience: time.Hour, Clock: c.Clock.Now, Logger: c.Logger(),
	})
	n, err := notifier.New(notifier.Config{
		Log: c.As(eventlog.RoleNotifier), Directory: c.Directory, Vault: c.Keys(eventlog.RoleNotifier),
		Mailer: notice.Mailer{Host: "127.0.0.1", Port: sink.Port(), TLS: "none"},
		From:   "no-reply@shomei.example", PrintDesk: "desk@print.example",
		Clock: c.Clock.Now, Logger: c.Logger(), Retry: 20 * time.Millisecond, Switches: regime.Switches{LetterDays: 20},
	})
	servicetest.Check(t, err)
	for _, run := range []func(context.Context) error{d.Run, n.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() { cancel(); servicetest.Check(t, <-done) })
	}
	return c
}

// notify has what is due today recorded about a subscriber.
func (c *centre) notify(subscriber string) {
	c.T.Helper()
	env := eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "expiry"}}
	_, err := c.Log.Update(c.T.Context(), events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, lifecycle.Tick{}, h.Now)
	})
	servicetest.Check(c.T, err)
}

func (c *centre) awaitEvent(subscriber, name string) {
	c.T.Helper()
	natstest.Wait(c.T, limit, name+" of "+subscriber, func() bool { return c.Count(subscriber, name) > 0 })
}

// told waits for a message to the counter.
func (c *centre) told(what string, is func(*events.Downlink) bool) *events.Downlink {
	c.T.Helper()
	var found *events.Downlink
	natstest.Wait(c.T, limit, what, func() bool {
		for _, d := range c.counter.Told() {
			if is(d) {
				found = d
			}
		}
		return found != nil
	})
	return found
}

// TestALifeWithKeysFromTheService: application, issue, writing, a smartphone, a notice, an erasure and the return, and a
// claim in quarantine. No service has the vault in its process.
func TestALifeWithKeysFromTheService(t *testing.T) {
	c := newCentre(t)
	l := c.counter.Apply(events.Operation_OPERATION_ISSUE, "100", "card-100")
	l.Decide(l.Keys(0))
	servicetest.Check(t, c.Issuer.Settle(t.Context(), l.Subscriber))
	write := c.told("certificates to write", func(d *events.Downlink) bool { return d.GetWriteCertificates() != nil })
	for _, w := range write.GetWriteCertificates().GetCertificates() {
		if !bytes.Equal(w.GetCertificate(), l.Certificate(w.GetSerial())) {
			t.Errorf("the counter got another certificate than was issued: serial %d", w.GetSerial())
		}
	}
	l.Decide(l.Written())
	l.Decide(l.HandedOver())
	phone := c.gateway.Phone(l, "android-1").Register(4, auth, sign)
	if len(phone.Status()) != 2 {
		t.Errorf("on the smartphone: %v; in quarantine %q", phone.Status(), c.Quarantined())
	}

	astray := c.counter.Claim("p1", "", servicetest.Applied(events.Operation_OPERATION_ISSUE, "card-1"), servicetest.Resident("101"))
	astray.Office = "13101-main"
	c.counter.Decide(astray)
	c.told("that a claim is in quarantine, by its own id", func(d *events.Downlink) bool { return d.GetAnswer().GetClaim() == astray.Id })

	c.Clock.Set(c.State(l.Subscriber).Certificates[0].WindowOpens + " 10:00")
	c.notify(l.Subscriber)
	c.awaitEvent(l.Subscriber, "NoticeSent")
	if mails, err := filepath.Glob(filepath.Join(c.Dir, "mail", "*.eml")); err != nil || len(mails) == 0 {
		t.Errorf("no mail has left: %v", err)
	}

	for _, class := range vault.Classes {
		servicetest.Check(t, c.Vault.Erase(l.Subscriber, class))
	}
	again := c.counter.Apply(events.Operation_OPERATION_RENEW, "100", "card-100")
	if status, err := c.Vault.Status(vault.Key{Person: l.Subscriber, Class: vault.Identity, Version: 2}); err != nil || status != vault.Held {
		t.Errorf("whoever comes back after an erasure has no new key: %s, %v; %v", status, err, c.Events(again.Subscriber))
	}
}

// TestNothingIsDecidedWhileTheVaultIsAway: what can't be opened now is neither disbelieved nor given up. It waits.
func TestNothingIsDecidedWhileTheVaultIsAway(t *testing.T) {
	c := newCentre(t)
	l, other := c.counter.Hold("100"), c.counter.Hold("101")
	phone := c.gateway.Phone(l, "android-1")
	c.gateway.Decide(phone.Asks(events.Operation_OPERATION_PHONE_ISSUE, 4, auth, sign))
	astray := c.counter.Claim("p1", "", servicetest.Applied(events.Operation_OPERATION_ISSUE, "card-1"), servicetest.Resident("102"))
	astray.Office = "13101-main"

	c.stopVault()
	quarantined := make(chan error, 1)
	go func() { quarantined <- c.RA.Handle(t.Context(), c.counter.Received(astray)) }()
	settled := make(chan error, 1)
	go func() { settled <- c.Issuer.Settle(t.Context(), l.Subscriber) }()
	c.Clock.Set(c.State(other.Subscriber).Certificates[0].WindowOpens + " 10:00")
	c.notify(other.Subscriber)
	if err := <-quarantined; !errors.Is(err, vaultlink.ErrUnavailable) || len(c.Quarantined()) > 0 {
		t.Errorf("a claim while the vault is away: %v, in quarantine %q", err, c.Quarantined())
	}
	if err := <-settled; !errors.Is(err, vaultlink.ErrUnavailable) || errors.Is(err, issuer.ErrNotBelieved) {
		t.Errorf("an authorisation while the vault is away: %v", err)
	}
	c.Logged.Await(t, "follower=notifier")
	if outcomes := c.Count(other.Subscriber, "NoticeSuppressed") + c.Count(other.Subscriber, "NoticeFailed"); outcomes > 0 {
		t.Errorf("a notice was given up: %v", c.Events(other.Subscriber))
	}

	c.ServeVault()
	servicetest.Check(t, c.Issuer.Settle(t.Context(), l.Subscriber))
	c.gateway.Decide(phone.Installed())
	if len(phone.Status()) != 2 {
		t.Errorf("on the smartphone: %v", phone.Status())
	}
	c.counter.Decide(astray)
	c.told("that a claim is in quarantine, by its own id", func(d *events.Downlink) bool { return d.GetAnswer().GetClaim() == astray.Id })
	c.awaitEvent(other.Subscriber, "NoticeSent")
}

// TestARetiredKeyOpensNothingMore: the service hears of an enrolment and a retirement from the log, while it runs.
func TestARetiredKeyOpensNothingMore(t *testing.T) {
	w := servicetest.New(t, "2024-03-05 10:00")
	w.ServeVault()
	key := servicetest.NewKey(t)
	client := w.VaultClient(key)
	place := vault.Binding{ID: "somebody", Revision: 1, Field: "contact"}
	sealed, err := w.Vault.Seal("somebody", vault.Contact, place, []byte("text"))
	servicetest.Check(t, err)
	opens := func() bool {
		got, err := client.Open("somebody", place, sealed)
		for errors.Is(err, vaultlink.ErrUnavailable) { // the machine may be busy
			got, err = client.Open("somebody", place, sealed)
		}
		if err != nil && !errors.Is(err, vaultlink.ErrRefused) {
			t.Errorf("opening: %v", err)
		}
		return string(got) == "text"
	}
	if opens() {
		t.Error("a stranger opens")
	}
	record := func(id string, body events.Body) {
		t.Helper()
		_, err := w.As(eventlog.RoleRoot).Update(t.Context(), events.KindAuthority, events.AuthorityWriters, eventlog.Envelope{CommandID: id},
			func(eventlog.Head) ([]*events.Event, error) { return []*events.Event{events.New(body)}, nil })
		servicetest.Check(t, err)
	}
	record("enrol", &events.WriterEnrolled{PublicKey: servicetest.Public(t, key), Role: string(eventlog.RoleNotifier)})
	natstest.Wait(t, limit, "the enrolment", opens)
	record("retire", &events.WriterRetired{PublicKey: servicetest.Public(t, key), UntilMs: w.Clock.Now().Add(time.Hour).UnixMilli()})
	natstest.Wait(t, limit, "the retirement", func() bool { return !opens() })
	for range 10 {
		if opens() {
			t.Fatal("a retired key opens again")
		}
	}
}
