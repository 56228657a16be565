package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shomei/cmd/cli/clitest"
	"shomei/pkg/warehouse/engine"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shomei": main})
}

// TestScripts plays testdata/*.txt: what a command prints, on which stream, and its exit code.
func TestScripts(t *testing.T) {
	library, err := engine.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Abs("e2e/testdata/kept-2026-11-28.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv(engine.LibraryEnv, library)
			env.Setenv("LANG", "ja_JP.UTF-8")
			env.Setenv("KEPT", kept)
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": clitest.Exits, "free": free, "build": clitest.Build, "issue": issue, "eventually": clitest.Eventually, "jsonlines": jsonLines,
			"field": field, "get": get, "eventually-exits": clitest.EventuallyExits, "block": block, "writes": writes,
			"refused": refused, "harm": harm, "unblock": unblockPIN, "machines": machines, "on": on, "config": putConfig,
		},
	})
}

// free NAME… sets each environment variable to a free loopback address. Its port is none that the system gives by itself,
// to another test meanwhile.
func free(ts *testscript.TestScript, _ bool, names []string) {
	const first, below = 15_000, 32_768
	for _, name := range names {
		for {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(below-first)))
			if err != nil {
				continue
			}
			ts.Setenv(name, l.Addr().String())
			ts.Check(l.Close())
			break
		}
	}
}

// get PATTERN URL [MACHINE] fetches a page until it matches.
func get(ts *testscript.TestScript, _ bool, args []string) {
	pattern, client := regexp.MustCompile(args[0]), browser(args[2:]...)
	var text []byte
	ok := clitest.Await(func() bool {
		response, err := client.Get(args[1])
		if err != nil {
			return false
		}
		defer response.Body.Close()
		text, err = io.ReadAll(response.Body)
		return err == nil && pattern.Match(text)
	})
	if !ok {
		ts.Fatalf("%s: no match for %s\n%s", args[1], pattern, text)
	}
}

// jsonlines [FIELD…] requires standard output to be one JSON object a line, each with these fields.
func jsonLines(ts *testscript.TestScript, _ bool, fields []string) {
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	for line := range strings.Lines(text) {
		var object map[string]any
		ts.Check(json.Unmarshal([]byte(line), &object))
		for _, field := range fields {
			if _, ok := object[field]; !ok {
				ts.Fatalf("no %q in %s", field, line)
			}
		}
	}
	if text == "" {
		ts.Fatalf("standard output is empty")
	}
}

// field NAME FIELD sets an environment variable to a text field of the JSON object on the first line of standard output.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var object map[string]any
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile("stdout"))).Decode(&object))
	value, ok := object[args[1]].(string)
	if !ok {
		ts.Fatalf("%s is no text in %v", args[1], object)
	}
	ts.Setenv(args[0], value)
}

// issue ADDRESS [MACHINE] plays a first issue at a counter's pages: a new card, an application, the resident's PINs, the hand-over.
// It sets SERIAL to a serial number that was issued.
func issue(ts *testscript.TestScript, _ bool, args []string) {
	d := desk{ts, "http://" + args[0], browser(args[1:]...)}
	if !clitest.Await(func() bool { return d.status("/api/status") == http.StatusOK }) {
		ts.Fatalf("the counter does not answer")
	}
	d.post("/api/reader/cards", `{"id":"CARD-1","kind":"mynumber"}`)
	d.post("/api/reader/insert", `{"id":"CARD-1"}`)
	procedure := fmt.Sprint(d.post("/api/applications", `{"operation":"issue","channel":"self","clerk":"017",
		"documents":["application-form","card","photo-id:current-address"],
		"person":{"resident_code":"00000000123","name":"証明　花子","birth_date":"1990-06-18","sex":2,
			"address":"千葉県山武市殿台296番地","registered":true,"municipality":"12237"},
		"contact":{"mail":"hanako@mail.example"}}`)["procedure"])
	d.reach(procedure, "waiting-confirmation")
	d.post("/api/procedures/"+procedure+"/confirm", `{"pins":{"sign":"ABC123","auth":"1234"}}`)
	ready := d.reach(procedure, "ready")
	d.post("/api/procedures/"+procedure+"/hand-over", fmt.Sprintf(`{"fee_yen":%v,"paper_copy":true}`, ready["fee_yen"]))
	answer, _ := d.reach(procedure, "done")["answer"].(map[string]any)
	certificates, _ := answer["certificates"].([]any)
	if len(certificates) != 2 {
		ts.Fatalf("certificates issued: %v", certificates)
	}
	ts.Setenv("SERIAL", fmt.Sprint(certificates[0].(map[string]any)["serial"]))
}

