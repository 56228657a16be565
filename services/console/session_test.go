package console

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/events"
	"shomei/pkg/officer"
)

// staffed is a console by TLS at which officers sign in, with a passkey each, and one browser.
type staffed struct {
	*testing.T
	console  *Console
	server   *httptest.Server
	client   *http.Client
	officers map[string]*officer.Officer
	keys     map[string]*officer.SoftKey
	looks    []Look
	// waiting are the acts that wait, decided what came of them.
	waiting []Waiting
	decided []string
}

// openStaffed makes a console for officers with these roles and areas.
func openStaffed(t *testing.T, officers ...officer.Officer) *staffed {
	s := &staffed{T: t, officers: map[string]*officer.Officer{}, keys: map[string]*officer.SoftKey{}}
	base := openConsole(t)
	for _, o := range officers {
		key := officer.NewSoftKey()
		if o.Home == "" {
			o.Home = "12237-main"
		}
		o.Passkeys = []officer.Passkey{key.Passkey()}
		s.officers[o.Code], s.keys[o.Code] = &o, key
	}
	c := base.Config
	c.Look = func(_ context.Context, l Look) error { s.looks = append(s.looks, l); return nil }
	c.SignIn = &SignIn{
		Name: officer.Counters, Find: s.find, ByCode: s.byCode, Municipality: func(office string) string {
			if office == "undefined-1" {
				return ""
			}
			return office[:5]
		},
		Trial: func() bool { return true }, Invited: s.invited, Waiting: func() []Waiting { return s.waiting },
		Opening: func(who officer.Officer, w Waiting) (Act, error) {
			return s.act("opened by "+who.Code, Shown{Personal: &events.Personal{Record: &events.ResidentRecord{Name: "証明 花子"}}}), nil
		},
		Deciding: func(who officer.Officer, w Waiting, outcome, why string) (Act, error) {
			return s.act(outcome+" by "+who.Code+" "+why, Shown{}), nil
		},
	}
	var err error
	if s.console, err = New(c); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(s.console.Handler())
	t.Cleanup(s.server.Close)
	s.client = s.server.Client()
	s.client.Jar, _ = cookiejar.New(nil)
	return s
}

func (s *staffed) find(credential []byte) (officer.Officer, error) {
	for _, o := range s.officers {
		if _, err := o.Key(credential); err == nil {
			return *o, nil
		}
	}
	return officer.Officer{}, officer.UnknownKey
}

func (s *staffed) byCode(code string) (officer.Officer, error) {
	if o := s.officers[code]; o != nil {
		return *o, nil
	}
	return officer.Officer{}, officer.Unknown
}

// act is one whose filing the test notes.
func (s *staffed) act(what string, shown Shown) Act {
	challenge := []byte(rand.Text())
	return Act{Challenge: challenge, File: func(context.Context, *events.Assertion) (Shown, error) {
		s.decided = append(s.decided, what)
		return shown, nil
	}}
}

func (s *staffed) invited(hash []byte) (officer.Officer, error) {
	for _, o := range s.officers {
		if n := len(o.Invitations); n > 0 && string(o.Invitations[n-1].CodeSHA256) == string(hash) {
			return *o, nil
		}
	}
	return officer.Officer{}, officer.NoInvitation
}

func (s *staffed) get(target string) (int, string) {
	s.Helper()
	return s.read(s.client.Get(s.server.URL + target))
}

func (s *staffed) post(target string, form url.Values) (int, string) {
	s.Helper()
	return s.read(s.client.PostForm(s.server.URL+target, form))
}

func (s *staffed) read(r *http.Response, err error) (int, string) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// signIn signs an officer in with the key of another, or their own.
func (s *staffed) signIn(code, key string) (int, string) {
	s.Helper()
	_, options := s.post("/sign-in/options", url.Values{"code": {code}})
	return s.post("/sign-in", url.Values{"code": {code}, "passkey": {s.touch(options, key)}})
}

