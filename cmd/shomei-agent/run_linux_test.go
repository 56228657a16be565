package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
	"shomei/pkg/warehouse/engine"
)

// serveEngine makes the test binary the ClickHouse engine of a hub under test, as cmd/shomei has it.
func serveEngine(args []string) int {
	c := engine.ServeConfig{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	c.Bind(flags)
	_ = flags.Parse(args) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := engine.Serve(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

const (
	testOffice  = "12237-main"
	testCounter = "12237-main-1"
	// patience limits each step; a key pair on a card in software takes a second or two.
	patience = time.Minute
)

// centre is a whole hub in this process with one enrolled counter, on a settable clock.
func centre(t *testing.T, begin civil.Date) (h *hub.Hub, bundle string) {
	t.Helper()
	dir := t.TempDir()
	h, err := hub.Start(t.Context(), hub.Config{
		Data: dir, Clock: filepath.Join(dir, "clock"), Begin: begin.At(civil.Clock(10, 0)),
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, hub.ByHand...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	bundle, err = h.TryOut(t.Context(), testOffice, testCounter)
	if err != nil {
		t.Fatal(err)
	}
	return h, bundle
}

// testWriter writes a hub's log lines to the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Logf("hub: %s", bytes.TrimSpace(line))
	return len(line), nil
}

// counter is shomei-agent run in a process of its own.
type counter struct {
	t   *testing.T
	url string
	// office is where other machines of the office find the pages.
	office string
	cmd    *exec.Cmd
	cards  string
	// said is all it wrote to standard output and standard error.
	mu   sync.Mutex
	said bytes.Buffer
}

func (c *counter) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(text)
}

func (c *counter) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

func startCounter(t *testing.T, bundle string, more ...string) *counter {
	t.Helper()
	cards, err := os.MkdirTemp("", "vr") // a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(cards) })
	return startCounterWith(t, bundle, cards, more...)
}

// startCounterWith starts one whose cards lie in a folder.
func startCounterWith(t *testing.T, bundle, cards string, more ...string) *counter {
	t.Helper()
	c := &counter{t: t, cards: cards}
	c.cmd = exec.Command(os.Args[0], append([]string{"run", "--bundle", bundle, "--virtual-reader", cards}, more...)...)
	c.cmd.Env = append(os.Environ(), "SHOMEI_AGENT_MAIN=1")
	c.cmd.Stderr = c
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop() })
	lines := bufio.NewReader(io.TeeReader(out, c))
	address, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the counter did not say its address: %v\n%s", err, c.log())
	}
	c.url = strings.TrimRight(address, "/\n")
	if slices.Contains(more, "--office-listen") {
		c.office = officeAddress(lines)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return c
}

// officeAddress reads on to the line that names it.
func officeAddress(lines *bufio.Reader) string {
	for {
		line, err := lines.ReadString('\n')
		if at := regexp.MustCompile(`https://[^/ ]+`).FindString(line); at != "" || err != nil {
			return at
		}
	}
}

// stop ends it as Ctrl-C would, and returns its exit code.
func (c *counter) stop() int {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Signal(os.Interrupt)
		_ = c.cmd.Wait()
	}
	return c.cmd.ProcessState.ExitCode()
}

// call sends a request to the API and returns the response; want is the expected status.
func (c *counter) call(method, path, body string, want int) map[string]any {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if response.StatusCode != want {
		c.t.Fatalf("%s %s: %s, want %d: %v\n%s", method, path, response.Status, want, answer, c.log())
	}
	return answer
}

// figures returns the counter's metrics.
func (c *counter) figures() string {
	c.t.Helper()
	response, err := http.Get(c.url + "/metrics")
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// until follows a procedure's events until it is in a state.
func (c *counter) until(procedure, state string) map[string]any {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", c.url+"/api/procedures/"+procedure+"/events", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var last map[string]any
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		last = nil
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			c.t.Fatal(err)
		}
		if last["state"] == state {
			return last
		}
	}
	c.t.Fatalf("the procedure never came to %q: %v\n%s", state, last, c.log())
	return nil
}

const applicant = `{"resident_code":"00000000123","name":"証明　花子","birth_date":"1990-06-18","sex":2,
	"address":"千葉県山武市殿台296番地","registered":true,"municipality":"12237"}`

