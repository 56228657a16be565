package ops

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
)

func loadEnviron(environ []string, fields []field, sources map[string]string) error {
	byName := map[string]field{}
	tables := map[string]bool{}
	for _, f := range fields {
		byName[f.env()] = f
		if table, _, nested := strings.Cut(f.key, "."); nested {
			tables[EnvPrefix+strings.ToUpper(table)+"_"] = true
		}
	}
	var wrong []error
	for _, line := range environ {
		name, text, _ := strings.Cut(line, "=")
		if f, ok := byName[name]; ok {
			if err := setText(f.value, text); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			}
			sources[f.key] = name
		} else if belongs(name, tables) {
			wrong = append(wrong, fmt.Errorf("%s sets no known key%s", name, didYouMean(name, names(fields))))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %w", ErrConfig, errors.Join(wrong...))
	}
	return nil
}

// belongs reports whether a variable starts like one of the configuration's tables: then an unknown name is a mistake,
// not another program's variable.
func belongs(name string, tables map[string]bool) bool {
	for table := range tables {
		if strings.HasPrefix(name, table) {
			return true
		}
	}
	return false
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.env()
	}
	return out
}

func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// setText sets one leaf from text; lists are separated by commas.
func setText(v reflect.Value, text string) error {
	if isText(v) {
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Slice:
		return setList(v, text)
	default:
		return fmt.Errorf("a value of type %s can be set in the file only", v.Type())
	}
	return nil
}

func setList(v reflect.Value, text string) error {
	if v.Type().Elem().Kind() != reflect.String {
		return fmt.Errorf("a value of type %s can be set in the file only", v.Type())
	}
	list := reflect.MakeSlice(v.Type(), 0, 4)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = reflect.Append(list, reflect.ValueOf(item).Convert(v.Type().Elem()))
		}
	}
	v.Set(list)
	return nil
}

func loadSecrets(fields []field, sources map[string]string) error {
	byKey := map[string]field{}
	for _, f := range fields {
		byKey[f.key] = f
	}
	for _, f := range fields {
		target, ok := byKey[strings.TrimSuffix(f.key, "_file")]
		if !ok || !strings.HasSuffix(f.key, "_file") || f.value.String() == "" {
			continue
		}
		text, err := os.ReadFile(f.value.String())
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, f.key, err)
		}
		if err := setText(target.value, strings.TrimRight(string(text), "\r\n")); err != nil {
			return fmt.Errorf("%w: the file of %s: %w", ErrConfig, f.key, err)
		}
		sources[target.key] = f.value.String()
	}
	return nil
}
