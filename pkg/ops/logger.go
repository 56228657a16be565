package ops

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// LogConfig configures the log of a process.
type LogConfig struct {
	// Level is debug, info, warn or error; empty: info.
	Level string `toml:"level"`
	// Format is text or json; empty: text on a terminal, json elsewhere.
	Format string `toml:"format"`
}

// NewLogger returns a logger that writes to w and keeps personal data out: see Redact. A wrong level or format is
// ErrConfig.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if cfg.Level != "" {
		if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
			return nil, fmt.Errorf("%w: log.level %q: use debug, info, warn or error", ErrConfig, cfg.Level)
		}
	}
	text := cfg.Format == "text"
	switch cfg.Format {
	case "":
		text = isTerminal(w)
	case "text", "json":
	default:
		return nil, fmt.Errorf("%w: log.format %q: use text or json", ErrConfig, cfg.Format)
	}
	if text {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly, ReplaceAttr: Redact, NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != "",
		})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: Redact})), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// personal holds the keys whose values never reach a log line (law.md 12.2). The last
// part of a key counts.
var personal = map[string]bool{
	"name": true, "kana": true, "alias": true, "address": true, "birth": true, "birth_date": true, "birthday": true,
	"sex": true, "gender": true, "nationality": true, "pin": true, "pins": true, "password": true, "secret": true,
	"token": true, "seed": true, "mail": true, "email": true, "to": true, "recipient": true, "phone": true,
	"resident_code": true, "individual_number": true, "plaintext": true, "body": true,
}

var mailAddress = regexp.MustCompile(`[^\s<>"'(),;:]+@[^\s<>"'(),;:]+`)

// Redact is the ReplaceAttr of every handler here. It drops values under keys that name personal data or secrets, masks
// mail addresses in every text and error, and writes neither bytes nor structs, whose fields are unchecked.
func Redact(_ []string, a slog.Attr) slog.Attr {
	if personal[strings.ToLower(a.Key)] {
		return slog.String(a.Key, "[redacted]")
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, MaskAddresses(a.Value.String()))
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: plain(a.Value.Any())}
	}
	return a
}

// MaskAddresses replaces every mail address in a text.
func MaskAddresses(text string) string { return mailAddress.ReplaceAllString(text, "[address]") }

func plain(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.StringValue("")
	case slog.Level:
		return slog.AnyValue(v)
	case error:
		return slog.StringValue(MaskAddresses(v.Error()))
	case []byte:
		return slog.StringValue(fmt.Sprintf("[%d bytes]", len(v)))
	case []string:
		return slog.StringValue(MaskAddresses(strings.Join(v, ",")))
	case fmt.Stringer:
		if !isMessage(v) {
			return slog.StringValue(MaskAddresses(v.String()))
		}
	}
	return slog.StringValue(fmt.Sprintf("[%T]", v))
}

// isMessage recognises protobuf messages, whose String shows every field.
func isMessage(v any) bool {
	_, ok := v.(interface{ ProtoMessage() })
	return ok
}