// touch is what a browser posts for options.
func (s *staffed) touch(options, key string) string {
	s.Helper()
	var asked struct{ PublicKey struct{ Challenge string } }
	if err := json.Unmarshal([]byte(options), &asked); err != nil {
		s.Fatalf("%v in %s", err, options)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(asked.PublicKey.Challenge)
	if err != nil {
		s.Fatal(err)
	}
	response, err := s.keys[key].Respond(challenge)
	if err != nil {
		s.Fatal(err)
	}
	return string(response)
}

// TestOnlyWhoIsSignedInSeesTheirArea walks what each officer sees, and that nothing is seen without one.
func TestOnlyWhoIsSignedInSeesTheirArea(t *testing.T) {
	s := openStaffed(t,
		officer.Officer{Code: "A1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"}},
		officer.Officer{Code: "B2", Roles: []officer.Role{officer.Auditor}, Areas: []string{"13", "12238"}},
		officer.Officer{Code: "C3", Roles: []officer.Role{officer.Administrator}},
		officer.Officer{Code: "D4", Roles: []officer.Role{officer.Clerk, officer.TelephoneDesk}, Areas: []string{officer.Nation}},
		officer.Officer{Code: "E5", Roles: []officer.Role{officer.Operator}, Areas: []string{officer.Nation}},
		officer.Officer{Code: "F6", Home: "undefined-1", Roles: []officer.Role{officer.Administrator}},
	)
	for target, want := range map[string]int{"/": 200, "/?q=1001": 200, "/api/status": 401, "/api/history?q=1001": 401, "/assets/shomei.css": 200, "/elsewhere": 200} {
		if status, body := s.get(target); status != want || strings.Contains(body, "CertificateRevoked") || strings.Contains(body, "全80件") || strings.Contains(body, `"data"`) {
			t.Errorf("%s without sign-in: %d %s", target, status, body)
		}
	}
	for _, c := range []struct {
		code, counts string
		history      int
	}{{"A1", "全80件", 200}, {"B2", "全0件", 404}, {"C3", "全80件", 200}, {"F6", "全0件", 404}, {"E5", "全80件", 200}} {
		if status, body := s.signIn(c.code, c.code); status != 200 || !strings.Contains(body, c.counts) || !strings.Contains(body, c.code+" として") {
			t.Errorf("%s: %d, no %s in %s", c.code, status, c.counts, body)
		}
		for _, target := range []string{"/?q=1001", "/api/history?q=1001"} {
			if status, body := s.get(target); status != c.history || (status == 200) != strings.Contains(body, subscriber(0)) {
				t.Errorf("%s at %s: %d, want %d", c.code, target, status, c.history)
			}
		}
		if status, _ := s.post("/sign-out", nil); status != 200 {
			t.Errorf("%s signs out: %d", c.code, status)
		}
		if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
			t.Errorf("after %s signed out: %d", c.code, status)
		}
	}
	if status, body := s.signIn("D4", "D4"); status != http.StatusForbidden || strings.Contains(body, "全80件") || !strings.Contains(body, "この職員の役割では") {
		t.Errorf("an officer whose roles look at nothing here: %d %s", status, body)
	}
	var want []Look
	for _, code := range []string{"A1", "A1", "C3", "C3", "E5", "E5"} {
		want = append(want, Look{Subscriber: subscriber(0), Officer: code, Office: "12237-main"})
	}
	if diff := cmp.Diff(want, s.looks); diff != "" {
		t.Error(diff)
	}
}

// routesFor says who each URL is for.
var routesFor = map[string]audience{
	"GET /assets/":          forAll,
	"GET /sign-in":          forAll,
	"POST /sign-in/options": forAll,
	"POST /sign-in":         forAll,
	"POST /sign-out":        forAll,
	"GET /enrol":            forAll,
	"POST /enrol/options":   forAll,
	"POST /enrol":           forAll,
	"GET /sign-in/account":  forAll,
	"GET /sign-in/callback": forAll,
	"GET /approvals":        forDeciders,
	"GET /approvals/{id}":   forDeciders,

	"GET /approvals/{id}/open":            forDeciders,
	"GET /approvals/{id}/decide":          forDeciders,
	"POST /approvals/{id}/open/options":   forDeciders,
	"POST /approvals/{id}/open":           forDeciders,
	"POST /approvals/{id}/decide/options": forDeciders,
	"POST /approvals/{id}/decide":         forDeciders,

	"GET /{$}":          forReaders,
	"GET /api/status":   forReaders,
	"GET /api/expiries": forReaders,
	"GET /api/history":  forReaders,

	"GET /reports/{report}": forReaders,
	"GET /api":              forReaders,
	"POST /api":             forReaders,
	"GET /forecast":         forReaders,
	"GET /api/visits":       forReaders,
	"GET /api/openapi.json": forReaders,
	"GET /api/{path...}":    forReaders,

	"GET /api/reports/applications": forReaders,
	"GET /api/reports/letters":      forReaders,
	"GET /api/reports/issued":       forReaders,
	"GET /api/reports/ends":         forReaders,
	"GET /api/reports/refusals":     forReaders,
	"GET /api/reports/fees":         forReaders,
	"GET /api/reports/notices":      forReaders,
	"GET /api/reports/cards":        forReaders,
}