func application(operation, more string) string {
	return fmt.Sprintf(`{"operation":%q,"channel":"self","documents":["application-form","card","photo-id:current-address"],
		"clerk":"017","person":%s,"contact":{"mail":"hanako@example.jp"}%s}`, operation, applicant, more)
}

func TestANewIssueThroughThePagesTwins(t *testing.T) {
	h, bundle := centre(t, civil.New(2024, time.June, 3))
	c := startCounter(t, bundle)
	c.call("GET", "/api/card", "", http.StatusConflict) // no card yet
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1","kind":"mynumber"}`, http.StatusCreated)
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusConflict)
	if status := c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK); status["reader"] != "card" {
		t.Errorf("status after inserting a card: %v", status)
	}

	procedure := c.call("POST", "/api/applications", application("issue", ""), http.StatusAccepted)["procedure"].(string)
	waiting := c.until(procedure, "waiting-confirmation")
	if waiting["at_hub"] != true || fmt.Sprint(waiting["pins"]) == "" {
		t.Errorf("waiting: %v", waiting)
	}
	answer := waiting["answer"].(map[string]any)
	if answer["accepted"] != true || len(answer["planned"].([]any)) != 2 {
		t.Errorf("answer: %v", answer)
	}
	c.call("POST", "/api/procedures/"+procedure+"/hand-over", `{"paper_copy":true}`, http.StatusConflict)
	refused := c.call("POST", "/api/procedures/"+procedure+"/confirm", `{"pins":{"sign":"ABC123","auth":"12345"}}`,
		http.StatusUnprocessableEntity)
	if problem := refused["error"].(map[string]any); problem["ja"] == "" || strings.Contains(fmt.Sprint(problem), "12345") {
		t.Errorf("a refused PIN: %v", problem)
	}
	c.call("POST", "/api/procedures/"+procedure+"/confirm", `{"pins":{"sign":"ABC123","auth":"1234"}}`, http.StatusOK)
	ready := c.until(procedure, "ready")
	fee := fmt.Sprint(ready["fee_yen"])
	c.call("POST", "/api/procedures/"+procedure+"/hand-over", `{"fee_yen":1}`, http.StatusConflict)
	c.call("POST", "/api/procedures/"+procedure+"/hand-over", `{"fee_yen":`+fee+`,"paper_copy":true}`, http.StatusOK)
	c.until(procedure, "done")
	if err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}

	c.shows("/procedures/"+procedure, "交付済", "この日", "5回目の誕生日", "手数料")
	c.shows("/procedures/"+procedure+"?lang=en", "handed over", "this one")
	c.shows("/procedures/"+procedure+"/copy", "署名用電子証明書", "証明　花子", "2028-06-18", "令和10年6月18日", "実在の公的個人認証サービスではありません")
	c.readsTheCard()
	c.keepsSecrets(bundle)
	if code := c.stop(); code != exitDone {
		t.Errorf("stopped with code %d:\n%s", code, c.log())
	}
}

