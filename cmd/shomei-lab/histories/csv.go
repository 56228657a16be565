package histories

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"

	"shomei/pkg/civil"
)

// header is the first line of the format (shomei forecast backtest --help).
const header = "what,day,office,municipality,into,kind,procedure,last_day,window,since,count\n"

// Write lives the world and writes its history as CSV: the same bytes for the same seed.
func (w *World) Write(out io.Writer) error {
	r := w.live()
	buffered := bufio.NewWriter(out)
	buffered.WriteString(header)
	for _, o := range w.Offices {
		fmt.Fprintf(buffered, "office,,%s,%s,,,,,,,\n", o.ID, o.Municipality)
	}
	r.writePlans(buffered)
	rows := make([]row, 0, len(r.rows))
	for one := range r.rows {
		rows = append(rows, one)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.what, b.what), cmp.Compare(a.office, b.office), cmp.Compare(a.lastDay, b.lastDay),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.procedure, b.procedure), cmp.Compare(a.since, b.since))
	})
	for _, one := range rows {
		fmt.Fprintf(buffered, "%s,%s,%s,,,%s,%s,%s,%s,%s,%d\n", one.what, r.on(one.day), w.Offices[one.office].ID, one.kind, one.procedure,
			r.on(one.lastDay), r.on(one.window), r.on(one.since), r.rows[one])
	}
	return buffered.Flush()
}

func (r *run) on(day int) string {
	if day == absent {
		return ""
	}
	if r.texts[day] == "" {
		r.texts[day] = r.first.AddDays(day).String()
	}
	return r.texts[day]
}

// writePlans writes mergers, and the days on which offices were open or closed other than by the calendar, beyond the last day, too.
func (r *run) writePlans(out io.Writer) {
	for i, o := range r.Offices {
		if o.MergedOn > 0 {
			fmt.Fprintf(out, "merged,%s,%s,,%s,,,,,%s,\n", r.on(o.MergedOn), o.ID, r.Offices[o.Into].ID, r.on(o.MergedOn-365))
		}
		for d := youth - 30; d < r.length()+400; d++ {
			if usual := civil.WorkingDay(r.days[d]); r.open[i][d] != usual {
				what, since := "closed", ""
				if !usual {
					what = "open"
				} else if int(r.days[d].Weekday()) != o.Closed {
					since = r.on(d - 1) // a storm
				}
				fmt.Fprintf(out, "%s,%s,%s,,,,,,,%s,\n", what, r.on(d), o.ID, since)
			}
		}
	}
}
