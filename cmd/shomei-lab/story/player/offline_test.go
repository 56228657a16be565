package player

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
	"shomei/pkg/page/pagetest"
)

// line is a counter's line to the centre, which can be cut.
type line struct {
	listener net.Listener
	mu       sync.Mutex
	cut      bool
	open     []net.Conn
}

func newLine(t *testing.T, to string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &line{listener: listener}
	t.Cleanup(func() { listener.Close(); l.set(true) })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil || !l.carries(near, far) {
				near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); far.Close() }()
			go func() { _, _ = io.Copy(near, far); near.Close() }()
		}
	}()
	return l
}

func (l *line) carries(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut {
		l.open = append(l.open, ends...)
	}
	return !l.cut
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, end := range l.open {
		end.Close()
	}
	l.open = nil
}

// workday is a counter that is without its line for a day's work.
type workday struct {
	*testing.T
	world *World
	desk  *desk
	line  *line
	// filed are the claims of each officer, filed without the centre.
	filed map[string][]string
}

// atOffice is the office of the story, by its id.
const atOffice = "12237-main"

// newWorkday opens a world with one counter, at its office in the morning of a Monday.
func newWorkday(t *testing.T) *workday {
	s := parse(t, someone+"at 2024-05-27(月) 09:00\nfactory A card MN-1\nat 2024-06-03(月) 09:00\nlook A\n")
	w, _, _ := played(t, s)
	folder, err := w.Hub.EnrolCounter(t.Context(), atOffice, "main-1", "counter", "12237A001")
	must(t, err)
	bundle, err := counterlink.ReadBundle(folder)
	must(t, err)
	centre, err := url.Parse(bundle.Hub)
	must(t, err)
	l := newLine(t, centre.Host)
	centre.Host = l.listener.Addr().String()
	bundle.Hub = centre.String()
	must(t, bundle.Write(folder))
	d, err := openDesk(t.Context(), agentProgram, folder, filepath.Join(w.Hub.Data, "main-1.log"))
	must(t, err)
	w.desks["main-1"] = d
	return &workday{T: t, world: w, desk: d, line: l, filed: make(map[string][]string)}
}

// linked waits until the counter's link is as it should be.
func (w *workday) linked(want string) {
	w.Helper()
	must(w.T, w.desk.poll(w.Context(), "the link to be "+want, func() (bool, error) {
		var status struct{ Link string }
		err := w.desk.call(w.Context(), "GET", "/api/status", nil, &status)
		return status.Link == want, err
	}))
}

// file files something as an officer.
func (w *workday) file(code, path string, body map[string]any) (err error) {
	var filed struct{ Claim string }
	body["clerk"] = code
	if err = (&performance{world: w.world}).signed(w.Context(), w.desk, atOffice, code, path, body, &filed); err == nil {
		w.filed[code] = append(w.filed[code], filed.Claim)
	}
	return err
}

// serve does what a clerk does in an hour: takes an application, and a card that the office keeps into custody.
func (w *workday) serve(code string, hour int) error {
	who := 10*hour + int(code[2]-'0')
	err := w.file(code, "/api/applications", map[string]any{
		"operation": "issue", "channel": "self", "kinds": []string{"sign", "auth"}, "documents": []string{"application-form", "card", "photo-id"},
		"card": fmt.Sprintf("MN-%04d", who), "card_kind": "mynumber", "pins_match": true, "person": person{
			ResidentCode: fmt.Sprintf("%011d", who), Name: "山武 某", BirthDate: "1980-06-18", Sex: 1, Address: "千葉県山武市殿台296番地", Municipality: "12237",
		},
	})
	if err != nil {
		return err
	}
	return w.file(code, "/api/reports", map[string]any{"what": "custody", "card": "MN-1"})
}

