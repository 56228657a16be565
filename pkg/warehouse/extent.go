package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shomei/pkg/intake"
	"shomei/pkg/regime"
)

// Extent is where a question counts: in a place, as far as it lies in an area. The zero Extent is everywhere.
type Extent struct {
	// Area is what somebody may see; nil: everything.
	Area  Area
	Place Place
}

// Area is a list of prefectures, two digits each, and municipalities of five. The nil Area is everywhere.
type Area []string

// Place is what somebody asks about; what is empty does not restrict it.
type Place struct {
	Prefecture   string // two digits
	Municipality string // five digits
	Office       string // an office's id
}

// ParsePlace reads a place in one word: an office's id, a municipality of five digits, a prefecture of two, or nothing.
func ParsePlace(text string) Place {
	const prefecture, municipality = 2, 5
	switch digits := regime.MunicipalityOf(text+"-") == text; {
	case len(text) == prefecture:
		return Place{Prefecture: text}
	case len(text) == municipality && digits:
		return Place{Municipality: text}
	}
	return Place{Office: text}
}

// inArea is the condition that a row's municipality lies in the area of param.
const inArea = `(empty({area:Array(String)}) OR arrayExists(a -> startsWith(municipality, a), {area:Array(String)}))`

// condition returns the condition that a row of municipality and office lies in the extent of params. It has only what restricts, so
// that the engine can find the rows by their order.
func (e Extent) condition() string {
	all := []string{"true"}
	if e.Area != nil {
		any := make([]string, max(len(e.Area), 1))
		for i := range any {
			any[i] = fmt.Sprintf("startsWith(municipality, {area:Array(String)}[%d])", i+1)
		}
		all = append(all, "("+strings.Join(any, " OR ")+")")
	}
	if e.Place.Prefecture != "" {
		all = append(all, "startsWith(municipality, {prefecture:String})")
	}
	if e.Place.Municipality != "" {
		all = append(all, "startsWith(municipality, {municipality:String})")
	}
	if e.Place.Office != "" {
		all = append(all, "office = {office:String}")
	}
	return strings.Join(all, " AND ")
}

// everywhere is an area that every municipality lies in.
var everywhere = Area{""}

// nowhere begins no municipality: an area of no place is not everywhere.
const nowhere = "-"

func (a Area) param() any {
	switch {
	case a == nil:
		return param("area", []string{})
	case len(a) == 0:
		return param("area", []string{nowhere})
	}
	return param("area", []string(a))
}

func (e Extent) params() []any {
	return []any{e.Area.param(), param("prefecture", e.Place.Prefecture), param("municipality", e.Place.Municipality), param("office", e.Place.Office)}
}

// Office is an office by its id, with the municipality of its newest definition.
type Office struct {
	ID           string `ch:"id" json:"office"`
	Municipality string `ch:"municipality" json:"municipality"`
}

// Prefecture returns the two digits with which the municipality begins.
func (o Office) Prefecture() string { return o.Municipality[:min(2, len(o.Municipality))] }

// Offices returns the offices that are defined in an area, by id.
func (w *Warehouse) Offices(ctx context.Context, in Area) ([]Office, error) {
	return question[Office](ctx, w, "the offices", `
		SELECT id, municipality FROM (SELECT id, argMax(municipality, revision) AS municipality FROM {log}
			WHERE kind = 'office' AND event = 'OfficeDefined' GROUP BY id)
		WHERE `+inArea+` ORDER BY id`, in.param())
}

// UnknownError says that somebody asked about something that is not known: a place without an office, a report, a period.
type UnknownError struct {
	// What is prefecture, municipality, office, question, report, dimension or period; Given is what was asked for, and Nearest what is known
	// and most like it, empty if nothing is known.
	What, Given, Nearest string
}

// Error implements error.
func (e *UnknownError) Error() string {
	if e.Nearest == "" {
		return fmt.Sprintf("no office is known in %s %.40q, nor any other", e.What, e.Given)
	}
	return fmt.Sprintf("%s %.40q is not known here; the nearest is %q", e.What, e.Given, e.Nearest)
}

// Known returns why a question about an extent can have no answer: an *UnknownError if its place has no office in its area.
func (w *Warehouse) Known(ctx context.Context, e Extent) error {
	if e.Place == (Place{}) {
		return nil
	}
	offices, err := w.Offices(ctx, e.Area)
	if err != nil {
		return err
	}
	return e.Place.Among(offices)
}

// Among returns an *UnknownError if none of some offices is in the place; nil for the zero Place.
func (p Place) Among(offices []Office) error {
	for _, step := range []struct {
		what, given string
		of          func(Office) string
	}{
		{"prefecture", p.Prefecture, Office.Prefecture},
		{"municipality", p.Municipality, func(o Office) string { return o.Municipality }},
		{"office", p.Office, func(o Office) string { return o.ID }},
	} {
		if step.given == "" {
			continue
		}
		known, left := []string{}, []Office{}
		for _, o := range offices {
			known = append(known, step.of(o))
			if step.of(o) == step.given {
				left = append(left, o)
			}
		}
		if len(left) == 0 {
			return &UnknownError{step.what, step.given, intake.Nearest(step.given, slices.Compact(known))}
		}
		offices = left
	}
	return nil
}
