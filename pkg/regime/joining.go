package regime

import "slices"

// JoiningEvidence lists the words for what officers saw before they joined two histories of one person.
func JoiningEvidence() []string {
	return []string{"resident-record", "family-register", "register-inquiry", "cards", "photo-id"}
}

// IsJoiningEvidence reports whether words say what was seen: at least one, and none unknown or twice.
func IsJoiningEvidence(words []string) bool {
	for i, word := range words {
		if !slices.Contains(JoiningEvidence(), word) || slices.Contains(words[:i], word) {
			return false
		}
	}
	return len(words) > 0
}
