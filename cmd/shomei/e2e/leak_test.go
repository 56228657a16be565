package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// secrets are what may stand nowhere in the clear.
func secrets(people []person) []string {
	list := append([]string{signPIN, namedOfficer}, written...)
	for _, p := range people {
		list = append(list, of(p.code, p.name, p.birth, p.address, p.mail)...)
	}
	return list
}

// of are the secrets of one person; what is too short to mean anybody is left out.
func of(code, name, birth, address, mail string) (list []string) {
	family, given, _ := strings.Cut(strings.ReplaceAll(name, "　", " "), " ")
	for _, text := range []string{code, name, family + given, family + " " + given, given, address, birth, strings.ReplaceAll(birth, "-", ""), mail} {
		if len(text) >= formHead {
			list = append(list, text)
		}
	}
	return list
}

func nowhere(string) bool { return false }

// leaks looks through everything that a world holds: tables, streams and pages while it runs, then every file that it
// leaves, save the mails that were sent and the cards. A card's own file holds the certificate that names its holder, in
// the profile's own forms; the mails are for the persons themselves.
func (c *centre) leaks(t *testing.T, counters []*counter, people ...person) {
	t.Helper()
	s := newSearch(t.Context(), secrets(people))
	c.leaksAlive(s, counters, people)
	folders := []string{c.data}
	for _, k := range counters {
		k.stop()
		folders = append(folders, k.cards)
	}
	c.look()
	c.stop()
	mails := filepath.Join(c.data, "mail")
	allowed := func(path string) bool {
		return strings.HasPrefix(path, mails) || strings.HasSuffix(path, ".json") && slices.Contains(folders[1:], filepath.Dir(path))
	}
	for _, folder := range folders {
		if err := s.files(folder, allowed); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stores(c.data); err != nil {
		t.Fatal(err)
	}
	s.judge(t, "table", "stream", "decoded", "page", "file", "log", "store")
	if sent, _ := filepath.Glob(filepath.Join(mails, "*.eml")); len(sent) > 0 {
		if proof := newSearch(t.Context(), secrets(people)); proof.files(mails, nowhere) != nil || len(proof.found) == 0 {
			t.Error("the scan does not find in the mails what is there")
		}
	}
}

// judge says what was found, and sees that there was something to look at of each kind.
func (s *search) judge(t *testing.T, kinds ...string) {
	t.Helper()
	for _, f := range s.found {
		t.Errorf("personal data in the clear: %s", f)
	}
	for _, kind := range kinds {
		if s.looked[kind] == 0 {
			t.Errorf("the scan looked at no %s", kind)
		}
	}
	t.Logf("scanned: %v", s.looked)
}

// leaksAlive looks at what only answers while the programs run.
func (c *centre) leaksAlive(s *search, counters []*counter, people []person) {
	c.t.Helper()
	var urls []string
	if c.real {
		c.up()
		at := "http://127.0.0.1:" + strconv.Itoa(c.page)
		urls = append(urls, at+"/", at+"/metrics", at+"/healthz?verbose", at+"/api/status", at+"/api/expiries")
		for _, p := range people {
			urls = append(urls, at+"/api/history?q="+url.QueryEscape(c.subscriber(p.code)), at+"/?q="+url.QueryEscape(c.subscriber(p.code)))
		}
	} else {
		c.order("POST", "/settle", nil)
	}
	for _, k := range counters {
		k.must("GET", "/api/status", nil, nil)
		at, _ := k.supervised.address()
		urls = append(urls, at+"/metrics", at+"/healthz?verbose", at+"/livez")
	}
	conn, err := c.connect()
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	for _, err := range []error{s.pages(urls...), s.tables(c.engine()), s.streams(conn)} {
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// engine is where the tables can be asked directly.
func (c *centre) engine() string {
	c.t.Helper()
	var at struct {
		Engine string `json:"engine"`
	}
	text, err := os.ReadFile(filepath.Join(c.data, "running.json"))
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.signedIn(at.Engine)
}

// TestTheScanFindsWhatIsPlanted puts a name into each kind of place, of a world that otherwise leaks nothing.
func TestTheScanFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	newLives(t, c, k).issue("1990-06-18")
	begun := time.Now()
	planted := person{"00000077777", "植込　発見子", "1966-12-24", "千葉県山武市蓮沼一番地", "planted@mail.example"}
	c.plantAlive(planted)
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, planted.address) }))
	defer served.Close()
	s := newSearch(t.Context(), secrets([]person{planted}))
	c.leaksAlive(s, []*counter{k}, []person{planted})
	t.Logf("looked at %v after %v", s.looked, time.Since(begun).Round(time.Millisecond))
	if err := s.pages(served.URL); err != nil {
		t.Fatal(err)
	}
	k.stop()
	c.stop()
	before := len(s.found)
	if before == 0 {
		t.Error("nothing was found in what runs")
	}
	c.plantFiles(planted)
	if err := s.files(c.data, nowhere); err != nil {
		t.Fatal(err)
	}
	if err := s.stores(c.data); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"table", "stream", "decoded", "page", "file", "log", "store"} {
		if !slices.ContainsFunc(s.found, func(f finding) bool { return strings.HasPrefix(f.place, kind+" ") }) {
			t.Errorf("what was planted in a %s was not found: %v", kind, s.looked)
		}
	}
	for _, f := range s.found {
		t.Log(f)
	}
}

