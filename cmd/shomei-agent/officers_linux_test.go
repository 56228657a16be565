package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shomei/cmd/cli/clitest"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/lifecycle"
	"shomei/pkg/page/pagetest"
	"shomei/services/console"
)

// officers is a centre with two counters of one office, whose log is neither simulated nor a demonstration: officers sign with the
// keys in their browsers.
type officers struct {
	t        *testing.T
	hub      *hub.Hub
	operator hub.Operator
	at       [2]*counter
	console  *httptest.Server
	// certificate is for the console and for the counter's host name.
	certificate tls.Certificate
}

// consoleName is the console's host, which browsers find on this machine, and the relying party of its passkeys.
const consoleName = "console.localhost"

// hostName is a counter's host name, for other machines.
const hostName = "madoguchi.localhost"

func openOffice(t *testing.T) *officers {
	t.Helper()
	o := &officers{t: t}
	var err error
	o.hub, err = hub.Start(t.Context(), hub.Config{
		Data: t.TempDir(), AnyClock: true, ConsoleName: consoleName, Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, hub.ByHand...)
	o.must(err)
	t.Cleanup(func() {
		if err := o.hub.Close(); err != nil {
			t.Error(err)
		}
	})
	o.operator, err = o.hub.By("0042")
	o.must(err)
	o.makeCertificate()
	for i := range o.at {
		o.at[i] = startCounter(t, o.bundle(i))
	}
	o.openConsole()
	return o
}

// bundle enrols one of the office's counters.
func (o *officers) bundle(i int) string {
	bundle, err := o.hub.TryOut(o.t.Context(), testOffice, fmt.Sprintf("%s-%d", testOffice, i+1))
	o.must(err)
	return bundle
}

// makeCertificate makes one that signs itself.
func (o *officers) makeCertificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	o.must(err)
	made := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{consoleName, hostName}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	o.must(err)
	o.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certificateFiles writes the certificate and its key.
func (o *officers) certificateFiles() (certificate, key string) {
	dir := o.t.TempDir()
	private, err := x509.MarshalPKCS8PrivateKey(o.certificate.PrivateKey)
	o.must(err)
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: o.certificate.Certificate[0]}, "k.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		o.must(os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	return filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
}

// openConsole serves the console by TLS, with a certificate of its own.
func (o *officers) openConsole() {
	pages, err := console.New(console.Config{
		Warehouse: o.hub.Warehouse, Look: o.hub.HistoryShown, Clock: o.hub.Clock.Now, Logger: o.hub.Logger, Hosts: []string{consoleName},
		SignIn: o.hub.SignInAt(consoleName, nil),
	})
	o.must(err)
	o.console = httptest.NewUnstartedServer(pages.Handler())
	o.console.TLS = &tls.Config{Certificates: []tls.Certificate{o.certificate}}
	o.console.StartTLS()
	o.t.Cleanup(o.console.Close)
}

func (o *officers) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// seat is somebody with a security key of their own, before a counter's pages in a browser.
type seat struct {
	*pagetest.Browser
	t       *testing.T
	counter *counter
	// pages is where the counter's pages are, and console where the console's.
	pages, console string
	// card is what is typed where the card reader is far; empty: it reads the card.
	card    string
	loseKey func()
}

func (o *officers) sit(at int) *seat {
	o.t.Helper()
	_, port, _ := strings.Cut(o.console.Listener.Addr().String(), ":")
	s := &seat{
		Browser: pagetest.Open(o.t, 1280, 900, o.console.Certificate()), t: o.t, counter: o.at[at], pages: o.at[at].url, console: "https://" + net.JoinHostPort(consoleName, port),
	}
	s.loseKey = s.PlugIn(o.t)
	return s
}