// enrolOnPage has an officer enrol the authenticator that is plugged into the browser.
func (w *workday) enrolOnPage(tab *pagetest.Browser, at, code string) {
	w.Helper()
	by, err := w.world.Hub.By(hub.Itself)
	must(w.T, err)
	must(w.T, by.EnrolOfficer(w.Context(), atOffice, &events.OfficerEnrolled{Officer: code, Roles: []string{"clerk"}}, ""))
	secret, _, err := by.InviteOfficer(w.Context(), atOffice, code)
	must(w.T, err)
	tab.Visit(w.T, at+"/enrol", chromedp.WaitVisible(chromedp.CSS("#code")))
	for id, value := range map[string]string{"officer": code, "code": secret} {
		tab.Wait(w.T, chromedp.SetValue(chromedp.CSS("#"+id), value))
	}
	tab.Wait(w.T, chromedp.Click(chromedp.CSS("main form button")))
	w.see(tab, "パスキーを登録しました")
}

func (w *workday) see(tab *pagetest.Browser, text string) {
	w.Helper()
	natstest.Wait(w.T, patience, "the page to say "+text, func() bool {
		return strings.Contains(tab.Ask(w.T, `document.body ? document.body.innerText : ""`), text)
	})
}

// TestADayWithoutTheLine has a counter without its centre for eight hours: officers sign in and sign what they file. One of them is
// retired meanwhile; when the line is back, nothing of theirs is taken, and each claim is named.
func TestADayWithoutTheLine(t *testing.T) {
	w := newWorkday(t)
	tab := pagetest.Open(t, 1280, 900)
	defer tab.PlugIn(t)()
	at := strings.Replace(w.desk.url, "127.0.0.1", "localhost", 1)
	w.enrolOnPage(tab, at, "019")
	for _, code := range []string{"017", "018"} {
		_, err := w.world.officer(t.Context(), w.desk, atOffice, code)
		must(t, err)
	}
	w.line.set(true)
	w.linked("away")

	by, err := w.world.Hub.By(hub.Itself)
	must(t, err)
	for hour := range 8 {
		must(t, w.world.Advance(t.Context(), w.world.Now().Add(time.Hour)))
		must(t, w.serve("017", hour))
		must(t, w.serve("018", hour))
		if hour == 3 {
			must(t, by.RetireOfficer(t.Context(), atOffice, "018"))
		}
	}
	tab.Visit(t, at+"/sign-in", chromedp.WaitVisible(chromedp.CSS("main form button")))
	tab.Wait(t, chromedp.Click(chromedp.CSS("main form button")))
	w.see(tab, "職員 019")

	w.line.set(false)
	w.linked("up")
	must(t, w.desk.poll(t.Context(), "the claims to arrive", func() (bool, error) {
		var status struct{ Outbox int }
		err := w.desk.call(t.Context(), "GET", "/api/status", nil, &status)
		return status.Outbox == 0, err
	}))
	must(t, w.world.Hub.Settle(t.Context()))
	w.judge()
	natstest.Wait(t, patience, "the counter to refuse the retired officer", func() bool { return w.serve("018", 8) != nil })
	must(t, w.serve("017", 8))
	must(t, w.world.Hub.Settle(t.Context()))
	report, err := w.world.Hub.Fsck(t.Context(), nil)
	must(t, err)
	for _, f := range report.Findings {
		t.Errorf("fsck: %+v", f)
	}
}

// judge reads from the log what became of each claim.
func (w *workday) judge() {
	w.Helper()
	refused, taken := make(map[string]string), make(map[string]bool)
	err := w.world.Hub.Log.Scan(w.Context(), nil, []string{events.KindOffice, events.KindSubscriber, events.KindCard}, func(r eventlog.Record, err error) error {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetSignInRefused(); b != nil {
				refused[b.Claim] = b.Officer + " " + b.Reason
			}
		}
		if r.Commit.GetProof() != nil {
			taken[r.Commit.CommandId] = true
		}
		return err
	})
	must(w.T, err)
	if len(w.filed["017"]) != 16 || len(w.filed["018"]) != 16 || len(refused) != 16 {
		w.Errorf("%d and %d claims filed, %d refused", len(w.filed["017"]), len(w.filed["018"]), len(refused))
	}
	for _, claim := range w.filed["018"] {
		if want := "018 " + string(officer.Retired); refused[claim] != want || taken[claim] {
			w.Errorf("a claim of the retired officer: %q, taken: %v", refused[claim], taken[claim])
		}
	}
	if i := slices.IndexFunc(w.filed["017"], func(claim string) bool { return !taken[claim] }); i >= 0 {
		w.Errorf("claim %d of the other officer was not taken", i)
	}
}
