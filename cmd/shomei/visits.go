package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/intake"
)

// asked is where a forecast of visits gets its history: from a file, or from the tables.
type asked struct {
	file, at string
}

func (s *asked) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "history", "", "CSV のファイルから学ぶ。- は標準入力 (learn from a CSV file, - for standard input, instead of the tables; see shomei forecast backtest --help)")
	cmd.Flags().StringVar(&s.at, "at", "", "この日の終わりに知られていたことから予測する (forecast from what was known at the end of this day; default: the last day of the history)")
}

// learn returns a model of what was known at the end of the day asked for.
func (a *app) learn(cmd *cobra.Command, s asked) (*forecast.Model, error) {
	at, err := civil.Parse(s.at)
	if err != nil {
		return nil, cli.Usage("--at: %v", err)
	}
	h, err := a.history(cmd, s.file, at)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = h.Last()
	}
	m, err := forecast.Learn(h, at)
	if errors.Is(err, forecast.ErrShort) {
		return nil, cli.Exit(cli.Failed, fmt.Errorf("%w. %s", err, a.Say("もっと長い履歴を --history で渡すか、あとで試してください。",
			"Give a longer history with --history, or try later.")))
	}
	return m, err
}

// history reads a history from a file or, if none is named, from the tables, as far as it concerns a day.
func (a *app) history(cmd *cobra.Command, file string, at civil.Date) (*forecast.History, error) {
	if file == "" {
		return a.historyOfTables(cmd, at)
	}
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, cli.Usage("--history: %v", err)
		}
		defer f.Close()
		in = f
	}
	h, err := forecast.Read(in)
	if err != nil {
		return nil, cli.Usage("--history %s: %w", file, err)
	}
	return h, nil
}