// rolesOf lists the roles that a URL is for, by its audience.
var rolesOf = map[audience][]officer.Role{
	forAll:      officer.Roles(),
	forReaders:  {officer.Analyst, officer.Auditor, officer.Administrator, officer.Operator},
	forDeciders: {officer.Approver, officer.Administrator},
}

// Every role tries every URL: it is refused exactly where the table has no such role; a URL without a row fails.
func TestRoutesServeTheRolesThatLook(t *testing.T) {
	var staff []officer.Officer
	code := func(role officer.Role) string { return "1-" + string(role)[:3] }
	for _, role := range officer.Roles() {
		staff = append(staff, officer.Officer{Code: code(role), Roles: []officer.Role{role}, Areas: []string{"12"}})
	}
	s := openStaffed(t, staff...)
	s.waiting = []Waiting{{&events.OpenApproval{Id: "one", Act: "unblock", Officer: "017"}, "12237-main"}}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, role := range officer.Roles() {
		s.signIn(code(role), code(role))
		for _, r := range append(s.console.routes(), s.console.accountRoutes()...) {
			method, path, _ := strings.Cut(r.pattern, " ")
			audience, known := routesFor[r.pattern]
			switch {
			case !known:
				t.Errorf("for whom is %s? Say so in the table", r.pattern)
				continue
			case audience != r.audience:
				t.Errorf("%s is served to others than the table says", r.pattern)
			case audience == forAll:
				continue // some of them end the session
			}
			path = strings.NewReplacer("{$}", "", "{id}", "one", "{report}", "issued", "{path...}", "nothing").Replace(path)
			target := path
			if strings.HasSuffix(path, "/history") {
				target += "?q=1001"
			}
			status, body := s.get(target)
			if method == http.MethodPost {
				status, body = s.post(path, nil)
			}
			turnedAway := strings.Contains(body, "この職員の役割では") || strings.Contains(body, errNoReader.Error())
			if path == "/" && role == officer.Approver {
				turnedAway = status == http.StatusSeeOther // to what waits
			}
			if may := slices.Contains(rolesOf[audience], role); may == turnedAway || turnedAway && path != "/" && status != http.StatusForbidden {
				t.Errorf("%s by %s: %d %.200s", r.pattern, role, status, body)
			}
		}
		s.post("/sign-out", nil)
	}
	for _, r := range s.console.routes() {
		if r.audience == forAll {
			continue
		}
		method, path, _ := strings.Cut(strings.NewReplacer("{$}", "", "{id}", "one", "{report}", "issued", "{path...}", "nothing").Replace(r.pattern), " ")
		status, body := s.get(path)
		if method == http.MethodPost {
			status, body = s.post(path, nil)
		}
		if status != http.StatusSeeOther && status != http.StatusUnauthorized || strings.Contains(body, "017") {
			t.Errorf("%s by nobody: %d %.200s", r.pattern, status, body)
		}
	}
}

