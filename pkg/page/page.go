// Package page is the common look of Shomei's pages: a layout on the Digital Agency's design tokens, tables, an error
// summary, Japanese first and English by switch, and a browser policy under which no page loads anything from another
// host or runs inline script. Services bring their own templates and words; nothing here knows about certificates.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed layout/*.html
var layouts embed.FS

// Set holds a service's pages, parsed once for each language.
type Set struct {
	words Catalogue
	note  string
	pages map[Language]map[string]*template.Template
}

// View is what one page shows.
type View struct {
	// Title is the catalogue key of the page's title, which names the task first.
	Title string
	// Errors come first on the page, each linked to its field.
	Errors []FieldError
	// Scripts are file names under /assets/, loaded deferred ("vendor/htmx.min.js", "live.js").
	Scripts []string
	// Lang is the page's language, overriding the request's (LanguageOf).
	Lang Language
	// ReloadAfter, if set, makes a browser without script load the page at Reload after that time.
	ReloadAfter time.Duration
	Reload      string
	// Bare pages have no links to the others: they are on a screen of their own.
	Bare bool
	// User is who is signed in, for the service's own "navigation".
	User any
	// Data is .Data in the service's own template.
	Data any
}

// FieldError is one line of the error summary.
type FieldError struct {
	// Field is the id of the element to link to; "" for an error of the whole form.
	Field string
	// Text is already in the reader's language.
	Text string
}

// Table is a table with a caption and headed columns, drawn by {{template "table" .}}.
type Table struct {
	// ID, if set, lets a chart find its table (ECharts draws from the very rows shown).
	ID      string
	Caption string
	Columns []Column
	Rows    [][]Cell
	// Empty is shown if there are no rows.
	Empty string
}

// Column heads one column.
type Column struct {
	Label   string
	Numeric bool // right-aligned
	Series  bool // drawn if a chart names the table
	Short   bool // never broken over lines: days, numbers, single words
	Band    Band // what it is of a band, drawn if a chart names the table
}

// Band is a column's part in a band of what may come.
type Band string

// The parts of a band.
const (
	Low    Band = "low"
	Middle Band = "middle"
	High   Band = "high"
)

// Cell is one field; with Href it is a link, and with More there is something Folded away under that name.
type Cell struct {
	Text         string
	Href         string
	More, Folded string
}

// Note has every page begin with a phrase of the catalogue.
func (s *Set) Note(key string) { s.note = key }

// shown is the data of the layout's templates.
type shown struct {
	View
	Note     string
	Lang     Language
	OtherURL string
	Partial  bool
}

// New parses every *.html of files, each of which defines "content" and may define its own partials; those in files
// named _*.html are common to all pages. Words that a template uses in {{t "key"}} and the catalogue lacks, and words
// without one of their two texts, are errors, all reported at once.
func New(files fs.FS, words Catalogue) (*Set, error) {
	words = words.with(LayoutWords)
	if err := words.complete(); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("listing pages: %w", err)
	}
	set := &Set{words: words, pages: map[Language]map[string]*template.Template{}}
	var wrong []error
	for _, lang := range Languages {
		set.pages[lang] = map[string]*template.Template{}
		for _, name := range names {
			if strings.HasPrefix(path.Base(name), sharedPrefix) {
				continue
			}
			page, err := parsePage(files, name, lang, words)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			set.pages[lang][strings.TrimSuffix(path.Base(name), ".html")] = page
		}
	}
	return set, errors.Join(wrong...)
}

// sharedPrefix is the prefix of files whose partials are common to all pages.
const sharedPrefix = "_"

func parsePage(files fs.FS, name string, lang Language, words Catalogue) (*template.Template, error) {
	page := template.New("layout").Funcs(template.FuncMap{
		"t":    func(key string, args ...any) (string, error) { return words.say(lang, key, args...) },
		"dict": dict,
	})
	page, err := page.ParseFS(layouts, "layout/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the layout: %w", err)
	}
	shared, err := fs.Glob(files, sharedPrefix+"*.html")
	if err != nil {
		return nil, fmt.Errorf("listing partials: %w", err)
	}
	if page, err = page.ParseFS(files, append(shared, name)...); err != nil {
		return nil, fmt.Errorf("parsing page %s: %w", name, err)
	}
	return page, words.coversTemplates(name, page)
}

// dict lets a template pass several values to another: {{template "x" dict "a" 1 "b" 2}}.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict needs pairs of key and value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// Say returns the text of a key in the reader's language, for titles, cells and errors made in Go. It returns an
// unknown key as it is.
func (s *Set) Say(lang Language, key string, args ...any) string {
	text, err := s.words.say(lang, key, args...)
	if err != nil {
		return key
	}
	return text
}

// Render writes the page of that name with the status, in the language of the view or else of the request. An htmx
// request (HX-Request) gets the content alone, without the layout. Nothing is written if the template fails.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, name string, view View) error {
	lang := cmp.Or(view.Lang, LanguageOf(r))
	page, ok := s.pages[lang][name]
	if !ok {
		return fmt.Errorf("no page named %q", name)
	}
	partial := r.Header.Get("HX-Request") == "true"
	root := "layout"
	if partial {
		root = "partial"
	}
	var out bytes.Buffer
	err := page.ExecuteTemplate(&out, root, shown{View: view, Note: s.note, Lang: lang, OtherURL: otherURL(r.URL, lang), Partial: partial})
	if err != nil {
		return fmt.Errorf("rendering page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Cookie, HX-Request")
	w.WriteHeader(status)
	_, err = out.WriteTo(w)
	return err
}

// Fragment renders one named partial of a page, for server-sent events.
func (s *Set) Fragment(lang Language, name, partial string, data any) (string, error) {
	page, ok := s.pages[lang][name]
	if !ok {
		return "", fmt.Errorf("no page named %q", name)
	}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, partial, data); err != nil {
		return "", fmt.Errorf("rendering %s of page %s: %w", partial, name, err)
	}
	return out.String(), nil
}

// otherURL returns the same URL in the other language: the URL holds the whole state.
func otherURL(u *url.URL, lang Language) string {
	query := u.Query()
	query.Set("lang", string(lang.Other()))
	return u.EscapedPath() + "?" + query.Encode()
}
