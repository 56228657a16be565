package lifecycle

import (
	"slices"

	"shomei/events"
)

// phoneAccepted folds an accepted application about a smartphone. One that asks for certificates makes the phone known;
// the others are carried out in the same commit.
func (f *fold) phoneAccepted(b *events.ApplicationAccepted) {
	f.s.PhoneMadeMs = max(f.s.PhoneMadeMs, b.MadeMs)
	phone := phoneOf(f.s, b.Device)
	switch b.Operation {
	case events.Operation_OPERATION_PHONE_ISSUE:
		if phone == nil {
			phone = &events.Phone{Device: b.Device, Platform: b.Platform}
			f.s.Phones = append(f.s.Phones, phone)
		}
		phone.Procedure, phone.Counter = b.Procedure, b.Counter
	case events.Operation_OPERATION_PHONE_RELEASE:
		if phone != nil {
			phone.Suspended = false
		}
	}
}

// phoneAuthorized folds an authorisation for a smartphone. Procedure and device stand with the phone, regime and last day
// with the card's certificate that it is bound to, without which it is not there.
func (f *fold) phoneAuthorized(b *events.IssueAuthorized) {
	phone := phoneOf(f.s, b.Device)
	if phone == nil {
		return
	}
	phone.Certificates = append(phone.Certificates, &events.Certificate{
		Serial: b.Serial, Kind: b.Kind, Status: authorized, Authority: b.Authority,
		NotBeforeMs: b.NotBeforeMs, TbsSha256: b.TbsSha256, Parent: b.Parent,
	})
	f.settlePhone(phone)
}

// settlePhone brings what is owed for a smartphone in line with what is on its way to it: a signature, an installation
// or nothing; and forgets a phone on which nothing is left, as ended certificates on it are forgotten.
func (f *fold) settlePhone(phone *events.Phone) {
	has := func(status events.CertificateStatus) bool {
		return slices.ContainsFunc(phone.Certificates, func(c *events.Certificate) bool { return c.Status == status })
	}
	if id := phone.Procedure; id != "" {
		f.oweOnly(owesSignature, id, has(authorized))
		f.oweOnly(owesPhone, id, !has(authorized) && has(issued))
		if !has(authorized) && !has(issued) {
			phone.Procedure, phone.Counter = "", ""
		}
	}
	if len(phone.Certificates) == 0 {
		f.s.Phones = slices.DeleteFunc(f.s.Phones, func(p *events.Phone) bool { return p == phone })
	}
}

// oweOnly owes something to a target while it stands, once.
func (f *fold) oweOnly(kind events.ObligationKind, target string, stands bool) {
	owed := slices.ContainsFunc(f.s.Obligations, func(o *events.Obligation) bool { return o.Kind == kind && o.Target == target })
	switch {
	case !stands:
		f.settle(kind, target)
	case !owed:
		f.owe(kind, target)
	}
}

// endOnPhone forgets a certificate on a smartphone that has ended.
func (f *fold) endOnPhone(phone *events.Phone, serial uint64) {
	phone.Certificates = slices.DeleteFunc(phone.Certificates, func(c *events.Certificate) bool { return c.Serial == serial })
	f.settlePhone(phone)
}

// installed puts the certificates of a smartphone in force. What only the way there needed is forgotten.
func (f *fold) installed(b *events.Delivered) {
	phone := phoneOf(f.s, b.Device)
	if phone == nil {
		return
	}
	for _, c := range phone.Certificates {
		if slices.Contains(b.Serials, c.Serial) && c.Status == issued {
			c.Status, c.CertificateSha256, c.NotBeforeMs = valid, nil, 0
		}
	}
	f.settlePhone(phone)
}
