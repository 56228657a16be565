package player

import (
	"context"
	"encoding/json"

	"shomei/cmd/shomei-lab/story"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
)

// A clerk whom a story names is an officer of the counter's office, who signs with a key in software: enrolled by an operator and
// with a one-time code, like anybody. What a story leaves to whoever sits there is filed unsigned, by clerk-1.

// anybody is the clerk of a story that names none.
const anybody = "clerk-1"

// signs reports whether the clerk of an application signs: not at the factory, and not where the story has one person typed in as both
// officers, which nobody can ask for who signs.
func signs(a *story.Application) bool {
	return a.Clerk != "" && a.Office != "" && officerCode(a.Clerk) != officerCode(a.SecondOfficer)
}

// officer returns the key of an officer at a counter's office, whom it enrols on first use.
func (w *World) officer(ctx context.Context, d *desk, office, code string) (*officer.SoftKey, error) {
	if key := w.officers[office+"/"+code]; key != nil {
		return key, nil
	}
	by, err := w.Hub.By(hub.Itself)
	if err != nil {
		return nil, err
	}
	enrolled := &events.OfficerEnrolled{Officer: code, Roles: []string{string(officer.Clerk), string(officer.Approver)}}
	if err := by.EnrolOfficer(ctx, office, enrolled, ""); err != nil {
		return nil, err
	}
	secret, _, err := by.InviteOfficer(ctx, office, code)
	if err != nil {
		return nil, err
	}
	key := officer.NewSoftKey()
	public := key.Passkey()
	var offered struct{ Procedure string }
	err = d.call(ctx, "POST", "/api/enrol", map[string]any{
		"officer": code, "code": secret, "credential": public.Credential, "public_key": public.PublicKey,
	}, &offered)
	if err == nil {
		_, err = d.until(ctx, offered.Procedure, "done")
	}
	if err != nil {
		return nil, err
	}
	w.officers[office+"/"+code] = key
	return key, nil
}

// act has a counter do something for an application in its clerk's name, signed by whom the story names.
func (p *performance) act(ctx context.Context, d *desk, a *story.Application, path string, body, into any) error {
	if !signs(a) {
		return d.call(ctx, "POST", path, body, into)
	}
	return p.signed(ctx, d, a.Office, officerCode(a.Clerk), path, body, into)
}

func (p *performance) signed(ctx context.Context, d *desk, office, code, path string, body, into any) error {
	key, err := p.world.officer(ctx, d, office, code)
	if err != nil {
		return err
	}
	var waits struct {
		Act       string
		Challenge []byte
	}
	if err := d.call(ctx, "POST", path+"?sign=1", body, &waits); err != nil {
		return err
	}
	response, err := key.Respond(waits.Challenge)
	if err != nil {
		return err
	}
	return d.call(ctx, "POST", "/api/acts/"+waits.Act, json.RawMessage(response), into)
}

// grant has the officer whom the story names approve what waits for a second one, unless the centre refuses the application before.
func (p *performance) grant(ctx context.Context, d *desk, at leftAt) error {
	a := at.application
	if a.SpecialCircumstances == "" || !signs(a) {
		return nil
	}
	state := &procedure{}
	err := d.poll(ctx, "the application to wait for a second officer", func() (bool, error) {
		*state = procedure{}
		err := d.call(ctx, "GET", "/api/procedures/"+at.procedure, nil, state)
		return state.Approval != "" || state.State == "refused", err
	})
	if err != nil || state.State == "refused" {
		return err
	}
	second := officerCode(a.SecondOfficer)
	var waiting struct {
		Approvals []struct{ ID, Digest string }
	}
	if err := d.call(ctx, "POST", "/api/approvals", map[string]string{"clerk": second}, &waiting); err != nil {
		return err
	}
	for _, w := range waiting.Approvals {
		if w.ID != state.Approval {
			continue
		}
		return p.signed(ctx, d, a.Office, second, "/api/approvals/"+w.ID, map[string]string{
			"outcome": lifecycle.ApprovalApproved, "digest": w.Digest, "clerk": second,
		}, nil)
	}
	return nil
}