// atConsole opens a page of the console and waits for what is to be on it.
func (s *seat) atConsole(path, selector string) {
	s.t.Helper()
	s.Visit(s.t, s.console+path, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// offerAtConsole is offer for the same key at the console.
func (s *seat) offerAtConsole(officer, code, says string) {
	s.t.Helper()
	s.atConsole("/enrol", "#code")
	s.fill(map[string]string{"officer": officer, "code": code})
	s.Screenshot(s.t, "console-enrol")
	s.click("form[action='/enrol'] button")
	s.see(says)
}

// signInAtConsole waits for a text of the page that follows.
func (s *seat) signInAtConsole(says string) {
	s.t.Helper()
	s.atConsole("/sign-in", "form[action='/sign-in'] button")
	s.click("form[action='/sign-in'] button")
	s.see(says)
}

// open opens a page and waits for what is to be on it.
func (s *seat) open(path, selector string) {
	s.t.Helper()
	s.Visit(s.t, s.pages+path, chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (s *seat) click(selector string) {
	s.t.Helper()
	s.Wait(s.t, chromedp.Click(chromedp.CSS(selector)))
}

func (s *seat) fill(fields map[string]string) {
	s.t.Helper()
	for id, value := range fields {
		s.Wait(s.t, chromedp.SetValue(chromedp.CSS("#"+id), value))
	}
}

// see waits for a text on the page.
func (s *seat) see(text string) {
	s.t.Helper()
	page := ""
	seen := clitest.Await(func() bool {
		page = s.Ask(s.t, `document.body ? location.pathname + " " + document.body.innerText : ""`)
		return strings.Contains(page, text)
	})
	if !seen {
		s.t.Fatalf("the page never says %q: %s\n%s", text, page, s.counter.log())
	}
}

// offer offers the key in the browser with an invitation's code, and waits for what the centre says.
func (s *seat) offer(officer, code, says string) {
	s.t.Helper()
	s.open("/enrol", "#code")
	s.fill(map[string]string{"officer": officer, "code": code})
	s.click("form[action='/enrol'] button")
	s.see(says)
}

const (
	enrolledKey = "のパスキーを登録しました"
	refusedKey  = "のパスキーは登録されませんでした"
)

func (s *seat) signIn(officer string) {
	s.t.Helper()
	s.open("/sign-in", "form[action='/sign-in'] button")
	s.click("form[action='/sign-in'] button")
	s.see("職員 " + officer)
}

// appoint enrols an officer with roles and invites them: both are signed by whoever is signed in.
func (s *seat) appoint(officer string, roles ...string) (code string) {
	s.t.Helper()
	s.open("/officers", "#officer")
	s.fill(map[string]string{"officer": officer})
	for _, role := range roles {
		s.click(`#roles input[value="` + role + `"]`)
	}
	s.click(`button[value="enrol"]`)
	s.see("記録済")
	return s.invite(officer)
}

func (s *seat) invite(officer string) (code string) {
	s.t.Helper()
	s.choose(officer, "invite")
	s.Wait(s.t, chromedp.WaitVisible(chromedp.CSS("#invitation")))
	return s.Ask(s.t, `document.querySelector("#invitation").innerText`)
}

// choose does something about an enrolled officer, once this counter has heard of them.
func (s *seat) choose(officer, do string) {
	s.t.Helper()
	known := clitest.Await(func() bool {
		s.open("/officers", "#officer")
		return s.Ask(s.t, `[...document.querySelectorAll("#chosen option")].map(o => o.value).join()`) != "" &&
			strings.Contains(s.Ask(s.t, `document.querySelector("#chosen").innerText`), officer)
	})
	if !known {
		s.t.Fatalf("the counter does not hear of officer %s\n%s", officer, s.counter.log())
	}
	s.fill(map[string]string{"chosen": officer})
	s.click(`button[value="` + do + `"]`)
}

// approve opens what waits, by the word of the list, and approves the only one.
func (s *seat) approve(what, by string) {
	s.t.Helper()
	s.open("/approvals", "table a")
	s.see(what)
	s.click("table a")
	s.see("として決めます") // the list names the officer, too
	s.see(by)
	s.click(`button[value="approved"]`)
	s.see("記録済")
}

// approveAtConsole opens what waits, by the word of the list, and approves it, with a touch for each.
func (s *seat) approveAtConsole(what, by string) {
	s.t.Helper()
	s.atConsole("/approvals", "table a")
	s.see(what)
	s.judge("console-approvals")
	s.click("table a")
	s.see(what)
	if strings.Contains(s.Ask(s.t, `document.body?.innerText ?? ""`), by) {
		s.t.Errorf("%s is shown before the act is opened", by)
	}
	s.judge("console-approval-closed")
	s.click("form[action$='/open'] button")
	s.see(by)
	s.judge("console-approval")
	s.click("form[action$='/decide'] button.second")
	s.see("承認しない理由を入力してください")
	s.click("form[action$='/decide'] button:not(.second)")
	s.see("承認を記録しました")
}

// judge holds a page against the rules for all pages, and takes its picture.
func (s *seat) judge(name string) {
	s.t.Helper()
	s.Screenshot(s.t, name)
	for _, found := range s.Violations(s.t) {
		if !strings.Contains(found, "status of 4") { // the browser's console calls a refusal an error too
			s.t.Errorf("%s: %s", name, found)
		}
	}
}

// TestOfficersFromTheFirstToALostKey is the life of an office's officers on a whole centre: appointed, at work, two for what needs
// two, retired, and let in anew.
func TestOfficersFromTheFirstToALostKey(t *testing.T) {
	o := openOffice(t)
	o.must(o.operator.EnrolOfficer(t.Context(), testOffice, &events.OfficerEnrolled{Officer: "017", Roles: []string{"administrator"}}, ""))
	code, _, err := o.operator.InviteOfficer(t.Context(), testOffice, "017")
	o.must(err)
	first, clerk, second := o.sit(0), o.sit(0), o.sit(1)
	first.offer("017", code, enrolledKey)
	first.offerAtConsole("017", code, "この画面に登録しました")
	first.signInAtConsole("017 としてサインインしています")
	first.see("状態別の件数")
	first.offerAtConsole("017", code, "この画面でもう使われています")
	first.signIn("017")
	clerk.offer("018", first.appoint("018", "clerk"), enrolledKey)
	code = first.appoint("019", "approver", "administrator")
	second.offer("019", code, enrolledKey)
	second.offerAtConsole("019", code, "この画面に登録しました")
	second.signInAtConsole("019 としてサインインしています")

	o.at[0].call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusCreated)
	o.at[0].call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	clerk.open("/", "#begin")
	o.must(o.operator.RequireSignatures(t.Context(), testOffice, civil.Of(o.hub.Clock.Now()).String()))
	clerk.see("/sign-in")
	clerk.signIn("018")
	o.applyFor(clerk)
	clerk.see("別の職員の承認を待っています")
	second.approveAtConsole("特別の事情", "証明　花子")
	clerk.see("申請者の確認待ち")
	second.signIn("019")
	o.join(clerk, second)

	clerk.open("/", "#begin")
	first.choose("018", "retire")
	clerk.see("/sign-in")
	first.see("記録済")

	third := clerk
	third.loseKey()
	third.loseKey = third.PlugIn(t)
	third.offer("020", first.appoint("020", "administrator"), enrolledKey)
	third.signIn("020")
	first.loseKey()
	first.loseKey = first.PlugIn(t)
	code = third.invite("017")
	third.see("別の管理者が「承認待ち」で承認するまで")
	first.offer("017", code, refusedKey)
	second.approve("パスキーをなくした職員", "020")
	first.offer("017", code, enrolledKey)
	first.signIn("017")

	second.atConsole("/", "form[action='/sign-out']")
	first.choose("019", "retire")
	first.see("記録済")
	second.atConsole("/", "form[action='/sign-in']")
	second.signInAtConsole("サインインできませんでした")

	o.must(o.hub.Settle(t.Context()))
	o.must(o.hub.Issuer.PublishDue(t.Context(), o.hub.Issuer.Lists))
	report, err := o.hub.Fsck(t.Context(), nil)
	o.must(err)
	for _, f := range report.Findings {
		t.Errorf("fsck: %s", f)
	}
}

// join has two histories of the child joined: a clerk looks at both and chooses, and another officer approves.
func (o *officers) join(clerk, second *seat) {
	o.t.Helper()
	o.applyAs(clerk, "00000000124", "")
	clerk.see("受理できません")
	first, other := o.hub.SubscriberID("00000000123"), o.hub.SubscriberID("00000000124")
	clerk.open("/join?first="+first+"&second="+other, "#histories")
	clerk.see("途中の申請")
	clerk.Screenshot(o.t, "join")
	clerk.fill(map[string]string{"why": "住民票コードが訂正される前に受け付けた"})
	clerk.click(`button[accesskey="f"]`)
	clerk.see("残す記録を選んでください。")
	clerk.click(`input[name="survivor"][value="second"]`)
	for _, seen := range []string{"resident-record", "family-register"} {
		clerk.click(`input[name="evidence"][value="` + seen + `"]`)
	}
	clerk.click(`button[accesskey="f"]`)
	clerk.see("まだ受け付けていません")
	clerk.Screenshot(o.t, "join-review")
	clerk.click(`button[value="file"]`)
	clerk.see("別の職員の承認を待っています")
	second.open("/approvals", "table a")
	second.click("table a")
	second.see("戸籍・戸籍の附票")
	second.see("途中の申請")
	second.Screenshot(o.t, "join-approval")
	second.click(`button[value="approved"]`)
	second.see("記録済")
	clerk.see("記録済")
	o.must(o.hub.Settle(o.t.Context()))
	head, err := o.hub.Log.Load(o.t.Context(), events.KindSubscriber, first)
	o.must(err)
	state, err := lifecycle.DecodeSubscriber(head.State)
	o.must(err)
	if state.AliasOf != other || len(state.Procedures) > 0 {
		o.t.Fatalf("after the joining: %v", state)
	}
	clerk.open("/join?first="+first+"&second="+other, "main")
	clerk.see("一つの同じ記録")
}

// applyFor files an application for a child under special circumstances, which another officer has to grant.
func (o *officers) applyFor(clerk *seat) {
	o.t.Helper()
	o.applyAs(clerk, "00000000123", "海外の学校の入学試験")
}

func (o *officers) applyAs(clerk *seat, code, special string) {
	o.t.Helper()
	born := o.hub.Clock.Now().In(civil.Tokyo).AddDate(-12, -1, 0).Format(time.DateOnly)
	clerk.open("/apply?operation=issue", "#resident_code")
	clerk.fill(map[string]string{
		"resident_code": code, "name": "証明　花子", "birth_date": born, "sex": "2", "address": "千葉県山武市殿台296番地",
		"municipality": testOffice[:5],
	})
	if clerk.card != "" {
		clerk.fill(map[string]string{"card": clerk.card})
	}
	if special != "" {
		clerk.fill(map[string]string{"special_circumstances": special})
	}
	for _, box := range []string{"#document-application-form", "#document-card", "#document-photo-id", `input[value="photo-id:current-address"]`, `input[name="kinds"][value="sign"]`, `input[name="registered"]`} {
		clerk.Wait(o.t, chromedp.SetAttributes(chromedp.CSS(box), map[string]string{"checked": "checked"}))
	}
	clerk.click(`button[value="check"]`)
}
