package desk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/httpd"
	"shomei/pkg/intake"
	"shomei/services/agent"
)

// bodyLimit is far more than any request needs.
const bodyLimit = 1 << 20

// calls returns the API's handlers, except the stream of events.
func (d *Desk) calls() map[string]func(call) (int, any, error) {
	return map[string]func(call) (int, any, error){
		"POST /api/applications":              d.apiApply,
		"POST /api/cases":                     d.apiCases,
		"POST /api/reports":                   d.apiReport,
		"GET /api/procedures/{id}":            d.apiProcedure,
		"POST /api/procedures/{id}/confirm":   d.apiConfirm,
		"POST /api/procedures/{id}/hand-over": d.apiHandOver,
		"POST /api/procedures/{id}/drop":      d.apiDrop,
		"GET /api/status":                     d.apiStatus,
		"GET /api/card":                       d.apiCard,
		"POST /api/card":                      d.apiCard,
		"POST /api/reader/cards":              d.apiMakeCard,
		"POST /api/reader/insert":             d.apiInsert,
		"POST /api/reader/eject":              d.apiEject,
	}
}

// call is one request to the API. Its body is read whole and wiped at the end, because it may hold a PIN.
type call struct {
	*http.Request
	body []byte
}

func (c call) decode(into any) error {
	if len(c.body) == 0 {
		return badRequest("the body is empty")
	}
	return decode(c.body, into)
}

// api serves what do returns, as JSON.
func (d *Desk) api(do func(call) (status int, value any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := httpd.ReadSecret(r, bodyLimit)
		defer clear(body)
		if err != nil {
			d.fail(w, badRequest("the body is too long or broke off"))
			return
		}
		status, value, err := do(call{r, body})
		if err != nil {
			d.fail(w, err)
			return
		}
		d.respond(w, status, value)
	}
}

func (d *Desk) apiApply(c call) (int, any, error) {
	var r request
	if err := c.decode(&r); err != nil {
		return 0, nil, err
	}
	application, err := d.application(c.Context(), r)
	if err != nil {
		return 0, nil, err
	}
	application.Traceparent = c.Header.Get("Traceparent")
	claim, err := d.Counter.Receive(c.Context(), application)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, map[string]string{"procedure": cmp.Or(application.Procedure, claim), "claim": claim}, nil
}

func (d *Desk) apiProcedure(c call) (int, any, error) {
	status, err := d.Counter.Status(c.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	value, err := tell(status)
	return http.StatusOK, value, err
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
		value, err := tell(status)
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

func (d *Desk) apiConfirm(c call) (int, any, error) {
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
		return 0, nil, err
	}
	if err := d.confirm(c.PathValue("id"), typed); err != nil {
		return 0, nil, err
	}
	return d.apiProcedure(c)
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

func (d *Desk) apiHandOver(c call) (int, any, error) {
	var r struct {
		FeeYen    *uint32 `json:"fee_yen"`
		PaperCopy bool    `json:"paper_copy"`
		Clerk     string  `json:"clerk"`
	}
	if err := c.decode(&r); err != nil {
		return 0, nil, err
	}
	if err := d.handOver(c.Context(), c.PathValue("id"), r.FeeYen, r.PaperCopy, r.Clerk); err != nil {
		return 0, nil, err
	}
	return d.apiProcedure(c)
}

// handOver records fee, paper copy and hand-over. A given fee must be the hub's; an empty clerk is the one who received
// the application.
func (d *Desk) handOver(ctx context.Context, procedure string, fee *uint32, paper bool, clerk string) error {
	status, err := d.Counter.Status(procedure)
	if err != nil {
		return err
	}
	if fee != nil && *fee != status.FeeYen {
		return errFee
	}
	if clerk == "" {
		clerk = status.Officer
	}
	return d.Counter.HandOver(ctx, procedure, clerk, paper)
}

func (d *Desk) apiDrop(c call) (int, any, error) {
	r := struct {
		Why   string `json:"why"`
		Clerk string `json:"clerk"`
	}{}
	if len(c.body) > 0 {
		if err := c.decode(&r); err != nil {
			return 0, nil, err
		}
	}
	if err := faultProblem(intake.Text("why", r.Why, intake.RemarkLimit)); err != nil {
		return 0, nil, err
	}
	if err := d.drop(c.Context(), c.PathValue("id"), r.Why, r.Clerk); err != nil {
		return 0, nil, err
	}
	return d.apiProcedure(c)
}

func (d *Desk) drop(ctx context.Context, procedure, why, clerk string) error {
	status, err := d.Counter.Status(procedure)
	if err != nil {
		return err
	}
	if clerk == "" {
		clerk = status.Officer
	}
	return d.Counter.Drop(ctx, procedure, clerk, why)
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

func (d *Desk) apiStatus(call) (int, any, error) { return http.StatusOK, d.status(), nil }
