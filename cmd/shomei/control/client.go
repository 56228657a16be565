package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/vault"
)

// Client gives orders to the hub that runs on a data folder, in the name of one officer. Its errors are ErrNotRunning,
// hub.ErrNoData, hub.ErrRefused with the hub's words, and those of the hub.
type Client struct {
	officer string
	http    http.Client
}

// Open returns a client; it connects at the first order.
func Open(data, officer string) *Client {
	return &Client{officer: officer, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, data) },
	}}}
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// DefineOffice defines an office. It returns false if the log already says the same.
func (c *Client) DefineOffice(ctx context.Context, id string, definition *events.OfficeDefined) (changed bool, err error) {
	text, err := protojson.Marshal(definition)
	if err != nil {
		return false, err
	}
	var out Outcome
	err = send(ctx, c, "/offices", DefineOffice{id, text}, &out)
	return out.Changed, err
}

// Enrol enrols a counter.
func (c *Client) Enrol(ctx context.Context, e hub.Enrolment) (hub.Enrolled, error) {
	var out hub.Enrolled
	err := send(ctx, c, "/counters", e, &out)
	return out, err
}

// Seen returns what the hub knows of each counter's link.
func (c *Client) Seen(ctx context.Context) (seen []counterlink.Seen, err error) {
	err = send(ctx, c, "/counters/seen", struct{}{}, &seen)
	return seen, err
}

// Retire retires a counter.
func (c *Client) Retire(ctx context.Context, counter string) error {
	return send(ctx, c, of(counter, "retire"), struct{}{}, &Outcome{})
}

// Renew returns a counter's permissions, for its bundle.
func (c *Client) Renew(ctx context.Context, counter string) (jwt string, err error) {
	err = send(ctx, c, of(counter, "renew"), struct{}{}, &jwt)
	return jwt, err
}

// Heads returns the two ends of a counter's claims if they differ.
func (c *Client) Heads(ctx context.Context, counter string) (hub.Heads, error) {
	var out hub.Heads
	err := send(ctx, c, of(counter, "heads"), struct{}{}, &out)
	return out, err
}

// Adopt continues a counter's claims from its own end.
func (c *Client) Adopt(ctx context.Context, counter string, a hub.Adoption) error {
	return send(ctx, c, of(counter, "adopt"), a, &Outcome{})
}

// RollCards makes the next master key of cards and returns its version.
func (c *Client) RollCards(ctx context.Context) (version uint16, err error) {
	var out CardKey
	err = send(ctx, c, "/cards/roll", struct{}{}, &out)
	return out.Version, err
}

// Report reports a fact that reaches the hub without a counter.
func (c *Client) Report(ctx context.Context, r hub.Report) (hub.Reported, error) {
	var out hub.Reported
	err := send(ctx, c, "/reports", r, &out)
	return out, err
}

// Resolve settles something in quarantine.
func (c *Client) Resolve(ctx context.Context, id string, r hub.Resolution) error {
	return send(ctx, c, "/quarantine/"+url.PathEscape(id)+"/resolve", r, &Outcome{})
}

// RevokeFound revokes a certificate that the log never issued.
func (c *Client) RevokeFound(ctx context.Context, authority string, r hub.FoundRevocation) error {
	return send(ctx, c, "/authorities/"+url.PathEscape(authority)+"/revoke", r, &Outcome{})
}

// Erase orders an erasure.
func (c *Client) Erase(ctx context.Context, subscriber string, e hub.Erasure) (hub.Erased, error) {
	var out hub.Erased
	err := send(ctx, c, "/subscribers/"+url.PathEscape(subscriber)+"/erase", e, &out)
	return out, err
}

// KeyStatuses returns the status of each key in the hub's vault.
func (c *Client) KeyStatuses(ctx context.Context, keys []vault.Key) (statuses []vault.Status, err error) {
	err = send(ctx, c, "/keys", keys, &statuses)
	return statuses, err
}

// of returns the path of an order about one counter.
func of(counter, order string) string { return "/counters/" + url.PathEscape(counter) + "/" + order }

// send sends one order and decodes its outcome.
func send[In, Out any](ctx context.Context, c *Client, path string, what In, out *Out) error {
	body, err := json.Marshal(Order[In]{c.officer, what})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hub"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return unwrapped(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return json.NewDecoder(response.Body).Decode(out)
	}
	var why refusal
	if err := json.NewDecoder(response.Body).Decode(&why); err != nil {
		return fmt.Errorf("the hub answered %s", response.Status)
	}
	if response.StatusCode == http.StatusConflict {
		return fmt.Errorf("%w: %s", hub.ErrRefused, strings.TrimPrefix(why.Error, hub.ErrRefused.Error()+": "))
	}
	return errors.New(why.Error)
}

// unwrapped removes what net/http adds to an error: its URLs mean nothing to people.
func unwrapped(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}
