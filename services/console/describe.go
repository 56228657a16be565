package console

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"shomei/pkg/page"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// describe serves the API's description (OpenAPI 3.1), made from the very table by which it is served.
func (c *Console) describe(w http.ResponseWriter, r *http.Request) {
	c.write(w, r, http.StatusOK, "application/vnd.oai.openapi+json;version=3.1", c.description(page.LanguageOf(r)))
}

func (c *Console) description(lang page.Language) *huma.OpenAPI {
	say := func(key string) string { return c.pages.Say(lang, key) }
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	api := &huma.OpenAPI{
		OpenAPI:    "3.1.0",
		Info:       &huma.Info{Title: say("api.title"), Version: "1", Description: say("api.lead")},
		Paths:      map[string]*huma.PathItem{},
		Components: &huma.Components{Schemas: schemas},
	}
	wrong := &huma.Response{Description: say("api.wrong"), Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: schemas.Schema(reflect.TypeFor[problem](), true, "problem")},
	}}
	for _, e := range c.endpoints() {
		op := &huma.Operation{
			OperationID: strings.ReplaceAll(e.path, "/", "-"), Summary: say(titleOf(e)), Method: http.MethodGet, Path: "/api/" + e.path,
			Responses: map[string]*huma.Response{"200": answers(e, schemas, say), "304": {Description: say("api.same")}, "default": wrong},
		}
		for _, name := range e.known() {
			op.Parameters = append(op.Parameters, parameterOf(e, name, say))
		}
		api.Paths[op.Path] = &huma.PathItem{Get: op}
	}
	return api
}

// answers describes what an endpoint answers: its envelope, or a file.
func answers(e endpoint, schemas huma.Registry, say func(string) string) *huma.Response {
	content := map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"schema_version", "freshness", "data"}, Properties: map[string]*huma.Schema{
			"schema_version": {Type: huma.TypeInteger},
			"freshness":      schemas.Schema(reflect.TypeFor[freshness](), true, "freshness"),
			"data":           schemas.Schema(reflect.TypeOf(e.answer), true, "data"),
		},
	}}}
	if e.sheet != nil {
		for _, f := range sheet.Formats {
			content[f.MediaType()] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
		}
	}
	return &huma.Response{Description: say(titleOf(e)), Content: content}
}

// parameterOf describes a parameter.
func parameterOf(e endpoint, name string, say func(string) string) *huma.Param {
	p := &huma.Param{Name: name, In: "query", Description: say(meaning(name)), Schema: &huma.Schema{Type: huma.TypeString}}
	switch name {
	case "q":
		p.Required = true
	case "at", "from", "to", "known":
		p.Schema.Format = "date"
	case "limit":
		p.Schema = &huma.Schema{Type: huma.TypeInteger, Minimum: new(1.0), Maximum: new(float64(maxRows)), Default: defaultRows}
	case "format":
		p.Schema.Enum = []any{"json", string(sheet.CSV), string(sheet.XLSX), string(sheet.Parquet)}
	case "lang":
		p.Schema.Enum = []any{string(page.Japanese), string(page.English)}
	case "per":
		p.Schema.Enum = wordsOf(warehouse.Periods())
		if e.visits {
			p.Schema.Enum = wordsOf(visitPeriods)
		}
	case "level":
		p.Schema.Enum = wordsOf(levels)
	case "by":
		items := &huma.Schema{Type: huma.TypeString, Enum: wordsOf(e.report.All())}
		p.Schema, p.Style, p.Explode = &huma.Schema{Type: huma.TypeArray, Items: items}, "form", new(false)
	}
	return p
}

func wordsOf(words []string) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = word
	}
	return all
}

// meaning returns the key of what a parameter means.
func meaning(name string) string {
	switch name {
	case "at", "lang", "q", "by", "per", "level", "from", "to", "known", "limit", "cursor", "format":
		return "api.parameter." + name
	}
	return "report.by." + name
}

// describedEndpoint is one question on the page that describes them.
type describedEndpoint struct {
	Path, Text string
	Table      page.Table
}

// described is the data of the page that describes the API.
type described struct {
	Endpoints []describedEndpoint
	// SignIn: programs need a token. Token is one that has just been made.
	SignIn bool
	Token  string
}

// serveDescription serves the description for readers.
func (c *Console) serveDescription(w http.ResponseWriter, r *http.Request) {
	c.showDescription(w, r, http.StatusOK, "", "")
}

// showDescription shows the page that describes the API, with a token that was made or what went wrong.
func (c *Console) showDescription(w http.ResponseWriter, r *http.Request, status int, token, wrong string) {
	var all []describedEndpoint
	for _, e := range c.endpoints() {
		one := describedEndpoint{Path: "/api/" + e.path, Text: c.say(r, titleOf(e)), Table: page.Table{
			Caption: c.say(r, "api.parameters", "/api/"+e.path),
			Columns: []page.Column{{Label: c.say(r, "api.parameter"), Short: true}, {Label: c.say(r, "api.meaning")}},
		}}
		for _, name := range e.known() {
			one.Table.Rows = append(one.Table.Rows, []page.Cell{{Text: name}, {Text: c.say(r, meaning(name))}})
		}
		all = append(all, one)
	}
	show := page.View{Title: "api.title", Data: described{all, c.site != nil, token}}
	if wrong != "" {
		show.Errors = []page.FieldError{{Text: c.say(r, wrong)}}
	}
	c.render(w, r, status, "api", show)
}
