package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/registerlink"
	"shomei/services/servicetest"
)

// TestAnImportThatStopsSaysHowFarItCame has the gateway fail within the second batch, and go away: what was done until then is
// named, and the same file goes on once it is back.
func TestAnImportThatStopsSaysHowFarItCame(t *testing.T) {
	server := natstest.Start(t)
	seal, err := counterlink.NewSealKey()
	servicetest.Check(t, err)
	key := servicetest.NewKey(t)
	var mu sync.Mutex
	var taken []string
	gateway := registerlink.NewServer(registerlink.ServerConfig{
		Conn: natstest.Connect(t, server.URL()), Key: seal, Clock: time.Now, Logger: natstest.Quiet(),
		Enrolled: func(context.Context, string, string) (string, error) { return servicetest.Public(t, key), nil },
		Take: func(_ context.Context, b registerlink.Batch) (outcomes []*events.RegisterOutcome, err error) {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range b.GetChanges() {
				o := &events.RegisterOutcome{Result: events.RegisterResult_REGISTER_RESULT_RECORDED}
				switch {
				case slices.Contains(taken, c.GetId()):
					o.Result = events.RegisterResult_REGISTER_RESULT_KNOWN
				case len(taken) == 53:
					o.Result = events.RegisterResult_REGISTER_RESULT_FAILED
				default:
					taken = append(taken, c.GetId())
				}
				outcomes = append(outcomes, o)
			}
			return outcomes, nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx) }()
	var file strings.Builder
	for n := range 120 {
		fmt.Fprintf(&file, `{"id":"R-%d","change":"death","caused_on":"2020-01-15","record":{"resident_code":"00000000123"}}`+"\n", n)
	}
	load := func() (stdout, stderr string, err error) {
		var out, told bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.SetOut(&out)
		cmd.SetErr(&told)
		i := importing{
			app: &app{}, cmd: cmd, officer: "0042", file: "notices.jsonl", count: make(map[events.RegisterResult]int),
			client: &registerlink.Client{
				Conn: natstest.Connect(t, server.URL()), Register: "r", Office: "o", Key: key, Gateway: seal.PublicKey(), Clock: time.Now,
				Patience: 10 * time.Second,
			},
		}
		i.app.Lang = "en"
		err = i.run(bufio.NewReader(strings.NewReader(file.String())))
		return out.String(), told.String(), err
	}
	out, told, err := load()
	if !errors.Is(err, registerlink.ErrUnavailable) || !strings.Contains(told, "notices.jsonl is done up to line 53.") || !strings.Contains(out, "53 recorded\n") {
		t.Errorf("%v\n%s%s", err, out, told)
	}
	mu.Lock()
	taken = append(taken, "R-53") // the gateway has mended itself
	mu.Unlock()
	if out, told, err = load(); err != nil || !strings.Contains(out, "66 recorded\n") || !strings.Contains(out, "54 recorded before\n") {
		t.Errorf("the same file once more: %v\n%s%s", err, out, told)
	}
	cancel()
	servicetest.Check(t, <-done)
}
