package issuer_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/lifecycle"
	"shomei/pkg/published"
	"shomei/services/servicetest"
)

// A list's number is logged but its file can't be written, or the file was written by a process that died. The next run
// publishes what is missing, and nothing twice.
func TestListSurvivesFullDiskAndCrash(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	crls := filepath.Join(w.Dir, "crl")
	servicetest.Check(t, os.Mkdir(crls, 0o755))
	servicetest.Check(t, syscall.Mount("tmpfs", crls, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { servicetest.Check(t, syscall.Unmount(crls, syscall.MNT_DETACH)) })
	file, ballast := filepath.Join(crls, "sign.crl"), filepath.Join(crls, "ballast")
	number := func() int64 {
		t.Helper()
		_, list := listed(t, file)
		return list.Number.Int64()
	}
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	before := number()

	d.Apply(events.Operation_OPERATION_REVOKE, "100", l.Card)
	w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for range 2 {
		if err := w.Issuer.PublishDue(t.Context(), crls); err == nil {
			t.Fatal("a list was published on a full disk")
		}
	}
	if n := number(); n != before {
		t.Errorf("on a full disk the list is %d, want the old one, %d", n, before)
	}
	servicetest.Check(t, os.Remove(ballast))
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	after := number()
	if reasons, _ := listed(t, file); after <= before || len(reasons) != 1 {
		t.Errorf("with space again list %d names %v", after, reasons)
	}

	w.Issuer = w.NewIssuer(w.Log) // the process died after renaming the file
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	if n := number(); n != after {
		t.Errorf("the existing list was published again as %d", n)
	}
	left, err := os.ReadDir(crls)
	servicetest.Check(t, err)
	for _, entry := range left {
		if name := entry.Name(); filepath.Ext(name) != ".crl" {
			t.Errorf("%s was left behind", name)
		}
	}
}

// inBucket returns the list of an authority's newest key as others get it, nil for none.
func inBucket(t *testing.T, w *servicetest.World, name string) []byte {
	t.Helper()
	f, err := w.Bucket.Get(t.Context(), name, "")
	if err != nil && !errors.Is(err, published.ErrNone) {
		t.Fatal(err)
	}
	return f.Bytes
}

// wantOne checks that log, folder and bucket have the same lists of an authority.
func wantOne(t *testing.T, w *servicetest.World, crls, id string) {
	t.Helper()
	head, err := w.Log.Load(t.Context(), events.KindAuthority, id)
	servicetest.Check(t, err)
	state, err := lifecycle.DecodeAuthority(head.State)
	servicetest.Check(t, err)
	for _, block := range blocks(t, filepath.Join(crls, id+".crl")) {
		list, err := x509.ParseRevocationList(block.Bytes)
		servicetest.Check(t, err)
		g, err := w.Directory.Generations().ByKeyID(list.AuthorityKeyId)
		servicetest.Check(t, err)
		if list.Number.Uint64() != state.CrlNumber || !bytes.Equal(inBucket(t, w, g.ListFile()), block.Bytes) {
			t.Errorf("%s: number %d in the log, %v in the folder; the bucket has another: %v", g.ListFile(), state.CrlNumber, list.Number,
				!bytes.Equal(inBucket(t, w, g.ListFile()), block.Bytes))
		}
	}
}

// The issuer died at any point between two lists. The next one leaves log, folder and bucket saying the same, and no
// number was ever given to two lists.
func TestPublicationIsCompletedAfterACrash(t *testing.T) {
	for name, died := range map[string]struct{ noFile, noObject, parts, oneObject, lists bool }{
		"before it is recorded":            {noFile: true, noObject: true},
		"between log and folder":           {lists: true, noFile: true, noObject: true},
		"between folder and bucket":        {lists: true, noObject: true},
		"between the objects":              {lists: true, oneObject: true},
		"between the parts and name in it": {lists: true, noObject: true, parts: true},
		"before the next look":             {lists: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, "2020-01-15 10:00")
			crls := filepath.Join(w.Dir, "crl")
			servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
			wantOne(t, w, crls, "sign")
			file, err := os.ReadFile(filepath.Join(crls, "sign.crl"))
			servicetest.Check(t, err)
			objects := map[string][]byte{"sign-01.crl": inBucket(t, w, "sign-01.crl"), "sign-02.crl": inBucket(t, w, "sign-02.crl")}
			w.Clock.SetTo(w.Clock.Now().Add(20 * time.Hour))
			if died.lists {
				servicetest.Check(t, w.Issuer.PublishLists(t.Context(), crls))
			}
			if died.noFile {
				servicetest.Check(t, os.WriteFile(filepath.Join(crls, "sign.crl"), file, 0o644))
			}
			if died.oneObject {
				delete(objects, "sign-01.crl")
			}
			for name, object := range objects {
				if died.noObject || died.oneObject {
					servicetest.Check(t, w.Bucket.Put(t.Context(), name, object))
				}
			}
			if died.parts {
				servicetest.Check(t, w.Conn.Publish("$O.revocation.C.left", []byte("part")))
			}
			w.Clock.SetTo(w.Clock.Now().Add(time.Minute))
			w.Issuer = w.NewIssuer(w.Log)
			servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
			wantOne(t, w, crls, "sign")
			wantOne(t, w, crls, "auth")
			count := w.CountAuthority("sign", "CrlPublished")
			servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
			if again := w.CountAuthority("sign", "CrlPublished"); again != count {
				t.Errorf("%d lists became %d at the next look", count, again)
			}
			numbers := map[uint64]int{}
			for _, r := range w.History(events.KindAuthority, "sign") {
				for _, e := range r.Commit.Events {
					if b := e.GetCrlPublished(); b != nil {
						numbers[b.Number]++
					}
				}
			}
			for number, n := range numbers {
				if n != 2 { // one for each key
					t.Errorf("number %d was given to %d lists", number, n)
				}
			}
		})
	}
}

// Without its bucket the issuer signs, and makes and files lists, as ever; health says what is missing, and everything is
// handed on once the bucket is back.
func TestAMissingBucketStopsNothingElse(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	crls := filepath.Join(w.Dir, "crl")
	js, err := w.Conn.JetStream()
	servicetest.Check(t, err)
	servicetest.Check(t, js.DeleteStream("OBJ_revocation"))
	for range 2 {
		if err := w.Issuer.PublishDue(t.Context(), crls); err == nil {
			t.Error("the lists were handed on to nowhere")
		}
		if err := w.Issuer.HandedOn(); err == nil || !strings.Contains(err.Error(), "sign-02.crl") {
			t.Errorf("handed on: %v", err)
		}
	}
	for _, id := range []string{"sign", "auth"} {
		if n := w.CountAuthority(id, "CrlPublished"); n != 2 || len(blocks(t, filepath.Join(crls, id+".crl"))) != 2 {
			t.Errorf("%s: %d lists recorded", id, n)
		}
	}
	if d.Hold("100").Serial(sign) == 0 || w.Issuer.Healthy(t.Context()) != nil {
		t.Error("nothing is signed")
	}
	servicetest.Check(t, published.EnsureBucket(t.Context(), w.Conn, 0))
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	servicetest.Check(t, w.Issuer.HandedOn())
	wantOne(t, w, crls, "sign")
	wantOne(t, w, crls, "auth")
}
