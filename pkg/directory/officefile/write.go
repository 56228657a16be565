package officefile

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Write writes an office as a file that Parse reads back to the same definition: to look at, or to change and define
// again. Instants within a minute, which the file can't express, are written as the minute.
func Write(out io.Writer, o Office) error {
	var b strings.Builder
	d := o.Definition
	fmt.Fprintf(&b, "id = %q\neffective = %q\nmunicipality = %q\n", o.ID, d.EffectiveFrom, d.Municipality)
	fmt.Fprintf(&b, "name = %s\nmunicipality_romaji = %q\nbranch = %t\ntelephone = %q\n", basic(d.Name),
		d.MunicipalityRomaji, d.Branch, d.Telephone)
	if d.LastAcceptanceMs != 0 {
		fmt.Fprintf(&b, "last_acceptance = %q\n", minute(d.LastAcceptanceMs))
	}
	for _, h := range d.Hours {
		writeHours(&b, h)
	}
	for _, e := range d.Exceptions {
		fmt.Fprintf(&b, "\n[[%s]]\nfrom = %q\nuntil = %q\n", exceptionTable(e.Open), beginning(e.FromMs), ending(e.UntilMs))
		list(&b, "operations", e.Operations)
		if e.RuleId != "" && !e.Open {
			fmt.Fprintf(&b, "rule = %q\n", e.RuleId)
		}
	}
	for _, t := range d.Terms {
		b.WriteString("\n[[term]]\n")
		if t.BeginsMs != 0 {
			fmt.Fprintf(&b, "from = %q\n", beginning(t.BeginsMs))
		}
		if t.EndsMs != 0 {
			fmt.Fprintf(&b, "until = %q\n", ending(t.EndsMs))
		}
		list(&b, "operations", t.Operations)
	}
	if len(d.Settings) > 0 {
		b.WriteString("\n[law]\n")
	}
	for _, x := range d.Settings {
		fmt.Fprintf(&b, "%s = %s\n", x.Name, x.Value) // a word or a number: offices set no days
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// basic returns a basic TOML string: control characters are escaped as in JSON, letters are not.
func basic(s string) string { return strings.ReplaceAll(strconv.Quote(s), `\x`, `\u00`) }

func writeHours(b *strings.Builder, h *events.Hours) {
	b.WriteString("\n[[hours]]\n")
	var spans, weekdays []string
	for _, s := range h.Spans {
		spans = append(spans, span{civil.TimeOfDay(s.OpensMinute), civil.TimeOfDay(s.ClosesMinute)}.String())
	}
	for _, w := range h.Weekdays {
		weekdays = append(weekdays, weekday(w).String())
	}
	list(b, "spans", spans)
	list(b, "weekdays", weekdays)
	list(b, "operations", h.Operations)
	for _, bound := range []struct{ key, day string }{{"from", h.From}, {"until", h.Until}} {
		if bound.day != "" {
			fmt.Fprintf(b, "%s = %q\n", bound.key, bound.day)
		}
	}
}

func list(b *strings.Builder, key string, values []string) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(b, "%s = [", key)
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%q", v)
	}
	b.WriteString("]\n")
}

func exceptionTable(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

func minute(ms int64) string { return time.UnixMilli(ms).In(civil.Tokyo).Format("2006-01-02 15:04") }

// beginning formats an instant at which something begins: a day alone if that is its first.
func beginning(ms int64) string { return strings.TrimSuffix(minute(ms), " 00:00") }

// ending formats an instant up to which something lasts: the day before alone if that is its end.
func ending(ms int64) string {
	text := minute(ms)
	if strings.HasSuffix(text, " 00:00") {
		return civil.Of(time.UnixMilli(ms).Add(-time.Minute)).String()
	}
	return text
}
