// Package pagetest judges pages in a real browser: Chromium renders them, axe-core checks WCAG 2.2 A and AA. Imported
// by tests only.
package pagetest

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// axePath is where npm puts axe-core, below the module's root.
const axePath = "deploy/node/node_modules/axe-core/axe.min.js"

// patience limits one look at a page.
const patience = time.Minute

// Browser is one tab of Chromium, which closes with its test. Actions of chromedp run in its Context.
type Browser struct {
	Context context.Context
	axe     string
	mu      sync.Mutex
	said    []string // errors in the browser's console since the last look
}

// Open starts Chromium, which believes some certificates of a test's own besides those of the world. Without it, or without
// axe-core, the test fails and says what to install.
func Open(t testing.TB, width, height int, own ...*x509.Certificate) *Browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("no chromium: run make deps-test")
	}
	axe, err := os.ReadFile(upwards(t, axePath))
	if err != nil {
		t.Fatalf("no axe-core: run make assets (%v)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.WindowSize(width, height), chromedp.Flag("lang", "ja"))
	for _, c := range own {
		key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])))
	}
	var failed error
	for range 3 { // now and then Chromium crashes while it starts
		b := &Browser{axe: string(axe)}
		if failed = b.start(t, width, height, options); failed == nil {
			return b
		}
	}
	t.Fatalf("starting chromium: %v", failed)
	return nil
}

func (b *Browser) start(t testing.TB, width, height int, options []chromedp.ExecAllocatorOption) error {
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endTab := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	t.Cleanup(func() { endTab(); endAllocator() })
	b.Context = ctx
	return chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height)), inFront())
}

// inFront makes the page believe that its window has the focus, as a reader's has: without a screen some Chromiums give
// it to nobody, and then no element matches :focus.
func inFront() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
}

// PlugIn gives the browser a security key with passkeys of its own, which is touched by itself and has verified its user, until
// the returned function takes it away.
func (b *Browser) PlugIn(t testing.TB) (takeAway func()) {
	t.Helper()
	var key webauthn.AuthenticatorID
	err := chromedp.Do(b.Context, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		added, err := cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb, HasResidentKey: true,
				HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			},
		})
		key = added.AuthenticatorID
		return err
	}))
	if err != nil {
		t.Fatalf("plugging in a security key: %v", err)
	}
	return func() {
		t.Helper()
		err := chromedp.Do(b.Context, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: key})
			return err
		}))
		if err != nil {
			t.Fatalf("taking the security key away: %v", err)
		}
	}
}

// upwards finds a file in the working directory or above.
func upwards(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil || dir == filepath.Dir(dir) {
			return filepath.Join(dir, name)
		}
		dir = filepath.Dir(dir)
	}
}

// listen records what the console calls an error: refused by the page's policy, not found, thrown.
func (b *Browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.said = append(b.said, "console: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "script: "+e.ExceptionDetails.Text)
	}
}

// Visit opens a page, waits until it is loaded and runs the actions.
func (b *Browser) Visit(t testing.TB, url string, then ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	b.navigate(t, url)
	b.Wait(t, then...)
}

// navigate opens a page, retrying once if the current page reloaded itself at that very moment.
func (b *Browser) navigate(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Navigate(url))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "net::ERR_ABORTED") {
			t.Fatalf("opening %s in the browser: %v", url, err)
		}
	}
}

// Wait runs actions in the current page, for a minute at most; anew if the page was redrawn between finding an element and using it.
func (b *Browser) Wait(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, steps...)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "Could not find node with given id") {
			t.Fatalf("in the browser: %v", err)
		}
	}
}

// Ask evaluates a JavaScript expression whose value is a text in the current page, and again if that page has reloaded
// itself meanwhile.
func (b *Browser) Ask(t testing.TB, expression string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	for {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
		if err == nil {
			return text
		}
		if !strings.Contains(err.Error(), "Inspected target navigated") {
			t.Fatalf("asking the page: %v", err)
		}
	}
}

// judge runs axe-core on WCAG 2.2 A and AA and its own best practices.
const judge = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
	JSON.stringify(r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + v.help + " at " + n.target.join(" ")))))`

// Violations judges the current page and returns what axe-core found, and what the browser's console called an error
// since the last call.
func (b *Browser) Violations(t testing.TB) []string {
	t.Helper()
	b.Ask(t, b.axe+`; "loaded"`)
	var found []string
	if err := json.Unmarshal([]byte(b.Ask(t, judge)), &found); err != nil {
		t.Fatalf("reading axe's answer: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found = append(found, b.said...)
	b.said = nil
	return found
}

// Screenshot writes the whole page as PNG into the test's artifact folder,
// where one is kept (go test -artifacts -outputdir DIR).
func (b *Browser) Screenshot(t *testing.T, name string) {
	t.Helper()
	if kept := flag.Lookup("test.artifacts"); kept == nil || kept.Value.String() != "true" {
		return
	}
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatalf("taking a picture: %v", err)
	}
	path := filepath.Join(t.ArtifactDir(), strings.ReplaceAll(name, "/", "-")+".png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		t.Fatalf("keeping the picture: %v", err)
	}
}
