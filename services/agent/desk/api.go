package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/httpd"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/services/agent"
)

func (d *Desk) apiApply(c call, _ page.Language) (reply, error) {
	var r request
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	application, err := d.application(c, r)
	if err != nil {
		return reply{}, err
	}
	application.Traceparent = c.Header.Get("Traceparent")
	act, err := d.Counter.Apply(application)
	return d.file(c, act, err)
}

// apiEvents sends the procedure's state whenever it changes, as server-sent events.
func (d *Desk) apiEvents(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, err := d.Counter.Status(id); err != nil {
		d.fail(w, err)
		return
	}
	stream := openStream(w)
	for range d.Counter.Progress(r.Context(), id) {
		status, err := d.Counter.Status(id)
		if err != nil {
			return
		}
		value, err := d.tell(status)
		if err != nil {
			d.Logger.Error("could not encode a procedure's state", "error", err)
			return
		}
		text, err := json.Marshal(value)
		if err != nil || stream.send("", text) != nil {
			return // the client has disconnected
		}
	}
}

// stream is a response of server-sent events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func openStream(w http.ResponseWriter) stream {
	w.Header().Set("Content-Type", "text/event-stream")
	return stream{w, http.NewResponseController(w)}
}

// send writes one event; data of several lines stay one event.
func (s stream) send(name string, data []byte) error {
	var out bytes.Buffer
	if name != "" {
		fmt.Fprintf(&out, "event: %s\n", name)
	}
	for line := range bytes.Lines(data) {
		fmt.Fprintf(&out, "data: %s\n", bytes.TrimRight(line, "\r\n"))
	}
	out.WriteByte('\n')
	httpd.Renew(s.w)
	if _, err := out.WriteTo(s.w); err != nil {
		return err
	}
	return s.rc.Flush()
}

// secret is a PIN in a JSON body. Its bytes are copied out of the body, which is wiped, and never become a string.
// Escapes are not decoded; no PIN that the law allows needs one.
type secret []byte

// UnmarshalJSON copies what is between the quotes.
func (s *secret) UnmarshalJSON(text []byte) error {
	if len(text) < 2 || text[0] != '"' {
		return badRequest("a PIN is a text")
	}
	*s = bytes.Clone(text[1 : len(text)-1])
	return nil
}

func (d *Desk) apiConfirm(c call, lang page.Language) (reply, error) {
	var r struct {
		PINs map[string]secret `json:"pins"`
	}
	typed := agent.PINs{}
	err := c.decode(&r)
	for word, pin := range r.PINs {
		kind, known := pinKinds[word]
		if !known {
			clear(pin)
			err = badRequest("pins are sign and auth")
			continue
		}
		typed[kind] = pin
	}
	if err != nil {
		wipe(typed)
		return reply{}, err
	}
	if err := d.confirm(c.PathValue("id"), typed); err != nil {
		return reply{}, err
	}
	return d.showProcedure(c, lang)
}

// confirm passes PINs to the counter, which wipes them whatever happens. An unknown procedure is reported as such.
func (d *Desk) confirm(procedure string, typed agent.PINs) error {
	if _, err := d.Counter.Status(procedure); err != nil {
		wipe(typed)
		return err
	}
	return d.Counter.Confirm(procedure, typed)
}

func wipe(typed agent.PINs) {
	for _, pin := range typed {
		clear(pin)
	}
}

// postHandOver records fee, paper copy and hand-over. A given fee must be the hub's; without a clerk it is the one who
// received the application.
func (d *Desk) postHandOver(c call, lang page.Language) (reply, error) {
	var r struct {
		FeeYen    *uint32 `json:"fee_yen"`
		PaperCopy bool    `json:"paper_copy"`
		Clerk     string  `json:"clerk"`
	}
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	id := c.PathValue("id")
	status, err := d.Counter.Status(id)
	if err != nil {
		return reply{}, err
	}
	if r.FeeYen != nil && *r.FeeYen != status.FeeYen {
		return reply{}, errFee
	}
	act, err := d.Counter.HandingOver(id, c.clerkOf(r.Clerk, status), r.PaperCopy)
	return d.ended(c, act, err, lang)
}

// ended files an act that ends a procedure. A program gets the procedure's state.
func (d *Desk) ended(c call, act *agent.Act, err error, lang page.Language) (reply, error) {
	out, err := d.file(c, act, err)
	if err != nil || !c.program() || c.signs() {
		return out, err
	}
	return d.showProcedure(c, lang)
}

func (d *Desk) apiDrop(c call, lang page.Language) (reply, error) {
	r := struct {
		Why   string `json:"why"`
		Clerk string `json:"clerk"`
	}{}
	if len(c.body) > 0 {
		if err := c.decode(&r); err != nil {
			return reply{}, err
		}
	}
	if err := faultProblem(intake.Text("why", r.Why, intake.RemarkLimit)); err != nil {
		return reply{}, err
	}
	status, err := d.Counter.Status(c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	act, err := d.Counter.Dropping(status.Procedure, c.clerkOf(r.Clerk, status), r.Why)
	return d.ended(c, act, err, lang)
}

// deskStatus is the state of the counter itself.
type deskStatus struct {
	Counter       string      `json:"counter"`
	Office        string      `json:"office"`
	Link          string      `json:"link"`
	Reader        ReaderState `json:"reader"`
	Outbox        int         `json:"outbox"`
	Clock         string      `json:"clock"`
	ClockEvidence string      `json:"clock_evidence"`
	// CentreClock is the centre's time by the last link-up. ClockDiffers: it is too far from Clock. ClockRefused: the
	// centre accepts nothing filed by a settable clock. Held is how many claims the centre holds because of their
	// times.
	CentreClock  string `json:"centre_clock,omitempty"`
	ClockDiffers bool   `json:"clock_differs"`
	ClockRefused bool   `json:"clock_refused"`
	Held         int    `json:"held"`
}

func (d *Desk) status() deskStatus {
	clock := d.Counter.Clock()
	status := deskStatus{
		Counter: d.Name, Office: d.Office, Link: d.Counter.Link().String(), Reader: d.Reader(), Outbox: d.Counter.Outbox(),
		Clock: clock.Own.In(civil.Tokyo).Format(time.RFC3339), ClockEvidence: clock.Evidence, ClockDiffers: clock.Differs,
		ClockRefused: clock.Refused, Held: d.Counter.Held(),
	}
	if !clock.Centre.IsZero() {
		status.CentreClock = clock.Centre.In(civil.Tokyo).Format(time.RFC3339)
	}
	return status
}

func (d *Desk) apiStatus(call, page.Language) (reply, error) {
	return told(http.StatusOK, d.status()), nil
}
