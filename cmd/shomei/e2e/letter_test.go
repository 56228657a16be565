package e2e

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shomei/cmd/shomei-lab/story/player"
	"shomei/events"
)

// openCase is an application that waits for a letter's answer, as the API tells it.
type openCase struct {
	Procedure string   `json:"procedure"`
	Number    string   `json:"case_number"`
	Operation string   `json:"operation"`
	Kinds     []string `json:"kinds"`
	OnFile    []string `json:"on_file"`
	PostedOn  string   `json:"posted_on"`
	Void      bool     `json:"void"`
}

// TestALetterIsAnsweredAtAnotherCounter: who comes without photo ID at one counter of an office and brings the letter back to another,
// whose program has been started anew, gets the certificates there; the letter's number reaches no counter before the letter does.
func TestALetterIsAnsweredAtAnotherCounter(t *testing.T) {
	t.Parallel()
	c, first := world(t)
	second := newCounter(t, c, "/second-counter")
	second.start()
	first.make("CARD-H")
	first.apply(hanako, "0192f-1e77e4", "issue", map[string]any{"documents": []string{"application-form", "card", "other-id"}})
	first.drive("0192f-1e77e4", "deferred")
	c.advance(opening.AddDate(0, 0, 3))
	letter := c.inquiry(t, "0192f-1e77e4")
	t.Logf("the letter's number has %d characters", len(letter))

	second.stop()
	second.start()
	first.send("CARD-H", second)
	for what, question := range map[string]map[string]string{
		"receipt number":         {"case_number": events.CaseNumber("0192f-1e77e4")},
		"code and date of birth": {"resident_code": hanako.code, "birth_date": "平成2年6月18日"},
		"card":                   {"card": "CARD-H"},
		"card on the reader":     {},
	} {
		if found := second.cases(t, question); len(found) != 1 || found[0].Procedure != "0192f-1e77e4" || found[0].PostedOn == "" || found[0].Void {
			t.Errorf("by %s: %+v", what, found)
		}
	}
	for what, question := range map[string]map[string]string{
		"another number": {"case_number": "ffffffff"}, "another birthday": {"resident_code": hanako.code, "birth_date": "1990-06-19"}, "the letter's number": {"case_number": letter},
	} {
		if found := second.cases(t, question); len(found) != 0 {
			t.Errorf("by %s: %+v", what, found)
		}
	}
	second.findsOnPage(t, hanako)
	c.toldNowhere(t, letter, "0192f-1e77e4", first, second)

	answer := map[string]any{"documents": []string{"application-form", "card", "other-id", "inquiry-answer:" + letter}}
	second.must("POST", "/api/applications", application(hanako, "0192f-1e77e4", "issue", answer), nil)
	second.drive("0192f-1e77e4", "done")
	expect(t, c, hanako, "auth valid", "sign valid")
	if found := second.cases(t, map[string]string{"card": "CARD-H"}); len(found) != 0 {
		t.Errorf("answered already: %+v", found)
	}
	second.findsPersons(t, hanako, "CARD-H")
	first.answersInVain(t, application(hanako, "0192f-1e77e4", "issue", answer))
	c.whole()
	expect(t, c, hanako, "auth valid", "sign valid")
}

// inquiry is the number on the letter of inquiry that was mailed for a procedure.
func (c *centre) inquiry(t *testing.T, procedure string) (number string) {
	t.Helper()
	poll(t, "the letter of inquiry", func() bool {
		var err error
		if number, err = player.LetterNumber(filepath.Join(c.data, "mail"), printDesk, procedure); err != nil {
			t.Fatal(err)
		}
		return number != ""
	}, func() string { return "none was mailed" })
	return number
}

// printDesk is where a centre sends its letters of inquiry that was told nothing else.
const printDesk = "print-desk@shomei.example"

// cases asks a counter for applications that wait for a letter's answer; none is 404.
func (k *counter) cases(t *testing.T, question map[string]string) []openCase {
	t.Helper()
	body := map[string]string{"clerk": "017"}
	maps.Copy(body, question)
	var found struct{ Cases []openCase }
	if r := k.call("POST", "/api/cases", body, &found); r != nil && r.status != http.StatusNotFound {
		t.Fatalf("%v: %v", question, r)
	}
	return found.Cases
}