// shows gets a page and checks that it contains the parts.
func (c *counter) shows(path string, parts ...string) {
	c.t.Helper()
	response, err := http.Get(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, part := range parts {
		if !bytes.Contains(text, []byte(part)) {
			c.t.Errorf("%s lacks %q", path, part)
		}
	}
}

// readsTheCard is 証明書表示: one certificate freely, the other with its PIN, which shows whose it is.
func (c *counter) readsTheCard() {
	c.t.Helper()
	free := c.call("GET", "/api/card", "", http.StatusOK)
	if certificates := free["certificates"].([]any); len(certificates) != 1 || strings.Contains(fmt.Sprint(free), "花子") {
		c.t.Errorf("without a PIN: %v", free)
	}
	wrong := c.call("POST", "/api/card", `{"pin":"WRONG9"}`, http.StatusConflict)
	if problem := wrong["error"].(map[string]any); problem["code"] != "wrong-pin" || problem["tries_left"] != 4.0 {
		c.t.Errorf("a wrong PIN: %v", problem)
	}
	all := c.call("POST", "/api/card", `{"pin":"ABC123"}`, http.StatusOK)
	if certificates := all["certificates"].([]any); len(certificates) != 2 || !strings.Contains(fmt.Sprint(all), "花子") {
		c.t.Errorf("with the PIN: %v", all)
	}
}

// keepsSecrets checks that no secret is in the log, or in the files of the counter and its card.
func (c *counter) keepsSecrets(bundle string) {
	c.t.Helper()
	written := map[string][]byte{"log": []byte(c.log())}
	for _, path := range []string{filepath.Join(bundle, "counter.db"), filepath.Join(c.cards, "CARD-1.json"), filepath.Join(c.cards, "pcscd.log")} {
		content, err := os.ReadFile(path)
		if err != nil {
			c.t.Fatal(err)
		}
		written[filepath.Base(path)] = content
	}
	if !bytes.Contains(written["counter.db"], []byte("CARD-1")) {
		c.t.Error("the scan does not find what is there")
	}
	for name, content := range written {
		for _, secret := range []string{"ABC123", "花子", "殿台", "00000000123", "hanako@example.jp"} {
			if bytes.Contains(content, []byte(secret)) {
				c.t.Errorf("%s holds what nobody may keep: %s", name, secret)
			}
		}
	}
}

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	_, bundle := centre(t, civil.New(2024, time.June, 3))
	c := startCounter(t, bundle)
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"no JSON":             {"POST", "/api/applications", "{", 400, "bad-request"},
		"misspelt field":      {"POST", "/api/applications", `{"operatoin":"issue"}`, 400, "bad-request"},
		"no clerk":            {"POST", "/api/applications", `{"operation":"issue","channel":"self"}`, 400, "bad-request"},
		"unknown operation":   {"POST", "/api/applications", `{"operation":"steal","channel":"self","clerk":"1"}`, 400, "bad-request"},
		"number as text":      {"POST", "/api/applications", `{"clerk":1}`, 400, "bad-request"},
		"unknown procedure":   {"GET", "/api/procedures/none", "", 404, "unknown-procedure"},
		"events of none":      {"GET", "/api/procedures/none/events", "", 404, "unknown-procedure"},
		"confirm none":        {"POST", "/api/procedures/none/confirm", `{"pins":{}}`, 404, "unknown-procedure"},
		"drop none":           {"POST", "/api/procedures/none/drop", "", 404, "unknown-procedure"},
		"card with a path":    {"POST", "/api/reader/cards", `{"id":"../x"}`, 400, "bad-request"},
		"card of no kind":     {"POST", "/api/reader/cards", `{"id":"X","kind":"credit"}`, 400, "bad-request"},
		"insert what is not":  {"POST", "/api/reader/insert", `{"id":"NONE"}`, 404, "no-such-card"},
		"far too long a body": {"POST", "/api/applications", strings.Repeat("x", 100<<10), 400, "bad-request"},
	} {
		answer := c.call(row.method, row.path, row.body, row.status)
		problem, _ := answer["error"].(map[string]any)
		if problem["code"] != row.code || problem["ja"] == "" || problem["en"] == "" || problem["next_ja"] == "" || problem["next_en"] == "" {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

// TestTheTrayPutsANewCardOnTheReader is what a newcomer does first on the start page.
func TestTheTrayPutsANewCardOnTheReader(t *testing.T) {
	_, bundle := centre(t, civil.New(2024, time.June, 3))
	c := startCounter(t, bundle)
	for _, form := range []url.Values{{"do": {"new"}, "kind": {"mynumber"}}, {"do": {"eject"}}, {"do": {"insert"}, "card": {"DEMO-001"}}} {
		response, err := http.PostForm(c.url+"/tray", form)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(page), "DEMO-001") {
			t.Fatalf("%v: %s, %v", form, response.Status, err)
		}
		want := "card"
		if form.Get("do") == "eject" {
			want = "empty"
		}
		if status := c.call("GET", "/api/status", "", http.StatusOK); status["reader"] != want {
			t.Errorf("after %s: %v", form.Get("do"), status)
		}
	}
	if card := c.call("GET", "/api/card", "", http.StatusOK); card["card"] != "DEMO-001" || card["life_cycle"] != "initialised" {
		t.Errorf("the new card: %v", card)
	}
}

// TestAnApplicationRightAfterARestartHasItsCard kills the counter with a card in its reader: the card is still there in
// the next process, and its very first application includes it.
func TestAnApplicationRightAfterARestartHasItsCard(t *testing.T) {
	_, bundle := centre(t, civil.New(2024, time.June, 3))
	c := startCounter(t, bundle)
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusCreated)
	c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	for n := range 3 {
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait() // killed, as wanted
		c = startCounterWith(t, bundle, c.cards)
		procedure := fmt.Sprintf("restart-%d", n)
		c.call("POST", "/api/applications", application("issue", `,"procedure":"`+procedure+`"`), http.StatusAccepted)
		if told := c.call("GET", "/api/procedures/"+procedure, "", http.StatusOK); told["card"] != "CARD-1" {
			t.Errorf("right after start %d: %v", n, told)
		}
	}
	c.call("POST", "/api/reader/eject", "{}", http.StatusOK)
	c.stop()
	c = startCounterWith(t, bundle, c.cards)
	if status := c.call("GET", "/api/status", "", http.StatusOK); status["reader"] == "card" {
		t.Error("a card that was taken out is in the reader")
	}
}

