// Package notice holds what is sent to people about their certificates: the
// words in Japanese and English, the mail around them, sending by SMTP with an
// outcome that can be recorded, and a mail server in miniature for trying it out.
//
// A notice says what and when, and nothing about the person: no serial number,
// name, address, birth date, and no link to follow.
package notice

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"shomei/events"
	"shomei/pkg/civil"
)

// ErrNotice: a notice lacks what its text needs.
var ErrNotice = errors.New("incomplete notice")

// Language is the language of a notice, "ja" or "en".
type Language string

// The languages of notices; Japanese is the default.
const (
	Japanese Language = "ja"
	English  Language = "en"
)

// Notice is what one person is told. It comes from NoticeDue and the certificates that it names.
type Notice struct {
	// ID is NoticeDue.notice; repeats of one notice have one id.
	ID     string
	Kind   events.NoticeKind
	Regime events.Regime
	// Certificates are the kinds concerned, each once.
	Certificates []events.CertificateKind
	// LastDay is the last day of validity, for notices of expiry and of an end by expiry.
	LastDay civil.Date
	// WindowOpens is the first day of renewal; zero if the law has no window (juki, law.md 4.1).
	WindowOpens civil.Date
	// EndedOn is the day of revocation or suspension.
	EndedOn civil.Date
	// CardEnds: the card ends on LastDay, too, so only a new card helps (law.md 4.5).
	CardEnds bool
	// Overseas: the reader lives overseas, so the office of the family register is responsible (law.md 4.3).
	Overseas bool
	// Renewable reports whether a certificate of this regime is still issued when the notice is read (until 2015-12-22 for juki).
	Renewable bool
	// FeeYen is what the renewal, or the new certificate, costs; 0: free of charge.
	FeeYen int
	// Language of the reader; empty: Japanese.
	Language Language
}

// Office is the municipality that the notice comes from.
type Office struct {
	// Municipality is its everyday name ("山武市"), MunicipalityEN the same in Latin letters ("Sammu City").
	Municipality, MunicipalityEN string
	// Desk is where to go ("市民課 1番窓口"), with opening hours.
	Desk, DeskEN string
	// Phone is the municipality's main number.
	Phone string
}

// Text is the written notice.
type Text struct {
	Subject string
	Body    string // lines end with \n
}

//go:embed texts/*.txt
var files embed.FS

var texts = map[Language]*template.Template{Japanese: parse(Japanese), English: parse(English)}

// parse panics only on a broken embedded text, which the package's tests would show first.
func parse(l Language) *template.Template {
	return template.Must(template.New(string(l)).Funcs(template.FuncMap{
		"day":      func(d civil.Date) string { return day(l, d) },
		"shortday": func(d civil.Date) string { return shortDay(l, d) },
	}).ParseFS(files, "texts/"+string(l)+".txt"))
}

// Write returns the notice in words: subject with what and when, then the last day, the window, what to bring and how
// to tell that it is genuine. A notice of an unknown kind or regime, or without the dates that its text names, is
// ErrNotice.
func Write(n Notice, o Office) (Text, error) {
	if err := n.check(o); err != nil {
		return Text{}, err
	}
	set, ok := texts[n.language()]
	if !ok {
		return Text{}, fmt.Errorf("%w: no texts in language %q", ErrNotice, n.Language)
	}
	data := map[string]any{"N": n, "Office": o, "What": n.what(), "Reference": n.Reference()}
	var subject, body bytes.Buffer
	name := n.textName()
	if err := set.ExecuteTemplate(&subject, name+".subject", data); err != nil {
		return Text{}, fmt.Errorf("writing the subject: %w", err)
	}
	if err := set.ExecuteTemplate(&body, name+".body", data); err != nil {
		return Text{}, fmt.Errorf("writing the notice: %w", err)
	}
	return Text{Subject: strings.TrimSpace(subject.String()), Body: strings.TrimSpace(body.String()) + "\n"}, nil
}

