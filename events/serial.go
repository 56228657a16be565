package events

import (
	"fmt"
	"strconv"
	"strings"
)

// FormatSerial formats a serial number for people and for JSON: decimal digits, as text, because many JSON readers keep
// only 53 bits of a number.
func FormatSerial(serial uint64) string { return strconv.FormatUint(serial, 10) }

// ParseSerial parses a serial number as people type it: in decimal digits as [FormatSerial] writes it, or in
// hexadecimal as other tools do ("0xBEB75A80DB60DAB8", "be:b7:5a:80:db:60:da:b8", "BEB75A80DB60DAB8"). What could be
// either is decimal.
func ParseSerial(text string) (uint64, error) {
	digits, base := text, 10
	switch {
	case strings.HasPrefix(text, "0x"), strings.HasPrefix(text, "0X"):
		digits, base = text[2:], 16
	case strings.Contains(text, ":"):
		digits, base = strings.ReplaceAll(text, ":", ""), 16
	case strings.ContainsAny(text, "abcdefABCDEF") && len(text) > 1 && len(text)%2 == 0:
		base = 16
	}
	if base == 16 && len(digits) > 16 {
		digits = strings.TrimLeft(digits, "0") // the octet of the sign
	}
	serial, err := strconv.ParseUint(digits, base, 64)
	if err != nil || serial == 0 {
		return 0, fmt.Errorf("%.40q is not a serial number: write it in decimal digits, or in hexadecimal with 0x before it", text)
	}
	return serial, nil
}
