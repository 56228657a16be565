package notice

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"shomei/events"
	"shomei/pkg/civil"
)

const (
	expiry    = events.NoticeKind_NOTICE_KIND_EXPIRY
	revoked   = events.NoticeKind_NOTICE_KIND_REVOKED
	suspended = events.NoticeKind_NOTICE_KIND_SUSPENDED
	expired   = events.NoticeKind_NOTICE_KIND_EXPIRED
	juki      = events.Regime_REGIME_JUKI
	mynumber  = events.Regime_REGIME_MYNUMBER
	sign      = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth      = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

var office = Office{Municipality: "山武市", MunicipalityEN: "Sammu City", Desk: "市民課", DeskEN: "Citizens' Section", Phone: "0475-00-0000"}

func sample(kind events.NoticeKind, regime events.Regime, l Language) Notice {
	return Notice{
		ID: "ntc-1", Kind: kind, Regime: regime, Certificates: []events.CertificateKind{auth, sign}, Renewable: true, Language: l,
		LastDay: civil.New(2026, 12, 22), WindowOpens: civil.New(2026, 9, 23), EndedOn: civil.New(2026, 11, 5),
	}
}

func with(n Notice, change func(*Notice)) Notice {
	change(&n)
	return n
}

func TestEveryNoticeIsWrittenInBothLanguages(t *testing.T) {
	japanese := regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)
	for value := range events.NoticeKind_name {
		kind := events.NoticeKind(value)
		for _, regime := range []events.Regime{juki, mynumber} {
			for _, l := range []Language{Japanese, English} {
				for variant := range 8 {
					if kind == events.NoticeKind_NOTICE_KIND_UNSPECIFIED {
						continue
					}
					n := sample(kind, regime, l)
					n.Renewable, n.CardEnds, n.Overseas = variant&1 == 0, variant&2 == 0, variant&4 == 0
					text, err := Write(n, office)
					if err != nil {
						t.Fatalf("%s %s: %v", n.textName(), l, err)
					}
					whole := text.Subject + "\n" + text.Body
					if strings.Contains(whole, "<no value>") || strings.Contains(whole, "http") || strings.Contains(text.Subject, "\n") {
						t.Errorf("%s %s:\n%s", n.textName(), l, whole)
					}
					if japanese.MatchString(whole) != (l == Japanese) {
						t.Errorf("%s is not in %s:\n%s", n.textName(), l, whole)
					}
					if !strings.Contains(text.Body, n.Reference()) || !strings.Contains(text.Body, office.Phone) {
						t.Errorf("%s %s does not say how to tell that it is genuine:\n%s", n.textName(), l, text.Body)
					}
				}
			}
		}
	}
}

func TestNoticesSayWhatAndWhen(t *testing.T) {
	tests := map[string]struct {
		notice  Notice
		subject string
		body    []string
		not     []string
	}{
		"renew in the window": {
			sample(expiry, mynumber, Japanese), "〔山武市〕電子証明書の有効期間が12月22日に満了します",
			[]string{"利用者証明用電子証明書・署名用電子証明書", "令和8年（2026年）12月22日（火曜日）", "令和8年（2026年）9月23日（水曜日）から", "手数料は無料", "暗証番号"},
			[]string{"円"},
		},
		"the card ends too": {
			with(sample(expiry, mynumber, Japanese), func(n *Notice) { n.CardEnds = true }), "〔山武市〕カードと電子証明書の有効期間が12月22日に満了します",
			[]string{"カードの有効期間", "新しいカードの申請", "1か月", "利用者証明用電子証明書・署名用電子証明書"},
			[]string{"更新の手続きができる期間", "いつでも"},
		},
		"the card has ended too": {
			with(sample(expired, mynumber, English),
				func(n *Notice) { n.CardEnds = true }), "[Sammu City] Your card and its electronic certificate ended on 22 December",
			[]string{"apply for a new card", "about a month"},
			[]string{"at any time"},
		},
		"overseas": {
			with(sample(expiry, mynumber, Japanese), func(n *Notice) { n.Overseas = true }), "〔山武市〕電子証明書の有効期間が12月22日に満了します",
			[]string{"本籍地の市区町村の窓口または在外公館", "1年前"},
			[]string{"お住まい"},
		},
		"overseas, ended": {
			with(sample(expired, mynumber, English),
				func(n *Notice) { n.Overseas = true }), "[Sammu City] Your electronic certificate ended on 22 December",
			[]string{"municipality of your family register or at a diplomatic mission"},
			[]string{"where you live"},
		},
		"in English": {
			sample(expiry, mynumber, English), "[Sammu City] Your electronic certificate ends on 22 December",
			[]string{"user authentication certificate and digital signature certificate", "22 December 2026", "from 23 September 2026", "free of charge"},
			nil,
		},
		"juki, while it lasts": {
			func() Notice { n := sample(expiry, juki, Japanese); n.FeeYen = 500; return n }(),
			"〔山武市〕電子証明書の有効期間が12月22日に満了します",
			[]string{"住民基本台帳カード", "手数料は500円"},
			[]string{"マイナンバーカード"},
		},
		"juki, after its end": {
			func() Notice { n := sample(expiry, juki, Japanese); n.Renewable = false; return n }(),
			"〔山武市〕電子証明書の有効期間が12月22日に満了します",
			[]string{"発行と更新は終わっています", "マイナンバーカードをお申し込みください"},
			[]string{"更新の手続き"},
		},
		"revoked":   {sample(revoked, mynumber, Japanese), "〔山武市〕電子証明書が11月5日に失効しました", []string{"令和8年（2026年）11月5日（木曜日）"}, nil},
		"suspended": {sample(suspended, mynumber, Japanese), "〔山武市〕電子証明書を11月5日に一時停止しました", []string{"解除されません"}, nil},
		"expired":   {sample(expired, mynumber, Japanese), "〔山武市〕電子証明書の有効期間が12月22日に満了しました", []string{"新しい電子証明書"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := Write(test.notice, office)
			if err != nil {
				t.Fatal(err)
			}
			if text.Subject != test.subject {
				t.Errorf("subject %q, want %q", text.Subject, test.subject)
			}
			for _, want := range test.body {
				if !strings.Contains(text.Body, want) {
					t.Errorf("no %q in\n%s", want, text.Body)
				}
			}
			for _, unwanted := range test.not {
				if strings.Contains(text.Body, unwanted) {
					t.Errorf("%q stands in\n%s", unwanted, text.Body)
				}
			}
		})
	}
}

func TestWriteRefusesAnIncompleteNotice(t *testing.T) {
	change := func(f func(*Notice)) Notice {
		n := sample(expiry, mynumber, Japanese)
		f(&n)
		return n
	}
	tests := map[string]Notice{
		"no id":             change(func(n *Notice) { n.ID = "" }),
		"no kind":           change(func(n *Notice) { n.Kind = 0 }),
		"no regime":         change(func(n *Notice) { n.Regime = 0 }),
		"no certificate":    change(func(n *Notice) { n.Certificates = nil }),
		"no last day":       change(func(n *Notice) { n.LastDay = civil.Date{} }),
		"no day of the end": change(func(n *Notice) { n.Kind = revoked; n.EndedOn = civil.Date{} }),
		"unknown language":  change(func(n *Notice) { n.Language = "fr" }),
	}
	for name, n := range tests {
		if _, err := Write(n, office); !errors.Is(err, ErrNotice) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Write(sample(expiry, mynumber, Japanese), Office{Municipality: "山武市"}); !errors.Is(err, ErrNotice) {
		t.Errorf("office without telephone: got %v", err)
	}
}