func (n Notice) check(o Office) error {
	var needed civil.Date
	switch n.Kind {
	case events.NoticeKind_NOTICE_KIND_EXPIRY, events.NoticeKind_NOTICE_KIND_EXPIRED:
		needed = n.LastDay
	case events.NoticeKind_NOTICE_KIND_REVOKED, events.NoticeKind_NOTICE_KIND_SUSPENDED:
		needed = n.EndedOn
	default:
		return fmt.Errorf("%w: kind %v", ErrNotice, n.Kind)
	}
	switch {
	case n.ID == "":
		return fmt.Errorf("%w: no id", ErrNotice)
	case n.Regime != events.Regime_REGIME_JUKI && n.Regime != events.Regime_REGIME_MYNUMBER:
		return fmt.Errorf("%w %s: regime %v", ErrNotice, n.ID, n.Regime)
	case len(n.Certificates) == 0:
		return fmt.Errorf("%w %s: no certificate", ErrNotice, n.ID)
	case needed.IsZero():
		return fmt.Errorf("%w %s: no day", ErrNotice, n.ID)
	case o.Municipality == "" || o.MunicipalityEN == "" || o.Phone == "":
		return fmt.Errorf("%w %s: the office lacks its name or telephone number", ErrNotice, n.ID)
	}
	return nil
}

func (n Notice) language() Language {
	if n.Language == "" {
		return Japanese
	}
	return n.Language
}

// textName returns the block of the text file: kind and regime, or kind and the card that ends.
func (n Notice) textName() string {
	kind := strings.ToLower(strings.TrimPrefix(n.Kind.String(), "NOTICE_KIND_"))
	regime := strings.ToLower(strings.TrimPrefix(n.Regime.String(), "REGIME_"))
	if n.CardEnds && n.Regime == events.Regime_REGIME_MYNUMBER && (n.Kind == events.NoticeKind_NOTICE_KIND_EXPIRY || n.Kind == events.NoticeKind_NOTICE_KIND_EXPIRED) {
		return kind + ".card"
	}
	return kind + "." + regime
}

// what names the certificates concerned, as the law does.
func (n Notice) what() string {
	if n.Regime == events.Regime_REGIME_JUKI {
		return map[Language]string{
			Japanese: "電子証明書（住民基本台帳カード）", English: "electronic certificate (Basic Resident Register Card)",
		}[n.language()]
	}
	names := map[Language]map[events.CertificateKind]string{
		Japanese: {events.CertificateKind_CERTIFICATE_KIND_SIGN: "署名用電子証明書", events.CertificateKind_CERTIFICATE_KIND_AUTH: "利用者証明用電子証明書"},
		English:  {events.CertificateKind_CERTIFICATE_KIND_SIGN: "digital signature certificate", events.CertificateKind_CERTIFICATE_KIND_AUTH: "user authentication certificate"},
	}[n.language()]
	and := map[Language]string{Japanese: "・", English: " and "}[n.language()]
	var list []string
	for _, kind := range n.Certificates {
		list = append(list, names[kind])
	}
	return strings.Join(list, and)
}

// Reference returns a short number that the office can look up, so that a reader can ask whether a notice is genuine.
// It reveals nothing about the person.
func (n Notice) Reference() string {
	digest := n.digest()
	return strings.ToUpper(digest[:5] + "-" + digest[5:10])
}

func (n Notice) digest() string {
	sum := sha256.Sum256([]byte("shomei notice " + n.ID))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

func day(l Language, d civil.Date) string {
	if l == English {
		return fmt.Sprintf("%d %s %d", d.Day, d.Month, d.Year)
	}
	// Both calendars, as public bodies write them: 令和8年（2026年）12月22日（火曜日）.
	year := strings.TrimSuffix(d.Wareki(), shortDay(l, d))
	weekday := []string{"日", "月", "火", "水", "木", "金", "土"}[d.Weekday()]
	return fmt.Sprintf("%s（%d年）%s（%s曜日）", year, d.Year, shortDay(l, d), weekday)
}

func shortDay(l Language, d civil.Date) string {
	if l == English {
		return fmt.Sprintf("%d %s", d.Day, d.Month)
	}
	return fmt.Sprintf("%d月%d日", d.Month, d.Day)
}
