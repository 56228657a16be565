package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"

	"shomei/pkg/page"
	"shomei/pkg/page/pagetest"
)

// counter is a service in miniature: a form, a live part and the page after it.
// The live part shows a step, and once seen is closed, tries to send the reader
// to another host and then to /done.
func counter(t *testing.T, seen <-chan struct{}) *httptest.Server {
	t.Helper()
	set, err := page.New(fstest.MapFS{
		"desk.html": {Data: []byte(`{{define "content"}}<form method="post" action="/" class="field"><label for="code">{{t "desk.code"}}</label>
			<input id="code" name="code"><button>{{t "desk.go"}}</button></form>
			<div data-live="/live" aria-live="polite"><p id="step">-</p></div>{{end}}{{define "step"}}<b>{{t .}}</b>{{end}}`)},
		"done.html": {Data: []byte(`{{define "content"}}<p id="done">{{t "desk.done"}}</p>{{end}}`)},
	}, page.Catalogue{
		"desk.title": {JA: "受付", EN: "Desk"}, "desk.code": {JA: "番号", EN: "Number"}, "desk.go": {JA: "進む", EN: "Go on"},
		"desk.writing": {JA: "書込み中", EN: "Writing"}, "desk.done": {JA: "完了しました", EN: "Done"}, "desk.wrong": {JA: "番号を入力してください", EN: "Enter the number"},
	})
	if err != nil {
		t.Fatal(err)
	}
	show := func(w http.ResponseWriter, r *http.Request, status int, name string, errors ...page.FieldError) {
		view := page.View{Title: "desk.title", Scripts: []string{"live.js"}, Errors: errors}
		if err := set.Render(w, r, status, name, view); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", page.Assets())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { show(w, r, 200, "desk") })
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		show(w, r, http.StatusUnprocessableEntity, "desk", page.FieldError{Field: "code", Text: set.Say(page.LanguageOf(r), "desk.wrong")})
	})
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, r *http.Request) { show(w, r, 200, "done") })
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		fragment, err := set.Fragment(page.LanguageOf(r), "desk", "step", "desk.writing")
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: step\ndata: %s\n\n", fragment)
		w.(http.Flusher).Flush()
		select {
		case <-seen:
			fmt.Fprint(w, "event: go\ndata: //127.0.0.1:1/\n\nevent: go\ndata: /\\127.0.0.1:1/\n\nevent: go\ndata: /done\n\n")
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(page.Protect(mux))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return server
}

func TestLivePartsShowWhatTheServerSends(t *testing.T) {
	seen := make(chan struct{})
	server := counter(t, seen)
	browser := pagetest.Open(t, 800, 600)
	browser.Visit(t, server.URL+"/", chromedp.WaitVisible(chromedp.CSS("#step b")))
	if step := browser.Ask(t, `document.getElementById("step").innerHTML`); step != "<b>書込み中</b>" {
		t.Errorf("shown: %q", step)
	}
	for _, violation := range browser.Violations(t) {
		t.Error(violation)
	}
	close(seen)
	browser.Wait(t, chromedp.WaitVisible(chromedp.CSS("#done")))
	if at := browser.Ask(t, "location.pathname"); at != "/done" {
		t.Errorf("the reader was sent to %q", at)
	}
}

func TestARefusedFormTakesTheReaderToTheSummary(t *testing.T) {
	server := counter(t, make(chan struct{}))
	browser := pagetest.Open(t, 800, 600)
	browser.Visit(t, server.URL+"/?lang=ja", chromedp.Click(chromedp.CSS("form button")),
		chromedp.WaitVisible(chromedp.CSS(".errors:focus")))
	if link := browser.Ask(t, `document.querySelector(".errors a").hash + " " + document.querySelector(".errors a").textContent`); link != "#code 番号を入力してください" {
		t.Errorf("the summary links to %q", link)
	}
}
