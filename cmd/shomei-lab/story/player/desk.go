package player

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
	"shomei/pkg/tether"
	"shomei/pkg/wait"
)

// desk is one counter: the agent in a process of its own, used over its HTTP API.
type desk struct {
	program, bundle string
	log             string // file of the program's log
	cards           string // folder of its virtual reader and cards
	url             string
	process         *tether.Process
	// gone are cards that have changed elsewhere since they were here: the program must restart before they come back.
	gone map[string]bool
}

// patience limits each answer of a counter; making RSA keys in a card in software takes seconds.
const patience = 30 * time.Second

// openDesk starts a counter. Its card folder has a short path, because a socket's path has a limit.
func openDesk(ctx context.Context, program, bundle, log string) (*desk, error) {
	cards, err := os.MkdirTemp("", "shomei")
	if err != nil {
		return nil, err
	}
	d := &desk{program: program, bundle: bundle, log: log, cards: cards, gone: make(map[string]bool)}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *desk) start(ctx context.Context) error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	program := exec.Command(d.program, "run", "--bundle", d.bundle, "--virtual-reader", d.cards)
	program.Stderr = log
	out, err := program.StdoutPipe()
	if err == nil {
		d.process, err = tether.Start(program)
	}
	if err != nil {
		d.process = nil
		return fmt.Errorf("starting the counter's program %s: %w; build it with make build", d.program, err)
	}
	lines := bufio.NewReader(out)
	address, err := lines.ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("the counter's program ended before it printed its address; see %s", d.log), d.stop())
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	d.url = strings.TrimRight(address, "/\n")
	clear(d.gone)
	return d.linked(ctx)
}

// linked waits until the counter is linked to the hub.
func (d *desk) linked(ctx context.Context) error {
	var status struct {
		Link string `json:"link"`
	}
	return d.poll(ctx, "the link to the hub", func() (bool, error) {
		err := d.call(ctx, "GET", "/api/status", nil, &status)
		return status.Link == "up", err
	})
}

// stop ends the program as Ctrl-C does.
func (d *desk) stop() error {
	if d.process == nil {
		return nil
	}
	process := d.process
	d.process = nil
	err := process.Process.Signal(os.Interrupt)
	killer := time.AfterFunc(20*time.Second, func() { _ = process.Process.Kill() })
	defer killer.Stop()
	var exit *exec.ExitError
	if waited := process.Wait(); waited != nil && !errors.As(waited, &exit) {
		return errors.Join(err, waited)
	}
	return nil
}

func (d *desk) close() error { return errors.Join(d.stop(), os.RemoveAll(d.cards)) }

// problem is an error of a counter's API.
type problem struct {
	Code string `json:"code"`
	JA   string `json:"ja"`
	EN   string `json:"en"`
}

func (p *problem) Error() string { return p.JA + " / " + p.EN }

// call sends a request to the counter. If the counter objects, the error is a *problem.
func (d *desk) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("calling the counter: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		objection := struct{ Error *problem }{&problem{EN: response.Status}}
		if json.NewDecoder(response.Body).Decode(&objection) != nil || objection.Error == nil {
			return fmt.Errorf("calling the counter: %s %s: %s", method, path, response.Status)
		}
		return objection.Error
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// poll calls done until it returns true or patience is over.
func (d *desk) poll(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := wait.Until(ctx, 20*time.Millisecond, done)
	if err != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("waiting for %s: %w; see %s", what, err, d.log)
	}
	return err
}

// procedure is one application as the counter's API returns it.
type procedure struct {
	ID       string          `json:"procedure"`
	State    string          `json:"state"`
	AtHub    bool            `json:"at_hub"`   // the hub has all of its claims
	Approval string          `json:"approval"` // the act that waits for a second officer
	FeeYen   uint32          `json:"fee_yen"`
	Answer   json.RawMessage `json:"answer"`
	PINs     []string        `json:"pins"`
	Optional []string        `json:"optional_pins"`
	Error    *problem        `json:"error"`
}

// trouble returns the counter's reason why the procedure can't continue.
func (p *procedure) trouble() story.Text {
	if p.Error == nil {
		return story.Text{JA: "申請の状態は " + p.State + " です。", EN: "the application is " + p.State}
	}
	return story.Text{JA: p.Error.JA, EN: p.Error.EN}
}

// answer returns the hub's answer, or nil.
func (p *procedure) answer() (*events.Answer, error) {
	if len(p.Answer) == 0 {
		return nil, nil
	}
	a := &events.Answer{}
	return a, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(p.Answer, a)
}

// until waits until a procedure is in one of the states.
func (d *desk) until(ctx context.Context, id string, states ...string) (*procedure, error) {
	var p *procedure
	err := d.poll(ctx, "the application to become "+strings.Join(states, " or "), func() (bool, error) {
		p = &procedure{}
		if err := d.call(ctx, "GET", "/api/procedures/"+id, nil, p); err != nil {
			return false, err
		}
		for _, s := range states {
			if p.State == s {
				return true, nil
			}
		}
		return false, nil
	})
	return p, err
}

// make makes a new card without inserting it.
func (d *desk) make(ctx context.Context, id, kind, lastDay string) error {
	return d.call(ctx, "POST", "/api/reader/cards", map[string]string{"id": id, "kind": kind, "last_day": lastDay}, nil)
}

func (d *desk) insert(ctx context.Context, id string) error {
	return d.call(ctx, "POST", "/api/reader/insert", map[string]string{"id": id}, nil)
}

func (d *desk) eject(ctx context.Context) error {
	return d.call(ctx, "POST", "/api/reader/eject", struct{}{}, nil)
}

func (d *desk) file(card string) string { return filepath.Join(d.cards, card+".json") }
