package desk

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/officer"
	"shomei/services/agent"
)

// alone is a desk whose counter has neither centre nor reader.
func alone(t *testing.T) *Desk {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seal, err := counterlink.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	counter, err := agent.Open(agent.Config{
		Counter: "12237-main-1", Office: "12237-main", Key: key, SealKey: seal, HubSealKey: seal.PublicKey(),
		StorePath: filepath.Join(t.TempDir(), "counter.db"),
		Now:       time.Now, ClockEvidence: func() string { return agent.Synchronised },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counter.Close() })
	d, err := New(Config{Counter: counter, Name: "12237-main-1", Office: "12237-main", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// reach says who a URL is for, and whether other machines of the office are served.
type reach struct {
	audience
	office bool
}

const machine, office = false, true

// routesFor says who each URL is for, and where.
var routesFor = map[string]reach{
	"GET /assets/":                        {forAll, office},
	"GET /{$}":                            {forClerk, office},
	"GET /screen":                         {forClerk, machine},
	"POST /screen":                        {forClerk, machine},
	"GET /live":                           {forGuest, office},
	"GET /sign-in":                        {forGuest, office},
	"POST /sign-in":                       {forGuest, office},
	"POST /sign-in/options":               {forGuest, office},
	"POST /sign-out":                      {forGuest, office},
	"POST /lock":                          {forGuest, office},
	"POST /unlock":                        {forGuest, office},
	"GET /enrol":                          {forGuest, office},
	"POST /enrol":                         {forGuest, office},
	"POST /enrol/options":                 {forGuest, office},
	"GET /enrol/{id}":                     {forGuest, office},
	"GET /enrol/{id}/live":                {forGuest, office},
	"GET /sign/{token}":                   {forClerk, office},
	"POST /sign/{token}":                  {forClerk, office},
	"POST /sign/{token}/options":          {forClerk, office},
	"GET /approvals":                      {forClerk, office},
	"GET /approvals/{id}":                 {forClerk, office},
	"POST /approvals/{id}":                {forClerk, office},
	"POST /api/acts/{token}":              {forPrograms, machine},
	"POST /api/enrol":                     {forPrograms, machine},
	"POST /api/approvals":                 {forPrograms, machine},
	"POST /api/approvals/{id}":            {forPrograms, machine},
	"GET /officers":                       {forClerk, office},
	"POST /officers":                      {forClerk, office},
	"GET /apply":                          {forClerk, office},
	"POST /apply":                         {forClerk, office},
	"GET /report":                         {forClerk, office},
	"POST /report":                        {forClerk, office},
	"GET /join":                           {forClerk, office},
	"POST /join":                          {forClerk, office},
	"GET /cases":                          {forClerk, office},
	"POST /cases":                         {forClerk, office},
	"GET /find":                           {forClerk, office},
	"POST /find":                          {forClerk, office},
	"GET /review/{token}":                 {forClerk, office},
	"POST /review/{token}":                {forClerk, office},
	"GET /procedures/{id}":                {forClerk, office},
	"POST /procedures/{id}/hand-over":     {forClerk, machine},
	"GET /procedures/{id}/drop":           {forClerk, office},
	"POST /procedures/{id}/drop":          {forClerk, office},
	"GET /procedures/{id}/copy":           {forClerk, office},
	"POST /procedures/{id}/show":          {forClerk, machine},
	"GET /card":                           {forClerk, machine},
	"POST /card":                          {forClerk, machine},
	"POST /tray":                          {forClerk, machine},
	"GET /resident":                       {forResident, machine},
	"GET /resident/live":                  {forResident, machine},
	"GET /procedures/{id}/pin":            {forResident, machine},
	"POST /procedures/{id}/pin":           {forResident, machine},
	"POST /api/applications":              {forPrograms, machine},
	"POST /api/cases":                     {forPrograms, machine},
	"POST /api/find":                      {forPrograms, machine},
	"POST /api/reports":                   {forPrograms, machine},
	"GET /api/procedures/{id}":            {forPrograms, machine},
	"GET /api/procedures/{id}/events":     {forPrograms, machine},
	"POST /api/procedures/{id}/confirm":   {forPrograms, machine},
	"POST /api/procedures/{id}/hand-over": {forPrograms, machine},
	"POST /api/procedures/{id}/drop":      {forPrograms, machine},
	"GET /api/status":                     {forPrograms, machine},
	"GET /api/card":                       {forPrograms, machine},
	"POST /api/card":                      {forPrograms, machine},
	"POST /api/reader/cards":              {forPrograms, machine},
	"POST /api/reader/insert":             {forPrograms, machine},
	"POST /api/reader/eject":              {forPrograms, machine},
}

// Every URL serves those it is for, and gives 403 to everybody else.
func TestRoutesServeTheirAudienceOnly(t *testing.T) {
	d := alone(t)
	if err := d.Counter.PairScreen("the former"); err != nil {
		t.Fatal(err)
	}
	if err := d.Counter.PairScreen("the resident"); err != nil {
		t.Fatal(err)
	}
	opened := map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	followed := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	script := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
	frame := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
	clerk, resident := "clerk="+d.Counter.ClerkToken(), "resident=the resident"
	for name, who := range map[string]struct {
		headers map[string]string
		cookies string
		is      []audience
	}{
		"a program":                       {nil, "", []audience{forClerk, forPrograms}},
		"an address typed":                {opened, "", []audience{forClerk, forPrograms}},
		"a link followed, no cookie":      {followed, "", []audience{forClerk}},
		"a script, cookies kept back":     {script, "", nil},
		"a frame, cookies kept back":      {frame, "", nil},
		"a script, old browser":           {map[string]string{"Origin": "http://127.0.0.1"}, "", nil},
		"clerk, address typed":            {opened, clerk, []audience{forClerk, forPrograms}},
		"clerk":                           {followed, clerk, []audience{forClerk}},
		"clerk's script":                  {script, clerk, []audience{forClerk}},
		"clerk's cookie made up":          {script, "clerk=made up", nil},
		"resident, address typed":         {opened, resident, []audience{forResident}},
		"resident":                        {followed, resident, []audience{forResident}},
		"resident's script":               {script, resident, []audience{forResident}},
		"resident without headers":        {nil, resident, []audience{forResident}},
		"resident with a clerk's cookie":  {followed, clerk + "; " + resident, []audience{forResident}},
		"resident with another's first":   {followed, "resident=x; " + resident, []audience{forResident}},
		"former resident":                 {followed, "resident=the former", nil},
		"former, address typed":           {opened, "resident=the former; " + clerk, nil},
		"former without headers":          {nil, "resident=the former", nil},
		"resident's cookie made up":       {opened, "resident=", nil},
		"resident's hash in place of it":  {followed, "resident=" + strings.Repeat("0", 64), nil},
		"a clerk's with the resident's":   {followed, "clerk=the resident", []audience{forClerk}},
		"the resident's with the clerk's": {followed, "resident=" + d.Counter.ClerkToken(), nil},
	} {
		for _, route := range d.routes() {
			row, known := routesFor[route.pattern]
			audience := row.audience
			if !known {
				t.Errorf("for whom is %s? Say so in the table", route.pattern)
				continue
			}
			status := ask(t, d, route.pattern, who.headers, who.cookies)
			if audience == forGuest {
				audience = forClerk // nobody is signed in or has to be
			}
			served := audience == forAll || slices.Contains(who.is, audience)
			if strings.Contains(who.cookies, "resident=") && route.pattern == "GET "+residentLive {
				served = true // it only sends the former screen away
			}
			if refused := status == http.StatusForbidden; refused == served {
				t.Errorf("%s: %s answers %d", name, route.pattern, status)
			}
		}
	}
	registered := map[string]bool{}
	for _, route := range d.routes() {
		registered[route.pattern] = true
	}
	for pattern := range maps.Keys(routesFor) {
		if !registered[pattern] {
			t.Errorf("%s is served no more", pattern)
		}
	}
}

// filesNothing lists the routes that post something which is no officer's act.
var filesNothing = []string{
	"POST /screen", "POST /sign-in", "POST /sign-in/options", "POST /sign-out", "POST /lock", "POST /unlock", "POST /enrol/options",
	"POST /sign/{token}/options", "POST /cases", "POST /procedures/{id}/show", "POST /card", "POST /tray", "POST /procedures/{id}/pin",
	"POST /api/approvals", "POST /api/cases", "POST /api/procedures/{id}/confirm", "POST /api/card", "POST /api/reader/cards",
	"POST /api/reader/insert", "POST /api/reader/eject",
}

// Every route that posts says which acts it files, and every act that is done at a counter is filed by one.
func TestRoutesSayWhatTheyFile(t *testing.T) {
	registered, filed := map[string]bool{}, map[string]bool{}
	for _, route := range alone(t).routes() {
		registered[route.pattern] = true
		if _, files := filing[route.pattern]; strings.HasPrefix(route.pattern, "POST ") && files == slices.Contains(filesNothing, route.pattern) {
			t.Errorf("which acts does %s file? Say so in one of the tables", route.pattern)
		}
	}
	for pattern, words := range filing {
		if !registered[pattern] {
			t.Errorf("%s is served no more", pattern)
		}
		for _, word := range words {
			if act, known := officer.ActNamed(word); !known || !act.Signed() {
				t.Errorf("%s files %s, which is no officer's act", pattern, word)
			}
			filed[word] = true
		}
	}
	elsewhere := []string{"order", "custody-destruction"} // at the centre; nowhere yet
	for _, act := range officer.Acts() {
		if act.Signed() && filed[act.Word] == slices.Contains(elsewhere, act.Word) {
			t.Errorf("%s is filed by a route: %v", act.Word, filed[act.Word])
		}
	}
}

// ask sends a request to a route as somebody and returns the status.
func ask(t *testing.T, d *Desk, pattern string, headers map[string]string, cookies string) int {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.NewReplacer("{$}", "", "{id}", "none", "{token}", "none", "/assets/", "/assets/live.js").Replace(path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a stream ends once it has begun
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, strings.NewReader(""))
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return w.Code
}

// A code, however it is typed, pairs one browser, once, and not for long; a guess does not.
func TestACodePairsOnce(t *testing.T) {
	var p pairing
	if p.take("") || p.take("AAAAAAAA") {
		t.Error("paired without a code")
	}
	p.begin()
	code, _ := p.open()
	wide := strings.Map(func(r rune) rune { return r - 'A' + 'Ａ' }, strings.Map(func(r rune) rune {
		if r < 'A' {
			return -1
		}
		return r
	}, code))
	if wide == "" {
		t.Fatalf("no letters in %s", code)
	}
	for _, wrong := range []string{"", code[1:], code + "A", wide[:3]} {
		if p.take(wrong) {
			t.Errorf("%q paired, the code is %s", wrong, code)
		}
	}
	if !p.take(fmt.Sprintf(" %s %s ", strings.ToLower(code[:4]), code[4:])) {
		t.Error("the code does not pair as people type it")
	}
	if p.take(code) {
		t.Error("the code paired twice")
	}
	p.begin()
	old, _ := p.open()
	p.begin()
	if code, _ = p.open(); p.take(old) || old == code {
		t.Error("a former code paired")
	}
	p.made = time.Now().Add(-codeTime - time.Second)
	if shown, _ := p.open(); shown != "" || p.take(code) {
		t.Error("a code paired that is too old")
	}
}

// The resident's language ends with what the screen shows.
func TestTheNextResidentFindsJapanese(t *testing.T) {
	s := screen{lang: "ja", changed: make(chan struct{})}
	is := func(when, want string) {
		t.Helper()
		if got := string(s.language()); got != want {
			t.Errorf("%s: the screen speaks %s, want %s", when, got, want)
		}
	}
	is("at first", "ja")
	s.choose("xx")
	is("after a language that is none", "ja")
	s.put("one")
	s.choose("en")
	is("chosen for a procedure", "en")
	s.drop("other")
	is("when another ends", "en")
	s.drop("one")
	is("blank", "ja")

	s.choose("en")
	is("chosen while waiting", "en")
	s.put("two")
	is("shown in the language chosen before", "en")
	s.chosen = time.Now().Add(-choiceTime)
	is("while it is shown", "en")
	s.thank(time.Now())
	s.drop("two")
	is("thanked", "en")
	s.choose("en")
	s.thank(time.Now().Add(-doneTime))
	is("blank after the thanks", "ja")

	s.choose("en")
	s.chosen = time.Now().Add(-choiceTime)
	is("nobody came", "ja")
	s.lang, s.chosen = "en", time.Now().Add(-choiceTime)
	s.put("three")
	is("shown long after", "ja")
}
