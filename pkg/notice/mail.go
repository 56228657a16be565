package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// ErrAddress: an address can't be written to; the error does not repeat it.
var ErrAddress = errors.New("not a mail address")

// Message is a composed mail, ready to be sent.
type Message struct {
	// ID is the Message-ID without its brackets. It is derived from the notice's id, so that mail servers, mailboxes
	// and people can recognise a notice sent twice.
	ID  string
	msg *mail.Msg
}

// Compose makes the mail of a written notice: plain text in UTF-8, because ISO-2022-JP can't carry every name of a
// municipality, marked as generated automatically (RFC 3834). date goes into its Date field. A wrong from or to is
// ErrAddress.
func Compose(n Notice, text Text, from, to string, date time.Time) (Message, error) {
	id, err := MessageID(n, from)
	if err != nil {
		return Message{}, err
	}
	return assemble(envelope{"notice " + n.ID, id, from, to, n.language(), date}, text)
}

// envelope is the mail around a text.
type envelope struct {
	what, id, from, to string
	language           Language
	date               time.Time
}

func assemble(e envelope, text Text) (Message, error) {
	m := mail.NewMsg(mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingB64), mail.WithNoDefaultUserAgent())
	if err := m.From(e.from); err != nil {
		return Message{}, fmt.Errorf("composing %s: sender: %w", e.what, ErrAddress)
	}
	if err := m.To(e.to); err != nil {
		return Message{}, fmt.Errorf("composing %s: recipient: %w", e.what, ErrAddress)
	}
	m.Subject(text.Subject)
	m.SetDateWithValue(e.date)
	m.SetMessageIDWithValue(e.id)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("Content-Language", string(e.language))
	m.SetBodyString(mail.TypeTextPlain, text.Body)
	return Message{ID: e.id, msg: m}, nil
}

// MessageID returns the id of every mail of this notice when sent by from.
func MessageID(n Notice, from string) (string, error) {
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return "", fmt.Errorf("naming the message of notice %s: sender: %w", n.ID, ErrAddress)
	}
	return n.digest() + address.Address[strings.LastIndex(address.Address, "@"):], nil
}

// Result is the result of one attempt to send.
type Result int

const (
	// Sent: the server accepted the mail and is responsible for it.
	Sent Result = iota + 1
	// Temporary: not sent; retrying later may help. Refusals of ourselves (login, sender), which an operator cures,
	// count as such.
	Temporary
	// Permanent: the server refused this recipient or this mail for good.
	Permanent
	// Unknown: the connection broke after the mail and before the answer. The mail may have gone; a repeat carries the
	// same Message-ID.
	Unknown
)

// String returns the word recorded for the result.
func (r Result) String() string {
	switch r {
	case Sent:
		return "sent"
	case Temporary:
		return "temporary"
	case Permanent:
		return "permanent"
	case Unknown:
		return "unknown"
	}
	return "result " + strconv.Itoa(int(r))
}

// Outcome is the result and its code, fit to be recorded: it holds no address and none of the server's words, which
// often repeat one.
type Outcome struct {
	Result Result
	// Code is the enhanced status code (RFC 3463, "5.1.1"), the reply code if the server gave no enhanced one ("550"),
	// or "connection", "tls" or "cut".
	Code string
}

// Mailer sends through one SMTP server.
type Mailer struct {
	Host string `toml:"host"`
	Port int    `toml:"port"`
	// TLS is mandatory, opportunistic or none; empty: mandatory.
	TLS string `toml:"tls"`
	// Username and Password are for logging in, if Username is set. PasswordFile names a file that holds the password;
	// the configuration loader reads it.
	Username     string `toml:"username"`
	Password     string `toml:"password"`
	PasswordFile string `toml:"password_file"`
	// HELO is the name given to the server; empty: this host's name.
	HELO string `toml:"helo"`
	// Timeout limits each step; 0: 30 seconds.
	Timeout time.Duration `toml:"-"`
	// TLSConfig overrides the system's trusted roots; nil: uses them.
	TLSConfig *tls.Config `toml:"-"`
}

// Check connects, greets and logs in, for health checks.
func (m Mailer) Check(ctx context.Context) error {
	client, err := m.client()
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("reaching the mail server %s: %w", m.Host, err)
	}
	_ = client.CloseWithSMTPClient(connection)
	return nil
}

// Send delivers one message to the server and returns the outcome. The error is for the operator's log, nil if Sent;
// its text may repeat what the server said, addresses included, so log it only through a redacting logger.
func (m Mailer) Send(ctx context.Context, message Message) (Outcome, error) {
	client, err := m.client()
	if err != nil {
		return Outcome{Temporary, "configuration"}, err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return Outcome{Temporary, dialCode(err)}, fmt.Errorf("reaching the mail server %s: %w", m.Host, err)
	}
	// The answer to QUIT changes nothing about an accepted mail.
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	err = client.SendWithSMTPClient(connection, message.msg)
	outcome := classify(err)
	if outcome.Result == Sent {
		return outcome, nil
	}
	return outcome, fmt.Errorf("sending mail %s: %w", message.ID, err)
}

func (m Mailer) client() (*mail.Client, error) {
	policies := map[string]mail.TLSPolicy{
		"": mail.TLSMandatory, "mandatory": mail.TLSMandatory, "opportunistic": mail.TLSOpportunistic, "none": mail.NoTLS,
	}
	policy, ok := policies[m.TLS]
	if !ok {
		return nil, fmt.Errorf("mail server: tls %q: use mandatory, opportunistic or none", m.TLS)
	}
	timeout := m.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	options := []mail.Option{mail.WithPort(m.Port), mail.WithTLSPolicy(policy), mail.WithTimeout(timeout), mail.WithoutNoop(), mail.WithoutRset()}
	if m.TLSConfig != nil {
		options = append(options, mail.WithTLSConfig(m.TLSConfig))
	}
	if m.HELO != "" {
		options = append(options, mail.WithHELO(m.HELO))
	}
	if m.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.Username),
			mail.WithPassword(m.Password))
	}
	client, err := mail.NewClient(m.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", m.Host, err)
	}
	return client, nil
}

func classify(err error) Outcome {
	if err == nil {
		return Outcome{Sent, "2.0.0"}
	}
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return Outcome{Temporary, "connection"}
	}
	switch code := failed.ErrorCode(); {
	case failed.Reason == mail.ErrSMTPReset:
		return Outcome{Sent, "2.0.0"} // the mail was already accepted
	case code == 0 && failed.Reason == mail.ErrSMTPDataClose:
		return Outcome{Unknown, "cut"}
	case code == 0:
		return Outcome{Temporary, "connection"}
	case code >= 500 && failed.Reason != mail.ErrSMTPMailFrom && failed.Reason != mail.ErrConnCheck:
		return Outcome{Permanent, replyCode(failed)}
	default:
		return Outcome{Temporary, replyCode(failed)}
	}
}

func replyCode(failed *mail.SendError) string {
	if code := failed.EnhancedStatusCode(); code != "" {
		return code
	}
	return strconv.Itoa(failed.ErrorCode())
}

func dialCode(err error) string {
	var reply *textproto.Error
	var unverified *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &reply):
		return strconv.Itoa(reply.Code)
	case errors.As(err, &unverified), errors.As(err, &record), strings.Contains(err.Error(), "STARTTLS"):
		return "tls"
	}
	return "connection"
}
