package officer

import (
	"slices"
	"strings"
)

// Nation is the area of who may look at everything.
const Nation = "jp"

// readers are the roles that look at counts, forecasts and histories on the console.
var readers = []Role{Analyst, Auditor, Administrator, Operator}

// Reads reports whether one of the roles looks at counts and histories.
func Reads(roles []Role) bool {
	return slices.ContainsFunc(readers, func(r Role) bool { return slices.Contains(roles, r) })
}

// Covers reports whether one of the areas holds a municipality: Nation, its prefecture of two digits, or itself.
func Covers(areas []string, municipality string) bool {
	return slices.ContainsFunc(areas, func(area string) bool {
		return area == Nation || (len(area) == 2 || len(area) == 5) && strings.HasPrefix(municipality, area)
	})
}
