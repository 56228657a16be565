package regime

import (
	"errors"
	"reflect"
	"testing"
)

// Each switch has a setting under the name that configuration reads, with its words, and can be set and read back.
func TestEverySwitchCanBeSet(t *testing.T) {
	fields := reflect.TypeFor[Switches]()
	if fields.NumField() != len(Settings()) {
		t.Errorf("%d switches, %d settings", fields.NumField(), len(Settings()))
	}
	for i, x := range Settings() {
		if tag := fields.Field(i).Tag.Get("toml"); tag != x.Name || x.JA == "" || x.EN == "" {
			t.Errorf("%s: the switch is %q, %+v", x.Name, tag, x)
		}
		if len(x.Rules) == 0 {
			t.Errorf("%s: no rule shows it", x.Name)
		}
		value := "true"
		switch fields.Field(i).Type.Kind() {
		case reflect.Int:
			value = "14"
		case reflect.Struct:
			value = "2028-04-01"
		}
		var s Switches
		before := x.Of(s)
		if err := x.Set(&s, value); err != nil || x.Of(s) != value || before == value || reflect.ValueOf(s).Field(i).IsZero() {
			t.Errorf("%s: %v; %q, then %q", x.Name, err, before, x.Of(s))
		}
		var bad *FieldError
		if err := x.Set(&s, "perhaps"); !errors.As(err, &bad) || bad.Field != x.Name {
			t.Errorf("%s: %v", x.Name, err)
		}
		if named, ok := SettingNamed(x.Name); !ok || named.Name != x.Name {
			t.Errorf("%s is not found", x.Name)
		}
	}
	if _, ok := SettingNamed("fax"); ok {
		t.Error("there is a setting fax")
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, s := range []Switches{{LetterDays: -1}, {LetterDays: 367}, {JukiWindowMonths: 37}, {PlanBirthdayMonth: true}, {PlanFrom: day("2028-04-01")}} {
		var bad *FieldError
		if err := s.Check(); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []Switches{{}, {LetterDays: 30, JukiWindowMonths: 3}, {PlanBirthdayMonth: true, PlanFrom: day("2028-04-01")}} {
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
