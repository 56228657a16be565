package warehouse

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
)

// source is one event in its place: what a projection makes its rows of.
type source struct {
	commit *events.Commit
	index  uint16
	event  *events.Event
	body   events.Body
	name   string
}

// Date is a civil day of a table; zero when absent.
type Date struct{ civil.Date }

// Scan reads a day as the driver gives it.
func (d *Date) Scan(value any) error {
	t, ok := value.(time.Time)
	if !ok {
		return fmt.Errorf("reading a day: %T is no date", value)
	}
	if d.Date = (civil.Date{}); t.Unix() != 0 {
		d.Date = civil.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
	}
	return nil
}

// day reads an ISO 8601 date of an event; absent or malformed is zero, since
// a projection records what the log holds and judges nothing.
func day(s string) Date {
	d, err := civil.Parse(s)
	if err != nil {
		return Date{}
	}
	return Date{d}
}

// instant reads an instant of an event, in milliseconds; zero is absent.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// epoch is how absent instants and days stand in a table.
var epoch = time.Unix(0, 0).UTC()

// clearAbsent makes those instants of rows zero that stand for "absent".
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

// wordsOf collects the words of all enumerations of the files.
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

// word is an enumeration's value as events.JSON shows it; absent is "".
func word(e protoreflect.Enum) string {
	return words[e.Descriptor().FullName()][e.Number()]
}

// reasonWord is a revocation reason in the words of RFC 5280 5.3.1, in lower
// case with hyphens.
func reasonWord(r events.RevocationReason) string {
	return strings.TrimPrefix(word(r), "crl-")
}
