package eventlog

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/pkg/natstest"
)

// TestAnOrderlyStopWarnsOfNothing: Follow saves once more if its end interrupts a save, so there is no warning; if
// saving fails while the follower continues, there is one.
func TestAnOrderlyStopWarnsOfNothing(t *testing.T) {
	js, err := jetstream.New(natstest.Connect(t, natstest.Start(t).URL()))
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	w := &following{
		log: &Log{shared: &shared{js: js, config: Config{
			Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn})), PublishTimeout: 5 * time.Second,
		}}},
		follower: Follower{Name: "notifier"}, unsaved: true,
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	w.saveOrWarn(stopped)
	if lines.Len() > 0 || !w.unsaved {
		t.Errorf("at a stop: %q, unsaved %v", &lines, w.unsaved)
	}
	w.saveOrWarn(t.Context()) // there is no stream of positions
	if !strings.Contains(lines.String(), "could not save a follower's position") {
		t.Errorf("while it goes on: %q", &lines)
	}
}
