package eraser_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/order"
	"shomei/pkg/vault"
	"shomei/services/eraser"
	"shomei/services/servicetest"
)

const morning = "2020-01-15 10:00"

// newEraser returns the eraser of a vault, caught up.
func newEraser(w *servicetest.World, v *vault.Vault) *eraser.Eraser {
	w.T.Helper()
	e, err := eraser.New(w.T.Context(), eraser.Config{Log: w.As(eventlog.RoleEraser), Vault: v, Clock: w.Clock.Now, Logger: w.Logger()})
	servicetest.Check(w.T, err)
	return e
}

// follow runs an eraser until the end of the test.
func follow(w *servicetest.World, e *eraser.Eraser) {
	ctx, cancel := context.WithCancel(w.T.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	w.T.Cleanup(func() { cancel(); servicetest.Check(w.T, <-done) })
}

func ordered(w *servicetest.World, subscriber, class string) order.Ordered {
	w.T.Helper()
	done, err := order.ErasureOrder{
		Subscriber: subscriber, Class: class, Number: "令和8年第12号 佐藤",
		Envelope: eventlog.Envelope{
			CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "0042"},
		},
	}.Decide(w.T.Context(), w.As(eventlog.RoleOperator), w.Vault)
	servicetest.Check(w.T, err)
	return done
}

func status(w *servicetest.World, v *vault.Vault, subscriber, class string, version uint32) vault.Status {
	w.T.Helper()
	s, err := v.Status(vault.Key{Person: subscriber, Class: class, Version: version})
	servicetest.Check(w.T, err)
	return s
}

func holds(w *servicetest.World, v *vault.Vault, subscriber, class string) bool {
	w.T.Helper()
	return status(w, v, subscriber, class, 1) == vault.Held
}

// copyVault returns the vault as it is now, from a copy of its folder.
func copyVault(w *servicetest.World) *vault.Vault {
	w.T.Helper()
	folder := filepath.Join(w.Dir, uuid.NewString())
	servicetest.Check(w.T, os.CopyFS(folder, os.DirFS(filepath.Join(w.Dir, "vault"))))
	v, err := vault.Open(vault.Config{Dir: folder, MasterKey: filepath.Join(w.Dir, "master.key"), Logger: w.Logger()})
	servicetest.Check(w.T, err)
	w.T.Cleanup(func() { servicetest.Check(w.T, v.Close()) })
	return v
}

func TestErasureIsCommittedBeforeKeyIsDestroyed(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	follow(w, newEraser(w, w.Vault))
	refused := ordered(w, l.Subscriber, vault.Identity)
	if refused.New || refused.Before || len(refused.Retentions) != 3 || w.Count(l.Subscriber, "RequestRefused") != 1 {
		t.Fatalf("while every period runs: %+v, %v", refused, w.Events(l.Subscriber))
	}
	for _, r := range refused.Retentions {
		if want := map[string]string{
			"retention.application-forms": "2035-01-15", "retention.card-application": "2035-01-15", "retention.issue-record": "2034-06-18",
		}[r.Rule]; r.Last.String() != want {
			t.Errorf("%s until %s, want %s", r.Rule, r.Last, want)
		}
	}
	w.Clock.Set("2035-01-16 10:00")
	if done := ordered(w, l.Subscriber, vault.Identity); !done.New {
		t.Fatalf("when every period is over: %+v", done)
	}
	natstest.Wait(t, 20*time.Second, "the end of the key", func() bool { return w.Count(l.Subscriber, "KeyDestroyed") == 1 })
	if holds(w, w.Vault, l.Subscriber, vault.Identity) || !holds(w, w.Vault, l.Subscriber, vault.Certificate) {
		t.Error("the wrong key is gone")
	}
	if len(w.State(l.Subscriber).Obligations) > 0 {
		t.Errorf("still owed: %v", w.State(l.Subscriber).Obligations)
	}
	if again := ordered(w, l.Subscriber, vault.Identity); again.New || !again.Before || w.Count(l.Subscriber, "ErasureOrdered") != 1 {
		t.Errorf("ordered again: %+v", again)
	}
	commit := w.History(events.KindSubscriber, l.Subscriber)
	i := slices.IndexFunc(commit, func(r eventlog.Record) bool { return r.Commit.Events[0].GetErasureOrdered() != nil })
	if c := commit[i].Commit; c.Actor.Id != "0042" || c.Events[0].GetErasureOrdered().Order != "" {
		t.Errorf("the order stands as %v", c)
	}
	notes := dossier.Of(w.Vault, l.Subscriber, commit).Notes()
	if len(notes) != 1 || notes[0].Text != "令和8年第12号 佐藤" || notes[0].Err != nil {
		t.Errorf("the number of the order reads %+v", notes)
	}
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	for _, e := range []order.ErasureOrder{{Subscriber: "nobody", Class: vault.Contact}, {Subscriber: l.Subscriber, Class: "diary"}} {
		e.Envelope.CommandID = uuid.NewString()
		_, err := e.Decide(t.Context(), w.As(eventlog.RoleOperator), w.Vault)
		if err == nil || errors.Is(err, order.ErrNobody) != (e.Subscriber == "nobody") {
			t.Errorf("%s of %s: %v", e.Class, e.Subscriber, err)
		}
	}
}

