package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

// named gives a counter of the office its host name, as shomei counter enrol --host-name does.
func (o *officers) named(bundle string) {
	o.t.Helper()
	b, err := counterlink.ReadBundle(bundle)
	o.must(err)
	secrets, err := b.Secrets()
	o.must(err)
	public, err := secrets.Key.PublicKey()
	o.must(err)
	host := hostName
	enrolled, err := o.operator.Enrol(o.t.Context(), hub.Enrolment{
		Office: b.Office, Counter: b.Counter, Role: b.Role, PublicKey: public, SealKey: secrets.SealKey.PublicKey().Bytes(), HostName: &host, Near: true,
	})
	o.must(err)
	enrolled.Bundle.Key, enrolled.Bundle.SealKey = b.Key, b.SealKey
	o.must(enrolled.Bundle.Write(bundle))
}

// TestOfficersAtOtherMachines has officers work at a counter from other machines of the office, by TLS: with a passkey of its host
// name, and with everything but what happens at the card reader.
func TestOfficersAtOtherMachines(t *testing.T) {
	o := openOffice(t)
	o.at[0].stop()
	bundle := o.bundle(0)
	o.named(bundle)
	certificate, key := o.certificateFiles()
	o.at[0] = startCounter(t, bundle, "--office-listen", "127.0.0.1:0", "--certificate", certificate, "--certificate-key", key)
	invite := func(code string, roles ...string) string {
		o.must(o.operator.EnrolOfficer(t.Context(), testOffice, &events.OfficerEnrolled{Officer: code, Roles: roles}, ""))
		invitation, _, err := o.operator.InviteOfficer(t.Context(), testOffice, code)
		o.must(err)
		return invitation
	}
	clerk, second := o.sit(0), o.sit(0)
	codeOfClerk, codeOfSecond := invite("018", "clerk"), invite("019", "approver")
	clerk.offer("018", codeOfClerk, enrolledKey) // on the counter's own machine, and then with the same code and key at another
	clerk.pages, second.pages = o.at[0].office, o.at[0].office
	clerk.open("/apply", "form[action='/sign-in']")
	clerk.judge("far-sign-in")
	clerk.offer("018", codeOfClerk, enrolledKey)
	clerk.offer("018", codeOfClerk, "コードが違うか") // once at such a site
	second.offer("019", codeOfSecond, enrolledKey)
	o.must(o.operator.RequireSignatures(t.Context(), testOffice, civil.Of(o.hub.Clock.Now()).String()))

	clerk.signIn("018")
	clerk.see("ほかの端末から使っています")
	clerk.judge("far-start")
	clerk.open("/card", "main")
	clerk.see("カードリーダーのある窓口端末で行うこと")
	clerk.judge("far-refused")
	clerk.card = "CARD-1"
	o.applyFor(clerk)
	clerk.see("別の職員の承認を待っています")
	second.signIn("019")
	second.approve("特別の事情", "018")
	clerk.see("カードをリーダーに置いてください") // it goes on at the counter itself

	second.open("/", "#begin")
	o.must(o.operator.RetireOfficer(t.Context(), testOffice, "019"))
	second.see("/sign-in")
	second.click("form[action='/sign-in'] button")
	second.see("職員のものとして登録されていません")

	o.must(o.hub.Settle(t.Context()))
	report, err := o.hub.Fsck(t.Context(), nil)
	o.must(err)
	for _, f := range report.Findings {
		t.Errorf("fsck: %s", f)
	}
}

// TestOtherMachinesNeedSignInAndTLS: what would serve the pages to others without both does not start, and says what to do.
func TestOtherMachinesNeedSignInAndTLS(t *testing.T) {
	o := openOffice(t)
	certificate, key := o.certificateFiles()
	plain := o.bundle(0)
	named := filepath.Join(t.TempDir(), "named")
	o.must(os.CopyFS(named, os.DirFS(o.bundle(1))))
	o.named(named)
	demonstration := filepath.Join(t.TempDir(), "demonstration")
	o.must(os.CopyFS(demonstration, os.DirFS(named)))
	b, err := counterlink.ReadBundle(demonstration)
	o.must(err)
	b.Demonstration = []counterlink.SoftOfficer{{Officer: "demo-1", Key: "officer.key"}}
	o.must(os.WriteFile(filepath.Join(demonstration, "officer.key"), []byte(hex.EncodeToString([]byte("k"))), 0o600))
	o.must(b.Write(demonstration))
	tls := []string{"--certificate", certificate, "--certificate-key", key}
	far := append([]string{"--office-listen", "127.0.0.1:0"}, tls...)
	for name, tried := range map[string]struct {
		bundle string
		flags  []string
		code   int
		says   string
	}{
		"a plain listener for others": {named, []string{"--listen", "0.0.0.0:0"}, exitUsage, "not a loopback address"},
		"no certificate":              {named, far[:2], exitUsage, "by TLS only"},
		"no address":                  {named, tls, exitUsage, "go together"},
		"no host name":                {plain, far, exitConfig, "--host-name"},
		"a demonstration":             {demonstration, far, exitConfig, "demonstration"},
		"a broken certificate":        {named, append([]string{"--certificate", key}, append(far[:2:2], far[4:]...)...), exitConfig, "--certificate"},
	} {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		code := run(ctx, append([]string{"run", "--bundle", tried.bundle, "--store", filepath.Join(t.TempDir(), "counter.db")}, tried.flags...), nil, &out, &errs)
		cancel()
		if code != tried.code || !strings.Contains(errs.String(), tried.says) {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, tried.code, errs.String())
		}
	}
}
