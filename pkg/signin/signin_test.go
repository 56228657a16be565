package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
)

// staff are two officers with a passkey each, a site at which they sign in, and one browser.
type staff struct {
	*testing.T
	site     *Site
	now      time.Time
	keys     map[string]*officer.SoftKey
	officers map[string]officer.Officer
	cookies  []*http.Cookie
}

func newStaff(t *testing.T) *staff {
	s := &staff{
		T: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, civil.Tokyo), keys: map[string]*officer.SoftKey{}, officers: map[string]officer.Officer{},
	}
	for _, code := range []string{"017", "018"} {
		s.keys[code] = officer.NewSoftKey()
		s.officers[code] = officer.Officer{
			Code: code, Home: "o", Roles: []officer.Role{officer.Clerk}, Passkeys: []officer.Passkey{s.keys[code].Passkey()},
		}
	}
	s.site = New(Config{
		RelyingParty: officer.Counters, Name: "test", Cookie: "who", Find: s.find, ByCode: s.byCode, Now: func() time.Time { return s.now },
		Trial: func() bool { return true },
	})
	return s
}

func (s *staff) find(credential []byte) (officer.Officer, error) {
	for _, o := range s.officers {
		if _, err := o.Key(credential); err == nil {
			return o, nil
		}
	}
	return officer.Officer{}, officer.UnknownKey
}

func (s *staff) byCode(code string) (officer.Officer, error) {
	if o, ok := s.officers[code]; ok {
		return o, nil
	}
	return officer.Officer{}, officer.Unknown
}

// request is the browser's next one, keep what it stores of the response.
func (s *staff) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/", nil)
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	return r
}

func (s *staff) keep(w *httptest.ResponseRecorder) {
	if set := w.Result().Cookies(); len(set) > 0 {
		s.cookies = set
	}
}

// touch answers the site's question with a key.
func (s *staff) touch(code string, key *officer.SoftKey) []byte {
	w := httptest.NewRecorder()
	options, err := s.site.Options(w, s.request(), code)
	if err != nil {
		s.Fatal(err)
	}
	s.keep(w)
	return answered(s.T, options, key)
}

// answered is what signin.js posts for options.
func answered(t *testing.T, options []byte, key *officer.SoftKey) []byte {
	var asked struct {
		PublicKey struct{ Challenge string }
	}
	if err := json.Unmarshal(options, &asked); err != nil {
		t.Fatal(err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(asked.PublicKey.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	response, err := key.Respond(challenge)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func (s *staff) signIn(code string, response []byte) error {
	w := httptest.NewRecorder()
	_, err := s.site.SignIn(w, s.request(), code, response)
	s.keep(w)
	return err
}

func (s *staff) want(code string, locked bool) {
	s.Helper()
	who, ok := s.site.Use(s.request())
	if ok != (code != "") || who.Officer != code || who.Locked != locked {
		s.Fatalf("signed in: %+v %v, want %q, locked %v", who, ok, code, locked)
	}
}

func TestSessions(t *testing.T) {
	s := newStaff(t)
	s.want("", false)
	if err := s.signIn("", s.touch("", s.keys["017"])); err != nil {
		t.Fatalf("signing in without a code: %v", err)
	}
	s.want("017", false)

	s.site.Lock(s.request())
	s.want("017", true)
	if err := s.signIn("", s.touch("", s.keys["017"])); err != nil {
		t.Fatalf("unlocking: %v", err)
	}
	s.want("017", false)
	before := s.cookies
	if err := s.signIn("018", s.touch("018", s.keys["018"])); err != nil {
		t.Fatalf("another officer with a code: %v", err)
	}
	s.want("018", false)
	after := s.cookies
	s.cookies = before
	s.want("", false) // the name of a session changes with its officer
	s.cookies = after
	s.now = s.now.Add(9 * time.Minute)
	s.site.Session(s.request())
	s.now = s.now.Add(2 * time.Minute)
	s.want("", false) // what pages ask by themselves is no use

	for _, ends := range []func(){
		func() { s.site.End(s.request()) },
		func() {
			for range 70 {
				s.now = s.now.Add(9 * time.Minute)
				s.site.Use(s.request())
			}
		},
		func() { s.now = s.now.Add(-time.Hour) },
		func() {
			o := s.officers["017"]
			o.Retired = true
			s.officers["017"] = o
		},
	} {
		if err := s.signIn("", s.touch("", s.keys["017"])); err != nil {
			t.Fatal(err)
		}
		s.want("017", false)
		ends()
		s.want("", false)
	}
}

func TestSignInRefused(t *testing.T) {
	s := newStaff(t)
	own := s.keys["017"]
	used := s.touch("", own)
	if err := s.signIn("", used); err != nil {
		t.Fatal(err)
	}
	refuse := func(what string, err error, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		s.now = s.now.Add(2 * time.Minute) // beyond what failed attempts cost
	}
	refuse("replayed", s.signIn("", used), officer.OtherBytes)
	refuse("a stranger's key", s.signIn("", s.touch("", officer.NewSoftKey())), officer.UnknownKey)
	refuse("another officer's key for this code", s.signIn("018", s.touch("018", own)), officer.UnknownKey)
	refuse("nothing", s.signIn("", []byte(`{}`)), officer.BadSignature)
	refuse("an endless response", s.signIn("", []byte(strings.Repeat(" ", responseLimit+1))), officer.BadSignature)
	other := s.touch("", own)
	s.cookies = nil
	refuse("another browser's challenge", s.signIn("", other), officer.OtherBytes)
	late := s.touch("", own)
	s.now = s.now.Add(ceremonyTime + time.Second)
	refuse("too late", s.signIn("", late), officer.OtherBytes)
	w := httptest.NewRecorder()
	making, err := s.site.NewKeyOptions(w, s.request(), "o", "017", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.keep(w)
	refuse("the challenge of a new key", s.signIn("", answered(t, making, own)), officer.OtherBytes)
	s.site.cfg.Trial = func() bool { return false }
	refuse("a key in software", s.signIn("", s.touch("", own)), officer.Software)
	s.site.cfg.RelyingParty = "console.example"
	refuse("a key of another site", s.signIn("", s.touch("", own)), officer.UnknownKey)
	s.want("", false)
}

// TestFailuresSlowSignInDown: after some wrong signatures further ones are answered slowly, and a right one never is: whoever sends
// wrong ones keeps nobody out.
func TestFailuresSlowSignInDown(t *testing.T) {
	s := newStaff(t)
	for range freeOwn + 1 {
		if err := s.signIn("018", s.touch("", s.keys["017"])); !errors.Is(err, officer.UnknownKey) {
			t.Fatal(err)
		}
	}
	busy := (*TooMany)(nil)
	if err := s.signIn("018", s.touch("", s.keys["017"])); !errors.As(err, &busy) || busy.Wait != time.Second {
		t.Fatalf("one more wrong one: %v", err)
	}
	s.now = s.now.Add(busy.Wait)
	if err := s.signIn("018", s.touch("", s.keys["017"])); !errors.Is(err, officer.UnknownKey) {
		t.Fatalf("after the wait: %v", err)
	}
	if err := s.signIn("", s.touch("", s.keys["017"])); err != nil {
		t.Fatalf("a right one: %v", err)
	}
}