// findsPersons looks for somebody by each key, once the vault has indexed them.
func (k *counter) findsPersons(t *testing.T, p person, card string) {
	t.Helper()
	type answer struct {
		Persons []struct {
			Name         string
			Certificates []struct{ Status string }
		}
	}
	find := func(question map[string]string) (found answer, status int) {
		body := map[string]string{"clerk": "017"}
		maps.Copy(body, question)
		if r := k.call("POST", "/api/find", body, &found); r != nil {
			return found, r.status
		}
		return found, http.StatusOK
	}
	byName := map[string]string{"name": strings.ReplaceAll(p.name, "　", ""), "birth_date": "平成2年6月18日"}
	poll(t, "the index of names", func() bool { _, status := find(byName); return status == http.StatusOK }, func() string { return "nobody is found" })
	for what, question := range map[string]map[string]string{
		"name and date of birth": byName, "code": {"resident_code": p.code}, "card": {"card": card}, "card on the reader": {},
	} {
		if found, status := find(question); status != http.StatusOK || len(found.Persons) != 1 || found.Persons[0].Name != p.name || len(found.Persons[0].Certificates) != 2 {
			t.Errorf("by %s: %d, %+v", what, status, found)
		}
	}
	if _, status := find(map[string]string{"name": p.name, "birth_date": "1990-06-19"}); status != http.StatusNotFound {
		t.Errorf("somebody of another birthday: %d", status)
	}
}

// findsOnPage looks for somebody's case as a clerk does, in both languages, and opens the form that takes its answer.
func (k *counter) findsOnPage(t *testing.T, p person) {
	t.Helper()
	at, _ := k.address()
	for _, lang := range []string{"ja", "en"} {
		found := k.visit(t, at+"/cases?lang="+lang, url.Values{"clerk": {"017"}, "resident_code": {p.code}, "birth_date": {p.birth}})
		link := answerLink.FindStringSubmatch(found)
		if link == nil {
			t.Fatalf("%s: the page names no form for the answer:\n%s", lang, found)
		}
		form := k.visit(t, at+html.UnescapeString(link[1]), nil)
		for _, filled := range []string{`value="0192f-1e77e4"`, `name="letter"`} {
			if !strings.Contains(form, filled) {
				t.Errorf("%s: the answer's form lacks %s", lang, filled)
			}
		}
	}
}

var answerLink = regexp.MustCompile(`<a class="button" href="(/apply[^"]+)"`)

// visit opens a page, with a form when there is one.
func (k *counter) visit(t *testing.T, url string, form url.Values) string {
	t.Helper()
	method, content := http.MethodGet, ""
	if form != nil {
		method, content = http.MethodPost, form.Encode()
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, answer.Status, err, text)
	}
	return string(text)
}

// toldNowhere looks for a letter's number in all that counters were sent, keep, and show.
func (c *centre) toldNowhere(t *testing.T, letter, procedure string, counters ...*counter) {
	t.Helper()
	s := newSearch(t.Context(), []string{letter})
	for _, k := range counters {
		at, _ := k.address()
		if err := s.pages(at+"/", at+"/cases", at+"/api/status", at+"/api/procedures/"+procedure, at+"/procedures/"+procedure); err != nil {
			t.Fatal(err)
		}
		k.stop()
		for _, err := range []error{s.files(k.bundle, nowhere), s.stores(k.bundle)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		k.start()
	}
	s.judge(t, "page", "file", "log", "store")
	s.look("proof", "what the letter says", []byte("照会書番号 "+letter))
	if len(s.found) == 0 {
		t.Error("the search does not find the number where it is")
	}
}

// answersInVain answers a letter that was answered at another counter: the centre takes it here no more.
func (k *counter) answersInVain(t *testing.T, body map[string]any) {
	t.Helper()
	k.card = ""
	if r := k.call("POST", "/api/applications", body, nil); r == nil {
		k.drive(body["procedure"].(string), "refused")
	}
}
