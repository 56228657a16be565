// Package ops holds what any process of Shomei needs around its real work: strict configuration, a logger that keeps
// personal data out, health endpoints, a metrics registry, ordered shutdown, and the clock. Only cmd imports it;
// services receive a logger, collectors and a clock function in their Config.
package ops

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2"

	"shomei/pkg/intake"
)

// ErrConfig: the configuration is unusable; the process exits with 78.
var ErrConfig = errors.New("bad configuration")

// EnvPrefix is the prefix of environment variables that override the file: SHOMEI_SMTP_HOST sets key host of table
// [smtp].
const EnvPrefix = "SHOMEI_"

// Load fills the struct that into points to, which holds the defaults: first
// from the TOML file at path (none when path is ""), then from the SHOMEI_…
// variables in environ (as os.Environ gives them), last from secret files: a
// key x_file beside a key x names a file whose text, without its last newline,
// becomes x. Keys come from `toml` tags.
//
// Every unknown key and every value of a wrong type is named with
// file:line:column and the nearest known key; such errors are ErrConfig.
func Load(path string, environ []string, into any) error {
	all := settings("", reflect.ValueOf(into).Elem())
	err := loadFile(path, into)
	if err == nil {
		err = loadEnviron(environ, all)
	}
	if err == nil {
		err = loadSecrets(all)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// Keys lists the keys that Load knows for a struct, dotted as in "smtp.host", in the struct's order.
func Keys(into any) (keys []string) {
	for _, s := range settings("", reflect.ValueOf(into).Elem()) {
		keys = append(keys, s.key)
	}
	return keys
}

// setting is one value of a configuration under its dotted key.
type setting struct {
	key   string
	value reflect.Value
}

func (s setting) variable() string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.key))
}

// settings lists the values in a struct and in the tables in it.
func settings(table string, v reflect.Value) (all []setting) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
		field := v.Field(i)
		_, text := field.Addr().Interface().(encoding.TextUnmarshaler)
		switch {
		case name == "" || name == "-":
		case field.Kind() == reflect.Struct && !text:
			all = append(all, settings(table+name+".", field)...)
		default:
			all = append(all, setting{table + name, field})
		}
	}
	return all
}

// set reads a value from text; lists are separated by commas.
func (s setting) set(text string) error {
	switch to := s.value.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(text))
	case *[]string:
		*to = nil
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*to = append(*to, item)
			}
		}
		return nil
	}
	what := map[reflect.Kind]string{
		reflect.Bool: "neither true nor false", reflect.Int: "not a whole number", reflect.Int64: "not a whole number",
	}[s.value.Kind()]
	switch {
	case s.value.Kind() == reflect.String:
		s.value.SetString(text)
	case what == "":
		return fmt.Errorf("a value of type %s can be set in the file only", s.value.Type())
	default:
		if rest, err := fmt.Sscanln(text, s.value.Addr().Interface()); err != nil || rest != 1 {
			return fmt.Errorf("%q is %s", text, what)
		}
	}
	return nil
}

func loadFile(path string, into any) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	err = toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(into)
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		lines := make([]error, len(strict.Errors))
		for i, e := range strict.Errors {
			row, column := e.Position()
			key := strings.Join(e.Key(), ".")
			lines[i] = fmt.Errorf("%s:%d:%d: unknown key %q%s", path, row, column, key, didYouMean(key, Keys(into)))
		}
		return errors.Join(lines...)
	case errors.As(err, &one):
		row, column := one.Position()
		return fmt.Errorf("%s:%d:%d: %s", path, row, column, strings.TrimPrefix(one.Error(), "toml: "))
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// loadEnviron takes the variables that name a key. One that begins as those of a table do and names none is a slip, and not
// another program's.
func loadEnviron(environ []string, all []setting) error {
	var names, tables []string
	for _, s := range all {
		names = append(names, s.variable())
		if table, _, nested := strings.Cut(s.key, "."); nested {
			tables = append(tables, setting{key: table + "."}.variable())
		}
	}
	var wrong []error
	for _, line := range environ {
		name, text, _ := strings.Cut(line, "=")
		ours := slices.ContainsFunc(tables, func(table string) bool { return strings.HasPrefix(name, table) })
		if i := slices.Index(names, name); i >= 0 {
			if err := all[i].set(text); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			}
		} else if ours {
			wrong = append(wrong, fmt.Errorf("%s sets no known key%s", name, didYouMean(name, names)))
		}
	}
	return errors.Join(wrong...)
}

func loadSecrets(all []setting) error {
	for _, s := range all {
		key, named := strings.CutSuffix(s.key, "_file")
		target := slices.IndexFunc(all, func(t setting) bool { return t.key == key })
		if !named || target < 0 || s.value.String() == "" {
			continue
		}
		text, err := os.ReadFile(s.value.String())
		if err != nil {
			return fmt.Errorf("%s: %w", s.key, err)
		}
		if err := all[target].set(strings.TrimRight(string(text), "\r\n")); err != nil {
			return fmt.Errorf("the file of %s: %w", s.key, err)
		}
	}
	return nil
}

// didYouMean names the known word nearest to what was written, if one is near.
func didYouMean(wrong string, known []string) string {
	nearest := intake.Nearest(wrong, known)
	if nearest == "" || levenshtein.ComputeDistance(wrong, nearest) > max(2, len(wrong)/3) {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", nearest)
}
