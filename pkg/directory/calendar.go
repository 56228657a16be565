package directory

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// calendar returns the opening calendar of an office in the log.
func calendar(b *events.OfficeDefined) (civil.Office, error) {
	var office civil.Office
	for _, h := range b.Hours {
		hours, err := readHours(h)
		if err != nil {
			return civil.Office{}, err
		}
		office.Hours = append(office.Hours, hours)
	}
	for _, e := range b.Exceptions {
		office.Exceptions = append(office.Exceptions, civil.Exception{
			Open: e.Open, Operations: operations(e.Operations), From: instant(e.FromMs), Until: instant(e.UntilMs), Rule: e.RuleId,
		})
	}
	for _, t := range b.Terms {
		office.Terms = append(office.Terms, civil.Term{
			Operations: operations(t.Operations), Begins: instant(t.BeginsMs), Ends: instant(t.EndsMs), Rule: t.RuleId,
		})
	}
	return office, nil
}

func readHours(h *events.Hours) (civil.Hours, error) {
	from, err := civil.Parse(h.From)
	if err != nil {
		return civil.Hours{}, err
	}
	until, err := civil.Parse(h.Until)
	if err != nil {
		return civil.Hours{}, err
	}
	hours := civil.Hours{Operations: operations(h.Operations), From: from, Until: until}
	for _, d := range h.Weekdays {
		hours.Weekdays = append(hours.Weekdays, time.Weekday(d))
	}
	for _, s := range h.Spans {
		hours.Spans = append(hours.Spans, civil.Span{From: civil.TimeOfDay(s.OpensMinute), To: civil.TimeOfDay(s.ClosesMinute)})
	}
	return hours, nil
}

func operations(names []string) []civil.Operation {
	list := make([]civil.Operation, len(names))
	for i, n := range names {
		list[i] = civil.Operation(n)
	}
	return list
}
