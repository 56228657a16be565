package intake

import (
	"slices"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the known word that is most like a wrong one, the first of several; empty if none is known.
func Nearest(wrong string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(wrong, a) - levenshtein.ComputeDistance(wrong, b)
	})
}
