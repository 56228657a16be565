package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// counter is shomei-agent in a process of its own, with a virtual reader.
type counter struct {
	supervised
	bundle string
	cards  string
	card   string       // what lies on the reader
	screen *http.Client // the browser of the resident's screen, where one is paired
}

// newCounter is the counter of the office, or its factory, as the order says that makes it.
func newCounter(t *testing.T, c *centre, order string) *counter {
	t.Helper()
	k := &counter{}
	c.order("POST", order, &k.bundle)
	var err error
	if k.cards, err = os.MkdirTemp("", "vr"); err != nil { // a socket's name is short
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(k.cards) })
	programs(t)
	k.supervised = supervised{t: t, name: filepath.Base(k.bundle), log: filepath.Join(k.bundle, "agent.log"), command: k.program, crashes: c.crashes}
	t.Cleanup(k.stop)
	return k
}

func (k *counter) program() *exec.Cmd {
	command := exec.Command(filepath.Join(program.dir, "shomei-agent"), "run", "--bundle", k.bundle, "--virtual-reader", k.cards)
	command.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1") // as its unit does
	return command
}

// try asks once.
func (k *counter) try(method, path string, body, into any) error {
	url, _ := k.address()
	if url == "" {
		return errAway
	}
	return ask(k.t.Context(), method, url+path, body, into)
}

var errAway = errors.New("the counter is being started")

// call asks until the counter answers; a refusal is an answer.
func (k *counter) call(method, path string, body, into any) (r *refused) {
	k.t.Helper()
	var last error
	poll(k.t, "the counter to answer "+path, func() bool {
		last = k.try(method, path, body, into)
		return last == nil || errors.As(last, &r)
	}, func() string { return fmt.Sprintf("%v\n%s", last, k.tail()) })
	return r
}

// must is call for what may not be refused.
func (k *counter) must(method, path string, body, into any) {
	k.t.Helper()
	if r := k.call(method, path, body, into); r != nil {
		k.t.Fatalf("%s %s: %v\n%s", method, path, r, k.tail())
	}
}

// make makes a new card and lays it on the reader.
func (k *counter) make(id string) {
	k.t.Helper()
	k.makeOf("mynumber", id, "")
}

// makeOf makes one of a kind; the last day is written onto it here or, when none is given, when the hub has told it.
func (k *counter) makeOf(kind, id, lastDay string) {
	k.t.Helper()
	if r := k.call("POST", "/api/reader/cards", map[string]string{"id": id, "kind": kind, "last_day": lastDay}, nil); r != nil && r.status != http.StatusConflict {
		k.t.Fatal(r)
	}
	k.insert(id)
}

// send carries a card to another counter.
func (k *counter) send(card string, to *counter) {
	k.t.Helper()
	k.must("POST", "/api/reader/eject", struct{}{}, nil)
	k.card = ""
	if err := os.Rename(filepath.Join(k.cards, card+".json"), filepath.Join(to.cards, card+".json")); err != nil {
		k.t.Fatal(err)
	}
	to.insert(card)
}

func (k *counter) insert(id string) {
	k.t.Helper()
	k.card = id
	k.must("POST", "/api/reader/insert", map[string]string{"id": id}, nil)
}

// person is somebody who applies.
type person struct{ code, name, birth, address, mail string }

func (p person) record() map[string]any {
	return map[string]any{
		"resident_code": p.code, "name": p.name, "birth_date": p.birth, "sex": 2, "address": p.address, "registered": true, "municipality": "12237",
	}
}

// PINs of every card here.
const (
	signPIN = "QZ7W4K"
	authPIN = "8351"
)

// apply files an application, once, whatever dies meanwhile: the procedure's name is the test's.
func (k *counter) apply(p person, procedure, operation string, more map[string]any) {
	k.t.Helper()
	body := application(p, procedure, operation, more)
	var last error
	poll(k.t, "the counter to take the application", func() bool {
		var r *refused
		if last = k.try("GET", "/api/procedures/"+procedure, nil, nil); last == nil {
			return true
		} else if !errors.As(last, &r) {
			return false
		}
		k.present()
		last = k.try("POST", "/api/applications", body, nil)
		if errors.As(last, &r) {
			k.t.Fatal(last)
		}
		return last == nil
	}, func() string { return fmt.Sprintf("%v\n%s", last, k.tail()) })
}

// application is what a clerk files for somebody who comes with a photo ID, with more in its stead.
func application(p person, procedure, operation string, more map[string]any) map[string]any {
	body := map[string]any{
		"procedure": procedure, "operation": operation, "channel": "self", "clerk": "017", "person": p.record(),
		"documents": []string{"application-form", "card", "photo-id:current-address"}, "contact": map[string]any{"mail": p.mail},
	}
	maps.Copy(body, more)
	return body
}

// present lays the card on the reader again, if a counter that died left it empty.
func (k *counter) present() {
	var status struct {
		Reader string `json:"reader"`
	}
	if k.card != "" && k.try("GET", "/api/status", nil, &status) == nil && status.Reader != "card" {
		_ = k.try("POST", "/api/reader/insert", map[string]string{"id": k.card}, nil)
	}
}

// procedure is an application as the counter tells it.
type procedure struct {
	State    string `json:"state"`
	Card     string `json:"card"`
	AtHub    bool   `json:"at_hub"`
	FeeYen   uint32 `json:"fee_yen"`
	Progress []struct {
		JA string `json:"ja"`
		EN string `json:"en"`
	} `json:"progress"`
	Answer map[string]any `json:"answer"`
	PINs   []string       `json:"pins"`
	Error  map[string]any `json:"error"`
}

// drive does what clerk and resident do until the procedure is in one of the states, or ended otherwise.
func (k *counter) drive(id string, until ...string) procedure {
	k.t.Helper()
	return k.driveWith(id, map[string]string{"sign": signPIN, "auth": authPIN}, until...)
}

func (k *counter) driveWith(id string, pins map[string]string, until ...string) (p procedure) {
	k.t.Helper()
	poll(k.t, "procedure "+id+" to become "+strings.Join(until, " or "), func() bool {
		p = procedure{}
		if k.try("GET", "/api/procedures/"+id, nil, &p) != nil {
			return false
		}
		for _, state := range until {
			if p.State == state {
				return true
			}
		}
		switch p.State {
		case "waiting-confirmation":
			k.present()
			typed := map[string]string{}
			for _, kind := range p.PINs {
				typed[kind] = pins[kind]
			}
			_ = k.try("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": typed}, nil)
		case "ready":
			_ = k.try("POST", "/api/procedures/"+id+"/hand-over", map[string]any{"fee_yen": p.FeeYen}, nil)
		case "working":
			k.present()
		case "refused", "failed", "dropped", "done":
			k.t.Fatalf("procedure %s is %s: %v %v\n%s", id, p.State, p.Error, p.Answer, k.tail())
		}
		return false
	}, func() string { return fmt.Sprintf("it is %+v\n%s", p, k.tail()) })
	return p
}
