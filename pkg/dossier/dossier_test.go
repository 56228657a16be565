package dossier_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/vault"
)

const person = "aaaabbbbccccddddeeeeffff"

func open(t *testing.T) *vault.Vault {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Open(vault.Config{
		Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "master.key"), Logger: natstest.Quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// history makes records of commits with one event each, the first with revision 1.
func history(bodies ...events.Body) []eventlog.Record {
	var list []eventlog.Record
	for i, b := range bodies {
		list = append(list, eventlog.Record{Kind: events.KindSubscriber, ID: person, Commit: &events.Commit{
			Kind: events.KindSubscriber, Id: person, Revision: uint64(i + 1), Events: []*events.Event{events.New(b)},
		}})
	}
	return list
}

func sealed(t *testing.T) func(*events.Sealed, error) *events.Sealed {
	return func(s *events.Sealed, err error) *events.Sealed {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestWhatWasSealedLastIsOpened(t *testing.T) {
	v := open(t)
	at := func(revision uint64) dossier.Sealer {
		return dossier.Sealer{Vault: v, Subscriber: person, Revision: revision}
	}
	ok := sealed(t)
	first := &events.ResidentRecord{ResidentCode: "11111111111", Name: "試験 一", BirthDate: "1980-06-18"}
	second := &events.ResidentRecord{ResidentCode: "11111111111", Name: "試験 二", BirthDate: "1980-06-18"}
	contact := &events.Contact{Mail: "one@mail.example"}
	d := dossier.Of(v, person, history(
		&events.ResidentRecorded{Identity: ok(at(1).Identity(first))},
		&events.ContactRecorded{Contact: ok(at(2).Contact(contact))},
		&events.IssueAuthorized{Serial: 7, Tbs: ok(at(3).TBS(7, []byte("to be signed")))},
		&events.CertificateIssued{Serial: 7, Certificate: ok(at(4).Certificate(7, []byte("signed")))},
		&events.ResidentRecordChanged{Identity: ok(at(5).Identity(second))},
		&events.ResidentRecordChanged{}, // a change that the register told without a record
	))
	identity, err := d.Identity()
	second.ResidentCode = "" // never stored
	if diff := cmp.Diff(second, identity, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("identity (-want +got): %s %v", diff, err)
	}
	if first.ResidentCode == "" {
		t.Error("sealing changed the record it was given")
	}
	if got, err := d.Contact(); err != nil || got.Mail != contact.Mail {
		t.Errorf("contact %v, %v", got, err)
	}
	if got, err := d.TBS(7); err != nil || string(got) != "to be signed" {
		t.Errorf("tbs %q, %v", got, err)
	}
	if got, err := d.Certificate(7); err != nil || string(got) != "signed" {
		t.Errorf("certificate %q, %v", got, err)
	}
	for what, got := range map[string]error{"tbs": errorOf(d.TBS(8)), "certificate": errorOf(d.Certificate(8))} {
		if !errors.Is(got, dossier.ErrNotFound) {
			t.Errorf("%s of another serial: %v", what, got)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestSealedBytesOpenNowhereElse(t *testing.T) {
	v := open(t)
	ok := sealed(t)
	tbs := ok(dossier.Sealer{Vault: v, Subscriber: person, Revision: 1}.TBS(7, []byte("to be signed")))
	if bytes.Contains(tbs.Ciphertext, []byte("to be signed")) {
		t.Error("sealed bytes stand in the open")
	}
	for what, d := range map[string]dossier.Dossier{
		"another person":   dossier.Of(v, "other", history(&events.IssueAuthorized{Serial: 7, Tbs: tbs})),
		"another revision": dossier.Of(v, person, history(&events.NoticeSent{}, &events.IssueAuthorized{Serial: 7, Tbs: tbs})),
		"another serial":   dossier.Of(v, person, history(&events.IssueAuthorized{Serial: 8, Tbs: tbs})),
		"another field":    dossier.Of(v, person, history(&events.CertificateIssued{Serial: 7, Certificate: tbs})),
	} {
		for _, serial := range []uint64{7, 8} {
			if got, err := d.TBS(serial); err == nil {
				t.Errorf("%s: %q opens", what, got)
			}
			if got, err := d.Certificate(serial); err == nil {
				t.Errorf("%s: %q opens", what, got)
			}
		}
	}
}

func TestEachClassIsErasedByItself(t *testing.T) {
	v := open(t)
	ok := sealed(t)
	at := func(revision uint64) dossier.Sealer {
		return dossier.Sealer{Vault: v, Subscriber: person, Revision: revision}
	}
	d := dossier.Of(v, person, history(
		&events.ResidentRecorded{Identity: ok(at(1).Identity(&events.ResidentRecord{Name: "試験"}))},
		&events.ContactRecorded{Contact: ok(at(2).Contact(&events.Contact{Mail: "one@mail.example"}))},
	))
	if err := v.Erase(person, vault.Contact); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Contact(); !errors.Is(err, vault.ErrErased) {
		t.Errorf("an erased contact: %v", err)
	}
	if _, err := d.Identity(); err != nil {
		t.Errorf("the identity went with the contact: %v", err)
	}
}

// An order counts although the key is still there, as after an old copy of the vault was put back.
func TestWhatIsOrderedToBeErasedIsNotRead(t *testing.T) {
	v := open(t)
	ok := sealed(t)
	at := func(revision uint64) dossier.Sealer {
		return dossier.Sealer{Vault: v, Subscriber: person, Revision: revision}
	}
	d := dossier.Of(v, person, history(
		&events.ResidentRecorded{Identity: ok(at(1).Identity(&events.ResidentRecord{Name: "試験"}))},
		&events.ContactRecorded{Contact: ok(at(2).Contact(&events.Contact{Mail: "one@mail.example"}))},
		&events.ErasureOrdered{RecordClass: vault.Contact},
	))
	if _, err := d.Contact(); !errors.Is(err, vault.ErrErased) {
		t.Errorf("the contact: %v", err)
	}
	if _, err := d.Identity(); err != nil {
		t.Errorf("the identity went with the contact: %v", err)
	}
}