// TestAnApproverDecides opens what waits and decides on it, with a touch for each that is good for that alone.
func TestAnApproverDecides(t *testing.T) {
	s := openStaffed(t,
		officer.Officer{Code: "A1", Roles: []officer.Role{officer.Approver}, Offices: []string{"12238-east"}},
		officer.Officer{Code: "B2", Roles: []officer.Role{officer.Approver}},
		officer.Officer{Code: "C3", Roles: []officer.Role{officer.Administrator}, Identity: []byte("account")},
	)
	wait := func(id, office, act, by string) Waiting {
		return Waiting{&events.OpenApproval{Id: id, Act: act, Officer: by, Digest: []byte(id), AskedMs: now.UnixMilli(), LapsesMs: now.Add(time.Hour).UnixMilli()}, office}
	}
	s.waiting = []Waiting{
		wait("one", "12237-main", "unblock", "017"), wait("own", "12237-main", "unblock", "A1"), wait("other", "12239-west", "unblock", "017"),
		wait("also", "12238-east", "unblock", "018"), wait("lost", "12237-main", officer.Recovery, "019"),
		wait("joined", "12237-main", "joining", "017"),
	}
	status, list := s.signIn("A1", "A1")
	if status != 200 || !strings.Contains(list, "/approvals/one") || !strings.Contains(list, "/approvals/also") || strings.Contains(list, "/approvals/own") ||
		strings.Contains(list, "12239-west") || strings.Contains(list, "019") {
		t.Fatalf("%d %s", status, list)
	}
	for _, id := range []string{"own", "other", "lost", "none"} {
		if status, _ := s.get("/approvals/" + id); status != http.StatusConflict {
			t.Errorf("%s: %d", id, status)
		}
		if status, _ := s.post("/approvals/"+id+"/decide/options", url.Values{"outcome": {"approved"}, "digest": {hex.EncodeToString([]byte(id))}}); status != http.StatusConflict {
			t.Errorf("deciding on %s: %d", id, status)
		}
	}
	options := func(path string, form url.Values) string {
		t.Helper()
		status, body := s.post(path+"/options", form)
		if status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		return body
	}
	// Two histories, which are not shown here, are not joined here either.
	joined := url.Values{"outcome": {"approved"}, "digest": {hex.EncodeToString([]byte("joined"))}, "why": {"two persons"}}
	if status, body := s.post("/approvals/joined/decide/options", joined); status != http.StatusConflict || !strings.Contains(body, "窓口の画面") {
		t.Errorf("approving a joining: %d %s", status, body)
	}
	joined.Set("outcome", "refused")
	options("/approvals/joined/decide", joined)
	touch := s.touch(options("/approvals/joined/open", nil), "A1")
	if _, body := s.post("/approvals/joined/open", url.Values{"passkey": {touch}}); strings.Contains(body, `value="approved"`) || !strings.Contains(body, `value="refused"`) {
		t.Errorf("a joining is shown as %s", body)
	}
	touched := s.touch(options("/approvals/one/open", nil), "A1")
	refused := func(what, path, passkey string) {
		t.Helper()
		if status, body := s.post(path, url.Values{"passkey": {passkey}}); status != http.StatusForbidden || strings.Contains(body, "証明 花子") {
			t.Errorf("%s: %d", what, status)
		}
	}
	refused("another officer's touch", "/approvals/one/open", s.touch(options("/approvals/one/open", nil), "B2"))
	refused("a touch for another act", "/approvals/also/open", s.touch(options("/approvals/one/open", nil), "A1"))
	refused("a touch to open that decides", "/approvals/one/decide", s.touch(options("/approvals/one/open", nil), "A1"))
	if status, body := s.post("/approvals/one/open", url.Values{"passkey": {touched}}); status != 200 || !strings.Contains(body, "証明 花子") {
		t.Fatalf("opened: %d %s", status, body)
	}
	refused("the touch again", "/approvals/one/open", touched)
	decision := url.Values{"outcome": {"approved"}, "digest": {hex.EncodeToString([]byte("also"))}}
	if status, _ := s.post("/approvals/one/decide/options", decision); status != http.StatusConflict {
		t.Errorf("another digest: %d", status)
	}
	decision = url.Values{"outcome": {"refused"}, "digest": {hex.EncodeToString([]byte("one"))}}
	if status, _ := s.post("/approvals/one/decide/options", decision); status != http.StatusUnprocessableEntity {
		t.Errorf("refused without a reason: %d", status)
	}
	decision.Set("why", "no")
	mine := s.touch(options("/approvals/one/decide", decision), "A1")
	own := s.client.Jar
	s.client.Jar, _ = cookiejar.New(nil)
	s.signIn("B2", "B2")
	refused("another session", "/approvals/one/decide", mine)
	s.client.Jar = own
	if status, body := s.post("/approvals/one/decide", url.Values{"passkey": {mine}}); status != 200 || !strings.Contains(body, "承認しないことを記録しました") {
		t.Errorf("refusing: %d %s", status, body)
	}
	if want := []string{"opened by A1", "opened by A1", "refused by A1 no"}; !slices.Equal(s.decided, want) {
		t.Errorf("filed: %q, want %q", s.decided, want)
	}
	// Whoever is signed in with an account looks, and is told why that is all.
	s.console.accounts = newAccounts(Accounts{ByIdentity: func([]byte) (officer.Officer, error) { return *s.officers["C3"], nil }}, s.console.Clock)
	s.console.SignIn.Accounts = &s.console.accounts.Accounts
	w := httptest.NewRecorder()
	if err := s.console.accounts.start(w, &accountSession{identity: []byte("account")}); err != nil {
		t.Fatal(err)
	}
	at, _ := url.Parse(s.server.URL)
	s.client.Jar, _ = cookiejar.New(nil)
	s.client.Jar.SetCookies(at, w.Result().Cookies())
	if status, body := s.get("/approvals"); status != 200 || !strings.Contains(body, "019") || strings.Contains(body, "/approvals/lost") || !strings.Contains(body, "見ることだけできます") {
		t.Errorf("with an account: %d %s", status, body)
	}
	if status, body := s.post("/approvals/lost/open/options", nil); status != http.StatusForbidden || !strings.Contains(body, "見ることだけできます") {
		t.Errorf("opening with an account: %d %s", status, body)
	}
}

