package regime

import "strings"

// MunicipalityCode reports whether code is a local government code of six digits with a correct check digit: the first
// five times 6, 5, 4, 3, 2 summed to s give (11 − s mod 11) mod 10 (law.md 11.4). Codes are strings, because they may
// begin with 0.
func MunicipalityCode(code string) bool {
	const digits = 6
	if len(code) != digits {
		return false
	}
	sum := 0
	for i := range digits {
		if !isDigit(code[i]) {
			return false
		}
		if i < digits-1 {
			sum += int(code[i]-'0') * (digits - i)
		}
	}
	return int(code[digits-1]-'0') == (11-sum%11)%10
}

// MunicipalityOf returns the municipality of an office, five digits, with which the office's id begins; empty if it does not.
func MunicipalityOf(office string) string {
	const digits = 5
	code, _, named := strings.Cut(office, "-")
	if !named || len(code) != digits || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

// sameMunicipality compares codes with or without their check digit; certificates and many systems have only the first
// five digits (law.md 11.4). An empty code matches nothing.
func sameMunicipality(a, b string) bool {
	const unchecked = 5
	if len(a) > unchecked && len(b) > unchecked {
		return a == b
	}
	return a != "" && a[:min(len(a), unchecked)] == b[:min(len(b), unchecked)]
}