// forecastVisitsCommand shows how many people will come.
func (a *app) forecastVisitsCommand() *cobra.Command {
	var s asked
	var q forecast.Query
	var to, from string
	var out printing
	cmd := &cobra.Command{
		Use: "visits", Short: "来庁者数の予測 (how many people will come, with 10, 50 and 90 % bands)", Args: cobra.NoArgs,
		Long: `満了・更新期間・通知の予定と、来庁者数の見込みを、過去の来庁から学んで示します。10 と 90 の間に 10 回のうち 8 回は入ります。
Shows certificates that end, windows that open and notices that are due, and how many people are expected, learned from who came before.
Eight times in ten as many come as lie between 10 and 90 %. Sums over offices have bands of their own, which are not sums of bands.

  shomei forecast visits --by week --level office --office 12
  shomei forecast visits --by fiscal-year --level nation --split --to 2028-03-31 --csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, until, err := a.learnUntil(cmd, s, &q, from, to)
			if err != nil {
				return err
			}
			rows, err := m.Forecast(until, forecast.Plan{}).Visits(q)
			if err != nil {
				return a.queryError(err, m)
			}
			return printVisits(cmd.OutOrStdout(), rows, out)
		},
	}
	s.bind(cmd)
	out.bind(cmd)
	bindQuery(cmd, &q, &from, &to)
	flags := cmd.Flags()
	flags.StringVar(&q.By, "by", forecast.ByWeek, "day, week, month, fiscal-year")
	flags.StringVar(&q.Level, "level", forecast.ByOffice, "office, municipality, prefecture, nation")
	flags.StringVar(&q.Kind, "kind", "", "only this kind, such as auth or \"auth sign\" (who holds both)")
	flags.StringVar(&q.Procedure, "procedure", "", "only this procedure, such as renew")
	flags.BoolVar(&q.Split, "split", false, "a row for each kind and procedure")
	return cmd
}

func bindQuery(cmd *cobra.Command, q *forecast.Query, from, to *string) {
	cmd.Flags().StringVar(&q.Place, "office", "", "office id, five-digit municipality code or two-digit prefecture code; default everywhere")
	cmd.Flags().StringVar(from, "from", "", "first day shown; default the day after what is known")
	cmd.Flags().StringVar(to, "to", "", "last day forecast; default 26 weeks on")
}

// Ahead is how far a forecast goes, at most and by default, in days.
const (
	usualAhead = 26 * 7
	mostAhead  = 5 * 366
)

// learnUntil returns a model and the last day asked for, and sets the days of a query.
func (a *app) learnUntil(cmd *cobra.Command, s asked, q *forecast.Query, from, to string) (*forecast.Model, civil.Date, error) {
	var err error
	if q.From, err = civil.Parse(from); err != nil {
		return nil, civil.Date{}, cli.Usage("--from: %v", err)
	}
	if q.To, err = civil.Parse(to); err != nil {
		return nil, civil.Date{}, cli.Usage("--to: %v", err)
	}
	m, err := a.learn(cmd, s)
	if err != nil {
		return nil, civil.Date{}, err
	}
	until := q.To
	if until.IsZero() {
		until = m.At().AddDays(usualAhead)
	}
	if ahead := m.At().DaysUntil(until); ahead < 1 || ahead > mostAhead {
		return nil, until, cli.Usage("--to %s: the forecast begins on %s and goes %d days at most", until, m.At().AddDays(1), mostAhead)
	}
	return m, until, nil
}

// queryError says what a question names that the history lacks, and what is nearest.
func (a *app) queryError(err error, m *forecast.Model) error {
	var unknown *forecast.PlaceError
	if errors.As(err, &unknown) {
		alike := slices.DeleteFunc(m.Places(), func(known string) bool { return len(known) != len(unknown.Given) })
		if len(alike) == 0 {
			alike = m.Places()
		}
		return cli.Usage("--office: %w; the nearest is %q", err, intake.Nearest(unknown.Given, alike))
	}
	return cli.Usage("%w", err)
}

// printing is in which form a table is printed.
type printing struct{ asJSON, asCSV bool }

func (p *printing) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.asJSON, "json", false, "one JSON object a row")
	cmd.Flags().BoolVar(&p.asCSV, "csv", false, "CSV with a head line")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
}

// print writes rows, as JSON one object each, else as the columns that text makes of them.
func printRows[R any](out io.Writer, p printing, rows []R, head []string, text func(R) []string) error {
	if p.asJSON {
		return printLines(out, rows)
	}
	if p.asCSV {
		w := csv.NewWriter(out)
		w.Write(head) //nolint:errcheck // the error stays until Flush
		for _, r := range rows {
			w.Write(text(r)) //nolint:errcheck // likewise
		}
		w.Flush()
		return w.Error()
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(cells(head))
	for _, r := range rows {
		t.AppendRow(cells(text(r)))
	}
	t.Render()
	return nil
}

func cells(words []string) table.Row {
	row := make(table.Row, len(words))
	for i, w := range words {
		row[i] = w
	}
	return row
}

var visitsHead = []string{"place", "from", "kind", "procedure", "mean", "10 %", "50 %", "90 %", "ending", "windows opening", "notices"}

func printVisits(out io.Writer, rows []forecast.Expected, p printing) error {
	return printRows(out, p, rows, visitsHead, func(e forecast.Expected) []string {
		return []string{
			e.Place, e.Starts.String(), e.Kind, e.Procedure, tenths(e.Mean), tenths(e.P10), tenths(e.P50), tenths(e.P90),
			whole(e.Expiring), whole(e.Opening), whole(e.Notices),
		}
	})
}

func tenths(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
func whole(x float64) string  { return strconv.FormatFloat(x, 'f', 0, 64) }

// forecastBacktestCommand judges the forecast by a history.
func (a *app) forecastBacktestCommand() *cobra.Command {
	var file string
	var out printing
	cmd := &cobra.Command{
		Use: "backtest", Short: "予測を過去で確かめる (walk a history forward and judge the forecast by it)", Args: cobra.NoArgs,
		Long: `四週ごとに、その日までに知られていたことだけから 1、4、12、26 週先を予測し、実際と比べます。
Every four weeks it forecasts 1, 4, 12 and 26 weeks ahead from what was known then alone, and compares with what came: at single offices
(office), of that what a last day announces (renewals), and all offices together (nation). Beside the model stand three that take no
learning: the same week of last year; certificates that end in the week; and the same, moved by the middle lead time of the last year and
times the share of holders who came. WAPE is the sum of absolute errors over all visits, pinball the mean loss at 10, 50 and 90 % over the
mean visits, coverage how often the truth lay between 10 and 90 % (0.80 is right). The first 80 weeks are learned from only.

  shomei forecast history --data DIR >history.csv
  shomei forecast backtest --history history.csv

` + forecast.Format,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.history(cmd, file, civil.Date{})
			if err != nil {
				return err
			}
			scores, err := forecast.Backtest(h, progressOf(cmd.ErrOrStderr()))
			if errors.Is(err, forecast.ErrShort) {
				return cli.Exit(cli.Failed, err)
			}
			if err != nil {
				return err
			}
			return printRows(cmd.OutOrStdout(), out, scores, scoreHead, scoreText)
		},
	}
	cmd.Flags().StringVar(&file, "history", "", "CSV のファイル。- は標準入力 (a CSV file, - for standard input; default: the tables)")
	out.bind(cmd)
	return cmd
}

var scoreHead = []string{"series", "weeks ahead", "forecaster", "WAPE", "pinball", "coverage", "weeks judged", "visits"}

func scoreText(s forecast.Score) []string {
	coverage := ""
	if s.Forecaster == forecast.Forecasters[0] {
		coverage = fmt.Sprintf("%.3f", s.Coverage)
	}
	return []string{
		s.Series, strconv.Itoa(s.Weeks), s.Forecaster, fmt.Sprintf("%.3f", s.WAPE), fmt.Sprintf("%.3f", s.Pinball), coverage,
		strconv.Itoa(s.Judged), whole(s.Visits),
	}
}

// progressOf returns what prints, at most every second, how much of some work is done and how long the rest may take.
func progressOf(out io.Writer) func(done, of int) {
	begin := time.Now()
	last := begin
	return func(done, of int) {
		if time.Since(last) < time.Second || done == 0 {
			return
		}
		last = time.Now()
		left := time.Duration(float64(time.Since(begin)) / float64(done) * float64(of-done)).Round(time.Second)
		fmt.Fprintf(out, "%d of %d, %s left\n", done, of, left)
	}
}

// historyOfTables reads from the tables what a forecast as of a day learns from; as of now, if it is zero.
func (a *app) historyOfTables(cmd *cobra.Command, at civil.Date) (*forecast.History, error) {
	h := &forecast.History{}
	err := a.eachRecord(cmd, at, h.Add)
	if err == nil && h.First().IsZero() {
		err = cli.Exit(cli.Failed, forecast.ErrEmpty)
	}
	return h, err
}

// eachRecord calls each for what the tables know, as of the end of a day or, if it is zero, of now.
func (a *app) eachRecord(cmd *cobra.Command, at civil.Date, each func(forecast.Record) error) error {
	h, err := a.attach(cmd.Context())
	if err != nil {
		return err
	}
	defer h.Close()
	if err := tellHowFar(cmd, h, false); err != nil {
		return err
	}
	return h.EachVisit(cmd.Context(), at, each)
}

// forecastHistoryCommand writes what the tables know as a history.
func (a *app) forecastHistoryCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "history", Short: "表から来庁の履歴を書き出す (write the history of visits as CSV, which backtest reads)", Args: cobra.NoArgs,
		Long: `個人を表す欄はありません。小さな役所の数から人が分かることはあるので、外に渡すときは気をつけてください。
No column tells of a person; but in a small office a count may, so mind to whom you give it.

` + forecast.Format,
		RunE: func(cmd *cobra.Command, _ []string) error {
			day, err := civil.Parse(at)
			if err != nil {
				return cli.Usage("--at: %v", err)
			}
			w := forecast.NewWriter(cmd.OutOrStdout())
			if err := a.eachRecord(cmd, day, w.Write); err != nil {
				return err
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "as known at the end of this day; default now")
	return cmd
}
