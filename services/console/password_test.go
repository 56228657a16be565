package console

import (
	"encoding/hex"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/pkg/signin"
)

const goodPassword = "さくら通りの角から 5番目の家"

// openByPassword is a console at which offices that stand in allowed let their officers have passwords.
func openByPassword(t *testing.T, allowed map[string]bool, officers ...officer.Officer) (*staffed, *time.Time) {
	s := openStaffed(t, officers...)
	c, clock := s.console.Config, new(time.Time)
	*clock = now
	c.Clock = func() time.Time { return *clock }
	by := *c.SignIn
	var err error
	if by.Passwords, err = signin.OpenPasswords(filepath.Join(t.TempDir(), "passwords.json"), c.Clock); err != nil {
		t.Fatal(err)
	}
	by.PasswordsAllowed = func(office string) bool { return allowed[office] }
	c.SignIn = &by
	if s.console, err = New(c); err != nil {
		t.Fatal(err)
	}
	s.server.Config.Handler = s.console.Handler()
	return s, clock
}

func (s *staffed) byPassword(code, password string) (int, string) {
	s.Helper()
	return s.post("/sign-in/password", url.Values{"code": {code}, "password": {password}})
}

func (s *staffed) setPassword(code, secret, password, again string) (int, string) {
	s.Helper()
	return s.post("/password", url.Values{"officer": {code}, "code": {secret}, "password": {password}, "again": {again}})
}

func (s *staffed) wants(what string, status int, body string, wanted int, says string) {
	s.Helper()
	if status != wanted || !strings.Contains(body, says) {
		s.Errorf("%s: %d, want %d with %q: %s", what, status, wanted, says, body)
	}
}

// TestAPasswordOpensWhatIsRead and nothing else, at an office that allows it, until its officer, its invitation or the office's leave ends.
func TestAPasswordOpensWhatIsRead(t *testing.T) {
	invited := func(secret string) []officer.Invitation {
		return []officer.Invitation{{CodeSHA256: officer.CodeHash(secret), Until: now.Add(time.Hour)}}
	}
	allowed := map[string]bool{"12237-main": true}
	s, clock := openByPassword(t, allowed,
		officer.Officer{Code: "A1", Roles: []officer.Role{officer.Analyst, officer.Approver}, Areas: []string{"12"}, Invitations: invited("A")},
		officer.Officer{Code: "B2", Home: "13101-main", Roles: []officer.Role{officer.Analyst}, Invitations: invited("B")},
	)
	s.officers["A1"].Passkeys = nil
	s.waiting = []Waiting{{Office: "12237-main", OpenApproval: &events.OpenApproval{Id: "one", Act: "recovery", Officer: "019", Digest: []byte("one"), LapsesMs: now.Add(time.Hour).UnixMilli()}}}
	status, body := s.get("/sign-in")
	s.wants("the page", status, body, 200, "弱い確かめ方")
	for _, c := range []struct {
		code, secret, password, again string
		status                        int
		says                          string
	}{
		{"A1", "WRONG", goodPassword, goodPassword, 403, "コード"},
		{"A1", "A", "short", "short", 422, "15文字"},
		{"A1", "A", goodPassword, goodPassword + "!", 422, "2つのパスワードが違います"},
		{"B2", "B", goodPassword, goodPassword, 403, "認めていません"},
		{"A1", "a", goodPassword, goodPassword, 200, "設定しました"},
		{"A1", "A", goodPassword + "?", goodPassword + "?", 403, "コード"},
	} {
		status, body := s.setPassword(c.code, c.secret, c.password, c.again)
		s.wants("setting "+c.password+" for "+c.code, status, body, c.status, c.says)
	}
	status, body = s.byPassword("A1", "another long password")
	s.wants("wrong", status, body, 403, "違うか")
	status, body = s.byPassword("B2", goodPassword)
	s.wants("at an office without", status, body, 403, "違うか")
	status, body = s.byPassword("A1", goodPassword)
	s.wants("right", status, body, 200, "全80件")
	s.wants("its mark", status, body, 200, "パスキーより弱い確認")
	status, body = s.get("/?q=1001")
	s.wants("a history", status, body, 200, subscriber(0))
	if len(s.looks) != 1 || s.looks[0].Officer != "A1" {
		t.Errorf("recorded: %+v", s.looks)
	}

	status, body = s.get("/approvals")
	s.wants("what waits", status, body, 200, "見ることだけできます")
	for path, form := range map[string]url.Values{
		"/approvals/one/open/options": nil, "/approvals/one/open": {"passkey": {"{}"}},
		"/approvals/one/decide/options": {"outcome": {"approved"}, "digest": {hex.EncodeToString([]byte("one"))}}, "/approvals/one/decide": {"passkey": {"{}"}},
	} {
		if status, body := s.post(path, form); status != http.StatusForbidden || strings.Contains(body, "challenge") {
			t.Errorf("a session of a password at %s: %d %s", path, status, body)
		}
	}
	if len(s.decided) > 0 {
		t.Errorf("decided: %v", s.decided)
	}

	ends := func(what string, end, mend func()) {
		t.Helper()
		s.client.Jar, _ = cookiejar.New(nil)
		if status, body := s.byPassword("A1", goodPassword); status != 200 || !strings.Contains(body, "全80件") {
			t.Fatalf("before %s: %d %s", what, status, body)
		}
		end()
		if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
			t.Errorf("%s: the session gets %d", what, status)
		}
		if status, _ := s.byPassword("A1", goodPassword); status != http.StatusForbidden {
			t.Errorf("%s: a sign-in gets %d", what, status)
		}
		mend()
	}
	one, was := s.officers["A1"], *s.officers["A1"]
	again := func() { *one = was }
	ends("retired", func() { one.Retired = true }, again)
	ends("invited anew", func() { one.Invitations = append(one.Invitations, invited("NEW")...) }, again)
	ends("forbidden", func() { allowed["12237-main"] = false }, func() { allowed["12237-main"] = true })
	s.byPassword("A1", goodPassword)
	*clock = clock.Add(accountIdle + time.Second)
	if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
		t.Errorf("a session that nobody used: %d", status)
	}
}

// TestWrongPasswordsAreAnsweredSlowly, and the right one after them, whatever the browser.
func TestWrongPasswordsAreAnsweredSlowly(t *testing.T) {
	s, clock := openByPassword(t, map[string]bool{"12237-main": true}, officer.Officer{
		Code: "A1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"},
		Invitations: []officer.Invitation{{CodeSHA256: officer.CodeHash("A"), Until: now.Add(time.Hour)}},
	})
	s.setPassword("A1", "A", goodPassword, goodPassword)
	for range 5 {
		s.byPassword("A1", "a wrong password")
		*clock = clock.Add(time.Second)
	}
	s.client.Jar, _ = cookiejar.New(nil)
	r, err := s.client.PostForm(s.server.URL+"/sign-in/password", url.Values{"code": {"A1"}, "password": {goodPassword}})
	if status, body := s.read(r, err); status != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" || !strings.Contains(body, "しばらく待って") {
		t.Errorf("after wrong ones: %d %s", status, body)
	}
	*clock = clock.Add(time.Minute)
	if status, body := s.byPassword("A1", goodPassword); status != 200 || !strings.Contains(body, "全80件") {
		t.Errorf("after the wait: %d %s", status, body)
	}
}