// TestACounterWorksWhileTheHubIsAway files an application without a hub; the hub of another process gets it.
func TestACounterWorksWhileTheHubIsAway(t *testing.T) {
	dir, begin := t.TempDir(), civil.New(2024, time.June, 3).At(civil.Clock(10, 0))
	config := hub.Config{Data: dir, Clock: filepath.Join(dir, "clock"), Begin: begin, Logger: slog.New(slog.DiscardHandler)}
	first, err := hub.Start(t.Context(), config, hub.ByHand...)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := first.TryOut(t.Context(), testOffice, testCounter)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	if config.Port, err = strconv.Atoi(at.Port()); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	c := startCounter(t, bundle)
	c.call("POST", "/api/reader/cards", `{"id":"CARD-1"}`, http.StatusCreated)
	c.call("POST", "/api/reader/insert", `{"id":"CARD-1"}`, http.StatusOK)
	procedure := c.call("POST", "/api/applications", application("issue", ""), http.StatusAccepted)["procedure"].(string)
	told := c.call("GET", "/api/procedures/"+procedure, "", http.StatusOK)
	if told["state"] != "pending" || told["at_hub"] != false {
		t.Errorf("without a hub: %v", told)
	}
	if status := c.call("GET", "/api/status", "", http.StatusOK); status["outbox"] != 1.0 || status["link"] != "away" {
		t.Errorf("without a hub: %v", status)
	}
	if figures := c.figures(); !strings.Contains(figures, "shomei_counter_claims_waiting 1\n") || !strings.Contains(figures, "shomei_counter_link_up 0\n") {
		t.Errorf("without a hub: %s", figures)
	}
	second, err := hub.Start(t.Context(), config, hub.ByHand...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}()
	c.until(procedure, "waiting-confirmation")
	if dropped := c.call("POST", "/api/procedures/"+procedure+"/drop", `{"why":"the applicant left"}`, http.StatusOK); dropped["state"] != "dropped" {
		t.Errorf("dropped: %v", dropped)
	}
}

var residentSize = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// TestAnIdleCounterIsSmall: under 80 MB.
func TestAnIdleCounterIsSmall(t *testing.T) {
	_, bundle := centre(t, civil.New(2024, time.June, 3))
	c := startCounter(t, bundle)
	c.call("GET", "/api/status", "", http.StatusOK)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kilobytes, err := strconv.Atoi(string(residentSize.FindSubmatch(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle: %d MB", kilobytes/1024)
	if kilobytes > 80*1024 {
		t.Errorf("an idle counter takes %d MB", kilobytes/1024)
	}
}

func TestACounterIsRefusedWithoutItsBundle(t *testing.T) {
	code, _, errs := invoke(t, nil, "run", "--bundle", t.TempDir())
	if code != exitConfig || !strings.Contains(errs, "端末のフォルダー") {
		t.Errorf("no bundle: code %d, %s", code, errs)
	}
	code, _, errs = invoke(t, nil, "run", "--bundle", t.TempDir(), "--listen", "0.0.0.0:0")
	if code != exitUsage || !strings.Contains(errs, "loopback") {
		t.Errorf("pages for everyone: code %d, %s", code, errs)
	}
	other, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer other.Close()
	_, port, _ := net.SplitHostPort(other.Addr().String())
	code, _, errs = invoke(t, nil, "run", "--bundle", t.TempDir(), "--listen", "127.0.0.1:"+port)
	if code == 0 || !strings.Contains(errs, "[::1]:"+port+", where a browser may look") {
		t.Errorf("somebody else's pages at localhost: code %d, %s", code, errs)
	}
}