// Killed after the order, or after the key's destruction: the next start does the rest.
func TestAnErasureThatACrashInterruptedIsFinished(t *testing.T) {
	for name, before := range map[string]func(*servicetest.World, string){
		"after the order": func(*servicetest.World, string) {},
		"after the key's end": func(w *servicetest.World, subscriber string) {
			servicetest.Check(t, w.Vault.Erase(subscriber, vault.Contact))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, morning)
			l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
			newEraser(w, w.Vault)
			ordered(w, l.Subscriber, vault.Contact)
			before(w, l.Subscriber)
			newEraser(w, w.Vault)
			newEraser(w, w.Vault)
			if holds(w, w.Vault, l.Subscriber, vault.Contact) || w.Count(l.Subscriber, "KeyDestroyed") != 1 {
				t.Errorf("events %v", w.Events(l.Subscriber))
			}
		})
	}
}

// An old copy of the vault brings the key back: nothing is read with it, and the next start destroys it again.
func TestOldVaultCopyIsErasedAgain(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l, other := d.Hold("100"), d.Hold("200")
	newEraser(w, w.Vault)
	old := copyVault(w)
	ordered(w, l.Subscriber, vault.Contact)
	newEraser(w, w.Vault)
	if holds(w, w.Vault, l.Subscriber, vault.Contact) || !holds(w, old, l.Subscriber, vault.Contact) {
		t.Fatal("the copy was not made before the erasure")
	}
	history := w.History(events.KindSubscriber, l.Subscriber)
	if _, err := dossier.Of(old, l.Subscriber, history).Contact(); !errors.Is(err, vault.ErrErased) {
		t.Errorf("the old copy reads %v", err)
	}
	newEraser(w, old)
	if holds(w, old, l.Subscriber, vault.Contact) || !holds(w, old, other.Subscriber, vault.Contact) {
		t.Error("the old copy is not brought up to date")
	}
	if w.Count(l.Subscriber, "KeyDestroyed") != 1 {
		t.Errorf("recorded again: %v", w.Events(l.Subscriber))
	}
}

// If the log is older than the vault's mark, all of it is read.
func TestMarkBeyondTheLogIsIgnored(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	ordered(w, l.Subscriber, vault.Contact)
	servicetest.Check(t, w.Vault.SetMark(vault.ErasuresApplied, []byte(`{"`+w.Log.Streams()[0]+`":1000000}`)))
	newEraser(w, w.Vault)
	if holds(w, w.Vault, l.Subscriber, vault.Contact) {
		t.Error("the order was passed over")
	}
}

