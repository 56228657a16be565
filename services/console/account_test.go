package console

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"

	"shomei/pkg/officer"
)

// providerVariable has the test's program be an identity provider for a console at this host and port.
const providerVariable = "SHOMEI_TEST_PROVIDER"

// groupedStorage tells the groups of accounts at the provider's address for them.
type groupedStorage struct{ *storage.Storage }

func (g groupedStorage) SetUserinfoFromToken(ctx context.Context, info *zoidc.UserInfo, token, subject, origin string) error {
	if err := g.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin); err != nil {
		return err
	}
	info.AppendClaims("groups", map[string][]string{"id1": {"everybody", "analysts-12"}, "id2": {"everybody"}}[subject])
	return nil
}

// provide runs an identity provider until the process is killed, and prints its address.
func provide(console string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	issuer := fmt.Sprintf("http://localhost:%d/", l.Addr().(*net.TCPAddr).Port)
	storage.RegisterClients(storage.WebClient("console", "a secret", "https://"+console+"/sign-in/callback"))
	handler := exampleop.SetupServer(issuer, groupedStorage{storage.NewStorage(storage.NewUserStore(issuer))}, slog.New(slog.DiscardHandler), false)
	fmt.Println(issuer)
	panic(http.Serve(l, handler))
}

// startProvider runs an identity provider in a process of its own until the test ends.
func startProvider(t *testing.T, console string) (issuer string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), providerVariable+"="+console)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// openAccounted makes a console at which accounts of a provider sign in, whose analysts look at Chiba.
func openAccounted(t *testing.T) (*staffed, *time.Time) {
	s := openStaffed(t)
	at, _ := url.Parse(s.server.URL)
	c, clock := s.console.Config, new(time.Time)
	*clock = now
	c.Clock = func() time.Time { return *clock }
	by := *c.SignIn
	by.Accounts = &Accounts{
		Issuer: startProvider(t, at.Host), ClientID: "console", ClientSecret: "a secret",
		Groups: map[string]Grant{"analysts-12": {Roles: []officer.Role{officer.Analyst}, Areas: []string{"12"}}},
		ByIdentity: func(hash []byte) (officer.Officer, error) {
			for _, o := range s.officers {
				if string(o.Identity) == string(hash) {
					return *o, nil
				}
			}
			return officer.Officer{}, officer.Unknown
		},
	}
	c.SignIn = &by
	var err error
	if s.console, err = New(c); err != nil {
		t.Fatal(err)
	}
	s.server.Config.Handler = s.console.Handler()
	return s, clock
}

var loginID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// account goes to the provider and signs in there. It returns what the console says in the end.
func (s *staffed) account(user string) (int, string) {
	s.Helper()
	r, err := s.client.Get(s.server.URL + "/sign-in/account")
	if err != nil {
		s.Fatal(err)
	}
	login := *r.Request.URL
	status, page := s.read(r, nil)
	found := loginID.FindStringSubmatch(page)
	if status != 200 || found == nil {
		s.Fatalf("the provider's page: %d %s", status, page)
	}
	login.RawQuery = ""
	return s.read(s.client.PostForm(login.String(), url.Values{"username": {user}, "password": {"verysecure"}, "id": {found[1]}}))
}

// TestAccountsOfAProviderLook signs in with accounts of a real provider: one of a group, one of none, and an officer's.
func TestAccountsOfAProviderLook(t *testing.T) {
	s, clock := openAccounted(t)
	if status, body := s.account("test-user@localhost"); status != 200 || !strings.Contains(body, `href="/"`) {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := s.get("/?q=1001"); status != 200 || !strings.Contains(body, "全80件") || !strings.Contains(body, "oidc1-") {
		t.Errorf("an analyst: %d %s", status, body)
	}
	if len(s.looks) != 1 || !strings.HasPrefix(s.looks[0].Officer, "oidc1-") || s.looks[0].Office != "" {
		t.Errorf("recorded: %+v", s.looks)
	}
	*clock = clock.Add(accountIdle + time.Second)
	if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
		t.Errorf("a session that nobody used: %d", status)
	}
	s.client.Jar, _ = cookiejar.New(nil)
	if status, body := s.account("test-user2"); status != http.StatusForbidden || !strings.Contains(body, "このアカウントでは") {
		t.Errorf("an account of no group: %d %s", status, body)
	}

	identity := Identity(s.console.SignIn.Accounts.Issuer, "id2")
	s.officers["O1"] = &officer.Officer{Code: "O1", Home: "12237-main", Roles: []officer.Role{officer.Auditor}, Areas: []string{"12237"}, Identity: identity}
	s.client.Jar, _ = cookiejar.New(nil)
	if status, body := s.account("test-user2"); status != 200 {
		t.Errorf("an officer's account: %d %s", status, body)
	}
	if status, body := s.get("/?q=1001"); status != 200 || !strings.Contains(body, "O1 として") || s.looks[len(s.looks)-1].Officer != "O1" {
		t.Errorf("an officer: %d %s, %+v", status, body, s.looks)
	}
	s.officers["O1"].Retired = true
	if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
		t.Errorf("the session of a retired officer: %d", status)
	}
}

// TestAnAnswerOfTheProviderIsForOneBrowserOnce replays one, and gives it to another browser.
func TestAnAnswerOfTheProviderIsForOneBrowserOnce(t *testing.T) {
	s, _ := openAccounted(t)
	var answer string
	held := errors.New("held")
	s.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/sign-in/callback" {
			answer = r.URL.RequestURI()
			return held
		}
		return nil
	}
	at, err := s.client.Get(s.server.URL + "/sign-in/account")
	if err != nil {
		t.Fatal(err)
	}
	login := *at.Request.URL
	_, page := s.read(at, nil)
	login.RawQuery = ""
	if _, err := s.client.PostForm(login.String(), url.Values{"username": {"test-user@localhost"}, "password": {"verysecure"}, "id": {loginID.FindStringSubmatch(page)[1]}}); !errors.Is(err, held) {
		t.Fatal(err)
	}
	s.client.CheckRedirect = nil
	own := s.client.Jar
	s.client.Jar, _ = cookiejar.New(nil)
	if status, _ := s.get(answer); status != http.StatusForbidden {
		t.Errorf("another browser: %d", status)
	}
	s.client.Jar = own
	forged := strings.Replace(answer, "state=", "state=A", 1)
	if status, _ := s.get(forged); status != http.StatusForbidden {
		t.Errorf("another state: %d", status)
	}
	if status, _ := s.get(answer); status != http.StatusForbidden {
		t.Errorf("an answer after a forged one: %d", status)
	}
	if status, _ := s.get("/api/status"); status != http.StatusUnauthorized {
		t.Errorf("somebody is signed in: %d", status)
	}
	if got := Identity("https://a", "b"); len(got) != sha256.Size {
		t.Errorf("a hash of %d bytes", len(got))
	}
}
