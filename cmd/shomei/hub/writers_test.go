package hub

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// writersOf opens the log of a folder as a start does, and no more, and returns who wrote each commit.
func writersOf(t *testing.T, folder string) (*Parts, map[string]eventlog.Role) {
	t.Helper()
	p := newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
	list := needed(serving, []row{{needs: []string{"log"}}})
	if err := p.open(t.Context(), list); err != nil {
		t.Fatal(errors.Join(err, p.Close()))
	}
	by := make(map[string]eventlog.Role)
	err := p.Log.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		by[r.Kind+"/"+r.ID] = r.Role
		return errors.Join(err, p.Log.Verify(r))
	})
	if err != nil {
		t.Error(err)
	}
	return p, by
}

func closeParts(t *testing.T, p *Parts) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestEachServiceHasAKeyThatTheRootEnrolled: from the first start on nothing is written under one key for everything.
func TestEachServiceHasAKeyThatTheRootEnrolled(t *testing.T) {
	folder := t.TempDir()
	p, by := writersOf(t, folder)
	if by["authority/writers"] != eventlog.RoleRoot || by["authority/log"] != eventlog.RoleOperator {
		t.Errorf("written were %v", by)
	}
	if _, err := p.Log.As(p.keys.gate); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("the key of everything opens the log: %v", err)
	}
	for _, role := range writing {
		if p.as(role) == nil {
			t.Errorf("%s can't write", role)
		}
	}
	closeParts(t, p)

	// No start needs the root again, and a stolen folder holds no key that could enrol another.
	if err := os.Remove(filepath.Join(folder, "keys", rootFile)); err != nil {
		t.Fatal(err)
	}
	p, _ = writersOf(t, folder)
	closeParts(t, p)

	// But for a new key.
	if err := os.Remove(filepath.Join(folder, "keys", "writers", "issuer.nk")); err != nil {
		t.Fatal(err)
	}
	p = newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
	err := p.open(t.Context(), needed(serving, []row{{needs: []string{"log"}}}))
	if err == nil || !strings.Contains(err.Error(), "put keys/root.nk back") {
		t.Errorf("a key enrolled itself: %v", err)
	}
	closeParts(t, p)
}

// TestAReplacedKeyIsRetired: the root enrols the new one and retires the former.
func TestAReplacedKeyIsRetired(t *testing.T) {
	folder := t.TempDir()
	p, _ := writersOf(t, folder)
	former := p.keys.writers[eventlog.RoleNotifier]
	closeParts(t, p)
	file := filepath.Join(folder, "keys", "writers", "notifier.nk")
	seed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p, _ = writersOf(t, folder)
	if _, err := p.Log.As(former); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("a replaced key opens the log: %v", err)
	}
	closeParts(t, p)

	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	p = newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
	err = p.open(t.Context(), needed(serving, []row{{needs: []string{"log"}}}))
	if err == nil || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("a retired key is put back: %v", err)
	}
	closeParts(t, p)
}

// TestWhatOneKeyWroteBeforeIsBelieved: in a log of a release in which one key signed everything, that stands, and the key
// is retired at the first start.
func TestWhatOneKeyWroteBeforeIsBelieved(t *testing.T) {
	folder := t.TempDir()
	p := newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
	var before []part
	for _, one := range needed(serving, []row{{needs: []string{"log"}}}) {
		if one.name != "log" {
			before = append(before, one)
		}
	}
	if err := p.open(t.Context(), before); err != nil {
		t.Fatal(errors.Join(err, p.Close()))
	}
	if err := p.openOwnLog(t.Context()); err != nil {
		t.Fatal(errors.Join(err, p.Close()))
	}
	all, err := p.Log.As(p.keys.gate)
	if err != nil {
		t.Fatal(errors.Join(err, p.Close()))
	}
	record := func(log *eventlog.Log, id string) error {
		_, err := log.Update(t.Context(), events.KindOffice, id, p.envelope(), func(eventlog.Head) ([]*events.Event, error) {
			return []*events.Event{events.New(&events.OfficeDefined{Name: "山武市"})}, nil
		})
		return err
	}
	if err := record(all, "before"); err != nil {
		t.Error(err)
	}
	closeParts(t, p)

	p, by := writersOf(t, folder)
	if by["office/before"] != eventlog.RoleHub {
		t.Errorf("written were %v", by)
	}
	if _, err := p.Log.Load(t.Context(), events.KindOffice, "before"); err != nil {
		t.Errorf("what was written before: %v", err)
	}
	if _, err := p.Log.As(p.keys.gate); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("the key of everything opens the log: %v", err)
	}
	closeParts(t, p)
}

// TestLoneKeysAreNamed at each start, until they are retired: what a stolen one could do takes two by now.
func TestLoneKeysAreNamed(t *testing.T) {
	folder := t.TempDir()
	p, _ := writersOf(t, folder)
	key, err := nkeys.CreateUser()
	check(t, err)
	public, err := key.PublicKey()
	check(t, err)
	check(t, p.record(t.Context(), []*events.Event{events.New(&events.WriterEnrolled{PublicKey: public, Role: string(eventlog.RoleOperator), Holder: "0815"})}))
	closeParts(t, p)
	starts := func() string {
		var said bytes.Buffer
		p := newParts(Config{Data: folder, Logger: slog.New(slog.NewTextHandler(&said, nil)), AnyClock: true})
		check(t, p.open(t.Context(), needed(serving, []row{{needs: []string{"log"}}})))
		defer closeParts(t, p)
		if strings.Contains(said.String(), "0815") {
			check(t, p.record(t.Context(), []*events.Event{events.New(&events.WriterRetired{PublicKey: public})}))
		}
		return said.String()
	}
	if said := starts(); !strings.Contains(said, "officer=0815") || strings.Contains(said, "own operator key") {
		t.Errorf("a key from before: %s", said)
	}
	if said := starts(); strings.Contains(said, "0815") {
		t.Errorf("it is retired: %s", said)
	}
}
