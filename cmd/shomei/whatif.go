package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

const whatIfHelp = `役所と週ごとに、来庁者数、要る窓口の数、待ち時間がどう変わるかを示します。
Shows by office and week how visits, desks needed and waiting change. Visits are at 50 %, bands beside them. Desks are those that the busiest
day of the week needs in its busiest hour, so that the target is kept; in brackets, if as many come as one time in ten. Waiting is Erlang's
C: people come by chance, each desk takes --minutes on average, nobody leaves.

  --closed 12237-main:2026-07-06:2026-07-17   closed from one day to another (all:… closes every office). Who wanted to come then comes
                                              later, or, as --elsewhere says, goes to another office of the municipality
  --notices 14                                the notices that are not sent yet come two weeks later (-14: earlier)
  --rush unblock:2026-05-07:30:14             from that day on thirty times as many come for unblock, and every 14 days what is above
                                              the usual halves
  --hours 10                                  the office is open ten hours a day, in place of --hours-now

  shomei forecast what-if --office 12237 --closed 12237-main:2026-07-06:2026-07-10 --desks 4
  shomei forecast what-if --office 12237-main --rush unblock:2026-05-07:30:14 --minutes 20 --desks 4 --json`

// supposed is a what-if as flags say it.
type supposed struct {
	closed, rushes []string
	plan           forecast.Plan
	was, will      forecast.Counter
	desks          int
	target         forecast.Target
}

func (s *supposed) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.closed, "closed", nil, "OFFICE:FROM:TO, or all:FROM:TO; may be given more than once")
	f.StringArrayVar(&s.rushes, "rush", nil, "PROCEDURE:FROM:TIMES:HALF-LIFE-IN-DAYS; may be given more than once")
	f.IntVar(&s.plan.Notices, "notices", 0, "days by which notices come later (negative: earlier)")
	f.Float64Var(&s.plan.Elsewhere, "elsewhere", 0, "share (0 to 1) of those who meet a closed office that goes to another one of the municipality")
	f.Float64Var(&s.was.Minutes, "minutes", 30, "that a visit takes at a desk")
	f.Float64Var(&s.was.Hours, "hours-now", 8, "hours a day that an office is open")
	f.Float64Var(&s.will.Hours, "hours", 0, "hours a day that it would be open; default as now")
	f.Float64Var(&s.was.Peak, "peak", 1.5, "how many times as many come in the busiest hour as in a mean one")
	f.IntVar(&s.desks, "desks", 0, "desks that each office has; default: not known, and nothing is said of waits")
	f.DurationVar(&s.target.Wait, "wait", 20*time.Minute, "the wait that --share of the people is promised")
	f.Float64Var(&s.target.Share, "share", 0.8, "share (0 to 1) of the people who wait no longer")
}

// resolve checks the flags and makes a plan of them.
func (s *supposed) resolve() error {
	if s.will.Hours == 0 {
		s.will.Hours = s.was.Hours
	}
	s.will.Minutes, s.will.Peak = s.was.Minutes, s.was.Peak
	switch {
	case !s.was.Valid() || !s.will.Valid():
		return cli.Usage("--minutes, --hours-now and --hours are more than 0, hours 24 at most, --peak 1 at least")
	case s.target.Share <= 0 || s.target.Share >= 1 || s.target.Wait < 0:
		return cli.Usage("--share lies between 0 and 1, and --wait is no negative time")
	case s.plan.Elsewhere < 0 || s.plan.Elsewhere > 1:
		return cli.Usage("--elsewhere %g is no share between 0 and 1", s.plan.Elsewhere)
	case s.desks < 0 || s.plan.Notices < -60 || s.plan.Notices > 180:
		return cli.Usage("--desks is no negative number, and --notices lies between -60 and 180")
	}
	for _, text := range s.closed {
		c, err := parseClosing(text)
		if err != nil {
			return cli.Usage("--closed %q: %v", text, err)
		}
		s.plan.Closed = append(s.plan.Closed, c)
	}
	for _, text := range s.rushes {
		r, err := parseRush(text)
		if err != nil {
			return cli.Usage("--rush %q: %v", text, err)
		}
		s.plan.Rushes = append(s.plan.Rushes, r)
	}
	return nil
}

