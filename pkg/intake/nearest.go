package intake

import (
	"slices"

	"github.com/agnivade/levenshtein"
)

// compared is how many bytes of a wrong word are compared: whoever sends a megabyte is not to have it compared with every office.
const compared = 100

// Nearest returns the known word that is most like a wrong one, the first of several; empty if none is known.
func Nearest(wrong string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	wrong = wrong[:min(len(wrong), compared)]
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(wrong, a) - levenshtein.ComputeDistance(wrong, b)
	})
}
