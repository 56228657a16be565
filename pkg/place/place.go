// Package place names the prefectures and municipalities of Japan by their codes, as they are today: two digits for a prefecture,
// five for a municipality or a ward of a designated city (全国地方公共団体コード without its check digit).
package place

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// all: includes the placeholder of a checkout that has not seen `make assets`.
//
//go:embed all:names
var files embed.FS

const (
	prefectureDigits   = 2
	municipalityDigits = 5
)

// Name returns the name of a prefecture or municipality, a ward's with its city's; the code itself if none is known.
func Name(code string) string {
	if name := names()[code]; name != "" {
		return name
	}
	return code
}

var names = sync.OnceValue(func() map[string]string {
	names, err := read()
	if err != nil {
		panic(err) // the file is part of the build, and a test reads it
	}
	return names
})

// prefecture is an entry of the file; codes have six digits, the last one for checking.
type prefecture struct {
	Code           string `json:"code"`
	Name           string `json:"name"`
	Municipalities []struct {
		Code  string `json:"code"`
		Name  string `json:"name"`
		Wards []struct {
			Code string `json:"code"`
			Name string `json:"name"`
		} `json:"wards"`
	} `json:"municipalities"`
}

// read returns the names by code; none in a checkout that has not seen `make assets`.
func read() (map[string]string, error) {
	text, err := files.ReadFile("names/codes.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []prefecture
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the names of places: %w", err)
	}
	names := map[string]string{}
	for _, p := range all {
		names[cut(p.Code, prefectureDigits)] = p.Name
		for _, m := range p.Municipalities {
			names[cut(m.Code, municipalityDigits)] = m.Name
			for _, w := range m.Wards {
				names[cut(w.Code, municipalityDigits)] = m.Name + w.Name
			}
		}
	}
	return names, nil
}

func cut(code string, digits int) string { return code[:min(digits, len(code))] }
