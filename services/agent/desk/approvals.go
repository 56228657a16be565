package desk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/lifecycle"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
)

// approvalsView lists the acts of this office that wait for a second officer.
type approvalsView struct {
	station
	List page.Table
}

// approvalView is one of them, with everything that an officer must know to decide on it.
type approvalView struct {
	station
	ID, Digest   string
	Facts, Who   []row
	Asked, Until string
	// Joined are the two histories of a joining, the one that goes on first; Ends is what the other one loses.
	Joined []joinSide
	Ends   *page.Table
	// Unshown says why they can't be shown; then nobody approves.
	Unshown *alarm
	// Why is what the first officer wrote.
	Why string
	// As is the officer who decides, empty while nobody is signed in. Own: they have asked for it, and can only take it back.
	As   string
	Own  bool
	Form typedForm
}

var (
	errNoApproval      = errors.New("no act of this office waits under that number")
	errApprovalChanged = errors.New("what waits is no longer what was shown")
	errUnasked         = errors.New("the centre can't be asked now for what waits")
)

func (d *Desk) showApprovals(c call, lang page.Language) (reply, error) {
	waiting, err := d.waitingActs(c.Context(), c.who.Code, "")
	if err != nil {
		return reply{}, err
	}
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: say("approvals.title"), Empty: say("approvals.none"), Columns: []page.Column{
		{Label: say("approvals.act")},
		{Label: say("procedure.receipt"), Short: true},
		{Label: say("approvals.by"), Short: true},
		{Label: say("approvals.counter"), Short: true},
		{Label: say("approvals.asked")},
		{Label: say("approvals.until")},
	}}
	for _, open := range waiting.Open {
		table.Rows = append(table.Rows, []page.Cell{
			{Text: say("act." + open.GetAct()), Href: "/approvals/" + open.GetId()},
			{Text: events.CaseNumber(open.GetProcedure())},
			{Text: open.GetOfficer()},
			{Text: open.GetCounter()},
			{Text: onFace(time.UnixMilli(open.GetAskedMs()))},
			{Text: lastMinute(open)},
		})
	}
	return show("approvals", page.View{Title: "approvals.title", Scripts: scripts, Data: approvalsView{d.station(lang, ""), table}}), nil
}

// lastMinute is the last minute in which an act can be approved.
func lastMinute(open *events.OpenApproval) string {
	return onFace(actpage.LastMinute(time.UnixMilli(open.GetLapsesMs())))
}

// waitingActs asks the centre. The error is errUnasked, or errNoApproval for an id that waits no more.
func (d *Desk) waitingActs(ctx context.Context, clerk, id string) (counterlink.Waiting, error) {
	waiting, err := d.Counter.Approvals(ctx, clerk, id)
	switch {
	case err != nil:
		d.Logger.Warn("what waits for a second officer could not be asked for", "error", err)
		return waiting, errUnasked
	case id != "" && len(waiting.Open) != 1:
		return waiting, errNoApproval
	}
	return waiting, nil
}

func (d *Desk) showApproval(c call, lang page.Language) (reply, error) {
	waiting, err := d.waitingActs(c.Context(), c.who.Code, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return d.approvalPage(c, waiting, url.Values{}, nil, lang), nil
}

func (d *Desk) approvalPage(c call, waiting counterlink.Waiting, form url.Values, wrong []page.FieldError, lang page.Language) reply {
	open := waiting.Open[0]
	v := approvalView{
		station: d.station(lang, ""), ID: open.GetId(), Digest: hex.EncodeToString(open.GetDigest()), Asked: onFace(time.UnixMilli(open.GetAskedMs())),
		Until: lastMinute(open), Facts: rowsOf(slices.Concat(d.telling(lang).Asked(open), d.telling(lang).Facts(waiting.Claim, waiting.Personal))), Who: d.whoOf(waiting.Personal.GetRecord(), lang),
		Why: waiting.Personal.GetSpecialCircumstances(), Form: withWrong(form, wrong),
	}
	if waiting.Claim.GetHistoriesJoined() != nil {
		d.showJoined(c, &v, waiting.Claim, lang)
	}
	v.As = d.decider(c, open)
	v.Own = v.As != "" && v.As == open.GetOfficer()
	out := show("approval", page.View{Title: "approval.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out
}

// decisionRequest is an officer's decision on an act that waits. Digest is that of what was shown.
type decisionRequest struct {
	Outcome string `json:"outcome"`
	Digest  string `json:"digest"`
	Why     string `json:"why"`
	Clerk   string `json:"clerk"`
}

func (d *Desk) postApproval(c call, lang page.Language) (reply, error) {
	var r decisionRequest
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	words := []string{lifecycle.ApprovalApproved, lifecycle.ApprovalRefused, lifecycle.ApprovalWithdrawn}
	if !slices.Contains(words, r.Outcome) {
		return reply{}, badRequest("outcome is approved, refused or withdrawn")
	}
	waiting, err := d.waitingActs(c.Context(), cmp.Or(c.who.Code, r.Clerk), c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	open := waiting.Open[0]
	if seen, err := hex.DecodeString(r.Digest); err != nil || !bytes.Equal(seen, open.GetDigest()) {
		return reply{}, errApprovalChanged
	}
	if !c.program() && r.Outcome == lifecycle.ApprovalRefused && strings.TrimSpace(r.Why) == "" {
		return d.approvalPage(c, waiting, c.PostForm, []page.FieldError{{Field: "why", Text: d.pages.Say(lang, "wrong.refusal.why")}}, lang), nil
	}
	act, err := d.Counter.Deciding(cmp.Or(d.decider(c, open), r.Clerk), open, r.Outcome, r.Why)
	return d.file(c, act, err)
}

// apiApprovals lists what waits, for programs.
func (d *Desk) apiApprovals(c call, _ page.Language) (reply, error) {
	var r struct {
		Clerk string `json:"clerk"`
	}
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	waiting, err := d.waitingActs(c.Context(), r.Clerk, "")
	if err != nil {
		return reply{}, err
	}
	list := []map[string]string{}
	for _, open := range waiting.Open {
		list = append(list, map[string]string{
			"id": open.GetId(), "act": open.GetAct(), "procedure": open.GetProcedure(), "officer": open.GetOfficer(), "counter": open.GetCounter(),
			"digest": hex.EncodeToString(open.GetDigest()), "until": time.UnixMilli(open.GetLapsesMs()).Format(time.RFC3339),
		})
	}
	return told(http.StatusOK, map[string]any{"approvals": list}), nil
}
