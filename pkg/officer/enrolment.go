package officer

import (
	"fmt"
	"regexp"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
)

// area is a prefecture, a municipality, or the nation.
var area = regexp.MustCompile(`^([0-9]{2}|[0-9]{5}|jp)$`)

// CheckEnrolment returns what is wrong with an enrolment by itself: whether its offices exist is another question. The error
// wraps IllFormed and repeats nothing that may be a name.
func CheckEnrolment(b *events.OfficerEnrolled) error {
	if code, err := events.ParseOfficer(b.GetOfficer()); err != nil || code != b.GetOfficer() {
		return fmt.Errorf("%w: %w", events.ErrOfficer, IllFormed)
	}
	if len(b.GetRoles()) == 0 {
		return fmt.Errorf("no role: the roles are %v: %w", Roles(), IllFormed)
	}
	for i, word := range b.GetRoles() {
		if !slices.Contains(Roles(), Role(word)) || slices.Contains(b.Roles[:i], word) {
			return fmt.Errorf("role %d is none, or stands twice: the roles are %v: %w", i+1, Roles(), IllFormed)
		}
	}
	for i, word := range b.GetAreas() {
		if !area.MatchString(word) {
			return fmt.Errorf("area %d is none: write a prefecture of two digits, a municipality of five, or jp: %w", i+1, IllFormed)
		}
	}
	if n := len(b.GetIdentitySha256()); n != 0 && n != len(events.Hash(nil)) {
		return fmt.Errorf("an account's hash has %d bytes: %w", n, IllFormed)
	}
	return checkTerm(b.GetFrom(), b.GetUntil())
}

func checkTerm(first, last string) error {
	from, err := civil.Parse(first)
	if err != nil {
		return fmt.Errorf("the first day is none, write it like 2026-04-01: %w", IllFormed)
	}
	until, err := civil.Parse(last)
	if err != nil {
		return fmt.Errorf("the last day is none, write it like 2027-03-31: %w", IllFormed)
	}
	if !until.IsZero() && until.Before(from) {
		return fmt.Errorf("the last day is before the first: %w", IllFormed)
	}
	return nil
}

// CheckChosen returns an error unless acts are some that an office can have two officers do. The error wraps IllFormed.
func CheckChosen(words []string) error {
	for _, word := range words {
		if act, ok := ActNamed(word); !ok || act.Pairs == Single {
			return fmt.Errorf("%.40q is no act that an office can have two officers do: they are %v: %w", word, choosable(), IllFormed)
		}
	}
	return nil
}

func choosable() (words []string) {
	for _, a := range acts {
		if a.Pairs != Single {
			words = append(words, a.Word)
		}
	}
	return words
}
