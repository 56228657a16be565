package page

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
)

// Language is the language of a page.
type Language string

// The two languages of every page; Japanese is the default.
const (
	Japanese Language = "ja"
	English  Language = "en"
)

// Languages lists both, the default first.
var Languages = []Language{Japanese, English}

// Other returns the language that is not l.
func (l Language) Other() Language {
	if l == English {
		return Japanese
	}
	return English
}

const languageCookie = "lang"

// LanguageOf returns the reader's language: ?lang= in the URL, else the cookie that an earlier ?lang= left, else
// Japanese.
func LanguageOf(r *http.Request) Language {
	if l, ok := ParseLanguage(r.URL.Query().Get(languageCookie)); ok {
		return l
	}
	if c, err := r.Cookie(languageCookie); err == nil {
		if l, ok := ParseLanguage(c.Value); ok {
			return l
		}
	}
	return Japanese
}

// ParseLanguage returns the language of that name; false if there is none.
func ParseLanguage(s string) (Language, bool) {
	return Language(s), slices.Contains(Languages, Language(s))
}

// rememberLanguage keeps a choice made by ?lang= for later pages.
func rememberLanguage(w http.ResponseWriter, r *http.Request) {
	if l, ok := ParseLanguage(r.URL.Query().Get(languageCookie)); ok {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: string(l), Path: "/", HttpOnly: true,
			SameSite: http.SameSiteStrictMode, MaxAge: 365 * 24 * 3600,
		})
	}
}

// Text is one phrase in both languages; %s, %d and the like are filled by {{t "key" args}}.
type Text struct{ JA, EN string }

func (t Text) in(l Language) string {
	if l == English {
		return t.EN
	}
	return t.JA
}

// Catalogue holds a service's phrases by key.
type Catalogue map[string]Text

// LayoutWords are the phrases of the layout itself.
var LayoutWords = Catalogue{
	"layout.skip":    {"本文へ移動", "Skip to main content"},
	"layout.switch":  {"English", "日本語"},
	"layout.errors":  {"入力内容を確認してください", "Please check what you entered"},
	"layout.product": {"証明 Shomei", "Shomei 証明"},
	"layout.demo": {
		"実証用の仕組みです。ここで発行される証明書は、公的個人認証サービスの証明書ではありません。",
		"A demonstration: certificates issued here are not certificates of the public JPKI service.",
	},
}

func (c Catalogue) with(more Catalogue) Catalogue {
	all := maps.Clone(more)
	maps.Copy(all, c)
	return all
}

// complete fails and lists every phrase that lacks a language, or whose two texts take different arguments.
func (c Catalogue) complete() error {
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(c)) {
		text := c[key]
		switch {
		case text.JA == "" || text.EN == "":
			wrong = append(wrong, fmt.Errorf("phrase %q lacks a language", key))
		case strings.Count(text.JA, "%") != strings.Count(text.EN, "%"):
			wrong = append(wrong, fmt.Errorf("phrase %q takes different arguments in its languages", key))
		}
	}
	return errors.Join(wrong...)
}

func (c Catalogue) say(l Language, key string, args ...any) (string, error) {
	text, ok := c[key]
	if !ok {
		return "", fmt.Errorf("the catalogue has no phrase %q", key)
	}
	if len(args) == 0 {
		return text.in(l), nil
	}
	return fmt.Sprintf(text.in(l), args...), nil
}

// coversTemplates finds every {{t "key"}} of a page and its partials, so that a missing phrase is an error at start and
// not a broken page at the counter.
func (c Catalogue) coversTemplates(name string, page *template.Template) error {
	missing := map[string]bool{}
	for _, t := range page.Templates() {
		if t.Tree != nil {
			walk(reflect.ValueOf(t.Tree.Root), func(key string) {
				if _, ok := c[key]; !ok {
					missing[key] = true
				}
			})
		}
	}
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		wrong = append(wrong, fmt.Errorf("page %s asks for phrase %q, which the catalogue lacks", name, key))
	}
	return errors.Join(wrong...)
}

// walk visits the literal keys of {{t "key"}} below a node of a parse tree,
// whatever kinds of node lie between.
func walk(v reflect.Value, visit func(key string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if command, ok := v.Interface().(*parse.CommandNode); ok && command != nil {
			visitCommand(command, visit)
		}
		if _, isTree := v.Interface().(*parse.Tree); !isTree && !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), visit)
			}
		}
	}
}

func visitCommand(command *parse.CommandNode, visit func(key string)) {
	if len(command.Args) < 2 {
		return
	}
	word, isWord := command.Args[0].(*parse.IdentifierNode)
	key, isText := command.Args[1].(*parse.StringNode)
	if isWord && isText && word.Ident == "t" {
		visit(key.Text)
	}
}
