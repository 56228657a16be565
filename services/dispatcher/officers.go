package dispatcher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
)

// office answers the claim about officers behind a commit, and tells counters who may act where they stand whenever that changes.
// What is told is read from the directory: it may be newer than the commit, never older.
func (d *Dispatcher) office(ctx context.Context, r eventlog.Record) error {
	if d.Directory.Behind(r.ID, r.Commit.GetRevision()) != nil {
		if err := d.Directory.Refresh(ctx, d.Log); err != nil {
			return err
		}
	}
	var list []*events.Downlink
	if !d.tooOld(r.Commit) {
		list = append(list, d.answerOffice(r.Commit))
	}
	if affected := d.affected(r); len(affected) > 0 {
		for _, counter := range d.Directory.Counters() {
			if counter.Role == "counter" && slices.Contains(affected, counter.Office) {
				list = append(list, d.officers(r, counter))
			}
		}
	}
	return d.send(ctx, list...)
}

// answerOffice returns the answer to the claim behind a commit of an office; nil if none is.
func (d *Dispatcher) answerOffice(c *events.Commit) *events.Downlink {
	if c.GetCounter() == "" {
		return nil
	}
	a := &events.Answer{Claim: c.CommandId, Accepted: true}
	for _, e := range c.Events {
		if e.GetOfficerClaimRefused() != nil {
			a.Accepted, a.Refusals = false, e.RuleIds
		}
	}
	return &events.Downlink{
		Id: "answer/" + c.CommandId, Counter: c.Counter, IssuedMs: d.Clock().UnixMilli(), Body: &events.Downlink_Answer{Answer: a},
	}
}

// affected returns the offices whose counters hear of a commit: its own, and those where the officers in it may act or might.
func (d *Dispatcher) affected(r eventlog.Record) (offices []string) {
	for _, e := range r.Commit.GetEvents() {
		body := events.BodyOf(e)
		switch b := body.(type) {
		case *events.CounterEnrolled:
			if !d.silent(r.ID) {
				offices = append(offices, r.ID)
			}
		case *events.SignaturesRequired, *events.FourEyesDefined, *events.OfficerInvited:
			offices = append(offices, r.ID)
		case interface{ GetOfficer() string }:
			if officer.IsAbout(body) {
				offices = append(append(offices, r.ID), d.Directory.OfficesOf(r.ID, b.GetOfficer())...)
			}
		}
	}
	return offices
}

// silent reports whether an office has nothing to tell about officers: its counters are as they were before there were any.
func (d *Dispatcher) silent(office string) bool {
	now := d.now()
	return len(d.Directory.OfficersAt(office, now)) == 0 && d.Directory.OfficersOf(office, now).Required() == (civil.Date{})
}

// now returns the time by which everything that was read has happened.
func (d *Dispatcher) now() time.Time { return d.Directory.OfficersTime(d.Clock()) }

// officers returns what a counter is told about the officers of its office. A message of an earlier change never replaces one of a
// later change, at whatever office that was.
func (d *Dispatcher) officers(r eventlog.Record, to directory.Counter) *events.Downlink {
	newest := d.Directory.OfficersAsOf()
	now := d.now()
	office := d.Directory.OfficersOf(to.Office, now)
	told := &events.OfficeOfficers{
		RequiredFrom: office.Required().String(), FourEyes: office.FourEyes(civil.Of(now)), AsOfMs: newest.UnixMilli(),
		Demonstration: d.Directory.Trial(), FourEyesComing: office.FourEyesAfter(civil.Of(now)),
	}
	for _, o := range d.Directory.OfficersAt(to.Office, now) {
		if !o.Retired {
			told.Officers = append(told.Officers, d.told(o, to))
		}
	}
	return &events.Downlink{
		Id:      fmt.Sprintf("officers/%s/%d/%s", r.ID, r.Commit.Revision, to.ID),
		Counter: to.ID, IssuedMs: d.Clock().UnixMilli(), Body: &events.Downlink_Officers{Officers: told},
	}
}

// told returns what a counter hears about one officer. An invitation is good at counters of the officer's own office.
func (d *Dispatcher) told(o officer.Officer, to directory.Counter) *events.OfficeOfficer {
	t := &events.OfficeOfficer{Officer: o.Code, From: o.From.String(), Until: o.Until.String(), Home: o.Home}
	for _, role := range o.Roles {
		t.Roles = append(t.Roles, string(role))
	}
	for _, k := range o.Passkeys {
		if k.InForce() {
			t.Keys = append(t.Keys, &events.OfficerKey{Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty, Software: k.Software})
		}
	}
	sites := []officer.SiteKind{officer.AtCounter}
	if to.HostName != "" {
		sites = append(sites, officer.AtCounterHost)
	}
	for _, site := range sites {
		if open, err := o.Invitation(site, d.Clock()); err == nil && o.Home == to.Office {
			t.InvitedSha256, t.InvitedUntilMs = open.CodeSHA256, open.Until.UnixMilli()
		}
	}
	return t
}
