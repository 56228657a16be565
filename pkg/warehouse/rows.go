package warehouse

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// source is one event with its commit, from which a projection makes its rows.
type source struct {
	commit *events.Commit
	index  uint16
	event  *events.Event
	body   events.Body
	name   string
	// municipality is where it happened (placeOf).
	municipality string
	// state is what the commit leaves behind of a subscriber.
	state func() *events.SubscriberState
}

// placeOf returns the municipality of an event: the one it names, else where its person lives, else that of the office, whose id
// begins with its code.
func placeOf(r Read, body events.Body) string {
	office := r.Commit.Office
	if r.Commit.Kind == events.KindOffice {
		office = r.Commit.Id
	}
	return cmp.Or(municipalityOf(body), r.Municipality, regime.MunicipalityOf(office))
}

// Date is a civil day in a table; zero if absent.
type Date struct{ civil.Date }

// Scan implements sql.Scanner.
func (d *Date) Scan(value any) error {
	t, ok := value.(time.Time)
	if !ok {
		return fmt.Errorf("reading a day: %T is not a date", value)
	}
	if d.Date = (civil.Date{}); t.Unix() != 0 {
		d.Date = civil.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
	}
	return nil
}

// day parses an event's ISO 8601 date. An absent or malformed one is zero: a projection records what the log holds and
// judges nothing.
func day(s string) Date {
	d, err := civil.Parse(s)
	if err != nil {
		return Date{}
	}
	return Date{d}
}

// instant converts an event's time in milliseconds; zero is absent.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// epoch represents absent times and days in a table.
var epoch = time.Unix(0, 0).UTC()

// clearAbsent sets the times in rows that represent "absent" to zero.
func clearAbsent[R any](rows []R) {
	kind, values := reflect.TypeFor[R](), reflect.ValueOf(rows)
	for i := range kind.NumField() {
		if kind.Field(i).Type != reflect.TypeFor[time.Time]() {
			continue
		}
		for row := range rows {
			if t := values.Index(row).Field(i).Addr().Interface().(*time.Time); t.UnixMilli() == 0 {
				*t = time.Time{}
			}
		}
	}
}

var words = wordsOf((*events.Event)(nil).ProtoReflect().Descriptor().ParentFile(),
	events.CertificateKind(0).Descriptor().ParentFile())

// wordsOf collects the words of all enumerations in the files.
func wordsOf(files ...protoreflect.FileDescriptor) map[protoreflect.FullName]map[protoreflect.EnumNumber]string {
	all := map[protoreflect.FullName]map[protoreflect.EnumNumber]string{}
	for _, file := range files {
		for i := range file.Enums().Len() {
			enum := file.Enums().Get(i)
			of := map[protoreflect.EnumNumber]string{}
			prefix := strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
			for j := range enum.Values().Len() {
				value := enum.Values().Get(j)
				word := strings.TrimPrefix(string(value.Name()), prefix)
				of[value.Number()] = strings.ReplaceAll(strings.ToLower(word), "_", "-")
			}
			of[0] = ""
			all[enum.FullName()] = of
		}
	}
	return all
}

// word returns an enumeration's value as events.JSON shows it, or "" if absent.
func word(e protoreflect.Enum) string {
	return words[e.Descriptor().FullName()][e.Number()]
}

// reasonWord returns a revocation reason in the words of RFC 5280 5.3.1, in lower case with hyphens.
func reasonWord(r events.RevocationReason) string {
	return strings.TrimPrefix(word(r), "crl-")
}
