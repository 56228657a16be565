package issuer_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"shomei/events"
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
