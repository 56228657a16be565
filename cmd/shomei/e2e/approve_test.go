package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shomei/pkg/officer"
	"shomei/pkg/page/pagetest"
	"shomei/pkg/warehouse"
)

// consoleName is the console's host, which browsers find on this machine.
const consoleName = "console.localhost"

// approvals is a separated centre at whose console officers approve, by TLS.
type approvals struct {
	*apart
	console string
	tab     *pagetest.Browser
}

func newApprovals(t *testing.T) *approvals {
	t.Helper()
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	made := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{consoleName}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err2 := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	private, err3 := x509.MarshalPKCS8PrivateKey(key)
	certificate, err4 := x509.ParseCertificate(der)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &approvals{console: "https://" + consoleName + ":" + port}
	a.apart = worldApart(t, opening, fmt.Sprintf("console = \"127.0.0.1:%s\"\n", port), fmt.Sprintf(
		"[sign_in]\nname = %q\ncertificate = %q\nkey = %q\n", consoleName, filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")))
	a.tab = pagetest.Open(t, 1280, 900, certificate)
	return a
}

// invite appoints an officer, and returns the code of an invitation.
func (a *approvals) invite(code, role string) string {
	a.t.Helper()
	if exit, said := a.c.shomei(a.t, "officer", "enrol", office, code, "--role", role, "--officer", "0042"); exit != 0 {
		a.t.Fatalf("enrolling officer %s: %d %s", code, exit, said)
	}
	exit, said := a.c.shomei(a.t, "officer", "invite", office, code, "--officer", "0042")
	secret := regexp.MustCompile(`[A-Z2-7]{5}(-[A-Z2-7]{5}){3}`).FindString(said)
	if exit != 0 || secret == "" {
		a.t.Fatalf("inviting officer %s: %d %s", code, exit, said)
	}
	return secret
}

func (a *approvals) click(selector string) {
	a.t.Helper()
	a.tab.Wait(a.t, chromedp.Click(chromedp.CSS(selector)))
}

// see waits for a text on the console's page.
func (a *approvals) see(text string) {
	a.t.Helper()
	page := ""
	poll(a.t, "the page to say "+text, func() bool {
		page = a.tab.Ask(a.t, `document.body ? location.pathname + " " + document.body.innerText : ""`)
		return strings.Contains(page, text)
	}, func() string {
		return fmt.Sprintf("%s\nconsole: %s\nra: %s", page, a.services["console"].tail(), a.services["ra"].tail())
	})
}

// open opens a page of the console until what is to be on it is there: the console may have to hear of it first.
func (a *approvals) open(path, selector string) {
	a.t.Helper()
	poll(a.t, "the console to show "+selector, func() bool {
		a.tab.Visit(a.t, a.console+path)
		return a.tab.Ask(a.t, fmt.Sprintf(`document.querySelector(%q) ? "there" : ""`, selector)) == "there"
	}, func() string { return a.tab.Ask(a.t, `document.body?.innerText ?? ""`) })
}

// clerk enrols a program's key for a clerk at the counter.
func (a *approvals) clerk(code string) *officer.SoftKey {
	a.t.Helper()
	key := officer.NewSoftKey()
	a.k.must("POST", "/api/enrol", map[string]any{
		"officer": code, "code": a.invite(code, "clerk"), "credential": key.Passkey().Credential, "public_key": key.Passkey().PublicKey,
	}, nil)
	return key
}

// TestAnApprovalAtTheConsoleIsCarriedOutByTheRA has a clerk ask at the counter for what takes two, and an approver sign at the console,
// which is one program, while the registration authority, which carries it out, is another: it is killed in between.
func TestAnApprovalAtTheConsoleIsCarriedOutByTheRA(t *testing.T) {
	t.Parallel()
	a := newApprovals(t)
	code, key := a.invite("018", "approver"), a.clerk("017")
	child := person{"00000000321", "証明　次郎", opening.AddDate(-12, -1, 0).Format(time.DateOnly), "千葉県山武市殿台296番地", ""}
	a.k.make("CARD-321")
	procedure := "7e0f2d34-5a1b-4c6d-8e9f-000000000321"
	a.sign(key, "/api/applications", application(child, procedure, "issue", map[string]any{
		"kinds": []string{"sign"}, "special_circumstances": "海外の学校の入学試験", "contact": map[string]any{},
	}))
	a.tab.PlugIn(t)
	a.open("/enrol", "#code")
	a.tab.Wait(t, chromedp.SetValue(chromedp.CSS("#officer"), "018"), chromedp.SetValue(chromedp.CSS("#code"), code))
	a.click("form[action='/enrol'] button")
	a.see("この画面に登録しました")
	a.open("/sign-in", "form[action='/sign-in'] button")
	a.click("form[action='/sign-in'] button")
	a.see("018 としてサインインしています")

	a.open("/approvals", "table a")
	a.see("特別の事情")
	a.services["ra"].kill()
	a.click("table a")
	a.see("特別の事情")
	a.opened(child.name)
	a.click("form[action$='/decide'] button:not(.second)")
	a.see("承認を記録しました")
	a.k.drive(procedure, "done")
	var got []warehouse.Certificate
	poll(t, "the tables to have the certificate", func() bool {
		got = a.c.certificates(a.c.subscriber(child.code))
		return len(got) == 1 && got[0].Status == "valid"
	}, func() string { return fmt.Sprintf("%+v", got) })
	a.c.whole()
}

// opened opens what waits, with a touch for each try: the registration authority may be starting.
func (a *approvals) opened(name string) {
	a.t.Helper()
	poll(a.t, "the act to be opened", func() bool {
		if strings.Contains(a.tab.Ask(a.t, `document.body?.innerText ?? ""`), name) {
			return true
		}
		if a.tab.Ask(a.t, `document.querySelector("form[action$='/open'] button:enabled") ? "there" : ""`) == "there" {
			a.click("form[action$='/open'] button")
		}
		return false
	}, func() string {
		return a.tab.Ask(a.t, `document.body?.innerText ?? ""`) + string(a.services["ra"].tail())
	})
}

// sign posts what an officer signs with a program's key.
func (a *approvals) sign(key *officer.SoftKey, path string, body any) {
	a.t.Helper()
	var waits struct {
		Act       string `json:"act"`
		Challenge []byte `json:"challenge"`
	}
	poll(a.t, "the counter to believe the clerk's key", func() bool {
		var r *refused
		err := a.k.try("POST", path+"?sign=1", body, &waits)
		if err == nil {
			response, err := key.Respond(waits.Challenge)
			if err != nil {
				a.t.Fatal(err)
			}
			err = a.k.try("POST", "/api/acts/"+waits.Act, rawJSON(response), nil)
			return err == nil
		}
		if errors.As(err, &r) && r.status != 403 {
			a.t.Fatal(err)
		}
		return false
	}, func() string { return string(a.k.tail()) })
}

// rawJSON is sent as it is.
type rawJSON []byte

// MarshalJSON implements json.Marshaler.
func (j rawJSON) MarshalJSON() ([]byte, error) { return j, nil }
