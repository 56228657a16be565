package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/tether"
)

// The office and counter that `shomei up` tries things out with.
const (
	tryOffice  = "12237-main"
	tryCounter = "12237-main-1"
)

// upCommand runs everything on one machine for trying out: the hub, one counter on a virtual reader with a card in
// software, a mail sink.
func (a *app) upCommand() *cobra.Command {
	var page, desk string
	cmd := &cobra.Command{
		Use: "up", Short: "この機械ですべてを試す (hub, console, one counter with a virtual card reader, a mail sink)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.up(cmd, page, desk) },
	}
	cmd.Flags().StringVar(&page, "console", "127.0.0.1:8471", "集計画面の場所 (loopback address of the console's page)")
	cmd.Flags().StringVar(&desk, "counter", "127.0.0.1:8472", "窓口画面の場所 (loopback address of the counter's pages)")
	return cmd
}

func (a *app) up(cmd *cobra.Command, page, desk string) error {
	for _, flag := range [][2]string{{"--console", page}, {"--counter", desk}} {
		if err := hub.Loopback(flag[1]); err != nil {
			return cli.Usage("%s: %w", flag[0], err)
		}
	}
	c, err := a.looking()
	if err != nil {
		return err
	}
	c.AnyClock, c.Demonstration = true, true
	h, page, err := a.start(cmd.Context(), c, page, signInConfig{})
	if err != nil {
		return err
	}
	bundle, err := h.TryOut(cmd.Context(), tryOffice, tryCounter)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	counter, err := a.startCounter(cmd.Context(), h, bundle, desk)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	a.greet(cmd, page, counter.address, h.ListURL())
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	go func() { <-counter.ended; cancel() }()
	err = waitAndClose(ctx, h)
	return errors.Join(err, counter.stop(cmd.Context()))
}

// counterProgram is the counter's own program, started beside this one.
type counterProgram struct {
	process *tether.Process
	// address is where its pages are, HOST:PORT.
	address string
	ended   chan struct{}
	err     error // how it ended
}

// startCounter returns once the counter listens. Its program ends with this one, and holds the data folder too: the
// next start waits until both have ended, however they ended.
func (a *app) startCounter(ctx context.Context, h *hub.Hub, bundle, listen string) (*counterProgram, error) {
	program, err := cli.Beside("shomei-agent")
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, "run", "--bundle", bundle,
		"--listen", listen, "--virtual-reader", filepath.Join(a.Data, "cards"), "--lang", a.Lang)
	command.Env, command.Stderr = append(os.Environ(), "GODEBUG=asyncpreemptoff=1"), os.Stderr // as its unit does
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 15 * time.Second
	h.ShareHold(command)
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	process, err := tether.Start(command)
	if err != nil {
		return nil, fmt.Errorf("starting the counter's program: %w; build it with make build", err)
	}
	lines := bufio.NewReader(out)
	address, err := lines.ReadString('\n') // its first line
	if err != nil {
		return nil, fmt.Errorf("starting the counter's program: %w; it says above why", errors.Join(process.Wait(), ctx.Err()))
	}
	c := &counterProgram{process: process, address: strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(address), "http://"), "/"), ended: make(chan struct{})}
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		c.err = process.Wait()
		close(c.ended)
	}()
	return c, nil
}

// stop ends it and waits for it. It returns an error if the program had already ended although ctx had not.
func (c *counterProgram) stop(ctx context.Context) error {
	select {
	case <-c.ended:
		if ctx.Err() == nil {
			return fmt.Errorf("the counter's program ended by itself (%v); it says above why", c.err)
		}
	default:
		_ = c.process.Process.Signal(os.Interrupt)
		<-c.ended
	}
	return nil
}

func (a *app) greet(cmd *cobra.Command, page, desk, lists string) {
	out := cmd.OutOrStdout()
	if a.Lang == "en" {
		fmt.Fprintf(out, `Shomei runs. Ctrl-C stops everything; the data stay in %s.

  counter (the clerk's pages)     http://%s/
  pairing the resident's screen   http://%[2]s/screen
  console (counts, forecast)      http://%[3]s/?lang=en
  mails                           %[4]s
  revocation lists                %[5]s

Try first: at the counter, make a card, apply for a new issue, pair the resident's screen, send the procedure there and
set the PINs ABC123 and 1234.
Then look at the console, and at shomei state, shomei forecast --by month, shomei fsck.
`, a.Data, desk, page, filepath.Join(a.Data, "mail"), lists)
		return
	}
	fmt.Fprintf(out, `証明(Shomei)が動いています。Ctrl-C ですべて止まります。データは %s に残ります。

  窓口(職員の画面)        http://%s/
  申請者の画面をつなぐ    http://%[2]s/screen
  集計(件数と予測)        http://%[3]s/
  送ったメール            %[4]s
  失効リスト              %[5]s

まず試すこと: 窓口の画面で新しいカードを作り、新規発行を申請し、申請者の画面をつないで手続きを出し、暗証番号 ABC123 と 1234 を
設定してください。
そのあと集計の画面と、shomei state、shomei forecast --by month、shomei fsck をご覧ください。
`, a.Data, desk, page, filepath.Join(a.Data, "mail"), lists)
}