// TestASessionEndsWithItsOfficer and can't be begun by a wrong key, from another site, or again and again.
func TestASessionEndsWithItsOfficer(t *testing.T) {
	s := openStaffed(t,
		officer.Officer{Code: "A1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"}},
		officer.Officer{Code: "B2", Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"}},
	)
	if status, body := s.signIn("A1", "A1"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	at, _ := url.Parse(s.server.URL)
	if names := slices.Collect(func(yield func(string) bool) {
		for _, c := range s.client.Jar.Cookies(at) {
			if !yield(c.Name) {
				return
			}
		}
	}); !slices.Contains(names, "__Host-shomei-console") {
		t.Errorf("cookies: %v", names)
	}
	s.officers["A1"].Retired = true
	if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
		t.Errorf("a retired officer's session: %d", status)
	}
	if status, body := s.signIn("A1", "A1"); status != http.StatusForbidden || !strings.Contains(body, "任期") {
		t.Errorf("a retired officer signs in: %d %s", status, body)
	}
	foreign, err := http.NewRequest(http.MethodPost, s.server.URL+"/sign-in/options", nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _ := s.read(s.client.Do(foreign)); status != http.StatusForbidden {
		t.Errorf("another site asks for a sign-in: %d", status)
	}
	statuses := map[int]int{}
	for range 7 {
		status, _ := s.signIn("B2", "B2") // from one browser, with the right key
		s.post("/sign-out", nil)
		statuses[status]++
		s.officers["B2"].Passkeys[0].PublicKey = s.keys["A1"].Passkey().PublicKey // from now on a wrong one
	}
	if statuses[200] != 1 || statuses[http.StatusForbidden] == 0 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("wrong keys were answered with %v", statuses)
	}
}

// TestOnlyAnOpenInvitationMakesAKey: a code is good for the officer who got it, until it lapses, and wrong ones are answered ever more
// slowly; nothing of that reaches the registration authority.
func TestOnlyAnOpenInvitationMakesAKey(t *testing.T) {
	s := openStaffed(t,
		officer.Officer{Code: "A1", Invitations: []officer.Invitation{{CodeSHA256: officer.CodeHash("RIGHT"), Until: now.Add(time.Hour)}}},
		officer.Officer{Code: "B2", Invitations: []officer.Invitation{{CodeSHA256: officer.CodeHash("LATE"), Until: now}}},
		officer.Officer{Code: "C3"},
	)
	ask := func(code, secret string) int {
		status, body := s.post("/enrol/options", url.Values{"officer": {code}, "code": {secret}})
		if (status == http.StatusOK) != strings.Contains(body, `"challenge"`) {
			t.Errorf("%s with %s: %d %s", code, secret, status, body)
		}
		return status
	}
	for _, c := range []struct {
		officer, secret string
		want            int
	}{
		{"A1", "right", 200},
		{"A1", "WRONG", 403},
		{"B2", "LATE", 403},
		{"C3", "RIGHT", 403},
		{"C3", "", 403},
		{"Z9", "RIGHT", 403},
		{"花子", "RIGHT", 422},
		{"A1", "ＲＩＧＨＴ", 200},
	} {
		if got := ask(c.officer, c.secret); got != c.want {
			t.Errorf("%s with %s: %d, want %d", c.officer, c.secret, got, c.want)
		}
	}
	if status, body := s.post("/enrol", url.Values{"officer": {"A1"}, "code": {"RIGHT"}, "passkey": {"{}"}}); status != http.StatusForbidden || !strings.Contains(body, "登録できませんでした") {
		t.Errorf("no key: %d %s", status, body)
	}
	statuses := map[int]int{}
	for range 6 {
		statuses[ask("A1", "WRONG")]++
	}
	if statuses[http.StatusTooManyRequests] == 0 || ask("B2", "LATE") != http.StatusForbidden {
		t.Errorf("wrong codes were answered with %v", statuses)
	}
}
