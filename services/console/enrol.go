package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/pkg/wait"
)

// enrolView is the data of the page on which an officer enrols a passkey for the console with an invitation's code.
type enrolView struct {
	Officer string
	// Done: the passkey is enrolled.
	Done bool
}

func (c *Console) enrolRoutes() []route {
	return []route{
		{"GET /enrol", forAll, c.enrolPage},
		{"POST /enrol/options", forAll, c.enrolOptions},
		{"POST /enrol", forAll, c.enrol},
	}
}

func (c *Console) enrolPage(w http.ResponseWriter, r *http.Request) {
	c.showEnrol(w, r, http.StatusOK, enrolView{}, "")
}

// invited returns the officer whose invitation's code was typed, and the code. Errors: events.ErrOfficer, officer.NoInvitation, a
// *signin.TooMany.
func (c *Console) invited(r *http.Request) (who officer.Officer, code string, err error) {
	typed, err := signin.TypedCode(r, "officer")
	if err != nil {
		return who, "", err
	}
	code = officer.TidyCode(r.PostFormValue("code"))
	err = c.site.TryCode(typed, func() error {
		if who, err = c.SignIn.Invited(officer.CodeHash(code)); err != nil || code == "" || who.Code != typed {
			return officer.NoInvitation // nobody learns here who is an officer
		}
		_, err := who.Invitation(officer.AtConsole, c.Clock())
		return err
	})
	return who, code, err
}

func (c *Console) enrolOptions(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	who, _, err := c.invited(r)
	var options []byte
	if err == nil {
		options, err = c.site.NewKeyOptions(w, r, who.Home, who.Code, who.Passkeys)
	}
	if err != nil {
		status, key := c.enrolRefusal(w, err)
		http.Error(w, c.say(r, key), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(options) // the browser has gone, or reads it
}

func (c *Console) enrol(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	who, code, err := c.invited(r)
	var key signin.NewKey
	if err == nil {
		key, err = c.site.NewKey(r, []byte(r.PostFormValue("passkey")))
	}
	if err == nil {
		err = c.offer(r.Context(), who, code, key)
	}
	if err != nil {
		c.Logger.WarnContext(r.Context(), "a passkey was not enrolled at the console", "why", err)
		status, key := c.enrolRefusal(w, err)
		c.showEnrol(w, r, status, enrolView{}, key)
		return
	}
	c.showEnrol(w, r, http.StatusOK, enrolView{Officer: who.Code, Done: true}, "")
}

// offer has the registration authority enrol a passkey, and waits until the console knows of it. Errors are those of SignIn.Offer.
func (c *Console) offer(ctx context.Context, who officer.Officer, code string, key signin.NewKey) error {
	ask, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	if err := c.SignIn.Offer(ask, who, code, key); err != nil {
		return err
	}
	c.await(ctx, func() bool {
		_, err := c.SignIn.Find(key.Credential)
		return err == nil
	})
	return nil
}

// await waits until this process has heard of what another one has recorded, or is likely to have.
func (c *Console) await(ctx context.Context, heard func() bool) {
	ctx, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	_ = wait.Until(ctx, lookEvery, func() (bool, error) { return heard(), nil }) // it is recorded all the same
}

// heardWithin is how long what another process has recorded may take to be known here, lookEvery the time between two looks.
const (
	heardWithin = 2 * time.Second
	lookEvery   = 20 * time.Millisecond
)

// enrolRefusal returns the status of a refusal and the key of what the officer is told.
func (c *Console) enrolRefusal(w http.ResponseWriter, err error) (status int, key string) {
	var early *signin.TooMany
	switch {
	case errors.As(err, &early):
		w.Header().Set("Retry-After", strconv.Itoa(int(early.Wait/time.Second)+1))
		return http.StatusTooManyRequests, "console.enrol.early"
	case errors.Is(err, signin.ErrBusy):
		return http.StatusServiceUnavailable, "console.signin.busy"
	case errors.Is(err, events.ErrOfficer):
		return http.StatusUnprocessableEntity, "console.signin.code.error"
	case errors.Is(err, officer.NoInvitation):
		return http.StatusForbidden, "console.enrol.code.wrong"
	case errors.Is(err, officer.KeyTaken):
		return http.StatusForbidden, "console.enrol.taken"
	}
	if reason := officer.Reason(""); errors.As(err, &reason) {
		return http.StatusForbidden, "console.enrol.failed"
	}
	return http.StatusServiceUnavailable, "console.enrol.away"
}

func (c *Console) showEnrol(w http.ResponseWriter, r *http.Request, status int, view enrolView, wrong string) {
	show := page.View{Title: "console.enrol.title", Scripts: []string{"signin.js"}}
	if !view.Done {
		view.Officer = r.PostFormValue("officer")
	}
	if wrong != "" {
		show.Errors = []page.FieldError{{Field: "code", Text: c.say(r, wrong)}}
	}
	show.Data = view
	c.render(w, r, status, "enrol", show)
}
