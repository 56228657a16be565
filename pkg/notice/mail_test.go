package notice

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"shomei/pkg/civil"
)

const (
	from = "shomei@sammu.example"
	to   = "resident@mail.example"
)

var date = time.Date(2026, 9, 23, 9, 0, 0, 0, time.FixedZone("", 9*3600))

func compose(t *testing.T) Message {
	t.Helper()
	n := sample(expiry, mynumber, Japanese)
	text, err := Write(n, office)
	if err != nil {
		t.Fatal(err)
	}
	message, err := Compose(n, text, from, to, date)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestMailInTheSinkIsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	sink, err := ListenSink("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	message := compose(t)
	mailer := Mailer{Host: "127.0.0.1", Port: sink.Port(), TLS: "none"}
	if err := mailer.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if outcome, err := mailer.Send(t.Context(), message); err != nil || outcome != (Outcome{Sent, "2.0.0"}) {
			t.Fatalf("%+v, %v", outcome, err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "000001.eml"))
	if err != nil || sink.Count() != 2 {
		t.Fatalf("%d mails kept, %v", sink.Count(), err)
	}
	checkMail(t, kept, message)
	again, err := ListenSink("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if again.Count() != 2 {
		t.Errorf("opened again the sink goes on after %d", again.Count())
	}
}

func checkMail(t *testing.T, kept []byte, message Message) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(kept))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Write(sample(expiry, mynumber, Japanese), office)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != text.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if got := strings.ReplaceAll(string(body), "\r\n", "\n"); err != nil || got != text.Body {
		t.Errorf("body %q, %v", got, err)
	}
	for header, want := range map[string]string{
		"Message-ID": "<" + message.ID + ">", "Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8",
		"User-Agent": "", "X-Mailer": "", "Content-Language": "ja",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

// TestALetterOfInquirySaysUntilWhen: its answer lapses by the office's days, and carries the mandate where a proxy applied.
func TestALetterOfInquirySaysUntilWhen(t *testing.T) {
	written := func(change func(*Inquiry)) string {
		letter := Inquiry{
			ID: "p-1", Letter: "l-1", Case: "c-1", Name: "山武 花子", Address: "千葉県山武市殿台1番地", Office: office,
			Date: civil.New(2026, 11, 29).At(civil.Clock(10, 0)),
		}
		change(&letter)
		message, err := ComposeInquiry(letter, from, from)
		if err != nil {
			t.Fatal(err)
		}
		var sent bytes.Buffer
		if _, err := message.msg.WriteTo(&sent); err != nil {
			t.Fatal(err)
		}
		if head, _, _ := strings.Cut(sent.String(), "\r\n\r\n"); strings.Contains(head+message.ID, "l-1") || !strings.Contains(head, "p-1") {
			t.Errorf("the number that proves the arrival stands on the envelope:\n%s", head)
		}
		m, err := netmail.ReadMessage(&sent)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	plain := written(func(*Inquiry) {})
	if strings.Contains(plain, "回答期限") || strings.Contains(plain, "委任") || strings.Contains(plain, "%!") || strings.Count(plain, "l-1") != 1 || strings.Count(plain, "c-1") != 2 {
		t.Errorf("a letter without a term to the person:\n%s", plain)
	}
	full := written(func(l *Inquiry) { l.Until, l.Proxy = civil.New(2026, 12, 19), true })
	if !strings.Contains(full, "回答期限    令和8年12月19日") || !strings.Contains(full, "代理人の氏名") || strings.Contains(full, "%!") {
		t.Errorf("a letter to whom a proxy came for:\n%s", full)
	}
}

func TestMessageIDTellsRepeatsAndNothingElse(t *testing.T) {
	a, b := sample(expiry, mynumber, Japanese), sample(expiry, mynumber, Japanese)
	b.ID = "ntc-2"
	one, err := MessageID(a, "山武市 <"+from+">")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := MessageID(a, from)
	three, _ := MessageID(b, from)
	if one != two || one == three || strings.Contains(one, a.ID) || !strings.HasSuffix(one, "@sammu.example") {
		t.Errorf("ids %q, %q, %q", one, two, three)
	}
}

func TestComposeRefusesBadAddressesWithoutRepeatingThem(t *testing.T) {
	n := sample(expiry, mynumber, Japanese)
	for _, pair := range [][2]string{{from, "planted at mail"}, {"planted", to}, {from, "a@b.example\r\nBcc: planted@c.example"}} {
		_, err := Compose(n, Text{"s", "b"}, pair[0], pair[1], date)
		if !errors.Is(err, ErrAddress) || strings.Contains(fmt.Sprint(err), "planted") {
			t.Errorf("%q: %v", pair, err)
		}
	}
}

// refusing is a real SMTP server that fails at one step.
type refusing struct {
	conn           *smtp.Conn
	mail, rcpt, at error
	cut            bool
}

func (r *refusing) Mail(string, *smtp.MailOptions) error { return r.mail }
func (r *refusing) Rcpt(string, *smtp.RcptOptions) error { return r.rcpt }
func (r *refusing) Reset()                               {}
func (r *refusing) Logout() error                        { return nil }

func (r *refusing) Data(content io.Reader) error {
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	if r.cut {
		_ = r.conn.Conn().Close()
	}
	return r.at
}

func serve(t *testing.T, step refusing) int {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		own := step
		own.conn = c
		return &own, nil
	}))
	server.Domain = "localhost"
	go func() { _ = server.Serve(listen) }()
	t.Cleanup(func() { _ = server.Close() })
	return listen.Addr().(*net.TCPAddr).Port
}

