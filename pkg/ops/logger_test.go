package ops

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestLoggerKeepsPersonalDataOut(t *testing.T) {
	planted := []string{"planted-one", "someone@town.example", "planted-two", "planted-three", "planted-four", "planted-five"}
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			logger, err := NewLogger(&out, LogConfig{Format: format, Level: "debug"})
			if err != nil {
				t.Fatal(err)
			}
			logger.Error("refused someone@town.example",
				"name", "planted-one",
				"err", fmt.Errorf("550 no mailbox <%s>: %w", "someone@town.example", errors.New("refused")),
				"bytes", []byte("planted-two"),
				"row", struct{ Text string }{"planted-three"},
				"list", []string{"x", "someone@town.example"},
				slog.Group("holder", "address", "planted-four"),
				"message", wrapperspb.String("planted-five"),
				"serial", 4711)
			for _, secret := range planted {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%q stands in %s", secret, &out)
				}
			}
			for _, kept := range []string{"refused", "550 no mailbox", "4711"} {
				if !strings.Contains(out.String(), kept) {
					t.Errorf("%q is missing from %s", kept, &out)
				}
			}
		})
	}
}

func TestLoggerRefusesUnknownLevelAndFormat(t *testing.T) {
	for _, cfg := range []LogConfig{{Level: "loud"}, {Format: "xml"}} {
		if _, err := NewLogger(&bytes.Buffer{}, cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: got %v", cfg, err)
		}
	}
}

func TestLoggerWritesJSONWhereNobodyWatches(t *testing.T) {
	var out bytes.Buffer
	logger, err := NewLogger(&out, LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	logger.Debug("unseen")
	logger.Info("seen")
	if got := out.String(); !strings.HasPrefix(got, "{") || strings.Contains(got, "unseen") {
		t.Errorf("got %s", got)
	}
}
