package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/officer"
	"shomei/pkg/page/pagetest"
	"shomei/pkg/wait"
)

// someOffices is a history in which ten people a day come to one office, four to its neighbour and thirty to one of another prefecture, for
// two years.
func someOffices(t *testing.T) *forecast.History {
	h := &forecast.History{}
	add := func(r forecast.Record) {
		if err := h.Add(r); err != nil {
			t.Error(err)
		}
	}
	for office, each := range map[string]int{"12237-main": 10, "12100-main": 4, "13101-main": 30} {
		add(forecast.Record{What: forecast.Place, Office: office, Municipality: office[:5]})
		for day := civil.New(2024, 11, 1); !day.After(civil.Of(now)); day = day.AddDays(1) {
			if civil.WorkingDay(day) {
				add(forecast.Record{What: forecast.Visit, Day: day, Office: office, Kind: "auth sign", Procedure: "unblock", Count: each})
			}
		}
	}
	return h
}

// withVisits has the console of a test forecast visits. The first asking waits until it may learn.
func withVisits(c *Console, learn func() (*forecast.History, error)) {
	c.oracle = &oracle{history: func(context.Context, civil.Date) (*forecast.History, error) { return learn() }}
}

func TestVisitsAreForecast(t *testing.T) {
	c, may := openConsole(t), make(chan struct{})
	withVisits(c, func() (*forecast.History, error) { <-may; return someOffices(t), nil })
	handler := c.Handler()
	if status, body := get(handler, "/forecast"); status != http.StatusOK || !strings.Contains(body, "学んでいます") {
		t.Errorf("while it is learned: %d %.300s", status, body)
	}
	if status, body := get(handler, "/api/visits"); status != http.StatusServiceUnavailable || !strings.Contains(body, "ask again") {
		t.Errorf("while it is learned: %d %s", status, body)
	}
	close(may)
	ask := func(target string) (found []forecast.Expected) {
		t.Helper()
		var answer struct{ Data []forecast.Expected }
		err := wait.Until(t.Context(), 20*time.Millisecond, func() (bool, error) {
			status, body := get(handler, target)
			if status == http.StatusServiceUnavailable {
				return false, nil
			}
			return true, json.Unmarshal([]byte(body), &answer)
		})
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		return answer.Data
	}
	whole := ask("/api/visits?per=week")
	if len(whole) < 25 || whole[2].P50 < 160 || whole[2].P50 > 280 || whole[2].P10 > whole[2].P50 || whole[2].P90 < whole[2].P50 {
		t.Errorf("a week of all offices: %+v", whole[:3])
	}
	one := ask("/api/visits?per=week&office=12237-main")
	if one[2].P50 < 35 || one[2].P50 > 65 {
		t.Errorf("a week of one office: %+v", one[2])
	}
	if each := ask("/api/visits?per=month&level=office"); each[0].Place != "12100-main" || each[len(each)-1].Place != "13101-main" {
		t.Errorf("each office: %+v", each)
	}
	for target, nearest := range map[string]string{
		"/api/visits?per=weak": `nearest is \"week\"`, "/api/visits?level=ofice": `nearest is \"office\"`, "/api/visits?office=12237-mian": `nearest is \"12237-main\"`,
		"/api/visits?by=office": "there is no parameter",
	} {
		if status, body := get(handler, target); status != http.StatusBadRequest || !strings.Contains(body, nearest) {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	if status, body := get(handler, "/forecast?lang=en&level=office&per=month"); status != http.StatusOK || !strings.Contains(body, "13101-main") || !strings.Contains(body, "Few (10 in 100)") {
		t.Errorf("the page: %d %.500s", status, body)
	}
	if status, body := get(handler, "/api/visits?format=csv"); status != http.StatusOK || !strings.Contains(body, "多い場合") {
		t.Errorf("as a file: %d %.300s", status, body)
	}
}

// TestVisitsThatCantBeForecast: too little is known, or the tables are away; the reader is told which.
func TestVisitsThatCantBeForecast(t *testing.T) {
	for _, test := range []struct {
		learn func() (*forecast.History, error)
		want  int
		says  string
	}{
		{func() (*forecast.History, error) { return &forecast.History{}, nil }, http.StatusConflict, "half a year"},
		{func() (*forecast.History, error) { return nil, errors.New("secret detail") }, http.StatusInternalServerError, "internal error"},
	} {
		c := openConsole(t)
		withVisits(c, test.learn)
		handler, status, body := c.Handler(), 0, ""
		err := wait.Until(t.Context(), 20*time.Millisecond, func() (bool, error) {
			status, body = get(handler, "/api/visits")
			return status != http.StatusServiceUnavailable, nil
		})
		if err != nil || status != test.want || !strings.Contains(body, test.says) {
			t.Errorf("%d %s (%v)", status, body, err)
		}
		if _, shown := get(handler, "/forecast"); strings.Contains(shown, "secret detail") {
			t.Error("the page shows what went wrong inside")
		}
	}
}

// TestVisitsKeepToTheReadersArea: a reader of one area sees its offices alone, and one of several chooses.
func TestVisitsKeepToTheReadersArea(t *testing.T) {
	s := openStaffed(t,
		officer.Officer{Code: "T1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"13"}},
		officer.Officer{Code: "B2", Roles: []officer.Role{officer.Analyst}, Areas: []string{"13", "12"}})
	withVisits(s.console, func() (*forecast.History, error) { return someOffices(t), nil })
	ask := func(areas []string, target string) (int, string) {
		v := visitor{Officer: "T1", Areas: areas, known: true, who: officer.Officer{Roles: []officer.Role{officer.Analyst}}}
		var status int
		var body string
		_ = wait.Until(t.Context(), 20*time.Millisecond, func() (bool, error) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", target, nil)
			for _, e := range s.console.endpoints() {
				if e.visits {
					s.console.api(e)(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
				}
			}
			status, body = w.Code, w.Body.String()
			return status != http.StatusServiceUnavailable, nil
		})
		return status, body
	}
	for _, target := range []string{"/api/visits", "/api/visits?level=office", "/api/visits?level=municipality", "/api/visits?prefecture=12", "/api/visits?office=12237-main&level=office"} {
		status, body := ask([]string{"13"}, target)
		if strings.Contains(body, `"place":"12`) || status == http.StatusOK && !strings.Contains(body, `"p90"`) {
			t.Errorf("%s: %d %.300s", target, status, body)
		}
	}
	// A town's reader asks about the prefecture, in which there is another office.
	for _, target := range []string{"/api/visits?prefecture=12&level=office", "/api/visits?prefecture=12&level=prefecture", "/api/visits"} {
		_, own := ask([]string{"12237"}, target)
		_, wide := ask([]string{officer.Nation}, "/api/visits?prefecture=12&level=office")
		if strings.Contains(own, "12100") || !strings.Contains(wide, "12100-main") || strings.Contains(own, `"p50":70`) {
			t.Errorf("%s by a town's reader: %.400s", target, own)
		}
	}
	for _, at := range []string{"9999-12-31", "2026-11-23", "1999-01-01"} {
		if status, body := ask([]string{officer.Nation}, "/api/visits?at="+at); status != http.StatusBadRequest {
			t.Errorf("at %s: %d %.200s", at, status, body)
		}
	}
	_, all := ask([]string{officer.Nation}, "/api/visits?level=nation")
	if _, own := ask([]string{"13"}, "/api/visits?level=nation"); own == all {
		t.Error("a prefecture's reader gets the sums of all")
	}
	if _, both := ask([]string{"12", "13"}, "/api/visits?level=nation"); both == "" || !strings.Contains(both, `"p90"`) {
		t.Errorf("a reader of two areas: %.300s", both)
	}
}

func TestTheForecastsPageIsAccessible(t *testing.T) {
	c := openConsole(t)
	withVisits(c, func() (*forecast.History, error) { return someOffices(t), nil })
	server := httptest.NewServer(c.Handler())
	defer server.Close()
	for size, width := range map[string]int{"": 1200, "-narrow": 320} {
		browser := pagetest.Open(t, width, 900)
		browser.Visit(t, server.URL+"/forecast", chromedp.WaitVisible(chromedp.CSS("#visits")))
		check(t, browser, "forecast"+size)
		browser.Visit(t, server.URL+"/forecast?level=office&per=month&lang=en", chromedp.WaitVisible(chromedp.CSS("#visits")))
		check(t, browser, "forecast-offices"+size)
		if wider := browser.Ask(t, `String(document.documentElement.scrollWidth > window.innerWidth)`); wider != "false" {
			t.Error("the page is wider than the window")
		}
	}
}