func reply(code, a, b, c int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c}, Message: "no such mailbox " + to}
}

func TestSendSaysWhatBecameOfIt(t *testing.T) {
	tests := map[string]struct {
		server refusing
		want   Outcome
	}{
		"taken":                            {refusing{}, Outcome{Sent, "2.0.0"}},
		"no such mailbox":                  {refusing{rcpt: reply(550, 5, 1, 1)}, Outcome{Permanent, "5.1.1"}},
		"mailbox full":                     {refusing{rcpt: reply(452, 4, 2, 2)}, Outcome{Temporary, "4.2.2"}},
		"content refused":                  {refusing{at: reply(554, 5, 7, 1)}, Outcome{Permanent, "5.7.1"}},
		"server busy after the content":    {refusing{at: reply(451, 4, 3, 0)}, Outcome{Temporary, "4.3.0"}},
		"we are refused as a sender":       {refusing{mail: reply(550, 5, 7, 1)}, Outcome{Temporary, "5.7.1"}},
		"cut after the content":            {refusing{cut: true}, Outcome{Unknown, "cut"}},
		"without an enhanced code at RCPT": {refusing{rcpt: &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no"}}, Outcome{Permanent, "550"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			outcome, err := Mailer{Host: "127.0.0.1", Port: serve(t, test.server), TLS: "none"}.Send(t.Context(), compose(t))
			if outcome != test.want || (err == nil) != (outcome.Result == Sent) {
				t.Errorf("got %v %q (%v), want %v %q", outcome.Result, outcome.Code, err, test.want.Result, test.want.Code)
			}
		})
	}
}

// script is a server that says fixed lines, for failures that a proper server never shows.
func script(t *testing.T, greeting string) int {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listen.Close() })
	go func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, greeting)
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_ = conn.Close()
		}
	}()
	return listen.Addr().(*net.TCPAddr).Port
}

func TestAServerThatCannotBeUsedIsTemporary(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().(*net.TCPAddr).Port
	_ = closed.Close()
	tests := map[string]struct {
		mailer Mailer
		code   string
	}{
		"nobody listens":        {Mailer{Host: "127.0.0.1", Port: nobody, TLS: "none"}, "connection"},
		"closed for service":    {Mailer{Host: "127.0.0.1", Port: script(t, "421 come back later\r\n"), TLS: "none"}, "421"},
		"gone after greeting":   {Mailer{Host: "127.0.0.1", Port: script(t, "220 hello\r\n"), TLS: "none"}, "connection"},
		"no TLS though we must": {Mailer{Host: "127.0.0.1", Port: serve(t, refusing{})}, "tls"},
		"unknown TLS policy":    {Mailer{Host: "127.0.0.1", Port: 25, TLS: "maybe"}, "configuration"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			outcome, err := test.mailer.Send(t.Context(), compose(t))
			if want := (Outcome{Temporary, test.code}); outcome != want || err == nil {
				t.Errorf("got %v %q, want code %q: %v", outcome.Result, outcome.Code, test.code, err)
			}
		})
	}
}

func TestASinkClosedAtOnceEnds(t *testing.T) {
	for range 200 {
		sink, err := ListenSink("127.0.0.1:0", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSinkThatCannotWriteAnswersTemporary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	sink, err := ListenSink("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	outcome, _ := Mailer{Host: "127.0.0.1", Port: sink.Port(), TLS: "none"}.Send(t.Context(), compose(t))
	if outcome != (Outcome{Temporary, "4.3.1"}) || sink.Count() != 0 {
		t.Errorf("got %v %q with %d kept", outcome.Result, outcome.Code, sink.Count())
	}
}