// unblock ADDRESS CODE resets the authentication PIN of the person with a resident code, on the card of that number.
func unblockPIN(ts *testscript.TestScript, _ bool, args []string) {
	d := desk{ts, "http://" + args[0], browser()}
	if !clitest.Await(func() bool { return d.status("/api/status") == http.StatusOK }) {
		ts.Fatalf("the counter does not answer")
	}
	d.post("/api/reader/insert", fmt.Sprintf(`{"id":"CARD-%s"}`, args[1]))
	procedure := fmt.Sprint(d.post("/api/applications", fmt.Sprintf(`{"operation":"unblock","channel":"self","clerk":"017","pins":["auth"],
		"documents":["application-form","card","photo-id:current-address"],
		"person":{"resident_code":"%s","name":"証明　花子","birth_date":"1990-06-18","sex":2,
			"address":"千葉県山武市殿台296番地","registered":true,"municipality":"12237"}}`, args[1]))["procedure"])
	d.reach(procedure, "waiting-confirmation")
	d.post("/api/procedures/"+procedure+"/confirm", `{"pins":{"auth":"4321"}}`)
	d.reach(procedure, "ready")
	d.post("/api/procedures/"+procedure+"/hand-over", `{"fee_yen":0,"paper_copy":false}`)
	d.reach(procedure, "done")
}

// refused ADDRESS makes an application at a counter whose office is closed for it, or that the person does not need.
func refused(ts *testscript.TestScript, _ bool, args []string) {
	d := desk{ts, "http://" + args[0], browser()}
	d.post("/api/reader/insert", `{"id":"CARD-1"}`)
	procedure := fmt.Sprint(d.post("/api/applications", `{"operation":"issue","channel":"self","clerk":"017",
		"documents":["application-form","card","photo-id:current-address"],
		"person":{"resident_code":"00000000124","name":"証明　太郎","birth_date":"1990-06-18","sex":1,
			"address":"千葉県山武市殿台296番地","registered":true,"municipality":"12237"}}`)["procedure"])
	d.reach(procedure, "refused")
}

// desk uses the JSON twins of a counter's pages.
type desk struct {
	ts     *testscript.TestScript
	url    string
	client *http.Client
}

func (d desk) status(path string) int {
	response, err := d.client.Get(d.url + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

func (d desk) post(path, body string) map[string]any {
	response, err := d.client.Post(d.url+path, "application/json", strings.NewReader(body))
	d.ts.Check(err)
	return d.read(path, response)
}

func (d desk) read(path string, response *http.Response) map[string]any {
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	d.ts.Check(err)
	if response.StatusCode >= 300 {
		d.ts.Fatalf("%s: %s: %s", path, response.Status, text)
	}
	var answer map[string]any
	d.ts.Check(json.Unmarshal(text, &answer))
	return answer
}

func (d desk) reach(procedure, state string) (at map[string]any) {
	ok := clitest.Await(func() bool {
		response, err := d.client.Get(d.url + "/api/procedures/" + procedure)
		d.ts.Check(err)
		at = d.read(procedure, response)
		return at["state"] == state
	})
	if !ok {
		d.ts.Fatalf("the procedure never came to %s: %v", state, at)
	}
	return at
}
