package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/pkg/page"
	"shomei/pkg/page/pagetest"
)

// TestTheJudgeObjectsToABadPage comes first: a judge that never objects proves nothing.
func TestTheJudgeObjectsToABadPage(t *testing.T) {
	const bad = `<!DOCTYPE html><html><body><img src="data:,"><input><p style="color:#ccc;background:#fff">grey on white</p></body></html>`
	server := httptest.NewServer(page.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(bad + `<script>document.title = "inline"</script>`))
	})))
	defer server.Close()
	browser := pagetest.Open(t, 800, 600)
	browser.Visit(t, server.URL)
	found := strings.Join(browser.Violations(t), "\n")
	for _, want := range []string{"image-alt", "html-has-lang", "label", "document-title", "inline script"} {
		if !strings.Contains(found, want) {
			t.Errorf("no objection %q in\n%s", want, found)
		}
	}
}

func TestThePageIsAccessibleInABrowser(t *testing.T) {
	if missing := page.Missing(); len(missing) > 0 {
		t.Fatalf("this build lacks %v; run make assets", missing)
	}
	server := httptest.NewServer(open(t))
	defer server.Close()
	wide, narrow := pagetest.Open(t, 1200, 900), pagetest.Open(t, 320, 640)
	for name, target := range map[string]string{
		"now": "/", "history": "/?q=1001", "english": "/?lang=en&q=1001", "empty": "/?at=2020-01-01&lang=ja", "refused": "/?at=tomorrow",
	} {
		t.Run(name, func(t *testing.T) {
			wide.Visit(t, server.URL+target)
			check(t, wide, name)
			narrow.Visit(t, server.URL+target)
			check(t, narrow, name+"-narrow")
			if wider := narrow.Ask(t, `String(document.documentElement.scrollWidth > 320)`); wider != "false" {
				t.Error("the page is wider than 320 px")
			}
		})
	}
}

// TestThePageForSigningInIsAccessible where it is shown to whoever is not signed in.
func TestThePageForSigningInIsAccessible(t *testing.T) {
	s := openStaffed(t)
	server := httptest.NewServer(s.console.Handler())
	defer server.Close()
	browser := pagetest.Open(t, 320, 640)
	for name, target := range map[string]string{"sign-in": "/", "sign-in-english": "/sign-in?lang=en", "enrol": "/enrol?lang=ja", "enrol-english": "/enrol?lang=en"} {
		browser.Visit(t, server.URL+target)
		check(t, browser, name)
		if wider := browser.Ask(t, `String(document.documentElement.scrollWidth > 320)`); wider != "false" {
			t.Errorf("%s is wider than 320 px", name)
		}
		if at := browser.Ask(t, `location.pathname`); at != "/"+strings.TrimSuffix(name, "-english") {
			t.Errorf("%s is shown at %s", name, at)
		}
	}
}

func check(t *testing.T, browser *pagetest.Browser, name string) {
	t.Helper()
	for _, violation := range browser.Violations(t) {
		// The refused page has status 400, which the browser's console calls an error too.
		if !strings.Contains(violation, "status of 400") {
			t.Error(violation)
		}
	}
	browser.Screenshot(t, name)
}

// TestTheChartIsDrawnFromTheTable compares what ECharts was given with the rows on the page.
func TestTheChartIsDrawnFromTheTable(t *testing.T) {
	server := httptest.NewServer(open(t))
	defer server.Close()
	browser := pagetest.Open(t, 1200, 900)
	browser.Visit(t, server.URL+"/", chromedp.WaitVisible(chromedp.CSS(".chart[data-drawn] canvas")))
	drawn := browser.Ask(t, `(() => { const o = echarts.getInstanceByDom(document.querySelector(".chart")).getOption();
		return o.xAxis[0].data.map((m, i) => [m, ...o.series.map(s => s.data[i])].join(",")).join("\n") })()`)
	table := browser.Ask(t, `[...document.querySelectorAll("#expiries tbody tr")].map(r => [...r.cells].slice(0, -1).map(c => c.textContent).join(",")).join("\n")`)
	if drawn != table || strings.Count(table, "\n") < 12 {
		t.Errorf("drawn\n%s\ntable\n%s", drawn, table)
	}
}

// TestHistoryIsReachedByKeyboardAlone: field, number, Enter.
func TestHistoryIsReachedByKeyboardAlone(t *testing.T) {
	server := httptest.NewServer(open(t))
	defer server.Close()
	browser := pagetest.Open(t, 1200, 900)
	browser.Visit(t, server.URL+"/", chromedp.Focus(chromedp.CSS("#q")), chromedp.KeyEvent("1001\r"),
		chromedp.WaitVisible(chromedp.CSS("#history-title")))
	heading := browser.Ask(t, `document.getElementById("history-title").textContent`)
	if !strings.Contains(heading, subscriber(0)) {
		t.Errorf("reached %q", heading)
	}
}
