// Package ops holds what any process of Shomei needs around its real work: strict configuration, a logger that keeps
// personal data out, health endpoints, a metrics registry, ordered shutdown, and the clock. Only cmd imports it;
// services receive a logger, collectors and a clock function in their Config.
package ops

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// ErrConfig: the configuration is unusable; the process exits with 78.
var ErrConfig = errors.New("bad configuration")

// EnvPrefix is the prefix of environment variables that override the file: SHOMEI_SMTP_HOST sets key host of table
// [smtp].
const EnvPrefix = "SHOMEI_"

// Duration is a length of time written as Go writes it ("90s", "24h").
type Duration struct{ time.Duration }

// UnmarshalText parses text such as "1h30m".
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// MarshalText formats what UnmarshalText parses.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Origin says where the value of one key came from.
type Origin struct {
	Key    string // dotted, as in "smtp.host"
	Source string // "default", the file's path, "SHOMEI_…" or the path of a secret's file
	Value  string // as text; "***" for a secret
}

// Load fills the struct that into points to, which holds the defaults: first
// from the TOML file at path (none when path is ""), then from the SHOMEI_…
// variables in environ (as os.Environ gives them), last from secret files: a
// key x_file beside a key x names a file whose text, without its last newline,
// becomes x. Keys come from `toml` tags.
//
// Every unknown key and every value of a wrong type is named with
// file:line:column and the nearest known key; such errors are ErrConfig. The
// origins cover all keys, in the struct's order.
func Load(path string, environ []string, into any) ([]Origin, error) {
	fields := collect("", reflect.ValueOf(into).Elem())
	sources := map[string]string{}
	if err := loadFile(path, into, fields, sources); err != nil {
		return nil, err
	}
	if err := loadEnviron(environ, fields, sources); err != nil {
		return nil, err
	}
	if err := loadSecrets(fields, sources); err != nil {
		return nil, err
	}
	return origins(fields, sources), nil
}

type field struct {
	key   string
	value reflect.Value
}

func (f field) env() string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f.key))
}

// collect lists the leaves of a struct, in order.
func collect(prefix string, v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		if f := v.Field(i); isTable(f) {
			fields = append(fields, collect(prefix+name+".", f)...)
		} else {
			fields = append(fields, field{prefix + name, f})
		}
	}
	return fields
}

func isTable(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && !isText(v)
}

func loadFile(path string, into any, fields []field, sources map[string]string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: reading it: %w", ErrConfig, err)
	}
	err = toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(into)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, located(path, err, fields))
	}
	var present map[string]any
	if err := toml.Unmarshal(text, &present); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	for _, f := range fields {
		if in(present, strings.Split(f.key, ".")) {
			sources[f.key] = path
		}
	}
	return nil
}

func in(table map[string]any, key []string) bool {
	v, ok := table[key[0]]
	if !ok || len(key) == 1 {
		return ok
	}
	deeper, ok := v.(map[string]any)
	return ok && in(deeper, key[1:])
}

// located turns go-toml's errors into lines of file:line:column.
func located(path string, err error, fields []field) error {
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		lines := make([]error, len(strict.Errors))
		for i, e := range strict.Errors {
			row, column := e.Position()
			key := strings.Join(e.Key(), ".")
			lines[i] = fmt.Errorf("%s:%d:%d: unknown key %q%s", path, row, column, key, didYouMean(key, keysOf(fields)))
		}
		return errors.Join(lines...)
	case errors.As(err, &one):
		row, column := one.Position()
		return fmt.Errorf("%s:%d:%d: %s", path, row, column, strings.TrimPrefix(one.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", path, err)
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

func origins(fields []field, sources map[string]string) []Origin {
	out := make([]Origin, len(fields))
	for i, f := range fields {
		out[i] = Origin{Key: f.key, Source: sources[f.key], Value: shown(f)}
		if out[i].Source == "" {
			out[i].Source = "default"
		}
	}
	return out
}

func shown(f field) string {
	value := fmt.Sprint(f.value.Interface())
	if value != "" && isSecret(f.key) {
		return "***"
	}
	return value
}

func isSecret(key string) bool {
	for _, word := range []string{"password", "secret", "token", "seed", "pin"} {
		if last := key[strings.LastIndex(key, ".")+1:]; last == word || strings.HasSuffix(last, "_"+word) {
			return true
		}
	}
	return false
}

// didYouMean names the known word nearest to what was written, if one is near.
func didYouMean(wrong string, known []string) string {
	known = append([]string(nil), known...)
	sort.SliceStable(known, func(i, j int) bool { return distance(wrong, known[i]) < distance(wrong, known[j]) })
	if len(known) == 0 || distance(wrong, known[0]) > max(2, len(wrong)/3) {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", known[0])
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
