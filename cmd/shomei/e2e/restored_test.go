package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shomei/cmd/shomei/hub"
	"shomei/events"
)

// own are the parts of a centre's folder that are not the hub's: counters have disks of their own, and time goes on.
var own = []string{"counters", "clock", "centre.log"}

// copyTo makes the nightly copy of a centre that is stopped.
func (c *centre) copyTo(t *testing.T, folder string) {
	t.Helper()
	copyAll(t, c.data, folder)
}

// copyAll copies as the runbook does.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// restore puts a copy in the place of what a stopped centre has, save some parts that are kept.
func (c *centre) restore(t *testing.T, folder string, kept ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		from, to := filepath.Join(folder, e.Name()), filepath.Join(c.data, e.Name())
		if slices.Contains(own, e.Name()) || slices.Contains(kept, e.Name()) {
			continue
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		copyAll(t, from, to)
	}
}

// serials are those of a person's certificates, as they stand in the tables.
func (c *centre) serials(p person) (list []string) {
	for _, held := range c.certificates(c.subscriber(p.code)) {
		list = append(list, events.FormatSerial(held.Serial))
	}
	return list
}

// listed are the serials on all lists that are published, and the lowest and highest number.
func (c *centre) listed(t *testing.T) (serials []string, numbers []uint64) {
	t.Helper()
	c.order("POST", "/lists", nil)
	for _, authority := range []string{"sign", "auth"} {
		text, err := os.ReadFile(filepath.Join(c.data, "crl", authority+".crl"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.RevokedCertificateEntries {
			serials = append(serials, events.FormatSerial(e.SerialNumber.Uint64()))
		}
		numbers = append(numbers, list.Number.Uint64())
	}
	return serials, numbers
}

func (c *centre) found() (list []hub.FoundCertificate) {
	c.order("GET", "/found", &list)
	return list
}

// TestARestoredCentre: an older copy of the hub is put back while the counter, and the lists or the tables, have gone on.
// No serial and no list number comes twice, what was revoked stays revoked, and what was issued since is found, named and
// revoked by an officer.
func TestARestoredCentre(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]string{"beside its newest lists": "crl", "beside its newest tables": "clickhouse"} {
		t.Run(name, func(t *testing.T) { t.Parallel(); restored(t, kept) })
	}
}

func restored(t *testing.T, kept string) {
	c, k := world(t)
	l := newLives(t, c, k)
	before := l.issue("1990-06-18")
	k.stop()
	c.stop()
	folder := filepath.Join(t.TempDir(), "copy")
	c.copyTo(t, folder)

	c.start()
	k.start()
	l.revoke(before)
	since := l.issue("1985-03-02")
	lost, known := c.serials(since), c.serials(before)
	revoked, numbers := c.listed(t)
	for _, serial := range known {
		if !slices.Contains(revoked, serial) {
			t.Fatalf("%s was revoked and is on no list: %v", serial, revoked)
		}
	}
	k.stop()
	c.stop()

	c.restore(t, folder, kept)
	c.start()
	k.start()
	poll(t, "the counter to notice", func() bool { return strings.Contains(string(k.tail()), "the counter needs a person") }, func() string { return string(k.tail()) })
	k.restart()                    // what it has to tell outlives its process
	c.order("POST", "/adopt", nil) // once hub and counter have found that they differ
	poll(t, "the lost certificates to be found", func() bool {
		var open []string
		for _, f := range c.found() {
			if f.Revoked.IsZero() {
				open = append(open, f.Serial)
			}
		}
		slices.Sort(open)
		return slices.Equal(open, slices.Sorted(slices.Values(lost)))
	}, func() string { return strings.Join(lost, " ") + "\n" + string(c.tail()) })

	again, higher := c.listed(t)
	for _, serial := range known {
		if !slices.Contains(again, serial) {
			t.Errorf("%s was on a list, and is not any more: %v", serial, again)
		}
	}
	for i := range higher {
		if higher[i] <= numbers[i] {
			t.Errorf("list %d after list %d", higher[i], numbers[i])
		}
	}
	var health string
	c.order("GET", "/healthz?verbose", &health)
	if !strings.Contains(health, "shomei authority found") {
		t.Errorf("health says nothing of it: %s", health)
	}
	code, out := c.fsckOfWholeTables(t)
	for _, serial := range lost {
		if code != 3 || !strings.Contains(out, "certificate "+serial+" exists and the log never issued it") {
			t.Errorf("fsck does not name %s: %d %s", serial, code, out)
		}
	}
	if serial := known[0]; !strings.Contains(out, "serial "+serial+" was revoked at") {
		t.Errorf("fsck does not say that %s is in force in the log alone: %s", serial, out)
	}

	for _, f := range c.found() {
		if f.Revoked.IsZero() {
			c.order("POST", "/revoke-found?authority="+f.Authority+"&serial="+f.Serial, nil)
		}
	}
	c.advance(c.now().Add(2e9)) // a list that is made in the second of a revocation need not name it
	all, _ := c.listed(t)
	for _, serial := range slices.Concat(lost, known) {
		if !slices.Contains(all, serial) {
			t.Errorf("%s is revoked and on no list: %v", serial, all)
		}
	}
	after := c.serials(l.issue("1979-11-30"))
	for _, serial := range slices.Concat(lost, known) {
		if slices.Contains(after, serial) {
			t.Errorf("serial %s is used twice", serial)
		}
	}
	if _, out := c.fsckOfWholeTables(t); strings.Contains(out, "never issued") || strings.Contains(out, "leaves out") {
		t.Errorf("once everything is revoked: %s", out)
	}
}

// TestAVaultThatIsNotTheRightOne: gone, in part, another's or older. The hub starts with none but the older one, and then
// makes no key in the place of one that is missing.
func TestAVaultThatIsNotTheRightOne(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	l := newLives(t, c, k)
	l.issue("1990-06-18")
	k.stop()
	c.stop()
	folder := filepath.Join(t.TempDir(), "copy")
	c.copyTo(t, folder)
	c.start()
	k.start()
	since := l.issue("1985-03-02")
	k.stop()
	c.stop()
	whole := filepath.Join(t.TempDir(), "whole")
	c.copyTo(t, whole)
	vault := filepath.Join(c.data, "vault")

	for name, row := range map[string]struct {
		spoil func() error
		says  string
	}{
		"gone":        {func() error { return os.RemoveAll(vault) }, "the vault is gone"},
		"one file":    {func() error { return os.Remove(filepath.Join(vault, "keys-07.db")) }, "lacks keys-07.db"},
		"without key": {func() error { return os.Remove(filepath.Join(c.data, "keys", "master.key")) }, "master key"},
	} {
		if err := row.spoil(); err != nil {
			t.Fatal(err)
		}
		if code, out := c.fsck(t); code != 3 || !strings.Contains(out, row.says) {
			t.Errorf("%s: fsck says %d %s", name, code, out)
		}
		if err := c.refuses(); !strings.Contains(err, row.says) {
			t.Errorf("%s: the hub starts, or does not say why not: %s", name, err)
		}
		c.restore(t, whole)
	}

	c.restore(t, folder, "nats", "marks", "crl", "clickhouse") // the vault alone is older
	if code, out := c.fsck(t); code != 3 || !strings.Contains(out, c.subscriber(since.code)+": version 1 of the key of identity is missing") {
		t.Errorf("older: fsck says %d %s", code, out)
	}
	c.start()
	c.order("POST", "/settle", nil)
	var health string
	c.order("GET", "/healthz?verbose", &health)
	if !strings.Contains(health, "keys of persons are missing") || !strings.Contains(string(c.tail()), "the vault is older than the log") {
		t.Errorf("an older vault is not named: %s\n%s", health, c.tail())
	}
	k.start()
	l.k.insert(l.cards[since.code])
	l.k.apply(since, "of-the-missing-key", "renew", nil)
	poll(t, "the claim to be kept in quarantine", func() bool {
		var n int
		c.order("POST", "/settle", nil)
		c.order("GET", "/quarantined", &n)
		return n > 0
	}, func() string { return string(c.tail()) })
	l.issue("1979-11-30") // somebody else is served
	k.stop()
	c.stop()
	c.restore(t, whole, "nats", "marks", "crl", "clickhouse")
	if code, out := c.fsck(t); strings.Contains(out, since.code) || strings.Contains(out, c.subscriber(since.code)) {
		t.Errorf("the newest copy of the vault: %d %s", code, out)
	}
}

// refuses starts the centre and gives what it says when it ends by itself.
func (c *centre) refuses() string {
	c.t.Helper()
	process := c.program()
	out, err := process.CombinedOutput()
	if err == nil {
		return "it has started"
	}
	return string(out)
}