// plantAlive puts somebody into a table and a stream.
func (c *centre) plantAlive(p person) {
	c.t.Helper()
	for _, statement := range []string{
		"CREATE TABLE default.planted (note String) ENGINE = MergeTree ORDER BY note",
		"INSERT INTO default.planted SELECT '" + p.name + "'",
	} {
		if _, err := query(c.t.Context(), c.engine(), statement); err != nil {
			c.t.Fatal(err)
		}
	}
	conn, err := c.connect()
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := js.CreateStream(c.t.Context(), jetstream.StreamConfig{Name: "PLANTED", Subjects: []string{"planted"}}); err != nil {
		c.t.Fatal(err)
	}
	key, err := nkeys.CreateUser()
	if err != nil {
		c.t.Fatal(err)
	}
	claim := &events.Claim{
		Id: uuid.NewString(), Counter: "planted", Number: 1, Sealed: []byte(p.name), Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}},
	}
	signed, _, err := counterlink.SignClaim(key, claim)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := js.Publish(c.t.Context(), "planted", signed); err != nil {
		c.t.Fatal(err)
	}
}

// plantFiles puts somebody into a file, a log and a store, in forms that a text takes there.
func (c *centre) plantFiles(p person) {
	c.t.Helper()
	for name, content := range map[string][]byte{
		"planted.bin": slices.Concat([]byte{0xA5, 0x5A}, forms(p.name)[3], []byte("x")), "planted.log": slices.Concat([]byte("level=INFO msg="), forms(p.mail)[1]),
	} {
		if err := os.WriteFile(filepath.Join(c.data, name), content, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	db, err := bbolt.Open(filepath.Join(c.data, "planted.db"), 0o600, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		outer, err := tx.CreateBucket([]byte("outer"))
		if err != nil {
			return err
		}
		inner, err := outer.CreateBucket([]byte("inner"))
		if err != nil {
			return err
		}
		return inner.Put([]byte("somebody"), []byte(p.code))
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestEveryFormIsFound plants a secret in every form, also in the middle of other base64.
func TestEveryFormIsFound(t *testing.T) {
	const secret = "証明　花子"
	m := newMatcher([]string{secret, signPIN})
	for i, form := range forms(secret) {
		if found := m.in(slices.Concat(make([]byte, i), []byte{0xE8}, form, []byte("x"))); !slices.Equal(found, []string{secret}) {
			t.Errorf("form %d was not found: %v", i, found)
		}
	}
	for shift := range 3 {
		inside := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("#", shift) + secret + "!?"))
		if found := m.in([]byte(inside)); !slices.Equal(found, []string{secret}) {
			t.Errorf("inside base64, shifted by %d: %v", shift, found)
		}
	}
	if found := m.in([]byte("証明　花太" + signPIN[1:])); len(found) > 0 {
		t.Errorf("found what is not there: %v", found)
	}
}
