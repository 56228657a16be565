package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// residents' PINs, one of each kind for each way in: unusual, so that what is found is a copy.
type typedPIN struct{ sign, auth string }

// copies finds a PIN in everything that a process can write to: the long one wherever it stands, the four digits of the other
// behind a quote, an equals sign, or the length byte of an APDU.
func (p typedPIN) copies(t *testing.T, pid int) (found []string) {
	t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	search := regexp.QuoteMeta(p.sign)
	if p.auth != "" {
		search += `|["=\x04]` + p.auth
	}
	pattern := regexp.MustCompile(search)
	const step, overlap = 1 << 20, 64
	buffer := make([]byte, step)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		for at := from; at < to; at += step - overlap {
			n, _ := memory.ReadAt(buffer[:min(step, to-at)], at) // a page that nobody can read holds nothing
			for _, i := range pattern.FindAllIndex(buffer[:n], -1) {
				around := buffer[max(0, i[0]-40):min(n, i[1]+40)]
				found = append(found, fmt.Sprintf("at %x in %s: %q", at+int64(i[0]), strings.TrimSpace(line), around))
			}
		}
	}
	return found
}

// post makes one request and gives the status of the answer; PINs are typed in the browser of the resident's screen.
func (k *counter) post(path, contentType, body string) (status int) {
	k.t.Helper()
	url, _ := k.address()
	client := http.DefaultClient
	if strings.HasSuffix(path, "/pin") {
		client = k.screen
	}
	answer, err := client.Post(url+path, contentType, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// pairScreen gives the counter a resident's screen.
func (k *counter) pairScreen() {
	k.t.Helper()
	url, _ := k.address()
	answer, err := http.PostForm(url+"/screen", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	code := regexp.MustCompile(`<strong class="aloud">([A-Z2-7]{8})<`).FindSubmatch(text)
	if code == nil {
		k.t.Fatalf("the clerk's page shows no code for the screen (%v):\n%s", err, text)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		k.t.Fatal(err)
	}
	k.screen = &http.Client{Jar: jar}
	paired, err := k.screen.Get(url + "/resident?pair=" + string(code[1]))
	if err != nil {
		k.t.Fatal(err)
	}
	paired.Body.Close()
	if paired.StatusCode != http.StatusOK {
		k.t.Fatalf("pairing the screen was answered %s", paired.Status)
	}
}

// TestNoPINStaysInTheCountersMemory types PINs in every way there is, good ones and refused ones, and looks through the
// memory of the counter's program afterwards. Its virtual reader and card are in that process too.
func TestNoPINStaysInTheCountersMemory(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	l := newLives(t, c, k)
	k.pairScreen()
	pid := k.running().Pid
	if planted := (typedPIN{sign: "shomei-agent"}).copies(t, pid); len(planted) == 0 {
		t.Fatal("the scan does not find what is there")
	}
	const form, text = "application/x-www-form-urlencoded", "application/json"
	asForm := func(p typedPIN) string {
		return url.Values{"sign": {p.sign}, "sign_again": {p.sign}, "auth": {p.auth}, "auth_again": {p.auth}}.Encode()
	}
	asJSON := func(p typedPIN) string { return fmt.Sprintf(`{"pins":{"sign":%q,"auth":%q}}`, p.sign, p.auth) }
	clean := func(t *testing.T, p typedPIN) {
		t.Helper()
		for _, found := range p.copies(t, pid) {
			t.Errorf("PIN left %s", found)
		}
	}
	var waiting string
	begin := func(t *testing.T) {
		t.Helper()
		p, card := l.next("1990-06-18")
		waiting = l.id("issue")
		k.make(card)
		k.apply(p, waiting, "issue", nil)
		poll(t, "the resident to be asked", func() bool {
			var state procedure
			return k.try("GET", "/api/procedures/"+waiting, nil, &state) == nil && state.State == "waiting-confirmation"
		}, func() string { return string(k.tail()) })
		if status := k.post("/procedures/"+waiting+"/show", form, ""); status >= 400 {
			t.Fatalf("sending it to the resident's screen was answered %d", status)
		}
	}
	done := func(t *testing.T) {
		t.Helper()
		k.drive(waiting, "done")
	}
	begin(t)
	t.Run("refused", func(t *testing.T) {
		for i, typed := range []struct{ path, contentType, body string }{
			{"/procedures/" + waiting + "/pin", form, asForm(typedPIN{"zq8xk4vw2j0t", "6370"})},
			{"/procedures/" + waiting + "/pin", form, "sign=zq8xk4vw2j0t&sign_again=other&auth=6370&auth_again=6370"},
			{"/procedures/" + waiting + "/pin", form, asForm(typedPIN{"zq8xk4vw2j0t", "6370"}) + "&more=" + strings.Repeat("x", 70000)},
			{"/procedures/none/pin", form, asForm(typedPIN{"zq8xk4vw2j0t", "6370"})},
			{"/api/procedures/" + waiting + "/confirm", text, asJSON(typedPIN{"zq8xk4vw2j0t", "6370"})},
			{"/api/procedures/" + waiting + "/confirm", text, `{"pins":{"sign":"zq8xk4vw2j0t","third":"zq8xk4vw2j0t"}}`},
			{"/api/procedures/" + waiting + "/confirm", text, `{"pins":{"sign":"zq8xk4vw2j0t"},"more":"x"}`},
			{"/api/procedures/" + waiting + "/confirm", text, `{"pins":{"sign":"zq8xk4vw2j0t"`},
			{"/api/procedures/none/confirm", text, asJSON(typedPIN{"zq8xk4vw2j0t", "6370"})},
			{"/api/card", text, `{"pin":"zq8xk4vw2j0t"}`},
			{"/card", form, "pin=zq8xk4vw2j0t"},
		} {
			if status := k.post(typed.path, typed.contentType, typed.body); status < 400 {
				t.Errorf("request %d was answered %d", i, status)
			}
		}
		clean(t, typedPIN{"zq8xk4vw2j0t", "6370"})
	})
	byJSON := typedPIN{"ZQ8XK4VW2J9T", "9371"}
	t.Run("API", func(t *testing.T) {
		if status := k.post("/api/procedures/"+waiting+"/confirm", text, asJSON(byJSON)); status != 200 {
			t.Fatalf("answered %d", status)
		}
		done(t)
		clean(t, byJSON)
	})
	byForm := typedPIN{"HB6PM3XD7R5N", "5819"}
	t.Run("page", func(t *testing.T) {
		begin(t)
		if status := k.post("/procedures/"+waiting+"/pin", form, asForm(byForm)); status >= 400 {
			t.Fatalf("answered %d", status)
		}
		done(t)
		clean(t, byForm)
	})
	t.Run("large", func(t *testing.T) { // longer than what is read at once
		p := typedPIN{"KW4TQ9ZC8M2X", "7263"}
		begin(t)
		if status := k.post("/procedures/"+waiting+"/pin", form, "more="+strings.Repeat("x", 20000)+"&"+asForm(p)); status >= 400 {
			t.Fatalf("answered %d", status)
		}
		done(t)
		clean(t, p)
	})
	t.Run("reading", func(t *testing.T) {
		k.insert(l.lastCard())
		for path, contentType := range map[string]string{"/api/card": text, "/card": form} {
			body := `{"pin":"KW4TQ9ZC8M2X"}`
			if contentType == form {
				body = "pin=KW4TQ9ZC8M2X"
			}
			if status := k.post(path, contentType, body); status != 200 {
				t.Errorf("%s: answered %d", path, status)
			}
		}
		clean(t, typedPIN{sign: "KW4TQ9ZC8M2X"})
	})
	k.stop()
}

// lastCard is the card that was made last.
func (l *lives) lastCard() string { return fmt.Sprintf("CARD-%d", l.count) }
