package page

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

var words = Catalogue{
	"desk.title": {"更新の受付", "Accept a renewal"},
	"desk.left":  {"残り%d回", "%d tries left"},
}

func file(text string) fstest.MapFS { return fstest.MapFS{"desk.html": {Data: []byte(text)}} }

func desk(t *testing.T) *Set {
	t.Helper()
	set, err := New(file(`{{define "content"}}<p id="left">{{t "desk.left" .Data.Tries}}</p>{{template "table" .Data.Table}}{{end}}{{define "live"}}<b>{{.}}</b>{{end}}`), words)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var sample = View{Title: "desk.title", Data: map[string]any{"Tries": 2, "Table": Table{
	ID: "rows", Caption: "一覧", Columns: []Column{{Label: "番号"}, {Label: "件数", Numeric: true}},
	Rows: [][]Cell{{{Text: "1", Href: "/s/1"}, {Text: "<b>2"}}}, Empty: "なし",
}}}

func get(t *testing.T, set *Set, target string, change func(*http.Request), view View) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	if err := set.Render(w, r, http.StatusOK, "desk", view); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	english := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "lang", Value: "en"}) }
	tests := map[string]struct {
		target string
		change func(*http.Request)
		want   string
		other  string
	}{
		"japanese unless asked":      {"/desk?a=1", nil, "残り2回", `href="/desk?a=1&amp;lang=en"`},
		"asked in the address":       {"/desk?lang=en", nil, "2 tries left", `href="/desk?lang=ja"`},
		"remembered":                 {"/desk", english, "2 tries left", `href="/desk?lang=ja"`},
		"the address beats a cookie": {"/desk?lang=ja", english, "残り2回", `href="/desk?lang=en"`},
		"an unknown language":        {"/desk?lang=xx", nil, "残り2回", `href="/desk?lang=en"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := get(t, desk(t), test.target, test.change, sample).Body.String()
			for _, want := range []string{test.want, test.other} {
				if !strings.Contains(body, want) {
					t.Errorf("no %s in\n%s", want, body)
				}
			}
		})
	}
}

func TestLayoutPutsErrorsFirstAndEscapes(t *testing.T) {
	view := sample
	view.Errors = []FieldError{{Field: "pin", Text: "暗証番号を入力してください"}, {Text: "回線が切れています"}}
	body := get(t, desk(t), "/desk", nil, view).Body.String()
	for _, want := range []string{
		`<a href="#pin">暗証番号を入力してください</a>`, `<li>回線が切れています</li>`, `<html lang="ja">`, `href="#main"`,
		`<th scope="row"><a href="/s/1">1</a></th><td class="number">&lt;b&gt;2</td>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if errors, title := strings.Index(body, `role="alert"`), strings.Index(body, "<h1>"); errors < 0 || errors > title {
		t.Error("the error summary does not come before the heading")
	}
}

func TestHtmxGetsTheContentAlone(t *testing.T) {
	body := get(t, desk(t), "/desk", func(r *http.Request) { r.Header.Set("HX-Request", "true") }, sample).Body.String()
	if strings.Contains(body, "<html") || !strings.Contains(body, "残り2回") {
		t.Errorf("got %s", body)
	}
	fragment, err := desk(t).Fragment(Japanese, "desk", "live", "<x>")
	if err != nil || fragment != "<b>&lt;x&gt;</b>" {
		t.Errorf("got %q, %v", fragment, err)
	}
}

func TestNewNamesEveryMissingPhrase(t *testing.T) {
	tests := map[string]struct {
		page  string
		words Catalogue
		want  []string
	}{
		"asked for and absent": {
			`{{define "content"}}{{if .Data}}{{t "no.one"}}{{else}}{{range .Data}}{{t "no.two" 1}}{{end}}{{end}}{{end}}`, words,
			[]string{`"no.one"`, `"no.two"`, "desk.html"},
		},
		"without english":      {`{{define "content"}}{{end}}`, Catalogue{"half": {JA: "半分"}}, []string{`"half" lacks a language`}},
		"different arguments":  {`{{define "content"}}{{end}}`, Catalogue{"odd": {"%d回", "times"}}, []string{`"odd" takes different arguments`}},
		"template that breaks": {`{{define "content"}}{{if}}{{end}}`, words, []string{"parsing page desk.html"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(file(test.page), test.words)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, which does not say %s", err, want)
				}
			}
		})
	}
}

func TestRenderWritesNothingWhenThePageFails(t *testing.T) {
	w := httptest.NewRecorder()
	view := View{Title: "desk.title", Data: map[string]any{"Table": 3}}
	if err := desk(t).Render(w, httptest.NewRequest("GET", "/", nil), 200, "desk", view); err == nil || w.Body.Len() > 0 {
		t.Errorf("got %v and %d bytes", err, w.Body.Len())
	}
}

func TestProtect(t *testing.T) {
	reached := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") })
	handler := Protect(reached, "127.0.0.1", "localhost", "::1")
	tests := map[string]struct {
		method, host string
		header       map[string]string
		want         int
	}{
		"own page":              {"GET", "127.0.0.1:8080", nil, 200},
		"own form":              {"POST", "localhost:8080", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"IPv6":                  {"GET", "[::1]:8080", nil, 200},
		"form of another site":  {"POST", "localhost:8080", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"foreign origin":        {"POST", "localhost:8080", map[string]string{"Origin": "https://evil.example"}, 403},
		"rebound name":          {"GET", "evil.example:8080", nil, 421},
		"no name":               {"GET", "", nil, 421},
		"link of another site":  {"GET", "localhost:8080", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		"frame of another site": {"GET", "localhost:8080", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		"fetch of another port": {"GET", "localhost:8080", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "http://"+test.host+"/?lang=en", nil)
			for k, v := range test.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("got %d, want %d", w.Code, test.want)
			}
			csp := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
			remembered := strings.HasPrefix(w.Header().Get("Set-Cookie"), "lang=en;")
			if want := test.method == "GET" && test.want == 200; remembered != want {
				t.Errorf("language remembered: %t, want %t", remembered, want)
			}
		})
	}
}

func TestAssetsAreServedOnceAndOnlyFromHere(t *testing.T) {
	if missing := Missing(); len(missing) > 0 {
		t.Fatalf("this build lacks %v; run make assets", missing)
	}
	for _, name := range append([]string{"shomei.css", "chart.js", "errors.js", "live.js"}, vendored...) {
		w := httptest.NewRecorder()
		Assets().ServeHTTP(w, httptest.NewRequest("GET", "/assets/"+name, nil))
		tag := w.Header().Get("ETag")
		if w.Code != 200 || tag == "" || w.Body.Len() == 0 {
			t.Fatalf("%s: %d, tag %q", name, w.Code, tag)
		}
		r := httptest.NewRequest("GET", "/assets/"+name, nil)
		r.Header.Set("If-None-Match", tag)
		again := httptest.NewRecorder()
		Assets().ServeHTTP(again, r)
		if again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.Code)
		}
	}
	for _, name := range []string{"", "vendor/", "../page.go", "nothing.js"} {
		w := httptest.NewRecorder()
		Assets().ServeHTTP(w, httptest.NewRequest("GET", "/assets/"+name, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
}