func parseClosing(text string) (c forecast.Closing, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return c, fmt.Errorf("give OFFICE:FROM:TO, such as 12237-main:2026-07-06:2026-07-10")
	}
	if c.From, err = civil.Parse(parts[1]); err != nil {
		return c, err
	}
	if c.To, err = civil.Parse(parts[2]); err != nil {
		return c, err
	}
	if c.From.IsZero() || c.To.Before(c.From) {
		return c, fmt.Errorf("%q is not a day on or after %q", parts[2], parts[1])
	}
	if c.Office = parts[0]; c.Office == "all" {
		c.Office = ""
	} else if c.Office == "" {
		return c, fmt.Errorf("which office? Give its id, or all")
	}
	return c, nil
}

func parseRush(text string) (r forecast.Rush, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return r, fmt.Errorf("give PROCEDURE:FROM:TIMES:HALF-LIFE, such as unblock:2026-05-07:30:14")
	}
	r.Procedure = parts[0]
	if r.From, err = civil.Parse(parts[1]); err != nil || r.From.IsZero() {
		return r, fmt.Errorf("%q is not a day", parts[1])
	}
	times, err := strconv.ParseFloat(parts[2], 64)
	if err != nil || times < 0 || times > 10_000 {
		return r, fmt.Errorf("%q is not a number of times between 0 and 10000", parts[2])
	}
	days, err := strconv.ParseFloat(parts[3], 64)
	if err != nil || days <= 0 || days > 10_000 {
		return r, fmt.Errorf("%q is not a number of days", parts[3])
	}
	r.Times, r.HalfLife = times, days
	return r, nil
}

// forecastWhatIfCommand shows what would change.
func (a *app) forecastWhatIfCommand() *cobra.Command {
	var s asked
	var q forecast.Query
	var to, from string
	var out printing
	var what supposed
	cmd := &cobra.Command{
		Use: "what-if", Short: "もし…なら、来庁者数・窓口・待ち時間は (what if an office closes, notices move, people rush)", Args: cobra.NoArgs, Long: whatIfHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := what.resolve(); err != nil {
				return err
			}
			m, until, err := a.learnUntil(cmd, s, &q, from, to)
			if err != nil {
				return err
			}
			if err := m.Check(what.plan); err != nil {
				return a.queryError(err, m)
			}
			before, after := m.Forecast(until, forecast.Plan{}), m.Forecast(until, what.plan)
			weeks, err := forecast.Compare(before, after, q, what.was, what.will, what.desks, what.target)
			if err != nil {
				return a.queryError(err, m)
			}
			return printWeeks(cmd.OutOrStdout(), weeks, out, what.desks > 0)
		},
	}
	s.bind(cmd)
	what.bind(cmd)
	out.bind(cmd)
	bindQuery(cmd, &q, &from, &to)
	return cmd
}

func printWeeks(out io.Writer, weeks []forecast.Week, p printing, waits bool) error {
	head := []string{"office", "week from", "visits", "10–90 %", "desks", "would be visits", "10–90 %", "would be desks", "open days"}
	if waits {
		head = append(head, "wait", "would be wait")
	}
	return printRows(out, p, weeks, head, func(w forecast.Week) []string {
		row := []string{
			w.Office, w.Starts.String(), whole(w.Before.Visits.P50), band(w.Before.Visits), desksOf(w.Before),
			whole(w.After.Visits.P50), band(w.After.Visits), desksOf(w.After), strconv.Itoa(w.After.Days),
		}
		if waits {
			row = append(row, waitOf(w.Before), waitOf(w.After))
		}
		return row
	})
}

func band(e forecast.Expected) string { return whole(e.P10) + "–" + whole(e.P90) }

func desksOf(l forecast.Load) string { return fmt.Sprintf("%d (%d)", l.Desks, l.Desks90) }

func waitOf(l forecast.Load) string {
	if l.Wait < 0 {
		return "∞"
	}
	return fmt.Sprintf("%.0f min", l.Wait)
}