// An order without a trusted signature destroys nothing.
func TestAForgedOrderDestroysNothing(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	w.Append(servicetest.NewKey(t), l.Subscriber, "forged", "c1", events.New(&events.ErasureOrdered{RecordClass: vault.Contact}))
	newEraser(w, w.Vault)
	if !holds(w, w.Vault, l.Subscriber, vault.Contact) {
		t.Error("the key is gone")
	}
}

// A person whose data were erased applies again: a life like any other under new keys, and a second erasure in its
// time.
func TestErasedPersonCanApplyAgain(t *testing.T) {
	w := servicetest.New(t, "2016-01-12 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	newEraser(w, w.Vault)
	w.Clock.Set("2031-01-16 10:00")
	servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	for _, class := range vault.Classes {
		if !ordered(w, l.Subscriber, class).New {
			t.Fatalf("%s is not erased", class)
		}
	}
	newEraser(w, w.Vault)
	before := len(w.History(events.KindSubscriber, l.Subscriber))

	again := d.Apply(events.Operation_OPERATION_ISSUE, "100", "card-new").Finish()
	if len(w.Quarantined()) > 0 || again.Subscriber != l.Subscriber || w.Count(l.Subscriber, "Delivered") != 2 {
		t.Fatalf("quarantined %q; %v", w.Quarantined(), w.Events(l.Subscriber))
	}
	history := w.History(events.KindSubscriber, l.Subscriber)
	if _, err := dossier.Of(w.Vault, l.Subscriber, history).Identity(); err != nil {
		t.Errorf("the new identity: %v", err)
	}
	if _, err := dossier.Of(w.Vault, l.Subscriber, history[:before]).Identity(); !errors.Is(err, vault.ErrErased) {
		t.Errorf("the old identity: %v", err)
	}
	if refused := ordered(w, l.Subscriber, vault.Identity); refused.New || refused.Before || len(refused.Retentions) == 0 {
		t.Errorf("while the new periods run: %+v", refused)
	}
	if done := ordered(w, l.Subscriber, vault.Contact); !done.New {
		t.Errorf("the new contact: %+v", done)
	}
	servicetest.Check(t, w.Vault.SetMark(vault.ErasuresApplied, nil)) // as if the vault were an old copy: everything is applied again
	newEraser(w, w.Vault)
	if _, err := dossier.Of(w.Vault, l.Subscriber, history).Identity(); err != nil {
		t.Errorf("the new identity after everything was applied again: %v", err)
	}
	if status(w, w.Vault, l.Subscriber, vault.Contact, 2) == vault.Held {
		t.Error("the new contact is still there")
	}
	if n := w.Count(l.Subscriber, "KeyDestroyed"); n != 4 {
		t.Errorf("%d ends of keys are recorded", n)
	}
}

// The register continues to report on a person whose data were erased; no personal data accumulate from that.
func TestRegisterDoesNotRestoreErasedData(t *testing.T) {
	w := servicetest.New(t, morning)
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	newEraser(w, w.Vault)
	w.Clock.Set("2036-01-16 10:00")
	ordered(w, l.Subscriber, vault.Identity)
	newEraser(w, w.Vault)
	register := w.Enrol(servicetest.Office, "register", "register")
	register.Decide(register.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
			Change: events.RecordChange_RECORD_CHANGE_DEATH, CausedOn: "2036-01-10",
		}}
	}, servicetest.Resident("100")))
	if w.Count(l.Subscriber, "ResidentRecordChanged") != 1 || len(w.Quarantined()) > 0 {
		t.Fatalf("quarantined %q; %v", w.Quarantined(), w.Events(l.Subscriber))
	}
	if status(w, w.Vault, l.Subscriber, vault.Identity, 2) == vault.Held {
		t.Error("a new key was made")
	}
}
