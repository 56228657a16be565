package ca

import (
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode/utf8"

	"shomei/pkg/civil"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Sex as a signature certificate writes it (profile.md 3).
type Sex int

// The digits of the certificate.
const (
	Male       Sex = 1
	Female     Sex = 2
	SexUnknown Sex = 3
)

// Holder is the content of a signature certificate about its holder, as on the resident record: the basic four pieces
// of information. It is personal data: never log it, and keep it sealed.
type Holder struct {
	Name      string            // full-width space between family and given name; a foreign resident's alias
	BirthDate civil.PartialDate // unknown parts zero
	Sex       Sex
	Address   string // from the prefecture on, up to 200 characters, no postcode
	// Mark replaces characters that a certificate can't hold; 0: DefaultSubstitute.
	Mark rune
}

// maxText is the longest address in a certificate, in characters (profile.md 3); names are bounded too.
const maxText = 200

func (h *Holder) check() error {
	switch {
	case h == nil:
		return fmt.Errorf("%w: a signature certificate names its holder", ErrProfile)
	case !fits(h.Name):
		return fmt.Errorf("%w: the holder's name must have 1 to %d characters of valid UTF-8", ErrProfile, maxText)
	case !fits(h.Address):
		return fmt.Errorf("%w: the holder's address must have 1 to %d characters of valid UTF-8", ErrProfile, maxText)
	case h.Sex < Male || h.Sex > SexUnknown:
		return fmt.Errorf("%w: the holder's sex must be 1, 2 or 3", ErrProfile)
	case h.Mark != 0 && !holdable(h.Mark):
		return fmt.Errorf("%w: the substitute %U is not itself a character of a certificate", ErrProfile, h.Mark)
	}
	_, err := encodeBirth(h.BirthDate)
	return err
}

func fits(s string) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n > 0 && n <= maxText
}

// encodeBirth writes a birth date in nine digits: the era, then Gregorian year, month and day; unknown parts are
// zeros. The era is 0 when the known parts don't decide it (profile.md 3).
func encodeBirth(p civil.PartialDate) (string, error) {
	if p.IsZero() {
		return "000000000", nil
	}
	if _, err := civil.ParsePartial(p.String()); err != nil || p.Year > 9999 {
		return "", fmt.Errorf("%w: the holder's birth date is not a date", ErrProfile)
	}
	earliest := civil.Date{Year: p.Year, Month: max(p.Month, 1), Day: max(p.Day, 1)}
	era, _ := civil.EraOf(earliest)
	if last, _ := civil.EraOf(p.Latest()); last != era {
		era = 0
	}
	return fmt.Sprintf("%d%04d%02d%02d", era, p.Year, p.Month, p.Day), nil
}

// sanOIDs are the identifiers of the six otherName values, in certificate order: name, birth date, sex, address,
// substitution in the name, substitution in the address (profile.md 3).
type sanOIDs [6]asn1.ObjectIdentifier

// altValues are the texts of the six otherName values, in the order of sanOIDs.
type altValues [6]string

// values returns the holder as written in a certificate.
func (h *Holder) values() (altValues, error) {
	if err := h.check(); err != nil {
		return altValues{}, err
	}
	mark := h.Mark
	if mark == 0 {
		mark = DefaultSubstitute
	}
	birth, err := encodeBirth(h.BirthDate)
	if err != nil {
		return altValues{}, err
	}
	name, nameFlags := Substitute(h.Name, mark)
	address, addressFlags := Substitute(h.Address, mark)
	return altValues{name, birth, fmt.Sprint(int(h.Sex)), address, nameFlags, addressFlags}, nil
}

// check checks that values could have returned these, for some holder.
func (v altValues) check() error {
	switch {
	case !describes(v[0], v[4]) || !describes(v[3], v[5]):
		return fmt.Errorf("%w: name or address in subjectAltName does not fit its substitution flags, characters or length", ErrProfile)
	case len(v[1]) != 9 || strings.Trim(v[1], "0123456789") != "":
		return fmt.Errorf("%w: the birth date in subjectAltName has not nine digits", ErrProfile)
	case v[2] != "1" && v[2] != "2" && v[2] != "3":
		return fmt.Errorf("%w: the sex in subjectAltName is not 1, 2 or 3", ErrProfile)
	}
	return nil
}

// describes reports whether flags has one 0 or 1 for each character of a text that fits into a certificate.
func describes(text, flags string) bool {
	return fits(text) && len(flags) == utf8.RuneCountInString(text) && strings.Trim(flags, "01") == "" &&
		strings.IndexFunc(text, func(r rune) bool { return !holdable(r) }) < 0
}

// extension returns the subjectAltName of a signature certificate.
func (v altValues) extension() extension {
	return extension{oidSAN, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i, value := range v {
				addOtherName(b, ourSAN[i], value)
			}
		})
	}}
}

// addOtherName writes otherName [0] { type-id, [0] EXPLICIT UTF8String } (RFC 5280 section 4.2.1.6).
func addOtherName(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value string) {
	nested := cbasn1.Tag(0).Constructed().ContextSpecific()
	b.AddASN1(nested, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(nested, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
		})
	})
}
