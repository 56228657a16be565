package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/pkg/sheet"
)

const queryHelp = `集計画面のAPIに尋ね、表・CSV・JSON・XLSX・Parquet で受け取ります。項目は「名前=値」で並べます。知らない項目や場所は、近いものを添えた誤りになります。
何を尋ねられるかは、名前なしの shomei query か、集計画面の /api で。サインインの要る集計画面では、/api で作った鍵を環境変数
SHOMEI_CONSOLE_TOKEN に入れます。
Asks the console's API and gets a table, CSV, JSON, XLSX or Parquet. Parameters are given as name=value; an unknown parameter or place is an
error that names the nearest one. What can be asked: shomei query without a name, or /api on the console. A console
with sign-in wants a token, made at /api, in the environment variable SHOMEI_CONSOLE_TOKEN.`

const queryExample = `  shomei query
  shomei query issued by=kind,operation per=month prefecture=12
  shomei query ends by=reason from=2026-04-01 to=2026-06-30 known=2026-07-10
  shomei query refusals by=rule office=12237-main --format xlsx > refusals.xlsx`

// tokenVariable is the environment variable with the token for a console at which officers sign in.
const tokenVariable = "SHOMEI_CONSOLE_TOKEN"

// queryWait is how long the console may take to begin its answer.
const queryWait = 2 * time.Minute

// queryCommand asks the console what programs can ask.
func (a *app) queryCommand() *cobra.Command {
	var console, format string
	cmd := &cobra.Command{
		Use: "query [name [parameter=value ...]]", Short: "集計画面に尋ねる (ask the console)", Long: queryHelp, Example: queryExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := query{console: console, lang: a.Lang, out: cmd.OutOrStdout()}
			if len(args) == 0 {
				return ask.list(cmd.Context())
			}
			values := url.Values{}
			for _, arg := range args[1:] {
				name, value, ok := strings.Cut(arg, "=")
				if !ok || name == "" {
					return cli.Usage("%q: parameters are written name=value, such as by=kind", arg)
				}
				values.Add(name, value)
			}
			return ask.report(cmd.Context(), args[0], format, values)
		},
	}
	cmd.Flags().StringVar(&console, "console", "http://localhost:8471", "集計画面の場所 (where the console is)")
	cmd.Flags().StringVar(&format, "format", "table", "table, csv, json, xlsx, parquet")
	return cmd
}

// query is a client of the console's API.
type query struct {
	console, lang string
	out           io.Writer
}

// list prints what can be asked, by the console's own description.
func (q query) list(ctx context.Context) error {
	body, err := q.get(ctx, "/api/openapi.json", url.Values{})
	if err != nil {
		return err
	}
	defer body.Close()
	var description struct {
		Paths map[string]struct {
			Get struct {
				Summary    string                  `json:"summary"`
				Parameters []struct{ Name string } `json:"parameters"`
			} `json:"get"`
		} `json:"paths"`
	}
	if err := json.NewDecoder(body).Decode(&description); err != nil {
		return fmt.Errorf("reading the description of the console's API: %w", err)
	}
	t := table.NewWriter()
	t.SetOutputMirror(q.out)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 80, WidthMaxEnforcer: wrapAtCommas}})
	t.AppendHeader(table.Row{"name", "", "parameters"})
	var rows []table.Row
	for path, at := range description.Paths {
		var names []string
		for _, p := range at.Get.Parameters {
			names = append(names, p.Name)
		}
		rows = append(rows, table.Row{strings.TrimPrefix(strings.TrimPrefix(path, "/api/"), "reports/"), at.Get.Summary, strings.Join(names, ", ")})
	}
	slices.SortFunc(rows, func(a, b table.Row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	t.AppendRows(rows)
	t.Render()
	return nil
}

// plain are the endpoints that are no reports.
var plain = []string{"status", "expiries", "visits", "history"}

// report asks one question.
func (q query) report(ctx context.Context, name, format string, values url.Values) error {
	path := "/api/reports/" + url.PathEscape(name)
	if slices.Contains(plain, name) {
		path = "/api/" + name
	}
	asTable := format == "table"
	switch {
	case asTable && name == "history":
		format, asTable = "json", false // it is no table
	case asTable:
		format = string(sheet.CSV)
	case format != "json" && !slices.Contains(sheet.Formats, sheet.Format(format)):
		return cli.Usage("--format %q: use table, csv, json, xlsx or parquet", format)
	}
	values.Set("format", format)
	if name == "history" {
		values.Del("format")
	}
	body, err := q.get(ctx, path, values)
	if err != nil {
		return err
	}
	defer body.Close()
	if asTable {
		return q.tabulate(body)
	}
	if _, err := io.Copy(q.out, body); err != nil {
		return fmt.Errorf("the console's answer broke off: %w", err)
	}
	return nil
}

// tabulate prints a CSV answer, the heading first.
func (q query) tabulate(body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("the console's answer broke off: %w", err)
	}
	head, rows, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n\r\n"))
	for _, part := range [][]byte{head, rows} {
		r := csv.NewReader(bytes.NewReader(part))
		r.FieldsPerRecord = -1
		lines, err := r.ReadAll()
		if err != nil {
			return fmt.Errorf("reading the console's answer: %w", err)
		}
		t := table.NewWriter()
		t.SetOutputMirror(q.out)
		for i, line := range lines {
			row := make(table.Row, len(line))
			for j, field := range line {
				row[j] = field
			}
			if i == 0 && &part[0] == &rows[0] {
				t.AppendHeader(row)
			} else {
				t.AppendRow(row)
			}
		}
		t.Render()
	}
	return nil
}

// get asks the console. What it refuses is the misuse of a command, with its own words for what to do.
func (q query) get(ctx context.Context, path string, values url.Values) (io.ReadCloser, error) {
	base, err := url.Parse(q.console)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, cli.Usage("--console %q: write it like http://localhost:8471", q.console)
	}
	values.Set("lang", q.lang)
	target := base.JoinPath(path)
	target.RawQuery = values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking the console: %w", err)
	}
	if token := os.Getenv(tokenVariable); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{
		Transport:     &http.Transport{Proxy: nil, ResponseHeaderTimeout: queryWait},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, cli.Exit(cli.Unreachable, fmt.Errorf("the console does not answer at %s: %w; is shomei running?", base, err))
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, turnedDown(answer)
}

// turnedDown says why the console gave no answer.
func turnedDown(answer *http.Response) error {
	var problem struct{ Title, Detail string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&problem); err != nil || problem.Detail == "" {
		problem.Detail = answer.Status
	}
	cause := errors.New("the console: " + problem.Detail)
	switch {
	case answer.StatusCode == http.StatusBadRequest, answer.StatusCode == http.StatusNotFound:
		return cli.Exit(cli.Misuse, cause)
	case answer.StatusCode >= http.StatusInternalServerError:
		return cli.Exit(cli.TryLater, cause)
	}
	return cause
}
